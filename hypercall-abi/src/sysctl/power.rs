//! Sysctls on processor power states, frequency and CPU hotplug.

use crate::Union;
use crate::xen::guest_handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Figures of one performance state.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_px_val {
    /// Frequency, MHz.
    pub freq: u64,
    /// Time spent in it, ns.
    pub residency: u64,
    /// Times it was entered.
    pub count: u64,
}
const _: () = assert!(size_of::<pm_px_val>() == 24);

/// Figures of a CPU's performance states; state 0 is the fastest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_px_stat {
    /// OUT: number of states.
    pub total: u8,
    /// OUT: how many of them the platform allows now.
    pub usable: u8,
    /// OUT: the state before this one.
    pub last: u8,
    /// OUT: the state now.
    pub cur: u8,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write, `total` x `total` numbers (`u64`): row by row, how often a state
    /// followed the row's.
    pub trans_pt: guest_handle,
    /// IN: where to write, an array of [`pm_px_val`], `total` entries.
    pub pt: guest_handle,
}
const _: () = assert!(size_of::<pm_px_stat>() == 24);

/// Figures of a CPU's idle states.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_cx_stat {
    /// IN: entries of `triggers` and `residencies`; OUT: number of states, C0 included.
    pub nr: u32,
    /// OUT: the state it was in last.
    pub last: u32,
    /// OUT: time spent idle since boot, ns.
    pub idle_time: u64,
    /// IN: where to write how often each state was entered, a `u64` each.
    pub triggers: guest_handle,
    /// IN: where to write the time spent in each state, ns, a `u64` each.
    pub residencies: guest_handle,
    /// IN: entries of `pc`; OUT: the highest package state known.
    pub nr_pc: u32,
    /// IN: entries of `cc`; OUT: the highest core state known.
    pub nr_cc: u32,
    /// IN: where to write the package's residencies by the processor's own counters, ns, a `u64`
    /// each, PC1 first. States without a counter are not written: fill the array before.
    pub pc: guest_handle,
    /// As `pc`, of the core: CC1 first.
    pub cc: guest_handle,
}
const _: () = assert!(size_of::<pm_cx_stat>() == 56);

/// Reads or resets power figures of a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_get_pmstat {
    /// IN: `PMSTAT_get_*` or `PMSTAT_reset_*`.
    pub r#type: u32,
    /// IN: the CPU.
    pub cpuid: u32,
    /// The figures. The commands for the highest state set `getpx.total` or `getcx.nr` only.
    ///
    /// One of: `getpx` ([`pm_px_stat`]), `getcx` ([`pm_cx_stat`]).
    pub u: Union<[u64; 7]>,
}
const _: () = assert!(size_of::<xen_sysctl_get_pmstat>() == 64);

/// The bits of the command that tell its kind of state.
pub const PMSTAT_CATEGORY_MASK: u32 = 0xf0;
/// The command is on performance states.
pub const PMSTAT_PX: u32 = 0x10;
/// The command is on idle states.
pub const PMSTAT_CX: u32 = 0x20;
/// Ask for the number of performance states.
pub const PMSTAT_get_max_px: u32 = PMSTAT_PX | 0x1;
/// Read the figures of performance states.
pub const PMSTAT_get_pxstat: u32 = PMSTAT_PX | 0x2;
/// Set the figures of performance states to zero.
pub const PMSTAT_reset_pxstat: u32 = PMSTAT_PX | 0x3;
/// Ask for the number of idle states.
pub const PMSTAT_get_max_cx: u32 = PMSTAT_CX | 0x1;
/// Read the figures of idle states.
pub const PMSTAT_get_cxstat: u32 = PMSTAT_CX | 0x2;
/// Set the figures of idle states to zero.
pub const PMSTAT_reset_cxstat: u32 = PMSTAT_CX | 0x3;

/// Takes CPUs up or down.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_hotplug {
    /// IN: the CPU; ignored by the commands on SMT.
    pub cpu: u32,
    /// IN: `XEN_SYSCTL_CPU_HOTPLUG_*`.
    pub op: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_hotplug>() == 8);

