//! What must hold after every step, whatever the model says: the invariants of frames, counted
//! afresh from memory, and what CPUs may still remember.

use std::sync::atomic::Ordering;

use hypervisor_core::addr::Mfn;
use hypervisor_core::frame::word::Word;
use hypervisor_core::pv::census;

use super::format::CPUS;
use super::model::{
    ALL, DOMAINS, FRAMES, Owner, RESERVED, Set, Use, Vcpu, bit, hypervisors_slot, members, target,
};
use super::page::Page;
use super::world::{World, owner, usage};

/// Counts of one frame.
#[derive(Clone, Copy, Default)]
struct Count {
    refs: u32,
    types: u32,
}

/// When frames changed hands.
pub struct Watch {
    words: [Word; FRAMES],
    /// When each frame was last given to somebody.
    given: [u64; FRAMES],
    /// Each page table as it was when it was last looked through.
    tables: Vec<Page>,
    /// Frames that were written since, or were no table then.
    stale: Set,
    /// Checks so far.
    checks: u32,
}

/// Every so many checks all of memory is looked through, and nothing may have escaped.
pub const WHOLE: u32 = 256;

impl Watch {
    /// From now on.
    pub fn new(world: &World) -> Self {
        Self {
            words: words(world),
            given: [0; FRAMES],
            tables: vec![Page::ZERO; FRAMES],
            stale: ALL,
            checks: 0,
        }
    }

    /// Frames that were written.
    pub fn written(&mut self, set: Set) {
        self.stale |= set;
    }

    /// Checks everything; `busy` frames are those that unfinished operations work on.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn check(
        &mut self,
        world: &mut World,
        held: &[Vcpu],
        busy: Set,
        epoch: u64,
        written: &[u64; FRAMES],
    ) -> Result<(), String> {
        let now = words(world);
        for f in 0..FRAMES {
            let (before, now) = (owner(self.words[f]), owner(now[f]));
            if before != now && now != Owner::Free {
                self.given[f] = epoch;
            }
        }
        self.words = now;
        self.look_through(world)?;
        counts(world, held, &now, &self.tables, busy)?;
        census::check_claims(world.hv)?;
        self.tlbs(world, written)
    }

    /// Looks through the tables that were written, and now and then through all.
    fn look_through(&mut self, world: &World) -> Result<(), String> {
        self.checks += 1;
        let whole = self.checks.is_multiple_of(WHOLE);
        for f in members(if whole { ALL } else { self.stale }) {
            let known = self.stale & bit(f as u64) == 0;
            if !known && !matches!(usage(self.words[f]), Use::Table(_)) {
                continue;
            }
            let now = world.words(f);
            if known && now != self.tables[f] {
                return Err(format!("frame {f:x} was written, and nobody noticed"));
            }
            self.tables[f] = now;
            self.stale &= !bit(f as u64);
        }
        Ok(())
    }

    /// No CPU remembers a way to a frame that is somebody else's now, to write a table or
    /// descriptors, or to take for a table what guests write.
    fn tlbs(&self, world: &World, written: &[u64; FRAMES]) -> Result<(), String> {
        let mut wrong = Ok(());
        world.hv.machine.for_each_tlb(u32::from(CPUS), |cpu, tlb| {
            for t in &tlb.pages {
                let f = t.mfn.0 as usize;
                if f >= FRAMES {
                    continue;
                }
                let used = usage(self.words[f]);
                let protected = matches!(used, Use::Table(_) | Use::Descriptors);
                if f < RESERVED || self.given[f] > t.since || (t.writable && protected) {
                    wrong = Err(format!(
                        "CPU {cpu} remembers {t:x?}, which is {:?}",
                        self.words[f]
                    ));
                }
            }
            for t in &tlb.tables {
                let f = t.table.0 as usize;
                if f >= FRAMES {
                    wrong = Err(format!("CPU {cpu} walks {t:x?}"));
                    continue;
                }
                let used = usage(self.words[f]);
                let other = used != Use::None && used != Use::Table(t.level as u8);
                if f < RESERVED || self.given[f] > t.since || other || written[f] > t.since {
                    wrong = Err(format!(
                        "CPU {cpu} walks {t:x?}, which is {:?}",
                        self.words[f]
                    ));
                }
            }
        });
        wrong
    }
}

