//! Contract: seen from outside (QEMU's monitor walks the page tables that the
//! processor uses), nothing in the hypervisor's part of the address space is
//! writable and executable at once, and ring 3 reaches nothing there but the
//! machine-to-phys table, without writing.

use anyhow::Result;

use super::{BootTest, PROMPT};
use crate::lab::Lab;
use crate::qemu::paging::Leaf;
use crate::qemu::qmp::Qmp;
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "write_xor_execute",
    contract: "no hypervisor page is writable and executable, or writable from ring 3",
    run,
};

/// L4 slots 256 to 271: the hypervisor's own in every address space.
const HYPERVISOR: std::ops::RangeInclusive<u64> = 0xffff_8000_0000_0000..=0xffff_87ff_ffff_ffff;

/// L4 slot 256: what of it guests may read is the machine-to-phys table.
const MACHINE_TO_PHYS: std::ops::RangeInclusive<u64> =
    0xffff_8000_0000_0000..=0xffff_807f_ffff_ffff;

/// Offending pages shown of each kind.
const SHOWN: usize = 8;

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let mut machine = lab.start(&lab.paravane(None)?, "paravane")?;
    machine.expect("(PVN)")?;
    machine.expect(PROMPT)?;
    let mut monitor = machine.monitor()?;
    let leaves = hypervisor_leaves(&mut monitor)?;
    require!(
        !leaves.is_empty(),
        "no mapping at all in the hypervisor's range"
    );
    require!(
        leaves.iter().any(|leaf| !leaf.no_execute),
        "no executable page: this is not the hypervisor's view"
    );
    refuse(
        report,
        &leaves,
        "writable and executable",
        Leaf::breaks_w_xor_x,
    );
    refuse(report, &leaves, "writable from ring 3", |leaf| {
        leaf.user && leaf.writable
    });
    refuse(report, &leaves, "reachable from ring 3", |leaf| {
        leaf.user && !MACHINE_TO_PHYS.contains(&leaf.va)
    });
    let ranges = monitor.ranges()?;
    let open = ranges
        .iter()
        .filter(|range| HYPERVISOR.contains(&range.start) && range.user && range.writable);
    for range in open {
        report.failure(format!(
            "info mem: {:x}-{:x} is writable from ring 3",
            range.start, range.end
        ));
    }
    report.note(format!(
        "{} mappings of the hypervisor looked at",
        leaves.len()
    ));
    Ok(())
}

fn refuse(report: &mut Report, leaves: &[Leaf], what: &str, offends: impl Fn(&Leaf) -> bool) {
    let offenders: Vec<&Leaf> = leaves.iter().filter(|leaf| offends(leaf)).collect();
    for leaf in offenders.iter().take(SHOWN) {
        report.failure(format!("{what}: {leaf}"));
    }
    if offenders.len() > SHOWN {
        report.failure(format!("{what}: {} more", offenders.len() - SHOWN));
    }
}

/// The leaves in the hypervisor's range, with the machine held still meanwhile.
pub(super) fn hypervisor_leaves(monitor: &mut Qmp) -> Result<Vec<Leaf>> {
    monitor.stop()?;
    let leaves = monitor.leaves();
    monitor.resume()?;
    Ok(leaves?
        .into_iter()
        .filter(|leaf| HYPERVISOR.contains(&leaf.va))
        .collect())
}
