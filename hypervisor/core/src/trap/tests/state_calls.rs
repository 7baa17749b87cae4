//! Hypercalls on trap and processor state: every refusal that real Xen has.

use super::*;
use crate::error::{Errno, HypercallResult, Stop};
use crate::testkit::FAKE_LDT;
use hypercall_abi::arch_x86_64::trap_info;
use hypercall_abi::callback::callback_register;
use zerocopy::IntoBytes;

const NOT_CANONICAL: u64 = 0x8000_0000_0000_0000;
const IN_XEN: u64 = 0xffff_8100_0000_0000;
const BUFFER: u64 = KERNEL_STACK;
const INVALID: HypercallResult = Err(Stop::Err(Errno::EINVAL));
const FAULT: HypercallResult = Err(Stop::Err(Errno::EFAULT));
const NO_CALL: HypercallResult = Err(Stop::Err(Errno::ENOSYS));

fn put(g: &Guest, at: u64, bytes: &[u8]) {
    g.hv.machine.copy_to_guest(at, bytes).unwrap();
}

fn gate(vector: u8, address: u64) -> trap_info {
    trap_info {
        vector,
        flags: 0xff,
        cs: 0xe030,
        _pad0: [0; 4],
        address,
    }
}

#[test]
fn trap_tables() {
    let mut g = guest(1);
    let good = [gate(3, 0x1000), gate(255, IN_XEN), gate(7, 0)];
    put(&g, BUFFER, good.as_bytes());
    assert_eq!(calls::set_trap_table(&mut g.cx(), BUFFER), Ok(0));
    let t = g.vcpu.arch.traps[255];
    assert_eq!((t.address, t.flags, t.cs), (IN_XEN, 7, 0xe033));
    assert_ne!(
        g.vcpu.arch.traps[7].address, 0,
        "the last one only ends the list"
    );
    let bad = [gate(4, 0x2000), gate(5, NOT_CANONICAL)];
    put(&g, BUFFER, bad.as_bytes());
    assert_eq!(calls::set_trap_table(&mut g.cx(), BUFFER), INVALID);
    assert_eq!(g.vcpu.arch.traps[4].address, 0x2000);
    for at in [0x1000, IN_XEN, NOT_CANONICAL, u64::MAX - 7] {
        assert_eq!(calls::set_trap_table(&mut g.cx(), at), FAULT);
    }
    assert_eq!(calls::set_trap_table(&mut g.cx(), 0), Ok(0));
    assert!(g.vcpu.arch.traps.iter().all(|t| t.address == 0));
}

#[test]
fn a_trap_table_without_end_is_interrupted() {
    let mut g = guest(1);
    let all = [gate(1, 0x1000); 256];
    put(&g, BUFFER, all.as_bytes());
    let mut cx = g.cx();
    cx.budget = crate::hypercall::Budget::new(100);
    for _ in 0..2 {
        assert_eq!(calls::set_trap_table(&mut cx, BUFFER), Err(Stop::Retry));
        cx.budget = crate::hypercall::Budget::new(100);
    }
    // After 256 gates it reads the user's stack, which is zero, and ends.
    assert_eq!(calls::set_trap_table(&mut cx, BUFFER), Ok(0));
}

#[test]
fn callbacks_of_every_type() {
    for kind in 0..10_u16 {
        let known = matches!(kind, 0 | 1 | 2 | 4 | 5 | 7);
        let answer = if known { Ok(0) } else { NO_CALL };
        for (address, expected) in [
            (0x1000, answer),
            (NOT_CANONICAL, INVALID),
            (IN_XEN, answer),
            (0, answer),
        ] {
            let mut g = guest(1);
            let r = callback_register {
                r#type: kind,
                flags: 1,
                _pad0: [0; 4],
                address,
            };
            put(&g, BUFFER, r.as_bytes());
            assert_eq!(
                calls::callback_op(&mut g.cx(), 0, BUFFER),
                expected,
                "{kind}"
            );
            let expected = match kind {
                4 => Ok(0),
                _ if known => INVALID,
                _ => NO_CALL,
            };
            assert_eq!(
                calls::callback_op(&mut g.cx(), 1, BUFFER),
                expected,
                "{kind}"
            );
        }
    }
    let mut g = guest(1);
    assert_eq!(calls::callback_op(&mut g.cx(), 2, BUFFER), NO_CALL);
    assert_eq!(calls::callback_op(&mut g.cx(), u64::MAX, BUFFER), NO_CALL);
    assert_eq!(calls::callback_op(&mut g.cx(), 0, 0x1000), FAULT);
    assert_eq!(
        calls::set_callbacks(&mut g.cx(), 1, NOT_CANONICAL, 3),
        Ok(0)
    );
    assert_eq!(g.vcpu.arch.event.address, 1);
    assert_eq!(g.vcpu.arch.failsafe.address, 0);
}

