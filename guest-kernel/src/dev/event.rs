//! Event channels: who handles which port, and the scan of an upcall, in the two-level form unless
//! the other one ([`super::fifo`]) is in force.

use super::fifo;
use super::shared::{VCPU0, byte, word};
use crate::global::Global;
use crate::hypercall::{self, HvResult};
use alloc::vec::Vec;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::{DOMID_SELF, VIRQ_TIMER, shared_info, vcpu_info};

const PORTS: usize = EVTCHN_2L_NR_CHANNELS;
const WORDS: usize = PORTS / 64;
/// The most ports of the kernel's own.
const HANDLERS: usize = 32;

/// What a port is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handler {
    /// The one-shot timer.
    Timer,
    /// Console input (and, for a ring, room for output).
    Console,
    /// The store's daemon has done something.
    Store,
    /// A ping was answered.
    Ping,
    /// The back end of a disk has done something.
    Disk,
    /// The back end of the network interface has done something.
    Network,
    /// The back end of PCI devices has done something.
    Pci,
}

struct Ports {
    handlers: [Option<(u32, Handler)>; HANDLERS],
    /// Events of ports that the kernel has no handler for: kept for `evtchn_wait`.
    latched: [u64; WORDS],
    /// Which of these words are not 0.
    latched_words: u64,
}
const _: () = assert!(WORDS <= 64);

impl Ports {
    fn latch(&mut self, port: u32) {
        self.latched[port as usize / 64] |= 1 << (port % 64);
        self.latched_words |= 1 << (port / 64);
    }

    fn unlatch(&mut self, port: u32) {
        let word = &mut self.latched[port as usize / 64];
        *word &= !(1 << (port % 64));
        if *word == 0 {
            self.latched_words &= !(1 << (port / 64));
        }
    }
}

static PORTS_STATE: Global<Ports> = Global::new(Ports {
    handlers: [None; HANDLERS],
    latched: [0; WORDS],
    latched_words: 0,
});
static TAKEN: AtomicU64 = AtomicU64::new(0);
/// Ports that other vCPUs than 0 listen to, as the words of a bitmap.
static OTHERS: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

fn mask_word(port: u32) -> (&'static AtomicU64, u64) {
    let offset = offset_of!(shared_info, evtchn_mask) + (port as usize / 64) * 8;
    (word(offset), 1 << (port % 64))
}

/// Masks every port. Upcalls stay masked too, until a process runs or the kernel idles.
pub(crate) fn init() {
    for i in 0..WORDS {
        word(offset_of!(shared_info, evtchn_mask) + i * 8).store(!0, Ordering::SeqCst);
    }
}

/// Leaves a port's events to another vCPU than 0.
pub(crate) fn give_away(port: u32) {
    OTHERS[port as usize / 64].fetch_or(1 << (port % 64), Ordering::SeqCst);
}

/// Takes the event of a port that was given away; false if there is none, or it is masked.
pub(crate) fn take(port: u32) -> bool {
    let (mask, bit) = mask_word(port);
    let pending = word(offset_of!(shared_info, evtchn_pending) + (port as usize / 64) * 8);
    let there = mask.load(Ordering::SeqCst) & bit == 0
        && pending.fetch_and(!bit, Ordering::SeqCst) & bit != 0;
    if there {
        count();
    }
    there
}

/// Lets a port's events through, including one that is already pending.
pub(crate) fn unmask(port: u32) -> HvResult {
    hypercall::event_channel_op(EVTCHNOP_unmask, &mut evtchn_unmask { port })
}

/// Registers the kernel's handler of a port and unmasks it.
pub(crate) fn handle(port: u32, handler: Handler) -> HvResult {
    PORTS_STATE.with(|p| {
        let free = p.handlers.iter_mut().find(|h| h.is_none());
        *free.expect("fewer kernel ports than handler slots") = Some((port, handler));
    });
    unmask(port)
}

/// Takes the kernel's handler from a port, which is masked.
pub(crate) fn unhandle(port: u32) {
    forget(port);
    PORTS_STATE.with(|p| {
        let own = |of: &Option<(u32, Handler)>| of.is_some_and(|(own, _)| own == port);
        p.handlers
            .iter_mut()
            .filter(|of| own(of))
            .for_each(|of| *of = None);
    });
}

/// The port of vCPU 0's timer, which is bound anew if a reset has closed it.
pub(crate) fn timer_port() -> HvResult<u32> {
    let is_timer = |of: &&(u32, Handler)| of.1 == Handler::Timer;
    let port = PORTS_STATE.with(|p| p.handlers.iter().flatten().find(is_timer).map(|of| of.0));
    port.map_or_else(|| bind_virq(VIRQ_TIMER, Handler::Timer), Ok)
}

/// Binds a virtual interrupt of vCPU 0.
pub(crate) fn bind_virq(virq: u32, handler: Handler) -> HvResult<u32> {
    let mut arg = evtchn_bind_virq {
        virq,
        vcpu: 0,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_bind_virq, &mut arg)?;
    handle(arg.port, handler)?;
    Ok(arg.port)
}

/// Whether a port is the kernel's own, which a process must not close.
pub(crate) fn is_kernels(port: u32) -> bool {
    PORTS_STATE.with(|p| p.handlers.iter().flatten().any(|&(own, _)| own == port))
}

