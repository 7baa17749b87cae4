//! The hypervisor's command line, with the option names that Xen's users know.
//!
//! Pure parsing of untrusted bytes: whatever is unknown or malformed is collected as a [`Report`]
//! for the boot log and otherwise ignored.

mod values;

use core::fmt;

use arrayvec::{ArrayString, ArrayVec};

use crate::sched::policy::Kind;
use values::*;

/// Reports kept; further ones are only counted.
pub const MAX_REPORTS: usize = 16;

/// An option that was ignored, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The option as written, cut to 48 bytes; bytes outside printable ASCII as `?`.
    pub option: ArrayString<48>,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "command line: \"{}\" ignored: {}",
            self.option, self.reason
        )
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    None,
    /// Errors.
    Error,
    /// And warnings.
    Warning,
    /// And information.
    Info,
    /// Everything.
    All,
}

/// `com1=baud,8n1,io`: settings of the serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    /// Bits per second; `None` keeps what the firmware set (`auto`).
    pub baud: Option<u32>,
    /// Data bits, 5 to 8.
    pub data_bits: u8,
    /// Parity: `n`, `o`, `e`, `m` or `s`.
    pub parity: u8,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
    /// First I/O port.
    pub io_base: u16,
}

impl Default for Serial {
    fn default() -> Self {
        Self {
            baud: None,
            data_bits: 8,
            parity: b'n',
            stop_bits: 1,
            io_base: 0x3f8,
        }
    }
}

/// An amount of memory in `dom0_mem=`: `bytes`, plus `percent` of what is there. Negative `bytes`
/// leave that much to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Amount {
    /// Bytes.
    pub bytes: i64,
    /// Percent of the memory at hand, 0 to 100.
    pub percent: u8,
}

impl Amount {
    /// The amount in pages of `available` pages; negative amounts count from the top.
    #[must_use]
    pub fn pages(self, available: u64) -> u64 {
        let fraction = u128::from(available) * u128::from(self.percent) / 100;
        let fixed = i128::from(self.bytes) >> crate::addr::PAGE_SHIFT;
        let all = i128::from(available);
        let wanted = if self.bytes < 0 && self.percent == 0 {
            all
        } else {
            fraction as i128
        } + fixed;
        wanted.clamp(0, all) as u64
    }
}

/// `dom0_mem=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Dom0Memory {
    /// What it starts with; `None` is everything but a reserve.
    pub size: Option<Amount>,
    /// What it starts with at least.
    pub min: Option<Amount>,
    /// Its limit, for start and ballooning.
    pub max: Option<Amount>,
}

/// `dom0_max_vcpus=min-max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuRange {
    /// At least this many vCPUs.
    pub min: u32,
    /// At most this many.
    pub max: u32,
}

impl Default for VcpuRange {
    fn default() -> Self {
        Self {
            min: 1,
            max: u32::MAX,
        }
    }
}

impl VcpuRange {
    /// The number of vCPUs for a machine with `cpus` CPUs, never above `limit`, never 0.
    #[must_use]
    pub fn count(self, cpus: u32, limit: u32) -> u32 {
        cpus.min(self.max).max(self.min).clamp(1, limit.max(1))
    }
}

/// A clock that the time-stamp counter can be compared with (`clocksource=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// ACPI's power-management timer.
    Acpi,
    /// The high-precision event timer.
    Hpet,
    /// The PC's interval timer.
    Pit,
    /// None: what the processor itself says of it, if it does.
    Tsc,
}

impl ClockSource {
    const ALL: [Self; 4] = [Self::Acpi, Self::Hpet, Self::Pit, Self::Tsc];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acpi => "acpi",
            Self::Hpet => "hpet",
            Self::Pit => "pit",
            Self::Tsc => "tsc",
        }
    }
}

