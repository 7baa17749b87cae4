//! The first process of a guest with disks: reads a file of xvda, which is to be read only, and writes
//! and verifies xvdb, round after round, with a nap of `nap=MS` after each. With `rounds=N` it ends after
//! so many; with `plug` it then waits for xvdc to come and to go. With `discard=yes` it lets xvdb forget
//! parts of itself before that, and with `discard=no` it may not. With `blocks=N` it does nothing of that,
//! but reads so many blocks of 4 KiB of xvda, and then of xvdb, while the lab counts, in windows 0 and 1.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use guest_user::abi::*;
use guest_user::check::{Done, refused, status, told};
use guest_user::{println, start, sys, window, work};

guest_user::entry!(main);

/// A disk is waited for no longer, in nanoseconds, and looked for so often.
const PATIENCE: u64 = 60_000_000_000;
const PAUSE: u64 = 10_000_000;
/// Bytes that are written at once: more than one request takes.
const PIECE: usize = 40 << 10;
/// Bytes of xvdb that are used.
const SPACE: usize = 20 * PIECE;

fn main() -> i32 {
    let blocks = start::option("blocks").and_then(|n| n.parse().ok());
    status("disker", blocks.map_or_else(all, counted))
}

/// Opens what may not be there yet.
fn open(path: &str) -> Done<u64> {
    let end = sys::clock() + PATIENCE;
    loop {
        match sys::open(path) {
            Err(_) if sys::clock() < end => sys::sleep(PAUSE),
            other => return told(path, other),
        }
    }
}

fn read_only() -> Done {
    let disk = open("/dev/xvda")?;
    let size = told("fsize", sys::fsize(disk))?;
    let mut sector = [0; 512];
    refused("writing", sys::pwrite(disk, &sector, 0), Errno::EACCES)?;
    refused("discarding", sys::discard(disk, 0, 512), Errno::EACCES)?;
    refused(
        "half a sector",
        sys::pread(disk, &mut sector[..256], 0),
        Errno::EINVAL,
    )?;
    refused(
        "between sectors",
        sys::pread(disk, &mut sector, 100),
        Errno::EINVAL,
    )?;
    refused(
        "the end",
        sys::pread(disk, &mut sector, size),
        Errno::EINVAL,
    )?;
    refused(
        "far beyond",
        sys::pread(disk, &mut sector, !511),
        Errno::EINVAL,
    )?;
    told("the last sector", sys::pread(disk, &mut sector, size - 512))?;
    told("flush", sys::flush(disk))?;
    told("close", sys::close(disk))?;
    for path in [
        "/dev/xvdq",
        "/dev/xvda1",
        "/mnt/xvda/none",
        "/mnt/xvdq/a",
        "/mnt/xvda",
    ] {
        refused(path, sys::open(path), Errno::ENOENT)?;
    }
    let file = told("open", sys::open("/mnt/xvda/hello.txt"))?;
    let mut text = vec![0; told("fsize", sys::fsize(file))? as usize];
    told("pread", sys::pread(file, &mut text, 0))?;
    refused(
        "writing a file",
        sys::pwrite(file, &[0; 512], 0),
        Errno::EBADF,
    )?;
    println!("disker: {}", String::from_utf8_lossy(&text).trim_end());
    let kernel = told("open", sys::open("/mnt/xvda/guest-kernel"))?;
    let mut magic = [0; 4];
    told("pread", sys::pread(kernel, &mut magic, 0))?;
    if magic != *b"\x7fELF" {
        return Err(format!("the kernel begins with {magic:x?}"));
    }
    println!(
        "disker: {size} bytes of xvda, {} of its kernel",
        told("fsize", sys::fsize(kernel))?
    );
    told("close", sys::close(kernel))
}

fn pattern(round: u64, piece: usize) -> Vec<u8> {
    let words = (0..PIECE as u64 / 8).map(|i| work::pattern(round << 32 | piece as u64, i));
    words.flat_map(u64::to_le_bytes).collect()
}

