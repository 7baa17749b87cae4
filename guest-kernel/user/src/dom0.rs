//! What small programs of dom0 ask of the hypervisor through the kernel's door.

use crate::sys::{self, SysResult};
use hypercall_abi::Union;
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Makes a call whose one structure the hypervisor may update.
fn call<T: IntoBytes + FromBytes>(nr: u64, before: &[u64], arg: &mut T) -> SysResult<()> {
    let mut args = [0; 5];
    args[..before.len()].copy_from_slice(before);
    args[before.len()] = arg.as_mut_bytes().as_mut_ptr() as u64;
    // SAFETY: `arg` is the call's structure, borrowed mutably, and may hold any bytes.
    unsafe { sys::hypercall(nr, args) }.map(drop)
}

/// Makes an event-channel operation; returns its structure.
///
/// # Errors
/// The hypervisor's refusal, or the kernel's.
pub fn event<T: IntoBytes + FromBytes>(op: u32, mut arg: T) -> SysResult<T> {
    call(__HYPERVISOR_event_channel_op, &[op.into()], &mut arg)?;
    Ok(arg)
}

/// Makes an operation on devices' interrupts; returns its structure.
///
/// # Errors
/// The hypervisor's refusal, or the kernel's.
pub fn physdev<T: IntoBytes + FromBytes>(op: u32, mut arg: T) -> SysResult<T> {
    call(__HYPERVISOR_physdev_op, &[op.into()], &mut arg)?;
    Ok(arg)
}

/// Whether a port of dom0 is bound or waits to be.
pub fn is_used(port: u32) -> bool {
    let mut status = evtchn_status::new_zeroed();
    (status.dom, status.port) = (DOMID_SELF, port);
    event(EVTCHNOP_status, status).is_ok_and(|status| status.status != EVTCHNSTAT_closed)
}

/// How many ports of dom0 are in use.
pub fn ports_used() -> usize {
    let all = 1..EVTCHN_2L_NR_CHANNELS as u32;
    all.filter(|&port| is_used(port)).count()
}

fn domctl(cmd: u32, domain: domid_t) -> SysResult<xen_domctl> {
    let mut op = xen_domctl::new_zeroed();
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domain;
    op.u = Union::zeroed();
    call(__HYPERVISOR_domctl, &[], &mut op)?;
    Ok(op)
}

/// The domain with the lowest number that is not below `from`.
///
/// # Errors
/// `ESRCH` if there is none.
pub fn next_domain(from: domid_t) -> SysResult<xen_domctl_getdomaininfo> {
    let mut info = domctl(XEN_DOMCTL_getdomaininfo, from)?;
    Ok(core::mem::take(&mut info.u).get())
}

/// The numbers of all domains.
pub fn domains() -> impl Iterator<Item = domid_t> {
    let mut from = Some(0);
    core::iter::from_fn(move || {
        let domain = next_domain(from?).ok()?.domain;
        from = domain.checked_add(1);
        Some(domain)
    })
}

/// Pages that no domain has.
///
/// # Errors
/// The hypervisor's refusal.
pub fn free_pages() -> SysResult<u64> {
    let mut op = xen_sysctl::new_zeroed();
    op.cmd = XEN_SYSCTL_physinfo;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    call(__HYPERVISOR_sysctl, &[], &mut op)?;
    let info: xen_sysctl_physinfo = op.u.get();
    Ok(info.free_pages)
}
