//! Contract: `xl create` of what is no guest is refused with its cause, and nothing is left: kernels
//! that are cut or lie, packed ones whose contents are damaged, configurations that say nothing or
//! nonsense, a ramdisk that is not there. dom0 goes on: the same kernel, whole, is made a guest
//! afterwards, and every page comes back.

use std::fs;

use anyhow::Context;

use super::BootTest;
use super::bad_input::Good;
use super::balloon::{command, end_with, free_pages};
use super::processes::start;
use crate::images::Store;
use crate::lab::{DOM0_ARGS, HYPERVISOR_OPTIONS, Lab};
use crate::setup::Peer;
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "bad_guests",
    contract: "guests that cannot be made are refused with their cause, and leave nothing",
    run,
};

/// A guest: its configuration and its kernel, and part of the line that refuses it.
struct Case {
    name: &'static str,
    config: &'static str,
    kernel: fn(&Good, &[u8]) -> Vec<u8>,
    cause: &'static str,
}

const USUAL: &str = "memory = 32\n";

const fn case(
    name: &'static str,
    cause: &'static str,
    kernel: fn(&Good, &[u8]) -> Vec<u8>,
) -> Case {
    Case {
        name,
        config: USUAL,
        kernel,
        cause,
    }
}

const fn configured(name: &'static str, cause: &'static str, config: &'static str) -> Case {
    Case {
        name,
        config,
        kernel: |good, _| good.whole(),
        cause,
    }
}

const CASES: [Case; 12] = [
    case("empty", "the ELF header", |_, _| Vec::new()),
    case("script", "a script", |_, _| b"#!/bin/sh\n".repeat(20)),
    case("half", "a segment", |good, _| {
        let whole = good.whole();
        whole[..whole.len() / 2].to_vec()
    }),
    case("machine", "machine", |good, _| good.with(18, &[3, 0])),
    case("beyond", "a segment", |good, _| {
        good.with_word(good.load + 8, u64::MAX / 2)
    }),
    case("around", "segment", |good, _| {
        good.with_word(good.load + 40, u64::MAX - 4095)
    }),
    case("packed-half", "payload", |_, linux| {
        linux[..linux.len() / 2].to_vec()
    }),
    case("packed-damaged", "cannot be unpacked", |_, linux| {
        let mut bytes = linux.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0x5a);
        bytes
    }),
    configured("nonsense", "expected a value", "memory = = 32\n"),
    configured("unclosed", "unclosed.cfg: line 1", "name = 'unclosed\n"),
    configured("too-large", "memory", "memory = 100000\n"),
    configured(
        "no-ramdisk",
        "nowhere.cpio",
        "memory = 32\nramdisk = 'nowhere.cpio'\n",
    ),
];

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let kernel = fs::read(&lab.images.guest_kernel).context("cannot read the guest kernel")?;
    let good = Good::read(kernel)?;
    let linux = fs::read(Peer::Linux.find(&lab.workspace)?)?;
    let mut store = Store::new();
    for case in &CASES {
        let name = case.name;
        let config = format!("{}name = '{name}'\nkernel = '{name}.kernel'\n", case.config);
        store.insert(format!("{name}.cfg"), config.into());
        let kernel = (case.kernel)(&good, &linux);
        store.insert(format!("{name}.kernel"), kernel);
    }
    let options = HYPERVISOR_OPTIONS.replace("dom0_mem=128M", "dom0_mem=256M");
    let config = lab.paravane_with(&options, lab.our_dom0_with(DOM0_ARGS, None, &store)?);
    let mut machine = start(lab, &config, "paravane")?;
    // So that what is made for the first guest ever is there.
    command(&mut machine, "xl create -p guest1", "")?;
    command(&mut machine, "xl destroy guest1", "")?;
    let free_at_first = free_pages(&mut machine)?;
    for case in &CASES {
        let line = format!("xl create {}", case.name);
        report.note(command(&mut machine, &line, case.cause)?);
    }
    command(&mut machine, "xl create -p guest1", "")?;
    command(&mut machine, "xl destroy guest1", "")?;
    end_with(machine, free_at_first)
}
