//! Interrupts of real devices, as events: the clock's line (edge-triggered), and those of QEMU's
//! `edu` device, which raises one on command: its line (level-triggered), and its message.

use super::events::{self, close, pending, unmask};
use super::page::*;
use super::pirq::{bind, eoi, map, physdev, setup_gsi, unmap};
use super::{Check, Report};
use crate::dev::time;
use crate::mm::paging::pte;
use core::arch::asm;
use hypercall_abi::event_channel::BIND_PIRQ__WILL_SHARE;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("device_clock", clock),
    ("device_line", line),
    ("device_message", message),
];

pub(super) fn out8(port: u16, value: u8) {
    // SAFETY: the ports used here are of the clock, which accesses no memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

pub(super) fn in8(port: u16) -> u8 {
    let value: u8;
    // SAFETY: as in `out8`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

pub(super) fn out16(port: u16, value: u16) {
    // SAFETY: as in `out8`.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack)) };
}

pub(super) fn in16(port: u16) -> u16 {
    let value: u16;
    // SAFETY: as in `out8`.
    unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack)) };
    value
}

pub(super) fn out32(port: u16, value: u32) {
    // SAFETY: PCI configuration of the device under test, or the clock's.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack)) };
}

pub(super) fn in32(port: u16) -> u32 {
    let value: u32;
    // SAFETY: as in `out32`.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack)) };
    value
}

fn clock_register(register: u8) -> u8 {
    out8(0x70, register);
    in8(0x71)
}

fn set_clock_register(register: u8, value: u8) {
    out8(0x70, register);
    out8(0x71, value);
}

/// Waits for an event of `port`, at most so long; whether it came.
fn comes(port: u32, patience: u64) -> bool {
    let end = time::uptime() + patience;
    while !pending(port) {
        if time::uptime() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// As [`comes`]; takes it.
fn event_of(port: u32, patience: u64) -> bool {
    let came = comes(port, patience);
    events::clear_pending(port);
    came
}

pub(super) const SECOND: u64 = 1_000_000_000;

fn clock(r: &mut Report) {
    super::instructions::set_iopl(1);
    let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 8, 8);
    r.line(format_args!("map={} pirq={pirq}", Shown(result)));
    let result = bind(8, 0);
    r.line(format_args!("bind={}", events::outcome(result)));
    let Ok(port) = result else { return };
    let port = port as u32;
    const PERIODIC: u8 = 1 << 6;
    let (rate, control) = (clock_register(0xa), clock_register(0xb));
    set_clock_register(0xa, rate & 0xf0 | 6);
    clock_register(0xc);
    set_clock_register(0xb, control | PERIODIC);
    // Each interrupt makes way for the next only when its cause is read.
    let (mut events, mut causes) = (0, 0);
    while events < 200 && event_of(port, 5 * SECOND) {
        events += 1;
        causes += u32::from(clock_register(0xc) & PERIODIC != 0);
    }
    r.line(format_args!("events={events} cause={}", causes > 0));
    // One that is masked waits, and comes when it is not any more.
    let came = event_of(port, 5 * SECOND);
    clock_register(0xc);
    let arrived = comes(port, SECOND);
    events::clear_upcall();
    r.line(format_args!(
        "masked={came} arrived={arrived} waits={}",
        pending(port)
    ));
    r.result("unmask", unmask(port));
    events::clear_upcall();
    r.line(format_args!("unmasked_waits={}", pending(port)));
    r.result("eoi", eoi(8));
    set_clock_register(0xb, control & !PERIODIC);
    clock_register(0xc);
    events::clear_pending(port);
    r.line(format_args!("quiet={}", event_of(port, SECOND / 20)));
    // Nobody's line is silent.
    r.result("close", close(port));
    set_clock_register(0xb, control | PERIODIC);
    clock_register(0xc);
    r.line(format_args!("closed={}", event_of(port, SECOND / 20)));
    set_clock_register(0xb, control);
    clock_register(0xc);
    set_clock_register(0xa, rate);
    events::clear_upcall();
    super::instructions::set_iopl(0);
}

pub(super) fn configuration(devfn: u32, offset: u32) -> u32 {
    out32(0xcf8, 1 << 31 | devfn << 8 | offset & 0xfc);
    in32(0xcfc)
}

pub(super) fn set_configuration(devfn: u32, offset: u32, value: u32) {
    out32(0xcf8, 1 << 31 | devfn << 8 | offset & 0xfc);
    out32(0xcfc, value);
}

/// The `edu` device: where it is, and its registers.
pub(super) struct Edu {
    pub(super) devfn: u32,
    page: Page,
}

impl Edu {
    pub(super) fn find() -> Option<Self> {
        let devfn = (0..32)
            .map(|slot| slot << 3)
            .find(|&devfn| configuration(devfn, 0) == 0x11e8_1234)?;
        // Memory accesses on, and mastering, which messages need.
        let command = configuration(devfn, 4);
        set_configuration(devfn, 4, command & 0xffff | 6);
        let registers = u64::from(configuration(devfn, 0x10) & !0xf);
        let page = Page::new();
        page.map(registers | pte::RW | 1 << 4).ok()?;
        Some(Self { devfn, page })
    }

    fn register(&self, offset: u64) -> *mut u32 {
        (self.page.va() + offset) as *mut u32
    }

    pub(super) fn read(&self, offset: u64) -> u32 {
        // SAFETY: a register of the device, which is mapped there.
        unsafe { self.register(offset).read_volatile() }
    }

    pub(super) fn write(&self, offset: u64, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.register(offset).write_volatile(value) };
    }

    pub(super) fn raise(&self, cause: u32) {
        self.write(0x60, cause);
    }

    pub(super) fn acknowledge(&self, cause: u32) {
        self.write(0x64, cause);
    }

    pub(super) fn causes(&self) -> u32 {
        self.read(0x24)
    }

    /// Offset of the MSI capability.
    pub(super) fn message_capability(&self) -> Option<u32> {
        let mut at = configuration(self.devfn, 0x34) & 0xfc;
        for _ in 0..48 {
            if at == 0 {
                return None;
            }
            let word = configuration(self.devfn, at);
            if word & 0xff == 5 {
                return Some(at);
            }
            at = word >> 8 & 0xfc;
        }
        None
    }
}

