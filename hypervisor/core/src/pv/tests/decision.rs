//! The entry decision, exhaustively: every combination of flag bits, at every level, for every
//! sort of target and whoever asks, against an oracle that goes bit by bit through the interface's
//! description and shares no constant with the code. What is stored, what it costs the target's
//! counts, and that a refusal or a removal leaves no trace.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::super::entry::{Claim, adjust, claim};
use super::super::update::{AccessedDirty, Parties};
use super::super::walk::{self, Walk};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Stop};
use crate::frame::word::{Kind, Owner, Word};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::testkit::{self, FakeMachine};

/// The address width of the machine, in bits.
const WIDTH: u32 = 40;
/// Where devices are: in a hole of memory (what the fake machine keeps for the hypervisor, all but
/// the last frame), and behind it.
const HOLE: u64 = 0;
const HOLE_END: u64 = testkit::RESERVED_FRAMES - 1;
const BEHIND: u64 = 0x10_0000;
/// The entry that is changed.
const ENTRY: usize = 3;

fn bit(raw: u64, n: u32) -> bool {
    raw >> n & 1 == 1
}

/// Whose a target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// A domain's, by its index here.
    Domain(usize),
    Hypervisor,
    Nobody,
    /// A device's that the control domain may have; whether for reading only.
    Device(bool),
    DeniedDevice,
    BeyondWidth,
}

/// What it is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Unused,
    /// Was a table, and nobody has flushed since.
    FormerTable,
    /// Unused, and holds an entry that maps the hypervisor's memory.
    Hostile,
    Writable,
    /// No longer claimed by its owner, and still mapped.
    GivenUp,
    Table(u8),
    /// Some other vCPU is just validating it.
    Walked(u8),
    Descriptors,
    /// Its count of references has no room.
    Full,
    /// Nothing that has a state.
    None,
}

/// Who changes an entry: the table's owner, and whose pages are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    /// The guest, its own.
    Guest,
    /// The control domain, its own.
    Control,
    /// The control domain maps the guest's.
    ControlForGuest,
    /// The control domain maps device memory by name.
    ControlForDevices,
    /// The control domain maps what it may into the guest's table.
    ControlIntoGuests,
    /// The control domain maps device memory by name into the guest's table.
    DevicesIntoGuests,
}

impl Who {
    const ALL: [Self; 6] = [
        Self::Guest,
        Self::Control,
        Self::ControlForGuest,
        Self::ControlForDevices,
        Self::ControlIntoGuests,
        Self::DevicesIntoGuests,
    ];

    fn table_owner(self) -> usize {
        match self {
            Self::Guest | Self::ControlIntoGuests | Self::DevicesIntoGuests => 1,
            Self::Control | Self::ControlForGuest | Self::ControlForDevices => 0,
        }
    }

    fn page_owner(self) -> Option<usize> {
        match self {
            Self::Guest | Self::ControlForGuest => Some(1),
            Self::Control | Self::ControlIntoGuests => Some(0),
            Self::ControlForDevices | Self::DevicesIntoGuests => None,
        }
    }

    /// Whether pages of domain `d` are among those that are meant.
    fn means(self, d: usize) -> bool {
        self == Self::ControlIntoGuests || self.page_owner() == Some(d)
    }
}

#[derive(Clone, Copy, Debug)]
struct Target {
    mfn: Mfn,
    whose: Whose,
    state: State,
}

/// What an entry comes to: what is stored, and how many references and typed uses of the target it
/// takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Granted {
    raw: u64,
    refs: u32,
    types: u32,
}

type Verdict = Result<Granted, Stop>;

/// Bit `n` of what is stored for `raw`, a present entry.
fn stored_bit(level: u8, raw: u64, n: u32, whose: Whose) -> bool {
    let given = bit(raw, n);
    let device = matches!(whose, Whose::Device(_));
    match (n, level) {
        // Guests of this kind run in ring 3, kernels too.
        (2, _) => true,
        // A root's entries are accessed from the start.
        (5, 4) => true,
        // Of a device, a page is read-only where the hypervisor drives it, and not cached unless
        // the guest chose how.
        (1, 1) if whose == Whose::Device(true) => false,
        (3 | 4, 1) if device && !bit(raw, 4) && !bit(raw, 7) => true,
        // User mappings are the same under both roots; kernel mappings are marked as such.
        (8, 1) => given || bit(raw, 2) && !bit(raw, 52),
        (52, 1) => given || !bit(raw, 2),
        _ => given,
    }
}

