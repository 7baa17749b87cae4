//! A guest that is always in the middle of something: transactions that make and remove nodes, some
//! of them open while it fills its console's ring, and watches that come and go. `load=talk`, for the
//! test that destroys such a guest at any moment.

use super::Rings;
use crate::dev::console;
use alloc::format;
use guest_kernel::store::client::{Client, Failure};
use hypercall_abi::io::xs_wire::*;

/// More than the ring of a console holds.
const SPEECH: [u8; 3000] = [b'.'; 3000];
/// Nodes that are there at once.
const NODES: u64 = 8;

/// Talks until the store is gone.
pub(crate) fn talk() {
    let mut client = super::client();
    let mut round = 0;
    let why = loop {
        if let Err(why) = one(&mut client, round) {
            break why;
        }
        round += 1;
    };
    crate::log::klog!("talk: ended in round {round}: {why:?}");
}

fn one(client: &mut Client<Rings>, round: u64) -> Result<(), Failure> {
    let number = client.request(XS_TRANSACTION_START, &[&[0]])?;
    let number = core::str::from_utf8(&number).ok();
    let number = number.and_then(|text| text.trim_end_matches('\0').parse::<u32>().ok());
    let transaction = number.ok_or(Failure::Broken)?;
    let node = |round: u64| format!("data/talk/{}\0", round % NODES);
    let value = format!("{round}");
    let parts = [node(round), value];
    let parts = parts.each_ref().map(|part| part.as_bytes());
    client.request_in(transaction, XS_WRITE, &parts)?;
    if round > NODES {
        client.request_in(transaction, XS_RM, &[node(round + NODES / 2).as_bytes()])?;
    }
    if round.is_multiple_of(3) {
        console::write_kernel(&SPEECH);
        console::write_kernel(b"\n");
    }
    let end: &[u8] = if round.is_multiple_of(5) {
        b"F\0"
    } else {
        b"T\0"
    };
    match client.request_in(transaction, XS_TRANSACTION_END, &[end]) {
        // Another has come between.
        Ok(_) | Err(Failure::Refused(_)) => {}
        Err(why) => return Err(why),
    }
    let watch = format!("data/talk\0{round}\0");
    client.request(XS_WATCH, &[watch.as_bytes()])?;
    client.request(XS_UNWATCH, &[watch.as_bytes()]).map(drop)
}
