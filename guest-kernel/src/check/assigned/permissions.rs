//! What dom0 gives a domain and takes from it, and from itself: what is asked of the commands,
//! sensible and not.

use super::interrupts::bind;
use super::*;
use crate::check::pirq::{map, unmap};
use hypercall_abi::physdev::*;

/// What is asked of the three commands, sensible and not.
pub(super) fn permissions(r: &mut Report) {
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    for (key, first, count) in [
        ("none", 0x80, 0),
        ("one", 0x80, 1),
        ("all", 0, 0x1_0000),
        ("beyond", 0, 0x1_0001),
        ("last", 0xffff, 1),
        ("last_two", 0xffff, 2),
        ("far", 0x1_0000, 1),
        ("wrapping", 0xffff_ffff, 2),
        ("wraps", 0x80, u32::MAX),
        ("pic", 0x20, 2),
        ("second_pic", 0xa0, 2),
        ("pit", 0x40, 1),
        ("pit_all", 0x40, 4),
        ("pit_two", 0x42, 1),
        ("speaker", 0x61, 1),
        ("clock", 0x70, 2),
        ("pci", 0xcf8, 8),
        ("pci_address", 0xcf8, 4),
        ("pci_data", 0xcfc, 4),
        ("console", 0x3f8, 8),
        ("imcr", 0x22, 2),
        ("high", 0xc000, 0x20),
    ] {
        for allow in [1, 0, 2, 0] {
            r.line(format_args!(
                "ports_{key}_{allow}={}",
                Shown(allow_ports(id, first, count, allow))
            ));
        }
    }
    for (key, first, count) in [
        ("none", 0xfe000, 0),
        ("one", 0xfe000, 1),
        ("low", 0, 0x100),
        ("memory", 0x1000, 16),
        ("wrapping", u64::MAX, 2),
        ("all_ones", u64::MAX, 1),
        ("all", 0, u64::MAX),
        ("wide", 1 << 40, 1),
        ("wider", 1 << 52, 1),
        ("local_apic", 0xfee00, 1),
        ("io_apic", 0xfec00, 1),
        ("beside_io_apic", 0xfec01, 1),
        ("around_apics", 0xfec00, 0x400),
        ("before_apics", 0xf0000, 0x100),
    ] {
        for allow in [1, 0, 7, 0] {
            r.line(format_args!(
                "frames_{key}_{allow}={}",
                Shown(allow_frames(id, first, count, allow))
            ));
        }
    }
    for pirq in [0, 1, 2, 4, 5, 11, 16, 23, 24, 47, 48, 207, 208, u32::MAX] {
        for allow in [1, 0] {
            r.line(format_args!(
                "irq{pirq}_{allow}={}",
                Shown(allow_irq(id, pirq, allow))
            ));
        }
    }
    let (result, _) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, 5);
    r.result("map5", result.map(|_| 0));
    for allow in [1, 0] {
        r.line(format_args!(
            "mapped5_{allow}={}",
            Shown(allow_irq(id, 5, allow))
        ));
    }
    // Which ports dom0 has to give, one by one.
    let (mut begin, mut before) = (0, None);
    for port in 0..=0x1_0000 {
        let now = (port < 0x1_0000).then(|| allow_ports(id, port, 1, 0).is_ok());
        if now != before {
            if before == Some(false) {
                r.line(format_args!("kept{begin:x}={:x}", port - 1));
            }
            (begin, before) = (port, now);
        }
    }
    // As many ranges as there are.
    let mut granted = 0;
    for i in 0..20 {
        granted += u32::from(allow_ports(id, 0x1000 + 4 * i, 1, 1).is_ok());
        granted += u32::from(allow_frames(id, 0xfe000 + 4 * u64::from(i), 1, 1).is_ok());
    }
    r.line(format_args!("ranges={granted}"));
    r.result("nobody_ports", allow_ports(NOBODY, 0x80, 1, 1));
    r.result("nobody_frames", allow_frames(NOBODY, 0xfe000, 1, 1));
    r.result("nobody_irq", allow_irq(NOBODY, 5, 1));
    // The puppet gives itself nothing.
    for (key, cmd, words) in [
        ("ports", XEN_DOMCTL_ioport_permission, [1 << 32 | 0x80, 1]),
        ("ports_none", XEN_DOMCTL_ioport_permission, [0, 0]),
        (
            "ports_pic",
            XEN_DOMCTL_ioport_permission,
            [1 << 32 | 0x20, 1],
        ),
        ("frames", XEN_DOMCTL_iomem_permission, [0xfe000, 1]),
        ("frames_none", XEN_DOMCTL_iomem_permission, [0, 0]),
        ("irq", XEN_DOMCTL_irq_permission, [1 << 32 | 5, 0]),
    ] {
        for domid in [id, DOMID_SELF, 0, NOBODY] {
            let mut op = [0_u64; 16];
            op[0] = u64::from(XEN_DOMCTL_INTERFACE_VERSION) << 32 | u64::from(cmd);
            op[1] = domid.into();
            op[2..4].copy_from_slice(&words);
            let whom = match domid {
                0 => "dom0",
                NOBODY => "nobody",
                DOMID_SELF => "self",
                _ => "id",
            };
            r.line(format_args!(
                "itself_{key}_{whom}={}",
                Shown(puppet.domctl(&op))
            ));
        }
    }
    r.outcome("destroy", puppet.destroy());
}

/// dom0 takes rights away from itself.
pub(super) fn from_dom0(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    let frame = registers(&edu) >> 12;
    let window = Page::new();
    let entry = frame << 12 | pte::RW;
    r.result("ports", allow_ports(0, 0x81, 1, 0));
    devices::out8(0x81, 0x77);
    r.line(format_args!("read={:#x}", devices::in8(0x81)));
    r.result("ports_on", allow_ports(id, 0x81, 1, 1));
    r.result("ports_beside", allow_ports(id, 0x82, 1, 1));
    r.result("ports_around", allow_ports(id, 0x80, 4, 1));
    r.result("ports_take_around", allow_ports(id, 0x80, 4, 0));
    r.result("ports_back", allow_ports(0, 0x81, 1, 1));
    r.result("frames", allow_frames(0, frame, 1, 0));
    r.result("map", window.map(entry));
    r.result("map_other", window.map(entry + 0x1000));
    r.result("frames_on", allow_frames(id, frame, 1, 1));
    r.result("frames_beside", allow_frames(id, frame + 1, 1, 1));
    r.result("frames_back", allow_frames(0, frame, 1, 1));
    window.restore();
    let (result, _) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 7, 7);
    r.result("line", result.map(|_| 0));
    r.result("irq", allow_irq(0, 7, 0));
    r.line(format_args!("bind={}", events::outcome(pirq::bind(7, 0))));
    r.result("irq_on", allow_irq(id, 7, 1));
    r.result("irq_back", allow_irq(0, 7, 1));
    let (result, pirq) = map(id, MAP_PIRQ_TYPE_GSI, 7, 7);
    r.line(format_args!("line_on={} pirq={pirq}", Shown(result)));
    r.outcome("unmap_mine", unmap(DOMID_SELF, 7));
    let (result, pirq) = map(id, MAP_PIRQ_TYPE_GSI, 7, 8);
    r.line(format_args!("line_later={} pirq={pirq}", Shown(result)));
    r.line(format_args!(
        "still={}",
        events::outcome(bind(&puppet, 7, 0))
    ));
    r.outcome("destroy", puppet.destroy());
    instructions::set_iopl(0);
}
