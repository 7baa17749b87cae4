//! What published advisories describe, tried by a guest without privilege on the fake machine: the
//! rows of the table of advisory classes, by letter. The same and more is tried in guest-kernel's
//! `check/advisories`, there by a control domain, on Paravane and on real Xen.
//!
//! After each attack every count is what memory says, and at the end all frames come back.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules shared with another test"
)]

#[path = "../faults/grants.rs"]
mod grants;
#[path = "../faults/operations.rs"]
mod operations;
#[path = "../faults/world.rs"]
mod world;

use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, FLAT_USER_CS, VGCF_in_syscall, iret_context};
use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::platform::{XENPF_INTERFACE_VERSION, XENPF_settime64};
use hypercall_abi::sysctl::{XEN_SYSCTL_INTERFACE_VERSION, XEN_SYSCTL_physinfo};
use hypercall_abi::version::*;
use hypercall_abi::xen::*;
use hypervisor_core::addr::{Mfn, canonical};
use hypervisor_core::frame::word::Kind;
use hypervisor_core::hypercall::{Budget, dispatch};
use hypervisor_core::platform::Machine;
use hypervisor_core::testkit::Happened;
use hypervisor_core::trap;
use hypervisor_core::vcpu::{Mode, TrapGate};
use operations::{
    SELF, exchange, hole, memory, mmu, mmuext, reservation, reserve, spare, spare_tree,
};
use world::{ARGS, BASE, Call, Caller, World};
use zerocopy::{FromZeros, IntoBytes};

const EPERM: i64 = -1;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;

/// Makes a call as the guest; everything is as it should be afterwards.
fn guest(w: &mut World, call: Call) -> i64 {
    w.deliver();
    let result = w.run(Caller::Guest, call);
    w.settle(Caller::Guest);
    w.check()
        .unwrap_or_else(|why| panic!("after {call:x?}: {why}"));
    let _ = w.answer();
    w.set_args(Vec::new());
    result
}

fn op(w: &mut World, cmd: u32, arg1: u64, arg2: u64) -> i64 {
    let call = mmuext(w, &[(cmd, arg1, arg2)]);
    guest(w, call)
}

fn entry(w: &mut World, at: u64, value: u64) -> i64 {
    let call = mmu(w, &[(at, value)], SELF);
    guest(w, call)
}

fn address(frame: u64) -> u64 {
    frame << 12
}

/// Every handler leads to its own address, with a stack in the first page.
fn with_handlers(w: &mut World) {
    let vcpu = &mut w.guest.vcpu;
    for (vector, gate) in vcpu.arch.traps.iter_mut().enumerate() {
        *gate = TrapGate {
            cs: FLAT_KERNEL_CS,
            flags: 0,
            address: HANDLERS + vector as u64,
        };
    }
    let r = &mut vcpu.regs;
    (r.rsp, r.cs, r.ss, r.rflags) = (BASE + 0x800, 0xe033, 0xe02b, 0x202);
    w.hv.machine.load_root(w.guest.tables[3]);
}
const HANDLERS: u64 = 0x5000;

/// Has the guest's kernel meet #GP at `code`; the vector that it is told, if it is.
fn at(w: &mut World, code: &[u8]) -> Option<u64> {
    with_handlers(w);
    w.set_args(code.to_vec());
    w.deliver();
    w.guest.vcpu.regs.rip = ARGS;
    trap::exception(w.hv, &mut w.guest.vcpu, 13, 0, 0);
    w.set_args(Vec::new());
    let rip = w.guest.vcpu.regs.rip;
    (HANDLERS..HANDLERS + 256)
        .contains(&rip)
        .then(|| rip - HANDLERS)
}

// A. Owners, types, counts, translations.

#[test]
fn row_a_xsa_113_machphys_update_takes_no_reference() {
    let mut w = World::new();
    let frame = spare(&w, 0);
    for _ in 0..3 {
        assert_eq!(entry(&mut w, address(frame) | 1, 7), 0);
    }
    let call = reserve(&mut w, XENMEM_decrease_reservation, &[frame], 0);
    assert_eq!(guest(&mut w, call), 1);
    assert!(
        entry(&mut w, address(frame) | 1, 7) < 0,
        "it is nobody's now"
    );
    w.end().unwrap();
}

