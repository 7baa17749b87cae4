//! One client: requests in, replies and events out, over any stream of bytes.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use hypercall_abi::io::xs_wire::*;

use super::journal::Talk;
use super::permissions::Who;
use super::ring::RingTransport;
use super::transaction::Transaction;
use super::watch::{Key, Watch};
use super::wire::{Decoder, HEAD_SIZE, Message};
use super::{Closed, Transport};
use crate::service::Machine;

/// Bytes of answers that a client leaves before nothing more is taken from it.
const OUTPUT_LIMIT: usize = 8 << 10;
/// Bytes of events that wait, before those of a watch become one.
const EVENTS_LIMIT: usize = 16 << 10;

/// Names a connection; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

/// An event that was not sent yet.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    key: Key,
    path: Rc<str>,
    token: Rc<[u8]>,
}

impl Event {
    fn size(&self) -> usize {
        HEAD_SIZE + self.path.len() + self.token.len() + 2
    }
}

/// How a client is connected.
pub(super) enum Link<M: Machine, L> {
    /// By a stream.
    Local(L),
    /// By the page of its domain.
    Guest(RingTransport<M::Page, M::Line>),
}

impl<M: Machine, L: Transport> Link<M, L> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        match self {
            Link::Local(stream) => stream.read(to),
            Link::Guest(ring) => ring.read(to),
        }
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        match self {
            Link::Local(stream) => stream.write(from),
            Link::Guest(ring) => ring.write(from),
        }
    }

    fn flush(&mut self) -> bool {
        match self {
            Link::Local(stream) => stream.flush(),
            Link::Guest(ring) => ring.flush(),
        }
    }
}

/// A client.
pub(super) struct Connection<M: Machine, L> {
    pub(super) link: Link<M, L>,
    pub(super) who: Who,
    decoder: Decoder,
    output: Vec<u8>,
    events: VecDeque<Event>,
    event_bytes: usize,
    pub(super) transactions: BTreeMap<u32, Transaction>,
    last_transaction: u32,
    /// Transactions up to this number were begun with the store before this one.
    lost_transactions: u32,
    /// There is more to give than was kept of it.
    unkept: bool,
    /// Why nothing is taken from it, or given to it, any more.
    pub(super) closed: Option<Closed>,
}

impl<M: Machine, L: Transport> Connection<M, L> {
    pub(super) fn new(link: Link<M, L>, who: Who) -> Self {
        Connection {
            link,
            who,
            decoder: Decoder::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            event_bytes: 0,
            transactions: BTreeMap::new(),
            last_transaction: 0,
            lost_transactions: 0,
            unkept: false,
            closed: None,
        }
    }

    /// Goes on with a domain where the store before this one ended.
    pub(super) fn resume(&mut self, talk: Talk) {
        let Link::Guest(ring) = &mut self.link else {
            return;
        };
        let given = ring.resume(talk.taken, talk.given) as usize;
        self.last_transaction = talk.transaction;
        self.lost_transactions = talk.transaction;
        // Nothing is given that was not kept before.
        match talk.output.get(given..) {
            Some(output) if self.decoder.resume(&talk.partial) => self.output = output.to_vec(),
            _ => self.close(Closed::Ring),
        }
    }

    /// Where the conversation with a domain is, if it is elsewhere than it was when this was asked
    /// last: to be kept before the domain is given anything.
    pub(super) fn moved(&mut self) -> Option<Talk> {
        self.encode_events(OUTPUT_LIMIT);
        let unkept = core::mem::take(&mut self.unkept);
        let Link::Guest(ring) = &self.link else {
            return None;
        };
        if !unkept && !ring.has_taken() {
            return None;
        }
        self.talk()
    }

    /// Where the conversation with a domain is.
    pub(super) fn talk(&self) -> Option<Talk> {
        let Link::Guest(ring) = &self.link else {
            return None;
        };
        if self.closed.is_some() {
            return None;
        }
        let (taken, given) = ring.indices();
        Some(Talk {
            taken,
            partial: self.decoder.partial().to_vec(),
            given,
            output: self.output.clone(),
            transaction: self.last_transaction,
        })
    }

    /// Whether a transaction of that number may have been begun with the store before this one.
    pub(super) fn has_lost(&self, transaction: u32) -> bool {
        (1..=self.lost_transactions).contains(&transaction)
    }

