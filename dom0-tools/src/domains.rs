//! The domains this toolstack built, from create to their end.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::*;
use hypercall_abi::sched::*;
use hypercall_abi::xen::domid_t;

use crate::build::{BuildRequest, Built, build};
use crate::config::{DomainConfig, EndAction};
use crate::console::{LineSplitter, Log, drain, push};
use crate::error::Error;
use crate::hyper::{Access, DomctlExt, EventExt, Hyper, HyperExt, read_all_domains};
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

impl<M: crate::hyper::Mapping> Domains<M> {
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
    ) -> Result<domid_t, Error> {
        if config.name == DOM0_NAME || self.guests.iter().any(|g| g.name() == config.name) {
            return Err(Error::Refused(format!(
                "there is a domain named {} already",
                config.name
            )));
        }
        let request = BuildRequest {
            kernel,
            ramdisk,
            command_line: &config.command_line,
            pages: config.memory_mib * PAGES_PER_MIB,
            max_pages: config.max_memory_mib * PAGES_PER_MIB,
            vcpus: config.vcpus,
            handle: config
                .uuid
                .unwrap_or_else(|| uuid::derive(&config.name, now)),
        };
        let built = build(hyper, &request)?;
        let mut guest = Guest {
            domain: built.domain,
            config,
            created_at: now,
            console: None,
            store: None,
            log: Log::default(),
            lines: LineSplitter::default(),
            end: None,
        };
        if let Err(error) = connect_both(hyper, &built, &mut guest) {
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

impl<M: crate::hyper::Mapping> Guest<M> {
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

fn connect_both<H: Hyper>(
    hyper: &mut H,
    built: &Built,
    guest: &mut Guest<H::Mapping>,
) -> Result<(), Error> {
    let console = connect(hyper, built.domain, built.console_mfn, built.ports.console);
    guest.console = Some(console.map_err(|error| error.during("connecting to the console"))?);
    let store = connect(hyper, built.domain, built.store_mfn, built.ports.store);
    guest.store = Some(store.map_err(|error| error.during("connecting to the store page"))?);
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
