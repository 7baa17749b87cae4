//! Makes system calls with arguments that make no sense, to show that the kernel survives any of
//! them. Arguments: `calls=N` (default 20000), `seed=N` (default 1); the same seed gives the same
//! calls.
#![no_std]
#![no_main]

use guest_user::abi::*;
use guest_user::{println, start, sys, work};

guest_user::entry!(main);

/// Where results may be written: the only memory of this program that is named as a buffer.
static mut SCRATCH: [u8; 8192] = [0; 8192];

/// Calls that come back whatever their arguments. Left out: those that end the process or the
/// domain, those that may block for ever, and writing, which would only fill the console.
const CALLS: [u64; 32] = [
    SYS_YIELD,
    SYS_GETPID,
    SYS_SPAWN,
    SYS_EXEC,
    SYS_WAIT,
    SYS_OPEN,
    SYS_FSIZE,
    SYS_PREAD,
    SYS_CLOSE,
    SYS_MAP_ANON,
    SYS_UNMAP,
    SYS_CLOCK,
    SYS_READDIR,
    SYS_INFO,
    SYS_VCPUS,
    SYS_LISTEN,
    SYS_CONNECT,
    SYS_ACCEPT,
    SYS_PEER,
    SYS_ALIVE,
    SYS_GRANT_MAP,
    SYS_GRANT_COPY,
    SYS_DMA_ALLOC,
    SYS_IOMEM_MAP,
    SYS_PCI_READ,
    SYS_NET_ADDRESS,
    27,
    31,
    35,
    38,
    99,
    u64::MAX,
];

/// Values at which checks are usually wrong.
fn value(random: u64) -> u64 {
    let scratch = (&raw const SCRATCH) as u64;
    let code = main as *const () as u64;
    let base = [
        0,
        1,
        3,
        4096,
        USER_BASE,
        code,
        scratch,
        scratch + 4096,
        0x10_0000_0000,
        USER_END - 4096,
        USER_END,
        0x7fff_ffff_ffff,
        0x8000_0000_0000,
        0xffff_8000_0000_0000,
        0xffff_ffff_8010_0000,
        0xffff_ffff_e000_0000,
        u64::MAX - 4095,
        u64::MAX,
    ][(random % 18) as usize];
    base.wrapping_add([0, 0, 1, 7, 8, u64::MAX][(random >> 32) as usize % 6])
}

/// Whether a call could make the kernel write to memory that this program uses otherwise.
fn writes_own_memory(nr: u64, args: &[u64; 6]) -> bool {
    let scratch = (&raw const SCRATCH) as u64;
    let (target, len) = match nr {
        SYS_PREAD | SYS_READDIR => (args[1], args[2]),
        SYS_GRANT_MAP => (args[4], args[2].saturating_mul(2)),
        SYS_GRANT_COPY => (args[0], args[1].saturating_mul(40)),
        SYS_DMA_ALLOC => (args[1], 8),
        SYS_NET_ADDRESS => (args[1], 6),
        _ => return false,
    };
    let whole = (scratch..scratch + 4097).contains(&target) && len <= 4095;
    // The image and the stack are this program's; every other address must be refused or is a
    // mapping that this program made and does not use.
    let stack = USER_END - 0x20_0000..USER_END;
    let own = target < USER_BASE + 0x10_0000 || stack.contains(&target);
    own && !whole
}

fn main() -> i32 {
    let number = |name, default| {
        start::option(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let (calls, seed) = (number("calls", 20_000u64), number("seed", 1u64));
    let (mut made, mut refused) = (0u64, 0u64);
    for call in 0..calls {
        let random = |n: u64| work::pattern(seed, call * 8 + n);
        let nr = CALLS[(random(0) >> 8) as usize % CALLS.len()];
        let args = [1, 2, 3, 4, 5, 6].map(|n| value(random(n) >> 3));
        if writes_own_memory(nr, &args) {
            continue;
        }
        // SAFETY: as just checked, the kernel writes at most the scratch buffer; a mapping that
        // is undone is one that an earlier call made and nothing uses.
        let result = unsafe { sys::raw(nr, args) };
        made += 1;
        refused += u64::from((-MAX_ERRNO..0).contains(&result));
    }
    println!("stray: {made} senseless calls, {refused} of them refused; the kernel goes on");
    i32::from(refused == 0)
}
