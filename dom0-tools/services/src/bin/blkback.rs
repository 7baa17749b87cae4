//! Disks for other domains, as the store says.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Stream, attend, over_store};
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
    bus.turn()?;
    loop {
        let more = bus.serve(TURN)?;
        attend(listener, bus, if more { 0 } else { FOREVER })?;
    }
}
