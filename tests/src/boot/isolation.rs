//! Contract: with `xpti`, nothing of the hypervisor is mapped while a guest runs but what the ways into it
//! need, seen from outside (QEMU's monitor walks the page tables that the processor uses); and
//! guests see no difference: their story is the same, on one processor and on two, also under NMIs, and
//! so is every answer to their self-checks, on Debian's Xen with the same option and here.

use super::guests::{SCRIPT, tell};
use super::write_xor_execute::hypervisor_leaves;
use super::{BootTest, PROMPT, unwell};
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::oracle::{self, Subject};
use crate::qemu::paging::Leaf;
use crate::qemu::qmp::Qmp;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "isolation",
    contract: "with xpti a guest's page tables show only the ways into the hypervisor",
    run,
};

pub(super) const TEST_OF_ANSWERS: BootTest = BootTest {
    name: "oracle_isolated",
    contract: "with xpti every self-check of our guest answers the same on both sides",
    run: |lab, report| {
        oracle::run(
            lab,
            Subject {
                options: " xpti=true",
                ..Subject::ONE
            },
            report,
        )
        .map(drop)
    },
};

pub(super) const TEST_OF_SEVERAL: BootTest = BootTest {
    name: "oracle_smp_isolated",
    contract: "with xpti our guest on eight vCPUs of four processors sees the same on both sides",
    run: |lab, report| {
        let options = " dom0_max_vcpus=8 xpti=true";
        oracle::run(
            lab,
            Subject {
                options,
                ..Subject::SEVERAL
            },
            report,
        )
        .map(drop)
    },
};

/// Processors of the machine whose tables are looked at.
const PROCESSORS: u64 = 2;
const PAGE: u64 = 4096;
/// Where the hypervisor has the CPUs' windows, 256 KiB each, and the interrupt table
/// (`hypervisor/src/layout.rs`).
const WINDOWS: u64 = 0xffff_8700_0000_0000;
const WINDOW: u64 = 64 * PAGE;
const INTERRUPT_TABLE: u64 = WINDOWS + (1 << 29);
/// L4 slot 256, in which guests may read the machine-to-phys table.
const MACHINE_TO_PHYS: std::ops::Range<u64> = 0xffff_8000_0000_0000..0xffff_8080_0000_0000;
/// L4 slot 271: the image.
const IMAGE: std::ops::RangeInclusive<u64> = 0xffff_8780_0000_0000..=0xffff_87ff_ffff_ffff;
/// Pages of code that may be shown.
const CODE_PAGES: usize = 1;
/// Looks at the processor until it is found to run a guest.
const LOOKS: usize = 200;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let shown = shown_to_a_guest(lab, " xpti=true", "paravane")?;
    let surplus: Vec<&Leaf> = shown.iter().filter(|leaf| !is_way_in(leaf)).collect();
    for leaf in surplus.iter().take(8) {
        report.failure(format!("shown to a guest: {leaf}"));
    }
    let code = |leaf: &&Leaf| IMAGE.contains(&leaf.va);
    require!(
        shown.iter().filter(code).count() == CODE_PAGES,
        "not {CODE_PAGES} page of code is shown, but {}",
        shown.iter().filter(code).count()
    );
    report.note(format!(
        "a guest that runs is shown {} mappings",
        shown.len()
    ));

    // The same look without isolation finds what is not to be shown.
    let open = shown_to_a_guest(lab, "", "paravane-default")?;
    let surplus = open.iter().filter(|leaf| !is_way_in(leaf)).count();
    require!(surplus > 0, "no mapping offends without isolation either");
    report.note(format!("and {surplus} more without xpti"));

    for processors in [1, 2] {
        let modules = lab.dom0_for(Some(SCRIPT))?;
        let mut config = lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} xpti=true"), modules);
        config.smp = processors;
        let mut machine = lab.start(&config, &format!("paravane-story-{processors}"))?;
        tell(&mut machine, report)?;
        let status = machine.expect_end()?;
        require!(status.success(), "QEMU ended with {status}");
    }
    unwell::in_mode(lab, "isolated", "xpti=true", report)
}

