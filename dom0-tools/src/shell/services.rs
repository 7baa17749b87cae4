//! The services beside the shell: started before anything else, and again if they end; and this
//! process's connection to the store.

use alloc::format;

use hypercall_abi::xen::domid_t;

use super::{Host, SECOND, Shell};
use crate::domains::Domains;
use crate::error::Error;
use crate::hyper::Errno;
use crate::store::{Client, WatchEvent};

/// The name under which the store listens.
const STORE: &str = "xenstore";
/// The same of consoles.
const CONSOLE: &str = "console";
/// The same of disks, which listens only to show that it serves.
const BLOCK: &str = "blkback";
/// The same of network interfaces, which listens only to show that it serves.
const NETWORK: &str = "netback";
/// The same of PCI devices, which listens only to show that it serves.
const PCI: &str = "pciback";
/// Programs by the names under which they listen, in the order in which they need each other.
const PROGRAMS: [(&str, &str); 5] = [
    (STORE, "/bin/xenstored"),
    (CONSOLE, "/bin/xenconsoled"),
    (BLOCK, "/bin/blkback"),
    (NETWORK, "/bin/netback"),
    (PCI, "/bin/pciback"),
];
/// How long a service may take until it listens, ns.
const PATIENCE: u64 = 10 * SECOND;
/// How often one is tried that does not listen yet, ns.
const AGAIN: u64 = SECOND / 1000;
/// Tokens of the watches for domains that come and end.
const COMES: &str = "comes";
const ENDS: &str = "ends";

/// A service that was started.
pub(super) struct Service {
    name: &'static str,
    path: &'static str,
    process: u64,
}

impl<S: Host> Shell<S> {
    /// Starts the services. Those that cannot be are missed by the commands that need them.
    pub(super) fn start_services(&mut self) {
        for (name, path) in PROGRAMS {
            if let Some(process) = self.start_service(name, path) {
                self.services.push(Service {
                    name,
                    path,
                    process,
                });
            }
        }
    }

    fn start_service(&mut self, name: &str, path: &str) -> Option<u64> {
        let process = match self.system.start_program(path) {
            Ok(process) => process,
            Err(reason) => {
                self.print(&format!("{path} cannot be started: {reason}\n"));
                return None;
            }
        };
        let deadline = self.system.now() + PATIENCE;
        loop {
            match self.system.connect(name) {
                Ok(_) => {
                    // What is said of this domain is there before anybody looks for it.
                    if name == STORE
                        && let Err(error) = self.connect_store()
                    {
                        self.print(&format!("{path}: {error}\n"));
                    }
                    return Some(process);
                }
                Err(errno) if self.system.now() > deadline => {
                    self.print(&format!("{path} does not listen: {errno}\n"));
                    return Some(process);
                }
                Err(_) => self.system.sleep(AGAIN),
            }
        }
    }

    /// Starts those again that have ended.
    pub(super) fn mind_services(&mut self) {
        for index in 0..self.services.len() {
            let Service {
                name,
                path,
                process,
            } = self.services[index];
            if self.system.is_alive(process) {
                continue;
            }
            self.print(&format!(
                "{path} (process {process}) has ended: it is started again\n"
            ));
            self.system.forget_program(process);
            match name {
                STORE => self.domains = None,
                _ => self.comings_due = true,
            }
            // One that cannot be started is tried again with the next look.
            if let Some(process) = self.start_service(name, path) {
                self.services[index].process = process;
            }
        }
    }

    /// Connects to the store where that is not done yet.
    fn connect_store(&mut self) -> Result<(), Error> {
        if self.domains.is_some() {
            return Ok(());
        }
        let connected = self.system.connect(STORE);
        let stream = connected.map_err(|errno| {
            Error::Refused(format!(
                "the store is not there ({errno}): no xenstored runs"
            ))
        })?;
        let mut domains = Domains::new(Client::new(stream), self.system.pid())?;
        if self.watching {
            domains.store().watch("@introduceDomain", COMES)?;
            domains.store().watch("@releaseDomain", ENDS)?;
        }
        self.domains = Some(domains);
        Ok(())
    }

    /// Does something with the domains that the store knows. A connection that has ended is made
    /// again the next time.
    pub(super) fn with<R>(
        &mut self,
        act: impl FnOnce(&mut Domains<S::Stream>, &mut S) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.connect_store()?;
        let Some(domains) = &mut self.domains else {
            return Err(Error::Refused("the store is not there".into()));
        };
        let result = act(domains, &mut self.system);
        if result.as_ref().is_err_and(Error::ends_the_store) {
            self.domains = None;
        }
        result
    }

    /// Waits at most so many nanoseconds for something to happen in the store that is watched.
    pub(super) fn wait_for_store(&mut self, timeout: u64) -> Result<(), Error> {
        let event = self.with(|domains, _| Ok(domains.store().wait_event(Some(timeout))?))?;
        if let Some(event) = event {
            self.take_event(&event);
        }
        Ok(())
    }

    /// Takes what has happened in the store.
    pub(super) fn take_events(&mut self) {
        while self.domains.is_some() {
            match self.with(|domains, _| Ok(domains.store().next_event()?)) {
                Ok(Some(event)) => self.take_event(&event),
                Ok(None) => return,
                Err(error) => self.print(&format!("watching the guests: {error}\n")),
            }
        }
    }

    fn take_event(&mut self, event: &WatchEvent) {
        match event.token.as_str() {
            COMES => self.comings_due = true,
            ENDS => self.ends_due = true,
            // Whoever waits for another looks for what it tells of.
            _ => {}
        }
    }

    /// A stream to the console of a domain: in both directions, or, of kind `log `, only its log.
    pub(super) fn console_of_kind(
        &mut self,
        kind: &str,
        domain: domid_t,
    ) -> Result<S::Stream, Error> {
        self.consoles(&format!("{kind}{domain}"))
    }

    /// A stream of xenconsoled, which gives what is wished for.
    pub(super) fn consoles(&mut self, wish: &str) -> Result<S::Stream, Error> {
        let refused = |errno: Errno| {
            Error::Refused(format!(
                "the consoles are not there ({errno}): no xenconsoled runs"
            ))
        };
        let mut stream = self.system.connect(CONSOLE).map_err(refused)?;
        super::views::send(&mut stream, format!("{wish}\n").as_bytes());
        Ok(stream)
    }
}
