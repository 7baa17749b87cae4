//! The PCI devices that this domain was given, as the store has them.

use super::serve::{Done, Server};
use crate::dev::pci;
use crate::log::klog;
use alloc::format;
use alloc::string::String;
use guest_kernel::store::client::or_refused;
use guest_kernel::xenbus::{Front, Step};
use hypercall_abi::io::pciif::XEN_PCI_MAGIC;
use hypercall_abi::io::xenbus::*;

/// Where their nodes are.
const NODE: &str = "device/pci/0";

/// What is known of them.
#[derive(Default)]
pub(super) struct Pci {
    front: Front,
    /// Where the back end's nodes are, while there are devices.
    backend: Option<String>,
    /// The back end serves.
    open: bool,
}

impl Server {
    /// Looks at the nodes; the back end's state is watched by that number.
    pub(super) fn follow_pci(&mut self, watch: usize) -> Done {
        let backend = self.read(&format!("{NODE}/backend"))?;
        if self.pci.backend.as_ref() != Some(&backend) {
            if self.pci.backend.take().is_some() {
                pci::disconnect();
            }
            self.pci = Pci::default();
            if backend.is_empty() {
                return Ok(());
            }
            // It fires once to begin with.
            let path = format!("{backend}/state");
            self.pci.backend = Some(backend);
            if let Err(e) = or_refused(self.client.watch(&path, watch))? {
                klog!("{path} cannot be watched: {e}");
            }
            return Ok(());
        }
        let state = self.read(&format!("{backend}/state"))?;
        let online = self.read(&format!("{backend}/online"))? != "0";
        let state = state.trim().parse().unwrap_or(XenbusStateUnknown);
        match self.pci.front.step(state, online) {
            Step::Wait if state == XenbusStateConnected && !self.pci.open => self.open_pci(),
            Step::Wait => Ok(()),
            Step::Connect => self.connect_pci(),
            Step::Close => {
                pci::disconnect();
                self.pci.open = false;
                self.say_pci(XenbusStateClosed, XenbusStateClosed)?;
                // A back end that has closed already says nothing more.
                self.follow_pci(watch)
            }
            Step::Begin => self.say_pci(XenbusStateInitialising, XenbusStateInitialising),
        }
    }

    fn connect_pci(&mut self) -> Done {
        let domid = self.read(&format!("{NODE}/backend-id"))?;
        let Ok(domid) = domid.trim().parse() else {
            klog!("the PCI devices have no back end");
            return self.say_pci(XenbusStateClosed, XenbusStateClosed);
        };
        let offer = match pci::connect(domid) {
            Ok(offer) => offer,
            Err(e) => {
                klog!("the PCI devices cannot be connected: {e}");
                return self.say_pci(XenbusStateClosed, XenbusStateClosed);
            }
        };
        for (name, value) in [
            ("pci-op-ref", format!("{}", offer.page)),
            ("event-channel", format!("{}", offer.port)),
            ("magic", XEN_PCI_MAGIC.into()),
        ] {
            self.say(&format!("{NODE}/{name}"), &value)?;
        }
        // What is shared is there; that it is used is said when the back end has it.
        self.say_pci(XenbusStateInitialised, XenbusStateConnected)
    }

    fn open_pci(&mut self) -> Done {
        if self.pci.front.state() != XenbusStateConnected {
            return Ok(());
        }
        self.pci.open = true;
        pci::open();
        self.say_pci(XenbusStateConnected, XenbusStateConnected)
    }

    /// Says a state, which is another for what is to be done next.
    fn say_pci(&mut self, state: XenbusState, is: XenbusState) -> Done {
        self.pci.front.said(is);
        self.say(&format!("{NODE}/state"), &format!("{state}"))
    }
}
