//! Two vCPUs: one waits for an event that the other sends, on the same processor or on another.
//!
//! With `pair` on the command line the machine has one processor, and each vCPU runs while the other
//! sleeps: `block_and_wake` is a send, a block, the switch to the other vCPU, its upcall and its way back.
//! With `across` there are two processors. The same is `wake_across` then, with an interrupt to a processor
//! that idles; `ipi_and_iret` is an event to a vCPU that runs, from the send to the way back from the handler.
//! Instructions are those of both processors, whose emulation takes turns.

use super::measure::{alone, least};
use super::upcall::{self, OTHERS, upcalls};
use super::window::{closing, opening, opening_of_own, waiting, window};
use super::{Bench, Figures};
use crate::check::smp_affinity;
use crate::dev::{event, shared};
use crate::hypercall::{event_channel_op, register_callback};
use crate::mm::SHARED_INFO_VA;
use crate::smp;
use crate::trap;
use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::callback::{CALLBACKF_mask_events, CALLBACKTYPE_event};
use hypercall_abi::event_channel::*;
use hypercall_abi::sched::SCHEDOP_block;
use hypercall_abi::xen::*;

pub(super) const ON_ONE: &[Bench] = &[block_and_wake];
pub(super) const ON_TWO: &[Bench] = &[wake_across, interrupts];

/// Events in each direction in a window.
pub(super) const ROUNDS: u64 = 64;
/// Instructions of a round of waiting.
pub(super) const OF_WAITING: u64 = 4;

/// Events that the vCPU took which runs and is interrupted.
pub(super) static HEARD: AtomicU64 = AtomicU64::new(0);
/// Rounds of waiting in the last window, of the sender and of the other.
pub(super) static WAITED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// The other vCPU is where it is waited for.
static READY: AtomicU64 = AtomicU64::new(0);
/// Events by which it heard of work before this.
static HEARD_BEFORE: AtomicU64 = AtomicU64::new(0);

/// Defines what a vCPU does [`ROUNDS`] times, or as often again; the argument is the structure of its send.
/// r12 is where its upcalls are masked.
macro_rules! partners {
    ($($name:ident: $vcpu:literal, $rounds:literal, $opening:expr, [$($step:expr),*], $closing:expr;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) -> u64 {
            window!(naked_asm!(
                "push rbx", "push rbp", "push r12", "push r13",
                "mov rbp, rdi",
                "movabs r12, {shared} + {mask}",
                "mov ebx, {rounds} * {times}",
                $opening,
                "2:",
                $($step,)*
                "dec ebx",
                "jnz 2b",
                $closing,
                "pop r13", "pop r12", "pop rbp", "pop rbx",
                "ret",
                shared = const SHARED_INFO_VA,
                mask = const upcall::info($vcpu, offset_of!(vcpu_info, evtchn_upcall_mask)),
                rounds = const ROUNDS,
                times = const $rounds,
            ))
        }
    )* };
}

const _: () = assert!(EVTCHNOP_send == 4 && __HYPERVISOR_event_channel_op == 32);
const _: () = assert!(SCHEDOP_block == 1 && __HYPERVISOR_sched_op == 29);

macro_rules! sending {
    ($enter:literal) => {
        concat!("mov edi, 4\nmov rsi, rbp\nmov eax, 32\n", $enter, "\n")
    };
}

/// Upcalls are let in while it waits, and masked again behind it.
macro_rules! blocking {
    ($enter:literal) => {
        concat!(
            "mov edi, 1\nxor esi, esi\nmov eax, 29\n",
            $enter,
            "\nmov byte ptr [r12], 1\n"
        )
    };
}

partners! {
    ping: 0, 1, opening!("r13"), [sending!("syscall"), blocking!("syscall")], closing!("r13");
    pong: 1, 1, "/* {operation} {told} */", [blocking!("syscall"), sending!("syscall")], "";
    // The loops of both, without what enters.
    both_alone: 0, 2, opening_of_own!("r13"), [sending!("nop"), blocking!("nop")], closing!("r13");
}

/// Sends [`ROUNDS`] events, each when the one before has been heard.
#[unsafe(naked)]
extern "C" fn interrupt(_: u64) -> u64 {
    window!(naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13",
        "mov rbp, rdi",
        "xor ebx, ebx",
        "xor r12d, r12d",
        "mov [rip + {waited} + 8], r12",
        opening!("r13"),
        "2:",
        "inc ebx",
        sending!("syscall"),
        waiting!("inc r12\npause\ncmp [rip + {heard}], rbx\njne 4b"),
        "cmp ebx, {rounds}",
        "jne 2b",
        closing!("r13"),
        "mov [rip + {waited}], r12",
        "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        heard = sym HEARD,
        waited = sym WAITED,
        rounds = const ROUNDS,
    ))
}

/// The same loop alone.
#[unsafe(naked)]
extern "C" fn interrupt_alone(_: u64) -> u64 {
    window!(naked_asm!(
        "push rbx", "push rbp", "push r13",
        "mov rbp, rdi",
        "xor ebx, ebx",
        opening_of_own!("r13"),
        "2:",
        "inc ebx",
        sending!("nop"),
        "nop",
        "cmp ebx, {rounds}",
        "jne 2b",
        closing!("r13"),
        "pop r13", "pop rbp", "pop rbx",
        "ret",
        rounds = const ROUNDS,
    ))
}

/// Runs, with upcalls let in, until [`ROUNDS`] events have been heard.
#[unsafe(naked)]
extern "C" fn listen() {
    naked_asm!(
        waiting!("inc qword ptr [rip + {waited} + 8]\npause\ncmp qword ptr [rip + {heard}], {rounds}\njne 4b"),
        "ret",
        heard = sym HEARD,
        waited = sym WAITED,
        rounds = const ROUNDS,
    )
}

