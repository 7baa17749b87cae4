//! The store as a service: whoever asks, gets an answer; whoever watches, is told.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_EINVAL, XEN_ENOENT};

use super::Transport;
use super::connection::{Connection, Id, Link};
use super::path::Path;
use super::permissions::{Permissions, Who};
use super::quota::Quotas;
use super::transaction::{Change, Transaction};
use super::tree::Tree;
use super::watch::{Watch, Watches};
use crate::hyper::Errno;
use crate::service::{Line, Machine};

mod domains;
mod keep;
mod requests;

use domains::Domain;
use keep::Keeping;

/// Requests that one client has answered before the next one's turn.
const TURN: usize = 8;
/// What the store tells of domains that come.
const INTRODUCED: &str = "@introduceDomain";
/// What it tells of domains that end.
const RELEASED: &str = "@releaseDomain";

/// The store and its clients.
pub struct Server<M: Machine, L> {
    machine: M,
    quotas: Quotas,
    tree: Tree,
    connections: BTreeMap<Id, Connection<M, L>>,
    /// Domains' connections by the ports on this side.
    ports: BTreeMap<u32, Id>,
    watches: Watches,
    domains: BTreeMap<u32, Domain>,
    /// Who is told of [`INTRODUCED`] and [`RELEASED`].
    special: BTreeMap<&'static str, Permissions>,
    last_id: u64,
    /// Whose turn was last.
    served: Id,
    /// Who may have something to ask, or is to be told something.
    due: BTreeSet<Id>,
    keeping: Keeping,
}

impl<M: Machine, L: Transport> Server<M, L> {
    /// An empty store.
    pub fn new(machine: M, quotas: Quotas) -> Self {
        let control = || Permissions::owned_by(0);
        Server {
            machine,
            quotas,
            tree: Tree::default(),
            connections: BTreeMap::new(),
            ports: BTreeMap::new(),
            watches: Watches::default(),
            domains: BTreeMap::new(),
            special: BTreeMap::from([(INTRODUCED, control()), (RELEASED, control())]),
            last_id: 0,
            served: Id(0),
            due: BTreeSet::new(),
            keeping: Keeping::default(),
        }
    }

    /// A new client of the control domain.
    pub fn connect(&mut self, stream: L) -> Id {
        self.add(Link::Local(stream), Who::CONTROL)
    }

    fn add(&mut self, link: Link<M, L>, who: Who) -> Id {
        self.last_id += 1;
        let id = Id(self.last_id);
        if let Link::Guest(ring) = &link {
            self.ports.insert(ring.line().port(), id);
        }
        self.connections.insert(id, Connection::new(link, who));
        self.due.insert(id);
        id
    }

    /// A client may have something to ask, or room for what it is to be told.
    pub fn wake(&mut self, id: Id) {
        self.due.insert(id);
    }

    /// The same of a domain, as an event on the port on this side tells.
    pub fn event(&mut self, port: u32) {
        self.due.extend(self.ports.get(&port));
    }

    /// Serves every client for one turn; see [`Self::turn_of_due`].
    pub fn turn(&mut self) -> bool {
        self.due.extend(self.connections.keys());
        self.turn_of_due()
    }

    /// Serves, for one turn, those who were woken, and those who are to be told something,
    /// beginning behind the one that was served last. Returns whether some may have more to ask:
    /// call again then, without waiting.
    pub fn turn_of_due(&mut self) -> bool {
        let mut order = core::mem::take(&mut self.due);
        let first = order.split_off(&Id(self.served.0 + 1));
        let mut busy = BTreeSet::new();
        for id in first.into_iter().chain(order) {
            if self.serve(id) {
                busy.insert(id);
            }
            self.served = id;
        }
        self.keep();
        // Who was told something after their turn is due as well.
        self.due.append(&mut busy);
        !self.due.is_empty()
    }

    /// Answers up to [`TURN`] requests of a client; true if there may be more.
    fn serve(&mut self, id: Id) -> bool {
        self.give(id);
        for _ in 0..TURN {
            let Some(connection) = self.connections.get_mut(&id) else {
                return false;
            };
            let Some(request) = connection.next() else {
                self.give(id);
                let Some(connection) = self.connections.get(&id) else {
                    return false;
                };
                if connection.closed.is_some() {
                    self.closed(id);
                }
                return false;
            };
            self.answer(id, &request);
        }
        true
    }