/// What the command line decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the serial port is a console (`console=com1`, the default).
    pub serial_console: bool,
    /// `com1=`.
    pub com1: Serial,
    /// `loglvl=`: the hypervisor's own messages.
    pub loglvl: LogLevel,
    /// `guest_loglvl=`: messages that guests cause.
    pub guest_loglvl: LogLevel,
    /// `dom0_mem=`.
    pub dom0_mem: Dom0Memory,
    /// `dom0_max_vcpus=`.
    pub dom0_vcpus: VcpuRange,
    /// `sched=`: the scheduling policy.
    pub scheduler: Kind,
    /// `clocksource=`.
    pub clock: Option<ClockSource>,
    /// `noreboot`: a reboot request and a crash halt the machine.
    pub noreboot: bool,
    /// `xpti`: guests are isolated from the hypervisor, all of them or none.
    pub xpti: bool,
    /// `watchdog`: CPUs look after each other.
    pub watchdog: bool,
    /// `watchdog_timeout=`: how long one may be stuck, seconds.
    pub watchdog_timeout: u32,
    /// `irq_ratelimit=`: interrupts of a device in 10 ms, 0 for any number.
    pub irq_limit: u32,
    /// Options that were ignored.
    pub reports: ArrayVec<Report, MAX_REPORTS>,
    /// Further ignored options, not kept.
    pub reports_lost: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            serial_console: true,
            com1: Serial::default(),
            loglvl: LogLevel::Info,
            guest_loglvl: LogLevel::Warning,
            dom0_mem: Dom0Memory::default(),
            dom0_vcpus: VcpuRange::default(),
            scheduler: Kind::default(),
            clock: None,
            noreboot: false,
            xpti: false,
            watchdog: false,
            watchdog_timeout: 5,
            irq_limit: 10_000,
            reports: ArrayVec::new_const(),
            reports_lost: 0,
        }
    }
}

/// The command line behind its first word, which multiboot 1 loaders make the image's name.
#[must_use]
pub fn without_image_name(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace);
    end.map_or(&[], |end| line[end..].trim_ascii())
}

/// Parses a command line of options separated by white space. Later options win over earlier ones.
#[must_use]
pub fn parse(line: &[u8]) -> Options {
    let mut options = Options::default();
    for word in line.split(u8::is_ascii_whitespace) {
        if word.is_empty() {
            continue;
        }
        if let Err(reason) = options.apply(word) {
            options.report(word, reason);
        }
    }
    options
}

/// Reads the value of an option that is on or off.
type Switch = fn(Option<&[u8]>) -> Parsed<bool>;

impl Options {
    fn apply(&mut self, word: &[u8]) -> Parsed<()> {
        let (name, value) = match word.iter().position(|&b| b == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        let (name, negated) = match name.strip_prefix(b"no-") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        if let Some((switch, read)) = self.switch(name) {
            *switch = read(value)? != negated;
            return Ok(());
        }
        let known: [&[u8]; 10] = [
            b"console",
            b"com1",
            b"loglvl",
            b"guest_loglvl",
            b"dom0_mem",
            b"dom0_max_vcpus",
            b"sched",
            b"watchdog_timeout",
            b"clocksource",
            b"irq_ratelimit",
        ];
        if !known.contains(&name) {
            return Err("unknown option");
        }
        if negated {
            return Err("the option is not a boolean");
        }
        let value = value
            .filter(|v| !v.is_empty())
            .ok_or("a value is missing")?;
        match name {
            b"console" => self.serial_console = consoles(value)?,
            b"com1" => self.com1 = serial(value)?,
            b"loglvl" => self.loglvl = log_level(value)?,
            b"guest_loglvl" => self.guest_loglvl = log_level(value)?,
            b"sched" => self.scheduler = scheduler(value)?,
            b"watchdog_timeout" => self.watchdog_timeout = seconds(value)?,
            b"irq_ratelimit" => self.irq_limit = interrupts(value)?,
            b"clocksource" => self.clock = Some(clock_source(value)?),
            b"dom0_mem" => self.dom0_mem = dom0_memory(value)?,
            _ => self.dom0_vcpus = vcpu_range(value)?,
        }
        Ok(())
    }

    /// The option of that name that is on or off, and what reads its value.
    fn switch(&mut self, name: &[u8]) -> Option<(&mut bool, Switch)> {
        Some(match name {
            b"noreboot" => (&mut self.noreboot, boolean),
            b"watchdog" => (&mut self.watchdog, boolean),
            b"xpti" => (&mut self.xpti, isolation),
            _ => return None,
        })
    }

    fn report(&mut self, word: &[u8], reason: &'static str) {
        let mut option = ArrayString::new();
        for &byte in word.iter().take(option.capacity()) {
            let shown = if byte.is_ascii_graphic() { byte } else { b'?' };
            option.push(char::from(shown));
        }
        if self.reports.try_push(Report { option, reason }).is_err() {
            self.reports_lost += 1;
        }
    }
}

#[cfg(test)]
mod tests;