/// How long real Xen waits for an end of interrupt.
pub(super) const PATIENCE_OF_XEN: u64 = 1_000_000;
/// How often each way is gone.
const ROUNDS: u32 = 1000;

/// Raises [`ROUNDS`] interrupts one after the other; counts what came of them.
fn rounds(r: &mut Report, key: &str, edu: &Edu, port: u32, pirq: u32, level: bool) {
    let (mut events, mut causes, mut early, mut late) = (0, 0, 0, 0);
    for round in 1..=ROUNDS {
        let begun = time::uptime();
        edu.raise(round);
        events += u32::from(event_of(port, SECOND));
        causes += u32::from(edu.causes() == round);
        // Until the guest says that it is done, the line is silent although it is asserted. Real
        // Xen waits for that a millisecond, and then no longer.
        let heard = pending(port);
        early += u32::from(heard && time::uptime() - begun < PATIENCE_OF_XEN / 2);
        edu.acknowledge(round);
        if level {
            late += u32::from(eoi(pirq).is_err());
        }
        if time::uptime() - begun < PATIENCE_OF_XEN / 2 {
            early += u32::from(pending(port));
        } else {
            events::clear_pending(port);
        }
    }
    let more = event_of(port, SECOND / 50);
    r.line(format_args!(
        "{key}_events={events} causes={causes} early={early} refused={late} more={more}"
    ));
}

fn line(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let gsi = configuration(edu.devfn, 0x3c) & 0xff;
    r.line(format_args!("id={:#x} gsi={gsi}", edu.read(0)));
    r.outcome("setup", setup_gsi(gsi as i32, 1, 0));
    let (result, pirq) = map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, gsi as i32, gsi as i32);
    r.line(format_args!("map={} pirq={pirq}", Shown(result)));
    let result = bind(gsi, BIND_PIRQ__WILL_SHARE);
    r.line(format_args!("bind={}", events::outcome(result)));
    let Ok(port) = result else { return };
    let port = port as u32;
    rounds(r, "line", &edu, port, gsi, true);
    // An eoi before the device is quiet brings the interrupt again.
    edu.raise(1);
    let first = event_of(port, SECOND);
    r.result("eoi_asserted", eoi(gsi));
    // Real Xen does not wait for the guest for ever, and brings it again and again.
    let again = event_of(port, SECOND);
    edu.acknowledge(3);
    r.result("eoi_quiet", eoi(gsi));
    let after = event_of(port, SECOND / 50);
    r.line(format_args!("first={first} again={again} after={after}"));
    // Two eois for one interrupt; one that no interrupt came before.
    r.result("eoi_more", eoi(gsi));
    r.result("eoi_even_more", eoi(gsi));
    // One that comes while the port is pending is the same event.
    edu.raise(1);
    comes(port, SECOND);
    r.result("eoi_pending", eoi(gsi));
    let came = event_of(port, SECOND);
    edu.acknowledge(1);
    r.result("eoi_last", eoi(gsi));
    r.line(format_args!(
        "came={came} left={}",
        event_of(port, SECOND / 50)
    ));
    // Closed while it is being served, and asserted: silent; and there when it is bound again.
    edu.raise(1);
    let came = event_of(port, SECOND);
    r.result("close", close(port));
    let result = bind(gsi, BIND_PIRQ__WILL_SHARE);
    r.line(format_args!(
        "came={came} rebind={}",
        events::outcome(result)
    ));
    let Ok(port) = result else { return };
    let port = port as u32;
    let again = event_of(port, SECOND);
    edu.acknowledge(1);
    r.result("eoi_rebound", eoi(gsi));
    r.line(format_args!(
        "asserted_at_bind={again} left={}",
        event_of(port, SECOND / 50)
    ));
    rounds(r, "rebound", &edu, port, gsi, true);
    r.result("close_again", close(port));
    edu.raise(4);
    r.line(format_args!("closed={}", event_of(port, SECOND / 50)));
    edu.acknowledge(4);
    events::clear_upcall();
    super::instructions::set_iopl(0);
}

