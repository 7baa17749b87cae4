//! xenconsoled: every guest's ring drained into its log, and streams to those who want to see it.
//!
//! Guests are found as Xen's own service finds them: the store tells of domains that come and end,
//! and has the frame and the port of their consoles. A client's first line says what it wants:
//! a domain's number, and the stream is its console in both directions, beginning with its log; or
//! `log` and the number, and the log is all. A guest that ends is drained before its page is given
//! back, and its log is kept for a while.
//!
//! Nothing here waits for anybody: a client that does not read is behind in the log, and misses
//! what is no longer kept.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Log, drain, push};
use crate::service::{Closed, DomainState, Line, Machine, Transport, Wanted};
use crate::store::{Channel, Client, Store, StoreError};

/// Logs that are kept of guests that have ended.
const KEPT: usize = 32;
/// Longest first line of a client, in bytes.
const GREETING_MAX: usize = 32;
/// Bytes that go to a client, or come from it, at once.
const PIECE: usize = 2048;
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

/// What a client is there for.
enum Wish {
    /// It has not said so yet.
    Unknown(Vec<u8>),
    /// A domain's console.
    Console(u32),
    /// What is in its log.
    Log(u32),
}

struct Attached<L> {
    stream: L,
    wish: Wish,
    /// How much of the guest's output it was given, or has missed.
    position: u64,
    /// What is on the way to it.
    output: Vec<u8>,
    /// What is on the way from it to the guest.
    typed: Vec<u8>,
    /// Its end is closed: what it has sent is all.
    leaving: bool,
}

/// What is waited for.
pub enum Waiting<'a, M: Machine, L> {
    /// A client.
    Client(&'a L, Wanted),
    /// A guest: whatever it does, it notifies.
    Guest(&'a M::Line),
}

/// All consoles.
pub struct Consoles<M: Machine, C, L> {
    machine: M,
    store: Client<C>,
    guests: BTreeMap<u32, Guest<M>>,
    clients: BTreeMap<u64, Attached<L>>,
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
            last_client: 0,
            ends: 0,
        })
    }

    /// A new client.
    pub fn connect(&mut self, stream: L) {
        self.last_client += 1;
        let client = Attached {
            stream,
            wish: Wish::Unknown(Vec::new()),
            position: 0,
            output: Vec::new(),
            typed: Vec::new(),
            leaving: false,
        };
        self.clients.insert(self.last_client, client);
    }

    /// The client of that stream has closed its end; what it sent before may still be there.
    pub fn leaves(&mut self, is_its: impl Fn(&L) -> bool) {
        let mut clients = self.clients.values_mut();
        if let Some(client) = clients.find(|client| is_its(&client.stream)) {
            client.leaving = true;
        }
    }

    /// Does for everybody what can be done now.
    ///
    /// # Errors
    /// The store is there no more.
    pub fn turn(&mut self) -> Result<(), StoreError> {
        while let Some(event) = self.store.next_event()? {
            if event.token == COMES {
                self.find_guests()?;
            } else {
                self.find_ends();
            }
        }
        let domains: Vec<u32> = self.guests.keys().copied().collect();
        domains.into_iter().for_each(|domain| self.drain(domain));
        let clients: Vec<u64> = self.clients.keys().copied().collect();
        for number in clients {
            if self.serve(number).is_err() {
                self.clients.remove(&number);
            }
        }
        Ok(())
    }

    /// Connects to guests that the store has and we have not.
    fn find_guests(&mut self) -> Result<(), StoreError> {
        let domains = match self.store.list("/local/domain") {
            // No domain has nodes yet.
            Err(error) if error.is_not_found() => return Ok(()),
            domains => domains?,
        };
        for name in domains {
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
                let guest = Guest {
                    link: Some(link),
                    log: Log::default(),
                    ended: None,
                };
                self.guests.insert(domain, guest);
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
        for (domain, guest) in &mut self.guests {
            if guest.ended.is_none() && self.machine.domain(*domain) == DomainState::Gone {
                guest.drain();
                guest.link = None;
                guest.ended = Some(self.ends);
                self.ends += 1;
            }
        }
        let oldest = self.ends.saturating_sub(KEPT as u64);
        let kept = |guest: &Guest<M>| guest.ended.is_none_or(|ended| ended >= oldest);
        self.guests.retain(|_, guest| kept(guest));
    }

    fn drain(&mut self, domain: u32) {
        if let Some(guest) = self.guests.get_mut(&domain)
            && let Some(fault) = guest.drain()
        {
            self.machine.log(&format!("domain {domain}: {fault}"));
        }
    }

    /// Serves a client.
    ///
    /// # Errors
    /// It has gone, or there is nothing more for it.
    fn serve(&mut self, number: u64) -> Result<(), Closed> {
        let client = self.clients.get_mut(&number).ok_or(Closed::Gone)?;
        if let Wish::Unknown(_) = client.wish {
            client.greet()?;
        }
        let (domain, whole) = match client.wish {
            Wish::Unknown(_) => return Ok(()),
            Wish::Console(domain) => (domain, false),
            Wish::Log(domain) => (domain, true),
        };
        let guest = self.guests.get_mut(&domain).ok_or(Closed::Gone)?;
        client.give(&guest.log)?;
        if whole || guest.link.is_none() {
            let done = client.output.is_empty() && client.position >= guest.log.end();
            return if done { Err(Closed::Gone) } else { Ok(()) };
        }
        let fault = client.take(guest)?;
        if let Some(fault) = fault {
            self.machine.log(&format!("domain {domain}: {fault}"));
        }
        Ok(())
    }

    /// What everybody is waited for, and where. The store's channel is waited for as well.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting<'_, M, L>> {
        let clients = self.clients.values().map(|client| {
            let wanted = Wanted {
                read: client.typed.is_empty() && !client.leaving,
                write: !client.output.is_empty(),
            };
            Waiting::Client(&client.stream, wanted)
        });
        let lines = self.guests.values().filter_map(|guest| guest.link.as_ref());
        clients.chain(lines.map(|(_, line)| Waiting::Guest(line)))
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
    /// Takes what it has said; a ring that is corrupt is given up, which is returned.
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
            Err(fault) => Some(self.give_up(&format!("{fault}"))),
        }
    }

    fn give_up(&mut self, fault: &str) -> String {
        self.link = None;
        let message = format!("{fault}; it is closed");
        self.log.append(format!("\n[{message}]\n").as_bytes());
        message
    }
}

