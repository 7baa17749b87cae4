//! The reference model: a second, plain implementation of PV memory.
//!
//! It keeps facts only: who owns a frame, what is pinned, what the vCPUs hold, and what is in
//! memory. Every count and every type follows from the facts, and is worked out afresh after each
//! change by [`Model::recount`]. Nothing here is incremental, locked, or interruptible.
//!
//! Where the interface leaves a choice (which free frame is given out), the model is told what
//! happened and judges it.

use hypervisor_core::error::Errno;

use super::page::Page;

/// Frames of the machine.
pub const FRAMES: usize = 80;
/// Frames that the hypervisor keeps.
pub const RESERVED: usize = 4;
/// Domains: 0 is privileged.
pub const DOMAINS: usize = 3;
/// vCPUs of each domain.
pub const VCPUS: [usize; DOMAINS] = [2, 2, 1];
/// Frame numbers from here on do not exist.
pub const NO_SUCH_FRAME: u64 = 1 << 30;
/// What the machine-to-phys table says of a frame without a number.
pub const NO_PFN: u64 = u64::MAX;

const DOMID_SELF: u16 = 0x7ff0;
const DOMID_IO: u16 = 0x7ff1;
const DOMID_XEN: u16 = 0x7ff2;

const P: u64 = 1;
const RW: u64 = 1 << 1;
const US: u64 = 1 << 2;
const A: u64 = 1 << 5;
const D: u64 = 1 << 6;
const G: u64 = 1 << 8;
const AVAIL: u64 = 7 << 9;
const KERNEL_ONLY: u64 = 1 << 52;

/// A set of frames, a bit each; and above them things that are no frames.
pub type Set = u128;
/// The set of free frames itself.
pub const POOL: Set = 1 << 127;
/// How many frames a domain is charged for.
pub const fn charge(dom: usize) -> Set {
    1 << (120 + dom)
}
/// What a vCPU itself holds.
pub const fn holdings(who: (usize, usize)) -> Set {
    1 << (100 + 2 * who.0 + who.1)
}
/// All frames.
pub const ALL: Set = (1 << FRAMES) - 1;

/// A frame's bit; none for a number that is no frame.
pub const fn bit(mfn: u64) -> Set {
    if mfn < FRAMES as u64 { 1 << mfn } else { 0 }
}

/// The frames of a set.
pub fn members(set: Set) -> impl Iterator<Item = usize> {
    let mut left = set & ALL;
    std::iter::from_fn(move || {
        let next = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (next < FRAMES).then_some(next)
    })
}

/// The frames of an extent, as far as there are such.
pub fn extent(first: u64, order: u32) -> Set {
    let end = first.saturating_add(1 << order).min(FRAMES as u64);
    (first..end).fold(0, |set, mfn| set | bit(mfn))
}

/// Whose a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The hypervisor's.
    Hypervisor,
    /// Nobody's.
    Free,
    /// A domain's.
    Domain(usize),
}

/// What a frame is used as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Nothing that excludes another use.
    None,
    /// A page table of a level.
    Table(u8),
    /// Descriptors of a GDT or LDT.
    Descriptors,
    /// Writable memory.
    Writable,
}

/// The facts of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose it is.
    pub owner: Owner,
    /// Whether its owner still wants it.
    pub claimed: bool,
    /// The level it is pinned at.
    pub pinned: Option<u8>,
    /// Whether it is a page that the hypervisor shares with its owner.
    pub shared: bool,
    /// Whose data is in it: the domain and which of its lives.
    pub data: Option<(usize, u32)>,
}

/// What a vCPU holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// Root of the kernel's address space.
    pub kernel_root: Option<u64>,
    /// Root of user mode's.
    pub user_root: Option<u64>,
    /// GDT pages.
    pub gdt: Vec<u64>,
    /// The LDT's address and length.
    pub ldt: (u64, u32),
    /// LDT pages found so far.
    pub ldt_pages: [Option<u64>; 16],
}

