//! Disks for other domains, as the store says.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Poller, Stream};
use dom0_tools::block::Blkback;
use dom0_tools::store::{Client, StoreError};
use dom0_tools::xenbus::Bus;
use guest_user::println;

guest_user::entry!(main);

/// Where it listens, so that who starts it knows that it serves.
const NAME: &str = "blkback";
/// Where the store is, and how long it is looked for, in nanoseconds.
const STORE: &str = "xenstore";
const PATIENCE: u64 = 1_000_000_000;
/// Requests of one device before another's turn.
const TURN: usize = 4;

fn main() -> i32 {
    let store = match Stream::connect_within(STORE, PATIENCE) {
        Ok(store) => store,
        Err(errno) => {
            println!("blkback: there is no store: {errno}");
            return 1;
        }
    };
    let listener = match Listener::new(NAME) {
        Ok(listener) => listener,
        Err(errno) => {
            println!("blkback: `{NAME}` cannot be listened at: {errno}");
            return 1;
        }
    };
    let served = Bus::new(Client::new(store), Blkback::new(Door));
    match served.and_then(|mut bus| serve(&listener, &mut bus)) {
        Ok(()) => 0,
        Err(error) => {
            println!("blkback: {error}");
            1
        }
    }
}

/// Serves until there is no store any more.
fn serve(listener: &Listener, bus: &mut Bus<Stream, Blkback<Door>>) -> Result<(), StoreError> {
    loop {
        while listener.accept().is_some() {}
        bus.turn()?;
        let more = bus.serve(TURN)?;
        let mut poller = Poller::default();
        poller.descriptor(0, listener.descriptor(), true, false);
        let store = bus.store_mut().channel_mut().descriptor();
        poller.descriptor(0, store, true, false);
        let (_, devices) = bus.connected();
        for port in devices.filter_map(|(_, device)| device.port()) {
            poller.port(0, port);
        }
        poller.wait(if more { 0 } else { FOREVER });
    }
}
