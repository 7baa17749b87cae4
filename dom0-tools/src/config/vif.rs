//! Network interfaces, as xl-network-configuration(5) describes them.

use alloc::format;
use alloc::string::String;

use super::keys::{parameter, put, valued};

/// How much an interface may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes in a second.
    pub bytes_per_second: u64,
    /// How often that is renewed in parts, µs.
    pub interval_us: u32,
}

impl Rate {
    /// Bytes in each interval, at least one.
    pub fn bytes_per_interval(&self) -> u64 {
        let bytes = u128::from(self.bytes_per_second) * u128::from(self.interval_us) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The interval of a rate that does not say, µs.
const INTERVAL_US: u32 = 50_000;

/// One entry of `vif`. What is absent is the backend's choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vif {
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// The bridge that it is put on.
    pub bridge: Option<String>,
    /// The interface towards which it is routed.
    pub gateway: Option<String>,
    /// The script that connects it.
    pub script: Option<String>,
    /// What the guest may use as its address, for the script.
    pub ip: Option<String>,
    /// The domain that serves it, unless it is domain 0.
    pub backend: Option<String>,
    /// Its name in that domain.
    pub name: Option<String>,
    /// How much it may send.
    pub rate: Option<Rate>,
    /// Its number among the domain's.
    pub devid: Option<u32>,
    /// Bytes of the largest packet.
    pub mtu: Option<u32>,
    /// Whether the backend may be trusted, if anything is said.
    pub trusted: Option<bool>,
}

/// Bytes of the largest packet: from what IPv4 demands to what Ethernet's jumbo frames have.
const MTUS: core::ops::RangeInclusive<u32> = 68..=65535;

impl Vif {
    /// Reads one entry: parameters `key=value`, separated by commas; none at all is an entry too.
    ///
    /// # Errors
    /// In words: what is not understood or given twice.
    pub fn parse(spec: &str) -> Result<Self, String> {
        let mut vif = Vif::default();
        if spec.trim().is_empty() {
            return Ok(vif);
        }
        for part in spec.split(',') {
            let (key, value) = parameter(part);
            vif.take(key, valued(key, value)?)?;
        }
        Ok(vif)
    }

    fn take(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "mac" => put(&mut self.mac, key, parse_mac(&value)?),
            "bridge" => put(&mut self.bridge, key, value),
            "gatewaydev" => put(&mut self.gateway, key, value),
            "script" => put(&mut self.script, key, value),
            "ip" => put(&mut self.ip, key, value),
            "backend" => put(&mut self.backend, key, value),
            "vifname" => put(&mut self.name, key, value),
            "rate" => put(&mut self.rate, key, parse_rate(&value)?),
            "devid" => put(&mut self.devid, key, number(key, &value)?),
            "mtu" => {
                let mtu = number(key, &value)?;
                if !MTUS.contains(&mtu) {
                    return Err(format!("mtu {mtu}: it must be from 68 to 65535"));
                }
                put(&mut self.mtu, key, mtu)
            }
            "trusted" => match value.as_str() {
                "0" | "false" => put(&mut self.trusted, key, false),
                "1" | "true" => put(&mut self.trusted, key, true),
                _ => Err(format!("trusted `{value}`: known are 0 and 1")),
            },
            "type" if value == "vif" => Ok(()),
            "type" | "model" => Err(format!(
                "{key}: only paravirtual guests have interfaces here"
            )),
            _ => Err(format!("`{key}` is no parameter of an interface")),
        }
    }

    /// A MAC address in its usual spelling.
    pub fn mac_text(mac: &[u8; 6]) -> String {
        let [a, b, c, d, e, f] = mac;
        format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }

    /// The entry that [`Vif::parse`] reads as this.
    pub fn to_spec(&self) -> String {
        let mac = self.mac.map(|mac| Self::mac_text(&mac));
        let rate = self.rate.map(|rate| {
            let (bytes, interval) = (rate.bytes_per_second, rate.interval_us);
            format!("{bytes}B/s@{interval}us")
        });
        let parameters = [
            ("mac", mac),
            ("bridge", self.bridge.clone()),
            ("gatewaydev", self.gateway.clone()),
            ("script", self.script.clone()),
            ("ip", self.ip.clone()),
            ("backend", self.backend.clone()),
            ("vifname", self.name.clone()),
            ("rate", rate),
            ("devid", self.devid.map(|id| format!("{id}"))),
            ("mtu", self.mtu.map(|mtu| format!("{mtu}"))),
            (
                "trusted",
                self.trusted.map(|is| format!("{}", u8::from(is))),
            ),
        ];
        let mut spec = String::new();
        for (key, value) in parameters {
            if let Some(value) = value {
                let comma = if spec.is_empty() { "" } else { "," };
                spec += &format!("{comma}{key}={value}");
            }
        }
        spec
    }
}

fn number<T: core::str::FromStr>(key: &str, text: &str) -> Result<T, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("{key}: `{text}` is not a number"))
}

/// Six pairs of hexadecimal digits, not a group's address.
fn parse_mac(text: &str) -> Result<[u8; 6], String> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2);
        let value = part.and_then(|part| {
            let digits = part.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| digits)
        });
        *byte = value.ok_or_else(|| format!("`{text}` is not a MAC address"))?;
    }
    match (parts.next(), mac[0] & 1) {
        (None, 0) => Ok(mac),
        (None, _) => Err(format!("`{text}` is the MAC address of a group")),
        _ => Err(format!("`{text}` is not a MAC address")),
    }
}

/// `10Mb/s`, `250KB/s`, `1MB/s@20ms`: bits or bytes in a second, and how often it is renewed.
fn parse_rate(text: &str) -> Result<Rate, String> {
    let bad = || format!("`{text}` is not a rate (for example: 10Mb/s, or 1MB/s@20ms)");
    let (speed, interval) = match text.split_once('@') {
        Some((speed, interval)) => (speed, Some(interval)),
        None => (text, None),
    };
    let speed = speed.strip_suffix("/s").ok_or_else(bad)?;
    let (speed, bits) = match (speed.strip_suffix('b'), speed.strip_suffix('B')) {
        (Some(speed), _) => (speed, 1),
        (_, Some(speed)) => (speed, 8),
        _ => return Err(bad()),
    };
    let (digits, scale) = match speed.as_bytes().last() {
        Some(b'G') => (&speed[..speed.len() - 1], 1_000_000_000),
        Some(b'M') => (&speed[..speed.len() - 1], 1_000_000),
        Some(b'K') => (&speed[..speed.len() - 1], 1_000),
        _ => (speed, 1),
    };
    let digits: u64 = number("rate", digits).map_err(|_| bad())?;
    let rate = Rate {
        bytes_per_second: digits.checked_mul(bits * scale).ok_or_else(bad)? / 8,
        interval_us: match interval {
            None => INTERVAL_US,
            Some(interval) => parse_interval(interval).ok_or_else(bad)?,
        },
    };
    match rate.bytes_per_interval() {
        0 => Err(format!("the rate `{text}` lets no packet through")),
        _ => Ok(rate),
    }
}

/// `50ms`, `2s`, `100us`; more than none.
fn parse_interval(text: &str) -> Option<u32> {
    let text = text.strip_suffix('s')?;
    let (digits, scale) = match (text.strip_suffix('m'), text.strip_suffix('u')) {
        (Some(digits), _) => (digits, 1_000),
        (_, Some(digits)) => (digits, 1),
        _ => (text, 1_000_000),
    };
    let us = number::<u32>("interval", digits).ok()?.checked_mul(scale)?;
    (us > 0).then_some(us)
}
