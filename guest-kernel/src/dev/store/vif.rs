//! The network interface as the store has it: the front end's nodes, and the back end's state.

use super::serve::{Done, Server};
use crate::dev::net;
use crate::log::klog;
use alloc::format;
use alloc::string::String;
use guest_kernel::store::client::or_refused;
use guest_kernel::xenbus::{Front, Step};
use hypercall_abi::io::xenbus::*;

/// Where the interface's nodes are.
const NODE: &str = "device/vif/0";
/// What back ends are told: frames are copied, events are sent for buffers, checksums are wanted.
const SAID: [(&str, &str); 4] = [
    ("request-rx-copy", "1"),
    ("feature-rx-notify", "1"),
    ("feature-sg", "1"),
    ("feature-no-csum-offload", "1"),
];

/// What is known of the interface.
#[derive(Default)]
pub(super) struct Vif {
    front: Front,
    /// Where the back end's nodes are, while there is an interface.
    backend: Option<String>,
}

/// Six pairs of hexadecimal digits.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.trim().split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

impl Server {
    /// Looks at the interface's nodes; the back end's state is watched by that number.
    pub(super) fn follow_vif(&mut self, watch: usize) -> Done {
        let backend = self.read(&format!("{NODE}/backend"))?;
        if self.vif.backend.as_ref() != Some(&backend) {
            if self.vif.backend.take().is_some() {
                let mac = parse_mac(&self.read(&format!("{NODE}/mac"))?);
                if mac.is_some() && mac == net::address().ok() {
                    // Another back end is to serve it, as when the domain of the one before is gone.
                    net::disconnect();
                } else {
                    net::remove();
                }
            }
            self.vif.front = Front::new();
            if backend.is_empty() {
                return Ok(());
            }
            // It fires once to begin with.
            let path = format!("{backend}/state");
            self.vif.backend = Some(backend);
            if let Err(e) = or_refused(self.client.watch(&path, watch))? {
                klog!("{path} cannot be watched: {e}");
            }
            return Ok(());
        }
        let state = self.read(&format!("{backend}/state"))?;
        let online = self.read(&format!("{backend}/online"))? != "0";
        let state = state.trim().parse().unwrap_or(XenbusStateUnknown);
        match self.vif.front.step(state, online) {
            Step::Wait => Ok(()),
            Step::Connect => self.connect_vif(),
            Step::Close => {
                net::disconnect();
                self.say_vif(XenbusStateClosed)?;
                // A back end that has closed already says nothing more.
                self.follow_vif(watch)
            }
            Step::Begin => self.say_vif(XenbusStateInitialising),
        }
    }

    fn connect_vif(&mut self) -> Done {
        let domid = self.read(&format!("{NODE}/backend-id"))?;
        let mac = self.read(&format!("{NODE}/mac"))?;
        let (Ok(domid), Some(mac)) = (domid.trim().parse(), parse_mac(&mac)) else {
            klog!("the network interface has no back end or no address");
            return self.say_vif(XenbusStateClosed);
        };
        let offer = match net::connect(domid, mac) {
            Ok(offer) => offer,
            Err(e) => {
                klog!("the network interface cannot be connected: {e}");
                return self.say_vif(XenbusStateClosed);
            }
        };
        let numbers = [
            ("tx-ring-ref", offer.tx_ring),
            ("rx-ring-ref", offer.rx_ring),
            ("event-channel", offer.port),
        ];
        for (name, number) in numbers {
            self.say(&format!("{NODE}/{name}"), &format!("{number}"))?;
        }
        for (name, value) in SAID {
            self.say(&format!("{NODE}/{name}"), value)?;
        }
        self.say_vif(XenbusStateConnected)
    }

    fn say_vif(&mut self, state: XenbusState) -> Done {
        self.vif.front.said(state);
        self.say(&format!("{NODE}/state"), &format!("{state}"))
    }
}
