//! `memory_op`: every sub-operation there could be, and those that PV guests are refused.

use super::page::*;
use super::{Check, Report};
use crate::hypercall::{HvResult, with_struct};
use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

pub(super) const CHECKS: &[Check] = &[
    ("memory_sweep", sweep),
    ("memory_physmap", physmap),
    ("memory_pod", pod),
    ("memory_resource", resource),
    ("memory_of_others", of_others),
];

/// The domain itself, another that there is not, and those that are none.
pub(super) const DOMAINS: [(&str, u16); 5] = [
    ("self", DOMID_SELF),
    ("own_id", 0),
    ("nobody", NOBODY),
    ("xen", DOMID_XEN),
    ("io", DOMID_IO),
];

pub(super) fn with<T: FromBytes + IntoBytes>(cmd: u32, arg: &mut T) -> HvResult {
    with_struct(__HYPERVISOR_memory_op, cmd, arg)
}

/// Sub-operations that write to what their argument names, or change what later checks see.
const NOT_SWEPT: [u32; 2] = [XENMEM_exchange, XENMEM_set_memory_map];

fn sweep(r: &mut Report) {
    for cmd in (0..64).filter(|cmd| !NOT_SWEPT.contains(cmd)) {
        for (key, at) in BAD_ADDRESSES {
            // SAFETY: there is no structure to be written.
            let result = unsafe { call(__HYPERVISOR_memory_op, [cmd.into(), at, 0, 0, 0]) };
            r.line(format_args!("cmd{cmd}_{key}={}", Outcome(cmd, result)));
        }
        let mut zeroes = [0_u64; 16];
        let result = with(cmd, &mut zeroes);
        r.line(format_args!("cmd{cmd}_zeroes={}", Outcome(cmd, result)));
    }
}

/// A result, without the value where that is a number of pages.
struct Outcome(u32, HvResult);

impl core::fmt::Display for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.0, self.1) {
            (XENMEM_maximum_ram_page..=XENMEM_maximum_reservation, Ok(_)) => f.write_str("ok"),
            (_, result) => Shown(result).fmt(f),
        }
    }
}

fn physmap(r: &mut Report) {
    for (name, domid) in DOMAINS {
        for space in 0..7 {
            let mut arg = xen_add_to_physmap::new_zeroed();
            (arg.domid, arg.space, arg.gpfn) = (domid, space, 0x10_0000);
            let result = with(XENMEM_add_to_physmap, &mut arg);
            r.line(format_args!("add_{name}_{space}={}", Shown(result)));
            let (mut indexes, mut frames, mut errors) = ([0_u64], [0x10_0000_u64], [0x55_u32]);
            for size in [0, 1] {
                let mut arg = xen_add_to_physmap_batch::new_zeroed();
                (arg.domid, arg.space, arg.size) = (domid, space as u16, size);
                arg.idxs = address(&mut indexes);
                arg.gpfns = address(&mut frames);
                arg.errs = address(&mut errors);
                let result = with(XENMEM_add_to_physmap_batch, &mut arg);
                r.line(format_args!(
                    "batch{size}_{name}_{space}={} error={:#x}",
                    Shown(result),
                    errors[0]
                ));
            }
        }
        let mut arg = xen_remove_from_physmap::new_zeroed();
        (arg.domid, arg.gpfn) = (domid, 0x10_0000);
        r.line(format_args!(
            "remove_{name}={}",
            Shown(with(XENMEM_remove_from_physmap, &mut arg))
        ));
    }
}

fn pod(r: &mut Report) {
    for (name, domid) in DOMAINS {
        for (key, cmd) in [
            ("set", XENMEM_set_pod_target),
            ("get", XENMEM_get_pod_target),
        ] {
            let mut arg = xen_pod_target::new_zeroed();
            (arg.domid, arg.target_pages) = (domid, 1);
            r.line(format_args!("{key}_{name}={}", Shown(with(cmd, &mut arg))));
        }
    }
}

