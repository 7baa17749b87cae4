//! What is kept for the store that comes after this one, and how that one goes on.
//!
//! Before a client is given anything, all that led to it is kept. So whatever a client was told is
//! true for the next store as well; and a request is done once, and answered once, at whatever moment
//! a store ends. What is lost are local clients, whose streams end; open transactions, which will
//! not be committed; and events, instead of which every watch is told once.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::domains::Domain;
use super::{INTRODUCED, RELEASED, Server};
use crate::service::{DomainState, Machine, Transport};
use crate::store::connection::{Connection, Id, Link};
use crate::store::journal::{Known, Record, Talk};
use crate::store::permissions::{Permissions, Who};
use crate::store::quota::Quotas;
use crate::store::ring::RingTransport;
use crate::store::transaction::Transaction;
use crate::store::watch::Key;

/// Bytes of changes that are kept before all is kept anew, besides twice what that was.
const CHANGES_MAX: usize = 256 << 10;

/// How much is kept.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Bytes when all was kept last.
    all: usize,
    /// Bytes since.
    changes: usize,
    /// Nothing is kept: it was refused.
    failed: bool,
}

/// What was kept, put together.
#[derive(Default)]
struct Past {
    domains: BTreeMap<u32, Known>,
    special: BTreeMap<Rc<str>, Permissions>,
    watches: Vec<(u32, Key, u32, Rc<[u8]>)>,
    talks: BTreeMap<u32, Talk>,
}

impl<M: Machine, L: Transport> Server<M, L> {
    /// A store that has its changes kept, and goes on where the one before it ended, which had
    /// `kept` kept. What makes no sense is not believed: the store is empty then.
    pub fn successor(machine: M, quotas: Quotas, kept: &[u8]) -> Self {
        let mut server = Self::new(machine, quotas);
        match Record::all(kept).and_then(|records| server.replay(records)) {
            Some(past) => server.go_on(past),
            None => {
                server = Self::new(server.machine, quotas);
                let message = "what the store before this one left makes no sense: it is empty";
                server.machine.log(message);
            }
        }
        server.tree.journal.on = true;
        server.keep_all();
        server
    }

    fn replay(&mut self, records: Vec<Record>) -> Option<Past> {
        let mut past = Past::default();
        for record in records {
            match record {
                Record::Set(path, permissions, value) => {
                    self.tree.replay(&path, Some((permissions, value)))?;
                }
                Record::Remove(path) => self.tree.replay(&path, None)?,
                Record::Domain(domain, Some(known)) => {
                    past.domains.insert(domain, known);
                }
                Record::Domain(domain, None) => {
                    past.domains.remove(&domain);
                    past.talks.remove(&domain);
                    self.tree.forget(domain);
                }
                Record::Special(event, permissions) => {
                    past.special.insert(event, permissions);
                }
                Record::Watch(domain, key, relative, token) => {
                    past.watches.push((domain, key, relative, token));
                }
                Record::Unwatch(domain, key, token) => {
                    let is_it = |watch: &(u32, Key, u32, Rc<[u8]>)| {
                        watch.0 == domain && watch.1 == key && watch.3 == token
                    };
                    past.watches.retain(|watch| !is_it(watch));
                }
                Record::NoWatches(domain) => past.watches.retain(|watch| watch.0 != domain),
                Record::Talk(domain, talk) => {
                    past.talks.insert(domain, talk);
                }
            }
        }
        self.tree.check().ok()?;
        let mut owners = self.tree.iter().map(|(_, node)| node.permissions.owner());
        let all_known = owners.all(|owner| owner == 0 || past.domains.contains_key(&owner));
        all_known.then_some(past)
    }

    fn go_on(&mut self, mut past: Past) {
        for event in [INTRODUCED, RELEASED] {
            if let Some(permissions) = past.special.remove(event) {
                self.special.insert(event, permissions);
            }
        }
        let (mut gone, mut connected) = (Vec::new(), 0);
        for (domain, known) in past.domains {
            let domain_is = Domain {
                place: known.place,
                target: known.target,
                shutdown: known.shutdown,
                ..Domain::default()
            };
            self.domains.insert(domain, domain_is);
            if self.machine.domain(domain) == DomainState::Gone {
                gone.push(domain);
            } else if known.place.is_some() {
                connected +=
                    usize::from(self.reconnect(domain, &known, past.talks.remove(&domain)));
            }
        }
        for (domain, key, relative, token) in past.watches {
            if let Some(id) = self.connection_of(domain) {
                // What was taken then is taken now.
                let _ = self.watches.add(id, &key, relative as usize, &token, None);
                self.tell_again(id, &key, &token);
            }
        }
        gone.iter().for_each(|domain| self.forget(*domain));
        if self.tree.len() > 1 {
            let (nodes, ended) = (self.tree.len(), gone.len());
            let message = format!(
                "goes on where the one before ended: {nodes} nodes, {connected} domains connected, \
                 {ended} have ended"
            );
            self.machine.log(&message);
        }
    }