/// The verdict, from the interface's description.
fn oracle(who: Who, level: u8, raw: u64, target: Target) -> Verdict {
    if !bit(raw, 0) {
        let (refs, types) = (0, 0);
        return Ok(Granted { raw, refs, types });
    }
    let mut stored = 0;
    for n in (0..64).rev() {
        stored = stored << 1 | u64::from(stored_bit(level, raw, n, target.whose));
    }
    let error = |errno: Errno| Err(Stop::Err(errno));
    if level == 1 {
        let cacheable = ![3, 4, 7].into_iter().any(|n| bit(raw, n));
        if who.table_owner() == 1 && !cacheable {
            return error(Errno::EINVAL);
        }
        let (refs, types) = (1, u32::from(bit(raw, 1)));
        let taken = Granted {
            raw: stored,
            refs,
            types,
        };
        let owned = matches!(target.whose, Whose::Domain(d) if who.means(d));
        return match (target.whose, target.state) {
            (Whose::BeyondWidth, _) if target.mfn.0 == 0xff_ffff_ffff => error(Errno::EINVAL),
            (Whose::BeyondWidth, _) => error(Errno::EPERM),
            (Whose::Device(_) | Whose::DeniedDevice, _)
                if who.page_owner() == Some(1) || who.table_owner() == 1 =>
            {
                error(Errno::EPERM)
            }
            (Whose::DeniedDevice, _) => error(Errno::EPERM),
            (Whose::Device(_), _) => Ok(Granted {
                refs: 0,
                types: 0,
                ..taken
            }),
            _ if !owned => error(Errno::EBUSY),
            (_, State::Full) => error(Errno::ENOSPC),
            (_, State::Table(_) | State::Walked(_) | State::Descriptors) if bit(raw, 1) => {
                error(Errno::EBUSY)
            }
            _ => Ok(taken),
        };
    }
    // No superpages, nothing global, and caching is not chosen for tables.
    if [3, 4, 7, 8].into_iter().any(|n| bit(raw, n)) {
        return error(Errno::EINVAL);
    }
    if target.whose != Whose::Domain(who.table_owner()) {
        return error(Errno::EINVAL);
    }
    let taken = Ok(Granted {
        raw: stored,
        refs: 1,
        types: 1,
    });
    match target.state {
        State::Unused | State::FormerTable | State::GivenUp => taken,
        State::Table(of) if of + 1 == level => taken,
        State::Walked(of) if of + 1 == level => Err(Stop::Retry),
        State::Full => error(Errno::ENOSPC),
        // Its own entry is refused: a page of another's, or a table of another's.
        State::Hostile if level == 2 => error(Errno::EBUSY),
        _ => error(Errno::EINVAL),
    }
}

struct Fixture {
    hv: &'static Hypervisor<FakeMachine>,
    doms: [&'static Domain; 2],
    /// Live tables of each domain, by level from 1 on.
    tables: [[Mfn; 4]; 2],
    /// A page of each domain that is no table yet.
    blank: [Mfn; 2],
    targets: Vec<Target>,
    walk: Walk,
}

impl Fixture {
    fn new() -> Self {
        let hv = testkit::hypervisor_with(128, 1, |config| {
            config.max_mfn = 1 << (WIDTH - 12);
            for start in [HOLE, BEHIND] {
                config.device_read_only.push((Mfn(start + 1), 1));
                config.device_denied.push((Mfn(start + 2), 1));
            }
        });
        let doms = [0, 1].map(|id| testkit::domain(hv, id, 1, 64));
        let page = |d: usize| hv.alloc_domain_page(doms[d]).expect("a frame is free");
        let mut this = Self {
            hv,
            doms,
            tables: [0, 1].map(|d| [(); 4].map(|()| page(d))),
            blank: [0, 1].map(page),
            targets: Vec::new(),
            walk: Walk::default(),
        };
        for d in 0..2 {
            for level in 1..=4 {
                this.get(d, level, this.tables[d][usize::from(level) - 1])
                    .unwrap();
            }
            this.domains_targets(d);
        }
        let is_free = |mfn: &u64| hv.frames.owner(Mfn(*mfn)) == Owner::FREE;
        let free = (0..hv.frames.len()).find(is_free).expect("some are left");
        let mut add = |mfn, whose| {
            this.targets.push(Target {
                mfn: Mfn(mfn),
                whose,
                state: State::None,
            });
        };
        hv.frames.mark_io(Mfn(HOLE), HOLE_END - HOLE);
        add(HOLE_END, Whose::Hypervisor);
        add(free, Whose::Nobody);
        for start in [HOLE, BEHIND] {
            add(start, Whose::Device(false));
            add(start + 1, Whose::Device(true));
            add(start + 2, Whose::DeniedDevice);
        }
        add((1 << (WIDTH - 12)) - 1, Whose::Device(false));
        add(1 << (WIDTH - 12), Whose::BeyondWidth);
        add((1 << (52 - 12)) - 1, Whose::BeyondWidth);
        this
    }

