//! Sysctls on processor power states, frequency and CPU hotplug.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Argument of `XEN_SYSCTL_get_pmstat`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_px_val {
    /// Px core frequency.
    pub freq: u64,
    /// Px residency time.
    pub residency: u64,
    /// Px transition count.
    pub count: u64,
}
const _: () = assert!(size_of::<pm_px_val>() == 24);

/// Structure `pm_px_stat` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_px_stat {
    /// Total Px states.
    pub total: u8,
    /// Usable Px states.
    pub usable: u8,
    /// Last Px state.
    pub last: u8,
    /// Current Px state.
    pub cur: u8,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Px transition table.
    pub trans_pt: guest_handle,
    /// Pt.
    pub pt: guest_handle,
}
const _: () = assert!(size_of::<pm_px_stat>() == 24);

/// Structure `pm_cx_stat` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_cx_stat {
    /// Entry nr in triggers & residencies, including C0.
    pub nr: u32,
    /// Last Cx state.
    pub last: u32,
    /// Idle time from boot.
    pub idle_time: u64,
    /// Cx trigger counts.
    pub triggers: guest_handle,
    /// Cx residencies.
    pub residencies: guest_handle,
    /// Entry nr in pc\[\].
    pub nr_pc: u32,
    /// Entry nr in cc\[\].
    pub nr_cc: u32,
    /// These two arrays may (and generally will) have unused slots; slots not having a
    /// corresponding hardware register will not be written by the hypervisor.
    pub pc: guest_handle,
    /// Cc.
    pub cc: guest_handle,
}
const _: () = assert!(size_of::<pm_cx_stat>() == 56);

/// Structure `xen_sysctl_get_pmstat` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_get_pmstat {
    /// Type.
    pub r#type: u32,
    /// Cpuid.
    pub cpuid: u32,
    /// Other struct for tx, etc.
    ///
    /// One of: `getpx` ([`pm_px_stat`]), `getcx` ([`pm_cx_stat`]).
    pub u: Union<[u64; 7]>,
}
const _: () = assert!(size_of::<xen_sysctl_get_pmstat>() == 64);

/// PMSTAT_CATEGORY_MASK.
pub const PMSTAT_CATEGORY_MASK: u32 = 0xf0;
/// PMSTAT_PX.
pub const PMSTAT_PX: u32 = 0x10;
/// PMSTAT_CX.
pub const PMSTAT_CX: u32 = 0x20;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): get `max_px`.
pub const PMSTAT_get_max_px: u32 = PMSTAT_PX | 0x1;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): get `pxstat`.
pub const PMSTAT_get_pxstat: u32 = PMSTAT_PX | 0x2;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): reset `pxstat`.
pub const PMSTAT_reset_pxstat: u32 = PMSTAT_PX | 0x3;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): get `max_cx`.
pub const PMSTAT_get_max_cx: u32 = PMSTAT_CX | 0x1;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): get `cxstat`.
pub const PMSTAT_get_cxstat: u32 = PMSTAT_CX | 0x2;
/// [`xen_sysctl_get_pmstat::type`](xen_sysctl_get_pmstat#structfield.type): reset `cxstat`.
pub const PMSTAT_reset_cxstat: u32 = PMSTAT_CX | 0x3;

/// Argument of `XEN_SYSCTL_cpu_hotplug`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_hotplug {
    /// Physical cpu.
    pub cpu: u32,
    /// Hotplug opcode.
    pub op: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_hotplug>() == 8);

/// Single CPU enable/disable.
pub const XEN_SYSCTL_CPU_HOTPLUG_ONLINE: u32 = 0;
/// XEN_SYSCTL_CPU_HOTPLUG_OFFLINE.
pub const XEN_SYSCTL_CPU_HOTPLUG_OFFLINE: u32 = 1;
/// SMT enable/disable.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE: u32 = 2;
/// XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE: u32 = 3;

/// Argument of `XEN_SYSCTL_pm_op`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_userspace {
    /// Scaling setspeed.
    pub scaling_setspeed: u32,
}
const _: () = assert!(size_of::<xen_userspace>() == 4);

/// Structure `xen_ondemand` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_ondemand {
    /// Sampling rate max.
    pub sampling_rate_max: u32,
    /// Sampling rate min.
    pub sampling_rate_min: u32,
    /// Sampling rate.
    pub sampling_rate: u32,
    /// Up threshold.
    pub up_threshold: u32,
}
const _: () = assert!(size_of::<xen_ondemand>() == 16);

/// Cpufreq para name of this structure named same as sysfs file name of native linux.
pub const CPUFREQ_NAME_LEN: usize = 16;

