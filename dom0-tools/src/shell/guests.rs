//! Requests to guest kernels: asked over the store page, verified with the hypervisor.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use hypercall_abi::domctl::xen_domctl_getdomaininfo;
use hypercall_abi::sched::{SHUTDOWN_poweroff, SHUTDOWN_reboot};
use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, TICK};
use crate::control::{Protocol, Request};
use crate::domains::End;
use crate::error::Error;
use crate::hyper::{DomctlExt, Errno, EventExt};

/// How long a guest may take to come up, and to answer, ns of dom0's clock.
const PATIENCE: u64 = 20 * SECOND;

pub(super) fn shutdown<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    end(shell, args, SHUTDOWN_poweroff)
}

pub(super) fn reboot<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    end(shell, args, SHUTDOWN_reboot)
}

/// Asks domains to end, and waits until they have if asked to.
fn end<S: Host>(shell: &mut Shell<S>, args: &[&str], reason: u32) -> Outcome {
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
        (true, []) => {
            let guests = shell.domains.guests.iter();
            let running = guests.filter(|guest| guest.end.is_none());
            running.map(|guest| guest.domain).collect()
        }
        _ => return Err(Failure::Usage),
    };
    for domain in &chosen {
        shell.post(*domain, Request::Shutdown(reason.into()))?;
    }
    for domain in chosen.into_iter().filter(|_| wait) {
        // The first that ended may have been seen to meanwhile.
        if shell.domains.guest(domain).is_ok() {
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
    let kib = pages.checked_mul(4).ok_or(Failure::Usage)?;
    let has = shell.info_of(domain)?.tot_pages;
    if pages < has {
        let has = mib(has);
        return Err(Failure::refused(format!(
            "it has {has} MiB: shrink it with xl mem-set first"
        )));
    }
    shell.system.set_max_memory(domain, kib)?;
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
    (kib >= 4).then_some(kib / 4)
}

/// Pages as MiB with one decimal if it is needed.
pub(super) fn mib(pages: u64) -> alloc::string::String {
    match (pages / 256, pages % 256 * 10 / 256) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

impl<S: Host> Shell<S> {
    /// What the hypervisor says of a domain.
    pub(super) fn info_of(&mut self, domain: domid_t) -> Result<xen_domctl_getdomaininfo, Error> {
        let info = self.system.domain_info(domain)?;
        info.ok_or_else(|| Error::Refused(format!("domain {domain} is gone")))
    }

    fn guest_error(&self, domain: domid_t, reason: impl Into<alloc::string::String>) -> Error {
        Error::Guest {
            name: self.domains.name(domain),
            reason: reason.into(),
        }
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
        let claimed = self.ask(domain, Request::Balloon(pages))?;
        let now = self.info_of(domain)?.tot_pages;
        if now != pages {
            let reason = format!("asked for {pages} pages, it says {claimed}, it has {now}");
            return Err(self.guest_error(domain, reason));
        }
        Ok(())
    }

    /// Asks a guest and waits for its answer.
    pub(super) fn ask(&mut self, domain: domid_t, request: Request) -> Result<u64, Error> {
        let number = self.post(domain, request)?;
        let answer = self.wait_until(domain, |store| S::Control::answer(store, number))?;
        answer.map_err(|errno| {
            let refused = Errno(errno.try_into().unwrap_or(i64::MAX));
            self.guest_error(domain, format!("it refused {request:?}: {refused}"))
        })
    }

    /// Places a request once the guest serves its store page.
    pub(super) fn post(&mut self, domain: domid_t, request: Request) -> Result<u64, Error> {
        self.wait_until(domain, |store| S::Control::is_served(store).then_some(()))?;
        let closed = self.guest_error(domain, "its store page is not connected");
        let link = self.domains.guest(domain)?.store.as_mut().ok_or(closed)?;
        let number = S::Control::post(&mut link.page, request);
        let port = link.port;
        self.system.notify(port)?;
        Ok(number)
    }

    /// Serves all guests until `ready` finds on a guest's store page what it looks for.
    fn wait_until<T>(
        &mut self,
        domain: domid_t,
        ready: impl Fn(&S::Mapping) -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = self.system.now() + PATIENCE;
        let name = self.domains.guest(domain)?.name().to_string();
        loop {
            // It may have ended meanwhile and have been destroyed for it.
            let ended = Error::Guest {
                name: name.clone(),
                reason: "it has ended".into(),
            };
            let guest = self.domains.guest(domain).map_err(|_| ended)?;
            let end = guest.end;
            let found = guest
                .store
                .as_ref()
                .map(|link| (link.port, ready(&link.page)));
            let port = match found {
                Some((_, Some(found))) => return Ok(found),
                Some((port, None)) => port,
                None => return Err(self.guest_error(domain, "its store page is not connected")),
            };
            if let Some(end) = end {
                return Err(self.guest_error(domain, format!("it {}", end.describe())));
            }
            if self.system.now() > deadline {
                let state = super::list::state(self.info_of(domain)?.flags);
                let reason = format!("no answer for {} s (state {state})", PATIENCE / SECOND);
                return Err(self.guest_error(domain, reason));
            }
            self.system.wait_event(port, TICK);
            self.attend_guests();
        }
    }

    /// Serves all guests until one has ended, and returns how.
    pub(super) fn wait_for_end(&mut self, domain: domid_t) -> Result<End, Error> {
        let deadline = self.system.now() + PATIENCE;
        loop {
            let end = self.domains.guest(domain)?.end;
            let flags = self.system.domain_info(domain)?.map(|info| info.flags);
            let end = end.or(flags.map_or(Some(End::Gone), End::of));
            if let Some(end) = end {
                self.attend_guests();
                return Ok(end);
            }
            if self.system.now() > deadline {
                let reason = format!("it still runs after {} s", PATIENCE / SECOND);
                return Err(self.guest_error(domain, reason));
            }
            self.system.sleep(TICK);
            self.attend_guests_but_ends();
        }
    }

    fn attend_guests_but_ends(&mut self) {
        self.show_guest_output();
        self.answer_pings();
    }

    /// Answers the events that guests sent.
    pub(super) fn answer_pings(&mut self) {
        for guest in &mut self.domains.guests {
            let Some(link) = &mut guest.store else {
                continue;
            };
            if S::Control::answer_ping(&mut link.page) {
                // A guest that is gone by now needs no answer.
                let _ = self.system.notify(link.port);
            }
        }
    }
}