    /// One page of domain `d` in every state.
    fn domains_targets(&mut self, d: usize) {
        let (hv, dom) = (self.hv, self.doms[d]);
        let owner = Owner::domain(dom.slot);
        let mut states = std::vec![
            State::Unused,
            State::FormerTable,
            State::Hostile,
            State::Writable,
            State::GivenUp,
            State::Descriptors,
            State::Full
        ];
        states.extend((1..=4).flat_map(|level| [State::Table(level), State::Walked(level)]));
        for state in states {
            let mfn = hv.alloc_domain_page(dom).expect("a frame is free");
            match state {
                State::Hostile => hv.machine.store_u64(mfn, 0, Mfn(HOLE_END).addr() | 1),
                State::Writable => hv.page_get_writable(owner, mfn).unwrap(),
                State::GivenUp => {
                    hv.page_get(owner, mfn).unwrap();
                    hv.release_domain_page(dom, mfn).unwrap();
                }
                State::Descriptors => hv.page_get_descriptors(dom, mfn).unwrap(),
                State::Full => {
                    let full = |w: Word| Ok(Word(w.0 + (1 << 22)));
                    hv.frames.change(mfn, full).unwrap();
                }
                State::Table(level) => self.get(d, level, mfn).unwrap(),
                State::Walked(level) => {
                    let _ = hv.frames.lock_first(mfn, owner, Kind::table(level));
                }
                State::Unused | State::FormerTable | State::None => {}
            }
            let whose = Whose::Domain(d);
            self.targets.push(Target { mfn, whose, state });
        }
        let shared = dom.lock().shared_info.expect("every domain has one");
        self.targets.push(Target {
            mfn: shared,
            whose: Whose::Domain(d),
            state: State::Writable,
        });
    }

    fn parties(&self, who: Who) -> Parties<'static> {
        Parties {
            table: self.doms[who.table_owner()],
            pages: who
                .page_owner()
                .map_or(Owner::IO, |d| Owner::domain(self.doms[d].slot)),
            devices: Some(self.doms[who.page_owner().unwrap_or(0)]),
        }
    }

    fn get(&mut self, d: usize, level: u8, table: Mfn) -> Result<(), Stop> {
        let mut budget = Budget::new(Budget::FULL);
        let (hv, dom) = (self.hv, self.doms[d]);
        let result = walk::get_table(hv, dom, (table, level), &mut self.walk, &mut budget);
        self.rest(d);
        result
    }

    fn put(&mut self, d: usize, table: Mfn) {
        walk::put_table(self.hv, table, &mut self.walk);
        self.rest(d);
    }

    /// Ends all page-table work.
    fn rest(&mut self, d: usize) {
        let mut budget = Budget::new(Budget::FULL);
        walk::forget_verdict(self.hv, &mut self.walk);
        walk::finish(self.hv, self.doms[d], &mut self.walk, &mut budget).expect("budget enough");
    }

    fn set(&mut self, who: Who, at: (Mfn, usize), raw: u64, ad: AccessedDirty) -> Result<(), Stop> {
        let mut budget = Budget::new(Budget::FULL);
        let address = at.0.addr() | (at.1 as u64 * 8);
        let parties = self.parties(who);
        let walk = (&mut self.walk, &mut budget);
        let result = self.hv.update_entry(parties, address, raw, ad, walk);
        self.rest(who.table_owner());
        result
    }

