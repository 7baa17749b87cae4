//! The iret hypercall (arch-x86/xen-x86_64.h): the guest kernel goes to where a frame on its stack
//! says, in either mode.

use hypercall_abi::arch_x86_64::{
    FLAT_RING3_CS32, FLAT_USER_CS, FLAT_USER_SS, VGCF_in_syscall, iret_context,
};

use super::bounce::{self, Interrupted};
use super::frame::{BadExit, ExitFrame, IF, IOPL_SHIFT, RF, guest_flags};
use super::{GP, inject_at, mode};
use crate::error::{Crash, HypercallResult};
use crate::guest::copy_in;
use crate::hypercall::Cx;
use crate::platform::Machine;

/// `iret()`. The registers are all in place afterwards, rax among them.
///
/// # Errors
/// The domain dies when the frame cannot be read, or names a mode without a page table.
pub fn iret<M: Machine>(cx: &mut Cx<'_, M>) -> HypercallResult {
    let frame: iret_context =
        copy_in(cx.m(), cx.vcpu.regs.rsp).map_err(|_| Crash("iret frame cannot be read"))?;
    let mut to = Interrupted {
        rip: frame.rip,
        cs: frame.cs as u16,
        rflags: frame.rflags,
        rsp: frame.rsp,
        ss: frame.ss as u16,
    };
    if frame.cs & 3 == 3 {
        mode::toggle(cx.hv, cx.vcpu)?;
    }
    if bounce::shows_iopl(cx.hv, cx.vcpu) {
        cx.vcpu.arch.iopl = (frame.rflags >> IOPL_SHIFT) as u8 & 3;
    }
    bounce::set_upcall_mask(cx.hv, cx.vcpu, frame.rflags & IF == 0);
    let regs = &mut cx.vcpu.regs;
    regs.rax = frame.rax;
    if frame.flags & VGCF_in_syscall != 0 {
        // As `sysret` leaves them, of which there is one for 32-bit code.
        to.ss = FLAT_USER_SS;
        regs.rcx = frame.rip;
        regs.r11 = guest_flags(frame.rflags);
        if to.cs != FLAT_RING3_CS32 {
            to.cs = FLAT_USER_CS;
        }
    } else {
        regs.rcx = frame.rcx;
        regs.r11 = frame.r11;
    }
    let exit = if frame.flags & VGCF_in_syscall != 0 && to.cs == FLAT_USER_CS {
        ExitFrame::behind_syscall(to.rip, to.rflags, to.rsp)
    } else {
        ExitFrame::new(to.rip, to.cs, to.rflags, to.rsp, to.ss)
    };
    match exit {
        Ok(exit) => exit.apply(regs),
        Err(BadExit) => {
            // The fault is that of the first instruction there.
            to.ss |= 3;
            to.rflags = guest_flags(to.rflags) | RF;
            inject_at(cx.hv, cx.vcpu, GP, Some(0), to);
        }
    }
    Ok(0)
}
