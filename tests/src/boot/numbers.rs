//! Contract: the figures that are the same on every run stay under their ceilings:
//! the size of the image, the memory the hypervisor keeps, the instructions of
//! hypercalls, and the virtual time (1 instruction is 1 ns) from the hypervisor's
//! first instruction to dom0's first line. None of them is wall time. What the other
//! operations cost is shown next to Debian's Xen, where the same kernel measures it, and
//! next to what they cost with guests isolated from the hypervisor (`xpti`).

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::BootTest;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::Config;
use crate::verdict::{Checked, Report, Trouble};

pub(super) const TEST: BootTest = BootTest {
    name: "numbers",
    contract: "image size, memory kept, boot and hypercalls stay under their ceilings",
    run,
};

/// A figure that the console shows.
struct Figure {
    what: &'static str,
    /// The line has this text …
    line: &'static str,
    /// … and the number stands after this.
    key: &'static str,
    ceiling: u64,
}

const FIGURES: [Figure; 2] = [
    Figure {
        what: "memory the hypervisor keeps of 512 MiB, KiB",
        line: "(PVN) Hypervisor keeps ",
        key: " pages (",
        ceiling: 6 << 10,
    },
    Figure {
        what: "first instruction to dom0's first line, virtual us",
        line: "(PVN) dom0's first console output ",
        key: "output ",
        ceiling: 60_000,
    },
];

/// Operations that have a ceiling, and the ceiling in instructions.
const CEILINGS: &[(&str, u64)] = &[
    ("null_hypercall", 60),
    ("unknown_hypercall", 60),
    ("stack_switch", 60),
    ("fpu_taskswitch", 60),
    ("set_timer_op", 120),
    ("set_singleshot_timer", 140),
    ("get_runstate_info", 110),
    ("yield", 200),
    ("multicall_32_per_entry", 80),
    ("mov_from_cr3", 350),
    ("rdmsr_efer", 300),
    ("out_0x80", 350),
    ("forced_cpuid_0", 200),
    ("forced_cpuid_1", 200),
    ("invalid_opcode_and_iret", 240),
    ("page_fault_and_iret", 250),
    ("user_syscall_and_iret", 170),
    ("user_page_fault_and_iret", 250),
    ("evtchn_send_upcall_and_iret", 200),
    ("context_switch", 700),
    ("mmu_update_1_frame", 300),
    ("mmu_update_32_frame_per_entry", 110),
    ("mmu_update_32_available_per_entry", 40),
    ("update_va_mapping_none", 280),
    ("update_va_mapping_invlpg", 320),
    ("pin_unpin_l1_empty", 3_500),
    // 60 for each entry.
    ("pin_unpin_l1_512", 512 * 60),
    ("new_baseptr_other", 200),
    ("table_store_frame", 600),
    ("evtchn_send_pending", 70),
    ("evtchn_send_pair_pending", 70),
    ("evtchn_send_masked", 90),
    ("evtchn_send_pair_masked", 140),
    ("evtchn_send_upcall_masked", 100),
    ("evtchn_unmask", 80),
    ("evtchn_status", 90),
    ("grant_map", 850),
    ("grant_unmap", 1025),
    ("grant_map_8_per_page", 660),
    ("grant_unmap_8_per_page", 700),
    ("grant_query_size", 100),
    ("copy_64_bytes", 330),
    // Together at most 300. The second is 168 to 176 by where the highest free frames lie, which the
    // size of dom0's image decides: the free map is searched by words of 64.
    ("decrease_64_per_page", 91),
    ("populate_64_per_page", 180),
];
const BENCH: &str = "BENCH ";
const BENCH_DONE: &str = "BENCH DONE ";
const IMAGE_BYTES: u64 = 512 << 10;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let image = fs::metadata(&lab.images.hypervisor)?.len();
    check(
        report,
        "hypervisor image, stripped, bytes",
        image,
        IMAGE_BYTES,
    );
    let modules = lab.our_dom0("bench", None)?;
    let ours = lab.paravane_with(HYPERVISOR_OPTIONS, modules.clone());
    let (text, ours) = bench(lab, ours, "on-paravane")?;
    let isolated = lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} xpti=true"), modules.clone());
    let (_, isolated) = bench(lab, isolated, "isolated")?;
    for figure in &FIGURES {
        let line = text.lines().find(|line| line.contains(figure.line));
        match line.and_then(|line| number_after(line, figure.key)) {
            Some(value) => check(report, figure.what, value, figure.ceiling),
            None => report.case(
                figure.what,
                Err(Trouble::Failure(format!(
                    "no line `{}…{}N`",
                    figure.line, figure.key
                ))),
            ),
        }
    }
    for &(name, ceiling) in CEILINGS {
        match ours.iter().find(|cost| cost.name == name) {
            Some(cost) => check(report, name, cost.tenths.div_ceil(10), ceiling),
            None => report.failure(format!("{name} was not measured")),
        }
    }
    let theirs = lab.xen_with(HYPERVISOR_OPTIONS, modules)?;
    let (_, theirs) = bench(lab, theirs, "on-xen")?;
    let table = table(&ours, &isolated, &theirs);
    lab.write("numbers.txt", table.as_bytes())?;
    report.note(format!(
        "instructions in the hypervisor, per operation:\n{table}"
    ));
    Ok(())
}

