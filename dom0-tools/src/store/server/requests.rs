//! What each request does.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::errno::{
    XEN_E2BIG, XEN_EACCES, XEN_EBUSY, XEN_EINVAL, XEN_ENOENT, XEN_ENOSPC, XEN_ENOSYS,
};
use hypercall_abi::io::xs_wire::*;
use hypercall_abi::xen::DOMID_SELF;

use super::{INTRODUCED, RELEASED, Server, guest_number, path_of};
use crate::hyper::Errno;
use crate::service::{Machine, Transport};
use crate::store::connection::Id;
use crate::store::journal::Record;
use crate::store::path::Path;
use crate::store::permissions::{Permissions, Who};
use crate::store::transaction::Transaction;
use crate::store::view::View;
use crate::store::watch::Key;
use crate::store::wire::{Message, OK, error_name, number};

type Result<T> = core::result::Result<T, Errno>;

const INVALID: Errno = Errno(XEN_EINVAL);

/// Commands of [`XS_CONTROL`].
const HELP: &str = "check\nhelp\nprint\t<string>\nquota\t[<domid>]\n";

/// What a message says: so many strings, each with its NUL.
fn strings<const N: usize>(request: &Message) -> Result<[&[u8]; N]> {
    let strings = request.strings().ok_or(INVALID)?;
    strings.try_into().map_err(|_| INVALID)
}

/// The first string of a message, whatever follows it.
fn first(request: &Message) -> Result<(&[u8], &[u8])> {
    let end = request.payload.iter().position(|byte| *byte == 0);
    let end = end.ok_or(INVALID)?;
    Ok((&request.payload[..end], &request.payload[end + 1..]))
}

/// Requests that only the control domain may make.
fn is_privileged(kind: u32) -> bool {
    let privileged = [
        XS_CONTROL,
        XS_INTRODUCE,
        XS_RELEASE,
        XS_IS_DOMAIN_INTRODUCED,
        XS_RESUME,
        XS_SET_TARGET,
    ];
    privileged.contains(&kind)
}

/// Requests that the store knows.
fn is_known(kind: u32) -> bool {
    let never = [XS_WATCH_EVENT, XS_ERROR, XS_SET_TARGET + 1];
    kind < XS_TYPE_COUNT && !never.contains(&kind)
}

impl<M: Machine, L: Transport> Server<M, L> {
    /// Answers a request.
    pub(super) fn answer(&mut self, id: Id, request: &Message) {
        let result = self.perform(id, request);
        let (kind, payload) = match result {
            Ok(payload) => (request.kind, payload),
            Err(errno) => (XS_ERROR, format!("{}\0", error_name(errno)).into_bytes()),
        };
        let reply = Message {
            kind,
            payload,
            ..*request
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.reply(&reply);
        }
        self.give(id);
        if request.kind == XS_WATCH && kind == XS_WATCH {
            self.tell_first(id, request);
        }
    }

    /// What the reply says.
    fn perform(&mut self, id: Id, request: &Message) -> Result<Vec<u8>> {
        let connection = self.connections.get(&id).ok_or(INVALID)?;
        let who = connection.who;
        if !is_known(request.kind) {
            return Err(Errno(XEN_ENOSYS));
        }
        if is_privileged(request.kind) && !who.is_privileged() {
            return Err(Errno(XEN_EACCES));
        }
        self.find_lost(id, request.transaction);
        let connection = self.connections.get(&id).ok_or(INVALID)?;
        let ignored = [XS_WATCH, XS_UNWATCH].contains(&request.kind);
        let open = connection.transactions.contains_key(&request.transaction);
        if request.transaction != 0 && !ignored && !open {
            return Err(Errno(XEN_ENOENT));
        }
        match request.kind {
            XS_READ | XS_DIRECTORY | XS_DIRECTORY_PART | XS_GET_PERMS => {
                self.perform_read(id, who, request)
            }
            XS_TRANSACTION_START => self.begin(id, who, request),
            XS_GET_DOMAIN_PATH => {
                let domain = number(first(request)?.0);
                Ok(format!("/local/domain/{domain}\0").into_bytes())
            }
            XS_IS_DOMAIN_INTRODUCED => {
                let domain = number(first(request)?.0);
                let known = u32::try_from(domain).is_ok_and(|domain| self.is_introduced(domain));
                let known = known || domain == i64::from(DOMID_SELF);
                Ok(if known { b"T\0" } else { b"F\0" }.to_vec())
            }
            XS_CONTROL => self.control(request),
            _ => {
                self.perform_change(id, who, request)?;
                Ok(OK.to_vec())
            }
        }
    }

