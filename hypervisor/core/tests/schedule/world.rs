//! A machine in virtual time, with the scheduler's own queues, policies and caps, and vCPUs that
//! work and sleep as they are told. Nothing here depends on the host's clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hypervisor_core::platform::{CpuId, Nanos};
use hypervisor_core::sched::account::Account;
use hypervisor_core::sched::cap::Cap;
use hypervisor_core::sched::cost;
use hypervisor_core::sched::heap::Who;
use hypervisor_core::sched::policy::{Chosen, Kind};
use hypervisor_core::sched::queues::{Queues, Turn};

/// Words of the sets of CPUs: up to 512.
pub(crate) const WORDS: usize = 8;

/// What a vCPU does with its time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Works without an end.
    Hog,
    /// Works about so long, then sleeps about so long, in turns.
    Sleeper { work: Nanos, sleep: Nanos },
}

/// A vCPU.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) account: Account<WORDS>,
    pub(crate) domain: usize,
    habit: Habit,
    running: Option<CpuId>,
    asleep: bool,
    work_left: Nanos,
    /// CPU time that it got.
    pub(crate) used: Nanos,
    woken: Option<Nanos>,
}

#[derive(Debug, Default)]
struct Domain {
    cap: Cap,
    tasks: Vec<usize>,
    running: usize,
}

#[derive(Debug, Default)]
struct Cpu {
    current: Option<usize>,
    /// Only the newest plan of a CPU counts.
    plan: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Decide(CpuId, u64),
    Wake(usize),
    Refill(usize),
}

/// What is measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// From waking to running, each.
    pub(crate) latencies: Vec<Nanos>,
    /// CPU time during which a CPU had nothing to do while a vCPU waited.
    pub(crate) wasted: Nanos,
    /// Events served, and the steps that took, in all and at most.
    pub(crate) decisions: u64,
    pub(crate) steps: u64,
    pub(crate) most_steps: u64,
    /// How often another vCPU began to run.
    pub(crate) switches: u64,
}

/// The machine.
pub(crate) struct World {
    pub(crate) now: Nanos,
    queues: Queues<WORDS>,
    policy: Chosen<WORDS>,
    pub(crate) tasks: Vec<Task>,
    domains: Vec<Domain>,
    cpus: Vec<Cpu>,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    sequence: u64,
    poked: Vec<CpuId>,
    random: u64,
    pub(crate) figures: Figures,
}

impl World {
    pub(crate) fn new(kind: Kind, cpus: u32) -> Self {
        Self {
            now: 0,
            queues: Queues::new(cpus).expect("the host has memory"),
            policy: Chosen::new(kind, cpus),
            tasks: Vec::new(),
            domains: Vec::new(),
            cpus: (0..cpus).map(|_| Cpu::default()).collect(),
            events: BinaryHeap::new(),
            sequence: 0,
            poked: Vec::new(),
            random: 417,
            figures: Figures::default(),
        }
    }

    /// Adds a domain of `vcpus` vCPUs that all do the same; its number.
    pub(crate) fn domain(&mut self, vcpus: usize, weight: u16, cap: u16, habit: Habit) -> usize {
        let domain = self.domains.len();
        let first = self.tasks.len();
        self.domains.push(Domain {
            cap: Cap::new(cap, self.now),
            tasks: (first..first + vcpus).collect(),
            running: 0,
        });
        let room = self.queues.reserve(first + vcpus);
        room.expect("the host has memory");
        for task in first..first + vcpus {
            self.tasks.push(Task {
                account: Account {
                    unit: Some(task as u16),
                    cpu: task as CpuId % self.queues.cpus(),
                    weight,
                    ..Account::default()
                },
                domain,
                habit,
                running: None,
                asleep: true,
                work_left: Nanos::MAX,
                used: 0,
                woken: None,
            });
            // Not all at once.
            let at = self.now + self.random_below(1_000_000);
            self.at(at, Event::Wake(task));
        }
        domain
    }

    /// CPU time that a domain got.
    pub(crate) fn used(&self, domain: usize) -> Nanos {
        let tasks = &self.domains[domain].tasks;
        tasks.iter().map(|&task| self.tasks[task].used).sum()
    }

    /// Forgets what was measured so far.
    pub(crate) fn measure_from_here(&mut self) {
        for cpu in 0..self.cpus.len() as u32 {
            self.turn(cpu);
        }
        self.serve_poked();
        self.tasks.iter_mut().for_each(|task| task.used = 0);
        self.figures = Figures::default();
        let _ = cost::take_steps();
    }

    fn random_below(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    /// About so long: half as much to half as much again.
    fn about(&mut self, time: Nanos) -> Nanos {
        time / 2 + self.random_below(time + 1)
    }

    fn at(&mut self, time: Nanos, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((time, self.sequence, event)));
    }

    /// Lets virtual time pass.
    pub(crate) fn run_for(&mut self, time: Nanos) {
        let end = self.now + time;
        while let Some(&Reverse((at, _, event))) = self.events.peek() {
            if at > end {
                break;
            }
            self.events.pop();
            self.pass(at);
            self.serve(event);
        }
        self.pass(end);
        for cpu in 0..self.cpus.len() as u32 {
            self.charge(cpu);
        }
    }

    fn pass(&mut self, to: Nanos) {
        let idle = self.queues.idle();
        if !idle.is_empty() && !self.queues.waiting().is_empty() {
            let waiting = (0..self.queues.cpus()).map(|cpu| self.queues.queue(cpu).len());
            let both = waiting.sum::<usize>().min(idle.around(0).count());
            self.figures.wasted += (to - self.now) * both as u64;
        }
        self.now = to;
    }

