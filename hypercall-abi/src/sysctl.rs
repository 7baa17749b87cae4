//! `xen/sysctl.h`.

use crate::Union;
use crate::xen::{domid_t, guest_handle, xen_domain_handle_t, xenctl_bitmap};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xen sysctl interface version.
pub const XEN_SYSCTL_INTERFACE_VERSION: u32 = 0x0000_0015;

/// XEN_SYSCTL_readconsole.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_readconsole {
    /// IN: Non-zero -> clear after reading.
    pub clear: u8,
    /// IN: Non-zero -> start index specified by @index field.
    pub incremental: u8,
    /// Pad0.
    pub pad0: u8,
    /// Pad1.
    pub pad1: u8,
    /// IN: Start index for consuming from ring buffer (if @incremental); OUT: End index after
    /// consuming from ring buffer.
    pub index: u32,
    /// IN: Virtual address to write console data.
    pub buffer: guest_handle,
    /// IN: Size of buffer; OUT: Bytes written to buffer.
    pub count: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_readconsole>() == 24);

/// XEN_SYSCTL_tbuf_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_tbuf_op {
    /// Cmd.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN/OUT variables.
    pub cpu_mask: xenctl_bitmap,
    /// Evt mask.
    pub evt_mask: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// OUT variables.
    pub buffer_mfn: u64,
    /// Also an IN variable!.
    pub size: u32,
    /// Padding.
    pub _pad2: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_tbuf_op>() == 48);

/// IN variables.
pub const XEN_SYSCTL_TBUFOP_get_info: u32 = 0;
/// Xen sysctl tbufop set cpu mask.
pub const XEN_SYSCTL_TBUFOP_set_cpu_mask: u32 = 1;
/// Xen sysctl tbufop set evt mask.
pub const XEN_SYSCTL_TBUFOP_set_evt_mask: u32 = 2;
/// Xen sysctl tbufop set size.
pub const XEN_SYSCTL_TBUFOP_set_size: u32 = 3;
/// Xen sysctl tbufop enable.
pub const XEN_SYSCTL_TBUFOP_enable: u32 = 4;
/// Xen sysctl tbufop disable.
pub const XEN_SYSCTL_TBUFOP_disable: u32 = 5;
/// The platform supports HVM guests.
pub const XEN_SYSCTL_PHYSCAP_hvm: u32 = 1;
/// The platform supports PV guests.
pub const XEN_SYSCTL_PHYSCAP_pv: u32 = 1 << 1;
/// The platform supports direct access to I/O devices with IOMMU.
pub const XEN_SYSCTL_PHYSCAP_directio: u32 = 1 << 2;
/// The platform supports Hardware Assisted Paging.
pub const XEN_SYSCTL_PHYSCAP_hap: u32 = 1 << 3;
/// The platform supports software paging.
pub const XEN_SYSCTL_PHYSCAP_shadow: u32 = 1 << 4;
/// The platform supports sharing of HAP page tables with the IOMMU.
pub const XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share: u32 = 1 << 5;
/// Xen sysctl physcap vmtrace.
pub const XEN_SYSCTL_PHYSCAP_vmtrace: u32 = 1 << 6;
/// The platform supports vPMU.
pub const XEN_SYSCTL_PHYSCAP_vpmu: u32 = 1 << 7;
/// Xen supports the Grant v1 and/or v2 ABIs.
pub const XEN_SYSCTL_PHYSCAP_gnttab_v1: u32 = 1 << 8;
/// Xen sysctl physcap gnttab v2.
pub const XEN_SYSCTL_PHYSCAP_gnttab_v2: u32 = 1 << 9;
/// Max XEN_SYSCTL_PHYSCAP_* constant.
pub const XEN_SYSCTL_PHYSCAP_MAX: u32 = XEN_SYSCTL_PHYSCAP_gnttab_v2;

/// Xen sysctl physinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_physinfo {
    /// Threads per core.
    pub threads_per_core: u32,
    /// Cores per socket.
    pub cores_per_socket: u32,
    /// # CPUs currently online.
    pub nr_cpus: u32,
    /// Largest possible CPU ID on this host.
    pub max_cpu_id: u32,
    /// # nodes currently online.
    pub nr_nodes: u32,
    /// Largest possible node ID on this host.
    pub max_node_id: u32,
    /// Cpu khz.
    pub cpu_khz: u32,
    /// XEN_SYSCTL_PHYSCAP_???.
    pub capabilities: u32,
    /// XEN_SYSCTL_PHYSCAP_{X86,ARM,...}_???.
    pub arch_capabilities: u32,
    /// Pad.
    pub pad: u32,
    /// Total pages.
    pub total_pages: u64,
    /// Free pages.
    pub free_pages: u64,
    /// Scrub pages.
    pub scrub_pages: u64,
    /// Outstanding pages.
    pub outstanding_pages: u64,
    /// Largest possible MFN on this host.
    pub max_mfn: u64,
    /// Hw cap.
    pub hw_cap: [u32; 8],
}
const _: () = assert!(size_of::<xen_sysctl_physinfo>() == 112);

/// XEN_SYSCTL_sched_id.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_id {
    /// OUT variable.
    pub sched_id: u32,
}
const _: () = assert!(size_of::<xen_sysctl_sched_id>() == 4);

/// Reset all counters to zero.
pub const XEN_SYSCTL_PERFCOP_reset: u32 = 1;
/// Get perfctr information.
pub const XEN_SYSCTL_PERFCOP_query: u32 = 2;

/// Xen sysctl perfc desc.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_desc {
    /// name of perf counter.
    pub name: [u8; 80],
    /// number of values for this counter.
    pub nr_vals: u32,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_desc>() == 84);

