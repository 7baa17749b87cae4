//! Descriptor tables, segment bases and debug registers that point where they must not.

use super::*;
use crate::check::probe::code;
use hypercall_abi::arch_x86_64::{
    SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER, SEGBASE_GS_USER_SEL,
};

pub(super) const ROGUES: &[Rogue] = &[
    ("gdt-garbage", gdt_garbage),
    ("gdt-hostile", gdt_hostile),
    ("ldt-hypervisor", ldt_hypervisor),
    ("segment-bases", segment_bases),
    ("debug-registers", debug_registers),
];

code! {
    load_fs: "mov fs, edi", "xor eax, eax", "mov fs, eax";
    read_gs: "mov rax, gs:[0]";
    read_fs: "mov rax, fs:[0]";
    call_gate: "push rdi", "push 0", "call fword ptr [rsp + 4]";
    far_return: "lea rax, [rip + 2f]", "push rdi", "push rax", "retfq", "2:", "ud2";
}

/// A GDT of frames that are nobody's, the hypervisor's, writable, or page tables.
fn gdt_garbage() {
    let table = mfn(paging::boot_root().0);
    let writable = mfn(spare());
    let mut accepted = 0;
    let frames = (0..64)
        .map(|n| n * 16)
        .chain([u64::MAX, 1 << 40, 0xf_ee00, table, writable]);
    for frame in frames {
        let list = [frame; 14];
        let result = call(__HYPERVISOR_set_gdt, [list.as_ptr() as u64, 512, 0, 0, 0]);
        if result == 0 && p2m::pfn_of(crate::mm::Mfn(frame & 0xffff_ffff)).is_none() {
            breach!("frame {frame:#x} became a GDT");
        }
        accepted += u32::from(result == 0);
    }
    for count in [1, 7168, 7169, u64::from(u32::MAX), u64::MAX] {
        for at in [UNMAPPED, NON_CANONICAL, DIRECT_MAP, OWN_MEMORY] {
            if call(__HYPERVISOR_set_gdt, [at, count, 0, 0, 0]) >= 0 {
                breach!("a GDT of {count} entries listed at {at:#x}");
            }
        }
    }
    klog!("{accepted} garbage GDTs accepted");
}

/// Descriptors that a GDT may not hold: call gates, task segments, system segments, code of ring
/// 0; first in the page that becomes a GDT, then by `update_descriptor`.
fn gdt_hostile() {
    const CODE_RING0: u64 = 0x00af_9b00_0000_ffff;
    const GATE_TO_IMAGE: [u64; 2] = [0x8010_ec00_e008_0000, 0xffff_8780];
    const HOSTILE: [(&str, u64); 6] = [
        ("ring 0 code", CODE_RING0),
        ("conforming code of ring 0", CODE_RING0 | 1 << 42),
        ("call gate", GATE_TO_IMAGE[0]),
        ("interrupt gate", 0x8010_ee00_e008_0000),
        ("task state", 0x0000_e900_1000_0067),
        ("LDT", 0x0000_e200_1000_0067),
    ];
    let page = spare();
    for (i, (_, descriptor)) in HOSTILE.iter().enumerate() {
        for word in 0..512 {
            write(page, word, 0);
        }
        write(page, 8, *descriptor);
        write(page, 9, GATE_TO_IMAGE[1]);
        protect(page, UVMF_INVLPG | UVMF_LOCAL);
        let list = [mfn(page)];
        let result = call(__HYPERVISOR_set_gdt, [list.as_ptr() as u64, 512, 0, 0, 0]);
        klog!("GDT with {}: {result}", HOSTILE[i].0);
        if result == 0 {
            use_selector(8 << 3);
            assert_eq!(
                call(__HYPERVISOR_set_gdt, [0; 5]),
                0,
                "a GDT can be given up"
            );
        }
        let entry = pte::new(p2m::mfn(page), pte::RW);
        // SAFETY: the rogue's own page.
        let writable =
            unsafe { hypercall::update_va_mapping(page.va(), entry, UVMF_INVLPG | UVMF_LOCAL) };
        if writable.is_err() {
            klog!("the page stays a descriptor table");
            return;
        }
    }
    for word in 0..512 {
        write(page, word, 0);
    }
    protect(page, UVMF_INVLPG | UVMF_LOCAL);
    let list = [mfn(page)];
    assert_eq!(
        call(__HYPERVISOR_set_gdt, [list.as_ptr() as u64, 512, 0, 0, 0]),
        0
    );
    for (name, descriptor) in HOSTILE {
        let at = (mfn(page) << 12) + 64;
        let result = call(__HYPERVISOR_update_descriptor, [at, descriptor, 0, 0, 0]);
        klog!("{name} by update_descriptor: {result}");
        if result == 0 {
            use_selector(8 << 3);
        }
    }
}