/// A domain.
#[derive(Clone, Debug, Default)]
pub struct Domain {
    /// Its number.
    pub domid: u16,
    /// Whether it can be named.
    pub exists: bool,
    /// Whether it is being, or has been, destroyed.
    pub dead: bool,
    /// Which domain it is of those that had its number.
    pub life: u32,
    /// Most frames it may have.
    pub max_pages: u32,
    /// What was claimed for it: how many frames it is to have in all, 0 for no claim.
    pub claim: u32,
    /// Frames of the hypervisor's own in which its ports are.
    pub ports: Set,
    /// Its vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// How far it is made.
    pub stage: Stage,
}

/// How far a domain is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Whether it has its vCPUs.
    pub made: bool,
    /// Which of them have a context.
    pub ready: [bool; 2],
    /// Whether it is paused.
    pub paused: bool,
}

/// Whose tables and pages an update is about.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    table: usize,
    /// `None` for devices'.
    pub pages: Option<usize>,
    /// Whether they are meant to be the hypervisor's, which are no devices'.
    hypervisors: bool,
    /// Who asks.
    pub caller: usize,
}

impl Parties {
    /// Whether both have devices of which frames are mapped: domain 0 alone has any.
    fn has_devices(self) -> bool {
        self.table == 0 && self.pages.unwrap_or(self.caller) == 0 && !self.hypervisors
    }

    /// Whether it is about the asking domain's own tables.
    pub fn is_own(self) -> bool {
        self.table == self.caller
    }
}

/// What follows from the facts.
#[derive(Clone, Copy)]
pub struct Counts {
    /// The use of each frame.
    pub uses: [Use; FRAMES],
    /// How often it is used so.
    pub types: [u32; FRAMES],
    /// How often it is used at all.
    pub refs: [u32; FRAMES],
}

impl Counts {
    const NONE: Self = Self {
        uses: [Use::None; FRAMES],
        types: [0; FRAMES],
        refs: [0; FRAMES],
    };

    fn add(&mut self, mfn: u64, what: Use) {
        let f = mfn as usize;
        if f >= FRAMES {
            return;
        }
        self.refs[f] += 1;
        if what != Use::None {
            self.uses[f] = what;
            self.types[f] += 1;
        }
    }
}

/// All facts.
#[derive(Clone)]
pub struct Model {
    /// Frames.
    pub frames: Vec<Frame>,
    /// Memory.
    pub mem: Vec<Page>,
    /// Machine-to-phys table.
    pub m2p: Vec<u64>,
    /// Domains.
    pub doms: Vec<Domain>,
    /// What follows.
    pub counts: Counts,
    /// Tables whose validation failed: the guest's data, partly in the form that tables have.
    pub half_done: Vec<(usize, u8)>,
    /// When a page that is no table was last written by a hypercall.
    pub written: [u64; FRAMES],
    /// The time.
    pub epoch: u64,
}

/// Whether an entry of a table is the hypervisor's.
pub const fn hypervisors_slot(level: u8, index: usize) -> bool {
    level == 4 && index >= 256 && index < 272
}

/// The frame that an entry names.
pub const fn target(entry: u64) -> u64 {
    entry >> 12 & 0xff_ffff_ffff
}

/// An entry as it is kept when a guest asks for `entry`: reachable from ring 3, where guests are.
pub fn kept(level: u8, entry: u64) -> u64 {
    if entry & P == 0 {
        return entry;
    }
    let mut kept = entry | US;
    if level == 1 && entry & US == 0 {
        kept |= KERNEL_ONLY;
    } else if level == 1 && entry & KERNEL_ONLY == 0 {
        kept |= G;
    }
    if level == 4 {
        kept |= A;
    }
    kept
}

