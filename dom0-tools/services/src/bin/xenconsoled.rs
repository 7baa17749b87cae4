//! Guests' consoles: `console` for the processes of dom0 that want to see one.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Poller, Stream, log};
use dom0_tools::console::{Consoles, Waiting};
use dom0_tools::service::{Below, Line};
use dom0_tools::store::{Client, StoreError};
use guest_user::{println, sys};

guest_user::entry!(main);

/// Where clients connect.
const NAME: &str = "console";
/// Where the store is.
const STORE: &str = "xenstore";
/// The name of what is no client's, for the poller: no descriptor of a stream.
const OTHER: u64 = 0;
/// How often the store is looked for, and how long apart in nanoseconds, while dom0 starts.
const TRIES: u32 = 100;
const PAUSE: u64 = 10_000_000;

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
    let Some(store) = find_store() else {
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

fn find_store() -> Option<Stream> {
    (0..TRIES).find_map(|_| {
        let store = Stream::connect(STORE).ok();
        if store.is_none() {
            sys::sleep(PAUSE);
        }
        store
    })
}

/// Serves until there is no store any more.
fn serve(
    listener: &Listener,
    mut consoles: Consoles<Below<Door>, Stream, Stream>,
) -> Result<(), StoreError> {
    loop {
        while let Some(stream) = listener.accept() {
            consoles.connect(stream);
        }
        consoles.turn()?;
        let mut poller = Poller::default();
        poller.descriptor(OTHER, listener.descriptor(), true, false);
        let store = consoles.store_mut().channel_mut().descriptor();
        poller.descriptor(OTHER, store, true, false);
        for waiting in consoles.waiting() {
            match waiting {
                Waiting::Client(stream, wanted) => {
                    let descriptor = stream.descriptor();
                    poller.descriptor(descriptor, descriptor, wanted.read, wanted.write);
                }
                Waiting::Guest(line) => poller.port(OTHER, line.port()),
            }
        }
        poller.wait(FOREVER);
        for descriptor in poller.hung_up() {
            consoles.leaves(|stream: &Stream| stream.descriptor() == descriptor);
        }
    }
}