    /// A connection was found closed. A domain's stays, useless, until the domain is released:
    /// with it goes only what the store kept for it.
    fn closed(&mut self, id: Id) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let Some(why) = connection.closed else {
            return;
        };
        let domain = connection.who.domain;
        let known = self.domains.get_mut(&domain);
        match known.filter(|known| known.connection == Some(id)) {
            Some(known) if known.failed => return,
            Some(known) => {
                known.failed = true;
                let message = format!("domain {domain} is not served any more: {why}");
                self.machine.log(&message);
            }
            None => {
                self.connections.remove(&id);
            }
        }
        self.drop_watches(id);
    }

    /// Tells watchers of changes.
    fn tell(&mut self, changes: &[Change]) {
        for change in changes {
            let path = change.path.as_str();
            if change.exact {
                let watches: Vec<Watch> = self.watches.of(path).cloned().collect();
                for watch in watches {
                    self.tell_one(&path.into(), &watch, change);
                }
            } else {
                for (key, watch) in self.watches.above(&change.path) {
                    self.tell_one(&key, &watch, change);
                }
            }
        }
    }

    fn tell_one(&mut self, key: &super::watch::Key, watch: &Watch, change: &Change) {
        if let Some(connection) = self.connections.get_mut(&watch.connection) {
            let who = connection.who;
            let may_read = |list: &Permissions| list.rights(who).read;
            if change.readers.iter().any(may_read) {
                connection.tell(key, watch, change.path.as_str());
                self.due.insert(watch.connection);
            }
        }
    }

    /// Tells of a domain that came or ended.
    fn tell_special(&mut self, event: &'static str) {
        let Some(permissions) = self.special.get(event) else {
            return;
        };
        for watch in self.watches.of(event) {
            if let Some(connection) = self.connections.get_mut(&watch.connection)
                && permissions.rights(connection.who).read
            {
                connection.tell(&event.into(), watch, event);
                self.due.insert(watch.connection);
            }
        }
    }

    /// The nodes.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The machine.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Watches and open transactions of a connection, and bytes kept for it.
    pub fn usage(&self, id: Id) -> (usize, usize, usize) {
        let connection = self.connections.get(&id);
        let of = |of: fn(&Connection<M, L>) -> usize| connection.map_or(0, of);
        let transactions = of(|connection| connection.transactions.len());
        (self.watches.count(id), transactions, of(Connection::kept))
    }

    /// Counts everything afresh.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn check(&self) -> Result<(), String> {
        self.tree.check()?;
        if !self.watches.check() {
            return Err("watches are not counted right".into());
        }
        for (path, node) in self.tree.iter() {
            let owner = node.permissions.owner();
            if owner != 0 && !self.domains.contains_key(&owner) {
                return Err(format!(
                    "{} is of domain {owner}, which is not known",
                    path.as_str()
                ));
            }
        }
        for id in self.connections.keys() {
            let (watches, transactions, _) = self.usage(*id);
            let privileged = self.connections[id].who.is_privileged();
            let quotas = self.quotas;
            if !privileged && (watches > quotas.watches || transactions > quotas.transactions) {
                return Err(format!(
                    "{id:?} has {watches} watches, {transactions} transactions"
                ));
            }
            let open = self.connections[id].transactions.values();
            let kept: usize = open.map(Transaction::kept).sum();
            if !privileged && kept > quotas.transaction_bytes {
                return Err(format!("{id:?} keeps {kept} bytes in transactions"));
            }
        }
        Ok(())
    }
}

/// The number of a domain in a request: one that a guest can have.
fn guest_number(text: &[u8]) -> Result<u32, Errno> {
    let number = super::wire::number(text);
    let last = i64::from(hypercall_abi::xen::DOMID_FIRST_RESERVED) - 1;
    match number {
        1.. if number <= last => Ok(number as u32),
        0 => Err(Errno(XEN_EINVAL)),
        _ => Err(Errno(XEN_ENOENT)),
    }
}

/// The path of a message.
fn path_of(text: &[u8], who: Who) -> Result<Path, Errno> {
    Path::parse(text, who.domain).ok_or(Errno(XEN_EINVAL))
}
