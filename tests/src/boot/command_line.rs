//! Contract: an option that is unknown or malformed is reported by name, with the
//! reason, and ignored: the machine boots all the same.

use super::{BootTest, PROMPT};
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "command_line",
    contract: "unknown and malformed options are named and ignored",
    run,
};

/// Options no hypervisor can obey.
const BAD: [&str; 5] = [
    "nonsense",
    "loglvl=loud",
    "dom0_max_vcpus=none",
    "dom0_mem=12Q",
    "com1=fast,8n1",
];

fn run(lab: &Lab, _report: &mut Report) -> Checked<()> {
    let options = format!("{HYPERVISOR_OPTIONS} {}", BAD.join(" "));
    let config = lab.paravane_with(&options, lab.our_dom0(DOM0_ARGS, None)?);
    let mut machine = lab.start(&config, "paravane")?;
    let reports = BAD.map(|option| format!("\"{option}\" ignored"));
    machine.expect_all(&reports.each_ref().map(String::as_str))?;
    machine.expect(PROMPT)?;
    Ok(())
}
