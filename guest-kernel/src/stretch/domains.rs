//! What the control domain asks about others: the largest domains, the longest lists.

use super::{CALLS, Call, list};
use crate::check::page::{Page, address, call, domctl};
use crate::hypercall::{self, HvResult, with_struct};
use crate::smp::context;
use alloc::boxed::Box;
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::arch_x86_64::{vcpu_guest_context, xen_pfn_to_cr3};
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::memory::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::vcpu::VCPUOP_initialise;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// vCPUs of the largest domain.
const VCPUS: u32 = 64;
/// Pages of it.
const PAGES: usize = 4096;
/// Ports of it that others can still open for it.
const PORTS: u32 = 4000;
/// Grant-table frames of it.
const GRANT_FRAMES: u32 = 1024;
/// Domains at once: at most, and at least.
const DOMAINS: usize = 250;
const FEWEST_DOMAINS: usize = 50;
/// Most frames of `getpageframeinfo3`.
const MOST_FRAMES: usize = 1024;
/// A descriptor that takes long to check, and is not stored as it is: a call gate to a selector of
/// the guest's.
const GATE: u64 = 0x8c00 << 32 | 0x8 << 16;
/// Pages of a full GDT.
const GDT_PAGES: usize = 14;

/// Makes a domain without memory, with its vCPUs; its id.
pub(crate) fn create(vcpus: u32, grant_frames: u32) -> HvResult<u16> {
    let mut config = xen_domctl_createdomain::new_zeroed();
    config.max_vcpus = vcpus;
    config.max_evtchn_port = u32::MAX >> 1;
    config.max_grant_frames = grant_frames.cast_signed();
    config.max_maptrack_frames = -1;
    config.grant_opts = 1;
    let domain = domctl(XEN_DOMCTL_createdomain, 0, config)?.domain;
    domctl(
        XEN_DOMCTL_max_vcpus,
        domain,
        xen_domctl_max_vcpus { max: vcpus },
    )?;
    Ok(domain)
}

/// Takes a domain apart; `EAGAIN` until that is done.
pub(crate) fn destroy(domain: u16) -> HvResult {
    domctl(XEN_DOMCTL_destroydomain, domain, 0_u64).map(|_| 0)
}

/// Gives a domain memory; its frames.
fn populate(domain: u16) -> HvResult<Vec<u64>> {
    let most = xen_domctl_max_mem {
        max_memkb: PAGES as u64 * 4,
    };
    domctl(XEN_DOMCTL_max_mem, domain, most)?;
    let mut frames: Vec<u64> = (0..PAGES as u64).collect();
    let mut arg = xen_memory_reservation {
        extent_start: frames.as_mut_ptr() as u64,
        nr_extents: PAGES as u64,
        domid: domain,
        ..xen_memory_reservation::new_zeroed()
    };
    let done = with_struct(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &mut arg)?;
    if done == PAGES as u64 {
        Ok(frames)
    } else {
        Err(Errno::ENOMEM)
    }
}

/// Sets the context of a vCPU whose root is an empty page, with a full GDT, and reads it back.
fn set_context(domain: u16, vcpu: u32, frames: &[u64]) -> HvResult {
    let mut c = context::new(0, 0);
    c.ctrlreg[3] = xen_pfn_to_cr3(frames[0]);
    c.gdt_frames[..GDT_PAGES].copy_from_slice(&frames[1..=GDT_PAGES]);
    c.gdt_ents = GDT_PAGES as u64 * 512;
    let request = xen_domctl_vcpucontext {
        vcpu,
        _pad0: [0; 4],
        ctxt: address(&mut *c),
    };
    domctl(XEN_DOMCTL_setvcpucontext, domain, request)?;
    domctl(XEN_DOMCTL_getvcpucontext, domain, request).map(|_| 0)
}

/// Creates the largest domain there may be, gives it all there is to have, and destroys it.
pub(super) fn largest() -> HvResult {
    let domain = create(VCPUS, GRANT_FRAMES)?;
    let mut frames = populate(domain)?;
    for vcpu in 0..VCPUS {
        set_context(domain, vcpu, &frames[16 * vcpu as usize..])?;
    }
    for _ in 0..PORTS {
        let mut unbound = evtchn_alloc_unbound {
            dom: domain,
            remote_dom: DOMID_SELF,
            port: 0,
        };
        hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut unbound)?;
    }
    let mut grants: Vec<u64> = alloc::vec![0; GRANT_FRAMES as usize];
    let mut setup = gnttab_setup_table::new_zeroed();
    (setup.dom, setup.nr_frames) = (domain, GRANT_FRAMES);
    setup.frame_list = grants.as_mut_ptr() as u64;
    let args = [
        u64::from(GNTTABOP_setup_table),
        address(&mut setup),
        1,
        0,
        0,
    ];
    // SAFETY: the structure and the list are this function's own.
    unsafe { call(__HYPERVISOR_grant_table_op, args) }?;
    if setup.status != GNTST_okay {
        return Err(Errno::ENOMEM);
    }
    let kinds = xen_domctl_getpageframeinfo3 {
        num: MOST_FRAMES as u64,
        array: frames.as_mut_ptr() as u64,
    };
    domctl(XEN_DOMCTL_getpageframeinfo3, domain, kinds)?;
    for cmd in [
        XEN_DOMCTL_unpausedomain,
        XEN_DOMCTL_pausedomain,
        XEN_DOMCTL_getdomaininfo,
    ] {
        domctl(cmd, domain, 0_u64)?;
    }
    destroy(domain)
}

