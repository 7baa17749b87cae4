//! Operations that concern the machine, the schedule and the asker's own settings.

use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::physdev::*;
use hypercall_abi::platform::*;
use hypercall_abi::sched::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{OnError, Operation, domctl, made, op, operations, sysctl, vcpu};
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

/// A call whose arguments are numbers.
fn plain(_: &mut World, number: u64, [first, second]: [u64; 2]) -> Call {
    (number, [first, second, 0, 0, 0, 0])
}

/// A call about an interrupt line or a PCI function, with zeros for arguments.
fn physdev(w: &mut World, cmd: u32) -> Call {
    op(w, __HYPERVISOR_physdev_op, cmd, &[0_u64; 8])
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
    platform_settime Dom0 Undone |w| platform(w, XENPF_settime64, [1_000_000_000_u64, 7, 5]);
    platform_cpuinfo Dom0 Prefix |w| platform(w, XENPF_get_cpuinfo, 1_u32);
    platform_cpu_version Dom0 Prefix |w| platform(w, XENPF_get_cpu_version, 1_u32);
    platform_no_such_cpu Dom0 Prefix |w| platform(w, XENPF_get_cpuinfo, 9_u32);
    physdev_iobitmap Guest Undone |w| op(w, __HYPERVISOR_physdev_op, 7, &[BASE, 1024]);
    sched_yield Guest Undone |w| sched(w, SCHEDOP_yield, &0_u32);
    sched_block Guest Undone |w| sched(w, SCHEDOP_block, &0_u32);
    sched_shutdown Guest Prefix |w| sched(w, SCHEDOP_shutdown, &SHUTDOWN_poweroff);
    sched_shutdown_code Guest Undone |w| sched(w, SCHEDOP_shutdown_code, &0_u32);
    sched_watchdog Guest Undone |w| sched(w, SCHEDOP_watchdog, &[0_u32, 30]);
    sched_pin_override Dom0 Undone |w| sched(w, SCHEDOP_pin_override, &1_i32);
    sched_remote_shutdown Dom0 Undone |w| sched(w, SCHEDOP_remote_shutdown, &[2_u32, 0]);
    vcpu_is_up Guest Undone |w| vcpu(w, VCPUOP_is_up, 1, &0_u32);
    vcpu_down Guest Undone |w| vcpu(w, VCPUOP_down, 1, &0_u32);
    vcpu_periodic_stopped Guest Undone |w| vcpu(w, VCPUOP_stop_periodic_timer, 0, &0_u32);
    vcpu_singleshot_stopped Guest Undone |w| vcpu(w, VCPUOP_stop_singleshot_timer, 0, &0_u32);
    vcpu_runstate_flagged Guest Prefix |w| {
        made(w, Guest, |w| plain(w, __HYPERVISOR_vm_assist, [0, 5]));
        let area = vcpu_register_runstate_memory_area { addr: w.put(&[0_u64; 6]) };
        vcpu(w, VCPUOP_register_runstate_memory_area, 0, &area)
    };
    vcpu_physid_of_a_pinned Dom0 Undone |w| {
        w.dom0.dom.lock().vcpus[1].sched.account.affinity = 2.into();
        vcpu(w, VCPUOP_get_physid, 1, &[0_u64; 1])
    };
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
    set_timer Guest Undone |w| plain(w, __HYPERVISOR_set_timer_op, [1_000_000, 0]);
    stack_switch Guest Undone |w| plain(w, __HYPERVISOR_stack_switch, [0xe02b, 0x9000]);
    fpu_taskswitch Guest Undone |w| plain(w, __HYPERVISOR_fpu_taskswitch, [1, 0]);
    set_debugreg Guest Undone |w| plain(w, __HYPERVISOR_set_debugreg, [0, 0x1000]);
    get_debugreg Guest Undone |w| plain(w, __HYPERVISOR_get_debugreg, [7, 0]);
    set_segment_base Guest Undone |w| plain(w, __HYPERVISOR_set_segment_base, [0, 0x1000]);
    vm_assist Guest Undone |w| plain(w, __HYPERVISOR_vm_assist, [0, 2]);
    memory_maximum_ram_page Guest Undone |w| plain(w, __HYPERVISOR_memory_op, [2, 0]);
    memory_sharing_freed Guest Undone |w| plain(w, __HYPERVISOR_memory_op, [18, 0]);
    memory_sharing_shared Guest Undone |w| plain(w, __HYPERVISOR_memory_op, [19, 0]);
    memory_map Guest Prefix |w| {
        made(w, Dom0, |w| {
            let mut request = xen_foreign_memory_map::new_zeroed();
            (request.domid, request.map.nr_entries) = (1, 2);
            request.map.buffer = w.put(&[0_u8; 40]);
            op(w, __HYPERVISOR_memory_op, XENMEM_set_memory_map, &request)
        });
        let mut map = xen_memory_map::new_zeroed();
        (map.nr_entries, map.buffer) = (4, w.put(&[0_u8; 80]));
        op(w, __HYPERVISOR_memory_op, XENMEM_memory_map, &map)
    };
    console_read Dom0 Prefix |w| {
        w.hv.machine.type_in(b"typed");
        let at = w.put(&[0_u8; 16]);
        (__HYPERVISOR_console_io, [1, 16, at, 0, 0, 0])
    };
    version_number Guest Undone |w| version(w, 0);
    version_page_size Guest Undone |w| plain(w, __HYPERVISOR_xen_version, [7, 0]);
    version_build_id Guest Undone |w| version(w, 10);
    vcpu_up Guest Undone |w| {
        // As `VCPUOP_initialise` leaves it.
        w.guest.dom.lock().vcpus[1].initialised = true;
        vcpu(w, VCPUOP_up, 1, &0_u32)
    };
    vcpu_physid Guest Undone |w| vcpu(w, VCPUOP_get_physid, 0, &[0_u64; 1]);
    vcpu_send_nmi Guest Undone |w| {
        plain(w, __HYPERVISOR_vcpu_op, [VCPUOP_send_nmi.into(), 0])
    };
    callback_unregister Guest Undone |w| {
        let mut r = hypercall_abi::callback::callback_unregister::new_zeroed();
        r.r#type = hypercall_abi::callback::CALLBACKTYPE_nmi;
        op(w, __HYPERVISOR_callback_op, 1, &r)
    };
    platform_settime32 Dom0 Undone |w| platform(w, XENPF_settime32, [1_000_u32, 7, 5, 0]);
    platform_firmware Dom0 Undone |w| platform(w, XENPF_firmware_info, [1_u32, 0]);
    sysctl_levelling Dom0 Undone |w| sysctl(w, XEN_SYSCTL_get_cpu_levelling_caps, 0_u32);
    physdev_unmask_notify Dom0 Undone |w| physdev(w, PHYSDEVOP_IRQ_UNMASK_NOTIFY);
};

/// Those whose untouched outcome is an error, because there is no such thing here.
pub const NOTHING_THERE: &[&str] = &[
    "version_build_id",
    "vcpu_physid",
    "platform_firmware",
    "physdev_restore",
    "physdev_window",
    "physdev_remove_none",
    "physdev_prepare",
    "physdev_release",
];
