//! What the toolstack asks and sets about scheduling: policy, weight, cap, affinity, CPU time.

use super::page::*;
use super::{Check, Report};
use crate::hypercall::HvResult;
use hypercall_abi::Union;
use hypercall_abi::domctl::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("sched_id", sched_id),
    ("sched_settings", settings),
    ("share", share),
    ("share_refused", share_refused),
    ("share_of_vcpus", share_of_vcpus),
    ("vcpu_state", vcpu_state),
    ("cpu_idle", cpu_idle),
    ("cpu_topology", cpu_topology),
    ("numa", numa),
];

/// Checks for a domain of several vCPUs.
pub(super) const CHECKS_OF_SEVERAL: &[Check] = &[
    ("share_of_many", share_of_many),
    ("cpu_idle_several", cpu_idle),
    ("cpu_topology_several", cpu_topology),
];

/// A control operation of `cmd` with `u` in its union; what it answers there.
fn domctl<T>(cmd: u32, domain: u16, u: &mut T) -> HvResult
where
    T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable,
{
    let mut op = xen_domctl {
        cmd,
        interface_version: XEN_DOMCTL_INTERFACE_VERSION,
        domain,
        _pad: [0; 3],
        u: Union::zeroed(),
    };
    op.u.set(core::mem::replace(u, T::new_zeroed()));
    // SAFETY: the operations made here write the structure alone, or what it names.
    let result = unsafe { call(__HYPERVISOR_domctl, [address(&mut op), 0, 0, 0, 0]) };
    *u = op.u.get();
    result
}

fn sched_id(r: &mut Report) {
    let mut id = xen_sysctl_sched_id { sched_id: 0x55 };
    let result = sysctl(XEN_SYSCTL_sched_id, &mut id);
    r.line(format_args!("id={} is={}", Shown(result), id.sched_id));
    for pool in [0, 1, u32::MAX] {
        let mut op = xen_sysctl_cpupool_op::new_zeroed();
        (op.op, op.cpupool_id) = (XEN_SYSCTL_CPUPOOL_OP_INFO, pool);
        let result = sysctl(XEN_SYSCTL_cpupool_op, &mut op);
        let found = result.is_ok();
        r.line(format_args!("pool{pool}={}", Shown(result)));
        if found {
            let (id, sched, domains) = (op.cpupool_id, op.sched_id, op.n_dom);
            r.line(format_args!(
                "pool{pool}_is={id} sched={sched} domains={domains}"
            ));
        }
    }
}

/// `scheduler_op` on a pool's scheduler.
fn pool_settings(pool: u32, sched_id: u32, cmd: u32, ratelimit_us: u32) -> (HvResult, u32) {
    let mut op = xen_sysctl_scheduler_op::new_zeroed();
    (op.cpupool_id, op.sched_id, op.cmd) = (pool, sched_id, cmd);
    op.u.set(xen_sysctl_credit2_schedule { ratelimit_us });
    let result = sysctl(XEN_SYSCTL_scheduler_op, &mut op);
    let now: xen_sysctl_credit2_schedule = op.u.get();
    (result, now.ratelimit_us)
}

fn settings(r: &mut Report) {
    const OURS: u32 = XEN_SCHEDULER_CREDIT2;
    const PUT: u32 = XEN_SYSCTL_SCHEDOP_putinfo;
    const GET: u32 = XEN_SYSCTL_SCHEDOP_getinfo;
    for (key, pool, sched, cmd, value) in [
        ("get", 0, OURS, GET, 7),
        ("put_off", 0, OURS, PUT, 0),
        ("get_off", 0, OURS, GET, 7),
        ("put_short", 0, OURS, PUT, 99),
        ("put_least", 0, OURS, PUT, 100),
        ("get_least", 0, OURS, GET, 7),
        ("put_most", 0, OURS, PUT, 500_000),
        ("put_long", 0, OURS, PUT, 500_001),
        ("put_all_ones", 0, OURS, PUT, u32::MAX),
        ("get_most", 0, OURS, GET, 7),
        ("put_back", 0, OURS, PUT, 1000),
        ("pool1", 1, OURS, GET, 7),
        ("pool_all_ones", u32::MAX, OURS, GET, 7),
        ("credit", 0, XEN_SCHEDULER_CREDIT, GET, 7),
        ("null", 0, XEN_SCHEDULER_NULL, GET, 7),
        ("no_scheduler", 0, 99, GET, 7),
        ("cmd2", 0, OURS, 2, 7),
        ("cmd_all_ones", 0, OURS, u32::MAX, 7),
    ] {
        let (result, now) = pool_settings(pool, sched, cmd, value);
        r.line(format_args!("{key}={} us={now}", Shown(result)));
    }
}

