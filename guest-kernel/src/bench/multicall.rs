//! Multicalls: of null hypercalls, per entry; and that of a context switch.

use super::measure::{Call, ROUNDS};
use super::{Bench, Figures, tables};
use crate::check::page::{Page, address, call, extended};
use crate::hypercall::mmuext_frame;
use crate::mm::{p2m, paging};
use hypercall_abi::arch_x86_64::FLAT_KERNEL_SS;
use hypercall_abi::version::XENVER_version;
use hypercall_abi::xen::*;

pub(super) const BENCHES: &[Bench] = &[multicalls, context_switch];

fn multicalls(f: &mut Figures) {
    const NOT_DONE: u64 = u64::MAX;
    for (name, count) in [
        ("multicall_1", 1),
        ("multicall_8_per_entry", 8),
        ("multicall_32_per_entry", 32),
    ] {
        let null = multicall_entry {
            op: __HYPERVISOR_xen_version,
            result: NOT_DONE,
            args: [u64::from(XENVER_version), 0, 0, 0, 0, 0],
        };
        let mut list = [null; 32];
        let call = Call::new(
            __HYPERVISOR_multicall,
            [list.as_mut_ptr() as u64, count, 0, 0, 0],
        );
        // SAFETY: the call writes results into the list.
        unsafe { f.pair(name, [call; 2], ROUNDS, count) };
        assert!(
            list.iter()
                .take(count as usize)
                .all(|e| e.result != NOT_DONE)
        );
    }
}

/// Descriptors of a GDT page.
const GDT_ENTRIES: u64 = 512;
/// The first of Linux's three descriptors for thread-local storage.
const TLS: usize = 12;
/// A writable data segment of ring 3, 4 GiB.
const DATA: u64 = 0x00cf_f300_0000_ffff;
/// Where a process's kernel stack would end; none runs.
const STACK: u64 = 0;

fn entry(op: u64, args: [u64; 4]) -> multicall_entry {
    let [a, b, c, d] = args;
    multicall_entry {
        op,
        result: u64::MAX,
        args: [a, b, c, d, 0, 0],
    }
}

/// What Linux does when it goes from one process to another: the kernel's stack, three descriptors for
/// thread-local storage, the kernel's and the user's root.
fn context_switch(f: &mut Figures) {
    let gdt = Page::read_only();
    let frames = [gdt.mfn()];
    let table = [frames.as_ptr() as u64, GDT_ENTRIES, 0, 0, 0];
    // SAFETY: the kernel uses no selector of the guest's part of the table.
    unsafe { call(__HYPERVISOR_set_gdt, table) }.expect("a page can be a GDT");
    let [other, user, other_user] = [(); 3].map(|()| tables::copy_of_root());
    let boot = p2m::mfn(paging::boot_root().0).0;
    let roots = [(other.mfn(), other_user.mfn()), (boot, user.mfn())];
    let mut loads = roots.map(|(kernel, user)| {
        [
            mmuext_frame(MMUEXT_NEW_BASEPTR, kernel),
            mmuext_frame(MMUEXT_NEW_USER_BASEPTR, user),
        ]
    });
    let mut lists = loads.each_mut().map(|loads| {
        let [kernel, user] = loads.each_mut().map(|op| {
            entry(
                __HYPERVISOR_mmuext_op,
                [address(op), 1, 0, u64::from(DOMID_SELF)],
            )
        });
        let tls = [0, 1, 2].map(|i| {
            entry(
                __HYPERVISOR_update_descriptor,
                [gdt.slot(TLS + i), DATA, 0, 0],
            )
        });
        let stack = [u64::from(FLAT_KERNEL_SS), STACK, 0, 0];
        let stack = entry(__HYPERVISOR_stack_switch, stack);
        [stack, tls[0], tls[1], tls[2], kernel, user]
    });
    let pair = lists.each_mut().map(|list| {
        let args = [list.as_mut_ptr() as u64, list.len() as u64, 0, 0, 0];
        Call::new(__HYPERVISOR_multicall, args)
    });
    // SAFETY: all roots map the same of the kernel's half, and the boot root is the last.
    unsafe { f.pair("context_switch", pair, ROUNDS, 1) };
    assert!(lists.iter().flatten().all(|entry| entry.result == 0));
    extended(MMUEXT_NEW_USER_BASEPTR, 0, 0).expect("the user root can be given up");
    for copy in [&other, &user, &other_user] {
        extended(MMUEXT_UNPIN_TABLE, copy.mfn(), 0).expect("nothing uses the copy any more");
    }
    // SAFETY: as above.
    unsafe { call(__HYPERVISOR_set_gdt, [0; 5]) }.expect("a GDT can be given up");
}
