//! PCI devices of the machine, as the kernel shows them, each of which one process has at a time.

use alloc::format;
use alloc::string::{String, ToString};

use dom0_tools::pci::{Address, PciMachine};
use guest_user::abi::Errno;
use guest_user::sys;

use crate::{Door, Listener};

/// A device that this process has: nobody else finds its name free until it ends.
pub struct Claim(Listener);

impl Drop for Claim {
    fn drop(&mut self) {
        // The descriptor is this object's alone, so it is not refused.
        let _ = sys::close(self.0.descriptor());
    }
}

impl Claim {
    /// Claims a device.
    ///
    /// # Errors
    /// In words: another one has it.
    pub fn new(at: Address) -> Result<Self, String> {
        match Listener::new(&format!("pci/{at}")) {
            Ok(listener) => Ok(Claim(listener)),
            Err(Errno::EEXIST) => Err("a driver of this domain uses it".to_string()),
            Err(errno) => Err(format!("it cannot be claimed: {errno}")),
        }
    }
}

impl PciMachine for Door {
    type Claim = Claim;

    fn claim(&mut self, at: Address) -> Result<Claim, String> {
        Claim::new(at)
    }
}
