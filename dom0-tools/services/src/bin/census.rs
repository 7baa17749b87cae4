//! Says what is in use, a line each: domains and their event-channel ports with what these are bound to,
//! PCI devices that may reach memory, pages that are free, local channels, nodes of the store. Numbers of
//! ports are left out: who binds anew may get another. So two answers are the same if nothing was left in
//! between.
#![no_std]
#![no_main]
#![expect(
    non_upper_case_globals,
    reason = "what ports are bound to has the names of the public header"
)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dom0_ring3::{Door, STORE, Stream};
use dom0_tools::pci::{Address, Config};
use dom0_tools::store::{Client, Store};
use guest_user::abi::INFO_CHANNELS;
use guest_user::check::{Done, status, told};
use guest_user::dom0::{domains, event, free_pages};
use guest_user::{println, sys};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::domid_t;
use zerocopy::FromZeros;

guest_user::entry!(main);

/// Devices of the first bus.
const SLOTS: u8 = 32;
/// The command register of a device, and its bit for reaching memory.
const COMMAND: u8 = 4;
const MASTER: u32 = 1 << 2;

fn main() -> i32 {
    let done = census().map(|lines| {
        for line in &lines {
            println!("census: {line}");
        }
        println!("census: that is all");
    });
    status("census", done)
}

fn census() -> Done<Vec<String>> {
    let mut lines: Vec<String> = domains().flat_map(ports).collect();
    lines.sort_unstable();
    lines.extend((0..SLOTS).map(Address::of_slot).filter_map(reaching));
    lines.push(format!("{} free pages", told("physinfo", free_pages())?));
    let channels = told("info", sys::info(INFO_CHANNELS))?;
    lines.push(format!("{channels} local channels"));
    let mut store = Client::new(told("the store", Stream::connect(STORE))?);
    lines.extend(told("listing", store.all_nodes())?);
    Ok(lines)
}

/// A device, if it may reach memory.
fn reaching(at: Address) -> Option<String> {
    let command = Door.read_config(at, COMMAND);
    let reaches = command != u32::MAX && command & MASTER != 0;
    reaches.then(|| format!("PCI device {at} reaches memory"))
}

/// A domain, and what each of its ports is bound to.
fn ports(domain: domid_t) -> Vec<String> {
    let port = |port: u32| {
        let mut status = evtchn_status::new_zeroed();
        (status.dom, status.port) = (domain, port);
        let status = event(EVTCHNOP_status, status).ok()?;
        let bound = bound(&status)?;
        Some(format!("d{domain} port: {bound}"))
    };
    let mut all: Vec<String> = (1..EVTCHN_2L_NR_CHANNELS as u32).filter_map(port).collect();
    all.push(format!("d{domain}"));
    all
}

/// What a port is bound to; `None` for one that is not in use.
fn bound(status: &evtchn_status) -> Option<String> {
    let vcpu = status.vcpu;
    Some(match status.status {
        EVTCHNSTAT_closed => return None,
        EVTCHNSTAT_unbound => {
            let evtchn_status_unbound { dom } = status.u.get();
            format!("for d{dom}")
        }
        EVTCHNSTAT_interdomain => {
            let evtchn_status_interdomain { dom, .. } = status.u.get();
            format!("to d{dom}")
        }
        EVTCHNSTAT_pirq => {
            let pirq: u32 = status.u.get();
            format!("PIRQ {pirq}")
        }
        EVTCHNSTAT_virq => {
            let virq: u32 = status.u.get();
            format!("VIRQ {virq} on vCPU {vcpu}")
        }
        _ => format!("IPI on vCPU {vcpu}"),
    })
}
