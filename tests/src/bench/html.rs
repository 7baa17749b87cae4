//! The report: one HTML file that needs no other.

use std::fmt::Write as _;

use anyhow::Result;

use super::operations::{GROUPS, Operation, SCALING, Way};
use super::parties::Part;
use super::plot;
use super::profile::Share;
use super::results::{Results, Side};
use super::scenes;
use super::table::{self, short};

/// An operation of which it is shown where its instructions go.
pub type Profiled = (String, Vec<Share>);

/// The sentence that belongs under every plot.
const HONEST: &str =
    "Counted under QEMU's software emulation: these are instructions, not nanoseconds.";
/// How many parts of a profile are shown one by one.
const PARTS: usize = 6;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}\
h1,h2{line-height:1.2}svg{max-width:100%;height:auto}figure{margin:1.5em 0}\
figcaption{color:#555;font-size:14px}table{border-collapse:collapse;font-size:14px}\
td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #eee}\
td:first-child,th:first-child,td:nth-child(2){text-align:left}\
.key span{display:inline-block;width:12px;height:12px;margin:0 6px 0 18px}\
pre{font-size:13px;overflow-x:auto;background:#f7f7f7;padding:1em}";

/// The bars of an operation: on which side, in which way.
const SERIES: [(Side, Way); 12] = [
    (Side::Paravane, Way::Paravirtual),
    (Side::Paravane, Way::Batched),
    (Side::Paravane, Way::Trapped),
    (Side::Xen, Way::Paravirtual),
    (Side::Xen, Way::Batched),
    (Side::Xen, Way::Trapped),
    (Side::Native, Way::Native),
    (Side::Native, Way::Program),
    (Side::Paravane, Way::Program),
    (Side::Xen, Way::Program),
    (Side::Paravane, Way::EndToEnd),
    (Side::Xen, Way::EndToEnd),
];

/// Writes the report.
///
/// # Errors
/// A plot cannot be drawn.
pub fn report(results: &Results, only: &[String], profiles: &[Profiled]) -> Result<String> {
    let mut html = format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width\">\
        <title>Paravane: what operations cost</title><style>{STYLE}</style>\
        <h1>What operations cost</h1><p>The same guest kernel, paravirtual and with privileged \
        instructions that trap, on Paravane and on Debian's Xen 4.17, and natively on the bare \
        machine. {}; processor {}. {HONEST}</p>",
        escape(&results.qemu),
        escape(&results.cpu)
    );
    let _ = write!(html, "<pre>{}</pre>", escape(&table::means(results)));
    html.push_str(&key());
    for group in GROUPS {
        let wanted = |operation: &&Operation| {
            let mut names = operation.ways.iter();
            names.any(|(_, name)| table::is_wanted(only, name, operation.title))
        };
        let rows: Vec<plot::Row> = group
            .operations
            .iter()
            .filter(wanted)
            .map(|operation| row(results, *operation))
            .filter(|(_, values)| values.iter().any(Option::is_some))
            .collect();
        if !rows.is_empty() {
            let caption = format!(
                "{}: instructions of guest and hypervisor together for one operation; of those in a \
                batch, for one of them. {HONEST}",
                group.title
            );
            let _ = write!(html, "<h2>{}</h2>", escape(group.title));
            figure(&mut html, &plot::bars(&rows)?, &caption);
        }
    }
    scaling(&mut html, results)?;
    profiled(&mut html, profiles)?;
    parties(&mut html, results, only)?;
    numbers(&mut html, results, only);
    html.push_str("</html>\n");
    Ok(html)
}

fn row(results: &Results, operation: Operation) -> plot::Row {
    let costs = SERIES.map(|(side, way)| {
        let cost = operation.cost(results, side, way)?;
        Some(cost.instructions())
    });
    (operation.title.to_owned(), costs.to_vec())
}

fn key() -> String {
    let mut html = "<p class=\"key\">".to_owned();
    for (number, (side, way)) in SERIES.iter().enumerate() {
        let colour = plot::colour(number);
        let _ = write!(
            html,
            "<span style=\"background:rgb({},{},{})\"></span>{}, {}",
            colour.0,
            colour.1,
            colour.2,
            side.title(),
            way.title()
        );
    }
    html + "</p>"
}

fn figure(html: &mut String, svg: &str, caption: &str) {
    let _ = write!(
        html,
        "<figure>{svg}<figcaption>{}</figcaption></figure>",
        escape(caption)
    );
}

fn scaling(html: &mut String, results: &Results) -> Result<()> {
    let mut curves = Vec::new();
    for side in Side::ALL {
        for (what, points) in SCALING {
            let points: Vec<_> = points
                .iter()
                .filter_map(|&(size, name)| Some((size, results.cost(side, name)?.instructions())))
                .collect();
            if points.len() > 1 {
                curves.push((format!("{}: {what}", side.title()), points));
            }
        }
    }
    if curves.is_empty() {
        return Ok(());
    }
    html.push_str("<h2>Batches</h2>");
    let caption = format!(
        "What one changed page-table entry costs, over how many are changed by one mmu_update: \
        instructions of guest and hypervisor. {HONEST}"
    );
    figure(html, &plot::scaling(&curves)?, &caption);
    Ok(())
}

fn profiled(html: &mut String, profiles: &[Profiled]) -> Result<()> {
    if profiles.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = profiles
        .iter()
        .map(|(name, shares)| {
            let (shown, rest) = shares.split_at(shares.len().min(PARTS));
            let mut parts: Vec<Share> = shown
                .iter()
                .map(|(name, count)| (short(name).to_owned(), *count))
                .collect();
            let rest: f64 = rest.iter().map(|(_, count)| count).sum();
            if rest > 0.0 {
                parts.push(("others".into(), rest));
            }
            (name.clone(), parts)
        })
        .collect();
    html.push_str("<h2>Where the instructions go</h2>");
    let caption = format!(
        "Paravane's instructions for one operation by the function that executes them, as the \
        compiler left it: what it put into another function counts there. {HONEST}"
    );
    figure(html, &plot::stacked(&rows)?, &caption);
    Ok(())
}

/// Who executes what is counted from end to end.
fn parties(html: &mut String, results: &Results, only: &[String]) -> Result<()> {
    let mut rows = Vec::new();
    for name in scenes::names() {
        let title = scenes::title(name);
        let wanted = table::is_wanted(only, name, title);
        let sides = results.parts.iter().filter(|_| wanted);
        rows.extend(sides.filter_map(|(side, of)| {
            let parts = of.get(name)?;
            Some((format!("{title}, {}", side.title()), with_others(parts)))
        }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    html.push_str("<h2>Who executes it</h2>");
    let caption = format!(
        "All instructions of an operation from a guest's process to a service in dom0 and back, by who \
        executes them: the hypervisor, each domain's kernel, and processes. {HONEST}"
    );
    figure(html, &plot::stacked(&rows)?, &caption);
    Ok(())
}

/// Parts by name; those that nobody would see in a bar are one, so that the others have a colour each.
fn with_others(parts: &[Part]) -> Vec<Share> {
    const SEEN: f64 = 0.01;
    let sum: f64 = parts.iter().map(|part| part.instructions).sum();
    let seen = |part: &&Part| part.instructions >= sum * SEEN;
    let mut shares: Vec<Share> = parts
        .iter()
        .filter(seen)
        .map(|part| (part.party.clone(), part.instructions))
        .collect();
    let rest = sum - shares.iter().map(|(_, count)| count).sum::<f64>();
    if shares.len() < parts.len() {
        shares.push(("others".into(), rest));
    }
    shares
}

/// All figures as a table.
fn numbers(html: &mut String, results: &Results, only: &[String]) {
    html.push_str("<h2>All figures</h2><pre>");
    html.push_str(&escape(&table::text(results, only)));
    html.push_str("</pre>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::results::samples;
    use super::*;

    #[test]
    fn functions_are_named_by_the_end_of_their_paths() {
        assert_eq!(short("a::b::Table::more"), "Table::more");
        assert_eq!(short("entry"), "entry");
        assert_eq!(short("<a::b::T as c::D>::e"), "D>::e");
        assert_eq!(short("a::b::c::<d::E>"), "c::<d::E>");
    }

    #[test]
    fn parts_that_nobody_would_see_are_one() {
        let part = |party: &str, instructions| Part {
            party: party.into(),
            instructions,
            functions: Vec::new(),
        };
        let shares = [part("hypervisor", 990.0), part("xl", 6.0), part("net", 4.0)];
        let expected = [
            ("hypervisor".to_owned(), 990.0),
            ("others".to_owned(), 10.0),
        ];
        assert_eq!(with_others(&shares), expected);
        assert_eq!(with_others(&shares[..1]).len(), 1);
    }

    #[test]
    fn the_report_is_one_file_with_every_caption() {
        let results = samples::of(&[
            ("null_hypercall", 57.0),
            ("mmu_update_1_frame", 282.0),
            ("mmu_update_32_frame_per_entry", 105.0),
        ]);
        let profiles = [("null_hypercall".into(), vec![("<entry>".into(), 57.0)])];
        let html = report(&results, &[], &profiles).unwrap();
        assert_eq!(html.matches("<figure>").count(), 4);
        assert_eq!(html.matches("not nanoseconds").count(), 5);
        for outside in ["http-equiv", "<script", "src=", "<link"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(!html.contains("<entry>"));
        let some = report(&results, &["null".into()], &[]).unwrap();
        assert!(some.len() < html.len());
    }
}
