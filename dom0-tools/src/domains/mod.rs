//! The domains, from create to their end: made and taken apart by hypercalls, known by what is in
//! the store. Any process of the control domain can do it; nothing is kept here between calls.

mod devices;
mod end;
mod hot_plug;
mod nodes;
mod pci;
mod vbd;
mod vif;
mod work;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::xen_domctl_getdomaininfo;
use hypercall_abi::xen::domid_t;

pub use devices::Device;
pub use end::End;
pub use hot_plug::Change;
pub use nodes::Known;
pub(crate) use nodes::{availability, local, online};
pub use vbd::Vbd;
pub use vif::Nic;

use self::nodes::New;
use self::work::Work;
use crate::build::{BuildRequest, Built, Watcher, build};
use crate::config::{Cpus, DomainConfig, check_name};
use crate::cpuset::CpuSet;
use crate::error::Error;
use crate::hyper::{Affinity, DomctlExt, Hyper, SysctlExt, VcpuExt, read_all_domains};
use crate::store::{Channel, Client, Store};
use crate::uuid;

/// Pages of a MiB.
pub const PAGES_PER_MIB: u64 = 256;
/// The name of the control domain.
pub const DOM0_NAME: &str = "Domain-0";

/// A domain to make.
#[derive(Debug, Clone, Copy)]
pub struct Creation<'a> {
    /// What it is made from.
    pub config: &'a DomainConfig,
    /// The kernel file.
    pub kernel: &'a [u8],
    /// The ramdisk file, empty if there is none.
    pub ramdisk: &'a [u8],
    /// ns of dom0's clock.
    pub now: u64,
    /// Seconds since 1970.
    pub wallclock: u64,
    /// How many lives in a row before this one were short.
    pub short_lives: u32,
}

/// A domain that was made, and whose making is not yet said to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub domain: domid_t,
    handle: [u8; 16],
}

/// Devices of a domain to make, whose back ends are known to be there.
struct Devices {
    vifs: Vec<vif::Placed>,
    disks: Vec<vbd::PlacedDisk>,
    pcis: Vec<pci::Placed>,
}

/// The domains, over a connection to the store.
pub struct Domains<C> {
    store: Client<C>,
    /// This process.
    owner: u64,
}

