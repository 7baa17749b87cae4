//! The results as a table on the terminal.

use std::fmt::Write as _;
use std::slice;

use super::cycles::Outcome;
use super::operations::{self, GROUPS, Operation, Way};
use super::results::{Cost, Results, Side};
use super::scenes;

/// Which measurements are shown: those whose names, or whose operations' titles, contain one of the
/// words; all if there are none.
#[must_use]
pub fn is_wanted(only: &[String], name: &str, title: &str) -> bool {
    let contains = |word: &String| name.contains(word.as_str()) || title.contains(word.as_str());
    only.is_empty() || only.iter().any(contains)
}

/// What the columns of time are.
const TIME: &str = "t/native, t/Xen: wall time of guest and hypervisor by that on the bare machine and on Xen, in \
    this run: time of an emulator, of which only the ratio means something, and that roughly; - for what waits \
    for the host's own clock or scheduler: a timer, and another processor, which is another thread there\n";

/// A line for each operation and way, and the means below.
#[must_use]
pub fn text(results: &Results, only: &[String]) -> String {
    let mut text = format!(
        "{:36} {:11} {:>9} {:>10} {:>10} {:>6} {:>9} {:>6} {:>9} {:>9}  {}\n",
        "instructions of the hypervisor, each",
        "",
        "native",
        "Paravane",
        "Xen 4.17",
        "ratio",
        "t/native",
        "t/Xen",
        "CR3 loads",
        "flushes",
        "entries by (Paravane)"
    );
    for group in GROUPS {
        let mut begun = false;
        for operation in group.operations {
            for &(way, name) in operation.ways {
                if !is_wanted(only, name, operation.title) {
                    continue;
                }
                if way == Way::Native {
                    continue; // beside the others
                }
                if !std::mem::replace(&mut begun, true) {
                    let _ = writeln!(text, "{}", group.title);
                }
                line(&mut text, results, *operation, way, name);
            }
        }
    }
    if results.is_timed() {
        text.push_str(TIME);
    }
    text + &parts(results, only) + &means(results)
}

/// Who executes what is counted from end to end, and in which functions most of it.
fn parts(results: &Results, only: &[String]) -> String {
    /// Functions of each party that are told.
    const TOLD: usize = 3;
    let mut text = String::new();
    for name in scenes::names() {
        let title = scenes::title(name);
        if !is_wanted(only, name, title) {
            continue;
        }
        for (side, parts) in &results.parts {
            let Some(parts) = parts.get(name) else {
                continue;
            };
            let sum: f64 = parts.iter().map(|part| part.instructions).sum();
            let _ = writeln!(text, "{title}, {}: {sum:.0} instructions", side.title());
            for part in parts {
                let functions = part.functions.iter().take(TOLD);
                let functions: Vec<_> = functions
                    .map(|(function, count)| format!("{} {count:.0}", short(function)))
                    .collect();
                let _ = writeln!(
                    text,
                    "  {:>10.1} {:>3.0} %  {:20} {}",
                    part.instructions,
                    part.instructions / sum * 100.0,
                    part.party,
                    functions.join(", ")
                );
            }
        }
    }
    text
}

/// The last two parts of a function's path.
pub(super) fn short(name: &str) -> &str {
    let end = name.find('<').filter(|&at| at > 0).unwrap_or(name.len());
    let mut before = name[..end].rmatch_indices("::").skip(1);
    before.next().map_or(name, |(at, _)| &name[at + 2..])
}

/// One line; nothing where nothing was measured. Of programs and of the bare machine all instructions
/// are counted, else the hypervisor's.
fn line(text: &mut String, results: &Results, operation: Operation, way: Way, name: &str) {
    let Some(ours) = results.cost(Side::Paravane, name) else {
        return;
    };
    let counted = |cost: &Cost| match way.counts_all() {
        true => cost.instructions(),
        false => cost.hypervisor,
    };
    let theirs = results.cost(Side::Xen, name);
    let native = match way {
        Way::Program => results.cost(Side::Native, name),
        _ => operation.cost(results, Side::Native, Way::Native),
    };
    let shown = |count: Option<f64>| count.map_or("-".into(), |count| format!("{count:.1}"));
    let ratio = |one: f64, other: Option<f64>| {
        let other = other.filter(|&other| other > 0.0);
        other.map_or("-".into(), |other| format!("{:.2}", one / other))
    };
    let time = |other: Option<&Cost>| {
        // Less than a nanosecond is lost in the loop around.
        let other = other.and_then(|cost| cost.wall).filter(|&wall| wall >= 1.0);
        ours.wall.map_or("-".into(), |wall| ratio(wall, other))
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  {:34} {:11} {:>9} {:>10} {:>10} {:>6} {:>9} {:>6} {:>9.2} {:>9.2}  {}",
        operation.title,
        way.title(),
        shown(native.map(Cost::instructions)),
        shown(Some(counted(ours))),
        shown(theirs.map(counted)),
        ratio(counted(ours), theirs.map(counted)),
        time(native),
        time(theirs),
        ours.cr3,
        ours.flushes,
        exits(ours)
    );
}