/// What a guest that runs has mapped in the hypervisor's range.
fn shown_to_a_guest(lab: &Lab, options: &str, name: &str) -> Checked<Vec<Leaf>> {
    let options = format!("{HYPERVISOR_OPTIONS}{options}");
    let mut config = lab.paravane_with(&options, lab.dom0_for(None)?);
    config.smp = PROCESSORS as u32;
    let mut machine = lab.start(&config, name)?;
    machine.expect(PROMPT)?;
    for spinner in 0..2 * PROCESSORS {
        machine.type_line(&format!(
            "xl create rogue name=spin{spinner} cmdline=rogue=spin"
        ))?;
        machine.expect("rogue spin: begins")?;
    }
    let mut monitor = machine.monitor()?;
    for _ in 0..LOOKS {
        monitor.stop()?;
        if runs_a_guest(&mut monitor)? {
            // The machine stays as it is.
            let leaves = hypervisor_leaves(&mut monitor)?;
            require!(!leaves.is_empty(), "nothing is mapped, not even the way in");
            return Ok(leaves);
        }
        monitor.resume()?;
    }
    Err(crate::verdict::Trouble::Failure(format!(
        "no guest was found to run in {LOOKS} looks"
    )))
}

/// Whether the monitor's processor is in ring 3.
fn runs_a_guest(monitor: &mut Qmp) -> anyhow::Result<bool> {
    Ok(monitor.human("info registers")?.contains("CPL=3"))
}

/// Whether a mapping is of those that an entry needs.
fn is_way_in(leaf: &Leaf) -> bool {
    if MACHINE_TO_PHYS.contains(&leaf.va) {
        return leaf.user && !leaf.writable;
    }
    if leaf.user || leaf.large {
        return false;
    }
    if IMAGE.contains(&leaf.va) {
        return !leaf.writable && !leaf.no_execute;
    }
    if leaf.va == INTERRUPT_TABLE {
        return !leaf.writable && leaf.no_execute;
    }
    let Some(offset) = leaf.va.checked_sub(WINDOWS) else {
        return false;
    };
    // What GS points to; the stacks of #DF, NMI, #MC, #DB and of entries; GDT; LDT.
    let shown = matches!(offset % WINDOW / PAGE, 0 | 3 | 5 | 7 | 9 | 11 | 16..=30 | 32..=47);
    offset / WINDOW < PROCESSORS && shown && leaf.no_execute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(va: u64, user: bool, writable: bool, no_execute: bool) -> Leaf {
        Leaf {
            va,
            pa: 0x1000,
            no_execute,
            global: false,
            large: false,
            user,
            writable,
        }
    }

    #[test]
    fn only_ways_in_are_let_through() {
        for (va, user, writable, no_execute) in [
            (0xffff_8000_0000_0000, true, false, true),
            (WINDOWS, false, true, true),
            (WINDOWS + WINDOW + 11 * PAGE, false, true, true),
            (INTERRUPT_TABLE, false, false, true),
            (0xffff_8780_0010_1000, false, false, false),
        ] {
            assert!(is_way_in(&leaf(va, user, writable, no_execute)), "{va:x}");
        }
        for (va, user, writable, no_execute) in [
            (0xffff_8000_0000_0000, true, true, true),
            (0xffff_8280_0000_0000, false, true, true),
            (0xffff_8300_0000_0000, false, true, true),
            (WINDOWS + PAGE, false, true, true),
            (WINDOWS + 50 * PAGE, false, true, true),
            (WINDOWS + PROCESSORS * WINDOW, false, true, true),
            (INTERRUPT_TABLE, false, true, true),
            (WINDOWS + (1 << 30), false, true, true),
            (0xffff_8780_0016_e000, false, false, true),
        ] {
            assert!(!is_way_in(&leaf(va, user, writable, no_execute)), "{va:x}");
        }
    }
}
