//! What a step asks for when it runs: an operation with its operands chosen.

use std::fmt;

use super::format::{Kind, Step};
use super::model::{
    DOMAINS, FRAMES, Model, NO_SUCH_FRAME, Owner, POOL, Set, Use, bit, charge, extent, holdings,
    members, target,
};
use super::world::WINDOW_LDT;

/// An operation, ready to be asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    /// `mmu_update`: requests (ptr, val), the last argument, whether the count done is asked for.
    Mmu(Vec<(u64, u64)>, u32, bool),
    /// `update_va_mapping`, `_otherdomain` if a domain is given: va, value, flags.
    Va(u64, u64, u64, Option<u16>),
    /// `mmuext_op`: command, arguments; and the domain. With `pdone` but for those of roots.
    Ext(u32, u64, u64, u16),
    /// `memory_op` populate (6), increase (0), decrease (1): domain, extents, order.
    Reserve(u32, u16, Vec<u64>, u32),
    /// `XENMEM_exchange`: input frames, output numbers, their orders.
    Exchange(Vec<u64>, Vec<u64>, u32, u32),
    /// `memory_op` current (3) or maximum (4) reservation of a domain.
    Reservation(u32, u16),
    /// `set_gdt`.
    SetGdt(Vec<u64>),
    /// `update_descriptor`.
    Descriptor(u64, u64),
    /// #PF at a byte of the LDT.
    LdtFault(u32),
    /// Access of an address: va, whether it writes.
    Touch(u64, bool),
    /// A store by the instruction in the window: va, instruction, operand.
    Store(u64, usize, u64),
    /// The timer fires.
    Tick,
    /// Into user mode, or back.
    Mode,
    /// `vm_assist`.
    Assist(u64, u64),
    /// `XEN_DOMCTL_max_mem`, pages.
    MaxMem(u16, u32),
    /// `XEN_DOMCTL_destroydomain`.
    Destroy(u16),
    /// `XENMEM_claim_pages`: a domain, and how many it is to have in all.
    Claim(u16, u32),
    /// `multicall`.
    Multi(Vec<Call>),
    /// `XEN_DOMCTL_createdomain`: the place, its number there, vCPUs.
    Create(usize, u16, u32),
    /// `XEN_DOMCTL_max_vcpus`.
    MaxVcpus(u16, u32),
    /// `XEN_DOMCTL_setvcpucontext`: a vCPU's root and pages of its GDT.
    SetContext(u16, usize, u64, Vec<u64>),
    /// `XEN_DOMCTL_unpausedomain`.
    Unpause(u16),
    /// All end, and others begin.
    Anew,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mmu(list, foreign, tell) => {
                write!(f, "mmu_update({list:x?}, {foreign:x}, {tell})")
            }
            Self::Va(va, val, flags, dom) => {
                write!(f, "update_va({va:x}, {val:x}, {flags:x}, {dom:x?})")
            }
            Self::Ext(cmd, a, b, dom) => write!(f, "mmuext({cmd}, {a:x}, {b:x}, {dom:x})"),
            Self::Reserve(cmd, dom, extents, order) => {
                write!(f, "memory_op({cmd}, {dom:x}, {extents:x?}, order {order})")
            }
            Self::Exchange(i, o, io, oo) => write!(f, "exchange({i:x?}, {o:x?}, {io}, {oo})"),
            Self::Reservation(cmd, dom) => write!(f, "memory_op({cmd}, {dom:x})"),
            Self::SetGdt(frames) => write!(f, "set_gdt({frames:x?})"),
            Self::Descriptor(at, raw) => write!(f, "update_descriptor({at:x}, {raw:x})"),
            Self::LdtFault(at) => write!(f, "LDT fault at {at:x}"),
            Self::Touch(va, true) => write!(f, "write {va:x}"),
            Self::Touch(va, false) => write!(f, "read {va:x}"),
            Self::Store(va, which, val) => write!(f, "store {va:x}, form {which}, {val:x}"),
            Self::Tick => write!(f, "timer"),
            Self::Mode => write!(f, "change of mode"),
            Self::Assist(a, b) => write!(f, "vm_assist({a}, {b})"),
            Self::MaxMem(dom, pages) => write!(f, "max_mem({dom}, {pages})"),
            Self::Destroy(dom) => write!(f, "destroy({dom})"),
            Self::Claim(dom, pages) => write!(f, "claim({dom:x}, {pages})"),
            Self::Multi(entries) => write!(f, "multicall({entries:?})"),
            Self::Create(_, dom, vcpus) => write!(f, "create({dom}, {vcpus})"),
            Self::MaxVcpus(dom, vcpus) => write!(f, "max_vcpus({dom}, {vcpus})"),
            Self::SetContext(dom, v, root, gdt) => {
                write!(f, "setvcpucontext(d{dom}v{v}, {root:x}, {gdt:x?})")
            }
            Self::Unpause(dom) => write!(f, "unpause({dom})"),
            Self::Anew => write!(f, "everything anew"),
        }
    }
}

