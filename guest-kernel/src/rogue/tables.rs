//! Page tables: other people's memory, one's own tables writable, tables that refer to themselves,
//! roots that are none, translations that outlive the entry they came from.

use super::*;
use crate::check::probe::code;
use crate::mm::Mfn;

pub(super) const ROGUES: &[Rogue] = &[
    ("map-others", map_others),
    ("map-other-domains", map_other_domains),
    ("tables-writable", tables_writable),
    ("tables-self", tables_self),
    ("stale-tlb", stale_tlb),
    ("baseptr-garbage", baseptr_garbage),
    ("baseptr-empty", baseptr_empty),
    ("unmap-kernel", unmap_kernel),
    ("hoard", hoard),
];

code! {
    store: "mov rax, [rdi + 8]", "mov rdi, [rdi]", "mov [rdi], rax";
}

/// Frames to try: all of a machine of 512 MiB, and a few beyond.
const FRAMES: core::ops::Range<u64> = 0..0x2_0000;
const BEYOND: [u64; 6] = [0xf_ee00, 0xf_ec00, 1 << 28, (1 << 40) - 1, 0x3f_ffff, 0xb8];
const PINS: [u32; 4] = [
    MMUEXT_PIN_L1_TABLE,
    MMUEXT_PIN_L2_TABLE,
    MMUEXT_PIN_L3_TABLE,
    MMUEXT_PIN_L4_TABLE,
];

/// Maps every frame of the machine, readable and writable.
fn map_others() {
    let window = spare();
    let shared = crate::boot_info().shared_info_ma() >> 12;
    let (mut tried, mut accepted) = (0, 0);
    for frame in FRAMES.chain(BEYOND) {
        let known = FRAMES.contains(&frame) && p2m::pfn_of(Mfn(frame)).is_some();
        if known || frame == shared {
            continue;
        }
        for rights in [pte::RO, pte::RW, pte::RX] {
            let args = [window.va(), pte::new(Mfn(frame), rights), UVMF_INVLPG, 0, 0];
            tried += 1;
            if call(__HYPERVISOR_update_va_mapping, args) == 0 {
                accepted += 1;
                breach!("frame {frame:#x} of others was mapped ({rights:#x})");
            }
        }
        for pin in PINS {
            if extended(pin, frame, 0) == 0 {
                accepted += 1;
                breach!("frame {frame:#x} of others was pinned");
            }
        }
        for cmd in [
            MMUEXT_CLEAR_PAGE,
            MMUEXT_NEW_BASEPTR,
            MMUEXT_NEW_USER_BASEPTR,
        ] {
            if !(cmd == MMUEXT_NEW_USER_BASEPTR && frame == 0) && extended(cmd, frame, 0) == 0 {
                accepted += 1;
                breach!("frame {frame:#x} of others took operation {cmd}");
            }
        }
        if extended(MMUEXT_COPY_PAGE, mfn(window), frame) == 0
            || extended(MMUEXT_COPY_PAGE, frame, mfn(window)) == 0
        {
            accepted += 1;
            breach!("frame {frame:#x} of others was copied");
        }
        if accepted > 8 {
            break;
        }
    }
    klog!("{tried} mappings of others' frames tried, {accepted} accepted");
}

/// Names other domains as the owners of what is to be mapped or changed.
fn map_other_domains() {
    let window = spare();
    // Its own frame, though it has no place in its memory.
    let shared = crate::boot_info().shared_info_ma() >> 12;
    let (mut tried, mut accepted) = (0_u64, 0_u64);
    for owner in (0..8).chain([
        DOMID_IO,
        DOMID_XEN,
        DOMID_COW,
        DOMID_INVALID,
        DOMID_IDLE,
        0xffff,
    ]) {
        for frame in FRAMES
            .step_by(61)
            .filter(|&frame| frame != shared && p2m::pfn_of(Mfn(frame)).is_none())
        {
            let before = accepted;
            let entry = pte::new(Mfn(frame), pte::RW);
            let args = [window.va(), entry, UVMF_INVLPG, u64::from(owner), 0];
            tried += 1;
            let mapped = call(__HYPERVISOR_update_va_mapping_otherdomain, args);
            accepted += u64::from(mapped == 0);
            let request = mmu_update {
                ptr: slot_of(window),
                val: entry,
            };
            let list = &raw const request as u64;
            for foreign in [
                u64::from(owner),
                u64::from(owner) << 16 | 0x7ff0,
                u64::from(owner + 1) << 16,
            ] {
                accepted += u64::from(call(__HYPERVISOR_mmu_update, [list, 1, 0, foreign, 0]) == 0);
            }
            if accepted > before {
                breach!("frame {frame:#x} was mapped as that of domain {owner}");
            }
            if accepted > 8 {
                return;
            }
        }
    }
    if accepted > 0 {
        breach!("{accepted} frames of other domains were mapped");
    }
    klog!("{tried} frames of other domains tried, {accepted} accepted");
}

