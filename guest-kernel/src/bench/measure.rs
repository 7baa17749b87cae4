//! The loops that are timed, and their own cost, which is taken off.
//!
//! Each loop exists twice, once with the instruction that enters the hypervisor and once with a
//! `nop` in its place. So the difference is what the hypervisor executes: the guest's loads of
//! arguments, the loop and the entering instruction itself (QEMU counts one for it, as for the
//! `nop`, also where it faults) are in both. What a guest's handler executes is counted in its
//! source and taken off by who measures.

use super::Figures;
use super::window::{closing, opening, opening_of_own, window};
use crate::dev::time;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Rounds of the loop that calibrates, of two instructions each.
const CALIBRATION: u64 = 1 << 14;
/// Each operation is measured so often.
const BATCHES: usize = 3;
/// The same by a clock that counts no instructions.
const BATCHES_OF_TIME: usize = 21;

static HOW_OFTEN: AtomicUsize = AtomicUsize::new(BATCHES);

/// How many ticks of the counter an instruction takes, or a nanosecond.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    /// Ticks of two instructions per round of the calibration, or of as many nanoseconds.
    ticks: u64,
    pub(super) unit: Unit,
}

/// What figures are in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Instructions,
    Nanoseconds,
    /// Ticks of the time-stamp counter as they are.
    Cycles,
}

impl Scale {
    /// Ticks of so many instructions; how long the guest's own take is not known.
    pub(super) fn ticks(self, instructions: u64) -> u64 {
        match self.unit {
            Unit::Instructions => {
                (u128::from(instructions) * u128::from(self.ticks) / u128::from(2 * CALIBRATION))
                    as u64
            }
            Unit::Nanoseconds | Unit::Cycles => 0,
        }
    }

    /// A scale of the unit, for the rest of the run; `None` where the time-stamp counter does not count
    /// instructions, and they are asked for.
    pub(super) fn of(unit: Unit) -> Option<Self> {
        match unit {
            Unit::Instructions => calibrate(),
            Unit::Nanoseconds => Some(Self::of_time()),
            Unit::Cycles => {
                HOW_OFTEN.store(BATCHES_OF_TIME, Ordering::Relaxed);
                let ticks = 2 * CALIBRATION;
                Some(Self { ticks, unit })
            }
        }
    }

    /// A scale of nanoseconds, by the hypervisor's clock.
    fn of_time() -> Self {
        HOW_OFTEN.store(BATCHES_OF_TIME, Ordering::Relaxed);
        let (begin, ticks) = (time::system_time(), time::rdtsc());
        while time::system_time() - begin < 1_000_000 {
            core::hint::spin_loop();
        }
        let (end, ticks) = (time::system_time(), time::rdtsc() - ticks);
        Self {
            ticks: (u128::from(ticks) * u128::from(2 * CALIBRATION) / u128::from(end - begin))
                as u64,
            unit: Unit::Nanoseconds,
        }
    }

    /// Tenths of instructions per operation, rounded.
    pub(crate) fn tenths(self, ticks: u64, times: u64) -> u64 {
        let ticks = u128::from(ticks) * 10 * u128::from(2 * CALIBRATION);
        let per = u128::from(self.ticks) * u128::from(times);
        ((ticks + per / 2) / per) as u64
    }
}

/// Compares the counter with a loop of known length; `None` if it does not count instructions:
/// then it does not give the same twice.
pub(crate) fn calibrate() -> Option<Scale> {
    let (mut least, mut times) = (u64::MAX, 0);
    for _ in 0..BATCHES {
        // What the two have in common is gone with the difference.
        let ticks = count_down(CALIBRATION + 1).saturating_sub(count_down(1));
        match ticks.cmp(&least) {
            core::cmp::Ordering::Less => (least, times) = (ticks, 1),
            core::cmp::Ordering::Equal => times += 1,
            core::cmp::Ordering::Greater => {}
        }
    }
    (times >= 2 && least > 0).then_some(Scale {
        ticks: least,
        unit: Unit::Instructions,
    })
}

/// A hypercall with all its registers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Call {
    args: [u64; 5],
    nr: u64,
    /// What the last one left in rax.
    result: i64,
    /// The error that it must end with; 0 if it must succeed.
    errno: i64,
}

impl Call {
    pub(super) fn new(nr: u64, args: [u64; 5]) -> Self {
        Self {
            args,
            nr,
            result: 0,
            errno: 0,
        }
    }

    /// A call that is to be refused.
    pub(super) fn refused_with(self, errno: i64) -> Self {
        Self { errno, ..self }
    }

    fn is_as_expected(&self) -> bool {
        if self.errno == 0 {
            self.result >= 0
        } else {
            self.result == -self.errno
        }
    }
}

/// A pair of calls that are made in turns: the second undoes what the first did, or is the same.
pub(super) type Pair = [Call; 2];