upcalls! {
    take_ping: 1, "";
    take_pong: 0, "";
    take_interrupt: 1, "inc qword ptr [rip + {heard}]", heard = sym HEARD;
}

fn take_events(handler: extern "C" fn()) {
    register_callback(CALLBACKTYPE_event, handler as *const () as u64, 0)
        .expect("a callback can be registered");
}

fn take_events_as_usual() {
    let [event, ..] = trap::callbacks();
    register_callback(CALLBACKTYPE_event, event, CALLBACKF_mask_events)
        .expect("a callback can be registered");
}

/// Has vCPU 1 take the event that told it of its work, which it may have found before.
fn hear_of_work() {
    let before = HEARD_BEFORE.load(Ordering::Relaxed);
    while smp::member(1).messages.load(Ordering::SeqCst) == before {
        smp::block(1);
    }
}

/// What vCPU 1 does for [`ping`]: the argument is the structure of its send.
extern "C" fn answer(send: u64) -> u64 {
    hear_of_work();
    take_events(take_ping);
    READY.store(1, Ordering::Release);
    let done = pong(send);
    take_events_as_usual();
    done
}

/// What vCPU 1 does for [`interrupt`].
extern "C" fn hear(_: u64) -> u64 {
    hear_of_work();
    take_events(take_interrupt);
    let mask = shared::byte(upcall::info(1, offset_of!(vcpu_info, evtchn_upcall_mask)));
    mask.store(0, Ordering::SeqCst);
    READY.store(1, Ordering::Release);
    listen();
    mask.store(1, Ordering::SeqCst);
    take_events_as_usual();
    0
}

/// A port of each vCPU.
struct Ports([u32; 2]);

impl Ports {
    fn bind() -> Result<Self, i64> {
        let mut ports = [0; 2];
        for (vcpu, port) in (0..).zip(&mut ports) {
            let mut bind = evtchn_bind_ipi { vcpu, port: 0 };
            event_channel_op(EVTCHNOP_bind_ipi, &mut bind).map_err(|errno| -errno.0)?;
            if bind.port >= 64 {
                return Err(bind.port.into());
            }
            *port = bind.port;
            OTHERS[vcpu as usize].store(!(1 << bind.port), Ordering::Relaxed);
            event::give_away(bind.port);
            event::unmask(bind.port).map_err(|errno| -errno.0)?;
        }
        Ok(Self(ports))
    }
}

/// Has vCPU 1 do `work` while `measured` runs here; its ticks.
fn together(work: smp::Work, argument: u64, measured: impl FnOnce() -> u64) -> Result<u64, i64> {
    READY.store(0, Ordering::Relaxed);
    HEARD_BEFORE.store(
        smp::member(1).messages.load(Ordering::SeqCst),
        Ordering::Relaxed,
    );
    smp::start(1, work, argument);
    if !smp::wait(|| READY.load(Ordering::Acquire) == 1) {
        return Err(-1);
    }
    // It may need a while to where it waits.
    for _ in 0..4096 {
        core::hint::spin_loop();
    }
    crate::hypercall::sched_yield();
    let ticks = measured();
    smp::finish(1).map(|_| ticks).ok_or(-2)
}

fn block_and_wake(f: &mut Figures) {
    smp_affinity::stay(0, 0);
    smp_affinity::stay(1, 0);
    crate::load::bring_up(1);
    back_and_forth(f, "block_and_wake");
}

fn wake_across(f: &mut Figures) {
    crate::load::bring_up(1);
    smp_affinity::stay(0, 0);
    smp_affinity::stay(1, 1);
    back_and_forth(f, "wake_across");
}

fn back_and_forth(f: &mut Figures, name: &'static str) {
    let ports = match Ports::bind() {
        Ok(ports) => ports.0,
        Err(result) => return f.refused(name, result),
    };
    let sends = ports.map(|port| evtchn_send { port });
    let [to_0, to_1] = sends
        .each_ref()
        .map(|send| core::ptr::from_ref(send) as u64);
    let handlers = f.scale.ticks(2 * ROUNDS * upcall::HANDLER);
    f.begin(name, 2 * ROUNDS);
    take_events(take_pong);
    let ticks = least(|| {
        let own = alone(|| both_alone(to_0));
        let all = together(answer, to_0, || ping(to_1))?;
        Ok(all.saturating_sub(own + handlers))
    });
    take_events_as_usual();
    f.result(name, ticks, 2 * ROUNDS);
    event::look_everywhere();
}

fn interrupts(f: &mut Figures) {
    let name = "ipi_and_iret";
    let to_1 = match Ports::bind() {
        Ok(ports) => evtchn_send { port: ports.0[1] },
        Err(result) => return f.refused(name, result),
    };
    let to_1 = core::ptr::from_ref(&to_1) as u64;
    let handlers = ROUNDS * (upcall::HANDLER + 1);
    f.begin(name, ROUNDS);
    let ticks = least(|| {
        HEARD.store(0, Ordering::Relaxed);
        let own = alone(|| interrupt_alone(to_1));
        let all = together(hear, 0, || interrupt(to_1))?;
        let waited: u64 = WAITED.iter().map(|of| of.load(Ordering::Relaxed)).sum();
        let own = own + f.scale.ticks(handlers + waited * OF_WAITING);
        Ok(all.saturating_sub(own))
    });
    f.result(name, ticks, ROUNDS);
}
