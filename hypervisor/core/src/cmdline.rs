//! The hypervisor's command line, with the option names that Xen's users know.
//!
//! Pure parsing of untrusted bytes: whatever is unknown or malformed is collected as a [`Report`]
//! for the boot log and otherwise ignored.

use core::fmt;

use arrayvec::{ArrayString, ArrayVec};

use crate::sched::policy::Kind;

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

type Parsed<T> = Result<T, &'static str>;

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
        if name == b"noreboot" {
            self.noreboot = boolean(value)? != negated;
            return Ok(());
        }
        if name == b"watchdog" {
            self.watchdog = boolean(value)? != negated;
            return Ok(());
        }
        if name == b"xpti" {
            self.xpti = isolation(value)? != negated;
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

fn boolean(value: Option<&[u8]>) -> Parsed<bool> {
    match value {
        None | Some(b"1" | b"yes" | b"true" | b"on" | b"enable") => Ok(true),
        Some(b"0" | b"no" | b"false" | b"off" | b"disable") => Ok(false),
        Some(_) => Err("not a boolean"),
    }
}

/// `xpti=`: a boolean, `default`, `dom0=<bool>`, `domu=<bool>`, or several of them. The guests' page tables
/// and the ways in are the same for all, so that it is all of them if any is asked for.
fn isolation(value: Option<&[u8]>) -> Parsed<bool> {
    let mut any = value.is_none();
    for item in value
        .into_iter()
        .flat_map(|list| list.split(|&b| b == b','))
    {
        let of_domains = item.strip_prefix(b"dom0=").or(item.strip_prefix(b"domu="));
        any |= match of_domains {
            Some(chosen) => boolean(Some(chosen))?,
            None if item == b"default" => false,
            None => boolean(Some(item))?,
        };
    }
    Ok(any)
}

fn interrupts(value: &[u8]) -> Parsed<u32> {
    number(value)
        .and_then(|count| u32::try_from(count).ok())
        .ok_or("malformed or impossible number of interrupts")
}

/// Whether `com1` is among the consoles; names of consoles there are none of are refused.
fn consoles(value: &[u8]) -> Parsed<bool> {
    let mut com1 = false;
    for name in value.split(|&b| b == b',') {
        match name {
            b"com1" => com1 = true,
            b"none" | b"vga" => {}
            _ => return Err("no such console (com1, vga, none)"),
        }
    }
    Ok(com1)
}

fn log_level(value: &[u8]) -> Parsed<LogLevel> {
    // "error/warning": the second level is Xen's rate-limited one; here all guest-caused lines are.
    let first = value.split(|&b| b == b'/').next().unwrap_or(value);
    match first {
        b"none" => Ok(LogLevel::None),
        b"error" => Ok(LogLevel::Error),
        b"warning" => Ok(LogLevel::Warning),
        b"info" => Ok(LogLevel::Info),
        b"debug" | b"all" => Ok(LogLevel::All),
        _ => Err("no such level (none, error, warning, info, debug, all)"),
    }
}

fn scheduler(value: &[u8]) -> Parsed<Kind> {
    [Kind::Credit2, Kind::Null]
        .into_iter()
        .find(|kind| kind.name().as_bytes() == value)
        .ok_or("no such scheduler (credit2, null)")
}

fn clock_source(value: &[u8]) -> Parsed<ClockSource> {
    ClockSource::ALL
        .into_iter()
        .find(|source| source.name().as_bytes() == value)
        .ok_or("no such clock (acpi, hpet, pit, tsc)")
}

fn serial(value: &[u8]) -> Parsed<Serial> {
    let mut port = Serial::default();
    let mut fields = value.split(|&b| b == b',');
    let baud = fields.next().unwrap_or(b"");
    // "115200/3686400": the part behind the slash is the base clock, fixed for a 16550 on a PC.
    let baud = baud.split(|&b| b == b'/').next().unwrap_or(b"");
    if !baud.is_empty() && baud != b"auto" {
        let rate = number(baud).ok_or("malformed bit rate")?;
        if !(50..=115_200).contains(&rate) || 115_200 % rate != 0 {
            return Err("bit rate is not a divisor of 115200");
        }
        port.baud = Some(rate as u32);
    }
    match fields.next() {
        None | Some(b"") => {}
        Some(
            &[
                data @ b'5'..=b'8',
                parity @ (b'n' | b'o' | b'e' | b'm' | b's'),
                stop @ b'1'..=b'2',
            ],
        ) => {
            port.data_bits = data - b'0';
            port.parity = parity;
            port.stop_bits = stop - b'0';
        }
        Some(_) => return Err("malformed frame format (like 8n1)"),
    }
    match fields.next() {
        None | Some(b"") => {}
        Some(io) => {
            let base = number(io).ok_or("malformed I/O port")?;
            if base == 0 || base > 0xfff8 {
                return Err("I/O port out of range");
            }
            port.io_base = base as u16;
        }
    }
    Ok(port)
}

fn dom0_memory(value: &[u8]) -> Parsed<Dom0Memory> {
    let mut memory = Dom0Memory::default();
    for item in value.split(|&b| b == b',') {
        if let Some(rest) = item.strip_prefix(b"min:") {
            memory.min = Some(amount(rest)?);
        } else if let Some(rest) = item.strip_prefix(b"max:") {
            memory.max = Some(amount(rest)?);
        } else {
            memory.size = Some(amount(item)?);
        }
    }
    Ok(memory)
}

/// Seconds, up to an hour.
fn seconds(value: &[u8]) -> Parsed<u32> {
    match number(value) {
        Some(n @ 1..=3600) => Ok(n as u32),
        _ => Err("malformed or impossible number of seconds (1 to 3600)"),
    }
}

/// `[-]size`, `percent%`, or `[-]size+percent%`.
fn amount(text: &[u8]) -> Parsed<Amount> {
    let mut result = Amount::default();
    let (fixed, percent) = match text.strip_suffix(b"%") {
        None => (text, None),
        Some(rest) => match rest.iter().position(|&b| b == b'+') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (&b""[..], Some(rest)),
        },
    };
    if let Some(percent) = percent {
        let value = number(percent).ok_or("malformed percentage")?;
        if value > 100 {
            return Err("percentage above 100");
        }
        result.percent = value as u8;
    }
    if percent.is_none() || !fixed.is_empty() {
        let (digits, negative) = match fixed.strip_prefix(b"-") {
            Some(rest) => (rest, true),
            None => (fixed, false),
        };
        let bytes = size(digits)?;
        result.bytes = if negative { -bytes } else { bytes };
    }
    Ok(result)
}

