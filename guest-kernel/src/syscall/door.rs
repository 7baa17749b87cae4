//! The privileged door: what a toolstack process of dom0 may ask of the hypervisor.

use super::{deadline, with_space};
use crate::dev::event;
use crate::hypercall::raw;
use crate::mm::user;
use crate::task::{self, Wait};
use guest_user::abi::{Errno, USER_END, result};
use hypercall_abi::event_channel::{EVTCHNOP_close, EVTCHNOP_reset, EVTCHNOP_unmask, evtchn_close};
use hypercall_abi::xen::*;
use zerocopy::FromBytes;

/// The most frames one mapping has: 64 MiB.
const FRAMES_MAX: u64 = 16_384;

/// Calls that a process may make; everything else would change this kernel's own state.
const ALLOWED: [u64; 9] = [
    __HYPERVISOR_mmu_update,
    __HYPERVISOR_memory_op,
    __HYPERVISOR_xen_version,
    __HYPERVISOR_console_io,
    __HYPERVISOR_mmuext_op,
    __HYPERVISOR_sched_op,
    __HYPERVISOR_event_channel_op,
    __HYPERVISOR_sysctl,
    __HYPERVISOR_domctl,
];

/// Keeps the kernel's own ports out of reach; returns the port that a close names.
fn check_event_op(op: u64, arg: u64) -> Result<Option<u32>, Errno> {
    if op == u64::from(EVTCHNOP_reset) {
        return Err(Errno::EPERM);
    }
    if op != u64::from(EVTCHNOP_close) && op != u64::from(EVTCHNOP_unmask) {
        return Ok(None);
    }
    let bytes = user::read(arg, size_of::<evtchn_close>() as u64)?;
    let close = evtchn_close::read_from_bytes(&bytes).map_err(|_| Errno::EFAULT)?;
    if event::is_kernels(close.port) {
        return Err(Errno::EPERM);
    }
    Ok((op == u64::from(EVTCHNOP_close)).then_some(close.port))
}

/// Passes a hypercall of the allow-list through.
///
/// An argument that is an address is one in the process's half: an argument in the kernel's half
/// is refused, so that the hypervisor reads and writes process memory only. Addresses inside the
/// structures are the toolstack's own business: it has the power to manage the whole machine.
pub(super) fn hypercall(nr: u64, args: [u64; 5]) -> Result<u64, Errno> {
    if !ALLOWED.contains(&nr) {
        return Err(Errno::EPERM);
    }
    if args
        .iter()
        .any(|&arg| (USER_END..1 << 63).contains(&arg) || is_kernel_half(arg))
    {
        return Err(Errno::EFAULT);
    }
    let mut closing = None;
    if nr == __HYPERVISOR_event_channel_op {
        closing = check_event_op(args[0], args[1])?;
    }
    // SAFETY: the call is one of the allow-list, its addresses are the process's. What a
    // toolstack does to domains, its own included, is what dom0 trusts it with.
    let value = result(unsafe { raw(nr, args) })?;
    if let Some(port) = closing {
        event::forget(port);
    }
    Ok(value)
}

/// Whether a value is an address in the kernel half; small negative numbers are not.
fn is_kernel_half(value: u64) -> bool {
    (0xffff_8000_0000_0000..0xffff_ffff_ffff_f000).contains(&value)
}

/// Maps frames of a domain into the process.
pub(super) fn map_foreign(domid: u64, mfns: u64, count: u64, writable: u64) -> Result<u64, Errno> {
    let domid = u16::try_from(domid).map_err(|_| Errno::EINVAL)?;
    if count == 0 || count > FRAMES_MAX || writable > 1 {
        return Err(Errno::EINVAL);
    }
    let bytes = user::read(mfns, count * 8)?;
    let mut list = alloc::vec::Vec::new();
    list.try_reserve_exact(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    list.extend(
        bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| u64::from_le_bytes(*b)),
    );
    // A frame number with bits outside an entry's frame field would change the entry's rights.
    if list.iter().any(|&mfn| mfn >= 1 << 40) {
        return Err(Errno::EINVAL);
    }
    with_space(|space| space.map_foreign(domid, &list, writable == 1))
}

/// Waits for an event on a port that the process bound.
pub(super) fn evtchn_wait(port: u64, timeout: u64) -> Result<u64, Errno> {
    let port = u32::try_from(port).map_err(|_| Errno::EINVAL)?;
    let until = deadline(timeout);
    loop {
        if event::take_latched(port)? {
            return Ok(0);
        }
        if timeout == 0 || task::block(Wait::Port(port), until)? {
            // The event may have come with the deadline.
            return if event::take_latched(port)? {
                Ok(0)
            } else {
                Err(Errno::ETIMEDOUT)
            };
        }
    }
}