#[test]
fn row_a_xsa_287_used_pages_are_not_exchanged() {
    let mut w = World::new();
    for frame in [w.guest.pages[0], w.guest.tables[0], w.guest.tables[3]].map(|mfn| mfn.0) {
        let call = exchange(&mut w, &[frame], 0, &[5], 0);
        assert!(guest(&mut w, call) < 0, "frame {frame:#x} is in use");
    }
    let theirs = w.dom0.pages[0].0;
    let call = exchange(&mut w, &[theirs], 0, &[5], 0);
    assert!(guest(&mut w, call) < 0);
    w.end().unwrap();
}

#[test]
fn row_a_xsa_346_a_frame_given_up_is_flushed_before_anyone_has_it() {
    let mut w = World::new();
    let frame = w.guest.pages[0].0;
    let unmap = (
        __HYPERVISOR_update_va_mapping,
        [BASE, 0, UVMF_NONE, 0, 0, 0],
    );
    assert_eq!(guest(&mut w, unmap), 0);
    let call = reserve(&mut w, XENMEM_decrease_reservation, &[frame], 0);
    assert_eq!(guest(&mut w, call), 1);
    let _ = w.hv.machine.take_happened();
    w.hoard(0);
    let flushed = |h: &Happened| matches!(h, Happened::FlushLocal | Happened::FlushRemote(_));
    assert!(w.hv.machine.take_happened().iter().any(flushed));
    let left =
        w.hv.machine
            .frame_words(Mfn(frame))
            .iter()
            .any(|word| word.load(std::sync::atomic::Ordering::Relaxed) != 0);
    assert!(!left, "and it holds nothing of its last owner");
}

#[test]
fn row_a_xsa_401_writable_and_a_table_exclude_each_other() {
    let mut w = World::new();
    let (l1, data) = (w.guest.tables[0], w.guest.pages[0]);
    let at_hole = hole(&w);
    assert!(
        entry(&mut w, at_hole, l1.addr() | 7) < 0,
        "a table, writable"
    );
    assert_eq!(
        entry(&mut w, at_hole, l1.addr() | 5),
        0,
        "a table, to be read"
    );
    assert!(entry(&mut w, at_hole, l1.addr() | 7) < 0, "by the fast way");
    assert!(
        op(&mut w, MMUEXT_PIN_L1_TABLE, data.0, 0) < 0,
        "a writable page as a table"
    );
    assert_eq!(w.hv.frames.word(l1).kind(), Kind::L1);
    assert_eq!(w.hv.frames.word(data).kind(), Kind::Writable);
    assert_eq!(entry(&mut w, at_hole, 0), 0);
    w.end().unwrap();
}

// B. Entries.

#[test]
fn row_b_xsa_148_no_superpage_at_any_level() {
    let mut w = World::new();
    for level in 1..4 {
        let (table, old) = (w.guest.tables[level], w.guest.tables[level - 1].addr() | 7);
        let index = hypervisor_core::addr::table_index(BASE, level as u32 + 1) as u64;
        for large in [old | 1 << 7, old & !2 | 1 << 7, 1 << 7 | 7] {
            let result = entry(&mut w, table.addr() + index * 8, large);
            assert!(result < 0, "{large:#x} at level {}", level + 1);
        }
    }
    w.end().unwrap();
}

#[test]
fn row_b_xsa_227_misaligned_entries_are_the_aligned_ones() {
    let mut w = World::new();
    let before = w.hv.machine.entry_writes().len();
    for offset in 3..8 {
        let at = hole(&w) + offset;
        let value = address(spare(&w, 0)) | 5;
        let _ = entry(&mut w, at, value);
    }
    let writes = w.hv.machine.entry_writes();
    assert!(
        writes[before..]
            .iter()
            .all(|write| write.table == w.guest.tables[0])
    );
    let at = hole(&w);
    assert_eq!(entry(&mut w, at, 0), 0);
    w.end().unwrap();
}

#[test]
fn row_b_xsa_279_no_address_is_flushed_that_is_none() {
    let mut w = World::new();
    for va in [1 << 63, 0x8000_0000_0000, 0xffff_8300_0000_0000] {
        let page = address(spare(&w, 0)) | 5;
        let call = (
            __HYPERVISOR_update_va_mapping,
            [va, page, UVMF_INVLPG, 0, 0, 0],
        );
        assert!(guest(&mut w, call) < 0);
        for cmd in [MMUEXT_INVLPG_LOCAL, MMUEXT_INVLPG_ALL] {
            let _ = op(&mut w, cmd, va, 0);
        }
    }
    let invalid = |h: &Happened| matches!(h, Happened::Invlpg(va) if !canonical(*va));
    assert!(!w.hv.machine.take_happened().iter().any(invalid));
    w.end().unwrap();
}