/// Maps each of the kernel's own page tables writable, and writes to each.
fn tables_writable() {
    let window = spare();
    let (mut tables, mut accepted) = (0, 0);
    each_table(paging::boot_root(), 4, &mut |table| {
        tables += 1;
        for va in [window.va(), table.0.va()] {
            let entry = pte::new(p2m::mfn(table.0), pte::RW);
            if call(
                __HYPERVISOR_update_va_mapping,
                [va, entry, UVMF_INVLPG, 0, 0],
            ) == 0
            {
                accepted += 1;
            }
        }
        let by_copy = extended(MMUEXT_COPY_PAGE, mfn(table.0), mfn(window));
        let by_clearing = extended(MMUEXT_CLEAR_PAGE, mfn(table.0), 0);
        accepted += u32::from(by_copy == 0) + u32::from(by_clearing == 0);
        let request = [table.0.va() + 511 * 8, 1 << 40 | pte::RW];
        if vector_of(store, request.as_ptr() as u64).is_none() && table.read(511) == request[1] {
            accepted += 1;
        }
    });
    if accepted > 0 {
        breach!("{accepted} page tables could be written");
    }
    klog!("{tables} page tables are read-only still");
}

/// Tables that hold themselves, at each level, by pinning and by entry.
fn tables_self() {
    let mut accepted = 0;
    for (level, pin) in (1..).zip(PINS) {
        for rights in [pte::TABLE, pte::RW, pte::RX] {
            let page = spare();
            write(page, 7, pte::new(p2m::mfn(page), rights));
            protect(page, UVMF_INVLPG | UVMF_LOCAL);
            let pinned = extended(pin, mfn(page), 0) == 0;
            // A level 1 table may map itself for reading.
            if pinned && (level > 1 || rights == pte::RW || rights == pte::TABLE) {
                accepted += 1;
                breach!("a table of level {level} holds itself with {rights:#x}");
            }
            let empty = spare();
            protect(empty, UVMF_INVLPG | UVMF_LOCAL);
            if extended(pin, mfn(empty), 0) == 0 {
                let entry = pte::new(p2m::mfn(empty), rights);
                let linked = update((mfn(empty) << 12) + 8, entry) == 0;
                if linked && (level > 1 || rights != pte::RX) {
                    accepted += 1;
                    breach!("a table of level {level} was linked to itself with {rights:#x}");
                }
            }
        }
    }
    let root = paging::boot_root();
    for slot in (0..512).filter(|slot| (256..272).contains(slot)) {
        for entry in [
            0,
            pte::new(p2m::mfn(root.0), pte::TABLE),
            pte::new(p2m::mfn(spare()), pte::TABLE),
        ] {
            if update(root.entry_address(slot), entry) == 0 && entry != 0 {
                accepted += 1;
                breach!("slot {slot} of the root, the hypervisor's, was changed");
            }
        }
    }
    klog!("{accepted} tables hold themselves");
}

/// Keeps a writable translation of a page warm while the page becomes a page table, then writes
/// an entry through it and reads another's frame.
fn stale_tlb() {
    let (table, target) = (spare(), spare());
    let victim = FRAMES
        .rev()
        .find(|&frame| p2m::pfn_of(Mfn(frame)).is_none());
    let entry = pte::new(Mfn(victim.expect("others have frames")), pte::RW);
    let request = [table.va() + 5 * 8, entry];
    for round in 0..3 {
        write(table, 5, 0);
        protect(table, UVMF_NONE);
        let pinned = extended(MMUEXT_PIN_L1_TABLE, mfn(table), 0);
        assert_eq!(pinned, 0, "an empty page is a table");
        let vector = vector_of(store, request.as_ptr() as u64);
        klog!("round {round}: the store through the old translation met vector {vector:?}");
        if read(table, 5) != 0 {
            breach!("a page table was written through a stale translation");
        }
        assert_eq!(extended(MMUEXT_UNPIN_TABLE, mfn(table), 0), 0);
        let writable = pte::new(p2m::mfn(table), pte::RW);
        assert_eq!(update(slot_of(table), writable), 0, "it is a page again");
    }
    // The same with the entry of the mapping gone altogether and the frame given another role.
    write(target, 0, 0);
    assert_eq!(update(slot_of(target), 0), 0);
    let pinned = extended(MMUEXT_PIN_L2_TABLE, mfn(target), 0);
    let vector = vector_of(store, [target.va(), entry].as_ptr() as u64);
    klog!("unmapped and pinned ({pinned}): vector {vector:?}");
    if pinned == 0 && vector.is_none() {
        breach!("an unmapped table was written through a stale translation");
    }
}

