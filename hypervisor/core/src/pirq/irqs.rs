//! The machine's interrupts, whoever has them: lines, vectors, and the PCI functions that dom0 reported.
//! A lock of its own covers them, which is taken after a domain's.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use super::{FIRST_VECTOR, VECTORS};
use crate::domain::rights::TIMER_LINE;
use crate::error::{Errno, Result};
use crate::hypervisor::Config;
use crate::platform::{CpuId, Machine, Route, Wiring};

/// Most PCI functions that dom0 may report.
pub(super) const MOST_FUNCTIONS: usize = 4096;

/// A PIRQ of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The domain's slot.
    pub(super) slot: u16,
    pub(super) pirq: u32,
}

/// Most domains that may share a line, as on real Xen.
const MOST_SHARERS: usize = 32;

/// The PIRQ through which a domain hears a line.
#[derive(Clone, Copy, Debug)]
struct User {
    place: Place,
    vector: u8,
    cpu: CpuId,
    /// Whether it lets others hear it too.
    shares: bool,
    /// Whether it has not ended the last interrupt yet. The line is masked as long as anyone has not.
    owes: bool,
}

/// Who is to hear of an interrupt.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether each of them is to end it.
    pub(super) level: bool,
    /// All but the one whose vector it was.
    pub(super) others: ArrayVec<Place, { MOST_SHARERS - 1 }>,
}

/// One line of the I/O APICs.
#[derive(Debug)]
struct Line {
    wiring: Wiring,
    /// Whether the wiring is settled.
    set_up: bool,
    /// The hypervisor's own.
    own: bool,
    /// Who has it bound to a port. It is routed as the first of them has it.
    users: Vec<User>,
}

impl Line {
    fn is_owed(&self) -> bool {
        self.users.iter().any(|user| user.owes)
    }

    fn user(&mut self, place: Place) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.place == place)
    }
}

/// All of them.
#[derive(Debug)]
pub struct Irqs {
    lines: Vec<Line>,
    /// The PIRQ of each vector.
    by_vector: Vec<Option<Place>>,
    /// The PCI functions that were reported, ascending: segment in bits 31:16, then as
    /// [`Function`](crate::pci::Function).
    functions: Vec<u32>,
}

