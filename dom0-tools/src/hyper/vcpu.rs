//! domctl.h: where a domain's vCPUs run, and what they do.

use core::mem::offset_of;

use hypercall_abi::domctl::*;
use hypercall_abi::xen::{__HYPERVISOR_domctl, domid_t, xenctl_bitmap};
use zerocopy::{FromZeros, IntoBytes};

use super::domctl::request;
use super::{Arg, Call, Hyper};
use crate::cpuset::CpuSet;
use crate::error::Error;

/// Which of a vCPU's two affinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Where it may run.
    Hard,
    /// Where it had better run, of these.
    Soft,
}

impl Affinity {
    /// Its flag, and where its map is in the structure.
    fn place(self) -> (u32, usize) {
        match self {
            Affinity::Hard => (
                XEN_VCPUAFFINITY_HARD,
                offset_of!(xen_domctl_vcpuaffinity, cpumap_hard),
            ),
            Affinity::Soft => (
                XEN_VCPUAFFINITY_SOFT,
                offset_of!(xen_domctl_vcpuaffinity, cpumap_soft),
            ),
        }
    }
}

/// Typed domctls about one vCPU.
pub trait VcpuExt: super::HyperExt {
    /// XEN_DOMCTL_getvcpuinfo.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn vcpu_info(&mut self, domain: domid_t, vcpu: u32) -> Result<xen_domctl_getvcpuinfo, Error> {
        let mut argument = xen_domctl_getvcpuinfo::new_zeroed();
        argument.vcpu = vcpu;
        let mut op = request(XEN_DOMCTL_getvcpuinfo, domain, argument);
        let call = Call::new(__HYPERVISOR_domctl, [Arg::Buffer(op.as_mut_bytes())]);
        self.execute("XEN_DOMCTL_getvcpuinfo", call)?;
        Ok(op.u.get())
    }

    /// XEN_DOMCTL_getvcpuaffinity, of the CPUs `0..cpus`.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn affinity(
        &mut self,
        domain: domid_t,
        vcpu: u32,
        which: Affinity,
        cpus: u32,
    ) -> Result<CpuSet, Error> {
        let mut set = CpuSet::none(cpus);
        let name = "XEN_DOMCTL_getvcpuaffinity";
        self.affinity_op(
            (name, XEN_DOMCTL_getvcpuaffinity),
            domain,
            vcpu,
            (which, 0),
            &mut set,
        )?;
        Ok(set)
    }

    /// XEN_DOMCTL_setvcpuaffinity; `force` ends what SCHEDOP_pin_override began. Gives what is in
    /// force then.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_affinity(
        &mut self,
        domain: domid_t,
        vcpu: u32,
        which: Affinity,
        set: &CpuSet,
        force: bool,
    ) -> Result<CpuSet, Error> {
        let (mut set, name) = (set.clone(), "XEN_DOMCTL_setvcpuaffinity");
        let flags = if force { XEN_VCPUAFFINITY_FORCE } else { 0 };
        let cmd = (name, XEN_DOMCTL_setvcpuaffinity);
        self.affinity_op(cmd, domain, vcpu, (which, flags), &mut set)?;
        Ok(set)
    }

    #[doc(hidden)]
    fn affinity_op(
        &mut self,
        (name, cmd): (&'static str, u32),
        domain: domid_t,
        vcpu: u32,
        (which, flags): (Affinity, u32),
        set: &mut CpuSet,
    ) -> Result<(), Error> {
        let (flag, map_at) = which.place();
        let mut argument = xen_domctl_vcpuaffinity::new_zeroed();
        (argument.vcpu, argument.flags) = (vcpu, flags | flag);
        // The map that is not named by a flag stays empty: nothing is read or written there.
        match which {
            Affinity::Hard => argument.cpumap_hard.nr_bits = set.cpus(),
            Affinity::Soft => argument.cpumap_soft.nr_bits = set.cpus(),
        }
        let mut op = request(cmd, domain, argument);
        let handle_at = offset_of!(xen_domctl, u) + map_at + offset_of!(xenctl_bitmap, bitmap);
        let arg = Arg::Structure {
            bytes: op.as_mut_bytes(),
            handle_at,
            buffer: set.bytes_mut(),
        };
        self.execute(name, Call::new(__HYPERVISOR_domctl, [arg]))
            .map(drop)
    }
}

impl<H: Hyper> VcpuExt for H {}
