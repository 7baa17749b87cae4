//! Contract: the guest kernel runs on the bare machine as well, without a hypervisor, from the same
//! image: processes pre-empted by the processor's own timer, faulting ones ended alone, streams between
//! them, and what is typed at the console reaches them.

use super::BootTest;
use crate::lab::Lab;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "native",
    contract: "our kernel runs natively from the image that is a guest elsewhere",
    run,
};

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let args = "init=/bin/init once faults=all";
    let machine = lab.bare_machine(args, lab.our_dom0(args, None)?);
    let mut machine = lab.start(&machine, "machine")?;
    machine.expect("kernel: dom0 on bare machine, version 0.0")?;
    machine.expect("channels 6: all as it should be")?;
    machine.expect("7 of 7 faulting processes ended alone.")?;
    let line = machine.expect_line("init: all is well after")?;
    machine.expect("bare machine: off")?;
    machine.expect_end()?;
    report.note(line.trim().to_owned());
    let args = "init=/bin/forker";
    let machine = lab.bare_machine(args, lab.our_dom0(args, None)?);
    let mut machine = lab.start(&machine, "fork")?;
    machine.expect("nothing is left of them")?;
    machine.expect("bare machine: off")?;
    machine.expect_end()?;
    let args = "init=/bin/hello ask";
    let machine = lab.bare_machine(args, lab.our_dom0(args, None)?);
    let mut machine = lab.start(&machine, "console")?;
    machine.expect("who is there?")?;
    machine.type_line("somebody")?;
    machine.expect("hello, somebody")?;
    machine.expect("bare machine: off")?;
    machine.expect_end()?;
    Ok(())
}
