//! Operations that concern the machine, the schedule and the asker's own settings.

use hypercall_abi::domctl::*;
use hypercall_abi::platform::*;
use hypercall_abi::sched::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{OnError, Operation, domctl, op, operations, sysctl, vcpu};
use super::world::{BASE, Call, Caller, World};
use Caller::{Dom0, Guest};
use OnError::{Prefix, Undone};

fn platform<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, member: T) -> Call {
    let mut op = xen_platform_op::new_zeroed();
    (op.cmd, op.interface_version) = (cmd, XENPF_INTERFACE_VERSION);
    op.u.set(member);
    (__HYPERVISOR_platform_op, [w.put(&op), 0, 0, 0, 0, 0])
}

fn sched<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, arg: &T) -> Call {
    op(w, __HYPERVISOR_sched_op, cmd, arg)
}

fn version(w: &mut World, cmd: u64) -> Call {
    let at = w.put(&[0_u8; 1100]);
    (__HYPERVISOR_xen_version, [cmd, at, 0, 0, 0, 0])
}

fn scheduler(w: &mut World, cmd: u32, weight: u16) -> Call {
    let mut op = xen_domctl_scheduler_op::new_zeroed();
    (op.sched_id, op.cmd) = (XEN_SCHEDULER_CREDIT2, cmd);
    op.u.set(xen_domctl_sched_credit2 { weight, cap: 50 });
    domctl(w, XEN_DOMCTL_scheduler_op, op)
}

fn map(w: &mut World, bits: u64) -> xenctl_bitmap {
    xenctl_bitmap {
        bitmap: w.put(&bits),
        nr_bits: 64,
        _pad0: [0; 4],
    }
}