fn resource(r: &mut Report) {
    let mut list = [0_u64; 4];
    for (name, domid) in DOMAINS {
        for kind in 0..4 {
            for (id, nr_frames, at) in [
                (0, 0, 0),
                (0, 1, address(&mut list)),
                (1, 1, address(&mut list)),
            ] {
                let mut arg = xen_mem_acquire_resource::new_zeroed();
                (arg.domid, arg.r#type, arg.id) = (domid, kind, id);
                (arg.nr_frames, arg.frame_list) = (nr_frames, at);
                let result = with(XENMEM_acquire_resource, &mut arg);
                r.line(format_args!(
                    "{name}_type{kind}_id{id}_{nr_frames}={} frames={}",
                    Shown(result),
                    arg.nr_frames
                ));
            }
        }
    }
}

/// A domain without memory, that may have `pages`; its id.
pub(super) fn create(pages: u64) -> HvResult<u16> {
    create_with(pages, 4)
}

/// The same, with so many frames at most for what it maps of others; fewer than 0 for the usual number.
pub(super) fn create_with(pages: u64, max_maptrack_frames: i32) -> HvResult<u16> {
    let mut config = xen_domctl_createdomain::new_zeroed();
    config.max_vcpus = 2;
    config.max_evtchn_port = 1023;
    config.max_grant_frames = 4;
    config.max_maptrack_frames = max_maptrack_frames;
    config.grant_opts = 1;
    let domain = domctl(XEN_DOMCTL_createdomain, 0, config)?.domain;
    let most = xen_domctl_max_mem {
        max_memkb: pages * 4,
    };
    domctl(XEN_DOMCTL_max_mem, domain, most)?;
    Ok(domain)
}

pub(super) fn reservation(list: &mut [u64], domid: u16) -> xen_memory_reservation {
    let mut arg = xen_memory_reservation::new_zeroed();
    (arg.extent_start, arg.nr_extents) = (list.as_mut_ptr() as u64, list.len() as u64);
    arg.domid = domid;
    arg
}

/// What the control domain may do to another's memory.
fn of_others(r: &mut Report) {
    let domain = match create(8) {
        Ok(domain) => domain,
        Err(errno) => return r.result("create", Err(errno)),
    };
    let mut list = [0_u64; 12];
    for (key, cmd, count) in [
        ("populate", XENMEM_populate_physmap, 4),
        ("increase", XENMEM_increase_reservation, 2),
        ("too_many", XENMEM_populate_physmap, 12),
    ] {
        let result = with(cmd, &mut reservation(&mut list[..count], domain));
        let mut arg = xen_memory_domain { domid: domain };
        let now = with(XENMEM_current_reservation, &mut arg);
        r.line(format_args!("{key}={} now={}", Shown(result), Shown(now)));
    }
    let mut arg = xen_memory_domain { domid: domain };
    for (key, cmd) in [
        ("most", XENMEM_maximum_reservation),
        ("gpfn", XENMEM_maximum_gpfn),
    ] {
        r.result(key, with(cmd, &mut arg));
    }
    for space in 0..7 {
        let mut arg = xen_add_to_physmap::new_zeroed();
        (arg.domid, arg.space) = (domain, space);
        r.line(format_args!(
            "add_{space}={}",
            Shown(with(XENMEM_add_to_physmap, &mut arg))
        ));
    }
    let mut arg = xen_remove_from_physmap::new_zeroed();
    arg.domid = domain;
    r.result("remove", with(XENMEM_remove_from_physmap, &mut arg));
    for (key, cmd) in [
        ("set_pod", XENMEM_set_pod_target),
        ("get_pod", XENMEM_get_pod_target),
    ] {
        let mut arg = xen_pod_target::new_zeroed();
        arg.domid = domain;
        r.result(key, with(cmd, &mut arg));
    }
    let mut access = xen_mem_access_op::new_zeroed();
    access.domid = domain;
    r.result("access", with(XENMEM_access_op, &mut access));
    access.domid = NOBODY;
    r.result("access_nobody", with(XENMEM_access_op, &mut access));
    for (key, domid) in [
        ("vnuma", domain),
        ("vnuma_self", DOMID_SELF),
        ("vnuma_nobody", NOBODY),
    ] {
        let mut arg = xen_vnuma_topology_info::new_zeroed();
        arg.domid = domid;
        r.result(key, with(XENMEM_get_vnumainfo, &mut arg));
    }
    for flags in 0..4 {
        let mut arg = xen_reserved_device_memory_map::new_zeroed();
        arg.flags = flags;
        let result = with(XENMEM_reserved_device_memory_map, &mut arg);
        r.line(format_args!(
            "reserved_{flags}={} entries={}",
            Shown(result),
            arg.nr_entries
        ));
    }
    let mut frames = [0_u64; 4];
    for kind in 0..4 {
        for (id, frame, nr_frames) in [
            (0, 0, 0),
            (0, 0, 1),
            (1, 0, 1),
            (0, 1, 2),
            (0, 3, 2),
            (0, 1 << 40, 1),
        ] {
            let mut arg = xen_mem_acquire_resource::new_zeroed();
            (arg.domid, arg.r#type, arg.id, arg.frame) = (domain, kind, id, frame);
            arg.nr_frames = nr_frames;
            arg.frame_list = if nr_frames == 0 {
                0
            } else {
                address(&mut frames)
            };
            let result = with(XENMEM_acquire_resource, &mut arg);
            r.line(format_args!(
                "resource_type{kind}_id{id}_{frame:#x}_{nr_frames}={} frames={}",
                Shown(result),
                arg.nr_frames
            ));
        }
    }
    r.outcome(
        "destroy",
        domctl(XEN_DOMCTL_destroydomain, domain, 0_u64).map(|_| 0),
    );
}
