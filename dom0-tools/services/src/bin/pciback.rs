//! PCI devices for other domains, as the store says: those that may be given away are claimed here.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, STORE, Stream, attend, over_store};
use dom0_tools::pci::{ASSIGNABLE, Pciback};
use dom0_tools::service::Closed;
use dom0_tools::store::{Client, StoreError};
use dom0_tools::xenbus::Bus;

guest_user::entry!(main);

/// The watch for devices that may be given away.
const DEVICES: &str = "assignable";

fn main() -> i32 {
    over_store("pciback", serve)
}

/// Serves until there is no store any more.
fn serve(store: Stream, listener: &Listener) -> Result<(), StoreError> {
    // One of its own: what it tells is not for the bus.
    let stream = Stream::connect(STORE).map_err(|_| StoreError::Closed(Closed::Gone))?;
    let mut claims = Client::new(stream);
    claims.watch(ASSIGNABLE, DEVICES)?;
    let mut back = Pciback::new(Door);
    // What domains have already was claimed by the one before this.
    let mut later = back.look(&mut claims)?;
    let mut bus = Bus::new(Client::new(store), back)?;
    bus.turn()?;
    loop {
        bus.serve()?;
        let mut due = core::mem::take(&mut later);
        loop {
            // What is written there while it is looked at tells of itself, too.
            while claims.next_event()?.is_some() {
                due = true;
            }
            if !core::mem::take(&mut due) {
                break;
            }
            later = bus.connected().0.look(&mut claims)?;
        }
        attend(listener, &mut bus, FOREVER)?;
    }
}
