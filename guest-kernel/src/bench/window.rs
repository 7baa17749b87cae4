//! The window in which instructions are counted: by the time-stamp counter here, and by whoever
//! watches the machine from outside, for whom its ends are marked.
//!
//! The marks are no-ops of seven bytes. Before a window opens, its operation's number is told by a
//! store whose address says it. Another mark says that what follows only waits. The lab's plugin (`tests/plugin/counts.c`) knows all of this.

use core::sync::atomic::AtomicU64;

/// How many operations can be told apart.
pub(super) const OPERATIONS: usize = 256;

/// The number of the operation that is measured next.
pub(super) static OPERATION: AtomicU64 = AtomicU64::new(0);

/// Where numbers are told: the first half for windows of operations, the second for those of the
/// loops alone.
#[repr(C, align(4096))]
pub(super) struct Told([AtomicU64; 2 * OPERATIONS]);

const _: () = assert!(size_of::<Told>() == 4096);

pub(super) static TOLD: Told = Told([const { AtomicU64::new(0) }; 2 * OPERATIONS]);

/// Passes an `asm!`, with what the window's ends name added to its operands.
macro_rules! window {
    ($asm:ident!($($argument:tt)*)) => {
        $asm!(
            $($argument)*
            operation = sym $crate::bench::window::OPERATION,
            told = sym $crate::bench::window::TOLD,
        )
    };
}

/// Text that opens a window at an offset from where its operation's number is told.
macro_rules! opening_at {
    ($kept:literal, $offset:literal) => {
        concat!(
            "mov rdx, [rip + {operation}]\n",
            "lea rax, [rip + {told}]\n",
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x03\n",
            "mov [rax + rdx * 8 + ",
            $offset,
            "], rdx\n",
            "rdtsc\n",
            "shl rdx, 32\n",
            "or rax, rdx\n",
            "mov ",
            $kept,
            ", rax\n",
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x01\n",
        )
    };
}

/// Opens the window of an operation: keeps the counter in a register, changes rax and rdx.
macro_rules! opening {
    ($kept:literal) => {
        $crate::bench::window::opening_at!($kept, "0")
    };
}

/// The same for a loop without the operation.
macro_rules! opening_of_own {
    ($kept:literal) => {
        $crate::bench::window::opening_at!($kept, "2048")
    };
}

/// Closes the window: the ticks that went by are in rax.
macro_rules! closing {
    ($kept:literal) => {
        concat!(
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x02\n",
            "rdtsc\n",
            "shl rdx, 32\n",
            "or rax, rdx\n",
            "sub rax, ",
            $kept,
        )
    };
}

/// What is executed again and again, with a jump back to `4:`, until something has come. Its instructions
/// are not counted from outside: their length is told by the mark in front, at most 127 bytes.
macro_rules! waiting {
    ($round:literal) => {
        concat!(
            ".byte 0x0f, 0x1f, 0x80, 0x50, 0x56, 0x4e, 0x80 + 5f - 4f\n4:\n",
            $round,
            "\n5:\n"
        )
    };
}

/// Defines loops: what begins them, which puts the number of rounds into rsi; what is done in each round;
/// what ends them. They return the ticks that went by, and keep r9 for it.
macro_rules! loops {
    ($($name:ident: $opening:ident, $begin:expr, $round:expr, $end:expr;)*) => { $(
        #[unsafe(naked)]
        pub(super) extern "C" fn $name(_: u64, _: u64, _: u64) -> u64 {
            $crate::bench::window::window!(naked_asm!(
                $begin,
                $crate::bench::window::$opening!("r9"),
                "2:",
                $round,
                "dec rsi",
                "jnz 2b",
                $crate::bench::window::closing!("r9"),
                $end,
            ))
        }
    )* };
}

pub(super) use {closing, loops, opening, opening_at, opening_of_own, waiting, window};
