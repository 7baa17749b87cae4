//! The domains this toolstack built, from create to their end.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::*;
use hypercall_abi::sched::*;
use hypercall_abi::xen::domid_t;

use crate::build::{BuildRequest, Built, Watcher, build};
use crate::config::{Cpus, DomainConfig, EndAction, check_name};
use crate::console::{LineSplitter, Log, drain, push};
use crate::cpuset::CpuSet;
use crate::error::Error;
use crate::hyper::{
    Access, Affinity, DomctlExt, EventExt, Hyper, HyperExt, Mapping, SysctlExt, VcpuExt,
    read_all_domains,
};
use crate::uuid;

/// Pages of a MiB.
pub const PAGES_PER_MIB: u64 = 256;
/// The name of the control domain.
pub const DOM0_NAME: &str = "Domain-0";

/// A shared page of a guest with this domain's end of its channel.
#[derive(Debug)]
pub struct Link<M> {
    /// The page.
    pub page: M,
    /// This domain's port.
    pub port: u32,
}

/// A domain built here.
#[derive(Debug)]
pub struct Guest<M> {
    /// Its id.
    pub domain: domid_t,
    /// What it was made from.
    pub config: DomainConfig,
    /// When it was made, ns of dom0's clock.
    pub created_at: u64,
    /// Its console, until it is lost or corrupt.
    pub console: Option<Link<M>>,
    /// Its store page.
    pub store: Option<Link<M>>,
    /// What it said.
    pub log: Log,
    /// Lines for the terminal.
    pub lines: LineSplitter,
    /// Why it ended, once it has.
    pub end: Option<End>,
    /// How many lives in a row before this one were short, each followed by a restart.
    pub short_lives: u32,
}

impl<M> Guest<M> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }
}

/// How a domain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SHUTDOWN_poweroff
    Poweroff,
    /// SHUTDOWN_reboot
    Reboot,
    /// SHUTDOWN_suspend
    Suspend,
    /// SHUTDOWN_crash, or a reason that cannot be acted upon.
    Crash,
    /// The hypervisor no longer knows it, or is taking it apart.
    Gone,
}

impl End {
    /// The end that getdomaininfo's flags tell of, if any.
    #[allow(non_upper_case_globals)] // constants of sched.h as patterns
    pub fn of(flags: u32) -> Option<End> {
        if flags & XEN_DOMINF_dying != 0 {
            return Some(End::Gone);
        }
        if flags & XEN_DOMINF_shutdown == 0 {
            return None;
        }
        Some(
            match (flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask {
                SHUTDOWN_poweroff => End::Poweroff,
                SHUTDOWN_reboot => End::Reboot,
                SHUTDOWN_suspend => End::Suspend,
                _ => End::Crash,
            },
        )
    }

    /// In words: "guest1 ...".
    pub fn describe(self) -> &'static str {
        match self {
            End::Poweroff => "powered off",
            End::Reboot => "asked for a reboot",
            End::Suspend => "suspended",
            End::Crash => "crashed",
            End::Gone => "is gone",
        }
    }
}

/// The domain table.
#[derive(Debug)]
pub struct Domains<M> {
    /// By rising time of creation.
    pub guests: Vec<Guest<M>>,
}

impl<M> Default for Domains<M> {
    fn default() -> Self {
        Domains { guests: Vec::new() }
    }
}

impl<M: Mapping> Domains<M> {
    /// Builds a domain, connects to its console and store pages, and leaves it paused.
    ///
    /// # Errors
    /// A name in use, or the step that was refused; nothing is left behind.
    pub fn create<H: Hyper<Mapping = M>>(
        &mut self,
        hyper: &mut H,
        config: DomainConfig,
        kernel: &[u8],
        ramdisk: &[u8],
        now: u64,
        watcher: Watcher<'_, H>,
    ) -> Result<domid_t, Error> {
        self.check_unused(&config.name)?;
        let places = places_of(hyper, &config)?;
        let request = BuildRequest {
            kernel,
            ramdisk,
            command_line: &config.command_line,
            pages: config.memory_mib * PAGES_PER_MIB,
            max_pages: config.max_memory_mib * PAGES_PER_MIB,
            vcpus: config.max_vcpus,
            handle: config
                .uuid
                .unwrap_or_else(|| uuid::derive(&config.name, now)),
        };
        let built = build(hyper, &request, watcher)?;
        let mut guest = Guest {
            domain: built.domain,
            config,
            created_at: now,
            console: None,
            store: None,
            log: Log::default(),
            lines: LineSplitter::default(),
            end: None,
            short_lives: 0,
        };
        let made =
            place(hyper, &guest, &places).and_then(|()| connect_both(hyper, &built, &mut guest));
        if let Err(error) = made {
            disconnect(hyper, &mut guest);
            return Err(match hyper.destroy_domain(built.domain) {
                Ok(()) => error,
                Err(left) => {
                    error.during(format!("domain {} is left behind ({left})", built.domain))
                }
            });
        }
        self.guests.push(guest);
        Ok(built.domain)
    }

