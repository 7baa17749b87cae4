//! Grant table set-up, `xen_version` in full, console, `domctl` and `sysctl` as far as they tell
//! of the caller itself.

use super::page::*;
use super::{Check, Report};
use crate::hypercall::{self, HvResult};
use hypercall_abi::Union;
use hypercall_abi::domctl::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("version_texts", version_texts),
    ("version_values", version_values),
    ("console_commands", console),
    ("grant_size", grant_size),
    ("grant_setup", grant_setup),
    ("grant_commands", grant_commands),
    ("domctl", domctl),
    ("sysctl", sysctl),
];

fn version(cmd: u32, arg: u64) -> HvResult {
    // SAFETY: the buffers are large enough, or not writable at all.
    unsafe { call(__HYPERVISOR_xen_version, [u64::from(cmd), arg, 0, 0, 0]) }
}

/// Whether `bytes` is a text that ends inside them.
fn is_text(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|&b| b == 0);
    end.is_some_and(|end| bytes[..end].iter().all(|b| (b' '..=b'~').contains(b)))
}

fn version_texts(r: &mut Report) {
    for (key, cmd, len) in [
        ("extraversion", XENVER_extraversion, 16),
        ("capabilities", XENVER_capabilities, 1024),
        ("changeset", XENVER_changeset, 64),
        ("commandline", XENVER_commandline, 1024),
    ] {
        let mut buffer = [0xee_u8; 1100];
        let result = version(cmd, buffer.as_mut_ptr() as u64);
        r.line(format_args!(
            "{key}={} text={} behind={:#x}",
            Shown(result),
            is_text(&buffer[..len]),
            buffer[len]
        ));
    }
    let mut buffer = [0xee_u8; 160];
    let result = version(XENVER_compile_info, buffer.as_mut_ptr() as u64);
    let fields = [0..64, 64..80, 80..112, 112..144];
    r.line(format_args!(
        "compile_info={} text={} behind={:#x}",
        Shown(result),
        fields.into_iter().all(|field| is_text(&buffer[field])),
        buffer[144]
    ));
    let mut capabilities = [0_u8; 1024];
    r.outcome(
        "capabilities_again",
        version(XENVER_capabilities, capabilities.as_mut_ptr() as u64),
    );
    let wanted = b"xen-3.0-x86_64 ";
    r.line(format_args!(
        "runs_this={}",
        capabilities.starts_with(wanted)
    ));
}

fn version_values(r: &mut Report) {
    let mut words = [0_u64; 4];
    let at = address(&mut words);
    for cmd in [0, 5, 7, 8, 11, 99, u32::MAX] {
        let result = version(cmd, at);
        r.line(format_args!("cmd{cmd}={}", Shown(result)));
    }
    words = [!0; 4];
    let result = version(XENVER_platform_parameters, at);
    r.line(format_args!(
        "platform={} start={:#x}",
        Shown(result),
        words[0]
    ));
    words = [!0; 4];
    let result = version(XENVER_guest_handle, at);
    r.line(format_args!(
        "handle={} word={:#x}",
        Shown(result),
        words[0]
    ));
    for cmd in 1..=9 {
        for (key, at) in BAD_ADDRESSES {
            r.line(format_args!("cmd{cmd}_{key}={}", Shown(version(cmd, at))));
        }
    }
    for submap_idx in [0, 1, 2, u32::MAX] {
        let mut info = xen_feature_info {
            submap_idx,
            submap: 0xdead,
        };
        let result = hypercall::xen_version_struct(XENVER_get_features, &mut info);
        r.line(format_args!(
            "features{submap_idx}={} bits={:#x}",
            Shown(result),
            info.submap
        ));
    }
}

fn console(r: &mut Report) {
    let io = |cmd: u32, count: u64, at: u64| {
        // SAFETY: nothing is read into memory: the counts are 0 or the addresses are none.
        unsafe { call(__HYPERVISOR_console_io, [u64::from(cmd), count, at, 0, 0]) }
    };
    for (name, cmd) in [("write", CONSOLEIO_write), ("read", CONSOLEIO_read)] {
        for (key, at) in BAD_ADDRESSES {
            r.line(format_args!(
                "{name}_nothing_{key}={}",
                Shown(io(cmd, 0, at))
            ));
        }
    }
    for (key, at) in BAD_ADDRESSES {
        r.line(format_args!(
            "write_{key}={}",
            Shown(io(CONSOLEIO_write, 4, at))
        ));
    }
    r.result("unknown2", io(2, 0, 0));
    r.result("all_ones", io(u32::MAX, 0, 0));
}

