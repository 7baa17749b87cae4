//! Clients that are slow, silent, greedy or hostile: what it costs them, and that it costs nobody
//! else.

mod fake;

use dom0_tools::hyper::Mapping;
use dom0_tools::service::{Closed, Transport};
use dom0_tools::store::{Permissions, Quotas, Store};
use hypercall_abi::io::xs_wire::*;
use proptest::prelude::*;

use fake::store::{GuestEnd, Raw, Shared, pair};

const REQ_PROD: usize = 2052;
const RSP_PROD: usize = 2060;
const ERROR: usize = 2072;

/// What the store keeps for one client besides nodes and transactions: answers, events, a message
/// that is not complete.
const KEPT_MOST: usize = 128 << 10;

fn one_guest() -> Shared {
    let store = Shared::new(&[1, 2]);
    let mut control = store.client();
    for domain in [1u16, 2] {
        let data = format!("/local/domain/{domain}/data");
        control.make(&data).unwrap();
        control
            .set_permissions(&data, &Permissions::owned_by(domain.into()))
            .unwrap();
        control.introduce(domain, 1, 1).unwrap();
    }
    store
}

fn message(kind: u32, payload: &[u8]) -> Vec<u8> {
    let head = [kind, 1, 0, payload.len() as u32].map(u32::to_le_bytes);
    [head.as_flattened(), payload].concat()
}

/// Sends as much as the store takes of endless requests, for so many turns; how many bytes it took.
fn pour(store: &Shared, end: &mut dyn Transport, request: &[u8], turns: usize) -> usize {
    let mut sent = 0;
    for _ in 0..turns {
        while let Ok(count @ 1..) = end.write(&request[sent % request.len()..]) {
            sent += count;
        }
        store.0.borrow_mut().turn();
    }
    sent
}

fn works(store: &Shared) {
    let mut control = store.client();
    control.write("/works", b"yes").unwrap();
    assert_eq!(control.read("/works").unwrap(), b"yes");
    let mut guest = store.guest(2);
    guest.write("data/works", b"yes").unwrap();
    assert_eq!(guest.read("data/works").unwrap(), b"yes");
    assert_eq!(store.0.borrow().check(), Ok(()));
}

#[test]
fn who_does_not_read_is_not_read_from() {
    let store = one_guest();
    store.client().write("/big", &[b'x'; 4000]).unwrap();
    let request = message(XS_READ, b"/big\0");
    let (mut ours, theirs) = pair();
    let id = store.0.borrow_mut().connect(theirs);
    pour(&store, &mut ours, &request, 50);
    let kept = store.0.borrow().usage(id).2;
    assert!(kept < 16 << 10, "{kept} bytes are kept");
    assert_eq!(pour(&store, &mut ours, &request, 50), 0);
    works(&store);
    // It gets all of its answers once it reads.
    let mut bytes = 0;
    for _ in 0..2000 {
        let mut buffer = [0; 4096];
        bytes += ours.read(&mut buffer).unwrap();
        store.0.borrow_mut().turn();
    }
    assert_eq!(bytes % (16 + 4000), 0);
    assert!(bytes / 4016 > 300, "{bytes}");
}

#[test]
fn who_asks_all_the_time_has_one_turn_among_others() {
    let store = one_guest();
    let mut greedy = Raw::guest(&store, 1);
    let request = message(XS_READ, b"data\0");
    let ends = &mut greedy.end;
    let mut served = 0;
    let mut other = Raw::local(&store);
    for _ in 0..50 {
        while let Ok(1..) = ends.write(&request) {}
        let asked = message(XS_READ, b"/works\0");
        assert_eq!(other.end.write(&asked), Ok(asked.len()));
        let mut buffer = [0; 1024];
        // One turn is enough for the other's answer.
        store.0.borrow_mut().turn();
        assert_ne!(other.end.read(&mut buffer), Ok(0));
        served += ends.read(&mut buffer).unwrap();
    }
    assert!(served > 0);
}