/// Bring the CPU up.
pub const XEN_SYSCTL_CPU_HOTPLUG_ONLINE: u32 = 0;
/// Take the CPU down.
pub const XEN_SYSCTL_CPU_HOTPLUG_OFFLINE: u32 = 1;
/// Bring all threads of all cores up.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE: u32 = 2;
/// Take all threads but the first of each core down.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE: u32 = 3;

/// State of the `userspace` governor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_userspace {
    /// Frequency asked for, kHz.
    pub scaling_setspeed: u32,
}
const _: () = assert!(size_of::<xen_userspace>() == 4);

/// Parameters of the `ondemand` governor.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_ondemand {
    /// Longest possible interval between samples, microseconds.
    pub sampling_rate_max: u32,
    /// Shortest possible interval, microseconds.
    pub sampling_rate_min: u32,
    /// Interval between samples, microseconds.
    pub sampling_rate: u32,
    /// Load at which the frequency is raised, percent.
    pub up_threshold: u32,
}
const _: () = assert!(size_of::<xen_ondemand>() == 16);

/// Length of a governor's or driver's name with its NUL.
pub const CPUFREQ_NAME_LEN: usize = 16;

/// Frequency scaling of a CPU. The fields have the names of Linux's files in sysfs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_get_cpufreq_para {
    /// IN: entries of `affected_cpus`; OUT: what there are. If any of the three numbers is too
    /// small, nothing else is written and the call returns -EAGAIN.
    pub cpu_num: u32,
    /// IN: entries of `scaling_available_frequencies`; OUT: what there are.
    pub freq_num: u32,
    /// IN: names that fit in `scaling_available_governors`; OUT: what there are.
    pub gov_num: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: where to write the CPUs that scale together, a `u32` each.
    pub affected_cpus: guest_handle,
    /// IN: where to write the frequencies, kHz, a `u32` each.
    pub scaling_available_frequencies: guest_handle,
    /// IN: where to write the governors' names, [`CPUFREQ_NAME_LEN`] bytes each.
    pub scaling_available_governors: guest_handle,
    /// OUT: name of the driver.
    pub scaling_driver: [u8; 16],
    /// OUT: frequency that the hardware reports, kHz.
    pub cpuinfo_cur_freq: u32,
    /// OUT: highest frequency of the hardware, kHz.
    pub cpuinfo_max_freq: u32,
    /// OUT: lowest frequency of the hardware, kHz.
    pub cpuinfo_min_freq: u32,
    /// OUT: frequency last asked for, kHz.
    pub scaling_cur_freq: u32,
    /// OUT: name of the governor in force.
    pub scaling_governor: [u8; 16],
    /// OUT: upper limit of scaling, kHz.
    pub scaling_max_freq: u32,
    /// OUT: lower limit of scaling, kHz.
    pub scaling_min_freq: u32,
    /// OUT: the governor's own state, for the two that have any.
    ///
    /// One of: `userspace` ([`xen_userspace`]), `ondemand` ([`xen_ondemand`]).
    pub u: Union<[u32; 4]>,
    /// OUT: not 0 if turbo frequencies may be used.
    pub turbo_enabled: i32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_get_cpufreq_para>() == 120);

/// Argument of [`SET_CPUFREQ_GOV`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_gov {
    /// IN: name of the governor, ending in NUL.
    pub scaling_governor: [u8; 16],
}
const _: () = assert!(size_of::<xen_set_cpufreq_gov>() == 16);

/// Argument of [`SET_CPUFREQ_PARA`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_para {
    /// IN: [`SCALING_MAX_FREQ`] and the following constants.
    pub ctrl_type: u32,
    /// IN: the value, in the parameter's unit.
    pub ctrl_value: u32,
}
const _: () = assert!(size_of::<xen_set_cpufreq_para>() == 8);

