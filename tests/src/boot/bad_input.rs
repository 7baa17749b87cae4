//! Contract: whatever is given as dom0, the hypervisor says in a line what is wrong
//! with it, and does not panic: no module, an empty one, a truncated or lying ELF,
//! notes that lie, more than there is memory for.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::BootTest;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::qemu::machine::PANIC;
use crate::qemu::{Config, Module};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "bad_input",
    contract: "a dom0 image that cannot be started is refused with its cause, without a panic",
    run,
};

/// The line that closes a refusal; the cause stands on it or on the line before.
const REFUSAL: &str = "(PVN) Cannot start: ";

struct Case {
    name: &'static str,
    /// A word that the message must have: it names the cause.
    cause: &'static str,
    /// Makes the bad image from the good one.
    image: Image,
    memory: Memory,
    options: &'static str,
    /// MiB of zeros after the good ramdisk's end.
    ramdisk_tail_mib: u64,
}

/// How much memory the machine has, in MiB.
enum Memory {
    Of(u32),
    /// What lies below the modules and they themselves, up to the next MiB, and so much more.
    Behind(u32),
}

/// Bytes below the modules: the first MiB and the hypervisor.
const BELOW_MODULES: u64 = 0x1d_0000;

impl Memory {
    fn mib(&self, modules: u64) -> u32 {
        match *self {
            Self::Of(mib) => mib,
            Self::Behind(mib) => ((BELOW_MODULES + modules) >> 20) as u32 + 1 + mib,
        }
    }
}

enum Image {
    None,
    Of(fn(&Good) -> Vec<u8>),
}

const fn case(name: &'static str, cause: &'static str, image: fn(&Good) -> Vec<u8>) -> Case {
    Case {
        name,
        cause,
        image: Image::Of(image),
        memory: Memory::Of(512),
        options: "",
        ramdisk_tail_mib: 0,
    }
}

const CASES: [Case; 16] = [
    Case {
        image: Image::None,
        ..case("no-module", "no dom0 kernel", Good::whole)
    },
    case("empty-module", "module", |_| Vec::new()),
    case("not-an-elf", "neither an ELF image", |good| {
        vec![b'#'; good.bytes.len()]
    }),
    case("cut-in-the-header", "outside the image", |good| {
        good.bytes[..48].to_vec()
    }),
    case("cut-in-half", "outside the image", |good| {
        good.bytes[..good.bytes.len() / 2].to_vec()
    }),
    case("other-machine", "machine 3", |good| good.with(18, &[3, 0])),
    case("segment-beyond-the-file", "segment", |good| {
        good.with_word(good.load + 32, u64::MAX / 2)
    }),
    case("segment-wraps-around", "wraps around", |good| {
        good.with_word(good.load + 24, u64::MAX - 4095)
    }),
    case("segment-larger-than-memory", "pages", |good| {
        good.with_word(good.load + 40, 1 << 30)
    }),
    case("note-longer-than-its-area", "note", |good| {
        good.with(good.note + 4, &[0xff, 0xff, 0xff, 0x7f])
    }),
    case("notes-beyond-the-file", "outside the image", |good| {
        good.with_word(good.note_segment + 8, 1 << 40)
    }),
    case("entry-outside-the-kernel", "entry point", |good| {
        good.with_word(good.entry_note, 0x1000)
    }),
    Case {
        memory: Memory::Behind(0),
        ..case(
            "no-memory-for-the-hypervisor",
            "too little memory",
            Good::whole,
        )
    },
    Case {
        memory: Memory::Behind(2),
        ..case("little-memory", "dom0's kernel takes", Good::whole)
    },
    Case {
        options: "dom0_mem=1M",
        ..case("little-dom0-mem", "needed to start the kernel", Good::whole)
    },
    Case {
        memory: Memory::Of(128),
        ramdisk_tail_mib: 200,
        ..case("module-larger-than-memory", "module", Good::whole)
    },
];

