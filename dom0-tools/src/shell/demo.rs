//! Commands that show what guests and hypervisor do together, in plain words.

use alloc::format;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::guests::mib;
use super::{Host, Shell};
use crate::control::{Ask, Status};
use crate::domains::End;
use crate::hyper::SysctlExt;

/// Pings when the command does not say.
const PINGS: u64 = 5;

pub(super) fn ping<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, count) = match args {
        [name] => (*name, PINGS),
        [name, count] => (*name, count.parse().map_err(|_| Failure::Usage)?),
        _ => return Err(Failure::Usage),
    };
    let domain = shell.find(name)?;
    ping_guest(shell, domain, name, count)
}

fn ping_guest<S: Host>(shell: &mut Shell<S>, domain: domid_t, name: &str, count: u64) -> Outcome {
    let answered = shell.ping(domain, count)?;
    shell.print(&format!(
        "{name} sent {count} events to dom0, {answered} were answered\n"
    ));
    if answered == count {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{name} misses {} answers",
        count.saturating_sub(answered)
    )))
}

pub(super) fn checksum<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let sum = shell.ask_number(domain, Ask::Checksum)?;
    shell.print(&format!(
        "{name}: the checksum over its memory pattern is {sum:#018x}\n"
    ));
    Ok(())
}

pub(super) fn balloon_test<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, cycles) = match args {
        [name] => (name, 1),
        [name, cycles] => (name, cycles.parse().map_err(|_| Failure::Usage)?),
        _ => return Err(Failure::Usage),
    };
    let domain = shell.find(name)?;
    let full = shell.info_of(domain)?.tot_pages;
    let free = shell.system.physinfo()?.free_pages;
    let before = shell.ask_number(domain, Ask::Checksum)?;
    shell.print(&format!(
        "{name} has {} MiB, checksum {before:#018x}\n",
        mib(full)
    ));
    let mut moved = 0;
    for cycle in 0..cycles {
        // One cycle takes a quarter: the kernel and its pattern stay, and the difference shows in
        // `xl list`. Many take few pages each, never the same number twice in a row.
        let gone = if cycles == 1 {
            full / 4
        } else {
            1 + cycle * 67 % (full / 16).max(1)
        };
        for (verb, pages) in [("shrank", full - gone), ("grew back", full)] {
            shell.balloon(domain, pages)?;
            let sum = shell.ask_number(domain, Ask::Checksum)?;
            if sum != before {
                return Err(Failure::refused(format!(
                    "{name}'s memory changed while it {verb}, in cycle {cycle}"
                )));
            }
            if cycles == 1 {
                let size = mib(pages);
                shell.print(&format!(
                    "{name} {verb} to {size} MiB, checksum {sum:#018x}\n"
                ));
            }
        }
        moved += gone;
    }
    let now = shell.system.physinfo()?.free_pages;
    if now != free {
        return Err(Failure::refused(format!(
            "{free} pages of the machine were free before, {now} are now"
        )));
    }
    shell.print(&format!(
        "{cycles} cycles moved {moved} pages each way; {now} pages are free as before\n"
    ));
    shell.print(&format!(
        "{name} was ballooned down and up and its memory is unchanged\n"
    ));
    Ok(())
}

pub(super) fn status<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    let status = status_of(shell, domain)?;
    shell.print(&format!(
        "{name} says: {} processes, {} pre-emptions by its timer, {} processes ended by a fault, \
         {} events taken, {} sent\n",
        status.processes,
        status.preemptions,
        status.faults,
        status.events_received,
        status.events_sent,
    ));
    Ok(())
}

fn status_of<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Result<Status, Failure> {
    let answer = shell.ask(domain, Ask::Status)?;
    let status = Status::parse(&answer);
    status.ok_or_else(|| {
        shell
            .guest_error(domain, format!("it answered `{answer}`"))
            .into()
    })
}

pub(super) fn crash<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name] = args else {
        return Err(Failure::Usage);
    };
    let domain = shell.find(name)?;
    crash_guest(shell, domain, name)
}

fn crash_guest<S: Host>(shell: &mut Shell<S>, domain: domid_t, name: &str) -> Outcome {
    shell.press(domain, "control/sysrq", "c")?;
    match shell.wait_for_end(domain)? {
        End::Crash => {
            shell.print(&format!(
                "{name} crashed, as it was asked to; everything else goes on\n"
            ));
            Ok(())
        }
        end => Err(Failure::refused(format!(
            "{name} {} instead of crashing",
            end.describe()
        ))),
    }
}

/// The whole story with two guests that run.
pub(super) fn demo<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (first, second) = match args {
        [] => ("guest1", "guest2"),
        [first, second] => (*first, *second),
        _ => return Err(Failure::Usage),
    };
    let steps: [&[&str]; 9] = [
        &["list"],
        &["status", first],
        &["ping", first],
        &["balloon-test", first],
        &["pause", first],
        &["unpause", first],
        &["status", second],
        &["crash", second],
        &["ping", first],
    ];
    for step in steps {
        shell.print(&format!("* xl {}\n", step.join(" ")));
        super::builtin::xl(shell, step)?;
    }
    shell.print("* xl list\n");
    super::builtin::xl(shell, &["list"])
}
