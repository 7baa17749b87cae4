//! Network interfaces for other domains, as the store says, on bridges; and with a network device of
//! this domain's, the way to the outside.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use dom0_ring3::{Door, FOREVER, Listener, Nic, Poller, Stream, over_store};
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
    loop {
        while listener.accept().is_some() {}
        bus.turn()?;
        let now = sys::clock();
        let (due, broken) = bus.connected().0.turn(now);
        bus.close_all(broken)?;
        let mut poller = Poller::default();
        poller.descriptor(0, listener.descriptor(), true, false);
        let store = bus.store_mut().channel_mut().descriptor();
        poller.descriptor(0, store, true, false);
        let (driver, _) = bus.connected();
        let ports: Vec<u32> = driver.ports().collect();
        let interrupt = driver.wire_mut().map(Nic::port);
        for port in ports.into_iter().chain(interrupt) {
            poller.port(0, port);
        }
        let left = due.map_or(FOREVER, |due| due.saturating_sub(sys::clock()));
        poller.wait(left);
        if let Some(wire) = bus.connected().0.wire_mut() {
            wire.acknowledge();
        }
    }
}