// C. Tables that lead to themselves.

#[test]
fn row_c_xsa_182_a_root_never_maps_itself() {
    let mut w = World::new();
    let root = w.guest.tables[3];
    for rights in [5, 7, 5] {
        assert_eq!(
            entry(&mut w, root.addr() + 8 * 8, root.addr() | rights),
            EINVAL
        );
    }
    w.end().unwrap();
}

#[test]
fn row_c_xsa_240_rings_of_tables_are_refused() {
    for level in 2..=4_u32 {
        // A longer one meets itself as data, which may be read.
        for length in 1..level as usize {
            let mut w = World::new();
            let frames: Vec<u64> = (0..length).map(|n| spare(&w, n)).collect();
            for (i, frame) in frames.iter().enumerate() {
                let next = address(frames[(i + 1) % length]) | 5;
                w.hv.machine.store_u64(Mfn(*frame), 0, next);
            }
            for &frame in &frames {
                assert!(op(&mut w, MMUEXT_PIN_L1_TABLE + level - 1, frame, 0) < 0);
                assert_eq!(w.hv.frames.word(Mfn(frame)).kind(), Kind::None);
            }
            w.end().unwrap();
        }
    }
}

// F. Memory operations.

#[test]
fn row_f_xsa_29_and_212_exchange_writes_nowhere_else() {
    let mut w = World::new();
    let frame = spare(&w, 0);
    for (count, done) in [
        (1, 1_u64 << 60),
        (u64::MAX, u64::MAX - 1),
        (1 << 63, 1 << 61),
        (0x1fff_f060_0000_0001, 0x1fff_f060_0000_0000),
        (1, 2),
    ] {
        let ins = w.put(&[frame][..]);
        let outs = w.put(&[5_u64][..]);
        let request = xen_memory_exchange {
            r#in: reservation(ins, count, 0),
            out: reservation(outs, count, 0),
            nr_exchanged: done,
        };
        let call = memory(&mut w, XENMEM_exchange, &request);
        assert!(
            guest(&mut w, call) < 0,
            "{count:#x} extents, {done:#x} done"
        );
    }
    for list in [0xffff_8300_0000_0000, 0xffff_8000_0000_0000, 1 << 63] {
        let ins = w.put(&[frame][..]);
        let request = xen_memory_exchange {
            r#in: reservation(ins, 1, 0),
            out: reservation(list, 1, 0),
            nr_exchanged: 0,
        };
        let call = memory(&mut w, XENMEM_exchange, &request);
        assert_eq!(guest(&mut w, call), EFAULT);
    }
    w.end().unwrap();
}

#[test]
fn row_f_xsa_31_orders_beyond_reason_do_nothing() {
    let mut w = World::new();
    for order in [10, 19, 31, 32, 63, 64, u32::MAX] {
        for cmd in [
            XENMEM_increase_reservation,
            XENMEM_decrease_reservation,
            XENMEM_populate_physmap,
        ] {
            let call = reserve(&mut w, cmd, &[5], order);
            assert_eq!(guest(&mut w, call), 0, "order {order}");
        }
        let frame = spare(&w, 0);
        let call = exchange(&mut w, &[frame], order, &[5], order);
        assert!(guest(&mut w, call) < 0);
    }
    w.end().unwrap();
}

#[test]
fn row_f_xsa_231_nodes_that_are_not() {
    let mut w = World::new();
    for node in [64_u32, 127, 254] {
        let list = w.put(&[5_u64][..]);
        let mut request = reservation(list, 1, 0);
        request.mem_flags = (node + 1) << 8;
        let call = memory(&mut w, XENMEM_increase_reservation, &request);
        assert_eq!(guest(&mut w, call), 0);
    }
    w.end().unwrap();
}

// G. Ways out and in.

