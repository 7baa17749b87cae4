//! Domains that come and end.

use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_EINVAL, XEN_ENOENT};

use super::{INTRODUCED, RELEASED, Server};
use crate::hyper::Errno;
use crate::service::{DomainState, Line, Machine, Transport};
use crate::store::connection::{Id, Link};
use crate::store::journal::Place;
use crate::store::path::Path;
use crate::store::permissions::{Permissions, Who};
use crate::store::ring::RingTransport;
use crate::store::view::View;

/// A domain that the store knows: it owns nodes or is connected.
#[derive(Debug, Default)]
pub(super) struct Domain {
    pub(super) connection: Option<Id>,
    /// How it is, or was, connected.
    pub(super) place: Option<Place>,
    /// It is told that it has shut down.
    pub(super) shutdown: bool,
    /// The domain whose rights it has too.
    pub(super) target: Option<u32>,
    /// Its connection was given up, and that was said.
    pub(super) failed: bool,
}

impl<M: Machine, L: Transport> Server<M, L> {
    /// Whether there is such a domain; it is known from then on.
    pub(super) fn knows(&mut self, domain: u32) -> bool {
        if domain == 0 || self.domains.contains_key(&domain) {
            return true;
        }
        let exists = self.machine.domain(domain) != DomainState::Gone;
        if exists {
            self.domains.insert(domain, Domain::default());
            self.note(domain);
        }
        exists
    }

    /// Connects a domain to the store, or begins anew with one that is connected.
    pub(super) fn introduce(&mut self, domain: u32, frame: u64, port: u32) -> Result<(), Errno> {
        if !self.knows(domain) {
            return Err(Errno(XEN_ENOENT));
        }
        // One that is connected begins anew: its port may be another, and its rings are empty.
        let before = self
            .domains
            .get_mut(&domain)
            .and_then(|known| known.connection.take());
        self.drop_connection(before);
        let (page, line) = self.machine.connect(domain, frame, port)?;
        let mut ring = RingTransport::new(page, line);
        if before.is_some() {
            ring.reset();
        }
        let target = self.domains.get(&domain).and_then(|known| known.target);
        let id = self.add(Link::Guest(ring), Who { domain, target });
        if let Some(known) = self.domains.get_mut(&domain) {
            (known.connection, known.failed) = (Some(id), false);
            known.place = Some((frame, port));
        }
        self.note(domain);
        self.note_talk(id);
        if before.is_none() {
            self.tell_special(INTRODUCED);
        }
        Ok(())
    }

    /// Drops what a connection has: watches, transactions, events.
    pub(super) fn reset(&mut self, id: Id) {
        self.drop_watches(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.forget();
        }
    }

    /// The connected domain of that number.
    fn connected(&mut self, domain: u32) -> Result<&mut Domain, Errno> {
        let known = self.domains.get_mut(&domain);
        let connected = known.filter(|known| known.connection.is_some());
        connected.ok_or(Errno(XEN_ENOENT))
    }

    /// Disconnects a domain. Its nodes go, as with Xen, though it may be there still.
    pub(super) fn release(&mut self, domain: u32) -> Result<(), Errno> {
        let known = self.connected(domain)?;
        let connection = known.connection.take();
        self.drop_connection(connection);
        if self.machine.domain(domain) == DomainState::Gone {
            self.forget(domain);
        } else {
            self.note(domain);
            self.remove_nodes(domain);
        }
        self.tell_special(RELEASED);
        Ok(())
    }

    fn drop_connection(&mut self, id: Option<Id>) {
        if let Some(id) = id {
            self.drop_watches(id);
            let connection = self.connections.remove(&id);
            if let Some(Link::Guest(ring)) = connection.map(|connection| connection.link) {
                self.ports.remove(&ring.line().port());
            }
        }
    }

    /// It runs again: its next end is to be told, too, and what it may have asked is looked at,
    /// as its events may not have come.
    pub(super) fn resume(&mut self, domain: u32) -> Result<(), Errno> {
        let known = self.connected(domain)?;
        known.shutdown = false;
        let connection = known.connection;
        self.due.extend(connection);
        self.note(domain);
        Ok(())
    }

    /// Whether a domain is connected.
    pub fn is_introduced(&self, domain: u32) -> bool {
        let known = self.domains.get(&domain);
        domain == 0 || known.is_some_and(|known| known.connection.is_some())
    }

    /// Gives a domain the rights of another.
    pub(super) fn set_target(&mut self, domain: u32, target: u32) -> Result<(), Errno> {
        if domain == target {
            return Err(Errno(XEN_EINVAL));
        }
        self.connected(target)?;
        let known = self.connected(domain)?;
        known.target = Some(target);
        let id = known.connection;
        if let Some(connection) = id.and_then(|id| self.connections.get_mut(&id)) {
            connection.who.target = Some(target);
        }
        self.note(domain);
        Ok(())
    }

    /// A domain's connection.
    pub fn connection_of(&self, domain: u32) -> Option<Id> {
        self.domains.get(&domain)?.connection
    }

    /// Looks at what has become of all domains that are known, as whenever the hypervisor says
    /// that one has changed.
    pub fn domains_changed(&mut self) {
        let known: Vec<u32> = self.domains.keys().copied().collect();
        let mut told = false;
        for domain in known {
            match self.machine.domain(domain) {
                DomainState::Alive => {}
                DomainState::Shutdown => {
                    if let Ok(known) = self.connected(domain)
                        && !core::mem::replace(&mut known.shutdown, true)
                    {
                        told = true;
                        self.note(domain);
                    }
                }
                DomainState::Gone => {
                    let connection = self.connection_of(domain);
                    self.drop_connection(connection);
                    self.forget(domain);
                    told |= connection.is_some();
                }
            }
        }
        if told {
            self.tell_special(RELEASED);
        }
        self.keep();
    }

    /// A domain is no more. Its nodes go, and what others were to let it do: the next domain of
    /// that number is another.
    pub(super) fn forget(&mut self, domain: u32) {
        self.domains.remove(&domain);
        self.note(domain);
        for known in self.domains.values_mut() {
            known.target = known.target.filter(|target| *target != domain);
        }
        for connection in self.connections.values_mut() {
            let target = &mut connection.who.target;
            *target = target.filter(|target| *target != domain);
            let transactions = connection.transactions.values_mut();
            transactions.for_each(|transaction| transaction.forget(domain));
        }
        for permissions in self.special.values_mut() {
            *permissions = if permissions.owner() == domain {
                Permissions::owned_by(0)
            } else {
                permissions.outdated(|other| other != domain)
            };
        }
        self.tree.forget(domain);
        self.remove_nodes(domain);
    }

    /// Removes all that a domain owns, and everything below.
    fn remove_nodes(&mut self, domain: u32) {
        let owned = self.tree.owned_by(domain);
        let mut view = View {
            tree: &mut self.tree,
            transaction: None,
            quotas: &self.quotas,
            who: Who::CONTROL,
            kept: 0,
            changes: Vec::new(),
        };
        for path in owned {
            if path == Path::root() {
                // Everything would go with it.
                let _ = view.set_permissions(&path, Permissions::owned_by(0));
            } else {
                // The control domain is refused nothing; what went with a node above is no more.
                let _ = view.remove_if_there(&path);
            }
        }
        let changes = view.changes;
        self.tell(&changes);
    }
}
