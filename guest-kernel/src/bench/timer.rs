//! A timer, from arming it to the way back from its handler, while the kernel waits in a loop.
//!
//! What is executed while waiting is nobody's work: the loop counts its rounds, which are taken off, and
//! it is marked for who watches from outside.

use super::measure::{alone, least};
use super::upcall::{self, OTHERS, upcalls};
use super::{Bench, Figures};
use crate::dev::{event, shared, time};
use crate::hypercall::register_callback;
use crate::trap;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::callback::CALLBACKTYPE_event;

pub(super) const BENCHES: &[Bench] = &[interrupts];

/// Timers of a window.
pub(super) const TIMERS: u64 = 16;
/// How far they are apart, in nanoseconds: further than Xen puts timers together.
pub(super) const APART: u64 = 60_000;
/// Instructions of a round of waiting.
const OF_WAITING: u64 = 3;
/// Instructions of the handler, its `syscall` included.
const HANDLER: u64 = upcall::HANDLER + 1;

/// The deadline whose timer has come.
pub(super) static SEEN: AtomicU64 = AtomicU64::new(0);
/// Rounds of waiting in the last window.
pub(super) static WAITED: AtomicU64 = AtomicU64::new(0);

/// The first deadline, how far they are apart, and two addresses that the arming or the handler needs.
pub(super) type Timers = extern "C" fn(u64, u64, u64, u64) -> u64;

/// Defines functions that arm a timer and wait until it has come, [`TIMERS`] times: the ticks that go by.
macro_rules! timers {
    ($($name:ident: $opening:ident, $arm:literal;)*) => { $(
        #[unsafe(naked)]
        pub(super) extern "C" fn $name(_: u64, _: u64, _: u64, _: u64) -> u64 {
            $crate::bench::window::window!(naked_asm!(
                "push rbx", "push r12", "push r13", "push r14", "push r15",
                "mov r12, rdi",
                "mov r14, rsi",
                "mov r10, rdx",
                "mov r8, rcx",
                "mov ebx, {timers}",
                "xor r15d, r15d",
                $crate::bench::window::$opening!("r13"),
                "2:",
                "mov rdi, r12",
                "mov eax, {set_timer}",
                $arm,
                $crate::bench::window::waiting!("inc r15\ncmp r12, [rip + {seen}]\njne 4b"),
                "add r12, r14",
                "dec ebx",
                "jnz 2b",
                $crate::bench::window::closing!("r13"),
                "mov [rip + {waited}], r15",
                "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx",
                "ret",
                timers = const $crate::bench::timer::TIMERS,
                set_timer = const hypercall_abi::xen::__HYPERVISOR_set_timer_op,
                seen = sym $crate::bench::timer::SEEN,
                waited = sym $crate::bench::timer::WAITED,
            ))
        }
    )* };
}

timers! {
    arming: opening, "syscall";
    waiting_only: opening_of_own, "mov [rip + {seen}], r12";
}

upcalls! {
    take_timer: 0, "mov [rip + {seen}], r12", seen = sym SEEN;
}

/// Ticks of a window without the rounds of waiting.
pub(super) fn without_waiting(f: &Figures, timers: Timers, arguments: [u64; 4]) -> u64 {
    let [first, apart, a, b] = arguments;
    let ticks = timers(first, apart, a, b);
    let waited = WAITED.load(Ordering::Relaxed) * OF_WAITING;
    ticks.saturating_sub(f.scale.ticks(waited))
}

/// The same of the loop alone.
pub(super) fn loop_alone(f: &Figures) -> u64 {
    without_waiting(f, waiting_only, [1, 1, 0, 0])
}

fn interrupts(f: &mut Figures) {
    if !f.counts_instructions() {
        // The time of waiting cannot be taken off.
        return;
    }
    let name = "timer_interrupt_and_iret";
    let port = match event::timer_port() {
        Ok(port) if port < 64 => port,
        Ok(port) => return f.refused(name, i64::from(port)),
        Err(errno) => return f.refused(name, -errno.0),
    };
    OTHERS[0].store(!(1 << port), Ordering::Relaxed);
    register_callback(CALLBACKTYPE_event, take_timer as *const () as u64, 0)
        .expect("a callback can be registered");
    f.begin(name, TIMERS);
    let ticks = least(|| {
        let own = alone(|| loop_alone(f)) + f.scale.ticks(HANDLER * TIMERS);
        shared::set_upcall_mask(false);
        let first = time::system_time() + 2 * APART;
        let ticks = without_waiting(f, arming, [first, APART, 0, 0]);
        shared::set_upcall_mask(true);
        Ok(ticks.saturating_sub(own))
    });
    f.result(name, ticks, TIMERS);
    trap::init().expect("the kernel's own handlers can be registered again");
    event::look_everywhere();
}

pub(super) use timers;