#[test]
fn row_g_xsa_7_no_return_to_what_is_no_address() {
    for flags in [0, VGCF_in_syscall] {
        for rip in [0x8000_0000_0000, 1 << 63, 0xffff_7fff_ffff_ffff] {
            let mut w = World::new();
            with_handlers(&mut w);
            let frame = iret_context {
                rax: 0,
                r11: 0,
                rcx: 0,
                flags,
                rip,
                cs: u64::from(FLAT_KERNEL_CS & !3),
                rflags: 0x202,
                rsp: BASE + 0x800,
                ss: 0xe02b,
            };
            w.guest.vcpu.regs.rsp = BASE + 0x100;
            w.hv.machine
                .copy_to_guest(BASE + 0x100, frame.as_bytes())
                .unwrap();
            w.guest.vcpu.regs.rax = __HYPERVISOR_iret;
            dispatch::hypercall(w.hv, &mut w.guest.vcpu);
            assert_eq!(w.guest.vcpu.regs.rip, HANDLERS + 13);
        }
    }
}

#[test]
fn row_g_xsa_213_nothing_behind_an_iret_in_a_list() {
    let mut w = World::new();
    with_handlers(&mut w);
    let frame = iret_context {
        rax: 0,
        r11: 0,
        rcx: 0,
        flags: 0,
        rip: 0x6000,
        cs: u64::from(FLAT_USER_CS),
        rflags: 0x202,
        rsp: BASE,
        ss: 0xe02b,
    };
    w.guest.vcpu.arch.user_root = Some(w.guest.tables[3]).into();
    w.guest.vcpu.regs.rsp = BASE + 0x100;
    w.hv.machine
        .copy_to_guest(BASE + 0x100, frame.as_bytes())
        .unwrap();
    let item = |op: u64, args: [u64; 6]| multicall_entry {
        op,
        result: 0x5555,
        args,
    };
    let list = [
        item(__HYPERVISOR_iret, [0; 6]),
        item(__HYPERVISOR_update_va_mapping, [BASE, 0, 0, 0, 0, 0]),
    ];
    let at = w.put(&list[..]);
    w.deliver();
    let before = w.hv.machine.entry_writes().len();
    let r = &mut w.guest.vcpu.regs;
    (r.rax, r.rdi, r.rsi) = (__HYPERVISOR_multicall, at, 2);
    dispatch::hypercall(w.hv, &mut w.guest.vcpu);
    assert_eq!(
        (w.guest.vcpu.regs.rip, w.guest.vcpu.mode),
        (0x6000, Mode::User)
    );
    assert_eq!(w.hv.machine.entry_writes().len(), before);
}

#[test]
fn row_g_xsa_444_no_breakpoint_in_the_hypervisor() {
    let mut w = World::new();
    for register in 0..4 {
        for at in [
            0xffff_8000_0000_0000,
            0xffff_87ff_ffff_ffff,
            1 << 63,
            1 << 47,
        ] {
            let call = (__HYPERVISOR_set_debugreg, [register, at, 0, 0, 0, 0]);
            assert!(guest(&mut w, call) < 0);
        }
    }
    for dr7 in [1 << 32, 1 << 63, 0x2_0402] {
        let call = (__HYPERVISOR_set_debugreg, [7, dr7, 0, 0, 0, 0]);
        assert!(guest(&mut w, call) < 0, "DR7 {dr7:#x}");
    }
}

// H. Emulation.

#[test]
fn row_h_xsa_202_instructions_are_read_once() {
    let mut w = World::new();
    with_handlers(&mut w);
    // cpuid by force is no #GP; rdmsr of an unknown register, or mov to CR3.
    w.set_args(vec![0x0f, 0x32, 0x90, 0x90]);
    w.deliver();
    let mut other = vec![0_u8; 4 * 4096];
    other[..3].copy_from_slice(&[0x0f, 0x22, 0xd8]);
    w.hv.machine.alternate_window(other);
    w.guest.vcpu.regs.rip = ARGS;
    w.guest.vcpu.regs.rcx = 0x12345;
    trap::exception(w.hv, &mut w.guest.vcpu, 13, 0, 0);
    let counts = w.hv.machine.stop_alternating();
    assert!(
        counts.iter().all(|&reads| reads <= 1),
        "a byte was read twice"
    );
    assert_eq!(w.guest.vcpu.regs.rip, HANDLERS + 13);
}