    /// Requests whose reply is what was asked for.
    fn perform_read(&mut self, id: Id, who: Who, request: &Message) -> Result<Vec<u8>> {
        if request.kind == XS_DIRECTORY_PART {
            let [path, offset] = strings(request)?;
            let path = path_of(path, who)?;
            let node = self.view(id, request, |view| view.read(&path))?;
            let head = format!("{}\0", node.generation);
            return Ok(list_part(&head, &node.children, number(offset)));
        }
        let [path] = strings(request)?;
        let path = path_of(path, who)?;
        let node = self.view(id, request, |view| view.read(&path))?;
        let reply = match request.kind {
            XS_READ => node.value.clone(),
            XS_GET_PERMS => node.permissions.to_strings().into_bytes(),
            _ if node.listing_size() > XENSTORE_PAYLOAD_MAX => return Err(Errno(XEN_E2BIG)),
            _ => {
                let names = node.children.iter();
                names.flat_map(|name| name.bytes().chain([0])).collect()
            }
        };
        let fits = reply.len() <= XENSTORE_PAYLOAD_MAX;
        fits.then_some(reply).ok_or(Errno(XEN_E2BIG))
    }

    /// Requests whose reply is that they were done.
    fn perform_change(&mut self, id: Id, who: Who, request: &Message) -> Result<()> {
        match request.kind {
            XS_WRITE => {
                let (path, value) = first(request)?;
                let path = path_of(path, who)?;
                self.view(id, request, |view| view.write(&path, value))
            }
            XS_MKDIR => {
                let [path] = strings(request)?;
                let path = path_of(path, who)?;
                self.view(id, request, |view| view.make(&path))
            }
            XS_RM => {
                let [path] = strings(request)?;
                let path = path_of(path, who)?;
                self.view(id, request, |view| view.remove(&path))
            }
            XS_SET_PERMS => self.set_permissions(id, who, request),
            XS_WATCH => self.watch(id, who, request),
            XS_UNWATCH => {
                let [path, token] = strings(request)?;
                let (key, _) = watched(path, who)?;
                self.watches.remove(id, &key, token)?;
                self.note_unwatch(id, &key, token);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.forget_watch(&key, token);
                }
                Ok(())
            }
            XS_TRANSACTION_END => self.end(id, who, request),
            XS_RESET_WATCHES => {
                self.reset(id);
                Ok(())
            }
            XS_INTRODUCE => {
                let [domain, frame, port] = strings(request)?;
                let (port, frame) = (number(port), number(frame));
                // The control domain is connected from the beginning.
                if number(domain) == 0 {
                    return Ok(());
                }
                let port = u32::try_from(port).ok().filter(|port| *port > 0);
                let port = port.ok_or(INVALID)?;
                self.introduce(guest_number(domain)?, frame as u64, port)
            }
            XS_RELEASE => self.release(guest_number(first(request)?.0)?),
            XS_RESUME => self.resume(guest_number(first(request)?.0)?),
            XS_SET_TARGET => {
                let [domain, target] = strings(request)?;
                self.set_target(guest_number(domain)?, guest_number(target)?)
            }
            _ => Err(Errno(XEN_ENOSYS)),
        }
    }

    /// Does something with the tree, or the request's transaction, and tells of it.
    fn view<R>(
        &mut self,
        id: Id,
        request: &Message,
        act: impl FnOnce(&mut View<'_>) -> Result<R>,
    ) -> Result<R> {
        let connection = self.connections.get_mut(&id).ok_or(INVALID)?;
        let all: usize = connection
            .transactions
            .values()
            .map(Transaction::kept)
            .sum();
        let this = connection.transactions.get(&request.transaction);
        let mut view = View {
            tree: &mut self.tree,
            who: connection.who,
            kept: all - this.map_or(0, Transaction::kept),
            transaction: connection.transactions.get_mut(&request.transaction),
            quotas: &self.quotas,
            changes: Vec::new(),
        };
        let result = act(&mut view);
        let changes = view.changes;
        self.tell(&changes);
        result
    }

    fn set_permissions(&mut self, id: Id, who: Who, request: &Message) -> Result<()> {
        let strings = request.strings().ok_or(INVALID)?;
        let (path, entries) = strings.split_first().ok_or(INVALID)?;
        let permissions = Permissions::parse(entries.iter().copied()).ok_or(INVALID)?;
        let entries = permissions.entries().len();
        if !who.is_privileged() && entries > self.quotas.permissions {
            return Err(Errno(XEN_ENOSPC));
        }
        if !self.knows(permissions.owner()) {
            return Err(Errno(XEN_ENOENT));
        }
        let permissions = permissions.outdated(|domain| self.knows(domain));
        let special = [INTRODUCED, RELEASED].into_iter();
        if let Some(event) = special.into_iter().find(|event| event.as_bytes() == *path) {
            if !who.is_privileged() {
                return Err(INVALID);
            }
            let record = Record::Special(event.into(), permissions.clone());
            self.tree.journal.note(&record);
            self.special.insert(event, permissions);
            return Ok(());
        }
        let path = path_of(path, who)?;
        self.view(id, request, |view| view.set_permissions(&path, permissions))
    }

    fn watch(&mut self, id: Id, who: Who, request: &Message) -> Result<()> {
        let [path, token] = strings(request)?;
        let (key, relative) = watched(path, who)?;
        let quotas = (!who.is_privileged()).then_some(&self.quotas);
        self.watches.add(id, &key, relative, token, quotas)?;
        self.note_watch(id, &key, relative, token);
        Ok(())
    }

    /// A new watch is told of at once.
    fn tell_first(&mut self, id: Id, request: &Message) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let Ok([path, token]) = strings(request) else {
            return;
        };
        let Ok((key, _)) = watched(path, connection.who) else {
            return;
        };
        self.tell_again(id, &key, token);
        self.give(id);
    }

    fn begin(&mut self, id: Id, who: Who, request: &Message) -> Result<Vec<u8>> {
        if request.transaction != 0 {
            return Err(Errno(XEN_EBUSY));
        }
        let connection = self.connections.get_mut(&id).ok_or(INVALID)?;
        let open = connection.transactions.len();
        if !who.is_privileged() && open >= self.quotas.transactions {
            return Err(Errno(XEN_ENOSPC));
        }
        Ok(format!("{}\0", connection.begin()).into_bytes())
    }

    fn end(&mut self, id: Id, who: Who, request: &Message) -> Result<()> {
        let [what] = strings(request)?;
        let commit = match what {
            b"T" => true,
            b"F" => false,
            _ => return Err(INVALID),
        };
        let connection = self.connections.get_mut(&id).ok_or(INVALID)?;
        let transaction = connection.transactions.remove(&request.transaction);
        let transaction = transaction.ok_or(Errno(XEN_ENOENT))?;
        if commit {
            let changes = transaction.commit(&mut self.tree, &self.quotas, who)?;
            self.tell(&changes);
        }
        Ok(())
    }

    fn control(&mut self, request: &Message) -> Result<Vec<u8>> {
        let strings = request.strings().ok_or(INVALID)?;
        let reply = match strings[..] {
            [b"help"] => HELP.to_string(),
            [b"check"] => match self.check() {
                Ok(()) => return Ok(OK.to_vec()),
                Err(found) => found,
            },
            [b"print", text] => {
                self.machine.log(&String::from_utf8_lossy(text));
                return Ok(OK.to_vec());
            }
            [b"quota"] => self.quota_settings(),
            [b"quota", domain] => self.quota_usage(guest_number(domain)?),
            _ => return Err(INVALID),
        };
        Ok((reply + "\0").into_bytes())
    }

    fn quota_settings(&self) -> String {
        let quotas = &self.quotas;
        format!(
            "Quota settings:\nnodes            : {:8} Nodes per domain\n\
             watches          : {:8} Watches per domain\n\
             transactions     : {:8} Transactions per domain\n\
             node-size        : {:8} Size of a node\n\
             memory           : {:8} Memory of the nodes of a domain\n",
            quotas.nodes, quotas.watches, quotas.transactions, quotas.node_size, quotas.bytes,
        )
    }

    fn quota_usage(&self, domain: u32) -> String {
        let usage = self.tree.usage(domain);
        let connection = self.connection_of(domain);
        let (watches, transactions, kept) = connection.map_or((0, 0, 0), |id| self.usage(id));
        format!(
            "Domain {domain}:\nnodes           : {:8}\nwatches         : {watches:8}\n\
             transactions    : {transactions:8}\nmemory          : {:8}\n\
             unread          : {kept:8}\n",
            usage.nodes, usage.bytes,
        )
    }
}

