//! A device for a domain other than dom0: the ports, frames and interrupts that the control domain
//! lets it use, what it makes of them, and that it loses them. The device is QEMU's `edu`, the domain
//! a [`Puppet`].

mod clock;
mod death;
mod frames;
mod interrupts;
mod line;
mod message;
mod permissions;
mod ports;
mod shared;

use super::devices::{self, Edu, SECOND, configuration};
use super::page::*;
use super::puppet::{Done, Puppet, WINDOW};
use super::{Check, Report, events, instructions, pirq};
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use core::fmt;
use hypercall_abi::domctl::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("assigned_permissions", permissions::permissions),
    ("assigned_ports", ports::ports),
    ("assigned_clock", clock::clock),
    ("assigned_frames", frames::frames),
    ("assigned_line", line::line),
    ("assigned_share_binding", shared::binding),
    ("assigned_share_heard", shared::heard),
    ("assigned_share_joined", shared::joined),
    ("assigned_share_left", shared::left),
    ("assigned_message", message::message),
    ("assigned_death", death::death),
    ("assigned_from_dom0", permissions::from_dom0),
    ("assigned_clock_given", clock::given_away),
];

/// What an instruction of the puppet's came to.
struct Came(Done);

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => write!(f, "{value:#x}"),
            Err(u64::MAX) => write!(f, "never"),
            Err(vector) => write!(f, "exception {vector}"),
        }
    }
}

fn allow_ports(domid: u16, first_port: u32, nr_ports: u32, allow: u8) -> HvResult {
    let mut request = xen_domctl_ioport_permission::new_zeroed();
    (request.first_port, request.nr_ports) = (first_port, nr_ports);
    request.allow_access = allow;
    domctl(XEN_DOMCTL_ioport_permission, domid, request).map(|_| 0)
}

fn allow_frames(domid: u16, first_mfn: u64, nr_mfns: u64, allow: u8) -> HvResult {
    let mut request = xen_domctl_iomem_permission::new_zeroed();
    (request.first_mfn, request.nr_mfns) = (first_mfn, nr_mfns);
    request.allow_access = allow;
    domctl(XEN_DOMCTL_iomem_permission, domid, request).map(|_| 0)
}

fn allow_irq(domid: u16, pirq: u32, allow: u8) -> HvResult {
    let mut request = xen_domctl_irq_permission::new_zeroed();
    (request.pirq, request.allow_access) = (pirq, allow);
    domctl(XEN_DOMCTL_irq_permission, domid, request).map(|_| 0)
}

/// Makes a puppet, or says that there is none.
fn puppet(r: &mut Report) -> Option<Puppet> {
    match Puppet::new() {
        Ok(puppet) => Some(puppet),
        Err(errno) => {
            r.result("puppet", Err(errno));
            r.error("no puppet");
            None
        }
    }
}

/// The entry of the device's registers.
fn registers(edu: &Edu) -> u64 {
    u64::from(configuration(edu.devfn, 0x10) & !0xf)
}
