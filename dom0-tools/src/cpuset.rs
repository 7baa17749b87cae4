//! Sets of physical CPUs as xl writes and reads them: `all`, `none`, `0-3,5,^1`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use core::fmt;

/// A set of the CPUs `0..cpus` of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSet {
    /// CPU `n` is bit `n % 8` of byte `n / 8`; bits beyond the last CPU are 0.
    bytes: Vec<u8>,
    cpus: u32,
}

impl CpuSet {
    /// No CPU of the machine's `cpus`.
    pub fn none(cpus: u32) -> Self {
        let bytes = alloc::vec![0; cpus.div_ceil(8) as usize];
        CpuSet { bytes, cpus }
    }

    /// Every CPU of the machine's `cpus`.
    pub fn all(cpus: u32) -> Self {
        let mut set = Self::none(cpus);
        (0..cpus).for_each(|cpu| set.put(cpu, true));
        set
    }

    /// How many CPUs the machine has.
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Whether a CPU is in the set.
    pub fn contains(&self, cpu: u32) -> bool {
        cpu < self.cpus && self.bytes[cpu as usize / 8] & 1 << (cpu % 8) != 0
    }

    /// Whether no CPU is in both sets.
    pub fn is_apart_from(&self, other: &CpuSet) -> bool {
        (0..self.cpus).all(|cpu| !(self.contains(cpu) && other.contains(cpu)))
    }

    /// As the hypervisor reads and writes it.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn put(&mut self, cpu: u32, to: bool) {
        let byte = &mut self.bytes[cpu as usize / 8];
        *byte = *byte & !(1 << (cpu % 8)) | u8::from(to) << (cpu % 8);
    }

    /// Reads a comma-separated list of `all`, CPUs and ranges; `^` takes away what follows it. What
    /// is named later counts.
    ///
    /// # Errors
    /// In words: what is not a CPU, or not one of this machine; a list that leaves no CPU.
    pub fn parse(text: &str, cpus: u32) -> Result<Self, String> {
        let mut set = Self::none(cpus);
        for item in text.split(',') {
            let (taken_away, item) = match item.strip_prefix('^') {
                Some(rest) => (true, rest),
                None => (false, item),
            };
            if item.starts_with("node") {
                return Err(format!("`{item}`: CPUs are not known by NUMA node here"));
            }
            let (from, to) = match (item, item.split_once('-')) {
                ("all", _) => (0, cpus.saturating_sub(1)),
                (_, Some((from, to))) => (number(from, cpus)?, number(to, cpus)?),
                (one, None) => (number(one, cpus)?, number(one, cpus)?),
            };
            if from > to {
                return Err(format!("`{item}` is no range: it ends before it begins"));
            }
            (from..=to).for_each(|cpu| set.put(cpu, !taken_away));
        }
        if set.bytes.iter().all(|byte| *byte == 0) {
            return Err(format!("`{text}` leaves no CPU"));
        }
        Ok(set)
    }
}

/// The number of a CPU that there is.
fn number(text: &str, cpus: u32) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let number: u32 = number.ok_or_else(|| format!("`{text}` is not the number of a CPU"))?;
    if number >= cpus {
        return Err(format!("there is no CPU {number}: the machine has {cpus}"));
    }
    Ok(number)
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges = Vec::new();
        let mut next = 0;
        while next < self.cpus {
            let first = next;
            while self.contains(next) {
                next += 1;
            }
            match next - first {
                0 => next += 1,
                1 => ranges.push(first.to_string()),
                _ => ranges.push(format!("{first}-{}", next - 1)),
            }
        }
        if *self == Self::all(self.cpus) {
            return f.write_str("all");
        }
        match ranges.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&ranges.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, cpus: u32) -> String {
        match CpuSet::parse(text, cpus) {
            Ok(set) => set.to_string(),
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn lists_read_as_xl_reads_them() {
        for (text, cpus, wanted) in [
            ("all", 4, "all"),
            ("0-3", 4, "all"),
            ("0", 4, "0"),
            ("1-2", 4, "1-2"),
            ("0-3,^1", 4, "0,2-3"),
            ("^1,0-3", 4, "all"),
            ("all,^2-9", 12, "0-1,10-11"),
            ("0,2,4-6,9", 12, "0,2,4-6,9"),
            ("0-63,^8", 64, "0-7,9-63"),
            ("0", 1, "all"),
        ] {
            assert_eq!(shown(text, cpus), wanted, "{text}");
        }
        assert_eq!(CpuSet::none(4).to_string(), "none");
        assert_eq!(CpuSet::all(70).to_string(), "all");
    }

    #[test]
    fn what_is_no_list_is_refused_in_words() {
        for (text, part) in [
            ("", "`` is not the number of a CPU"),
            ("0,", "`` is not the number"),
            ("x", "`x` is not the number"),
            ("+1", "`+1` is not the number"),
            ("1-", "`` is not the number"),
            ("-1", "`` is not the number"),
            ("3-1", "`3-1` is no range"),
            ("4", "there is no CPU 4: the machine has 4"),
            ("0-99999999999", "`99999999999` is not the number"),
            ("^0", "`^0` leaves no CPU"),
            ("all,^all", "leaves no CPU"),
            ("node:0", "not known by NUMA node"),
        ] {
            let found = shown(text, 4);
            assert!(found.contains(part), "{text}: {found}");
        }
    }

    #[test]
    fn sets_may_be_apart() {
        let [low, high, odd] = ["0-1", "2-3", "1,3"].map(|text| CpuSet::parse(text, 4).unwrap());
        assert!(low.is_apart_from(&high));
        assert!(!low.is_apart_from(&odd) && !odd.is_apart_from(&high));
    }
}
