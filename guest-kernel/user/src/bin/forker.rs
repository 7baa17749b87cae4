//! Checks of `fork` and `exec`: two processes have the same memory until one of them writes, each keeps
//! what is its own, and all of it comes back, also where memory runs out in between. With `role=after` it
//! is the program that is run in the place of another, with `role=hoard` what takes all memory, with
//! `role=attempt` what forks nevertheless.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use alloc::{format, vec};
use guest_user::abi::*;
use guest_user::check::{Done, refused, same, status, told};
use guest_user::{println, start, sys};

guest_user::entry!(main);

const PAGE: usize = 4096;
/// Pages that are shared, for which more than one call is needed to take their write access.
const PAGES: usize = 150;
/// Processes that are there at once.
const SIBLINGS: u64 = 20;
/// Pages that are left to a fork when memory is short: so many and then fewer, down to none.
const LEFT: u8 = 40;
/// Free pages that the kernel keeps from processes.
const RESERVE: u64 = 128;
/// Where processes of the test with little memory meet.
const SHORT: &str = "forker";
const FOREVER: u64 = u64::MAX;
const FILE: &str = "/bin/init";
/// What a program ends with that took the place of another.
const AFTER: i64 = 7;

fn main() -> i32 {
    let done = match start::option("role") {
        Some("after") => return after(),
        Some("attempt") => return attempt(),
        Some("hoard") => hoard(),
        _ => all(),
    };
    status("forker", done)
}

fn all() -> Done {
    // Once before, so that what is kept for reuse is there.
    checks()?;
    let before = figures()?;
    checks()?;
    same("pages, channels and processes", figures()?, before)?;
    println!("forker: two processes from one are as they should be, and nothing is left of them");
    Ok(())
}

fn figures() -> Done<[u64; 3]> {
    let of = |what| told("info", sys::info(what));
    Ok([
        of(INFO_FREE_PAGES)?,
        of(INFO_CHANNELS)?,
        of(INFO_PROCESSES)?,
    ])
}

fn checks() -> Done {
    memory()?;
    kernel_writes()?;
    generations()?;
    siblings()?;
    rights()?;
    descriptors()?;
    another_program()?;
    short_of_memory()
}

/// Starts a second process that does something and ends; its number.
fn child(what: &str, f: impl FnOnce() -> Done) -> Done<u64> {
    match told(what, sys::fork())? {
        0 => sys::exit(status(what, f())),
        pid => Ok(pid),
    }
}

fn ends(what: &str, pid: u64, with: i64) -> Done {
    same(what, told(what, sys::wait(pid))?, with)
}

/// Memory that is told apart by page.
fn pattern() -> Vec<u8> {
    let page = |i: usize| [i as u8; PAGE];
    (0..PAGES).flat_map(page).collect()
}

/// The pages that are not as in the pattern.
fn changed(memory: &[u8]) -> usize {
    let pages = memory.chunks(PAGE).enumerate();
    let is_same = |(i, page): &(usize, &[u8])| page.iter().all(|&byte| byte == *i as u8);
    pages.filter(|page| !is_same(page)).count()
}

/// What one of the two writes, the other does not see.
fn memory() -> Done {
    let mut memory = pattern();
    let mut on_stack = [1_u64, 2, 3];
    let fresh = told("map_anon", sys::map_anon(2))?;
    // SAFETY: inside the mapping, which is this function's; the page after it stays untouched.
    unsafe { fresh.write_volatile(9) };
    let pid = child("the child", || {
        same("what it has changed", changed(&memory), 0)?;
        memory.fill(255);
        on_stack.fill(7);
        for (page, with) in [(0, 9), (1, 0)] {
            // SAFETY: inside the mapping, of whose pages one was never touched.
            let found = unsafe { fresh.wrapping_add(page * PAGE).read_volatile() };
            same("a fresh page", found, with)?;
        }
        // SAFETY: as above.
        unsafe { fresh.write_volatile(1) };
        sys::yield_now();
        same("what it wrote", changed(&memory), PAGES)
    })?;
    memory[PAGE] = 77;
    sys::yield_now();
    ends("a child that writes", pid, 0)?;
    memory[PAGE] = 1;
    same("what the parent sees of it", changed(&memory), 0)?;
    same("the parent's stack", on_stack, [1, 2, 3])?;
    // SAFETY: as above.
    let found = unsafe { fresh.read_volatile() };
    same("the parent's fresh page", found, 9)?;
    // SAFETY: nothing refers to the mapping any more.
    told("unmap", unsafe { sys::unmap(fresh, 2) })
}