/// What kind of frame an operand shall name.
#[derive(Clone, Copy)]
enum Want {
    /// A table of a level, or what may become one.
    Table(u8),
    /// A table of any level.
    Live,
    /// Anything.
    Any,
}

/// Chooses operands for the caller, vCPU `v` of domain `d`.
pub struct Chooser<'a> {
    pub(super) model: &'a Model,
    d: usize,
    v: usize,
}

const INDICES: [u64; 8] = [0, 1, 2, 8, 256, 271, 272, 511];
/// Domain numbers that an operand chooses from, beside the three.
const ODD_DOMAINS: [u16; 5] = [0x7ff0, 0x7ff1, 0x7ff2, 5, 0x7ff4];

impl<'a> Chooser<'a> {
    /// For a caller.
    pub fn new(model: &'a Model, d: usize, v: usize) -> Self {
        Self { model, d, v }
    }

    /// An index into a table: mostly one of the first.
    fn index(byte: u8) -> u64 {
        if byte & 0xc0 == 0 {
            INDICES[usize::from(byte & 7)]
        } else {
            u64::from(byte & 3)
        }
    }

    /// An address whose indices are few.
    fn va(byte: u8, more: u8) -> u64 {
        let top = [0, 0, 0, 0, 0, 0, 1, 511][usize::from(more >> 5)];
        let va = top << 39 | u64::from(more >> 4 & 1) << 30 | Self::index(byte) << 12;
        (va << 16) as i64 as u64 >> 16 | if top > 255 { 0xffff << 48 } else { 0 }
    }

    /// A frame of domain `d`, mostly one that fits.
    fn frame_of(&self, d: usize, want: Want, byte: u8) -> u64 {
        let m = self.model;
        if byte >= 0xf4 {
            let others = m.owned((d + 1) % DOMAINS);
            let pick = |set: Set| members(set).nth(usize::from(byte & 1)).unwrap_or(0) as u64;
            return match byte {
                0xf4 | 0xf5 => pick(others),
                0xf6 | 0xf7 => pick(m.free()),
                0xf8 => 0,
                0xf9 => FRAMES as u64,
                0xfa => 3,
                0xfb => 0xfee00,
                0xfc => NO_SUCH_FRAME,
                0xfd => 0xff_ffff_ffff,
                _ => pick(m.owned((d + 2) % DOMAINS)),
            };
        }
        let fits = |f: &usize| match want {
            Want::Table(level) => {
                m.counts.uses[*f] == Use::Table(level)
                    || (byte & 3 == 0 && m.counts.uses[*f] == Use::None)
            }
            Want::Live => matches!(m.counts.uses[*f], Use::Table(_)),
            Want::Any => true,
        };
        let own = m.owned(d);
        let fitting: Vec<usize> = members(own)
            .filter(|f| byte & 0xc0 == 0xc0 || fits(f))
            .collect();
        let all: Vec<usize> = members(own).collect();
        let list = if fitting.is_empty() { all } else { fitting };
        match list.len() {
            0 => 0,
            n => list[usize::from(byte & 0x3f) / 2 % n] as u64,
        }
    }

    fn frame(&self, want: Want, byte: u8) -> u64 {
        self.frame_of(self.d, want, byte)
    }

