//! The tests that boot a machine, one file each; its header states the contract.

mod bad_guests;
mod bad_input;
mod balloon;
mod census;
mod command_line;
mod cost_lab;
mod crash_cycles;
mod deaths;
mod disks;
mod driver_domain;
mod driver_network;
mod fairness;
mod grub_disk;
mod grub_guest;
mod grub_iso;
mod guests;
mod hot_plug;
mod isolation;
mod killed_guest;
mod kvm;
mod linux_disk;
mod linux_dom0;
mod linux_domu;
mod longest_path;
mod many;
mod native;
mod network;
mod network_linux;
mod network_outside;
mod network_rogues;
mod numbers;
mod processes;
mod processors;
mod prompt;
mod rogues;
mod rogues_on_xen;
mod sensitive;
mod services;
mod smp;
mod store_restart;
mod traces;
mod two_sides;
mod unwell;
mod vcpus;
mod write_xor_execute;
mod xen_peer;

use crate::lab::Lab;
use crate::verdict::{Checked, Report};

/// What dom0's shell prints when it waits for a command.
pub const PROMPT: &str = "dom0# ";

/// A test that boots one machine or more.
#[derive(Clone, Copy)]
pub struct BootTest {
    /// A short name, for `cargo xtask test NAME` and for the log directory.
    pub name: &'static str,
    /// What must hold, in one sentence.
    pub contract: &'static str,
    /// Adds notes and findings to the report; an `Err` ends the test.
    pub run: fn(&Lab, &mut Report) -> Checked<()>,
}

/// All boot tests; the longest first, so that none of them runs alone at the end.
pub const ALL: &[BootTest] = &[
    linux_dom0::TEST,
    linux_disk::TEST,
    linux_domu::TEST,
    network::TEST,
    network_outside::TEST,
    network_linux::TEST,
    network_rogues::TEST,
    xen_peer::TEST,
    fairness::TEST,
    crash_cycles::TEST,
    deaths::TEST,
    many::TEST,
    two_sides::TEST,
    two_sides::TEST_OF_SEVERAL,
    two_sides::TEST_OF_DEVICES,
    two_sides::TEST_OF_ASSIGNED,
    two_sides::TEST_OF_LIMITS,
    rogues::TEST_ISOLATED,
    isolation::TEST_OF_ANSWERS,
    isolation::TEST_OF_SEVERAL,
    isolation::TEST,
    rogues::TEST,
    rogues_on_xen::TEST,
    traces::TEST,
    balloon::TEST,
    guests::TEST,
    guests::TEST_ON_XEN,
    bad_input::TEST,
    bad_guests::TEST,
    disks::TEST,
    driver_domain::TEST,
    driver_network::TEST,
    hot_plug::TEST,
    grub_disk::TEST,
    grub_guest::TEST,
    grub_iso::TEST,
    longest_path::TEST,
    numbers::TEST,
    cost_lab::TEST,
    kvm::TEST,
    native::TEST,
    sensitive::TEST,
    prompt::TEST,
    smp::TEST,
    processes::TEST,
    killed_guest::TEST,
    store_restart::TEST,
    services::TEST,
    processors::TEST,
    write_xor_execute::TEST,
    command_line::TEST,
    vcpus::TEST,
    unwell::TEST,
];
