//! Which parties an operation's instructions are executed by: the hypervisor, the kernels of the domains,
//! and their processes. The plugin tells for each instruction under which root of page tables it was
//! executed and of which domain; which program a process runs is found by its instructions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSegment, ObjectSymbol};
use serde::{Deserialize, Serialize};

use super::profile::{self, HYPERVISOR};
use super::results::Side;
use super::symbols::Symbols;
use crate::images::Images;

/// The word of the kernel's by which domains are told apart: how many pages each began with.
const PAGES: &str = "guest_kernel::mm::p2m::PAGES";
/// Where the kernel's half begins.
const KERNEL: u64 = 0xffff_8800_0000_0000;

/// What one party executes of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Who.
    pub party: String,
    /// Its instructions.
    pub instructions: f64,
    /// The same by function, the largest first.
    pub functions: Vec<profile::Share>,
}

/// An instruction: where, and its bytes in hexadecimal.
type Instruction = (u64, String);

/// What the plugin counted for one root of page tables, in the windows of one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Running {
    operation: usize,
    domain: u64,
    counts: BTreeMap<Instruction, u64>,
}

/// All that the plugin told of parties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties(BTreeMap<usize, Running>);

/// A program that processes may run.
#[derive(Debug)]
struct Program {
    name: String,
    /// Addresses and contents of what is loaded.
    segments: Vec<(u64, Vec<u8>)>,
    symbols: Symbols,
}

/// What tells parties apart: domains by the pages that they began with, and programs.
#[derive(Debug)]
pub struct Known<'a> {
    /// Names of domains.
    pub domains: &'a [(u64, &'a str)],
    programs: Vec<Program>,
    hypervisor: Symbols,
    kernel: Symbols,
}

impl Parties {
    /// Reads the plugin's file.
    ///
    /// # Errors
    /// A line is malformed, or the end is missing.
    pub fn read(text: &str) -> Result<Self> {
        ensure!(text.ends_with("end\n"), "the plugin did not finish");
        let mut parties = Self::default();
        for line in text.lines() {
            parties
                .line(line)
                .with_context(|| format!("malformed line `{line}`"))?;
        }
        Ok(parties)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [
                "party",
                number,
                "operation",
                operation,
                "root",
                _,
                "domain",
                domain,
            ] => {
                let running = Running {
                    operation: operation.parse().ok()?,
                    domain: u64::from_str_radix(domain, 16).ok()?,
                    counts: BTreeMap::new(),
                };
                let first = self.0.insert(number.parse().ok()?, running).is_none();
                first.then_some(())
            }
            [
                "address",
                address,
                "party",
                party,
                "count",
                count,
                "bytes",
                bytes,
            ] => {
                let running = self.0.get_mut(&party.parse().ok()?)?;
                let address = u64::from_str_radix(address, 16).ok()?;
                let sum = running.counts.entry((address, bytes.to_owned()));
                *sum.or_default() += count.parse::<u64>().ok()?;
                Some(())
            }
            // What is told of operations is read elsewhere.
            ["operation", ..] | ["end"] => Some(()),
            _ => None,
        }
    }

    /// The parties of an operation that was done `times` in its window, the largest first.
    ///
    /// # Errors
    /// Nobody did anything.
    pub fn of(&self, operation: usize, times: u64, known: &Known<'_>) -> Result<Vec<Part>> {
        let mut sums = BTreeMap::<String, BTreeMap<String, u64>>::new();
        for running in self.0.values().filter(|of| of.operation == operation) {
            let domain = known.domain(running.domain);
            let program = known.program(running);
            for ((address, _), count) in &running.counts {
                let (party, function) = known.place(*address, &domain, program);
                *sums.entry(party).or_default().entry(function).or_default() += count;
            }
        }
        ensure!(
            !sums.is_empty(),
            "nobody executed anything in window {operation}"
        );
        let each = |count: u64| (count as f64 / times as f64 * 10.0).round() / 10.0;
        let part = |(party, functions): (String, BTreeMap<String, u64>)| {
            let instructions = each(functions.values().sum());
            let shares = functions
                .into_iter()
                .map(|(name, count)| (name, each(count)));
            let mut functions: Vec<_> = shares.collect();
            functions.sort_by(|one, other| other.1.total_cmp(&one.1));
            Part {
                party,
                instructions,
                functions,
            }
        };
        let mut parts: Vec<_> = sums.into_iter().map(part).collect();
        parts.sort_by(|one, other| other.instructions.total_cmp(&one.instructions));
        Ok(parts)
    }
}

