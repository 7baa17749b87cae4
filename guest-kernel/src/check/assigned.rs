//! A device for a domain other than dom0: the ports, frames and interrupts that the control domain
//! lets it use, what it makes of them, and that it loses them. The device is QEMU's `edu`, the domain
//! a [`Puppet`].

use super::devices::{self, Edu, SECOND, configuration};
use super::events;
use super::page::*;
use super::pirq::{self, map, physdev, setup_gsi, unmap};
use super::puppet::{Done, Puppet, WINDOW};
use super::{Check, Report};
use crate::dev::time;
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use core::fmt;
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("assigned_permissions", permissions),
    ("assigned_ports", ports),
    ("assigned_frames", frames),
    ("assigned_line", line),
    ("assigned_message", message),
    ("assigned_death", death),
    ("assigned_from_dom0", from_dom0),
];

/// What an instruction of the puppet's came to.
struct Came(Done);

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => write!(f, "{value:#x}"),
            Err(u64::MAX) => write!(f, "never"),
            Err(vector) => write!(f, "exception {vector}"),
        }
    }
}

fn allow_ports(domid: u16, first_port: u32, nr_ports: u32, allow: u8) -> HvResult {
    let mut request = xen_domctl_ioport_permission::new_zeroed();
    (request.first_port, request.nr_ports) = (first_port, nr_ports);
    request.allow_access = allow;
    domctl(XEN_DOMCTL_ioport_permission, domid, request).map(|_| 0)
}

fn allow_frames(domid: u16, first_mfn: u64, nr_mfns: u64, allow: u8) -> HvResult {
    let mut request = xen_domctl_iomem_permission::new_zeroed();
    (request.first_mfn, request.nr_mfns) = (first_mfn, nr_mfns);
    request.allow_access = allow;
    domctl(XEN_DOMCTL_iomem_permission, domid, request).map(|_| 0)
}

fn allow_irq(domid: u16, pirq: u32, allow: u8) -> HvResult {
    let mut request = xen_domctl_irq_permission::new_zeroed();
    (request.pirq, request.allow_access) = (pirq, allow);
    domctl(XEN_DOMCTL_irq_permission, domid, request).map(|_| 0)
}

/// Makes a puppet, or says that there is none.
fn puppet(r: &mut Report) -> Option<Puppet> {
    match Puppet::new() {
        Ok(puppet) => Some(puppet),
        Err(errno) => {
            r.result("puppet", Err(errno));
            r.error("no puppet");
            None
        }
    }
}

/// What is asked of the three commands, sensible and not.
fn permissions(r: &mut Report) {
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

/// Registers of the DMA controller's pages: what is written is read, and nothing comes of it.
const REGISTER: u16 = 0x81;

fn ports(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    for (at, value) in [(0, 0x51), (1, 0x52), (2, 0x53), (6, 0x57)] {
        devices::out8(REGISTER + at, value);
    }
    let look = |r: &mut Report, key: &str| {
        let read = puppet.in8(REGISTER);
        let wide = puppet.in32(REGISTER);
        r.line(format_args!("{key}={} wide={}", Came(read), Came(wide)));
        let wrote = puppet.out8(REGISTER, 0x61);
        let now = devices::in8(REGISTER);
        r.line(format_args!(
            "{key}_write={} now={now:#x}",
            Came(wrote.map(|_| 0))
        ));
        let wrote = puppet.out32(REGISTER, 0x6463_6271);
        let now = [0, 1, 2].map(|i| devices::in8(REGISTER + i));
        r.line(format_args!(
            "{key}_wide={} now={now:x?}",
            Came(wrote.map(|_| 0))
        ));
        for (at, value) in [(0, 0x51), (1, 0x52), (2, 0x53)] {
            devices::out8(REGISTER + at, value);
        }
    };
    look(r, "privilege");
    let mut level = physdev_set_iopl { iopl: 1 };
    r.result(
        "iopl",
        puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &mut level),
    );
    look(r, "nothing");
    r.result("allow", allow_ports(id, REGISTER.into(), 1, 1));
    look(r, "one");
    r.result("allow_more", allow_ports(id, REGISTER.into(), 4, 1));
    look(r, "four");
    r.result(
        "take_middle",
        allow_ports(id, u32::from(REGISTER) + 1, 1, 0),
    );
    look(r, "hole");
    r.result("take", allow_ports(id, REGISTER.into(), 4, 0));
    look(r, "taken");
    // Ports of others' devices, and of the hypervisor's.
    for (key, port, count) in [
        ("pit", 0x40, 4),
        ("pit_two", 0x42, 1),
        ("speaker", 0x61, 1),
        ("pci", 0xcf8, 8),
        ("keyboard", 0x64, 1),
        ("high", 0xfffc, 4),
    ] {
        let before = puppet.in8(port);
        let allowed = allow_ports(id, port.into(), count, 1);
        let (byte, wide) = (puppet.in8(port), puppet.in32(port));
        r.line(format_args!(
            "{key}={} before={} byte={} wide={}",
            Shown(allowed),
            Came(before),
            byte == Ok(0xff),
            wide == Ok(0xffff_ffff)
        ));
    }
    // The address is remembered, but leads nowhere.
    let address = puppet.out32(0xcf8, 1 << 31);
    let shown = puppet.in32(0xcf8);
    r.line(format_args!(
        "pci_address={} shown={} data={}",
        Came(address.map(|_| 0)),
        Came(shown),
        Came(puppet.in32(0xcfc))
    ));
    r.outcome("take_all", allow_ports(id, 0, 0x1_0000, 0));
    r.line(format_args!("at_last={}", Came(puppet.in8(0x64))));
    r.outcome("destroy", puppet.destroy());
    super::instructions::set_iopl(0);
}