/// [`xen_set_cpufreq_para::ctrl_type`]: upper limit of scaling, kHz.
pub const SCALING_MAX_FREQ: u32 = 1;
/// [`xen_set_cpufreq_para::ctrl_type`]: lower limit of scaling, kHz.
pub const SCALING_MIN_FREQ: u32 = 2;
/// [`xen_set_cpufreq_para::ctrl_type`]: frequency under the `userspace` governor, kHz.
pub const SCALING_SETSPEED: u32 = 3;
/// [`xen_set_cpufreq_para::ctrl_type`]: interval of the `ondemand` governor, microseconds.
pub const SAMPLING_RATE: u32 = 4;
/// [`xen_set_cpufreq_para::ctrl_type`]: threshold of the `ondemand` governor, percent.
pub const UP_THRESHOLD: u32 = 5;

/// Reads or sets power management.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pm_op {
    /// IN: [`GET_CPUFREQ_PARA`] and the following constants.
    pub cmd: u32,
    /// IN: the CPU.
    pub cpuid: u32,
    /// The command's argument. `get_avgfreq` is in kHz.
    ///
    /// One of: `get_para` ([`xen_get_cpufreq_para`]), `set_gov` ([`xen_set_cpufreq_gov`]),
    /// `set_para` ([`xen_set_cpufreq_para`]), `get_avgfreq` (`u64`), `set_sched_opt_smt`
    /// (`u32`), `get_max_cstate` (`u32`), `set_max_cstate` (`u32`).
    pub u: Union<[u64; 15]>,
}
const _: () = assert!(size_of::<xen_sysctl_pm_op>() == 128);

/// The bits of the command that tell its subject.
pub const PM_PARA_CATEGORY_MASK: u32 = 0xf0;
/// The command is on frequency scaling.
pub const CPUFREQ_PARA: u32 = 0x10;
/// Read the scaling of a CPU, argument [`xen_get_cpufreq_para`].
pub const GET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x01;
/// Choose the governor of a CPU, argument [`xen_set_cpufreq_gov`].
pub const SET_CPUFREQ_GOV: u32 = CPUFREQ_PARA | 0x02;
/// Set a parameter of scaling, argument [`xen_set_cpufreq_para`].
pub const SET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x03;
/// Ask for the average frequency since the last such call (`get_avgfreq`).
pub const GET_CPUFREQ_AVGFREQ: u32 = CPUFREQ_PARA | 0x04;
/// Have the scheduler fill the threads of a core before it wakes another (`set_sched_opt_smt`,
/// not 0 for on); the old setting is returned there.
pub const XEN_SYSCTL_pm_op_set_sched_opt_smt: u32 = 0x21;
/// Ask for the deepest idle state allowed (`get_max_cstate`): with `cpuid` 0 the state, with 1
/// the sub-state.
pub const XEN_SYSCTL_pm_op_get_max_cstate: u32 = 0x22;
/// Set the deepest idle state allowed (`set_max_cstate`): with `cpuid` 0 the state, with 1 the
/// sub-state.
pub const XEN_SYSCTL_pm_op_set_max_cstate: u32 = 0x23;
/// Superseded by [`vcpu_migr_delay_us`](super::xen_sysctl_credit_schedule::vcpu_migr_delay_us).
pub const XEN_SYSCTL_pm_op_set_vcpu_migration_delay: u32 = 0x24;
/// Superseded by [`vcpu_migr_delay_us`](super::xen_sysctl_credit_schedule::vcpu_migr_delay_us).
pub const XEN_SYSCTL_pm_op_get_vcpu_migration_delay: u32 = 0x25;
/// Allow turbo frequencies. No argument.
pub const XEN_SYSCTL_pm_op_enable_turbo: u32 = 0x26;
/// Forbid turbo frequencies. No argument.
pub const XEN_SYSCTL_pm_op_disable_turbo: u32 = 0x27;
/// As the deepest idle state: no limit.
pub const XEN_SYSCTL_CX_UNLIMITED: u32 = 0xffff_ffff;
