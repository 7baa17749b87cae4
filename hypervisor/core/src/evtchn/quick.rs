//! The operations that guests make all the time, in their usual form: on one of the first ports, with
//! the argument in the upper half of the address space. Where one of these says no, nothing has
//! changed, and the general way finds out why.

use core::hint::cold_path;

use hypercall_abi::event_channel::{
    EVTCHNOP_send, EVTCHNOP_status, EVTCHNOP_unmask, EVTCHNSTAT_ipi, evtchn_status,
};
use hypercall_abi::xen::DOMID_SELF;

use super::looking::Looking;
use super::table::{self, PORTS_PER_TABLE, Target};
use super::{Port, ops, two_level};
use crate::addr::{HYPERVISOR_END, Mfn};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// A port that is none.
const NONE: Port = Port::MAX;
/// Ports whose words are at hand.
const FIRST_PORTS: u64 = PORTS_PER_TABLE as u64;

/// Runs an event-channel operation of the running vCPU if that is quickly done; its result is 0 then.
#[inline(always)]
pub(crate) fn event_channel_op<'a, M: Machine>(
    m: &M,
    hv: impl Fn() -> &'a Hypervisor<M>,
    [cmd, arg, ..]: [u64; 6],
) -> bool {
    // Whatever follows an address of the upper half that is a guest's is a guest's as well.
    if arg < HYPERVISOR_END {
        cold_path();
        return false;
    }
    if cmd as u32 == EVTCHNOP_send {
        return send(m, hv, cmd, m.read_guest_u32_or(arg, NONE));
    }
    cold_path();
    if cmd as u32 == EVTCHNOP_unmask {
        return unmask(m, hv, m.read_guest_u32_or(arg, NONE));
    }
    cold_path();
    cmd as u32 == EVTCHNOP_status && status(m, arg)
}

#[inline(always)]
pub(super) fn send<'a, M: Machine>(
    m: &M,
    hv: impl Fn() -> &'a Hypervisor<M>,
    cmd: u64,
    port: u64,
) -> bool {
    if port >= FIRST_PORTS {
        cold_path();
        return false;
    }
    let looking = Looking::begin(m, cmd);
    let target = table::own_target(m, port);
    if target.is_none() {
        cold_path();
        return false;
    }
    let (page, bit) = target.place();
    if !m.set_bit(page, bit) && !tell_itself(m, target, port) {
        cold_path();
        became_pending(hv(), looking, target);
    }
    true
}

/// Tells the running vCPU of a port, which became pending, if that is for events to itself; it sees the
/// flag on its way out. False, and nothing has changed, if there is more to do.
#[inline(always)]
fn tell_itself<M: Machine>(m: &M, target: Target, port: u64) -> bool {
    if !table::own_notifies_itself(m, port) || table::own_polls(m) {
        return false;
    }
    let (page, bit) = target.place();
    two_level::is_masked(m, page, bit) || m.mark_own_upcall(two_level::selector(port as Port))
}

/// The bit of a port was set: tells its domain.
#[inline(never)]
fn became_pending<M: Machine>(hv: &Hypervisor<M>, looking: Looking<'_, M>, target: Target) {
    let (page, bit) = target.place();
    // The sender's own port may be closed by now, but not yet be another's: the page is still that
    // of the domain which the event went to.
    let Some(slot) = hv.frames.owner(page).slot() else {
        return;
    };
    let other = hv.domains.slot(slot);
    let port = two_level::port_of(bit);
    ops::finish(hv, looking, other, port, |hv| {
        two_level::tell(hv, other, page, port)
    });
}

#[inline(always)]
fn unmask<'a, M: Machine>(m: &M, hv: impl Fn() -> &'a Hypervisor<M>, port: u64) -> bool {
    if port >= FIRST_PORTS || !table::own_exists(m, port) {
        return false;
    }
    let Some(page) = table::own_page(m) else {
        return false;
    };
    if two_level::unmask(m, page, port as Port) {
        became_unmasked(hv(), page, port as Port);
    }
    true
}

/// A port of the running vCPU's domain that is pending was unmasked.
#[inline(never)]
fn became_unmasked<M: Machine>(hv: &Hypervisor<M>, page: Mfn, port: Port) {
    let looking = Looking::begin(hv.machine, u64::from(EVTCHNOP_unmask));
    let Some(slot) = hv.frames.owner(page).slot() else {
        return;
    };
    let dom = hv.domains.slot(slot);
    ops::finish(hv, looking, dom, port, |hv| {
        two_level::select(hv, dom, port)
    });
}

/// Of an own port for events between vCPUs, which is said in one word.
#[inline(always)]
fn status<M: Machine>(m: &M, arg: u64) -> bool {
    let Ok(asked) = m.read_guest_u64(arg) else {
        return false;
    };
    let port = asked >> 32;
    if asked as u16 != DOMID_SELF || port >= FIRST_PORTS {
        return false;
    }
    let Some(vcpu) = table::own_ipi(m, port) else {
        return false;
    };
    let answer = u64::from(EVTCHNSTAT_ipi) | u64::from(vcpu) << 32;
    m.write_guest_u64(arg.wrapping_add(STATUS), answer).is_ok()
}

const STATUS: u64 = core::mem::offset_of!(evtchn_status, status) as u64;
const _: () = assert!(core::mem::offset_of!(evtchn_status, port) == 4);
const _: () = assert!(core::mem::offset_of!(evtchn_status, vcpu) as u64 == STATUS + 4);
const _: () = assert!(PORTS_PER_TABLE.is_power_of_two());
