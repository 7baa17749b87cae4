//! `xl crash-test`: a domain is made, started, ended and taken apart, again and again, each time at
//! another bad moment; then everything must be there again that was there before.
//!
//! The domain's kernel has to know what `cycle=NAME who=VCPU` on its command line asks for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::{DOMID_SELF, domid_t};

use super::command::{Failure, Outcome};
use super::guests::Wait;
use super::lifecycle::Files;
use super::{Host, SECOND, Shell, TICK};
use crate::config::DomainConfig;
use crate::domains::End;
use crate::error::Error;
use crate::hyper::{DomctlExt, EventExt, Hyper, SysctlExt};

/// How long a guest may take to come up, and to end, ns of dom0's clock.
pub(super) const PATIENCE: u64 = 20 * SECOND;
/// How often a guest is looked at that is about to end, ns.
const LOOK: u64 = 50_000;
/// Ports that are asked for to see which are free.
const PORTS: usize = 8;
/// Other guests are attended to after so many cycles.
const ATTEND: u64 = 16;

/// How a cycle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The domain ends itself.
    Crashes,
    /// It is destroyed while it runs, on all its vCPUs unless it takes them down itself.
    Destroyed { all_up: bool },
    /// It is destroyed before it ever ran.
    Unborn,
}

/// What the kernel is told, how that ends, and how it is called.
const WAYS: [(&str, Way, &str); 6] = [
    ("trap", Way::Crashes, "by an exception without a handler"),
    ("shutdown", Way::Crashes, "by its own word"),
    ("spin", Way::Destroyed { all_up: true }, "while it computed"),
    (
        "long",
        Way::Destroyed { all_up: true },
        "amid long hypercalls",
    ),
    (
        "plug",
        Way::Destroyed { all_up: false },
        "while vCPUs went down and up",
    ),
    ("none", Way::Unborn, "before it ran"),
];

/// What must come back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) free_pages: u64,
    /// The lowest free ports of dom0.
    ports: Vec<u32>,
}

impl Books {
    pub(super) fn of<H: Hyper>(hyper: &mut H) -> Result<Self, Error> {
        let mut ports = Vec::new();
        for _ in 0..PORTS {
            ports.push(hyper.alloc_unbound(DOMID_SELF)?);
        }
        for port in &ports {
            hyper.close_port(*port)?;
        }
        let free_pages = hyper.physinfo()?.free_pages;
        Ok(Books { free_pages, ports })
    }
}

/// What all cycles are made from, and what they took.
pub(super) struct Mould {
    config: DomainConfig,
    files: Files,
    /// Time spent so far, ns: building, until all vCPUs run, until the end, taking apart.
    spent: [u64; 4],
}

pub(super) fn crash_test<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, cycles] = args else {
        return Err(Failure::Usage);
    };
    let cycles: u64 = cycles.parse().map_err(|_| Failure::Usage)?;
    let mut mould = shell.mould(name)?;
    // What each of them says is of no interest, unless it fails.
    let quiet = core::mem::replace(&mut shell.quiet, true);
    let result = crash(shell, &mut mould, cycles);
    shell.quiet = quiet;
    result
}

fn crash<S: Host>(shell: &mut Shell<S>, mould: &mut Mould, cycles: u64) -> Outcome {
    shell.attend_guests();
    let before = Books::of(&mut shell.system)?;
    let begun = shell.system.now();
    let mut ends = [0_u64; WAYS.len()];
    for cycle in 0..cycles {
        let way = (cycle % WAYS.len() as u64) as usize;
        let done = shell.cycle(mould, cycle, way);
        done.map_err(|error| error.during(format!("cycle {cycle} ({})", WAYS[way].0)))?;
        ends[way] += 1;
        if cycle % ATTEND == 0 {
            shell.attend_guests();
        }
    }
    let took = shell.system.now().saturating_sub(begun);
    let mut after = Books::of(&mut shell.system)?;
    // Services close their ports in their own time.
    let deadline = shell.system.now() + PATIENCE;
    while after != before && shell.system.now() < deadline {
        shell.wait(TICK);
        after = Books::of(&mut shell.system)?;
    }
    if after != before {
        return Err(Failure::refused(format!(
            "not everything came back: {before:?} before, {after:?} afterwards"
        )));
    }
    let each = mould.spent.map(|ns| tenths(ns * 10 / cycles.max(1)));
    let mut text = format!(
        "{cycles} cycles in {} ms; {} pages are free and port {} is the next, as before\n  \
         ms for each: {} to build, {} to start, {} to end, {} to take apart\n",
        took / 1_000_000,
        after.free_pages,
        after.ports[0],
        each[0],
        each[1],
        each[2],
        each[3],
    );
    for (count, (_, _, how)) in ends.iter().zip(WAYS) {
        text += &format!("  {count} ended {how}\n");
    }
    shell.print(&text);
    Ok(())
}

