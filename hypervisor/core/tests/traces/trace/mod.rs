//! Random traces of all memory operations: three domains, five vCPUs, three CPUs, 80 frames.
//!
//! Every step is one way into the hypervisor, on one CPU. After each the whole machine is compared
//! with the [`model`], and the invariants of [`check`] are counted afresh. An operation that was
//! interrupted stays open while other CPUs go on. What it may touch is then taken out of the
//! comparison; if another operation touches the same, neither outcome is fixed: the model is told
//! what came out, and the invariants alone judge it. Now and then a call that was interrupted is
//! never made again; then it is the same for what it has touched.

pub mod alone;
pub mod call;
pub mod check;
pub mod format;
pub mod judge;
pub mod model;
pub mod open;
pub mod page;
pub mod toolstack;
pub mod world;

use std::collections::BTreeMap;

use hypervisor_core::entry::Irq;
use hypervisor_core::platform::Machine;

use call::{Call, Chooser, destroyed, footprint, possible};
use check::Watch;
use format::{CPUS, Kind, Random, Step, steps};
use judge::judge;
use model::{DOMAINS, FRAMES, Model, POOL, Set, VCPUS, bit, members};
use open::Open;
use world::{Ended, Who, World};

/// How often an interrupted operation is continued at once before others come between.
const PATIENCE: u32 = 300;
/// First operands of [`Kind::Anew`] that mean it.
const ANEW: u8 = 12;
/// Last operands of a step that mean it forgets the call that is to be made again, and makes another.
const FORGETFUL: u8 = 16;
/// Turns in which all open operations must come to an end.
const TURNS: u32 = 600;

/// How often an operation was done, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Accepted.
    pub done: u64,
    /// Refused.
    pub refused: u64,
    /// Interrupted and continued later.
    pub interrupted: u64,
    /// Outcome not compared, for another operation was in the way.
    pub mixed: u64,
    /// Interrupted and never gone on with.
    pub forgotten: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.interrupted += other.interrupted;
        self.mixed += other.mixed;
        self.forgotten += other.forgotten;
    }
}

/// A world, its model, and what is under way.
pub struct Run {
    world: World,
    /// What should be so.
    pub model: Model,
    watch: Watch,
    open: Vec<Open>,
    dirty: Set,
    budgets: Random,
    /// Prints every operation.
    pub verbose: bool,
    /// What was done.
    pub tallies: BTreeMap<Kind, Tally>,
    /// Ways into the hypervisor.
    pub entries: u64,
    /// Checks of everything, and how many of them found nothing under way.
    pub checks: [u64; 2],
    /// Steps begun.
    pub steps: usize,
}

/// What an operation came to.
pub enum Outcome {
    /// A hypercall's result.
    Result(i64),
    /// A fault was settled in the way of the instruction.
    Emulated,
    /// The guest got its fault; whether the processor found a translation there.
    Faulted(bool),
    /// The processor did it itself, at this frame.
    Direct(u64),
}

impl Run {
    /// A world as it begins.
    pub fn new() -> Self {
        let world = World::new();
        let watch = Watch::new(&world);
        let mut run = Self {
            world,
            model: Model::new(),
            watch,
            open: Vec::new(),
            dirty: 0,
            budgets: Random(0),
            verbose: false,
            tallies: BTreeMap::new(),
            entries: 0,
            checks: [0; 2],
            steps: 0,
        };
        run.begin();
        run
    }

    fn begin(&mut self) {
        let epoch = self.model.epoch;
        self.model = Model::new();
        self.model.epoch = epoch + 1;
        for d in 0..DOMAINS {
            self.introduce(d);
        }
        self.open.clear();
        self.dirty = 0;
        self.world.hv.machine.take_dirty();
        self.watch = Watch::new(&self.world);
    }

    /// Tells the model of a domain that was made.
    fn introduce(&mut self, d: usize) {
        let dom = &mut self.model.doms[d];
        (dom.exists, dom.dead, dom.domid) = (true, false, self.world.domid(d));
        dom.stage = self.world.stage(d);
        dom.life = self.world.life(d);
        dom.max_pages = self.world.max_pages(d);
        dom.claim = 0;
        for v in 0..VCPUS[d] {
            self.model.doms[d].vcpus[v] = self.world.holdings((d, v));
        }
        let (own, ports) = (self.world.owned(d), self.world.ports(d));
        self.model.doms[d].ports = ports;
        self.world.teach(&mut self.model, own | ports);
        self.model.recount();
    }

