//! Physical interrupts as dom0 sees them: `physdev_op`, and binding a line to a port.

use super::events::{self, close, op, send, status, unmask};
use super::page::*;
use super::{Check, Report};
use crate::hypercall::{HvResult, with_struct};
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("physdev_commands", commands),
    ("physdev_io_apic", io_apic),
    ("physdev_gsi", gsi),
    ("physdev_status", statuses),
    ("physdev_map", map_lines),
    ("physdev_map_message", map_messages),
    ("physdev_pci", pci),
    ("pirq_bind", bind_lines),
    ("physdev_eoi_page", eoi_page),
    ("physdev_unmap", unmap_lines),
];

/// A physical-device operation with its structure.
pub(super) fn physdev<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
    cmd: u32,
    arg: &mut T,
) -> HvResult {
    with_struct(__HYPERVISOR_physdev_op, cmd, arg)
}

fn commands(r: &mut Report) {
    let mut words = [0_u64; 8];
    for cmd in [0, 1, 2, 3, 18, 22, 32, 33, 99, u32::MAX] {
        r.line(format_args!("cmd{cmd}={}", Shown(physdev(cmd, &mut words))));
    }
    for cmd in 4..=31 {
        for (key, at) in BAD_ADDRESSES {
            // SAFETY: there is no structure to be read.
            let result = unsafe { call(__HYPERVISOR_physdev_op, [cmd, at, 0, 0, 0]) };
            r.line(format_args!("cmd{cmd}_{key}={}", Shown(result)));
        }
    }
}

/// Where the machine's first I/O APIC is.
const IO_APIC: u64 = 0xfec0_0000;
/// Its first register of a line.
const LINES_FROM: u32 = 0x10;

fn io_apic(r: &mut Report) {
    for (key, base, reg) in [
        ("id", IO_APIC, 0),
        ("version", IO_APIC, 1),
        ("arbitration", IO_APIC, 2),
        ("three", IO_APIC, 3),
        ("beyond", IO_APIC, 0x40),
        ("reg_255", IO_APIC, 255),
        ("reg_all_ones", IO_APIC, u32::MAX),
        ("elsewhere", IO_APIC + 0x1000, 1),
        ("inside", IO_APIC + 4, 1),
        ("nowhere", 0, 1),
        ("high", 1 << 32 | IO_APIC, 1),
    ] {
        let mut arg = physdev_apic {
            apic_physbase: base,
            reg,
            value: 0xdead,
        };
        let result = physdev(PHYSDEVOP_apic_read, &mut arg);
        r.line(format_args!(
            "{key}={} value={:#x}",
            Shown(result),
            arg.value
        ));
        // A write beyond its registers ends real Xen.
        if reg >= LINES_FROM {
            continue;
        }
        arg.value = 0;
        let result = physdev(PHYSDEVOP_apic_write, &mut arg);
        r.line(format_args!("{key}_write={}", Shown(result)));
    }
    // How a line is routed is the hypervisor's own; but nobody has bound this one.
    let mut line5 = physdev_apic {
        apic_physbase: IO_APIC,
        reg: LINES_FROM + 2 * 5,
        value: 0,
    };
    let result = physdev(PHYSDEVOP_apic_read, &mut line5);
    let masked = line5.value >> 16 & 1;
    r.line(format_args!("line5={} masked={masked}", Shown(result)));
    for irq in [
        0,
        1,
        4,
        5,
        8,
        15,
        16,
        23,
        24,
        47,
        207,
        208,
        279,
        280,
        u32::MAX,
    ] {
        let mut arg = physdev_irq { irq, vector: 0 };
        let result = physdev(PHYSDEVOP_alloc_irq_vector, &mut arg);
        r.line(format_args!(
            "vector{irq}={} vector={}",
            Shown(result),
            arg.vector
        ));
        let result = physdev(PHYSDEVOP_free_irq_vector, &mut arg);
        r.line(format_args!("free{irq}={}", Shown(result)));
    }
}

pub(super) fn setup_gsi(gsi: i32, triggering: u8, polarity: u8) -> HvResult {
    let mut arg = physdev_setup_gsi {
        gsi,
        triggering,
        polarity,
        _pad0: [0; 2],
    };
    physdev(PHYSDEVOP_setup_gsi, &mut arg)
}