pub const CONTROL: &[Operation] = operations! {
    sysctl_debug_keys Dom0 Undone |w| {
        let keys = w.put(&b"hmq?"[..]);
        sysctl(w, XEN_SYSCTL_debug_keys, [keys, 4])
    };
    sysctl_sched_id Dom0 Undone |w| sysctl(w, XEN_SYSCTL_sched_id, 0_u32);
    sysctl_availheap Dom0 Undone |w| sysctl(w, XEN_SYSCTL_availheap, [0_u64; 3]);
    sysctl_cpupool_info Dom0 Prefix |w| {
        let mut op = xen_sysctl_cpupool_op::new_zeroed();
        op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
        op.cpumap = map(w, 0);
        sysctl(w, XEN_SYSCTL_cpupool_op, op)
    };
    sysctl_cpupool_free Dom0 Prefix |w| {
        let mut op = xen_sysctl_cpupool_op::new_zeroed();
        op.op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
        op.cpumap = map(w, 7);
        sysctl(w, XEN_SYSCTL_cpupool_op, op)
    };
    sysctl_scheduler Dom0 Undone |w| {
        let mut op = xen_sysctl_scheduler_op::new_zeroed();
        (op.sched_id, op.cmd) = (XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo);
        sysctl(w, XEN_SYSCTL_scheduler_op, op)
    };
    domctl_share_set Dom0 Undone |w| scheduler(w, XEN_DOMCTL_SCHEDOP_putinfo, 512);
    domctl_share_kept Dom0 Undone |w| scheduler(w, XEN_DOMCTL_SCHEDOP_putinfo, 0);
    domctl_share_read Dom0 Prefix |w| scheduler(w, XEN_DOMCTL_SCHEDOP_getinfo, 0);
    domctl_nodes_set Dom0 Undone |w| {
        let nodes = map(w, 1);
        domctl(w, XEN_DOMCTL_setnodeaffinity, nodes)
    };
    domctl_nodes_read Dom0 Prefix |w| {
        let nodes = map(w, 0);
        domctl(w, XEN_DOMCTL_getnodeaffinity, nodes)
    };
    domctl_tsc_set Dom0 Undone |w| domctl(w, XEN_DOMCTL_settscinfo, [0_u64; 3]);
    domctl_tsc_read Dom0 Prefix |w| domctl(w, XEN_DOMCTL_gettscinfo, [0_u64; 3]);
    domctl_size_set Dom0 Undone |w| domctl(w, XEN_DOMCTL_set_address_size, 64_u32);
    domctl_size_read Dom0 Prefix |w| domctl(w, XEN_DOMCTL_get_address_size, 0_u32);
    domctl_handle Dom0 Undone |w| domctl(w, XEN_DOMCTL_setdomainhandle, [5_u8; 16]);
    domctl_unpause Dom0 Undone |w| domctl(w, XEN_DOMCTL_unpausedomain, 0_u64);
    domctl_resume Dom0 Undone |w| domctl(w, XEN_DOMCTL_resumedomain, 0_u64);
    domctl_irq_taken Dom0 Undone |w| domctl(w, XEN_DOMCTL_irq_permission, [1_u8, 0]);
    domctl_iomem_taken Dom0 Undone |w| domctl(w, XEN_DOMCTL_iomem_permission, [5_u64, 1, 0]);
    domctl_ports_taken Dom0 Undone |w| domctl(w, XEN_DOMCTL_ioport_permission, [5_u32, 1, 0]);
    platform_settime Dom0 Undone |w| platform(w, XENPF_settime64, [1_000_000_000_u64, 7, 5]);
    platform_cpuinfo Dom0 Prefix |w| platform(w, XENPF_get_cpuinfo, 1_u32);
    platform_cpu_version Dom0 Prefix |w| platform(w, XENPF_get_cpu_version, 1_u32);
    platform_no_such_cpu Dom0 Prefix |w| platform(w, XENPF_get_cpuinfo, 9_u32);
    physdev_iobitmap Guest Undone |w| op(w, __HYPERVISOR_physdev_op, 7, &[BASE, 1024]);
    sched_yield Guest Undone |w| sched(w, SCHEDOP_yield, &0_u32);
    sched_block Guest Undone |w| sched(w, SCHEDOP_block, &0_u32);
    sched_shutdown_code Guest Undone |w| sched(w, SCHEDOP_shutdown_code, &0_u32);
    sched_watchdog Guest Undone |w| sched(w, SCHEDOP_watchdog, &[0_u32, 30]);
    sched_pin_override Dom0 Undone |w| sched(w, SCHEDOP_pin_override, &1_i32);
    sched_remote_shutdown Dom0 Undone |w| sched(w, SCHEDOP_remote_shutdown, &[2_u32, 0]);
    vcpu_is_up Guest Undone |w| vcpu(w, VCPUOP_is_up, 1, &0_u32);
    vcpu_down Guest Undone |w| vcpu(w, VCPUOP_down, 1, &0_u32);
    vcpu_periodic_stopped Guest Undone |w| vcpu(w, VCPUOP_stop_periodic_timer, 0, &0_u32);
    vcpu_singleshot_stopped Guest Undone |w| vcpu(w, VCPUOP_stop_singleshot_timer, 0, &0_u32);
    vcpu_nmi Guest Undone |w| {
        let mut r = hypercall_abi::callback::callback_register::new_zeroed();
        (r.r#type, r.address) = (hypercall_abi::callback::CALLBACKTYPE_nmi, 0x5000);
        op(w, __HYPERVISOR_callback_op, 0, &r)
    };
    version_extra Guest Undone |w| version(w, 1);
    version_compile Guest Undone |w| version(w, 2);
    version_changeset Guest Undone |w| version(w, 4);
    version_platform Guest Undone |w| version(w, 5);
    version_features Guest Undone |w| version(w, 6);
    version_handle Guest Undone |w| version(w, 8);
    version_command_line Guest Undone |w| version(w, 9);
    set_timer Guest Undone |w| {
        let _ = w;
        (__HYPERVISOR_set_timer_op, [1_000_000, 0, 0, 0, 0, 0])
    };
    set_debugreg Guest Undone |w| {
        let _ = w;
        (__HYPERVISOR_set_debugreg, [0, 0x1000, 0, 0, 0, 0])
    };
    set_segment_base Guest Undone |w| {
        let _ = w;
        (__HYPERVISOR_set_segment_base, [0, 0x1000, 0, 0, 0, 0])
    };
    vm_assist Guest Undone |w| {
        let _ = w;
        (__HYPERVISOR_vm_assist, [0, 2, 0, 0, 0, 0])
    };
    console_read Dom0 Prefix |w| {
        w.hv.machine.type_in(b"typed");
        let at = w.put(&[0_u8; 16]);
        (__HYPERVISOR_console_io, [1, 16, at, 0, 0, 0])
    };
};
