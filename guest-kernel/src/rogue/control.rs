//! Jumps and stacks: where the kernel goes, or keeps its stack, that it has no business with.

use super::*;
use core::arch::asm;

pub(super) const ROGUES: &[Rogue] = &[
    ("jump-null", || jump(0)),
    ("jump-unmapped", || jump(UNMAPPED)),
    ("jump-non-canonical", || jump(NON_CANONICAL)),
    ("jump-m2p", || jump(HYPERVISOR_START)),
    ("jump-direct-map", || jump(DIRECT_MAP)),
    ("jump-image", || jump(IMAGE)),
    ("stack-null", || fault_on(0)),
    ("stack-m2p", || fault_on(HYPERVISOR_START + 0x1000)),
    ("stack-direct-map", || fault_on(DIRECT_MAP + 0x1000)),
    ("stack-cpu-window", || fault_on(CPU_WINDOW + 0x33000)),
    ("stack-non-canonical", || fault_on(NON_CANONICAL)),
    ("handlers-nowhere", handlers_nowhere),
    ("handlers-hypervisor", handlers_hypervisor),
    ("callback-nowhere", callback_nowhere),
];

/// Where the hypervisor's range begins, with the machine-to-phys table, which guests may read but
/// not execute.
const HYPERVISOR_START: u64 = hypercall_abi::arch_x86_64::HYPERVISOR_VIRT_START;

/// Goes to an address; no handler is left that could be told.
fn jump(to: u64) {
    forget_traps();
    // SAFETY: control does not come back: at none of these addresses is code that may run.
    unsafe { asm!("jmp {}", in(reg) to, options(noreturn)) }
}

/// Faults with the handlers in place but the stack elsewhere: the frame cannot be written.
fn fault_on(stack: u64) {
    // SAFETY: control does not come back: there is no stack to come back on.
    unsafe { asm!("mov rsp, {}", "ud2", in(reg) stack, options(noreturn)) }
}

/// Registers one address as the handler of every exception, and faults.
fn handlers_at(address: u64) {
    use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, trap_info};
    let gate = |vector| trap_info {
        vector,
        flags: 0,
        cs: FLAT_KERNEL_CS,
        _pad0: [0; 4],
        address,
    };
    let mut table = [gate(0); 33];
    for (vector, entry) in (0..32).zip(table.iter_mut()) {
        *entry = gate(vector);
    }
    table[32].address = 0;
    let result = call(
        __HYPERVISOR_set_trap_table,
        [table.as_ptr() as u64, 0, 0, 0, 0],
    );
    klog!("handlers at {address:#x}: {result}");
    // SAFETY: control does not come back: no handler is executable.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// Each fault's handler faults in turn, until the stack is full.
fn handlers_nowhere() {
    handlers_at(UNMAPPED);
}

fn handlers_hypervisor() {
    handlers_at(IMAGE);
}

/// The event callback is nowhere, and an event comes.
fn callback_nowhere() {
    use hypercall_abi::callback::{CALLBACKF_mask_events, CALLBACKTYPE_event};
    hypercall::register_callback(CALLBACKTYPE_event, UNMAPPED, CALLBACKF_mask_events)
        .expect("any canonical address is accepted");
    forget_traps();
    hypercall::set_singleshot_timer(0).expect("a timer may be set");
    // Blocking unmasks events; the timer has fired already or does so now.
    hypercall::sched_block();
}
