//! A domain's nodes in the store: those that guests and services know, as xl 4.17 makes them, and
//! the toolstack's own below `/libxl`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::devices::Device;
use super::{Devices, pci};
use crate::build::Built;
use crate::config::DomainConfig;
use crate::error::Error;
use crate::store::{Permissions, Rights, Store, StoreError};
use crate::uuid;

/// Bytes of a console's log that its service is to keep.
const CONSOLE_LIMIT: u64 = 1 << 20;
/// Bytes of a configuration in one node.
const CONFIG_PART: usize = 2048;
/// What a guest may write to: by these it answers, and says what it can do.
const WRITABLE: [&str; 11] = [
    "control/shutdown",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-suspend",
    "control/sysrq",
    "device/suspend/event-channel",
    "data",
    "drivers",
    "feature",
    "attr",
    "error",
];

/// Where a domain's own nodes are.
pub(crate) fn local(domain: domid_t) -> String {
    format!("/local/domain/{domain}")
}

/// Where the toolstack's nodes about it are.
pub(super) fn own(domain: domid_t) -> String {
    format!("/libxl/{domain}")
}

/// Where the nodes are that go with a UUID.
fn vm(handle: &[u8; 16]) -> String {
    format!("/vm/{}", uuid::to_text(handle))
}

/// Where it is noted which domain has a name. Names have characters that paths have not.
fn by_name(name: &str) -> String {
    let mut path = String::from("/libxl/names/");
    for byte in name.bytes() {
        path += &format!("{byte:02x}");
    }
    path
}

/// The domain of a name.
pub(super) fn named<T: Store>(store: &mut T, name: &str) -> Result<Option<domid_t>, StoreError> {
    let Some(domain) = store.read_number(&by_name(name))? else {
        return Ok(None);
    };
    // Only what the domain's own node says counts.
    let domain = domain as domid_t;
    let said = store.read_if_there(&format!("{}/name", local(domain)))?;
    Ok(said.filter(|said| said == name).map(|_| domain))
}

/// A domain that was built and is to be known.
pub(super) struct New<'a> {
    pub(super) built: &'a Built,
    pub(super) config: &'a DomainConfig,
    pub(super) handle: [u8; 16],
    pub(super) devices: &'a Devices,
    /// When it was made, ns of dom0's clock.
    pub(super) created_at: u64,
    /// The same in seconds since 1970.
    pub(super) wallclock: u64,
    pub(super) short_lives: u32,
}

impl New<'_> {
    /// Makes all nodes of the domain.
    pub(super) fn write<T: Store>(&self, store: &mut T) -> Result<(), StoreError> {
        let (domain, config) = (self.built.domain, self.config);
        let [of_control, of_guest] =
            [(0, domain.into()), (u32::from(domain), 0)].map(|(owner, other)| list(owner, other));
        let (local, own, vm) = (local(domain), own(domain), vm(&self.handle));
        for path in [&local, &vm, &own] {
            store.remove(path)?;
            store.make(path)?;
        }
        for path in [&local, &vm] {
            // What is made below has the same.
            store.set_permissions(path, &of_control)?;
        }
        store.write_text(&by_name(&config.name), domain)?;
        let (number, kib) = (domain.to_string(), |mib: u64| (mib << 10).to_string());
        let name = config.name.clone();
        let nodes = [
            ("vm", vm.clone()),
            ("name", name.clone()),
            ("domid", number),
            ("memory/static-max", kib(config.max_memory_mib)),
            ("memory/target", kib(config.memory_mib)),
            ("store/ring-ref", self.built.store_mfn.to_string()),
            ("store/port", self.built.ports.store.to_string()),
            ("console/ring-ref", self.built.console_mfn.to_string()),
            ("console/port", self.built.ports.console.to_string()),
            ("console/limit", CONSOLE_LIMIT.to_string()),
            ("console/type", "xenconsoled".to_string()),
        ];
        for (path, value) in nodes {
            store.write_text(&format!("{local}/{path}"), value)?;
        }
        for vcpu in 0..config.max_vcpus {
            let path = availability(domain, vcpu);
            store.write_text(&path, online(vcpu < config.vcpus))?;
        }
        for path in WRITABLE {
            let path = format!("{local}/{path}");
            store.write(&path, b"")?;
            store.set_permissions(&path, &of_guest)?;
        }
        let nodes = [
            ("name", name),
            ("uuid", uuid::to_text(&self.handle)),
            ("start_time", format!("{}.00", self.wallclock)),
            ("image/ostype", "linux".to_string()),
            ("image/kernel", config.kernel.clone()),
            ("image/ramdisk", config.ramdisk.clone().unwrap_or_default()),
            ("image/cmdline", config.command_line.clone()),
        ];
        for (path, value) in nodes {
            store.write_text(&format!("{vm}/{path}"), value)?;
        }
        store.write_text(&format!("{own}/type"), "pv")?;
        store.write_text(&format!("{own}/created-at"), self.created_at)?;
        store.write_text(&format!("{own}/short-lives"), self.short_lives)?;
        for vif in &self.devices.vifs {
            vif.write(store, domain, &self.handle)?;
        }
        for disk in &self.devices.disks {
            disk.write(store, domain)?;
        }
        if !self.devices.pcis.is_empty() {
            pci::write(store, domain, &config.name, &self.devices.pcis)?;
        }
        write_config(store, domain, config)
    }
}

