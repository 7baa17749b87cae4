//! The store: `xenstore` for the processes of dom0, and the ring pages of guests that the
//! toolstack introduces.
#![no_std]
#![no_main]

use dom0_ring3::{Door, FOREVER, Listener, Poller, Stream, log};
use dom0_tools::service::{Below, Line};
use dom0_tools::store::{Id, Quotas, Server, Waiting};
use guest_user::println;
use hypercall_abi::xen::VIRQ_DOM_EXC;

guest_user::entry!(main);

/// The name of what is no client's, for the poller: no client has it.
const NOBODY: u64 = 0;
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
        let busy = server.turn_of_due();
        let mut poller = Poller::default();
        poller.descriptor(NOBODY, listener.descriptor(), true, false);
        poller.port(NOBODY, ends);
        for waiting in server.waiting() {
            match waiting {
                Waiting::Local(id, stream, wanted) => {
                    poller.descriptor(id.0, stream.descriptor(), wanted.read, wanted.write);
                }
                Waiting::Guest(id, line) => poller.port(id.0, line.port()),
            }
        }
        poller.wait(if busy { 0 } else { FOREVER });
        for name in poller.ready_names() {
            server.wake(Id(name));
        }
        if poller.had_event(ends) {
            server.domains_changed();
        }
    }
}
