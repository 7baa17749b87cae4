//! What is open: operations that were interrupted or left work behind, and what the model makes of
//! those that overlap.

use super::call::{Call, EVERYTHING, destroyed, touched};
use super::format::Kind;
use super::model::{ALL, DOMAINS, Set, VCPUS, Vcpu};
use super::world::{Spot, Who};
use super::{Run, judge};

/// An operation in progress, or one that left work behind.
pub(super) struct Open {
    pub(super) who: Who,
    pub(super) call: Call,
    pub(super) kind: Kind,
    pub(super) footprint: Set,
    pub(super) mixed: bool,
    /// Whether it has answered and only work is left.
    pub(super) answered: bool,
    /// Whether it is never made again.
    pub(super) forgotten: bool,
    /// Which domains there were when it began.
    pub(super) found: judge::Found,
}

impl Run {
    /// The vCPU never makes this call again; how far it came nobody tells the model.
    pub(super) fn forget(&mut self, index: usize) {
        let open = &mut self.open[index];
        // One that touches nothing leaves nothing to learn.
        let mixed = open.footprint != 0;
        (open.answered, open.mixed, open.forgotten) = (true, mixed, true);
        let (who, kind) = (open.who, open.kind);
        if self.verbose {
            println!("    d{}v{} forgets {:?}", who.0, who.1, open.call);
        }
        self.tally(kind).forgotten += 1;
        self.mix();
        self.leftovers();
    }

    /// The last frames of a dead domain may be in the hands of operations under way: how long the
    /// domain is found is theirs to say.
    pub(super) fn see_the_dead(&mut self) {
        for (id, dom) in (0..).zip(&mut self.model.doms) {
            dom.exists = match dom.dead {
                true => self.world.exists(id),
                false => dom.exists,
            };
        }
    }

    /// Where open operations touch the same things, neither outcome is fixed, and the model follows
    /// nothing until all of them are over.
    pub(super) fn mix(&mut self) {
        let touches = |open: &&mut Open| open.footprint != 0;
        let open: Vec<_> = self.open.iter_mut().filter(touches).collect();
        let meet = |(i, a): (usize, &&mut Open)| {
            // A vCPU ends its own earlier work first.
            let other = |b: &&mut Open| a.who != b.who && a.footprint & b.footprint != 0;
            a.mixed || open[..i].iter().any(other)
        };
        if open.iter().enumerate().any(meet) {
            for open in open {
                (open.mixed, open.footprint) = (true, EVERYTHING);
            }
        }
    }

    /// The calls that a call consists of, and whether each was refused.
    pub(super) fn parts<'a>(
        &self,
        who: Who,
        call: &'a Call,
        refused: bool,
    ) -> Vec<(&'a Call, bool)> {
        match call {
            Call::Multi(entries) => {
                let refused = |n| self.world.result(who, n) < 0;
                (0..)
                    .zip(entries)
                    .map(|(n, call)| (call, refused(n)))
                    .collect()
            }
            call => vec![(call, refused)],
        }
    }

    /// What the model is told of a call that it does not follow.
    pub(super) fn follow_mixed(&mut self, call: &Call, refused: bool) {
        match call {
            _ if refused => {}
            Call::Destroy(domid) => {
                if let Some(d) = self.model.place(*domid) {
                    self.model.doms[d].dead = true;
                }
            }
            _ => {}
        }
    }

    /// Whether an answer cannot be followed: a multicall got frames that a later entry of it names, or
    /// read what the hypervisor changes meanwhile.
    pub(super) fn is_unclear(&self, index: usize) -> bool {
        let open = &self.open[index];
        if let Call::SetContext(domid, v, ..) = open.call
            && let Some(d) = self.model.place(domid)
        {
            // It goes on with what another call, now forgotten, took for the vCPU, or gives it back.
            let dom = &self.model.doms[d];
            let vcpu = dom.vcpus.get(v);
            return vcpu.is_some_and(|vcpu| !dom.stage.ready[v] && *vcpu != Vcpu::default());
        }
        let Call::Multi(entries) = &open.call else {
            return false;
        };
        let mut came = 0;
        entries.iter().enumerate().any(|(n, entry)| {
            let named = touched(&self.model, open.who, entry) & ALL;
            let gets = matches!(entry, Call::Reserve(0 | 6, ..) | Call::Exchange(..));
            let unclear = !gets && named & came != 0;
            came |= judge::came(&self.world, Spot::entry(open.who, n), entry);
            let shared = |f: u64| self.model.frames.get(f as usize).is_some_and(|f| f.shared);
            unclear || matches!(entry, Call::Ext(17, _, from, _) if shared(*from))
        })
    }

    /// Frames came or went by an operation of `who`: news to all others who work on such.
    pub(super) fn spread(&mut self, changed: Set, who: Who) {
        for open in &mut self.open {
            open.mixed |= open.who != who && changed & open.footprint != 0;
        }
        self.mix();
    }

    /// Operations of a destroyed domain's vCPUs will never answer.
    pub(super) fn bury(&mut self, d: usize) {
        if self.model.doms[d].exists && !self.model.doms[d].dead {
            return;
        }
        for open in &mut self.open {
            if open.who.0 == d {
                open.answered = true;
            }
        }
        self.leftovers();
    }

    /// Operations that have answered and left no work are over.
    pub(super) fn leftovers(&mut self) {
        let world = &mut self.world;
        let mut news = false;
        self.open.retain(|open| {
            let half_gone = open.forgotten
                && (destroyed(&open.call).iter())
                    .any(|&domid| world.place(domid).is_some_and(|d| world.is_dying(d)));
            let left = world.working(open.who) || world.has_in_hand(open.who) || half_gone;
            let over = open.answered && !left;
            news |= over && open.mixed;
            !over
        });
        if news && !self.open.iter().any(|open| open.mixed) {
            self.learn();
        }
    }

    /// The model follows again, from what is so now.
    pub(super) fn learn(&mut self) {
        self.world.teach(&mut self.model, ALL);
        for d in 0..DOMAINS {
            self.model.doms[d].dead |= !self.world.is_alive(d);
            self.model.doms[d].ports = self.world.ports(d);
            self.model.doms[d].max_pages = self.world.max_pages(d);
            self.model.doms[d].claim = self.world.claim(d);
            self.model.doms[d].stage = self.world.stage(d);
            for v in 0..VCPUS[d] {
                self.model.doms[d].vcpus[v] = self.world.holdings((d, v));
            }
        }
        self.see_the_dead();
        self.model.half_done.clear();
        self.model.recount();
    }

    /// When the last frame of a dead domain goes, so does its number: while work is under way,
    /// the model does not know when.
    pub(super) fn look_for_the_dead(&mut self) {
        if self.open.is_empty() {
            return;
        }
        self.see_the_dead();
    }
}
