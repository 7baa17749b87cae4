//! Whole programs, measured: a process from its start to its end, file reads, a stream, fresh memory,
//! and a mix of all of them with other processes. Prints a line for each as the kernel's benches do:
//! `all` is every instruction, of programs, kernel and hypervisor. By a clock that counts something else
//! no two measurements are alike: with `repeat=N` each is done so often, and the shortest is told. With
//! `role=NAME` it is one of the other processes.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;
use guest_user::abi::*;
use guest_user::{println, start, sys, window, work};

guest_user::entry!(main);

const NAME: &str = "mix";
/// The file that is read, as there is one in every ramdisk.
const FILE: &str = "/bin/init";
const BLOCK: usize = 4096;
/// Processes that are measured together.
const PROCESSES: u64 = 16;
/// Blocks that the pump sends.
const BLOCKS: usize = 64;
/// Rounds of computation on each block.
const ROUNDS: u64 = 512;
const FOREVER: u64 = u64::MAX;

fn main() -> i32 {
    match start::option("role") {
        Some("leaf") => 0,
        Some("reader") => reader(),
        Some("pump") => pump(),
        _ => measure_all(),
    }
}

fn failed(what: &str, why: impl core::fmt::Debug) -> i32 {
    println!("mix: {what} failed: {why:?}");
    1
}

