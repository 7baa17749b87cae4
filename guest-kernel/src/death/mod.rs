//! Guests of the boot test `deaths`, which die amid a transfer of a disk and of a network interface:
//! `death=DISK,NET` on a domU's command line.
//!
//! Both front ends are scripts of steps, and go so many of them: the first that `last=` does not name
//! and then the other, so that what that did last is the last thing that its back end hears. Then the
//! guest says that it has crashed, or with `by=toolstack` tells the toolstack (`data/dies`) and waits
//! to be destroyed. `death=count` tells how many steps there are (`data/points`).

mod disk;
mod net;

use crate::boot::BootInfo;
use crate::dev::store;
use crate::hypercall;
use crate::log::kprintln;
use alloc::format;
use hypercall_abi::sched::SHUTDOWN_crash;

/// A step: what is so after it, and what it does.
type Step<T> = (&'static str, fn(&mut T));

/// Goes all steps up to one of that number; what is so then.
fn go<T>(front: &mut T, steps: &[Step<T>], number: usize) -> &'static str {
    let mut now = "";
    for (name, step) in &steps[..=number] {
        step(front);
        now = name;
    }
    now
}

/// Does what `death=` says; does not return.
pub(crate) fn run(boot: &BootInfo, which: &str) -> ! {
    if which == "count" {
        let points = format!("{} {}", disk::STEPS.len(), net::STEPS.len());
        store::write_now("data/points", &points);
        wait_for_the_end();
    }
    let numbers = which.split_once(',').and_then(|(disk, net)| {
        let (disk, net) = (disk.parse().ok()?, net.parse().ok()?);
        (disk < disk::STEPS.len() && net < net::STEPS.len()).then_some((disk, net))
    });
    let Some((of_disk, of_net)) = numbers else {
        panic!("there is no death `{which}`");
    };
    let (mut disk, mut net) = (disk::Script::new(), net::Script::new());
    let mut go_disk = || go(&mut disk, disk::STEPS, of_disk);
    let mut go_net = || go(&mut net, net::STEPS, of_net);
    let (disk, net) = if boot.option("last") == Some("disk") {
        let net = go_net();
        (go_disk(), net)
    } else {
        (go_disk(), go_net())
    };
    if boot.option("by") == Some("toolstack") {
        store::write_now("data/dies", &format!("{disk}; {net}"));
        wait_for_the_end();
    }
    kprintln!("DIES: {disk}; {net}");
    let _ = hypercall::shutdown(SHUTDOWN_crash);
    unreachable!("the hypervisor refuses to end the domain");
}

fn wait_for_the_end() -> ! {
    loop {
        hypercall::sched_yield();
    }
}
