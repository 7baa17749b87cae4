//! Loads: what a guest does beside others while the boot test `fairness` looks on. `load=NAME` on a
//! domU's command line, on all vCPUs that it has.
//!
//! `spin` computes without an end; `work` computes from system time `from=` to `to=`, or `for=` so
//! long (milliseconds), and tells how much; `latency` has vCPU 0 send events to vCPU 1 and tells how
//! long they took. These do not `pause`, for which an emulator may leave off; `waver` is `spin` that
//! does. `talk` keeps xenstored and the console busy. All but that look at the clock all the time, each vCPU at its own, and count when it went back from
//! what another had seen.

use crate::boot::BootInfo;
use crate::check::page::address;
use crate::dev::{store, time};
use crate::hypercall;
use crate::log::{klog, kprintln};
use crate::smp::{self, member, plug, vcpu_op};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use hypercall_abi::vcpu::*;

const MILLISECOND: u64 = 1_000_000;
/// Events of one measurement.
const EVENTS: usize = 1000;

/// Whether [`compute`] pauses between its rounds.
static WAVERS: AtomicBool = AtomicBool::new(false);
/// System time at which [`compute`] begins and ends.
static FROM: AtomicU64 = AtomicU64::new(0);
static TO: AtomicU64 = AtomicU64::new(u64::MAX);
/// The latest time that any vCPU read.
static LATEST: AtomicU64 = AtomicU64::new(0);
/// How often one read an earlier time than another had before.
static BACKWARDS: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds that vCPUs had from their first round to their last, by the clock, and of these ran
/// and waited for a CPU.
static SPAN: AtomicU64 = AtomicU64::new(0);
static RAN: AtomicU64 = AtomicU64::new(0);
static STOLEN: AtomicU64 = AtomicU64::new(0);

/// Does what `load=` says; returns when that is done.
pub(crate) fn run(boot: &BootInfo, name: &str) {
    for (word, to) in [("from", &FROM), ("to", &TO)] {
        let number = boot.option(word).and_then(|text| text.parse::<u64>().ok());
        if let Some(number) = number {
            to.store(number * MILLISECOND, Ordering::Relaxed);
        }
    }
    if let Some(ms) = boot.option("for").and_then(|text| text.parse::<u64>().ok()) {
        let end = time::system_time() + ms * MILLISECOND;
        TO.store(end, Ordering::Relaxed);
    }
    let vcpus = smp::count();
    (1..vcpus).for_each(bring_up);
    klog!("load {name}: begins on {vcpus} vCPUs");
    match name {
        "spin" | "work" => work(vcpus),
        "waver" => {
            WAVERS.store(true, Ordering::Relaxed);
            work(vcpus);
        }
        "latency" if vcpus > 1 => latency(),
        "talk" => store::talk(),
        _ => panic!("there is no load `{name}` for {vcpus} vCPUs"),
    }
}

/// Brings a vCPU up for the first time.
pub(crate) fn bring_up(vcpu: usize) {
    plug::initialise(vcpu).expect("a guest starts with memory and ports to spare");
    vcpu_op(VCPUOP_up, vcpu, 0).expect("an initialised vCPU can go up");
}

fn work(vcpus: usize) {
    let from = FROM.load(Ordering::Relaxed);
    assert!(
        from == 0 || time::system_time() <= from,
        "the time to begin is over"
    );
    (1..vcpus).for_each(|vcpu| smp::start(vcpu, compute, vcpu as u64));
    let mut rounds = compute(0);
    for vcpu in 1..vcpus {
        rounds += smp::finish(vcpu).expect("each ends when it is time");
    }
    let sum = |of: &AtomicU64| of.load(Ordering::Relaxed);
    kprintln!(
        "LOAD rounds={rounds} span={} ran={} stolen={} backwards={}",
        sum(&SPAN),
        sum(&RAN),
        sum(&STOLEN),
        sum(&BACKWARDS)
    );
}

/// How often a vCPU's clock was behind what another had read.
pub(crate) fn clock_went_back() -> u64 {
    BACKWARDS.load(Ordering::Relaxed)
}

/// Reads the clock of the calling vCPU, and looks whether it is behind another's.
pub(crate) fn look_at_clock(vcpu: usize) -> u64 {
    let latest = LATEST.load(Ordering::SeqCst);
    let now = time::system_time_on(vcpu);
    if now < latest {
        BACKWARDS.fetch_add(1, Ordering::Relaxed);
    }
    LATEST.fetch_max(now, Ordering::SeqCst);
    now
}

fn runstate(vcpu: usize) -> [u64; 4] {
    let mut info = vcpu_runstate_info {
        state: 0,
        _pad0: [0; 4],
        state_entry_time: 0,
        time: [0; 4],
    };
    vcpu_op(VCPUOP_get_runstate_info, vcpu, address(&mut info)).expect("it is about oneself");
    info.time
}

/// Computes from [`FROM`] to [`TO`]; how many rounds, all of the same number of instructions.
extern "C" fn compute(vcpu: u64) -> u64 {
    let vcpu = vcpu as usize;
    while look_at_clock(vcpu) < FROM.load(Ordering::Relaxed) {}
    let (to, before) = (TO.load(Ordering::Relaxed), runstate(vcpu));
    let begin = look_at_clock(vcpu);
    let (mut rounds, mut now) = (0, begin);
    while now < to {
        for step in 0..1000 {
            core::hint::black_box(step);
        }
        rounds += 1;
        if WAVERS.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
        now = look_at_clock(vcpu);
    }
    let after = runstate(vcpu);
    let spent = |state: i32| after[state as usize] - before[state as usize];
    SPAN.fetch_add(now - begin, Ordering::Relaxed);
    RAN.fetch_add(spent(RUNSTATE_running), Ordering::Relaxed);
    STOLEN.fetch_add(spent(RUNSTATE_runnable), Ordering::Relaxed);
    rounds
}

fn ticks() -> u64 {
    // SAFETY: reading the time-stamp counter has no effect.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// From before the call that sends an event to the handler's first look at the counter.
fn latency() {
    let mut found = [0; EVENTS];
    let receiver = member(1);
    for (i, took) in found.iter_mut().enumerate() {
        // Not in step with anything.
        let gap = MILLISECOND + i as u64 * 137_911 % (3 * MILLISECOND);
        let until = look_at_clock(0) + gap;
        while look_at_clock(0) < until {}
        let heard = receiver.messages.load(Ordering::SeqCst);
        let sent = ticks();
        smp::message(1).expect("the port of messages is bound");
        while receiver.messages.load(Ordering::SeqCst) == heard {
            // An emulator whose processors take turns goes on with the other one.
            core::hint::spin_loop();
        }
        *took = receiver.heard_at.load(Ordering::SeqCst).wrapping_sub(sent);
    }
    found.sort_unstable();
    let at = |percent: usize| found[(EVENTS - 1) * percent / 100];
    kprintln!(
        "LATENCY n={EVENTS} least={} median={} p90={} p99={} most={} backwards={}",
        at(0),
        at(50),
        at(90),
        at(99),
        at(100),
        clock_went_back()
    );
    let _ = hypercall::shutdown(hypercall_abi::sched::SHUTDOWN_poweroff);
}