/// Whether an entry above level 1 has only bits that it may have.
fn table_bits(entry: u64) -> bool {
    // PWT, PCD, PS or PAT, G.
    [3, 4, 7, 8].iter().all(|bit| entry >> bit & 1 == 0)
}

/// A descriptor as it is kept; `None` for what no guest may have.
pub fn descriptor(raw: u64) -> Option<u64> {
    let access = (raw >> 40) as u8;
    if access & 0x80 == 0 {
        return Some(raw);
    }
    match (access >> 4 & 1, access & 15) {
        (1, _) => Some(raw | 0x60 << 40),
        (_, 0) => Some(raw),
        (_, 12) => Some(raw & !(0x60 << 40) | 3 << 16),
        _ => None,
    }
}

type Result<T, E = Errno> = std::result::Result<T, E>;

impl Model {
    /// A machine without domains.
    pub fn new() -> Self {
        let frame = |mfn| Frame {
            owner: if mfn < RESERVED {
                Owner::Hypervisor
            } else {
                Owner::Free
            },
            claimed: false,
            pinned: None,
            shared: false,
            data: None,
        };
        Self {
            frames: (0..FRAMES).map(frame).collect(),
            mem: vec![Page::ZERO; FRAMES],
            m2p: vec![NO_PFN; FRAMES],
            doms: VCPUS
                .map(|count| Domain {
                    vcpus: vec![Vcpu::default(); count],
                    ..Domain::default()
                })
                .to_vec(),
            counts: Counts::NONE,
            half_done: Vec::new(),
            written: [0; FRAMES],
            epoch: 0,
        }
    }

    // ---- what follows from the facts -----------------------------------------------------------

    /// Works out every use and count from the facts.
    fn count(&mut self) {
        let counts = &mut self.counts;
        *counts = Counts::NONE;
        for (f, frame) in self.frames.iter().enumerate() {
            if frame.claimed {
                counts.add(f as u64, Use::None);
            }
            if frame.shared {
                counts.add(f as u64, Use::Writable);
            }
            if let Some(level) = frame.pinned {
                counts.add(f as u64, Use::Table(level));
            }
        }
        for vcpu in self.doms.iter().flat_map(|dom| &dom.vcpus) {
            for root in [vcpu.kernel_root, vcpu.user_root].into_iter().flatten() {
                counts.add(root, Use::Table(4));
            }
            let pages = vcpu.gdt.iter().chain(vcpu.ldt_pages.iter().flatten());
            pages.for_each(|page| counts.add(*page, Use::Descriptors));
        }
        for level in (1..=4).rev() {
            for table in 0..FRAMES {
                if self.counts.uses[table] == Use::Table(level) {
                    self.count_entries(table, level);
                }
            }
        }
    }

    fn count_entries(&mut self, table: usize, level: u8) {
        for (index, entry) in self.mem[table].present() {
            if hypervisors_slot(level, index) {
                continue;
            }
            let what = match level {
                1 if entry & RW != 0 => Use::Writable,
                1 => Use::None,
                _ => Use::Table(level - 1),
            };
            self.counts.add(target(entry), what);
        }
    }

    /// Works out what follows from changed facts, frees what nobody uses any more; gives the frames
    /// that were freed.
    pub fn recount(&mut self) -> Set {
        self.count();
        let mut freed = 0;
        for f in 0..FRAMES {
            if let Owner::Domain(d) = self.frames[f].owner
                && self.counts.refs[f] == 0
            {
                freed |= bit(f as u64) | charge(d) | POOL;
                self.frames[f].owner = Owner::Free;
                self.frames[f].data = Some((d, self.doms[d].life));
                self.m2p[f] = NO_PFN;
            }
        }
        for d in 0..DOMAINS {
            let owns = self.frames.iter().any(|f| f.owner == Owner::Domain(d));
            if self.doms[d].dead && !owns {
                self.doms[d].exists = false;
            }
        }
        freed
    }