    /// Owner, kind, counts and flags of a frame; not whether something flushed.
    fn word(&self, mfn: Mfn) -> Word {
        Word(self.hv.frames.word(mfn).0 & !(1 << 50))
    }

    /// Whether the counts of `target` went from `before` up by what was granted.
    fn counted(&self, target: Target, before: Word, granted: Granted) -> bool {
        let now = self.word(target.mfn);
        let counts = |w: Word| (w.refs(), w.types());
        now.owner() == before.owner()
            && counts(now) == (before.refs() + granted.refs, before.types() + granted.types)
    }

    /// The target is as it is to be before each attempt.
    fn renew(&mut self, target: Target) {
        if let (State::FormerTable, Whose::Domain(d)) = (target.state, target.whose)
            && !self.hv.frames.word(target.mfn).is_stale()
        {
            self.get(d, 1, target.mfn).unwrap();
            self.put(d, target.mfn);
        }
    }

    /// One entry by every way in.
    fn attempt(
        &mut self,
        who: Who,
        level: u8,
        index: usize,
        raw: u64,
        target: Target,
    ) -> Result<(), String> {
        let shall = oracle(who, level, raw, target);
        self.renew(target);
        let before = self.word(target.mfn);
        let table = self.tables[who.table_owner()][usize::from(level) - 1];
        let is = self.set(who, (table, index), raw, AccessedDirty::Overwrite);
        self.compare("an update", shall, is, (table, index), (target, before))?;
        self.set(who, (table, index), 0, AccessedDirty::Overwrite)
            .map_err(|e| format!("its removal: {e:?}"))?;
        if self.word(target.mfn) != before {
            return Err(format!("left behind: {:?}", self.word(target.mfn)));
        }
        if level == 1 {
            self.attempt_fast(who, index, raw, target, shall)?;
        }
        let others = !matches!(who, Who::Guest | Who::Control);
        let waits = matches!(target.state, State::Walked(_));
        if others || waits && level > 1 {
            return Ok(());
        }
        self.attempt_walk(who, level, index, raw, target, shall)
    }

    /// By the short way of batches, which may pass, and if not says so.
    fn attempt_fast(
        &mut self,
        who: Who,
        index: usize,
        raw: u64,
        target: Target,
        shall: Verdict,
    ) -> Result<(), String> {
        self.renew(target);
        let before = self.word(target.mfn);
        let table = self.tables[who.table_owner()][0];
        let pages = self.parties(who).pages;
        if self.hv.try_update_l1(pages, table, index, raw) {
            self.compare(
                "the short way",
                shall,
                Ok(()),
                (table, index),
                (target, before),
            )?;
            self.set(who, (table, index), 0, AccessedDirty::Overwrite)
                .map_err(|e| format!("its removal: {e:?}"))?;
        } else if self.hv.machine.read_entry(table, index) != 0 {
            return Err("the short way refused, and stored".into());
        }
        if self.word(target.mfn) != before {
            return Err(format!(
                "left by the short way: {:?}",
                self.word(target.mfn)
            ));
        }
        Ok(())
    }

    /// In a table that is validated as a whole.
    fn attempt_walk(
        &mut self,
        who: Who,
        level: u8,
        index: usize,
        raw: u64,
        target: Target,
        shall: Verdict,
    ) -> Result<(), String> {
        self.renew(target);
        let (d, table) = (who.table_owner(), self.blank[who.table_owner()]);
        let before = (self.word(target.mfn), self.word(table));
        self.hv.machine.store_u64(table, index * 8, raw);
        let is = self.get(d, level, table);
        let entry = self.hv.machine.read_entry(table, index);
        let compared = match shall {
            // The table is plain data again; its entry may have been adjusted before what is below
            // it was looked at.
            Err(_) if ![raw, adjust(level, raw)].contains(&entry) => {
                Err(format!("validation failed, and made the entry {entry:x}"))
            }
            Err(_) => self.compare_result("validation", shall, is),
            Ok(_) => self.compare("validation", shall, is, (table, index), (target, before.0)),
        };
        if is.is_ok() {
            self.put(d, table);
        }
        self.hv.machine.store_u64(table, index * 8, 0);
        let after = (self.word(target.mfn), self.word(table));
        if compared.is_ok() && after != before {
            return Err(format!("left by validation: {after:?}, was {before:?}"));
        }
        compared
    }

