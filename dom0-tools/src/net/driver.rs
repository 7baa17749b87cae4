//! The switch as a driver of the backends' bus: what the store says of an interface, and what is
//! said there.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::frame::{ETHERNET_HEADER, Mac};
use super::interface::{Interface, Options, Rate};
use super::switch::{Switch, Wire};
use crate::config::Vif;
use crate::store::{Channel, Client, Store};
use crate::xenbus::{Driver, Failure, Key, Machine, Place};

/// The bridge of an interface that names none.
pub const BRIDGE: &str = "xenbr0";
/// What this backend can do: frames in several pieces, and checksums that are blank.
const FEATURES: [(&str, u32); 4] = [
    ("feature-sg", 1),
    ("feature-rx-copy", 1),
    ("feature-rx-flip", 0),
    ("feature-ipv6-csum-offload", 1),
];

/// What the toolstack wants of an interface.
#[derive(Debug, Clone)]
pub struct Device {
    mac: Option<Mac>,
    bridge: String,
    rate: Option<Rate>,
    mtu: Option<usize>,
    /// Its port of the switch, while the front end is connected.
    port: Option<u32>,
}

/// All interfaces that this domain serves.
pub struct Netback<M: Machine, W> {
    machine: M,
    switch: Switch<M::Mapping, M::Line, W>,
    keys: BTreeMap<u32, Key>,
}

impl<M: Machine, W: Wire> Netback<M, W> {
    /// On a machine, with the wire to the outside if there is one.
    pub fn new(machine: M, wire: Option<W>) -> Self {
        Netback {
            machine,
            switch: Switch::new(wire.map(|wire| (wire, BRIDGE))),
            keys: BTreeMap::new(),
        }
    }

    /// Moves frames, at `now` in ns. Returns from when on there is something to do, whatever else
    /// happens, and the devices that cannot be served any more, with the reasons.
    pub fn turn(&mut self, now: u64) -> (Option<u64>, Vec<(Key, String)>) {
        let turn = self.switch.turn(&mut self.machine, now);
        let broken = turn.broken.into_iter();
        let broken = broken.filter_map(|broken| {
            let key = self.keys.remove(&broken.port)?;
            Some((key, broken.fault.to_string()))
        });
        (turn.due, broken.collect())
    }

    /// The wire to the outside.
    pub fn wire_mut(&mut self) -> Option<&mut W> {
        self.switch.wire_mut()
    }

    /// The switch.
    pub fn switch(&self) -> &Switch<M::Mapping, M::Line, W> {
        &self.switch
    }
}

/// `bytes,microseconds`, as xl writes it.
fn parse_rate(text: &str) -> Option<Rate> {
    let (bytes, us) = text.split_once(',')?;
    let (bytes, us) = (bytes.parse::<u64>().ok()?, us.parse::<u64>().ok()?);
    Some(Rate {
        bytes,
        interval: us.checked_mul(1000).filter(|ns| *ns > 0)?,
    })
}

fn number<C: Channel>(store: &mut Client<C>, path: &str) -> Result<Option<u32>, Failure> {
    let value = store.read_number(path)?;
    Ok(value.and_then(|value| u32::try_from(value).ok()))
}

impl<C: Channel, M: Machine, W: Wire> Driver<C> for Netback<M, W> {
    const KIND: &'static str = "vif";
    type Device = Device;

    fn open(&mut self, store: &mut Client<C>, place: &Place) -> Result<Device, Failure> {
        let at = |name: &str| format!("{}/{name}", place.backend);
        let mac = store.read_if_there(&at("mac"))?;
        let mac = mac.map(|mac| {
            let vif = Vif::parse(&format!("mac={mac}")).map_err(Failure::Device)?;
            vif.mac
                .ok_or_else(|| Failure::Device("its address is none".into()))
        });
        let rate = store.read_if_there(&at("rate"))?;
        let rate = rate.map(|rate| {
            let parsed = parse_rate(&rate);
            parsed.ok_or_else(|| Failure::Device(format!("its rate `{rate}` is none")))
        });
        let bridge = store.read_if_there(&at("bridge"))?;
        let device = Device {
            mac: mac.transpose()?,
            bridge: bridge.unwrap_or_else(|| BRIDGE.to_string()),
            rate: rate.transpose()?,
            mtu: number(store, &at("mtu"))?.map(|mtu| mtu as usize),
            port: None,
        };
        for (name, value) in FEATURES {
            store.write_text(&at(name), value)?;
        }
        Ok(device)
    }

    fn connect(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device,
    ) -> Result<(), Failure> {
        let mut says = |name: &str| Ok::<_, Failure>(place.number(store, name)?.unwrap_or(0) != 0);
        if !says("request-rx-copy")? {
            let why = "it wants pages instead of copies, which it does not get";
            return Err(Failure::Device(why.into()));
        }
        let mut options = Options {
            takes_blank_v4: !says("feature-no-csum-offload")?,
            takes_blank_v6: says("feature-ipv6-csum-offload")?,
            rate: device.rate,
            ..Options::default()
        };
        if let Some(mtu) = device.mtu {
            options.frame_max = ETHERNET_HEADER + mtu;
        }
        let tx = place.map(store, &mut self.machine, "tx-ring-ref")?;
        let rx = place.map(store, &mut self.machine, "rx-ring-ref")?;
        let line = place.bind(store, &mut self.machine)?;
        let interface = Interface::new(place.key.domain, tx, rx, line, options);
        let port = self.switch.attach(interface, &device.bridge, device.mac);
        self.keys.insert(port, place.key);
        device.port = Some(port);
        store.write_text(&format!("{}/hotplug-status", place.backend), "connected")?;
        Ok(())
    }

    fn resume(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Device,
    ) -> Result<(), Failure> {
        self.connect(store, place, device)?;
        if let Some(port) = device.port {
            self.switch.doubt(port);
        }
        Ok(())
    }

    fn disconnect(&mut self, device: &mut Device) {
        if let Some(port) = device.port.take() {
            self.keys.remove(&port);
            self.switch.detach(port);
        }
    }

    fn log(&mut self, message: &str) {
        self.machine.log(message);
    }
}