#[test]
fn row_h_xsa_123_prefixes_do_not_make_memory_of_registers() {
    let mut w = World::new();
    // lock mov rax, cr2; lgdt, lidt, ltr; a mov from memory.
    for code in [
        &[0xf0, 0x0f, 0x20, 0xd0][..],
        &[0x0f, 0x01, 0x10],
        &[0x0f, 0x01, 0x18],
        &[0x0f, 0x00, 0xd8],
        &[0x64, 0x48, 0x8b, 0x00],
    ] {
        assert_eq!(at(&mut w, code), Some(13), "{code:x?}");
    }
}

// I. FPU state.

#[test]
fn row_i_xsa_54_extended_control_is_not_the_guests() {
    let mut w = World::new();
    for (low, high) in [
        (0, 0),
        (6, 0),
        (1 << 31, 0),
        (7, 1 << 30),
        (u64::MAX, u64::MAX),
    ] {
        w.guest.vcpu.regs.rcx = 0;
        (w.guest.vcpu.regs.rax, w.guest.vcpu.regs.rdx) = (low, high);
        // #UD where the guest has no XSAVE.
        let told = at(&mut w, &[0x0f, 0x01, 0xd1]);
        assert!(matches!(told, Some(6 | 13)), "xsetbv {low:#x}: {told:?}");
    }
}

// J. Model-specific registers.

/// All MSRs of this machine hold a secret; none shows it but the one that tells of microcode.
#[test]
fn row_j_xsa_351_no_register_of_the_hardware_shows() {
    const SECRET: u64 = 0x5ec2_e75e_c2e7;
    const MICROCODE: u32 = 0x8b;
    let ranges = [
        0..0x2000_u32,
        0x4000_0000..0x4000_1000,
        0xc000_0000..0xc000_2000,
    ];
    let all = || {
        ranges
            .iter()
            .cloned()
            .flatten()
            .chain(0xc001_0000..0xc001_2000)
    };
    let mut w = World::new();
    w.hv.machine
        .configure(|state| state.msrs.extend(all().map(|msr| (msr, SECRET))));
    let mut answered = 0;
    for msr in all() {
        w.guest.vcpu.regs.rcx = u64::from(msr);
        (w.guest.vcpu.regs.rax, w.guest.vcpu.regs.rdx) = (0, 0);
        let refused = at(&mut w, &[0x0f, 0x32]) == Some(13);
        let r = &w.guest.vcpu.regs;
        let value = r.rdx << 32 | r.rax & 0xffff_ffff;
        assert!(msr == MICROCODE || value != SECRET, "MSR {msr:#x} shows");
        answered += u32::from(!refused);
    }
    assert!(
        (1..300).contains(&answered),
        "{answered} registers answered"
    );
}

// L. Outputs.

#[test]
fn row_l_xsa_122_texts_end_in_zeroes() {
    for (cmd, len) in [
        (XENVER_extraversion, 16_usize),
        (XENVER_capabilities, 1024),
        (XENVER_changeset, 64),
        (XENVER_commandline, 1024),
    ] {
        let mut w = World::new();
        let at = w.put(&[0xa5_u8; 2048][..]);
        w.deliver();
        let call = (__HYPERVISOR_xen_version, [u64::from(cmd), at, 0, 0, 0, 0]);
        w.run(Caller::Dom0, call);
        let answer = w.answer();
        let text = answer.iter().position(|&b| b == 0).unwrap();
        assert!(text < len);
        assert!(answer[text..len].iter().all(|&b| b == 0), "command {cmd}");
        assert!(
            answer[len..2048].iter().all(|&b| b == 0xa5),
            "command {cmd}"
        );
    }
}

#[test]
fn row_l_xsa_132_control_answers_have_no_leftovers() {
    let mut w = World::new();
    let mut op = xen_domctl::new_zeroed();
    (op.cmd, op.domain) = (XEN_DOMCTL_gettscinfo, 1);
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    let at = w.put(&op);
    w.deliver();
    assert_eq!(
        w.run(Caller::Dom0, (__HYPERVISOR_domctl, [at, 0, 0, 0, 0, 0])),
        0
    );
    let answer = w.answer();
    // Mode, frequency, incarnation, padding, time: behind them the union is as it was.
    let union = core::mem::offset_of!(xen_domctl, u);
    assert_eq!(answer[union + 12..union + 16], [0; 4]);
    assert!(
        answer[union + 24..size_of::<xen_domctl>()]
            .iter()
            .all(|&b| b == 0)
    );
}

