//! What a transaction has seen and changed, and how it comes into the tree.
//!
//! A node is noted when the transaction first touches it, and stays so for it, whatever others do.
//! It is committed when none of them has changed since: as Xen's store does it, and so without
//! anything that a later reader could not have seen.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_EAGAIN, XEN_ENOSPC};

use super::path::Path;
use super::permissions::{Permissions, Who};
use super::quota::{Quotas, Usage};
use super::tree::{Node, Tree};
use crate::hyper::Errno;

/// What a transaction keeps for a node besides its texts, in bytes: about.
const ENTRY_OVERHEAD: usize = 128;

/// Something that watches are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The node.
    pub path: Path,
    /// Only for those who watch this very node: it went with one above it.
    pub exact: bool,
    /// Who may read one of these may know of it: the node before and after, and the node above.
    pub readers: Vec<Permissions>,
}

/// Whom a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Nobody: only a list of children, or a node made on the way to another.
    Silent,
    /// Those who watch the node or one above.
    Below,
    /// Those who watch the node.
    Exact,
}

#[derive(Debug)]
struct Entry {
    seen: Option<Rc<Node>>,
    now: Option<Rc<Node>>,
    /// What is told of the last change, if there was one.
    changed: Option<Event>,
}

/// What a transaction may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Nodes in all.
    pub(super) nodes: usize,
    /// Bytes more.
    pub(super) bytes: usize,
}

/// A transaction that is open.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    entries: BTreeMap<Path, Entry>,
    /// What it has changed, in the order in which it did so first.
    changed: Vec<Path>,
    /// What it changes of domains' usage.
    usage: BTreeMap<u32, Usage>,
    bytes: usize,
    /// It has made nodes of a domain that has ended.
    lost: bool,
}

impl Transaction {
    /// One of which nothing is known any more: it will not be committed.
    pub(super) fn lost() -> Self {
        Transaction {
            lost: true,
            ..Self::default()
        }
    }

    pub(super) fn usage(&self, domain: u32) -> Usage {
        self.usage.get(&domain).copied().unwrap_or_default()
    }

    /// The node as the transaction sees it.
    ///
    /// # Errors
    /// ENOSPC: it has touched, or keeps, too much.
    pub(super) fn get(
        &mut self,
        tree: &Tree,
        path: &Path,
        room: Option<Room>,
    ) -> Result<Option<Rc<Node>>, Errno> {
        if let Some(entry) = self.entries.get(path) {
            return Ok(entry.now.clone());
        }
        let node = tree.get(path).cloned();
        let bytes = entry_bytes(path, node.as_deref());
        let fits = |room: Room| self.entries.len() < room.nodes && bytes <= room.bytes;
        if !room.is_none_or(fits) {
            return Err(Errno(XEN_ENOSPC));
        }
        self.bytes += bytes;
        let entry = Entry {
            seen: node.clone(),
            now: node.clone(),
            changed: None,
        };
        self.entries.insert(path.clone(), entry);
        Ok(node)
    }

    /// What it keeps, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.bytes
    }

    /// Changes a node that it has touched.
    pub(super) fn put(&mut self, path: &Path, node: Option<Node>, event: Event) {
        let Some(entry) = self.entries.get_mut(path) else {
            unreachable!("what is changed was read");
        };
        for (node, sign) in [(entry.now.as_deref(), -1), (node.as_ref(), 1)] {
            if let Some(node) = node {
                let usage = node.usage(path);
                let usage = if sign < 0 { -usage } else { usage };
                *self.usage.entry(node.permissions.owner()).or_default() += usage;
                if sign > 0 {
                    self.bytes += node.cost(path);
                } else if entry.changed.is_some() {
                    self.bytes -= node.cost(path);
                }
            }
        }
        if entry.changed.is_none() {
            self.changed.push(path.clone());
        }
        // A list that changes says nothing new of a node that is already told of.
        entry.changed = match (entry.changed, event) {
            (Some(earlier), Event::Silent) => Some(earlier),
            _ => Some(event),
        };
        entry.now = node.map(Rc::new);
    }

    /// A domain has ended: what the transaction has made for it must not come into being.
    pub(super) fn forget(&mut self, domain: u32) {
        for path in &self.changed {
            let Some(now) = self
                .entries
                .get_mut(path)
                .and_then(|entry| entry.now.as_mut())
            else {
                continue;
            };
            self.lost |= now.permissions.owner() == domain;
            if now.permissions.mentions(domain) {
                let node = Rc::make_mut(now);
                node.permissions = node.permissions.outdated(|other| other != domain);
            }
        }
    }

    /// Makes its changes those of the tree, all or none, and says what they are.
    ///
    /// # Errors
    /// EAGAIN: others have changed what it has seen. ENOSPC: by now it is too much.
    pub(super) fn commit(
        self,
        tree: &mut Tree,
        quotas: &Quotas,
        who: Who,
    ) -> Result<Vec<Change>, Errno> {
        let generation = |node: &Rc<Node>| node.generation;
        let unchanged = |(path, entry): (&Path, &Entry)| {
            tree.get(path).map(generation) == entry.seen.as_ref().map(generation)
        };
        if self.lost || !self.entries.iter().all(unchanged) {
            return Err(Errno(XEN_EAGAIN));
        }
        if !who.is_privileged() && !self.fits(tree, quotas, who.domain) {
            return Err(Errno(XEN_ENOSPC));
        }
        let changes = self.changes(tree);
        for path in &self.changed {
            let entry = &self.entries[path];
            if entry.now.is_some() || entry.seen.is_some() {
                tree.set(path, entry.now.as_deref().cloned());
            }
        }
        Ok(changes)
    }

    fn fits(&self, tree: &Tree, quotas: &Quotas, domain: u32) -> bool {
        let (now, change) = (tree.usage(domain), self.usage(domain));
        let fits = |now: i64, change: i64, most: u64| change <= 0 || now + change <= most as i64;
        fits(now.nodes, change.nodes, quotas.nodes) && fits(now.bytes, change.bytes, quotas.bytes)
    }

    fn changes(&self, tree: &Tree) -> Vec<Change> {
        let parent = |path: &Path| {
            let parent = path.parent()?;
            let known = self.entries.get(&parent);
            let known = known.and_then(|entry| entry.now.as_ref().or(entry.seen.as_ref()));
            known.or_else(|| tree.get(&parent))
        };
        let change = |path: &Path| {
            let entry = &self.entries[path];
            let event = entry.changed.filter(|event| *event != Event::Silent)?;
            let nodes = [entry.seen.as_ref(), entry.now.as_ref()];
            nodes.iter().any(Option::is_some).then(|| Change {
                path: path.clone(),
                exact: event == Event::Exact,
                readers: readers(nodes.into_iter().chain([parent(path)])),
            })
        };
        self.changed.iter().filter_map(change).collect()
    }
}

/// Permissions of the nodes that there are.
pub(super) fn readers<'a>(nodes: impl Iterator<Item = Option<&'a Rc<Node>>>) -> Vec<Permissions> {
    nodes
        .flatten()
        .map(|node| node.permissions.clone())
        .collect()
}

fn entry_bytes(path: &Path, node: Option<&Node>) -> usize {
    ENTRY_OVERHEAD + path.as_str().len() + node.map_or(0, |node| node.cost(path))
}