/// Xen sysctl perfc val t.
pub type xen_sysctl_perfc_val_t = u32;

/// Xen sysctl perfc op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_perfc_op {
    /// XEN_SYSCTL_PERFCOP_???.
    pub cmd: u32,
    /// number of counters description.
    pub nr_counters: u32,
    /// number of values.
    pub nr_vals: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// counter information (or NULL).
    pub desc: guest_handle,
    /// counter values (or NULL).
    pub val: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_perfc_op>() == 32);

/// XEN_SYSCTL_getdomaininfolist.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getdomaininfolist {
    /// IN variables.
    pub first_domain: domid_t,
    /// Padding.
    pub _pad0: [u8; 2],
    /// Max domains.
    pub max_domains: u32,
    /// Buffer.
    pub buffer: guest_handle,
    /// OUT variables.
    pub num_domains: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getdomaininfolist>() == 24);

/// XEN_SYSCTL_debug_keys.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_debug_keys {
    /// IN variables.
    pub keys: guest_handle,
    /// Nr keys.
    pub nr_keys: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_debug_keys>() == 16);

/// XEN_SYSCTL_getcpuinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpuinfo {
    /// Idletime.
    pub idletime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_cpuinfo>() == 8);

/// Xen sysctl getcpuinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_getcpuinfo {
    /// IN variables.
    pub max_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Info.
    pub info: guest_handle,
    /// OUT variables.
    pub nr_cpus: u32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_sysctl_getcpuinfo>() == 24);

/// XEN_SYSCTL_availheap.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_availheap {
    /// Smallest address width (zero if don't care).
    pub min_bitwidth: u32,
    /// Largest address width (zero if don't care).
    pub max_bitwidth: u32,
    /// NUMA node of interest (-1 for all nodes).
    pub node: i32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Bytes available in the specified region.
    pub avail_bytes: u64,
}
const _: () = assert!(size_of::<xen_sysctl_availheap>() == 24);

/// XEN_SYSCTL_get_pmstat.
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

/// Pm px stat.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_px_stat {
    /// total Px states.
    pub total: u8,
    /// usable Px states.
    pub usable: u8,
    /// last Px state.
    pub last: u8,
    /// current Px state.
    pub cur: u8,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Px transition table.
    pub trans_pt: guest_handle,
    /// Pt.
    pub pt: guest_handle,
}
const _: () = assert!(size_of::<pm_px_stat>() == 24);

/// Pm cx stat.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct pm_cx_stat {
    /// entry nr in triggers & residencies, including C0.
    pub nr: u32,
    /// last Cx state.
    pub last: u32,
    /// idle time from boot.
    pub idle_time: u64,
    /// Cx trigger counts.
    pub triggers: guest_handle,
    /// Cx residencies.
    pub residencies: guest_handle,
    /// entry nr in pc\[\].
    pub nr_pc: u32,
    /// entry nr in cc\[\].
    pub nr_cc: u32,
    /// These two arrays may (and generally will) have unused slots; slots not having a
    /// corresponding hardware register will not be written by the hypervisor.
    pub pc: guest_handle,
    /// Cc.
    pub cc: guest_handle,
}
const _: () = assert!(size_of::<pm_cx_stat>() == 56);

/// Xen sysctl get pmstat.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_get_pmstat {
    /// Type.
    pub r#type: u32,
    /// Cpuid.
    pub cpuid: u32,
    /// other struct for tx, etc.
    ///
    /// One of: `getpx` ([`pm_px_stat`]), `getcx` ([`pm_cx_stat`]).
    pub u: Union<[u64; 7]>,
}
const _: () = assert!(size_of::<xen_sysctl_get_pmstat>() == 64);

/// Pmstat category mask.
pub const PMSTAT_CATEGORY_MASK: u32 = 0xf0;
/// Pmstat px.
pub const PMSTAT_PX: u32 = 0x10;
/// Pmstat cx.
pub const PMSTAT_CX: u32 = 0x20;
/// Pmstat get max px.
pub const PMSTAT_get_max_px: u32 = PMSTAT_PX | 0x1;
/// Pmstat get pxstat.
pub const PMSTAT_get_pxstat: u32 = PMSTAT_PX | 0x2;
/// Pmstat reset pxstat.
pub const PMSTAT_reset_pxstat: u32 = PMSTAT_PX | 0x3;
/// Pmstat get max cx.
pub const PMSTAT_get_max_cx: u32 = PMSTAT_CX | 0x1;
/// Pmstat get cxstat.
pub const PMSTAT_get_cxstat: u32 = PMSTAT_CX | 0x2;
/// Pmstat reset cxstat.
pub const PMSTAT_reset_cxstat: u32 = PMSTAT_CX | 0x3;

/// XEN_SYSCTL_cpu_hotplug.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_hotplug {
    /// Physical cpu.
    pub cpu: u32,
    /// hotplug opcode.
    pub op: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_hotplug>() == 8);

/// Single CPU enable/disable.
pub const XEN_SYSCTL_CPU_HOTPLUG_ONLINE: u32 = 0;
/// Xen sysctl cpu hotplug offline.
pub const XEN_SYSCTL_CPU_HOTPLUG_OFFLINE: u32 = 1;
/// SMT enable/disable.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE: u32 = 2;
/// Xen sysctl cpu hotplug smt disable.
pub const XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE: u32 = 3;

/// XEN_SYSCTL_pm_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_userspace {
    /// Scaling setspeed.
    pub scaling_setspeed: u32,
}
const _: () = assert!(size_of::<xen_userspace>() == 4);

/// Xen ondemand.
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

/// cpufreq para name of this structure named same as sysfs file name of native linux.
pub const CPUFREQ_NAME_LEN: usize = 16;