/// A size with an optional unit, kibibytes without one.
fn size(text: &[u8]) -> Parsed<i64> {
    let (digits, shift) = match text.split_last() {
        Some((unit, digits)) if is_unit(*unit, digits) => {
            let shift = match unit.to_ascii_uppercase() {
                b'B' => 0,
                b'K' => 10,
                b'M' => 20,
                b'G' => 30,
                b'T' => 40,
                _ => return Err("unknown unit (B, K, M, G, T)"),
            };
            (digits, shift)
        }
        _ => (text, 10),
    };
    let value = number(digits).ok_or("malformed size")?;
    value
        .checked_mul(1 << shift)
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or("size too large")
}

/// Whether the last byte is a unit: in a hexadecimal number, `b` is a digit.
fn is_unit(last: u8, digits: &[u8]) -> bool {
    last.is_ascii_alphabetic() && !(digits.starts_with(b"0x") && last.is_ascii_hexdigit())
}

fn vcpu_range(value: &[u8]) -> Parsed<VcpuRange> {
    let count = |text| match number(text) {
        Some(n @ 1..=8192) => Ok(n as u32),
        _ => Err("malformed or impossible number of vCPUs"),
    };
    let range = match value.iter().position(|&b| b == b'-') {
        None => {
            let n = count(value)?;
            VcpuRange { min: n, max: n }
        }
        Some(at) => {
            let (low, high) = (&value[..at], &value[at + 1..]);
            VcpuRange {
                min: if low.is_empty() { 1 } else { count(low)? },
                max: if high.is_empty() {
                    u32::MAX
                } else {
                    count(high)?
                },
            }
        }
    };
    if range.min > range.max {
        return Err("minimum above maximum");
    }
    Ok(range)
}