#[test]
fn events_that_nobody_reads_become_one_for_each_watch() {
    let store = one_guest();
    let mut sleeper = store.guest(1);
    for name in ["a", "b", "c"] {
        sleeper
            .watch(&format!("data/{name}"), &"t".repeat(200))
            .unwrap();
    }
    while sleeper.next_event().unwrap().is_some() {
        store.run();
    }
    let id = store.0.borrow().connection_of(1).unwrap();
    let mut control = store.client();
    for number in 0..2000 {
        control
            .write(&format!("/local/domain/1/data/a/{number}"), b"")
            .unwrap();
        let kept = store.0.borrow().usage(id).2;
        assert!(kept < 32 << 10, "{kept} bytes are kept");
    }
    control.write("/local/domain/1/data/b", b"").unwrap();
    let mut paths = Vec::new();
    loop {
        store.run();
        match sleeper.next_event().unwrap() {
            Some(event) => paths.push(event.path),
            None => break,
        }
    }
    // What came last is told of by its own name, or by that of what is watched.
    assert!(paths.len() < 200, "{}", paths.len());
    assert!(paths.contains(&"data/a".to_string()) && paths.contains(&"data/b".to_string()));
    assert!(!paths.contains(&"data/c".to_string()));
}

#[test]
fn watches_that_come_and_go_leave_no_events() {
    let store = one_guest();
    let mut end = Raw::guest(&store, 1).end;
    let mut request = Vec::new();
    for number in 0..40 {
        let name = format!("data/{number}\0{}\0", "t".repeat(900));
        request.extend(message(XS_WATCH, name.as_bytes()));
        request.extend(message(XS_UNWATCH, name.as_bytes()));
    }
    pour(&store, &mut *end, &request, 500);
    let id = store.0.borrow().connection_of(1).unwrap();
    assert!(store.0.borrow().usage(id).2 < 32 << 10);
    works(&store);
}

#[test]
fn who_was_woken_is_served_and_who_is_to_be_told() {
    let store = one_guest();
    let clients = [(); 3].map(|()| {
        let (ours, theirs) = pair();
        (store.0.borrow_mut().connect(theirs), ours)
    });
    let [(asks, mut first), (_, mut sleeps), (_, mut watches)] = clients;
    watches.write(&message(XS_WATCH, b"/x\0t\0")).unwrap();
    store.run();
    let mut buffer = [0; 4096];
    assert_ne!(watches.read(&mut buffer), Ok(0));
    for end in [&mut first, &mut sleeps] {
        end.write(&message(XS_WRITE, b"/x\0v")).unwrap();
    }
    let mut server = store.0.borrow_mut();
    server.wake(asks);
    let turns = (0..10).take_while(|_| server.turn_of_due()).count();
    assert!(turns < 3, "{turns}");
    assert_ne!(first.read(&mut buffer), Ok(0));
    assert_ne!(watches.read(&mut buffer), Ok(0));
    assert_eq!(sleeps.read(&mut buffer), Ok(0));
    // Nobody has anything to do.
    assert!(!server.turn_of_due());
}

#[test]
fn a_ring_without_sense_is_given_up() {
    for (index, value) in [
        (REQ_PROD, 1025),
        (REQ_PROD, 1 << 31),
        (RSP_PROD, 1025),
        (RSP_PROD, u32::MAX),
    ] {
        let store = one_guest();
        let GuestEnd { mut page, bell } = store.guest_end(1);
        let mut page_too = page.clone();
        let mut raw = Raw::guest(&store, 1);
        raw.ask(&store, XS_READ, 0, b"data\0");
        let before = *bell.0.borrow();
        raw.end.write(&message(XS_READ, b"data\0")).unwrap();
        let at = page.load_u32(index - 4);
        page.store_u32(index, at.wrapping_add(value));
        store.run();
        assert_eq!(
            page.load_u32(ERROR),
            XENSTORE_ERROR_RINGIDX,
            "{index} {value}"
        );
        assert!(*bell.0.borrow() > before);
        works(&store);
        // Mended, it is still not used, until the domain is introduced anew.
        page.store_u32(index, at);
        pour(&store, &mut *raw.end, &message(XS_READ, b"data\0"), 3);
        assert_eq!(raw.arrived(&store), []);
        let log = store.0.borrow_mut().machine_mut().log.clone();
        assert_eq!(log.len(), 1, "{log:?}");
        store.client().introduce(1, 1, 2).unwrap();
        page_too.store_u32(RSP_PROD, 0);
        let mut raw = Raw::guest(&store, 1);
        assert_eq!(raw.ask(&store, XS_READ, 0, b"data\0").kind, XS_READ);
    }
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let store = one_guest();
    let (mut ours, theirs) = pair();
    store.0.borrow_mut().connect(theirs);
    ours.write(&[0xff; 64]).unwrap();
    store.run();
    let mut buffer = [0; 64];
    assert_eq!(ours.read(&mut buffer), Err(Closed::Gone));
    let mut guest = store.guest_end(1);
    guest.write(&[0xff; 64]).unwrap();
    store.run();
    assert_eq!(guest.page.load_u32(ERROR), XENSTORE_ERROR_PROTO);
    works(&store);
}

