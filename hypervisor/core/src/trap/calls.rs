//! Hypercalls that say where traps go and on which stack, and set segment bases and assists.

use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::{
    SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER, SEGBASE_GS_USER_SEL, trap_info,
};
use hypercall_abi::callback::{
    CALLBACKF_mask_events, CALLBACKOP_register, CALLBACKOP_unregister, CALLBACKTYPE_event,
    CALLBACKTYPE_failsafe, CALLBACKTYPE_nmi, CALLBACKTYPE_syscall, CALLBACKTYPE_syscall32,
    CALLBACKTYPE_sysenter, callback_register, callback_unregister,
};
use hypercall_abi::xen::{
    VMASST_CMD_disable, VMASST_CMD_enable, VMASST_TYPE_4gb_segments, VMASST_TYPE_m2p_strict,
    VMASST_TYPE_runstate_update_flag,
};

pub use super::registers::{get_debugreg, set_debugreg};
pub use super::tables::{ldt_fault, set_gdt, set_ldt, update_descriptor};

use crate::addr::canonical;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::copy_in;
use crate::hypercall::Cx;
use crate::platform::{Machine, Segment};
use crate::vcpu::Vcpu;
use crate::vcpu::{Arch, Callback, TrapGate};

/// `set_trap_table(traps)`: the gates up to the first whose address is 0; address 0 for the list
/// itself unsets all.
///
/// # Errors
/// `EFAULT`; `EINVAL` for an address that is not canonical, with the gates before it set.
pub fn set_trap_table<M: Machine>(cx: &mut Cx<'_, M>, traps: u64) -> HypercallResult {
    if traps == 0 {
        cx.vcpu.arch.traps = [TrapGate::default(); 256];
        return Ok(0);
    }
    let mut done = cx.resume_at();
    loop {
        if !cx.budget.take(1) {
            cx.suspend_at(done);
            return Err(Stop::Retry);
        }
        let at = done
            .checked_mul(size_of::<trap_info>() as u64)
            .and_then(|offset| traps.checked_add(offset))
            .ok_or(Errno::EFAULT)?;
        let gate: trap_info = copy_in(cx.m(), at)?;
        if gate.address == 0 {
            return Ok(0);
        }
        if !canonical(gate.address) {
            return Err(Errno::EINVAL.into());
        }
        cx.vcpu.arch.traps[usize::from(gate.vector)] = TrapGate {
            cs: gate.cs | 3,
            flags: gate.flags & 7,
            address: gate.address,
        };
        done += 1;
    }
}

/// `set_callbacks(event, failsafe, syscall)`: the old form of [`callback_op`]. An address that is
/// not canonical leaves that callback as it was.
///
/// # Errors
/// None.
pub fn set_callbacks<M: Machine>(
    cx: &mut Cx<'_, M>,
    event: u64,
    failsafe: u64,
    syscall: u64,
) -> HypercallResult {
    let arch = &mut cx.vcpu.arch;
    let all = [
        (&mut arch.event, event),
        (&mut arch.failsafe, failsafe),
        (&mut arch.syscall, syscall),
    ];
    for (callback, address) in all {
        if canonical(address) {
            *callback = Callback {
                address,
                mask_events: false,
            };
        }
    }
    Ok(0)
}

/// `callback_op(cmd, arg)` (callback.h).
///
/// # Errors
/// `ENOSYS` for an unknown command or type; `EINVAL` for an address that is not canonical, and for
/// unregistering what cannot be done without; `EFAULT`.
pub fn callback_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        CALLBACKOP_register => {
            let r: callback_register = copy_in(cx.m(), arg)?;
            register(&mut cx.vcpu.arch, &r)?;
        }
        CALLBACKOP_unregister => {
            let u: callback_unregister = copy_in(cx.m(), arg)?;
            unregister(&mut cx.vcpu.arch, u.r#type)?;
        }
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
}

fn callback(arch: &mut Arch, kind: u16) -> Result<&mut Callback> {
    match kind {
        CALLBACKTYPE_event => Ok(&mut arch.event),
        CALLBACKTYPE_failsafe => Ok(&mut arch.failsafe),
        CALLBACKTYPE_syscall => Ok(&mut arch.syscall),
        CALLBACKTYPE_syscall32 => Ok(&mut arch.syscall32),
        CALLBACKTYPE_sysenter => Ok(&mut arch.sysenter),
        CALLBACKTYPE_nmi => Ok(&mut arch.nmi),
        _ => Err(Errno::ENOSYS),
    }
}

