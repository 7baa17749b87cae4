//! Kills a program of dom0's toolstack at many moments of its work, then has another command clean
//! up behind it, and checks each time that nothing is left: no domain, no page of the machine, no
//! event channel, no local channel, no node of the store.
//!
//! Arguments: `times=N` (default 50), `first=COMMAND` (a `+` is a blank) to be run before each time,
//! `then=COMMAND`, then the program's path and its arguments. With `the=domain` it is not the program
//! that is killed but the domain that it makes, at many moments from its first: by the hypervisor,
//! so that neither program nor services know. `the=store` alone kills xenstored amid a transaction.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dom0_ring3::{Door, STORE, Stream};
use dom0_tools::hyper::DomctlExt;
use dom0_tools::store::{Client, Store, StoreError};
use guest_user::abi::*;
use guest_user::check::{Done, status, told};
use guest_user::dom0::{self, free_pages, ports_used};
use guest_user::{println, start, sys};

guest_user::entry!(main);

/// Runs before anything is counted, so that what is kept for reuse is there.
const WARM_UP: u64 = 2;
const OPTIONS: [&str; 4] = ["times=", "first=", "then=", "the="];
/// Services are waited for no longer, in nanoseconds, and looked at so often.
const PATIENCE: u64 = 20_000_000_000;
const PAUSE: u64 = 2_000_000;
/// Between two looks for a domain that is about to come.
const GLANCE: u64 = 100_000;
/// Time for the services to have done all that they will, before anything is counted.
const WHILE: u64 = 200_000_000;
/// How much longer a domain may live than its making takes, in such times.
const LIVES: u64 = 3;
/// Pages that dom0's services may have more in the end than at first, besides what the consoles of
/// domains have said last (that is kept of 32, of each 16 KiB) and the changes that xenstored has
/// kept for the next one: 256 KiB and twice what is in it.
const KEPT_MAX: u64 = 64;
const LOGS_MAX: u64 = 32 * 4;
const CHANGES_MAX: u64 = 64 + 2 * 16;

fn main() -> i32 {
    status("killer", all().map(|told| println!("killer: {told}")))
}

/// What must come back.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    domains: Vec<u16>,
    ports: usize,
    /// Of the machine.
    free_pages: u64,
    channels: u64,
    nodes: Vec<String>,
}

fn figures() -> Done<Figures> {
    let nodes = nodes()?;
    Ok(Figures {
        domains: domains(),
        ports: ports_used(),
        free_pages: told("physinfo", free_pages())?,
        channels: told("info", sys::info(INFO_CHANNELS))?,
        nodes,
    })
}

/// All nodes of the store but the root.
fn nodes() -> Done<Vec<String>> {
    let mut store = Client::new(told("the store", Stream::connect(STORE))?);
    told("listing", store.all_nodes())
}

/// Pages of dom0 that nobody uses: services may keep a few more than before.
fn own_pages() -> Done<u64> {
    told("info", sys::info(INFO_FREE_PAGES))
}

/// What is done, and to whom.
struct Plan {
    path: &'static str,
    args: String,
    first: Option<&'static str>,
    then: &'static str,
    /// Domains that were there before.
    known: Vec<u16>,
    /// How long the program takes when nobody disturbs it, ns.
    whole: u64,
}

/// What a kill has met.
#[derive(Default)]
struct Met {
    /// The program, or with `the=domain` the domain.
    killed: u64,
    /// Domains that were there, whole or in part.
    domains: usize,
    /// Domains that had not been made to the end.
    unfinished: u64,
    /// Domains that had nodes of their own.
    talking: u64,
}

/// Kills xenstored while a transaction of this program is open.
fn kill_store() -> Done<String> {
    let stream = told("the store", Stream::connect(STORE))?;
    let process = told("the store", sys::peer(stream.descriptor()))?;
    let mut client = Client::new(stream);
    let done: Result<(), StoreError> = client.transaction(|store| {
        store.write("/tool/half", b"of a transaction")?;
        // It is there: it has just answered.
        let _ = sys::kill(process);
        store.write("/tool/half", b"of the same")
    });
    match done {
        Err(StoreError::Closed(_)) => Ok(format!("xenstored (process {process}) is killed")),
        other => Err(format!("the store was killed, and then: {other:?}")),
    }
}

