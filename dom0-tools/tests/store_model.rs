//! The store against a plain tree: several domains, with transactions open at any time.
//!
//! A transaction that is committed must be as if all of it were done at that moment: the same
//! answers, the same tree. One that is not has changed nothing. Quotas hold after every step, and
//! everything the store counts is counted afresh.

mod fake;

use std::collections::BTreeMap;

use dom0_tools::service::DomainState;
use dom0_tools::store::{Quotas, Rights};
use hypercall_abi::io::xs_wire::*;
use proptest::prelude::*;

use fake::store::{Raw, Shared};

/// Nodes that a domain may own, and the entries of a list.
const NODES: usize = 6;

/// A node as the model has it: owner and default first, then the list.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    permissions: Vec<(u32, Rights)>,
    value: Vec<u8>,
}

/// A plain tree: paths without a slash at the end, the root is the empty one.
#[derive(Debug, Clone, PartialEq)]
struct Model(BTreeMap<String, Plain>);

#[derive(Debug, Clone)]
enum Op {
    Read(String),
    List(String),
    Write(String, u8),
    Make(String),
    Remove(String),
    Permit(String, Vec<(u32, Rights)>),
}

type Answer = Result<Vec<u8>, &'static str>;

fn above(path: &str) -> Option<&str> {
    Some(&path[..path.rfind('/')?])
}

impl Model {
    fn new() -> Self {
        Model(BTreeMap::from([(String::new(), owned(0))]))
    }

    fn rights(&self, path: &str, who: u32) -> Option<(bool, bool)> {
        let permissions = &self.0.get(path)?.permissions;
        if who == 0 || permissions[0].0 == who {
            return Some((true, true));
        }
        let named = permissions[1..].iter().find(|(domain, _)| *domain == who);
        let rights = named.unwrap_or(&permissions[0]).1;
        Some((rights.read, rights.write))
    }

    fn may(&self, path: &str, who: u32, write: bool) -> Result<(), &'static str> {
        let allows = |(read, may_write)| if write { may_write } else { read };
        let mut at = path;
        loop {
            match self.rights(at, who) {
                Some(rights) if !allows(rights) => return Err("EACCES"),
                Some(_) if at == path => return Ok(()),
                Some(_) => return Err("ENOENT"),
                None => at = above(at).unwrap(),
            }
        }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let below = |name: &&String| above(name) == Some(path);
        let names = self.0.keys().filter(below);
        names
            .map(|name| name[path.len() + 1..].to_string())
            .collect()
    }

    fn owned_by(&self, who: u32) -> usize {
        self.0
            .values()
            .filter(|node| node.permissions[0].0 == who)
            .count()
    }

    /// Makes a node and those above; `room` is how many the domain may make.
    fn make(&mut self, path: &str, who: u32, room: usize) -> Result<(), &'static str> {
        let mut missing = vec![path];
        while let Some(parent) =
            above(missing[missing.len() - 1]).filter(|p| !self.0.contains_key(*p))
        {
            missing.push(parent);
        }
        if who != 0 && missing.len() > room {
            return Err("ENOSPC");
        }
        let mut node = self.0[above(missing[missing.len() - 1]).unwrap()].clone();
        node.value.clear();
        if who != 0 {
            node.permissions[0].0 = who;
        }
        for path in missing {
            self.0.insert(path.to_string(), node.clone());
        }
        Ok(())
    }

    fn perform(&mut self, who: u32, op: &Op, quota: usize) -> Answer {
        let room = quota.saturating_sub(self.owned_by(who));
        match op {
            Op::Read(path) => {
                self.may(path, who, false)?;
                return Ok(self.0[path].value.clone());
            }
            Op::List(path) => {
                self.may(path, who, false)?;
                return Ok(self.children(path).join(" ").into_bytes());
            }
            Op::Write(path, value) => {
                match self.may(path, who, true) {
                    Err("ENOENT") => self.make(path, who, room)?,
                    other => other?,
                }
                self.0.get_mut(path).unwrap().value = vec![*value; 3];
            }
            Op::Make(path) => match self.may(path, who, true) {
                Err("ENOENT") => self.make(path, who, room)?,
                other => other?,
            },
            Op::Remove(path) => match self.may(path, who, true) {
                Err("ENOENT") if self.0.contains_key(above(path).unwrap()) => {}
                other => {
                    other?;
                    let below = format!("{path}/");
                    self.0
                        .retain(|name, _| name != path && !name.starts_with(&below));
                }
            },
            Op::Permit(path, list) => {
                self.may(path, who, true)?;
                let node = self.0.get_mut(path).unwrap();
                if who != 0 && node.permissions[0].0 != who {
                    return Err("EACCES");
                }
                if who != 0 && list[0].0 != who {
                    return Err("EPERM");
                }
                node.permissions = list.clone();
            }
        }
        Ok(b"OK\0".to_vec())
    }
}

