//! From the first instruction of a program to its main function, and its arguments.
//!
//! The kernel starts a program with a 16-byte aligned stack and the argument block in `rdi`
//! (address) and `rsi` (length): the program's path, then its arguments, each ended by NUL. The
//! first program of a domain gets the words of the kernel's command line (without `init=`).

use crate::{println, sys};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

static ARGS: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static ARGS_LEN: AtomicUsize = AtomicUsize::new(0);

/// Names a program's main function (`fn() -> i32`) and supplies `_start`, panic handler and heap.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[global_allocator]
        static HEAP: $crate::heap::UserHeap = $crate::heap::UserHeap::new();

        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::start::die(info)
        }

        extern "C" fn start(args: *mut u8, len: usize) -> ! {
            let main: fn() -> i32 = $main;
            $crate::start::run(args, len, main)
        }

        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn _start() -> ! {
            // The frame-pointer chain ends here.
            ::core::arch::naked_asm!("xor ebp, ebp", "call {start}", "ud2", start = sym start)
        }
    };
}

/// Runs `main` with the arguments of the kernel and ends the process with its status.
pub fn run(args: *mut u8, len: usize, main: fn() -> i32) -> ! {
    ARGS.store(args, Ordering::Relaxed);
    ARGS_LEN.store(len, Ordering::Relaxed);
    sys::exit(main())
}

/// Reports a panic and ends the process with status 101.
pub fn die(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("process {}: {info}", sys::getpid());
    sys::exit(101)
}

fn block() -> &'static [u8] {
    let start = ARGS.load(Ordering::Relaxed);
    if start.is_null() {
        return &[];
    }
    // SAFETY: the kernel put a block of this length above the stack before the first instruction;
    // it is never unmapped, and nothing writes it.
    unsafe { core::slice::from_raw_parts(start, ARGS_LEN.load(Ordering::Relaxed)) }
}

/// The arguments; the first is the program's path. Anything that is not UTF-8 reads as empty.
pub fn args() -> impl Iterator<Item = &'static str> {
    let block = block();
    let block = block.strip_suffix(&[0]).unwrap_or(block);
    block
        .split(|&b| b == 0)
        .map(|arg| core::str::from_utf8(arg).unwrap_or(""))
}

/// The value of the argument `name=value`, if given.
pub fn option(name: &str) -> Option<&'static str> {
    args()
        .skip(1)
        .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
}
