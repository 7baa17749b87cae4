//! A store that ends at any moment, and the one that comes after it: what a client was told stays
//! true, and whoever is connected by a ring has each request answered once.

mod fake;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use dom0_tools::service::{DomainState, Transport};
use dom0_tools::store::{Decoder, Message, Permissions, Rights, Store};
use hypercall_abi::io::xs_wire::*;

use fake::store::{Bell, Domains, GuestEnd, LEFT, Page, Shared};

type Kept = Rc<RefCell<Vec<u8>>>;
type Pages = BTreeMap<u32, (Page, Bell)>;

fn machine(kept: &Kept, pages: &Pages, domains: &[u32]) -> Domains {
    let states = domains.iter().map(|domain| (*domain, DomainState::Alive));
    Domains {
        states: states.collect(),
        pages: pages.clone(),
        kept: Some(kept.clone()),
        ..Domains::default()
    }
}

fn tree(store: &Shared) -> BTreeMap<String, (String, Vec<u8>, Vec<String>)> {
    let server = store.0.borrow();
    let nodes = server.tree().iter().map(|(path, node)| {
        let children = node.children.iter().map(|name| name.to_string());
        let value = node.value.clone();
        let list = node.permissions.to_strings();
        (path.as_str().to_string(), (list, value, children.collect()))
    });
    nodes.collect()
}

/// Domain 1 with a home of its own, and domain 2, both connected.
fn world(kept: &Kept) -> (Shared, Pages) {
    let store = Shared::keeping(machine(kept, &Pages::new(), &[1, 2]));
    let mut control = store.client();
    for domain in [1u16, 2] {
        let home = format!("/local/domain/{domain}/data");
        control.make(&home).unwrap();
        let own = Permissions::new(&[(domain.into(), Rights::NONE)]).unwrap();
        control.set_permissions(&home, &own).unwrap();
        control.introduce(domain, 7, 5).unwrap();
    }
    let pages = store.0.borrow_mut().machine_mut().pages.clone();
    (store, pages)
}

/// The guest's requests: kind, transaction by its place in the list of those begun, payload.
fn story() -> Vec<(u32, usize, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let large = [b"data/large\0".to_vec(), vec![b'x'; 1500]].concat();
    vec![
        (XS_WATCH, 0, text("data/watched\0token\0")),
        (XS_WRITE, 0, text("data/a\x000")),
        (XS_WRITE, 0, large),
        (XS_WRITE, 0, text("data/watched\0now")),
        (XS_TRANSACTION_START, 0, text("\0")),
        (XS_WRITE, 1, text("data/b\0in a transaction")),
        (XS_READ, 0, text("data/large\0")),
        (XS_RM, 1, text("data/a\0")),
        (XS_TRANSACTION_END, 1, text("T\0")),
        (XS_DIRECTORY, 0, text("data\0")),
        (XS_MKDIR, 0, text("data/c/d\0")),
        (XS_RM, 0, text("data/large\0")),
        (XS_UNWATCH, 0, text("data/watched\0token\0")),
    ]
}

struct Told {
    store: Shared,
    replies: Vec<Message>,
    events: usize,
    /// The store has ended, and another came.
    ended: bool,
}

/// Tells the story to a store that ends after so many of its steps.
fn tell(steps: usize) -> Told {
    let kept = Kept::default();
    let (mut store, pages) = world(&kept);
    let (page, bell) = pages[&1].clone();
    let mut guest = GuestEnd { page, bell };
    let mut decoder = Decoder::default();
    let mut told = Told {
        store: store.clone(),
        replies: Vec::new(),
        events: 0,
        ended: false,
    };
    let mut left = Some(steps);
    let mut begun = vec![0];
    for (number, (kind, transaction, payload)) in story().into_iter().enumerate() {
        let mut bytes = Vec::new();
        let message = Message {
            kind,
            request: number as u32 + 1,
            transaction: begun[transaction],
            payload,
        };
        message.encode(&mut bytes);
        let mut idle = 0;
        while told.replies.len() <= number {
            let sent = guest.write(&bytes).unwrap();
            bytes.drain(..sent);
            LEFT.set(left);
            let run = catch_unwind(AssertUnwindSafe(|| store.run()));
            left = LEFT.take();
            if run.is_err() {
                assert!(!told.ended);
                told.ended = true;
                left = None;
                store = Shared::keeping(machine(&kept, &pages, &[1, 2]));
            }
            let mut piece = vec![0; decoder.wanted()];
            let count = guest.read(&mut piece).unwrap();
            match decoder.take(&piece[..count]).unwrap() {
                Some(event) if event.kind == XS_WATCH_EVENT => told.events += 1,
                Some(reply) => told.replies.push(reply),
                None => {}
            }
            idle = if sent + count == 0 { idle + 1 } else { 0 };
            assert!(idle < 100, "step {steps}: request {number} is not answered");
        }
        let reply = &told.replies[number];
        assert_eq!(reply.request, number as u32 + 1, "step {steps}: {reply:?}");
        if kind == XS_TRANSACTION_START {
            let text = String::from_utf8(reply.payload.clone()).unwrap();
            begun.push(text.trim_end_matches('\0').parse().unwrap());
        }
    }
    told.store = store;
    told
}