    /// Runs a trace from the beginning to where everything has come to rest, and ends all domains.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn trace(&mut self, bytes: &[u8]) -> Result<(), String> {
        for step in steps(bytes) {
            self.steps += 1;
            self.step(&step)
                .map_err(|why| format!("{why}\nafter {step}"))?;
        }
        self.anew()
    }

    /// Lets everything come to rest, ends all domains, and begins again.
    fn anew(&mut self) -> Result<(), String> {
        self.settle()?;
        self.world.restart()?;
        self.begin();
        Ok(())
    }

    fn busy(&self) -> Set {
        self.open.iter().fold(0, |set, open| set | open.footprint)
    }

    /// Makes `call` as `who`, who runs somewhere, and goes on with it as long as that helps.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn play(&mut self, who: Who, budget: u32, call: Call) -> Result<(), String> {
        self.begin_call(who, call, (budget, true))
    }

    fn begin_call(&mut self, who: Who, call: Call, how: (u32, bool)) -> Result<(), String> {
        self.arrive();
        let runs = |cpu: &usize| self.world.current(*cpu) == Some(who);
        let cpu = (0..usize::from(CPUS)).find(runs);
        let cpu = cpu.ok_or_else(|| format!("{who:?} does not run"))?;
        self.ask(cpu, who, (Kind::Assist, call), how)
    }

    /// Makes `call` once and never again, if it is to be made again.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn begin_and_forget(&mut self, who: Who, budget: u32, call: Call) -> Result<(), String> {
        self.begin_call(who, call, (budget, false))?;
        if let Some(open) = self.open.iter().position(|open| !open.answered) {
            self.forget(open);
        }
        self.check()
    }

    /// What comes before every step.
    fn arrive(&mut self) {
        self.model.epoch += 1;
        self.world.hv.machine.set_epoch(self.model.epoch);
        self.world.answer_kicks();
        self.look_for_the_dead();
    }

    /// One step.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.arrive();
        let cpu = usize::from(step.cpu);
        let Some(who) = self.world.current(cpu) else {
            self.world.interrupt(cpu, Irq::Spurious, step.budget);
            return self.check();
        };
        if step.kind == Kind::Tick {
            self.tally(step.kind).done += 1;
            self.world.hv.machine.advance(40_000_000);
            self.world.interrupt(cpu, Irq::Timer, step.budget);
            return self.check();
        }
        if step.kind == Kind::Anew {
            if step.args[0] < ANEW {
                self.tally(step.kind).done += 1;
                self.anew()?;
            }
            return self.check();
        }
        let open = self
            .open
            .iter()
            .position(|open| open.who == who && !open.answered);
        if let Some(open) = open {
            if step.args[5] >= FORGETFUL {
                return self.go_on(cpu, open, step.budget, step.at_once);
            }
            self.forget(open);
        }
        let mut kind = step.kind;
        let mut call = Chooser::new(&self.model, who.0, who.1).choose(step);
        if step.args[4] & 1 != 0 && self.world.has_in_hand(who) {
            // So that what was forgotten does not stay so for long.
            (kind, call) = (Kind::Reservation, Call::Reservation(3, 0x7ff0));
        }
        let half_gone = (1..DOMAINS).find(|&d| self.world.is_dying(d));
        if let (0, 2, Some(d)) = (who.0, step.args[4] & 14, half_gone) {
            (kind, call) = (Kind::Destroy, Call::Destroy(self.world.domid(d)));
        }
        let is_half_made = |d: &usize| {
            let dom = &self.model.doms[*d];
            !dom.exists || dom.stage.paused && !dom.dead
        };
        if let (0, 4, Some(d)) = (who.0, step.args[4] & 14, (1..DOMAINS).find(is_half_made)) {
            let mut args = step.args;
            args[0] = d as u8 - 1;
            let chooser = Chooser::new(&self.model, who.0, who.1);
            (kind, call) = (Kind::Create, chooser.toolstack(args));
        }
        kind = match &call {
            Call::Mmu(..) if kind == Kind::Create => Kind::MmuForeign,
            Call::Reserve(..) if kind == Kind::Create => Kind::Populate,
            Call::MaxMem(..) => Kind::MaxMem,
            Call::Create(..) => Kind::Create,
            Call::MaxVcpus(..) => Kind::MaxVcpus,
            Call::SetContext(..) => Kind::SetContext,
            Call::Unpause(_) => Kind::Unpause,
            _ => kind,
        };
        if !possible(&self.model, &call) {
            return self.check();
        }
        self.ask(cpu, who, (kind, call), (step.budget, step.at_once))
    }

    /// The guest on a CPU asks for something.
    fn ask(
        &mut self,
        cpu: usize,
        who: Who,
        (kind, call): (Kind, Call),
        (budget, at_once): (u32, bool),
    ) -> Result<(), String> {
        if self.verbose {
            println!("cpu{cpu} d{}v{} budget {budget}: {call:?}", who.0, who.1);
        }
        match call {
            Call::Mode => {
                self.tally(Kind::Mode).done += 1;
                self.world.enter_user(cpu, who);
                self.leftovers();
                self.check()
            }
            Call::Touch(va, write) => {
                let seen = self.touch(cpu, who, va, write, budget);
                let tally = self.tally(Kind::Touch);
                *(if seen {
                    &mut tally.done
                } else {
                    &mut tally.refused
                }) += 1;
                self.leftovers();
                self.check()
            }
            call => {
                self.world.enter_kernel(cpu);
                if self.world.current(cpu) != Some(who) {
                    // On the way another came to run.
                    return self.check();
                }
                match &call {
                    Call::Store(va, form, val) => {
                        self.world.prepare_store(cpu, who, *va, *form, *val)
                    }
                    Call::LdtFault(_) => {}
                    call => self.world.prepare_call(cpu, who, call),
                }
                // One that was forgotten is gone on with: where it was, nobody follows.
                let mixed = self.world.resumes(cpu, who, &call);
                let open = Open {
                    who,
                    call,
                    kind,
                    footprint: 0,
                    mixed,
                    answered: false,
                    forgotten: false,
                    found: self.found(),
                };
                self.open.push(open);
                let last = self.open.len() - 1;
                self.go_on(cpu, last, budget, at_once)
            }
        }
    }

    fn tally(&mut self, kind: Kind) -> &mut Tally {
        self.tallies.entry(kind).or_default()
    }

    /// The guest reads or writes an address; true if it can.
    fn touch(&mut self, cpu: usize, who: Who, va: u64, write: bool, budget: u32) -> bool {
        for _ in 0..3 {
            self.world.hv.machine.run_on(cpu as u32);
            let Err(error) = self.world.hv.machine.guest_access(va, write) else {
                return true;
            };
            // An instruction that stores nothing to page tables: the fault is the guest's, or was
            // the TLB's.
            self.world.prepare_store(cpu, who, va, 0, 0);
            let error = error & !2;
            self.entries += 1;
            if self.world.page_fault(cpu, who, error, va, budget) == Ended::Handler {
                return false;
            }
        }
        false
    }

    /// One way into the hypervisor for an operation.
    fn enter(
        &mut self,
        cpu: usize,
        who: Who,
        call: &Call,
        budget: u32,
    ) -> Result<Option<Outcome>, String> {
        self.entries += 1;
        let mut present = true;
        let ended = match call {
            Call::Store(va, ..) => {
                self.world.hv.machine.run_on(cpu as u32);
                match self.world.hv.machine.guest_access(*va, true) {
                    Ok(mfn) => return Ok(Some(Outcome::Direct(mfn.0))),
                    Err(error) => {
                        present = error & 1 != 0;
                        // The walk set accessed bits before anything was asked.
                        self.dirty |= self.take_dirty();
                        let busy = self.busy();
                        judge::memories(&mut self.model, &self.world, busy, &mut self.dirty)?;
                        self.world.page_fault(cpu, who, error, *va, budget)
                    }
                }
            }
            Call::LdtFault(at) => match self.world.ldt_fault(cpu, who, *at) {
                // The access comes again: what was left over comes first.
                Ended::Again if self.world.working(who) => Ended::Again,
                Ended::Again => Ended::Behind,
                other => other,
            },
            _ => self.world.hypercall(cpu, who, budget),
        };
        Ok(match ended {
            Ended::Again => None,
            Ended::Returned(value) => Some(Outcome::Result(value)),
            Ended::Behind => Some(Outcome::Emulated),
            Ended::Handler => Some(Outcome::Faulted(present)),
        })
    }

    /// Which domains there are.
    fn found(&self) -> judge::Found {
        std::array::from_fn(|d| self.world.exists(d))
    }

    /// Goes on with open operation `index`, whose vCPU runs on `cpu`.
    fn go_on(
        &mut self,
        cpu: usize,
        index: usize,
        budget: u32,
        at_once: bool,
    ) -> Result<(), String> {
        let (who, call) = (self.open[index].who, self.open[index].call.clone());
        // While the model does not follow, nothing is left open that can end.
        let at_once = at_once || self.open.iter().any(|open| open.mixed);
        let mut budget = budget;
        for _ in 0..PATIENCE {
            if let Some(outcome) = self.enter(cpu, who, &call, budget)? {
                return self.answered(who, outcome);
            }
            let Some(open) = self.open.iter_mut().find(|o| o.who == who && !o.answered) else {
                return self.check();
            };
            if open.footprint == 0 {
                open.footprint = footprint(&self.model, who, &call);
                let kind = open.kind;
                self.tally(kind).interrupted += 1;
                self.mix();
            }
            if !at_once {
                break;
            }
            self.check()?;
            self.world.answer_kicks();
            // It may have been taken off the CPU.
            if self.world.current(cpu) != Some(who) {
                break;
            }
            budget = [1, 1, 2, 3, 8, 64, 1024, 1024][(self.budgets.next() & 7) as usize];
        }
        self.check()
    }

    /// An operation has answered.
    fn answered(&mut self, who: Who, outcome: Outcome) -> Result<(), String> {
        let Some(index) = self.open.iter().position(|o| o.who == who && !o.answered) else {
            return self.check();
        };
        self.open[index].answered = true;
        if self.open[index].footprint == 0 {
            // Only needed if something else is open, or if it left work.
            if self.open.len() > 1 || self.world.working(who) {
                let open = &mut self.open[index];
                open.footprint = footprint(&self.model, who, &open.call);
            }
            self.mix();
        }
        let (call, kind) = (self.open[index].call.clone(), self.open[index].kind);
        let refused = match outcome {
            Outcome::Result(value) => {
                value < 0 || (value == 0 && matches!(call, Call::Reserve(..)))
            }
            Outcome::Faulted(_) => true,
            Outcome::Emulated | Outcome::Direct(_) => false,
        };
        if self.verbose {
            match &outcome {
                Outcome::Result(value) => println!("    d{}v{} {call:?} = {value}", who.0, who.1),
                Outcome::Emulated => println!("    emulated"),
                Outcome::Faulted(_) => println!("    faulted"),
                Outcome::Direct(mfn) => println!("    direct, {mfn:x}"),
            }
        }
        if self.is_unclear(index) {
            self.open[index].mixed = true;
            self.mix();
        }
        let mut mixed = self.open[index].mixed;
        // With others, or not done in one piece.
        let overlapping = self.open.len() > 1 || self.open[index].footprint != 0;
        if !mixed {
            let found = overlapping.then_some(self.open[index].found);
            match self.judged(who, (&call, found), &outcome)? {
                Some(freed) => self.spread(freed, who),
                None => {
                    mixed = true;
                    self.open[index].mixed = true;
                    self.mix();
                }
            }
        }
        let tally = self.tally(kind);
        *(if refused {
            &mut tally.refused
        } else {
            &mut tally.done
        }) += 1;
        if mixed {
            tally.mixed += 1;
            for (call, refused) in self.parts(who, &call, refused) {
                self.follow_mixed(call, refused);
            }
        }
        if let Outcome::Direct(mfn) = outcome {
            self.direct_store(mfn, &call);
        }
        if mixed || overlapping {
            self.see_the_dead();
        }
        if let (Call::Create(d, domid, _), false) = (&call, refused) {
            self.world.born(*d, *domid);
            let frames = self.world.owned(*d) | self.world.ports(*d);
            if !mixed && frames & !self.model.free() != 0 {
                return Err(format!("frames of domain {domid} were not free"));
            }
            self.introduce(*d);
        }
        for d in destroyed(&call) {
            self.model.place(d).into_iter().for_each(|d| self.bury(d));
        }
        self.leftovers();
        self.check()
    }

    fn judged(
        &mut self,
        who: Who,
        (call, found): (&Call, Option<judge::Found>),
        outcome: &Outcome,
    ) -> Result<Option<Set>, String> {
        let named = if self.verbose {
            footprint(&self.model, who, call)
        } else {
            0
        };
        judge(&mut self.model, &self.world, who, (call, found), outcome)
            .inspect_err(|_| self.tell(named))
            .map_err(|why| format!("d{}v{} {call:?}: {why}", who.0, who.1))
    }

    /// Tells what the frames of a set are, and what the model thinks they are.
    fn tell(&self, set: Set) {
        for f in members(set) {
            let word = self
                .world
                .hv
                .frames
                .word(hypervisor_core::addr::Mfn(f as u64));
            let (frame, used) = (&self.model.frames[f], self.model.counts.uses[f]);
            println!("    {f:x} is {word:?}; in the model {used:?}, {frame:?}");
        }
        for open in &self.open {
            let frames: Vec<_> = members(open.footprint).collect();
            println!("    open: {:?} {:?} at {frames:x?}", open.who, open.call);
        }
    }

    /// The guest stored a word itself.
    fn direct_store(&mut self, mfn: u64, call: &Call) {
        let Call::Store(va, 0, val) = call else {
            return;
        };
        if va & 7 != 0 || mfn >= FRAMES as u64 {
            return;
        }
        let (f, offset) = (mfn as usize, (*va & 0xfff) as usize);
        self.world
            .hv
            .machine
            .store_u64(hypervisor_core::addr::Mfn(mfn), offset, *val);
        self.model.mem[f].set(offset / 8, *val);
        self.model.written[f] = self.model.epoch;
        for open in &mut self.open {
            open.mixed |= open.footprint & bit(mfn) != 0;
        }
        self.mix();
    }

    /// Lets everything that is open come to an end.
    fn settle(&mut self) -> Result<(), String> {
        for turn in 0..TURNS {
            if self.open.is_empty() {
                return Ok(());
            }
            self.model.epoch += 1;
            self.world.answer_kicks();
            self.look_for_the_dead();
            let cpu = turn as usize % usize::from(CPUS);
            self.world.hv.machine.advance(20_000_000);
            self.world.interrupt(cpu, Irq::Timer, 1024);
            self.check()?;
            let Some(who) = self.world.current(cpu) else {
                continue;
            };
            match self.open.iter().position(|o| o.who == who && !o.answered) {
                Some(open) => self.go_on(cpu, open, 1024, true)?,
                None if self.open.iter().any(|o| o.who == who) => {
                    // Any call that has to do with memory ends the work.
                    let half_gone = (1..DOMAINS).find(|&d| who.0 == 0 && self.world.is_dying(d));
                    let query = Call::Reservation(3, 0x7ff0);
                    let call = half_gone.map_or(query, |d| Call::Destroy(self.world.domid(d)));
                    self.world.enter_kernel(cpu);
                    if self.world.current(cpu) == Some(who) {
                        self.world.prepare_call(cpu, who, &call);
                        let _ = self.world.hypercall(cpu, who, 1024);
                        self.leftovers();
                    }
                }
                None => {}
            }
        }
        let left: Vec<_> = self
            .open
            .iter()
            .map(|o| (o.who, &o.call, o.answered))
            .collect();
        Err(format!("no end of {left:?}"))
    }

    /// The frames that were written since the last call.
    fn take_dirty(&mut self) -> Set {
        let dirty = self.world.hv.machine.take_dirty();
        self.watch.written(dirty);
        dirty
    }

    /// Everything is as the model says, and as it must be.
    fn check(&mut self) -> Result<(), String> {
        self.dirty |= self.take_dirty();
        let busy = self.busy();
        self.checks[0] += 1;
        self.checks[1] += u64::from(busy == 0);
        for d in 0..DOMAINS {
            let dom = self.world.domain(d);
            if dom.shutdown.load(std::sync::atomic::Ordering::Relaxed) != 0 {
                return Err(format!("domain {d} was killed"));
            }
        }
        if self.open.is_empty() && self.found() != self.model.found() {
            let (is, shall) = (self.found(), self.model.found());
            return Err(format!("domains there are {is:?}, and should be {shall:?}"));
        }
        let held = self.world.all_holdings();
        judge::compare(&mut self.model, &self.world, &held, busy, &mut self.dirty)?;
        let Model { epoch, written, .. } = &self.model;
        self.watch
            .check(&mut self.world, &held, busy, *epoch, written)?;
        if busy & POOL == 0
            && let Some(f) = call::orphan(&self.model)
        {
            return Err(format!("frame {f:x} is owned by a domain that is gone"));
        }
        Ok(())
    }
}
