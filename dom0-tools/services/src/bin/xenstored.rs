//! The store: `xenstore` for the processes of dom0, and the ring pages of guests that the
//! toolstack introduces. What it knows outlives it: the next one goes on with it.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use dom0_ring3::{Door, FOREVER, Listener, News, Stream, log, wait_for_news};
use dom0_tools::hyper::Errno;
use dom0_tools::service::{Below, DomainState, Machine};
use dom0_tools::store::{Quotas, Server};
use guest_user::abi::KEPT_MAX;
use guest_user::{println, sys};
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
    let machine = Kept { machine };
    let server = Server::successor(machine, Quotas::default(), &left());
    serve(&listener, ends, server)
}

/// Where what the next store is to know is kept, and where it is put together.
const KEPT: &str = "xenstored";
const KEPT_NEXT: &str = "xenstored.next";
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// What the store before this one left.
fn left() -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = alloc::vec![0; PIECE];
    while let Ok(count @ 1..) = sys::kept(KEPT, &mut piece, all.len() as u64) {
        all.extend_from_slice(&piece[..count]);
    }
    all
}

/// The machine, with a kernel that keeps what the next store is to know.
struct Kept {
    machine: Below<Door>,
}

impl Machine for Kept {
    type Page = <Below<Door> as Machine>::Page;
    type Line = <Below<Door> as Machine>::Line;

    fn domain(&mut self, domain: u32) -> DomainState {
        self.machine.domain(domain)
    }

    fn connect(
        &mut self,
        domain: u32,
        frame: u64,
        port: u32,
    ) -> Result<(Self::Page, Self::Line), Errno> {
        self.machine.connect(domain, frame, port)
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }

    fn keep(&mut self, bytes: &[u8]) -> bool {
        // What is longer is kept with all the rest.
        bytes.len() as u64 <= KEPT_MAX && sys::keep(KEPT, bytes).is_ok()
    }

    fn keep_instead(&mut self, bytes: &[u8]) -> bool {
        // What one left that was ended here.
        let _ = sys::keep_as(KEPT_NEXT, "");
        let mut pieces = bytes.chunks(KEPT_MAX as usize);
        let kept = pieces.try_for_each(|piece| sys::keep(KEPT_NEXT, piece).map(drop));
        if kept.and_then(|()| sys::keep_as(KEPT_NEXT, KEPT)).is_ok() {
            return true;
        }
        // Better nothing than what is not true any more.
        let _ = sys::keep_as(KEPT_NEXT, "");
        let _ = sys::keep_as(KEPT, "");
        false
    }
}

/// Serves for ever; `ends` is the port on which the hypervisor tells of domains that end.
fn serve(listener: &Listener, ends: u32, mut server: Server<Kept, Stream>) -> ! {
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