    fn compare_result(
        &self,
        how: &str,
        shall: Verdict,
        is: Result<(), Stop>,
    ) -> Result<(), String> {
        if is == shall.map(|_| ()) {
            return Ok(());
        }
        Err(format!("{how}: {is:?}, should be {shall:x?}"))
    }

    fn compare(
        &self,
        how: &str,
        shall: Verdict,
        is: Result<(), Stop>,
        (table, index): (Mfn, usize),
        (target, before): (Target, Word),
    ) -> Result<(), String> {
        self.compare_result(how, shall, is)?;
        let entry = self.hv.machine.read_entry(table, index);
        let granted = shall.unwrap_or(Granted {
            raw: 0,
            refs: 0,
            types: 0,
        });
        if entry != granted.raw {
            return Err(format!(
                "{how}: {entry:x} is stored, should be {granted:x?}"
            ));
        }
        if !self.counted(target, before, granted) {
            let now = self.word(target.mfn);
            return Err(format!(
                "{how}: {before:?} became {now:?}, granted {granted:x?}"
            ));
        }
        Ok(())
    }
}

/// Bits 0 to 8, 52, and 63 each way; those that are free for the guest's use, 9 to 11 and 53 to 62,
/// all or none.
fn flag_words() -> impl Iterator<Item = u64> {
    (0..1 << 13_u32).map(|n: u64| {
        let group = |from: u32, to: u64| if bit(n, from) { to } else { 0 };
        let free = group(9, 7 << 9) | group(10, 0x3ff << 53);
        n & 0x1ff | free | group(11, 1 << 52) | group(12, 1 << 63)
    })
}

fn all_at(level: u8) {
    let mut f = Fixture::new();
    for target in f.targets.clone() {
        for who in Who::ALL {
            for flags in flag_words() {
                // An entry that is not present concerns no target: once is enough.
                if flags & 1 == 0 && target.mfn != f.targets[0].mfn {
                    continue;
                }
                let raw = flags | target.mfn.addr();
                if let Err(why) = f.attempt(who, level, ENTRY, raw, target) {
                    panic!("{who:?}, level {level}, {raw:x}, {target:x?}: {why}");
                }
            }
        }
    }
}

#[test]
fn every_entry_of_level_1_is_decided_as_described() {
    all_at(1);
}

#[test]
fn every_entry_of_level_2_is_decided_as_described() {
    all_at(2);
}

#[test]
fn every_entry_of_level_3_is_decided_as_described() {
    all_at(3);
}

#[test]
fn every_entry_of_level_4_is_decided_as_described() {
    all_at(4);
}

#[test]
fn the_hypervisors_slots_are_refused_whatever_the_flags() {
    let mut f = Fixture::new();
    let own = |t: &&Target| t.whose == Whose::Domain(1) && t.state == State::Table(3);
    let target = *f.targets.iter().find(own).expect("there is one");
    let root = f.tables[1][3];
    for index in [0, 255, 256, 260, 271, 272, 511] {
        for flags in flag_words() {
            let raw = flags | target.mfn.addr();
            let taken = (256..272).contains(&index);
            if !taken {
                if let Err(why) = f.attempt(Who::Guest, 4, index, raw, target) {
                    panic!("slot {index}, {raw:x}: {why}");
                }
                continue;
            }
            let before = (f.word(target.mfn), f.hv.machine.read_entry(root, index));
            let is = f.set(Who::Guest, (root, index), raw, AccessedDirty::Overwrite);
            assert_eq!(is, Err(Stop::Err(Errno::EINVAL)), "slot {index}, {raw:x}");
            let after = (f.word(target.mfn), f.hv.machine.read_entry(root, index));
            assert_eq!(after, before, "slot {index}, {raw:x}");
        }
    }
}

