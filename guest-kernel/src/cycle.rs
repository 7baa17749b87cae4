//! Guests of the boot test `crash_cycles`: `cycle=NAME` on a domU's command line.
//!
//! All but `witness` are there to end, a thousand times, at a bad moment: they start every vCPU that
//! they have, tell the toolstack (`data/running`), and then die on vCPU `who=`, or go on with something until the
//! toolstack takes them apart. `witness` watches its clocks and counts its events all the while.

use crate::boot::BootInfo;
use crate::check::page::address;
use crate::check::probe::code;
use crate::dev::{store, time};
use crate::hypercall::{self, raw};
use crate::load::{bring_up, clock_went_back, look_at_clock};
use crate::log::kprintln;
use crate::mm::paging::{self, pte};
use crate::mm::{frame, p2m};
use crate::smp::{self, member, vcpu_op};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use hypercall_abi::sched::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;

const MICROSECOND: u64 = 1000;
/// Pairs of pin and unpin in one call: some millions of instructions, continued again and again.
const PAIRS: usize = 64;

/// What a vCPU does until the domain's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// One vCPU has no handler for the exception it raises; others compute.
    Trap,
    /// One vCPU says that the domain has crashed; others compute.
    Shutdown,
    /// All compute.
    Spin,
    /// All are in long calls that are interrupted and continued.
    Long,
    /// The first brings the others up and takes them down.
    Plug,
}

const ENDS: [(&str, End); 5] = [
    ("trap", End::Trap),
    ("shutdown", End::Shutdown),
    ("spin", End::Spin),
    ("long", End::Long),
    ("plug", End::Plug),
];

/// Which of [`ENDS`], and who brings it about.
static END: AtomicU64 = AtomicU64::new(0);
static WHO: AtomicU64 = AtomicU64::new(0);
/// vCPUs other than 0 that run.
static RUNNING: AtomicU64 = AtomicU64::new(0);
/// Set when all run: whoever is to end the domain may.
static NOW: AtomicBool = AtomicBool::new(false);
/// A page of level 1 for each vCPU, for [`End::Long`].
static TABLES: [AtomicU64; smp::MAX] = [const { AtomicU64::new(0) }; smp::MAX];

/// Does what `cycle=` says.
pub(crate) fn run(boot: &BootInfo, name: &str) {
    if name == "witness" {
        return witness();
    }
    let end = ENDS.iter().position(|(known, _)| *known == name);
    let Some(end) = end else {
        panic!("there is no cycle `{name}`");
    };
    let who = boot.option("who").and_then(|text| text.parse().ok());
    WHO.store(who.unwrap_or(0), Ordering::Relaxed);
    END.store(end as u64, Ordering::Relaxed);
    let vcpus = smp::count();
    if ENDS[end].1 == End::Long {
        (0..vcpus).for_each(make_table);
    }
    for vcpu in 1..vcpus {
        bring_up(vcpu);
        smp::start(vcpu, until_the_end, vcpu as u64);
    }
    // Long calls and floods of work leave the others their turns: nobody waits in vain.
    smp::wait(|| RUNNING.load(Ordering::SeqCst) as usize == vcpus - 1);
    store::write_now("data/running", "1");
    NOW.store(true, Ordering::SeqCst);
    until_the_end(0);
}

extern "C" fn until_the_end(vcpu: u64) -> u64 {
    let vcpu = vcpu as usize;
    RUNNING.fetch_add(1, Ordering::SeqCst);
    let end = ENDS[END.load(Ordering::Relaxed) as usize].1;
    let mine = WHO.load(Ordering::Relaxed) as usize == vcpu;
    while end != End::Long && !NOW.load(Ordering::SeqCst) {
        hypercall::sched_yield();
    }
    match end {
        End::Trap if mine => {
            // SAFETY: no table is read: this vCPU has no handlers from now on.
            let refused = unsafe { raw(__HYPERVISOR_set_trap_table, [0; 5]) };
            assert_eq!(refused, 0);
            undefined(0);
        }
        End::Shutdown if mine => {
            let _ = hypercall::shutdown(SHUTDOWN_crash);
        }
        End::Plug if vcpu == 0 => plug(),
        End::Long => long_calls(vcpu),
        _ => {}
    }
    loop {
        core::hint::black_box(());
    }
}

code! {
    undefined: "ud2";
}