fn owned(domain: u32) -> Plain {
    Plain {
        permissions: vec![(domain, Rights::NONE)],
        value: Vec::new(),
    }
}

fn letter(rights: Rights) -> char {
    match (rights.read, rights.write) {
        (false, false) => 'n',
        (true, false) => 'r',
        (false, true) => 'w',
        (true, true) => 'b',
    }
}

/// The request as a message, and its answer as the model has it.
fn perform(store: &Shared, client: &mut Raw, transaction: u32, op: &Op) -> Answer {
    let (kind, payload) = match op {
        Op::Read(path) => (XS_READ, format!("{path}\0")),
        Op::List(path) => (XS_DIRECTORY, format!("{path}\0")),
        Op::Write(path, value) => (
            XS_WRITE,
            format!("{path}\0{}", String::from(char::from(*value)).repeat(3)),
        ),
        Op::Make(path) => (XS_MKDIR, format!("{path}\0")),
        Op::Remove(path) => (XS_RM, format!("{path}\0")),
        Op::Permit(path, list) => {
            let entries = list
                .iter()
                .map(|(domain, rights)| format!("{}{domain}\0", letter(*rights)));
            (
                XS_SET_PERMS,
                format!("{path}\0{}", entries.collect::<String>()),
            )
        }
    };
    let reply = client.ask(store, kind, transaction, payload.as_bytes());
    answer(op, reply.kind, reply.payload)
}

fn answer(op: &Op, kind: u32, payload: Vec<u8>) -> Answer {
    if kind == XS_ERROR {
        let name = xsd_errors
            .iter()
            .find(|(_, name)| payload == [name.as_bytes(), &[0]].concat());
        return Err(name.unwrap().1);
    }
    if let Op::List(_) = op {
        let names = String::from_utf8(payload).unwrap();
        let mut names: Vec<&str> = names.split_terminator('\0').collect();
        names.sort_unstable();
        return Ok(names.join(" ").into_bytes());
    }
    Ok(payload)
}

#[derive(Debug, Clone)]
enum Step {
    /// A request by a client, in one of its transactions if it has that many.
    Do(usize, usize, Op),
    Begin(usize),
    End(usize, usize, bool),
    /// A domain ends, and another of its number comes.
    Renew(u32),
}

fn paths() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["/a", "/b"]);
    (name(), prop::option::of(name()), prop::option::of(name())).prop_map(
        |(first, second, third)| format!("{first}{}{}", second.unwrap_or(""), third.unwrap_or("")),
    )
}

