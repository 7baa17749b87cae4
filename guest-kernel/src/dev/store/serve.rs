//! The kernel task that follows the nodes by which a toolstack controls a guest.

use super::local::Locals;
use super::pci::Pci;
use super::vbd::{self, Vbd};
use super::vif::Vif;
use super::{Page, RECEIVED, Rings, SENT, kick, ping, wait_until};
use crate::dev::{event, time};
use crate::log::klog;
use crate::mm::{balloon, p2m};
use crate::smp;
use crate::task;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use guest_kernel::store::ask::{self, Word};
use guest_kernel::store::client::{Client, Failure, or_refused};
use guest_kernel::store::ring;
use guest_user::abi::Errno;
use hypercall_abi::sched::{SHUTDOWN_poweroff, SHUTDOWN_reboot};

const SECOND: u64 = 1_000_000_000;
/// How often a daemon that breaks the protocol is asked to begin anew.
const RECONNECTIONS_MAX: u32 = 16;
/// How long after a target was missed it is tried again, at first and at most.
const RETRY: u64 = SECOND;
const RETRY_MAX: u64 = 32 * SECOND;

/// What is watched; a watch's number is its place here.
const WATCHED: [&str; 8] = [
    "control/shutdown",
    "control/sysrq",
    "memory/target",
    "cpu",
    "data/ask",
    vbd::DISKS,
    "device/vif/0/backend",
    "device/pci/0/backend",
];
/// The number of the watch for the state of the network interface's back end.
const VIF_BACKEND: usize = WATCHED.len();
/// The same of PCI devices.
const PCI_BACKEND: usize = VIF_BACKEND + 1;
/// What this kernel says that it does.
const SAID: [&str; 3] = [
    "control/feature-poweroff",
    "control/feature-reboot",
    "data/serves",
];

pub(super) struct Server {
    pub(super) client: Client<Rings>,
    pub(super) vbds: Vec<Vbd>,
    pub(super) vif: Vif,
    pub(super) pci: Pci,
    /// Processes of this domain that use the connection.
    locals: Locals,
    /// The number of the last question answered.
    answered: Option<u64>,
    /// When the memory target is tried again, and how long after that.
    retry: Option<(u64, u64)>,
}

pub(super) type Done<T = ()> = Result<T, Failure>;

pub(super) extern "C" fn serve() -> ! {
    let mut server = Server {
        client: super::client(),
        vbds: Vec::new(),
        vif: Vif::default(),
        pci: Pci::default(),
        locals: Locals::new(),
        answered: None,
        retry: None,
    };
    let mut reconnections = 0;
    loop {
        let ended = server.session();
        server.locals.end_all(&mut server.client, &ended);
        match ended {
            Ok(()) => {}
            // Nobody serves this domain; whoever begins to, says so by an event.
            Err(Failure::Silent | Failure::Refused(_)) => {
                wait_until(time::NEVER);
            }
            Err(Failure::Broken) => {
                reconnections += 1;
                if reconnections > RECONNECTIONS_MAX || !reconnect() {
                    klog!("the store breaks its protocol: it is not listened to any more");
                    loop {
                        wait_until(time::NEVER);
                    }
                }
            }
        }
        server.client.forget();
    }
}

/// Has the daemon begin anew; false if it cannot.
fn reconnect() -> bool {
    if !ring::ask_to_reconnect(&mut Page) {
        return false;
    }
    kick();
    while !ring::is_connected(&Page) {
        wait_until(time::NEVER);
    }
    true
}

impl Server {
    /// Serves until the daemon seems to have begun anew.
    fn session(&mut self) -> Done {
        for (number, path) in WATCHED.iter().enumerate() {
            or_refused(self.client.watch(path, number))?.unwrap_or_else(|e| {
                klog!("{path} cannot be watched: {e}");
            });
        }
        self.watch_vbds()?;
        for path in SAID {
            // A toolstack that does not let a guest say so does not ask.
            let _ = or_refused(self.client.write(path, "1"))?;
        }
        loop {
            match self.client.fired()? {
                Some(number) => self.follow(number)?,
                None if self.locals.turn(&mut self.client)? => {}
                None if self.began_anew() => return Ok(()),
                None => {}
            }
            self.try_again()?;
            task::yield_now();
        }
    }

    /// Waits; true if the daemon sent an event without a message and not about a request, as one
    /// does that knows nothing yet of this domain.
    fn began_anew(&mut self) -> bool {
        if ring::has_reply(&Page) {
            return false;
        }
        let before = RECEIVED.load(Ordering::Relaxed);
        let memory = self.retry.map_or(time::NEVER, |(when, _)| when);
        wait_until(memory.min(self.pci.due()));
        // A process that uses the connection wakes this task as well.
        let came = RECEIVED.load(Ordering::Relaxed) != before;
        let quiet = self.client.link.busy + SECOND;
        came && !ring::has_reply(&Page) && time::system_time() > quiet
    }