fn gsi(r: &mut Report) {
    for gsi in [
        -1,
        0,
        1,
        2,
        4,
        5,
        9,
        10,
        15,
        16,
        17,
        23,
        24,
        47,
        48,
        i32::MAX,
        i32::MIN,
    ] {
        for (key, triggering, polarity) in [("edge", 0, 0), ("level", 1, 1), ("odd", 7, 9)] {
            if gsi == 10 && key != "level" {
                continue;
            }
            r.line(format_args!(
                "gsi{gsi}_{key}={}",
                Shown(setup_gsi(gsi, triggering, polarity))
            ));
        }
    }
}

/// Lines that are looked at one by one.
const LINES: [u32; 19] = [
    0,
    1,
    2,
    4,
    5,
    8,
    9,
    10,
    15,
    16,
    23,
    24,
    47,
    48,
    207,
    208,
    279,
    280,
    u32::MAX,
];

fn line_status(r: &mut Report, key: &str, irq: u32) {
    let mut arg = physdev_irq_status_query { irq, flags: 0xdead };
    let result = physdev(PHYSDEVOP_irq_status_query, &mut arg);
    r.line(format_args!(
        "{key}{irq}={} flags={:#x}",
        Shown(result),
        arg.flags
    ));
}

pub(super) fn eoi(irq: u32) -> HvResult {
    physdev(PHYSDEVOP_eoi, &mut physdev_eoi { irq })
}

fn statuses(r: &mut Report) {
    for irq in LINES {
        line_status(r, "status", irq);
        r.line(format_args!("eoi{irq}={}", Shown(eoi(irq))));
        r.line(format_args!("bind{irq}={}", Shown(bind(irq, 0))));
    }
}