impl<C: Channel> Domains<C> {
    /// By a process over a connection of its own. Says of the control domain what everybody wants
    /// to know of it.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn new(mut store: Client<C>, owner: u64) -> Result<Self, Error> {
        let local = local(0);
        if store.read_if_there(&format!("{local}/name"))?.is_none() {
            store.write_text(&format!("{local}/name"), DOM0_NAME)?;
            store.write_text(&format!("{local}/domid"), 0)?;
        }
        Ok(Domains { store, owner })
    }

    /// The connection.
    pub fn store(&mut self) -> &mut Client<C> {
        &mut self.store
    }

    /// Builds a domain, makes its nodes, introduces it, and leaves it paused. It is marked as
    /// being made until [`Domains::done`].
    ///
    /// # Errors
    /// A name or UUID in use, or the step that was refused; nothing is left behind.
    pub fn create<H: Hyper>(
        &mut self,
        hyper: &mut H,
        creation: &Creation<'_>,
        watcher: Watcher<'_, H>,
    ) -> Result<Made, Error> {
        let config = creation.config;
        self.check_unused(&config.name)?;
        let places = places_of(hyper, config)?;
        let devices = Devices {
            vifs: self.place_vifs(hyper, &config.vifs)?,
            disks: self.place_disks(hyper, &config.disks)?,
            pcis: self.place_pcis(hyper, &config.pcis)?,
        };
        let handle = unused_handle(hyper, creation)?;
        let request = BuildRequest {
            kernel: creation.kernel,
            ramdisk: creation.ramdisk,
            command_line: &config.command_line,
            pages: config.memory_mib * PAGES_PER_MIB,
            max_pages: config.max_memory_mib * PAGES_PER_MIB,
            vcpus: config.max_vcpus,
            handle,
        };
        Work::begin(&mut self.store, &handle, self.owner, "making", &config.name)?;
        let made = match build(hyper, &request, watcher) {
            Ok(built) => self
                .introduce(hyper, creation, &built, handle, (&places, &devices))
                .map_err(|error| self.undo(hyper, built.domain, &handle, error)),
            Err(error) => Err(error),
        };
        match made {
            Ok(domain) => Ok(Made { domain, handle }),
            Err(error) => {
                Work::end(&mut self.store, &handle)?;
                Err(error)
            }
        }
    }

    fn introduce<H: Hyper>(
        &mut self,
        hyper: &mut H,
        creation: &Creation<'_>,
        built: &Built,
        handle: [u8; 16],
        (places, devices): (&[Option<CpuSet>], &Devices),
    ) -> Result<domid_t, Error> {
        place(hyper, built.domain, creation.config, places)?;
        pci::permit(hyper, built.domain, &devices.pcis)?;
        let new = New {
            built,
            config: creation.config,
            handle,
            devices,
            created_at: creation.now,
            wallclock: creation.wallclock,
            short_lives: creation.short_lives,
        };
        self.store.transaction(|store| new.write(store))?;
        let (frame, port) = (built.store_mfn, built.ports.store);
        self.store.introduce(built.domain, frame, port)?;
        Ok(built.domain)
    }

    /// Takes a domain apart that could not be finished.
    fn undo<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        handle: &[u8; 16],
        error: Error,
    ) -> Error {
        match self.take_apart(hyper, domain, handle) {
            Ok(()) => error,
            Err(left) => error.during(format!("domain {domain} is left behind ({left})")),
        }
    }

    /// Says that the making of a domain is done.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn done(&mut self, made: Made) -> Result<(), Error> {
        Ok(Work::end(&mut self.store, &made.handle)?)
    }

    fn check_unused(&mut self, name: &str) -> Result<(), Error> {
        match self.named(name)? {
            None => Ok(()),
            Some(_) => Err(Error::Refused(format!(
                "there is a domain named {name} already"
            ))),
        }
    }

    /// The domain of a name.
    fn named(&mut self, name: &str) -> Result<Option<domid_t>, Error> {
        if name == DOM0_NAME {
            return Ok(Some(0));
        }
        Ok(nodes::named(&mut self.store, name)?)
    }

    fn name_of(&mut self, domain: domid_t) -> Result<Option<String>, Error> {
        Ok(self
            .store
            .read_if_there(&format!("{}/name", local(domain)))?)
    }

    /// Gives a domain another name.
    ///
    /// # Errors
    /// A name in use, or one that no domain may have; a domain that xl did not make.
    pub fn rename<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        name: &str,
    ) -> Result<(), Error> {
        check_name(name).map_err(Error::Refused)?;
        self.check_unused(name)?;
        let mut known = self.known(domain)?;
        let handle = info_of(hyper, domain)?.handle;
        let renamed = self
            .store
            .transaction(|store| known.rename(store, &handle, name));
        Ok(renamed?)
    }

    /// A name like this one that no domain has.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn free_name(&mut self, name: &str) -> Result<String, Error> {
        let mut number = 1;
        loop {
            let like = format!("{name}-{number}");
            if self.named(&like)?.is_none() {
                return Ok(like);
            }
            number += 1;
        }
    }

    /// Finds a domain by name or id. Domains that others built are found by id.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none.
    pub fn find<H: Hyper>(&mut self, hyper: &mut H, who: &str) -> Result<domid_t, Error> {
        if let Some(domain) = self.named(who)? {
            return Ok(domain);
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

    /// What is known of a domain that xl made.
    ///
    /// # Errors
    /// [`Error::Refused`] for domain 0 and for domains that others built.
    pub fn known(&mut self, domain: domid_t) -> Result<Known, Error> {
        let known = Known::read(&mut self.store, domain)?;
        known.ok_or_else(|| Error::Refused(format!("domain {domain} was not created by xl")))
    }

    /// The domains that xl made, by rising id.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn all(&mut self) -> Result<Vec<domid_t>, Error> {
        Ok(nodes::all(&mut self.store)?)
    }

    /// The name of a domain; one built by others may have none.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn name(&mut self, domain: domid_t) -> Result<String, Error> {
        let name = self.name_of(domain)?;
        Ok(name.unwrap_or_else(|| format!("(domain {domain})")))
    }

    /// Notes that a domain has ended and is kept.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn keep(&mut self, domain: domid_t) -> Result<(), Error> {
        Ok(nodes::keep(&mut self.store, domain)?)
    }

    /// Destroys a domain and removes its nodes. Services may hold pages of it for a moment longer.
    ///
    /// # Errors
    /// The hypervisor's or the store's refusal.
    pub fn destroy<H: Hyper>(&mut self, hyper: &mut H, domain: domid_t) -> Result<(), Error> {
        if domain == 0 {
            return Err(Error::Refused(
                "domain 0 cannot be destroyed: use `poweroff`".into(),
            ));
        }
        let name = self.name(domain)?;
        let handle = match hyper.domain_info(domain)? {
            Some(info) => info.handle,
            // Its nodes may still be there.
            None => match self.handle_of(domain)? {
                Some(handle) => handle,
                None => return Ok(()),
            },
        };
        Work::begin(&mut self.store, &handle, self.owner, "destroying", &name)?;
        self.take_apart(hyper, domain, &handle)?;
        Ok(Work::end(&mut self.store, &handle)?)
    }

    /// Forgets a domain of that name that was destroyed without the store's knowing. Says so.
    ///
    /// # Errors
    /// The hypervisor's or the store's refusal.
    pub fn forget_gone<H: Hyper>(
        &mut self,
        hyper: &mut H,
        name: &str,
    ) -> Result<Option<String>, Error> {
        let Some(domain) = self.named(name)?.filter(|domain| *domain != 0) else {
            return Ok(None);
        };
        let info = hyper.domain_info(domain)?;
        if info.is_some_and(|info| End::of(info.flags) != Some(End::Gone)) {
            return Ok(None);
        }
        self.destroy(hyper, domain)?;
        Ok(Some(format!(
            "{name} (domain {domain}) was destroyed by somebody else: what was known of it is removed"
        )))
    }

    /// The UUID of a domain that only the store knows.
    fn handle_of(&mut self, domain: domid_t) -> Result<Option<[u8; 16]>, Error> {
        let vm = self.store.read_if_there(&format!("{}/vm", local(domain)))?;
        Ok(vm.and_then(|vm| uuid::parse(vm.strip_prefix("/vm/")?)))
    }

    fn take_apart<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        handle: &[u8; 16],
    ) -> Result<(), Error> {
        self.quiesce_pcis(hyper, domain)?;
        match hyper.destroy_domain(domain) {
            Err(error) if hyper.domain_info(domain)?.is_some() => return Err(error),
            // Destroyed, or not there any more.
            _ => {}
        }
        // The store may have found that out by itself, or never have known the domain.
        match self.store.release(domain) {
            Err(error) if error.errno().is_none() => return Err(error.into()),
            _ => {}
        }
        let removed = self
            .store
            .transaction(|store| nodes::remove(store, domain, handle));
        Ok(removed?)
    }

    /// Finishes or undoes what processes began that are no more: such a domain is destroyed. Says
    /// what was done.
    ///
    /// # Errors
    /// The hypervisor's or the store's refusal.
    pub fn clean_up<H: Hyper>(
        &mut self,
        hyper: &mut H,
        is_alive: impl Fn(&mut H, u64) -> bool,
    ) -> Result<Vec<String>, Error> {
        let mut said = Vec::new();
        for work in Work::all(&mut self.store)? {
            if work.owner == self.owner || is_alive(hyper, work.owner) {
                continue;
            }
            let Work {
                handle,
                owner,
                verb,
                name,
            } = work;
            let domains = domains_with(hyper, &handle)?;
            for domain in &domains {
                self.take_apart(hyper, *domain, &handle)?;
            }
            // Nodes of one that is gone already.
            for domain in self.all()? {
                if self.handle_of(domain)? == Some(handle) {
                    nodes::remove(&mut self.store, domain, &handle)?;
                }
            }
            Work::end(&mut self.store, &handle)?;
            let left = match domains[..] {
                [] => "nothing of it was left".to_string(),
                _ => format!("what was left of it (domain {}) is destroyed", domains[0]),
            };
            said.push(format!(
                "process {owner} ended while it was {verb} {name}: {left}"
            ));
        }
        Ok(said)
    }
}

