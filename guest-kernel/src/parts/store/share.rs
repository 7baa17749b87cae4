//! The domain's one connection, shared by its processes: each has, on a stream of bytes, a connection
//! as if it were its own. Watches are told to the daemon by tokens of ours, transactions are the
//! client's that began them, and both end with it.
//!
//! Clients may say anything. What is kept for one is bounded, and one that does not take what it is
//! sent, or breaks the protocol, is given up alone.

use super::client::{Client, Failure, Link};
use super::wire::{self, Incoming, Message};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::io::xs_wire::*;

/// The most clients there are.
pub const CLIENTS_MAX: usize = 16;
/// The most bytes that wait for a client to take them.
const OUTGOING_MAX: usize = 32 << 10;
/// The most bytes that the watches of a client take.
const WATCHES_BYTES: usize = 16 << 10;
/// What one takes besides its path and token, with room to spare.
const WATCH_BYTES: usize = 64;
/// How tokens of ours begin; the kernel's own are numbers alone.
const OURS: char = '~';

/// A stream to a client.
pub type Id = u64;

/// Events were lost, because too many came at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Whoever answers.
pub trait Daemon {
    /// Asks, and waits for the reply's payload.
    ///
    /// # Errors
    /// See [`Failure`].
    fn ask(&mut self, transaction: u32, kind: u32, payload: &[u8]) -> Result<Vec<u8>, Failure>;

    /// Takes the payloads of watch events that have come and are not the kernel's own.
    ///
    /// # Errors
    /// Some are lost.
    fn events(&mut self) -> Result<Vec<Vec<u8>>, Lost>;
}

impl<L: Link> Daemon for Client<L> {
    fn ask(&mut self, transaction: u32, kind: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        self.request_in(transaction, kind, &[payload])
    }

    fn events(&mut self) -> Result<Vec<Vec<u8>>, Lost> {
        self.take_others()
    }
}

struct Watch {
    client: Id,
    path: Vec<u8>,
    token: Vec<u8>,
}

impl Watch {
    fn bytes(&self) -> usize {
        WATCH_BYTES + self.path.len() + self.token.len()
    }
}

#[derive(Default)]
struct One {
    incoming: Incoming,
    outgoing: Vec<u8>,
    transactions: BTreeSet<u32>,
    /// It is given up.
    broken: bool,
}

/// All clients.
#[derive(Default)]
pub struct Shared {
    clients: BTreeMap<Id, One>,
    /// By the numbers in our tokens.
    watches: BTreeMap<u32, Watch>,
    last_watch: u32,
}

fn token(number: u32) -> Vec<u8> {
    format!("{OURS}{number}").into_bytes()
}

/// What asks for a watch, or for its end.
fn watching(path: &[u8], token: &[u8]) -> Vec<u8> {
    [path, &[0], token, &[0]].concat()
}

/// The two strings of a payload, each with its NUL.
fn two_strings(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut strings = payload.strip_suffix(&[0])?.split(|&byte| byte == 0);
    let two = (strings.next()?, strings.next()?);
    strings.next().is_none().then_some(two)
}

/// The number that a reply is.
fn number(reply: &[u8]) -> Option<u32> {
    let text = reply.strip_suffix(&[0]).unwrap_or(reply);
    core::str::from_utf8(text).ok()?.parse().ok()
}

