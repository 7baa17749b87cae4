//! `setvcpucontext` and `getvcpucontext`: a vCPU's whole state in the toolstack's memory.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::{
    VGCF_failsafe_disables_events, VGCF_i387_valid, VGCF_in_kernel, VGCF_online,
    VGCF_syscall_disables_events, cpu_user_regs, trap_info, vcpu_guest_context, xen_pfn_to_cr3,
};
use hypercall_abi::domctl::xen_domctl_vcpucontext;
use hypercall_abi::xen::vcpu_info;
use zerocopy::FromZeros;

use super::{Answer, Outcome};
use crate::domain::Domain;
use crate::domain::context::{REST, Remote, Rest, load};
use crate::error::{Errno, Stop};
use crate::hypercall::Cx;
use crate::platform::Machine;
use crate::sched;
use crate::trap::frame::IOPL_SHIFT;
use crate::vcpu::{Mode, Vcpu};

/// The vCPU's number, checked, of a domain that has come to rest.
fn subject<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Result<usize, Stop> {
    let index = request.vcpu as usize;
    if dom.slot == cx.dom.slot || index >= dom.lock().vcpus.len() {
        return Err(Errno::EINVAL.into());
    }
    let held = dom.pauses.load(Ordering::Relaxed) != 0 || dom.shutdown.load(Ordering::Relaxed) != 0;
    if !held {
        return Err(Errno::EBUSY.into());
    }
    if !sched::stop(cx.hv, dom) {
        return Err(Stop::Retry);
    }
    Ok(index)
}

/// `XEN_DOMCTL_setvcpucontext`. The domain must be paused or shut down.
pub(super) fn set<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Outcome {
    let index = subject(cx, dom, request)?;
    load(cx, dom, index, request.ctxt)?;
    Ok(Answer::None)
}

/// `XEN_DOMCTL_getvcpucontext`, of an initialised vCPU.
pub(super) fn get<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Outcome {
    let index = subject(cx, dom, request)?;
    let (initialised, up) = {
        let state = dom.lock();
        state
            .vcpus
            .get(index)
            .map_or((false, false), |v| (v.initialised, v.up))
    };
    if !initialised {
        return Err(Errno::ENODATA.into());
    }
    let remote = Remote::new(cx.m(), request.ctxt)?;
    let mut homes = dom.homes.lock();
    let vcpu = homes
        .get_mut(index)
        .and_then(Option::as_mut)
        .ok_or(Errno::EBUSY)?;
    let mask = vcpu.info.map_or(0, |info| {
        let offset = usize::from(info.offset) + offset_of!(vcpu_info, evtchn_upcall_mask);
        cx.m().load_u8(info.mfn, offset)
    });
    if let Some(image) = vcpu.fpu.0.first_chunk::<512>() {
        remote.write(offset_of!(vcpu_guest_context, fpu_ctxt), image)?;
    }
    remote.write(
        offset_of!(vcpu_guest_context, flags),
        &context_flags(vcpu, up),
    )?;
    remote.write(
        offset_of!(vcpu_guest_context, user_regs),
        &user_regs(vcpu, mask),
    )?;
    for (i, gate) in vcpu.arch.traps.iter().enumerate() {
        let mut info = trap_info::new_zeroed();
        if gate.address != 0 {
            (info.vector, info.flags, info.cs) = (i as u8, gate.flags, gate.cs);
            info.address = gate.address;
        }
        let offset = offset_of!(vcpu_guest_context, trap_ctxt) + i * size_of::<trap_info>();
        remote.write(offset, &info)?;
    }
    remote.write(REST, &rest_of(vcpu))?;
    Ok(Answer::Written)
}

fn context_flags(vcpu: &Vcpu, up: bool) -> u64 {
    let mut flags = VGCF_i387_valid;
    for (flag, holds) in [
        (VGCF_in_kernel, vcpu.mode == Mode::Kernel),
        (VGCF_online, up),
        (
            VGCF_failsafe_disables_events,
            vcpu.arch.failsafe.mask_events,
        ),
        (VGCF_syscall_disables_events, vcpu.arch.syscall.mask_events),
    ] {
        if holds {
            flags |= flag;
        }
    }
    flags
}

fn user_regs(vcpu: &Vcpu, upcall_mask: u8) -> cpu_user_regs {
    let (r, arch) = (&vcpu.regs, &vcpu.arch);
    let mut user = cpu_user_regs::new_zeroed();
    (user.r15, user.r14, user.r13, user.r12) = (r.r15, r.r14, r.r13, r.r12);
    (user.rbp, user.rbx, user.r11, user.r10) = (r.rbp, r.rbx, r.r11, r.r10);
    (user.r9, user.r8, user.rax, user.rcx) = (r.r9, r.r8, r.rax, r.rcx);
    (user.rdx, user.rsi, user.rdi) = (r.rdx, r.rsi, r.rdi);
    (user.rip, user.rsp) = (r.rip, r.rsp);
    user.rflags = r.rflags | u64::from(arch.iopl) << IOPL_SHIFT;
    (user.cs, user.ss) = (r.cs as u16, r.ss as u16);
    (user.ds, user.es, user.fs, user.gs) = (arch.ds, arch.es, arch.fs, arch.gs);
    user.saved_upcall_mask = upcall_mask;
    user
}

fn rest_of(vcpu: &Vcpu) -> Rest {
    let arch = &vcpu.arch;
    let mut rest = Rest::new_zeroed();
    (rest.ldt_base, rest.ldt_ents) = (arch.ldt_base, arch.ldt_entries.into());
    for (to, mfn) in rest.gdt_frames.iter_mut().zip(&arch.gdt) {
        *to = mfn.0;
    }
    rest.gdt_ents = arch.gdt_entries.into();
    (rest.kernel_ss, rest.kernel_sp) = (arch.kernel_ss.into(), arch.kernel_sp);
    rest.ctrlreg[1] = arch.user_root.get().map_or(0, |mfn| xen_pfn_to_cr3(mfn.0));
    rest.ctrlreg[3] = arch
        .kernel_root
        .get()
        .map_or(0, |mfn| xen_pfn_to_cr3(mfn.0));
    rest.debugreg = arch.debugreg;
    rest.event_callback_eip = arch.event.address;
    rest.failsafe_callback_eip = arch.failsafe.address;
    rest.syscall_callback_eip = arch.syscall.address;
    rest.vm_assist = arch.vm_assist;
    rest.fs_base = arch.fs_base;
    (rest.gs_base_kernel, rest.gs_base_user) = (arch.gs_base_kernel, arch.gs_base_user);
    rest
}
