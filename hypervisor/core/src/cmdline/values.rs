//! What stands behind the `=` of an option.

use super::{Amount, ClockSource, Dom0Memory, LogLevel, Serial, VcpuRange};
use crate::sched::policy::Kind;

/// A value, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, &'static str>;

pub(super) fn boolean(value: Option<&[u8]>) -> Parsed<bool> {
    match value {
        None | Some(b"1" | b"yes" | b"true" | b"on" | b"enable") => Ok(true),
        Some(b"0" | b"no" | b"false" | b"off" | b"disable") => Ok(false),
        Some(_) => Err("not a boolean"),
    }
}

/// `xpti=`: a boolean, `default`, `dom0=<bool>`, `domu=<bool>`, or several of them. The guests' page tables
/// and the ways in are the same for all, so that it is all of them if any is asked for.
pub(super) fn isolation(value: Option<&[u8]>) -> Parsed<bool> {
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

pub(super) fn interrupts(value: &[u8]) -> Parsed<u32> {
    number(value)
        .and_then(|count| u32::try_from(count).ok())
        .ok_or("malformed or impossible number of interrupts")
}

/// Whether `com1` is among the consoles; names of consoles there are none of are refused.
pub(super) fn consoles(value: &[u8]) -> Parsed<bool> {
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

pub(super) fn log_level(value: &[u8]) -> Parsed<LogLevel> {
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

pub(super) fn scheduler(value: &[u8]) -> Parsed<Kind> {
    [Kind::Credit2, Kind::Null]
        .into_iter()
        .find(|kind| kind.name().as_bytes() == value)
        .ok_or("no such scheduler (credit2, null)")
}

pub(super) fn clock_source(value: &[u8]) -> Parsed<ClockSource> {
    ClockSource::ALL
        .into_iter()
        .find(|source| source.name().as_bytes() == value)
        .ok_or("no such clock (acpi, hpet, pit, tsc)")
}

pub(super) fn serial(value: &[u8]) -> Parsed<Serial> {
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

pub(super) fn dom0_memory(value: &[u8]) -> Parsed<Dom0Memory> {
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
pub(super) fn seconds(value: &[u8]) -> Parsed<u32> {
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

pub(super) fn vcpu_range(value: &[u8]) -> Parsed<VcpuRange> {
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
