//! Event channels, FIFO form: what the kernel does instead of the two-level scan while it is in that
//! form, which it is for checks only.

use crate::global::Global;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::event_channel::*;

/// Ports whose words are on one page.
pub(crate) const PER_PAGE: usize = 1024;
const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;

/// Addresses of vCPU 0's control block and of the pages of words.
struct Form {
    block: u64,
    arrays: Vec<u64>,
}

static FORM: Global<Option<Form>> = Global::new(None);

/// From now on the kernel takes its events from the queues of `block`. All ports are masked, as
/// they are at the kernel's start.
pub(crate) fn enter(block: u64, arrays: Vec<u64>) {
    let ports = arrays.len() * PER_PAGE;
    FORM.with(|form| *form = Some(Form { block, arrays }));
    for port in 0..ports as u32 {
        set_masked(port);
    }
}

/// Back to the two-level form.
pub(crate) fn leave() {
    FORM.with(|form| *form = None);
}

pub(crate) fn is_in_force() -> bool {
    FORM.with(|form| form.is_some())
}

/// Half a word of a page that both sides write, which the caller keeps as what it is.
pub(crate) fn half(page: u64, i: usize) -> &'static AtomicU32 {
    assert!(i < PER_PAGE);
    let at = (page as *const AtomicU32).wrapping_add(i);
    // SAFETY: `enter` was given pages of the direct map that stay what they are until `leave`, and
    // which are accessed atomically only meanwhile.
    unsafe { &*at }
}

/// A port's word, in this form.
fn word(port: u32) -> Option<&'static AtomicU32> {
    let port = port as usize;
    let page = FORM.with(|form| form.as_ref()?.arrays.get(port / PER_PAGE).copied());
    page.map(|page| half(page, port % PER_PAGE))
}

fn has(port: u32, bit: u32) -> Option<bool> {
    word(port).map(|word| word.load(Ordering::SeqCst) & bit != 0)
}

/// Whether an event waits at a port; `None` in the other form.
pub(crate) fn pending(port: u32) -> Option<bool> {
    has(port, PENDING)
}

/// Whether a port is masked; `None` in the other form.
pub(crate) fn masked(port: u32) -> Option<bool> {
    has(port, MASKED)
}

/// Masks a port; false in the other form.
pub(crate) fn set_masked(port: u32) -> bool {
    let word = word(port);
    word.map(|word| word.fetch_or(MASKED, Ordering::SeqCst))
        .is_some()
}

/// Forgets a port's event; false in the other form.
pub(crate) fn clear_pending(port: u32) -> bool {
    let word = word(port);
    word.map(|word| word.fetch_and(!PENDING, Ordering::SeqCst))
        .is_some()
}

/// Whether the queue of ports that have chosen none is ready; `None` in the other form.
pub(crate) fn usual_is_ready() -> Option<bool> {
    let block = FORM.with(|form| form.as_ref().map(|form| form.block))?;
    let ready = half(block, 0).load(Ordering::SeqCst);
    Some(ready & 1 << EVTCHN_FIFO_PRIORITY_DEFAULT != 0)
}

/// Takes every port out of vCPU 0's queues, first the most urgent ones, and hands on those with an
/// event.
pub(crate) fn scan(dispatch: fn(u32)) {
    if let Some(block) = FORM.with(|form| form.as_ref().map(|form| form.block)) {
        drain(block, word, dispatch);
    }
}

/// The same for any vCPU, of the control block at `block`, with the words that `word` finds. While
/// it goes through a queue, the hypervisor may append to it.
pub(crate) fn drain(
    block: u64,
    word: impl Fn(u32) -> Option<&'static AtomicU32>,
    mut dispatch: impl FnMut(u32),
) {
    loop {
        let ready = half(block, 0).swap(0, Ordering::SeqCst);
        if ready == 0 {
            return;
        }
        for queue in (0..EVTCHN_FIFO_MAX_QUEUES).filter(|queue| ready & 1 << queue != 0) {
            let mut port = half(block, 2 + queue).load(Ordering::SeqCst);
            while let Some(word) = word(port).filter(|_| port != 0) {
                let taken = word.fetch_and(!(LINKED | EVTCHN_FIFO_LINK_MASK), Ordering::SeqCst);
                if taken & LINKED == 0 {
                    break;
                }
                if taken & (PENDING | MASKED) == PENDING {
                    word.fetch_and(!PENDING, Ordering::SeqCst);
                    dispatch(port);
                }
                port = taken & EVTCHN_FIFO_LINK_MASK;
            }
        }
    }
}
