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
const P5_MC_TYPE: u32 = 1;
const TSC: u32 = 0x10;
const APIC_BASE: u32 = 0x1b;
const PATCH_LEVEL: u32 = 0x8b;
const PLATFORM_INFO: u32 = 0xce;
const MISC_FEATURES: u32 = 0x140;
const MCG_CAP: u32 = 0x179;
const MCG_STATUS: u32 = 0x17a;
const MCG_CTL: u32 = 0x17b;
const MISC_ENABLE: u32 = 0x1a0;
const PAT: u32 = 0x277;
const MC0_CTL2: u32 = 0x280;
/// Behind the last of these.
const MC_CTL2_END: u32 = MC0_CTL2 + MC_BANKS_MOST;
const PERF_CAPABILITIES: u32 = 0x345;
const MC0_CTL: u32 = 0x400;
/// Behind the last register of the machine-check banks that are shown.
const MC_END: u32 = MC0_CTL + 4 * MC_BANKS;
/// Behind the last register of any machine-check bank.
const MC_MOST_END: u32 = MC0_CTL + 4 * MC_BANKS_MOST;
const EFER: u32 = 0xc000_0080;
const FS_BASE: u32 = 0xc000_0100;
const GS_BASE: u32 = 0xc000_0101;
const KERNEL_GS_BASE: u32 = 0xc000_0102;
const TSC_AUX: u32 = 0xc000_0103;
const AMD_PERFORMANCE_FIRST: u32 = 0xc001_0000;
const AMD_PERFORMANCE_LAST: u32 = 0xc001_0007;
const AMD_SYSCFG: u32 = 0xc001_0010;
const AMD_HWCR: u32 = 0xc001_0015;
const AMD_IORR_FIRST: u32 = 0xc001_0016;
const AMD_IORR_LAST: u32 = 0xc001_0019;
const AMD_TOP_MEM: u32 = 0xc001_001a;
const AMD_TOP_MEM2: u32 = 0xc001_001d;
const AMD_NB_CFG: u32 = 0xc001_001f;
const AMD_FIDVID_CONTROL: u32 = 0xc001_0041;
const AMD_FIDVID_STATUS: u32 = 0xc001_0042;
const AMD_PSTATE_LIMIT: u32 = 0xc001_0061;
const AMD_PSTATE7: u32 = 0xc001_006b;
const AMD_SMM_BASE: u32 = 0xc001_0112;
const AMD_SMM_MASK: u32 = 0xc001_0113;
const AMD_PERFORMANCE_EXTENDED_FIRST: u32 = 0xc001_0200;
const AMD_PERFORMANCE_EXTENDED_LAST: u32 = 0xc001_020b;
const AMD_DE_CFG: u32 = 0xc001_1029;

/// Machine-check banks that a guest sees; nothing is ever in them.
const MC_BANKS: u32 = 2;
/// Machine-check banks whose registers there may be.
const MC_BANKS_MOST: u32 = 32;
/// MISC_ENABLE: MONITOR and MWAIT, which no guest has.
const MISC_ENABLE_MONITOR: u64 = 1 << 18;
/// MISC_ENABLE: neither branch trace nor event sampling, no xTPR messages.
const MISC_ENABLE_UNAVAILABLE: u64 = 1 << 11 | 1 << 12 | 1 << 23;
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

/// Whether the processor has TSC_AUX: with RDTSCP, or RDPID.
fn has_tsc_aux<M: Machine>(hv: &Hypervisor<M>) -> bool {
    hv.machine.cpuid(0x8000_0001, 0).3 & 1 << 27 != 0 || hv.machine.cpuid(7, 0).2 & 1 << 22 != 0
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
        P5_MC_ADDR | P5_MC_TYPE | PLATFORM_INFO | MISC_FEATURES | MCG_CTL | PERF_CAPABILITIES
        | HYPERCALL_MSR => Ok(0),
        MCG_STATUS => Ok(vcpu.arch.mcg_status),
        MISC_ENABLE => {
            let real = m.rdmsr(index).map_err(|_| Errno::EINVAL)?;
            Ok(real & !MISC_ENABLE_MONITOR | MISC_ENABLE_UNAVAILABLE)
        }
        MCG_CAP => Ok(u64::from(MC_BANKS)),
        PAT => Ok(PAT_VALUE),
        MC0_CTL..MC_END if is_mc_ctl(index) => Ok(u64::MAX),
        MC0_CTL..MC_MOST_END | MC0_CTL2..MC_CTL2_END => Ok(0),
        EFER => Ok(EFER_VALUE),
        FS_BASE => Ok(m.fs_base()),
        GS_BASE => Ok(m.gs_base()),
        KERNEL_GS_BASE => Ok(vcpu.arch.gs_base_user),
        TSC_AUX if has_tsc_aux(hv) => Ok(u64::from(vcpu.arch.tsc_aux)),
        AMD_PERFORMANCE_FIRST..=AMD_PERFORMANCE_LAST
        | AMD_SYSCFG
        | AMD_HWCR
        | AMD_IORR_FIRST..=AMD_IORR_LAST
        | AMD_TOP_MEM
        | AMD_TOP_MEM2
        | AMD_NB_CFG
        | AMD_FIDVID_CONTROL
        | AMD_FIDVID_STATUS
        | AMD_PSTATE_LIMIT..=AMD_PSTATE7
        | AMD_SMM_BASE
        | AMD_SMM_MASK
        | AMD_PERFORMANCE_EXTENDED_FIRST..=AMD_PERFORMANCE_EXTENDED_LAST
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
        MCG_STATUS => {
            vcpu.arch.mcg_status = value;
            Ok(())
        }
        TSC_AUX if has_tsc_aux(hv) && value >> 32 == 0 => {
            vcpu.arch.tsc_aux = value as u32;
            m.set_tsc_aux(value as u32);
            Ok(())
        }
        MISC_ENABLE => m.rdmsr(index).map(|_| ()).map_err(|_| Errno::EINVAL),
        MCG_CAP | MCG_CTL | MC0_CTL2..MC_CTL2_END => Ok(()),
        MC0_CTL..MC_END if is_mc_ctl(index) || value == 0 => Ok(()),
        MC_END..MC_MOST_END => Ok(()),
        HYPERCALL_MSR => write_hypercall_page(hv, dom, value),
        AMD_PERFORMANCE_FIRST..=AMD_PERFORMANCE_LAST
        | AMD_HWCR
        | AMD_NB_CFG
        | AMD_FIDVID_CONTROL
        | AMD_FIDVID_STATUS
        | AMD_PSTATE_LIMIT..=AMD_PSTATE7
        | AMD_PERFORMANCE_EXTENDED_FIRST..=AMD_PERFORMANCE_EXTENDED_LAST
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