fn all() -> Done<String> {
    if start::option("the") == Some("store") {
        return kill_store();
    }
    let times = start::option("times").map_or(Ok(50), str::parse::<u64>);
    let times = times.map_err(|_| "times=N has no number")?;
    let is_option = |word: &&str| OPTIONS.iter().any(|option| word.starts_with(option));
    let mut words = start::args().skip(1).filter(|word| !is_option(word));
    let mut plan = Plan {
        first: start::option("first"),
        then: start::option("then").ok_or("which command then?")?,
        path: words.next().ok_or("which program?")?,
        args: words.collect::<Vec<_>>().join("\0"),
        known: domains(),
        whole: 0,
    };
    for _ in 0..WARM_UP {
        plan.whole = plan.alone()?;
    }
    let (before, own_before) = (figures()?, own_pages()?);
    let mut met = Met::default();
    for time in 0..times {
        plan.first.map_or(Ok(()), run)?;
        match start::option("the") {
            Some("domain") => plan.kill_domain(LIVES * plan.whole * time / times, &mut met)?,
            _ => plan.kill_program(plan.whole * time / times, &mut met)?,
        }
        run(plan.then)?;
        settle(&before).map_err(|why| format!("killed after {time} of {times} parts, {why}"))?;
    }
    let lost = own_before.saturating_sub(own_pages()?);
    if lost > KEPT_MAX + LOGS_MAX + CHANGES_MAX {
        return Err(format!("dom0 has {lost} free pages less than before"));
    }
    let what = if start::option("the").is_some() {
        format!(
            "domains were destroyed {} times, {} of them before they were made to the end and {} \
             amid their transactions",
            met.killed, met.unfinished, met.talking
        )
    } else {
        format!(
            "{} was killed {} times, with {} domains made, half made or half destroyed",
            plan.path, met.killed, met.domains
        )
    };
    let (ports, nodes) = (before.ports, before.nodes.len());
    Ok(format!(
        "{what}; {ports} ports and {nodes} nodes are in use as before"
    ))
}

impl Plan {
    fn begin(&self) -> Done<u64> {
        told(self.path, sys::spawn(self.path, self.args.as_bytes()))
    }

    /// Runs the program to its end and cleans up; how long it took, ns.
    fn alone(&self) -> Done<u64> {
        self.first.map_or(Ok(()), run)?;
        let begun = sys::clock();
        let pid = self.begin()?;
        let status = told("wait", sys::wait(pid))?;
        let whole = sys::clock() - begun;
        if status != 0 {
            return Err(format!("{} alone ended with {status:#x}", self.path));
        }
        run(self.then)?;
        while domains() != self.known {
            sys::sleep(PAUSE);
        }
        sys::sleep(WHILE);
        Ok(whole)
    }

    fn kill_program(&self, after: u64, met: &mut Met) -> Done {
        let pid = self.begin()?;
        sys::sleep(after);
        // It may have ended before.
        let _ = sys::kill(pid);
        met.killed += u64::from(told("wait", sys::wait(pid))? == STATUS_KILLED);
        met.domains += domains().len() - self.known.len();
        Ok(())
    }

    /// Destroys the domain that the program makes, so long after it is there.
    fn kill_domain(&self, after: u64, met: &mut Met) -> Done {
        let pid = self.begin()?;
        let domain = loop {
            if let Some(new) = domains().iter().find(|one| !self.known.contains(one)) {
                break *new;
            }
            if !sys::alive(pid) {
                return Err("no domain was made".into());
            }
            sys::sleep(GLANCE);
        };
        sys::sleep(after);
        met.unfinished += u64::from(sys::alive(pid));
        let own = format!("/local/domain/{domain}/data/talk/");
        met.talking += u64::from(nodes()?.iter().any(|node| node.starts_with(&own)));
        match Door.destroy_domain(domain) {
            Err(error) if domains().contains(&domain) => told("destroying", Err(error))?,
            // Services may hold pages of it for a while.
            _ => met.killed += 1,
        }
        told("wait", sys::wait(pid)).map(drop)
    }
}

/// Waits until everything is as before: services give back what is theirs when they hear of an end.
fn settle(before: &Figures) -> Done {
    let end = sys::clock() + PATIENCE;
    loop {
        let now = figures()?;
        if now == *before {
            return Ok(());
        }
        if sys::clock() > end {
            return Err(format!("{before:?} became {now:?}"));
        }
        sys::sleep(PAUSE);
    }
}

fn domains() -> Vec<u16> {
    dom0::domains().collect()
}

/// Runs a command, whatever comes of it.
fn run(command: &str) -> Done {
    let (path, args) = command.split_once('+').unwrap_or((command, ""));
    let args = args.replace('+', "\0");
    let pid = told(path, sys::spawn(path, args.as_bytes()))?;
    told("wait", sys::wait(pid)).map(drop)
}
