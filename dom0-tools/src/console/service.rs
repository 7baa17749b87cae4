//! xenconsoled: every guest's ring drained into its log, and streams to those who want to see it.
//!
//! Guests are found as Xen's own service finds them: the store tells of domains that come and end,
//! and has the frame and the port of their consoles. A client's first line says what it wants:
//! a domain's number, and the stream is its console in both directions, beginning with its log;
//! `log` and the number, and the log is all; or `all`, and it hears all guests: pieces of what they
//! say, in front of each a line with the domain and the piece's length, which is 0 at its end. A
//! guest that ends is drained before its page is given back, and its log is kept for a while.
//!
//! Nothing here waits for anybody: a client that does not read is behind in the log, and misses
//! what is no longer kept. Nor does anybody cost anything of whom there is no news.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::client::{Attached, Wish};
use super::{Log, drain};
use crate::service::{Closed, DomainState, Line, Machine, Transport};
use crate::store::{Channel, Client, Store, StoreError};

/// Logs that are kept of guests that have ended.
const KEPT: usize = 32;
/// Tokens of the watches.
const COMES: &str = "comes";
const ENDS: &str = "ends";

/// A guest's console.
struct Guest<M: Machine> {
    /// Its page and channel, until it has ended or has broken its ring.
    link: Option<(M::Page, M::Line)>,
    log: Log,
    /// When it ended: how many ended before.
    ended: Option<u64>,
}

/// All consoles.
pub struct Consoles<M: Machine, C, L> {
    machine: M,
    store: Client<C>,
    guests: BTreeMap<u32, Guest<M>>,
    clients: BTreeMap<u64, Attached<L>>,
    /// Guests by the ports on this side.
    ports: BTreeMap<u32, u32>,
    /// Of whom there is news.
    due_guests: BTreeSet<u32>,
    due_clients: BTreeSet<u64>,
    last_client: u64,
    ends: u64,
}