/// What is measured: its name, how many operations it is, and they themselves.
type Measured = (&'static str, u64, fn() -> Result<(), Errno>);

const ALL: [Measured; 8] = [
    ("process_started_and_ended", PROCESSES, processes),
    ("system_call", 128, calls),
    ("file_block", 64, blocks),
    ("stream_block", 64, stream),
    ("page_touched", 64, pages),
    ("load", 1, load),
    ("process_forked_and_ended", PROCESSES, forks),
    ("process_forked_run_and_ended", PROCESSES, programs),
];

fn measure_all() -> i32 {
    let repeat: u32 = match start::option("repeat").map(str::parse) {
        None => 1,
        Some(Ok(repeat @ 1..=1000)) => repeat,
        Some(_) => {
            println!("mix: `repeat` is not a number from 1 to 1000");
            return 1;
        }
    };
    // Once before, so that what is kept for reuse is there.
    for (name, _, run) in ALL {
        if let Err(e) = run() {
            return failed(name, e);
        }
    }
    for (number, (name, times, run)) in ALL.into_iter().enumerate() {
        let mut ticks = u64::MAX;
        for _ in 0..repeat {
            let mut result = Ok(());
            ticks = ticks.min(window::measure(number, || result = run()));
            if let Err(e) = result {
                return failed(name, e);
            }
        }
        let tenths = ticks * 10 / times;
        let (whole, rest) = (tenths / 10, tenths % 10);
        println!("BENCH {name} all={whole}.{rest} number={number} times={times}");
    }
    println!("BENCH DONE n={} refused=0", ALL.len());
    0
}

fn ended_well(pid: u64) -> Result<(), Errno> {
    match sys::wait(pid)? {
        0 => Ok(()),
        _ => Err(Errno::EIO),
    }
}

fn processes() -> Result<(), Errno> {
    (0..PROCESSES).try_for_each(|_| ended_well(sys::spawn("/bin/mix", b"role=leaf")?))
}

fn forks() -> Result<(), Errno> {
    (0..PROCESSES).try_for_each(|_| match sys::fork()? {
        0 => sys::exit(0),
        pid => ended_well(pid),
    })
}

fn programs() -> Result<(), Errno> {
    (0..PROCESSES).try_for_each(|_| match sys::fork()? {
        0 => {
            let why = sys::exec("/bin/mix", b"role=leaf");
            sys::exit(failed("exec", why))
        }
        pid => ended_well(pid),
    })
}

fn calls() -> Result<(), Errno> {
    (0..128).for_each(|_| {
        core::hint::black_box(sys::getpid());
    });
    Ok(())
}

fn blocks() -> Result<(), Errno> {
    let fd = sys::open(FILE)?;
    let mut block = vec![0; BLOCK];
    for _ in 0..64 {
        if sys::pread(fd, &mut block, 0)? != BLOCK {
            return Err(Errno::EIO);
        }
    }
    sys::close(fd)
}

/// To oneself and back.
fn stream() -> Result<(), Errno> {
    let listener = sys::listen(NAME)?;
    let near = sys::connect(NAME)?;
    let far = sys::accept(listener)?;
    let mut block = vec![1; BLOCK];
    for _ in 0..64 {
        if sys::write(near, &block)? != BLOCK || sys::read(far, &mut block)? != BLOCK {
            return Err(Errno::EIO);
        }
    }
    [listener, near, far].into_iter().try_for_each(sys::close)
}

fn pages() -> Result<(), Errno> {
    let memory = sys::map_anon(64)?;
    for page in 0..64 {
        // SAFETY: inside the range that was just mapped for this function alone.
        unsafe { memory.wrapping_add(page * BLOCK).write_volatile(1) };
    }
    // SAFETY: nothing uses the mapping any more.
    unsafe { sys::unmap(memory, 64) }
}

/// Two processes read files, a third sends a stream that this one receives, with computation on
/// everything.
fn load() -> Result<(), Errno> {
    let listener = sys::listen(NAME)?;
    let mut sum = 0;
    for _ in 0..4 {
        let readers = [(); 2].map(|()| sys::spawn("/bin/mix", b"role=reader"));
        let pump = sys::spawn("/bin/mix", b"role=pump")?;
        let stream = accept(listener)?;
        sum = receive(stream, sum)?;
        sys::close(stream)?;
        ended_well(pump)?;
        for reader in readers {
            ended_well(reader?)?;
        }
    }
    core::hint::black_box(sum);
    sys::close(listener)
}

/// Waits until something can be done with a descriptor.
fn wait(fd: u64, wanted: u32) -> Result<(), Errno> {
    let mut entry = [Poll {
        kind: POLL_FD,
        id: fd as u32,
        wanted,
        ready: 0,
    }];
    sys::poll(&mut entry, FOREVER).map(drop)
}

fn accept(listener: u64) -> Result<u64, Errno> {
    loop {
        match sys::accept(listener) {
            Err(Errno::EAGAIN) => wait(listener, POLL_READABLE)?,
            other => return other,
        }
    }
}

fn receive(stream: u64, mut sum: u64) -> Result<u64, Errno> {
    let mut block = vec![0; BLOCK];
    loop {
        match sys::read(stream, &mut block) {
            Ok(0) => return Ok(sum),
            Ok(n) => sum = digest(sum, &block[..n]),
            Err(Errno::EAGAIN) => wait(stream, POLL_READABLE)?,
            Err(e) => return Err(e),
        }
    }
}

/// Computes on a block, some instructions for each of its bytes.
fn digest(sum: u64, block: &[u8]) -> u64 {
    let bytes = block
        .iter()
        .fold(sum, |sum, &byte| (sum ^ u64::from(byte)).rotate_left(7));
    work::compute(bytes, ROUNDS)
}

fn reader() -> i32 {
    let read = || -> Result<u64, Errno> {
        let fd = sys::open(FILE)?;
        let mut block = vec![0; BLOCK];
        let (mut at, mut sum) = (0, 0);
        loop {
            match sys::pread(fd, &mut block, at)? {
                0 => break,
                n => {
                    sum = digest(sum, &block[..n]);
                    at += n as u64;
                }
            }
        }
        sys::close(fd).map(|()| sum)
    };
    match read() {
        Ok(sum) => i32::from(core::hint::black_box(sum) == 0),
        Err(e) => failed("reading", e),
    }
}

fn pump() -> i32 {
    let send = || -> Result<(), Errno> {
        let stream = sys::connect(NAME)?;
        let block = vec![7; BLOCK];
        for _ in 0..BLOCKS {
            let mut rest = &block[..];
            while !rest.is_empty() {
                match sys::write(stream, rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(Errno::EAGAIN) => wait(stream, POLL_WRITABLE)?,
                    Err(e) => return Err(e),
                }
            }
        }
        sys::close(stream)
    };
    match send() {
        Ok(()) => 0,
        Err(e) => failed("sending", e),
    }
}
