//! What was measured, and the file it is kept in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::parties::Part;

/// Changes when files of before can not be read any more.
const FORMAT: u32 = 1;

/// Where operations were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Our hypervisor.
    Paravane,
    /// Debian's.
    Xen,
    /// None: the same kernel on the bare machine.
    Native,
}

impl Side {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Native, Self::Paravane, Self::Xen];

    /// As people read it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Paravane => "Paravane",
            Self::Xen => "Xen 4.17",
            Self::Native => "bare machine",
        }
    }
}

/// What one operation costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions of the hypervisor.
    pub hypervisor: f64,
    /// Instructions of the guest: the one that enters and its handlers', not the loop around.
    pub guest: f64,
    /// Loads of CR3.
    pub cr3: f64,
    /// Other ways to forget translations: INVLPG, INVPCID, loads of CR4.
    pub flushes: f64,
    /// Entries into the hypervisor, by what caused them.
    pub exits: Exits,
    /// Wall time, where it was measured: nanoseconds; of programs, and from end to end, ticks of the
    /// host's counter. Good for ratios of one run only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wall: Option<f64>,
}

impl Cost {
    /// All instructions.
    #[must_use]
    pub fn instructions(&self) -> f64 {
        self.hypervisor + self.guest
    }
}

/// Entries into the hypervisor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exits {
    /// `syscall`: hypercalls, and system calls of processes.
    pub syscall: f64,
    /// `ud2`, `int` and the like.
    pub trap: f64,
    /// Privileged instructions.
    pub instruction: f64,
    /// Page faults and interrupts.
    pub other: f64,
}

/// Costs of one side, by the operations' names.
pub type Costs = BTreeMap<String, Cost>;

/// All that was measured in one run of the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    format: u32,
    /// What QEMU says it is.
    pub qemu: String,
    /// The processor, as QEMU's `-cpu` names it.
    pub cpu: String,
    /// Each side's costs.
    pub sides: BTreeMap<Side, Costs>,
    /// What is counted from end to end, by who executes it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub parts: BTreeMap<Side, BTreeMap<String, Vec<Part>>>,
}

impl Results {
    /// Results of a machine.
    #[must_use]
    pub fn new(qemu: String, cpu: String) -> Self {
        Self {
            format: FORMAT,
            qemu,
            cpu,
            sides: BTreeMap::new(),
            parts: BTreeMap::new(),
        }
    }

    /// The cost of an operation on a side.
    #[must_use]
    pub fn cost(&self, side: Side, name: &str) -> Option<&Cost> {
        self.sides.get(&side)?.get(name)
    }

    /// Whether there is wall time among them.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        let mut costs = self.sides.values().flat_map(Costs::values);
        costs.any(|cost| cost.wall.is_some())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is none of ours.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} holds no results", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let results: Self = serde_json::from_str(text)?;
        ensure!(
            results.format == FORMAT,
            "its format is {}, not {FORMAT}",
            results.format
        );
        Ok(results)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// Results where each operation costs so much on our side, and four times as much on the other.
    pub(crate) fn of(costs: &[(&str, f64)]) -> Results {
        let mut results = Results::new("QEMU".into(), "max".into());
        for (side, times) in [(Side::Paravane, 1.0), (Side::Xen, 4.0)] {
            let cost = |hypervisor: f64| Cost {
                hypervisor: hypervisor * times,
                guest: 1.0,
                ..Cost::default()
            };
            let all = costs
                .iter()
                .map(|&(name, value)| (name.to_owned(), cost(value)));
            results.sides.insert(side, all.collect());
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_from_their_file_as_they_were() {
        let results = samples::of(&[("null_hypercall", 57.0), ("multicall_32_per_entry", 74.66)]);
        let text = serde_json::to_string_pretty(&results).unwrap();
        assert_eq!(Results::parse(&text).unwrap(), results);
        for bad in [
            "",
            "{}",
            &text.replace("\"format\": 1", "\"format\": 2"),
            &text.replace("\"guest\": 1.0", "\"guest\": \"much\""),
        ] {
            assert!(Results::parse(bad).is_err(), "{bad}");
        }
    }
}