/// A decimal number, or a hexadecimal one behind `0x`; `None` when malformed or above 64 bits.
fn number(text: &[u8]) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix(b"0x") {
        Some(rest) => (rest, 16),
        None => (text, 10),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        value
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory(text: &str) -> Dom0Memory {
        let options = parse(text.as_bytes());
        assert!(options.reports.is_empty(), "{:?}", options.reports);
        options.dom0_mem
    }

    fn bytes(bytes: i64) -> Option<Amount> {
        Some(Amount { bytes, percent: 0 })
    }

    #[test]
    fn watchdog() {
        let of = |line: &str| {
            let options = parse(line.as_bytes());
            let ignored = options.reports.len();
            (options.watchdog, options.watchdog_timeout, ignored)
        };
        assert_eq!(of(""), (false, 5, 0));
        assert_eq!(of("watchdog watchdog_timeout=30"), (true, 30, 0));
        assert_eq!(of("watchdog no-watchdog"), (false, 5, 0));
        assert_eq!(of("watchdog=maybe watchdog_timeout=0"), (false, 5, 2));
        assert_eq!(of("watchdog_timeout watchdog_timeout=3601"), (false, 5, 2));
    }

    #[test]
    fn interrupts_are_limited() {
        let of = |line: &str| {
            let options = parse(line.as_bytes());
            (options.irq_limit, options.reports.len())
        };
        assert_eq!(of(""), (10_000, 0));
        assert_eq!(of("irq_ratelimit=50"), (50, 0));
        assert_eq!(of("irq_ratelimit=0"), (0, 0));
        for line in [
            "irq_ratelimit",
            "irq_ratelimit=-1",
            "irq_ratelimit=4294967296",
        ] {
            assert_eq!(of(line), (10_000, 1), "{line}");
        }
    }

    #[test]
    fn isolation_is_for_all_or_none() {
        let of = |line: &str| {
            let options = parse(line.as_bytes());
            (options.xpti, options.reports.len())
        };
        for line in [
            "xpti",
            "xpti=true",
            "xpti=dom0=on",
            "xpti=dom0=0,domu=1",
            "no-xpti=no",
        ] {
            assert_eq!(of(line), (true, 0), "{line}");
        }
        for line in [
            "",
            "xpti=0",
            "no-xpti",
            "xpti=default",
            "xpti=dom0=off,domu=no",
            "xpti xpti=no",
        ] {
            assert_eq!(of(line), (false, 0), "{line}");
        }
        for line in ["xpti=maybe", "xpti=dom1=on", "xpti=dom0", "xpti="] {
            assert_eq!(of(line), (false, 1), "{line}");
        }
    }

    #[test]
    fn all_forms_of_dom0_mem() {
        assert_eq!(memory("dom0_mem=1024").size, bytes(1 << 20));
        assert_eq!(memory("dom0_mem=512B").size, bytes(512));
        assert_eq!(memory("dom0_mem=128M").size, bytes(128 << 20));
        assert_eq!(memory("dom0_mem=1g").size, bytes(1 << 30));
        assert_eq!(memory("dom0_mem=0x100K").size, bytes(256 << 10));
        assert_eq!(memory("dom0_mem=-64M").size, bytes(-(64 << 20)));
        let m = memory("dom0_mem=min:64M,max:-16M,50%");
        assert_eq!((m.min, m.max), (bytes(64 << 20), bytes(-(16 << 20))));
        assert_eq!(
            m.size,
            Some(Amount {
                bytes: 0,
                percent: 50
            })
        );
        let m = memory("dom0_mem=-4K+25%");
        assert_eq!(
            m.size,
            Some(Amount {
                bytes: -4096,
                percent: 25
            })
        );
        assert_eq!(m.size.unwrap().pages(400), 99);
        assert_eq!(bytes(-(1 << 20)).unwrap().pages(1000), 744);
        assert_eq!(bytes(-(1 << 40)).unwrap().pages(1000), 0);
        assert_eq!(bytes(i64::MAX).unwrap().pages(1000), 1000);
    }

    #[test]
    fn xen_s_usual_line() {
        let o = parse(
            b"console=com1,vga com1=115200,8n1,0x2f8 loglvl=all guest_loglvl=error/debug dom0_max_vcpus=2-4 sched=null noreboot",
        );
        assert!(o.reports.is_empty(), "{:?}", o.reports);
        assert!(o.serial_console && o.noreboot);
        assert_eq!((o.com1.baud, o.com1.io_base), (Some(115_200), 0x2f8));
        assert_eq!((o.loglvl, o.guest_loglvl), (LogLevel::All, LogLevel::Error));
        assert_eq!(o.dom0_vcpus, VcpuRange { min: 2, max: 4 });
        assert_eq!(o.dom0_vcpus.count(8, 64), 4);
        assert_eq!(o.dom0_vcpus.count(1, 64), 2);
        assert_eq!(o.scheduler, Kind::Null);
        assert_eq!(parse(b"sched=credit2").scheduler, Kind::Credit2);
        assert!(!parse(b"noreboot no-noreboot").noreboot);
        assert!(!parse(b"noreboot=off").noreboot);
        assert!(!parse(b"console=none").serial_console);
        assert_eq!(without_image_name(b" /boot/paravane a=b c "), b"a=b c");
        assert_eq!(without_image_name(b"paravane"), b"");
    }

    #[test]
    fn each_malformed_option_is_named_and_changes_nothing() {
        for (line, reason) in [
            ("dom0_mem=", "a value is missing"),
            ("dom0_mem", "a value is missing"),
            ("dom0_mem=12Q", "unknown unit (B, K, M, G, T)"),
            ("dom0_mem=M", "malformed size"),
            ("dom0_mem=--1M", "malformed size"),
            ("dom0_mem=99999999999G", "size too large"),
            ("dom0_mem=101%", "percentage above 100"),
            (
                "dom0_max_vcpus=0",
                "malformed or impossible number of vCPUs",
            ),
            ("dom0_max_vcpus=4-2", "minimum above maximum"),
            ("com1=0,8n1", "bit rate is not a divisor of 115200"),
            ("com1=9600,9n1", "malformed frame format (like 8n1)"),
            ("com1=,,0x10000", "I/O port out of range"),
            ("console=lpt", "no such console (com1, vga, none)"),
            (
                "loglvl=loud",
                "no such level (none, error, warning, info, debug, all)",
            ),
            ("sched=credit", "no such scheduler (credit2, null)"),
            ("noreboot=perhaps", "not a boolean"),
            ("no-dom0_mem=1G", "the option is not a boolean"),
            ("iommu=force", "unknown option"),
        ] {
            let o = parse(line.as_bytes());
            assert_eq!(o.reports.len(), 1, "{line}");
            assert_eq!(
                (o.reports[0].option.as_str(), o.reports[0].reason),
                (line, reason)
            );
            assert_eq!(o.dom0_mem, Dom0Memory::default());
            assert_eq!(o.com1, Serial::default());
        }
        let many = "x ".repeat(40);
        let o = parse(many.as_bytes());
        assert_eq!(
            (o.reports.len(), o.reports_lost),
            (MAX_REPORTS, 40 - MAX_REPORTS)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
            let _ = without_image_name(&line);
        }

        #[test]
        fn any_value_is_survived(
            name in prop::sample::select(&["com1=", "dom0_mem=", "dom0_max_vcpus=", "loglvl=", "console="][..]),
            value in "[-+%0-9a-zA-Z:,x/]{0,40}",
            available in 0u64..1 << 40,
        ) {
            let o = parse([name.as_bytes(), value.as_bytes()].concat().as_slice());
            for amount in [o.dom0_mem.size, o.dom0_mem.min, o.dom0_mem.max].into_iter().flatten() {
                prop_assert!(amount.pages(available) <= available);
            }
        }
    }
}