/// Bits of an entry that choose how memory is cached.
const UNCACHED: u64 = 1 << 4;
const WRITE_THROUGH: u64 = 1 << 3;

/// The entry of the device's registers.
fn registers(edu: &Edu) -> u64 {
    u64::from(configuration(edu.devfn, 0x10) & !0xf)
}

fn frames(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    let device = registers(&edu) | pte::RW;
    let look = |r: &mut Report, key: &str| {
        for (name, entry) in [
            ("plain", device),
            ("uncached", device | UNCACHED),
            ("through", device | WRITE_THROUGH),
            ("read_only", device & !pte::WRITE),
            ("next", device + 0x1000),
            ("beyond", device + (1 << 20)),
        ] {
            let result = puppet.map(entry);
            let shown = result.map(|_| puppet.load(WINDOW));
            match shown {
                Ok(value) => r.line(format_args!("{key}_{name}=ok id={}", Came(value))),
                Err(_) => r.result(&format(key, name), result),
            }
            let _ = puppet.map(0);
        }
        for (name, domid) in [
            ("self", DOMID_SELF),
            ("io", DOMID_IO),
            ("xen", DOMID_XEN),
            ("dom0", 0),
            ("own_id", id),
        ] {
            let result = puppet.update(device, domid);
            r.line(format_args!("{key}_update_{name}={}", Shown(result)));
            let _ = puppet.update(0, DOMID_SELF);
            let m2p = device & !0xfff | MMU_MACHPHYS_UPDATE;
            let result = puppet.request(m2p, 7, domid);
            r.line(format_args!("{key}_m2p_{name}={}", Shown(result)));
            let flags = UVMF_INVLPG | UVMF_LOCAL;
            let args = [WINDOW, device, flags, domid.into(), 0];
            let result = puppet.call(__HYPERVISOR_update_va_mapping_otherdomain, args);
            r.line(format_args!("{key}_va_{name}={}", Shown(result)));
            let _ = puppet.map(0);
            // An empty list, of which only the domain is looked at.
            let none = puppet.call(__HYPERVISOR_mmu_update, [0, 0, 0, domid.into(), 0]);
            r.line(format_args!("{key}_no_update_{name}={}", Shown(none)));
        }
        let own = puppet.spare() << 12 | pte::RW;
        for (name, entry) in [
            ("own", own),
            ("own_uncached", own | UNCACHED),
            ("own_through", own | WRITE_THROUGH),
            ("own_both", own | UNCACHED | WRITE_THROUGH),
        ] {
            r.line(format_args!("{key}_{name}={}", Shown(puppet.map(entry))));
        }
        let _ = puppet.map(0);
        r.line(format_args!(
            "{key}_wbinvd={}",
            Came(puppet.flush().map(|_| 0))
        ));
        for (name, cmd) in [
            ("flush", MMUEXT_FLUSH_CACHE),
            ("flush_global", MMUEXT_FLUSH_CACHE_GLOBAL),
        ] {
            r.line(format_args!("{key}_{name}={}", Shown(puppet.extended(cmd))));
        }
        // The control domain, in its own tables and in the puppet's.
        let window = Page::new();
        for (name, domid) in [("by_dom0", id), ("by_dom0_io", DOMID_IO)] {
            let result = update(window.own_slot(), device, domid);
            r.line(format_args!("{key}_{name}={}", Shown(result)));
            window.restore();
        }
        for (name, entry) in [("for_it", device), ("for_it_uncached", own | UNCACHED)] {
            for (owner, pages) in [
                ("it", u32::from(id)),
                ("self", DOMID_SELF.into()),
                ("io", DOMID_IO.into()),
            ] {
                // dom0 may map what it likes into others' tables, which is not asked here.
                if entry != device && owner == "self" {
                    continue;
                }
                let foreign = (u32::from(id) + 1) << 16 | pages;
                let result = update_foreign(puppet.window_slot(), entry, foreign);
                r.line(format_args!("{key}_{name}_{owner}={}", Shown(result)));
                let _ = puppet.map(0);
            }
        }
    };
    look(r, "nothing");
    let first = device >> 12;
    let first = first & 0xf_ffff;
    r.result("allow", allow_frames(id, first, 1, 1));
    look(r, "one");
    r.result("map", puppet.map(device));
    let stored = puppet.store(WINDOW + 4, 0x1234_5678);
    let loaded = puppet.load(WINDOW + 4);
    r.line(format_args!(
        "liveness={} inverse={}",
        Came(stored.map(|_| 0)),
        Came(loaded)
    ));
    r.result("take", allow_frames(id, first, 1, 0));
    r.line(format_args!("still={}", Came(puppet.load(WINDOW))));
    r.result("still_same", puppet.map(device));
    r.line(format_args!("still_there={}", Came(puppet.load(WINDOW))));
    r.result("again_read_only", puppet.map(device & !pte::WRITE));
    r.line(format_args!("gone={}", Came(puppet.load(WINDOW))));
    let _ = puppet.map(0);
    r.result("unmapped", puppet.map(device));
    look(r, "taken");
    r.result("allow_port", allow_ports(id, 0x81, 1, 1));
    look(r, "port");
    r.result("take_port", allow_ports(id, 0x81, 1, 0));
    // Memory, its own and others', is nothing that is given so.
    r.outcome("allow_memory", allow_frames(id, Page::new().mfn(), 1, 1));
    let page = Page::new();
    r.outcome("allow_page", allow_frames(id, page.mfn(), 1, 1));
    r.result("memory", puppet.map(page.entry(pte::RW)));
    // Where the hypervisor's own devices are.
    for (key, frame) in [
        ("io_apic", 0xfec00_u64),
        ("local_apic", 0xfee00),
        ("bios", 0xf0),
        ("vga", 0xb8),
    ] {
        let allowed = allow_frames(id, frame, 1, 1);
        let writable = puppet.map(frame << 12 | pte::RW);
        let read_only = puppet.map(frame << 12 | pte::RO);
        r.line(format_args!(
            "{key}={} writable={} read_only={}",
            Shown(allowed),
            Shown(writable),
            Shown(read_only)
        ));
        let _ = puppet.map(0);
    }
    r.outcome("destroy", puppet.destroy());
    super::instructions::set_iopl(0);
}

