//! Requests to guests: asked over the store, verified with the hypervisor.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::xen_domctl_getdomaininfo;
use hypercall_abi::errno::XEN_EIO;
use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, TICK};
use crate::control::{self, Ask};
use crate::domains::{self, End, local};
use crate::error::Error;
use crate::hyper::{DomctlExt, Errno, EventExt};
use crate::store::Store;

/// How long a guest may take to come up, and to answer, ns of dom0's clock.
const PATIENCE: u64 = 20 * SECOND;
/// The token of the watch for what a guest is to do.
const WAITED_FOR: &str = "waited-for";
/// When a guest has sent no event for so long, its answer may be there, ns.
const PING_PAUSE: u64 = SECOND / 1000;
/// KiB of a page.
const KIB_PER_PAGE: u64 = 4;

/// What is waited for of a guest.
pub(super) struct Wait {
    domain: domid_t,
    /// The node.
    path: String,
    /// How often to look, even if nothing tells of a change, ns.
    look: u64,
    /// How long in all, ns.
    patience: u64,
}

impl Wait {
    /// For any node that has to do with a domain.
    pub(super) fn at(domain: domid_t, path: &str) -> Self {
        Wait {
            domain,
            path: path.to_string(),
            look: TICK,
            patience: PATIENCE,
        }
    }

    /// For a node of a domain's own.
    pub(super) fn of(domain: domid_t, node: &str) -> Self {
        Self::at(domain, &format!("{}/{node}", local(domain)))
    }
}

pub(super) fn shutdown<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    end(shell, args, "poweroff")
}

pub(super) fn reboot<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    end(shell, args, "reboot")
}

/// Asks domains to end, and waits until they have if asked to.
fn end<S: Host>(shell: &mut Shell<S>, args: &[&str], how: &str) -> Outcome {
    let (mut wait, mut all, mut names) = (false, false, Vec::new());
    for arg in args {
        match *arg {
            "-w" | "--wait" => wait = true,
            "-a" | "--all" => all = true,
            option if option.starts_with('-') => return Err(Failure::Usage),
            name => names.push(name),
        }
    }
    let chosen = match (all, &names[..]) {
        (false, [name]) => alloc::vec![shell.find(name)?],
        (true, []) => shell.running()?,
        _ => return Err(Failure::Usage),
    };
    for domain in &chosen {
        shell.tell_to_end(*domain, how)?;
    }
    for domain in chosen.into_iter().filter(|_| wait) {
        // The first that ended may have been seen to meanwhile.
        if shell.system.domain_info(domain)?.is_some() {
            shell.wait_for_end(domain)?;
        }
    }
    Ok(())
}

pub(super) fn mem_set<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, size] = args else {
        return Err(Failure::Usage);
    };
    let pages = parse_pages(size).ok_or(Failure::Usage)?;
    let domain = shell.find(name)?;
    shell.balloon(domain, pages)?;
    shell.print(&format!("{name} has {} MiB now\n", mib(pages)));
    Ok(())
}

pub(super) fn mem_max<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, size] = args else {
        return Err(Failure::Usage);
    };
    let pages = parse_pages(size).ok_or(Failure::Usage)?;
    let domain = shell.find(name)?;
    let kib = pages.checked_mul(KIB_PER_PAGE).ok_or(Failure::Usage)?;
    let has = shell.info_of(domain)?.tot_pages;
    if pages < has {
        let has = mib(has);
        return Err(Failure::refused(format!(
            "it has {has} MiB: shrink it with xl mem-set first"
        )));
    }
    shell.system.set_max_memory(domain, kib)?;
    let path = format!("{}/memory/static-max", local(domain));
    shell.with(|domains, _| Ok(domains.store().write_text(&path, kib)?))?;
    shell.print(&format!("{name} may have {} MiB now\n", mib(pages)));
    Ok(())
}

/// Reads a size as xl does: MiB, or with a suffix k, m, g.
fn parse_pages(text: &str) -> Option<u64> {
    let (number, kib) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1),
        (at, 'm' | 'M') => (&text[..at], 1 << 10),
        (at, 'g' | 'G') => (&text[..at], 1 << 20),
        _ => (text, 1 << 10),
    };
    let kib = number.parse::<u64>().ok()?.checked_mul(kib)?;
    (kib >= KIB_PER_PAGE).then_some(kib / KIB_PER_PAGE)
}

