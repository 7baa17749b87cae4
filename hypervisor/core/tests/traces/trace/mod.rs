//! Random traces of all memory operations: three domains, five vCPUs, three CPUs, 54 frames.
//!
//! Every step is one way into the hypervisor, on one CPU. After each the whole machine is compared
//! with the [`model`], and the invariants of [`check`] are counted afresh. An operation that was
//! interrupted stays open while other CPUs go on. What it may touch is then taken out of the
//! comparison; if another operation touches the same, neither outcome is fixed: the model is told
//! what came out, and the invariants alone judge it.

pub mod call;
pub mod check;
pub mod format;
pub mod judge;
pub mod model;
pub mod page;
pub mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hypervisor_core::entry::Irq;
use hypervisor_core::platform::Machine;

use call::{Call, Chooser, EVERYTHING, footprint, possible};
use check::Watch;
use format::{CPUS, Kind, Random, STEP, Step, steps};
use judge::judge;
use model::{ALL, DOMAINS, FRAMES, Model, POOL, Set, VCPUS, bit};
use world::{Ended, Who, World};

/// How often an interrupted operation is continued at once before others come between.
const PATIENCE: u32 = 300;
/// First operands of [`Kind::Anew`] that mean it.
const ANEW: u8 = 12;
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
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.interrupted += other.interrupted;
        self.mixed += other.mixed;
    }
}