/// Xen get cpufreq para.
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
    /// U.
    ///
    /// One of: `userspace` ([`xen_userspace`]), `ondemand` ([`xen_ondemand`]).
    pub u: Union<[u32; 4]>,
    /// Turbo enabled.
    pub turbo_enabled: i32,
    /// Padding.
    pub _pad1: [u8; 4],
}
const _: () = assert!(size_of::<xen_get_cpufreq_para>() == 120);

/// Xen set cpufreq gov.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_gov {
    /// Scaling governor.
    pub scaling_governor: [u8; 16],
}
const _: () = assert!(size_of::<xen_set_cpufreq_gov>() == 16);

/// Xen set cpufreq para.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_set_cpufreq_para {
    /// Ctrl type.
    pub ctrl_type: u32,
    /// Ctrl value.
    pub ctrl_value: u32,
}
const _: () = assert!(size_of::<xen_set_cpufreq_para>() == 8);

/// Scaling max freq.
pub const SCALING_MAX_FREQ: u32 = 1;
/// Scaling min freq.
pub const SCALING_MIN_FREQ: u32 = 2;
/// Scaling setspeed.
pub const SCALING_SETSPEED: u32 = 3;
/// Sampling rate.
pub const SAMPLING_RATE: u32 = 4;
/// Up threshold.
pub const UP_THRESHOLD: u32 = 5;

/// Xen sysctl pm op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pm_op {
    /// Cmd.
    pub cmd: u32,
    /// Cpuid.
    pub cpuid: u32,
    /// U.
    ///
    /// One of: `get_para` ([`xen_get_cpufreq_para`]), `set_gov` ([`xen_set_cpufreq_gov`]),
    /// `set_para` ([`xen_set_cpufreq_para`]), `get_avgfreq` (`u64`), `set_sched_opt_smt`
    /// (`u32`), `get_max_cstate` (`u32`), `set_max_cstate` (`u32`).
    pub u: Union<[u64; 15]>,
}
const _: () = assert!(size_of::<xen_sysctl_pm_op>() == 128);

/// Pm para category mask.
pub const PM_PARA_CATEGORY_MASK: u32 = 0xf0;
/// Cpufreq para.
pub const CPUFREQ_PARA: u32 = 0x10;
/// cpufreq command type.
pub const GET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x01;
/// Set cpufreq gov.
pub const SET_CPUFREQ_GOV: u32 = CPUFREQ_PARA | 0x02;
/// Set cpufreq para.
pub const SET_CPUFREQ_PARA: u32 = CPUFREQ_PARA | 0x03;
/// Get cpufreq avgfreq.
pub const GET_CPUFREQ_AVGFREQ: u32 = CPUFREQ_PARA | 0x04;
/// set/reset scheduler power saving option.
pub const XEN_SYSCTL_pm_op_set_sched_opt_smt: u32 = 0x21;
/// cpuidle max C-state and max C-sub-state access command: Set cpuid to 0 for max C-state.
pub const XEN_SYSCTL_pm_op_get_max_cstate: u32 = 0x22;
/// Xen sysctl pm op set max cstate.
pub const XEN_SYSCTL_pm_op_set_max_cstate: u32 = 0x23;
/// set scheduler migration cost value.
pub const XEN_SYSCTL_pm_op_set_vcpu_migration_delay: u32 = 0x24;
/// Xen sysctl pm op get vcpu migration delay.
pub const XEN_SYSCTL_pm_op_get_vcpu_migration_delay: u32 = 0x25;
/// enable/disable turbo mode when in dbs governor.
pub const XEN_SYSCTL_pm_op_enable_turbo: u32 = 0x26;
/// Xen sysctl pm op disable turbo.
pub const XEN_SYSCTL_pm_op_disable_turbo: u32 = 0x27;
/// Xen sysctl cx unlimited.
pub const XEN_SYSCTL_CX_UNLIMITED: u32 = 0xffff_ffff;

/// XEN_SYSCTL_page_offline_op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_page_offline_op {
    /// Cmd.
    pub cmd: u32,
    /// Start.
    pub start: u32,
    /// End.
    pub end: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// bit 0~15: result flags bit 16~31: owner.
    pub status: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_page_offline_op>() == 24);

