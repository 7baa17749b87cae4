//! Setting a vCPU's whole context (`vcpu_guest_context`, arch-x86/xen.h): what
//! `XEN_DOMCTL_setvcpucontext` and `VCPUOP_initialise` share.

use core::sync::atomic::Ordering;

use arrayvec::ArrayVec;
use hypercall_abi::arch_x86_64::{
    VGCF_failsafe_disables_events, VGCF_i387_valid, VGCF_in_kernel, VGCF_syscall_disables_events,
    trap_info, vcpu_guest_context,
};

use super::Domain;
use crate::addr::{Mfn, canonical};
use crate::error::{Errno, Result};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root;
use crate::pv::walk::Walk;
use crate::trap::frame::ExitFrame;
use crate::vcpu::{Callback, Mode, TrapGate, Vcpu};

/// Descriptors that the guest's part of a GDT holds (`FIRST_RESERVED_GDT_ENTRY`).
const GDT_ENTRIES: u64 = 7168;
/// Descriptors of one page.
const PER_PAGE: u64 = 512;
/// Most descriptors of an LDT.
const LDT_ENTRIES: u64 = 8192;
/// Bits 0-2 of a gate's flags have a meaning.
const GATE_FLAGS: u8 = 7;

/// `VCPUOP_initialise`: sets the context of a vCPU of the caller's own domain that has none.
///
/// # Errors
/// `EEXIST` when it has one; else as [`set`].
pub fn initialise<M: Machine>(cx: &mut Cx<'_, M>, index: u16, arg: u64) -> Result<i64> {
    let context: vcpu_guest_context = crate::guest::copy_in(cx.m(), arg)?;
    {
        let state = cx.dom.lock();
        let vcpu = state.vcpus.get(usize::from(index)).ok_or(Errno::ENOENT)?;
        if vcpu.initialised {
            return Err(Errno::EEXIST);
        }
    }
    set(cx.hv, cx.dom, index, &context)?;
    Ok(0)
}

/// References that a context holds, taken before anything of the vCPU is changed.
struct Held {
    gdt: ArrayVec<Mfn, 14>,
    kernel_root: Mfn,
    user_root: Option<Mfn>,
}

/// Sets the context of vCPU `index`, which does not run, and marks it initialised.
///
/// # Errors
/// `EINVAL` for addresses that are not canonical, frames that cannot be what they are named as,
/// and tables that are too long; `ENOENT` when there is no such vCPU; `EBUSY` when it runs. Nothing
/// is changed then.
pub fn set<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    index: u16,
    context: &vcpu_guest_context,
) -> Result<()> {
    check(context)?;
    let held = take(hv, dom, context)?;
    let mut homes = dom.homes.lock();
    let home = homes.get_mut(usize::from(index)).map(Option::as_mut);
    let Some(Some(vcpu)) = home else {
        let missing = home.is_none();
        drop(homes);
        give_up(hv, dom, held);
        return Err(if missing { Errno::ENOENT } else { Errno::EBUSY });
    };
    let old = replace(vcpu, held, context);
    drop(homes);
    if let Some(old) = old {
        give_up(hv, dom, old);
    }
    if index == 0 {
        dom.vm_assist.store(context.vm_assist, Ordering::Relaxed);
    }
    if let Some(shared) = dom.lock().vcpus.get_mut(usize::from(index)) {
        shared.initialised = true;
    }
    Ok(())
}

fn check(c: &vcpu_guest_context) -> Result<()> {
    let addresses = [
        c.user_regs.rip,
        c.event_callback_eip,
        c.failsafe_callback_eip,
        c.syscall_callback_eip,
        c.fs_base,
        c.gs_base_kernel,
        c.gs_base_user,
        c.ldt_base,
    ];
    let gates = c.trap_ctxt.iter().map(|gate| gate.address);
    if !addresses.into_iter().chain(gates).all(canonical) {
        return Err(Errno::EINVAL);
    }
    if c.gdt_ents > GDT_ENTRIES || c.ldt_ents > LDT_ENTRIES {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// The root frame that a control register names (`xen_cr3_to_pfn`).
fn root_frame(cr3: u64) -> Mfn {
    Mfn(cr3 >> 12)
}

fn take<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, c: &vcpu_guest_context) -> Result<Held> {
    let kernel_root = root_frame(c.ctrlreg[3]);
    root::adopt_root(hv, dom, kernel_root, false)?;
    let mut held = Held {
        gdt: ArrayVec::new(),
        kernel_root,
        user_root: None,
    };
    let user_root = root_frame(c.ctrlreg[1]);
    if user_root.0 != 0 {
        if let Err(e) = root::adopt_root(hv, dom, user_root, false) {
            give_up(hv, dom, held);
            return Err(e);
        }
        held.user_root = Some(user_root);
    }
    let pages = c.gdt_ents.div_ceil(PER_PAGE) as usize;
    for &frame in c.gdt_frames.iter().take(pages) {
        if let Err(e) = hv.page_get_descriptors(dom, Mfn(frame)) {
            give_up(hv, dom, held);
            return Err(e);
        }
        held.gdt.push(Mfn(frame));
    }
    Ok(held)
}

fn give_up<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, held: Held) {
    for mfn in held.gdt {
        hv.page_put_descriptors(mfn);
    }
    let mut walk = Walk::default();
    let _guard = dom.lock();
    root::give_up_root(hv, held.kernel_root, &mut walk);
    if let Some(user_root) = held.user_root {
        root::give_up_root(hv, user_root, &mut walk);
    }
    root::drain(hv, dom, &mut walk);
}

