//! `sysctl` (sysctl.h): what the toolstack asks about the machine.

use alloc::vec::Vec;

use hypercall_abi::sysctl::{
    XEN_SYSCTL_CPUPOOL_OP_FREEINFO, XEN_SYSCTL_CPUPOOL_OP_INFO, XEN_SYSCTL_INTERFACE_VERSION,
    XEN_SYSCTL_PHYSCAP_gnttab_v1, XEN_SYSCTL_PHYSCAP_pv, XEN_SYSCTL_SCHEDOP_getinfo,
    XEN_SYSCTL_SCHEDOP_putinfo, XEN_SYSCTL_availheap, XEN_SYSCTL_cpupool_op,
    XEN_SYSCTL_cputopoinfo, XEN_SYSCTL_debug_keys, XEN_SYSCTL_get_cpu_featureset,
    XEN_SYSCTL_get_cpu_levelling_caps, XEN_SYSCTL_get_cpu_policy, XEN_SYSCTL_getcpuinfo,
    XEN_SYSCTL_getdomaininfolist, XEN_SYSCTL_numainfo, XEN_SYSCTL_physinfo, XEN_SYSCTL_readconsole,
    XEN_SYSCTL_sched_id, XEN_SYSCTL_scheduler_op, xen_sysctl, xen_sysctl_availheap,
    xen_sysctl_cpu_levelling_caps, xen_sysctl_cpuinfo, xen_sysctl_cpupool_op, xen_sysctl_cputopo,
    xen_sysctl_cputopoinfo, xen_sysctl_credit2_schedule, xen_sysctl_debug_keys,
    xen_sysctl_getcpuinfo, xen_sysctl_getdomaininfolist, xen_sysctl_meminfo, xen_sysctl_numainfo,
    xen_sysctl_physinfo, xen_sysctl_readconsole, xen_sysctl_sched_id, xen_sysctl_scheduler_op,
};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::bitmap;
use super::domctl::domain_info;
use crate::addr::PAGE_SIZE;
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{GuestSlice, copy_in, copy_in_bytes, copy_out, copy_out_bytes};
use crate::hypercall::{Budget, Cx};
use crate::platform::Machine;
use crate::sched::policy::Chosen;

/// NUMA nodes that there could be; there is one.
const MAX_NODES: u32 = 64;

/// The one CPU pool, and the one NUMA node.
const POOL: u32 = 0;
/// Most bytes of the log copied out: no machine's ring has more.
const MOST_LOG: usize = 16 << 10;
/// The distance of a NUMA node to itself, as firmware tables have it.
const LOCAL_DISTANCE: u32 = 10;
/// Debug keys looked at in one call.
const MOST_KEYS: usize = 8;

/// `sysctl(arg)`.
///
/// # Errors
/// `EFAULT`; `EACCES` for another interface version; `EPERM` unless the caller is privileged;
/// `ENOSYS` for unknown commands; else as the command says.
// Never inlined: its frame must not be the dispatcher's, nor its callers' in a multicall.
#[inline(never)]
pub fn sysctl<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let result = command(cx, arg);
    cx.ended(result)
}

fn command<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut op: xen_sysctl = copy_in(cx.m(), arg)?;
    if op.interface_version != XEN_SYSCTL_INTERFACE_VERSION {
        return Err(Errno::EACCES.into());
    }
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    match op.cmd {
        XEN_SYSCTL_readconsole => with(&mut op, |a| read_console(cx, a))?,
        XEN_SYSCTL_physinfo => with(&mut op, |a| physinfo(cx, a))?,
        XEN_SYSCTL_sched_id => with(&mut op, |a: &mut xen_sysctl_sched_id| {
            a.sched_id = cx.hv.sched.policy().kind().id();
            Ok(())
        })?,
        XEN_SYSCTL_getdomaininfolist => with(&mut op, |a| domain_list(cx, a))?,
        XEN_SYSCTL_debug_keys => with(&mut op, |a| debug_keys(cx, a))?,
        XEN_SYSCTL_getcpuinfo => with(&mut op, |a| idle_times(cx, a))?,
        XEN_SYSCTL_availheap => with(&mut op, |a| available(cx, a))?,
        XEN_SYSCTL_cputopoinfo => with(&mut op, |a| cpu_topology(cx, a))?,
        XEN_SYSCTL_numainfo => with(&mut op, |a| numa(cx, a))?,
        XEN_SYSCTL_cpupool_op => with(&mut op, |a| cpu_pool(cx, a))?,
        XEN_SYSCTL_scheduler_op => with(&mut op, |a| scheduler(cx, a))?,
        // CPUID is not levelled: what a PV guest sees is the same for all.
        XEN_SYSCTL_get_cpu_levelling_caps => {
            with(&mut op, |a: &mut xen_sysctl_cpu_levelling_caps| {
                a.caps = 0;
                Ok(())
            })?
        }
        XEN_SYSCTL_get_cpu_featureset | XEN_SYSCTL_get_cpu_policy => {
            return Err(Errno::EOPNOTSUPP.into());
        }
        // Neither trace buffers nor performance counters: as a build of Xen without them.
        _ => return Err(Errno::ENOSYS.into()),
    }
    copy_out(cx.m(), arg, &op)?;
    Ok(0)
}

