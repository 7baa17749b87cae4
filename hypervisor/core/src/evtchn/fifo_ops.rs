//! The hypercalls of the FIFO form (event_channel.h).

use hypercall_abi::event_channel::{
    EVTCHN_2L_NR_CHANNELS, EVTCHN_FIFO_LINK_BITS, EVTCHN_FIFO_PRIORITY_MIN, evtchn_expand_array,
    evtchn_fifo_control_block, evtchn_init_control, evtchn_set_priority,
};

use super::fifo::Fifo;
use super::table::Target;
use super::{Binding, Port, looking, pending, two_level};
use crate::addr::Mfn;
use crate::domain::{Domain, DomainState};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::{Budget, Cx};
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
            begin(cx.hv, &mut state, cx.dom.id(), &mut cx.budget)
                .inspect_err(|_| cx.hv.page_put_writable(mfn))?;
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

/// How far a change to the FIFO form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Ports from this one on are still led to by a target.
    Hide(Port),
    /// Ports from this one on may have been pending in the two-level form.
    Keep(Port),
}

/// Ports of a word of the two-level form.
const WORD: Port = 64;

/// Switches to the FIFO form, in as many runs as that takes. No port has a word yet: those pending
/// are remembered.
fn begin<M: Machine>(
    hv: &Hypervisor<M>,
    state: &mut DomainState,
    id: u16,
    budget: &mut Budget,
) -> Result<(), Stop> {
    loop {
        let next = match state.events.changing.unwrap_or(Change::Hide(0)) {
            Change::Hide(port) if state.events.is_valid(port) => {
                spend(budget, 1)?;
                hide(hv, state, id, port);
                Change::Hide(port + 1)
            }
            Change::Hide(_) => {
                // Nobody finds the bits of the two-level form any more, and who did has set his.
                state.events.root.set_page(hv.machine, None);
                looking::wait_for_all(hv);
                Change::Keep(0)
            }
            Change::Keep(first) if first < EVTCHN_2L_NR_CHANNELS as Port => {
                let pending = two_level::pending_word(hv, state.shared_info, first);
                spend(budget, 1 + pending.count_ones())?;
                keep(hv, state, first, pending);
                Change::Keep(first + WORD)
            }
            Change::Keep(_) => {
                state.events.fifo = Some(Fifo::new()?);
                state.events.changing = None;
                return Ok(());
            }
        };
        state.events.changing = Some(next);
    }
}

fn spend(budget: &mut Budget, units: u32) -> Result<(), Stop> {
    if budget.take(units) {
        Ok(())
    } else {
        Err(Stop::Retry)
    }
}

/// Remembers which ports of a word were pending.
fn keep<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, first: Port, mut pending: u64) {
    while pending != 0 {
        let port = first + pending.trailing_zeros();
        pending &= pending - 1;
        state.events.change(hv.machine, port, |channel| {
            channel.held = channel.binding != Binding::Free;
        });
    }
}

/// Whoever sends to `port` has to look at its channel from now on.
fn hide<M: Machine>(hv: &Hypervisor<M>, state: &DomainState, id: u16, port: Port) {
    let (m, own) = (hv.machine, state.events.root);
    let Some(channel) = own.channel(m, port) else {
        return;
    };
    match channel.binding {
        Binding::Ipi => own.set_target(m, port, Target::NONE),
        Binding::Interdomain { remote, port } if remote == id => {
            own.set_target(m, port, Target::NONE);
        }
        // While the pair holds, which is as long as this domain is locked, so does the other domain.
        Binding::Interdomain { remote, port } => {
            let other = hv.domains.slot(remote);
            other.senders.root().set_target(m, port, Target::NONE);
        }
        _ => {}
    }
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
    let channel = state.events.get(hv.machine, port);
    if channel.is_ok_and(|channel| channel.held) {
        (state.events).change(hv.machine, port, |channel| channel.held = false);
        pending::set(hv, dom, state, port);
    }
}

/// `EVTCHNOP_set_priority`: the queue that a port goes into from now on.
///
/// # Errors
/// `EINVAL` for a port that does not exist; `ENOSYS` in the two-level form; `EACCES` for a port that
/// is nobody's; `EINVAL` for a queue beyond the last.
pub(super) fn set_priority<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let op: evtchn_set_priority = copy_in(cx.m(), arg)?;
    let state = cx.dom.lock();
    let channel = state.events.get(cx.m(), op.port)?;
    if state.events.fifo.is_none() {
        return Err(Errno::ENOSYS.into());
    }
    if matches!(channel.binding, Binding::Free | Binding::Reserved) {
        return Err(Errno::EACCES.into());
    }
    if op.priority > EVTCHN_FIFO_PRIORITY_MIN {
        return Err(Errno::EINVAL.into());
    }
    state.events.change(cx.m(), op.port, |channel| {
        channel.priority = op.priority as u8;
    });
    Ok(0)
}
