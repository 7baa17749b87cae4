//! What services over the store have in common: the store found, and a name to listen at.

use dom0_tools::store::StoreError;
use guest_user::println;

use crate::{Listener, Stream};

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
