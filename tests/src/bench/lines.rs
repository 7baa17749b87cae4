//! What the guest kernel's benches print: a line for each operation.

use anyhow::{Context, Result, bail, ensure};

/// What the kernel prints in front of each figure.
const BENCH: &str = "BENCH ";
/// What it prints when all are there.
pub const DONE: &str = "BENCH DONE ";

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Instructions that are not the guest's own: of the hypervisor, or on the bare machine of what is
    /// measured.
    Others,
    /// All instructions, of programs, kernel and hypervisor.
    All,
    /// Ticks of the time-stamp counter, also the guest's own, but for the loop around.
    Cycles,
    /// Nanoseconds, also the guest's own, but for the loop around.
    Nanoseconds,
}

impl Unit {
    fn of(key: &str) -> Option<Self> {
        match key {
            "insns" => Some(Self::Others),
            "all" => Some(Self::All),
            "ns" => Some(Self::Nanoseconds),
            "cycles" => Some(Self::Cycles),
            _ => None,
        }
    }
}

/// An operation as the kernel measured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// What one costs, in tenths of the unit.
    pub tenths: u64,
    /// The number of its windows, for the plugin.
    pub number: usize,
    /// How often each window has the operation.
    pub times: u64,
}

/// Reads the lines of a console, all or none.
///
/// # Errors
/// A line is malformed, an operation could not be measured, or the last line is missing.
pub fn read(console: &str) -> Result<Vec<Line>> {
    let (lines, refused) = read_some(console)?;
    ensure!(refused.is_empty(), "not measured: {}", refused.join(", "));
    Ok(lines)
}

/// The same where operations may not be measurable; the lines of those as well.
///
/// # Errors
/// A line is malformed, or the last line is missing.
pub fn read_some(console: &str) -> Result<(Vec<Line>, Vec<String>)> {
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for line in console.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix(DONE) {
            let all = format!("n={} refused={}", lines.len(), refused.len());
            ensure!(rest == all, "`{line}` after {all}");
            ensure!(!lines.is_empty(), "nothing was measured");
            return Ok((lines, refused));
        }
        if let Some(rest) = line.strip_prefix(BENCH) {
            if rest.contains(" error=") {
                refused.push(rest.to_owned());
                continue;
            }
            let read = figure(rest).with_context(|| format!("no figure in `{line}`"))?;
            lines.push(read);
        }
    }
    bail!("no `{DONE}`")
}

fn figure(text: &str) -> Option<Line> {
    let mut words = text.split(' ');
    let name = words.next()?.to_owned();
    let (unit, number) = words.next()?.split_once('=')?;
    let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let line = Line {
        name,
        unit: Unit::of(unit)?,
        tenths: tenths(number)?,
        number: value("number")?.parse().ok()?,
        times: value("times")?.parse().ok().filter(|&times| times > 0)?,
    };
    words.next().is_none().then_some(line)
}

/// A number with at most one decimal, in tenths.
fn tenths(number: &str) -> Option<u64> {
    let (whole, decimal) = number.split_once('.').unwrap_or((number, "0"));
    let decimal = decimal.parse::<u64>().ok().filter(|&digit| digit < 10)?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(10)?
        .checked_add(decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_or_not_at_all() {
        let text = "x\nBENCH a insns=77 number=0 times=128\r\n\
            BENCH b insns=200.8 number=1 times=1\r\nBENCH DONE n=2 refused=0\r\n";
        let lines = read(text).unwrap();
        assert_eq!(lines[0].tenths, 770);
        assert_eq!(lines[1].tenths, 2008);
        assert_eq!((lines[1].number, lines[0].times), (1, 128));
        for bad in [
            "BENCH a insns=77 number=0 times=1\n",
            "BENCH DONE n=0 refused=0\n",
            "BENCH a insns=77 number=0 times=1\nBENCH DONE n=2 refused=0\n",
            "BENCH a insns=77 number=0 times=1\nBENCH DONE n=1 refused=1\n",
            "BENCH a insns=77 number=0 times=0\nBENCH DONE n=1 refused=0\n",
            "BENCH a insns=77\nBENCH DONE n=1 refused=0\n",
            "BENCH a error=-38\nBENCH DONE n=0 refused=1\n",
            "BENCH a insns=7.77 number=0 times=1\nBENCH DONE n=1 refused=0\n",
            "BENCH a insns=7 number=0 times=1 more\nBENCH DONE n=1 refused=0\n",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for (key, unit) in [("all", Unit::All), ("ns", Unit::Nanoseconds)] {
            let lines = read(&text.replace("insns", key)).unwrap();
            assert_eq!(lines[0].unit, unit);
        }
        assert!(read(&text.replace("insns", "bytes")).is_err());
        let some =
            "BENCH a error=-38\nBENCH b cycles=9 number=1 times=1\nBENCH DONE n=1 refused=1\n";
        assert!(read(some).is_err());
        assert_eq!(read_some(some).unwrap().1, ["a error=-38"]);
    }
}