/// A call of map_pirq for a line; the result and the pirq that came back.
pub(super) fn map(domid: u16, kind: i32, index: i32, pirq: i32) -> (HvResult, i32) {
    let mut arg = physdev_map_pirq::new_zeroed();
    (arg.domid, arg.r#type, arg.index, arg.pirq) = (domid, kind, index, pirq);
    let result = physdev(PHYSDEVOP_map_pirq, &mut arg);
    (result, arg.pirq)
}

pub(super) fn unmap(domid: u16, pirq: i32) -> HvResult {
    let mut arg = physdev_unmap_pirq::new_zeroed();
    (arg.domid, arg.pirq) = (domid, pirq);
    physdev(PHYSDEVOP_unmap_pirq, &mut arg)
}

fn map_lines(r: &mut Report) {
    const GSI: i32 = MAP_PIRQ_TYPE_GSI;
    for (key, domid, kind, index, pirq) in [
        ("nobody", NOBODY, GSI, 5, 5),
        ("io", DOMID_IO, GSI, 5, 5),
        ("invalid", DOMID_INVALID, GSI, 5, 5),
        ("unknown", DOMID_SELF, MAP_PIRQ_TYPE_UNKNOWN, 5, 5),
        ("type5", DOMID_SELF, 5, 5, 5),
        ("type_negative", DOMID_SELF, -1, 5, 5),
        ("negative", DOMID_SELF, GSI, -1, 5),
        ("beyond", DOMID_SELF, GSI, 24, 5),
        ("way_beyond", DOMID_SELF, GSI, i32::MAX, 5),
        ("pirq_beyond", DOMID_SELF, GSI, 5, 0xffff),
        ("pirq_most", DOMID_SELF, GSI, 5, i32::MAX),
        ("pit", DOMID_SELF, GSI, 0, 0),
        ("cascade", DOMID_SELF, GSI, 2, 2),
        ("console", DOMID_SELF, GSI, 4, 4),
        ("console_other", DOMID_SELF, GSI, 4, 6),
        ("line5", DOMID_SELF, GSI, 5, 5),
        ("line5_again", DOMID_SELF, GSI, 5, 5),
        ("line5_other", DOMID_SELF, GSI, 5, 6),
        ("line5_any", DOMID_SELF, GSI, 5, -1),
        ("line6_in_5", DOMID_SELF, GSI, 6, 5),
        ("line6_any", DOMID_SELF, GSI, 6, -1),
        ("line7_in_30", DOMID_SELF, GSI, 7, 30),
        ("line7_again", DOMID_SELF, GSI, 7, 30),
        ("own_id", 0, GSI, 8, 8),
        ("line9", DOMID_SELF, GSI, 9, 9),
        ("line16", DOMID_SELF, GSI, 16, 16),
        ("line23", DOMID_SELF, GSI, 23, 23),
        ("pit_beyond", DOMID_SELF, GSI, 0, 0xffff),
        ("line11", DOMID_SELF, GSI, 11, 11),
        ("line22", DOMID_SELF, GSI, 22, 22),
    ] {
        let (result, pirq) = map(domid, kind, index, pirq);
        r.line(format_args!("{key}={} pirq={pirq}", Shown(result)));
    }
    for irq in [5, 6, 7, 8, 9, 16, 23, 30] {
        line_status(r, "mapped", irq);
        r.line(format_args!("mapped{irq}_eoi={}", Shown(eoi(irq))));
    }
}

fn map_messages(r: &mut Report) {
    for (key, kind, index, pirq, bus, devfn, entry, base) in [
        ("no_device", MAP_PIRQ_TYPE_MSI, -1, -1, 7, 0x50, 0, 0),
        ("no_bus", MAP_PIRQ_TYPE_MSI_SEG, -1, -1, 0xff, 0, 0, 0),
        (
            "no_segment",
            MAP_PIRQ_TYPE_MSI_SEG,
            -1,
            -1,
            1 << 16,
            0,
            0,
            0,
        ),
        ("bridge", MAP_PIRQ_TYPE_MSI_SEG, -1, -1, 0, 0, 0, 0),
        ("bridge_multi", MAP_PIRQ_TYPE_MULTI_MSI, -1, -1, 0, 0, 2, 0),
        (
            "bridge_x",
            MAP_PIRQ_TYPE_MSI_SEG,
            -1,
            -1,
            0,
            0,
            0,
            0xfeb0_0000,
        ),
        ("multi_none", MAP_PIRQ_TYPE_MULTI_MSI, -1, -1, 0, 0, 0, 0),
        ("multi_33", MAP_PIRQ_TYPE_MULTI_MSI, -1, -1, 0, 0, 33, 0),
        ("vector_taken", MAP_PIRQ_TYPE_MSI, 5, -1, 0, 0, 0, 0),
        ("vector_beyond", MAP_PIRQ_TYPE_MSI, 0x1000, -1, 0, 0, 0, 0),
    ] {
        let mut arg = physdev_map_pirq::new_zeroed();
        (arg.domid, arg.r#type, arg.index, arg.pirq) = (DOMID_SELF, kind, index, pirq);
        (arg.bus, arg.devfn, arg.entry_nr, arg.table_base) = (bus, devfn, entry, base);
        let result = physdev(PHYSDEVOP_map_pirq, &mut arg);
        r.line(format_args!(
            "{key}={} pirq={} entries={}",
            Shown(result),
            arg.pirq,
            arg.entry_nr
        ));
    }
    for kind in [
        MAP_PIRQ_TYPE_MSI,
        MAP_PIRQ_TYPE_GSI,
        MAP_PIRQ_TYPE_UNKNOWN,
        3,
        4,
        5,
        -1,
    ] {
        let mut arg = physdev_get_free_pirq {
            r#type: kind,
            pirq: 0xdead,
        };
        let result = physdev(PHYSDEVOP_get_free_pirq, &mut arg);
        r.line(format_args!(
            "free{kind}={} pirq={}",
            Shown(result),
            arg.pirq
        ));
    }
}

fn pci(r: &mut Report) {
    for (key, bus, devfn) in [("bridge", 0, 0), ("nothing", 0, 0xf8), ("no_bus", 0xfe, 0)] {
        for (name, cmd) in [
            ("add", PHYSDEVOP_manage_pci_add),
            ("add_again", PHYSDEVOP_manage_pci_add),
            ("remove", PHYSDEVOP_manage_pci_remove),
            ("remove_again", PHYSDEVOP_manage_pci_remove),
            ("restore", PHYSDEVOP_restore_msi),
        ] {
            let mut arg = physdev_manage_pci { bus, devfn };
            r.line(format_args!(
                "{key}_manage_{name}={}",
                Shown(physdev(cmd, &mut arg))
            ));
        }
        for (name, flags) in [("ext", 0), ("ext_fn", 1)] {
            let mut arg = physdev_manage_pci_ext::new_zeroed();
            (arg.bus, arg.devfn, arg.is_extfn) = (bus, devfn, flags);
            let result = physdev(PHYSDEVOP_manage_pci_add_ext, &mut arg);
            r.line(format_args!("{key}_{name}={}", Shown(result)));
        }
        for (name, seg, flags) in [
            ("add", 0, 0),
            ("add_again", 0, 0),
            ("add_virtual", 0, XEN_PCI_DEV_VIRTFN),
            ("add_flags", 0, 0xffff_fff8),
            ("add_segment", 1, 0),
        ] {
            let mut arg = physdev_pci_device_add::new_zeroed();
            (arg.seg, arg.bus, arg.devfn, arg.flags) = (seg, bus, devfn, flags);
            r.line(format_args!(
                "{key}_{name}={}",
                Shown(physdev(PHYSDEVOP_pci_device_add, &mut arg))
            ));
        }
        for (name, cmd) in [
            ("restore_ext", PHYSDEVOP_restore_msi_ext),
            ("remove", PHYSDEVOP_pci_device_remove),
            ("remove_again", PHYSDEVOP_pci_device_remove),
            // One without MSI-X that is there ends real Xen.
            ("prepare_removed", PHYSDEVOP_prepare_msix),
            ("release_removed", PHYSDEVOP_release_msix),
            ("restore_removed", PHYSDEVOP_restore_msi_ext),
        ] {
            let mut arg = physdev_pci_device { seg: 0, bus, devfn };
            r.line(format_args!(
                "{key}_{name}={}",
                Shown(physdev(cmd, &mut arg))
            ));
        }
    }
    for (key, address, segment, start_bus, end_bus, flags) in [
        ("reserved", 0xb000_0000_u64, 0_u16, 0_u8, 255_u8, 1_u32),
        ("not_reserved", 0xb000_0000, 0, 0, 255, 0),
        ("bad_flags", 0xb000_0000, 0, 0, 255, 2),
        ("segment9", 0xb000_0000, 9, 0, 255, 1),
        ("backwards", 0xb000_0000, 0, 9, 3, 1),
    ] {
        let mut arg = physdev_pci_mmcfg_reserved {
            address,
            segment,
            start_bus,
            end_bus,
            flags,
        };
        r.line(format_args!(
            "window_{key}={}",
            Shown(physdev(PHYSDEVOP_pci_mmcfg_reserved, &mut arg))
        ));
    }
    for (op, bus) in [(1, 0), (2, 0), (0, 0), (3, 0), (1, 1), (1, 9)] {
        let mut arg = physdev_dbgp_op::new_zeroed();
        (arg.op, arg.bus) = (op, bus);
        r.line(format_args!(
            "debug_port{op}_{bus}={}",
            Shown(physdev(PHYSDEVOP_dbgp_op, &mut arg))
        ));
    }
}

/// Binds a line; gives the port.
pub(super) fn bind(pirq: u32, flags: u32) -> HvResult {
    let mut arg = evtchn_bind_pirq {
        pirq,
        flags,
        port: 0xdead,
    };
    op(EVTCHNOP_bind_pirq, &mut arg).map(|_| u64::from(arg.port))
}

fn bind_lines(r: &mut Report) {
    for (key, pirq, flags) in [
        ("flags_two", 5, 2),
        ("flags_all", 5, u32::MAX),
        ("exclusive", 5, 0),
        ("shared", 5, BIND_PIRQ__WILL_SHARE),
        ("edge_shared", 8, BIND_PIRQ__WILL_SHARE),
        ("not_mapped", 11, 0),
        ("renamed", 30, 0),
        ("line7_itself", 7, 0),
        ("pit", 0, 0),
        ("console", 4, 0),
        ("acpi", 9, BIND_PIRQ__WILL_SHARE),
        ("line6", 16, BIND_PIRQ__WILL_SHARE),
        ("line23", 23, 0),
        ("wired_level", 11, 0),
        ("not_set_up", 22, 0),
        ("reserved", 207, 0),
    ] {
        let result = bind(pirq, flags);
        r.line(format_args!("{key}={}", events::outcome(result)));
        r.line(format_args!("{key}_eoi_at_once={}", Shown(eoi(pirq))));
        let Ok(port) = result else { continue };
        let port = port as u32;
        status(r, key, DOMID_SELF, port);
        line_status(r, key, pirq);
        r.line(format_args!(
            "{key}_again={}",
            events::outcome(bind(pirq, flags))
        ));
        r.line(format_args!("{key}_send={}", Shown(send(port))));
        r.line(format_args!("{key}_unmask={}", Shown(unmask(port))));
        r.line(format_args!("{key}_eoi={}", Shown(eoi(pirq))));
        for vcpu in [0, 1, u32::MAX] {
            r.line(format_args!(
                "{key}_vcpu{vcpu}={}",
                Shown(events::bind_vcpu(port, vcpu))
            ));
        }
        r.line(format_args!("{key}_pending={}", events::pending(port)));
        r.line(format_args!("{key}_close={}", Shown(close(port))));
        status(r, key, DOMID_SELF, port);
        line_status(r, "after_close", pirq);
        r.line(format_args!("{key}_eoi_closed={}", Shown(eoi(pirq))));
    }
}

fn set_eoi_page(cmd: u32, gmfn: u64) -> HvResult {
    physdev(cmd, &mut physdev_pirq_eoi_gmfn { gmfn })
}

fn eoi_page(r: &mut Report) {
    let page = Page::new();
    let table = Page::read_only();
    r.line(format_args!(
        "pin={}",
        Shown(extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0))
    ));
    let own = page.mfn();
    for (name, cmd) in [
        ("v1", PHYSDEVOP_pirq_eoi_gmfn_v1),
        ("v2", PHYSDEVOP_pirq_eoi_gmfn_v2),
    ] {
        for (key, gmfn) in [
            ("all_ones", u64::MAX),
            ("beyond", 1 << 40),
            ("io_apic", IO_APIC >> 12),
            ("table", table.mfn()),
        ] {
            r.line(format_args!(
                "{name}_{key}={}",
                Shown(set_eoi_page(cmd, gmfn))
            ));
        }
    }
    r.line(format_args!(
        "unpin={}",
        Shown(extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0))
    ));
    page.write(0, 1 << 5 | 1 << 9);
    page.write(1, u64::MAX);
    page.write(511, u64::MAX);
    let level = bind(11, BIND_PIRQ__WILL_SHARE);
    r.line(format_args!("bind_before={}", events::outcome(level)));
    r.line(format_args!(
        "set={}",
        Shown(set_eoi_page(PHYSDEVOP_pirq_eoi_gmfn_v2, own))
    ));
    let show = |r: &mut Report, key: &str| {
        r.line(format_args!(
            "{key}={:#x} {:#x} {:#x}",
            page.read(0),
            page.read(1),
            page.read(511)
        ));
    };
    show(r, "set_bits");
    for (name, cmd) in [
        ("v1", PHYSDEVOP_pirq_eoi_gmfn_v1),
        ("v2", PHYSDEVOP_pirq_eoi_gmfn_v2),
    ] {
        r.line(format_args!(
            "{name}_again={}",
            Shown(set_eoi_page(cmd, own))
        ));
        r.line(format_args!(
            "{name}_bad_again={}",
            Shown(set_eoi_page(cmd, u64::MAX))
        ));
    }
    let Ok(level) = level else { return };
    line_status(r, "with_page", 11);
    r.line(format_args!("eoi={}", Shown(eoi(11))));
    show(r, "eoi_bits");
    r.line(format_args!("close={}", Shown(close(level as u32))));
    show(r, "closed_bits");
    for (key, pirq, flags) in [
        ("edge", 8, 0),
        ("level", 9, BIND_PIRQ__WILL_SHARE),
        ("sixteen", 16, 1),
        ("alone", 5, 0),
        ("level10", 10, 1),
        ("level11", 11, 1),
        ("not_set_up", 22, 0),
        ("again_level", 9, 1),
    ] {
        let port = bind(pirq, flags);
        r.line(format_args!("{key}={}", events::outcome(port)));
        show(r, key);
        line_status(r, key, pirq);
        r.line(format_args!("{key}_eoi={}", Shown(eoi(pirq))));
        show(r, key);
        if let Ok(port) = port {
            r.line(format_args!("{key}_close={}", Shown(close(port as u32))));
        }
        show(r, key);
        line_status(r, "status_closed", pirq);
    }
    // It is the hypervisor's to write to for good.
    page.protect();
    let result = extended(MMUEXT_PIN_L1_TABLE, own, 0);
    r.line(format_args!("becomes_table={}", Shown(result)));
    core::mem::forget(page);
}

