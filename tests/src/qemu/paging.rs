//! The page tables as QEMU's monitor shows them: a view from outside the machine,
//! which no software inside it can embellish.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};

/// One leaf of the current page tables, from `info tlb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Virtual address, sign-extended.
    pub va: u64,
    /// Physical address.
    pub pa: u64,
    /// Bit 63: not executable.
    pub no_execute: bool,
    /// Bit 8.
    pub global: bool,
    /// Bit 7: a 2 MiB or 1 GiB page.
    pub large: bool,
    /// Bit 2: reachable from ring 3.
    pub user: bool,
    /// Bit 1.
    pub writable: bool,
}

impl Leaf {
    /// Writable and executable at once.
    #[must_use]
    pub fn breaks_w_xor_x(&self) -> bool {
        self.writable && !self.no_execute
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, letter: char| if set { letter } else { '-' };
        write!(
            f,
            "{:016x} -> {:012x} r{}{} {}",
            self.va,
            self.pa,
            flag(self.writable, 'w'),
            flag(!self.no_execute, 'x'),
            if self.user { "user" } else { "supervisor" }
        )
    }
}

/// Parses the answer of `info tlb`: `va: pa XGPDACTUW` per line, in that order, a
/// `-` for each flag that is clear.
///
/// # Errors
/// A line has another form: better no verdict than one on half of the mappings.
pub fn parse_info_tlb(text: &str) -> Result<Vec<Leaf>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| parse_leaf(line).with_context(|| format!("info tlb: cannot read `{line}`")))
        .collect()
}

fn parse_leaf(line: &str) -> Result<Leaf> {
    let mut words = line.split_whitespace();
    let (Some(va), Some(pa), Some(flags), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("not three words");
    };
    let va = u64::from_str_radix(
        va.strip_suffix(':').context("no colon after the address")?,
        16,
    )?;
    let pa = u64::from_str_radix(pa, 16)?;
    const LETTERS: [u8; 9] = *b"XGPDACTUW";
    ensure!(flags.len() == LETTERS.len(), "not nine flags");
    let mut set = [false; LETTERS.len()];
    for ((out, letter), have) in set.iter_mut().zip(LETTERS).zip(flags.bytes()) {
        *out = match have {
            b'-' => false,
            have if have == letter => true,
            _ => bail!("unknown flags"),
        };
    }
    let [
        no_execute,
        global,
        large,
        _dirty,
        _accessed,
        _uncached,
        _write_through,
        user,
        writable,
    ] = set;
    Ok(Leaf {
        va,
        pa,
        no_execute,
        global,
        large,
        user,
        writable,
    })
}

/// A run of pages with the same effective rights, from `info mem`, which combines
/// the rights of all levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First virtual address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Reachable from ring 3.
    pub user: bool,
    /// Writable.
    pub writable: bool,
}

/// Parses the answer of `info mem`: `start-end size urw` per line.
///
/// # Errors
/// A line has another form, or paging is off.
pub fn parse_info_mem(text: &str) -> Result<Vec<Range>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| parse_range(line).with_context(|| format!("info mem: cannot read `{line}`")))
        .collect()
}

fn parse_range(line: &str) -> Result<Range> {
    let mut words = line.split_whitespace();
    let (Some(range), Some(_size), Some(rights), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("not three words");
    };
    let (start, end) = range.split_once('-').context("no range")?;
    let &[user, b'r', write] = rights.as_bytes() else {
        bail!("not three rights")
    };
    Ok(Range {
        start: u64::from_str_radix(start, 16)?,
        end: u64::from_str_radix(end, 16)?,
        user: user == b'u',
        writable: write == b'w',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that QEMU 10 printed for Debian's Xen 4.17.
    const TLB: &str = "ffff800000000000: 000000001a400000 --P----U-\r\n\
                       ffff810000000000: 000000001fdad000 ---DA---W\r\n\
                       ffff82d040200000: 000000001f600000 -G--A----\r\n\
                       ffff830000000000: 0000000000000000 XG-DA---W\r\n";

    #[test]
    fn flags_of_real_lines_are_read() {
        let leaves = parse_info_tlb(TLB).unwrap();
        assert_eq!(leaves.len(), 4);
        assert_eq!(leaves[0].va, 0xffff_8000_0000_0000);
        assert_eq!(leaves[0].pa, 0x1a40_0000);
        assert!(leaves[0].large && leaves[0].user && !leaves[0].writable && !leaves[0].no_execute);
        assert!(leaves[2].global && !leaves[2].breaks_w_xor_x());
        assert!(leaves[3].writable && leaves[3].no_execute && !leaves[3].breaks_w_xor_x());
    }

    #[test]
    fn a_writable_and_executable_leaf_is_noticed() {
        let leaves = parse_info_tlb(TLB).unwrap();
        let broken: Vec<_> = leaves.iter().filter(|leaf| leaf.breaks_w_xor_x()).collect();
        assert_eq!(broken.len(), 1);
        assert_eq!(
            broken[0].to_string(),
            "ffff810000000000 -> 00001fdad000 rwx supervisor"
        );
    }

    #[test]
    fn what_is_not_a_mapping_is_an_error() {
        for bad in [
            "PG disabled",
            "ffff: 12",
            "ffff: zz ---------",
            "ffff: 12 --------",
            "f: 1 W--------",
            "f 1 ---------",
        ] {
            assert!(parse_info_tlb(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_read() {
        let text = "ffff800000000000-ffff800000200000 0000000000200000 ur-\r\n\
                    ffff810000000000-ffff810000001000 0000000000001000 -rw\r\n";
        let ranges = parse_info_mem(text).unwrap();
        assert_eq!(
            ranges[0],
            Range {
                start: 0xffff_8000_0000_0000,
                end: 0xffff_8000_0020_0000,
                user: true,
                writable: false
            }
        );
        assert!(ranges[1].writable && !ranges[1].user);
        assert!(parse_info_mem("PG disabled").is_err());
        assert!(parse_info_mem("1000 1000 urw").is_err());
    }
}
