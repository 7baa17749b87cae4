//! Clients that share a connection, before a daemon that keeps what it is told.

use super::*;
use std::vec;

/// A daemon: its watches by path and token, its open transactions, and what it was asked.
#[derive(Default)]
struct Keeper {
    watches: Vec<(Vec<u8>, Vec<u8>)>,
    open: BTreeSet<u32>,
    last: u32,
    asked: Vec<(u32, u32, Vec<u8>)>,
    events: Vec<Vec<u8>>,
    lost: bool,
    silent: bool,
}

impl Keeper {
    /// Something changes there, which all watches of the path are told of.
    fn change(&mut self, path: &[u8]) {
        let told = self.watches.iter().filter(|watch| watch.0 == path);
        self.events
            .extend(told.map(|(path, token)| watching(path, token)));
    }
}

impl Daemon for Keeper {
    fn ask(&mut self, transaction: u32, kind: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.silent {
            return Err(Failure::Silent);
        }
        self.asked.push((transaction, kind, payload.to_vec()));
        let refused = |errno| Err(Failure::Refused(errno));
        let pair = two_strings(payload).map(|(path, token)| (path.to_vec(), token.to_vec()));
        match kind {
            XS_WATCH => {
                let (path, token) = pair.unwrap();
                if path == b"refused" {
                    return refused(Errno::EACCES);
                }
                self.events.push(payload.to_vec());
                self.watches.push((path, token));
            }
            XS_UNWATCH => {
                let at = self
                    .watches
                    .iter()
                    .position(|watch| Some(watch) == pair.as_ref());
                match at {
                    Some(at) => drop(self.watches.remove(at)),
                    None => return refused(Errno::ENOENT),
                }
            }
            XS_TRANSACTION_START => {
                self.last += 1;
                self.open.insert(self.last);
                return Ok(format!("{}\0", self.last).into_bytes());
            }
            XS_TRANSACTION_END if !self.open.remove(&transaction) => {
                return refused(Errno::ENOENT);
            }
            XS_READ => return Ok([b"value of ", payload].concat()),
            _ => {}
        }
        Ok(b"OK\0".to_vec())
    }

    fn events(&mut self) -> Result<Vec<Vec<u8>>, Lost> {
        if core::mem::take(&mut self.lost) {
            return Err(Lost);
        }
        Ok(core::mem::take(&mut self.events))
    }
}

/// Hands over a message, piece by piece as it is wanted.
fn push(all: &mut Shared, daemon: &mut Keeper, id: Id, mut bytes: &[u8]) -> Result<bool, Failure> {
    let mut served = false;
    while !bytes.is_empty() {
        let n = all.wanted(id).min(bytes.len()).min(7);
        if n == 0 {
            return Ok(served);
        }
        served |= all.take(id, &bytes[..n], daemon)?;
        bytes = &bytes[n..];
    }
    Ok(served)
}

/// The messages that a client is sent.
fn received(all: &mut Shared, id: Id) -> Vec<(u32, u32, Vec<u8>)> {
    let bytes = all.outgoing(id).to_vec();
    all.sent(id, bytes.len());
    let (mut incoming, mut found, mut rest) = (Incoming::new(), Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let n = incoming.wants().unwrap().min(rest.len());
        let message = incoming.push(&rest[..n]).unwrap();
        found.extend(message.map(|message| (message.kind, message.id, message.payload)));
        rest = &rest[n..];
    }
    found
}

/// A request in a transaction and what comes of it.
fn ask_in(
    (all, daemon): (&mut Shared, &mut Keeper),
    id: Id,
    transaction: u32,
    kind: u32,
    payload: &[u8],
) -> Vec<(u32, u32, Vec<u8>)> {
    let request = wire::message(transaction, kind, 77, payload);
    push(all, daemon, id, &request).unwrap();
    received(all, id)
}

fn two_clients() -> (Shared, Keeper) {
    let mut all = Shared::new();
    assert!(all.connect(1) && all.connect(2));
    (all, Keeper::default())
}

fn error(name: &str) -> Vec<(u32, u32, Vec<u8>)> {
    vec![(XS_ERROR, 77, [name.as_bytes(), &[0]].concat())]
}