/// Has the events of a port that a process bound come through, if they did not.
pub(crate) fn open(port: u32) -> HvResult<()> {
    if port as usize >= PORTS || is_kernels(port) {
        return Err(guest_user::abi::Errno::EINVAL);
    }
    let (mask, bit) = mask_word(port);
    if mask.load(Ordering::SeqCst) & bit != 0 {
        unmask(port)?;
    }
    Ok(())
}

/// Whether an event of a port that was opened waits to be taken.
pub(crate) fn is_latched(port: u32) -> bool {
    let word = PORTS_STATE.with(|p| p.latched.get(port as usize / 64).copied());
    word.is_some_and(|word| word & 1 << (port % 64) != 0)
}

/// Takes the events of at most `most` ports for which `is` holds; the ports.
pub(crate) fn take_all_latched(is: impl Fn(u32) -> bool, most: usize) -> Vec<u32> {
    let mut ports = Vec::new();
    PORTS_STATE.with(|p| {
        let mut words = p.latched_words;
        while words != 0 {
            let i = words.trailing_zeros();
            words &= words - 1;
            let mut word = p.latched[i as usize];
            while word != 0 && ports.len() < most {
                let port = i * 64 + word.trailing_zeros();
                word &= word - 1;
                if is(port) {
                    p.unlatch(port);
                    ports.push(port);
                }
            }
        }
    });
    ports
}

/// Takes a latched event of a port that a process bound.
pub(crate) fn take_latched(port: u32) -> HvResult<bool> {
    open(port)?;
    deliver();
    let latched = is_latched(port);
    if latched {
        PORTS_STATE.with(|p| p.unlatch(port));
    }
    Ok(latched)
}

/// Gives up all of the kernel's own ports, which a reset has closed.
pub(crate) fn forget_own() {
    PORTS_STATE.with(|p| p.handlers = [None; HANDLERS]);
}

/// Forgets a port that was closed: masked, nothing latched.
pub(crate) fn forget(port: u32) {
    fifo::set_masked(port);
    if (port as usize) < PORTS {
        let (mask, bit) = mask_word(port);
        mask.fetch_or(bit, Ordering::SeqCst);
        PORTS_STATE.with(|p| p.unlatch(port));
    }
}

/// An event was taken, on any vCPU.
fn count() {
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

fn dispatch(port: u32) {
    count();
    let handler = PORTS_STATE.with(|p| {
        let mut known = p.handlers.iter().flatten();
        let found = known.find_map(|&(own, handler)| (own == port).then_some(handler));
        if found.is_none() && (port as usize) < PORTS {
            p.latch(port);
        }
        found
    });
    match handler {
        Some(Handler::Timer) => crate::task::timer_fired(),
        Some(Handler::Console) => super::console::event(),
        Some(Handler::Store) => super::store::event(),
        Some(Handler::Ping) => super::store::answered(),
        Some(Handler::Disk) => super::block::event(),
        Some(Handler::Network) => super::net::event(),
        Some(Handler::Pci) => super::pci::event(),
        None => crate::task::wake_port(port),
    }
}

/// Handles everything pending: first the flag, then the selector, then the words, so that an
/// event that comes meanwhile sets the flag again.
pub(crate) fn deliver() {
    let pending_flag = byte(VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending));
    let selector = word(VCPU0 + offset_of!(vcpu_info, evtchn_pending_sel));
    while pending_flag.swap(0, Ordering::SeqCst) != 0 {
        if fifo::is_in_force() {
            fifo::scan(dispatch);
            continue;
        }
        let mut selected = selector.swap(0, Ordering::SeqCst);
        while selected != 0 {
            let i = selected.trailing_zeros() as usize;
            selected &= selected - 1;
            let pending = word(offset_of!(shared_info, evtchn_pending) + i * 8);
            let mask = word(offset_of!(shared_info, evtchn_mask) + i * 8);
            let mut ready = pending.load(Ordering::SeqCst)
                & !mask.load(Ordering::SeqCst)
                & !OTHERS[i].load(Ordering::SeqCst);
            while ready != 0 {
                let bit = ready.trailing_zeros();
                ready &= ready - 1;
                pending.fetch_and(!(1 << bit), Ordering::SeqCst);
                dispatch(i as u32 * 64 + bit);
            }
        }
    }
}

/// Handles what is pending although neither the flag nor the selector says so.
pub(crate) fn look_everywhere() {
    word(VCPU0 + offset_of!(vcpu_info, evtchn_pending_sel)).store(u64::MAX, Ordering::SeqCst);
    byte(VCPU0 + offset_of!(vcpu_info, evtchn_upcall_pending)).store(1, Ordering::SeqCst);
    deliver();
}

/// How many events were taken.
pub(crate) fn taken() -> u64 {
    TAKEN.load(Ordering::Relaxed)
}

/// This domain's id, which no call tells directly: a loopback port names it as its remote end.
pub(crate) fn own_domid() -> HvResult<u16> {
    let mut alloc = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: DOMID_SELF,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut alloc)?;
    let mut status = evtchn_status {
        dom: DOMID_SELF,
        _pad0: [0; 2],
        port: alloc.port,
        status: 0,
        vcpu: 0,
        u: hypercall_abi::Union::zeroed(),
    };
    let asked = hypercall::event_channel_op(EVTCHNOP_status, &mut status);
    hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port: alloc.port })?;
    asked?;
    let unbound: evtchn_status_unbound = status.u.get();
    Ok(unbound.dom)
}
