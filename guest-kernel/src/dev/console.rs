//! The console: dom0 has the hypervisor's, a domU has its ring; input goes through the line
//! discipline.

use super::event::{self, Handler};
use super::ring;
use crate::boot::BootInfo;
use crate::global::Global;
use crate::hypercall;
use crate::task;
use core::sync::atomic::{AtomicBool, Ordering};
use guest_kernel::line::Line;
use guest_user::abi::Errno;
use hypercall_abi::xen::VIRQ_CONSOLE;

static LINE: Global<Line> = Global::new(Line::new());
/// Whether this domain writes to the hypervisor's console; a domU tries until it is refused.
static HYPERVISOR_CONSOLE: AtomicBool = AtomicBool::new(true);
/// Rounds in which the kernel waits for room in the ring before it drops its message.
const PATIENCE: u32 = 2000;

/// Opens the domain's console for output. Needs the P2M.
pub(crate) fn init_output(boot: &BootInfo) {
    if let Some((mfn, port)) = boot.console()
        && ring::init(mfn, port)
    {
        HYPERVISOR_CONSOLE.store(false, Ordering::Relaxed);
    }
}

/// Starts input. Needs event channels.
pub(crate) fn init_input(boot: &BootInfo) -> Result<(), Errno> {
    match boot.console() {
        Some((_, port)) if ring::exists() => event::handle(port, Handler::Console).map(drop),
        _ if boot.is_dom0() => event::bind_virq(VIRQ_CONSOLE, Handler::Console).map(drop),
        _ => Ok(()),
    }
}

/// Writes what can be written without waiting; returns how much of `data` that was.
fn write_some(data: &[u8]) -> usize {
    if ring::exists() {
        return write_ring(data);
    }
    if HYPERVISOR_CONSOLE.load(Ordering::Relaxed) && hypercall::console_write(data).is_err() {
        // A release-build hypervisor refuses a domU; there is nowhere else to say so.
        HYPERVISOR_CONSOLE.store(false, Ordering::Relaxed);
    }
    data.len()
}

/// Writes to the ring, each newline as carriage return and newline: a terminal reads it.
fn write_ring(data: &[u8]) -> usize {
    let mut written = 0;
    while written < data.len() {
        let rest = &data[written..];
        if rest[0] == b'\n' {
            // A lone carriage return before a newline that finds no room is repeated: harmless.
            if ring::put(b"\r\n") < 2 {
                break;
            }
            written += 1;
            continue;
        }
        let run = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let put = ring::put(&rest[..run]);
        written += put;
        if put < run {
            break;
        }
    }
    written
}

/// Writes a message of the kernel: waits a little for room, then drops the rest, because the
/// kernel must not depend on somebody reading its console.
pub(crate) fn write_kernel(mut data: &[u8]) {
    let mut patience = PATIENCE;
    while !data.is_empty() && patience > 0 {
        let n = write_some(data);
        data = &data[n..];
        if !data.is_empty() {
            hypercall::sched_yield();
            patience -= 1;
        }
    }
}

/// Writes for a process, which sleeps while there is no room.
pub(crate) fn write(mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        let n = write_some(data);
        data = &data[n..];
        if !data.is_empty() {
            task::block(task::Wait::ConsoleRoom, super::time::NEVER)?;
        }
    }
    Ok(())
}

/// The console's event: takes the input and wakes whoever waits.
pub(crate) fn event() {
    let mut buf = [0; 64];
    loop {
        let n = if ring::exists() {
            ring::take(&mut buf)
        } else {
            hypercall::console_read(&mut buf).unwrap_or(0)
        };
        if n == 0 {
            break;
        }
        for &byte in &buf[..n] {
            let echo = LINE.with(|line| line.typed(byte));
            write_kernel(echo);
        }
    }
    if has_input() {
        task::wake(task::Wait::ConsoleInput);
        task::wake(task::Wait::Poll);
    }
    task::wake(task::Wait::ConsoleRoom);
}

/// Whether a read would not block.
pub(crate) fn has_input() -> bool {
    LINE.with(|line| line.has_input())
}

/// Reads; blocks until there is something.
pub(crate) fn read(buf: &mut [u8]) -> Result<usize, Errno> {
    if buf.is_empty() {
        return Ok(0);
    }
    loop {
        let n = LINE.with(|line| line.take(buf));
        if n > 0 {
            return Ok(n);
        }
        task::block(task::Wait::ConsoleInput, super::time::NEVER)?;
    }
}

/// Chooses raw bytes or edited lines.
pub(crate) fn set_raw(raw: bool) {
    LINE.with(|line| line.set_raw(raw));
}
