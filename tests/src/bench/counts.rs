//! What the plugin counted, for each operation by its number.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Sums over the shortest windows of an operation, and an instruction's profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By number; those from [`LOOPS`] on are of the loops without the operations.
    pub operations: BTreeMap<usize, Windows>,
    /// How often each instruction of the profiled operation was executed, by address.
    pub addresses: BTreeMap<u64, u64>,
}

/// Where the numbers of the loops alone begin.
pub const LOOPS: usize = 256;

/// The windows of one operation; sums are over the `clean` ones, the shortest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// All windows.
    pub windows: u64,
    /// Those that are as short as the shortest.
    pub clean: u64,
    /// Instructions of the guest.
    pub guest: u64,
    /// Instructions of the hypervisor.
    pub hypervisor: u64,
    /// Loads of CR3, each of which forgets translations.
    pub cr3: u64,
    /// Loads of CR4.
    pub cr4: u64,
    /// INVLPG.
    pub invlpg: u64,
    /// INVPCID.
    pub invpcid: u64,
    /// Entries into the hypervisor by `syscall`: hypercalls, and system calls of processes.
    pub syscall: u64,
    /// Entries by `ud2`, `int` and the like.
    pub trap: u64,
    /// Entries by privileged instructions.
    pub instruction: u64,
    /// Other entries: page faults, interrupts.
    pub other: u64,
}

impl Counts {
    /// Reads the plugin's file.
    ///
    /// # Errors
    /// A line is malformed, or the end is missing.
    pub fn read(text: &str) -> Result<Self> {
        let mut counts = Self::default();
        let mut lines = text.lines();
        for line in lines.by_ref().take_while(|&line| line != "end") {
            counts
                .line(line)
                .with_context(|| format!("malformed line `{line}`"))?;
        }
        ensure!(text.ends_with("end\n"), "the plugin did not finish");
        Ok(counts)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        // What is told of parties is read elsewhere.
        if let ["party", ..] | ["address", _, "party", ..] = words[..] {
            return Some(());
        }
        if let ["address", address, "count", count, "bytes", _] = words[..] {
            let address = u64::from_str_radix(address, 16).ok()?;
            *self.addresses.entry(address).or_default() += count.parse::<u64>().ok()?;
            return Some(());
        }
        let values: BTreeMap<&str, u64> = words
            .chunks(2)
            .map(|pair| Some((*pair.first()?, pair.get(1)?.parse().ok()?)))
            .collect::<Option<_>>()?;
        let value = |key: &str| values.get(key).copied();
        let windows = Windows {
            windows: value("windows")?,
            clean: value("clean").filter(|&clean| clean > 0)?,
            guest: value("guest")?,
            hypervisor: value("hypervisor")?,
            cr3: value("cr3")?,
            cr4: value("cr4")?,
            invlpg: value("invlpg")?,
            invpcid: value("invpcid")?,
            syscall: value("syscall")?,
            trap: value("trap")?,
            instruction: value("instruction")?,
            other: value("other")?,
        };
        let number = usize::try_from(value("operation")?).ok()?;
        self.operations
            .insert(number, windows)
            .is_none()
            .then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "operation 3 windows 3 clean 2 guest 22 hypervisor 100 cr3 2 cr4 0 invlpg 4 \
        invpcid 0 syscall 2 trap 0 instruction 0 other 1";

    #[test]
    fn counts_are_read_whole_or_not_at_all() {
        let text = format!("{LINE}\naddress ffff800000001000 count 7 bytes 0f05\nend\n");
        let counts = Counts::read(&text).unwrap();
        assert_eq!(counts.operations[&3].hypervisor, 100);
        assert_eq!(counts.addresses[&0xffff_8000_0000_1000], 7);
        for bad in [
            String::new(),
            format!("{LINE}\n"),
            format!("{LINE}\n{LINE}\nend\n"),
            format!("{} 9\nend\n", LINE.replace(" other 1", "")),
            format!("{}\nend\n", LINE.replace("clean 2", "clean 0")),
            format!("{}\nend\n", LINE.replace("guest 22", "guest many")),
            "address x count 1 bytes 00\nend\n".into(),
        ] {
            assert!(Counts::read(&bad).is_err(), "{bad}");
        }
    }
}