/// IN: range of page to be offlined.
pub const sysctl_page_offline: u32 = 1;
/// Sysctl page online.
pub const sysctl_page_online: u32 = 2;
/// Sysctl query page offline.
pub const sysctl_query_page_offline: u32 = 3;
/// Pg offline status mask.
pub const PG_OFFLINE_STATUS_MASK: u32 = 0xFF;
/// The result is invalid, i.e.
pub const PG_OFFLINE_INVALID: u32 = 0x1;
/// Pg offline offlined.
pub const PG_OFFLINE_OFFLINED: u32 = 0x1 << 1;
/// Pg offline pending.
pub const PG_OFFLINE_PENDING: u32 = 0x1 << 2;
/// Pg offline failed.
pub const PG_OFFLINE_FAILED: u32 = 0x1 << 3;
/// Pg offline again.
pub const PG_OFFLINE_AGAIN: u32 = 0x1 << 4;
/// Pg online failed.
pub const PG_ONLINE_FAILED: u32 = PG_OFFLINE_FAILED;
/// Pg online onlined.
pub const PG_ONLINE_ONLINED: u32 = PG_OFFLINE_OFFLINED;
/// Pg offline status offlined.
pub const PG_OFFLINE_STATUS_OFFLINED: u32 = 0x1 << 1;
/// Pg offline status online.
pub const PG_OFFLINE_STATUS_ONLINE: u32 = 0x1 << 2;
/// Pg offline status offline pending.
pub const PG_OFFLINE_STATUS_OFFLINE_PENDING: u32 = 0x1 << 3;
/// Pg offline status broken.
pub const PG_OFFLINE_STATUS_BROKEN: u32 = 0x1 << 4;
/// Pg offline misc mask.
pub const PG_OFFLINE_MISC_MASK: u32 = 0xFF << 4;
/// valid when PG_OFFLINE_FAILED or PG_OFFLINE_PENDING.
pub const PG_OFFLINE_XENPAGE: u32 = 0x1 << 8;
/// Pg offline dom0page.
pub const PG_OFFLINE_DOM0PAGE: u32 = 0x1 << 9;
/// Pg offline anonymous.
pub const PG_OFFLINE_ANONYMOUS: u32 = 0x1 << 10;
/// Pg offline not conv ram.
pub const PG_OFFLINE_NOT_CONV_RAM: u32 = 0x1 << 11;
/// Pg offline owned.
pub const PG_OFFLINE_OWNED: u32 = 0x1 << 12;
/// Pg offline broken.
pub const PG_OFFLINE_BROKEN: u32 = 0x1 << 13;
/// Pg online broken.
pub const PG_ONLINE_BROKEN: u32 = PG_OFFLINE_BROKEN;
/// Pg offline owner shift.
pub const PG_OFFLINE_OWNER_SHIFT: u32 = 16;
/// Reset all profile data to zero.
pub const XEN_SYSCTL_LOCKPROF_reset: u32 = 1;
/// Get lock profile information.
pub const XEN_SYSCTL_LOCKPROF_query: u32 = 2;
/// global lock, idx meaningless.
pub const LOCKPROF_TYPE_GLOBAL: u32 = 0;
/// per-domain lock, idx is domid.
pub const LOCKPROF_TYPE_PERDOM: u32 = 1;
/// number of types.
pub const LOCKPROF_TYPE_N: u32 = 2;

/// Xen sysctl lockprof data.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_data {
    /// lock name (may include up to 2 %d specifiers).
    pub name: [u8; 40],
    /// LOCKPROF_TYPE_???.
    pub r#type: i32,
    /// index (e.g. domain id).
    pub idx: i32,
    /// # of locking succeeded.
    pub lock_cnt: u64,
    /// # of wait for lock.
    pub block_cnt: u64,
    /// nsecs lock held.
    pub lock_time: u64,
    /// nsecs waited for lock.
    pub block_time: u64,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_data>() == 80);

/// Xen sysctl lockprof op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_lockprof_op {
    /// XEN_SYSCTL_LOCKPROF_???.
    pub cmd: u32,
    /// size of output buffer.
    pub max_elem: u32,
    /// number of elements available.
    pub nr_elem: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// nsecs of profile measurement.
    pub time: u64,
    /// profile information (or NULL).
    pub data: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_lockprof_op>() == 32);

/// XEN_SYSCTL_cputopoinfo.
pub const XEN_INVALID_CORE_ID: u32 = 0xffff_ffff;
/// Xen invalid socket id.
pub const XEN_INVALID_SOCKET_ID: u32 = 0xffff_ffff;
/// Xen invalid node id.
pub const XEN_INVALID_NODE_ID: u32 = 0xffff_ffff;

/// Xen sysctl cputopo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cputopo {
    /// Core.
    pub core: u32,
    /// Socket.
    pub socket: u32,
    /// Node.
    pub node: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cputopo>() == 12);

/// IN: - a NULL 'cputopo' handle is a request for maximun 'num_cpus'. - otherwise it's the
/// number of entries in 'cputopo' OUT: - If 'num_cpus' is less than the number Xen wants to
/// write but the handle handle is not a NULL one, partial data gets returned and 'num_cpus'
/// gets updated to reflect the intended number. - Otherwise, 'num_cpus' shall indicate the
/// number of entries written, which may be less than the input value.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cputopoinfo {
    /// Num cpus.
    pub num_cpus: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Cputopo.
    pub cputopo: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cputopoinfo>() == 16);

/// XEN_SYSCTL_numainfo.
pub const XEN_INVALID_MEM_SZ: u32 = 0xffff_ffff;
/// Xen invalid node dist.
pub const XEN_INVALID_NODE_DIST: u32 = 0xffff_ffff;

/// Xen sysctl meminfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_meminfo {
    /// Memsize.
    pub memsize: u64,
    /// Memfree.
    pub memfree: u64,
}
const _: () = assert!(size_of::<xen_sysctl_meminfo>() == 16);

/// Xen sysctl numainfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_numainfo {
    /// Num nodes.
    pub num_nodes: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Meminfo.
    pub meminfo: guest_handle,
    /// Distance between nodes 'i' and 'j' is stored in index 'i*N + j', where N is the number
    /// of nodes that will be returned in 'num_nodes' (i.e. not 'num_nodes' provided by the
    /// caller).
    pub distance: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_numainfo>() == 24);

/// C.
pub const XEN_SYSCTL_CPUPOOL_OP_CREATE: u32 = 1;
/// D.
pub const XEN_SYSCTL_CPUPOOL_OP_DESTROY: u32 = 2;
/// I.
pub const XEN_SYSCTL_CPUPOOL_OP_INFO: u32 = 3;
/// A.
pub const XEN_SYSCTL_CPUPOOL_OP_ADDCPU: u32 = 4;
/// R.
pub const XEN_SYSCTL_CPUPOOL_OP_RMCPU: u32 = 5;
/// M.
pub const XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: u32 = 6;
/// F.
pub const XEN_SYSCTL_CPUPOOL_OP_FREEINFO: u32 = 7;
/// Xen sysctl cpupool par any.
pub const XEN_SYSCTL_CPUPOOL_PAR_ANY: u32 = 0xffff_ffff;

