//! Model-specific registers: what is not named here is #GP, and nothing is read from the hardware
//! but what tells of the processor itself. The list is what Debian's Xen 4.17 answers to a guest.

use super::cpuid::HYPERCALL_MSR;
use super::hypercall_page;
use crate::addr::{Mfn, PAGE_SIZE, canonical};
use crate::domain::Domain;
use crate::error::{Errno, Result};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::Vcpu;

const P5_MC_ADDR: u32 = 0;
const TSC: u32 = 0x10;
const APIC_BASE: u32 = 0x1b;
const PATCH_LEVEL: u32 = 0x8b;
const PLATFORM_INFO: u32 = 0xce;
const MISC_FEATURES: u32 = 0x140;
const MCG_CAP: u32 = 0x179;
const MCG_STATUS: u32 = 0x17a;
const PAT: u32 = 0x277;
const MC0_CTL: u32 = 0x400;
/// Behind the last register of the machine-check banks that are shown.
const MC_END: u32 = MC0_CTL + 4 * MC_BANKS;
const EFER: u32 = 0xc000_0080;
const FS_BASE: u32 = 0xc000_0100;
const GS_BASE: u32 = 0xc000_0101;
const KERNEL_GS_BASE: u32 = 0xc000_0102;
const AMD_PERFORMANCE_FIRST: u32 = 0xc001_0000;
const AMD_PERFORMANCE_LAST: u32 = 0xc001_0007;
const AMD_SYSCFG: u32 = 0xc001_0010;
const AMD_HWCR: u32 = 0xc001_0015;
const AMD_TOP_MEM: u32 = 0xc001_001a;
const AMD_TOP_MEM2: u32 = 0xc001_001d;
const AMD_NB_CFG: u32 = 0xc001_001f;
const AMD_PSTATE_CONTROL: u32 = 0xc001_0062;
const AMD_PSTATE0: u32 = 0xc001_0064;
const AMD_DE_CFG: u32 = 0xc001_1029;

/// Machine-check banks that a guest sees; nothing is ever in them.
const MC_BANKS: u32 = 2;
/// The page-attribute table of the PV ABI: WB WT UC- UC WC WP UC UC.
const PAT_VALUE: u64 = 0x0000_0501_0007_0406;
/// EFER: SYSCALL, long mode enabled and active, NX.
const EFER_VALUE: u64 = 0xd01;
/// Local APIC enabled, at its usual address.
const APIC_BASE_VALUE: u64 = 0xfee0_0800;
/// The vCPU is the one that boots.
const APIC_BASE_BSP: u64 = 1 << 8;
/// DE_CFG: LFENCE is serialising.
const DE_CFG_VALUE: u64 = 2;
/// First letters of "AuthenticAMD" and "HygonGenuine" in EBX of leaf 0.
const AMD: u32 = 0x6874_7541;
const HYGON: u32 = 0x6f67_7948;

fn is_amd<M: Machine>(hv: &Hypervisor<M>) -> bool {
    matches!(hv.machine.cpuid(0, 0).1, AMD | HYGON)
}

/// Reads a register.
///
/// # Errors
/// `EINVAL` when it is #GP.
pub(crate) fn read<M: Machine>(
    hv: &Hypervisor<M>,
    _dom: &Domain,
    vcpu: &Vcpu,
    index: u32,
) -> Result<u64> {
    let m = hv.machine;
    match index {
        TSC => Ok(m.tsc()),
        APIC_BASE if vcpu.id.index == 0 => Ok(APIC_BASE_VALUE | APIC_BASE_BSP),
        APIC_BASE => Ok(APIC_BASE_VALUE),
        PATCH_LEVEL => m.rdmsr(index).map_err(|_| Errno::EINVAL),
        P5_MC_ADDR | PLATFORM_INFO | MISC_FEATURES | MCG_STATUS | HYPERCALL_MSR => Ok(0),
        MCG_CAP => Ok(u64::from(MC_BANKS)),
        PAT => Ok(PAT_VALUE),
        MC0_CTL..MC_END => Ok(if is_mc_ctl(index) { u64::MAX } else { 0 }),
        EFER => Ok(EFER_VALUE),
        FS_BASE => Ok(m.fs_base()),
        GS_BASE => Ok(m.gs_base()),
        KERNEL_GS_BASE => Ok(vcpu.arch.gs_base_user),
        AMD_PERFORMANCE_FIRST..=AMD_PERFORMANCE_LAST
        | AMD_SYSCFG
        | AMD_HWCR
        | AMD_TOP_MEM
        | AMD_TOP_MEM2
        | AMD_NB_CFG
        | AMD_PSTATE_CONTROL..=AMD_PSTATE0
            if is_amd(hv) =>
        {
            Ok(0)
        }
        AMD_DE_CFG if is_amd(hv) => Ok(DE_CFG_VALUE),
        _ => Err(Errno::EINVAL),
    }
}

/// Whether a register of the machine-check banks is a control one.
const fn is_mc_ctl(index: u32) -> bool {
    (index - MC0_CTL).is_multiple_of(4)
}

/// Writes a register. Those that only describe take any value and keep their own.
///
/// # Errors
/// `EINVAL` when it is #GP.
pub(crate) fn write<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    index: u32,
    value: u64,
) -> Result<()> {
    let m = hv.machine;
    match index {
        FS_BASE | GS_BASE | KERNEL_GS_BASE if !canonical(value) => Err(Errno::EINVAL),
        FS_BASE => {
            m.set_fs_base(value);
            Ok(())
        }
        GS_BASE => {
            m.set_gs_base(value);
            Ok(())
        }
        KERNEL_GS_BASE => {
            vcpu.arch.gs_base_user = value;
            Ok(())
        }
        EFER if value == EFER_VALUE => Ok(()),
        MISC_FEATURES if value == 0 => Ok(()),
        MCG_CAP | MCG_STATUS => Ok(()),
        MC0_CTL..MC_END if is_mc_ctl(index) || value == 0 => Ok(()),
        HYPERCALL_MSR => write_hypercall_page(hv, dom, value),
        AMD_PERFORMANCE_FIRST..=AMD_PERFORMANCE_LAST
        | AMD_HWCR
        | AMD_NB_CFG
        | AMD_PSTATE_CONTROL..=AMD_PSTATE0
        | AMD_DE_CFG
            if is_amd(hv) =>
        {
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Fills the frame that `value` names with the hypercall stubs; its low bits are the page's number,
/// of which there is one.
fn write_hypercall_page<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, value: u64) -> Result<()> {
    let mfn = Mfn::containing(value);
    if value & 0xfff != 0 {
        return Err(Errno::EINVAL);
    }
    hv.page_get_writable(dom, mfn)?;
    let mut page = [0; PAGE_SIZE];
    hypercall_page::fill(&mut page);
    hv.machine.write_frame(mfn, 0, &page);
    hv.page_put_writable(mfn);
    Ok(())
}
