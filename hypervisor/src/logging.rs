//! The log: a ring in memory (`xl dmesg`) and the console, every line with the prefix `(PVN) `.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arrayvec::ArrayVec;
use hypervisor_core::cmdline::LogLevel;
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Mutex;

use crate::arch::{ipi, percpu};
use crate::console;

const RING: usize = 16 * 1024;
const PREFIX: &[u8] = b"(PVN) ";

struct Ring {
    bytes: [u8; RING],
    /// Bytes ever written.
    written: u64,
    /// Bytes that a reader told to forget.
    cleared: u64,
}

static LOG: Mutex<Ring> = Mutex::new(Ring {
    bytes: [0; RING],
    written: 0,
    cleared: 0,
});
/// The CPU that ends the machine, plus 1: it must not wait for a lock that the code it interrupted,
/// or a halted CPU, holds.
static PANICKING: AtomicU32 = AtomicU32::new(0);

/// Who ends the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panic {
    /// This CPU, from now on.
    First,
    /// This CPU, which had begun before.
    Again,
    /// Another CPU, which will halt this one.
    Elsewhere,
}

impl Ring {
    /// Where it begins.
    fn oldest(&self) -> u64 {
        self.cleared.max(self.written.saturating_sub(RING as u64))
    }

    /// The position whose lower half a caller gave, or where the ring begins if that is behind it.
    fn position(&self, low: u32) -> u64 {
        let back = (self.written as u32).wrapping_sub(low);
        let at = self.written.saturating_sub(u64::from(back));
        at.max(self.oldest())
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.bytes[(self.written % RING as u64) as usize] = byte;
            self.written += 1;
        }
    }
}

/// Writes lines to both, inserting the prefix at each line's start. Up to [`PIECE`] bytes of a line
/// go to the console at once, so that guests on other CPUs do not write into it.
struct Lines<'a> {
    ring: Option<&'a mut Ring>,
    at_start: bool,
    held: ArrayVec<u8, PIECE>,
}

const PIECE: usize = 256;

impl Lines<'_> {
    fn emit(&mut self, bytes: &[u8]) {
        if let Some(ring) = self.ring.as_mut() {
            ring.push(bytes);
        }
        for &byte in bytes {
            self.held.push(byte);
            if byte == b'\n' || self.held.is_full() {
                console::write(&self.held);
                self.held.clear();
            }
        }
    }
}

impl Write for Lines<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for piece in s.as_bytes().split_inclusive(|&b| b == b'\n') {
            if self.at_start {
                self.emit(PREFIX);
            }
            self.emit(piece);
            self.at_start = piece.ends_with(b"\n");
        }
        Ok(())
    }
}

/// Whether a CPU that writes to the log tells itself of it: from when interrupts can come.
static TELLS: AtomicBool = AtomicBool::new(false);
/// Whether the log has grown since [`take_news`].
static NEWS: AtomicBool = AtomicBool::new(false);

/// From now on news in the log interrupts the CPU that wrote it. Its APIC is on.
pub(crate) fn tell_of_news() {
    TELLS.store(true, Ordering::Relaxed);
}

/// Whether there is more in the log than at the last time.
pub(crate) fn take_news() -> bool {
    NEWS.swap(false, Ordering::AcqRel)
}

/// Logs one formatted message as a line of its own.
pub(crate) fn line(args: fmt::Arguments<'_>) {
    let mut guard = if is_ending() {
        LOG.try_lock()
    } else {
        Some(LOG.lock())
    };
    let mut lines = Lines {
        ring: guard.as_deref_mut(),
        at_start: true,
        held: ArrayVec::new(),
    };
    // Writing to `Lines` cannot fail; a formatting error only shortens the line.
    let _ = lines.write_fmt(args);
    let _ = lines.write_str("\n");
    drop(guard);
    if TELLS.load(Ordering::Relaxed) && !is_ending() && !NEWS.swap(true, Ordering::AcqRel) {
        ipi::kick_self();
    }
}

/// Logs at `level`, out of line: the macros of the `log` crate would build their record at each call.
#[cold]
#[inline(never)]
pub(crate) fn say(level: Level, args: fmt::Arguments<'_>) {
    log::log!(level, "{args}");
}

macro_rules! error {
    ($($arg:tt)*) => { $crate::logging::say(log::Level::Error, format_args!($($arg)*)) };
}

macro_rules! warn {
    ($($arg:tt)*) => { $crate::logging::say(log::Level::Warn, format_args!($($arg)*)) };
}

macro_rules! info {
    ($($arg:tt)*) => { $crate::logging::say(log::Level::Info, format_args!($($arg)*)) };
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            line(*record.args());
        }
    }

    fn flush(&self) {}
}

/// Makes this the backend of the `log` crate.
pub(crate) fn init(level: LogLevel) {
    let filter = match level {
        LogLevel::None => LevelFilter::Off,
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::All => LevelFilter::Debug,
    };
    // Fails only if there is a logger already.
    let _ = log::set_logger(&Logger);
    log::set_max_level(filter);
}

/// Whether this CPU ends the machine: log and console do not wait for their locks.
pub(crate) fn is_ending() -> bool {
    let who = PANICKING.load(Ordering::Relaxed);
    who != 0 && who == percpu::number() + 1
}

/// From here on log and console do not wait for their locks, on the first CPU to come here.
pub(crate) fn begin_panic() -> Panic {
    let me = percpu::number() + 1;
    match PANICKING.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Panic::First,
        Err(who) if who == me => Panic::Again,
        Err(_) => Panic::Elsewhere,
    }
}

/// Copies the ring into `buf`, from position `from` on or its oldest byte; gives how many bytes, and
/// the position behind them.
pub(crate) fn read(from: Option<u32>, buf: &mut [u8]) -> (usize, u32) {
    let ring = LOG.lock();
    let first = from.map_or(ring.oldest(), |at| ring.position(at));
    let count = (ring.written - first).min(buf.len() as u64);
    for (byte, at) in buf.iter_mut().zip(first..first + count) {
        *byte = ring.bytes[(at % RING as u64) as usize];
    }
    (count as usize, (first + count) as u32)
}

/// Forgets what is before position `to`.
pub(crate) fn clear(to: u32) {
    let mut ring = LOG.lock();
    ring.cleared = ring.position(to);
}
