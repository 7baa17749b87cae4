//! The nodes, and what of them is whose.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::journal::{Journal, Record};
use super::path::Path;
use super::permissions::Permissions;
use super::quota::Usage;

/// What Xen's store counts for a node besides what is in it, in bytes.
const NODE_HEAD: usize = 24;
/// What it counts for an entry of the permissions.
const NODE_PERMISSION: usize = 8;
/// What a node takes of memory besides its texts, in bytes: about.
const NODE_OVERHEAD: usize = 192;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Number of the change that made it what it is: no two changes have the same.
    pub generation: u64,
    /// Who may access it.
    pub permissions: Permissions,
    /// Its value: any bytes.
    pub value: Vec<u8>,
    /// Names of the nodes below, in the order in which they were made.
    pub children: Vec<Rc<str>>,
}

impl Node {
    /// An empty node.
    #[must_use]
    pub fn new(permissions: Permissions) -> Self {
        Node {
            generation: 0,
            permissions,
            value: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Bytes of the list of its children, each name with its NUL.
    #[must_use]
    pub fn listing_size(&self) -> usize {
        self.children.iter().map(|name| name.len() + 1).sum()
    }

    /// Its size as Xen's store counts it, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        NODE_HEAD
            + NODE_PERMISSION * self.permissions.entries().len()
            + self.value.len()
            + self.listing_size()
    }

    /// What it takes of memory, in bytes: about. Its name in the parent's list is counted here.
    #[must_use]
    pub fn cost(&self, path: &Path) -> usize {
        let permissions = NODE_PERMISSION * self.permissions.entries().len();
        NODE_OVERHEAD + path.as_str().len() + path.name().len() + self.value.len() + permissions
    }

    pub(super) fn usage(&self, path: &Path) -> Usage {
        Usage {
            nodes: 1,
            bytes: self.cost(path) as i64,
        }
    }
}

/// The whole store, and how much of it is whose.
#[derive(Debug)]
pub struct Tree {
    nodes: BTreeMap<Path, Rc<Node>>,
    usage: BTreeMap<u32, Usage>,
    generation: u64,
    /// What is kept of its changes, and of the server's.
    pub(super) journal: Journal,
}

impl Default for Tree {
    fn default() -> Self {
        let mut tree = Tree {
            nodes: BTreeMap::new(),
            usage: BTreeMap::new(),
            generation: 0,
            journal: Journal::default(),
        };
        tree.set(&Path::root(), Some(Node::new(Permissions::owned_by(0))));
        tree
    }
}

impl Tree {
    /// A node.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Rc<Node>> {
        self.nodes.get(path)
    }

    /// Puts a node, or takes it out, as it is: the caller keeps lists right and asks for quotas.
    pub(super) fn set(&mut self, path: &Path, node: Option<Node>) {
        if self.journal.on {
            self.note(path, node.as_ref());
        }
        self.put(path, node);
    }

    fn note(&mut self, path: &Path, node: Option<&Node>) {
        let record = match (self.nodes.get(path), node) {
            (_, None) => Record::Remove(path.clone()),
            // Its list says no more than the nodes that are in it.
            (Some(old), Some(new))
                if old.permissions == new.permissions && old.value == new.value =>
            {
                return;
            }
            (_, Some(new)) => Record::Set(path.clone(), new.permissions.clone(), new.value.clone()),
        };
        self.journal.note(&record);
    }

    /// Makes a change that was kept; `None` if it cannot have been made.
    pub(super) fn replay(
        &mut self,
        path: &Path,
        node: Option<(Permissions, Vec<u8>)>,
    ) -> Option<()> {
        let old = self.nodes.get(path).cloned();
        if let Some(parent) = path.parent().filter(|_| old.is_some() != node.is_some()) {
            let mut list = Node::clone(self.nodes.get(&parent)?);
            match node {
                Some(_) => list.children.push(path.name().into()),
                None => list.children.retain(|name| **name != *path.name()),
            }
            self.put(&parent, Some(list));
        }
        let children = old.map_or(Vec::new(), |old| old.children.clone());
        let node = node.map(|(permissions, value)| Node {
            generation: 0,
            permissions,
            value,
            children,
        });
        if node.is_none() && *path == Path::root() {
            return None;
        }
        self.put(path, node);
        Some(())
    }

    /// Notes all nodes, each behind that above it, in the order of the lists.
    pub(super) fn note_all(&mut self) {
        let mut next = Vec::from([Path::root()]);
        while let Some(path) = next.pop() {
            let Some(node) = self.nodes.get(&path) else {
                continue;
            };
            next.extend(node.children.iter().rev().map(|name| path.child(name)));
            let record = Record::Set(path, node.permissions.clone(), node.value.clone());
            self.journal.note(&record);
        }
    }

    fn put(&mut self, path: &Path, node: Option<Node>) {
        self.generation += 1;
        let old = match node {
            Some(mut node) => {
                node.generation = self.generation;
                self.account(node.permissions.owner(), node.usage(path));
                self.nodes.insert(path.clone(), Rc::new(node))
            }
            None => self.nodes.remove(path),
        };
        if let Some(old) = old {
            self.account(old.permissions.owner(), -old.usage(path));
        }
    }

    fn account(&mut self, owner: u32, change: Usage) {
        let usage = self.usage.entry(owner).or_default();
        *usage += change;
        if *usage == Usage::default() {
            self.usage.remove(&owner);
        }
    }

    /// What a domain owns.
    #[must_use]
    pub fn usage(&self, domain: u32) -> Usage {
        self.usage.get(&domain).copied().unwrap_or_default()
    }

    /// Nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the root stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Rc<Node>)> {
        self.nodes.iter()
    }

    /// A domain has ended: what names it in permissions counts no more.
    pub(super) fn forget(&mut self, domain: u32) {
        for node in self.nodes.values_mut() {
            if node.permissions.mentions(domain) {
                let node = Rc::make_mut(node);
                node.permissions = node.permissions.outdated(|other| other != domain);
            }
        }
    }

    /// All nodes of a domain, those above first.
    pub(super) fn owned_by(&self, domain: u32) -> Vec<Path> {
        let owned = |(_, node): &(&Path, &Rc<Node>)| node.permissions.owner() == domain;
        let owned = self.nodes.iter().filter(owned);
        owned.map(|(path, _)| path.clone()).collect()
    }

    /// Counts everything afresh.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn check(&self) -> Result<(), String> {
        let mut usage = BTreeMap::<u32, Usage>::new();
        for (path, node) in &self.nodes {
            *usage.entry(node.permissions.owner()).or_default() += node.usage(path);
            if node.generation > self.generation {
                return Err(format!("{} is of the future", path.as_str()));
            }
            for name in &node.children {
                if !self.nodes.contains_key(&path.child(name)) {
                    return Err(format!("{} lists {name}, which is not", path.as_str()));
                }
            }
            let mut names = node.children.clone();
            names.sort_unstable();
            names.dedup();
            if names.len() != node.children.len() {
                return Err(format!("{} lists a name twice", path.as_str()));
            }
            let listed = path.parent().is_none_or(|parent| {
                let parent = self.nodes.get(&parent);
                parent
                    .is_some_and(|parent| parent.children.iter().any(|name| **name == *path.name()))
            });
            if !listed {
                return Err(format!("{} is in no list", path.as_str()));
            }
        }
        if usage != self.usage {
            return Err(format!("{:?} was counted, there is {usage:?}", self.usage));
        }
        Ok(())
    }
}