fn grant<T>(cmd: u32, arg: &mut T, count: u64) -> HvResult {
    let args = [u64::from(cmd), address(arg), count, 0, 0];
    // SAFETY: the operations write the structure and the list it names.
    unsafe { call(__HYPERVISOR_grant_table_op, args) }
}

fn grant_size(r: &mut Report) {
    for (key, dom) in [
        ("self", DOMID_SELF),
        ("own_id", 0),
        ("nobody", NOBODY),
        ("io", DOMID_IO),
        ("xen", DOMID_XEN),
    ] {
        let mut arg = gnttab_query_size::new_zeroed();
        arg.dom = dom;
        let result = grant(GNTTABOP_query_size, &mut arg, 1);
        r.line(format_args!(
            "{key}={} status={} frames={} most={}",
            Shown(result),
            arg.status,
            arg.nr_frames,
            arg.max_nr_frames
        ));
        let mut arg = gnttab_get_version::new_zeroed();
        arg.dom = dom;
        let result = grant(GNTTABOP_get_version, &mut arg, 1);
        r.line(format_args!(
            "{key}_version={} is={}",
            Shown(result),
            arg.version
        ));
    }
}

fn grant_setup(r: &mut Report) {
    let mut list = [0_u64; 70];
    let at = address(&mut list);
    for (key, dom, nr_frames, frame_list) in [
        ("none", DOMID_SELF, 0, at),
        ("one", DOMID_SELF, 1, at),
        ("again", DOMID_SELF, 1, at),
        ("too_many", DOMID_SELF, 65, at),
        ("way_too_many", DOMID_SELF, u32::MAX, at),
        ("nobody", NOBODY, 1, at),
        ("unmapped", DOMID_SELF, 1, UNMAPPED),
        ("hypervisor", DOMID_SELF, 1, HOLE),
    ] {
        let mut arg = gnttab_setup_table {
            dom,
            _pad0: [0; 2],
            nr_frames,
            status: 0x55,
            _pad1: [0; 6],
            frame_list,
        };
        let result = grant(GNTTABOP_setup_table, &mut arg, 1);
        r.line(format_args!(
            "{key}={} status={}",
            Shown(result),
            arg.status
        ));
    }
    // The table can be mapped, and is empty; not as a page table.
    let window = Page::new();
    let frame = list[0];
    r.line(format_args!(
        "map={} first={:#x}",
        Shown(window.map(frame << 12 | crate::mm::paging::pte::RO)),
        window.read(0)
    ));
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, frame, 0));
    window.restore();
}

fn grant_commands(r: &mut Report) {
    let mut words = [0_u64; 8];
    for cmd in [13, 99, u32::MAX] {
        r.line(format_args!(
            "cmd{cmd}={}",
            Shown(grant(cmd, &mut words, 1))
        ));
    }
    for cmd in [
        GNTTABOP_query_size,
        GNTTABOP_setup_table,
        GNTTABOP_get_version,
    ] {
        for (key, at) in BAD_ADDRESSES {
            let args = [u64::from(cmd), at, 1, 0, 0];
            // SAFETY: there is no structure to be written.
            let result = unsafe { call(__HYPERVISOR_grant_table_op, args) };
            r.line(format_args!("cmd{cmd}_{key}={}", Shown(result)));
        }
        r.line(format_args!(
            "cmd{cmd}_empty={}",
            Shown(grant(cmd, &mut words, 0))
        ));
    }
    for (key, version) in [("one", 1), ("zero", 0), ("three", 3)] {
        let mut arg = gnttab_set_version { version };
        let result = grant(GNTTABOP_set_version, &mut arg, 1);
        r.line(format_args!(
            "version_{key}={} now={}",
            Shown(result),
            arg.version
        ));
    }
}

fn new_domctl(cmd: u32, domain: u16) -> xen_domctl {
    xen_domctl {
        cmd,
        interface_version: XEN_DOMCTL_INTERFACE_VERSION,
        domain,
        _pad: [0; 3],
        u: Union::zeroed(),
    }
}

/// A control operation, whose first argument is its structure.
pub(super) fn control<T>(nr: u64, arg: &mut T) -> HvResult {
    // SAFETY: the operations made here write the structure alone.
    unsafe { call(nr, [address(arg), 0, 0, 0, 0]) }
}

