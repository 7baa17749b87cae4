//! Messages of a device are dom0's alone.

use super::interrupts::bind;
use super::*;
use crate::check::pirq::{physdev, unmap};
use hypercall_abi::physdev::*;

/// Asks for a message of the device for a domain.
fn map_message(domid: u16, kind: i32, pirq: i32, devfn: u32) -> (HvResult, i32) {
    let mut arg = physdev_map_pirq::new_zeroed();
    (arg.domid, arg.r#type, arg.index, arg.pirq) = (domid, kind, -1, pirq);
    arg.devfn = devfn as i32;
    if kind == MAP_PIRQ_TYPE_MULTI_MSI {
        arg.entry_nr = 1;
    }
    let result = physdev(PHYSDEVOP_map_pirq, &mut arg);
    (result, arg.pirq)
}

pub(super) fn message(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    const SEG: i32 = MAP_PIRQ_TYPE_MSI_SEG;
    let (result, pirq) = map_message(id, SEG, -1, edu.devfn);
    r.line(format_args!("not_added={} pirq={pirq}", Shown(result)));
    let mut added = physdev_pci_device_add::new_zeroed();
    added.devfn = edu.devfn as u8;
    r.result("add", physdev(PHYSDEVOP_pci_device_add, &mut added));
    let (result, pirq) = map_message(NOBODY, SEG, -1, edu.devfn);
    r.line(format_args!("nobody={} pirq={pirq}", Shown(result)));
    let (result, pirq) = map_message(id, SEG, 207, edu.devfn);
    r.line(format_args!("far={} pirq={pirq}", Shown(result)));
    let mut arg = physdev_map_pirq::new_zeroed();
    (arg.domid, arg.r#type, arg.index, arg.pirq) = (DOMID_SELF, SEG, -1, -1);
    arg.devfn = edu.devfn as i32;
    r.line(format_args!(
        "itself={}",
        Shown(puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &mut arg))
    ));
    for (key, kind) in [
        ("map", SEG),
        ("map_msi", MAP_PIRQ_TYPE_MSI),
        ("map_multi", MAP_PIRQ_TYPE_MULTI_MSI),
    ] {
        let (result, pirq) = map_message(id, kind, -1, edu.devfn);
        r.line(format_args!("{key}={} pirq={pirq}", Shown(result)));
    }
    // dom0 has its own, which the puppet does not get.
    let (result, pirq) = map_message(DOMID_SELF, SEG, -1, edu.devfn);
    r.line(format_args!("mine={} pirq={pirq}", Shown(result)));
    r.result("permission", allow_irq(id, pirq as u32, 1));
    r.line(format_args!(
        "bind={}",
        events::outcome(bind(&puppet, pirq as u32, 0))
    ));
    let (result, other) = map_message(id, SEG, -1, edu.devfn);
    r.line(format_args!("map_too={} pirq={other}", Shown(result)));
    r.result("unmap", unmap(DOMID_SELF, pirq));
    for cmd in [
        XEN_DOMCTL_test_assign_device,
        XEN_DOMCTL_assign_device,
        XEN_DOMCTL_deassign_device,
        XEN_DOMCTL_get_device_group,
    ] {
        let mut request = xen_domctl_assign_device::new_zeroed();
        request.u.set(u32::from(edu.devfn as u8));
        r.line(format_args!(
            "assign{cmd}={}",
            Shown(domctl(cmd, id, request).map(|_| 0))
        ));
    }
    r.outcome("destroy", puppet.destroy());
    instructions::set_iopl(0);
}