/// Nanoseconds, ten times over, as milliseconds.
fn tenths(ns: u64) -> String {
    let tenths = ns / 1_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl<S: Host> Shell<S> {
    pub(super) fn mould(&mut self, name: &str) -> Result<Mould, Error> {
        let config = self.read_config(name, "")?;
        let files = self.files_of(&config)?;
        Ok(Mould {
            config,
            files,
            spent: [0; 4],
        })
    }

    /// Makes a domain whose kernel is told this as well.
    pub(super) fn make_of(&mut self, mould: &Mould, words: &str) -> Result<domid_t, Error> {
        let mut config = mould.config.clone();
        let told = &mut config.command_line;
        if !told.is_empty() {
            told.push(' ');
        }
        told.push_str(words);
        let made = self.make(&config, &mould.files, 0)?;
        self.with(|domains, _| domains.done(made))?;
        Ok(made.domain)
    }

    /// One life from creation to the end of every trace of it.
    fn cycle(&mut self, mould: &mut Mould, cycle: u64, way: usize) -> Result<(), Error> {
        let (told, way, _) = WAYS[way];
        let vcpus = mould.config.vcpus;
        let who = cycle / WAYS.len() as u64 % u64::from(vcpus);
        let now = self.system.now();
        let domain = self.make_of(mould, &format!("cycle={told} who={who}"))?;
        let built = self.system.now();
        let lived = self.live(domain, way, vcpus, cycle);
        let log = self.last_words(domain);
        let ended = self.system.now();
        self.destroy_domain(domain)?;
        let gone = self.system.now();
        let started = lived.as_ref().copied().unwrap_or(ended);
        let times = [now, built, started, ended, gone];
        for (spent, pair) in mould.spent.iter_mut().zip(times.windows(2)) {
            *spent += pair[1].saturating_sub(pair[0]);
        }
        lived.map_err(|error| error.during(format!("it said `{log}`")))?;
        match self.system.domain_info(domain)? {
            None => Ok(()),
            Some(left) => Err(Error::Refused(format!(
                "domain {domain} is still there, with {} pages",
                left.tot_pages
            ))),
        }
    }

    /// From the start to the end, or shortly before it. Gives when all vCPUs ran.
    fn live(&mut self, domain: domid_t, way: Way, vcpus: u32, cycle: u64) -> Result<u64, Error> {
        if way == Way::Unborn {
            return Ok(self.system.now());
        }
        self.system.unpause_domain(domain)?;
        self.wait_for_vcpus(domain)?;
        let started = self.system.now();
        if way == Way::Crashes {
            self.wait_for_crash(domain, LOOK)?;
        }
        let up = self.info_of(domain)?.nr_online_vcpus;
        if up != vcpus && way != (Way::Destroyed { all_up: false }) {
            return Err(Error::Refused(format!("{up} vCPUs are up, not {vcpus}")));
        }
        // Not at the same moment each time.
        for _ in 0..cycle % 13 {
            self.system.physinfo()?;
        }
        Ok(started)
    }

    /// Until it says that all its vCPUs run.
    fn wait_for_vcpus(&mut self, domain: domid_t) -> Result<(), Error> {
        // Those that crash at once have written it before.
        let wait = Wait::of(domain, "data/running");
        let runs = self.wait_for_node(&wait, |_, value| value.map(drop));
        runs.map_err(|error| error.during("waiting until all its vCPUs run"))
    }

    /// Until it has crashed; it is looked at so often, ns.
    pub(super) fn wait_for_crash(&mut self, domain: domid_t, look: u64) -> Result<(), Error> {
        let deadline = self.system.now() + PATIENCE;
        loop {
            match End::of(self.info_of(domain)?.flags) {
                Some(End::Crash) => return Ok(()),
                Some(end) => {
                    let how = end.describe();
                    return Err(Error::Refused(format!("it {how}, it did not crash")));
                }
                None if self.system.now() > deadline => {
                    return Err(Error::Refused("it did not crash".into()));
                }
                None => self.system.sleep(look),
            }
        }
    }

    /// What it said, for the one who reads of its failure.
    pub(super) fn last_words(&mut self, domain: domid_t) -> String {
        self.hear_out();
        let view = self.views.get(domain);
        let said = view.map(|view| view.log.contents()).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }
}