    /// Flags of an entry: mostly ordinary ones.
    fn flags(byte: u8, odd: u8) -> u64 {
        let mut flags = u64::from(byte & 0x67) | 1;
        if byte >> 3 & 3 == 0 {
            flags &= !2;
        }
        if odd < 24 {
            flags |= 1 << [3, 4, 7, 8, 9, 11, 52, 63][usize::from(odd & 7)];
        } else if odd < 56 {
            flags &= !1;
        } else if odd < 64 {
            flags = 0;
        }
        flags
    }

    fn domid(&self, byte: u8) -> u16 {
        match byte {
            0..=95 => self.model.doms[(self.d + 1) % DOMAINS].domid,
            96..=191 => self.model.doms[(self.d + 2) % DOMAINS].domid,
            192..=223 => 0x7ff0,
            _ => ODD_DOMAINS[usize::from(byte % 5)],
        }
    }

    /// One request: an entry of a table of `tables` that shall map or refer to a frame of `pages`.
    fn request(&self, tables: usize, pages: usize, a: [u8; 6]) -> (u64, u64) {
        let want = if a[0] & 7 == 0 { Want::Any } else { Want::Live };
        let table = self.frame_of(tables, want, a[0].wrapping_mul(5));
        let level = match self.model.counts.uses.get(table as usize) {
            Some(Use::Table(level)) => *level,
            _ => a[1] >> 6,
        };
        let want = if level > 1 {
            Want::Table(level - 1)
        } else {
            Want::Any
        };
        let owner = if level > 1 { tables } else { pages };
        let mut flags = Self::flags(a[3], a[4]);
        if level == 1 && a[5] & 0x30 == 0 {
            flags |= 2;
        }
        let val = self.frame_of(owner, want, a[2]) << 12 | flags;
        let command = match a[5] & 15 {
            0..=9 => 0,
            10..=12 => 2,
            13 => 3,
            14 => 1,
            _ => 4 | u64::from(a[4] & 3),
        };
        let val = if command == 1 { u64::from(a[2]) } else { val };
        (table << 12 | Self::index(a[1]) << 3 | command, val)
    }

    fn root(&self) -> Option<u64> {
        self.model.doms[self.d].vcpus[self.v].kernel_root
    }

    /// An address that maps a table of the caller, if there is one nearby.
    fn va_of_table(&self, a: u8, b: u8) -> u64 {
        let first = Self::va(a, b);
        for page in 0..8 {
            let va = first & !0xfff | page << 12;
            if let Some(root) = self.root()
                && let Some((table, index)) = self.model.l1_slot(root, va)
                && let entry = self.model.mem[table][index]
                && entry & 1 != 0
                && matches!(
                    self.model.counts.uses.get(target(entry) as usize),
                    Some(Use::Table(1))
                )
            {
                return va;
            }
        }
        first
    }

