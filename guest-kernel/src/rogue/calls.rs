//! Hypercalls with counts and lists that no sane kernel makes.

use super::*;

pub(super) const ROGUES: &[Rogue] = &[
    ("multicall-nested", multicall_nested),
    ("counts", counts),
    ("pointers", pointers),
];

/// Counts that overflow something, or are merely beyond all reason.
const COUNTS: [u64; 7] = [
    u32::MAX as u64,
    u64::MAX,
    1 << 63,
    1 << 31,
    1 << 32,
    (1 << 31) - 1,
    0x1000_0000_0000_0001,
];

/// Multicalls in multicalls, of garbage, over the end of memory, in the hypervisor's memory.
fn multicall_nested() {
    let page = spare();
    for i in 0..64 {
        let entry = [13, 0, page.va(), 64, 0, 0, 0, 0];
        for (word, value) in entry.into_iter().enumerate() {
            write(page, i * 8 + word, value);
        }
    }
    let nested = call(__HYPERVISOR_multicall, [page.va(), 64, 0, 0, 0]);
    klog!(
        "64 nested: {nested}, the first said {}",
        read(page, 1).cast_signed()
    );
    for i in 0..512 {
        write(
            page,
            i,
            0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i as u64 + 1),
        );
    }
    klog!(
        "64 of garbage: {}",
        call(__HYPERVISOR_multicall, [page.va(), 64, 0, 0, 0])
    );
    let last = Pfn(p2m::pages() - 1).va();
    let results = COUNTS.map(|count| call(__HYPERVISOR_multicall, [last, count, 0, 0, 0]));
    klog!("lists that end beyond memory: {results:?}");
    for at in HYPERVISORS
        .into_iter()
        .chain([0, UNMAPPED, NON_CANONICAL, u64::MAX - 8])
    {
        if call(__HYPERVISOR_multicall, [at, 2, 0, 0, 0]) >= 0 {
            breach!("a list at {at:#x} was run");
        }
    }
}

/// Every call that takes a list, with a list that is right and a count that is not.
fn counts() {
    let page = spare();
    let mut accepted = 0;
    for count in COUNTS {
        let calls = [
            (
                __HYPERVISOR_mmu_update,
                [page.va(), count, 0, u64::from(DOMID_SELF), 0],
            ),
            (
                __HYPERVISOR_mmuext_op,
                [page.va(), count, 0, u64::from(DOMID_SELF), 0],
            ),
            (__HYPERVISOR_set_gdt, [page.va(), count, 0, 0, 0]),
            (__HYPERVISOR_grant_table_op, [4, page.va(), count, 0, 0]),
            (__HYPERVISOR_grant_table_op, [0, page.va(), count, 0, 0]),
            (__HYPERVISOR_console_io, [0, count, NON_CANONICAL, 0, 0]),
        ];
        for (nr, args) in calls {
            let result = call(nr, args);
            accepted += u32::from(result >= 0);
            klog!("hypercall {nr} with count {count:#x}: {result}");
        }
        for word in 0..4 {
            write(page, word, 0);
        }
        write(page, 0, DIRECT_MAP);
        write(page, 1, count);
        write(page, 3, u64::from(DOMID_SELF));
        for op in [0, 1, 6, 11] {
            let result = call(__HYPERVISOR_memory_op, [op, page.va(), 0, 0, 0]);
            klog!("memory operation {op} with count {count:#x}: {result}");
        }
    }
    klog!("{accepted} of them accepted");
}

/// Every call, with its pointers to the hypervisor's memory and to tables that the guest may only
/// read; what is the guest's own to read must read the same afterwards.
fn pointers() {
    let root = paging::boot_root();
    let before: u64 = (0..512)
        .filter(|i| !(256..272).contains(i))
        .fold(0, |sum, i| sum ^ root.read(i).rotate_left(i as u32) & !0x60);
    let mut made = 0;
    for nr in (0..64).filter(|nr| ![6, 14, 22, 23, 29].contains(nr)) {
        for op in 0..16 {
            for at in HYPERVISORS.into_iter().chain([
                root.0.va(),
                hypercall_abi::arch_x86_64::MACH2PHYS_VIRT_START,
            ]) {
                if nr == 24 && op == 2 || nr == 8 {
                    continue;
                }
                let _ = call(nr, [op, at, at, at, at]);
                let _ = call(nr, [op, 0, at, 1, u64::from(DOMID_SELF)]);
                let _ = call(nr, [at, op, at, u64::from(DOMID_SELF), 0]);
                made += 3;
            }
        }
    }
    let after: u64 = (0..512)
        .filter(|i| !(256..272).contains(i))
        .fold(0, |sum, i| sum ^ root.read(i).rotate_left(i as u32) & !0x60);
    if before != after {
        breach!("a hypercall wrote to a page table");
    }
    klog!("{made} calls with pointers that are not the guest's");
}