#[test]
fn segment_bases() {
    let bases = [
        (0, true),
        (NOT_CANONICAL, false),
        (IN_XEN, true),
        (1 << 47, false),
    ];
    for which in 0..6 {
        for (base, canonical) in bases {
            let mut g = guest(1);
            let expected = if which == 3 || (which < 3 && canonical) {
                Ok(0)
            } else {
                INVALID
            };
            assert_eq!(calls::set_segment_base(&mut g.cx(), which, base), expected);
        }
    }
    let mut g = guest(1);
    calls::set_segment_base(&mut g.cx(), 0, 0x1000).unwrap();
    calls::set_segment_base(&mut g.cx(), 1, 0xbbbb_0000).unwrap();
    calls::set_segment_base(&mut g.cx(), 2, 0xaaaa_0000).unwrap();
    assert_eq!(
        (g.hv.machine.fs_base(), g.hv.machine.gs_base()),
        (0x1000, 0xaaaa_0000)
    );
    calls::set_segment_base(&mut g.cx(), 3, 0x2b).unwrap();
    assert_eq!(g.hv.machine.gs_base(), 0xaaaa_0000);
    let g = g.user();
    assert_eq!(g.hv.machine.gs_base(), 0xbbbb_0000);
}

#[test]
fn assists() {
    for kind in 0..40 {
        let known = kind <= 5 || kind == 32;
        for (cmd, answer) in [(0, Ok(0)), (1, Ok(0)), (2, NO_CALL)] {
            let mut g = guest(1);
            let expected = if known { answer } else { INVALID };
            assert_eq!(calls::vm_assist(&mut g.cx(), cmd, kind), expected);
            let bit = g.dom.vm_assist.load(Ordering::Relaxed);
            assert_eq!(bit, if known && cmd == 0 { 1 << kind } else { 0 });
        }
    }
}

#[test]
fn debug_registers() {
    let perm = Err(Stop::Err(Errno::EPERM));
    let none = Err(Stop::Err(Errno::ENODEV));
    let cases: &[(u64, u64, HypercallResult, u64)] = &[
        (7, 0, Ok(0), 0x400),
        (7, 0x401, Ok(0), 0x401),
        (7, 0x2000, perm, 0x400),
        (7, 0xf_0001, Ok(0), 0xf_0401),
        (7, 0x3_0001, Ok(0), 0x3_0401),
        (7, 0x2_0001, perm, 0x400),
        (7, 1 << 32, INVALID, 0x400),
        (7, 0xffff_ffff, perm, 0x400),
        (7, 0x1400, Ok(0), 0x400),
        (7, 0x8400, Ok(0), 0x400),
        (0, 0x7fff_ffff_ffff, Ok(0), 0x7fff_ffff_ffff),
        (1, 0x8000_0000_0000, perm, 0),
        (2, 0xffff_8000_0000_0000, perm, 0),
        (3, 0xffff_87ff_ffff_ffff, perm, 0),
        (0, 0xffff_8800_0000_0000, Ok(0), 0xffff_8800_0000_0000),
        (0, u64::MAX, Ok(0), u64::MAX),
        (0, 0xffff_7fff_ffff_ffff, perm, 0),
        (6, 0, Ok(0), 0xffff_0ff0),
        (6, 0xffff_ffff, Ok(0), 0xffff_efff),
        (6, 1 << 32, INVALID, 0xffff_0ff0),
        (6, 0xffff_1fff, Ok(0), 0xffff_0fff),
        (4, 0, Ok(0), 0xffff_0ff0),
        (5, 0, Ok(0), 0x400),
    ];
    for &(reg, value, result, reads) in cases {
        let mut g = guest(1);
        assert_eq!(
            calls::set_debugreg(&mut g.cx(), reg, value),
            result,
            "{reg} {value:x}"
        );
        assert_eq!(
            calls::get_debugreg(&mut g.cx(), reg),
            Ok(reads as i64),
            "{reg} {value:x}"
        );
    }
    for reg in [8, 9, 1000, u64::MAX] {
        assert_eq!(calls::set_debugreg(&mut guest(1).cx(), reg, 0), none);
        assert_eq!(calls::get_debugreg(&mut guest(1).cx(), reg), none);
    }
    assert_eq!(calls::get_debugreg(&mut guest(1).cx(), 1 << 32), Ok(0));
}

/// A frame of the guest's that nothing maps.
fn table_page(g: &Guest) -> Mfn {
    g.hv.alloc_domain_page(g.dom).unwrap()
}

fn name_frames(g: &Guest, frames: &[Mfn]) {
    for (i, mfn) in frames.iter().enumerate() {
        put(g, BUFFER + 8 * i as u64, &mfn.0.to_le_bytes());
    }
}