impl Case {
    fn config(&self, lab: &Lab, good: &Good) -> Result<Config> {
        let mut bytes_of_modules = 0;
        let modules = match self.image {
            Image::None => Vec::new(),
            Image::Of(make) => {
                let path = lab.write(&format!("{}.image", self.name), &make(good))?;
                let bytes = lab.images.dom0_ramdisk(None, &Store::new())?;
                let ramdisk = lab.write(&format!("{}.cpio", self.name), &bytes)?;
                let length = bytes.len() as u64 + (self.ramdisk_tail_mib << 20);
                fs::OpenOptions::new()
                    .write(true)
                    .open(&ramdisk)?
                    .set_len(length)?;
                bytes_of_modules = fs::metadata(&path)?.len() + length;
                vec![
                    Module::new("dom0-kernel", &path, DOM0_ARGS),
                    Module::new("ramdisk.cpio", &ramdisk, ""),
                ]
            }
        };
        let mut config =
            lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} {}", self.options), modules);
        config.memory_mib = self.memory.mib(bytes_of_modules);
        Ok(config)
    }

    fn run(&self, lab: &Lab, good: &Good, report: &mut Report) -> Checked<()> {
        let mut machine = lab.start(&self.config(lab, good)?, self.name)?;
        machine.deny_only(&[PANIC]);
        let refusal = machine.expect_line(REFUSAL)?;
        let text = machine.console.text();
        let before = text
            .lines()
            .take_while(|line| !line.contains(REFUSAL))
            .last()
            .unwrap_or_default();
        if !refusal.contains(self.cause) && !before.contains(self.cause) {
            report.failure(format!(
                "{}: `{before}`, `{refusal}` do not say `{}`",
                self.name, self.cause
            ));
        }
        Ok(())
    }
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let good =
        Good::read(fs::read(&lab.images.guest_kernel).context("cannot read the guest kernel")?)?;
    for case in &CASES {
        let result = case.run(lab, &good, report);
        report.case(case.name, result);
    }
    report.note(format!("{} bad inputs tried", CASES.len()));
    Ok(())
}

/// A good image and the places in it that are worth lying about.
pub(super) struct Good {
    bytes: Vec<u8>,
    /// The first PT_LOAD program header.
    pub(super) load: usize,
    /// The PT_NOTE program header.
    note_segment: usize,
    /// The first note.
    note: usize,
    /// The value of the note ENTRY.
    entry_note: usize,
}

impl Good {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self> {
        const PT_LOAD: u32 = 1;
        const PT_NOTE: u32 = 4;
        const ENTRY_LENGTH: usize = 56;
        const XEN_ELFNOTE_ENTRY: u32 = 1;
        let mut good = Self {
            load: 0,
            note_segment: 0,
            note: 0,
            entry_note: 0,
            bytes,
        };
        let (table, count) = (good.word(32)?, good.half(56)?);
        let header = |kind: u32| {
            let mut entries = (0..count).map(|index| table + index * ENTRY_LENGTH);
            entries
                .find(|at| good.number(*at) == Some(kind))
                .with_context(|| format!("no segment of type {kind}"))
        };
        let (load, note_segment) = (header(PT_LOAD)?, header(PT_NOTE)?);
        let note = good.word(note_segment + 8)?;
        let end = note + good.word(note_segment + 32)?;
        (good.load, good.note_segment, good.note) = (load, note_segment, note);
        let mut at = note;
        while at < end {
            let part = |offset: usize| {
                good.number(at + offset)
                    .map(|size| (size as usize).next_multiple_of(4))
            };
            let (name, value) = (part(0).context("cut note")?, part(4).context("cut note")?);
            if good.number(at + 8) == Some(XEN_ELFNOTE_ENTRY)
                && good.bytes.get(at + 12..at + 15) == Some(b"Xen")
            {
                ensure!(value == 8, "the note ENTRY has {value} bytes");
                good.entry_note = at + 12 + name;
                return Ok(good);
            }
            at += 12 + name + value;
        }
        anyhow::bail!("the guest kernel has no note ENTRY")
    }

    pub(super) fn whole(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The image with other bytes at one place.
    pub(super) fn with(&self, at: usize, new: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    }

    pub(super) fn with_word(&self, at: usize, value: u64) -> Vec<u8> {
        self.with(at, &value.to_le_bytes())
    }

    fn number(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(
            self.bytes.get(at..at + 4)?.try_into().ok()?,
        ))
    }

    fn half(&self, at: usize) -> Result<usize> {
        let bytes = self.bytes.get(at..at + 2).context("cut ELF header")?;
        Ok(usize::from(u16::from_le_bytes(bytes.try_into()?)))
    }

    fn word(&self, at: usize) -> Result<usize> {
        let bytes = self.bytes.get(at..at + 8).context("cut ELF header")?;
        Ok(usize::try_from(u64::from_le_bytes(bytes.try_into()?))?)
    }
}
