//! The first process of a driver domain. It starts back ends, `serve=blkback` or `serve=netback`, the
//! very programs of dom0, and starts them again when they end. With `check` it first checks the
//! store as processes of such a domain have it, by the kernel's one connection.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};

use dom0_ring3::Stream;
use dom0_ring3::check::{PATIENCE, client, events, overtaken, silent};
use dom0_tools::store::{Client, Store, StoreError};
use guest_user::check::{Done, same, status, told};
use guest_user::{println, start, sys};
use hypercall_abi::errno::{XEN_EACCES, XEN_EEXIST, XEN_ENOENT};

guest_user::entry!(main);

/// What it says begins with this.
const NAME: &str = "driver";
/// So long is waited before another try, in nanoseconds.
const PAUSE: u64 = 100_000_000;
/// A node of this domain's own, which its kernel does not look at.
const NODE: &str = "data/driver";

fn main() -> i32 {
    if start::args().any(|word| word == "hold") {
        return status(NAME, hold());
    }
    if start::args().any(|word| word == "check") {
        match status(NAME, check()) {
            0 => {}
            failed => return failed,
        }
        println!("driver: processes have the store as they should");
    }
    if start::args().any(|word| word == "pci") && !has_devices() {
        return status(NAME, Err("there are no PCI devices".into()));
    }
    match start::option("serve") {
        Some(name) => serve(&format!("/bin/{name}")),
        None => 0,
    }
}

/// Waits until this domain has the PCI devices that it was given.
fn has_devices() -> bool {
    let end = sys::clock() + PATIENCE;
    while sys::clock() < end {
        if sys::pci_read(0).is_ok() {
            return true;
        }
        sys::sleep(PAUSE);
    }
    false
}

/// Runs a back end for ever.
fn serve(path: &str) -> i32 {
    loop {
        match sys::spawn(path, b"").and_then(sys::wait) {
            Ok(status) => println!("driver: {path} has ended ({status:#x}): it is started again"),
            Err(errno) => println!("driver: {path} cannot be started: {errno}"),
        }
        sys::sleep(PAUSE);
    }
}

fn refused<T>(what: &str, result: Result<T, StoreError>, with: i64) -> Done {
    match result {
        Err(error) if error.errno().is_some_and(|errno| errno.0 == with) => Ok(()),
        Err(error) => Err(format!("{what}: {error}, not error {with}")),
        Ok(_) => Err(format!("{what} was not refused")),
    }
}

/// The store as processes have it.
fn check() -> Done {
    let (mut one, mut two) = (client()?, client()?);
    let domain = told("domid", one.read_number("domid"))?;
    same("domid", domain, sys::info(guest_user::abi::INFO_DOMID).ok())?;
    told("writing", one.write(NODE, b"1"))?;
    let read = told("reading", two.read_text(NODE))?;
    same("what another reads", read.as_str(), "1")?;
    // Both watch by one token, and each is told.
    for client in [&mut one, &mut two] {
        told("watching", client.watch(NODE, "0"))?;
        same(
            "the first event",
            events(client, 1)?,
            [NODE.to_string()].into(),
        )?;
    }
    refused("watching twice", one.watch(NODE, "0"), XEN_EEXIST)?;
    overtaken(&mut one, &mut two, NODE, &[10, 20])?;
    let thrice = [NODE; 3].map(String::from).to_vec();
    same("its events", events(&mut one, 3)?, thrice.clone())?;
    same("its own events", events(&mut two, 3)?, thrice)?;
    told("watching no more", one.unwatch(NODE, "0"))?;
    refused("once more", one.unwatch(NODE, "0"), XEN_ENOENT)?;
    refused(
        "another domain's",
        one.write("/local/domain/0/name", b"x"),
        XEN_EACCES,
    )?;
    refused("what is dom0's", one.introduce(1, 1, 1), XEN_EACCES)?;
    refused("what is not there", one.read("data/none"), XEN_ENOENT)?;
    killed(&mut one)?;
    silent(&mut two, NODE)?;
    told("removing", one.remove(NODE))
}

/// Has watches and an open transaction, says so, and waits to be killed.
fn hold() -> Done {
    let mut client = client()?;
    for token in 0..10 {
        told("watching", client.watch(NODE, &format!("held{token}")))?;
    }
    let done: Result<(), StoreError> = client.transaction(|store| {
        store.write_text(NODE, "held")?;
        say_that_it_holds()?;
        loop {
            sys::sleep(PATIENCE);
        }
    });
    told("holding", done)
}

/// Says by a name that it holds what it is to hold.
fn say_that_it_holds() -> Result<(), StoreError> {
    // It is open until this process ends.
    let _ = sys::listen("held");
    Ok(())
}

/// What processes have begun that are killed is ended: more than the store allows a domain at once,
/// if it were kept.
fn killed(client: &mut Client<Stream>) -> Done {
    for _ in 0..15 {
        let pid = told("starting", sys::spawn("/bin/driver", b"hold"))?;
        told("one that holds", Stream::connect_within("held", PATIENCE))?;
        told("kill", sys::kill(pid))?;
        told("wait", sys::wait(pid))?;
    }
    let value = told("reading", client.read_text(NODE))?;
    same("what they began to write", value.as_str(), "21")
}