/// Runs a command on its member of the union, and puts the member back.
fn with<T: FromBytes + IntoBytes + Immutable>(
    op: &mut xen_sysctl,
    command: impl FnOnce(&mut T) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut member: T = op.u.get();
    command(&mut member)?;
    op.u.set(member);
    Ok(())
}

/// The part of the log that fits the caller's buffer: from its oldest byte on, or from where the last
/// call ended. What was read is forgotten when that is asked for.
fn read_console<M: Machine>(
    cx: &Cx<'_, M>,
    request: &mut xen_sysctl_readconsole,
) -> Result<(), Stop> {
    let room = (request.count as usize).min(MOST_LOG);
    let out = GuestSlice::<u8>::new(request.buffer, request.count.into())?;
    let mut log = Vec::new();
    log.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
    log.resize(room, 0);
    let from = (request.incremental != 0).then_some(request.index);
    let (got, end) = cx.m().read_log(from, &mut log);
    copy_out_bytes(cx.m(), out.address(0), log.get(..got).unwrap_or_default())?;
    if request.clear != 0 {
        // Only now, when the caller has it.
        cx.m().clear_log(end);
    }
    (request.count, request.index) = (got as u32, end);
    Ok(())
}

fn physinfo<M: Machine>(cx: &Cx<'_, M>, info: &mut xen_sysctl_physinfo) -> Result<(), Stop> {
    let cpus = cx.hv.sched.cpus();
    *info = xen_sysctl_physinfo::new_zeroed();
    info.threads_per_core = 1;
    info.cores_per_socket = cpus;
    info.nr_cpus = cpus;
    info.max_cpu_id = cpus - 1;
    info.nr_nodes = 1;
    info.max_node_id = MAX_NODES - 1;
    info.cpu_khz = cx.m().tsc_khz();
    info.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1;
    info.total_pages = cx.hv.frames.ram_frames();
    info.free_pages = cx.hv.frames.free_frames();
    (info.outstanding_pages, _) = cx.hv.frames.claimed();
    info.max_mfn = cx.hv.frames.len() - 1;
    // The feature words in the order of Xen's own list: leaf 1 edx and ecx, 0x80000001 edx and ecx.
    let (_, _, ecx, edx) = cx.m().cpuid(1, 0);
    let (_, _, extended_ecx, extended_edx) = cx.m().cpuid(0x8000_0001, 0);
    info.hw_cap[..4].copy_from_slice(&[edx, ecx, extended_edx, extended_ecx]);
    Ok(())
}

/// Units of budget for finding a domain in the table and telling of it.
const UNITS_OF_DOMAIN: u32 = 50;

/// Told of in the order of ids. Progress is how many were written, above the next id.
fn domain_list<M: Machine>(
    cx: &mut Cx<'_, M>,
    request: &mut xen_sysctl_getdomaininfolist,
) -> Result<(), Stop> {
    let (hv, m) = (cx.hv, cx.m());
    let out = GuestSlice::new(request.buffer, request.max_domains.into())?;
    let (mut written, mut next) = match cx.resume_at() {
        0 => (0, request.first_domain),
        done => (done >> 16, done as u16),
    };
    while written < u64::from(request.max_domains) {
        if !cx.budget.take(UNITS_OF_DOMAIN) {
            cx.suspend_at(written << 16 | u64::from(next));
            return Err(Stop::Retry);
        }
        let after = hv.domains.iter().filter(|d| d.id() >= next);
        let Some(dom) = after.min_by_key(|d| d.id()) else {
            break;
        };
        let info = domain_info(hv, dom);
        out.write(m, written, &info)?;
        written += 1;
        next = info.domain.saturating_add(1);
    }
    request.num_domains = written as u32;
    Ok(())
}

/// Where the number of a key is in the progress of debug keys; below is a place of its answer.
const KEY: u32 = 56;

/// Acts on debug keys: the answers are in the log, each part of one in an entry of its own.
fn debug_keys<M: Machine>(
    cx: &mut Cx<'_, M>,
    request: &mut xen_sysctl_debug_keys,
) -> Result<(), Stop> {
    let mut keys = [0; MOST_KEYS];
    let count = (request.nr_keys as usize).min(MOST_KEYS);
    copy_in_bytes(cx.m(), request.keys, &mut keys[..count])?;
    let done = cx.resume_at();
    let (mut number, mut from) = (done >> KEY, done & ((1 << KEY) - 1));
    while let Some(&key) = keys[..count].get(number as usize) {
        if let Err(stop) = cx.afford(Budget::FULL) {
            cx.suspend_at(number << KEY | from);
            return Err(stop);
        }
        match super::keys::pressed(cx.hv, key, from) {
            Some(next) => from = next,
            None => (number, from) = (number + 1, 0),
        }
    }
    Ok(())
}