#[test]
fn requests_are_passed_on_and_replies_carry_their_numbers() {
    let (mut all, mut daemon) = two_clients();
    let got = ask_in((&mut all, &mut daemon), 1, 0, XS_READ, b"domid\0");
    assert_eq!(got, [(XS_READ, 77, b"value of domid\0".to_vec())]);
    let got = ask_in((&mut all, &mut daemon), 2, 0, XS_WRITE, b"data/x\0y");
    assert_eq!(got, [(XS_WRITE, 77, b"OK\0".to_vec())]);
    assert_eq!(daemon.asked.last().unwrap().2, b"data/x\0y");
    assert!(received(&mut all, 1).is_empty());
}

#[test]
fn each_has_its_own_watches_whatever_their_tokens() {
    let (mut all, mut daemon) = two_clients();
    let event = |path: &[u8]| (XS_WATCH_EVENT, 0, watching(path, b"0"));
    for id in [1, 2] {
        let got = ask_in((&mut all, &mut daemon), id, 0, XS_WATCH, b"a\x000\0");
        // What comes before the reply is told before it.
        assert_eq!(got, [event(b"a"), (XS_WATCH, 77, b"OK\0".to_vec())]);
    }
    assert_eq!(
        ask_in((&mut all, &mut daemon), 1, 0, XS_WATCH, b"a\x000\0"),
        error("EEXIST")
    );
    assert!(daemon.watches.iter().all(|(_, token)| token[0] == b'~'));
    daemon.change(b"a");
    all.take_events(&mut daemon);
    assert_eq!(received(&mut all, 1), [event(b"a")]);
    assert_eq!(received(&mut all, 2), [event(b"a")]);
    assert_eq!(
        ask_in((&mut all, &mut daemon), 2, 0, XS_UNWATCH, b"a\x001\0"),
        error("ENOENT")
    );
    let got = ask_in((&mut all, &mut daemon), 2, 0, XS_UNWATCH, b"a\x000\0");
    assert_eq!(got, [(XS_UNWATCH, 77, b"OK\0".to_vec())]);
    daemon.change(b"a");
    all.take_events(&mut daemon);
    assert_eq!(received(&mut all, 1), [event(b"a")]);
    assert!(received(&mut all, 2).is_empty());
}

#[test]
fn a_watch_that_is_refused_or_is_none_is_not_kept() {
    let (mut all, mut daemon) = two_clients();
    let mut ask = |payload: &[u8]| ask_in((&mut all, &mut daemon), 1, 0, XS_WATCH, payload);
    assert_eq!(ask(b"refused\x00t\0"), error("EACCES"));
    for nonsense in [&b""[..], b"\0", b"a\0", b"a\0t", b"a\0t\0u\0"] {
        assert_eq!(ask(nonsense), error("EINVAL"), "{nonsense:?}");
    }
    assert!(all.watches.is_empty());
}

#[test]
fn transactions_are_those_of_who_began_them() {
    let (mut all, mut daemon) = two_clients();
    let got = ask_in((&mut all, &mut daemon), 1, 0, XS_TRANSACTION_START, b"\0");
    assert_eq!(got, [(XS_TRANSACTION_START, 77, b"1\0".to_vec())]);
    assert_eq!(
        ask_in((&mut all, &mut daemon), 2, 1, XS_READ, b"a\0"),
        error("ENOENT")
    );
    assert_eq!(
        ask_in((&mut all, &mut daemon), 2, 1, XS_TRANSACTION_END, b"T\0"),
        error("ENOENT")
    );
    ask_in((&mut all, &mut daemon), 1, 1, XS_READ, b"a\0");
    assert_eq!(daemon.asked.last().unwrap().0, 1);
    ask_in((&mut all, &mut daemon), 1, 1, XS_TRANSACTION_END, b"T\0");
    assert!(daemon.open.is_empty());
    assert_eq!(
        ask_in((&mut all, &mut daemon), 1, 1, XS_TRANSACTION_END, b"T\0"),
        error("ENOENT")
    );
}

#[test]
fn what_one_has_begun_ends_with_it() {
    for by_request in [true, false] {
        let (mut all, mut daemon) = two_clients();
        for id in [1, 2] {
            ask_in((&mut all, &mut daemon), id, 0, XS_WATCH, b"a\0t\0");
            ask_in((&mut all, &mut daemon), id, 0, XS_TRANSACTION_START, b"\0");
        }
        if by_request {
            ask_in((&mut all, &mut daemon), 1, 0, XS_RESET_WATCHES, b"\0");
            // The connection's others would end as well.
            assert!(daemon.asked.iter().all(|asked| asked.1 != XS_RESET_WATCHES));
        } else {
            all.end(1, &mut daemon).unwrap();
        }
        assert_eq!(daemon.open, BTreeSet::from([2]));
        assert_eq!(daemon.watches, [(b"a".to_vec(), b"~2".to_vec())]);
        assert_eq!(all.clients().len(), 1 + usize::from(by_request));
    }
}

