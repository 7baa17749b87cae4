//! Watches: who is told of which changes.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_E2BIG, XEN_EEXIST, XEN_ENOENT};

use super::connection::Id;
use super::path::Path;
use super::quota::Quotas;
use crate::hyper::Errno;

/// What is watched: a node's path, or one of the store's own events, whose names begin with `@`.
pub(super) type Key = Rc<str>;

/// One watch.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) connection: Id,
    /// Watches are told of a change in the order in which they were made.
    number: u64,
    /// Bytes to leave out in front of paths, if it was given relative to the domain's own node.
    relative: usize,
    pub(super) token: Rc<[u8]>,
}

impl Watch {
    /// Bytes that are left out in front of paths.
    pub(super) fn relative(&self) -> usize {
        self.relative
    }

    /// How the path is told to this watcher.
    pub(super) fn shown<'a>(&self, path: &'a str) -> &'a str {
        path.get(self.relative..).unwrap_or_default()
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    watches: usize,
    bytes: usize,
}

/// All watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_key: BTreeMap<Key, Vec<Watch>>,
    counts: BTreeMap<Id, Count>,
    last: u64,
}

fn bytes(key: &str, token: &[u8]) -> usize {
    key.len() + token.len()
}

impl Watches {
    /// Adds one; without quotas for a privileged connection.
    ///
    /// # Errors
    /// EEXIST: the connection has it already. E2BIG: it has too many.
    pub(super) fn add(
        &mut self,
        connection: Id,
        key: &Key,
        relative: usize,
        token: &[u8],
        quotas: Option<&Quotas>,
    ) -> Result<Watch, Errno> {
        let same = |watch: &Watch| watch.connection == connection && *watch.token == *token;
        let there = self.by_key.get(key);
        if there.is_some_and(|watches| watches.iter().any(same)) {
            return Err(Errno(XEN_EEXIST));
        }
        let count = self.counts.entry(connection).or_default();
        let fits = quotas.is_none_or(|quotas| {
            count.watches < quotas.watches && count.bytes + bytes(key, token) <= quotas.watch_bytes
        });
        if !fits {
            return Err(Errno(XEN_E2BIG));
        }
        count.watches += 1;
        count.bytes += bytes(key, token);
        self.last += 1;
        let watch = Watch {
            connection,
            number: self.last,
            relative,
            token: token.into(),
        };
        self.by_key
            .entry(key.clone())
            .or_default()
            .push(watch.clone());
        Ok(watch)
    }

    /// Takes one away.
    ///
    /// # Errors
    /// ENOENT: there is none.
    pub(super) fn remove(&mut self, connection: Id, key: &Key, token: &[u8]) -> Result<(), Errno> {
        let watches = self.by_key.get_mut(key).ok_or(Errno(XEN_ENOENT))?;
        let same = |watch: &Watch| watch.connection == connection && *watch.token == *token;
        let place = watches.iter().position(same).ok_or(Errno(XEN_ENOENT))?;
        watches.remove(place);
        if watches.is_empty() {
            self.by_key.remove(key);
        }
        if let Some(count) = self.counts.get_mut(&connection) {
            count.watches -= 1;
            count.bytes -= bytes(key, token);
        }
        Ok(())
    }

    /// Takes all of a connection away.
    pub(super) fn remove_all(&mut self, connection: Id) {
        self.by_key.retain(|_, watches| {
            watches.retain(|watch| watch.connection != connection);
            !watches.is_empty()
        });
        self.counts.remove(&connection);
    }

    /// Watches of a connection.
    pub(super) fn count(&self, connection: Id) -> usize {
        self.counts
            .get(&connection)
            .map_or(0, |count| count.watches)
    }

    /// All, with what they watch, in the order in which they were made.
    pub(super) fn all(&self) -> Vec<(&Key, &Watch)> {
        let mut all = Vec::new();
        for (key, watches) in &self.by_key {
            all.extend(watches.iter().map(|watch| (key, watch)));
        }
        all.sort_by_key(|(_, watch)| watch.number);
        all
    }

    /// Those who watch exactly this.
    pub(super) fn of(&self, key: &str) -> impl Iterator<Item = &Watch> {
        self.by_key.get(key).into_iter().flatten()
    }

    /// Those who watch a node or one above it, with what they watch.
    pub(super) fn above(&self, path: &Path) -> Vec<(Key, Watch)> {
        let mut found = Vec::new();
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some((key, watches)) = self.by_key.get_key_value(path.as_str()) {
                found.extend(watches.iter().map(|watch| (key.clone(), watch.clone())));
            }
            at = path.parent();
        }
        found.sort_by_key(|(_, watch)| watch.number);
        found
    }

    /// Whether the counts are what there is.
    pub(super) fn check(&self) -> bool {
        let mut counts = BTreeMap::<Id, Count>::new();
        for (key, watches) in &self.by_key {
            for watch in watches {
                let count = counts.entry(watch.connection).or_default();
                count.watches += 1;
                count.bytes += bytes(key, &watch.token);
            }
        }
        let counted = self.counts.iter().filter(|(_, count)| count.watches > 0);
        counted.eq(counts.iter())
    }
}
