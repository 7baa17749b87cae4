//! The store through its own client: what requests do, and what others see of it.

mod fake;

use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::rc::Rc;

use dom0_tools::hyper::Mapping;
use dom0_tools::service::{DomainState, Transport};
use dom0_tools::store::{Message, Permissions, Quotas, Rights, Store, StoreError};
use hypercall_abi::errno::*;
use hypercall_abi::io::xs_wire::*;

use fake::store::{GuestEnd, MEANWHILE, Raw, Shared};

/// A store with domains 1 and 2 as a toolstack makes their nodes, and introduced.
fn two_guests() -> Shared {
    let store = Shared::new(&[1, 2]);
    let mut control = store.client();
    for domain in [1u16, 2] {
        let home = format!("/local/domain/{domain}");
        control.make(&home).unwrap();
        let readable = Permissions::new(&[(0, Rights::NONE), (domain.into(), Rights::READ)]);
        control.set_permissions(&home, &readable.unwrap()).unwrap();
        control
            .write_text(&format!("{home}/name"), format!("guest{domain}"))
            .unwrap();
        let data = format!("{home}/data");
        control.make(&data).unwrap();
        control
            .set_permissions(&data, &Permissions::owned_by(domain.into()))
            .unwrap();
        control.introduce(domain, 1, 5).unwrap();
    }
    store
}

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> i64 {
    match result {
        Err(StoreError::Refused { errno, .. }) => errno.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_reads_what_it_wrote() {
    let store = Shared::new(&[]);
    let mut client = store.client();
    client
        .write("/a/b/c", b"value\0with any\xff bytes")
        .unwrap();
    assert_eq!(client.read("/a/b/c").unwrap(), b"value\0with any\xff bytes");
    assert_eq!(client.list("/a").unwrap(), ["b"]);
    assert_eq!(client.read_if_there("/a/x").unwrap(), None);
    client.write_text("/a/number", 42).unwrap();
    assert_eq!(client.read_number("/a/number").unwrap(), Some(42));
    client.remove("/a/b").unwrap();
    client.remove("/a/b").unwrap();
    client.remove("/nowhere/at/all").unwrap();
    assert_eq!(client.list("/a").unwrap(), ["number"]);
    assert_eq!(client.control(&["check"]).unwrap(), "OK");
    let error = client.read("/a/b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store refused reading /a/b: no such entry (ENOENT, 2)"
    );
}

#[test]
fn long_lists_come_in_parts() {
    let store = Shared::new(&[]);
    let mut client = store.client();
    let names: Vec<String> = (0..700).map(|number| format!("name-{number}")).collect();
    for name in &names {
        client.make(&format!("/list/{name}")).unwrap();
    }
    assert_eq!(client.list("/list").unwrap(), names);
}

#[test]
fn guests_see_their_own() {
    let store = two_guests();
    let mut guest = store.guest(1);
    assert_eq!(guest.read_text("name").unwrap(), "guest1");
    assert_eq!(refused(guest.write("name", b"x")), XEN_EACCES);
    assert_eq!(refused(guest.read("/local/domain/2/name")), XEN_EACCES);
    guest.write("data/x", b"mine").unwrap();
    assert_eq!(
        guest.permissions("data/x").unwrap(),
        Permissions::owned_by(1)
    );
    let other = store.client().read("/local/domain/1/data/x").unwrap();
    assert_eq!(other, b"mine");
    assert_eq!(refused(guest.introduce(2, 1, 1)), XEN_EACCES);
    assert_eq!(
        refused(guest.set_permissions("data/x", &Permissions::owned_by(2))),
        XEN_EPERM
    );
}

#[test]
fn transactions_are_tried_again() {
    let store = Shared::new(&[]);
    let (mut one, mut other) = (store.client(), store.client());
    one.write("/counter", b"1").unwrap();
    let mut tries = 0;
    one.transaction(|store| {
        tries += 1;
        let value = store.read_number("/counter")?.unwrap();
        if tries < 4 {
            other.write_text("/counter", tries * 10).unwrap();
        }
        store.write_text("/counter", value + 1)
    })
    .unwrap();
    assert_eq!((tries, one.read_number("/counter").unwrap()), (4, Some(31)));
    let failed: Result<(), StoreError> = one.transaction(|store| {
        store.write("/counter", b"lost")?;
        store.read("/none").map(drop)
    });
    assert_eq!(refused(failed), XEN_ENOENT);
    assert_eq!(one.read_number("/counter").unwrap(), Some(31));
    let mut endless = 0;
    let failed: Result<(), StoreError> = one.transaction(|store| {
        endless += 1;
        store.read("/counter")?;
        other.write("/counter", b"0")
    });
    assert_eq!((refused(failed), endless), (XEN_EAGAIN, 100));
}

#[test]
fn watches_tell_of_changes() {
    let store = two_guests();
    let (mut control, mut guest) = (store.client(), store.guest(1));
    guest.watch("data", "token").unwrap();
    let next = |guest: &mut dom0_tools::store::Client<_>| {
        store.run();
        guest
            .next_event()
            .unwrap()
            .map(|event: dom0_tools::store::WatchEvent| event.path)
    };
    assert_eq!(next(&mut guest).as_deref(), Some("data"));
    assert_eq!(next(&mut guest), None);
    control
        .write("/local/domain/1/data/deep/below", b"")
        .unwrap();
    assert_eq!(next(&mut guest).as_deref(), Some("data/deep/below"));
    assert_eq!(refused(guest.watch("data", "token")), XEN_EEXIST);
    guest.unwatch("data", "token").unwrap();
    control.write("/local/domain/1/data/x", b"").unwrap();
    assert_eq!(next(&mut guest), None);
    assert_eq!(refused(guest.unwatch("data", "token")), XEN_ENOENT);
}

#[test]
fn ends_of_domains_are_told_and_leave_nothing() {
    let store = two_guests();
    let mut control = store.client();
    control.watch("@releaseDomain", "end").unwrap();
    let mut ends = || {
        store.run();
        std::iter::from_fn(|| control.next_event().unwrap()).count()
    };
    assert_eq!(ends(), 1);
    let set = |domain, state| {
        store
            .0
            .borrow_mut()
            .machine_mut()
            .states
            .insert(domain, state);
        store.0.borrow_mut().domains_changed();
    };
    set(1, DomainState::Shutdown);
    assert_eq!(ends(), 1);
    set(1, DomainState::Shutdown);
    assert_eq!(ends(), 0);
    store.client().write("/shared", b"").unwrap();
    let shared = Permissions::new(&[(0, Rights::NONE), (1, Rights::BOTH)]).unwrap();
    store.client().set_permissions("/shared", &shared).unwrap();
    store.guest(1).write("data/x/y", b"left behind").unwrap();
    set(1, DomainState::Gone);
    assert_eq!(ends(), 1);
    let mut control = store.client();
    assert_eq!(control.list("/local/domain/1").unwrap(), ["name"]);
    assert!(!control.is_introduced(1).unwrap());
    // Another domain of that number begins with nothing.
    set(1, DomainState::Alive);
    control.introduce(1, 1, 5).unwrap();
    let mut guest = store.guest(1);
    assert_eq!(refused(guest.read("/shared")), XEN_EACCES);
    assert_eq!(store.0.borrow().tree().usage(1), Default::default());
    assert_eq!(refused(control.introduce(7, 1, 5)), XEN_ENOENT);
    assert_eq!(store.0.borrow().check(), Ok(()));
}

#[test]
fn a_transaction_does_not_outlive_the_domain_it_is_for() {
    let store = two_guests();
    let end = |state| {
        let mut server = store.0.borrow_mut();
        server.machine_mut().states.insert(1, state);
        server.domains_changed();
    };
    let mut tries = 0;
    let done: Result<(), StoreError> = store.client().transaction(|nodes| {
        tries += 1;
        nodes.make("/for-one")?;
        nodes.set_permissions("/for-one", &Permissions::owned_by(1))?;
        if tries == 1 {
            end(DomainState::Gone);
            end(DomainState::Alive);
        }
        Ok(())
    });
    // The first was for a domain that is no more; the second is for the one that is there now.
    assert_eq!((done, tries), (Ok(()), 2));
    assert_eq!(store.0.borrow().check(), Ok(()));
}

#[test]
fn transactions_together_do_not_pass_the_quota() {
    let quotas = Quotas {
        nodes: 8,
        ..Quotas::default()
    };
    let store = Shared::with_quotas(&[1], quotas);
    let mut control = store.client();
    for name in ["a", "b"] {
        let node = format!("/local/domain/1/{name}");
        control.make(&node).unwrap();
        control
            .set_permissions(&node, &Permissions::owned_by(1))
            .unwrap();
    }
    control.introduce(1, 1, 1).unwrap();
    let mut guest = Raw::guest(&store, 1);
    for transaction in [1, 2] {
        assert_eq!(
            guest.ask(&store, XS_TRANSACTION_START, 0, b"\0").kind,
            XS_TRANSACTION_START
        );
        for number in 0..4 {
            let path = format!("{}/{number}\0", ["", "a", "b"][transaction as usize]);
            let reply = guest.ask(&store, XS_MKDIR, transaction, path.as_bytes());
            assert_eq!(reply.kind, XS_MKDIR);
        }
    }
    let end = |transaction| {
        guest
            .ask(&store, XS_TRANSACTION_END, transaction, b"T\0")
            .payload
    };
    assert_eq!([1, 2].map(end), [b"OK\0".to_vec(), b"ENOSPC\0".to_vec()]);
    assert_eq!(store.0.borrow().tree().usage(1).nodes, 6);
}

/// Linux tells only of what it writes into a ring that it sees empty: if the store is taking a part
/// of a request while the rest is written, it is the store's to look again.
#[test]
fn a_request_whose_rest_is_not_told_of_is_answered() {
    let mut moments = 0;
    loop {
        let store = two_guests();
        store.run();
        let guest = Rc::new(RefCell::new(store.guest_end(1)));
        let message = Message {
            kind: XS_READ,
            request: 7,
            transaction: 0,
            payload: b"name\0".to_vec(),
        };
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let (head, rest) = bytes.split_at(HEAD);
        let mut tells = write_as_linux(&guest, head);
        assert!(tells);
        let late = Rc::new(Cell::new(None));
        let (writer, rest, said) = (guest.clone(), rest.to_vec(), late.clone());
        let deed = move || said.set(Some(write_as_linux(&writer, &rest)));
        MEANWHILE.set(Some((moments, Box::new(deed))));
        while core::mem::take(&mut tells) {
            store.0.borrow_mut().event(1);
            while store.0.borrow_mut().turn_of_due() {}
            tells = late.take() == Some(true);
        }
        let has_written = MEANWHILE.take().is_none();
        if !has_written {
            break;
        }
        let mut reply = [0; 64];
        let count = guest.borrow_mut().read(&mut reply).unwrap();
        assert_eq!(&reply[HEAD..count], b"guest1", "at moment {moments}");
        moments += 1;
    }
    assert!(moments > 0, "there was no moment to write at");
}

/// Bytes of a message before its payload.
const HEAD: usize = size_of::<xsd_sockmsg>();

/// Writes a part of a request; whether the store is told of it.
fn write_as_linux(guest: &RefCell<GuestEnd>, bytes: &[u8]) -> bool {
    let mut guest = guest.borrow_mut();
    let before = guest
        .page
        .load_u32(offset_of!(xenstore_domain_interface, req_prod));
    assert_eq!(guest.write(bytes).unwrap(), bytes.len());
    before
        <= guest
            .page
            .load_u32(offset_of!(xenstore_domain_interface, req_cons))
}
