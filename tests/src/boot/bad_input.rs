//! Contract: whatever is given as dom0, the hypervisor says in one line what is
//! wrong with it, and does not panic: no module, an empty one, a truncated or lying
//! ELF, notes that lie, an image larger than memory, too little memory.

use std::fs;

use anyhow::{Context, Result};

use super::BootTest;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Module};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "bad_input",
    contract: "a dom0 image that cannot be started is refused with its cause, without a panic",
    run,
};

/// What introduces the message of a refusal.
const REFUSAL: &str = "(PVN) Cannot start dom0: ";

struct Case {
    name: &'static str,
    /// A word that the message must have: it names the cause.
    cause: &'static str,
    /// Makes the bad image from the good one; `None` is no module at all.
    image: fn(&[u8]) -> Option<Vec<u8>>,
    memory_mib: u32,
    options: &'static str,
}

const CASES: [Case; 9] = [
    Case::new("no-module", "module", |_| None),
    Case::new("empty-module", "dom0 kernel", |_| Some(Vec::new())),
    Case::new("not-an-elf", "ELF", |good| Some(vec![b'#'; good.len()])),
    Case::new("cut-in-the-headers", "truncated", |good| {
        Some(good[..48].to_vec())
    }),
    Case::new("cut-in-half", "truncated", |good| {
        Some(good[..good.len() / 2].to_vec())
    }),
    Case::new("segment-beyond-the-file", "segment", |good| {
        Some(patch(good, first_load(good) + 32, u64::MAX / 2))
    }),
    Case::new("segment-wraps-around", "segment", |good| {
        Some(patch(good, first_load(good) + 16, u64::MAX - 4095))
    }),
    Case {
        memory_mib: 24,
        ..Case::new("little-memory", "memory", |good| Some(good.to_vec()))
    },
    Case {
        options: "dom0_mem=4G",
        ..Case::new("dom0-mem-larger-than-memory", "memory", |good| {
            Some(good.to_vec())
        })
    },
];

impl Case {
    const fn new(
        name: &'static str,
        cause: &'static str,
        image: fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Self {
        Self {
            name,
            cause,
            image,
            memory_mib: 512,
            options: "",
        }
    }

    fn config(&self, lab: &Lab, good: &[u8]) -> Result<Config> {
        let modules = match (self.image)(good) {
            None => Vec::new(),
            Some(bytes) => {
                let path = lab.write(&format!("{}.image", self.name), &bytes)?;
                let ramdisk = lab.write("ramdisk.cpio", &lab.images.dom0_ramdisk(None)?)?;
                vec![
                    Module::new("dom0-kernel", &path, DOM0_ARGS),
                    Module::new("ramdisk.cpio", &ramdisk, ""),
                ]
            }
        };
        let mut config =
            lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} {}", self.options), modules);
        config.memory_mib = self.memory_mib;
        Ok(config)
    }

    fn run(&self, lab: &Lab, good: &[u8], report: &mut Report) -> Checked<()> {
        let mut machine = lab.start(&self.config(lab, good)?, self.name)?;
        let line = machine.expect_line(REFUSAL)?;
        if !line.to_lowercase().contains(&self.cause.to_lowercase()) {
            report.failure(format!(
                "{}: `{line}` does not name the cause ({})",
                self.name, self.cause
            ));
        }
        Ok(())
    }
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let good = fs::read(&lab.images.guest_kernel).context("cannot read the guest kernel")?;
    for case in &CASES {
        let result = case.run(lab, &good, report);
        report.case(case.name, result);
    }
    report.note(format!("{} bad images refused by name", CASES.len()));
    Ok(())
}

/// Offset of the first PT_LOAD program header of a good 64-bit ELF.
fn first_load(good: &[u8]) -> usize {
    const PT_LOAD: u32 = 1;
    const ENTRY_LEN: usize = 56;
    let start = good
        .get(32..40)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let start = usize::try_from(start).unwrap_or(0);
    let is_load = |at: &usize| good.get(*at..*at + 4) == Some(&PT_LOAD.to_le_bytes());
    (0..16)
        .map(|index| start + index * ENTRY_LEN)
        .find(is_load)
        .unwrap_or(start)
}

fn patch(good: &[u8], at: usize, value: u64) -> Vec<u8> {
    let mut bytes = good.to_vec();
    if let Some(field) = bytes.get_mut(at..at + 8) {
        field.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}