#[test]
fn one_that_does_not_take_what_it_is_sent_is_given_up_alone() {
    let (mut all, mut daemon) = two_clients();
    for id in [1, 2] {
        ask_in((&mut all, &mut daemon), id, 0, XS_WATCH, b"a\0t\0");
    }
    let mut told = 0;
    while !all.is_broken(1) {
        daemon.change(b"a");
        all.take_events(&mut daemon);
        told += received(&mut all, 2).len();
        assert_eq!(
            all.wanted(1),
            0,
            "requests of one with unread replies are not taken"
        );
    }
    assert!(all.outgoing(1).len() <= OUTGOING_MAX);
    assert!(told > 1000 && !all.is_broken(2));
}

#[test]
fn nonsense_breaks_one_alone() {
    let (mut all, mut daemon) = two_clients();
    let mut long = wire::message(0, XS_READ, 1, b"");
    long[12..16].copy_from_slice(&(XENSTORE_PAYLOAD_MAX as u32 + 1).to_le_bytes());
    push(&mut all, &mut daemon, 1, &long).unwrap();
    all.wanted(1);
    assert!(all.is_broken(1) && !all.is_broken(2));
    assert!(all.is_broken(3), "nobody is there");
    assert!(daemon.asked.is_empty());
    assert_eq!(all.take(1, &[0; 99], &mut daemon), Ok(false));
    assert_eq!(all.take(3, b"x", &mut daemon), Ok(false));
}

#[test]
fn there_are_so_many_clients_and_so_many_watches_of_each() {
    let (mut all, mut daemon) = two_clients();
    let ids: Vec<Id> = (10..100).filter(|&id| all.connect(id)).collect();
    assert_eq!(ids.len() + 2, CLIENTS_MAX);
    let mut made = 0;
    let refused = loop {
        let payload = watching(format!("node{made}").as_bytes(), &[b't'; 1000]);
        let got = ask_in((&mut all, &mut daemon), 1, 0, XS_WATCH, &payload);
        match got.last() {
            Some((XS_WATCH, ..)) => made += 1,
            _ => break got,
        }
    };
    assert_eq!(refused, error("E2BIG"));
    assert!((10..=16).contains(&made), "{made}");
    let got = ask_in((&mut all, &mut daemon), 2, 0, XS_WATCH, b"a\0t\0");
    assert_eq!(got.len(), 2);
}

#[test]
fn lost_events_end_those_that_watch() {
    let (mut all, mut daemon) = two_clients();
    ask_in((&mut all, &mut daemon), 2, 0, XS_WATCH, b"a\0t\0");
    daemon.lost = true;
    all.take_events(&mut daemon);
    assert!(all.is_broken(2) && !all.is_broken(1));
}

#[test]
fn events_of_nobody_are_dropped() {
    let (mut all, mut daemon) = two_clients();
    ask_in((&mut all, &mut daemon), 1, 0, XS_WATCH, b"a\0t\0");
    for token in [&b"1"[..], b"~", b"~2", b"~-1", b"~4294967297", b"\xff", b""] {
        daemon.events.push(watching(b"a", token));
    }
    daemon
        .events
        .extend([vec![], b"a".to_vec(), b"a\0~1\0b\0".to_vec()]);
    all.take_events(&mut daemon);
    assert!(received(&mut all, 1).is_empty());
    daemon.change(b"a");
    all.take_events(&mut daemon);
    assert_eq!(received(&mut all, 1).len(), 1);
}

#[test]
fn a_daemon_that_is_silent_is_no_clients_fault() {
    let (mut all, mut daemon) = two_clients();
    ask_in((&mut all, &mut daemon), 1, 0, XS_WATCH, b"a\0t\0");
    daemon.silent = true;
    let request = wire::message(0, XS_READ, 77, b"a\0");
    assert_eq!(
        push(&mut all, &mut daemon, 1, &request),
        Err(Failure::Silent)
    );
    assert_eq!(all.end(1, &mut daemon), Err(Failure::Silent));
    assert_eq!(all.clients(), [2]);
    all.forget();
    assert!(all.clients().is_empty());
}