impl<L: Transport> Attached<L> {
    /// Takes its first line, or what there is of it.
    fn greet(&mut self) -> Result<(), Closed> {
        let Wish::Unknown(said) = &mut self.wish else {
            return Ok(());
        };
        loop {
            let mut byte = [0];
            if self.stream.read(&mut byte)? == 0 {
                return if self.leaving {
                    Err(Closed::Gone)
                } else {
                    Ok(())
                };
            }
            if byte == [b'\n'] {
                break;
            }
            said.push(byte[0]);
            if said.len() > GREETING_MAX {
                return Err(Closed::Protocol);
            }
        }
        let line = str::from_utf8(said).map_err(|_| Closed::Protocol)?.trim();
        let number = |text: &str| text.trim().parse().map_err(|_| Closed::Protocol);
        self.wish = match line.strip_prefix("log ") {
            Some(domain) => Wish::Log(number(domain)?),
            None => Wish::Console(number(line)?),
        };
        Ok(())
    }

    /// Gives it more of a log.
    fn give(&mut self, log: &Log) -> Result<(), Closed> {
        loop {
            if self.output.is_empty() {
                if self.position < log.lost {
                    let missed = log.lost - self.position;
                    self.output = format!("[{missed} earlier bytes are not kept]\n").into_bytes();
                    self.position = log.lost;
                }
                let part = log.part(self.position, PIECE);
                self.position += part.len() as u64;
                self.output.extend(part);
            }
            let count = match self.output.is_empty() {
                true => return Ok(()),
                false => self.stream.write(&self.output)?,
            };
            if count == 0 {
                return Ok(());
            }
            self.output.drain(..count);
        }
    }

    /// Takes what it types, as far as the guest has room for it. Returns what is wrong with the
    /// guest's ring.
    fn take<M: Machine>(&mut self, guest: &mut Guest<M>) -> Result<Option<String>, Closed> {
        if self.typed.is_empty() {
            let mut bytes = alloc::vec![0; PIECE];
            let count = self.stream.read(&mut bytes)?;
            bytes.truncate(count);
            self.typed = bytes;
        }
        let Some((page, line)) = guest.link.as_mut().filter(|_| !self.typed.is_empty()) else {
            return Ok(None);
        };
        match push(page, &self.typed) {
            Ok(count) => {
                self.typed.drain(..count);
                if count > 0 {
                    line.notify();
                }
                // Nobody is left to type the rest again.
                let lost = self.leaving && !self.typed.is_empty();
                if lost { Err(Closed::Gone) } else { Ok(None) }
            }
            Err(fault) => Ok(Some(guest.give_up(&format!("{fault}")))),
        }
    }
}