/// Puts everything in place; gives what the vCPU held before, if it had a root.
fn replace(vcpu: &mut Vcpu, held: Held, c: &vcpu_guest_context) -> Option<Held> {
    let old = vcpu.arch.kernel_root.map(|kernel_root| Held {
        gdt: vcpu.arch.gdt.take(),
        kernel_root,
        user_root: vcpu.arch.user_root,
    });
    let arch = &mut vcpu.arch;
    for (gate, info) in arch.traps.iter_mut().zip(&c.trap_ctxt) {
        *gate = trap_gate(info);
    }
    let callback = |address, flag| Callback {
        address,
        mask_events: c.flags & flag != 0,
    };
    // The event callback always masks; the other two say so in the flags.
    arch.event = callback(c.event_callback_eip, u64::MAX);
    arch.failsafe = callback(c.failsafe_callback_eip, VGCF_failsafe_disables_events);
    arch.syscall = callback(c.syscall_callback_eip, VGCF_syscall_disables_events);
    arch.kernel_ss = c.kernel_ss as u16 | 3;
    arch.kernel_sp = c.kernel_sp;
    arch.gdt = held.gdt;
    arch.gdt_entries = c.gdt_ents as u16;
    arch.ldt_base = c.ldt_base;
    arch.ldt_entries = c.ldt_ents as u32;
    arch.kernel_root = Some(held.kernel_root);
    arch.user_root = held.user_root;
    arch.fs_base = c.fs_base;
    arch.gs_base_kernel = c.gs_base_kernel;
    arch.gs_base_user = c.gs_base_user;
    arch.ds = c.user_regs.ds;
    arch.es = c.user_regs.es;
    arch.fs = c.user_regs.fs;
    arch.gs = c.user_regs.gs;
    vcpu.mode = if c.flags & VGCF_in_kernel != 0 { Mode::Kernel } else { Mode::User };
    if c.flags & VGCF_i387_valid != 0 {
        vcpu.fpu.0[..512].copy_from_slice(&c.fpu_ctxt.x);
    }
    registers(vcpu, c);
    old
}

fn trap_gate(info: &trap_info) -> TrapGate {
    TrapGate {
        cs: info.cs | 3,
        flags: info.flags & GATE_FLAGS,
        address: info.address,
    }
}

fn registers(vcpu: &mut Vcpu, c: &vcpu_guest_context) {
    let (r, u) = (&mut vcpu.regs, &c.user_regs);
    r.r15 = u.r15;
    r.r14 = u.r14;
    r.r13 = u.r13;
    r.r12 = u.r12;
    r.rbp = u.rbp;
    r.rbx = u.rbx;
    r.r11 = u.r11;
    r.r10 = u.r10;
    r.r9 = u.r9;
    r.r8 = u.r8;
    r.rax = u.rax;
    r.rcx = u.rcx;
    r.rdx = u.rdx;
    r.rsi = u.rsi;
    r.rdi = u.rdi;
    // Null selectors fault in the guest, at its first instruction, as anywhere else.
    match ExitFrame::new(u.rip, u.cs, u.rflags, u.rsp, u.ss) {
        Ok(frame) => frame.apply(r),
        Err(_) => {
            let flat = hypercall_abi::arch_x86_64::FLAT_KERNEL_CS;
            let stack = hypercall_abi::arch_x86_64::FLAT_KERNEL_SS;
            if let Ok(frame) = ExitFrame::new(u.rip, flat, u.rflags, u.rsp, stack) {
                frame.apply(r);
            }
        }
    }
}
