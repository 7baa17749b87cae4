//! Contract: whatever clocks the machine has, the one asked for is used, or else another, all agree, and
//! which it was is said; and all processors come up, be they three or sixty-four.

use super::BootTest;
use super::numbers::number_after;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::qemu::{Config, Machine};
use crate::require;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "processors",
    contract: "any clock will do, and all of 3 and 64 processors come up",
    run,
};

/// What QEMU is told of the machine, what the hypervisor is told, and the clock that it takes.
const CLOCKS: [(&str, &str, &str); 8] = [
    ("pc", "", "ACPI timer"),
    ("pc", "clocksource=acpi", "ACPI timer"),
    ("pc", "clocksource=hpet", "HPET"),
    ("pc", "clocksource=pit", "PIT"),
    ("pc", "clocksource=tsc", "ACPI timer"),
    ("pc,hpet=off", "clocksource=hpet", "ACPI timer"),
    ("pc,acpi=off", "", "PIT"),
    ("q35", "clocksource=hpet", "HPET"),
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    for (machine, option, source) in CLOCKS {
        clock(lab, machine, option, source, report)?;
    }
    for (processors, x2apic) in [(3, false), (64, false), (64, true)] {
        all(lab, processors, x2apic, report)?;
    }
    Ok(())
}

fn config(lab: &Lab, option: &str, script: &str) -> Checked<Config> {
    let modules = lab.dom0_for(Some(script))?;
    Ok(lab.paravane_with(&format!("{HYPERVISOR_OPTIONS} {option}"), modules))
}

/// With a clock that counts instructions, the time-stamp counter runs at 1 GHz, whatever it is compared with.
fn clock(lab: &Lab, pc: &str, option: &str, source: &str, report: &mut Report) -> Checked<()> {
    let mut config = config(lab, option, "xl uptime\n")?;
    config.icount = true;
    config.devices = vec!["-machine".into(), pc.into()];
    let name = format!("clock-{pc}-{option}");
    let mut machine = lab.start(&config, &name.replace([',', '='], "-"))?;
    let wanted = option.strip_prefix("clocksource=").unwrap_or("");
    let missing = format!("clocksource={wanted}: there is none");
    if wanted == "hpet" && source != "HPET" {
        machine.expect(&missing)?;
    }
    let line = machine.expect_line("(PVN) TSC: ")?;
    let khz = number_after(&line, "TSC: ").unwrap_or(0);
    require!(line.contains(&format!("kHz ({source});")), "{line}");
    require!(khz.abs_diff(1_000_000) <= 2_000, "{line}");
    report.note(format!("{pc} {option}: {khz} kHz by {source}"));
    end(machine)
}

fn all(lab: &Lab, processors: u32, x2apic: bool, report: &mut Report) -> Checked<()> {
    let mut config = config(lab, "", "xl info\n")?;
    (config.smp, config.memory_mib) = (processors, 1024);
    if x2apic {
        config.cpu = "max".into();
    }
    let mut machine = lab.start(&config, &format!("all-{processors}-{x2apic}"))?;
    let line = machine.expect_line("(PVN) Brought up ")?;
    let wanted = format!("Brought up {processors} CPUs (of {processors} present)");
    require!(line.contains(&wanted), "{line}");
    report.note(line.trim_end().to_owned());
    let line = machine.expect_line("nr_cpus ")?;
    require!(line.contains(&format!(": {processors}")), "{line}");
    end(machine)
}

fn end(mut machine: Machine) -> Checked<()> {
    machine.expect_script_done()?;
    machine.expect("dom0 powers the machine off")?;
    Ok(())
}