fn message(r: &mut Report) {
    super::instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let Some(at) = edu.message_capability() else {
        return r.error("no MSI");
    };
    let ask = |kind: i32, entry_nr: i32, table_base: u64| {
        let mut arg = physdev_map_pirq::new_zeroed();
        (arg.domid, arg.r#type, arg.index, arg.pirq) = (DOMID_SELF, kind, -1, -1);
        (arg.bus, arg.devfn) = (0, edu.devfn as i32);
        (arg.entry_nr, arg.table_base) = (entry_nr, table_base);
        let result = physdev(PHYSDEVOP_map_pirq, &mut arg);
        (result, arg.pirq)
    };
    let (result, pirq) = ask(MAP_PIRQ_TYPE_MSI_SEG, 0, 0);
    r.line(format_args!("not_added={} pirq={pirq}", Shown(result)));
    let mut added = physdev_pci_device_add::new_zeroed();
    added.devfn = edu.devfn as u8;
    r.result("add", physdev(PHYSDEVOP_pci_device_add, &mut added));
    let (result, pirq) = ask(MAP_PIRQ_TYPE_MSI_SEG, 0, 0xfea0_0000);
    r.line(format_args!("no_table={} pirq={pirq}", Shown(result)));
    let (result, pirq) = ask(MAP_PIRQ_TYPE_MULTI_MSI, 1, 0);
    r.line(format_args!("multi_one={} pirq={pirq}", Shown(result)));
    r.result("unmap_one", unmap(DOMID_SELF, pirq));
    let (result, pirq) = ask(MAP_PIRQ_TYPE_MULTI_MSI, 2, 0);
    r.line(format_args!("two={} pirq={pirq}", Shown(result)));
    let show = |r: &mut Report, key: &str| {
        let control = configuration(edu.devfn, at) >> 16;
        let to = configuration(edu.devfn, at + 4);
        r.line(format_args!(
            "{key}_control={control:#x} to={:#x}",
            to >> 20
        ));
    };
    show(r, "fresh");
    let (result, pirq) = ask(MAP_PIRQ_TYPE_MSI_SEG, 0, 0);
    r.line(format_args!("map={} pirq={pirq}", Shown(result)));
    show(r, "mapped");
    let (again, other) = ask(MAP_PIRQ_TYPE_MSI_SEG, 0, 0);
    r.line(format_args!("map_again={} pirq={other}", Shown(again)));
    if result.is_err() {
        return;
    }
    let result = bind(pirq as u32, 0);
    r.line(format_args!("bind={}", events::outcome(result)));
    show(r, "bound");
    let Ok(port) = result else { return };
    let port = port as u32;
    events::status(r, "message", DOMID_SELF, port);
    // As drivers' kernels do.
    let control = configuration(edu.devfn, at);
    set_configuration(edu.devfn, at, control | 1 << 16);
    show(r, "enabled");
    rounds(r, "message", &edu, port, pirq as u32, false);
    rounds(r, "with_eoi", &edu, port, pirq as u32, true);
    r.result("close", close(port));
    show(r, "closed");
    edu.raise(1);
    r.line(format_args!("closed={}", event_of(port, SECOND / 50)));
    edu.acknowledge(1);
    let result = bind(pirq as u32, 0);
    r.line(format_args!("rebind={}", events::outcome(result)));
    let Ok(port) = result else { return };
    let port = port as u32;
    rounds(r, "rebound", &edu, port, pirq as u32, true);
    r.result("unmap", unmap(DOMID_SELF, pirq));
    show(r, "unmapped");
    edu.raise(1);
    r.line(format_args!("unmapped={}", event_of(port, SECOND / 50)));
    edu.acknowledge(1);
    r.result("unmapped_close", close(port));
    let (result, again) = ask(MAP_PIRQ_TYPE_MSI, 0, 0);
    r.line(format_args!(
        "map_later={} same={}",
        Shown(result),
        again == pirq
    ));
    r.result("unmap_later", unmap(DOMID_SELF, again));
    set_configuration(edu.devfn, at, control & !(1 << 16));
    let mut device = physdev_pci_device {
        seg: 0,
        bus: 0,
        devfn: edu.devfn as u8,
    };
    r.result("restore", physdev(PHYSDEVOP_restore_msi_ext, &mut device));
    let (_, pirq) = ask(MAP_PIRQ_TYPE_MSI_SEG, 0, 0);
    r.result(
        "remove_mapped",
        physdev(PHYSDEVOP_pci_device_remove, &mut device),
    );
    r.line(format_args!(
        "removed_bind={}",
        events::outcome(bind(pirq as u32, 0))
    ));
    r.result("removed_unmap", unmap(DOMID_SELF, pirq));
    events::clear_upcall();
    super::instructions::set_iopl(0);
}
