//! Operations on physical interrupts and PCI functions.

use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{OnError, Operation, domctl, made, op, operations, spare};
use super::world::{Call, Caller, DEVICE, World};
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

/// Lets the domain that is being built use ports, or not any more.
fn ports(w: &mut World, first: u32, count: u32, allow: u32) -> Call {
    domctl(w, XEN_DOMCTL_ioport_permission, [first, count, allow])
}

/// Frames of devices that dom0 has.
const FRAMES: u64 = DEVICE + 16;

fn frames(w: &mut World, first: u64, count: u64, allow: u64) -> Call {
    domctl(w, XEN_DOMCTL_iomem_permission, [first, count, allow])
}

/// The same about the line of dom0's PIRQ 9.
fn irq(w: &mut World, allow: u32) -> Call {
    made(w, Dom0, |w| map(w, 9));
    domctl(w, XEN_DOMCTL_irq_permission, [9, allow])
}

fn map_for(w: &mut World, domid: u16) -> Call {
    let mut request = physdev_map_pirq::new_zeroed();
    (request.domid, request.r#type) = (domid, MAP_PIRQ_TYPE_GSI);
    (request.index, request.pirq) = (9, -1);
    physdev(w, PHYSDEVOP_map_pirq, &request)
}

fn unmap_of(w: &mut World, domid: u16) -> Call {
    let mut request = physdev_unmap_pirq::new_zeroed();
    (request.domid, request.pirq) = (domid, 16);
    physdev(w, PHYSDEVOP_unmap_pirq, &request)
}

/// The guest, and the domain that is being built.
const GUEST: u16 = 1;
const TARGET: u16 = 2;

/// The guest binds a line that it was given.
fn bind_given(w: &mut World) -> Call {
    made(w, Dom0, |w| map_for(w, GUEST));
    let mut request = evtchn_bind_pirq::new_zeroed();
    request.pirq = 16;
    op(
        w,
        __HYPERVISOR_event_channel_op,
        EVTCHNOP_bind_pirq,
        &request,
    )
}

pub const DEVICES: &[Operation] = operations! {
    domctl_irq_given Dom0 Undone |w| irq(w, 1);
    domctl_irq_taken Dom0 Undone |w| irq(w, 0);
    domctl_iomem_given Dom0 Undone |w| frames(w, FRAMES, 4, 1);
    domctl_iomem_taken Dom0 Undone |w| frames(w, FRAMES, 4, 0);
    domctl_iomem_parted Dom0 Undone |w| {
        made(w, Dom0, |w| frames(w, FRAMES, 4, 1));
        frames(w, FRAMES + 1, 2, 0)
    };
    domctl_ports_given Dom0 Undone |w| ports(w, 0x80, 8, 1);
    domctl_ports_joined Dom0 Undone |w| {
        made(w, Dom0, |w| ports(w, 0x80, 2, 1));
        made(w, Dom0, |w| ports(w, 0x84, 2, 1));
        ports(w, 0x82, 2, 1)
    };
    domctl_ports_parted Dom0 Undone |w| {
        made(w, Dom0, |w| ports(w, 0x80, 8, 1));
        ports(w, 0x82, 2, 0)
    };
    physdev_map_for_another Dom0 Prefix |w| map_for(w, TARGET);
    physdev_unmap_of_another Dom0 Undone |w| {
        made(w, Dom0, |w| map_for(w, TARGET));
        unmap_of(w, TARGET)
    };
    physdev_unmap_bound_of_another Dom0 Undone |w| {
        made(w, Guest, bind_given);
        unmap_of(w, GUEST)
    };
    evtchn_bind_given_pirq Guest Prefix |w| bind_given(w);
    physdev_eoi_of_given Guest Undone |w| {
        made(w, Guest, bind_given);
        physdev(w, PHYSDEVOP_eoi, &16_u32)
    };
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