/// `scheduler_op` on a domain's weight and cap.
fn adjust(domain: u16, sched_id: u32, cmd: u32, weight: u16, cap: u16) -> (HvResult, u16, u16) {
    let mut op = xen_domctl_scheduler_op::new_zeroed();
    (op.sched_id, op.cmd) = (sched_id, cmd);
    op.u.set(xen_domctl_sched_credit2 { weight, cap });
    let result = domctl(XEN_DOMCTL_scheduler_op, domain, &mut op);
    let now: xen_domctl_sched_credit2 = op.u.get();
    (result, now.weight, now.cap)
}

fn share(r: &mut Report) {
    let get = XEN_DOMCTL_SCHEDOP_getinfo;
    let (result, weight, cap) = adjust(0, XEN_SCHEDULER_CREDIT2, get, 3, 4);
    r.line(format_args!(
        "at_first={} weight={weight} cap={cap}",
        Shown(result)
    ));
    for (key, weight, cap) in [
        ("weight", 512, 0),
        ("weight_1", 1, 0),
        ("weight_most", u16::MAX, 0),
        ("weight_0", 0, 0),
        ("cap", 0, 99),
        ("cap_whole", 0, 100),
        ("cap_above", 0, 101),
        ("cap_and_weight", 300, 98),
        ("weight_and_too_much", 400, 6500),
        ("neither", 0, u16::MAX),
        ("back", 256, 0),
    ] {
        put(r, key, weight, cap);
    }
}

/// Sets weight and cap, and asks for them.
fn put(r: &mut Report, key: &str, weight: u16, cap: u16) {
    for (name, cmd) in [
        ("put", XEN_DOMCTL_SCHEDOP_putinfo),
        ("got", XEN_DOMCTL_SCHEDOP_getinfo),
    ] {
        let (result, weight, cap) = adjust(0, XEN_SCHEDULER_CREDIT2, cmd, weight, cap);
        r.line(format_args!(
            "{key}_{name}={} weight={weight} cap={cap}",
            Shown(result)
        ));
    }
}

/// The most that a domain of several vCPUs can be given.
fn share_of_many(r: &mut Report) {
    for cap in [100, 101, 400, 401, 800, 801, 0] {
        put(r, "many", 0, cap);
    }
}

fn share_refused(r: &mut Report) {
    const GET: u32 = XEN_DOMCTL_SCHEDOP_getinfo;
    for (key, domain, sched_id, cmd) in [
        ("nobody", NOBODY, XEN_SCHEDULER_CREDIT2, GET),
        ("self", DOMID_SELF, XEN_SCHEDULER_CREDIT2, GET),
        ("idle", DOMID_IDLE, XEN_SCHEDULER_CREDIT2, GET),
        ("credit", 0, XEN_SCHEDULER_CREDIT, GET),
        ("rtds", 0, XEN_SCHEDULER_RTDS, GET),
        ("null", 0, XEN_SCHEDULER_NULL, GET),
        ("no_scheduler", 0, 99, GET),
        ("cmd4", 0, XEN_SCHEDULER_CREDIT2, 4),
        ("cmd_all_ones", 0, XEN_SCHEDULER_CREDIT2, u32::MAX),
        (
            "credit_put",
            0,
            XEN_SCHEDULER_CREDIT,
            XEN_DOMCTL_SCHEDOP_putinfo,
        ),
        ("credit_cmd4", 0, XEN_SCHEDULER_CREDIT, 4),
    ] {
        let (result, weight, cap) = adjust(domain, sched_id, cmd, 3, 4);
        r.line(format_args!(
            "{key}={} weight={weight} cap={cap}",
            Shown(result)
        ));
    }
}

fn share_of_vcpus(r: &mut Report) {
    let mut list = [xen_domctl_schedparam_vcpu::new_zeroed(); 2];
    let at = address(&mut list);
    for (key, sched_id) in [
        ("credit2", XEN_SCHEDULER_CREDIT2),
        ("rtds", XEN_SCHEDULER_RTDS),
    ] {
        for (name, cmd) in [
            ("get", XEN_DOMCTL_SCHEDOP_getvcpuinfo),
            ("put", XEN_DOMCTL_SCHEDOP_putvcpuinfo),
        ] {
            for (which, vcpus, nr_vcpus) in
                [("one", at, 1), ("none", at, 0), ("unmapped", UNMAPPED, 1)]
            {
                let mut op = xen_domctl_scheduler_op::new_zeroed();
                (op.sched_id, op.cmd) = (sched_id, cmd);
                op.u.set(xen_domctl_scheduler_op_v {
                    vcpus,
                    nr_vcpus,
                    padding: 0,
                });
                let result = domctl(XEN_DOMCTL_scheduler_op, 0, &mut op);
                let v: xen_domctl_scheduler_op_v = op.u.get();
                let (shown, count) = (Shown(result), v.nr_vcpus);
                r.line(format_args!("{key}_{name}_{which}={shown} count={count}"));
            }
        }
    }
}