/// Writes all pieces in another order each time, and finds all of them as they were written.
fn round(disk: u64, round: u64) -> Done {
    let pieces = SPACE / PIECE;
    for i in 0..pieces {
        let piece = (i * 7 + round as usize) % pieces;
        let data = pattern(round, piece);
        told("pwrite", sys::pwrite(disk, &data, (piece * PIECE) as u64))?;
    }
    told("flush", sys::flush(disk))?;
    let mut found = vec![0; PIECE];
    for piece in 0..pieces {
        told(
            "pread",
            sys::pread(disk, &mut found, (piece * PIECE) as u64),
        )?;
        if found != pattern(round, piece) {
            return Err(format!(
                "piece {piece} of round {round} is not what was written"
            ));
        }
    }
    Ok(())
}

/// Has the disk forget parts of itself after a round: the others are as they were, and what is forgotten
/// can be written again, but for the last, which stays so.
fn discards(disk: u64, round: u64) -> Done {
    let size = told("fsize", sys::fsize(disk))?;
    for (what, offset, len) in [
        ("nothing", 0, 0),
        ("half a sector", 0, 256),
        ("between sectors", 100, 512),
        ("the end", size, 512),
        ("beyond the end", size - 512, 1024),
        ("far beyond", !511, 512),
        ("more than all", 512, !511),
    ] {
        refused(what, sys::discard(disk, offset, len), Errno::EINVAL)?;
    }
    let (last, piece) = (SPACE / PIECE - 1, PIECE as u64);
    told("discard", sys::discard(disk, piece, 2 * piece))?;
    let end = last as u64 * piece;
    told("discard", sys::discard(disk, end, size - end))?;
    let mut found = vec![0; PIECE];
    for at in (0..last).filter(|at| ![1, 2].contains(at)) {
        told("pread", sys::pread(disk, &mut found, (at * PIECE) as u64))?;
        if found != pattern(round, at) {
            return Err(format!("piece {at} was not to be forgotten"));
        }
    }
    told("pwrite", sys::pwrite(disk, &pattern(round, 1), piece))?;
    told("pread", sys::pread(disk, &mut found, piece))?;
    if found != pattern(round, 1) {
        return Err("what was forgotten is not what was written again".into());
    }
    told("flush", sys::flush(disk))?;
    println!("disker: what was to be forgotten is, and nothing else");
    Ok(())
}

/// Reads the first blocks of both disks, one by one; what was read once before is not counted.
fn counted(blocks: u64) -> Done {
    const BLOCK: u64 = 4096;
    let mut block = [0; BLOCK as usize];
    for (number, path) in ["/dev/xvda", "/dev/xvdb"].into_iter().enumerate() {
        let disk = open(path)?;
        told("pread", sys::pread(disk, &mut block, 0))?;
        let mut read = Ok(());
        window::tell("disker", number, || {
            let mut each = (0..blocks).map(|at| sys::pread(disk, &mut block, at * BLOCK));
            read = each.try_for_each(|one| one.map(drop));
        });
        told("pread", read)?;
        println!("disker: {blocks} blocks of {path} are read");
        told("close", sys::close(disk))?;
    }
    Ok(())
}

fn plugged() -> Done {
    println!("disker: waits for another disk");
    let disk = open("/dev/xvdc")?;
    let mut sector = [0; 512];
    told("pread", sys::pread(disk, &mut sector, 1024))?;
    println!("disker: another disk is there");
    let end = sys::clock() + PATIENCE;
    loop {
        match sys::pread(disk, &mut sector, 0) {
            Ok(_) if sys::clock() < end => sys::sleep(PAUSE),
            other => {
                refused("reading what is gone", other, Errno::ENODEV)?;
                println!("disker: and gone");
                return told("close", sys::close(disk));
            }
        }
    }
}

fn all() -> Done {
    let number = |name| start::option(name).and_then(|n| n.parse::<u64>().ok());
    read_only()?;
    let disk = open("/dev/xvdb")?;
    let rounds = number("rounds").unwrap_or(u64::MAX);
    for i in 0..rounds {
        round(disk, i)?;
        println!("disker: round {i}: all that was written is there");
        if let Some(ms) = number("nap") {
            sys::sleep(ms * 1_000_000);
        }
    }
    match start::option("discard") {
        Some("yes") => discards(disk, rounds - 1)?,
        Some(_) => refused("discarding", sys::discard(disk, 0, 512), Errno::EOPNOTSUPP)?,
        None => {}
    }
    if start::args().any(|word| word == "plug") {
        plugged()?;
    }
    println!("disker: all as it should be");
    Ok(())
}