/// Xen sysctl cpupool op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpupool_op {
    /// IN.
    pub op: u32,
    /// IN: CDIARM OUT: CI.
    pub cpupool_id: u32,
    /// IN: C OUT: I.
    pub sched_id: u32,
    /// IN: M.
    pub domid: u32,
    /// IN: AR.
    pub cpu: u32,
    /// OUT: I.
    pub n_dom: u32,
    /// OUT: IF.
    pub cpumap: xenctl_bitmap,
}
const _: () = assert!(size_of::<xen_sysctl_cpupool_op>() == 40);

/// Arinc653 max domains per schedule.
pub const ARINC653_MAX_DOMAINS_PER_SCHEDULE: usize = 64;

/// This structure is used to pass a new ARINC653 schedule from a privileged domain (ie dom0) to
/// Xen.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule {
    /// major_frame holds the time for the new schedule's major frame in nanoseconds.
    pub major_frame: u64,
    /// num_sched_entries holds how many of the entries in the sched_entries\[\] array are
    /// valid.
    pub num_sched_entries: u8,
    /// Padding.
    pub _pad0: [u8; 7],
    /// Sched entries.
    pub sched_entries: [xen_sysctl_arinc653_schedule_sched_entries; 64],
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule>() == 2064);

/// The sched_entries array holds the actual schedule entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_arinc653_schedule_sched_entries {
    /// dom_handle must match a domain's UUID.
    pub dom_handle: xen_domain_handle_t,
    /// If a domain has multiple VCPUs, vcpu_id specifies which one this schedule entry applies
    /// to.
    pub vcpu_id: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// runtime specifies the amount of time that should be allocated to this VCPU per major
    /// frame.
    pub runtime: u64,
}
const _: () = assert!(size_of::<xen_sysctl_arinc653_schedule_sched_entries>() == 32);

/// Valid range for context switch rate limit (in microseconds).
pub const XEN_SYSCTL_SCHED_RATELIMIT_MAX: u32 = 500000;
/// Xen sysctl sched ratelimit min.
pub const XEN_SYSCTL_SCHED_RATELIMIT_MIN: u32 = 100;

/// Xen sysctl credit schedule.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_credit_schedule {
    /// Tslice ms.
    pub tslice_ms: u32,
    /// Ratelimit us.
    pub ratelimit_us: u32,
    /// Vcpu migr delay us.
    pub vcpu_migr_delay_us: u32,
}
const _: () = assert!(size_of::<xen_sysctl_credit_schedule>() == 12);

/// Length of timeslice in milliseconds.
pub const XEN_SYSCTL_CSCHED_TSLICE_MAX: u32 = 1000;
/// Xen sysctl csched tslice min.
pub const XEN_SYSCTL_CSCHED_TSLICE_MIN: u32 = 1;
/// How long we consider a vCPU to be cache-hot on the CPU where it has run (max 100ms, in
/// microseconds).
pub const XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US: u32 = 100 * 1000;

/// Xen sysctl credit2 schedule.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_credit2_schedule {
    /// Ratelimit us.
    pub ratelimit_us: u32,
}
const _: () = assert!(size_of::<xen_sysctl_credit2_schedule>() == 4);

/// Set or get info?.
pub const XEN_SYSCTL_SCHEDOP_putinfo: u32 = 0;
/// Xen sysctl schedop getinfo.
pub const XEN_SYSCTL_SCHEDOP_getinfo: u32 = 1;

/// Xen sysctl scheduler op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_scheduler_op {
    /// Cpupool whose scheduler is to be targetted.
    pub cpupool_id: u32,
    /// XEN_SCHEDULER_* (domctl.h).
    pub sched_id: u32,
    /// XEN_SYSCTL_SCHEDOP_.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// U.
    ///
    /// One of: `sched_arinc653` ([`xen_sysctl_sched_arinc653`]), `sched_credit`
    /// ([`xen_sysctl_credit_schedule`]), `sched_credit2` ([`xen_sysctl_credit2_schedule`]).
    pub u: Union<[u64; 2]>,
}
const _: () = assert!(size_of::<xen_sysctl_scheduler_op>() == 32);

/// Xen sysctl sched arinc653.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_sched_arinc653 {
    /// Schedule.
    pub schedule: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_sched_arinc653>() == 8);

/// XCOV.
pub const XEN_GCOV_FORMAT_MAGIC: u32 = 0x5843_4f56;
/// Get total size of output data.
pub const XEN_SYSCTL_COVERAGE_get_size: u32 = 0;
/// Read output data.
pub const XEN_SYSCTL_COVERAGE_read: u32 = 1;
/// Reset all counters.
pub const XEN_SYSCTL_COVERAGE_reset: u32 = 2;

/// Xen sysctl coverage op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_coverage_op {
    /// Cmd.
    pub cmd: u32,
    /// IN/OUT: size of the buffer.
    pub size: u32,
    /// OUT.
    pub buffer: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_coverage_op>() == 16);

/// Xen sysctl psr cmt get total rmid.
pub const XEN_SYSCTL_PSR_CMT_get_total_rmid: u32 = 0;
/// Xen sysctl psr cmt get l3 upscaling factor.
pub const XEN_SYSCTL_PSR_CMT_get_l3_upscaling_factor: u32 = 1;
/// The L3 cache size is returned in KB unit.
pub const XEN_SYSCTL_PSR_CMT_get_l3_cache_size: u32 = 2;
/// Xen sysctl psr cmt enabled.
pub const XEN_SYSCTL_PSR_CMT_enabled: u32 = 3;
/// Xen sysctl psr cmt get l3 event mask.
pub const XEN_SYSCTL_PSR_CMT_get_l3_event_mask: u32 = 4;