fn register(arch: &mut Arch, r: &callback_register) -> Result<()> {
    if !canonical(r.address) {
        return Err(Errno::EINVAL);
    }
    *callback(arch, r.r#type)? = Callback {
        address: r.address,
        mask_events: r.flags & CALLBACKF_mask_events != 0,
    };
    Ok(())
}

fn unregister(arch: &mut Arch, kind: u16) -> Result<()> {
    let callback = callback(arch, kind)?;
    if kind != CALLBACKTYPE_nmi {
        return Err(Errno::EINVAL);
    }
    *callback = Callback::default();
    Ok(())
}

/// `stack_switch(ss, sp)`: the stack on which user mode enters the kernel. Nothing is refused: a
/// stack that cannot be written ends the domain when it is needed.
///
/// # Errors
/// None.
#[inline]
pub fn stack_switch<M: Machine>(cx: &mut Cx<'_, M>, ss: u64, sp: u64) -> HypercallResult {
    set_stack(cx.vcpu, ss, sp);
    Ok(0)
}

/// Sets the kernel's stack.
#[inline(always)]
pub(crate) fn set_stack(vcpu: &mut Vcpu, ss: u64, sp: u64) {
    vcpu.arch.kernel_ss = ss as u16 | 3;
    vcpu.arch.kernel_sp = sp;
}

/// `fpu_taskswitch(set)`: sets or clears CR0.TS.
///
/// # Errors
/// None.
#[inline]
pub fn fpu_taskswitch<M: Machine>(cx: &mut Cx<'_, M>, set: u64) -> HypercallResult {
    set_task_switched(cx.m(), cx.vcpu, set);
    Ok(0)
}

/// Sets or clears CR0.TS of the running vCPU.
#[inline(always)]
pub(crate) fn set_task_switched<M: Machine>(m: &M, vcpu: &mut Vcpu, set: u64) {
    let ts = set as u32 != 0;
    if vcpu.arch.task_switched != ts {
        vcpu.arch.task_switched = ts;
        m.set_task_switched(ts);
    }
}

/// `set_segment_base(which, base)` (arch-x86/xen-x86_64.h).
///
/// # Errors
/// `EINVAL` for a base that is not canonical, or an unknown `which`.
#[inline]
pub fn set_segment_base<M: Machine>(cx: &mut Cx<'_, M>, which: u64, base: u64) -> HypercallResult {
    let which = which as u32;
    if which == SEGBASE_GS_USER_SEL {
        load_user_gs(cx, base as u16);
        return Ok(0);
    }
    if !canonical(base) {
        return Err(Errno::EINVAL.into());
    }
    match which {
        SEGBASE_FS => {
            cx.vcpu.arch.fs_base = base;
            cx.m().set_fs_base(base);
        }
        SEGBASE_GS_USER => cx.vcpu.arch.gs_base_user = base,
        SEGBASE_GS_KERNEL => {
            cx.vcpu.arch.gs_base_kernel = base;
            cx.m().set_gs_base(base);
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

/// Loads the GS selector that user mode will have; its descriptor's base becomes the user's, the
/// kernel's stays. A selector that cannot be loaded becomes null, as `failsafe` handlers make it.
fn load_user_gs<M: Machine>(cx: &mut Cx<'_, M>, selector: u16) {
    let m = cx.m();
    let selector = match selector {
        0..=3 => selector,
        _ => selector | 3,
    };
    let kernel = m.gs_base();
    if selector & 4 != 0 {
        ldt_fault(cx.hv, cx.vcpu, u32::from(selector & !7));
    }
    m.set_gs_base(cx.vcpu.arch.gs_base_user);
    let _ = m.load_selector(Segment::Gs, selector);
    cx.vcpu.arch.gs_base_user = m.gs_base();
    m.set_gs_base(kernel);
}

/// `vm_assist(cmd, type)`.
///
/// # Errors
/// `EINVAL` for a type that a 64-bit PV guest does not have; `ENOSYS` for an unknown command.
pub fn vm_assist<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, kind: u64) -> HypercallResult {
    let kind = kind as u32;
    if !matches!(
        kind,
        VMASST_TYPE_4gb_segments..=VMASST_TYPE_runstate_update_flag
    ) && kind != VMASST_TYPE_m2p_strict
    {
        return Err(Errno::EINVAL.into());
    }
    let bit = 1_u64 << kind;
    let assists = &cx.dom.vm_assist;
    let now = match cmd as u32 {
        VMASST_CMD_enable => assists.fetch_or(bit, Ordering::Relaxed) | bit,
        VMASST_CMD_disable => assists.fetch_and(!bit, Ordering::Relaxed) & !bit,
        _ => return Err(Errno::ENOSYS.into()),
    };
    cx.vcpu.arch.vm_assist = now;
    Ok(0)
}
