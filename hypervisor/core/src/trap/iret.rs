//! The iret hypercall (arch-x86/xen-x86_64.h): the guest kernel goes to where a frame on its stack
//! says, in either mode.

use hypercall_abi::arch_x86_64::{
    FLAT_RING3_CS32, FLAT_USER_CS, FLAT_USER_SS, VGCF_in_syscall, iret_context,
};

use super::bounce::{self, Interrupted};
use super::frame::{BadExit, ExitFrame, IF, IOPL_SHIFT, RF, guest_flags};
use super::{GP, inject_at, mode};
use crate::addr::guest_range;
use crate::error::{Crash, HypercallResult};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::Vcpu;

/// `iret()`. The registers are all in place afterwards, rax among them.
///
/// # Errors
/// The domain dies when the frame cannot be read, or names a mode without a page table.
#[inline(never)]
pub fn iret<M: Machine>(cx: &mut Cx<'_, M>) -> HypercallResult {
    let rsp = cx.vcpu.regs.rsp;
    let Some(frame) = read(cx.hv, rsp) else {
        return Err(Crash("iret frame cannot be read").into());
    };
    let mut to = target(&frame);
    prepare(cx.hv, cx.vcpu, &frame)?;
    match exit(&frame, &to) {
        Ok(exit) => exit.apply(&mut cx.vcpu.regs),
        Err(BadExit) => {
            // The fault is that of the first instruction there.
            to.ss |= 3;
            to.rflags = guest_flags(to.rflags) | RF;
            inject_at(cx.hv, cx.vcpu, GP, Some(0), to);
        }
    }
    Ok(0)
}

/// The same, the guest's stack pointer being `rsp`, if nothing is wrong with the frame; else false,
/// and nothing done: then the whole hypercall is to be run, for which all of the guest's registers
/// must be saved.
#[inline]
pub(crate) fn quick<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, rsp: u64) -> bool {
    let Some(frame) = read(hv, rsp) else {
        return false;
    };
    let Ok(exit) = exit(&frame, &target(&frame)) else {
        return false;
    };
    if prepare(hv, vcpu, &frame).is_err() {
        return false;
    }
    exit.apply(&mut vcpu.regs);
    true
}

/// Copies the frame at `rsp` in, once.
#[inline(always)]
fn read<M: Machine>(hv: &Hypervisor<M>, rsp: u64) -> Option<iret_context> {
    if !guest_range(rsp, size_of::<iret_context>() as u64) {
        return None;
    }
    let words = hv.machine.read_guest_frame(rsp).ok()?;
    Some(zerocopy::transmute!(words))
}

/// Where the frame says to go on.
#[inline(always)]
fn target(frame: &iret_context) -> Interrupted {
    let (mut cs, mut ss) = (frame.cs as u16, frame.ss as u16);
    if frame.flags & VGCF_in_syscall != 0 {
        // As `sysret` leaves them, of which there is one for 32-bit code.
        ss = FLAT_USER_SS;
        if cs != FLAT_RING3_CS32 {
            cs = FLAT_USER_CS;
        }
    }
    Interrupted {
        rip: frame.rip,
        cs,
        rflags: frame.rflags,
        rsp: frame.rsp,
        ss,
    }
}

#[inline(always)]
fn exit(frame: &iret_context, to: &Interrupted) -> Result<ExitFrame, BadExit> {
    if frame.flags & VGCF_in_syscall != 0 && to.cs == FLAT_USER_CS {
        ExitFrame::behind_syscall(to.rip, to.rflags, to.rsp)
    } else {
        ExitFrame::new(to.rip, to.cs, to.rflags, to.rsp, to.ss)
    }
}

/// Everything but where to go on. Nothing is done where it fails.
#[inline(always)]
fn prepare<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    frame: &iret_context,
) -> Result<(), Crash> {
    if frame.cs & 3 == 3 {
        mode::toggle(hv, vcpu)?;
    }
    if bounce::shows_iopl(hv, vcpu) {
        vcpu.arch.iopl = (frame.rflags >> IOPL_SHIFT) as u8 & 3;
    }
    bounce::set_upcall_mask(hv, vcpu, frame.rflags & IF == 0);
    let regs = &mut vcpu.regs;
    regs.rax = frame.rax;
    if frame.flags & VGCF_in_syscall != 0 {
        regs.rcx = frame.rip;
        regs.r11 = guest_flags(frame.rflags);
    } else {
        regs.rcx = frame.rcx;
        regs.r11 = frame.r11;
    }
    Ok(())
}