/// What the hypervisor says of a domain that must be there.
pub(crate) fn info_of<H: Hyper>(
    hyper: &mut H,
    domain: domid_t,
) -> Result<xen_domctl_getdomaininfo, Error> {
    let info = hyper.domain_info(domain)?;
    info.ok_or_else(|| Error::Refused(format!("domain {domain} is gone")))
}

/// The UUID of a domain to make.
fn unused_handle<H: Hyper>(hyper: &mut H, creation: &Creation<'_>) -> Result<[u8; 16], Error> {
    let config = creation.config;
    let mut salt = creation.now;
    loop {
        let derived = || uuid::derive(&config.name, salt);
        let handle = config.uuid.unwrap_or_else(derived);
        if domains_with(hyper, &handle)?.is_empty() {
            return Ok(handle);
        }
        if config.uuid.is_some() {
            let text = uuid::to_text(&handle);
            let why = format!("there is a domain with the UUID {text} already");
            return Err(Error::Refused(why));
        }
        salt = salt.wrapping_add(1);
    }
}

/// The domains of a UUID: one, or none.
fn domains_with<H: Hyper>(hyper: &mut H, handle: &[u8; 16]) -> Result<Vec<domid_t>, Error> {
    let infos = read_all_domains(hyper)?.into_iter();
    let found = infos.filter(|info| info.domain != 0 && info.handle == *handle);
    Ok(found.map(|info| info.domain).collect())
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
    domain: domid_t,
    config: &DomainConfig,
    places: &[Option<CpuSet>],
) -> Result<(), Error> {
    for (vcpu, place) in (0..).zip(places) {
        if let Some(cpus) = place {
            hyper.set_affinity(domain, vcpu, Affinity::Hard, cpus, false)?;
        }
    }
    if config.cpu_weight.is_none() && config.cap.is_none() {
        return Ok(());
    }
    let mut share = hyper.share(domain)?;
    share.weight = config.cpu_weight.unwrap_or(share.weight);
    share.cap = config.cap.unwrap_or(share.cap);
    hyper.set_share(domain, share)
}
