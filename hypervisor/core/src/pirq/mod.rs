//! Physical interrupts: devices' lines and messages, given to the control domain as PIRQs, which it
//! binds to ports (physdev.h, event_channel.h).
//!
//! All of it is under the control domain's lock. A PIRQ is mapped to a line of the I/O APICs (a GSI)
//! or to a message of a PCI function; it gets a vector, the same on all CPUs, and keeps it until it
//! is unmapped. While no port is bound to it, a line is masked, and a message is let pass unheard.
//!
//! A level-triggered line is masked by the machine as it is taken and stays so until the guest says
//! that its device is quiet ([`end`]); so no line can keep a CPU in here. Edges and messages are not:
//! each is one event, or part of one that is pending; and there are so many of them at most ([`storm`]).

mod interrupt;
mod message;
pub(crate) mod ops;
pub(crate) mod storm;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::addr::Mfn;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, Result};
use crate::evtchn::Port;
use crate::hypervisor::{Config, Hypervisor};
use crate::platform::{CpuId, Machine, Route, Wiring};
use crate::sched::Unit;
use message::Message;

pub(crate) use interrupt::interrupt;

/// First vector that a device's interrupt may have.
pub const FIRST_VECTOR: u8 = 0x30;
/// The last one.
pub const LAST_VECTOR: u8 = 0xef;
const VECTORS: usize = (LAST_VECTOR - FIRST_VECTOR) as usize + 1;

/// The interval timer's line, which no domain gets.
const TIMER_LINE: u32 = 0;
/// PIRQs below are for lines of the same number.
const LEGACY_LINES: u32 = 16;
/// PIRQs that a domain without devices may name; none of them can be mapped.
const DOMU_PIRQS: u32 = 48;
/// Interrupts that real Xen counts on for each CPU, which shows in which PIRQs dom0 may name.
const PER_CPU: u32 = 208;
/// Most PCI functions that dom0 may report.
const MOST_FUNCTIONS: usize = 4096;

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
    /// Unmapped while its port was bound: nothing, once that is closed.
    Unmapped,
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
    /// How often it came, where nobody has to say so.
    rate: storm::Rate,
}

/// One line of the I/O APICs.
#[derive(Clone, Copy, Debug)]
struct Line {
    wiring: Wiring,
    /// Whether the wiring is settled.
    set_up: bool,
    /// Whether no domain may have it any more.
    denied: bool,
    /// The hypervisor's own.
    own: bool,
    /// The PIRQ that it is mapped to.
    pirq: Option<u32>,
}

/// A domain's physical interrupts.
#[derive(Debug, Default)]
pub struct Pirqs {
    /// Empty but in the control domain.
    table: Vec<Pirq>,
    lines: Vec<Line>,
    /// The PIRQ of each vector, counted from 1; 0 for none.
    by_vector: Vec<u16>,
    /// The PCI functions that were reported, ascending: segment in bits 31:16, then as
    /// [`Function`](crate::pci::Function).
    functions: Vec<u32>,
    /// The page with a bit for each PIRQ that needs an end of interrupt, held by a writable use;
    /// and whether that call unmasks the port as well.
    eoi_page: Option<(Mfn, bool)>,
    /// The deadline of PIRQs that are held back, and the CPU that waits for it.
    held: Option<(Unit, Option<CpuId>)>,
    /// Whether one was held back before.
    stormed: bool,
}

/// Gives the control domain the machine's interrupts.
///
/// # Errors
/// `ENOMEM`.
#[cold]
pub(crate) fn init(config: &Config, state: &mut DomainState) -> Result<()> {
    let pirqs = &mut state.pirqs;
    let lines = config.lines.len() as u32;
    let count = dom0_pirqs(lines, config.cpus) as usize;
    fn room<T>(list: &mut Vec<T>, count: usize) -> Result<()> {
        list.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)
    }
    room(&mut pirqs.table, count)?;
    room(&mut pirqs.by_vector, VECTORS)?;
    room(&mut pirqs.lines, config.lines.len())?;
    pirqs.table.resize(count, Pirq::default());
    pirqs.by_vector.resize(VECTORS, 0);
    for (gsi, &wiring) in (0..).zip(&config.lines) {
        let own = config.console_line == Some(gsi);
        pirqs.lines.push(Line {
            wiring,
            set_up: own || gsi == TIMER_LINE,
            denied: gsi == TIMER_LINE,
            own,
            pirq: None,
        });
    }
    Ok(())
}

/// Gives up what the domain's interrupts hold; its ports are closed.
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

impl Pirqs {
    /// The page that says which PIRQs need an end of interrupt.
    #[must_use]
    pub fn eoi_page(&self) -> Option<Mfn> {
        self.eoi_page.map(|(page, _)| page)
    }