    /// The operation of a step.
    pub fn choose(&self, step: &Step) -> Call {
        let a = step.args;
        let count = 1 + u64::from(a[5] >> 6);
        match step.kind {
            Kind::MmuUpdate => {
                let list = (0..count).map(|n| self.request(self.d, self.d, step.more(n)));
                Call::Mmu(list.collect(), 0x7ff0, a[4] & 0x80 == 0)
            }
            Kind::MmuForeign => self.foreign(step, count),
            Kind::UpdateVa | Kind::UpdateVaOther => {
                let other = step.kind == Kind::UpdateVaOther;
                let domid = self.domid(a[0]);
                let pages = match self.model.place(domid) {
                    Some(d) if other => d,
                    _ => self.d,
                };
                let val = self.frame_of(pages, Want::Any, a[2]) << 12 | Self::flags(a[3], a[4]);
                let flags = match a[5] & 15 {
                    0..=3 => 0,
                    n @ 4..=7 => u64::from(n & 3) | (u64::from(a[4] & 1) << 2),
                    n => u64::from(n & 3),
                };
                Call::Va(
                    Self::va(a[1], a[0] | 0x0f),
                    val,
                    flags,
                    other.then_some(domid),
                )
            }
            Kind::Pin => {
                let level = 1 + a[1] % 4;
                Call::Ext(
                    u32::from(level) - 1,
                    self.frame(Want::Table(level), a[0]),
                    0,
                    0x7ff0,
                )
            }
            Kind::Unpin => Call::Ext(4, self.frame(Want::Live, a[0]), 0, 0x7ff0),
            Kind::PinForeign => {
                let domid = self.domid(a[1]);
                let d = self.model.place(domid).unwrap_or(DOMAINS - 1);
                let level = 1 + a[2] % 4;
                let cmd = if a[2] & 0x40 == 0 {
                    4
                } else {
                    u32::from(level) - 1
                };
                Call::Ext(cmd, self.frame_of(d, Want::Table(level), a[0]), 0, domid)
            }
            Kind::NewRoot => Call::Ext(5, self.frame(Want::Table(4), a[0]), 0, 0x7ff0),
            Kind::NewUserRoot => {
                let root = if a[1] < 40 {
                    0
                } else {
                    self.frame(Want::Table(4), a[0])
                };
                Call::Ext(15, root, 0, 0x7ff0)
            }
            Kind::ClearPage => Call::Ext(16, self.frame(Want::Any, a[0]), 0, 0x7ff0),
            Kind::CopyPage => {
                let from = self.frame(Want::Any, a[1]);
                Call::Ext(17, self.frame(Want::Any, a[0]), from, 0x7ff0)
            }
            Kind::Flush => self.flush(a),
            Kind::SetLdt => {
                let entries = [0, 1, 512, 513, 8192, 8193][usize::from(a[1] % 6)];
                Call::Ext(
                    13,
                    Self::va(a[0], a[2]) & !0xfff | u64::from(a[3] < 8),
                    entries,
                    0x7ff0,
                )
            }
            Kind::LdtFault => Call::LdtFault(u32::from(a[0] % 3) << 12 | u32::from(a[1]) << 3),
            Kind::SetGdt => {
                let list = (0..u64::from(a[0] % 3)).map(|n| self.frame(Want::Any, step.more(n)[1]));
                Call::SetGdt(list.collect())
            }
            Kind::Descriptor => {
                let raw = u64::from(a[2]) << 40 | u64::from(a[3]);
                let at = self.frame(Want::Any, a[0]) << 12 | Self::index(a[1]) << 3;
                Call::Descriptor(at | u64::from(a[4] < 8), raw)
            }
            Kind::Populate | Kind::Increase | Kind::Decrease | Kind::Exchange => {
                self.memory(step, count)
            }
            Kind::Reservation => Call::Reservation(3 + u32::from(a[0] & 1), self.domid(a[1])),
            Kind::Touch => Call::Touch(
                Self::va(a[0], a[1]) | (u64::from(a[2] & 7) << 3),
                a[3] & 1 != 0,
            ),
            Kind::Store => {
                let va = self.va_of_table(a[0], a[1]);
                let (_, val) = self.request(self.d, self.d, step.more(1));
                let byte = u64::from(a[4] < 8);
                Call::Store(
                    va | Self::index(a[5]) << 3 | byte,
                    usize::from(a[2] % 6),
                    val,
                )
            }
            Kind::Tick => Call::Tick,
            Kind::Mode => Call::Mode,
            Kind::Assist => Call::Assist(u64::from(a[0] % 3), u64::from(a[1] % 6)),
            Kind::MaxMem => {
                let pages = [10, 11, 12, 13, 15, 17, 30, 60][usize::from(a[1] % 8)];
                Call::MaxMem(self.other(a[0]), pages)
            }
            Kind::Destroy => Call::Destroy(if a[1] < 8 { 0 } else { self.other(a[0]) }),
            Kind::Create | Kind::MaxVcpus | Kind::SetContext | Kind::Unpause => self.toolstack(a),
            Kind::Claim => {
                let domid = self.domid(a[0]);
                let has = self.model.place(domid).map_or(0, |d| self.model.charged(d));
                let more = [1, 2, 3, 5, 8, 60][usize::from(a[1] % 6)];
                Call::Claim(domid, if a[2] < 100 { 0 } else { has + more })
            }
            Kind::Multicall => {
                let entries = (0..2 + u64::from(a[0] & 3)).map(|n| self.entry(&step.entry(n)));
                Call::Multi(entries.collect())
            }
            Kind::Anew => Call::Anew,
        }
    }

