//! domctl.h: operations on one domain.

use hypercall_abi::Union;
use hypercall_abi::arch_x86_64::{vcpu_guest_context, xen_arch_domainconfig};
use hypercall_abi::domctl::*;
use hypercall_abi::errno::XEN_EAGAIN;
use hypercall_abi::xen::{__HYPERVISOR_domctl, domid_t};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::{Arg, Call, Errno, Hyper};
use crate::error::Error;

/// What a new PV domain is made with.
#[derive(Debug, Clone, Copy)]
pub struct CreateDomain {
    /// Its handle (UUID).
    pub handle: [u8; 16],
    /// The most vCPUs it can have.
    pub max_vcpus: u32,
}

/// Whether a domain may use something: as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Not any more.
    Denied = 0,
    /// From now on.
    Allowed = 1,
}

/// Event-channel ports without a limit of our own: the hypervisor's applies.
const ALL_PORTS: u32 = u32::MAX;
/// "Use the hypervisor's default" for grant-table sizes.
const DEFAULT_FRAMES: i32 = -1;

pub(super) fn request<T: IntoBytes + Immutable>(
    cmd: u32,
    domain: domid_t,
    argument: T,
) -> xen_domctl {
    let mut op = xen_domctl::new_zeroed();
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domain;
    op.u = Union::new(argument);
    op
}

fn scheduling(domain: domid_t, cmd: u32, share: xen_domctl_sched_credit2) -> xen_domctl {
    let mut argument = xen_domctl_scheduler_op::new_zeroed();
    (argument.sched_id, argument.cmd) = (XEN_SCHEDULER_CREDIT2, cmd);
    argument.u.set(share);
    request(XEN_DOMCTL_scheduler_op, domain, argument)
}

