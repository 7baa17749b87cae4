//! Contract: every sensitive instruction, run by the same kernel in kernel and in user mode, meets
//! on Paravane what it meets on Debian's Xen: it traps, is emulated, or silently does something
//! else than on the bare machine. With and without UMIP in the processor.
//!
//! The guest finds its verdicts by running (`guest-kernel/src/sensitive`); this test prints them
//! side by side, and fails where the two differ otherwise than [`EXCEPTIONS`] has it.

use std::fmt::Write as _;

use super::BootTest;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Config;
use crate::require;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "sensitive",
    contract: "sensitive instructions trap, are emulated or silently differ as on Debian's Xen",
    run,
};

/// Where Paravane is to differ: with UMIP in the processor or not, the instruction, and what it
/// meets in kernel and user mode.
///
/// Xen 4.17 leaves UMIP off for PV guests; Paravane switches it on, so that the addresses of the
/// hypervisor's descriptor tables are nobody's to read: what silently differed traps.
const EXCEPTIONS: [(bool, &str, &str, &str); 5] = [
    (true, "sgdt", "traps(13)", "traps(13)"),
    (true, "sidt", "traps(13)", "traps(13)"),
    (true, "sldt", "traps(13)", "traps(13)"),
    (true, "str", "traps(13)", "traps(13)"),
    (true, "smsw", "traps(13)", "traps(13)"),
];

const LINE: &str = "SENSITIVE ";
const CLOSING: &str = "SENSITIVE DONE";
/// The verdict that Popek and Goldberg's theorem is about.
const SILENT: &str = "silently-differs";

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let modules = lab.our_dom0("sensitive", None)?;
    for umip in [false, true] {
        let name = if umip { "umip" } else { "no-umip" };
        let on_xen = lab.xen_with(HYPERVISOR_OPTIONS, modules.clone())?;
        let xen = table(lab, on_xen, umip, &format!("xen-{name}"))?;
        let ours = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
        let ours = table(lab, ours, umip, &format!("paravane-{name}"))?;
        require!(
            xen.iter()
                .map(|row| &row.name)
                .eq(ours.iter().map(|row| &row.name)),
            "the two sides ran different instructions"
        );
        let text = side_by_side(&xen, &ours);
        lab.write(&format!("sensitive-{name}.txt"), text.as_bytes())?;
        report.note(format!("{name}:\n{text}"));
        for (side, rows) in [("Xen", &xen), ("Paravane", &ours)] {
            let kernel = rows.iter().filter(|row| row.kernel == SILENT).count();
            let user = rows.iter().filter(|row| row.user == SILENT).count();
            report.note(format!(
                "{side}, {name}: of {} instructions {kernel} silently differ in kernel mode, \
                 {user} in user mode",
                rows.len()
            ));
        }
        judge(&xen, &ours, umip, report);
    }
    Ok(())
}

/// What one instruction met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    kernel: String,
    user: String,
}

fn table(lab: &Lab, mut config: Config, umip: bool, name: &str) -> Checked<Vec<Row>> {
    config.icount = true;
    config.cpu.push_str(if umip { ",+umip" } else { ",-umip" });
    let mut machine = lab.start(&config, name)?;
    machine.expect_line(CLOSING)?;
    let text = machine.console.text();
    rows(&text).map_err(|why| Trouble::Failure(format!("{name}: {why}{}", machine.tail())))
}

/// Reads the lines `SENSITIVE name kernel=verdict user=verdict` of a console.
fn rows(console: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for line in console.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix(CLOSING) {
            let all = format!("n={}", rows.len());
            return if rest.trim() == all && !rows.is_empty() {
                Ok(rows)
            } else {
                Err(format!("`{line}` after {} rows", rows.len()))
            };
        }
        if let Some(rest) = line.strip_prefix(LINE) {
            rows.push(row(rest).ok_or_else(|| format!("no row: `{line}`"))?);
        }
    }
    Err(format!("no `{CLOSING}`"))
}

fn row(line: &str) -> Option<Row> {
    let mut words = line.split(' ');
    let row = Row {
        name: words.next()?.into(),
        kernel: words.next()?.strip_prefix("kernel=")?.into(),
        user: words.next()?.strip_prefix("user=")?.into(),
    };
    words.next().is_none().then_some(row)
}

fn side_by_side(xen: &[Row], ours: &[Row]) -> String {
    let mut text = format!(
        "  {:18}{:18}{:18}{:18}{:18}\n",
        "", "kernel: Xen", "Paravane", "user: Xen", "Paravane"
    );
    for (theirs, our) in xen.iter().zip(ours) {
        let mark = if theirs == our { ' ' } else { '!' };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{mark} {:18}{:18}{:18}{:18}{:18}",
            our.name, theirs.kernel, our.kernel, theirs.user, our.user
        );
    }
    text
}

/// Fails for each row that differs and is no exception, and for each exception that is none.
fn judge(xen: &[Row], ours: &[Row], umip: bool, report: &mut Report) {
    for (theirs, our) in xen.iter().zip(ours) {
        let exception = EXCEPTIONS
            .iter()
            .find(|(with, name, ..)| *with == umip && *name == our.name);
        let fits = match exception {
            Some((_, _, kernel, user)) => {
                theirs != our && our.kernel == *kernel && our.user == *user
            }
            None => theirs == our,
        };
        if !fits {
            report.failure(format!("{} (UMIP: {umip}): {theirs:?}, {our:?}", our.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "x\nSENSITIVE sgdt kernel=traps(13) user=same\r\nSENSITIVE DONE n=1\r\n";

    #[test]
    fn rows_are_read_whole_or_not_at_all() {
        let rows_of_it = rows(TEXT).unwrap();
        assert_eq!(rows_of_it.len(), 1);
        assert_eq!(rows_of_it[0].kernel, "traps(13)");
        for bad in [
            "SENSITIVE sgdt kernel=traps(13) user=same\n",
            "SENSITIVE DONE n=0\n",
            "SENSITIVE sgdt kernel=same user=same\nSENSITIVE DONE n=2\n",
            "SENSITIVE sgdt user=same\nSENSITIVE DONE n=1\n",
            "SENSITIVE error=the counter\nSENSITIVE DONE n=1\n",
        ] {
            assert!(rows(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn differences_and_stale_exceptions_are_failures() {
        let failures = |xen: &str, ours: &str, umip| {
            let mut report = Report::default();
            judge(&rows(xen).unwrap(), &rows(ours).unwrap(), umip, &mut report);
            report.findings.len()
        };
        let differs = TEXT.replace("traps(13) user=same", "silently-differs user=same");
        assert_eq!(failures(TEXT, TEXT, false), 0);
        assert_eq!(failures(&differs, TEXT, false), 1);
        assert_eq!(failures(TEXT, TEXT, true), 1, "no exception any more");
        let trapping = TEXT.replace("user=same", "user=traps(13)");
        assert_eq!(failures(&differs, &trapping, true), 0);
    }
}