    /// An entry of a multicall.
    fn entry(&self, step: &Step) -> Call {
        match step.kind {
            Kind::Multicall => Call::Multi(Vec::new()),
            Kind::Touch
            | Kind::Store
            | Kind::LdtFault
            | Kind::Tick
            | Kind::Mode
            | Kind::Create
            | Kind::MaxVcpus
            | Kind::SetContext
            | Kind::Unpause
            | Kind::Anew => Call::Reservation(3 + u32::from(step.args[0] & 1), 0x7ff0),
            _ => self.choose(step),
        }
    }

    /// The number of one of the domains that are not privileged.
    fn other(&self, byte: u8) -> u16 {
        self.model.doms[1 + usize::from(byte % 2)].domid
    }

    fn foreign(&self, step: &Step, count: u64) -> Call {
        let a = step.args;
        let domid = self.domid(a[0]);
        let other = self.model.place(domid).unwrap_or(DOMAINS - 1);
        let table = match a[1] & 3 {
            // Its own tables: the usual way of a toolstack.
            0 | 1 => (0, self.d),
            2 => (u32::from(domid) + 1, other),
            _ => (u32::from(self.model.doms[self.d].domid) + 1, self.d),
        };
        let pages = if a[1] & 0x40 == 0 { domid } else { 0x7ff0 };
        let owner = if pages == domid || a[1] & 0x20 != 0 {
            other
        } else {
            self.d
        };
        let list = (0..count).map(|n| self.request(table.1, owner, step.more(n + 1)));
        Call::Mmu(list.collect(), table.0 << 16 | u32::from(pages), true)
    }

    fn flush(&self, a: [u8; 6]) -> Call {
        let cmd = [6, 7, 8, 9, 10, 11, 12, 18, 19, 20, 14, 30][usize::from(a[0] % 12)];
        let va = Self::va(a[1], a[2]);
        // The window holds a mask of vCPUs; nothing is ever mapped at the other address.
        let mask = if a[3] < 200 {
            super::world::MASK_AT
        } else {
            0x7f00_0000_0000
        };
        Call::Ext(
            cmd,
            va,
            mask,
            if a[4] < 240 { 0x7ff0 } else { self.domid(a[5]) },
        )
    }

    fn memory(&self, step: &Step, count: u64) -> Call {
        let a = step.args;
        let domid = match a[0] {
            0..=159 => 0x7ff0,
            byte => self.domid(byte.wrapping_mul(3)),
        };
        let d = self.model.place(domid).unwrap_or(self.d);
        let order = ORDERS[usize::from(a[1] & 31).min(15)];
        let pfn = |n| u64::from(step.more(n)[3]);
        match step.kind {
            Kind::Populate => Call::Reserve(6, domid, (0..count).map(pfn).collect(), order),
            Kind::Increase => Call::Reserve(0, domid, (0..count).map(pfn).collect(), order),
            Kind::Decrease => {
                let frame = |n| match order {
                    0 => self.frame_of(d, Want::Any, step.more(n)[2]),
                    _ => self.idle_extent(d, order, step.more(n)[2], 0),
                };
                // Rather pages that are in use nowhere else.
                let m = self.model;
                let idle = |mfn: &u64| m.counts.refs.get(*mfn as usize) == Some(&1) || a[4] < 64;
                let list = (0..count * 3).map(frame).filter(idle).take(count as usize);
                Call::Reserve(1, domid, list.collect(), order)
            }
            _ => self.exchange(step, count),
        }
    }

    /// The first of `2^order` frames of domain `d` that nothing uses, none of them in `used`, if there
    /// are such.
    fn idle_extent(&self, d: usize, order: u32, byte: u8, used: Set) -> u64 {
        let m = self.model;
        let all = members(m.owned(d)).filter(|&f| m.counts.refs[f] == 1);
        let idle = all.fold(0, |set, f| set | bit(f as u64)) & !used;
        let whole = |f: &usize| extent(*f as u64, order) & !idle == 0;
        let first: Vec<usize> = members(idle).filter(whole).collect();
        let chosen = usize::from(byte) % first.len().max(1);
        first.get(chosen).map_or(0, |&f| f as u64)
    }

