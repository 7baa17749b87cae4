//! What holds for the store, whatever its clients send.

#[path = "../fake/store.rs"]
// Each user of the stand-ins has its part of them.
#[allow(dead_code, unreachable_pub)]
mod fake;

use dom0_tools::hyper::Mapping;
use dom0_tools::service::Transport;
use dom0_tools::store::{Message, Permissions, Store};

use fake::{End, GuestEnd, Raw, Shared, pair};

/// What is kept for a client besides nodes and transactions, in bytes.
const KEPT_MOST: usize = 128 << 10;

/// Takes `data` as steps of a guest and a client of the control domain: messages, bytes that are
/// none, and indices of the guest's ring. Others are served after each, and everything that is
/// counted is counted right in the end.
pub(crate) fn check(data: &[u8]) {
    let store = Shared::new(&[1, 2]);
    let mut control = store.client();
    for domain in [1u16, 2] {
        let data = format!("/local/domain/{domain}/data");
        let own = Permissions::owned_by(domain.into());
        let made = control.make(&data);
        made.and_then(|()| control.set_permissions(&data, &own))
            .and_then(|()| control.introduce(domain, 1, 1))
            .expect("the control domain makes nodes");
    }
    let mut guest = store.guest_end(1);
    let (mut local, theirs) = pair();
    store.0.borrow_mut().connect(theirs);
    let mut bytes = data.iter().copied();
    while let Some(step) = bytes.next() {
        take(&mut bytes, step, &mut guest, &mut local);
        store.run();
        let mut buffer = [0; 4096];
        while matches!(local.read(&mut buffer), Ok(1..)) {
            store.run();
        }
        let server = store.0.borrow();
        if let Some(id) = server.connection_of(1) {
            assert!(server.usage(id).2 < KEPT_MOST);
        }
    }
    if let Err(found) = store.0.borrow().check() {
        panic!("{found}");
    }
    // A control domain that is not asked to be sensible may have removed anything, or released it.
    let mut other = Raw::local(&store);
    let reply = other.ask(&store, hypercall_abi::io::xs_wire::XS_READ, 0, b"/\0");
    assert_eq!(reply.kind, hypercall_abi::io::xs_wire::XS_READ);
}

fn take(bytes: &mut impl Iterator<Item = u8>, step: u8, guest: &mut GuestEnd, local: &mut End) {
    let mut next = || bytes.next().unwrap_or_default();
    if step & 3 == 2 {
        let index = 2048 + 4 * usize::from(next() % 7);
        let value = u32::from_le_bytes([next(), next(), next(), next()]);
        guest.page.store_u32(index, value);
        return;
    }
    let (kind, transaction, length) = (next(), next(), next());
    let payload: Vec<u8> = (0..length).map(|_| next()).collect();
    let message = Message {
        kind: kind.into(),
        request: 1,
        transaction: transaction.into(),
        payload,
    };
    let mut sent = Vec::new();
    message.encode(&mut sent);
    // Without a head it is whatever it is.
    let from = if step & 3 == 1 { 16 } else { 0 };
    let used = guest
        .page
        .load_u32(2052)
        .wrapping_sub(guest.page.load_u32(2048));
    // A client that is refused, or has no room, loses it: the store sees a part.
    let _ = match step & 3 {
        3 => local.write(&sent),
        // A guest that has spoilt its indices has no driver that writes any more.
        _ if used > 1024 => Ok(0),
        _ => guest.write(&sent[from..]),
    };
}
