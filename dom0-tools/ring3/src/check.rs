//! What programs have in common that check the store as its clients see it.

use alloc::string::String;
use alloc::vec::Vec;

use dom0_tools::service::Transport;
use dom0_tools::store::{Client, Store, StoreError};
use guest_user::check::{Done, same, told};

use crate::Stream;
use crate::service::STORE;

/// Nothing is waited for longer, in nanoseconds.
pub const PATIENCE: u64 = 60_000_000_000;

/// A client of the store, which is waited for.
///
/// # Errors
/// There is none.
pub fn client() -> Done<Client<Stream>> {
    let stream = Stream::connect_within(STORE, PATIENCE);
    Ok(Client::new(told("connecting", stream)?))
}

/// The paths of the next events, so many.
///
/// # Errors
/// They do not come.
pub fn events(client: &mut Client<Stream>, count: usize) -> Done<Vec<String>> {
    let mut paths = Vec::new();
    while paths.len() < count {
        let event = told("an event", client.wait_event(Some(PATIENCE)))?;
        paths.push(event.ok_or("no event came")?.path);
    }
    Ok(paths)
}

/// A transaction that another client overtakes, who writes `numbers` to the node, is done over.
///
/// # Errors
/// It is not, or goes wrong.
pub fn overtaken(
    one: &mut Client<Stream>,
    two: &mut Client<Stream>,
    node: &str,
    numbers: &[u64],
) -> Done {
    let mut tries = 0;
    let done: Result<(), StoreError> = one.transaction(|store| {
        tries += 1;
        let value: u64 = store.read_number(node)?.unwrap_or(0);
        if tries == 1 {
            numbers.iter().try_for_each(|n| two.write_text(node, n))?;
        }
        store.write_text(node, value + 1)
    });
    told("a transaction", done)?;
    same("tries", tries, 2)?;
    let sum = told("reading", two.read_number(node))?;
    same("the sum", sum, numbers.last().map(|last| last + 1))
}

/// One who asks and asks, and never reads, stops only itself: `client` goes on writing.
///
/// # Errors
/// It does not.
pub fn silent(client: &mut Client<Stream>, node: &str) -> Done {
    let mut silent = told("connecting", Stream::connect(STORE))?;
    // XS_DIRECTORY of the root, as bytes.
    let request = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'/', 0];
    let (mut sent, mut full) = (0, 0);
    while full < 50 {
        match told("asking", silent.write(&request[sent % request.len()..]))? {
            0 => full += 1,
            count => sent += count,
        }
        told("writing", client.write(node, b""))?;
    }
    Ok(())
}