// M. Work without bound, locks before permission, logs.

#[test]
fn row_m_xsa_492_permission_is_asked_before_any_lock() {
    let mut w = World::new();
    let versions = [
        (
            __HYPERVISOR_domctl,
            XEN_DOMCTL_pausedomain,
            XEN_DOMCTL_INTERFACE_VERSION,
        ),
        (
            __HYPERVISOR_sysctl,
            XEN_SYSCTL_physinfo,
            XEN_SYSCTL_INTERFACE_VERSION,
        ),
        (
            __HYPERVISOR_platform_op,
            XENPF_settime64,
            XENPF_INTERFACE_VERSION,
        ),
    ];
    let calls = versions.map(|(nr, cmd, version)| (nr, w.put(&[[cmd, version], [0; 2]])));
    w.put(&[0_u8; 4096][..]);
    w.deliver();
    let (hv, doms) = (w.hv, [w.dom0.dom, w.guest.dom]);
    // The domains are locked: who waited for one would wait for ever.
    let _held = doms.map(|dom| dom.lock());
    for (nr, at) in calls {
        let r = &mut w.guest.vcpu.regs;
        (r.rax, r.rdi, r.rsi) = (nr, at, 0);
        hv.machine.load_root(w.guest.tables[3]);
        dispatch::hypercall(hv, &mut w.guest.vcpu);
        assert_eq!(w.guest.vcpu.regs.rax as i64, EPERM, "hypercall {nr}");
    }
}

#[test]
fn row_m_xsa_45_a_tree_is_pinned_in_pieces() {
    let pin = |budget: u32| {
        let mut w = World::new();
        let root = spare_tree(&w);
        w.hv.machine.set_budget(budget);
        let call = mmuext(
            &mut w,
            &[
                (MMUEXT_PIN_L4_TABLE, root, 0),
                (MMUEXT_UNPIN_TABLE, root, 0),
            ],
        );
        w.deliver();
        let result = w.run(Caller::Guest, call);
        w.hv.machine.set_budget(Budget::FULL);
        w.settle(Caller::Guest);
        w.check().unwrap();
        let state = w.state();
        w.end().unwrap();
        (result, state)
    };
    let whole = pin(Budget::FULL);
    assert_eq!(whole.0, 0);
    assert!(pin(1) == whole, "the budget shows in the outcome");
}

/// Parameters are checked, never asserted.
#[test]
fn row_m_xsa_296_contexts_of_any_content() {
    for fill in [0_u8, 0x55, 0xff] {
        let mut w = World::new();
        let at = w.put(&vec![fill; 8192][..]);
        w.deliver();
        for vcpu in [0, 1, 2, 8191, u64::from(u32::MAX)] {
            let call = (__HYPERVISOR_vcpu_op, [0, vcpu, at, 0, 0, 0]);
            w.run(Caller::Guest, call);
            w.check().unwrap();
        }
    }
}

// N. Error paths.

#[test]
fn row_n_xsa_58_failed_pins_leave_nothing() {
    let mut w = World::new();
    let root = spare_tree(&w);
    let l1 = w.guest.pages[world::MAPPED];
    // The last entry of the last table is wrong: a frame of another's.
    w.hv.machine
        .store_u64(l1, 511 * 8, w.dom0.pages[0].addr() | 7);
    for _ in 0..3 {
        assert!(op(&mut w, MMUEXT_PIN_L4_TABLE, root, 0) < 0);
    }
    for n in 0..4 {
        let word = w.hv.frames.word(Mfn(spare(&w, n)));
        assert_eq!((word.kind(), word.refs()), (Kind::None, 1));
    }
    w.end().unwrap();
}

#[test]
fn row_n_xsa_159_exchanges_that_fail_half_way() {
    let mut w = World::new();
    let (good, theirs) = (spare(&w, 0), w.dom0.pages[0].0);
    for second in [theirs, 0, 1 << 40, u64::MAX, good] {
        let call = exchange(&mut w, &[good, second], 0, &[8, 9], 0);
        assert!(guest(&mut w, call) < 0, "with {second:#x}");
        if w.hv.frames.owner(Mfn(good)) != w.hv.frames.owner(w.guest.pages[0]) {
            break;
        }
    }
    w.end().unwrap();
}
