//! The store: `xenstore` for the processes of dom0, and the ring pages of guests that the
//! toolstack introduces.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;

use dom0_ring3::{Door, FOREVER, Listener, News, Stream, log, wait_for_news};
use dom0_tools::service::Below;
use dom0_tools::store::{Quotas, Server};
use guest_user::println;
use hypercall_abi::xen::VIRQ_DOM_EXC;

guest_user::entry!(main);

/// Where clients connect.
const NAME: &str = "xenstore";

fn main() -> i32 {
    let listener = match Listener::new(NAME) {
        Ok(listener) => listener,
        Err(errno) => {
            println!("xenstored: `{NAME}` cannot be listened at: {errno}");
            return 1;
        }
    };
    let mut machine = Below::new(Door, log);
    let ends = match machine.virq(VIRQ_DOM_EXC) {
        Ok(port) => port,
        Err(error) => {
            println!("xenstored: domains' ends cannot be learnt of: {error}");
            return 1;
        }
    };
    serve(&listener, ends, Server::new(machine, Quotas::default()))
}

/// Serves for ever; `ends` is the port on which the hypervisor tells of domains that end.
fn serve(listener: &Listener, ends: u32, mut server: Server<Below<Door>, Stream>) -> ! {
    // Clients by descriptor. One that is closed is another client's next.
    let mut clients = BTreeMap::new();
    loop {
        while let Some(stream) = listener.accept() {
            clients.insert(stream.descriptor(), server.connect(stream));
        }
        let busy = server.turn_of_due();
        for news in wait_for_news(if busy { 0 } else { FOREVER }) {
            match news {
                News::Stream { descriptor, .. } => {
                    if let Some(client) = clients.get(&descriptor) {
                        server.wake(*client);
                    }
                }
                News::Port(port) if port == ends => server.domains_changed(),
                News::Port(port) => server.event(port),
            }
        }
    }
}