    /// Frames that a domain owns.
    pub fn owned(&self, d: usize) -> Set {
        (0..FRAMES)
            .filter(|&f| self.frames[f].owner == Owner::Domain(d))
            .fold(0, |set, f| set | bit(f as u64))
    }

    /// Free frames.
    pub fn free(&self) -> Set {
        (0..FRAMES)
            .filter(|&f| self.frames[f].owner == Owner::Free)
            .fold(0, |set, f| set | bit(f as u64))
    }

    /// Frames that a domain is charged for.
    pub fn charged(&self, d: usize) -> u32 {
        let charged = |f: &&Frame| f.owner == Owner::Domain(d) && f.data.is_some() && !f.shared;
        self.frames.iter().filter(charged).count() as u32
    }

    /// The frames of `set` and what their entries lead to, as if all were tables.
    pub fn closure(&self, set: Set) -> Set {
        let mut all = set & ALL;
        let mut new = all;
        for _ in 0..4 {
            let mut next = 0;
            for f in members(new) {
                for (_, entry) in self.mem[f].present() {
                    next |= bit(target(entry));
                }
            }
            new = next & !all;
            all |= next;
            if new == 0 {
                break;
            }
        }
        all
    }

    /// The level-1 table and index for `va` under a root, by memory.
    pub fn l1_slot(&self, root: u64, va: u64) -> Option<(usize, usize)> {
        let mut table = root as usize;
        for level in (2..=4).rev() {
            let entry = self.mem.get(table)?[(va >> (3 + 9 * level) & 511) as usize];
            if entry & P == 0 {
                return None;
            }
            table = target(entry) as usize;
        }
        Some((table, (va >> 12 & 511) as usize))
    }

    // ---- who is meant ---------------------------------------------------------------------------

    /// The domain of a number, if there is one or was one last in its place.
    pub fn place(&self, domid: u16) -> Option<usize> {
        (0..DOMAINS).find(|&d| self.doms[d].domid == domid)
    }

    /// The domain of a number, if there is one.
    pub fn find(&self, domid: u16) -> Result<usize> {
        let d = self.place(domid).filter(|&d| self.doms[d].exists);
        d.ok_or(Errno::ESRCH)
    }

    /// The domain of a number, for a caller who may act on it.
    pub fn subject(&self, me: usize, domid: u16) -> Result<usize> {
        if domid == DOMID_SELF || domid == self.doms[me].domid {
            return Ok(me);
        }
        let d = self.find(domid)?;
        if me == 0 { Ok(d) } else { Err(Errno::EPERM) }
    }

    /// Whose pages are meant; `None` for devices'.
    pub fn page_owner(&self, me: usize, domid: u16) -> Result<Option<usize>> {
        match domid {
            DOMID_SELF => Ok(Some(me)),
            DOMID_IO | DOMID_XEN if me == 0 => Ok(None),
            DOMID_IO | DOMID_XEN => Err(Errno::EPERM),
            _ if domid == self.doms[me].domid => Err(Errno::ESRCH),
            _ => self.subject(me, domid).map(Some),
        }
    }

    /// The same where entries map them: any domain may name devices'.
    pub fn pages(&self, me: usize, domid: u16) -> Result<Option<usize>> {
        match domid {
            DOMID_IO => Ok(None),
            _ => self.page_owner(me, domid),
        }
    }

    /// The parties that `mmu_update`'s last argument names.
    pub fn parties(&self, me: usize, foreign: u32) -> Result<Parties> {
        if foreign == u32::from(DOMID_SELF) {
            return Ok(Parties {
                table: me,
                pages: Some(me),
                hypervisors: false,
                caller: me,
            });
        }
        let table = match (foreign >> 16) as u16 {
            0 => me,
            n if n - 1 == DOMID_SELF => return Err(Errno::ESRCH),
            n => self.subject(me, n - 1)?,
        };
        Ok(Parties {
            table,
            pages: self.pages(me, foreign as u16)?,
            hypervisors: foreign as u16 == DOMID_XEN,
            caller: me,
        })
    }

