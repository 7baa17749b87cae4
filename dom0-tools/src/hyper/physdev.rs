//! physdev.h: interrupts of devices.

use hypercall_abi::errno::XEN_EEXIST;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::{__HYPERVISOR_physdev_op, domid_t};
use zerocopy::{FromZeros, IntoBytes};

use super::{Arg, Call};
use crate::error::Error;

/// A line that is triggered by its level, low.
const LEVEL: u8 = 1;
const LOW: u8 = 1;

/// Typed operations on devices' interrupts.
pub trait PhysdevExt: super::HyperExt {
    /// PHYSDEVOP_setup_gsi: says how a PCI line interrupts. One that was set up before is as it is.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn setup_line(&mut self, line: u32) -> Result<(), Error> {
        let mut op = physdev_setup_gsi::new_zeroed();
        (op.gsi, op.triggering, op.polarity) = (line.cast_signed(), LEVEL, LOW);
        let name = "PHYSDEVOP_setup_gsi";
        match self.physdev(name, PHYSDEVOP_setup_gsi, op.as_mut_bytes()) {
            Err(Error::Hypercall { errno, .. }) if errno.0 == XEN_EEXIST => Ok(()),
            other => other,
        }
    }

    /// PHYSDEVOP_map_pirq: has a line interrupt a domain, which knows it by the number returned.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn map_line(&mut self, domain: domid_t, line: u32) -> Result<u32, Error> {
        let mut op = physdev_map_pirq::new_zeroed();
        (op.domid, op.r#type) = (domain, MAP_PIRQ_TYPE_GSI);
        (op.index, op.pirq) = (line.cast_signed(), line.cast_signed());
        self.physdev("PHYSDEVOP_map_pirq", PHYSDEVOP_map_pirq, op.as_mut_bytes())?;
        Ok(op.pirq.cast_unsigned())
    }

    /// PHYSDEVOP_unmap_pirq: has an interrupt be heard by a domain no more.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn unmap_pirq(&mut self, domain: domid_t, pirq: u32) -> Result<(), Error> {
        let mut op = physdev_unmap_pirq::new_zeroed();
        (op.domid, op.pirq) = (domain, pirq.cast_signed());
        let name = "PHYSDEVOP_unmap_pirq";
        self.physdev(name, PHYSDEVOP_unmap_pirq, op.as_mut_bytes())
    }

    /// An operation whose argument has no inner buffers.
    #[doc(hidden)]
    fn physdev(&mut self, name: &'static str, cmd: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let args = [Arg::Value(cmd.into()), Arg::Buffer(bytes)];
        let call = Call::new(__HYPERVISOR_physdev_op, args);
        self.execute(name, call).map(drop)
    }
}

impl<H: super::Hyper> PhysdevExt for H {}