    /// How many PIRQs there are to name.
    fn count(&self) -> u32 {
        if self.table.is_empty() {
            DOMU_PIRQS
        } else {
            self.table.len() as u32
        }
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

    fn line(&self, gsi: u32) -> Option<&Line> {
        self.lines.get(gsi as usize)
    }

    /// The vector of a PIRQ, which gets one if it has none.
    ///
    /// # Errors
    /// `ENOSPC` when all are in use.
    fn vector_of(&mut self, number: u32) -> Result<u8> {
        let has = self.get(number).map_or(0, |pirq| pirq.vector);
        if has != 0 {
            return Ok(has);
        }
        let free = self.by_vector.iter().position(|&pirq| pirq == 0);
        let free = free.ok_or(Errno::ENOSPC)?;
        let vector = FIRST_VECTOR + free as u8;
        let pirq = self.get_mut(number).ok_or(Errno::EINVAL)?;
        pirq.vector = vector;
        self.by_vector[free] = number as u16 + 1;
        Ok(vector)
    }

    /// The PIRQ that has a vector.
    fn by_vector(&self, vector: u8) -> Option<u32> {
        let index = usize::from(vector.checked_sub(FIRST_VECTOR)?);
        self.by_vector.get(index)?.checked_sub(1).map(u32::from)
    }

    /// Takes a PIRQ's vector away.
    fn drop_vector(&mut self, number: u32) {
        let Some(pirq) = self.get_mut(number) else {
            return;
        };
        let vector = core::mem::take(&mut pirq.vector);
        if let Some(index) = vector.checked_sub(FIRST_VECTOR)
            && let Some(word) = self.by_vector.get_mut(usize::from(index))
        {
            *word = 0;
        }
    }

    /// Whether an end of interrupt is needed each time.
    fn is_level(&self, source: Source) -> bool {
        match source {
            Source::Line(gsi) => self.line(gsi).is_some_and(|line| line.wiring.level),
            _ => false,
        }
    }
}

/// Whether a PIRQ may be bound to a port.
///
/// # Errors
/// `EINVAL` for a number that is none, `EPERM` for one that is not mapped, `EEXIST` for one that is
/// bound, `EBUSY` for the hypervisor's own line.
pub(crate) fn bindable(state: &DomainState, number: u32) -> Result<()> {
    let pirqs = &state.pirqs;
    if number >= pirqs.count() {
        return Err(Errno::EINVAL);
    }
    let pirq = pirqs.get(number).ok_or(Errno::EPERM)?;
    match pirq.source {
        Source::Line(_) | Source::Message(_) if pirq.port != 0 => Err(Errno::EEXIST),
        Source::Line(gsi) if pirqs.line(gsi).is_none_or(|line| line.own) => Err(Errno::EBUSY),
        Source::Line(_) | Source::Message(_) => Ok(()),
        _ => Err(Errno::EPERM),
    }
}

/// Binds a PIRQ that is [`bindable`] to `port`, and lets its interrupts through.
///
/// # Errors
/// `ENOSPC` when there is no vector for it; `ENOMEM`.
pub(crate) fn bind<M: Machine>(
    hv: &Hypervisor<M>,
    state: &mut DomainState,
    number: u32,
    port: Port,
) -> Result<()> {
    let m = hv.machine;
    let pirqs = &mut state.pirqs;
    storm::prepare(hv, pirqs)?;
    let vector = pirqs.vector_of(number)?;
    let pirq = pirqs.get_mut(number).ok_or(Errno::EINVAL)?;
    (pirq.port, pirq.masked, pirq.cpu) = (port, false, m.cpu());
    let source = pirq.source;
    let level = pirqs.is_level(source);
    pirqs.set_needs_eoi(m, number, level);
    match source {
        Source::Line(gsi) => pirqs.connect(m, gsi),
        Source::Message(message) => {
            message.program(m, vector, m.cpu());
            message.mask(m, false);
        }
        _ => {}
    }
    Ok(())
}

/// The port bound to a PIRQ is closed: nothing of it is heard any more.
pub(crate) fn unbind<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState, number: u32) {
    storm::forget(hv, &mut state.pirqs, number);
    let Some(pirq) = state.pirqs.get_mut(number) else {
        return;
    };
    (pirq.port, pirq.masked) = (0, false);
    match pirq.source {
        Source::Unmapped => pirq.source = Source::None,
        source => silence(hv, source),
    }
}

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
        hv.machine.mask_line(gsi, false);
    }
    if port != 0 && matches!(state.pirqs.eoi_page, Some((_, true))) {
        crate::evtchn::pending::unmask(hv, dom, &mut state, port);
    }
    Ok(())
}

impl Pirqs {
    /// The route of a line that is bound to a port.
    fn route(&self, gsi: u32) -> Option<Route> {
        let line = self.line(gsi)?;
        let pirq = self.get(line.pirq?).filter(|pirq| pirq.port != 0)?;
        Some(Route {
            vector: pirq.vector,
            wiring: line.wiring,
            cpu: pirq.cpu,
        })
    }

    /// Routes a line, if it is bound, and lets its interrupts through.
    fn connect<M: Machine>(&self, m: &M, gsi: u32) {
        if let Some(route) = self.route(gsi) {
            m.route_line(gsi, route);
            m.mask_line(gsi, false);
        }
    }

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