    /// Whether `mmu_update`'s last argument names a domain that is being, or has been, destroyed.
    pub fn names_the_dead(&self, foreign: u32) -> bool {
        let named = [foreign & 0xffff, (foreign >> 16).wrapping_sub(1)];
        let dead = |&domid: &u32| self.place(domid as u16).is_some_and(|d| self.doms[d].dead);
        named.iter().any(dead)
    }

    /// Which domains there are.
    pub fn found(&self) -> [bool; DOMAINS] {
        std::array::from_fn(|d| self.doms[d].exists)
    }

    // ---- uses -----------------------------------------------------------------------------------

    fn owns(&self, d: usize, mfn: u64) -> bool {
        mfn < FRAMES as u64 && self.frames[mfn as usize].owner == Owner::Domain(d)
    }

    fn may_write(&self, d: usize, mfn: u64) -> bool {
        self.owns(d, mfn) && matches!(self.counts.uses[mfn as usize], Use::None | Use::Writable)
    }

    /// Whether a level-1 entry may be there; gives it as it is then kept. Its use is noted.
    fn map(&mut self, parties: Parties, entry: u64) -> Result<u64> {
        let mfn = target(entry);
        let other_cache = entry & (1 << 3 | 1 << 4 | 1 << 7) != 0;
        if other_cache && parties.table != 0 {
            return Err(Errno::EINVAL);
        }
        if let Some(named) = parties.pages {
            let d = match self.frames.get(mfn as usize).map(|frame| frame.owner) {
                // The control domain hands on what it has by its power over all.
                Some(Owner::Domain(d)) if named == 0 && parties.table != 0 => d,
                _ => named,
            };
            if entry & RW != 0 && self.may_write(d, mfn) {
                self.counts.add(mfn, Use::Writable);
                return Ok(entry);
            }
            if entry & RW == 0 && self.owns(d, mfn) {
                self.counts.add(mfn, Use::None);
                return Ok(entry);
            }
        }
        if mfn == 0xff_ffff_ffff {
            Err(Errno::EINVAL)
        } else if mfn < FRAMES as u64 {
            Err(Errno::EBUSY)
        } else if !parties.has_devices() || mfn >= NO_SUCH_FRAME {
            Err(Errno::EPERM)
        } else if entry & (1 << 4 | 1 << 7) == 0 {
            // A device is not cached unless its driver chose how.
            Ok(entry | 1 << 3 | 1 << 4)
        } else {
            Ok(entry)
        }
    }

    /// Makes a frame a table of a level, with all below it; changes nothing but the marks of
    /// `half_done` if that cannot be.
    pub fn table(&mut self, d: usize, mfn: u64, level: u8) -> Result<()> {
        let before = self.counts;
        let mut undo = Vec::new();
        let made = self.table_below(d, mfn, level, &mut undo);
        if made.is_err() {
            self.counts = before;
            for (f, level, old) in undo {
                self.mem[f] = old;
                self.half_done.push((f, level));
            }
        }
        made
    }

    fn table_below(
        &mut self,
        d: usize,
        mfn: u64,
        level: u8,
        undo: &mut Vec<(usize, u8, Page)>,
    ) -> Result<()> {
        if !self.owns(d, mfn) {
            return Err(Errno::EINVAL);
        }
        let f = mfn as usize;
        match self.counts.uses[f] {
            Use::Table(now) if now == level => {
                self.counts.add(mfn, Use::Table(level));
                return Ok(());
            }
            Use::None => self.counts.add(mfn, Use::Table(level)),
            _ => return Err(Errno::EINVAL),
        }
        undo.push((f, level, self.mem[f].clone()));
        if level == 4 {
            for slot in 256..272 {
                self.mem[f].set(slot, P | RW | (slot as u64) << 40);
            }
        }
        let own = Parties {
            table: d,
            pages: Some(d),
            hypervisors: false,
            caller: d,
        };
        let entries: Vec<_> = self.mem[f].present().collect();
        for (index, entry) in entries {
            if hypervisors_slot(level, index) {
                continue;
            }
            let entry = kept(level, entry);
            let entry = if level == 1 {
                self.map(own, entry)?
            } else if table_bits(entry) {
                self.table_below(d, target(entry), level - 1, undo)?;
                entry
            } else {
                return Err(Errno::EINVAL);
            };
            self.mem[f].set(index, entry);
        }
        Ok(())
    }

