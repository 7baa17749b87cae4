//! Network interfaces as devices.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::Domains;
use super::devices::{Device, Nodes};
use crate::config::Vif;
use crate::error::Error;
use crate::hyper::Hyper;
use crate::net::BRIDGE;
use crate::store::{Channel, Store, StoreError};

/// The kind of these devices.
const KIND: &str = "vif";
/// The first half of addresses that Xen's guests are given.
const XEN_OUI: [u8; 3] = [0x00, 0x16, 0x3e];

/// An address for the interface of a domain, unlike those of others.
fn derive_mac(handle: &[u8; 16], number: u32) -> [u8; 6] {
    // FNV-1a.
    let bytes = handle.iter().copied().chain(number.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let [a, b, c, ..] = (hash ^ hash >> 32).to_le_bytes();
    let [x, y, z] = XEN_OUI;
    [x, y, z, a & 0x7f, b, c]
}

/// What both ends are told besides what all devices are.
fn nodes(vif: &Vif, number: u32, mac: [u8; 6]) -> (Nodes, Nodes) {
    let (mac, number) = (Vif::mac_text(&mac), number.to_string());
    let trusted = u8::from(vif.trusted.unwrap_or(true)).to_string();
    let mtu = vif.mtu.map(|mtu| mtu.to_string());
    let mut front = alloc::vec![
        ("handle", number.clone()),
        ("mac", mac.clone()),
        ("trusted", trusted),
    ];
    front.extend(mtu.clone().map(|mtu| ("mtu", mtu)));
    let bridge = vif.bridge.clone().unwrap_or_else(|| BRIDGE.to_string());
    let rate = vif.rate.map(|rate| {
        let bytes = rate.bytes_per_interval();
        format!("{bytes},{}", rate.interval_us)
    });
    let given = [
        ("script", vif.script.clone()),
        ("ip", vif.ip.clone()),
        ("vifname", vif.name.clone()),
        ("gatewaydev", vif.gateway.clone()),
        ("rate", rate),
        ("mtu", mtu),
    ];
    let mut back = alloc::vec![
        ("handle", number),
        ("mac", mac),
        ("bridge", bridge),
        ("type", KIND.to_string()),
    ];
    back.extend(
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    (front, back)
}

/// An interface whose back end is known to be there.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    vif: Vif,
    /// Its number among the domain's.
    number: u32,
    backend: domid_t,
}

impl Placed {
    /// Makes its nodes as those of an interface of a domain with that UUID.
    pub(super) fn write<T: Store>(
        &self,
        store: &mut T,
        domain: domid_t,
        handle: &[u8; 16],
    ) -> Result<Device, StoreError> {
        let number = self.number;
        let mac = self.vif.mac.unwrap_or_else(|| derive_mac(handle, number));
        let device = Device {
            kind: KIND.to_string(),
            domain,
            number,
            backend: self.backend,
        };
        let (front, back) = nodes(&self.vif, number, mac);
        device.write(store, &front, &back)?;
        Ok(device)
    }
}

/// An interface as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The device.
    pub device: Device,
    /// Its address, as text.
    pub mac: alloc::string::String,
    /// The back end's state, 0 if it is unknown.
    pub state: u64,
    /// The front end's event channel and grants of its rings to send and to receive, if it has
    /// said so.
    pub connection: [Option<u64>; 3],
}

impl<C: Channel> Domains<C> {
    /// Finds the back ends of interfaces, and gives numbers to those that have none.
    ///
    /// # Errors
    /// There is no such domain, or one number is given twice.
    pub(super) fn place_vifs<H: Hyper>(
        &mut self,
        hyper: &mut H,
        vifs: &[Vif],
    ) -> Result<Vec<Placed>, Error> {
        let mut placed: Vec<Placed> = Vec::new();
        let mut used: Vec<u32> = vifs.iter().filter_map(|vif| vif.devid).collect();
        used.sort_unstable();
        if let Some(twice) = used.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Refused(format!(
                "vif: two interfaces have the number {}",
                twice[0]
            )));
        }
        for vif in vifs {
            let number = vif.devid.or_else(|| {
                let free = (0..).find(|number| !used.contains(number));
                used.extend(free);
                free
            });
            let backend = match &vif.backend {
                Some(name) => self.find(hyper, name)?,
                None => 0,
            };
            let vif = vif.clone();
            let number = number.unwrap_or(0);
            placed.push(Placed {
                vif,
                number,
                backend,
            });
        }
        Ok(placed)
    }

    /// The interfaces of a domain.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn vifs(&mut self, domain: domid_t) -> Result<Vec<Nic>, Error> {
        let mut all = Vec::new();
        for device in Device::of_kind(&mut self.store, domain, KIND)? {
            let (front, back) = (device.front(), device.back());
            let mac = self.store.read_if_there(&format!("{back}/mac"))?;
            let state = self.store.read_number(&format!("{back}/state"))?;
            let mut number = |node: &str| self.store.read_number(&format!("{front}/{node}"));
            let connection = [
                number("event-channel")?,
                number("tx-ring-ref")?,
                number("rx-ring-ref")?,
            ];
            all.push(Nic {
                mac: mac.unwrap_or_default(),
                state: state.unwrap_or(0),
                connection,
                device,
            });
        }
        Ok(all)
    }

    /// Gives a domain another interface, or one that it has, named by its number, but whose back end's
    /// domain is gone: if its address is the same, the domain goes on with that interface.
    ///
    /// # Errors
    /// Its number is in use; there is no such back end.
    pub fn attach_vif<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        vif: &Vif,
    ) -> Result<Device, Error> {
        let info = super::info_of(hyper, domain)?;
        let all = Device::of_kind(&mut self.store, domain, KIND)?;
        let last = all.last().map(|device| device.number);
        let number = vif.devid.unwrap_or(last.map_or(0, |last| last + 1));
        if self.has_device(hyper, domain, (KIND, number))? {
            return Err(Error::Refused(format!(
                "it has an interface {number} already"
            )));
        }
        let vif = Vif {
            devid: Some(number),
            ..vif.clone()
        };
        let placed = self.place_vifs(hyper, &[vif])?;
        let made = self
            .store
            .transaction(|store| placed[0].write(store, domain, &info.handle));
        Ok(made?)
    }

    /// Asks both ends of a device to let go of each other.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn close_device(&mut self, device: &Device) -> Result<(), Error> {
        Ok(self.store.transaction(|store| device.close(store))?)
    }

    /// Removes a device.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn remove_device(&mut self, device: &Device) -> Result<(), Error> {
        Ok(self.store.transaction(|store| device.remove(store))?)
    }
}