/// `key_name`.
fn format(key: &str, name: &str) -> alloc::string::String {
    alloc::format!("{key}_{name}")
}

/// One `mmu_update` with the whole last argument.
fn update_foreign(ptr: u64, val: u64, foreign: u32) -> HvResult {
    let mut request = mmu_update { ptr, val };
    let args = [address(&mut request), 1, 0, foreign.into(), 0];
    // SAFETY: an entry of the puppet's that nothing needs.
    unsafe { call(__HYPERVISOR_mmu_update, args) }
}

/// Waits for an event of the puppet's.
fn comes(puppet: &Puppet, port: u32, patience: u64) -> bool {
    let end = time::uptime() + patience;
    while !puppet.take_pending(port) {
        if time::uptime() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

fn bind(puppet: &Puppet, pirq: u32, flags: u32) -> HvResult<u32> {
    let mut arg = evtchn_bind_pirq {
        pirq,
        flags,
        port: 0,
    };
    let nr = __HYPERVISOR_event_channel_op;
    puppet.with(nr, EVTCHNOP_bind_pirq, &mut arg)?;
    Ok(arg.port)
}

fn close(puppet: &Puppet, port: u32) -> HvResult {
    let mut arg = evtchn_close { port };
    puppet.with(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &mut arg)
}

fn eoi(puppet: &Puppet, irq: u32) -> HvResult {
    let mut arg = physdev_eoi { irq };
    puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &mut arg)
}

/// What the puppet is told of a PIRQ.
fn status(r: &mut Report, key: &str, puppet: &Puppet, irq: u32) {
    let mut arg = physdev_irq_status_query { irq, flags: 0xdead };
    let nr = __HYPERVISOR_physdev_op;
    let result = puppet.with(nr, PHYSDEVOP_irq_status_query, &mut arg);
    r.line(format_args!(
        "{key}_status={} flags={:#x}",
        Shown(result),
        arg.flags
    ));
}

/// Raises so many interrupts one after the other, and counts the puppet's events.
fn rounds(
    r: &mut Report,
    key: &str,
    edu: &Edu,
    (puppet, port, pirq): (&Puppet, u32, u32),
    ends: bool,
) {
    const ROUNDS: u32 = 50;
    let (mut events, mut refused) = (0, 0);
    for round in 1..=ROUNDS {
        edu.raise(round);
        events += u32::from(comes(puppet, port, SECOND / 10));
        edu.acknowledge(round);
        if ends {
            refused += u32::from(eoi(puppet, pirq).is_err());
            // Real Xen does not wait for the puppet for ever.
            puppet.take_pending(port);
        }
    }
    let more = comes(puppet, port, SECOND / 50);
    r.line(format_args!(
        "{key}_events={events} refused={refused} more={more}"
    ));
}

fn line(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let gsi = configuration(edu.devfn, 0x3c) & 0xff;
    let Some(puppet) = puppet(r) else { return };
    let (id, own) = (puppet.id, gsi as i32);
    const GSI: i32 = MAP_PIRQ_TYPE_GSI;
    r.outcome("setup", setup_gsi(own, 1, 0));
    r.line(format_args!(
        "bind_unmapped={}",
        events::outcome(bind(&puppet, gsi, 0))
    ));
    status(r, "unmapped", &puppet, gsi);
    r.line(format_args!("eoi_unmapped={}", Shown(eoi(&puppet, gsi))));
    // How many it may name.
    let told = |irq: u32| {
        let mut arg = physdev_irq_status_query { irq, flags: 0 };
        let nr = __HYPERVISOR_physdev_op;
        let result = puppet.with(nr, PHYSDEVOP_irq_status_query, &mut arg);
        result.is_ok()
    };
    let pirqs = (0..512).find(|&irq| !told(irq)).unwrap_or(0);
    r.line(format_args!("pirqs={pirqs}"));
    // The puppet maps nothing for itself or others.
    for (key, domid) in [
        ("self", DOMID_SELF),
        ("own_id", id),
        ("dom0", 0),
        ("nobody", NOBODY),
    ] {
        let mut arg = physdev_map_pirq::new_zeroed();
        (arg.domid, arg.r#type, arg.index, arg.pirq) = (domid, GSI, own, own);
        let nr = __HYPERVISOR_physdev_op;
        r.line(format_args!(
            "itself_{key}={}",
            Shown(puppet.with(nr, PHYSDEVOP_map_pirq, &mut arg))
        ));
        let mut arg = physdev_unmap_pirq::new_zeroed();
        (arg.domid, arg.pirq) = (domid, own);
        r.line(format_args!(
            "itself_{key}_unmap={}",
            Shown(puppet.with(nr, PHYSDEVOP_unmap_pirq, &mut arg))
        ));
    }
    for (key, index, pirq) in [
        ("negative", -1, own),
        ("beyond", 24, own),
        ("pirq_beyond", own, pirqs as i32),
        ("pirq_far", own, 207),
        ("pirq_most", own, i32::MAX),
        ("pit", 0, 0),
        ("console", 4, 4),
        ("it", own, own),
        ("it_again", own, own),
        ("it_other", own, 30),
        ("it_any", own, -1),
        ("other_there", 5, own),
        ("other_any", 5, -1),
        ("any", 6, -1),
        ("elsewhere", 7, 40),
        ("last", 8, 47),
        ("very_last", 12, pirqs as i32 - 1),
        ("high", 23, -1),
    ] {
        let (result, pirq) = map(id, GSI, index, pirq);
        r.line(format_args!("map_{key}={} pirq={pirq}", Shown(result)));
    }
    for pirq in [4, 5, gsi, 16, 17, 18, 23, 40, 47, pirqs - 1, pirqs] {
        let bound = bind(&puppet, pirq, 1);
        r.line(format_args!("bind{pirq}={}", events::outcome(bound)));
        status(r, "bound", &puppet, pirq);
        r.line(format_args!("eoi{pirq}={}", Shown(eoi(&puppet, pirq))));
        if let Ok(port) = bound {
            events::status(r, "port", id, port);
            r.line(format_args!(
                "again{pirq}={}",
                events::outcome(bind(&puppet, pirq, 1))
            ));
            r.line(format_args!("close{pirq}={}", Shown(close(&puppet, port))));
        }
    }
    // What dom0 may bind beside it, and may not.
    let mine = map(DOMID_SELF, GSI, own, own).0;
    r.result("mine", mine.map(|_| 0));
    let bound = bind(&puppet, gsi, 0);
    r.line(format_args!("alone={}", events::outcome(bound)));
    for flags in [0, 1] {
        let mine = pirq::bind(gsi, flags);
        r.line(format_args!(
            "mine_beside_{flags}={}",
            events::outcome(mine)
        ));
        if let Ok(port) = mine {
            let _ = events::close(port as u32);
        }
    }
    let Ok(port) = bound else { return };
    rounds(r, "line", &edu, (&puppet, port, gsi), true);
    // It stays silent until it is ended.
    edu.raise(1);
    let came = comes(&puppet, port, SECOND);
    edu.acknowledge(1);
    r.line(format_args!(
        "came={came} ended={}",
        Shown(eoi(&puppet, gsi))
    ));
    puppet.take_pending(port);
    // Closed and bound again.
    r.result("close", close(&puppet, port));
    let port = match bind(&puppet, gsi, 0) {
        Ok(port) => port,
        Err(errno) => return r.result("rebind", Err(errno)),
    };
    rounds(r, "rebound", &edu, (&puppet, port, gsi), true);
    // The permission is taken away while it is bound.
    r.result("deny", allow_irq(id, gsi, 0));
    rounds(r, "denied", &edu, (&puppet, port, gsi), true);
    r.result("denied_close", close(&puppet, port));
    r.line(format_args!(
        "denied_bind={}",
        events::outcome(bind(&puppet, gsi, 0))
    ));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("denied_map={} pirq={pirq}", Shown(result)));
    let port = match bind(&puppet, gsi, 0) {
        Ok(port) => port,
        Err(errno) => return r.result("remapped_bind", Err(errno)),
    };
    r.result("deny_bound", allow_irq(id, gsi, 0));
    r.line(format_args!(
        "bound_bind={}",
        events::outcome(bind(&puppet, gsi, 0))
    ));
    r.result("close_denied", close(&puppet, port));
    r.result("allow", allow_irq(id, gsi, 1));
    let port = match bind(&puppet, gsi, 0) {
        Ok(port) => port,
        Err(errno) => return r.result("allowed_bind", Err(errno)),
    };
    rounds(r, "allowed", &edu, (&puppet, port, gsi), true);
    // Taken away altogether while it is bound.
    r.result("unmap", unmap(id, own));
    edu.raise(1);
    r.line(format_args!(
        "unmapped_event={}",
        comes(&puppet, port, SECOND / 50)
    ));
    edu.acknowledge(1);
    events::status(r, "unmapped", id, port);
    status(r, "unmapped_bound", &puppet, gsi);
    r.line(format_args!("unmapped_eoi={}", Shown(eoi(&puppet, gsi))));
    r.result("unmap_again", unmap(id, own));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("unmapped_map={} pirq={pirq}", Shown(result)));
    r.result("unmapped_close", close(&puppet, port));
    let (result, pirq) = map(id, GSI, own, own);
    r.line(format_args!("closed_map={} pirq={pirq}", Shown(result)));
    r.line(format_args!(
        "closed_bind={}",
        events::outcome(bind(&puppet, gsi, 0))
    ));
    r.result("nobody_unmap", unmap(NOBODY, own));
    r.result("beyond_unmap", unmap(id, pirqs as i32));
    // The line is dom0's again while the other lives.
    r.outcome("unmap_at_last", unmap(id, own));
    let (result, pirq) = map(id, GSI, own, 21);
    r.line(format_args!("still_bound={} pirq={pirq}", Shown(result)));
    r.outcome("close_at_last", close(&puppet, port));
    // Two have it mapped, but only one bound.
    let second = Puppet::new();
    if let Ok(second) = second {
        let (result, pirq) = map(second.id, GSI, own, 20);
        r.line(format_args!("second={} pirq={pirq}", Shown(result)));
        let (result, pirq) = map(id, GSI, own, 21);
        r.line(format_args!("first={} pirq={pirq}", Shown(result)));
        let bound = bind(&second, 20, 1);
        r.line(format_args!("second_bind={}", events::outcome(bound)));
        r.line(format_args!(
            "first_bind={}",
            events::outcome(bind(&puppet, 21, 0))
        ));
        if let Ok(port) = bound {
            rounds(r, "second", &edu, (&second, port, 20), true);
        }
        r.outcome("second_destroy", second.destroy());
        let bound = bind(&puppet, 21, 0);
        r.line(format_args!("first_later={}", events::outcome(bound)));
        if let Ok(port) = bound {
            rounds(r, "first", &edu, (&puppet, port, 21), true);
        }
    }
    r.outcome("destroy", puppet.destroy());
    r.line(format_args!("mine_at_last={}", take_line(&edu, gsi)));
    super::instructions::set_iopl(0);
}