impl Shared {
    /// Nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            clients: BTreeMap::new(),
            watches: BTreeMap::new(),
            last_watch: 0,
        }
    }

    /// A client comes; false if there are too many.
    pub fn connect(&mut self, id: Id) -> bool {
        let room = self.clients.len() < CLIENTS_MAX;
        if room {
            self.clients.insert(id, One::default());
        }
        room
    }

    /// Who is there.
    pub fn clients(&self) -> Vec<Id> {
        self.clients.keys().copied().collect()
    }

    /// Whether a client is given up.
    pub fn is_broken(&self, id: Id) -> bool {
        self.clients.get(&id).is_none_or(|one| one.broken)
    }

    /// How many bytes are taken of a client: none before it has taken what it was sent.
    pub fn wanted(&mut self, id: Id) -> usize {
        let Some(one) = self.clients.get_mut(&id) else {
            return 0;
        };
        if one.broken || !one.outgoing.is_empty() {
            return 0;
        }
        one.incoming.wants().unwrap_or_else(|_| {
            one.broken = true;
            0
        })
    }

    /// Takes bytes of a client, at most as many as are wanted, and does what it asks for; whether that
    /// was a request.
    ///
    /// # Errors
    /// There is no daemon, or it breaks the protocol.
    pub fn take(
        &mut self,
        id: Id,
        bytes: &[u8],
        daemon: &mut impl Daemon,
    ) -> Result<bool, Failure> {
        let Some(one) = self.clients.get_mut(&id) else {
            return Ok(false);
        };
        let message = match one.incoming.push(bytes) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(false),
            Err(_) => {
                one.broken = true;
                return Ok(false);
            }
        };
        let reply = self.perform(id, &message, daemon);
        self.take_events(daemon);
        let (kind, payload) = match reply {
            Ok(payload) => (message.kind, payload),
            Err(Failure::Refused(errno)) => (XS_ERROR, wire::error_payload(errno)),
            Err(failure) => return Err(failure),
        };
        self.send(id, message.transaction, kind, message.id, &payload);
        Ok(true)
    }

    fn send(&mut self, to: Id, transaction: u32, kind: u32, request: u32, payload: &[u8]) {
        if let Some(one) = self.clients.get_mut(&to) {
            let message = wire::message(transaction, kind, request, payload);
            if one.outgoing.len() + message.len() > OUTGOING_MAX {
                one.broken = true;
            } else {
                one.outgoing.extend(message);
            }
        }
    }

    fn perform(
        &mut self,
        id: Id,
        message: &Message,
        daemon: &mut impl Daemon,
    ) -> Result<Vec<u8>, Failure> {
        let Message {
            kind,
            transaction,
            ref payload,
            ..
        } = *message;
        match kind {
            XS_WATCH => return self.watch(id, payload, daemon),
            XS_UNWATCH => return self.unwatch(id, payload, daemon),
            XS_RESET_WATCHES => {
                self.undo(id, daemon)?;
                return Ok(b"OK\0".to_vec());
            }
            _ => {}
        }
        let one = self.clients.get_mut(&id);
        let one = one.ok_or(Failure::Refused(Errno::EBADF))?;
        if transaction != 0 && !one.transactions.contains(&transaction) {
            return Err(Failure::Refused(Errno::ENOENT));
        }
        let reply = daemon.ask(transaction, kind, payload);
        match kind {
            XS_TRANSACTION_START => {
                one.transactions
                    .extend(reply.as_deref().ok().and_then(number));
            }
            // Refused or not, it is over, unless the request was none.
            XS_TRANSACTION_END if reply != Err(Failure::Refused(Errno::EINVAL)) => {
                one.transactions.remove(&transaction);
            }
            _ => {}
        }
        reply
    }

    fn find(&self, id: Id, path: &[u8], token: &[u8]) -> Option<u32> {
        let is_it =
            |watch: &Watch| watch.client == id && watch.path == path && watch.token == token;
        let found = self.watches.iter().find(|(_, watch)| is_it(watch));
        found.map(|(number, _)| *number)
    }

    fn watch(
        &mut self,
        id: Id,
        payload: &[u8],
        daemon: &mut impl Daemon,
    ) -> Result<Vec<u8>, Failure> {
        let refused = |errno| Err(Failure::Refused(errno));
        let Some((path, told)) = two_strings(payload) else {
            return refused(Errno::EINVAL);
        };
        if self.find(id, path, told).is_some() {
            return refused(Errno::EEXIST);
        }
        let watch = Watch {
            client: id,
            path: path.to_vec(),
            token: told.to_vec(),
        };
        let its = self.watches.values().filter(|watch| watch.client == id);
        if its.map(Watch::bytes).sum::<usize>() + watch.bytes() > WATCHES_BYTES {
            return refused(Errno::E2BIG);
        }
        self.last_watch = self.last_watch.wrapping_add(1);
        let number = self.last_watch;
        // An event may come before the reply.
        self.watches.insert(number, watch);
        let reply = daemon.ask(0, XS_WATCH, &watching(path, &token(number)));
        if reply.is_err() {
            self.watches.remove(&number);
        }
        reply
    }

    fn unwatch(
        &mut self,
        id: Id,
        payload: &[u8],
        daemon: &mut impl Daemon,
    ) -> Result<Vec<u8>, Failure> {
        let Some((path, told)) = two_strings(payload) else {
            return Err(Failure::Refused(Errno::EINVAL));
        };
        let number = self.find(id, path, told);
        let number = number.ok_or(Failure::Refused(Errno::ENOENT))?;
        let reply = daemon.ask(0, XS_UNWATCH, &watching(path, &token(number)))?;
        // What came before the reply is still told.
        self.take_events(daemon);
        self.watches.remove(&number);
        Ok(reply)
    }

    /// Gives clients the events that have come.
    pub fn take_events(&mut self, daemon: &mut impl Daemon) {
        match daemon.events() {
            Ok(events) => events.iter().for_each(|event| self.event(event)),
            // Who watches might wait for one of them for ever.
            Err(Lost) => {
                for Watch { client, .. } in self.watches.values() {
                    if let Some(one) = self.clients.get_mut(client) {
                        one.broken = true;
                    }
                }
            }
        }
    }

    fn event(&mut self, payload: &[u8]) {
        let Some((path, token)) = two_strings(payload) else {
            return;
        };
        let text = core::str::from_utf8(token).ok();
        let number = text.and_then(|text| text.strip_prefix(OURS)?.parse().ok());
        // One of a watch that has ended is nobody's.
        if let Some(watch) = number.and_then(|number: u32| self.watches.get(&number)) {
            let (client, payload) = (watch.client, watching(path, &watch.token));
            self.send(client, 0, XS_WATCH_EVENT, 0, &payload);
        }
    }

    /// What a client is to be sent.
    pub fn outgoing(&self, id: Id) -> &[u8] {
        self.clients.get(&id).map_or(&[], |one| &one.outgoing)
    }

    /// It has been sent so much of it.
    pub fn sent(&mut self, id: Id, count: usize) {
        if let Some(one) = self.clients.get_mut(&id) {
            one.outgoing.drain(..count.min(one.outgoing.len()));
        }
    }

    /// Ends the watches and transactions of a client.
    fn undo(&mut self, id: Id, daemon: &mut impl Daemon) -> Result<(), Failure> {
        let one = self.clients.get_mut(&id);
        let open = one.map(|one| core::mem::take(&mut one.transactions));
        for transaction in open.into_iter().flatten() {
            done(daemon.ask(transaction, XS_TRANSACTION_END, b"F\0"))?;
        }
        let is_its = |(number, watch): (&u32, &Watch)| (watch.client == id).then_some(*number);
        let its: Vec<u32> = self.watches.iter().filter_map(is_its).collect();
        for number in its {
            if let Some(watch) = self.watches.remove(&number) {
                let payload = watching(&watch.path, &token(number));
                done(daemon.ask(0, XS_UNWATCH, &payload))?;
            }
        }
        Ok(())
    }

    /// A client goes, and with it what it has begun.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn end(&mut self, id: Id, daemon: &mut impl Daemon) -> Result<(), Failure> {
        let undone = self.undo(id, daemon);
        self.clients.remove(&id);
        undone
    }

    /// Forgets all of them: there is no daemon any more that knows of what they have begun.
    pub fn forget(&mut self) {
        (self.clients, self.watches) = (BTreeMap::new(), BTreeMap::new());
    }
}

/// That something cannot be ended, because it has ended, is no failure.
fn done(reply: Result<Vec<u8>, Failure>) -> Result<(), Failure> {
    match reply {
        Ok(_) | Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
