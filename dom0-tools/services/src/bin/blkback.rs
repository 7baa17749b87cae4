//! Disks for other domains, as the store says.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Poller, Stream, over_store};
use dom0_tools::block::Blkback;
use dom0_tools::store::{Client, StoreError};
use dom0_tools::xenbus::Bus;

guest_user::entry!(main);

/// Requests of one device before another's turn.
const TURN: usize = 4;

fn main() -> i32 {
    over_store("blkback", |store, listener| {
        let mut bus = Bus::new(Client::new(store), Blkback::new(Door))?;
        serve(listener, &mut bus)
    })
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