/// dom0 takes the line itself, gets an interrupt and gives it back.
fn take_line(edu: &Edu, gsi: u32) -> bool {
    let Ok(port) = pirq::bind(gsi, 1) else {
        return false;
    };
    let port = port as u32;
    edu.raise(1);
    let end = time::uptime() + SECOND;
    while !events::pending(port) && time::uptime() < end {}
    let came = events::pending(port);
    edu.acknowledge(1);
    let _ = pirq::eoi(gsi);
    events::clear_pending(port);
    events::clear_upcall();
    let _ = events::close(port);
    came
}

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

fn message(r: &mut Report) {
    super::instructions::set_iopl(1);
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
    super::instructions::set_iopl(0);
}

/// A domain dies with a line and a frame: the next one gets them.
fn death(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let gsi = configuration(edu.devfn, 0x3c) & 0xff;
    for turn in 0..3 {
        let Some(puppet) = puppet(r) else { return };
        let id = puppet.id;
        let device = registers(&edu) | pte::RW;
        r.result("allow", allow_frames(id, registers(&edu) >> 12, 1, 1));
        r.result("map", puppet.map(device));
        let (result, pirq) = map(id, MAP_PIRQ_TYPE_GSI, gsi as i32, 20 + turn);
        r.line(format_args!("line={} pirq={pirq}", Shown(result)));
        let pirq = pirq as u32;
        let bound = bind(&puppet, pirq, 0);
        r.line(format_args!("bind={}", events::outcome(bound)));
        let Ok(port) = bound else { return };
        // It raises its device itself.
        let raised = puppet.store(WINDOW + 0x60, 1);
        let came = comes(&puppet, port, SECOND);
        r.line(format_args!(
            "raised={} came={came}",
            Came(raised.map(|_| 0))
        ));
        // In the last turn nobody acknowledges: it dies with the line asserted.
        if turn != 2 {
            edu.acknowledge(1);
        }
        r.outcome("destroy", puppet.destroy());
    }
    edu.acknowledge(1);
    r.line(format_args!("mine_at_last={}", take_line(&edu, gsi)));
    super::instructions::set_iopl(0);
}

/// dom0 takes rights away from itself.
fn from_dom0(r: &mut Report) {
    super::instructions::set_iopl(1);
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
    super::instructions::set_iopl(0);
}