/// Xen sysctl psr cmt op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op {
    /// IN: XEN_SYSCTL_PSR_CMT_.
    pub cmd: u32,
    /// padding variable, may be extended for future use.
    pub flags: u32,
    /// U.
    ///
    /// One of: `data` (`u64`), `l3_cache` ([`xen_sysctl_psr_cmt_op_l3_cache`]).
    pub u: Union<[u64; 1]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op>() == 16);

/// Xen sysctl psr cmt op l3 cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_cmt_op_l3_cache {
    /// IN.
    pub cpu: u32,
    /// Rsvd.
    pub rsvd: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_cmt_op_l3_cache>() == 8);

/// XEN_SYSCTL_pcitopoinfo.
pub const XEN_INVALID_DEV: u32 = XEN_INVALID_NODE_ID - 1;

/// Xen sysctl pcitopoinfo.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_pcitopoinfo {
    /// IN: Number of elements in 'devs' and 'nodes' arrays.
    pub num_devs: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// IN: list of devices for which node IDs are requested.
    pub devs: guest_handle,
    /// OUT: node identifier for each device.
    pub nodes: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_pcitopoinfo>() == 24);

/// Xen sysctl psr get l3 info.
pub const XEN_SYSCTL_PSR_get_l3_info: u32 = 0;
/// Xen sysctl psr get l2 info.
pub const XEN_SYSCTL_PSR_get_l2_info: u32 = 1;
/// Xen sysctl psr get mba info.
pub const XEN_SYSCTL_PSR_get_mba_info: u32 = 2;

/// Xen sysctl psr alloc.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc {
    /// IN: XEN_SYSCTL_PSR_.
    pub cmd: u32,
    /// IN.
    pub target: u32,
    /// U.
    ///
    /// One of: `cat_info` ([`xen_sysctl_psr_alloc_cat_info`]), `mba_info`
    /// ([`xen_sysctl_psr_alloc_mba_info`]).
    pub u: Union<[u32; 3]>,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc>() == 20);

/// Xen sysctl psr alloc cat info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_cat_info {
    /// OUT: CBM length.
    pub cbm_len: u32,
    /// OUT: Maximum COS.
    pub cos_max: u32,
    /// OUT: CAT flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_cat_info>() == 12);

/// Xen sysctl psr cat l3 cdp.
pub const XEN_SYSCTL_PSR_CAT_L3_CDP: u32 = 1;

/// Xen sysctl psr alloc mba info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_psr_alloc_mba_info {
    /// OUT: Maximum throttle.
    pub thrtl_max: u32,
    /// OUT: Maximum COS.
    pub cos_max: u32,
    /// OUT: MBA flags.
    pub flags: u32,
}
const _: () = assert!(size_of::<xen_sysctl_psr_alloc_mba_info>() == 12);

/// Xen sysctl psr mba linear.
pub const XEN_SYSCTL_PSR_MBA_LINEAR: u32 = 1;

/// XEN_SYSCTL_get_cpu_levelling_caps (x86 specific) Return hardware capabilities concerning
/// masking or faulting of the cpuid instruction for PV guests.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_levelling_caps {
    /// Caps.
    pub caps: u32,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_levelling_caps>() == 4);

/// CPUID faulting.
pub const XEN_SYSCTL_CPU_LEVELCAP_faulting: u32 = 1;
/// 0x00000001.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_ecx: u32 = 1 << 1;
/// 0x00000001.edx.
pub const XEN_SYSCTL_CPU_LEVELCAP_edx: u32 = 1 << 2;
/// 0x80000001.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_ecx: u32 = 1 << 3;
/// 0x80000001.edx.
pub const XEN_SYSCTL_CPU_LEVELCAP_extd_edx: u32 = 1 << 4;
/// 0x0000000D:1.eax.
pub const XEN_SYSCTL_CPU_LEVELCAP_xsave_eax: u32 = 1 << 5;
/// 0x00000006.ecx.
pub const XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx: u32 = 1 << 6;
/// 0x00000007:0.eax.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax: u32 = 1 << 7;
/// 0x00000007:0.ebx.
pub const XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx: u32 = 1 << 8;

/// XEN_SYSCTL_get_cpu_featureset (x86 specific) Return information about featuresets available
/// on this host. - Raw: The real cpuid values. - Host: The values Xen is using, (after command
/// line overrides, etc). - PV: Maximum set of features which can be given to a PV guest. - HVM:
/// Maximum set of features which can be given to a HVM guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_featureset {
    /// IN: Which featureset to query?.
    pub index: u32,
    /// IN/OUT: Number of entries in/written to 'features', or the maximum number of features if
    /// the guest handle is NULL. NB. All featuresets come from the same numberspace, so have
    /// the same maximum length.
    pub nr_features: u32,
    /// OUT:.
    pub features: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_featureset>() == 16);

/// Xen sysctl cpu featureset raw.
pub const XEN_SYSCTL_cpu_featureset_raw: u32 = 0;
/// Xen sysctl cpu featureset host.
pub const XEN_SYSCTL_cpu_featureset_host: u32 = 1;
/// Xen sysctl cpu featureset pv.
pub const XEN_SYSCTL_cpu_featureset_pv: u32 = 2;
/// Xen sysctl cpu featureset hvm.
pub const XEN_SYSCTL_cpu_featureset_hvm: u32 = 3;
/// Xen sysctl cpu featureset pv max.
pub const XEN_SYSCTL_cpu_featureset_pv_max: u32 = 4;
/// Xen sysctl cpu featureset hvm max.
pub const XEN_SYSCTL_cpu_featureset_hvm_max: u32 = 5;
/// Livepatch payload version.
pub const LIVEPATCH_PAYLOAD_VERSION: u32 = 2;
/// Structure describing an ELF payload.
pub const XEN_LIVEPATCH_NAME_SIZE: usize = 128;