    fn check_unused(&self, name: &str) -> Result<(), Error> {
        if name == DOM0_NAME || self.guests.iter().any(|guest| guest.name() == name) {
            let why = format!("there is a domain named {name} already");
            return Err(Error::Refused(why));
        }
        Ok(())
    }

    /// Gives a domain built here another name.
    ///
    /// # Errors
    /// A name in use, or one that no domain may have.
    pub fn rename(&mut self, domain: domid_t, name: &str) -> Result<(), Error> {
        check_name(name).map_err(Error::Refused)?;
        self.check_unused(name)?;
        self.guest(domain)?.config.name = name.to_string();
        Ok(())
    }

    /// A name like this one that no domain has.
    pub fn free_name(&self, name: &str) -> String {
        let mut number = 1;
        loop {
            let like = format!("{name}-{number}");
            if self.guests.iter().all(|guest| guest.name() != like) {
                return like;
            }
            number += 1;
        }
    }

    /// Finds a domain by name or id. Domains that others built are found by id.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none.
    pub fn find<H: Hyper<Mapping = M>>(&self, hyper: &mut H, who: &str) -> Result<domid_t, Error> {
        if who == DOM0_NAME {
            return Ok(0);
        }
        if let Some(guest) = self.guests.iter().find(|guest| guest.name() == who) {
            return Ok(guest.domain);
        }
        if let Ok(id) = who.parse::<domid_t>()
            && hyper.domain_info(id)?.is_some()
        {
            return Ok(id);
        }
        Err(Error::Refused(format!(
            "there is no domain `{who}` (try `xl list`)"
        )))
    }

    /// The table's entry of a domain built here.
    ///
    /// # Errors
    /// [`Error::Refused`] for dom0 and for domains that others built.
    pub fn guest(&mut self, domain: domid_t) -> Result<&mut Guest<M>, Error> {
        let guest = self.guests.iter_mut().find(|guest| guest.domain == domain);
        guest.ok_or_else(|| Error::Refused(format!("domain {domain} was not created here")))
    }

    /// The name of a domain; one built by others has none that we know.
    pub fn name(&self, domain: domid_t) -> String {
        match self.guests.iter().find(|guest| guest.domain == domain) {
            _ if domain == 0 => DOM0_NAME.to_string(),
            Some(guest) => guest.name().to_string(),
            None => format!("(domain {domain})"),
        }
    }

    /// Destroys a domain and forgets it. Mappings and ports are given back first, so that the
    /// hypervisor can free every frame.
    ///
    /// # Errors
    /// The hypervisor's refusal; the domain then stays in the table, without its consoles.
    pub fn destroy<H: Hyper<Mapping = M>>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
    ) -> Result<(), Error> {
        if domain == 0 {
            return Err(Error::Refused(
                "domain 0 cannot be destroyed: use `poweroff`".into(),
            ));
        }
        if let Ok(guest) = self.guest(domain) {
            disconnect(hyper, guest);
        }
        match hyper.destroy_domain(domain) {
            Err(error) if hyper.domain_info(domain)?.is_some() => Err(error),
            // Destroyed, or not there any more.
            _ => {
                self.guests.retain(|guest| guest.domain != domain);
                Ok(())
            }
        }
    }

    /// Notes which guests have ended since the last call and returns them.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    pub fn collect_ends<H: Hyper<Mapping = M>>(
        &mut self,
        hyper: &mut H,
    ) -> Result<Vec<(domid_t, End)>, Error> {
        if self.guests.iter().all(|guest| guest.end.is_some()) {
            return Ok(Vec::new());
        }
        let infos = read_all_domains(hyper)?;
        let mut ends = Vec::new();
        for guest in self.guests.iter_mut().filter(|guest| guest.end.is_none()) {
            let info = infos.iter().find(|info| info.domain == guest.domain);
            guest.end = info.map_or(Some(End::Gone), |info| End::of(info.flags));
            ends.extend(guest.end.map(|end| (guest.domain, end)));
        }
        Ok(ends)
    }
}

impl<M: Mapping> Guest<M> {
    /// Takes what the guest has written into its log and returns it.
    ///
    /// # Errors
    /// A corrupt ring: the console is closed, the guest may go on without.
    pub fn drain_console<H: Hyper<Mapping = M>>(
        &mut self,
        hyper: &mut H,
    ) -> Result<Vec<u8>, Error> {
        let Some(link) = &mut self.console else {
            return Ok(Vec::new());
        };
        let bytes = match drain(&mut link.page) {
            Ok(bytes) => bytes,
            Err(fault) => {
                let reason = format!("{fault}; its console is closed");
                drop_link(hyper, self.console.take());
                return Err(Error::Guest {
                    name: self.name().to_string(),
                    reason,
                });
            }
        };
        if !bytes.is_empty() {
            hyper.notify(link.port)?;
            self.log.append(&bytes);
        }
        Ok(bytes)
    }

