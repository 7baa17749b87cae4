//! Random sequences of page-table operations by two domains, with every frame's counts checked
//! against memory after every step.

mod decision;

use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::census;
use super::entry::{PRESENT, RW, USER};
use super::update::{AccessedDirty, Parties};
use super::walk::{self, Walk};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Stop};
use crate::frame::word::{Kind, Owner, Word};
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::testkit::{self, FakeMachine};

/// Pages of each domain that the operations choose from.
const PAGES: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Entry `index` of `table` := `target` with flags, through `mmu_update`'s path.
    Set {
        table: usize,
        index: u8,
        target: usize,
        flags: u8,
    },
    /// Entry cleared.
    Clear { table: usize, index: u8 },
    /// Pin as a table of a level.
    Pin { table: usize, level: u8 },
    /// Take the pin off.
    Unpin { table: usize },
    /// Load as the root.
    Root { table: usize },
    /// Give the page to the hypervisor and take another.
    Recycle { page: usize },
    /// Domain 0 maps a page of domain 1 in its own table.
    Foreign {
        table: usize,
        index: u8,
        target: usize,
        writable: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let page = 0..PAGES;
    prop_oneof![
        6 => (page.clone(), 0..4_u8, page.clone(), 0..8_u8)
            .prop_map(|(table, index, target, flags)| Op::Set { table, index, target, flags }),
        2 => (page.clone(), 0..4_u8).prop_map(|(table, index)| Op::Clear { table, index }),
        4 => (page.clone(), 1..5_u8).prop_map(|(table, level)| Op::Pin { table, level }),
        2 => page.clone().prop_map(|table| Op::Unpin { table }),
        2 => page.clone().prop_map(|table| Op::Root { table }),
        1 => page.clone().prop_map(|page| Op::Recycle { page }),
        1 => (page.clone(), 0..4_u8, page, any::<bool>())
            .prop_map(|(table, index, target, writable)| Op::Foreign { table, index, target, writable }),
    ]
}

struct World {
    hv: &'static Hypervisor<FakeMachine>,
    doms: [&'static Domain; 2],
    pages: [Vec<Mfn>; 2],
    roots: [Option<Mfn>; 2],
    walk: Walk,
    budget: u32,
}

impl World {
    fn new(budget: u32) -> Self {
        let hv = testkit::hypervisor(64, 1);
        let doms = [0, 1].map(|id| testkit::domain(hv, id, 1, 2 * PAGES as u32));
        let pages = doms.map(|d| {
            (0..PAGES)
                .map(|_| hv.alloc_domain_page(d).expect("a frame is free"))
                .collect()
        });
        Self {
            hv,
            doms,
            pages,
            roots: [None; 2],
            walk: Walk::default(),
            budget,
        }
    }

    /// Runs `f` with small budgets until it is done, as a guest's repeated hypercall would.
    fn until_done(
        &mut self,
        d: usize,
        mut f: impl FnMut(&Self, &mut Walk, &mut Budget) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut walk = core::mem::take(&mut self.walk);
        let dom = self.doms[d];
        let mut result = Err(Stop::Retry);
        for _ in 0..100_000 {
            let mut budget = Budget::new(self.budget);
            if walk::finish(self.hv, dom, &mut walk, &mut budget).is_err() {
                continue;
            }
            result = f(self, &mut walk, &mut budget);
            if result != Err(Stop::Retry) {
                break;
            }
        }
        assert_ne!(result, Err(Stop::Retry), "no progress");
        walk::forget_verdict(self.hv, &mut walk);
        while walk::finish(self.hv, dom, &mut walk, &mut Budget::new(self.budget)).is_err() {}
        self.walk = walk;
        result
    }

