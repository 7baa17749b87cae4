//! The event_channel_op hypercall (event_channel.h).

use hypercall_abi::Union;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::NR_VIRQS;

use super::close::{close, close_all};
use super::looking::Looking;
use super::pending::{self, News};
use super::{Binding, Port, fifo_ops, two_level, virq};
use crate::domain::lifecycle::Progress;
use crate::domain::{DOMID_SELF, Domain, DomainState, Phase, lock_pair};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::pirq;
use crate::platform::Machine;

/// What real Xen calls a reset that goes on; there is none under way when a guest says so.
const RESET_GOES_ON: u32 = 14;

/// `HYPERVISOR_event_channel_op(cmd, arg)`.
///
/// # Errors
/// As each operation's in event_channel.h; `ENOSYS` for an unknown one.
#[inline(always)]
pub fn event_channel_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        EVTCHNOP_send => {
            let op: evtchn_send = copy_in(cx.m(), arg)?;
            send(cx, op.port)?;
        }
        EVTCHNOP_unmask => {
            let op: evtchn_unmask = copy_in(cx.m(), arg)?;
            unmask(cx, op.port)?;
        }
        _ => return other(cx, cmd, arg),
    }
    Ok(0)
}

/// The operations that are not on anybody's hot path.
#[inline(never)]
fn other<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        EVTCHNOP_status => status(cx, arg)?,
        EVTCHNOP_alloc_unbound => alloc_unbound(cx, arg)?,
        EVTCHNOP_bind_interdomain => bind_interdomain(cx, arg)?,
        EVTCHNOP_bind_virq => bind_virq(cx, arg)?,
        EVTCHNOP_bind_ipi => bind_ipi(cx, arg)?,
        EVTCHNOP_bind_pirq => bind_pirq(cx, arg)?,
        EVTCHNOP_bind_vcpu => bind_vcpu(cx, arg)?,
        EVTCHNOP_close => {
            let op: evtchn_close = copy_in(cx.m(), arg)?;
            close(cx.hv, cx.dom, op.port)?;
        }
        EVTCHNOP_reset => return reset(cx, arg),
        EVTCHNOP_init_control => return fifo_ops::init_control(cx, arg),
        EVTCHNOP_expand_array => return fifo_ops::expand_array(cx, arg),
        EVTCHNOP_set_priority => return fifo_ops::set_priority(cx, arg),
        RESET_GOES_ON => {
            let op: evtchn_reset = copy_in(cx.m(), arg)?;
            named(cx, op.dom)?;
            return Err(Errno::EBUSY.into());
        }
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
}

/// The domain that a guest names, itself included.
fn named<'a, M: Machine>(cx: &Cx<'a, M>, id: u16) -> Result<&'a Domain> {
    if id == DOMID_SELF {
        Ok(cx.dom)
    } else {
        cx.hv.domains.find(id)
    }
}

