//! Event channels, FIFO form, on two vCPUs at once: one sends, the other takes what comes out of its
//! queues meanwhile. It ends with a reset, which closes the vCPUs' own ports too: it comes last.

use super::events::{alloc, bind, bind_ipi, op, send};
use super::fifo::{expand, init, prioritise};
use super::page::*;
use super::{Check, Report};
use crate::dev::fifo::{self, PER_PAGE};
use crate::hypercall::HvResult;
use crate::smp;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::DOMID_SELF;

pub(super) const CHECKS: &[Check] = &[("smp_fifo", check)];

/// The vCPU that takes.
const OTHER: usize = 1;
const PORTS: usize = 200;
const ROUNDS: u64 = 50;

/// The other vCPU's control block and the pages of words; 0 before there are any.
static BLOCK: AtomicU64 = AtomicU64::new(0);
static ARRAYS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static ENOUGH: AtomicBool = AtomicBool::new(false);
/// How often the other vCPU took each port.
static TAKEN: [AtomicU32; 2 * PER_PAGE] = [const { AtomicU32::new(0) }; 2 * PER_PAGE];

fn word(port: u32) -> Option<&'static AtomicU32> {
    let page = ARRAYS.get(port as usize / PER_PAGE)?;
    Some(fifo::half(
        page.load(Ordering::Relaxed),
        port as usize % PER_PAGE,
    ))
}

/// Takes what comes until it is enough.
extern "C" fn take(_: u64) -> u64 {
    let mut block = 0;
    while !ENOUGH.load(Ordering::SeqCst) {
        if block == 0 {
            block = BLOCK.load(Ordering::SeqCst);
            continue;
        }
        fifo::drain(block, word, |port| {
            TAKEN[port as usize].fetch_add(1, Ordering::SeqCst);
        });
        core::hint::spin_loop();
    }
    0
}

fn taken(port: u32) -> u64 {
    TAKEN[port as usize].load(Ordering::SeqCst).into()
}

fn check(r: &mut Report) {
    super::events::clear_all_pending();
    smp::start(OTHER, take, 0);
    let (mine, theirs) = (Page::new(), Page::new());
    let arrays = [Page::new(), Page::new()];
    for (page, va) in arrays.iter().zip(&ARRAYS) {
        va.store(page.va(), Ordering::Relaxed);
    }
    for (vcpu, block) in [(0, &mine), (OTHER as u32, &theirs)] {
        let begun = init(block.mfn(), 0, vcpu);
        r.line(format_args!("init_{vcpu}={}", Shown(begun.map(u64::from))));
    }
    for array in &arrays {
        r.result("expand", expand(array.mfn()));
    }
    BLOCK.store(theirs.va(), Ordering::SeqCst);
    let ports: Vec<u32> = (0..PORTS)
        .map_while(|_| bind_ipi(OTHER as u32).ok())
        .collect();
    let changed = ports.iter().filter(|&&p| prioritise(p, p % 16).is_ok());
    r.line(format_args!(
        "bound={} changed={}",
        ports.len(),
        changed.count()
    ));
    flood(r, &ports);
    moved(r, &mine);
    ENOUGH.store(true, Ordering::SeqCst);
    r.line(format_args!("finished={:?}", smp::finish(OTHER)));
    r.result(
        "end",
        op(EVTCHNOP_reset, &mut evtchn_reset { dom: DOMID_SELF }),
    );
}

/// Each port is sent to once in each round, in another order each time.
fn flood(r: &mut Report, ports: &[u32]) {
    let (mut sent, mut came) = (0, 0);
    for round in 1..=ROUNDS {
        // 7 and 200 have no divisor in common.
        let at = |i: usize| (i * 7 + round as usize * 31) % ports.len();
        let order = (0..ports.len()).map(|i| ports[at(i)]);
        sent += order.filter(|&port| send(port).is_ok()).count();
        let all = || ports.iter().all(|&port| taken(port) >= round);
        came += u64::from(smp::wait(all));
    }
    let twice = ports.iter().filter(|&&port| taken(port) > ROUNDS).count();
    let sum: u64 = ports.iter().map(|&port| taken(port)).sum();
    r.line(format_args!(
        "sent={sent} rounds={came} taken={sum} too_often={twice}"
    ));
}

/// A port that is moved to the other vCPU and back: its events come where it is.
fn moved(r: &mut Report, mine: &Page) {
    let near = alloc(DOMID_SELF, DOMID_SELF).unwrap_or(0);
    let far = bind(DOMID_SELF, near).unwrap_or(0);
    let here = |port: u32| {
        let mut count = 0;
        fifo::drain(mine.va(), word, |taken| count += u64::from(taken == port));
        count
    };
    // A new connection is told once.
    r.line(format_args!("told={}", here(far)));
    let mut there = taken(near);
    for (key, vcpu) in [("other", OTHER), ("back", 0), ("other_again", OTHER)] {
        let mut arg = evtchn_bind_vcpu {
            port: near,
            vcpu: vcpu as u32,
        };
        let result: HvResult = op(EVTCHNOP_bind_vcpu, &mut arg);
        let sent = send(far);
        if vcpu == OTHER {
            there += 1;
            smp::wait(|| taken(near) >= there);
        }
        r.line(format_args!(
            "moved_{key}={} send={} here={} there={}",
            Shown(result),
            Shown(sent),
            here(near),
            taken(near)
        ));
    }
}
