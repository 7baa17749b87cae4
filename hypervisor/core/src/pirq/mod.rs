//! Physical interrupts: devices' lines and messages, given to domains as PIRQs, which they bind to ports
//! (physdev.h, event_channel.h).
//!
//! A domain's PIRQs are under its lock; what the machine has one of is in [`Irqs`]. A PIRQ is mapped, by
//! dom0, to a line of the I/O APICs (a GSI) or to a message of a PCI function; it gets a vector, the
//! same on all CPUs, and keeps it until it is unmapped. Several domains may have a line mapped, and one
//! bound, or several that share it. While no port is bound to it, a line is masked, and a message is let
//! pass unheard.
//!
//! A level-triggered line is masked by the machine as it is taken and stays so until the guest says
//! that its device is quiet ([`end`]), each guest that shares it, or is late ([`sharing`]); so no line can
//! keep a CPU in here. Edges and messages are not:
//! each is one event, or part of one that is pending; and there are so many of them at most ([`storm`]).

mod interrupt;
mod irqs;
mod message;
pub(crate) mod ops;
mod sharing;
pub(crate) mod storm;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::addr::Mfn;
use crate::domain::lifecycle::Progress;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, Result};
use crate::evtchn::Port;
use crate::hypercall::Budget;
use crate::hypervisor::{Config, Hypervisor};
use crate::platform::{CpuId, Machine, Nanos};
use crate::sched::Unit;
use irqs::Place;
use message::Message;

pub(crate) use interrupt::interrupt;
pub use irqs::Irqs;

/// First vector that a device's interrupt may have.
pub const FIRST_VECTOR: u8 = 0x30;
/// The last one.
pub const LAST_VECTOR: u8 = 0xef;
const VECTORS: usize = (LAST_VECTOR - FIRST_VECTOR) as usize + 1;

/// PIRQs below are for lines of the same number.
const LEGACY_LINES: u32 = 16;
/// PIRQs that a domain other than dom0 may name besides as many as there are lines.
const DOMU_PIRQS: u32 = 32;
/// Interrupts that real Xen counts on for each CPU, which shows in which PIRQs dom0 may name.
const PER_CPU: u32 = 208;

/// PIRQs that dom0 may name on a machine of so many lines and CPUs.
fn dom0_pirqs(lines: u32, cpus: u32) -> u32 {
    let all = PER_CPU * cpus;
    all.min(lines + PER_CPU * (u32::BITS - cpus.leading_zeros()))
}

/// What a PIRQ stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    /// Nothing; it may be given out.
    #[default]
    None,
    /// Nothing yet: given out by `get_free_pirq`.
    Reserved,
    /// A line.
    Line(u32),
    /// A message.
    Message(Message),
    /// A message of a function that is gone.
    Gone,
    /// Unmapped while its port was bound: nothing, once that is closed. The line that it stood for, if
    /// it was one.
    Unmapped(Option<u32>),
}

/// One PIRQ.
#[derive(Clone, Copy, Debug, Default)]
struct Pirq {
    source: Source,
    /// The port bound to it; 0 for none.
    port: Port,
    /// Its vector; 0 while it has none.
    vector: u8,
    /// The CPU that gets it.
    cpu: CpuId,
    /// Whether it was taken and the guest has not said that it is done.
    masked: bool,
    /// Until when others that share the line wait for that; 0 if nobody does.
    until: Nanos,
    /// How often it came, where nobody has to say so.
    rate: storm::Rate,
}

/// A domain's physical interrupts.
#[derive(Debug, Default)]
pub struct Pirqs {
    /// How many there are to name.
    count: u32,
    /// Empty until one is mapped.
    table: Vec<Pirq>,
    /// The page with a bit for each PIRQ that needs an end of interrupt, held by a writable use;
    /// and whether that call unmasks the port as well.
    eoi_page: Option<(Mfn, bool)>,
    /// The deadline of PIRQs that are held back, and the CPU that waits for it.
    held: Option<(Unit, Option<CpuId>)>,
    /// Whether one was held back before.
    stormed: bool,
}

/// Says how many a domain that is being made may name. dom0 has room for them from the beginning.
///
/// # Errors
/// `ENOMEM`.
#[cold]
pub(crate) fn init(config: &Config, state: &mut DomainState, privileged: bool) -> Result<()> {
    let pirqs = &mut state.pirqs;
    let lines = config.lines.len() as u32;
    if !privileged {
        pirqs.count = lines + DOMU_PIRQS;
        return Ok(());
    }
    pirqs.count = dom0_pirqs(lines, config.cpus);
    pirqs.make_room()
}