/// From every entry to every other, of the same target and of another: what was claimed is given
/// back, what is claimed is taken, and what is both stays, whatever of the old entry is kept.
#[test]
fn every_change_of_an_entry_moves_the_counts_by_the_difference() {
    const BITS: [u32; 8] = [0, 1, 2, 5, 6, 9, 52, 63];
    let words: Vec<u64> = (0..1 << BITS.len())
        .map(|n: u64| {
            let place = |(i, &at): (usize, &u32)| n >> i << at & 1 << at;
            BITS.iter().enumerate().map(place).sum()
        })
        .collect();
    for level in [1, 2, 4] {
        let mut f = Fixture::new();
        let (d, who) = (1, Who::Guest);
        let state = if level == 1 {
            State::Writable
        } else {
            State::Table(level - 1)
        };
        let fits = |t: &&Target| t.whose == Whose::Domain(d) && t.state == state;
        let a = *f.targets.iter().find(fits).expect("there is one");
        let mut b = a;
        b.mfn = f.hv.alloc_domain_page(f.doms[d]).unwrap();
        if level == 1 {
            f.hv.page_get_writable(Owner::domain(f.doms[d].slot), b.mfn)
                .unwrap();
        } else {
            f.get(d, level - 1, b.mfn).unwrap();
        }
        let at = (f.tables[d][usize::from(level) - 1], ENTRY);
        let none = (f.word(a.mfn), f.word(b.mfn));
        for keep in [AccessedDirty::Overwrite, AccessedDirty::Keep] {
            for (&from, &to) in words.iter().flat_map(|x| words.iter().map(move |y| (x, y))) {
                for to_target in [a, b] {
                    let tell = || format!("level {level}, {from:x} to {to:x}, {keep:?}");
                    let (from, to) = (from | a.mfn.addr(), to | to_target.mfn.addr());
                    f.set(who, at, from, AccessedDirty::Overwrite).unwrap();
                    f.set(who, at, to, keep)
                        .unwrap_or_else(|e| panic!("{}: {e:?}", tell()));
                    let old = oracle(who, level, from, a).unwrap();
                    let new = oracle(who, level, to, to_target).unwrap();
                    let kept = |n: u32| keep == AccessedDirty::Keep && bit(old.raw, n);
                    let shall = new.raw | u64::from(kept(5)) << 5 | u64::from(kept(6)) << 6;
                    assert_eq!(f.hv.machine.read_entry(at.0, at.1), shall, "{}", tell());
                    let nothing = Granted {
                        refs: 0,
                        types: 0,
                        ..new
                    };
                    let (for_a, for_b) = if to_target.mfn == a.mfn {
                        (new, nothing)
                    } else {
                        (nothing, new)
                    };
                    assert!(
                        f.counted(a, none.0, for_a),
                        "{}: {:?}",
                        tell(),
                        f.word(a.mfn)
                    );
                    assert!(
                        f.counted(b, none.1, for_b),
                        "{}: {:?}",
                        tell(),
                        f.word(b.mfn)
                    );
                }
            }
        }
        f.set(who, at, 0, AccessedDirty::Overwrite).unwrap();
        assert_eq!((f.word(a.mfn), f.word(b.mfn)), none);
    }
}

/// All 24 bits that are no frame number, at all levels: whether they are for a guest to set, and
/// what is stored.
#[test]
fn every_flag_word_is_for_a_guest_or_not() {
    const PFN: u64 = 0x1234;
    for level in 1..=4_u8 {
        for low in 0..1 << 12_u32 {
            let good = level == 1 || !bit(low, 0) || ![3, 4, 7, 8].into_iter().any(|n| bit(low, n));
            // What is stored has more bits by these alone, or by that of the marked.
            let more = [0, 1].map(|marked| {
                let raw = low | marked << 52;
                let set = |n: &u32| bit(low, 0) && stored_bit(level, raw, *n, Whose::Nobody);
                (0..64).filter(set).map(|n| 1 << n).sum::<u64>()
            });
            for high in 0..1 << 12_u32 {
                let raw = low | high << 52 | PFN << 12;
                let stored = raw | more[high as usize & 1];
                assert!(adjust(level, raw) == stored, "level {level}, {raw:x}");
                let is = claim(level, raw);
                let shall = match (good, bit(low, 0), level) {
                    (false, ..) => Err(Errno::EINVAL),
                    (_, false, _) => Ok(Claim::Absent),
                    (.., 1) => Ok(Claim::Page {
                        mfn: Mfn(PFN),
                        writable: bit(low, 1),
                        uncached: bit(low, 3) || bit(low, 4) || bit(low, 7),
                    }),
                    _ => Ok(Claim::Table(Mfn(PFN))),
                };
                assert!(is == shall, "level {level}, {raw:x}: {is:?}");
            }
        }
    }
}