/// What a watch is for, and how many bytes in front of paths are not told.
fn watched(path: &[u8], who: Who) -> Result<(Key, usize)> {
    if path.first() == Some(&b'@') {
        let name = str::from_utf8(path).map_err(|_| INVALID)?;
        let fits = name.len() <= XENSTORE_REL_PATH_MAX;
        return fits.then(|| (name.into(), 0)).ok_or(INVALID);
    }
    let key = path_of(path, who)?;
    let relative = if path.first() == Some(&b'/') {
        0
    } else {
        Path::of_domain(who.domain).as_str().len() + 1
    };
    Ok((key.as_str().into(), relative))
}

/// A part of a list: as many whole bytes from `offset` on as a payload holds, and an empty name
/// behind the last.
fn list_part(head: &str, names: &[Rc<str>], offset: i64) -> Vec<u8> {
    let mut reply = head.as_bytes().to_vec();
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    let mut rest = bytes.skip(usize::try_from(offset).unwrap_or(usize::MAX));
    let room = XENSTORE_PAYLOAD_MAX - reply.len();
    let part: Vec<u8> = rest.by_ref().take(room - 1).collect();
    // Only what comes to its end has the empty name behind it; what is cut ends with a whole one.
    let (more, last) = (
        rest.next().is_some(),
        part.iter().rposition(|byte| *byte == 0),
    );
    match last {
        Some(last) if more => reply.extend(&part[..=last]),
        _ => {
            reply.extend(&part);
            reply.push(0);
        }
    }
    reply
}