    fn exchange(&self, step: &Step, count: u64) -> Call {
        let a = step.args;
        let (io, oo) = EXCHANGES[usize::from(a[1] & 15)];
        let (chunk, chunks) = (io.max(oo), if io == oo { count } else { 1 + (count & 1) });
        let (inputs, mut outputs) = match chunk {
            0..=4 => (chunks << (chunk - io), chunks << (chunk - oo)),
            _ => (1, 1),
        };
        if a[5] & 0x3c == 0 {
            outputs -= 1;
        }
        let mut used = 0;
        let mut input = |n: u64| {
            let byte = step.more(n)[2];
            let first = if a[4] < 10 {
                self.frame(Want::Any, byte)
            } else {
                self.idle_extent(self.d, io, byte, used)
            };
            used |= extent(first, io);
            first
        };
        let ins = (0..inputs).map(&mut input).collect();
        let outs = (0..outputs).map(|n| u64::from(step.more(n)[3]));
        Call::Exchange(ins, outs.collect(), io, oo)
    }
}

/// Orders of extents: above 9 none but the control domain may ask for, above 18 not even that.
const ORDERS: [u32; 16] = [1, 1, 1, 1, 2, 2, 3, 4, 5, 5, 9, 10, 18, 19, 19, 0];
/// Of extents exchanged, those that go and those that come.
const EXCHANGES: [(u32, u32); 16] = [
    (0, 0),
    (0, 0),
    (0, 0),
    (0, 1),
    (0, 1),
    (1, 0),
    (1, 0),
    (1, 1),
    (0, 2),
    (2, 0),
    (1, 2),
    (2, 1),
    (0, 3),
    (3, 0),
    (0, 4),
    (0, 10),
];

/// All that a call can touch.
pub const EVERYTHING: Set = !0;

/// The frames, and other things, that a call may change or whose change may change its outcome.
pub fn footprint(model: &Model, who: (usize, usize), call: &Call) -> Set {
    let mut set = match call {
        // What one entry changes is in the way of the next.
        Call::Multi(entries) => {
            let each = entries.iter().map(|entry| touched(model, who, entry));
            let all = each.fold(0, |set, one| set | one);
            all | model.closure(all) | holdings(who)
        }
        call => touched(model, who, call),
    };
    for f in members(set) {
        // Its last use may end.
        if let (Owner::Domain(d), false) = (model.frames[f].owner, model.frames[f].claimed) {
            set |= charge(d) | POOL;
        }
    }
    set
}