    fn apply(&mut self, d: usize, op: Op) -> Result<(), Stop> {
        let dom = self.doms[d];
        let hv = self.hv;
        match op {
            Op::Set {
                table,
                index,
                target,
                flags,
            } => {
                let (table, target) = (self.pages[d][table], self.pages[d][target]);
                let raw = target.addr()
                    | PRESENT
                    | if flags & 1 != 0 { RW } else { 0 }
                    | if flags & 2 != 0 { USER } else { 0 }
                    | if flags == 7 { 1 << 8 } else { 0 };
                let at = table.addr() | (u64::from(index) * 8);
                let ad = AccessedDirty::Overwrite;
                self.until_done(d, |_, walk, budget| {
                    hv.update_entry(Parties::own(dom), at, raw, ad, (walk, budget))
                })
            }
            Op::Clear { table, index } => {
                let at = self.pages[d][table].addr() | (u64::from(index) * 8);
                let ad = AccessedDirty::Keep;
                self.until_done(d, |_, walk, budget| {
                    hv.update_entry(Parties::own(dom), at, 0, ad, (walk, budget))
                })
            }
            Op::Pin { table, level } => {
                let table = self.pages[d][table];
                self.until_done(d, |_, walk, budget| {
                    walk::get_table(hv, dom, (table, level), walk, budget)?;
                    if hv.frames.change(table, Word::pin).is_err() {
                        walk::put_table(hv, table, walk);
                        return Err(Errno::EINVAL.into());
                    }
                    Ok(())
                })
            }
            Op::Unpin { table } => {
                let table = self.pages[d][table];
                self.until_done(d, |_, walk, _| {
                    super::root::unpin_if_pinned(hv, dom, table, walk);
                    Ok(())
                })
            }
            Op::Root { table } => {
                let new = self.pages[d][table];
                let old = self.roots[d];
                self.until_done(d, |_, walk, budget| {
                    walk::get_table(hv, dom, (new, 4), walk, budget)?;
                    if let Some(old) = old {
                        walk::put_table(hv, old, walk);
                    }
                    Ok(())
                })?;
                self.roots[d] = Some(new);
                Ok(())
            }
            Op::Recycle { page } => {
                let mfn = self.pages[d][page];
                let new = hv.alloc_domain_page(dom)?;
                hv.release_domain_page(dom, mfn)?;
                self.pages[d][page] = new;
                Ok(())
            }
            Op::Foreign {
                table,
                index,
                target,
                writable,
            } => {
                let parties = Parties {
                    table: self.doms[0],
                    pages: self.doms[1].into(),
                    devices: Some(self.doms[1]),
                };
                let target = self.pages[1][target];
                let raw = target.addr() | PRESENT | if writable { RW } else { 0 };
                let at = self.pages[0][table].addr() | (u64::from(index) * 8);
                let ad = AccessedDirty::Overwrite;
                self.until_done(0, |_, walk, budget| {
                    hv.update_entry(parties, at, raw, ad, (walk, budget))
                })
            }
        }
    }

    /// A domain is charged for exactly the frames that say so.
    fn check_charge(&self, dom: &Domain) -> Result<(), std::string::String> {
        let owner = Owner::domain(dom.slot);
        let counted = (0..self.hv.frames.len())
            .map(|mfn| self.hv.frames.word(Mfn(mfn)))
            .filter(|w| w.owner() == owner && w.is_counted())
            .count();
        let charged = dom.tot_pages.load(core::sync::atomic::Ordering::Relaxed);
        if counted != charged as usize {
            return Err(std::format!("{counted} frames counted, {charged} charged"));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), std::string::String> {
        let mut held = vec![];
        for d in 0..2 {
            self.check_charge(self.doms[d])?;
            held.extend(self.roots[d].map(|r| (r, Kind::L4)));
            held.extend(self.doms[d].lock().shared_info.map(|s| (s, Kind::Writable)));
        }
        census::check(self.hv, &held)
    }
}

/// A budget's smallest useful size here: enough for one step of any operation.
fn budgets() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1_u32), Just(2), Just(7), Just(Budget::FULL)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// After every step, accepted or refused, every frame's counts are what memory says; and the
    /// outcome does not depend on the budget.
    #[test]
    fn counts_agree_with_memory(
        ops in proptest::collection::vec((0..2_usize, op()), 1..120),
        budget in budgets(),
    ) {
        let mut world = World::new(budget);
        let mut whole = World::new(Budget::FULL);
        for &(d, op) in &ops {
            let outcome = world.apply(d, op);
            prop_assert_eq!(outcome, whole.apply(d, op), "budget {}", budget);
            if let Err(why) = world.check() {
                prop_assert!(false, "after {:?}: {}", op, why);
            }
        }
    }

    /// A tree of four levels, then random damage: always releasable, nothing left typed.
    #[test]
    fn everything_can_be_undone(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new(3);
        for op in ops {
            let _ = world.apply(1, op);
        }
        if let Some(root) = world.roots[1].take() {
            let _ = world.until_done(1, |w, walk, _| {
                walk::put_table(w.hv, root, walk);
                Ok(())
            });
        }
        // Pages that were given up while pinned are no longer in the list.
        for mfn in (0..world.hv.frames.len()).map(Mfn) {
            let _ = world.until_done(1, |w, walk, _| {
                super::root::unpin_if_pinned(w.hv, w.doms[1], mfn, walk);
                Ok(())
            });
        }
        for &mfn in &world.pages[1] {
            let w = world.hv.frames.word(mfn);
            prop_assert_eq!((w.kind(), w.refs()), (Kind::None, 1));
        }
    }
}