/// Defines a function that makes `rounds` calls, in turns from the pair, and returns the ticks that
/// went by: a loop around the instruction that enters, or does not.
macro_rules! rounds {
    ($($name:ident: $opening:ident, $enter:literal;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name(_: *mut Pair, _: u64) -> u64 {
            window!(naked_asm!(
                "push rbx", "push rbp", "push r12", "push r13",
                "mov rbp, rdi",
                "mov rbx, rsi",
                "lea r12, [rdi + 64]",
                "xor r12, rdi",
                $opening!("r13"),
                "2:",
                "mov rdi, [rbp]",
                "mov rsi, [rbp + 8]",
                "mov rdx, [rbp + 16]",
                "mov r10, [rbp + 24]",
                "mov r8, [rbp + 32]",
                "mov eax, [rbp + 40]",
                $enter,
                "mov [rbp + 48], rax",
                "xor rbp, r12",
                "dec rbx",
                "jnz 2b",
                closing!("r13"),
                "pop r13", "pop r12", "pop rbp", "pop rbx",
                "ret",
            ))
        }
    )* };
}

const _: () = assert!(size_of::<Call>() == 64);
const _: () = assert!(core::mem::offset_of!(Call, nr) == 40);
const _: () = assert!(core::mem::offset_of!(Call, result) == 48);

rounds! {
    rounds_entering: opening, "syscall";
    rounds_not_entering: opening_of_own, "nop";
}

/// Ticks of `rounds` times two instructions.
#[unsafe(naked)]
extern "C" fn count_down(_rounds: u64) -> u64 {
    naked_asm!(
        "rdtsc",
        "shl rdx, 32",
        "or rax, rdx",
        "mov rsi, rax",
        "2:",
        "dec rdi",
        "jnz 2b",
        "rdtsc",
        "shl rdx, 32",
        "or rax, rdx",
        "sub rax, rsi",
        "ret",
    )
}

/// Ticks that the hypervisor takes for `rounds` calls from the pair, in turns; `Err` is the result
/// of the call that failed.
///
/// # Safety
/// The calls must leave the kernel's memory as Rust expects it.
pub(super) unsafe fn once(pair: &mut Pair, rounds: u64) -> Result<u64, i64> {
    let own = alone(|| rounds_not_entering(pair, rounds));
    let all = rounds_entering(pair, rounds);
    match pair.iter().find(|call| !call.is_as_expected()) {
        Some(call) if rounds > 1 => Err(call.result),
        _ if !pair[0].is_as_expected() => Err(pair[0].result),
        _ => Ok(all.saturating_sub(own)),
    }
}

/// Ticks of a loop without the operation: the fewer of two, for what interrupts it would be taken off.
pub(super) fn alone(mut own: impl FnMut() -> u64) -> u64 {
    own().min(own())
}

/// The least of several measurements of instructions: an interrupt adds what is not the operation's. By
/// a clock that is disturbed in both directions it is the one in the middle.
pub(super) fn least(mut one: impl FnMut() -> Result<u64, i64>) -> Result<u64, i64> {
    let mut found = [u64::MAX; BATCHES_OF_TIME];
    let count = HOW_OFTEN.load(Ordering::Relaxed);
    for place in &mut found[..count] {
        *place = one()?;
    }
    found.sort_unstable();
    Ok(match count {
        BATCHES => found[0],
        _ => found[count / 2],
    })
}

impl Figures {
    /// Measures a pair of calls made in turns, `rounds` calls in all (even, so that both are made
    /// equally often); the figure is per call divided by `parts`.
    ///
    /// # Safety
    /// As for [`once`].
    pub(super) unsafe fn pair(
        &mut self,
        name: &'static str,
        mut pair: Pair,
        rounds: u64,
        parts: u64,
    ) {
        self.begin(name, rounds * parts);
        // SAFETY: passed on to the caller.
        let ticks = least(|| unsafe { once(&mut pair, rounds) });
        self.result(name, ticks, rounds * parts);
    }

    /// Measures a pair of calls, of which the second undoes what the first did; the figure is for
    /// the two together.
    ///
    /// # Safety
    /// As for [`once`].
    pub(super) unsafe fn pair_as_one(&mut self, name: &'static str, mut pair: Pair, pairs: u64) {
        self.begin(name, pairs);
        // SAFETY: passed on to the caller.
        let ticks = least(|| unsafe { once(&mut pair, 2 * pairs) });
        self.result(name, ticks, pairs);
    }

    /// Measures one call, made over and over.
    ///
    /// # Safety
    /// As for [`once`].
    pub(super) unsafe fn call(&mut self, name: &'static str, nr: u64, args: [u64; 5]) {
        let call = Call::new(nr, args);
        // SAFETY: passed on to the caller.
        unsafe { self.pair(name, [call, call], ROUNDS, 1) };
    }
}

/// Calls per batch.
pub(super) const ROUNDS: u64 = 128;