    /// The next request, if the client has sent one and has read enough of its answers.
    pub(super) fn next(&mut self) -> Option<Message> {
        while self.closed.is_none() && self.output.len() < OUTPUT_LIMIT {
            let mut bytes = vec![0; self.decoder.wanted()];
            let taken = match self.link.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.decoder.take(&bytes[..count]),
                Err(closed) => Err(closed),
            };
            match taken {
                Ok(None) => {}
                Ok(message) => return message,
                Err(closed) => self.close(closed),
            }
        }
        None
    }

    /// Answers. What the client was to be told before comes before.
    pub(super) fn reply(&mut self, reply: &Message) {
        self.encode_events(usize::MAX);
        reply.encode(&mut self.output);
        self.unkept = true;
    }

    /// Tells of a change. What is told already, and was not sent yet, is not told again; a client
    /// that leaves too much unread is told once for each watch that there was something.
    pub(super) fn tell(&mut self, key: &Key, watch: &Watch, path: &str) {
        let event = |path: &str| Event {
            key: key.clone(),
            path: watch.shown(path).into(),
            token: watch.token.clone(),
        };
        let new = event(path);
        // An event that no message holds is lost, as with Xen: the client chose such a token.
        let fits = new.size() - HEAD_SIZE <= XENSTORE_PAYLOAD_MAX;
        if self.closed.is_some() || !fits || self.events.contains(&new) {
            return;
        }
        if self.event_bytes + new.size() <= EVENTS_LIMIT {
            self.push(new);
            return;
        }
        self.forget_watch(key, &watch.token);
        self.push(event(key));
    }

    fn push(&mut self, event: Event) {
        self.event_bytes += event.size();
        self.events.push_back(event);
    }

    /// Turns events into messages until that many bytes wait to be sent.
    fn encode_events(&mut self, until: usize) {
        while self.output.len() < until {
            let Some(event) = self.events.pop_front() else {
                return;
            };
            self.event_bytes -= event.size();
            let payload = [event.path.as_bytes(), &[0], &event.token, &[0]].concat();
            let message = Message {
                kind: XS_WATCH_EVENT,
                request: 0,
                transaction: 0,
                payload,
            };
            message.encode(&mut self.output);
            self.unkept = true;
        }
    }

    /// Gives the client what it takes; see [`Self::moved`]. Whether it has asked for more of which it
    /// will not tell.
    pub(super) fn send(&mut self) -> bool {
        loop {
            if matches!(self.link, Link::Local(_)) {
                self.encode_events(OUTPUT_LIMIT);
            }
            if self.output.is_empty() || self.closed.is_some() {
                break;
            }
            match self.link.write(&self.output) {
                Ok(0) => break,
                Ok(count) => drop(self.output.drain(..count)),
                Err(closed) => self.close(closed),
            }
        }
        self.link.flush()
    }

    /// Nothing more is exchanged with it.
    pub(super) fn close(&mut self, closed: Closed) {
        if self.closed.is_none() {
            if let Link::Guest(ring) = &mut self.link {
                ring.give_up(closed);
            }
            self.closed = Some(closed);
        }
        self.forget();
        (self.output, self.decoder) = (Vec::new(), Decoder::default());
    }

    /// Drops its transactions, and the events that it was not told of yet.
    pub(super) fn forget(&mut self) {
        self.transactions.clear();
        self.events.clear();
        self.event_bytes = 0;
    }

    /// Drops the events of a watch that has ended.
    pub(super) fn forget_watch(&mut self, key: &Key, token: &[u8]) {
        let event_bytes = &mut self.event_bytes;
        self.events.retain(|event| {
            let other = event.key != *key || *event.token != *token;
            *event_bytes -= if other { 0 } else { event.size() };
            other
        });
    }

    /// Begins a transaction and returns its number, never 0.
    pub(super) fn begin(&mut self) -> u32 {
        loop {
            self.last_transaction = self.last_transaction.wrapping_add(1);
            let number = self.last_transaction;
            if number != 0 && !self.transactions.contains_key(&number) {
                self.transactions.insert(number, Transaction::default());
                return number;
            }
        }
    }

    /// Bytes kept for it: what it was not given yet.
    pub(super) fn kept(&self) -> usize {
        self.output.len() + self.event_bytes
    }
}