    /// A page of descriptors.
    fn descriptors(&mut self, d: usize, mfn: u64) -> Result<()> {
        if !self.owns(d, mfn) {
            return Err(Errno::EINVAL);
        }
        let f = mfn as usize;
        match self.counts.uses[f] {
            Use::Descriptors => {}
            Use::None => {
                let kept: Option<Vec<u64>> = self.mem[f].iter().map(descriptor).collect();
                let Some(kept) = kept else {
                    self.half_done.push((f, 0));
                    return Err(Errno::EINVAL);
                };
                self.mem[f] = Page::new(std::array::from_fn(|i| kept[i]));
            }
            _ => return Err(Errno::EINVAL),
        }
        self.counts.add(mfn, Use::Descriptors);
        Ok(())
    }

    // ---- operations -----------------------------------------------------------------------------

    /// One entry of a table, or one word of plain memory, becomes `raw`.
    pub fn update(&mut self, parties: Parties, address: u64, raw: u64, keep: bool) -> Result<()> {
        let (mfn, index) = (address >> 12, (address >> 3 & 511) as usize);
        if !self.owns(parties.table, mfn) {
            return Err(Errno::EINVAL);
        }
        let f = mfn as usize;
        let level = match self.counts.uses[f] {
            Use::Table(level) => level,
            Use::Descriptors => return Err(Errno::EINVAL),
            Use::None | Use::Writable => {
                self.mem[f].set(index, raw);
                self.written[f] = self.epoch;
                return Ok(());
            }
        };
        if hypervisors_slot(level, index) {
            return Err(Errno::EINVAL);
        }
        let old = self.mem[f][index];
        let mut new = kept(level, raw);
        let matters = (old | new) & P != 0 && (old ^ new) & !(A | D | AVAIL) != 0;
        if matters && new & P != 0 {
            if level == 1 {
                new = self.map(parties, new)?;
            } else if !table_bits(new) {
                return Err(Errno::EINVAL);
            } else if old & P == 0 || target(old) != target(new) {
                self.table(parties.table, target(new), level - 1)?;
            }
        }
        let kept = if keep { old & (A | D) } else { 0 };
        self.mem[f].set(index, new | kept);
        Ok(())
    }

    /// `update_va_mapping` in the caller's kernel address space.
    pub fn update_va(&mut self, parties: Parties, root: u64, va: u64, raw: u64) -> Result<()> {
        let (table, index) = self.l1_slot(root, va).ok_or(Errno::EINVAL)?;
        self.update(parties, (table << 12 | index << 3) as u64, raw, false)
    }

    /// Pins a table.
    pub fn pin(&mut self, d: usize, mfn: u64, level: u8) -> Result<()> {
        self.table(d, mfn, level)?;
        if self.doms[d].dead {
            return Err(Errno::EINVAL);
        }
        let pinned = &mut self.frames[mfn as usize].pinned;
        if pinned.is_some() {
            return Err(Errno::EINVAL);
        }
        *pinned = Some(level);
        Ok(())
    }

    /// Takes a pin off.
    pub fn unpin(&mut self, d: usize, mfn: u64) -> Result<()> {
        if !self.owns(d, mfn) {
            return Err(Errno::EINVAL);
        }
        self.frames[mfn as usize]
            .pinned
            .take()
            .map(|_| ())
            .ok_or(Errno::EINVAL)
    }