    /// Types `bytes` at the guest's console and returns how many there was room for.
    ///
    /// # Errors
    /// A closed console, or a corrupt ring.
    pub fn type_at_console<H: Hyper<Mapping = M>>(
        &mut self,
        hyper: &mut H,
        bytes: &[u8],
    ) -> Result<usize, Error> {
        let name = self.config.name.clone();
        let Some(link) = &mut self.console else {
            return Err(Error::Guest {
                name,
                reason: "its console is closed".into(),
            });
        };
        let count = push(&mut link.page, bytes).map_err(|fault| Error::Guest {
            name,
            reason: fault.to_string(),
        })?;
        if count != 0 {
            hyper.notify(link.port)?;
        }
        Ok(count)
    }
}

/// What happens to a guest that has ended.
pub fn end_action(config: &DomainConfig, end: End) -> EndAction {
    match end {
        End::Poweroff => config.on_end.poweroff,
        End::Reboot => config.on_end.reboot,
        End::Crash => config.on_end.crash,
        End::Suspend => EndAction::Preserve,
        End::Gone => EndAction::Destroy,
    }
}

/// Where each vCPU may run, `None` for anywhere: known to be possible before anything is built.
fn places_of<H: Hyper>(hyper: &mut H, config: &DomainConfig) -> Result<Vec<Option<CpuSet>>, Error> {
    if config.cpus == Cpus::Any {
        return Ok(Vec::new());
    }
    let cpus = hyper.physinfo()?.max_cpu_id.saturating_add(1);
    let place = |vcpu| {
        let place = config.cpus.of(vcpu, cpus);
        place.map_err(|why| Error::Refused(format!("cpus of vCPU {vcpu}: {why}")))
    };
    (0..config.max_vcpus).map(place).collect()
}

/// Says where a new domain's vCPUs may run, and what its share is.
fn place<H: Hyper>(
    hyper: &mut H,
    guest: &Guest<H::Mapping>,
    places: &[Option<CpuSet>],
) -> Result<(), Error> {
    for (vcpu, place) in (0..).zip(places) {
        if let Some(cpus) = place {
            hyper.set_affinity(guest.domain, vcpu, Affinity::Hard, cpus, false)?;
        }
    }
    let (weight, cap) = (guest.config.cpu_weight, guest.config.cap);
    if weight.is_none() && cap.is_none() {
        return Ok(());
    }
    let mut share = hyper.share(guest.domain)?;
    share.weight = weight.unwrap_or(share.weight);
    share.cap = cap.unwrap_or(share.cap);
    hyper.set_share(guest.domain, share)
}

/// Where a store page says that it is a mailbox, and how: see `guest_user::mailbox`.
const MAILBOX_MARK: usize = 0x820;
const MAILBOX_MAGIC: u64 = u64::from_le_bytes(*b"PVMBOX01");

fn connect_both<H: Hyper>(
    hyper: &mut H,
    built: &Built,
    guest: &mut Guest<H::Mapping>,
) -> Result<(), Error> {
    let console = connect(hyper, built.domain, built.console_mfn, built.ports.console);
    guest.console = Some(console.map_err(|error| error.during("connecting to the console"))?);
    let store = connect(hyper, built.domain, built.store_mfn, built.ports.store);
    let mut store = store.map_err(|error| error.during("connecting to the store page"))?;
    // No xenstore serves the page yet: our own guest kernel learns that it is a mailbox.
    store.page.store_u64(MAILBOX_MARK, MAILBOX_MAGIC);
    guest.store = Some(store);
    Ok(())
}

fn connect<H: Hyper>(
    hyper: &mut H,
    domain: domid_t,
    mfn: u64,
    remote_port: u32,
) -> Result<Link<H::Mapping>, Error> {
    let page = hyper.map(domain, &[mfn], Access::Write)?;
    let port = hyper.bind_interdomain(domain, remote_port)?;
    Ok(Link { page, port })
}

fn disconnect<H: Hyper>(hyper: &mut H, guest: &mut Guest<H::Mapping>) {
    drop_link(hyper, guest.console.take());
    drop_link(hyper, guest.store.take());
}

fn drop_link<H: Hyper>(hyper: &mut H, link: Option<Link<H::Mapping>>) {
    if let Some(link) = link {
        drop(link.page);
        // A port that cannot be closed is one that the hypervisor has closed already.
        let _ = hyper.close_port(link.port);
    }
}