    fn follow(&mut self, number: u32) -> Done {
        match WATCHED.get(number as usize).copied() {
            Some("control/shutdown") => self.shut_down(),
            Some("control/sysrq") => self.sysrq(),
            Some("memory/target") => self.memory(RETRY).map(drop),
            Some("cpu") => self.vcpus().map(drop),
            Some("data/ask") => self.ask(),
            Some(vbd::DISKS) => self.find_vbds(),
            None if number as usize >= vbd::FIRST_WATCH => self.follow_vbd(number as usize),
            Some("device/vif/0/backend") => self.follow_vif(VIF_BACKEND),
            None if number as usize == VIF_BACKEND => self.follow_vif(VIF_BACKEND),
            Some("device/pci/0/backend") => self.follow_pci(PCI_BACKEND),
            None if number as usize == PCI_BACKEND => self.follow_pci(PCI_BACKEND),
            _ => Ok(()),
        }
    }

    /// What a node holds; nothing if it is not there or is not text.
    pub(super) fn read(&mut self, path: &str) -> Done<String> {
        Ok(or_refused(self.client.read(path))?.unwrap_or_default())
    }

    /// What a node holds, which is emptied: that is how a guest says that it has seen it.
    fn take(&mut self, path: &str) -> Done<String> {
        let value = self.read(path)?;
        if !value.is_empty()
            && let Err(e) = or_refused(self.client.write(path, ""))?
        {
            klog!("{path} cannot be acknowledged: {e}");
        }
        Ok(value)
    }

    fn shut_down(&mut self) -> Done {
        let value = self.take("control/shutdown")?;
        let reason = match value.as_str() {
            "" => return Ok(()),
            "poweroff" | "halt" => SHUTDOWN_poweroff,
            "reboot" => SHUTDOWN_reboot,
            other => {
                klog!("the toolstack asks for `{other}`, which this kernel cannot do");
                return Ok(());
            }
        };
        klog!("shutdown with reason {reason}, as the toolstack asks");
        if let Err(e) = crate::shut_down(reason.into()) {
            klog!("the hypervisor refuses it: {e}");
        }
        Ok(())
    }

    fn sysrq(&mut self) -> Done {
        match self.take("control/sysrq")?.as_str() {
            "c" => panic!("the toolstack asked for a crash"),
            "" => {}
            other => klog!("the toolstack presses `{other}`, which this kernel does not know"),
        }
        Ok(())
    }

    /// Moves the domain's size to its target, and if that is missed again after `pause`; the pages
    /// that it then has.
    fn memory(&mut self, pause: u64) -> Done<Result<u64, Errno>> {
        self.retry = None;
        let target = self.read("memory/target")?;
        let Ok(kib) = target.trim().parse::<u64>() else {
            return Ok(Ok(balloon::owned()));
        };
        let target = (kib / 4).min(p2m::pages());
        let reached = balloon::set_target(target);
        if balloon::owned() != target {
            self.retry = Some((time::system_time() + pause, pause));
        }
        Ok(reached)
    }

    /// Tries again to reach the target, if that is due, each time later; and to let go of devices.
    fn try_again(&mut self) -> Done {
        let now = time::system_time();
        if self.pci.due() <= now {
            self.follow_pci(PCI_BACKEND)?;
        }
        match self.retry {
            Some((when, pause)) if when <= now => self.memory((2 * pause).min(RETRY_MAX)).map(drop),
            _ => Ok(()),
        }
    }

    /// Brings vCPUs up and takes them down as is wanted of each; how many are up.
    fn vcpus(&mut self) -> Done<Result<u64, Errno>> {
        for vcpu in 1..smp::count() {
            let wanted = self.read(&format!("cpu/{vcpu}/availability"))?;
            let done = match wanted.as_str() {
                "online" => smp::plug::set(vcpu, true),
                "offline" => smp::plug::set(vcpu, false),
                _ => Ok(()),
            };
            if let Err(e) = done {
                klog!("vCPU {vcpu} cannot be {wanted}: {e}");
                return Ok(Err(e));
            }
        }
        Ok(Ok(smp::plug::up()))
    }

    fn ask(&mut self) -> Done {
        let text = self.read("data/ask")?;
        let Some(ask) = ask::parse(&text) else {
            return Ok(());
        };
        if self.answered == Some(ask.number) {
            return Ok(());
        }
        self.answered = Some(ask.number);
        let result = match ask.word {
            Ok(word) => self.answer(word)?,
            Err(e) => Err(e),
        };
        let answer = ask::answer(ask.number, result);
        if let Err(e) = or_refused(self.client.write("data/answer", &answer))? {
            klog!("the toolstack's question cannot be answered: {e}");
        }
        Ok(())
    }

    fn answer(&mut self, word: Word) -> Done<Result<String, Errno>> {
        let number = match word {
            Word::Checksum => crate::pattern::check(),
            Word::Status => return Ok(Ok(status())),
            Word::Balloon => self.memory(RETRY)?,
            Word::Vcpus => self.vcpus()?,
            Word::Ping { port, count } => ping::ping(port, count),
        };
        Ok(number.map(|number| number.to_string()))
    }
}

/// Events received and sent here, all events, processes, pre-emptions, processes ended by a fault.
fn status() -> String {
    let (_, preemptions) = task::preemptions();
    format!(
        "{} {} {} {} {} {}",
        RECEIVED.load(Ordering::Relaxed),
        SENT.load(Ordering::Relaxed),
        event::taken(),
        task::processes(),
        preemptions,
        task::fatal_faults()
    )
}