/// Roots that are none: frame 0, beyond memory, data, tables of lower levels.
fn baseptr_garbage() {
    let root = paging::boot_root();
    let l3 = root.next(511).expect("the kernel half is mapped");
    let garbage = [0, 1, u64::MAX, 1 << 40, 0xf_ee00, mfn(spare()), mfn(l3.0)];
    let mut refused = 0;
    for frame in garbage {
        for cmd in [
            MMUEXT_NEW_BASEPTR,
            MMUEXT_NEW_USER_BASEPTR,
            MMUEXT_UNPIN_TABLE,
        ] {
            refused += u32::from(extended(cmd, frame, 0) != 0);
        }
    }
    klog!("{refused} of {} garbage roots refused", garbage.len() * 3);
}

/// A root in which the kernel is not mapped: accepted, and the end of the kernel.
fn baseptr_empty() {
    let root = spare();
    protect(root, UVMF_INVLPG | UVMF_LOCAL);
    assert_eq!(extended(MMUEXT_PIN_L4_TABLE, mfn(root), 0), 0);
    let result = extended(MMUEXT_NEW_BASEPTR, mfn(root), 0);
    breach!("the kernel runs on an empty root ({result})");
}

/// Takes the kernel's own mapping away, from the top.
fn unmap_kernel() {
    let result = update(paging::boot_root().entry_address(511), 0);
    hypercall::flush_tlb();
    breach!("the kernel runs without a mapping ({result})");
}

/// Collects whatever has to be given back when a domain dies, then dies: pinned tables of every
/// level that hold one another, a GDT, an LDT, ports, the grant table, a `vcpu_info` elsewhere.
fn hoard() {
    use hypercall_abi::event_channel::{EVTCHNOP_alloc_unbound, evtchn_alloc_unbound};
    use hypercall_abi::vcpu::{VCPUOP_register_vcpu_info, vcpu_register_vcpu_info};
    let mut pins = 0;
    for _ in 0..64 {
        let mut lower = mfn(spare());
        for (level, pin) in (1..).zip(PINS) {
            let page = spare();
            let rights = if level == 1 { pte::RW } else { pte::TABLE };
            for word in 0..8 {
                write(page, word * 16, pte::new(Mfn(lower), rights));
            }
            protect(page, UVMF_NONE);
            pins += u32::from(extended(pin, mfn(page), 0) == 0);
            lower = mfn(page);
        }
    }
    let gdt = spare();
    protect(gdt, UVMF_NONE);
    let list = [mfn(gdt); 14];
    let gdt = call(__HYPERVISOR_set_gdt, [list.as_ptr() as u64, 7168, 0, 0, 0]);
    let page = spare();
    protect(page, UVMF_NONE);
    let ldt = extended(MMUEXT_SET_LDT, page.va(), 512);
    let _ = vector_of(load_fs, 7);
    let mut ports = 0;
    for remote in (0..4).cycle() {
        let mut arg = evtchn_alloc_unbound {
            dom: DOMID_SELF,
            remote_dom: remote,
            port: 0,
        };
        if hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut arg).is_err() {
            break;
        }
        ports += 1;
    }
    let mut moved = vcpu_register_vcpu_info {
        mfn: mfn(spare()),
        offset: 64,
        rsvd: 0,
    };
    let info = hypercall::vcpu_op(VCPUOP_register_vcpu_info, &mut moved);
    klog!(
        "hoard: {pins} pins, {ports} ports, GDT {gdt}, LDT {ldt}, vcpu_info {}",
        info.is_ok()
    );
    forget_traps();
    let _ = vector_of(undefined, 0);
    breach!("an exception without a handler was survived");
}

code! {
    load_fs: "mov fs, edi";
    undefined: "ud2";
}
