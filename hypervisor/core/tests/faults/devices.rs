//! Operations on physical interrupts and PCI functions.

use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{OnError, Operation, made, op, operations, spare};
use super::world::{Call, Caller, World};
use Caller::{Dom0, Guest};
use OnError::{Prefix, Undone};

fn physdev<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, arg: &T) -> Call {
    op(w, __HYPERVISOR_physdev_op, cmd, arg)
}

fn map(w: &mut World, line: i32) -> Call {
    let mut request = physdev_map_pirq::new_zeroed();
    (request.domid, request.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_GSI);
    (request.index, request.pirq) = (line, line);
    physdev(w, PHYSDEVOP_map_pirq, &request)
}

fn unmap(w: &mut World, pirq: i32) -> Call {
    let mut request = physdev_unmap_pirq::new_zeroed();
    (request.domid, request.pirq) = (DOMID_SELF, pirq);
    physdev(w, PHYSDEVOP_unmap_pirq, &request)
}

/// To line 9, which is level-triggered.
fn bind(w: &mut World) -> Call {
    made(w, Dom0, |w| map(w, 9));
    let mut request = evtchn_bind_pirq::new_zeroed();
    request.pirq = 9;
    op(
        w,
        __HYPERVISOR_event_channel_op,
        EVTCHNOP_bind_pirq,
        &request,
    )
}

fn bound(w: &mut World) {
    made(w, Dom0, bind);
}

fn register() -> physdev_apic {
    physdev_apic {
        apic_physbase: 0xfec0_0000,
        reg: 1,
        value: 0,
    }
}

fn eoi_page(w: &mut World, cmd: u32) -> Call {
    let gmfn = spare(w, 0);
    physdev(w, cmd, &physdev_pirq_eoi_gmfn { gmfn })
}

fn function() -> physdev_pci_device {
    physdev_pci_device {
        seg: 0,
        bus: 0,
        devfn: 8,
    }
}

fn reported(w: &mut World) {
    let device = physdev_manage_pci { bus: 0, devfn: 8 };
    made(w, Dom0, |w| physdev(w, PHYSDEVOP_manage_pci_add, &device));
}

pub const DEVICES: &[Operation] = operations! {
    evtchn_bind_mapped_pirq Dom0 Prefix |w| bind(w);
    evtchn_close_pirq Dom0 Undone |w| {
        bound(w);
        op(w, __HYPERVISOR_event_channel_op, EVTCHNOP_close, &evtchn_close { port: 1 })
    };
    physdev_irq_status Dom0 Undone |w| physdev(w, PHYSDEVOP_irq_status_query, &[9_u32, 0]);
    physdev_eoi Dom0 Undone |w| {
        bound(w);
        physdev(w, PHYSDEVOP_eoi, &9_u32)
    };
    physdev_eoi_page_v1 Guest Undone |w| eoi_page(w, PHYSDEVOP_pirq_eoi_gmfn_v1);
    physdev_eoi_page_v2 Guest Undone |w| eoi_page(w, PHYSDEVOP_pirq_eoi_gmfn_v2);
    physdev_map_pirq Dom0 Prefix |w| map(w, 9);
    physdev_unmap_pirq Dom0 Undone |w| {
        made(w, Dom0, |w| map(w, 9));
        unmap(w, 9)
    };
    physdev_unmap_bound_pirq Dom0 Undone |w| {
        bound(w);
        unmap(w, 9)
    };
    physdev_free_pirq Dom0 Prefix |w| physdev(w, PHYSDEVOP_get_free_pirq, &[0_u32; 2]);
    physdev_vector Dom0 Undone |w| physdev(w, PHYSDEVOP_alloc_irq_vector, &[9_u32, 0]);
    physdev_apic_read Dom0 Undone |w| physdev(w, PHYSDEVOP_apic_read, &register());
    physdev_apic_write Dom0 Undone |w| physdev(w, PHYSDEVOP_apic_write, &register());
    physdev_gsi Dom0 Undone |w| {
        let mut line = physdev_setup_gsi::new_zeroed();
        (line.gsi, line.triggering) = (9, 1);
        physdev(w, PHYSDEVOP_setup_gsi, &line)
    };
    physdev_manage_add Dom0 Undone |w| {
        physdev(w, PHYSDEVOP_manage_pci_add, &physdev_manage_pci { bus: 0, devfn: 8 })
    };
    physdev_manage_remove Dom0 Undone |w| {
        reported(w);
        physdev(w, PHYSDEVOP_manage_pci_remove, &physdev_manage_pci { bus: 0, devfn: 8 })
    };
    physdev_manage_add_ext Dom0 Undone |w| {
        physdev(w, PHYSDEVOP_manage_pci_add_ext, &physdev_manage_pci_ext::new_zeroed())
    };
    physdev_add Dom0 Undone |w| {
        physdev(w, PHYSDEVOP_pci_device_add, &physdev_pci_device_add::new_zeroed())
    };
    physdev_remove Dom0 Undone |w| {
        reported(w);
        physdev(w, PHYSDEVOP_pci_device_remove, &function())
    };
    physdev_remove_none Dom0 Undone |w| physdev(w, PHYSDEVOP_pci_device_remove, &function());
    physdev_restore Dom0 Undone |w| {
        physdev(w, PHYSDEVOP_restore_msi, &physdev_manage_pci { bus: 0, devfn: 8 })
    };
    physdev_restore_ext Dom0 Undone |w| {
        reported(w);
        physdev(w, PHYSDEVOP_restore_msi_ext, &function())
    };
    physdev_window Dom0 Undone |w| physdev(w, PHYSDEVOP_pci_mmcfg_reserved, &[0_u64; 2]);
    physdev_debug_port Dom0 Undone |w| physdev(w, PHYSDEVOP_dbgp_op, &[0_u16; 4]);
    physdev_prepare Dom0 Undone |w| physdev(w, PHYSDEVOP_prepare_msix, &function());
    physdev_release Dom0 Undone |w| physdev(w, PHYSDEVOP_release_msix, &function());
};
