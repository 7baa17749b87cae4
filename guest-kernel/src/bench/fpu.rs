//! A process that is switched to uses the FPU: it was denied at the switch, the first use faults, and
//! the handler exchanges what the registers hold.

use super::entries::{gate, handlers, report};
use super::measure::{ROUNDS, least};
use super::window::loops;
use super::{Bench, Figures};
use crate::hypercall::{self, set_trap_table};
use crate::native::cpu;
use crate::trap;
use core::arch::naked_asm;
use core::sync::atomic::AtomicU64;
use hypercall_abi::xen::__HYPERVISOR_fpu_taskswitch;

pub(super) const BENCHES: &[Bench] = &[switches];

pub(super) const DEVICE_NOT_AVAILABLE: u8 = 7;
/// CR0: the next instruction of the FPU faults.
pub(super) const TASK_SWITCHED: u64 = 1 << 3;
/// Instructions that a round executes besides the one that enters: the loop's, the handler's and the
/// one that faulted.
const OWN: u64 = 4 + 10;
/// The same where CR0 is written, and by the handler as well.
const OWN_TRAPPED: u64 = 2 + 11;

/// What the registers hold.
#[repr(C, align(16))]
pub(super) struct Registers([AtomicU64; 64]);

pub(super) static REGISTERS: Registers = Registers([const { AtomicU64::new(0) }; 64]);

const _: () = assert!(ROUNDS == 128 && __HYPERVISOR_fpu_taskswitch == 5);

loops! {
    // The first use is one that KVM's emulation knows, too.
    by_hypercall: opening, "mov esi, 128", "mov edi, 1\nmov eax, 5\nsyscall\nfnstcw [rsp - 8]", "ret";
    // Natively as well.
    by_register: opening, "mov esi, 128", "mov cr0, rdi\nfnstcw [rsp - 8]", "ret";
}

handlers! {
    /// Loads the registers of the process that runs. The hypervisor gave the FPU when it faulted.
    exchange(registers = sym REGISTERS,):
        "fxsave [rip + {registers}]", "fxrstor [rip + {registers}]", "push 0";
    /// The same by a kernel that has not heard of the hypervisor's help.
    exchange_trapped(registers = sym REGISTERS,):
        "clts", "fxsave [rip + {registers}]", "fxrstor [rip + {registers}]", "push 0";
}

fn switches(f: &mut Figures) {
    let loops: [(
        &'static str,
        extern "C" fn(u64, u64, u64) -> u64,
        extern "C" fn(),
        u64,
    ); 2] = [
        ("fpu_switch", by_hypercall, exchange, OWN),
        (
            "fpu_switch_trapped",
            by_register,
            exchange_trapped,
            OWN_TRAPPED,
        ),
    ];
    // Which the hypervisor reads for it.
    let denied = cpu::cr0() | TASK_SWITCHED;
    for (name, each, handler, own) in loops {
        let handler = gate(DEVICE_NOT_AVAILABLE, handler as *const () as u64);
        set_trap_table(&[handler, gate(0, 0)]).expect("vectors can be given handlers");
        f.begin(name, ROUNDS);
        let ticks = least(|| Ok(each(denied, 0, 0)));
        report(f, name, ticks, own);
    }
    trap::init().expect("the kernel's own handlers can be registered again");
    hypercall::deny_fpu().expect("nobody is refused to do without");
}