    fn reconnect(&mut self, domain: u32, known: &Known, talk: Option<Talk>) -> bool {
        let Some((frame, port)) = known.place else {
            return false;
        };
        let (page, line) = match self.machine.connect(domain, frame, port) {
            Ok(link) => link,
            Err(errno) => {
                let message = format!("domain {domain} cannot be connected again: {errno}");
                self.machine.log(&message);
                return false;
            }
        };
        let who = Who {
            domain,
            target: known.target,
        };
        let id = self.add(Link::Guest(RingTransport::resumed(page, line)), who);
        if let Some(known) = self.domains.get_mut(&domain) {
            known.connection = Some(id);
        }
        if let (Some(connection), Some(talk)) = (self.connections.get_mut(&id), talk) {
            connection.resume(talk);
        }
        true
    }

    /// Tells a watch that there may be something.
    pub(super) fn tell_again(&mut self, id: Id, key: &Key, token: &[u8]) {
        let same =
            |watch: &&crate::store::watch::Watch| watch.connection == id && *watch.token == *token;
        if let Some(watch) = self.watches.of(key).find(same)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.tell(key, watch, key);
        }
    }

    /// Gives a client what it takes, when all is kept that led to it. One that has asked for more, of
    /// which it will not tell, is due.
    pub(super) fn give(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(talk) = connection.moved()
        {
            let domain = connection.who.domain;
            self.tree.journal.note(&Record::Talk(domain, talk));
        }
        self.keep();
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.send()
        {
            self.due.insert(id);
        }
    }

    /// Has all changes kept that are not yet.
    pub(super) fn keep(&mut self) {
        let bytes = core::mem::take(&mut self.tree.journal.bytes);
        if bytes.is_empty() {
            return;
        }
        let most = CHANGES_MAX + 2 * self.keeping.all;
        self.keeping.changes += bytes.len();
        let kept =
            self.keeping.changes <= most && !self.keeping.failed && self.machine.keep(&bytes);
        if !kept && (!self.keeping.failed || self.keeping.changes > most) {
            self.keep_all();
        }
    }

    /// Has all kept instead of what is.
    fn keep_all(&mut self) {
        self.tree.journal.bytes.clear();
        self.tree.note_all();
        for event in [INTRODUCED, RELEASED] {
            if let Some(permissions) = self.special.get(event) {
                let record = Record::Special(event.into(), permissions.clone());
                self.tree.journal.note(&record);
            }
        }
        let domains: Vec<u32> = self.domains.keys().copied().collect();
        domains.into_iter().for_each(|domain| self.note(domain));
        for (key, watch) in self.watches.all() {
            if let Some(connection) = self.connections.get(&watch.connection)
                && matches!(connection.link, Link::Guest(_))
            {
                let domain = connection.who.domain;
                let relative = watch.relative() as u32;
                let record = Record::Watch(domain, key.clone(), relative, watch.token.clone());
                self.tree.journal.note(&record);
            }
        }
        for connection in self.connections.values_mut() {
            if let Some(talk) = connection.talk() {
                let record = Record::Talk(connection.who.domain, talk);
                self.tree.journal.note(&record);
            }
        }
        let bytes = core::mem::take(&mut self.tree.journal.bytes);
        let was_failed = self.keeping.failed;
        self.keeping = Keeping {
            all: bytes.len(),
            changes: 0,
            failed: !self.machine.keep_instead(&bytes),
        };
        if self.keeping.failed && !was_failed {
            self.machine
                .log("what is in the store cannot be kept: it will be lost with it");
        }
    }

    /// Notes what is known of a domain now.
    pub(super) fn note(&mut self, domain: u32) {
        let known = self.domains.get(&domain).map(|known| Known {
            place: known.place.filter(|_| known.connection.is_some()),
            target: known.target,
            shutdown: known.shutdown,
        });
        self.tree.journal.note(&Record::Domain(domain, known));
    }

    /// Notes where the conversation with a domain is that is connected anew.
    pub(super) fn note_talk(&mut self, id: Id) {
        if let Some(connection) = self.connections.get(&id)
            && let Some(talk) = connection.talk()
        {
            let record = Record::Talk(connection.who.domain, talk);
            self.tree.journal.note(&record);
        }
    }

    /// The domain of a connection, if it is one.
    fn domain_of(&self, id: Id) -> Option<u32> {
        let is_guest = |of: &&Connection<M, L>| matches!(of.link, Link::Guest(_));
        let connection = self.connections.get(&id).filter(is_guest)?;
        Some(connection.who.domain)
    }

    pub(super) fn note_watch(&mut self, id: Id, key: &Key, relative: usize, token: &[u8]) {
        if let Some(domain) = self.domain_of(id) {
            let record = Record::Watch(domain, key.clone(), relative as u32, token.into());
            self.tree.journal.note(&record);
        }
    }

    pub(super) fn note_unwatch(&mut self, id: Id, key: &Key, token: &[u8]) {
        if let Some(domain) = self.domain_of(id) {
            let record = Record::Unwatch(domain, key.clone(), token.into());
            self.tree.journal.note(&record);
        }
    }

    /// Ends all watches of a connection.
    pub(super) fn drop_watches(&mut self, id: Id) {
        self.watches.remove_all(id);
        if let Some(domain) = self.domain_of(id) {
            self.tree.journal.note(&Record::NoWatches(domain));
        }
    }

    /// A transaction that a domain began with the store before this one is open, and will not be
    /// committed.
    pub(super) fn find_lost(&mut self, id: Id, number: u32) {
        let most = self.quotas.transactions;
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.has_lost(number)
            && connection.transactions.len() < most
        {
            let transactions = &mut connection.transactions;
            transactions.entry(number).or_insert_with(Transaction::lost);
        }
    }
}