/// Cycles of each operation, on the sides that have it; what could not be measured, and why.
#[must_use]
pub fn cycles(sides: &[(Side, Outcome)], only: &[String]) -> String {
    let mut text = format!("{:48}", "cycles of guest and hypervisor, each");
    for (side, _) in sides {
        let _ = write!(text, "{:>14}", side.title());
    }
    text.push('\n');
    for operation in GROUPS.iter().flat_map(|group| group.operations) {
        for &(way, name) in operation.ways {
            if !is_wanted(only, name, operation.title) {
                continue;
            }
            let _ = write!(text, "{:36}{:12}", operation.title, way.title());
            for (_, outcome) in sides {
                let line = match outcome {
                    Outcome::Measured(of) => of.lines.iter().find(|line| line.name == name),
                    Outcome::Stopped(_) => None,
                };
                let shown = line.map_or("-".into(), |line| (line.tenths / 10).to_string());
                let _ = write!(text, "{shown:>14}");
            }
            text.push('\n');
        }
    }
    for (side, outcome) in sides {
        let reasons = match outcome {
            Outcome::Measured(of) => of.refused.as_slice(),
            Outcome::Stopped(reason) => slice::from_ref(reason),
        };
        for reason in reasons {
            let _ = writeln!(text, "not measured: {}: {reason}", side.title());
        }
    }
    text
}

fn exits(cost: &Cost) -> String {
    let exits = &cost.exits;
    let kinds = [
        ("syscall", exits.syscall),
        ("trap", exits.trap),
        ("instruction", exits.instruction),
        ("fault", exits.other),
    ];
    let all: Vec<String> = kinds
        .iter()
        .filter(|(_, count)| *count > 0.0)
        .map(|(kind, count)| format!("{kind} {count:.2}"))
        .collect();
    all.join(", ")
}

/// The ratios over all operations, which are the lab's summary.
#[must_use]
pub fn means(results: &Results) -> String {
    let mut text = String::new();
    for (what, ways) in [
        ("paravirtual", &[Way::Paravirtual, Way::Batched][..]),
        ("trapped", &[Way::Trapped][..]),
    ] {
        if let Some((mean, worst, most)) = operations::ratio(results, ways) {
            let _ = writeln!(
                text,
                "{what}: geometric mean of Paravane / Xen {mean:.3}; the dearest is {worst}, {most:.2}"
            );
        }
    }
    if let Some(overhead) = operations::overhead(results, operations::LOAD) {
        let _ = writeln!(
            text,
            "load of programs: {overhead:.3} times the instructions that the bare machine takes"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::cycles::Measured;
    use super::super::lines::{Line, Unit};
    use super::super::results::samples;
    use super::*;

    #[test]
    fn cycles_stand_beside_each_other() {
        let measured = |tenths| Measured {
            lines: vec![Line {
                name: "yield".into(),
                unit: Unit::Cycles,
                tenths,
                number: 0,
                times: 1,
            }],
            refused: vec!["null_hypercall error=-38".into()],
        };
        let stopped = Outcome::Stopped("it ends here".into());
        let sides = [
            (Side::Native, stopped),
            (Side::Paravane, Outcome::Measured(measured(1000))),
            (Side::Xen, Outcome::Measured(measured(9000))),
        ];
        let text = cycles(&sides, &["yield".into()]);
        assert!(text.contains("-           100           900"), "{text}");
        for reason in [
            "bare machine: it ends here",
            "Xen 4.17: null_hypercall error=-38",
        ] {
            let shown = format!("not measured: {reason}\n");
            assert!(text.contains(&shown), "{text}");
        }
    }

    #[test]
    fn the_table_shows_what_is_wanted() {
        let results = samples::of(&[("null_hypercall", 57.0), ("yield", 114.0)]);
        let all = text(&results, &[]);
        assert!(all.contains("228.0   0.25"), "{all}");
        assert!(all.contains("yield"), "{all}");
        let some = text(&results, &["null".into()]);
        assert!(some.contains("null hypercall"), "{some}");
        assert!(!some.contains("114.0"), "{some}");
        assert!(some.contains("mean of Paravane / Xen 0.250"), "{some}");
    }
}