/// Units of budget for a PIRQ that is unmapped.
const UNMAPPED: u32 = 16;

/// Takes all PIRQs of a domain whose ports are closed, as far as the budget allows: call until `Done`.
#[cold]
pub(crate) fn unmap_all<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    budget: &mut Budget,
) -> Progress {
    let mut state = dom.lock();
    for number in 0..state.pirqs.table.len() as u32 {
        let mapped = |pirq: Pirq| pirq.source.is_mapped();
        if !state.pirqs.get(number).is_some_and(mapped) {
            continue;
        }
        if !budget.take(UNMAPPED) {
            return Progress::More;
        }
        ops::unmap(hv, dom, &mut state, number);
    }
    Progress::Done
}

/// Gives up what the domain's interrupts hold besides; its ports are closed, and nothing is mapped.
#[cold]
pub(crate) fn release<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState) {
    if let Some((page, _)) = state.pirqs.eoi_page {
        hv.page_put_writable(page);
    }
    if let Some((unit, _)) = state.pirqs.held {
        hv.sched.give_unit(unit);
    }
    state.pirqs = Pirqs::default();
}

/// The line that a PIRQ of the caller's stands for, which it may let others have; `None` for a message.
///
/// # Errors
/// `EINVAL` for a number that is none, `EPERM` for one that the caller has not got.
#[cold]
pub(crate) fn line_to_give(caller: &Domain, number: u32) -> Result<Option<u32>> {
    let source = {
        let state = caller.lock();
        if number >= state.pirqs.count {
            return Err(Errno::EINVAL);
        }
        state.pirqs.get(number).ok_or(Errno::EPERM)?.source
    };
    match source {
        Source::Line(gsi) if caller.may_have_line(gsi) => Ok(Some(gsi)),
        Source::Message(_) => Ok(None),
        _ => Err(Errno::EPERM),
    }
}

impl Source {
    /// Whether it is to be unmapped before the number stands for something else.
    const fn is_mapped(self) -> bool {
        matches!(self, Self::Line(_) | Self::Message(_) | Self::Gone)
    }
}

impl Pirqs {
    /// The page that says which PIRQs need an end of interrupt.
    #[must_use]
    pub fn eoi_page(&self) -> Option<Mfn> {
        self.eoi_page.map(|(page, _)| page)
    }

    /// Makes room for all that there are to name.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[cold]
    fn make_room(&mut self) -> Result<()> {
        let count = self.count as usize;
        if self.table.len() < count {
            (self.table.try_reserve_exact(count)).map_err(|_| Errno::ENOMEM)?;
            self.table.resize(count, Pirq::default());
        }
        Ok(())
    }

    /// The PIRQ that stands for a line, or, with false, stood for it and is bound still.
    fn of_line(&self, gsi: u32) -> Option<(u32, bool)> {
        let stands = |pirq: &Pirq| match pirq.source {
            Source::Line(of) => Some(true).filter(|_| of == gsi),
            Source::Unmapped(Some(of)) => Some(false).filter(|_| of == gsi),
            _ => None,
        };
        (0..)
            .zip(&self.table)
            .find_map(|(number, pirq)| Some((number, stands(pirq)?)))
    }

    fn get(&self, pirq: u32) -> Option<Pirq> {
        let index = usize::try_from(pirq).ok()?;
        if index >= self.table.len() {
            return None;
        }
        let index = crate::addr::clamp_index(index, self.table.len());
        self.table.get(index).copied()
    }

    fn get_mut(&mut self, pirq: u32) -> Option<&mut Pirq> {
        let index = usize::try_from(pirq).ok()?;
        if index >= self.table.len() {
            return None;
        }
        let index = crate::addr::clamp_index(index, self.table.len());
        self.table.get_mut(index)
    }

    /// The vector of a PIRQ, which gets one if it has none.
    ///
    /// # Errors
    /// `ENOSPC` when all are in use.
    fn vector_of(&mut self, irqs: &mut Irqs, place: Place) -> Result<u8> {
        let pirq = self.get_mut(place.pirq).ok_or(Errno::EINVAL)?;
        if pirq.vector == 0 {
            pirq.vector = irqs.take_vector(place)?;
        }
        Ok(pirq.vector)
    }
}

impl Domain {
    /// A PIRQ of it.
    fn pirq(&self, number: u32) -> Place {
        Place {
            slot: self.slot,
            pirq: number,
        }
    }
}