#[test]
fn a_client_that_is_gone_leaves_nothing() {
    let store = one_guest();
    let (mut ours, theirs) = pair();
    let id = store.0.borrow_mut().connect(theirs);
    let requests = [
        message(XS_WATCH, b"/\0t\0"),
        message(XS_TRANSACTION_START, b"\0"),
    ]
    .concat();
    ours.write(&requests).unwrap();
    store.run();
    assert_eq!(
        (store.0.borrow().usage(id).0, store.0.borrow().usage(id).1),
        (1, 1)
    );
    drop(ours);
    store.run();
    assert_eq!(store.0.borrow().usage(id), (0, 0, 0));
    works(&store);
}

#[test]
fn a_guest_keeps_no_more_than_its_quotas() {
    let quotas = Quotas::default();
    let store = one_guest();
    let mut raw = Raw::guest(&store, 1);
    let mut number = 0;
    // As much as there may be, of everything.
    let end = loop {
        number += 1;
        let payload = format!("data/{}/{number}\0{}", number / 50, "v".repeat(1900));
        let reply = raw.ask(&store, XS_WRITE, 0, payload.as_bytes());
        if reply.kind == XS_ERROR {
            break reply.payload;
        }
    };
    assert_eq!(end, b"ENOSPC\0");
    let usage = store.0.borrow().tree().usage(1);
    assert!(usage.bytes as u64 <= quotas.bytes && usage.bytes as u64 > quotas.bytes - 4096);
    let mut begun = 0;
    while raw.ask(&store, XS_TRANSACTION_START, 0, b"\0").kind != XS_ERROR {
        begun += 1;
        assert!(begun < 100, "there is no end of transactions");
        for number in 1..200 {
            let path = format!("data/{}/{number}\0", number / 50);
            raw.ask(&store, XS_READ, begun, path.as_bytes());
        }
    }
    assert_eq!(begun as usize, quotas.transactions);
    let last = format!("data/3/{}\0", 199);
    let reply = raw.ask(&store, XS_READ, 1, last.as_bytes());
    assert_eq!(
        (reply.kind, &reply.payload[..]),
        (XS_ERROR, &b"ENOSPC\0"[..])
    );
    works(&store);
}

#[test]
fn a_guest_has_so_many_nodes_and_watches_and_no_more() {
    let quotas = Quotas::default();
    let store = one_guest();
    let mut raw = Raw::guest(&store, 1);
    let mut ask = |kind, payload: String| {
        let reply = raw.ask(&store, kind, 0, payload.as_bytes());
        match (reply.kind, &reply.payload[..]) {
            (XS_ERROR, b"ENOSPC\0" | b"E2BIG\0") => false,
            (kind, _) => {
                assert_ne!(kind, XS_ERROR);
                true
            }
        }
    };
    let nodes =
        (0..5000).take_while(|number| ask(XS_MKDIR, format!("data/{}/{number}\0", number / 50)));
    assert!(nodes.count() < 5000);
    let usage = store.0.borrow().tree().usage(1);
    assert_eq!(usage.nodes as u64, quotas.nodes);
    let watches = (0..500).take_while(|number| ask(XS_WATCH, format!("data\0{number}\0")));
    assert_eq!(watches.count(), quotas.watches);
    works(&store);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever bytes a guest sends and wherever it moves its indices, the others are served, and
    /// little is kept.
    #[test]
    fn any_bytes_hurt_nobody(
        pieces in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..40), 0u32..24, prop::option::weighted(0.1, (0usize..7, any::<u32>()))),
            1..60,
        )
    ) {
        let store = one_guest();
        let mut guest = store.guest_end(1);
        let id = store.0.borrow().connection_of(1).unwrap();
        for (bytes, kind, index) in pieces {
            let whole = message(kind, &bytes);
            let request = if kind < 20 { &whole } else { &bytes };
            // A guest may do to its own page what it likes, but its own driver minds the indices.
            let used = guest.page.load_u32(2052).wrapping_sub(guest.page.load_u32(2048));
            if used <= 1024 {
                guest.write(request).unwrap();
            }
            if let Some((index, value)) = index {
                guest.page.store_u32(2048 + 4 * index, value);
            }
            store.run();
            prop_assert!(store.0.borrow().usage(id).2 < KEPT_MOST);
        }
        works(&store);
    }
}
