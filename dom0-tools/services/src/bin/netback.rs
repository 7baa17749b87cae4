//! Network interfaces for other domains, as the store says, on bridges; and with a network device of
//! this domain's, the way to the outside.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Nic, Stream, attend, over_store};
use dom0_tools::net::{BRIDGE, Netback};
use dom0_tools::store::{Client, StoreError};
use dom0_tools::xenbus::Bus;
use guest_user::{println, sys};

guest_user::entry!(main);

fn main() -> i32 {
    over_store("netback", |store, listener| {
        let nic = Nic::find();
        if let Some(nic) = &nic {
            let [a, b, c, d, e, f] = nic.mac();
            println!(
                "netback: {BRIDGE} has a network device, {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"
            );
        }
        let mut bus = Bus::new(Client::new(store), Netback::new(Door, nic))?;
        serve(listener, &mut bus)
    })
}

/// Serves until there is no store any more.
fn serve(listener: &Listener, bus: &mut Bus<Stream, Netback<Door, Nic>>) -> Result<(), StoreError> {
    bus.turn()?;
    loop {
        let now = sys::clock();
        let (due, broken) = bus.connected().0.turn(now);
        bus.close_all(broken)?;
        let left = match due {
            Some(due) if due > now => due.saturating_sub(sys::clock()),
            Some(_) => 0,
            None => FOREVER,
        };
        let ports = attend(listener, bus, left)?;
        if let Some(wire) = bus.connected().0.wire_mut()
            && ports.contains(&wire.port())
        {
            wire.acknowledge();
        }
    }
}
