//! What requests do with nodes: in the tree, or in a transaction.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_EACCES, XEN_EINVAL, XEN_ENOENT, XEN_ENOSPC, XEN_EPERM};

use super::path::Path;
use super::permissions::{Permissions, Rights, Who};
use super::quota::{Quotas, Usage};
use super::transaction::{Change, Event, Room, Transaction, readers};
use super::tree::{Node, Tree};
use crate::hyper::Errno;

type Result<T> = core::result::Result<T, Errno>;

/// The store as one who asks sees it. A request that fails has changed nothing.
pub(super) struct View<'a> {
    pub(super) tree: &'a mut Tree,
    pub(super) transaction: Option<&'a mut Transaction>,
    pub(super) quotas: &'a Quotas,
    pub(super) who: Who,
    /// What the other transactions of the one who asks keep, in bytes.
    pub(super) kept: usize,
    /// What watches are to be told now.
    pub(super) changes: Vec<Change>,
}

impl View<'_> {
    /// The quotas, if they are for the one who asks.
    fn limits(&self) -> Option<&Quotas> {
        (!self.who.is_privileged()).then_some(self.quotas)
    }

    /// What the transaction may have, if that is limited.
    fn room(&self) -> Option<Room> {
        let kept = self.kept + self.transaction.as_ref()?.kept();
        let quotas = self.limits()?;
        Some(Room {
            nodes: quotas.transaction_nodes,
            bytes: quotas.transaction_bytes.saturating_sub(kept),
        })
    }

    fn get(&mut self, path: &Path) -> Result<Option<Rc<Node>>> {
        let room = self.room();
        match &mut self.transaction {
            Some(transaction) => transaction.get(self.tree, path, room),
            None => Ok(self.tree.get(path).cloned()),
        }
    }

    fn put(&mut self, path: &Path, node: Option<Node>, event: Event) {
        if let Some(transaction) = &mut self.transaction {
            transaction.put(path, node, event);
            return;
        }
        let old = self.tree.get(path).cloned();
        self.tree.set(path, node);
        if event != Event::Silent {
            let parent = path.parent().and_then(|parent| self.tree.get(&parent));
            let nodes = [old.as_ref(), self.tree.get(path), parent];
            self.changes.push(Change {
                path: path.clone(),
                exact: event == Event::Exact,
                readers: readers(nodes.into_iter()),
            });
        }
    }

    /// A node with the rights that are needed.
    ///
    /// # Errors
    /// EACCES without them. ENOENT if there is none, and the nearest node above would allow it;
    /// EACCES otherwise.
    fn find(&mut self, path: &Path, need: Rights) -> Result<Rc<Node>> {
        let allows = |node: &Node, who| {
            let rights = node.permissions.rights(who);
            (rights.read || !need.read) && (rights.write || !need.write)
        };
        let found = self.get(path)?;
        if let Some(node) = found.as_ref().filter(|node| allows(node, self.who)) {
            return Ok(node.clone());
        }
        // The node above is looked at in either case, as Xen does it: a transaction has seen it.
        let mut above = path.parent();
        while let Some(path) = above {
            if let Some(node) = self.get(&path)? {
                let missing = found.is_none() && allows(&node, self.who);
                return Err(Errno(if missing { XEN_ENOENT } else { XEN_EACCES }));
            }
            above = path.parent();
        }
        Err(Errno(XEN_EACCES))
    }

    /// A node to be read.
    pub(super) fn read(&mut self, path: &Path) -> Result<Rc<Node>> {
        self.find(path, Rights::READ)
    }

    /// Sets a value; the node and those above are made where they are missing.
    pub(super) fn write(&mut self, path: &Path, value: &[u8]) -> Result<()> {
        match self.find(path, Rights::WRITE) {
            Ok(node) => {
                let mut new = Node::clone(&node);
                new.value = value.to_vec();
                self.check_size(&new)?;
                self.check_room(path, Some(&node), &new)?;
                self.put(path, Some(new), Event::Below);
                Ok(())
            }
            Err(Errno(XEN_ENOENT)) => self.create(path, value),
            Err(errno) => Err(errno),
        }
    }

    /// Makes a node, and those above, where they are missing.
    pub(super) fn make(&mut self, path: &Path) -> Result<()> {
        match self.find(path, Rights::WRITE) {
            Err(Errno(XEN_ENOENT)) => self.create(path, &[]),
            other => other.map(drop),
        }
    }

    fn create(&mut self, path: &Path, value: &[u8]) -> Result<()> {
        let mut missing = vec![path.clone()];
        let mut above = path.parent();
        let (top, parent) = loop {
            // The root is there, so this ends before there is nothing above.
            let path = above.ok_or(Errno(XEN_EINVAL))?;
            match self.get(&path)? {
                Some(node) => break (path, node),
                None => {
                    above = path.parent();
                    missing.push(path);
                }
            }
        };
        let permissions = if self.who.is_privileged() {
            parent.permissions.clone()
        } else {
            parent.permissions.with_owner(self.who.domain)
        };
        let mut new = vec![Node::new(permissions.clone()); missing.len()];
        new[0].value = value.to_vec();
        for (child, node) in missing.iter().zip(&mut new[1..]) {
            node.children.push(child.name().into());
        }
        let mut list = Node::clone(&parent);
        if let Some(first) = missing.last() {
            list.children.push(first.name().into());
        }
        self.check_size(&list)?;
        new.iter().try_for_each(|node| self.check_size(node))?;
        let mut needed = Usage::default();
        missing
            .iter()
            .zip(&new)
            .for_each(|(path, node)| needed += node.usage(path));
        self.check_quota(permissions.owner(), needed)?;
        self.check_kept(needed.bytes as usize + list.cost(&top))?;
        self.put(&top, Some(list), Event::Silent);
        // Those above first; only the node itself is told of.
        for (index, (path, node)) in missing.iter().zip(new).enumerate().rev() {
            let event = if index == 0 {
                Event::Below
            } else {
                Event::Silent
            };
            self.put(path, Some(node), event);
        }
        Ok(())
    }

    /// Removes a node and all below. One that is not there is no error, if the one above is.
    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        match self.find(path, Rights::WRITE) {
            Ok(_) => self.remove_all(path),
            Err(Errno(XEN_ENOENT)) => match path.parent() {
                Some(parent) if self.get(&parent)?.is_some() => Ok(()),
                _ => Err(Errno(XEN_ENOENT)),
            },
            Err(errno) => Err(errno),
        }
    }

    /// The same, where there may be none above either.
    pub(super) fn remove_if_there(&mut self, path: &Path) -> Result<()> {
        match self.get(path)? {
            Some(_) => self.remove(path),
            None => Ok(()),
        }
    }

    fn remove_all(&mut self, path: &Path) -> Result<()> {
        let parent = path.parent().ok_or(Errno(XEN_EINVAL))?;
        // Read backwards, every node comes behind those below it, as Xen tells of them.
        let (mut all, mut next) = (Vec::new(), vec![path.clone()]);
        while let Some(path) = next.pop() {
            if let Some(node) = self.get(&path)? {
                next.extend(node.children.iter().map(|name| path.child(name)));
            }
            all.push(path);
        }
        if let Some(node) = self.get(&parent)? {
            self.check_kept(node.cost(&parent))?;
            let mut list = Node::clone(&node);
            list.children.retain(|name| **name != *path.name());
            for path in all[1..].iter().rev() {
                self.put(path, None, Event::Exact);
            }
            self.put(path, None, Event::Below);
            self.put(&parent, Some(list), Event::Silent);
        }
        Ok(())
    }

    /// Chooses who may access a node. The caller has looked at how many entries it
    /// has, and which are of domains that are none.
    pub(super) fn set_permissions(&mut self, path: &Path, permissions: Permissions) -> Result<()> {
        let node = self.find(path, Rights::WRITE)?;
        if !node.permissions.is_owner(self.who) {
            return Err(Errno(XEN_EACCES));
        }
        if !self.who.is_privileged() && permissions.owner() != node.permissions.owner() {
            return Err(Errno(XEN_EPERM));
        }
        let mut new = Node::clone(&node);
        new.permissions = permissions;
        self.check_size(&new)?;
        self.check_room(path, Some(&node), &new)?;
        self.put(path, Some(new), Event::Below);
        Ok(())
    }

    fn check_size(&self, node: &Node) -> Result<()> {
        let fits = self
            .limits()
            .is_none_or(|quotas| node.size() < quotas.node_size);
        fits.then_some(()).ok_or(Errno(XEN_ENOSPC))
    }

    /// Whether the owner may have this node instead of the old one.
    fn check_room(&self, path: &Path, old: Option<&Node>, new: &Node) -> Result<()> {
        let mut growth = new.usage(path);
        if let Some(old) = old.filter(|old| old.permissions.owner() == new.permissions.owner()) {
            growth += -old.usage(path);
        }
        self.check_quota(new.permissions.owner(), growth)?;
        self.check_kept(new.cost(path))
    }

    /// Whether a domain may own so much more. What the control domain makes for it is not asked
    /// for, but counts.
    fn check_quota(&self, owner: u32, growth: Usage) -> Result<()> {
        let Some(quotas) = self.limits().filter(|_| owner != 0) else {
            return Ok(());
        };
        let mut now = self.tree.usage(owner);
        if let Some(transaction) = &self.transaction {
            now += transaction.usage(owner);
        }
        let fits = |now: i64, growth: i64, most: u64| growth <= 0 || now + growth <= most as i64;
        let fits = fits(now.nodes, growth.nodes, quotas.nodes)
            && fits(now.bytes, growth.bytes, quotas.bytes);
        fits.then_some(()).ok_or(Errno(XEN_ENOSPC))
    }

    /// Whether the transaction may keep so many bytes more.
    fn check_kept(&self, bytes: usize) -> Result<()> {
        let fits = self.room().is_none_or(|room| bytes <= room.bytes);
        fits.then_some(()).ok_or(Errno(XEN_ENOSPC))
    }
}
