//! Two processors without a hypervisor: an interrupt to one that runs, and to one that sleeps.

use super::measure::{alone, least};
use super::pair::{HEARD, OF_WAITING, ROUNDS, WAITED};
use super::window::{closing, opening, opening_of_own, waiting, window};
use super::{Bench, Figures};
use crate::mm::{p2m, paging};
use crate::native::{apic, cpu, second};
use crate::trap;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

pub(super) const BENCHES: &[Bench] = &[wake_across, interrupts];

/// A vector that nothing else has.
const OWN: u8 = 0x51;

/// The second processor is where it is waited for.
static READY: AtomicU64 = AtomicU64::new(0);

/// Defines what a processor does [`ROUNDS`] times, or as often again: rdi is the register that sends, esi
/// what is sent, and r10 the register that ends an interrupt.
macro_rules! partners {
    ($($name:ident: $times:literal, $opening:expr, $steps:literal, $closing:expr;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: u64, _: u64, _: u64) -> u64 {
            window!(naked_asm!(
                "mov r8, rsi",
                "mov r10, rdx",
                "mov esi, {rounds} * {times}",
                $opening,
                "2:",
                $steps,
                "dec esi",
                "jnz 2b",
                $closing,
                "ret",
                rounds = const ROUNDS,
                times = const $times,
            ))
        }
    )* };
}

partners! {
    ping: 1, opening!("r9"), "mov [rdi], r8d\nsti\nhlt\ncli", closing!("r9");
    pong: 1, "/* {operation} {told} */", "sti\nhlt\ncli\nmov [rdi], r8d", "";
    // The loops of both.
    both_alone: 2, opening_of_own!("r9"), "nop", closing!("r9");
}

/// Sends interrupts, each when the one before has been taken.
#[unsafe(naked)]
extern "C" fn interrupt(_: u64, _: u64) -> u64 {
    window!(naked_asm!(
        "push rbx", "push r12", "push r13",
        "xor ebx, ebx",
        "xor r12d, r12d",
        "mov [rip + {waited} + 8], r12",
        opening!("r13"),
        "2:",
        "inc ebx",
        "mov [rdi], esi",
        waiting!("inc r12\npause\ncmp [rip + {heard}], rbx\njne 4b"),
        "cmp ebx, {rounds}",
        "jne 2b",
        closing!("r13"),
        "mov [rip + {waited}], r12",
        "pop r13", "pop r12", "pop rbx",
        "ret",
        heard = sym HEARD,
        waited = sym WAITED,
        rounds = const ROUNDS,
    ))
}

/// The same loop alone.
#[unsafe(naked)]
extern "C" fn interrupt_alone() -> u64 {
    window!(naked_asm!(
        "push rbx", "push r13",
        "xor ebx, ebx",
        opening_of_own!("r13"),
        "2:",
        "inc ebx",
        "nop",
        "cmp ebx, {rounds}",
        "jne 2b",
        closing!("r13"),
        "pop r13", "pop rbx",
        "ret",
        rounds = const ROUNDS,
    ))
}

/// Runs, with interrupts let in, until [`ROUNDS`] of them have been taken; r10 is where they are ended.
#[unsafe(naked)]
extern "C" fn listen(_: u64) {
    naked_asm!(
        "mov r10, rdi",
        "sti",
        waiting!("inc qword ptr [rip + {waited} + 8]\npause\ncmp qword ptr [rip + {heard}], {rounds}\njne 4b"),
        "cli",
        "ret",
        heard = sym HEARD,
        waited = sym WAITED,
        rounds = const ROUNDS,
    )
}

/// Ends the interrupt.
#[unsafe(naked)]
extern "C" fn take_wake() {
    naked_asm!("mov dword ptr [r10], 0", "iretq")
}

/// Ends the interrupt, and counts it.
#[unsafe(naked)]
extern "C" fn take_interrupt() {
    naked_asm!(
        "inc qword ptr [rip + {heard}]",
        "mov dword ptr [r10], 0",
        "iretq",
        heard = sym HEARD,
    )
}

/// What the second processor does for [`ping`]; the argument tells what it sends.
extern "C" fn answer(command: u64) -> u64 {
    let (register, _) = apic::interrupt_to(apic::FIRST, OWN);
    READY.store(1, Ordering::Release);
    pong(register, command, apic::end_register())
}

/// What the second processor does for [`interrupt`].
extern "C" fn hear(_: u64) -> u64 {
    READY.store(1, Ordering::Release);
    listen(apic::end_register());
    0
}

/// Has the second processor do `work` while `measured` runs here; its ticks.
fn together(work: second::Work, argument: u64, measured: impl FnOnce() -> u64) -> Result<u64, i64> {
    if !second::bring_up(p2m::mfn(paging::boot_root().0).0 << 12) {
        return Err(-1);
    }
    READY.store(0, Ordering::Relaxed);
    second::start(work, argument);
    while READY.load(Ordering::Acquire) == 0 {
        core::hint::spin_loop();
    }
    // It may need a while to where it waits.
    for _ in 0..4096 {
        core::hint::spin_loop();
    }
    let ticks = measured();
    second::finish().then_some(ticks).ok_or(-2)
}

fn wake_across(f: &mut Figures) {
    let name = "native_wake_across";
    cpu::set_vector(OWN, take_wake as *const () as u64);
    let (register, command) = apic::interrupt_to(apic::SECOND, OWN);
    f.begin(name, 2 * ROUNDS);
    let ticks = least(|| {
        let own = alone(|| both_alone(0, 0, 0));
        let all = together(answer, command.into(), || {
            apic::interrupt_to(apic::SECOND, OWN);
            ping(register, command.into(), apic::end_register())
        })?;
        // A no-op stands for one instruction of the operation's.
        Ok(all.saturating_sub(own) + f.scale.ticks(2 * ROUNDS))
    });
    f.result(name, ticks, 2 * ROUNDS);
    trap::init().expect("the kernel's own handlers can be registered again");
}

fn interrupts(f: &mut Figures) {
    let name = "native_ipi";
    cpu::set_vector(OWN, take_interrupt as *const () as u64);
    f.begin(name, ROUNDS);
    let ticks = least(|| {
        HEARD.store(0, Ordering::Relaxed);
        let own = alone(|| interrupt_alone());
        let all = together(hear, 0, || {
            let (register, command) = apic::interrupt_to(apic::SECOND, OWN);
            interrupt(register, command.into())
        })?;
        let waited: u64 = WAITED.iter().map(|of| of.load(Ordering::Relaxed)).sum();
        let own = own + f.scale.ticks(waited * OF_WAITING);
        Ok(all.saturating_sub(own) + f.scale.ticks(ROUNDS))
    });
    f.result(name, ticks, ROUNDS);
    trap::init().expect("the kernel's own handlers can be registered again");
}