/// How long each CPU has been idle.
fn idle_times<M: Machine>(cx: &Cx<'_, M>, request: &mut xen_sysctl_getcpuinfo) -> Result<(), Stop> {
    let count = request.max_cpus.min(cx.hv.sched.cpus());
    let out = GuestSlice::new(request.info, count.into())?;
    let now = cx.m().now();
    for cpu in 0..count {
        let idletime = cx.hv.sched.idle_time(cpu, now);
        out.write(cx.m(), cpu.into(), &xen_sysctl_cpuinfo { idletime })?;
    }
    request.nr_cpus = count;
    Ok(())
}

fn available<M: Machine>(cx: &Cx<'_, M>, answer: &mut xen_sysctl_availheap) -> Result<(), Stop> {
    if answer.node > 0 {
        return Err(Errno::EINVAL.into());
    }
    answer.avail_bytes = cx.hv.frames.free_frames() * PAGE_SIZE as u64;
    Ok(())
}

/// Every CPU is a core of its own, all in one socket.
fn cpu_topology<M: Machine>(
    cx: &Cx<'_, M>,
    request: &mut xen_sysctl_cputopoinfo,
) -> Result<(), Stop> {
    let cpus = cx.hv.sched.cpus();
    if request.cputopo != 0 {
        let count = request.num_cpus.min(cpus);
        let out = GuestSlice::new(request.cputopo, count.into())?;
        for core in 0..count {
            let place = xen_sysctl_cputopo {
                core,
                socket: 0,
                node: 0,
            };
            out.write(cx.m(), core.into(), &place)?;
        }
        request.num_cpus = count;
    } else {
        request.num_cpus = cpus;
    }
    Ok(())
}

/// One node, with all memory.
fn numa<M: Machine>(cx: &Cx<'_, M>, request: &mut xen_sysctl_numainfo) -> Result<(), Stop> {
    let count = u64::from(request.num_nodes);
    if request.meminfo != 0 {
        let out = GuestSlice::new(request.meminfo, count)?;
        for node in 0..count.min(1) {
            let info = xen_sysctl_meminfo {
                memsize: cx.hv.frames.ram_frames() * PAGE_SIZE as u64,
                memfree: cx.hv.frames.free_frames() * PAGE_SIZE as u64,
            };
            out.write(cx.m(), node, &info)?;
        }
    }
    if request.distance != 0 {
        let out = GuestSlice::new(request.distance, count.min(1))?;
        for node in 0..count.min(1) {
            out.write(cx.m(), node, &LOCAL_DISTANCE)?;
        }
    }
    if request.meminfo == 0 && request.distance == 0 || count > 1 {
        request.num_nodes = 1;
    }
    Ok(())
}

fn cpu_pool<M: Machine>(cx: &Cx<'_, M>, op: &mut xen_sysctl_cpupool_op) -> Result<(), Stop> {
    match op.op {
        // The pool with this id or the next higher one.
        XEN_SYSCTL_CPUPOOL_OP_INFO if op.cpupool_id == POOL => {
            op.sched_id = cx.hv.sched.policy().kind().id();
            op.n_dom = cx.hv.domains.iter().count() as u32;
            bitmap::write(cx.m(), &op.cpumap, cx.hv.sched.all())?;
            Ok(())
        }
        XEN_SYSCTL_CPUPOOL_OP_INFO => Err(Errno::ENOENT.into()),
        XEN_SYSCTL_CPUPOOL_OP_FREEINFO => {
            bitmap::write(cx.m(), &op.cpumap, 0)?;
            Ok(())
        }
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

fn scheduler<M: Machine>(cx: &Cx<'_, M>, op: &mut xen_sysctl_scheduler_op) -> Result<(), Stop> {
    let policy = cx.hv.sched.policy();
    if op.cpupool_id != POOL {
        return Err(Errno::ESRCH.into());
    }
    if op.sched_id != policy.kind().id() {
        return Err(Errno::EINVAL.into());
    }
    let Chosen::Credit2(credit2) = policy else {
        return Err(Errno::EOPNOTSUPP.into());
    };
    let mut settings: xen_sysctl_credit2_schedule = op.u.get();
    match op.cmd {
        XEN_SYSCTL_SCHEDOP_getinfo => settings.ratelimit_us = credit2.ratelimit_us(),
        XEN_SYSCTL_SCHEDOP_putinfo => credit2.set_ratelimit_us(settings.ratelimit_us)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    op.u.set(settings);
    Ok(())
}