/// Whether a PIRQ may be bound to a port.
///
/// # Errors
/// `EINVAL` for a number that is none, `EPERM` for one that is not mapped or not allowed, `EEXIST` for
/// one that is bound, `EBUSY` for the hypervisor's own line and one that is bound elsewhere, if not both
/// share it.
pub(crate) fn bindable<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &DomainState,
    (number, shares): (u32, bool),
) -> Result<()> {
    let pirqs = &state.pirqs;
    if number >= pirqs.count {
        return Err(Errno::EINVAL);
    }
    let pirq = pirqs.get(number).ok_or(Errno::EPERM)?;
    match pirq.source {
        Source::Line(gsi) if !dom.may_have_line(gsi) => Err(Errno::EPERM),
        Source::Line(_) | Source::Message(_) if pirq.port != 0 => Err(Errno::EEXIST),
        Source::Line(gsi) if (hv.irqs.lock()).is_busy(gsi, dom.pirq(number), shares) => {
            Err(Errno::EBUSY)
        }
        Source::Line(_) | Source::Message(_) => Ok(()),
        _ => Err(Errno::EPERM),
    }
}

/// Binds a PIRQ that is [`bindable`] to `port`, and lets its interrupts through.
///
/// # Errors
/// `ENOSPC` when there is no vector for it; `EBUSY` for a line that another domain bound just now;
/// `ENOMEM`.
pub(crate) fn bind<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    (number, shares): (u32, bool),
    port: Port,
) -> Result<()> {
    let (m, place) = (hv.machine, dom.pirq(number));
    let pirqs = &mut state.pirqs;
    storm::prepare(hv, pirqs)?;
    let source = pirqs.get(number).ok_or(Errno::EINVAL)?.source;
    let mut irqs = hv.irqs.lock();
    if matches!(source, Source::Line(gsi) if irqs.is_busy(gsi, place, shares)) {
        return Err(Errno::EBUSY);
    }
    let vector = pirqs.vector_of(&mut irqs, place)?;
    if let Source::Line(gsi) = source {
        irqs.begin(m, gsi, (place, vector), shares)?;
    }
    let pirq = pirqs.get_mut(number).ok_or(Errno::EINVAL)?;
    (pirq.port, pirq.masked, pirq.cpu) = (port, false, m.cpu());
    let level = matches!(source, Source::Line(gsi) if irqs.is_level(gsi));
    pirqs.set_needs_eoi(m, number, level);
    if let Source::Message(message) = source {
        message.program(m, vector, m.cpu());
        message.mask(m, false);
    }
    Ok(())
}

/// The port bound to a PIRQ is closed: nothing of it is heard any more.
pub(crate) fn unbind<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    number: u32,
) {
    storm::forget(hv, &mut state.pirqs, number);
    let Some(pirq) = state.pirqs.get_mut(number) else {
        return;
    };
    (pirq.port, pirq.masked) = (0, false);
    match pirq.source {
        Source::Unmapped(_) => pirq.source = Source::None,
        Source::Line(gsi) => hv.irqs.lock().end(hv.machine, gsi, dom.pirq(number)),
        source => silence(hv, source),
    }
}

/// Lets nothing through of what a bound PIRQ stands for.
fn silence<M: Machine>(hv: &Hypervisor<M>, source: Source) {
    match source {
        Source::Line(gsi) => hv.machine.mask_line(gsi, true),
        Source::Message(message) => message.mask(hv.machine, true),
        _ => {}
    }
}

/// The guest has seen to the device of a PIRQ.
///
/// # Errors
/// `EINVAL` for a number that stands for nothing.
fn end<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, number: u32) -> Result<()> {
    let mut state = dom.lock();
    let pirq = state.pirqs.get_mut(number).ok_or(Errno::EINVAL)?;
    if pirq.source == Source::None {
        return Err(Errno::EINVAL);
    }
    let (port, source) = (pirq.port, pirq.source);
    if core::mem::take(&mut pirq.masked)
        && let Source::Line(gsi) = source
    {
        hv.irqs.lock().answer(hv.machine, gsi, dom.pirq(number));
    }
    if port != 0 && matches!(state.pirqs.eoi_page, Some((_, true))) {
        crate::evtchn::pending::unmask(hv, dom, &mut state, port);
    }
    Ok(())
}

impl Pirqs {
    /// Says in the guest's page whether a PIRQ needs an end of interrupt each time.
    fn set_needs_eoi<M: Machine>(&self, m: &M, number: u32, needs: bool) {
        let Some((page, _)) = self.eoi_page else {
            return;
        };
        if needs {
            m.set_bit(page, number as usize);
        } else {
            m.clear_bit(page, number as usize);
        }
    }
}