/// A list of as many domains as there is memory for.
pub(super) fn many() -> HvResult {
    let domains: Vec<u16> = (0..DOMAINS).map_while(|_| create(1, 1).ok()).collect();
    let mut infos = alloc::vec![xen_domctl_getdomaininfo::new_zeroed(); domains.len() + 1];
    let mut list = xen_sysctl_getdomaininfolist::new_zeroed();
    list.max_domains = infos.len() as u32;
    list.buffer = infos.as_mut_ptr() as u64;
    let list: xen_sysctl_getdomaininfolist = ask(XEN_SYSCTL_getdomaininfolist, list)?;
    for domain in domains {
        destroy(domain)?;
    }
    if list.num_domains as usize == infos.len() && infos.len() > FEWEST_DOMAINS {
        Ok(0)
    } else {
        Err(Errno::ENOENT)
    }
}

fn ask<T: IntoBytes + Immutable + zerocopy::FromBytes>(cmd: u32, member: T) -> HvResult<T> {
    let mut op = xen_sysctl::new_zeroed();
    op.cmd = cmd;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    op.u.set(member);
    // SAFETY: the control domain may; what is written is the structure and what it names.
    unsafe { call(__HYPERVISOR_sysctl, [address(&mut op), 0, 0, 0, 0]) }?;
    Ok(op.u.get())
}

/// The hypervisor's whole log.
pub(super) fn log() -> HvResult {
    let mut buffer = alloc::vec![0_u8; 1 << 16];
    let mut request = xen_sysctl_readconsole::new_zeroed();
    request.buffer = buffer.as_mut_ptr() as u64;
    request.count = buffer.len() as u32;
    ask(XEN_SYSCTL_readconsole, request).map(|_| 0)
}

/// A context of a vCPU of this domain that names a full tree which nobody validated yet, and that
/// cannot be taken in the end.
pub(super) fn initialise() -> HvResult {
    let tables = super::tree();
    let mut c: Box<vcpu_guest_context> = context::new(1, 0);
    c.ctrlreg[3] = xen_pfn_to_cr3(tables[3].mfn());
    c.gdt_ents = 0;
    c.trap_ctxt[255].address = 1 << 63;
    // SAFETY: the context is refused.
    match unsafe { hypercall::vcpu_call(VCPUOP_initialise, 1, address(&mut *c)) } {
        Err(Errno::EINVAL) => Ok(0),
        Err(other) => Err(other),
        Ok(_) => Err(Errno::EEXIST),
    }
}

/// The calls that take longest each, one after the other in one list.
pub(super) fn mixed() -> HvResult {
    let domain = create(VCPUS, GRANT_FRAMES)?;
    let pages: [Page; 2 * GDT_PAGES] = core::array::from_fn(|_| super::page_of(GATE));
    let mut frames: Vec<u64> = pages.iter().map(Page::mfn).collect();
    let (some, others) = frames.split_at_mut(GDT_PAGES);
    let full = GDT_PAGES as u64 * 512;
    let mut info = xen_domctl::new_zeroed();
    (info.cmd, info.domain) = (XEN_DOMCTL_getdomaininfo, domain);
    info.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    let target = Page::new();
    let mut clear = [hypercall::mmuext_frame(MMUEXT_CLEAR_PAGE, target.mfn()); 32];
    let to = u64::from(DOMID_SELF);
    let mut gates = super::gates();
    let calls: [Call; 5] = [
        (
            __HYPERVISOR_set_gdt,
            [some.as_mut_ptr() as u64, full, 0, 0, 0, 0],
        ),
        (__HYPERVISOR_domctl, [address(&mut info), 0, 0, 0, 0, 0]),
        (
            __HYPERVISOR_set_gdt,
            [others.as_mut_ptr() as u64, full, 0, 0, 0, 0],
        ),
        (
            __HYPERVISOR_mmuext_op,
            [address(&mut clear), 32, 0, to, 0, 0],
        ),
        (
            __HYPERVISOR_set_trap_table,
            [address(&mut gates), 0, 0, 0, 0, 0],
        ),
    ];
    for (nr, args) in calls {
        // SAFETY: as in a list.
        unsafe { call(nr, *args.first_chunk().expect("five of six")) }?;
    }
    let cycle: Vec<Call> = calls.into_iter().cycle().take(CALLS).collect();
    let done = list(&cycle);
    crate::trap::init()?;
    list(&[(__HYPERVISOR_set_gdt, [0; 6])])?;
    destroy(domain)?;
    done
}
