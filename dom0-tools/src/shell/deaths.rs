//! `xl death-test`: domains whose front ends die amid a transfer, each at another point; after each of
//! them everything must be there again that was there before.
//!
//! The domain has a disk and two network interfaces, and its kernel has to know what `death=DISK,NET`
//! on its command line asks for: the number of a point of the disk's life, and of the first interface's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::cycles::{Books, Mould, PATIENCE};
use super::guests::Wait;
use super::{Host, Shell};
use crate::error::Error;
use crate::hyper::DomctlExt;
use crate::store::Store;

/// How often something is looked at that is waited for, ns.
const LOOK: u64 = 500_000;

/// The points of a life: of the disk's front end, and of the interface's.
#[derive(Debug, Clone, Copy)]
struct Points {
    disk: u64,
    net: u64,
}

impl Points {
    fn parse(text: &str) -> Option<Self> {
        let (disk, net) = text.split_once(' ')?;
        let (disk, net) = (disk.parse().ok()?, net.parse().ok()?);
        (disk > 0 && net > 0).then_some(Points { disk, net })
    }

    /// Deaths until each point was met once at least.
    fn round(self) -> u64 {
        self.disk.max(self.net)
    }

    /// What the kernel is told in the death of that number, and whether it ends itself. In each round
    /// a point of the one meets another of the other.
    fn words(self, number: u64) -> (String, bool) {
        let round = number / self.round();
        let disk = number % self.disk;
        let net = (number + number / self.net) % self.net;
        let last = ["disk", "net"][(round % 2) as usize];
        let (by, own) = [("itself", true), ("toolstack", false)][(round / 2 % 2) as usize];
        (format!("death={disk},{net} last={last} by={by}"), own)
    }
}

pub(super) fn death_test<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, numbers) = match args {
        [name, count] => (name, [count, "0"]),
        [name, count, first] => (name, [*count, *first]),
        _ => return Err(Failure::Usage),
    };
    let [count, first] = numbers.map(|number| number.parse::<u64>().ok());
    let (Some(count), Some(first)) = (count, first) else {
        return Err(Failure::Usage);
    };
    let mut mould = shell.mould(name)?;
    // What each of them says is of no interest, unless it fails.
    let quiet = core::mem::replace(&mut shell.quiet, true);
    let result = die(shell, &mut mould, first, count);
    shell.quiet = quiet;
    result
}

fn die<S: Host>(shell: &mut Shell<S>, mould: &mut Mould, first: u64, count: u64) -> Outcome {
    // What is kept of the first one is there from now on.
    let points = shell.count_points(mould)?;
    let before = Books::of(&mut shell.system)?;
    let nodes = shell.all_nodes()?;
    let (begun, end) = (shell.system.now(), first.saturating_add(count));
    for number in first..end {
        let (words, own) = points.words(number);
        let died = shell.one_death(mould, &words, own);
        let is_last = number + 1 == end || (number + 1) % points.round() == 0;
        let settled = died.and_then(|()| {
            shell.settle(&before, |shell| Books::of(&mut shell.system))?;
            // All of them, from time to time: they are many to ask for.
            if is_last {
                shell.settle(&nodes, Shell::all_nodes)?;
            }
            Ok(())
        });
        settled.map_err(|error| error.during(format!("death {number} ({words})")))?;
    }
    let ms = shell.system.now().saturating_sub(begun) / 1_000_000;
    shell.print(&format!(
        "{count} deaths in {ms} ms at {} points of a disk's life and {} of a network interface's; \
         {} pages are free and {} nodes are there, as before\n",
        points.disk,
        points.net,
        before.free_pages,
        nodes.len()
    ));
    Ok(())
}

impl<S: Host> Shell<S> {
    fn all_nodes(&mut self) -> Result<Vec<String>, Error> {
        self.with(|domains, _| Ok(domains.store().all_nodes()?))
    }

    /// Waits until something is as before: services give back what is theirs in their own time.
    fn settle<T: PartialEq + Debug>(
        &mut self,
        before: &T,
        look: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<(), Error> {
        let deadline = self.system.now() + PATIENCE;
        loop {
            let now = look(self)?;
            if now == *before {
                return Ok(());
            }
            if self.system.now() > deadline {
                let what = format!("not everything came back: {before:?} became {now:?}");
                return Err(Error::Refused(what));
            }
            self.system.sleep(LOOK);
        }
    }

    /// Asks a domain of the kind how many points there are.
    fn count_points(&mut self, mould: &mut Mould) -> Result<Points, Error> {
        let domain = self.make_of(mould, "death=count")?;
        self.system.unpause_domain(domain)?;
        let wait = Wait::of(domain, "data/points");
        let told = self.wait_for_node(&wait, |_, value| value.and_then(Points::parse));
        self.destroy_domain(domain)?;
        told
    }

    /// One life from creation to the end of every trace of it.
    fn one_death(&mut self, mould: &mut Mould, words: &str, own: bool) -> Result<(), Error> {
        let domain = self.make_of(mould, words)?;
        let lived = self.live_and_die(domain, own);
        let log = self.last_words(domain);
        self.destroy_domain(domain)?;
        let at_its_point = !own || log.contains("DIES: ");
        match lived {
            Ok(()) if at_its_point => Ok(()),
            Ok(()) => Err(Error::Refused(format!("it died too early: `{log}`"))),
            Err(error) => Err(error.during(format!("it said `{log}`"))),
        }
    }

    /// Until it has ended itself, or is to be destroyed.
    fn live_and_die(&mut self, domain: domid_t, own: bool) -> Result<(), Error> {
        self.system.unpause_domain(domain)?;
        if own {
            return self.wait_for_crash(domain, LOOK);
        }
        let wait = Wait::of(domain, "data/dies");
        self.wait_for_node(&wait, |_, value| value.map(drop))
    }
}
