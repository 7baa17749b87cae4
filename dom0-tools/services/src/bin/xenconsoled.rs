//! Guests' consoles: `console` for the processes of dom0 that want to see one.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;

use dom0_ring3::{Door, FOREVER, Listener, News, STORE, Stream, log, wait_for_news};
use dom0_tools::console::Consoles;
use dom0_tools::service::Below;
use dom0_tools::store::{Client, StoreError};
use guest_user::println;

guest_user::entry!(main);

/// Where clients connect.
const NAME: &str = "console";
/// How long the store is looked for, in nanoseconds, while dom0 starts.
const PATIENCE: u64 = 1_000_000_000;

fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            println!("xenconsoled: {error}");
            1
        }
    }
}

fn run() -> Result<(), StoreError> {
    let Ok(store) = Stream::connect_within(STORE, PATIENCE) else {
        println!("xenconsoled: there is no store");
        return Ok(());
    };
    let listener = match Listener::new(NAME) {
        Ok(listener) => listener,
        Err(errno) => {
            println!("xenconsoled: `{NAME}` cannot be listened at: {errno}");
            return Ok(());
        }
    };
    let machine = Below::new(Door, log);
    serve(&listener, Consoles::new(machine, Client::new(store))?)
}

/// Serves until there is no store any more.
fn serve(
    listener: &Listener,
    mut consoles: Consoles<Below<Door>, Stream, Stream>,
) -> Result<(), StoreError> {
    // Clients by descriptor. One that is closed is another client's next.
    let mut clients = BTreeMap::new();
    loop {
        while let Some(stream) = listener.accept() {
            clients.insert(stream.descriptor(), consoles.connect(stream));
        }
        consoles.turn_of_due()?;
        for news in wait_for_news(FOREVER) {
            match news {
                News::Stream {
                    descriptor,
                    hung_up,
                } => match clients.get(&descriptor) {
                    Some(client) if hung_up => consoles.leaves(*client),
                    Some(client) => consoles.wake(*client),
                    // The store, or somebody at the listener.
                    None => {}
                },
                News::Port(port) => consoles.event(port),
            }
        }
    }
}