/// Where the kernel writes for one of them, the other does not see it either.
fn kernel_writes() -> Done {
    let mut buffer = vec![3; 2 * PAGE];
    let fd = told("open", sys::open(FILE))?;
    let pid = child("a child that reads a file", || {
        let count = told("pread", sys::pread(fd, &mut buffer, 0))?;
        same("what it read", (count, &buffer[1..4]), (2 * PAGE, b"ELF"))
    })?;
    ends("a child that reads a file", pid, 0)?;
    let changed = buffer.iter().filter(|&&byte| byte != 3).count();
    same("bytes of the parent's buffer that changed", changed, 0)?;
    told("pread", sys::pread(fd, &mut buffer, 0)).map(drop)?;
    same("what the parent read", &buffer[1..4], b"ELF")?;
    told("close", sys::close(fd))
}

/// A child's child has what its parent had, and not what it wrote later.
fn generations() -> Done {
    let mut memory = pattern();
    let pid = child("a child with a child", || {
        memory[0] = 1;
        let last = child("a grandchild", || {
            same("what it inherited", (memory[0], changed(&memory)), (1, 1))?;
            memory.fill(0);
            Ok(())
        })?;
        memory[PAGE] = 0;
        ends("a grandchild", last, 0)?;
        same("what its parent has", changed(&memory), 2)
    })?;
    ends("a child with a child", pid, 0)?;
    same("what the first has", changed(&memory), 0)
}

/// Many that have the same pages, each of which writes to all of them.
fn siblings() -> Done {
    let mut memory = pattern();
    let mut pids = Vec::new();
    for number in 0..SIBLINGS {
        let own = number as u8 ^ 0x80;
        pids.push(child("a sibling", || {
            same("what a sibling has", changed(&memory), 0)?;
            for page in memory.chunks_mut(PAGE) {
                page.fill(own);
                sys::yield_now();
            }
            let others = memory.iter().filter(|&&byte| byte != own).count();
            same("bytes that are not its own", others, 0)
        })?);
    }
    for pid in pids {
        ends("a sibling", pid, 0)?;
    }
    same("what is left of them", changed(&memory), 0)
}

/// Memory that nobody may write stays so.
fn rights() -> Done {
    let pid = child("a child that writes to code", || {
        let code = main as *const () as *mut u8;
        // SAFETY: it faults, which ends the process.
        unsafe { code.write_volatile(0x90) };
        Err("it could".into())
    })?;
    ends("a child that writes to code", pid, STATUS_FAULT | 14)
}

/// Files are there in both; a stream stays the parent's.
fn descriptors() -> Done {
    let listener = told("listen", sys::listen("forker: stream"))?;
    let near = told("connect", sys::connect("forker: stream"))?;
    let far = told("accept", sys::accept(listener))?;
    let fd = told("open", sys::open(FILE))?;
    let pid = child("a child with descriptors", || {
        let mut four = [0; 4];
        told("pread", sys::pread(fd, &mut four, 0))?;
        same("the file's beginning", &four[1..], b"ELF")?;
        for end in [listener, near, far] {
            refused("a parent's stream", sys::write(end, b"!"), Errno::EBADF)?;
            refused("its close", sys::close(end), Errno::EBADF)?;
        }
        told("close", sys::close(fd))
    })?;
    ends("a child with descriptors", pid, 0)?;
    told("write", sys::write(near, b"ok"))?;
    let mut two = [0; 2];
    told("read", sys::read(far, &mut two))?;
    same("what went through the stream", &two, b"ok")?;
    told("fsize", sys::fsize(fd))?;
    for fd in [listener, near, far, fd] {
        told("close", sys::close(fd))?;
    }
    Ok(())
}

/// `exec` keeps the process, and a process that cannot run a program goes on.
fn another_program() -> Done {
    let fd = told("open", sys::open(FILE))?;
    let pid = child("a child that becomes another", || {
        let missing = sys::exec("/bin/none", b"");
        same("exec of nothing", missing, Errno::ENOENT)?;
        let long = [1; 4096];
        let much = sys::exec("/bin/forker", &long);
        same("exec with too much", much, Errno::E2BIG)?;
        let args = format!("role=after\0pid={}\0fd={fd}", sys::getpid());
        let why = sys::exec("/bin/forker", args.as_bytes());
        Err(format!("exec: {why}"))
    })?;
    ends("a program after another", pid, AFTER)?;
    told("close", sys::close(fd))
}