/// What an operation costs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    name: String,
    /// Instructions, in tenths.
    tenths: u64,
}

/// Boots our kernel to measure; what the console showed, and the costs.
fn bench(lab: &Lab, mut config: Config, name: &str) -> Checked<(String, Vec<Cost>)> {
    config.icount = true;
    let mut machine = lab.start(&config, name)?;
    machine.expect_line(BENCH_DONE)?;
    let text = machine.console.text();
    match costs(&text) {
        Ok(costs) => Ok((text, costs)),
        Err(error) => Err(Trouble::Failure(format!(
            "{name}: {error:#}{}",
            machine.tail()
        ))),
    }
}

/// Reads the lines `BENCH name insns=N` of a console.
fn costs(console: &str) -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for line in console.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix(BENCH_DONE) {
            let all = format!("n={} refused=0", costs.len());
            ensure!(rest == all, "`{line}` after {} figures", costs.len());
            ensure!(!costs.is_empty(), "nothing was measured");
            return Ok(costs);
        }
        if let Some(rest) = line.strip_prefix(BENCH) {
            let cost = rest.split_once(" insns=").and_then(|(name, number)| {
                Some(Cost {
                    name: name.to_owned(),
                    tenths: tenths(number)?,
                })
            });
            costs.push(cost.with_context(|| format!("no figure in `{line}`"))?);
        }
    }
    bail!("no `{BENCH_DONE}`")
}

/// A number with at most one decimal, in tenths.
fn tenths(number: &str) -> Option<u64> {
    let (whole, decimal) = number.split_once('.').unwrap_or((number, "0"));
    let decimal = decimal.parse::<u64>().ok().filter(|&digit| digit < 10)?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(10)?
        .checked_add(decimal)
}

/// Both sides' costs, and ours with `xpti`, as far as all have them, and how the sides compare.
fn table(ours: &[Cost], isolated: &[Cost], theirs: &[Cost]) -> String {
    let mut text = format!(
        "{:36}{:>10}{:>10}{:>10}\n",
        "", "Paravane", "xpti", "Xen 4.17"
    );
    for our in ours {
        let of = |side: &'_ [Cost]| side.iter().find(|cost| cost.name == our.name).cloned();
        let (Some(isolated), Some(their)) = (of(isolated), of(theirs)) else {
            continue;
        };
        let show = |cost: &Cost| format!("{}.{}", cost.tenths / 10, cost.tenths % 10);
        let percent = our.tenths * 100 / their.tenths.max(1);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:36}{:>10}{:>10}{:>10}{percent:>5} %",
            our.name,
            show(our),
            show(&isolated),
            show(&their)
        );
    }
    text
}

fn check(report: &mut Report, what: &str, value: u64, ceiling: u64) {
    report.note(format!("{what}: {value} (at most {ceiling})"));
    if value > ceiling {
        report.failure(format!("{what}: {value} exceeds {ceiling}"));
    }
}

/// The decimal number that follows `key` in `line`.
pub(super) fn number_after(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let digits = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_after_their_key() {
        let line = "(PVN) Hypervisor keeps 1263 pages (5052 KiB) of 512 MiB";
        assert_eq!(number_after(line, " pages ("), Some(5052));
        assert_eq!(number_after("KiB=many", "KiB="), None);
        assert_eq!(number_after("nothing", "KiB="), None);
    }

    #[test]
    fn costs_are_read_whole_or_not_at_all() {
        let text = "x\nBENCH a insns=77\r\nBENCH b insns=200.8\r\nBENCH DONE n=2 refused=0\r\n";
        let read = costs(text).unwrap();
        assert_eq!(read[0].tenths, 770);
        assert_eq!(read[1].tenths, 2008);
        assert!(table(&read, &read, &read).contains("200.8     200.8     200.8  100 %"));
        for bad in [
            "BENCH a insns=77\n",
            "BENCH DONE n=0 refused=0\n",
            "BENCH a insns=77\nBENCH DONE n=2 refused=0\n",
            "BENCH a insns=77\nBENCH DONE n=1 refused=1\n",
            "BENCH a error=-38\nBENCH DONE n=0 refused=1\n",
            "BENCH a insns=7.77\nBENCH DONE n=1 refused=0\n",
        ] {
            assert!(costs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_figure_above_its_ceiling_is_a_failure() {
        let mut report = Report::default();
        check(&mut report, "x", 80, 80);
        assert!(report.findings.is_empty());
        check(&mut report, "x", 81, 80);
        assert_eq!(report.findings.len(), 1);
    }
}
