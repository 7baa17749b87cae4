//! The door: what a toolstack process of dom0 may ask of the hypervisor, and drivers among the
//! processes of any domain.

use super::{deadline, ports, with_space};
use crate::boot_info;
use crate::dev::event;
use crate::hypercall::raw;
use crate::mm::user;
use crate::task::{self, Wait};
use core::mem::offset_of;
use guest_user::abi::{Errno, USER_END, result};
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;

/// The most frames one mapping has: 64 MiB.
const FRAMES_MAX: u64 = 16_384;

/// Calls that a process may make; everything else would change this kernel's own state.
const ALLOWED: [u64; 10] = [
    __HYPERVISOR_mmu_update,
    __HYPERVISOR_memory_op,
    __HYPERVISOR_xen_version,
    __HYPERVISOR_console_io,
    __HYPERVISOR_mmuext_op,
    __HYPERVISOR_sched_op,
    __HYPERVISOR_event_channel_op,
    __HYPERVISOR_physdev_op,
    __HYPERVISOR_sysctl,
    __HYPERVISOR_domctl,
];

/// Those of them that processes of other domains than dom0 may make.
const ALLOWED_TO_ALL: [u64; 3] = [
    __HYPERVISOR_xen_version,
    __HYPERVISOR_event_channel_op,
    __HYPERVISOR_physdev_op,
];

/// What drivers ask of physdev_op: which interrupts there are. The rest is this kernel's own state.
const PHYSDEV_ALLOWED: [u32; 8] = [
    PHYSDEVOP_irq_status_query,
    PHYSDEVOP_eoi,
    PHYSDEVOP_map_pirq,
    PHYSDEVOP_unmap_pirq,
    PHYSDEVOP_setup_gsi,
    PHYSDEVOP_pci_device_add,
    PHYSDEVOP_pci_device_remove,
    PHYSDEVOP_restore_msi_ext,
];

/// What a call of event_channel_op changes about whose a port is.
enum Change {
    None,
    /// It binds a port of this domain, whose number is then at this address.
    Binds(u64),
    Closes(u32),
}

fn read_half<const N: usize>(at: u64) -> Result<[u8; N], Errno> {
    let bytes = user::read(at, N as u64)?;
    bytes.try_into().map_err(|_| Errno::EFAULT)
}

/// Keeps the ports of others out of reach.
#[expect(
    non_upper_case_globals,
    reason = "operations have the names of the public header"
)]
fn check_event_op(op: u64, arg: u64) -> Result<Change, Errno> {
    let op = u32::try_from(op).map_err(|_| Errno::ENOSYS)?;
    let at = |offset: usize| Ok(Change::Binds(arg.wrapping_add(offset as u64)));
    match op {
        EVTCHNOP_reset => Err(Errno::EPERM),
        EVTCHNOP_close | EVTCHNOP_unmask => {
            let port = u32::from_le_bytes(read_half(arg)?);
            ports::check(port)?;
            if op == EVTCHNOP_unmask {
                return Ok(Change::None);
            }
            Ok(Change::Closes(port))
        }
        EVTCHNOP_alloc_unbound => {
            let dom = u16::from_le_bytes(read_half(arg)?);
            if dom != DOMID_SELF && dom != event::own_domid()? {
                return Ok(Change::None);
            }
            at(offset_of!(evtchn_alloc_unbound, port))
        }
        EVTCHNOP_bind_interdomain => at(offset_of!(evtchn_bind_interdomain, local_port)),
        EVTCHNOP_bind_virq => at(offset_of!(evtchn_bind_virq, port)),
        EVTCHNOP_bind_ipi => at(offset_of!(evtchn_bind_ipi, port)),
        EVTCHNOP_bind_pirq => at(offset_of!(evtchn_bind_pirq, port)),
        _ => Ok(Change::None),
    }
}

/// Passes a hypercall of the allow-list through.
///
/// An argument that is an address is one in the process's half: an argument in the kernel's half
/// is refused, so that the hypervisor reads and writes process memory only. Addresses inside the
/// structures are the toolstack's own business: it has the power to manage the whole machine.
pub(super) fn hypercall(nr: u64, args: [u64; 5]) -> Result<u64, Errno> {
    let allowed = match boot_info().is_dom0() {
        true => &ALLOWED[..],
        false => &ALLOWED_TO_ALL,
    };
    if !allowed.contains(&nr) {
        return Err(Errno::EPERM);
    }
    if nr == __HYPERVISOR_physdev_op && !PHYSDEV_ALLOWED.iter().any(|&op| args[0] == op.into()) {
        return Err(Errno::EPERM);
    }
    if args
        .iter()
        .any(|&arg| (USER_END..1 << 63).contains(&arg) || is_kernel_half(arg))
    {
        return Err(Errno::EFAULT);
    }
    let mut change = Change::None;
    if nr == __HYPERVISOR_event_channel_op {
        change = check_event_op(args[0], args[1])?;
    }
    // SAFETY: the call is one of the allow-list, its addresses are the process's. What a
    // toolstack does to domains, its own included, is what dom0 trusts it with.
    let value = result(unsafe { raw(nr, args) })?;
    match change {
        Change::None => {}
        // The hypervisor has just written it, so it can be read.
        Change::Binds(at) => ports::bound(u32::from_le_bytes(read_half(at)?)),
        Change::Closes(port) => ports::closed(port),
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

/// Has the events of a port that the process bound come through.
pub(super) fn open_port(port: u32) -> Result<(), Errno> {
    ports::check(port)?;
    event::open(port)
}

/// Waits for an event on a port that the process bound.
pub(super) fn evtchn_wait(port: u64, timeout: u64) -> Result<u64, Errno> {
    let port = u32::try_from(port).map_err(|_| Errno::EINVAL)?;
    ports::check(port)?;
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
