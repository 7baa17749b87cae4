//! The front end of a network interface.

use super::{Node, Ring, Shared, close_port, notify, open_port};
use hypercall_abi::io::netif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::IntoBytes;

/// Where interfaces' nodes are: the first, and a second one.
pub(crate) const FIRST: &str = "device/vif/0";
pub(crate) const SECOND: &str = "device/vif/1";
/// Entries of a ring.
pub(crate) const SIZE: u32 = 256;
/// Bytes of the frames that are sent.
pub(crate) const FRAME: u16 = 60;

pub(crate) struct Front {
    pub(crate) node: Node,
    rings: [Option<Ring>; 2],
    port: u32,
}

impl Front {
    /// With nothing but the toolstack's nodes.
    pub(crate) fn new(path: &'static str) -> Self {
        Self {
            node: Node::new(path),
            rings: [None, None],
            port: 0,
        }
    }

    fn ring(&self, which: usize) -> &Ring {
        self.rings[which].as_ref().expect("it has a ring")
    }

    /// The ring of frames to send.
    pub(crate) fn tx(&self) -> &Ring {
        self.ring(0)
    }

    /// The ring of frames that come.
    pub(crate) fn rx(&self) -> &Ring {
        self.ring(1)
    }

    pub(crate) fn grant_tx(&mut self) {
        self.rings[0] = Some(Ring::new(size_of::<netif_tx_request>(), SIZE));
    }

    pub(crate) fn grant_rx(&mut self) {
        self.rings[1] = Some(Ring::new(size_of::<netif_rx_request>(), SIZE));
    }

    pub(crate) fn open_port(&mut self) {
        self.port = open_port();
    }

    pub(crate) fn say_tx(&self) {
        self.node.say("tx-ring-ref", self.tx().page.gref());
    }

    pub(crate) fn say_rx(&self) {
        self.node.say("rx-ring-ref", self.rx().page.gref());
    }

    pub(crate) fn say_port(&self) {
        self.node.say("event-channel", self.port);
    }

    /// Connects to a back end that waits for it, or will.
    pub(crate) fn connect(path: &'static str) -> Self {
        let mut front = Self::new(path);
        front.connect_on();
        front
    }

    /// Makes rings, and connects.
    pub(crate) fn connect_on(&mut self) {
        self.node.wait_for(XenbusStateInitWait);
        self.grant_tx();
        self.grant_rx();
        self.open_port();
        self.say_tx();
        self.say_rx();
        self.say_port();
        self.node.say("request-rx-copy", 1);
        self.node.say("state", XenbusStateConnected);
        self.node.wait_for(XenbusStateConnected);
    }

    pub(crate) fn notify(&self) {
        notify(self.port);
    }

    /// Takes everything back, and begins anew.
    pub(crate) fn end(self) {
        self.node.say("state", XenbusStateClosed);
        self.node.wait_for(XenbusStateClosed);
        close_port(self.port);
        for ring in self.rings.into_iter().flatten() {
            ring.page.end();
        }
        self.node.say("state", XenbusStateInitialising);
    }

    /// Writes a request to send, with the flags and the size that it is to have.
    pub(crate) fn put(&self, index: u32, gref: u32, flags: u16, size: u16) {
        let request = netif_tx_request {
            gref,
            offset: 0,
            flags,
            id: index as u16,
            size,
        };
        self.tx().put(index, request.as_bytes());
    }

    /// Sends one frame from a page.
    pub(crate) fn send(&self, page: &Shared) {
        self.put(self.tx().shown(), page.gref(), 0, FRAME);
        self.tx().show(1);
    }

    /// Gives a page for a frame that comes; the back end is not shown it yet.
    pub(crate) fn give(&self, index: u32, page: &Shared) {
        let request = netif_rx_request {
            id: index as u16,
            pad: 0,
            gref: page.gref(),
        };
        self.rx().put(index, request.as_bytes());
    }

    /// The status of a frame that was sent.
    pub(crate) fn sent(&self, index: u32) -> i16 {
        (self.tx().word(index, 0) >> 16) as u16 as i16
    }

    /// The status of a frame that came: its bytes, or an error.
    pub(crate) fn came(&self, index: u32) -> i16 {
        (self.rx().word(index, 1) >> 16) as u16 as i16
    }
}

/// A page with a frame to everybody, from an address of its own.
pub(crate) fn frame(from: u8) -> Shared {
    let page = Shared::new();
    // Locally administered; the kind is one for experiments.
    let source = [0x02, 0, 0, 0, 0, from];
    let mut bytes = [0xff_u8; 16];
    bytes[6..12].copy_from_slice(&source);
    (bytes[12], bytes[13]) = (0x88, 0xb5);
    let (words, _) = bytes.as_chunks::<4>();
    for (i, word) in words.iter().enumerate() {
        page.set(i * 4, u32::from_le_bytes(*word));
    }
    page
}
