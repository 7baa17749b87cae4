//! The store: `xenstore` for the processes of dom0, and the ring pages of guests that the
//! toolstack introduces.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Poller, Stream, log};
use dom0_tools::service::{Below, Line};
use dom0_tools::store::{Quotas, Server, Waiting};
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
    loop {
        while let Some(stream) = listener.accept() {
            server.connect(stream);
        }
        let busy = server.turn();
        let mut poller = Poller::default();
        poller.descriptor(listener.descriptor(), true, false);
        poller.port(ends);
        for waiting in server.waiting() {
            match waiting {
                Waiting::Local(stream, wanted) => {
                    poller.descriptor(stream.descriptor(), wanted.read, wanted.write);
                }
                Waiting::Guest(line) => poller.port(line.port()),
            }
        }
        poller.wait(if busy { 0 } else { FOREVER });
        if poller.had_event(ends) {
            server.domains_changed();
        }
    }
}
