//! Buffers that end at the end of the address space, or would go on at its beginning.

use super::page::*;
use super::{Check, Report};
use hypercall_abi::callback::*;
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::memory::*;
use hypercall_abi::sched::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[("wrap_arguments", arguments), ("wrap_lists", lists)];

/// Addresses, by their distance from the end.
const BEFORE_END: [u64; 6] = [1, 4, 8, 16, 64, 4096];

fn arguments(r: &mut Report) {
    const SELF: u64 = DOMID_SELF as u64;
    for before in BEFORE_END {
        let at = before.wrapping_neg();
        for (name, nr, args) in [
            ("set_trap_table", __HYPERVISOR_set_trap_table, [at, 0, 0, 0]),
            ("set_gdt", __HYPERVISOR_set_gdt, [at, 512, 0, 0]),
            ("set_gdt_2", __HYPERVISOR_set_gdt, [at, 1024, 0, 0]),
            ("mmu_update_none", __HYPERVISOR_mmu_update, [at, 0, 0, SELF]),
            ("mmu_update", __HYPERVISOR_mmu_update, [at, 1, 0, SELF]),
            (
                "mmu_update_all",
                __HYPERVISOR_mmu_update,
                [at, u64::MAX, 0, SELF],
            ),
            ("mmuext_none", __HYPERVISOR_mmuext_op, [at, 0, 0, SELF]),
            ("mmuext", __HYPERVISOR_mmuext_op, [at, 2, 0, SELF]),
            ("multicall_none", __HYPERVISOR_multicall, [at, 0, 0, 0]),
            ("multicall", __HYPERVISOR_multicall, [at, 1, 0, 0]),
            (
                "multicall_all",
                __HYPERVISOR_multicall,
                [at, u64::MAX, 0, 0],
            ),
            (
                "console_write",
                __HYPERVISOR_console_io,
                [CONSOLEIO_write.into(), 100, at, 0],
            ),
            (
                "console_write_all",
                __HYPERVISOR_console_io,
                [CONSOLEIO_write.into(), 0x7fff_ffff, at, 0],
            ),
            (
                "console_read",
                __HYPERVISOR_console_io,
                [CONSOLEIO_read.into(), 100, at, 0],
            ),
            (
                "version_text",
                __HYPERVISOR_xen_version,
                [XENVER_extraversion.into(), at, 0, 0],
            ),
            (
                "version_features",
                __HYPERVISOR_xen_version,
                [XENVER_get_features.into(), at, 0, 0],
            ),
            (
                "evtchn_send",
                __HYPERVISOR_event_channel_op,
                [EVTCHNOP_send.into(), at, 0, 0],
            ),
            (
                "evtchn_bind",
                __HYPERVISOR_event_channel_op,
                [EVTCHNOP_bind_interdomain.into(), at, 0, 0],
            ),
            (
                "sched_poll",
                __HYPERVISOR_sched_op,
                [SCHEDOP_poll.into(), at, 0, 0],
            ),
            (
                "vcpu_runstate",
                __HYPERVISOR_vcpu_op,
                [VCPUOP_get_runstate_info.into(), 0, at, 0],
            ),
            (
                "vcpu_initialise",
                __HYPERVISOR_vcpu_op,
                [VCPUOP_initialise.into(), 0, at, 0],
            ),
            (
                "vcpu_timer",
                __HYPERVISOR_vcpu_op,
                [VCPUOP_set_periodic_timer.into(), 0, at, 0],
            ),
            (
                "callback",
                __HYPERVISOR_callback_op,
                [CALLBACKOP_register.into(), at, 0, 0],
            ),
            (
                "grant_setup",
                __HYPERVISOR_grant_table_op,
                [GNTTABOP_setup_table.into(), at, 1, 0],
            ),
            (
                "grant_query",
                __HYPERVISOR_grant_table_op,
                [GNTTABOP_query_size.into(), at, 2, 0],
            ),
            ("domctl", __HYPERVISOR_domctl, [at, 0, 0, 0]),
            ("sysctl", __HYPERVISOR_sysctl, [at, 0, 0, 0]),
            ("platform", __HYPERVISOR_platform_op, [at, 0, 0, 0]),
            ("physdev", __HYPERVISOR_physdev_op, [5, at, 0, 0]),
            (
                "reservation",
                __HYPERVISOR_memory_op,
                [XENMEM_decrease_reservation.into(), at, 0, 0],
            ),
            (
                "exchange",
                __HYPERVISOR_memory_op,
                [XENMEM_exchange.into(), at, 0, 0],
            ),
            (
                "current",
                __HYPERVISOR_memory_op,
                [XENMEM_current_reservation.into(), at, 0, 0],
            ),
        ] {
            let args = [args[0], args[1], args[2], args[3], 0];
            // SAFETY: nothing is mapped there.
            let result = unsafe { call(nr, args) };
            r.line(format_args!("{name}_{before}={}", Shown(result)));
        }
    }
}

/// Lists that structures name.
fn lists(r: &mut Report) {
    for before in BEFORE_END {
        let at = before.wrapping_neg();
        for count in [0, 1, 2, 1 << 40, 1 << 60, 1 << 61, u64::MAX] {
            for (name, cmd) in [
                ("increase", XENMEM_increase_reservation),
                ("decrease", XENMEM_decrease_reservation),
                ("populate", XENMEM_populate_physmap),
            ] {
                let mut arg = super::memory_ops::reservation(&mut [], DOMID_SELF);
                (arg.extent_start, arg.nr_extents) = (at, count);
                let result = super::memory_ops::with(cmd, &mut arg);
                r.line(format_args!("{name}_{before}_{count:#x}={}", Shown(result)));
            }
            let mut arg = xen_memory_exchange::new_zeroed();
            arg.r#in = super::memory_ops::reservation(&mut [], DOMID_SELF);
            (arg.r#in.extent_start, arg.r#in.nr_extents) = (at, count);
            arg.out = arg.r#in;
            let result = super::memory_ops::with(XENMEM_exchange, &mut arg);
            r.line(format_args!(
                "exchange_{before}_{count:#x}={}",
                Shown(result)
            ));
        }
        for count in [0, 1, u32::MAX] {
            let mut arg = xen_memory_map::new_zeroed();
            (arg.nr_entries, arg.buffer) = (count, at);
            let result = super::memory_ops::with(XENMEM_machine_memory_map, &mut arg);
            r.line(format_args!(
                "machine_map_{before}_{count:#x}={}",
                Shown(result)
            ));
            let mut arg = xen_machphys_mfn_list::new_zeroed();
            (arg.max_extents, arg.extent_start) = (count, at);
            let result = super::memory_ops::with(XENMEM_machphys_mfn_list, &mut arg);
            r.line(format_args!(
                "machphys_{before}_{count:#x}={}",
                Shown(result)
            ));
            let mut list = xen_sysctl_getdomaininfolist::new_zeroed();
            (list.max_domains, list.buffer) = (count, at);
            r.result("domains", sysctl(XEN_SYSCTL_getdomaininfolist, &mut list));
        }
        for num in [0, 1, 2, 1 << 61] {
            let request = xen_domctl_getpageframeinfo3 { num, array: at };
            let result = domctl(XEN_DOMCTL_getpageframeinfo3, 0, request);
            r.line(format_args!(
                "frames_{before}_{num:#x}={}",
                Shown(result.map(|_| 0))
            ));
        }
    }
}