#[test]
fn a_store_that_ends_at_any_moment_answers_each_request_once() {
    let right = tell(usize::MAX);
    assert!(!right.ended);
    let (mut ends, mut retried) = (0, 0);
    for steps in 0.. {
        let told = tell(steps);
        if !told.ended {
            break;
        }
        ends += 1;
        let server = told.store.0.borrow();
        server.check().unwrap();
        drop(server);
        // A transaction that was open is to be tried again; all else is as if nothing had been.
        let end = &told.replies[8];
        let again = end.kind == XS_ERROR;
        if again {
            assert_eq!(end.payload, b"EAGAIN\0", "step {steps}");
            retried += 1;
        }
        for (number, (reply, right)) in told.replies.iter().zip(&right.replies).enumerate() {
            let may_differ = again && (number == 8 || number == 9) || number == 4;
            assert!(
                may_differ || reply == right,
                "step {steps}: {reply:?}, not {right:?}"
            );
        }
        assert!(told.events >= right.events, "step {steps}");
        if !again {
            assert_eq!(tree(&told.store), tree(&right.store), "step {steps}");
        }
    }
    println!("{ends} ends, {retried} of them amid the transaction");
    assert!(ends > 40 && retried > 5, "{ends} {retried}");
}

#[test]
fn what_is_known_is_known_to_the_next() {
    let kept = Kept::default();
    let (store, pages) = world(&kept);
    let mut control = store.client();
    control.write("/some/node", b"\0\xff").unwrap();
    control.write("/some/other", b"").unwrap();
    control.remove("/some/node").unwrap();
    control.write("/some/node", b"again").unwrap();
    let mut guest = store.guest(2);
    guest.watch("data", "mine").unwrap();
    while guest.next_event().unwrap().is_some() {}
    let before = tree(&store);
    drop(store);
    let store = Shared::keeping(machine(&kept, &pages, &[1, 2]));
    assert_eq!(tree(&store), before);
    store.0.borrow().check().unwrap();
    assert!(store.0.borrow().is_introduced(2));
    let log = store.0.borrow_mut().machine_mut().log.join("\n");
    assert!(log.contains("2 domains connected, 0 have ended"), "{log}");
    // Its watch is there, and is told once for what may have happened meanwhile.
    let mut guest = store.guest(2);
    let event = guest.next_event().unwrap();
    store.run();
    let event = event.or(guest.next_event().unwrap()).unwrap();
    assert_eq!(
        (event.path.as_str(), event.token.as_str()),
        ("data", "mine")
    );
    store
        .client()
        .write("/local/domain/2/data/x", b"1")
        .unwrap();
    store.run();
    assert_eq!(guest.next_event().unwrap().unwrap().path, "data/x");
    // Of one that has ended meanwhile nothing is left.
    drop(store);
    let store = Shared::keeping(machine(&kept, &pages, &[2]));
    store.0.borrow().check().unwrap();
    assert!(!tree(&store).contains_key("/local/domain/1/data"));
    assert!(!store.0.borrow().is_introduced(1));
    assert_eq!(store.0.borrow().tree().usage(1).nodes, 0);
}

#[test]
fn what_makes_no_sense_is_not_believed() {
    let kept = Kept::default();
    let (store, pages) = world(&kept);
    store.client().write("/some/node", b"value").unwrap();
    drop(store);
    let whole = kept.borrow().clone();
    let mut empty = 0;
    for length in 0..whole.len() {
        *kept.borrow_mut() = whole[..length].to_vec();
        let store = Shared::keeping(machine(&kept, &pages, &[1, 2]));
        store.0.borrow().check().unwrap();
        empty += usize::from(store.0.borrow().tree().len() == 1);
    }
    assert!(empty > whole.len() / 2, "{empty} of {}", whole.len());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        *kept.borrow_mut() = damaged;
        let store = Shared::keeping(machine(&kept, &pages, &[1, 2]));
        store.0.borrow().check().unwrap();
    }
}

#[test]
fn what_is_kept_does_not_grow_for_ever() {
    let kept = Kept::default();
    let (store, _) = world(&kept);
    let mut client = store.client();
    for number in 0..3000 {
        client
            .write("/node", &vec![b'x'; 1000 + number % 7])
            .unwrap();
        assert!(kept.borrow().len() < 300 << 10);
    }
    assert!(kept.borrow().len() > 1000);
}

#[test]
fn a_store_of_which_nothing_can_be_kept_says_so_once() {
    let store = Shared::keeping(Domains::default());
    let mut client = store.client();
    for number in 0..3000 {
        client
            .write("/node", &vec![b'x'; 1000 + number % 7])
            .unwrap();
    }
    let log = store.0.borrow_mut().machine_mut().log.clone();
    assert_eq!(
        log,
        ["what is in the store cannot be kept: it will be lost with it"]
    );
}