/// Pages as MiB with one decimal if it is needed.
pub(super) fn mib(pages: u64) -> String {
    match (pages / 256, pages % 256 * 10 / 256) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

impl<S: Host> Shell<S> {
    /// What the hypervisor says of a domain.
    pub(super) fn info_of(&mut self, domain: domid_t) -> Result<xen_domctl_getdomaininfo, Error> {
        domains::info_of(&mut self.system, domain)
    }

    /// Whether a domain is there no more, or only to be looked at.
    pub(super) fn has_ended(&mut self, domain: domid_t) -> bool {
        let info = self.system.domain_info(domain);
        info.is_ok_and(|info| info.is_none_or(|info| End::of(info.flags).is_some()))
    }

    pub(super) fn guest_error(&mut self, domain: domid_t, reason: impl Into<String>) -> Error {
        Error::Guest {
            name: self.name(domain),
            reason: reason.into(),
        }
    }

    /// The domains that xl made and that have not ended.
    fn running(&mut self) -> Result<Vec<domid_t>, Error> {
        let mut all = self.with(|domains, _| domains.all())?;
        let mut running = Vec::new();
        for domain in all.drain(..) {
            let info = self.system.domain_info(domain)?;
            if info.is_some_and(|info| End::of(info.flags).is_none()) {
                running.push(domain);
            }
        }
        Ok(running)
    }

    /// Has a guest change its size, and checks with the hypervisor that it did.
    pub(super) fn balloon(&mut self, domain: domid_t, pages: u64) -> Result<(), Error> {
        let before = self.info_of(domain)?;
        if pages > before.max_pages {
            let most = mib(before.max_pages);
            return Err(Error::Refused(format!(
                "its maxmem is {most} MiB: it cannot grow beyond"
            )));
        }
        self.with(|domains, _| domains.known(domain))?;
        let target = format!("{}/memory/target", local(domain));
        let kib = pages * KIB_PER_PAGE;
        self.with(|domains, _| Ok(domains.store().write_text(&target, kib)?))?;
        let claimed = self.follows(domain, Ask::Balloon, pages, |info| info.tot_pages)?;
        let now = self.info_of(domain)?.tot_pages;
        if now != pages {
            let reason = format!("asked for {pages} pages, it says {claimed}, it has {now}");
            return Err(self.guest_error(domain, reason));
        }
        Ok(())
    }

    /// Asks a guest, and waits for its answer, a number.
    pub(super) fn ask_number(&mut self, domain: domid_t, ask: Ask) -> Result<u64, Error> {
        let answer = self.ask(domain, ask)?;
        self.number_in(domain, &answer)
    }

    fn number_in(&mut self, domain: domid_t, answer: &str) -> Result<u64, Error> {
        let number = answer.parse();
        number.map_err(|_| self.guest_error(domain, format!("it answered `{answer}`")))
    }

    /// Asks a guest, and waits for its answer.
    pub(super) fn ask(&mut self, domain: domid_t, ask: Ask) -> Result<String, Error> {
        self.served(domain)?;
        self.ask_within(domain, ask, PATIENCE)
    }

    /// Asks a guest that listens, and waits so long for its answer.
    pub(super) fn ask_within(
        &mut self,
        domain: domid_t,
        ask: Ask,
        patience: u64,
    ) -> Result<String, Error> {
        let number = self.post(domain, ask)?;
        let wait = Wait {
            patience,
            ..Wait::of(domain, "data/answer")
        };
        let answer = self.wait_for_node(&wait, |_, value| {
            value.and_then(|text| control::answer(text, number))
        })?;
        answer.map_err(|errno| self.guest_error(domain, format!("it refused {ask:?}: {errno}")))
    }

    /// Asks without waiting; the question's number.
    pub(super) fn post(&mut self, domain: domid_t, ask: Ask) -> Result<u64, Error> {
        let data = format!("{}/data", local(domain));
        self.with(|domains, _| {
            let store = domains.store();
            let mut last = 0;
            for node in ["ask", "answer"] {
                let text = store.read_if_there(&format!("{data}/{node}"))?;
                last = last.max(text.and_then(|text| control::number(&text)).unwrap_or(0));
            }
            // What a guest writes there may be anything.
            let number = last.wrapping_add(1);
            store.write_text(&format!("{data}/ask"), ask.text(number))?;
            Ok(number)
        })
    }

    /// Waits until a guest has done what standard nodes ask for, so that `figure` of it is `wanted`. One
    /// that listens is asked what it reached; of others the hypervisor tells.
    pub(super) fn follows(
        &mut self,
        domain: domid_t,
        ask: Ask,
        wanted: u64,
        figure: impl Fn(&xen_domctl_getdomaininfo) -> u64,
    ) -> Result<u64, Error> {
        let listens = self.wait_for_node(&Wait::of(domain, "data/serves"), |shell, value| {
            if value == Some("1") {
                return Some(true);
            }
            let info = shell.system.domain_info(domain).ok()??;
            (figure(&info) == wanted).then_some(false)
        })?;
        if listens {
            let answer = self.ask_within(domain, ask, PATIENCE)?;
            self.number_in(domain, &answer)
        } else {
            Ok(wanted)
        }
    }

    /// Waits until a guest listens to what it is asked.
    pub(super) fn served(&mut self, domain: domid_t) -> Result<(), Error> {
        // Only of those that xl made is anything in the store.
        self.with(|domains, _| domains.known(domain))?;
        self.wait_for_node(&Wait::of(domain, "data/serves"), |_, value| {
            (value == Some("1")).then_some(())
        })
    }

    /// Serves all guests until `ready` finds in a node of a guest what it looks for; `None` stands
    /// for no such node.
    pub(super) fn wait_for_node<T>(
        &mut self,
        wait: &Wait,
        mut ready: impl FnMut(&mut Self, Option<&str>) -> Option<T>,
    ) -> Result<T, Error> {
        let path = wait.path.as_str();
        let value = self.read_node(path)?;
        if let Some(found) = ready(self, value.as_deref()) {
            return Ok(found);
        }
        self.with(|domains, _| Ok(domains.store().watch(path, WAITED_FOR)?))?;
        let found = self.wait_watched(wait, ready);
        self.with(|domains, _| Ok(domains.store().unwatch(path, WAITED_FOR)?))?;
        found
    }

    pub(super) fn read_node(&mut self, path: &str) -> Result<Option<String>, Error> {
        self.with(|domains, _| Ok(domains.store().read_if_there(path)?))
    }

    fn wait_watched<T>(
        &mut self,
        wait: &Wait,
        mut ready: impl FnMut(&mut Self, Option<&str>) -> Option<T>,
    ) -> Result<T, Error> {
        let Wait { domain, look, .. } = *wait;
        let deadline = self.system.now() + wait.patience;
        let name = self.name(domain);
        loop {
            // In this order: what it did before its end is seen.
            let info = self.system.domain_info(domain)?;
            let value = self.read_node(&wait.path)?;
            if let Some(found) = ready(self, value.as_deref()) {
                return Ok(found);
            }
            let end = info.map_or(Some(End::Gone), |info| End::of(info.flags));
            let late = self.system.now() > deadline;
            return Err(match (end, info) {
                (Some(end), _) => {
                    let reason = format!("it {}", end.describe());
                    Error::Guest { name, reason }
                }
                (None, Some(info)) if late => Error::NoAnswer {
                    name,
                    seconds: wait.patience / SECOND,
                    state: super::list::state(info.flags),
                },
                _ => {
                    self.wait_for_store(look)?;
                    self.attend_but_ends();
                    continue;
                }
            });
        }
    }

    /// Has a guest end in its own way, and waits until it says that it will.
    pub(super) fn tell_to_end(&mut self, domain: domid_t, how: &str) -> Result<(), Error> {
        if domain == 0 {
            let why = "domain 0 is ended by `poweroff`";
            return Err(Error::Refused(why.into()));
        }
        self.press(domain, "control/shutdown", how)
    }

    /// Writes to a node that a guest empties when it has seen it. What it does then may be its end.
    pub(super) fn press(&mut self, domain: domid_t, node: &str, value: &str) -> Result<(), Error> {
        self.with(|domains, _| domains.known(domain))?;
        let wait = Wait::of(domain, node);
        let path = &wait.path;
        self.with(|domains, _| Ok(domains.store().write_text(path, value)?))?;
        let seen = self.wait_for_node(&wait, |shell, value| {
            (shell.has_ended(domain) || value.is_none_or(str::is_empty)).then_some(())
        });
        match seen {
            // Nor will it be taken for something to do by one that comes up later.
            Err(error @ (Error::Guest { .. } | Error::NoAnswer { .. })) => {
                self.with(|domains, _| Ok(domains.store().write(path, b"")?))?;
                Err(error)
            }
            other => other,
        }
    }

    /// Serves all guests until one has ended, and returns how.
    pub(super) fn wait_for_end(&mut self, domain: domid_t) -> Result<End, Error> {
        let deadline = self.system.now() + PATIENCE;
        loop {
            let flags = self.system.domain_info(domain)?.map(|info| info.flags);
            if let Some(end) = flags.map_or(Some(End::Gone), End::of) {
                self.ends_due = true;
                self.attend_guests();
                return Ok(end);
            }
            if self.system.now() > deadline {
                let reason = format!("it still runs after {} s", PATIENCE / SECOND);
                return Err(self.guest_error(domain, reason));
            }
            self.wait_for_store(TICK)?;
            self.attend_but_ends();
        }
    }

    /// Has a guest send events here, and answers them; how many it says were answered.
    pub(super) fn ping(&mut self, domain: domid_t, count: u64) -> Result<u64, Error> {
        self.served(domain)?;
        let port = self.system.alloc_for(domain)?;
        let answered = self.ping_at(domain, port, count);
        self.system.close_port(port)?;
        answered
    }

    fn ping_at(&mut self, domain: domid_t, port: u32, count: u64) -> Result<u64, Error> {
        let ask = Ask::Ping { port, count };
        let number = self.post(domain, ask)?;
        let wait = Wait {
            // What is waited for meanwhile are events.
            look: 0,
            ..Wait::of(domain, "data/answer")
        };
        let answer = self.wait_for_node(&wait, |shell, value| {
            let answer = value.and_then(|text| control::answer(text, number));
            if answer.is_some() {
                return answer;
            }
            while shell.system.wait_event(port, PING_PAUSE) {
                if shell.system.notify(port).is_err() {
                    return Some(Err(Errno(XEN_EIO)));
                }
            }
            None
        })?;
        let answer = answer
            .map_err(|errno| self.guest_error(domain, format!("it refused {ask:?}: {errno}")))?;
        let number = answer.parse();
        number.map_err(|_| self.guest_error(domain, format!("it answered `{answer}`")))
    }
}
