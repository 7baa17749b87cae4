//! Two files of results: what changed between them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::results::{Cost, Results, Side};

/// Instructions that an operation gained or lost, in the guest or the hypervisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// A line for each operation that is not as it was.
    pub text: String,
    /// How many cost more than before.
    pub dearer: usize,
}

/// Compares by sides and operations.
#[must_use]
pub fn compare(before: &Results, after: &Results) -> Changes {
    let mut changes = Changes {
        text: String::new(),
        dearer: 0,
    };
    for side in Side::ALL {
        let names: BTreeSet<&String> = [before, after]
            .iter()
            .filter_map(|results| results.sides.get(&side))
            .flat_map(|costs| costs.keys())
            .collect();
        for name in names {
            let pair = (before.cost(side, name), after.cost(side, name));
            changes.add(side, name, pair);
        }
    }
    if changes.text.is_empty() {
        changes.text = "nothing changed\n".into();
    }
    changes
}

impl Changes {
    fn add(&mut self, side: Side, name: &str, pair: (Option<&Cost>, Option<&Cost>)) {
        let what = match pair {
            (Some(before), Some(after)) => {
                let (old, new) = (before.instructions(), after.instructions());
                if (old - new).abs() < 0.005 {
                    return;
                }
                self.dearer += usize::from(new > old);
                let percent = (new / old - 1.0) * 100.0;
                format!("{old:>10.2} -> {new:>10.2}  {percent:+.1} %")
            }
            (Some(_), None) => "no longer measured".into(),
            (None, _) => "new".into(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:9} {name:36} {what}", side.title());
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::samples;
    use super::*;

    #[test]
    fn what_changed_is_told_and_nothing_else() {
        let before = samples::of(&[("a", 100.0), ("b", 10.0), ("c", 1.0)]);
        assert_eq!(compare(&before, &before).text, "nothing changed\n");
        let mut after = samples::of(&[("a", 110.0), ("b", 9.0), ("d", 1.0)]);
        after.sides.remove(&Side::Xen);
        let changes = compare(&before, &after);
        assert_eq!(changes.dearer, 1);
        for text in [
            "a                                        101.00 ->     111.00  +9.9 %",
            "Paravane  b",
            "Paravane  c                                    no longer measured",
            "Paravane  d                                    new",
        ] {
            assert!(changes.text.contains(text), "{text}\n{}", changes.text);
        }
    }
}
