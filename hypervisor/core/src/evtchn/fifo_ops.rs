//! The hypercalls of the FIFO form (event_channel.h).

use hypercall_abi::event_channel::{
    EVTCHN_FIFO_LINK_BITS, EVTCHN_FIFO_PRIORITY_MIN, evtchn_expand_array,
    evtchn_fifo_control_block, evtchn_init_control, evtchn_set_priority,
};

use super::fifo::{self, Fifo};
use super::{Binding, Port, two_level};
use crate::addr::Mfn;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Greatest offset of a control block in its frame.
const LAST_OFFSET: u32 = 4096 - size_of::<evtchn_fifo_control_block>() as u32;

/// `EVTCHNOP_init_control`: a vCPU's control block. The domain's first one makes it use the FIFO
/// form; what was pending then stays pending.
///
/// # Errors
/// `ENOENT` for a vCPU that is not there; `EINVAL` for a misplaced block, one that the vCPU has
/// already, or a frame that is not the guest's to write; `ENOMEM`.
pub(super) fn init_control<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let mut op: evtchn_init_control = copy_in(cx.m(), arg)?;
    op.link_bits = EVTCHN_FIFO_LINK_BITS as u8;
    {
        let mut state = cx.dom.lock();
        let vcpu = super::ops::vcpu_of(&state, op.vcpu)?;
        if op.offset > LAST_OFFSET || !op.offset.is_multiple_of(8) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(fifo) = &state.events.fifo
            && fifo.has_block(vcpu)
        {
            return Err(Errno::EINVAL.into());
        }
        let mfn = Mfn(op.control_gfn);
        hold(cx.hv, cx.dom, mfn)?;
        if state.events.fifo.is_none() {
            begin(cx.hv, &mut state).inspect_err(|_| cx.hv.page_put_writable(mfn))?;
        }
        if let Some(fifo) = state.events.fifo.as_mut() {
            fifo.set_block(vcpu, mfn, op.offset as u16);
        }
    }
    copy_out(cx.m(), arg, &op)?;
    Ok(0)
}

/// Takes a writable use of a frame of the guest's.
fn hold<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, mfn: Mfn) -> Result<()> {
    hv.page_get_writable(dom, mfn).map_err(|_| Errno::EINVAL)
}

/// Switches to the FIFO form. No port has a word yet: those pending are remembered.
fn begin<M: Machine>(hv: &Hypervisor<M>, state: &mut DomainState) -> Result<()> {
    let fifo = Fifo::new()?;
    for (first, mut word) in two_level::pending_words(hv, state.shared_info) {
        while word != 0 {
            let port = first + word.trailing_zeros();
            word &= word - 1;
            match state.events.get_mut(port) {
                Some(channel) if channel.binding != Binding::Free => channel.held = true,
                _ => {}
            }
        }
    }
    state.events.fifo = Some(fifo);
    Ok(())
}

/// `EVTCHNOP_expand_array`: words for the next 1024 ports. Those of them that wait become pending,
/// in as many runs as that takes.
///
/// # Errors
/// `EOPNOTSUPP` in the two-level form; `ENOSPC` when there is a word for every port; `EINVAL` for a
/// frame that is not the guest's to write.
pub(super) fn expand_array<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let op: evtchn_expand_array = copy_in(cx.m(), arg)?;
    let mfn = Mfn(op.array_gfn);
    let mut state = cx.dom.lock();
    let fifo = state.events.fifo.as_mut().ok_or(Errno::EOPNOTSUPP)?;
    // The frame whose ports are being seen to is not a new one: the call goes on.
    if fifo.unseen_frame() != Some(mfn) {
        if fifo.is_full() {
            return Err(Errno::ENOSPC.into());
        }
        hold(cx.hv, cx.dom, mfn)?;
        fifo.push(mfn);
    }
    while let Some(port) = next_unseen(&mut state) {
        if !cx.budget.take(1) {
            return Err(Stop::Retry);
        }
        see_to(cx.hv, cx.dom, &mut state, port);
    }
    Ok(0)
}

/// The next port to see to; those that do not exist do not wait.
fn next_unseen(state: &mut DomainState) -> Option<Port> {
    let ports = state.events.len();
    let fifo = state.events.fifo.as_mut()?;
    if fifo.seen < fifo.ports().min(ports) {
        return Some(fifo.seen);
    }
    fifo.seen = fifo.ports();
    None
}

/// A port that has a word now.
fn see_to<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, state: &mut DomainState, port: Port) {
    if let Some(fifo) = state.events.fifo.as_mut() {
        fifo.seen = port + 1;
    }
    let waited = state
        .events
        .get_mut(port)
        .is_some_and(|channel| core::mem::take(&mut channel.held));
    if waited {
        fifo::set_pending(hv, dom, state, port);
    }
}

/// `EVTCHNOP_set_priority`: the queue that a port goes into from now on.
///
/// # Errors
/// `ENOSYS` in the two-level form; `EINVAL` for a port that does not exist or a queue beyond the
/// last.
pub(super) fn set_priority<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let op: evtchn_set_priority = copy_in(cx.m(), arg)?;
    let mut state = cx.dom.lock();
    state.events.get(op.port)?;
    if state.events.fifo.is_none() {
        return Err(Errno::ENOSYS.into());
    }
    if op.priority > EVTCHN_FIFO_PRIORITY_MIN {
        return Err(Errno::EINVAL.into());
    }
    if let Some(channel) = state.events.get_mut(op.port) {
        channel.priority = op.priority as u8;
    }
    Ok(0)
}