/// Refuses a domain that acts on another without being privileged.
fn allow<M: Machine>(cx: &Cx<'_, M>, dom: &Domain) -> Result<()> {
    if dom.slot == cx.dom.slot || cx.dom.is_privileged() {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// The lowest free port of a domain that may still get one; it stays free until it is
/// [bound](super::EventChannels::bind). One that its last user left in a queue of the FIFO form is
/// passed over.
fn free_port<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
) -> Result<Port> {
    if dom.phase() == Phase::Dying {
        return Err(Errno::EINVAL);
    }
    let (m, events) = (hv.machine, &mut state.events);
    events.first_free = events.next_free(m, events.first_free);
    let mut port = events.first_free;
    for _ in 0..MOST_PASSED_OVER {
        events.provide(hv, port)?;
        match &events.fifo {
            Some(fifo) if fifo.is_linked(hv, port) => port = events.next_free(m, port + 1),
            _ => return Ok(port),
        }
    }
    Err(Errno::EBUSY)
}

/// A guest that leaves more free ports than this in its queues is told to see to them first.
const MOST_PASSED_OVER: u32 = 512;

pub(super) fn send<M: Machine>(cx: &mut Cx<'_, M>, port: Port) -> Result<()> {
    let (hv, dom) = (cx.hv, cx.dom);
    let looking = Looking::begin(hv.machine, u64::from(EVTCHNOP_send));
    let root = dom.senders.root();
    let channel = root.channel(hv.machine, port).ok_or(Errno::EINVAL)?;
    let (other, there, leads_here) = match channel.binding {
        Binding::Interdomain { remote, port: far } => {
            let back = Binding::Interdomain {
                remote: dom.id(),
                port,
            };
            (hv.domains.slot(remote), far, back)
        }
        Binding::Ipi => (dom, port, Binding::Ipi),
        // Nobody is there to hear it yet; whoever binds finds the port pending.
        Binding::Unbound { .. } => return Ok(()),
        _ => return Err(Errno::EINVAL),
    };
    if let Some(page) = other.senders.root().page(hv.machine) {
        finish(hv, looking, other, there, |hv| {
            two_level::raise(hv, other, page, there).unwrap_or_default()
        });
        return Ok(());
    }
    drop(looking);
    let mut state = other.lock();
    // The pair may have come apart before the lock was taken: then there is nobody to notify.
    if let Ok(channel) = state.events.get(hv.machine, there)
        && channel.binding == leads_here
    {
        pending::set(hv, other, &mut state, there);
    }
    Ok(())
}

/// Does to a port of `other` what needs no lock, and, having looked, what does.
#[inline]
pub(super) fn finish<M: Machine>(
    hv: &Hypervisor<M>,
    looking: Looking<'_, M>,
    other: &Domain,
    port: Port,
    change: impl FnOnce(&Hypervisor<M>) -> News,
) {
    let generation = other.generation();
    let news = change(hv);
    drop(looking);
    if !news.is_none() {
        let mut state = other.lock();
        if other.generation() == generation {
            news.spread(hv, other, &mut state, port);
        }
    }
}

fn unmask<M: Machine>(cx: &mut Cx<'_, M>, port: Port) -> Result<()> {
    let (hv, dom) = (cx.hv, cx.dom);
    let mut state = dom.lock();
    state.events.get(hv.machine, port)?;
    pending::unmask(hv, dom, &mut state, port);
    Ok(())
}

fn status<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_status = copy_in(cx.m(), arg)?;
    let dom = named(cx, op.dom)?;
    let channel = dom.lock().events.get(cx.m(), op.port)?;
    allow(cx, dom)?;
    op.vcpu = u32::from(channel.vcpu);
    op.status = match channel.binding {
        Binding::Free | Binding::Reserved => EVTCHNSTAT_closed,
        Binding::Unbound { remote } => {
            op.u.set(evtchn_status_unbound { dom: remote });
            EVTCHNSTAT_unbound
        }
        Binding::Interdomain { remote, port } => {
            op.u = Union::new(evtchn_status_interdomain {
                dom: remote,
                _pad0: [0; 2],
                port,
            });
            EVTCHNSTAT_interdomain
        }
        Binding::Virq(virq) => {
            op.u.set(virq);
            EVTCHNSTAT_virq
        }
        Binding::Pirq(pirq) => {
            op.u.set(pirq);
            EVTCHNSTAT_pirq
        }
        Binding::Ipi => EVTCHNSTAT_ipi,
    };
    copy_out(cx.m(), arg, &op)
}

// The operations that follow answer a port. As on real Xen, a port whose number cannot be written
// back stays bound: the caller gets EFAULT and can find and close it.

fn alloc_unbound<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_alloc_unbound = copy_in(cx.m(), arg)?;
    let dom = named(cx, op.dom)?;
    allow(cx, dom)?;
    op.port = alloc_unbound_in(cx, dom, op.remote_dom)?;
    copy_out(cx.m(), arg, &op)
}

pub(super) fn alloc_unbound_in<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    remote: u16,
) -> Result<Port> {
    let remote = if remote == DOMID_SELF {
        cx.dom.id()
    } else {
        remote
    };
    let mut state = dom.lock();
    let port = free_port(cx.hv, dom, &mut state)?;
    let binding = Binding::Unbound { remote };
    state.events.bind(cx.m(), port, binding, 0);
    Ok(port)
}

fn bind_interdomain<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_bind_interdomain = copy_in(cx.m(), arg)?;
    op.local_port = bind_pair(cx, op.remote_dom, op.remote_port)?;
    copy_out(cx.m(), arg, &op)
}

pub(super) fn bind_pair<M: Machine>(
    cx: &Cx<'_, M>,
    remote: u16,
    remote_port: Port,
) -> Result<Port> {
    let (hv, dom) = (cx.hv, cx.dom);
    let other = named(cx, remote)?;
    let (mut state, mut other_state) = lock_pair(dom, other);
    let local = free_port(hv, dom, &mut state)?;
    {
        let there = other_state.as_deref_mut().unwrap_or(&mut state);
        let waiting = there.events.get(hv.machine, remote_port)?.binding;
        if waiting != (Binding::Unbound { remote: dom.id() }) || other.phase() != Phase::Alive {
            return Err(Errno::EINVAL);
        }
        let binding = Binding::Interdomain {
            remote: dom.id(),
            port: local,
        };
        there.events.rebind(hv.machine, remote_port, binding);
    }
    let binding = Binding::Interdomain {
        remote: other.id(),
        port: remote_port,
    };
    state.events.bind(hv.machine, local, binding, 0);
    // Both ends are what they shall be: from here on each is found by who sends to it.
    let there = other_state.as_deref().unwrap_or(&state);
    let target = there.events.target(hv.machine, remote_port);
    state.events.root.set_target(hv.machine, local, target);
    let target = state.events.target(hv.machine, local);
    there
        .events
        .root
        .set_target(hv.machine, remote_port, target);
    drop(other_state);
    // The other side may have sent before there was anybody to hear it.
    pending::set(hv, dom, &mut state, local);
    Ok(local)
}