/// Xen livepatch name.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_name {
    /// IN: pointer to name.
    pub name: guest_handle,
    /// IN: size of name.
    pub size: u16,
    /// IN: MUST be zero.
    pub pad: [u16; 3],
}
const _: () = assert!(size_of::<xen_livepatch_name>() == 16);

/// Upload a payload to the hypervisor.
pub const XEN_SYSCTL_LIVEPATCH_UPLOAD: u32 = 0;

/// Xen sysctl livepatch upload.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_upload {
    /// IN, name of the patch.
    pub name: xen_livepatch_name,
    /// IN, size of the ELF file.
    pub size: u64,
    /// IN, the ELF file.
    pub payload: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_upload>() == 32);

/// Retrieve an status of an specific payload.
pub const XEN_SYSCTL_LIVEPATCH_GET: u32 = 1;

/// Xen livepatch status.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_livepatch_status {
    /// OUT: LIVEPATCH_STATE_*.
    pub state: u32,
    /// OUT: 0 if no error, otherwise -XEN_EXX.
    pub rc: i32,
}
const _: () = assert!(size_of::<xen_livepatch_status>() == 8);

/// Livepatch state checked.
pub const LIVEPATCH_STATE_CHECKED: u32 = 1;
/// Livepatch state applied.
pub const LIVEPATCH_STATE_APPLIED: u32 = 2;

/// Xen sysctl livepatch get.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_get {
    /// IN, name of the payload.
    pub name: xen_livepatch_name,
    /// IN/OUT, state of it.
    pub status: xen_livepatch_status,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_get>() == 24);

/// Retrieve an array of abbreviated status, names and metadata of payloads that are loaded in
/// the hypervisor.
pub const XEN_SYSCTL_LIVEPATCH_LIST: u32 = 2;

/// Xen sysctl livepatch list.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_list {
    /// OUT: Hypervisor stamps value.
    pub version: u32,
    /// IN: Index into hypervisor list.
    pub idx: u32,
    /// IN: How many status, name, and len should fill out.
    pub nr: u32,
    /// IN: Must be zero.
    pub pad: u32,
    /// OUT: Total size of all transfer names.
    pub name_total_size: u32,
    /// OUT: Total size of all transfer metadata.
    pub metadata_total_size: u32,
    /// OUT. Must have enough space allocate for nr of them.
    pub status: guest_handle,
    /// OUT: Array of names.
    pub name: guest_handle,
    /// OUT: Array of lengths of name's.
    pub len: guest_handle,
    /// OUT: Array of metadata strings.
    pub metadata: guest_handle,
    /// OUT: Array of lengths of metadata's.
    pub metadata_len: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_list>() == 64);

/// Perform an operation on the payload structure referenced by the `name` field.
pub const XEN_SYSCTL_LIVEPATCH_ACTION: u32 = 3;

/// Xen sysctl livepatch action.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_action {
    /// IN, name of the patch.
    pub name: xen_livepatch_name,
    /// IN: LIVEPATCH_ACTION_*.
    pub cmd: u32,
    /// IN: If zero then uses.
    pub timeout: u32,
    /// IN: action flags.
    pub flags: u32,
    /// IN: Always zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_action>() == 32);

/// Livepatch action unload.
pub const LIVEPATCH_ACTION_UNLOAD: u32 = 1;
/// Livepatch action revert.
pub const LIVEPATCH_ACTION_REVERT: u32 = 2;
/// Livepatch action apply.
pub const LIVEPATCH_ACTION_APPLY: u32 = 3;
/// Livepatch action replace.
pub const LIVEPATCH_ACTION_REPLACE: u32 = 4;
/// Override default inter-module buildid dependency chain enforcement.
pub const LIVEPATCH_ACTION_APPLY_NODEPS: u32 = 1;

/// Xen sysctl livepatch op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_livepatch_op {
    /// IN: XEN_SYSCTL_LIVEPATCH_*.
    pub cmd: u32,
    /// IN: Always zero.
    pub pad: u32,
    /// U.
    ///
    /// One of: `upload` ([`xen_sysctl_livepatch_upload`]), `list`
    /// ([`xen_sysctl_livepatch_list`]), `get` ([`xen_sysctl_livepatch_get`]), `action`
    /// ([`xen_sysctl_livepatch_action`]).
    pub u: Union<[u64; 8]>,
}
const _: () = assert!(size_of::<xen_sysctl_livepatch_op>() == 72);

/// XEN_SYSCTL_get_cpu_policy (x86 specific) Return information about CPUID and MSR policies
/// available on this host. - Raw: The real H/W values. - Host: The values Xen is using, (after
/// command line overrides, etc). - Max_*: Maximum set of features a PV or HVM guest can use.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl_cpu_policy {
    /// IN: Which policy to query?.
    pub index: u32,
    /// IN/OUT: Number of leaves in/written to 'leaves', or the max number if 'leaves' is NULL.
    pub nr_leaves: u32,
    /// IN/OUT: Number of MSRs in/written to 'msrs', or the max number of if 'msrs' is NULL.
    pub nr_msrs: u32,
    /// Must be zero.
    pub _rsvd: u32,
    /// OUT.
    pub leaves: guest_handle,
    /// OUT.
    pub msrs: guest_handle,
}
const _: () = assert!(size_of::<xen_sysctl_cpu_policy>() == 32);

