//! The entry points: what the binary calls for every way into the hypervisor, and what they answer.

use crate::evtchn;
use crate::hypercall::dispatch;
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
    /// A device: the vector of its line or message. It is ended at its controller already.
    Device(u8),
    /// Something else woke the CPU; look for work.
    Spurious,
}

impl<M: Machine> Hypervisor<M> {
    /// Hypercall `NUMBER` from the guest that runs on `cpu`, which is in kernel mode; gives what it
    /// finds in rax. Of its registers, those that hold arguments are saved, rip and rflags.
    ///
    /// Unless [`Machine::attend`] was called or an upcall is pending and not masked, the guest may
    /// run on: what others want of this CPU they say by an interrupt ([`Machine::kick`]), which is
    /// taken as soon as the guest runs, however late it was sent. Else all registers are to be
    /// saved, and [`Self::on_attention`] called.
    #[inline(always)]
    pub fn on_hypercall<const NUMBER: u64>(&self, cpu: &mut Cpu, args: [u64; 6]) -> u64 {
        match cpu.current.as_mut() {
            Some(vcpu) => dispatch::entry::<NUMBER, M>(self, vcpu, args),
            None => 0,
        }
    }

    /// Makes an event channel operation of the guest that runs here if it is one that is quickly made,
    /// with what the machine has at hand, and says whether it did: its result is 0 then. If not, it
    /// is as if it had not been made yet.
    #[inline(always)]
    pub fn on_event_channel_op<'a>(m: &M, hv: impl Fn() -> &'a Self, args: [u64; 6]) -> bool {
        evtchn::quick::event_channel_op(m, hv, args)
    }

    /// The iret hypercall, likewise, with the guest's `rsp`. Where it is true, all registers that
    /// were saved are to be loaded; where it is false it is as if it had not been made yet, and
    /// attention is called for.
    #[inline(always)]
    pub fn on_iret(&self, cpu: &mut Cpu, rsp: u64) -> bool {
        let Some(vcpu) = cpu.current.as_mut() else {
            return false;
        };
        let done = trap::iret::quick(self, vcpu, rsp);
        if !done {
            vcpu.call_whole = true;
            self.machine.attend();
        }
        done
    }

    /// `syscall` in user mode from the guest that runs on `cpu`; afterwards as for [`Self::on_iret`].
    #[inline(always)]
    pub fn on_user_syscall(&self, cpu: &mut Cpu) {
        if let Some(vcpu) = cpu.current.as_mut() {
            trap::bounce::syscall(self, vcpu);
        }
    }

    /// #UD from the guest that runs on `cpu`, with all registers saved: true if it was the forced
    /// `cpuid`, which was emulated; else nothing was done.
    #[inline(always)]
    pub fn on_forced_cpuid(&self, cpu: &mut Cpu) -> bool {
        match cpu.current.as_mut() {
            Some(vcpu) => trap::emulate::forced_cpuid(self, vcpu),
            None => false,
        }
    }

    /// #UD from the guest that runs on `cpu`, with all registers saved. True if an instruction was
    /// emulated: then all registers are to be loaded; else those that compiled code preserves are as
    /// they were. Afterwards as for [`Self::on_iret`].
    #[inline(always)]
    pub fn on_invalid_opcode(&self, cpu: &mut Cpu) -> bool {
        match cpu.current.as_mut() {
            Some(vcpu) => trap::invalid_opcode(self, vcpu),
            None => false,
        }
    }

    /// #GP, likewise.
    #[inline(always)]
    pub fn on_general_protection(&self, cpu: &mut Cpu, error: u32) -> bool {
        match cpu.current.as_mut() {
            Some(vcpu) => trap::general_protection(self, vcpu, error),
            None => false,
        }
    }

    /// #PF at `cr2`, likewise.
    #[inline(always)]
    pub fn on_page_fault(&self, cpu: &mut Cpu, error: u32, cr2: u64) -> bool {
        match cpu.current.as_mut() {
            Some(vcpu) => trap::page_fault(self, vcpu, error, cr2),
            None => false,
        }
    }

    /// Something is due before the guest runs on. All its registers are saved.
    pub fn on_attention(&self, cpu: &mut Cpu) -> Resume {
        if let Some(vcpu) = cpu.current.as_mut()
            && core::mem::take(&mut vcpu.call_whole)
        {
            dispatch::hypercall_again(self, vcpu);
        }
        sched::leave(self, cpu)
    }

    /// `syscall` from the guest that runs on `cpu`, with all registers saved.
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
            Irq::Device(vector) => crate::pirq::interrupt(self, vector),
            Irq::Kick if self.machine.take_log_news() => crate::control::console::log_grew(self),
            Irq::Kick | Irq::Spurious => {}
        }
        sched::leave(self, cpu)
    }
}