fn vcpu_state(r: &mut Report) {
    for vcpu in [0, 1, 99, u32::MAX] {
        let mut info = xen_domctl_getvcpuinfo::new_zeroed();
        info.vcpu = vcpu;
        let result = domctl(XEN_DOMCTL_getvcpuinfo, 0, &mut info);
        r.line(format_args!(
            "vcpu{vcpu}={} online={} blocked={} running={} ran={} cpu={}",
            Shown(result),
            info.online,
            info.blocked,
            info.running,
            info.cpu_time > 0,
            info.cpu
        ));
    }
    let mut info = xen_domctl_getvcpuinfo::new_zeroed();
    r.result("nobody", domctl(XEN_DOMCTL_getvcpuinfo, NOBODY, &mut info));
}

/// How long CPUs were idle: what is asked for, as far as there are CPUs.
fn cpu_idle(r: &mut Report) {
    for max_cpus in [0, 1, 2, 4, 99, u32::MAX] {
        let mut list = [u64::MAX; 100];
        let mut arg = xen_sysctl_getcpuinfo::new_zeroed();
        (arg.max_cpus, arg.info, arg.nr_cpus) = (max_cpus, address(&mut list), 0x55);
        let result = sysctl(XEN_SYSCTL_getcpuinfo, &mut arg);
        let untouched = list.iter().filter(|&&time| time == u64::MAX).count();
        r.line(format_args!(
            "max{max_cpus}={} cpus={} written={}",
            Shown(result),
            arg.nr_cpus,
            list.len() - untouched
        ));
    }
    for (key, at) in BAD_ADDRESSES {
        for max_cpus in [0, 1] {
            let mut arg = xen_sysctl_getcpuinfo::new_zeroed();
            (arg.max_cpus, arg.info) = (max_cpus, at);
            let result = sysctl(XEN_SYSCTL_getcpuinfo, &mut arg);
            r.line(format_args!("{key}_{max_cpus}={}", Shown(result)));
        }
    }
    // No CPU is idle while it runs this.
    let idle = || {
        let mut list = [0_u64; 1];
        let mut arg = xen_sysctl_getcpuinfo::new_zeroed();
        (arg.max_cpus, arg.info) = (1, address(&mut list));
        sysctl(XEN_SYSCTL_getcpuinfo, &mut arg).map(|_| list[0])
    };
    if crate::smp::count() == 1 {
        let grows = matches!((idle(), idle()), (Ok(before), Ok(after)) if before < after);
        r.line(format_args!("grows_while_busy={grows}"));
    }
}

fn cpu_topology(r: &mut Report) {
    let count = |key: &str, num_cpus: u32, at: u64, r: &mut Report| {
        let mut arg = xen_sysctl_cputopoinfo::new_zeroed();
        (arg.num_cpus, arg.cputopo) = (num_cpus, at);
        let result = sysctl(XEN_SYSCTL_cputopoinfo, &mut arg);
        let cpus = arg.num_cpus;
        r.line(format_args!(
            "{key}_{num_cpus}={} cpus={cpus}",
            Shown(result)
        ));
    };
    let mut list = [[0x55_u32; 3]; 8];
    for num_cpus in [0, 1, 4, 8, 99] {
        count("null", num_cpus, 0, r);
    }
    for num_cpus in [0, 1, 4, 8] {
        list = [[0x55; 3]; 8];
        count("list", num_cpus, address(&mut list), r);
        let written = list.iter().filter(|place| place[0] != 0x55).count();
        r.line(format_args!("written_{num_cpus}={written}"));
    }
    r.line(format_args!("nodes={:?}", list.map(|place| place[2])));
    count("unmapped", 1, UNMAPPED, r);
    count("hypervisor", 1, HOLE, r);
}

fn numa(r: &mut Report) {
    let mut memory = [[0x55_u64; 2]; 4];
    let mut distance = [0x55_u32; 16];
    let (meminfo, distances) = (address(&mut memory), address(&mut distance));
    for (key, num_nodes, meminfo, distance) in [
        ("how_many", 0, 0, 0),
        ("how_many_with_room", 4, 0, 0),
        ("no_room", 0, meminfo, distances),
        ("memory", 1, meminfo, 0),
        ("distance", 1, 0, distances),
        ("both", 1, meminfo, distances),
        ("more_room", 4, meminfo, distances),
        ("memory_unmapped", 1, UNMAPPED, 0),
        ("distance_unmapped", 1, 0, UNMAPPED),
        ("memory_hypervisor", 1, HOLE, 0),
        ("distance_hypervisor", 1, 0, HOLE),
    ] {
        let mut arg = xen_sysctl_numainfo::new_zeroed();
        (arg.num_nodes, arg.meminfo, arg.distance) = (num_nodes, meminfo, distance);
        let result = sysctl(XEN_SYSCTL_numainfo, &mut arg);
        r.line(format_args!(
            "{key}={} nodes={}",
            Shown(result),
            arg.num_nodes
        ));
    }
    let [size, free] = memory[0];
    r.line(format_args!(
        "memory_is={} free_less={} distances={:?}",
        size > 1 << 28,
        free < size,
        &distance[..4]
    ));
}