fn after() -> i32 {
    let number = |name| start::option(name).and_then(|n| n.parse::<u64>().ok());
    let is_same = number("pid") == Some(sys::getpid());
    let mut four = [0; 4];
    let read = number("fd").map(|fd| sys::pread(fd, &mut four, 0));
    match is_same && read == Some(Ok(4)) && four[1..] == *b"ELF" {
        true => AFTER as i32,
        false => 1,
    }
}

/// Where memory is short, a fork is refused or does all that it should, or somebody is ended for want of
/// more; what they had comes back.
fn short_of_memory() -> Done {
    let listener = told("listen", sys::listen(SHORT))?;
    let (hoarder, hoard) = started(listener, b"role=hoard")?;
    let (mut ends_seen, mut others) = ([0; 3], None);
    for left in (0..LEFT).rev() {
        let (attempt, go) = started(listener, b"role=attempt")?;
        told("write", sys::write(hoard, &[left]))?;
        readable(hoard)?;
        same("answers", told("read", sys::read(hoard, &mut [0]))?, 1)?;
        let processes = told("info", sys::info(INFO_PROCESSES))?;
        told("write", sys::write(go, b"!"))?;
        let end = told("wait", sys::wait(attempt))?;
        let which = ENDS.iter().position(|&known| known == end);
        ends_seen[which.ok_or_else(|| format!("with {left} pages: {end:#x}"))?] += 1;
        told("close", sys::close(go))?;
        while told("info", sys::info(INFO_PROCESSES))? >= processes {
            sys::yield_now();
        }
        let free = free()? - u64::from(left);
        same("free pages", free, *others.get_or_insert(free))?;
    }
    for fd in [listener, hoard] {
        told("close", sys::close(fd))?;
    }
    ends("what has all memory", hoarder, 0)?;
    match ends_seen[0] > 0 && ends_seen[1] > 0 {
        true => Ok(()),
        false => Err(format!("of {LEFT} attempts ended {ends_seen:?}")),
    }
}

/// Starts a process of this program, and the stream that it opens.
fn started(listener: u64, role: &[u8]) -> Done<(u64, u64)> {
    let pid = told("spawn", sys::spawn("/bin/forker", role))?;
    readable(listener)?;
    Ok((pid, told("accept", sys::accept(listener))?))
}

/// How an attempt ends: with a second process, refused, for want of memory when it had one.
const ENDS: [i64; 3] = [0, 2, STATUS_FAULT | 14];

fn attempt() -> i32 {
    let ready = told("connect", sys::connect(SHORT)).and_then(readable);
    match ready.map(|()| sys::fork()) {
        Ok(Ok(0)) => 0,
        Ok(Ok(pid)) => {
            // The other may be ended, too.
            let _ = sys::wait(pid);
            0
        }
        Ok(Err(Errno::ENOMEM)) => 2,
        Ok(Err(e)) => status("forker", Err(format!("fork: {e}"))),
        Err(why) => status("forker", Err(why)),
    }
}

fn free() -> Done<u64> {
    told("info", sys::info(INFO_FREE_PAGES))
}

fn readable(fd: u64) -> Done {
    let mut entry = [Poll {
        kind: POLL_FD,
        id: fd as u32,
        wanted: POLL_READABLE,
        ready: 0,
    }];
    told("poll", sys::poll(&mut entry, FOREVER)).map(drop)
}

/// Takes memory until there is no more than it is told, time and again.
fn hoard() -> Done {
    let stream = told("connect", sys::connect(SHORT))?;
    let memory = told("map_anon", sys::map_anon(free()?))?;
    let (mut left, mut page) = ([0], 0);
    loop {
        readable(stream)?;
        if told("read", sys::read(stream, &mut left))? == 0 {
            return Ok(());
        }
        while free()? > RESERVE + u64::from(left[0]) {
            // SAFETY: inside the mapping, which has as many pages as there were.
            unsafe { memory.wrapping_add(page * PAGE).write_volatile(1) };
            page += 1;
        }
        told("write", sys::write(stream, b"!"))?;
    }
}