fn tree(world: &mut World) -> [Mfn; 5] {
    let p = world.pages[1].clone();
    for (table, child) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        let raw = p[child].addr() | PRESENT | if table == 1 { 0 } else { RW };
        world.hv.machine.store_u64(p[table], 8, raw);
    }
    [p[0], p[1], p[2], p[3], p[4]]
}

#[test]
fn a_tree_is_validated_whole_and_released_whole() {
    let mut world = World::new(1);
    let [page, l1, l2, l3, l4] = tree(&mut world);
    world.apply(1, Op::Pin { table: 4, level: 4 }).unwrap();
    for (mfn, kind) in [
        (l1, Kind::L1),
        (l2, Kind::L2),
        (l3, Kind::L3),
        (l4, Kind::L4),
    ] {
        let w = world.hv.frames.word(mfn);
        assert_eq!((w.kind(), w.types()), (kind, 1));
        assert!(w.is_validated());
    }
    assert_eq!(world.hv.frames.word(page).refs(), 2);
    world.check().unwrap();
    assert_eq!(world.hv.machine.read_entry(l3, 1) & USER, USER);
    world.apply(1, Op::Unpin { table: 4 }).unwrap();
    world.check().unwrap();
    assert_eq!(world.hv.frames.word(l1).kind(), Kind::None);
}

#[test]
fn a_writable_mapping_of_a_table_fails_the_whole_tree() {
    let mut world = World::new(1);
    let [_, l1, l2, ..] = tree(&mut world);
    // The level-1 table maps the level-2 table writable.
    world.hv.machine.store_u64(l1, 16, l2.addr() | PRESENT | RW);
    let refused = world.apply(1, Op::Pin { table: 4, level: 4 });
    assert_eq!(refused, Err(Errno::EBUSY.into()));
    world.check().unwrap();
    for &mfn in &world.pages[1] {
        assert_eq!(world.hv.frames.word(mfn).kind(), Kind::None);
    }
}

#[test]
fn linear_tables_are_refused() {
    let mut world = World::new(4);
    let l2 = world.pages[1][0];
    world.hv.machine.store_u64(l2, 0, l2.addr() | PRESENT);
    assert_eq!(
        world.apply(1, Op::Pin { table: 0, level: 2 }),
        Err(Errno::EINVAL.into())
    );
    world.check().unwrap();
}

#[test]
fn the_hypervisors_slots_of_a_root_are_out_of_reach() {
    let mut world = World::new(64);
    world.apply(1, Op::Pin { table: 0, level: 4 }).unwrap();
    let root = world.pages[1][0];
    let dom = world.doms[1];
    for slot in [256_u64, 271] {
        let refused = world.until_done(1, |w, walk, budget| {
            let ad = AccessedDirty::Overwrite;
            let at = root.addr() | (slot * 8);
            w.hv.update_entry(Parties::own(dom), at, 0, ad, (walk, budget))
        });
        assert_eq!(refused, Err(Errno::EINVAL.into()));
    }
}

#[test]
fn nobody_maps_the_hypervisors_or_anothers_frames() {
    let mut world = World::new(64);
    world.apply(1, Op::Pin { table: 0, level: 1 }).unwrap();
    let (table, dom) = (world.pages[1][0], world.doms[1]);
    let theirs = world.pages[0][0];
    for target in [
        Mfn(0),
        Mfn(testkit::RESERVED_FRAMES - 1),
        theirs,
        Mfn(1 << 39),
    ] {
        for flags in [PRESENT, PRESENT | RW] {
            let refused = world.until_done(1, |w, walk, budget| {
                let raw = target.addr() | flags;
                let ad = AccessedDirty::Overwrite;
                w.hv.update_entry(Parties::own(dom), table.addr(), raw, ad, (walk, budget))
            });
            assert!(
                matches!(refused, Err(Stop::Err(Errno::EBUSY | Errno::EPERM))),
                "{target:?}"
            );
        }
    }
    assert_eq!(world.hv.frames.owner(Mfn(0)), Owner::HYPERVISOR);
}