/// The index of a vCPU that a guest names.
pub(super) fn vcpu_of(state: &DomainState, vcpu: u32) -> Result<u16> {
    if vcpu as usize >= state.vcpus.len() {
        return Err(Errno::ENOENT);
    }
    Ok(crate::addr::clamp_index(vcpu as usize, state.vcpus.len()) as u16)
}

fn bind_virq<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_bind_virq = copy_in(cx.m(), arg)?;
    if op.virq >= NR_VIRQS || (virq::is_global(op.virq) && op.vcpu != 0) {
        return Err(Errno::EINVAL);
    }
    let slot = crate::addr::clamp_index(op.virq as usize, NR_VIRQS as usize);
    {
        let mut state = cx.dom.lock();
        let vcpu = vcpu_of(&state, op.vcpu)?;
        let bound =
            |state: &DomainState| Some(*state.vcpus.get(usize::from(vcpu))?.virqs.get(slot)?);
        if bound(&state) != Some(0) {
            return Err(Errno::EEXIST);
        }
        op.port = free_port(cx.hv, cx.dom, &mut state)?;
        let binding = Binding::Virq(op.virq);
        state.events.bind(cx.m(), op.port, binding, vcpu);
        if let Some(shared) = state.vcpus.get_mut(usize::from(vcpu)) {
            shared.virqs[slot] = op.port;
        }
    }
    copy_out(cx.m(), arg, &op)
}

fn bind_ipi<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_bind_ipi = copy_in(cx.m(), arg)?;
    {
        let mut state = cx.dom.lock();
        let vcpu = vcpu_of(&state, op.vcpu)?;
        op.port = free_port(cx.hv, cx.dom, &mut state)?;
        let m = cx.m();
        state.events.bind(m, op.port, Binding::Ipi, vcpu);
        let target = state.events.target(m, op.port);
        state.events.root.set_target(m, op.port, target);
    }
    copy_out(cx.m(), arg, &op)
}

/// No line is shared by several domains, which would wait for each other: the flags mean nothing.
fn bind_pirq<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: evtchn_bind_pirq = copy_in(cx.m(), arg)?;
    {
        let (hv, dom) = (cx.hv, cx.dom);
        let mut state = dom.lock();
        let pirq = (op.pirq, op.flags & BIND_PIRQ__WILL_SHARE != 0);
        pirq::bindable(hv, dom, &state, pirq)?;
        op.port = free_port(hv, dom, &mut state)?;
        pirq::bind(hv, dom, &mut state, pirq, op.port)?;
        let binding = Binding::Pirq(op.pirq);
        state.events.bind(hv.machine, op.port, binding, 0);
    }
    copy_out(cx.m(), arg, &op)
}

fn bind_vcpu<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: evtchn_bind_vcpu = copy_in(cx.m(), arg)?;
    let mut state = cx.dom.lock();
    let vcpu = vcpu_of(&state, op.vcpu)?;
    let binding = state.events.get(cx.m(), op.port)?.binding;
    match binding {
        Binding::Unbound { .. } | Binding::Interdomain { .. } | Binding::Pirq(_) => {}
        Binding::Virq(virq) if virq::is_global(virq) => {}
        _ => return Err(Errno::EINVAL),
    }
    state.events.bind(cx.m(), op.port, binding, vcpu);
    Ok(())
}

/// Closes all ports of a domain; of another one only while the toolstack has paused it.
fn reset<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    let op: evtchn_reset = copy_in(cx.m(), arg)?;
    let dom = named(cx, op.dom)?;
    allow(cx, dom)?;
    let paused = dom.pauses.load(core::sync::atomic::Ordering::Relaxed) != 0;
    if dom.slot != cx.dom.slot && !paused {
        return Err(Errno::EINVAL.into());
    }
    match close_all(cx.hv, dom, &mut cx.budget) {
        Progress::Done => Ok(0),
        Progress::More => Err(Stop::Retry),
    }
}
