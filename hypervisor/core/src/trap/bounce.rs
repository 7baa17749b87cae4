//! Bounce frames: how an exception, an event or a system call enters a handler of the guest
//! kernel.
//!
//! On entry the stack holds, from its pointer up: rcx, r11, the error code if the vector has one,
//! rip, cs with the saved upcall mask in bit 32, rflags, rsp, ss (arch-x86/xen-x86_64.h). Kernel
//! code shows with RPL 0 in the saved cs, user code with RPL 3; the saved IF is the virtual one.
//! Handlers always run on the flat segments, whatever selector the trap table names.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::arch_vcpu_info;
use hypercall_abi::xen::{VMASST_TYPE_architectural_iopl, vcpu_info};

use super::frame::{ExitFrame, IF, IOPL, IOPL_SHIFT};
use super::{UD, kill, mode};
use crate::addr::guest_range;
use crate::error::Crash;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::{Callback, Mode, Vcpu};

/// Length of the `syscall` instruction.
const SYSCALL_LENGTH: u64 = 2;
/// Byte offset of the upcall mask in `vcpu_info`.
const UPCALL_MASK: usize = offset_of!(vcpu_info, evtchn_upcall_mask);
/// Byte offset of CR2 in `vcpu_info`.
pub const CR2: usize = offset_of!(vcpu_info, arch) + offset_of!(arch_vcpu_info, cr2);

/// The state that a handler interrupts, as it is to be saved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// Where it goes on.
    pub rip: u64,
    /// Its code selector, RPL as the processor had it.
    pub cs: u16,
    /// Its flags.
    pub rflags: u64,
    /// Its stack pointer.
    pub rsp: u64,
    /// Its stack selector.
    pub ss: u16,
}

impl Interrupted {
    /// What the vCPU's saved registers say.
    #[inline]
    pub(crate) fn from_regs(vcpu: &Vcpu) -> Self {
        let r = &vcpu.regs;
        Self {
            rip: r.rip,
            cs: r.cs as u16,
            rflags: r.rflags,
            rsp: r.rsp,
            ss: r.ss as u16,
        }
    }
}

/// A handler and how to enter it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handler {
    /// Its address, not 0.
    pub address: u64,
    /// Whether events are masked in it.
    pub mask_events: bool,
    /// The error code pushed for it.
    pub error: Option<u32>,
}

/// Whether events are masked; they are while the vCPU has no `vcpu_info`.
#[inline]
pub(crate) fn upcall_mask<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> bool {
    vcpu.info
        .is_none_or(|area| hv.machine.load_info(area, UPCALL_MASK) != 0)
}

/// Masks or unmasks events.
#[inline]
pub(crate) fn set_upcall_mask<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, masked: bool) {
    if let Some(area) = vcpu.info {
        hv.machine.store_info(area, UPCALL_MASK, u8::from(masked));
    }
}

/// Puts the faulting address where the guest reads it.
#[inline]
pub(crate) fn set_cr2<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, cr2: u64) {
    if let Some(area) = vcpu.info {
        hv.machine
            .store_u64(area.mfn, usize::from(area.offset) + CR2, cr2);
    }
}

/// CR2 as the guest reads it.
pub(crate) fn cr2<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> u64 {
    vcpu.info.map_or(0, |area| {
        hv.machine
            .load_u64(area.mfn, usize::from(area.offset) + CR2)
    })
}

/// Whether the domain wants to see its I/O privilege level in its flags.
#[inline]
pub(crate) fn shows_iopl<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> bool {
    let assists = hv.domains.slot(vcpu.slot).vm_assist.load(Ordering::Relaxed);
    assists & 1 << VMASST_TYPE_architectural_iopl != 0
}

/// Enters `handler` with `from` saved on the kernel's stack.
///
/// # Errors
/// When the frame cannot be written or the handler's address is no address: the domain dies.
#[inline(always)]
pub(crate) fn enter<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    handler: Handler,
    from: Interrupted,
) -> Result<(), Crash> {
    let masked = upcall_mask(hv, vcpu);
    let from_kernel = vcpu.mode == Mode::Kernel;
    let (top, cs) = if from_kernel {
        (from.rsp, from.cs & !3)
    } else {
        mode::toggle(hv, vcpu)?;
        (vcpu.arch.kernel_sp, from.cs)
    };
    let mut rflags = from.rflags & !(IF | IOPL);
    if !masked {
        rflags |= IF;
    }
    if vcpu.arch.iopl != 0 && shows_iopl(hv, vcpu) {
        rflags |= u64::from(vcpu.arch.iopl & 3) << IOPL_SHIFT;
    }
    let (rcx, r11) = (vcpu.regs.rcx, vcpu.regs.r11);
    let cs = u64::from(cs) | u64::from(masked) << 32;
    let ss = u64::from(from.ss);
    let length = if handler.error.is_some() { 64 } else { 56 };
    let rsp = (top & !15).wrapping_sub(length);
    let exit = ExitFrame::handler(handler.address, from.rflags, rsp)
        .map_err(|_| Crash("handler address is not canonical"))?;
    let (rip, sp) = (from.rip, from.rsp);
    let written = guest_range(rsp, length)
        && match handler.error {
            Some(error) => {
                let words = [rcx, r11, u64::from(error), rip, cs, rflags, sp, ss];
                hv.machine.write_guest_error_frame(rsp, words)
            }
            None => {
                let words = [rcx, r11, rip, cs, rflags, sp, ss];
                hv.machine.write_guest_frame(rsp, words)
            }
        }
        .is_ok();
    if !written {
        vcpu.regs.rsp = rsp;
        return Err(Crash("bounce frame cannot be written"));
    }
    if handler.mask_events {
        set_upcall_mask(hv, vcpu, true);
    }
    exit.apply(&mut vcpu.regs);
    Ok(())
}

/// Enters a registered callback, or ends the domain.
#[inline]
fn call_back<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, to: Callback) {
    let handler = Handler {
        address: to.address,
        mask_events: to.mask_events,
        error: None,
    };
    let from = Interrupted::from_regs(vcpu);
    if let Err(crash) = enter(hv, vcpu, handler, from) {
        no_frame(hv, vcpu, crash);
    }
}

/// Ends the domain, whose handler cannot be entered.
#[cold]
#[inline(never)]
pub(crate) fn no_frame<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, crash: Crash) {
    let sp = vcpu.regs.rsp;
    kill(hv, vcpu, crash, Some(sp));
}

/// `syscall` from guest user: to the registered handler, or #UD when there is none. The entry code
/// has rip in rcx and the flags in r11, as the instruction leaves them.
pub fn syscall<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let handler = vcpu.arch.syscall;
    if handler.address == 0 {
        vcpu.regs.rip = vcpu.regs.rip.wrapping_sub(SYSCALL_LENGTH);
        super::inject(hv, vcpu, UD, None);
        return;
    }
    call_back(hv, vcpu, handler);
}

/// Delivers the event callback: called by [`crate::sched::leave`] when an upcall is pending, not
/// masked. Events are masked in it. A guest that registered none polls, and is left alone.
pub fn event<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let mut handler = vcpu.arch.event;
    if handler.address == 0 {
        return;
    }
    handler.mask_events = true;
    call_back(hv, vcpu, handler);
}

/// Delivers an NMI to the callback that the guest registered, events masked in it; a guest that
/// registered none does not get it.
pub fn nmi<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let mut handler = vcpu.arch.nmi;
    if handler.address == 0 {
        return;
    }
    handler.mask_events = true;
    call_back(hv, vcpu, handler);
}