fn ops() -> impl Strategy<Value = Op> {
    let rights = prop::sample::select(vec![
        Rights::NONE,
        Rights::READ,
        Rights::WRITE,
        Rights::BOTH,
    ]);
    let list = prop::collection::vec((0u32..3, rights), 1..4);
    prop_oneof![
        2 => paths().prop_map(Op::Read),
        1 => paths().prop_map(Op::List),
        4 => (paths(), b'a'..b'd').prop_map(|(path, value)| Op::Write(path, value)),
        1 => paths().prop_map(Op::Make),
        1 => paths().prop_map(Op::Remove),
        2 => (paths(), list).prop_map(|(path, list)| Op::Permit(path, list)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let client = 0usize..4;
    prop_oneof![
        12 => (client.clone(), 0usize..3, ops()).prop_map(|(client, which, op)| Step::Do(client, which, op)),
        2 => client.clone().prop_map(Step::Begin),
        3 => (client, 0usize..3, prop::bool::weighted(0.9)).prop_map(|(client, which, commit)| Step::End(client, which, commit)),
        1 => (1u32..3).prop_map(Step::Renew),
    ]
}

/// Two clients of the control domain, and two domains.
const WHO: [u32; 4] = [0, 0, 1, 2];

/// A transaction: its number, and what was asked and answered.
type Open = (u32, Vec<(Op, Answer)>);

struct World {
    store: Shared,
    clients: Vec<Raw>,
    model: Model,
    /// Open transactions of each client.
    open: Vec<Vec<Open>>,
}

impl World {
    fn new() -> Self {
        let quotas = Quotas {
            nodes: NODES as u64,
            ..Quotas::default()
        };
        let store = Shared::with_quotas(&[1, 2], quotas);
        let mut control = store.client();
        for domain in [1, 2] {
            control.introduce(domain, 1, 1).unwrap();
        }
        let clients = WHO.map(|who| match who {
            0 => Raw::local(&store),
            domain => Raw::guest(&store, domain),
        });
        World {
            clients: clients.into(),
            store,
            model: Model::new(),
            open: vec![Vec::new(); WHO.len()],
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Do(client, which, op) => {
                let transaction = self.open[*client].get(*which).map_or(0, |open| open.0);
                let got = perform(&self.store, &mut self.clients[*client], transaction, op);
                match self.open[*client].get_mut(*which) {
                    Some((_, done)) => done.push((op.clone(), got)),
                    None => {
                        assert_eq!(got, self.model.perform(WHO[*client], op, NODES), "{step:?}")
                    }
                }
            }
            Step::Begin(client) => {
                let reply = self.clients[*client].ask(&self.store, XS_TRANSACTION_START, 0, b"\0");
                if reply.kind == XS_ERROR {
                    assert_eq!((WHO[*client] != 0, self.open[*client].len()), (true, 11));
                    return;
                }
                let number = String::from_utf8(reply.payload).unwrap();
                let number = number.trim_end_matches('\0').parse().unwrap();
                self.open[*client].push((number, Vec::new()));
            }
            Step::End(client, which, commit) => self.end(*client, *which, *commit),
            Step::Renew(domain) => self.renew(*domain),
        }
    }

    fn end(&mut self, client: usize, which: usize, commit: bool) {
        if which >= self.open[client].len() {
            return;
        }
        let (number, done) = self.open[client].remove(which);
        let what: &[u8] = if commit { b"T\0" } else { b"F\0" };
        let reply = self.clients[client].ask(&self.store, XS_TRANSACTION_END, number, what);
        if !commit || reply.kind == XS_ERROR {
            let refused = [&b"EAGAIN\0"[..], b"ENOSPC\0"].contains(&&reply.payload[..]);
            assert!(reply.payload == b"OK\0" || (commit && refused), "{reply:?}");
            return;
        }
        let (who, before) = (WHO[client], self.model.owned_by(WHO[client]));
        for (op, got) in done {
            // What was too much then need not be now.
            if got != Err("ENOSPC") {
                let now = self.model.perform(who, &op, usize::MAX);
                assert_eq!(got, now, "{op:?} of a transaction that was committed");
            }
        }
        let after = self.model.owned_by(who);
        assert!(who == 0 || after <= before || after <= NODES);
    }

    fn renew(&mut self, domain: u32) {
        let mut server = self.store.0.borrow_mut();
        server
            .machine_mut()
            .states
            .insert(domain, DomainState::Gone);
        server.domains_changed();
        server.machine_mut().pages.remove(&domain);
        server
            .machine_mut()
            .states
            .insert(domain, DomainState::Alive);
        drop(server);
        self.store.client().introduce(domain as u16, 1, 1).unwrap();
        let place = WHO.iter().position(|who| *who == domain).unwrap();
        self.clients[place] = Raw::guest(&self.store, domain);
        self.open[place].clear();
        let owned: Vec<String> = self
            .model
            .0
            .iter()
            .filter(|(_, node)| node.permissions[0].0 == domain)
            .map(|(path, _)| path.clone())
            .collect();
        for path in owned {
            let below = format!("{path}/");
            self.model
                .0
                .retain(|name, _| *name != path && !name.starts_with(&below));
        }
        for node in self.model.0.values_mut() {
            // An entry of one that is no more: of a domain that nobody is.
            for entry in &mut node.permissions[1..] {
                entry.0 = if entry.0 == domain { u32::MAX } else { entry.0 };
            }
        }
        // What transactions have noted of the list is not what the model would do.
        for (_, done) in self.open.iter_mut().flatten() {
            for (op, _) in done.iter_mut() {
                if let Op::Permit(_, list) = op {
                    let entries = list[1..].iter_mut().filter(|entry| entry.0 == domain);
                    entries.for_each(|entry| entry.0 = u32::MAX);
                }
            }
        }
    }

    /// The whole tree is the model's, and what is counted is what there is.
    fn check(&self) {
        let server = self.store.0.borrow();
        server.check().unwrap();
        let nodes = server.tree().iter().map(|(path, node)| {
            let entries = node.permissions.entries().iter();
            let entry = |entry: &dom0_tools::store::Permission| {
                (
                    if entry.stale { u32::MAX } else { entry.domain },
                    entry.rights,
                )
            };
            let plain = Plain {
                permissions: entries.map(entry).collect(),
                value: node.value.clone(),
            };
            (path.as_str().trim_end_matches('/').to_string(), plain)
        });
        assert_eq!(Model(nodes.collect()), self.model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_is_a_plain_tree(steps in prop::collection::vec(steps(), 1..150)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }
}
