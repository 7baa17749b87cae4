//! What operations may cost at most: one file, `tests/ceilings.txt`, that a person reads as well.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// The most instructions of the hypervisor, by the measurement's name.
pub type Ceilings = BTreeMap<String, u64>;

/// Reads the file.
///
/// # Errors
/// It is missing or malformed.
pub fn read(workspace: &Workspace) -> Result<Ceilings> {
    let path = workspace.root().join("tests/ceilings.txt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Lines of a name and a number; `#` begins a comment.
fn parse(text: &str) -> Result<Ceilings> {
    let mut ceilings = Ceilings::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            [] => {}
            [name, most] => {
                let most = most.parse();
                let most = most.with_context(|| format!("line {}: no number", number + 1))?;
                let first = ceilings.insert(name.to_owned(), most).is_none();
                ensure!(first, "line {}: {name} stands there twice", number + 1);
            }
            _ => anyhow::bail!("line {}: not a name and a number", number + 1),
        }
    }
    ensure!(!ceilings.is_empty(), "there is no ceiling");
    Ok(ceilings)
}

/// What exceeds its ceiling, or was not measured at all, of costs in whole instructions, rounded up.
pub fn exceeded(ceilings: &Ceilings, cost: impl Fn(&str) -> Option<u64>) -> Vec<String> {
    let check = |(name, &most): (&String, &u64)| match cost(name) {
        None => Some(format!("{name} was not measured")),
        Some(cost) if cost > most => Some(format!("{name}: {cost} exceeds {most}")),
        Some(_) => None,
    };
    ceilings.iter().filter_map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_whole_or_not_at_all() {
        let read = parse("# comment\n\nyield 200 # as in issue 4\n null 60\n").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read["yield"], 200);
        for bad in [
            "",
            "yield\n",
            "yield many\n",
            "yield 1 2\n",
            "yield 1\nyield 2\n",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_dearer_or_missing_is_told() {
        let ceilings = parse("a 10\nb 10\nc 10\n").unwrap();
        let told = exceeded(&ceilings, |name| match name {
            "a" => Some(10),
            "b" => Some(11),
            _ => None,
        });
        assert_eq!(told, ["b: 11 exceeds 10", "c was not measured"]);
    }
}