    /// Clears a page, or copies another over it.
    pub fn fill(&mut self, d: usize, to: u64, from: Option<u64>) -> Result<()> {
        if from.is_some_and(|from| !self.owns(d, from)) || !self.may_write(d, to) {
            return Err(Errno::EINVAL);
        }
        self.mem[to as usize] = from.map_or(Page::ZERO, |from| self.mem[from as usize].clone());
        self.written[to as usize] = self.epoch;
        Ok(())
    }

    /// `set_gdt`.
    pub fn set_gdt(&mut self, me: (usize, usize), frames: &[u64]) -> Result<()> {
        let before = self.counts;
        for &mfn in frames {
            if let Err(e) = self.descriptors(me.0, mfn) {
                self.counts = before;
                return Err(e);
            }
        }
        self.doms[me.0].vcpus[me.1].gdt = frames.to_vec();
        Ok(())
    }

    /// `XEN_DOMCTL_setvcpucontext` of a vCPU that has none, and holds nothing.
    pub fn set_context(&mut self, who: (usize, usize), root: u64, gdt: &[u64]) -> Result<()> {
        let before = self.counts;
        let pages = gdt.iter().try_for_each(|&mfn| self.descriptors(who.0, mfn));
        if let Err(e) = pages.and_then(|()| self.table(who.0, root, 4)) {
            self.counts = before;
            return Err(e);
        }
        let vcpu = &mut self.doms[who.0].vcpus[who.1];
        (vcpu.kernel_root, vcpu.gdt) = (Some(root), gdt.to_vec());
        self.doms[who.0].stage.ready[who.1] = true;
        Ok(())
    }

    /// `update_descriptor`.
    pub fn update_descriptor(&mut self, d: usize, address: u64, raw: u64) -> Result<()> {
        let (mfn, index) = (address >> 12, (address >> 3 & 511) as usize);
        let kept = descriptor(raw)
            .filter(|_| address & 7 == 0)
            .ok_or(Errno::EINVAL)?;
        if !self.may_write(d, mfn) {
            self.descriptors(d, mfn)?;
        }
        self.mem[mfn as usize].set(index, kept);
        self.written[mfn as usize] = self.epoch;
        Ok(())
    }

    /// The processor misses byte `offset` of the LDT; true if it is there now.
    pub fn ldt_page(&mut self, me: (usize, usize), root: u64, offset: u32) -> bool {
        let page = (offset >> 12) as usize;
        let vcpu = &self.doms[me.0].vcpus[me.1];
        if offset >= vcpu.ldt.1 * 8 || vcpu.ldt_pages[page].is_some() {
            return false;
        }
        let va = vcpu.ldt.0 + (page as u64) * 4096;
        let Some((table, index)) = self.l1_slot(root, va) else {
            return false;
        };
        let entry = self.mem[table][index];
        if entry & P == 0 || self.descriptors(me.0, target(entry)).is_err() {
            return false;
        }
        self.doms[me.0].vcpus[me.1].ldt_pages[page] = Some(target(entry));
        true
    }

    /// How many aligned extents are free.
    pub fn free_extents(&self, order: u32) -> usize {
        let free = self.free();
        let blocks = (0..FRAMES as u64 >> order).map(|i| extent(i << order, order));
        blocks.filter(|block| free & block == *block).count()
    }

    /// Frames that a domain lacks of what was claimed for it.
    pub fn outstanding(&self, d: usize) -> u32 {
        self.doms[d].claim.saturating_sub(self.charged(d))
    }

    /// Free frames that are not claimed.
    pub fn unclaimed(&self) -> u32 {
        let claimed: u32 = (0..DOMAINS).map(|d| self.outstanding(d)).sum();
        self.free().count_ones() - claimed
    }

