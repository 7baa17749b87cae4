//! What services over the store have in common: the store found, and a name to listen at.

use alloc::vec::Vec;

use dom0_tools::store::StoreError;
use dom0_tools::xenbus::{Bus, Driver};
use guest_user::println;

use crate::{Listener, News, Stream, wait_for_news};

/// Where the store listens.
pub const STORE: &str = "xenstore";
/// How long it is looked for, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// Runs a service that listens at its name, so that who starts it knows that it serves, until there is
/// no store any more; its exit status.
pub fn over_store(
    name: &str,
    serve: impl FnOnce(Stream, &Listener) -> Result<(), StoreError>,
) -> i32 {
    let store = match Stream::connect_within(STORE, PATIENCE) {
        Ok(store) => store,
        Err(errno) => {
            println!("{name}: there is no store: {errno}");
            return 1;
        }
    };
    let listener = match Listener::new(name) {
        Ok(listener) => listener,
        Err(errno) => {
            println!("{name}: `{name}` cannot be listened at: {errno}");
            return 1;
        }
    };
    match serve(store, &listener) {
        Ok(()) => 0,
        Err(error) => {
            println!("{name}: {error}");
            1
        }
    }
}

/// Waits for at most so many nanoseconds, and then does what the store wants of a back end's devices; the
/// ports of which there were events.
///
/// # Errors
/// There is no store any more.
pub fn attend<D: Driver<Stream>>(
    listener: &Listener,
    bus: &mut Bus<Stream, D>,
    timeout: u64,
) -> Result<Vec<u32>, StoreError> {
    let mut ports = Vec::new();
    for news in wait_for_news(timeout) {
        match news {
            News::Port(port) => ports.push(port),
            News::Stream { descriptor, .. } if descriptor == listener.descriptor() => {
                while listener.accept().is_some() {}
            }
            // The store's, of which all is taken: what was told is not told again.
            News::Stream { .. } => bus.turn()?,
        }
    }
    Ok(ports)
}