/// Typed domctls.
pub trait DomctlExt: super::HyperExt {
    /// XEN_DOMCTL_createdomain with an id of the hypervisor's choice. The domain is paused.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn create_domain(&mut self, create: &CreateDomain) -> Result<domid_t, Error> {
        let argument = xen_domctl_createdomain {
            ssidref: 0,
            handle: create.handle,
            flags: 0,
            iommu_opts: 0,
            max_vcpus: create.max_vcpus,
            max_evtchn_port: ALL_PORTS,
            max_grant_frames: DEFAULT_FRAMES,
            max_maptrack_frames: DEFAULT_FRAMES,
            grant_opts: 1,
            vmtrace_size: 0,
            cpupool_id: 0,
            arch: xen_arch_domainconfig::new_zeroed(),
        };
        let mut op = request(XEN_DOMCTL_createdomain, 0, argument);
        self.domctl("XEN_DOMCTL_createdomain", &mut op)?;
        Ok(op.domain)
    }

    /// XEN_DOMCTL_destroydomain, continued until the hypervisor has finished.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn destroy_domain(&mut self, domain: domid_t) -> Result<(), Error> {
        loop {
            let mut op = request(XEN_DOMCTL_destroydomain, domain, 0u64);
            match self.domctl("XEN_DOMCTL_destroydomain", &mut op) {
                Err(Error::Hypercall {
                    errno: Errno(XEN_EAGAIN),
                    ..
                }) => {}
                result => return result,
            }
        }
    }

    /// XEN_DOMCTL_pausedomain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn pause_domain(&mut self, domain: domid_t) -> Result<(), Error> {
        self.domctl(
            "XEN_DOMCTL_pausedomain",
            &mut request(XEN_DOMCTL_pausedomain, domain, 0u64),
        )
    }

    /// XEN_DOMCTL_unpausedomain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn unpause_domain(&mut self, domain: domid_t) -> Result<(), Error> {
        let mut op = request(XEN_DOMCTL_unpausedomain, domain, 0u64);
        self.domctl("XEN_DOMCTL_unpausedomain", &mut op)
    }

    /// XEN_DOMCTL_getdomaininfo; `None` if there is no domain of that id. (The hypervisor itself
    /// answers with the next higher domain then.)
    ///
    /// # Errors
    /// Any refusal other than "no such domain".
    fn domain_info(&mut self, domain: domid_t) -> Result<Option<xen_domctl_getdomaininfo>, Error> {
        let mut op = request(XEN_DOMCTL_getdomaininfo, domain, 0u64);
        match self.domctl("XEN_DOMCTL_getdomaininfo", &mut op) {
            Ok(()) => {}
            Err(Error::Hypercall {
                errno: Errno(hypercall_abi::errno::XEN_ESRCH),
                ..
            }) => {
                return Ok(None);
            }
            Err(other) => return Err(other),
        }
        let info: xen_domctl_getdomaininfo = op.u.get();
        Ok((info.domain == domain).then_some(info))
    }

    /// XEN_DOMCTL_max_mem.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_max_memory(&mut self, domain: domid_t, kib: u64) -> Result<(), Error> {
        let argument = xen_domctl_max_mem { max_memkb: kib };
        self.domctl(
            "XEN_DOMCTL_max_mem",
            &mut request(XEN_DOMCTL_max_mem, domain, argument),
        )
    }

    /// XEN_DOMCTL_scheduler_op: a domain's weight and cap, of credit2.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn share(&mut self, domain: domid_t) -> Result<xen_domctl_sched_credit2, Error> {
        let nothing = xen_domctl_sched_credit2 { weight: 0, cap: 0 };
        let mut op = scheduling(domain, XEN_DOMCTL_SCHEDOP_getinfo, nothing);
        self.domctl("XEN_DOMCTL_scheduler_op", &mut op)?;
        Ok(op.u.get::<xen_domctl_scheduler_op>().u.get())
    }

    /// XEN_DOMCTL_scheduler_op: sets a domain's weight and cap.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_share(&mut self, domain: domid_t, share: xen_domctl_sched_credit2) -> Result<(), Error> {
        let mut op = scheduling(domain, XEN_DOMCTL_SCHEDOP_putinfo, share);
        self.domctl("XEN_DOMCTL_scheduler_op", &mut op)
    }

    /// XEN_DOMCTL_max_vcpus: allocates the vCPUs.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_max_vcpus(&mut self, domain: domid_t, max: u32) -> Result<(), Error> {
        let mut op = request(XEN_DOMCTL_max_vcpus, domain, xen_domctl_max_vcpus { max });
        self.domctl("XEN_DOMCTL_max_vcpus", &mut op)
    }

    /// XEN_DOMCTL_hypercall_init: writes the hypercall stubs into a frame of the domain.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn init_hypercall_page(&mut self, domain: domid_t, mfn: u64) -> Result<(), Error> {
        let argument = xen_domctl_hypercall_init { gmfn: mfn };
        let mut op = request(XEN_DOMCTL_hypercall_init, domain, argument);
        self.domctl("XEN_DOMCTL_hypercall_init", &mut op)
    }

    /// XEN_DOMCTL_setvcpucontext.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_vcpu_context(
        &mut self,
        domain: domid_t,
        vcpu: u32,
        context: &mut vcpu_guest_context,
    ) -> Result<(), Error> {
        let argument = xen_domctl_vcpucontext {
            vcpu,
            _pad0: [0; 4],
            ctxt: 0,
        };
        let mut op = request(XEN_DOMCTL_setvcpucontext, domain, argument);
        let handle_at = core::mem::offset_of!(xen_domctl, u)
            + core::mem::offset_of!(xen_domctl_vcpucontext, ctxt);
        let bytes = op.as_mut_bytes();
        let arg = Arg::Structure {
            bytes,
            handle_at,
            buffer: context.as_mut_bytes(),
        };
        let call = Call::new(__HYPERVISOR_domctl, [arg]);
        self.execute("XEN_DOMCTL_setvcpucontext", call).map(drop)
    }

    /// XEN_DOMCTL_iomem_permission: lets a domain map frames of devices, or not any more; what is
    /// mapped stays so.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_iomem(
        &mut self,
        domain: domid_t,
        (first, count): (u64, u64),
        permission: Permission,
    ) -> Result<(), Error> {
        let mut argument = xen_domctl_iomem_permission::new_zeroed();
        (argument.first_mfn, argument.nr_mfns) = (first, count);
        argument.allow_access = permission as u8;
        let mut op = request(XEN_DOMCTL_iomem_permission, domain, argument);
        self.domctl("XEN_DOMCTL_iomem_permission", &mut op)
    }

    /// XEN_DOMCTL_ioport_permission: lets a domain use ports, or not any more.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_ioports(
        &mut self,
        domain: domid_t,
        (first, count): (u32, u32),
        permission: Permission,
    ) -> Result<(), Error> {
        let mut argument = xen_domctl_ioport_permission::new_zeroed();
        (argument.first_port, argument.nr_ports) = (first, count);
        argument.allow_access = permission as u8;
        let mut op = request(XEN_DOMCTL_ioport_permission, domain, argument);
        self.domctl("XEN_DOMCTL_ioport_permission", &mut op)
    }

    /// XEN_DOMCTL_irq_permission: lets a domain use an interrupt of this one, or not any more.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_irq(&mut self, domain: domid_t, pirq: u32, permission: Permission) -> Result<(), Error> {
        let mut argument = xen_domctl_irq_permission::new_zeroed();
        (argument.pirq, argument.allow_access) = (pirq, permission as u8);
        let mut op = request(XEN_DOMCTL_irq_permission, domain, argument);
        self.domctl("XEN_DOMCTL_irq_permission", &mut op)
    }

    /// A domctl without inner buffers.
    #[doc(hidden)]
    fn domctl(&mut self, name: &'static str, op: &mut xen_domctl) -> Result<(), Error> {
        let call = Call::new(__HYPERVISOR_domctl, [Arg::Buffer(op.as_mut_bytes())]);
        self.execute(name, call).map(drop)
    }
}

impl<H: Hyper> DomctlExt for H {}