fn words(world: &World) -> [Word; FRAMES] {
    std::array::from_fn(|f| world.hv.frames.word(Mfn(f as u64)))
}

/// Type counts are entries, pins and holders; reference counts are mappings, claims and holders; a
/// free frame is referenced by nothing; nothing of the hypervisor's is mapped; all frames are
/// accounted for. For busy frames the words may say more than can be seen, never less.
fn counts(
    world: &mut World,
    held: &[Vcpu],
    words: &[Word; FRAMES],
    tables: &[Page],
    busy: Set,
) -> Result<(), String> {
    let mut counts = [Count::default(); FRAMES];
    let mut add = |mfn: u64, typed: bool| {
        if let Some(count) = counts.get_mut(mfn as usize) {
            count.refs += 1;
            count.types += u32::from(typed);
        }
    };
    for (f, word) in words.iter().enumerate() {
        if word.is_allocated() {
            add(f as u64, false);
        }
        if word.is_pinned() {
            add(f as u64, true);
        }
        if let Use::Table(level) = usage(*word) {
            if word.is_validated() {
                entries(words, (f, level), &tables[f], &mut add)?;
            } else if bit(f as u64) & busy == 0 {
                return Err(format!("frame {f:x} is locked, and nobody works on it"));
            }
        }
    }
    for d in 0..DOMAINS {
        world.shared(d, |mfn| add(mfn.0, true));
    }
    for vcpu in held {
        let roots = vcpu.kernel_root.iter().chain(&vcpu.user_root);
        let pages = vcpu.gdt.iter().chain(vcpu.ldt_pages.iter().flatten());
        roots.chain(pages).for_each(|mfn| add(*mfn, true));
    }
    let mut free = 0;
    let mut charged = [0; DOMAINS];
    for (f, (word, count)) in words.iter().zip(&counts).enumerate() {
        let idle = bit(f as u64) & busy == 0;
        let agrees = if idle {
            (word.refs(), word.types()) == (count.refs, count.types)
        } else {
            word.refs() >= count.refs && word.types() >= count.types
        };
        if !agrees {
            return Err(format!(
                "frame {f:x} says {word:?}, memory says refs {} types {}",
                count.refs, count.types
            ));
        }
        if idle && (usage(*word) == Use::None) != (word.types() == 0) {
            return Err(format!("frame {f:x} has a use that nobody makes: {word:?}"));
        }
        match owner(*word) {
            Owner::Free if *word != Word::FREE => {
                return Err(format!("frame {f:x} is free and not blank: {word:?}"));
            }
            Owner::Free => free += 1,
            Owner::Domain(d) => charged[d] += u32::from(word.is_counted()),
            Owner::Hypervisor => {}
        }
    }
    // Those that an unfinished operation has taken are nobody's, and charged to whom they are for.
    for (d, frames) in world.frames_in_hand() {
        free -= u64::from(frames);
        if let Some(d) = d {
            charged[d] += frames;
        }
    }
    if world.hv.frames.free_frames() != free {
        let said = world.hv.frames.free_frames();
        return Err(format!("{free} frames are free, {said} to be had"));
    }
    for (d, charged) in charged.into_iter().enumerate() {
        let said = world.domain(d).tot_pages.load(Ordering::Relaxed);
        if said != charged {
            return Err(format!(
                "domain {d} owns {charged} pages and is charged for {said}"
            ));
        }
    }
    Ok(())
}

/// The entries of a valid table.
fn entries(
    words: &[Word; FRAMES],
    (table, level): (usize, u8),
    page: &Page,
    add: &mut impl FnMut(u64, bool),
) -> Result<(), String> {
    for (index, entry) in page.present() {
        if hypervisors_slot(level, index) {
            continue;
        }
        let mfn = target(entry);
        let Some(child) = words.get(mfn as usize) else {
            if level > 1 {
                return Err(format!(
                    "{table:x}[{index}] = {entry:x} leads out of memory"
                ));
            }
            continue;
        };
        let writable = level == 1 && entry & 2 != 0;
        let fits = match level {
            1 => !writable || usage(*child) == Use::Writable,
            _ => usage(*child) == Use::Table(level - 1),
        };
        if !fits || !matches!(owner(*child), Owner::Domain(_)) {
            return Err(format!("{table:x}[{index}] = {entry:x} leads to {child:?}"));
        }
        add(mfn, writable || level > 1);
    }
    Ok(())
}