#[test]
fn gdt_frames_are_all_taken_or_none() {
    let mut g = guest(1);
    let pages = [table_page(&g), table_page(&g)];
    g.hv.machine.store_u64(pages[0], 8, 0x00cf_9200_0000_ffff);
    name_frames(&g, &pages);
    assert_eq!(calls::set_gdt(&mut g.cx(), BUFFER, 600), Ok(0));
    assert_eq!(g.hv.machine.cpu_state().gdt, pages);
    assert_eq!(g.hv.machine.load_u64(pages[0], 8), 0x00cf_f200_0000_ffff);
    for &page in &pages {
        assert!(
            g.hv.page_get_writable(g.dom, page).is_err(),
            "is a descriptor page"
        );
    }
    // The second frame is nobody's: the first is given back, the old table stays.
    let other = table_page(&g);
    name_frames(&g, &[other, Mfn(1 << 40)]);
    assert_eq!(calls::set_gdt(&mut g.cx(), BUFFER, 513), INVALID);
    assert_eq!(g.hv.machine.cpu_state().gdt, pages);
    g.hv.page_get_writable(g.dom, other).unwrap();
    g.hv.page_put_writable(other);
    // A TSS descriptor.
    g.hv.machine.store_u64(other, 24, 0x0000_8900_0000_0067);
    name_frames(&g, &[other]);
    assert_eq!(calls::set_gdt(&mut g.cx(), BUFFER, 16), INVALID);
    assert_eq!(calls::set_gdt(&mut g.cx(), 0x1000, 1), FAULT);
    assert_eq!(calls::set_gdt(&mut g.cx(), BUFFER, 7169), INVALID);
    assert_eq!(calls::set_gdt(&mut g.cx(), 0, 0), Ok(0));
    assert!(g.hv.machine.cpu_state().gdt.is_empty());
    for &page in &pages {
        g.hv.page_get_writable(g.dom, page).unwrap();
        g.hv.page_put_writable(page);
    }
}

#[test]
fn descriptors_are_stored_in_their_admitted_form() {
    let mut g = guest(1);
    let page = table_page(&g);
    name_frames(&g, &[page]);
    calls::set_gdt(&mut g.cx(), BUFFER, 16).unwrap();
    let data = g.code;
    for mfn in [page, data] {
        let ma = mfn.addr() + 40;
        let privileged = 0x00cf_9200_0000_ffff;
        assert_eq!(calls::update_descriptor(&mut g.cx(), ma, privileged), Ok(0));
        assert_eq!(g.hv.machine.load_u64(mfn, 40), 0x00cf_f200_0000_ffff);
        assert_eq!(
            calls::update_descriptor(&mut g.cx(), ma, 0x0000_8900_0000_0067),
            INVALID
        );
        assert_eq!(calls::update_descriptor(&mut g.cx(), ma + 4, 0), INVALID);
        assert_eq!(g.hv.machine.load_u64(mfn, 40), 0x00cf_f200_0000_ffff);
    }
    for ma in [0, 0xffff_ffff_ffff_fff8, 1 << 50] {
        assert_eq!(calls::update_descriptor(&mut g.cx(), ma, 0), INVALID);
    }
}

#[test]
fn ldt_pages_come_when_they_are_used() {
    let mut g = guest(1);
    let page = table_page(&g);
    let root = testkit::map(g.hv, g.dom, CODE, &[g.code, table_page(&g), page]);
    g.vcpu.arch.kernel_root = Some(root).into();
    g.hv.machine.load_root(root);
    let base = USER_STACK;
    for (base, entries) in [
        (base + 8, 1),
        (base, 8193),
        (base, u64::MAX),
        (NOT_CANONICAL, 1),
        (IN_XEN, 1),
    ] {
        let result = calls::set_ldt(g.hv, &mut g.vcpu, base, entries);
        assert_eq!(result, Err(Errno::EINVAL));
    }
    calls::set_ldt(g.hv, &mut g.vcpu, base, 5).unwrap();
    exception(g.hv, &mut g.vcpu, PF, 0, FAKE_LDT + 8);
    assert_eq!(g.hv.machine.cpu_state().ldt_pages[0], Some(page));
    assert_eq!(g.vcpu.regs.rip, CODE + 0x100, "the access runs again");
    assert!(g.hv.page_get_writable(g.dom, page).is_err());
    // Behind the table, and a page that is mapped and faults all the same: the guest's fault.
    for offset in [40, 8] {
        g.vcpu.regs.rip = CODE + 0x100;
        exception(g.hv, &mut g.vcpu, PF, 0, FAKE_LDT + offset);
        assert_eq!(g.vcpu.regs.rip, HANDLERS + 14);
        assert_eq!(bounce::cr2(g.hv, &g.vcpu), base + offset);
        assert!(!g.is_dead());
    }
    calls::set_ldt(g.hv, &mut g.vcpu, 0, 0).unwrap();
    g.hv.page_get_writable(g.dom, page).unwrap();
    g.hv.page_put_writable(page);
}
