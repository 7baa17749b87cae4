//! The store answers as Xen's own: requests of four clients, in and out of transactions, with the
//! replies and events that xenstored of Debian's Xen 4.17 gave.
//!
//! Each file of `store-4.17` was written down from one run of that program (with its calls to the
//! hypervisor answered by stand-ins, as it ran on a Linux host). A line is one of
//!
//!   CLIENT REQUEST TRANSACTION PAYLOAD = REPLY PAYLOAD
//!   CLIENT * EVENT                      what that client was told since the line before
//!   domain NUMBER STATE
//!
//! Clients `a` and `b` are of the control domain, `1` and `2` of those domains. A generation, which
//! only says whether a list has changed, is written as `#`.

mod fake;

use std::collections::BTreeMap;
use std::path::Path;

use dom0_tools::service::DomainState;
use dom0_tools::store::{Message, Store};
use hypercall_abi::io::xs_wire::*;

use fake::store::{Raw, Shared};

const KINDS: [(&str, u32); 22] = [
    ("CONTROL", XS_CONTROL),
    ("DIRECTORY", XS_DIRECTORY),
    ("READ", XS_READ),
    ("GET_PERMS", XS_GET_PERMS),
    ("WATCH", XS_WATCH),
    ("UNWATCH", XS_UNWATCH),
    ("TSTART", XS_TRANSACTION_START),
    ("TEND", XS_TRANSACTION_END),
    ("INTRODUCE", XS_INTRODUCE),
    ("RELEASE", XS_RELEASE),
    ("GET_DOMAIN_PATH", XS_GET_DOMAIN_PATH),
    ("WRITE", XS_WRITE),
    ("MKDIR", XS_MKDIR),
    ("RM", XS_RM),
    ("SET_PERMS", XS_SET_PERMS),
    ("EVENT", XS_WATCH_EVENT),
    ("ERROR", XS_ERROR),
    ("IS_INTRODUCED", XS_IS_DOMAIN_INTRODUCED),
    ("RESUME", XS_RESUME),
    ("SET_TARGET", XS_SET_TARGET),
    ("RESET", XS_RESET_WATCHES),
    ("DIRPART", XS_DIRECTORY_PART),
];

fn unescape(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, used) = match rest {
            [b'0', ..] => (0, 1),
            [b's', ..] => (b' ', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), 3)
            }
            _ => panic!("{text}"),
        };
        bytes.push(byte);
        rest = &rest[used..];
    }
    bytes
}

struct Replay {
    store: Shared,
    clients: BTreeMap<String, Raw>,
}

impl Replay {
    fn new() -> Self {
        let store = Shared::new(&[1, 2, 3, 4, 5]);
        let clients = ["a", "b"].map(|name| (name.to_string(), Raw::local(&store)));
        // As Xen's makes it for itself.
        store.client().make("/tool/xenstored").unwrap();
        Replay {
            store,
            clients: clients.into(),
        }
    }

    fn client(&mut self, name: &str) -> &mut Raw {
        let store = &self.store;
        let client = self.clients.entry(name.to_string());
        client.or_insert_with(|| Raw::guest(store, name.parse().unwrap()))
    }

    /// All messages that have come to a client.
    fn arrived(&mut self, name: &str) -> Vec<Message> {
        let store = self.store.clone();
        self.client(name).arrived(&store)
    }

    fn domain(&mut self, domain: u32, state: &str) {
        let mut server = self.store.0.borrow_mut();
        let state = match state {
            "alive" => DomainState::Alive,
            "shutdown" => DomainState::Shutdown,
            _ => DomainState::Gone,
        };
        server.machine_mut().states.insert(domain, state);
        server.domains_changed();
        if state == DomainState::Gone {
            // The next of that number has other pages.
            server.machine_mut().pages.remove(&domain);
            self.clients.remove(&domain.to_string());
        }
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A reply as it is written down.
fn shown(reply: &Message) -> (u32, String) {
    let mut payload = reply.payload.clone();
    if reply.kind == XS_DIRECTORY_PART {
        let end = payload.iter().position(|byte| *byte == 0).unwrap();
        payload.splice(..end, *b"#");
    }
    (reply.kind, text(&payload))
}

fn replay(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/store-4.17")
        .join(name);
    let lines = std::fs::read_to_string(path).unwrap();
    let kind = |name: &str| KINDS.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut replay = Replay::new();
    let mut requests = 0;
    // What every client was told, and what it should have been told.
    let mut told: Vec<(String, String)> = Vec::new();
    let mut lines = lines.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let place = format!("{name}:{}: {line}", number + 1);
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["domain", domain, state] => replay.domain(domain.parse().unwrap(), state),
            [client, asked, transaction, payload, "=", reply, said] => {
                requests += 1;
                let message = Message {
                    kind: kind(asked),
                    request: 7,
                    transaction: transaction.parse().unwrap(),
                    payload: unescape(payload),
                };
                let store = replay.store.clone();
                replay.client(client).send(&store, &message);
                let (events, replies): (Vec<_>, Vec<_>) = replay
                    .arrived(client)
                    .into_iter()
                    .partition(|message| message.request == 0);
                let replies: Vec<_> = replies.iter().map(shown).collect();
                let expected = vec![(kind(reply), text(&unescape(said)))];
                assert_eq!(replies, expected, "{place}");
                told.extend(
                    events
                        .into_iter()
                        .map(|event| (client.to_string(), text(&event.payload))),
                );
            }
            _ => panic!("{place}"),
        }
        let mut expected: Vec<(String, String)> = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| line.contains(" * ")) {
            let (client, event) = line.split_once(" * ").unwrap();
            expected.push((client.to_string(), text(&unescape(event))));
        }
        let names: Vec<String> = replay.clients.keys().cloned().collect();
        for client in names {
            let events = replay.arrived(&client);
            told.extend(
                events
                    .into_iter()
                    .map(|event| (client.clone(), text(&event.payload))),
            );
        }
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "{place}");
        told.clear();
        if number % 16 == 0 || lines.peek().is_none() {
            assert_eq!(replay.store.0.borrow().check(), Ok(()), "{place}");
        }
    }
    requests
}

#[test]
fn random_requests_are_answered_as_by_xen() {
    let files = ["random-1", "random-2", "random-3", "random-4"];
    assert!(files.map(replay).iter().sum::<usize>() > 2500);
}

#[test]
fn corner_cases_are_answered_as_by_xen() {
    assert!(replay("corners") > 1200);
}