/// An operation in progress, or one that left work behind.
struct Open {
    who: Who,
    call: Call,
    kind: Kind,
    footprint: Set,
    mixed: bool,
    /// Whether it has answered and only work is left.
    answered: bool,
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
        (dom.exists, dom.dead) = (true, false);
        dom.life = self.world.life(d);
        dom.max_pages = self
            .world
            .domain(d)
            .max_pages
            .load(std::sync::atomic::Ordering::Relaxed);
        for v in 0..VCPUS[d] {
            self.model.doms[d].vcpus[v] = self.world.holdings((d, v));
        }
        let owned = |f: &usize| {
            let word = self
                .world
                .hv
                .frames
                .word(hypervisor_core::addr::Mfn(*f as u64));
            match world::owner(word) {
                // Its ports are there.
                model::Owner::Hypervisor => *f >= model::RESERVED,
                owner => owner == model::Owner::Domain(d),
            }
        };
        let set = (0..FRAMES)
            .filter(owned)
            .fold(0, |set, f| set | bit(f as u64));
        self.world.teach(&mut self.model, set);
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
        self.arrive();
        let runs = |cpu: &usize| self.world.current(*cpu) == Some(who);
        let cpu = (0..usize::from(CPUS)).find(runs);
        let cpu = cpu.ok_or_else(|| format!("{who:?} does not run"))?;
        self.ask(cpu, who, (Kind::Assist, call), (budget, true))
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
            return self.go_on(cpu, open, step.budget, step.at_once);
        }
        let call = Chooser::new(&self.model, who.0, who.1).choose(step);
        if !possible(&self.model, who.0, &call) {
            return self.check();
        }
        self.ask(cpu, who, (step.kind, call), (step.budget, step.at_once))
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
            Call::Create(d) => {
                if self.open.is_empty() && self.world.create(d) {
                    self.tally(Kind::Create).done += 1;
                    self.introduce(d);
                    self.take_dirty();
                }
                self.check()
            }
            Call::Mode => {
                self.tally(Kind::Mode).done += 1;
                self.world.enter_user(cpu, who);
                self.leftovers(who);
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
                self.leftovers(who);
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
                let open = Open {
                    who,
                    call,
                    kind,
                    footprint: 0,
                    mixed: false,
                    answered: false,
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

    /// The last frames of a dead domain may be in the hands of operations under way: how long the
    /// domain is found is theirs to say.
    fn see_the_dead(&mut self) {
        for (id, dom) in (0..).zip(&mut self.model.doms) {
            dom.exists = match dom.dead {
                true => self.world.hv.domains.find(id).is_ok(),
                false => dom.exists,
            };
        }
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

    /// Where open operations touch the same things, neither outcome is fixed, and the model follows
    /// nothing until all of them are over.
    fn mix(&mut self) {
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
        let mixed = self.open[index].mixed;
        let tally = self.tally(kind);
        *(if refused {
            &mut tally.refused
        } else {
            &mut tally.done
        }) += 1;
        if mixed {
            tally.mixed += 1;
            if let Call::Destroy(d) = call
                && !refused
            {
                self.model.doms[usize::from(d)].dead = true;
            }
            if let Call::MaxMem(d, pages) = call
                && !refused
            {
                self.model.doms[usize::from(d)].max_pages = pages;
            }
            if let Outcome::Direct(mfn) = outcome {
                self.direct_store(mfn, &call);
            }
        } else {
            if self.open.len() > 1 {
                self.see_the_dead();
            }
            let freed = judge(&mut self.model, &self.world, who, &call, &outcome)
                .map_err(|why| format!("d{}v{} {call:?}: {why}", who.0, who.1))?;
            if let Outcome::Direct(mfn) = outcome {
                self.direct_store(mfn, &call);
            }
            self.spread(freed, who);
        }
        if let Call::Destroy(d) = call {
            self.bury(usize::from(d));
        }
        self.leftovers(who);
        self.check()
    }

    /// Frames came or went by an operation of `who`: news to all others who work on such.
    fn spread(&mut self, changed: Set, who: Who) {
        for open in &mut self.open {
            open.mixed |= open.who != who && changed & open.footprint != 0;
        }
        self.mix();
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

    /// Operations of a destroyed domain's vCPUs will never answer.
    fn bury(&mut self, d: usize) {
        if self.model.doms[d].exists && !self.model.doms[d].dead {
            return;
        }
        for open in &mut self.open {
            if open.who.0 == d {
                open.answered = true;
            }
        }
        let gone: Vec<Who> = (0..VCPUS[d]).map(|v| (d, v)).collect();
        for who in gone {
            self.leftovers(who);
        }
    }

    /// Operations of a vCPU that have answered and left no work are over.
    fn leftovers(&mut self, who: Who) {
        if self.world.working(who) {
            return;
        }
        let mut news = false;
        self.open.retain(|open| {
            let over = open.who == who && open.answered;
            news |= over && open.mixed;
            !over
        });
        if news && !self.open.iter().any(|open| open.mixed) {
            self.learn();
        }
    }

    /// The model follows again, from what is so now.
    fn learn(&mut self) {
        self.world.teach(&mut self.model, ALL);
        for d in 0..DOMAINS {
            for v in 0..VCPUS[d] {
                self.model.doms[d].vcpus[v] = self.world.holdings((d, v));
            }
        }
        self.model.half_done.clear();
        self.model.recount();
    }

    /// When the last frame of a dead domain goes, so does its number: while work is under way,
    /// the model does not know when.
    fn look_for_the_dead(&mut self) {
        if self.open.is_empty() {
            return;
        }
        for d in 0..DOMAINS {
            if self.model.doms[d].dead {
                self.model.doms[d].exists = self.world.hv.domains.find(d as u16).is_ok();
            }
        }
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
                    let call = Call::Reservation(3, 0x7ff0);
                    self.world.enter_kernel(cpu);
                    if self.world.current(cpu) == Some(who) {
                        self.world.prepare_call(cpu, who, &call);
                        let _ = self.world.hypercall(cpu, who, 1024);
                        self.leftovers(who);
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

/// Runs a trace in a world of its own.
///
/// # Errors
/// What went wrong; a panic counts.
pub fn run_alone(bytes: &[u8], verbose: bool) -> Result<(), String> {
    let run = AssertUnwindSafe(|| {
        let mut run = Run::new();
        run.verbose = verbose;
        run.trace(bytes)
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Traces that one world of a [`Fuzzer`] runs: worlds are never given back to the host.
const LIVES: u32 = 500;

/// Runs the traces that a fuzzer makes up, many in one world.
pub struct Fuzzer {
    run: Run,
    lives: u32,
}

impl Fuzzer {
    /// One that has run nothing yet.
    pub fn new() -> Self {
        Self {
            run: Run::new(),
            lives: 0,
        }
    }

    /// Runs a trace; panics when something is wrong.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.lives == LIVES {
            *self = Self::new();
        }
        self.lives += 1;
        if let Err(why) = self.run.trace(bytes) {
            // What earlier traces left behind may have a part in it.
            panic!("{why}\nin a world of its own: {:?}", run_alone(bytes, true));
        }
    }
}

/// What sort of failure it is: its words without numbers.
fn sort(result: &Result<(), String>) -> Vec<&str> {
    let words = result.as_ref().err().map(|why| why.split_whitespace());
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() && c != 'x');
    words.into_iter().flatten().filter(plain).take(6).collect()
}

/// Leaves steps out of a failing trace while it still fails alike, for at most `patience`.
pub fn shrink(bytes: &[u8], patience: Duration) -> Vec<u8> {
    let begun = Instant::now();
    let mut trace: Vec<u8> = bytes.to_vec();
    // Nothing behind the step that failed matters.
    let mut run = Run::new();
    let _ = catch_unwind(AssertUnwindSafe(|| run.trace(bytes)));
    trace.truncate(run.steps * STEP);
    let result = run_alone(&trace, false);
    let mut chunk = trace.len() / STEP / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < trace.len() && begun.elapsed() < patience {
            let end = (at + chunk * STEP).min(trace.len());
            let mut shorter = trace.clone();
            shorter.drain(at..end);
            let other = run_alone(&shorter, false);
            if other.is_err() && sort(&other) == sort(&result) {
                trace = shorter;
            } else {
                at = end;
            }
        }
        chunk /= 2;
    }
    trace
}