/// Xen sysctl cpu policy raw.
pub const XEN_SYSCTL_cpu_policy_raw: u32 = 0;
/// Xen sysctl cpu policy host.
pub const XEN_SYSCTL_cpu_policy_host: u32 = 1;
/// Xen sysctl cpu policy pv max.
pub const XEN_SYSCTL_cpu_policy_pv_max: u32 = 2;
/// Xen sysctl cpu policy hvm max.
pub const XEN_SYSCTL_cpu_policy_hvm_max: u32 = 3;
/// Xen sysctl cpu policy pv default.
pub const XEN_SYSCTL_cpu_policy_pv_default: u32 = 4;
/// Xen sysctl cpu policy hvm default.
pub const XEN_SYSCTL_cpu_policy_hvm_default: u32 = 5;

/// Xen sysctl.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_sysctl {
    /// Cmd.
    pub cmd: u32,
    /// XEN_SYSCTL_INTERFACE_VERSION.
    pub interface_version: u32,
    /// U.
    ///
    /// One of: `readconsole` ([`xen_sysctl_readconsole`]), `tbuf_op` ([`xen_sysctl_tbuf_op`]),
    /// `physinfo` ([`xen_sysctl_physinfo`]), `cputopoinfo` ([`xen_sysctl_cputopoinfo`]),
    /// `pcitopoinfo` ([`xen_sysctl_pcitopoinfo`]), `numainfo` ([`xen_sysctl_numainfo`]),
    /// `sched_id` ([`xen_sysctl_sched_id`]), `perfc_op` ([`xen_sysctl_perfc_op`]),
    /// `getdomaininfolist` ([`xen_sysctl_getdomaininfolist`]), `debug_keys`
    /// ([`xen_sysctl_debug_keys`]), `getcpuinfo` ([`xen_sysctl_getcpuinfo`]), `availheap`
    /// ([`xen_sysctl_availheap`]), `get_pmstat` ([`xen_sysctl_get_pmstat`]), `cpu_hotplug`
    /// ([`xen_sysctl_cpu_hotplug`]), `pm_op` ([`xen_sysctl_pm_op`]), `page_offline`
    /// ([`xen_sysctl_page_offline_op`]), `lockprof_op` ([`xen_sysctl_lockprof_op`]),
    /// `cpupool_op` ([`xen_sysctl_cpupool_op`]), `scheduler_op` ([`xen_sysctl_scheduler_op`]),
    /// `coverage_op` ([`xen_sysctl_coverage_op`]), `psr_cmt_op` ([`xen_sysctl_psr_cmt_op`]),
    /// `psr_alloc` ([`xen_sysctl_psr_alloc`]), `cpu_levelling_caps`
    /// ([`xen_sysctl_cpu_levelling_caps`]), `cpu_featureset` ([`xen_sysctl_cpu_featureset`]),
    /// `livepatch` ([`xen_sysctl_livepatch_op`]), `cpu_policy` ([`xen_sysctl_cpu_policy`]),
    /// `pad` (`[u8; 128]`).
    pub u: Union<[u64; 16]>,
}
const _: () = assert!(size_of::<xen_sysctl>() == 136);

/// Xen sysctl readconsole.
pub const XEN_SYSCTL_readconsole: u32 = 1;
/// Xen sysctl tbuf op.
pub const XEN_SYSCTL_tbuf_op: u32 = 2;
/// Xen sysctl physinfo.
pub const XEN_SYSCTL_physinfo: u32 = 3;
/// Xen sysctl sched id.
pub const XEN_SYSCTL_sched_id: u32 = 4;
/// Xen sysctl perfc op.
pub const XEN_SYSCTL_perfc_op: u32 = 5;
/// Xen sysctl getdomaininfolist.
pub const XEN_SYSCTL_getdomaininfolist: u32 = 6;
/// Xen sysctl debug keys.
pub const XEN_SYSCTL_debug_keys: u32 = 7;
/// Xen sysctl getcpuinfo.
pub const XEN_SYSCTL_getcpuinfo: u32 = 8;
/// Xen sysctl availheap.
pub const XEN_SYSCTL_availheap: u32 = 9;
/// Xen sysctl get pmstat.
pub const XEN_SYSCTL_get_pmstat: u32 = 10;
/// Xen sysctl cpu hotplug.
pub const XEN_SYSCTL_cpu_hotplug: u32 = 11;
/// Xen sysctl pm op.
pub const XEN_SYSCTL_pm_op: u32 = 12;
/// Xen sysctl page offline op.
pub const XEN_SYSCTL_page_offline_op: u32 = 14;
/// Xen sysctl lockprof op.
pub const XEN_SYSCTL_lockprof_op: u32 = 15;
/// Xen sysctl cputopoinfo.
pub const XEN_SYSCTL_cputopoinfo: u32 = 16;
/// Xen sysctl numainfo.
pub const XEN_SYSCTL_numainfo: u32 = 17;
/// Xen sysctl cpupool op.
pub const XEN_SYSCTL_cpupool_op: u32 = 18;
/// Xen sysctl scheduler op.
pub const XEN_SYSCTL_scheduler_op: u32 = 19;
/// Xen sysctl coverage op.
pub const XEN_SYSCTL_coverage_op: u32 = 20;
/// Xen sysctl psr cmt op.
pub const XEN_SYSCTL_psr_cmt_op: u32 = 21;
/// Xen sysctl pcitopoinfo.
pub const XEN_SYSCTL_pcitopoinfo: u32 = 22;
/// Xen sysctl psr alloc.
pub const XEN_SYSCTL_psr_alloc: u32 = 23;
/// #define XEN_SYSCTL_tmem_op 24.
pub const XEN_SYSCTL_get_cpu_levelling_caps: u32 = 25;
/// Xen sysctl get cpu featureset.
pub const XEN_SYSCTL_get_cpu_featureset: u32 = 26;
/// Xen sysctl livepatch op.
pub const XEN_SYSCTL_livepatch_op: u32 = 27;
/// #define XEN_SYSCTL_set_parameter 28.
pub const XEN_SYSCTL_get_cpu_policy: u32 = 29;
