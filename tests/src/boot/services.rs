//! Contract: xenstored and xenconsoled, as processes of dom0, serve local clients and a domain's
//! pages: nodes, transactions and watches; text in both directions; broken rings end that domain's
//! connection alone; and of a domain that is destroyed nothing is lost and nothing is left. The
//! same on Debian's Xen.

use super::BootTest;
use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "services",
    contract: "store and consoles serve dom0 and guests, and nothing is left of one that ends",
    run,
};

const CHECK: &str = "run /bin/storecheck";
const DONE: &str = "the services do as they should";

fn run(lab: &Lab, _: &mut Report) -> Checked<()> {
    let mut machine = start(lab, &lab.paravane(None)?, "paravane")?;
    let free_at_first = free_pages(&mut machine)?;
    // Twice: the second domain finds nothing of the first.
    command(&mut machine, CHECK, DONE)?;
    command(&mut machine, CHECK, DONE)?;
    end_with(machine, free_at_first)?;
    let xen = lab.xen_with(HYPERVISOR_OPTIONS, lab.dom0_for(None)?)?;
    command(&mut start(lab, &xen, "xen")?, CHECK, DONE).map(drop)
}