/// Goes to a selector in every way; the kernel must not come out in ring 0.
fn use_selector(selector: u64) {
    for rpl in [0, 3] {
        let hit = attempt(far_return, selector | rpl, true);
        klog!("far return: vector {:?}", hit.map(|hit| hit.frame.vector));
        let hit = attempt(call_gate, selector | rpl, true);
        klog!("far call: vector {:?}", hit.map(|hit| hit.frame.vector));
    }
}

/// LDTs at addresses that hold none, and a selector into each.
fn ldt_hypervisor() {
    for at in
        HYPERVISORS
            .into_iter()
            .chain([UNMAPPED & !0xfff, NON_CANONICAL, 0xffff_8000_0000_0000])
    {
        for entries in [1, 8192, 8193, u64::from(u32::MAX)] {
            let result = extended(MMUEXT_SET_LDT, at, entries);
            let vectors = [vector_of(load_fs, 7), vector_of(load_fs, 0xffff)];
            if vectors.contains(&None) {
                breach!("an LDT at {at:#x} gave a segment");
            }
            if entries == 8192 {
                klog!("LDT at {at:#x}: {result}, its use: {vectors:?}");
            }
        }
    }
}

/// Segment bases in the hypervisor's range: refused, or of no use.
fn segment_bases() {
    for base in HYPERVISORS.into_iter().chain([NON_CANONICAL, u64::MAX]) {
        let mut results = [0; 3];
        for (which, result) in [SEGBASE_FS, SEGBASE_GS_USER, SEGBASE_GS_KERNEL]
            .into_iter()
            .zip(&mut results)
        {
            *result = call(
                __HYPERVISOR_set_segment_base,
                [u64::from(which), base, 0, 0, 0],
            );
        }
        if HYPERVISORS.contains(&base) {
            for code in [read_gs, read_fs] {
                if results.contains(&0) && vector_of(code, 0).is_none() {
                    breach!("memory at {base:#x} can be read through a segment");
                }
            }
        }
        klog!("bases {base:#x}: {results:?}");
    }
    let mut refused = 0;
    for selector in (0..0x1_0000).step_by(4) {
        for rpl in [0, 3] {
            let args = [u64::from(SEGBASE_GS_USER_SEL), selector | rpl, 0, 0, 0];
            refused += u32::from(call(__HYPERVISOR_set_segment_base, args) != 0);
        }
    }
    klog!("{refused} of 32768 selectors refused as the user's GS");
}

/// Breakpoints in the hypervisor: never accepted.
fn debug_registers() {
    for register in 0..4 {
        for at in HYPERVISORS.into_iter().chain([0xffff_8000_0000_0000]) {
            let set = call(__HYPERVISOR_set_debugreg, [register, at, 0, 0, 0]);
            let read = call(__HYPERVISOR_get_debugreg, [register, 0, 0, 0, 0]).cast_unsigned();
            if set == 0 || read == at {
                breach!("debug register {register} points to {at:#x}");
            }
        }
    }
    let mut refused = 0;
    for value in (0..64)
        .map(|bit| 1_u64 << bit)
        .chain([u64::MAX, 0xffff_27ff])
    {
        for register in 4..10 {
            let set = call(
                __HYPERVISOR_set_debugreg,
                [register, value & !0xff, 0, 0, 0],
            );
            refused += u32::from(set != 0);
        }
    }
    klog!("{refused} values of control registers refused");
    assert_eq!(call(__HYPERVISOR_set_debugreg, [7, 0, 0, 0, 0]), 0);
}
