//! Makes system calls and sleeps, and checks what the kernel answers. Arguments: `rounds=N`
//! (default 5), `nap=NANOSECONDS`.
#![no_std]
#![no_main]

use guest_user::abi::Errno;
use guest_user::{println, start, sys};

guest_user::entry!(main);

const NAP_NS: u64 = 20_000_000;

fn main() -> i32 {
    let rounds = start::option("rounds")
        .and_then(|n| n.parse().ok())
        .unwrap_or(5);
    let nap = start::option("nap")
        .and_then(|n| n.parse().ok())
        .unwrap_or(NAP_NS);
    let pid = sys::getpid();
    let mut short_naps = 0;
    for _ in 0..rounds {
        let before = sys::clock();
        sys::sleep(nap);
        if sys::clock() - before < nap {
            short_naps += 1;
        }
    }
    let refused = [
        (
            "open of a missing file",
            sys::open("/no/such/file").err(),
            Errno::ENOENT,
        ),
        (
            "write to a bad descriptor",
            sys::write(9, b"x").err(),
            Errno::EBADF,
        ),
        ("wait for a stranger", sys::wait(pid).err(), Errno::ECHILD),
        (
            "name written into the kernel",
            write_into_kernel(),
            Errno::EFAULT,
        ),
    ];
    let mut wrong = 0;
    for (what, got, want) in refused {
        if got != Some(want) {
            println!("talker {pid}: {what} gave {got:?}, not {want:?}");
            wrong += 1;
        }
    }
    println!(
        "talker {pid}: slept {rounds} times, {short_naps} too short; {} of {} bad calls refused as they should be",
        refused.len() - wrong,
        refused.len()
    );
    i32::from(short_naps > 0 || wrong > 0)
}

/// Asks the kernel to write a name into the kernel's memory.
fn write_into_kernel() -> Option<Errno> {
    let kernel = 0xffff_ffff_8010_0000;
    // SAFETY: the address is not this process's: the kernel must refuse to write there.
    let result = unsafe { sys::raw(guest_user::abi::SYS_READDIR, [0, kernel, 64, 0, 0, 0]) };
    guest_user::abi::result(result).err()
}