fn unmap_lines(r: &mut Report) {
    for (key, domid, pirq) in [
        ("nobody", NOBODY, 5),
        ("io", DOMID_IO, 5),
        ("negative", DOMID_SELF, -1),
        ("beyond", DOMID_SELF, 0xffff),
        ("not_mapped", DOMID_SELF, 11),
        ("console", DOMID_SELF, 4),
        ("console_again", DOMID_SELF, 4),
        ("line6", 0, 16),
        ("line9", DOMID_SELF, 9),
        ("reserved", DOMID_SELF, 207),
        ("reserved_again", DOMID_SELF, 207),
    ] {
        r.line(format_args!("{key}={}", Shown(unmap(domid, pirq))));
        r.line(format_args!("{key}_eoi={}", Shown(eoi(pirq as u32))));
    }
    // A bound one is taken away; its port stays.
    let five = bind(5, 0);
    r.line(format_args!("bind={}", events::outcome(five)));
    if let Ok(port) = five {
        let port = port as u32;
        r.line(format_args!("bound={}", Shown(unmap(DOMID_SELF, 5))));
        status(r, "bound", DOMID_SELF, port);
        line_status(r, "bound", 5);
        r.line(format_args!(
            "bound_vcpu={}",
            Shown(events::bind_vcpu(port, 0))
        ));
        r.line(format_args!("bound_again={}", events::outcome(bind(5, 0))));
        r.line(format_args!("bound_unmap={}", Shown(unmap(DOMID_SELF, 5))));
        r.line(format_args!("bound_eoi={}", Shown(eoi(5))));
        let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, 5);
        r.line(format_args!("bound_map={} pirq={pirq}", Shown(result)));
        let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 10, 5);
        r.line(format_args!("bound_other={} pirq={pirq}", Shown(result)));
        r.line(format_args!("bound_close={}", Shown(close(port))));
        r.line(format_args!("closed_eoi={}", Shown(eoi(5))));
        let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 10, 5);
        r.line(format_args!("closed_other={} pirq={pirq}", Shown(result)));
        r.line(format_args!("closed_unmap={}", Shown(unmap(DOMID_SELF, 5))));
    }
    // What was taken away does not come back.
    for (key, index, pirq) in [
        ("five", 5, 5),
        ("five_any", 5, -1),
        ("console", 4, 4),
        ("nine", 9, 9),
        ("sixteen", 16, 16),
        ("six", 6, 6),
    ] {
        let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, index, pirq);
        r.line(format_args!("{key}_map={} pirq={pirq}", Shown(result)));
        r.line(format_args!(
            "{key}_setup={}",
            Shown(setup_gsi(index, 1, 1))
        ));
    }
    let result = bind(8, 0);
    r.line(format_args!("eight={}", events::outcome(result)));
    r.line(format_args!("eight_unmap={}", Shown(unmap(DOMID_SELF, 8))));
    let mut reset = evtchn_close {
        port: result.unwrap_or(0) as u32,
    };
    r.line(format_args!(
        "eight_close={}",
        Shown(op(EVTCHNOP_close, &mut reset))
    ));
}