fn domctl(r: &mut Report) {
    for (key, at) in BAD_ADDRESSES {
        // SAFETY: there is no structure.
        r.result(key, unsafe { call(__HYPERVISOR_domctl, [at, 0, 0, 0, 0]) });
    }
    for version in [
        0,
        XEN_DOMCTL_INTERFACE_VERSION - 1,
        XEN_DOMCTL_INTERFACE_VERSION + 1,
    ] {
        let mut op = new_domctl(XEN_DOMCTL_getdomaininfo, 0);
        op.interface_version = version;
        r.line(format_args!(
            "version{version}={}",
            Shown(control(__HYPERVISOR_domctl, &mut op))
        ));
    }
    for (key, cmd, domain) in [
        ("unknown", 9999, 0),
        ("zero", 0, 0),
        ("nobody", XEN_DOMCTL_getdomaininfo, NOBODY),
        ("beyond", XEN_DOMCTL_getdomaininfo, DOMID_SELF),
        ("beyond_invalid", XEN_DOMCTL_getdomaininfo, DOMID_INVALID),
        ("beyond_idle", XEN_DOMCTL_getdomaininfo, DOMID_IDLE),
        ("beyond_all", XEN_DOMCTL_getdomaininfo, u16::MAX),
        ("pause_beyond", XEN_DOMCTL_pausedomain, DOMID_SELF),
        ("pause_self", XEN_DOMCTL_pausedomain, 0),
        ("pause_nobody", XEN_DOMCTL_pausedomain, NOBODY),
        ("unpause_nobody", XEN_DOMCTL_unpausedomain, NOBODY),
        ("destroy_self", XEN_DOMCTL_destroydomain, 0),
        ("destroy_nobody", XEN_DOMCTL_destroydomain, NOBODY),
        ("unpause_self", XEN_DOMCTL_unpausedomain, 0),
        ("max_mem_nobody", XEN_DOMCTL_max_mem, NOBODY),
    ] {
        let mut op = new_domctl(cmd, domain);
        r.line(format_args!(
            "{key}={}",
            Shown(control(__HYPERVISOR_domctl, &mut op))
        ));
    }
    let mut op = new_domctl(XEN_DOMCTL_getdomaininfo, 0);
    let result = control(__HYPERVISOR_domctl, &mut op);
    let info: xen_domctl_getdomaininfo = op.u.get();
    r.line(format_args!(
        "self={} domain={} flags={:#x} online={} last_vcpu={} ssid={} cpupool={}",
        Shown(result),
        info.domain,
        info.flags,
        info.nr_online_vcpus,
        info.max_vcpu_id,
        info.ssidref,
        info.cpupool
    ));
    r.line(format_args!(
        "pages={} shared={} paged={} outstanding={} arch={:#x} ran={}",
        info.tot_pages == crate::mm::balloon::owned(),
        info.shr_pages,
        info.paged_pages,
        info.outstanding_pages,
        info.arch_config.emulation_flags,
        info.cpu_time > 0
    ));
}

fn sysctl(r: &mut Report) {
    let fresh = |cmd: u32| xen_sysctl {
        cmd,
        interface_version: XEN_SYSCTL_INTERFACE_VERSION,
        u: Union::zeroed(),
    };
    for (key, at) in BAD_ADDRESSES {
        // SAFETY: there is no structure.
        r.result(key, unsafe { call(__HYPERVISOR_sysctl, [at, 0, 0, 0, 0]) });
    }
    for version in [
        0,
        XEN_SYSCTL_INTERFACE_VERSION - 1,
        XEN_SYSCTL_INTERFACE_VERSION + 1,
    ] {
        let mut op = fresh(XEN_SYSCTL_physinfo);
        op.interface_version = version;
        r.line(format_args!(
            "version{version}={}",
            Shown(control(__HYPERVISOR_sysctl, &mut op))
        ));
    }
    for (key, cmd) in [("unknown", 9999), ("zero", 0)] {
        r.line(format_args!(
            "{key}={}",
            Shown(control(__HYPERVISOR_sysctl, &mut fresh(cmd)))
        ));
    }
    let mut op = fresh(XEN_SYSCTL_physinfo);
    let result = control(__HYPERVISOR_sysctl, &mut op);
    let info: xen_sysctl_physinfo = op.u.get();
    r.line(format_args!(
        "physinfo={} cpus={} last_cpu={} nodes={} last_node={} threads={} cores={} pv={}",
        Shown(result),
        info.nr_cpus,
        info.max_cpu_id,
        info.nr_nodes,
        info.max_node_id,
        info.threads_per_core,
        info.cores_per_socket,
        info.capabilities & XEN_SYSCTL_PHYSCAP_pv != 0
    ));
    r.line(format_args!(
        "memory={} free_less={} khz={} mfn={}",
        info.total_pages > 0x1_0000,
        info.free_pages < info.total_pages,
        info.cpu_khz > 0,
        info.max_mfn >= info.total_pages - 1
    ));
}
