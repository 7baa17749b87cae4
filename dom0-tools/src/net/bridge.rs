//! A learning bridge: which port a frame goes to.
//!
//! Addresses that the toolstack has given to interfaces are theirs: nobody else is believed to have
//! them. Of others each port may have so many that no port takes another's room.

use alloc::collections::BTreeMap;

use super::frame::{Frame, Mac};

/// Addresses that are learnt of one port.
const LEARNT_PER_PORT: usize = 64;
/// For how long nobody need be heard of, ns: what 802.1D recommends.
const AGE: u64 = 300 * 1_000_000_000;
/// Frames to these addresses, with any last half byte, are for bridges themselves.
const RESERVED: [u8; 5] = [0x01, 0x80, 0xc2, 0x00, 0x00];

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To nobody.
    Nobody,
    /// To one port.
    One(u32),
    /// To all ports but its own.
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    port: u32,
    /// When it was heard of last, ns; `None` for what was given.
    heard: Option<u64>,
}

/// What a bridge knows.
#[derive(Debug, Default)]
pub struct Bridge {
    places: BTreeMap<Mac, Place>,
    learnt: BTreeMap<u32, usize>,
}

fn is_group(mac: Mac) -> bool {
    mac[0] & 1 != 0
}

impl Bridge {
    /// Gives an address to a port. False: it is another's.
    pub fn give(&mut self, mac: Mac, port: u32) -> bool {
        if is_group(mac) {
            return false;
        }
        match self.places.get(&mac) {
            Some(Place {
                heard: None,
                port: owner,
            }) => return *owner == port,
            Some(Place { port: owner, .. }) => self.forget_one(*owner),
            None => {}
        }
        self.places.insert(mac, Place { port, heard: None });
        true
    }

    fn forget_one(&mut self, port: u32) {
        if let Some(count) = self.learnt.get_mut(&port) {
            *count = count.saturating_sub(1);
        }
    }

    /// Forgets a port.
    pub fn remove(&mut self, port: u32) {
        self.places.retain(|_, place| place.port != port);
        self.learnt.remove(&port);
    }

    /// Addresses that are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.places.len()
    }

    /// Learns that an address is behind a port. False: it is known to be elsewhere, for good.
    fn learn(&mut self, mac: Mac, port: u32, now: u64) -> bool {
        match self.places.get_mut(&mac) {
            Some(place) if place.port == port => {
                place.heard = place.heard.map(|_| now);
                return true;
            }
            Some(Place { heard: None, .. }) => return false,
            Some(place) => {
                let old = place.port;
                self.forget_one(old);
                self.places.remove(&mac);
            }
            None => {}
        }
        if self
            .learnt
            .get(&port)
            .is_some_and(|count| *count >= LEARNT_PER_PORT)
        {
            self.age(port, now);
        }
        let count = self.learnt.entry(port).or_default();
        // One too many is reached as one that nobody knows.
        if *count < LEARNT_PER_PORT {
            *count += 1;
            let heard = Some(now);
            self.places.insert(mac, Place { port, heard });
        }
        true
    }

    /// Forgets what of a port has not been heard of for long.
    fn age(&mut self, port: u32, now: u64) {
        let is_old = |heard: u64| now.saturating_sub(heard) > AGE;
        let is_gone = |place: &Place| place.port == port && place.heard.is_some_and(is_old);
        let before = self.places.len();
        self.places.retain(|_, place| !is_gone(place));
        let gone = before - self.places.len();
        if let Some(count) = self.learnt.get_mut(&port) {
            *count = count.saturating_sub(gone);
        }
    }

    /// Where a frame goes that has come from `port`, at `now` in ns.
    pub fn route(&mut self, frame: &Frame, port: u32, now: u64) -> Target {
        let (source, destination) = (frame.source(), frame.destination());
        if is_group(source) || !self.learn(source, port, now) {
            return Target::Nobody;
        }
        if destination[..5] == RESERVED && destination[5] < 16 {
            return Target::Nobody;
        }
        match self.places.get(&destination) {
            _ if is_group(destination) => Target::Others,
            Some(place)
                if place
                    .heard
                    .is_some_and(|heard| now.saturating_sub(heard) > AGE) =>
            {
                Target::Others
            }
            Some(place) if place.port == port => Target::Nobody,
            Some(place) => Target::One(place.port),
            None => Target::Others,
        }
    }
}