impl Irqs {
    /// Those of the machine; nobody has any.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[cold]
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let mut by_vector = Vec::new();
        let mut lines = Vec::new();
        (by_vector.try_reserve_exact(VECTORS)).map_err(|_| Errno::ENOMEM)?;
        (lines.try_reserve_exact(config.lines.len())).map_err(|_| Errno::ENOMEM)?;
        by_vector.resize(VECTORS, None);
        lines.extend((0..).zip(&config.lines).map(|(gsi, &wiring)| {
            let own = config.console_line == Some(gsi);
            Line {
                wiring,
                set_up: own || gsi == TIMER_LINE,
                own,
                users: Vec::new(),
            }
        }));
        Ok(Self {
            lines,
            by_vector,
            functions: Vec::new(),
        })
    }

    fn line(&mut self, gsi: u32) -> Option<&mut Line> {
        self.lines.get_mut(gsi as usize)
    }

    /// Whether a line is triggered by its level.
    pub(super) fn is_level(&self, gsi: u32) -> bool {
        let line = self.lines.get(gsi as usize);
        line.is_some_and(|line| line.wiring.level)
    }

    /// Whether a line is not to be bound: it is the hypervisor's, or another PIRQ's and not shared.
    pub(super) fn is_busy(&self, gsi: u32, place: Place, shares: bool) -> bool {
        let alone = |user: &User| user.place != place && !(shares && user.shares);
        let line = self.lines.get(gsi as usize);
        line.is_none_or(|line| line.own || line.users.iter().any(alone))
    }

    /// Says how a line is wired.
    ///
    /// # Errors
    /// `EINVAL` for one that is not there, `EEXIST` where that is settled.
    pub(super) fn set_up<M: Machine>(&mut self, m: &M, gsi: u32, wiring: Wiring) -> Result<()> {
        let line = self.line(gsi).ok_or(Errno::EINVAL)?;
        if line.set_up {
            return Err(Errno::EEXIST);
        }
        (line.set_up, line.wiring) = (true, wiring);
        self.connect(m, gsi);
        Ok(())
    }

    /// Routes a line, if it is bound, and lets its interrupts through unless one is not ended yet.
    fn connect<M: Machine>(&mut self, m: &M, gsi: u32) {
        if let Some(line) = self.line(gsi)
            && let Some(user) = line.users.first()
        {
            let route = Route {
                vector: user.vector,
                wiring: line.wiring,
                cpu: user.cpu,
            };
            m.route_line(gsi, route);
            m.mask_line(gsi, line.is_owed());
        }
    }

    /// Binds a line that is not busy. For those who have it already what came is ended.
    ///
    /// # Errors
    /// `EBUSY` when as many share it as may; `ENOMEM`.
    pub(super) fn begin<M: Machine>(
        &mut self,
        m: &M,
        gsi: u32,
        (place, vector): (Place, u8),
        shares: bool,
    ) -> Result<()> {
        let line = self.line(gsi).ok_or(Errno::EINVAL)?;
        if line.users.len() >= MOST_SHARERS {
            return Err(Errno::EBUSY);
        }
        line.users.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        line.users.push(User {
            place,
            vector,
            cpu: m.cpu(),
            shares,
            owes: false,
        });
        if line.users.len() == 1 {
            self.connect(m, gsi);
        } else if line.is_owed() {
            // Who had it alone was not waited for, and may never end it. If the device is not quiet, it
            // comes once more, to all.
            line.users.iter_mut().for_each(|user| user.owes = false);
            m.mask_line(gsi, false);
        }
        Ok(())
    }

    /// A line is not heard any more through `place`. Others wait no longer for what it owes.
    pub(super) fn end<M: Machine>(&mut self, m: &M, gsi: u32, place: Place) {
        let Some(line) = self.line(gsi) else { return };
        let Some(at) = line.users.iter().position(|user| user.place == place) else {
            return;
        };
        let gone = line.users.remove(at);
        if line.users.is_empty() {
            m.mask_line(gsi, true);
        } else if at == 0 {
            self.connect(m, gsi);
        } else if gone.owes && !line.is_owed() {
            m.mask_line(gsi, false);
        }
    }

    /// A line's interrupt came by the vector of `place`: who is to hear of it.
    pub(super) fn came(&mut self, gsi: u32, place: Place) -> Heard {
        let mut heard = Heard::default();
        if let Some(line) = self.line(gsi) {
            heard.level = line.wiring.level;
            for user in &mut line.users {
                user.owes = heard.level;
                if user.place != place {
                    let _ = heard.others.try_push(user.place);
                }
            }
        }
        heard
    }

    /// A line's interrupt is ended by one who was to.
    pub(super) fn answer<M: Machine>(&mut self, m: &M, gsi: u32, place: Place) {
        if let Some(line) = self.line(gsi)
            && let Some(user) = line.user(place)
            && core::mem::take(&mut user.owes)
            && !line.is_owed()
        {
            m.mask_line(gsi, false);
        }
    }

    /// An interrupt came by a vector that is nobody's any more. Its line may have been given another
    /// vector, and then been masked as it was taken.
    #[cold]
    pub(super) fn stray<M: Machine>(&self, m: &M) {
        for (gsi, line) in (0..).zip(&self.lines) {
            if line.wiring.level && !line.users.is_empty() && !line.is_owed() {
                m.mask_line(gsi, false);
            }
        }
    }

    /// Sends a line's interrupts to another CPU.
    pub(super) fn aim<M: Machine>(&mut self, m: &M, gsi: u32, cpu: CpuId) {
        if let Some(user) = self.line(gsi).and_then(|line| line.users.first_mut()) {
            user.cpu = cpu;
            m.aim_line(gsi, cpu);
        }
    }

    /// Gives a vector to a PIRQ.
    ///
    /// # Errors
    /// `ENOSPC` when all are in use.
    pub(super) fn take_vector(&mut self, place: Place) -> Result<u8> {
        let free = self.by_vector.iter().position(Option::is_none);
        let free = free.ok_or(Errno::ENOSPC)?;
        if let Some(of) = self.by_vector.get_mut(free) {
            *of = Some(place);
        }
        Ok(FIRST_VECTOR + free as u8)
    }

    /// Takes it back; 0 is none.
    pub(super) fn give_vector(&mut self, vector: u8) {
        let index = vector.checked_sub(FIRST_VECTOR).map(usize::from);
        if let Some(of) = index.and_then(|index| self.by_vector.get_mut(index)) {
            *of = None;
        }
    }

    /// The PIRQ that has a vector.
    pub(super) fn by_vector(&self, vector: u8) -> Option<Place> {
        let index = usize::from(vector.checked_sub(FIRST_VECTOR)?);
        *self.by_vector.get(index)?
    }

    /// Shows what is in use: the slot of whose it is, the sort, its number, the PIRQ.
    #[cold]
    pub(crate) fn show(&self, show: &mut dyn FnMut(u16, &str, u64, u64)) {
        for (number, line) in (0..).zip(&self.lines) {
            for User { place, .. } in &line.users {
                show(place.slot, "line, PIRQ", number, place.pirq.into());
            }
        }
        for (number, place) in (0..).zip(&self.by_vector) {
            if let Some(place) = place {
                show(place.slot, "vector, PIRQ", number, place.pirq.into());
            }
        }
    }

    /// Whether dom0 has reported a function.
    ///
    /// # Errors
    /// `ENODEV`.
    pub(super) fn reported(&self, id: u32) -> Result<()> {
        let found = self.functions.binary_search(&id);
        found.map(drop).map_err(|_| Errno::ENODEV)
    }

    /// dom0 reports a function, whether it is there or not; again does no harm.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn add_function(&mut self, id: u32) -> Result<()> {
        let Err(at) = self.functions.binary_search(&id) else {
            return Ok(());
        };
        if self.functions.len() >= MOST_FUNCTIONS {
            return Err(Errno::ENOMEM);
        }
        self.functions.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.functions.insert(at, id);
        Ok(())
    }

    /// It reports that a function is gone.
    ///
    /// # Errors
    /// `ENODEV`.
    pub(super) fn remove_function(&mut self, id: u32) -> Result<()> {
        let at = self.functions.binary_search(&id);
        self.functions.remove(at.map_err(|_| Errno::ENODEV)?);
        Ok(())
    }
}