impl<M: Machine, C: Channel, L: Transport> Consoles<M, C, L> {
    /// Begins to watch for guests.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn new(machine: M, mut store: Client<C>) -> Result<Self, StoreError> {
        store.watch("@introduceDomain", COMES)?;
        store.watch("@releaseDomain", ENDS)?;
        Ok(Consoles {
            machine,
            store,
            guests: BTreeMap::new(),
            clients: BTreeMap::new(),
            ports: BTreeMap::new(),
            due_guests: BTreeSet::new(),
            due_clients: BTreeSet::new(),
            last_client: 0,
            ends: 0,
        })
    }

    /// A new client; its number.
    pub fn connect(&mut self, stream: L) -> u64 {
        self.last_client += 1;
        self.clients.insert(self.last_client, Attached::new(stream));
        self.due_clients.insert(self.last_client);
        self.last_client
    }

    /// There is news of a client: it has sent something, or has room, or is gone.
    pub fn wake(&mut self, client: u64) {
        self.due_clients.insert(client);
    }

    /// A client has closed its end; what it sent before may still be there.
    pub fn leaves(&mut self, client: u64) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.leaving = true;
        }
        self.wake(client);
    }

    /// There was an event of a port on this side.
    pub fn event(&mut self, port: u32) {
        self.due_guests.extend(self.ports.get(&port));
    }

    /// Does for everybody what can be done now.
    ///
    /// # Errors
    /// The store is there no more.
    pub fn turn(&mut self) -> Result<(), StoreError> {
        self.due_guests.extend(self.guests.keys());
        self.due_clients.extend(self.clients.keys());
        self.turn_of_due()
    }

    /// The same for those of whom there is news, and for what the store tells.
    ///
    /// # Errors
    /// The store is there no more.
    pub fn turn_of_due(&mut self) -> Result<(), StoreError> {
        while let Some(event) = self.store.next_event()? {
            if event.token == COMES {
                self.find_guests()?;
            } else {
                self.find_ends();
            }
        }
        while let Some(domain) = self.due_guests.pop_first() {
            self.drain(domain);
        }
        while let Some(number) = self.due_clients.pop_first() {
            if self.serve(number).is_err() {
                self.clients.remove(&number);
            }
        }
        Ok(())
    }

    /// Connects to guests that the store has and we have not.
    fn find_guests(&mut self) -> Result<(), StoreError> {
        for name in self.store.list_if_there("/local/domain")? {
            let Some(domain) = name.parse().ok().filter(|domain| *domain != 0) else {
                continue;
            };
            let known = self.guests.get(&domain);
            if known.is_some_and(|guest| guest.ended.is_none()) {
                continue;
            }
            let console = format!("/local/domain/{domain}/console");
            let frame = self.store.read_number(&format!("{console}/ring-ref"))?;
            let port = self.store.read_number(&format!("{console}/port"))?;
            let port = port.and_then(|port| u32::try_from(port).ok());
            if let (Some(frame), Some(port)) = (frame, port) {
                self.add(domain, frame, port, &console)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, domain: u32, frame: u64, port: u32, node: &str) -> Result<(), StoreError> {
        match self.machine.connect(domain, frame, port) {
            Ok(link) => {
                self.ports.insert(link.1.port(), domain);
                let guest = Guest {
                    link: Some(link),
                    log: Log::default(),
                    ended: None,
                };
                self.guests.insert(domain, guest);
                self.due_guests.insert(domain);
                let clients = self.clients.values_mut();
                clients.for_each(|client| client.begin_anew(domain));
                self.store.write(&format!("{node}/state"), b"connected")
            }
            // It may have ended meanwhile.
            Err(errno) => {
                let message = format!("the console of domain {domain} is not there: {errno}");
                self.machine.log(&message);
                Ok(())
            }
        }
    }

    /// Gives back the pages of guests that are gone, with nothing left in them.
    fn find_ends(&mut self) {
        let gone: Vec<u32> = self
            .guests
            .iter()
            .filter(|(_, guest)| guest.ended.is_none())
            .map(|(domain, _)| *domain)
            .filter(|domain| self.machine.domain(*domain) == DomainState::Gone)
            .collect();
        for domain in gone {
            self.drain(domain);
            let Some(guest) = self.guests.get_mut(&domain) else {
                continue;
            };
            guest.give_back(&mut self.ports);
            guest.ended = Some(self.ends);
            self.ends += 1;
            self.tell_of(domain);
        }
        let oldest = self.ends.saturating_sub(KEPT as u64);
        let kept = |guest: &Guest<M>| guest.ended.is_none_or(|ended| ended >= oldest);
        self.guests.retain(|_, guest| kept(guest));
    }

    /// Those who are at a domain's console have something to do.
    fn tell_of(&mut self, domain: u32) {
        for (number, client) in &mut self.clients {
            if client.is_at(domain) {
                client.hear_of(domain);
                self.due_clients.insert(*number);
            }
        }
    }

    /// Takes what a guest has said. Those who are there are due: they are to hear it, or what they
    /// type may have room now.
    fn drain(&mut self, domain: u32) {
        let guest = self.guests.get_mut(&domain);
        let Some(guest) = guest.filter(|guest| guest.link.is_some()) else {
            return;
        };
        if let Some(fault) = guest.drain() {
            self.fail(domain, &fault);
        }
        self.tell_of(domain);
    }

    /// Gives up a console whose ring makes no sense.
    fn fail(&mut self, domain: u32, fault: &str) {
        if let Some(guest) = self.guests.get_mut(&domain) {
            let message = format!("{fault}; it is closed");
            guest.give_back(&mut self.ports);
            guest.log.append(format!("\n[{message}]\n").as_bytes());
            self.machine.log(&format!("domain {domain}: {message}"));
            self.tell_of(domain);
        }
    }

    /// Serves a client.
    ///
    /// # Errors
    /// It has gone, or there is nothing more for it.
    fn serve(&mut self, number: u64) -> Result<(), Closed> {
        let client = self.clients.get_mut(&number).ok_or(Closed::Gone)?;
        if client.wish == Wish::Unknown {
            client.greet()?;
            // What was said until now is there, also of a guest that gave no sign.
            let at = |domain: &&u32| client.is_at(**domain);
            let guests: Vec<u32> = self.guests.keys().filter(at).copied().collect();
            guests.iter().for_each(|domain| client.hear_of(*domain));
            guests.into_iter().for_each(|domain| self.drain(domain));
        }
        let client = self.clients.get_mut(&number).ok_or(Closed::Gone)?;
        let (domain, whole) = match client.wish {
            Wish::Unknown => return Ok(()),
            Wish::Console(domain) => (domain, false),
            Wish::Log(domain) => (domain, true),
            Wish::All => {
                client.give_all(|domain| {
                    let guest = self.guests.get(&domain)?;
                    Some((&guest.log, guest.link.is_none()))
                })?;
                return client.ignore();
            }
        };
        let guest = self.guests.get_mut(&domain).ok_or(Closed::Gone)?;
        let has_all = client.give(&guest.log)?;
        let Some((page, line)) = guest.link.as_mut().filter(|_| !whole) else {
            return if has_all { Err(Closed::Gone) } else { Ok(()) };
        };
        if let Some(fault) = client.take(page, line)? {
            self.fail(domain, &fault);
        }
        Ok(())
    }

    /// Clients there are, and guests that are connected.
    pub fn count(&self) -> (usize, usize) {
        let connected = |guest: &&Guest<M>| guest.link.is_some();
        let guests = self.guests.values().filter(connected);
        (self.clients.len(), guests.count())
    }

    /// The store, to wait for it.
    pub fn store_mut(&mut self) -> &mut Client<C> {
        &mut self.store
    }

    /// The log of a domain, for as long as it is kept.
    pub fn log(&self, domain: u32) -> Option<&Log> {
        self.guests.get(&domain).map(|guest| &guest.log)
    }

    /// The machine.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }
}

impl<M: Machine> Guest<M> {
    /// Takes what it has said; what is wrong with its ring, if that is corrupt.
    fn drain(&mut self) -> Option<String> {
        let (page, line) = self.link.as_mut()?;
        match drain(page) {
            Ok(bytes) => {
                if !bytes.is_empty() {
                    self.log.append(&bytes);
                    line.notify();
                }
                None
            }
            Err(fault) => Some(format!("{fault}")),
        }
    }

    /// Gives its page and channel back.
    fn give_back(&mut self, ports: &mut BTreeMap<u32, u32>) {
        if let Some((_, line)) = self.link.take() {
            ports.remove(&line.port());
        }
    }
}