impl<'a> Known<'a> {
    /// What is known of the images on a side.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(images: &Images, side: Side, domains: &'a [(u64, &'a str)]) -> Result<Self> {
        let programs = images.programs_with_symbols();
        Ok(Self {
            domains,
            programs: (programs.iter())
                .map(|(name, path)| Program::read(name, path))
                .collect::<Result<_>>()?,
            hypervisor: profile::hypervisor_symbols(images, side)?,
            kernel: Symbols::read(&images.guest_kernel_symbols)?,
        })
    }

    fn domain(&self, pages: u64) -> String {
        let named = self.domains.iter().find(|(of, _)| *of == pages);
        named.map_or_else(
            || format!("domain of {pages} pages"),
            |(_, name)| (*name).to_owned(),
        )
    }

    /// The program that has most of the instructions which a process executed.
    fn program(&self, running: &Running) -> Option<&Program> {
        let score = |program: &Program| {
            let has = |(at, _): &(&Instruction, &u64)| program.has(at);
            running.counts.iter().filter(has).count()
        };
        let best = self.programs.iter().max_by_key(|program| score(program))?;
        (score(best) > 0).then_some(best)
    }

    /// The party and the function of an instruction that was executed under a root of a domain and a
    /// program.
    fn place(&self, address: u64, domain: &str, program: Option<&Program>) -> (String, String) {
        let (party, symbols) = if HYPERVISOR.contains(&address) {
            ("hypervisor".to_owned(), Some(&self.hypervisor))
        } else if address >= KERNEL {
            (format!("{domain}: kernel"), Some(&self.kernel))
        } else {
            let name = program.map_or("?", |program| &program.name);
            (format!("{domain}: {name}"), program.map(|of| &of.symbols))
        };
        let function = symbols.and_then(|symbols| symbols.of(address));
        // Functions are aligned so: nearer than that, nothing is told apart.
        let function = function.map_or_else(|| format!("{:#x}", address & !0xff), str::to_owned);
        (party, function)
    }
}

impl Program {
    fn read(name: &str, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = object::File::parse(&*bytes)?;
        let segments = file
            .segments()
            .map(|segment| Ok((segment.address(), segment.data()?.to_vec())))
            .collect::<Result<_>>()?;
        Ok(Self {
            name: name.to_owned(),
            segments,
            symbols: Symbols::read(path)?,
        })
    }

    /// Whether it has this instruction there.
    fn has(&self, (address, bytes): &Instruction) -> bool {
        self.segments.iter().any(|(begin, data)| {
            let at = address
                .checked_sub(*begin)
                .and_then(|at| usize::try_from(at).ok());
            let rest = at.and_then(|at| data.get(at..at + bytes.len() / 2));
            rest.is_some_and(|found| {
                found
                    .iter()
                    .zip(bytes.as_bytes().chunks(2))
                    .all(|(byte, digits)| format!("{byte:02x}").as_bytes() == digits)
            })
        })
    }
}

/// The address of the word by which kernels tell their domains apart.
///
/// # Errors
/// The kernel has no such word.
pub fn domain_word(kernel: &PathBuf) -> Result<u64> {
    let bytes = fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let file = object::File::parse(&*bytes)?;
    let named = |symbol: &object::Symbol<'_, '_>| {
        let name = symbol.name().unwrap_or_default();
        // The linker's optimizer may have put something behind it.
        format!("{:#}", rustc_demangle::demangle(name)).starts_with(PAGES)
    };
    let symbol = file.symbols().find(named);
    let symbol = symbol.with_context(|| format!("the kernel has no {PAGES}"))?;
    Ok(symbol.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "operation 0 windows 1 clean 1\n\
        party 0 operation 0 root 1000 domain 8000\n\
        party 1 operation 0 root 2000 domain 1800\n\
        party 2 operation 1 root 2000 domain 1800\n\
        address ffff800000001000 party 0 count 4 bytes 90\n\
        address ffffffff80001000 party 0 count 6 bytes 90\n\
        address 400000 party 1 count 20 bytes 0f05\n\
        address 400000 party 2 count 7 bytes 0f05\n\
        end\n";

    fn known() -> Known<'static> {
        let program = |name: &str, bytes: &[u8]| Program {
            name: name.into(),
            segments: vec![(0x40_0000, bytes.to_vec())],
            symbols: Symbols::default(),
        };
        Known {
            domains: &[(0x8000, "dom0"), (0x1800, "front")],
            programs: vec![
                program("other", &[0x0f, 0x0b]),
                program("net", &[0x0f, 5, 0x90]),
            ],
            hypervisor: Symbols::default(),
            kernel: Symbols::default(),
        }
    }

    #[test]
    fn parties_are_told_by_address_domain_and_program() {
        let parties = Parties::read(TEXT).unwrap();
        let parts = parties.of(0, 2, &known()).unwrap();
        let told: Vec<_> = parts
            .iter()
            .map(|part| (&*part.party, part.instructions))
            .collect();
        assert_eq!(
            told,
            [
                ("front: net", 10.0),
                ("dom0: kernel", 3.0),
                ("hypervisor", 2.0)
            ]
        );
        assert_eq!(parts[0].functions, [("0x400000".to_owned(), 10.0)]);
        assert!(parties.of(2, 1, &known()).is_err());
    }

    #[test]
    fn what_is_told_is_read_whole_or_not_at_all() {
        for bad in [
            TEXT.replace("end\n", ""),
            TEXT.replace("count 4 ", ""),
            TEXT.replace("party 1 operation 0", "party 0 operation 0"),
            TEXT.replace("party 0 count 6", "party 9 count 6"),
            TEXT.replace("domain 8000", "domain x"),
        ] {
            assert!(Parties::read(&bad).is_err(), "{bad}");
        }
    }
}