/// A list with an owner, and another who may read.
pub(super) fn list(owner: u32, other: u32) -> Permissions {
    let list = Permissions::new(&[(owner, Rights::NONE), (other, Rights::READ)]);
    list.unwrap_or_else(|| Permissions::owned_by(owner))
}

/// The node that says whether a vCPU is to be used.
pub(crate) fn availability(domain: domid_t, vcpu: u32) -> String {
    format!("{}/cpu/{vcpu}/availability", local(domain))
}

/// What that node holds.
pub(crate) fn online(is: bool) -> &'static str {
    if is { "online" } else { "offline" }
}

fn write_config<T: Store>(
    store: &mut T,
    domain: domid_t,
    config: &DomainConfig,
) -> Result<(), StoreError> {
    let place = format!("{}/config", own(domain));
    store.remove(&place)?;
    let text = config.to_text();
    for (number, part) in text.as_bytes().chunks(CONFIG_PART).enumerate() {
        store.write(&format!("{place}/{number}"), part)?;
    }
    Ok(())
}

/// What the store has of a domain that xl made.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub domain: domid_t,
    /// What it was made from, with its present name.
    pub config: DomainConfig,
    /// When it was made, ns of dom0's clock.
    pub created_at: u64,
    /// How many lives in a row before this one were short, each followed by a restart.
    pub short_lives: u32,
    /// Its end was seen to, and it is kept.
    pub is_kept: bool,
}

impl Known {
    /// Reads it; `None` if xl did not make such a domain.
    pub(super) fn read<T: Store>(store: &mut T, domain: domid_t) -> Result<Option<Self>, Error> {
        let own = own(domain);
        let Some(created_at) = store.read_number(&format!("{own}/created-at"))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        for part in 0.. {
            match store.read(&format!("{own}/config/{part}")) {
                Ok(more) => bytes.extend(more),
                Err(error) if error.is_not_found() => break,
                Err(error) => return Err(error.into()),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let read = DomainConfig::read(&text, "");
        let (config, _) = read.map_err(|error| Error::Config {
            file: format!("{own}/config"),
            error,
        })?;
        let short_lives = store.read_number(&format!("{own}/short-lives"))?;
        Ok(Some(Known {
            domain,
            config,
            created_at,
            short_lives: short_lives.unwrap_or(0) as u32,
            is_kept: store.read_if_there(&format!("{own}/kept"))?.is_some(),
        }))
    }

    /// Gives it another name.
    pub(super) fn rename<T: Store>(
        &mut self,
        store: &mut T,
        handle: &[u8; 16],
        name: &str,
    ) -> Result<(), StoreError> {
        store.remove(&by_name(&self.config.name))?;
        store.write_text(&by_name(name), self.domain)?;
        self.config.name = name.to_string();
        let places = [local(self.domain), vm(handle)];
        for place in places {
            store.write_text(&format!("{place}/name"), name)?;
        }
        write_config(store, self.domain, &self.config)
    }
}

/// Notes that a domain has ended and is kept.
pub(super) fn keep<T: Store>(store: &mut T, domain: domid_t) -> Result<(), StoreError> {
    store.write(&format!("{}/kept", own(domain)), b"1")
}

/// The domains that xl made, by rising id.
pub(super) fn all<T: Store>(store: &mut T) -> Result<Vec<domid_t>, StoreError> {
    let names = store.list_if_there("/libxl")?;
    let mut all: Vec<domid_t> = names.iter().filter_map(|name| name.parse().ok()).collect();
    all.sort_unstable();
    Ok(all)
}

/// Removes all nodes of a domain.
pub(super) fn remove<T: Store>(
    store: &mut T,
    domain: domid_t,
    handle: &[u8; 16],
) -> Result<(), StoreError> {
    let name = store.read_if_there(&format!("{}/name", local(domain)))?;
    if let Some(name) = name
        && named(store, &name)? == Some(domain)
    {
        store.remove(&by_name(&name))?;
    }
    Device::remove_backs(store, domain)?;
    for path in [local(domain), vm(handle), own(domain)] {
        store.remove(&path)?;
    }
    Ok(())
}