    /// Whether a domain may have `2^order` frames more, and they are there: claimed for it, or not
    /// claimed at all.
    pub fn can_give(&self, d: usize, order: u32) -> bool {
        let count = 1 << order;
        let may = self.charged(d) + count <= self.doms[d].max_pages;
        let there = self.unclaimed() >= count || self.outstanding(d) >= count;
        !self.doms[d].dead && may && there && self.free_extents(order) != 0
    }

    /// Frames have come to a domain: its claim is over if it is met.
    pub fn has_come(&mut self, d: usize) {
        if self.outstanding(d) == 0 {
            self.doms[d].claim = 0;
        }
    }

    /// `XENMEM_claim_pages`.
    pub fn claim(&mut self, me: usize, domid: u16, pages: u32) -> Result<()> {
        if me != 0 {
            return Err(Errno::EPERM);
        }
        let d = self.find(domid).map_err(|_| Errno::EINVAL)?;
        let (has, dom) = (self.charged(d), &self.doms[d]);
        if pages == 0 {
            self.doms[d].claim = 0;
        } else if dom.dead || dom.claim != 0 || pages > dom.max_pages || pages <= has {
            return Err(Errno::EINVAL);
        } else if pages - has > self.unclaimed() {
            return Err(Errno::ENOMEM);
        } else {
            self.doms[d].claim = pages;
        }
        Ok(())
    }

    /// Frames from `first` on become a domain's; `machine` says what is in them.
    ///
    /// # Errors
    /// They were not to be given, or hold what nobody may see.
    pub fn give(
        &mut self,
        d: usize,
        first: u64,
        order: u32,
        machine: &dyn Fn(usize) -> Page,
    ) -> Result<(), String> {
        for mfn in first..first + (1 << order) {
            let f = mfn as usize;
            if f >= FRAMES
                || self.frames[f].owner != Owner::Free
                || !first.is_multiple_of(1 << order)
            {
                return Err(format!(
                    "frame {mfn:x} was given out, and is not free or not aligned"
                ));
            }
            let now = machine(f);
            let own = self.frames[f].data == Some((d, self.doms[d].life));
            // Mixed operations freed it, and nobody saw whose data is in it.
            let unseen = self.frames[f].data == Some((DOMAINS, 0));
            if now != Page::ZERO && !(own && now == self.mem[f]) && !unseen {
                return Err(format!(
                    "frame {mfn:x} came with data of {:?}",
                    self.frames[f].data
                ));
            }
            self.mem[f] = now;
            self.frames[f] = Frame {
                owner: Owner::Domain(d),
                claimed: true,
                pinned: None,
                shared: false,
                data: Some((d, self.doms[d].life)),
            };
        }
        Ok(())
    }

    /// A domain gives one frame up; false if it cannot.
    pub fn give_up(&mut self, d: usize, mfn: u64) -> bool {
        if !self.owns(d, mfn) {
            return false;
        }
        let f = mfn as usize;
        let claimed = std::mem::take(&mut self.frames[f].claimed);
        if claimed {
            self.m2p[f] = NO_PFN;
        }
        claimed
    }

    /// Destroys a domain.
    pub fn destroy(&mut self, d: usize) {
        self.doms[d].dead = true;
        self.doms[d].claim = 0;
        self.doms[d].stage.made = false;
        self.doms[d].stage.ready = [false; 2];
        self.doms[d].vcpus.fill(Vcpu::default());
        for f in members(std::mem::take(&mut self.doms[d].ports)) {
            if self.frames[f].owner == Owner::Hypervisor {
                self.frames[f].owner = Owner::Free;
                self.frames[f].data = Some((DOMAINS, 0));
            }
        }
        for (f, m2p) in self.frames.iter_mut().zip(&mut self.m2p) {
            if f.owner == Owner::Domain(d) {
                if f.claimed {
                    *m2p = NO_PFN;
                }
                (f.claimed, f.pinned, f.shared) = (false, None, false);
            }
        }
    }
}