/// Structure `xen_get_cpufreq_para` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_get_cpufreq_para {
    /// IN/OUT variable.
    pub cpu_num: u32,
    /// Freq num.
    pub freq_num: u32,
    /// Gov num.
    pub gov_num: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// OUT variable.
    pub affected_cpus: guest_handle,
    /// Scaling available frequencies.
    pub scaling_available_frequencies: guest_handle,
    /// Scaling available governors.
    pub scaling_available_governors: guest_handle,
    /// Scaling driver.
    pub scaling_driver: [u8; 16],
    /// Cpuinfo cur freq.
    pub cpuinfo_cur_freq: u32,
    /// Cpuinfo max freq.
    pub cpuinfo_max_freq: u32,
    /// Cpuinfo min freq.
    pub cpuinfo_min_freq: u32,
    /// Scaling cur freq.
    pub scaling_cur_freq: u32,
    /// Scaling governor.
    pub scaling_governor: [u8; 16],
    /// Scaling max freq.
    pub scaling_max_freq: u32,
    /// Scaling min freq.
    pub scaling_min_freq: u32,
    /// Depends on the command.
    ///
    /// One of: `userspace` ([`xen_userspace`]), `ondemand` ([`xen_ondemand`]).
    pub u: Union<[u32; 4]>,
    /// Turbo enabled.
    pub turbo_enabled: i32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_get_cpufreq_para>() == 120);

/// Structure `xen_set_cpufreq_gov` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_gov {
    /// Scaling governor.
    pub scaling_governor: [u8; 16],
}
const _: () = assert!(size_of::<xen_set_cpufreq_gov>() == 16);

/// Structure `xen_set_cpufreq_para` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_para {
    /// Ctrl type.
    pub ctrl_type: u32,
    /// Ctrl value.
    pub ctrl_value: u32,
}
const _: () = assert!(size_of::<xen_set_cpufreq_para>() == 8);

/// [`xen_set_cpufreq_para::ctrl_type`]: `SCALING_MAX_FREQ`.
pub const SCALING_MAX_FREQ: u32 = 1;
/// [`xen_set_cpufreq_para::ctrl_type`]: `SCALING_MIN_FREQ`.
pub const SCALING_MIN_FREQ: u32 = 2;
/// [`xen_set_cpufreq_para::ctrl_type`]: `SCALING_SETSPEED`.
pub const SCALING_SETSPEED: u32 = 3;
/// [`xen_set_cpufreq_para::ctrl_type`]: `SAMPLING_RATE`.
pub const SAMPLING_RATE: u32 = 4;
/// [`xen_set_cpufreq_para::ctrl_type`]: `UP_THRESHOLD`.
pub const UP_THRESHOLD: u32 = 5;

/// Structure `xen_sysctl_pm_op` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pm_op {
    /// Sub-command.
    pub cmd: u32,
    /// Cpuid.
    pub cpuid: u32,
    /// Depends on the command.
    ///
    /// One of: `get_para` ([`xen_get_cpufreq_para`]), `set_gov` ([`xen_set_cpufreq_gov`]),
    /// `set_para` ([`xen_set_cpufreq_para`]), `get_avgfreq` (`u64`), `set_sched_opt_smt`
    /// (`u32`), `get_max_cstate` (`u32`), `set_max_cstate` (`u32`).
    pub u: Union<[u64; 15]>,
}
const _: () = assert!(size_of::<xen_sysctl_pm_op>() == 128);

/// PM_PARA_CATEGORY_MASK.
pub const PM_PARA_CATEGORY_MASK: u32 = 0xf0;
/// CPUFREQ_PARA.
pub const CPUFREQ_PARA: u32 = 0x10;
/// Cpufreq command type.
pub const GET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x01;
/// SET_CPUFREQ_GOV.
pub const SET_CPUFREQ_GOV: u32 = CPUFREQ_PARA | 0x02;
/// SET_CPUFREQ_PARA.
pub const SET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x03;
/// GET_CPUFREQ_AVGFREQ.
pub const GET_CPUFREQ_AVGFREQ: u32 = CPUFREQ_PARA | 0x04;
/// Set/reset scheduler power saving option.
pub const XEN_SYSCTL_pm_op_set_sched_opt_smt: u32 = 0x21;
/// Cpuidle max C-state and max C-sub-state access command: Set cpuid to 0 for max C-state.
pub const XEN_SYSCTL_pm_op_get_max_cstate: u32 = 0x22;
/// XEN_SYSCTL_pm_op_set_max_cstate.
pub const XEN_SYSCTL_pm_op_set_max_cstate: u32 = 0x23;
/// Set scheduler migration cost value.
pub const XEN_SYSCTL_pm_op_set_vcpu_migration_delay: u32 = 0x24;
/// XEN_SYSCTL_pm_op_get_vcpu_migration_delay.
pub const XEN_SYSCTL_pm_op_get_vcpu_migration_delay: u32 = 0x25;
/// Enable/disable turbo mode when in dbs governor.
pub const XEN_SYSCTL_pm_op_enable_turbo: u32 = 0x26;
/// XEN_SYSCTL_pm_op_disable_turbo.
pub const XEN_SYSCTL_pm_op_disable_turbo: u32 = 0x27;
/// XEN_SYSCTL_CX_UNLIMITED.
pub const XEN_SYSCTL_CX_UNLIMITED: u32 = 0xffff_ffff;
