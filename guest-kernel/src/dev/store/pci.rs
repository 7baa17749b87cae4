//! The PCI devices that this domain was given, as the store has them.

use super::serve::{Done, Server};
use crate::dev::{pci, time};
use crate::log::klog;
use crate::syscall::channel;
use alloc::format;
use alloc::string::String;
use guest_kernel::store::client::or_refused;
use guest_kernel::xenbus::{Front, Step};
use hypercall_abi::io::pciif::XEN_PCI_MAGIC;
use hypercall_abi::io::xenbus::*;

/// Where their nodes are.
const NODE: &str = "device/pci/0";

/// How often a device is looked at that is used and asked for, in nanoseconds.
const PAUSE: u64 = 100_000_000;
/// Devices of a bus.
const DEVICES_MAX: u32 = 32;
/// Before the place of a device that a process uses, in the name that it listens at meanwhile.
const CLAIM: &str = "pci/";

/// What is known of them.
#[derive(Default)]
pub(super) struct Pci {
    front: Front,
    /// Where the back end's nodes are, while there are devices.
    backend: Option<String>,
    /// The back end serves.
    open: bool,
    /// A device that is used is asked for: when it is looked at again.
    asked: Option<u64>,
}

impl Pci {
    /// When there is something to do by itself.
    pub(super) fn due(&self) -> u64 {
        self.asked.unwrap_or(time::NEVER)
    }
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
        if let Some(said) = self.pci.front.change(state) {
            let agrees = said != XenbusStateReconfiguring || self.lets_go(&backend)?;
            if !agrees {
                self.pci.asked = Some(time::system_time() + PAUSE);
                return Ok(());
            }
            self.pci.asked = None;
            return self.say_pci(said, said);
        }
        self.pci.asked = None;
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

    /// Whether no process uses what the back end is to take.
    fn lets_go(&mut self, backend: &str) -> Done<bool> {
        let count = self.read(&format!("{backend}/num_devs"))?;
        let count: u32 = count.trim().parse().unwrap_or(0);
        for number in 0..count.min(DEVICES_MAX) {
            let state = self.read(&format!("{backend}/state-{number}"))?;
            if state.trim().parse() != Ok(XenbusStateClosing) {
                continue;
            }
            let place = self.read(&format!("{backend}/vdev-{number}"))?;
            if channel::is_taken(&format!("{CLAIM}{place}")) {
                if self.pci.asked.is_none() {
                    klog!("PCI device {place} is used: it is not let go of yet");
                }
                return Ok(false);
            }
        }
        Ok(true)
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
