//! Domains that grant each other pages.

use std::boxed::Box;
use std::vec::Vec;

use hypercall_abi::grant_table::*;
use hypercall_abi::xen::__HYPERVISOR_grant_table_op;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::addr::{Mfn, table_index};
use crate::domain::Domain;
use crate::domain::lifecycle;
use crate::frame::word::Kind;
use crate::grant::census;
use crate::hypercall::{Budget, dispatch};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::{self, root};
use crate::testkit::{self, FakeMachine};
use crate::vcpu::VcpuBox;

pub(super) type Hv = &'static Hypervisor<FakeMachine>;

/// Where a domain's pages may be mapped, and how many.
const BASE: u64 = 0x40_0000;
pub(super) const SLOTS: usize = 6;
/// Where its arguments are.
const ARGS: u64 = 0x7000_0000;
/// Pages of a domain; the last is a page table.
pub(super) const PAGES: usize = 5;

/// A domain that runs.
pub(super) struct Party {
    pub(super) dom: &'static Domain,
    pub(super) vcpu: VcpuBox,
    pub(super) pages: Vec<Mfn>,
    /// Level 1 to level 4.
    tables: [Mfn; 4],
    /// Its shared entries.
    pub(super) shared: Mfn,
}

impl Party {
    pub(super) fn new(hv: Hv, id: u16) -> Self {
        let dom = testkit::domain(hv, id, 1, 40);
        let page = || hv.alloc_domain_page(dom).expect("a frame");
        let pages: Vec<Mfn> = (0..PAGES).map(|_| page()).collect();
        let tables = [page(), page(), page(), page()];
        let m = hv.machine;
        for level in 2..=4 {
            let at = table_index(BASE, level) * 8;
            let entry = tables[level as usize - 2].addr() | 7;
            m.store_u64(tables[level as usize - 1], at, entry);
        }
        let second = (table_index(BASE, 2) + 1) * 8;
        m.store_u64(tables[1], second, pages[PAGES - 1].addr() | 7);
        root::adopt_root(hv, dom, tables[3], false).expect("valid tables");
        let mut vcpu = dom.homes.lock()[0].take().expect("at home");
        vcpu.arch.kernel_root = Some(tables[3]).into();
        let mut budget = Budget::new(u32::MAX);
        crate::grant::grow(hv, dom, &mut dom.lock(), 1, &mut budget).expect("a table");
        let shared = dom.lock().grants.frames[0];
        Self {
            dom,
            vcpu,
            pages,
            tables,
            shared,
        }
    }

    /// Makes a call on a list, however often it is continued; the list as it is then.
    pub(super) fn call<T>(&mut self, hv: Hv, cmd: u32, list: &mut [T]) -> i64
    where
        T: FromBytes + IntoBytes + Immutable,
    {
        const START: u64 = 0x1000;
        hv.machine.set_window(ARGS, list.as_bytes().to_vec());
        hv.machine.load_root(self.tables[3]);
        for _ in 0..10_000 {
            let r = &mut self.vcpu.regs;
            (r.rax, r.rdi, r.rsi) = (__HYPERVISOR_grant_table_op, cmd.into(), ARGS);
            (r.rdx, r.rip) = (list.len() as u64, START);
            dispatch::hypercall(hv, &mut self.vcpu);
            if self.vcpu.regs.rip == START {
                hv.machine.read_window(0, list.as_mut_bytes());
                return self.vcpu.regs.rax as i64;
            }
        }
        panic!("no progress");
    }

    pub(super) fn address(slot: usize) -> u64 {
        BASE + slot as u64 * 4096
    }

    /// What the entry of a slot maps, and whether writable.
    pub(super) fn entry(&self, hv: Hv, slot: usize) -> Option<(Mfn, bool)> {
        let raw = hv.machine.read_entry(self.tables[0], slot);
        (raw & 1 != 0).then(|| (pv::entry::frame(raw), raw & 2 != 0))
    }

    /// The domain's own update of an entry; whether it was allowed.
    pub(super) fn update(&self, hv: Hv, slot: usize, raw: u64) -> bool {
        let parties = pv::update::Parties::own(self.dom);
        let _guard = self.dom.lock();
        let ad = pv::update::AccessedDirty::Overwrite;
        hv.update_l1(parties, (self.tables[0], slot), raw, ad)
            .is_ok()
    }

    pub(super) fn word(&self, hv: Hv, gref: u32) -> u64 {
        hv.machine.load_u64(self.shared, gref as usize * 8)
    }

    pub(super) fn set_word(&self, hv: Hv, gref: u32, word: u64) {
        hv.machine.store_u64(self.shared, gref as usize * 8, word);
    }

    /// Off with the domain, whatever it has.
    pub(super) fn end(self, hv: Hv) -> &'static Domain {
        self.dom.homes.lock()[0] = Some(self.vcpu);
        lifecycle::destroy_whole(hv, self.dom).expect("it can be destroyed");
        self.dom
    }
}

/// Compares all counts with what is found in memory.
pub(super) fn check(hv: Hv, parties: &[Option<Party>]) {
    let mut held = census::held(hv);
    for dom in hv.domains.iter() {
        let state = dom.lock();
        held.extend(state.shared_info.map(|mfn| (mfn, Kind::Writable)));
        held.extend(state.grants.frames.iter().map(|&mfn| (mfn, Kind::Writable)));
    }
    held.extend(parties.iter().flatten().map(|p| (p.tables[3], Kind::L4)));
    pv::census::check(hv, &held).unwrap_or_else(|e| panic!("{e}"));
    census::check(hv).unwrap_or_else(|e| panic!("{e}"));
}

/// A machine of its own, and three domains.
pub(super) fn three() -> (Hv, Vec<Option<Party>>) {
    let hv = testkit::hypervisor(128, 2);
    let parties = (0..3).map(|id| Some(Party::new(hv, id))).collect();
    (hv, parties)
}

pub(super) fn mapping(
    host_addr: u64,
    flags: u32,
    gref: u32,
    dom: u16,
) -> Box<[gnttab_map_grant_ref; 1]> {
    let mut map = <gnttab_map_grant_ref as zerocopy::FromZeros>::new_zeroed();
    (map.host_addr, map.flags, map.r#ref, map.dom) = (host_addr, flags, gref, dom);
    (map.status, map.handle) = (77, u32::MAX);
    Box::new([map])
}
