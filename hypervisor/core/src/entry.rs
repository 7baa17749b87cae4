//! The entry points: what the binary calls for every way into the hypervisor, and what they answer.

use hypercall_abi::xen::__HYPERVISOR_xen_version;

use crate::hypercall::{dispatch, version};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::sched::{self, Cpu};
use crate::trap;
use crate::vcpu::Mode;

/// What the CPU does after the hypervisor is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Resume {
    /// Return to [`Cpu::current`], whose registers and hardware state are in place.
    Guest,
    /// Nothing to run: wait for an interrupt, then call [`Hypervisor::on_interrupt`].
    Idle,
}

/// An interrupt of the machine that the hypervisor itself handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irq {
    /// This CPU's timer.
    Timer,
    /// Another CPU asks this one to look for work.
    Kick,
    /// The console has input.
    Console,
    /// Something else woke the CPU; look for work.
    Spurious,
}

impl<M: Machine> Hypervisor<M> {
    /// The hypercall that has nothing to look up and cannot go wrong, `xen_version` without
    /// arguments, when nothing else is due on `cpu` either: done, and the guest may run on with no
    /// register changed but rax. Else false and nothing done; then [`Self::on_syscall`] is to be
    /// called.
    #[inline(always)]
    #[must_use]
    pub fn on_syscall_quick(&self, cpu: &mut Cpu) -> bool {
        let Some(vcpu) = cpu.current.as_mut() else {
            return false;
        };
        let Some(info) = vcpu.info else {
            return false;
        };
        let quick = vcpu.mode == Mode::Kernel
            && vcpu.regs.rax == __HYPERVISOR_xen_version
            && vcpu.regs.rdi == version::VERSION_COMMAND
            && self.sched.is_settled(cpu.id)
            && self.machine.load_u8(info.mfn, usize::from(info.offset)) == 0;
        if quick {
            vcpu.regs.rax = version::VERSION;
        }
        quick
    }

    /// `syscall` from the guest that runs on `cpu`.
    #[inline]
    pub fn on_syscall(&self, cpu: &mut Cpu) -> Resume {
        if let Some(vcpu) = cpu.current.as_mut() {
            if vcpu.mode == Mode::Kernel {
                dispatch::hypercall(self, vcpu);
            } else {
                trap::bounce::syscall(self, vcpu);
            }
        }
        sched::leave(self, cpu)
    }

    /// Exception `vector` from the guest that runs on `cpu`; `cr2` matters for vector 14 only.
    pub fn on_exception(&self, cpu: &mut Cpu, vector: u8, error: u32, cr2: u64) -> Resume {
        if let Some(vcpu) = cpu.current.as_mut() {
            trap::exception(self, vcpu, vector, error, cr2);
        }
        sched::leave(self, cpu)
    }

    /// A machine interrupt, while a guest ran or the CPU idled.
    pub fn on_interrupt(&self, cpu: &mut Cpu, irq: Irq) -> Resume {
        match irq {
            Irq::Timer => sched::timer_interrupt(self, cpu),
            Irq::Console => crate::control::console::input(self),
            Irq::Kick | Irq::Spurious => {}
        }
        sched::leave(self, cpu)
    }
}