    fn serve(&mut self, event: Event) {
        let _ = cost::take_steps();
        match event {
            Event::Decide(cpu, plan) if self.cpus[cpu as usize].plan == plan => self.turn(cpu),
            Event::Decide(..) => return,
            Event::Wake(task) => {
                let work = match self.tasks[task].habit {
                    Habit::Hog => Nanos::MAX,
                    Habit::Sleeper { work, .. } => self.about(work),
                };
                let waking = &mut self.tasks[task];
                (waking.asleep, waking.work_left, waking.woken) = (false, work, Some(self.now));
                self.settle(task);
            }
            Event::Refill(domain) => {
                let cap = &mut self.domains[domain].cap;
                if cap.is_ready(self.now) {
                    self.settle_domain(domain);
                } else {
                    let at = cap.ready_at();
                    self.at(at, Event::Refill(domain));
                }
            }
        }
        self.note_decision();
        self.serve_poked();
    }

    fn note_decision(&mut self) {
        let steps = cost::take_steps();
        let figures = &mut self.figures;
        figures.decisions += 1;
        figures.steps += steps;
        figures.most_steps = figures.most_steps.max(steps);
    }

    fn serve_poked(&mut self) {
        while let Some(cpu) = self.poked.pop() {
            self.turn(cpu);
            self.note_decision();
        }
    }

    fn is_ready(&self, task: usize) -> bool {
        let task = &self.tasks[task];
        !task.asleep && !self.domains[task.domain].cap.is_empty()
    }

    fn settle(&mut self, task: usize) {
        let ready = self.is_ready(task);
        let settled = &mut self.tasks[task];
        if let Some(cpu) = settled.running {
            if !ready {
                self.poked.push(cpu);
            }
            return;
        }
        let account = &mut settled.account;
        account.slept |= !ready;
        if !ready {
            self.queues.dequeue(account);
        } else if account.queued.is_none() {
            let who = Who {
                slot: task as u16,
                index: 0,
            };
            let concerned = self.queues.enqueue(&self.policy, account, who, self.now);
            let concerned = concerned.map(|concern| concern.cpu);
            self.poked.extend(concerned);
        }
    }

    fn settle_domain(&mut self, domain: usize) {
        for at in 0..self.domains[domain].tasks.len() {
            self.settle(self.domains[domain].tasks[at]);
        }
    }

    /// Charges what runs on a CPU; whether it can run on.
    fn charge(&mut self, cpu: CpuId) -> bool {
        let Some(current) = self.cpus[cpu as usize].current else {
            return false;
        };
        let task = &mut self.tasks[current];
        let ran = self.queues.charge(cpu, &mut task.account, self.now);
        task.used += ran;
        if task.work_left != Nanos::MAX {
            task.work_left -= ran;
        }
        let (domain, habit, done) = (task.domain, task.habit, task.work_left == 0);
        let cap = &mut self.domains[domain].cap;
        if cap.is_set() && cap.spend(ran, self.now) {
            let at = cap.ready_at();
            self.at(at, Event::Refill(domain));
            self.settle_domain(domain);
        }
        if let (true, Habit::Sleeper { sleep, .. }) = (done, habit) {
            self.tasks[current].asleep = true;
            let at = self.now + self.about(sleep);
            self.at(at, Event::Wake(current));
        }
        self.is_ready(current)
    }

    /// A CPU's turn, as [`hypervisor_core::sched::switch`] has it.
    fn turn(&mut self, cpu: CpuId) {
        let able = self.charge(cpu);
        let (queues, policy) = (&self.queues, &self.policy);
        let old = self.cpus[cpu as usize].current;
        let turn = match old {
            None => Turn::Next,
            Some(old) => {
                let account = &mut self.tasks[old].account;
                queues.turn(policy, cpu, account, able, self.now)
            }
        };
        let next = match turn {
            Turn::Same => return self.plan(cpu),
            Turn::Switch(taken) => Some(taken),
            Turn::Next => queues.next(policy, cpu, self.now),
        };
        self.cpus[cpu as usize].current = next.map(|taken| {
            let task = usize::from(taken.unit);
            let account = &mut self.tasks[task].account;
            assert_eq!(account.queued, Some(taken.from));
            queues.begin(policy, cpu, account, &taken, self.now);
            assert!(account.affinity.contains(cpu));
            task
        });
        if let Some(new) = self.cpus[cpu as usize].current {
            let task = &mut self.tasks[new];
            assert!(task.running.is_none() && !task.asleep);
            task.running = Some(cpu);
            self.domains[task.domain].running += 1;
            let woken = task.woken.take();
            self.figures
                .latencies
                .extend(woken.map(|woken| self.now - woken));
            self.figures.switches += 1;
        }
        if let Some(old) = old {
            self.domains[self.tasks[old].domain].running -= 1;
            self.tasks[old].running = None;
            self.settle(old);
        }
        self.plan(cpu);
    }

    /// When a CPU decides again.
    fn plan(&mut self, cpu: CpuId) {
        let mut at = self.queues.plan(&self.policy, cpu, self.now);
        if let Some(current) = self.cpus[cpu as usize].current {
            let task = &self.tasks[current];
            let domain = &self.domains[task.domain];
            at = at.min(self.now.saturating_add(task.work_left));
            if domain.cap.is_set() {
                at = at.min(self.now + domain.cap.allows(domain.running));
            }
        }
        let of = &mut self.cpus[cpu as usize];
        of.plan += 1;
        let plan = of.plan;
        if at != Nanos::MAX {
            self.at(at, Event::Decide(cpu, plan));
        }
    }
}