#[test]
fn a_former_table_is_flushed_before_it_is_writable() {
    let mut world = World::new(64);
    world.apply(1, Op::Pin { table: 0, level: 1 }).unwrap();
    world.apply(1, Op::Unpin { table: 0 }).unwrap();
    let mfn = world.pages[1][0];
    assert!(world.hv.frames.word(mfn).is_stale());
    let _ = world.hv.machine.take_happened();
    world.hv.page_get_writable(world.doms[1], mfn).unwrap();
    assert!(
        world
            .hv
            .machine
            .take_happened()
            .contains(&testkit::Happened::FlushLocal)
    );
    assert!(!world.hv.frames.word(mfn).is_stale());
}

#[test]
fn a_writable_page_is_flushed_before_it_is_a_table() {
    let mut world = World::new(64);
    let mfn = world.pages[1][0];
    world.hv.page_get_writable(world.doms[1], mfn).unwrap();
    assert!(world.apply(1, Op::Pin { table: 0, level: 1 }).is_err());
    world.hv.page_put_writable(mfn);
    let _ = world.hv.machine.take_happened();
    world.apply(1, Op::Pin { table: 0, level: 1 }).unwrap();
    assert!(
        world
            .hv
            .machine
            .take_happened()
            .contains(&testkit::Happened::FlushLocal)
    );
}

/// A destroyed domain whose page another maps can still be named; it gets nothing any more.
#[test]
fn a_dead_domain_takes_no_frames_and_no_pins() {
    const ARGUMENTS: u64 = 0x1000;
    let world = World::new(Budget::FULL);
    let (hv, [dom0, dead]) = (world.hv, world.doms);
    let page = world.pages[1][0];
    hv.page_get(dead, page).unwrap();
    crate::domain::lifecycle::destroy_whole(hv, dead).unwrap();
    assert_eq!(hv.frames.word(page).refs(), 1, "the mapping");
    assert!(hv.alloc_domain_pages(dead, 1).is_err());
    // MMUEXT_PIN_L1_TABLE of the page.
    let mut op = [0; 24];
    op[8..16].copy_from_slice(&page.0.to_le_bytes());
    hv.machine.set_window(ARGUMENTS, op.to_vec());
    let mut homes = dom0.homes.lock();
    let vcpu = homes[0].as_mut().expect("it does not run");
    let mut cx = testkit::context(hv, dom0, vcpu);
    let pinned = super::mmuext::mmuext_op(&mut cx, ARGUMENTS, 1, 0, dead.id().into());
    assert_eq!(pinned, Err(Errno::EINVAL.into()));
    walk::finish(hv, dead, &mut vcpu.walk, &mut Budget::new(Budget::FULL)).unwrap();
    drop(homes);
    hv.page_put(page);
    assert_eq!(hv.frames.owner(page), Owner::FREE);
    assert!(
        hv.domains.find(dead.id()).is_err(),
        "its last frame is gone"
    );
}

/// The walk of one vCPU waits for another's; neither vCPU runs any more.
#[test]
fn a_domain_dies_while_its_vcpus_wait_for_one_another() {
    let hv = testkit::hypervisor(64, 1);
    let dom = testkit::domain(hv, 1, 2, 24);
    let free = hv.frames.free_frames();
    let [l1, l2] = [(); 2].map(|()| hv.alloc_domain_page(dom).expect("a frame is free"));
    hv.machine.store_u64(l1, 0, l1.addr() | PRESENT);
    hv.machine.store_u64(l2, 0, l1.addr() | PRESENT);
    for (vcpu, (table, level)) in [(1, (l1, 1)), (0, (l2, 2))] {
        let mut homes = dom.homes.lock();
        let walk = &mut homes[vcpu].as_mut().expect("it does not run").walk;
        for _ in 0..4 {
            let begun = if level == 1 { 0 } else { Budget::FULL };
            let got = walk::get_table(hv, dom, (table, level), walk, &mut Budget::new(begun));
            assert_eq!(got, Err(Stop::Retry), "level {level}");
        }
    }
    let mut turns = 0..1000;
    while crate::domain::lifecycle::destroy(hv, dom, &mut Budget::new(8)).unwrap()
        == crate::domain::lifecycle::Progress::More
    {
        assert!(turns.next().is_some(), "no end");
    }
    let all = free + 3;
    assert_eq!(
        hv.frames.free_frames(),
        all,
        "its shared info and its ports too"
    );
}