/// The same, but that uses may end.
pub fn touched(model: &Model, (d, v): (usize, usize), call: &Call) -> Set {
    let vcpu = &model.doms[d].vcpus[v];
    let all = |frames: &[u64]| frames.iter().fold(0, |set, &f| set | bit(f));
    let blocks = |frames: &[u64], order| frames.iter().fold(0, |set, &f| set | extent(f, order));
    let slot = |va: u64| {
        let root = vcpu.kernel_root?;
        model
            .l1_slot(root, va)
            .map(|(table, index)| (table as u64, model.mem[table][index]))
    };
    match call {
        Call::Mmu(list, ..) => {
            let one = |&(ptr, val): &(u64, u64)| {
                let table = ptr >> 12;
                let old = model
                    .mem
                    .get(table as usize)
                    .map_or(0, |m| m[(ptr >> 3 & 511) as usize]);
                bit(table) | model.closure(bit(target(val)) | bit(target(old)))
            };
            // What one request changes is in the way of the next.
            list.iter().map(one).fold(0, |set, one| set | one)
        }
        Call::Va(va, val, ..) => {
            let (table, old) = slot(*va).unwrap_or((!0, 0));
            bit(table) | bit(target(*val)) | bit(target(old)) | path(model, vcpu.kernel_root, *va)
        }
        Call::Ext(5, new, ..) => model.closure(bit(*new) | vcpu.kernel_root.map_or(0, bit)),
        Call::Ext(15, new, ..) => model.closure(bit(*new) | vcpu.user_root.map_or(0, bit)),
        Call::Ext(0..=4, mfn, ..) => model.closure(bit(*mfn)),
        Call::Ext(13, ..) => all(&vcpu.ldt_pages.iter().flatten().copied().collect::<Vec<_>>()),
        Call::Ext(16 | 17, a, b, _) => bit(*a) | bit(*b),
        Call::Ext(..) | Call::Assist(..) | Call::Tick | Call::Mode | Call::Touch(..) => 0,
        Call::Reserve(cmd, domid, extents, order) => {
            let charged = charge(model.place(*domid).unwrap_or(d));
            if *cmd == 1 {
                blocks(extents, *order) | POOL | charged
            } else {
                model.free() | POOL | charged
            }
        }
        Call::Exchange(ins, _, order, _) => blocks(ins, *order) | model.free() | POOL | charge(d),
        Call::Reservation(_, domid) => charge(model.place(*domid).unwrap_or(d)),
        Call::SetGdt(frames) => all(frames) | all(&vcpu.gdt),
        Call::Descriptor(at, _) => bit(at >> 12),
        Call::LdtFault(at) => {
            let va = vcpu.ldt.0 + u64::from(at >> 12 << 12);
            slot(va).map_or(0, |(_, entry)| bit(target(entry))) | path(model, vcpu.kernel_root, va)
        }
        Call::Store(va, _, val) => {
            let mapped = slot(*va).map_or(!0, |(_, entry)| target(entry));
            let old = model
                .mem
                .get(mapped as usize)
                .map_or(0, |m| m[(va >> 3 & 511) as usize]);
            // Which of the frames is named depends on how the two are combined.
            let named = [old, *val, old | val, old & val, old ^ val];
            let named = named.iter().fold(0, |set, e| set | bit(target(*e)));
            bit(mapped) | model.closure(named) | path(model, vcpu.kernel_root, *va)
        }
        Call::Claim(domid, _) => POOL | model.place(*domid).map_or(0, charge),
        Call::MaxMem(domid, _) | Call::Unpause(domid) => model.place(*domid).map_or(0, charge),
        Call::MaxVcpus(domid, _) => model
            .place(*domid)
            .map_or(0, |d| charge(d) | holdings((d, 0))),
        Call::SetContext(domid, v, root, gdt) => model.place(*domid).map_or(0, |d| {
            let vcpu = model.doms[d].vcpus.get(*v);
            let before = vcpu.map_or(0, |vcpu| all(&vcpu.gdt) | vcpu.kernel_root.map_or(0, bit));
            model.closure(bit(*root) | before) | all(gdt) | charge(d) | holdings((d, *v))
        }),
        Call::Destroy(domid) => model.place(*domid).map_or(0, |d| {
            let owned = model.owned(d);
            owned | model.closure(owned) | model.doms[d].ports | charge(d) | POOL
        }),
        Call::Create(d, ..) => model.free() | POOL | charge(*d),
        Call::Multi(_) => 0,
        Call::Anew => EVERYTHING,
    }
}

/// The tables that translate an address.
fn path(model: &Model, root: Option<u64>, va: u64) -> Set {
    let Some(mut table) = root else { return 0 };
    let mut set = bit(table);
    for level in (2..=4).rev() {
        let entry = model.mem[table as usize][(va >> (3 + 9 * level) & 511) as usize];
        table = target(entry);
        set |= bit(table);
        if entry & 1 == 0 || table >= FRAMES as u64 {
            break;
        }
    }
    set
}

/// The domains that a call destroys.
pub fn destroyed(call: &Call) -> Vec<u16> {
    match call {
        Call::Destroy(domid) => vec![*domid],
        Call::Multi(entries) => entries.iter().flat_map(destroyed).collect(),
        _ => Vec::new(),
    }
}

/// Whether a call makes sense to ask for now.
pub fn possible(model: &Model, call: &Call) -> bool {
    match call {
        // One at a time in each place.
        Call::Create(d, domid, _) => !model.doms[*d].exists || model.doms[*d].domid == *domid,
        Call::LdtFault(at) => u64::from(*at) < WINDOW_LDT,
        _ => true,
    }
}

/// Whether any frame is owned by somebody who does not exist.
pub fn orphan(model: &Model) -> Option<usize> {
    (0..FRAMES).find(|&f| match model.frames[f].owner {
        Owner::Domain(d) => !model.doms[d].exists,
        _ => false,
    })
}