/// A full level-1 table, read-only, for one vCPU to pin and unpin.
fn make_table(vcpu: usize) {
    let spare = || frame::alloc_zeroed().expect("there is memory to spare");
    let (table, data) = (spare(), spare());
    let entry = pte::new(p2m::mfn(data), pte::RO);
    frame::map_words(table, |_, _| entry);
    paging::protect(table, pte::RO).expect("a page can be mapped read-only");
    TABLES[vcpu].store(p2m::mfn(table).0, Ordering::Relaxed);
}

fn long_calls(vcpu: usize) -> ! {
    let arg1 = TABLES[vcpu].load(Ordering::Relaxed);
    let op = |cmd| mmuext_op {
        cmd,
        _pad0: [0; 4],
        arg1,
        arg2: 0,
    };
    let pair = [op(MMUEXT_PIN_L1_TABLE), op(MMUEXT_UNPIN_TABLE)];
    let list = [pair; PAIRS];
    let call = [
        (&raw const list) as u64,
        2 * PAIRS as u64,
        0,
        DOMID_SELF.into(),
        0,
    ];
    loop {
        // SAFETY: the table is this vCPU's alone, and mapped read-only.
        let refused = unsafe { raw(__HYPERVISOR_mmuext_op, call) };
        assert_eq!(refused, 0);
    }
}

/// Takes the other vCPUs down and brings them up again, without an end.
fn plug() -> ! {
    let vcpus = smp::count();
    loop {
        for cmd in [VCPUOP_down, VCPUOP_up] {
            for vcpu in 1..vcpus {
                vcpu_op(cmd, vcpu, 0).expect("an initialised vCPU goes down and up");
            }
        }
    }
}

/// Set when the witness has seen enough.
static ENOUGH: AtomicBool = AtomicBool::new(false);
/// Timers that vCPU 1 set.
static ARMED: AtomicU64 = AtomicU64::new(0);

/// Sends itself events, each after the last was heard, and sets timers, each after the last fired,
/// until the toolstack asks for something; then it says what it counted, and powers off.
fn witness() {
    bring_up(1);
    smp::start(1, set_timers, 0);
    let (heard, mut sent, mut lost) = (&member(1).messages, 1, 0);
    // One event was for the start.
    smp::wait(|| heard.load(Ordering::SeqCst) == sent);
    kprintln!("WITNESS begins");
    store::watch_now("control/shutdown");
    while !store::has_message() {
        look_at_clock(0);
        smp::message(1).expect("the port of messages is bound");
        sent += 1;
        if !smp::wait(|| heard.load(Ordering::SeqCst) >= sent) {
            lost += 1;
        }
        doze(200 * MICROSECOND);
    }
    ENOUGH.store(true, Ordering::SeqCst);
    smp::message(1).expect("the port of messages is bound");
    smp::finish(1).expect("vCPU 1 sees that it is enough");
    smp::wait(|| heard.load(Ordering::SeqCst) > sent);
    doze(10_000 * MICROSECOND);
    // What came twice, or late, has come by now.
    let heard = heard.load(Ordering::SeqCst);
    kprintln!(
        "WITNESS sent={} heard={heard} lost={lost} armed={} fired={} backwards={}",
        sent + 1,
        ARMED.load(Ordering::SeqCst),
        member(1).ticks.load(Ordering::SeqCst),
        clock_went_back()
    );
}

/// Lets others run for a while: polls for no port.
fn doze(ns: u64) {
    let mut poll = sched_poll {
        ports: 0,
        nr_ports: 0,
        _pad0: [0; 4],
        timeout: time::system_time() + ns,
    };
    let args = [SCHEDOP_poll.into(), address(&mut poll), 0, 0, 0];
    // SAFETY: the call reads the structure, which names no list.
    let _ = unsafe { raw(__HYPERVISOR_sched_op, args) };
}

extern "C" fn set_timers(_: u64) -> u64 {
    const VCPU: usize = 1;
    let fired = &member(VCPU).ticks;
    while !ENOUGH.load(Ordering::SeqCst) {
        let mut timer = vcpu_set_singleshot_timer {
            timeout_abs_ns: look_at_clock(VCPU) + 500 * MICROSECOND,
            flags: 0,
            _pad0: [0; 4],
        };
        vcpu_op(VCPUOP_set_singleshot_timer, VCPU, address(&mut timer)).expect("a deadline ahead");
        let armed = ARMED.fetch_add(1, Ordering::SeqCst) + 1;
        while fired.load(Ordering::SeqCst) < armed {
            smp::block(VCPU);
            look_at_clock(VCPU);
        }
    }
    0
}
