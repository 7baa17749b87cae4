//! The results as a table on the terminal.

use std::fmt::Write as _;

use super::operations::{self, GROUPS, Way};
use super::results::{Results, Side};

/// Which measurements are shown: those whose names, or whose operations' titles, contain one of the
/// words; all if there are none.
#[must_use]
pub fn is_wanted(only: &[String], name: &str, title: &str) -> bool {
    let contains = |word: &String| name.contains(word.as_str()) || title.contains(word.as_str());
    only.is_empty() || only.iter().any(contains)
}

/// A line for each operation and way, and the means below.
#[must_use]
pub fn text(results: &Results, only: &[String]) -> String {
    let mut text = format!(
        "{:36} {:11} {:>10} {:>10} {:>6} {:>6} {:>9} {:>9}  {}\n",
        "instructions of the hypervisor, each",
        "",
        "Paravane",
        "Xen 4.17",
        "ratio",
        "time",
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
                if !std::mem::replace(&mut begun, true) {
                    let _ = writeln!(text, "{}", group.title);
                }
                line(&mut text, results, operation.title, way, name);
            }
        }
    }
    text + &means(results)
}

/// One line; nothing where nothing was measured.
fn line(text: &mut String, results: &Results, title: &str, way: Way, name: &str) {
    let Some(ours) = results.cost(Side::Paravane, name) else {
        return;
    };
    let theirs = results.cost(Side::Xen, name);
    let ratio = |one: f64, other: Option<f64>| {
        let other = other.filter(|&other| other > 0.0);
        other.map_or("-".into(), |other| format!("{:.2}", one / other))
    };
    let time = ours.wall.map_or("-".into(), |wall| {
        ratio(wall, theirs.and_then(|cost| cost.wall))
    });
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  {title:34} {:11} {:>10.1} {:>10} {:>6} {time:>6} {:>9.2} {:>9.2}  {}",
        way.title(),
        ours.hypervisor,
        theirs.map_or("-".into(), |cost| format!("{:.1}", cost.hypervisor)),
        ratio(ours.hypervisor, theirs.map(|cost| cost.hypervisor)),
        ours.cr3,
        ours.flushes,
        exits(ours)
    );
}

fn exits(cost: &super::results::Cost) -> String {
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
    text
}

#[cfg(test)]
mod tests {
    use super::super::results::samples;
    use super::*;

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
