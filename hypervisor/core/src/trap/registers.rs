//! The guest's debug and control registers.

use crate::addr::HYPERVISOR_END;
use crate::error::{Errno, HypercallResult, Result};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::Vcpu;

/// Bits of DR6 that always read as one.
pub(crate) const DR6_RESET: u64 = 0xffff_0ff0;
/// Bits of DR6 that the processor sets: breakpoints 0-3, access, single step, task switch.
pub(crate) const DR6_EVENTS: u64 = 0xe00f;
/// Bit of DR6 that always reads as zero.
const DR6_ZERO: u64 = 1 << 12;
/// Bit of DR7 that always reads as one.
const DR7_RESET: u64 = 0x400;
/// Bits of DR7 that enable breakpoints.
const DR7_ENABLES: u64 = 0xff;
/// DR7: fault on access to debug registers.
const DR7_GENERAL_DETECT: u64 = 1 << 13;
/// Bits of DR7 that always read as zero.
const DR7_ZERO: u64 = 0xd800;
/// A breakpoint's kind in DR7: I/O, which needs CR4.DE.
const DR7_KIND_IO: u64 = 2;

/// CR0 as a guest sees it, without TS: PG AM WP NE ET MP PE.
const CR0: u64 = 0x8005_0033;
/// CR0: task switched.
const CR0_TS: u64 = 1 << 3;
/// Bits of CR4 that a guest always sees set: PAE MCE OSFXSR OSXMMEXCPT.
const CR4: u64 = 0x660;
/// CR4: RDTSC traps in user mode.
const CR4_TSD: u64 = 1 << 2;
/// CR4: I/O breakpoints; debug registers 4 and 5 are no more.
pub(crate) const CR4_DE: u64 = 1 << 3;
/// CR4: instructions for FS and GS bases.
const CR4_FSGSBASE: u64 = 1 << 16;
/// The bits of a guest's CR4 that are in force while it runs.
pub const CR4_OF_HARDWARE: u64 = CR4_TSD | CR4_DE | CR4_FSGSBASE;
/// CR4: XSAVE and XCR0.
pub(crate) const CR4_OSXSAVE: u64 = 1 << 18;

/// `set_debugreg(reg, value)`.
///
/// # Errors
/// `ENODEV` for a register there is not; `EPERM` for a breakpoint in the hypervisor's range or of a
/// kind guests may not have; `EINVAL` for reserved bits.
pub fn set_debugreg<M: Machine>(cx: &mut Cx<'_, M>, reg: u64, value: u64) -> HypercallResult {
    set_dr(cx.hv, cx.vcpu, reg as u32, value)?;
    Ok(0)
}

/// `get_debugreg(reg)`.
///
/// # Errors
/// `ENODEV` for a register there is not.
pub fn get_debugreg<M: Machine>(cx: &mut Cx<'_, M>, reg: u64) -> HypercallResult {
    Ok(dr(cx.vcpu, reg as u32)? as i64)
}

/// Debug register `reg` as the guest reads it; 4 and 5 are other names of 6 and 7.
pub(crate) fn dr(vcpu: &Vcpu, reg: u32) -> Result<u64> {
    let index = match reg {
        0..=3 | 6 | 7 => reg,
        4 | 5 => reg + 2,
        _ => return Err(Errno::ENODEV),
    };
    Ok(vcpu.arch.debugreg[index as usize & 7])
}

/// Sets a debug register, if the guest may.
pub(crate) fn set_dr<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    reg: u32,
    value: u64,
) -> Result<()> {
    let (index, value) = admit_dr(reg, value, cr4(vcpu))?;
    vcpu.arch.debugreg[index] = value;
    // DR6 is only ever reported, and the processor's own is merged in as it traps.
    if index != 6 {
        hv.machine.load_debugreg(index, value);
    }
    Ok(())
}

/// The register that `reg` names, and the value that a guest with this CR4 may have in it for
/// `value`.
pub(crate) fn admit_dr(reg: u32, value: u64, cr4: u64) -> Result<(usize, u64)> {
    Ok(match reg {
        0..=3 => (reg as usize, breakpoint(value)?),
        4 | 6 => (6, dr6(value)?),
        5 | 7 => (7, dr7(value, cr4)?),
        _ => return Err(Errno::ENODEV),
    })
}

fn breakpoint(address: u64) -> Result<u64> {
    if (1 << 47..HYPERVISOR_END).contains(&address) {
        Err(Errno::EPERM)
    } else {
        Ok(address)
    }
}

fn dr6(value: u64) -> Result<u64> {
    if value >> 32 != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(value & !DR6_ZERO | DR6_RESET)
}

fn dr7(value: u64, cr4: u64) -> Result<u64> {
    if value >> 32 != 0 {
        return Err(Errno::EINVAL);
    }
    // Kinds count, of all four, once one of them is enabled.
    let has_io = cr4 & CR4_DE == 0
        && value & DR7_ENABLES != 0
        && (16..32).step_by(4).any(|at| value >> at & 3 == DR7_KIND_IO);
    if value & DR7_GENERAL_DETECT != 0 || has_io {
        return Err(Errno::EPERM);
    }
    Ok(value & !DR7_ZERO | DR7_RESET)
}

/// CR0 as the guest reads it.
pub(crate) fn cr0(vcpu: &Vcpu) -> u64 {
    if vcpu.arch.task_switched {
        CR0 | CR0_TS
    } else {
        CR0
    }
}

/// Writes CR0, of which only TS may change.
pub(crate) fn set_cr0<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, value: u64) -> Result<()> {
    if value & !CR0_TS != CR0 {
        return Err(Errno::EINVAL);
    }
    set_ts(hv, vcpu, value & CR0_TS != 0);
    Ok(())
}

/// Sets or clears CR0.TS.
pub(crate) fn set_ts<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, ts: bool) {
    vcpu.arch.task_switched = ts;
    hv.machine.set_task_switched(ts);
}

/// CR4 as the guest reads it.
pub(crate) fn cr4(vcpu: &Vcpu) -> u64 {
    CR4 | vcpu.arch.cr4
}

/// Writes CR4. Bits that are not the guest's to change keep their value, as on real Xen.
pub(crate) fn set_cr4<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, value: u64) {
    let mut can = CR4_TSD | CR4_DE;
    if hv.machine.cpuid(7, 0).1 & 1 != 0 {
        can |= CR4_FSGSBASE;
    }
    if hv.machine.cpuid(1, 0).2 & 1 << 26 != 0 {
        can |= CR4_OSXSAVE;
    }
    vcpu.arch.cr4 = value & can;
    hv.machine.set_guest_cr4(vcpu.arch.cr4 & CR4_OF_HARDWARE);
}

/// Writes XCR0, if `value` is a state that the guest may have.
pub(crate) fn set_xcr0<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    index: u32,
    value: u64,
) -> Result<()> {
    let may = u64::from(super::cpuid::xcr0(hv));
    let x87 = value & 1 != 0;
    let avx_without_sse = value & 6 == 4;
    if index != 0 || !x87 || avx_without_sse || value & !may != 0 {
        return Err(Errno::EINVAL);
    }
    vcpu.arch.xcr0 = value;
    hv.machine.set_xcr0(value);
    Ok(())
}
