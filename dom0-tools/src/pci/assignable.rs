//! Devices that may be given away: as the toolstack says in the store, below the node that libxl has
//! for it. What is found out of each is said there as well.

use alloc::format;
use alloc::rc::Weak;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::regions::{self, Saved};
use super::{Address, Claimed, Function, PciMachine, Pciback};
use crate::store::{Channel, Client, Store, StoreError};

/// The node of all of them.
pub const ASSIGNABLE: &str = "/libxl/pciback";
/// What the child `state` of a device's node holds when it can be given away; else the reason why not.
pub const READY: &str = "ready";
/// The child with its header as it was, for whoever comes after one that was ended amid its work.
const SAVED: &str = "config";
/// The child with what was found out of its base addresses.
const MASKS: &str = "masks";

/// The node of a device.
#[must_use]
pub fn node(at: Address) -> String {
    let Address {
        segment,
        bus,
        device,
        function,
    } = at;
    format!("{ASSIGNABLE}/{segment:04x}-{bus:02x}-{device:02x}-{function}")
}

/// The device of a node's name.
fn parse_node(name: &str) -> Option<Address> {
    let mut parts = name.split('-');
    let [segment, bus, device, function] = [(); 4].map(|()| parts.next());
    Address::parse(&format!("{}:{}:{}.{}", segment?, bus?, device?, function?))
}

/// Devices that the store names there.
pub(crate) fn listed<S: Store>(store: &mut S) -> Result<Vec<Address>, StoreError> {
    let names = store.list_if_there(ASSIGNABLE)?;
    Ok(names.iter().filter_map(|name| parse_node(name)).collect())
}

impl<M: PciMachine> Pciback<M> {
    /// Claims what is to be assignable and is not yet, and gives up what is not to be any more; whether
    /// some of that is still to come, as soon as a domain has let go of it.
    ///
    /// # Errors
    /// There is no store any more, or it refuses what is this domain's own.
    pub fn look<C: Channel>(&mut self, store: &mut Client<C>) -> Result<bool, StoreError> {
        let listed = listed(store)?;
        for &at in &listed {
            if !self.claimed.contains_key(&at) {
                let said = match self.claim(store, at)? {
                    Ok(()) => READY.to_string(),
                    Err(why) => why,
                };
                let path = format!("{}/state", node(at));
                // A refusal that was said is not said again, which would be another reason to look.
                if store.read_if_there(&path)?.as_deref() != Some(&said) {
                    store.write_text(&path, said)?;
                }
            }
        }
        let gone = self.claimed.iter().filter(|(at, _)| !listed.contains(at));
        let gone: Vec<(Address, bool)> = gone.map(|(at, of)| (*at, of.is_given())).collect();
        for (at, _) in gone.iter().filter(|(_, given)| !given) {
            if let Some(claimed) = self.claimed.remove(at) {
                claimed.saved.resume(&mut self.machine, *at);
            }
        }
        Ok(gone.iter().any(|(_, given)| *given))
    }

    fn claim<C: Channel>(
        &mut self,
        store: &mut Client<C>,
        at: Address,
    ) -> Result<Result<(), String>, StoreError> {
        let checked = regions::check(&mut self.machine, at);
        let claim = match checked.and_then(|()| self.machine.claim(at)) {
            Ok(claim) => claim,
            Err(why) => return Ok(Err(why)),
        };
        let (saved, function) = match self.found_before(store, at)? {
            Some(known) => known,
            None => self.find(store, at)?,
        };
        let regions = match function.regions() {
            Ok(regions) => regions,
            Err(why) => {
                saved.resume(&mut self.machine, at);
                return Ok(Err(why));
            }
        };
        let texts: Vec<String> = regions.iter().map(ToString::to_string).collect();
        store.write_text(&format!("{}/regions", node(at)), texts.join(","))?;
        let claimed = Claimed {
            _claim: claim,
            function,
            saved,
            given: Weak::new(),
        };
        self.claimed.insert(at, claimed);
        Ok(Ok(()))
    }

    /// What the one before this has found out, who may have been ended while a domain used the device.
    fn found_before<C: Channel>(
        &mut self,
        store: &mut Client<C>,
        at: Address,
    ) -> Result<Option<(Saved, Function)>, StoreError> {
        let saved = store.read_if_there(&format!("{}/{SAVED}", node(at)))?;
        let masks = store.read_if_there(&format!("{}/{MASKS}", node(at)))?;
        let saved = saved.and_then(|text| Saved::parse(&text));
        let found = saved.zip(masks).and_then(|(saved, masks)| {
            Function::found_before(at, &saved, &masks).map(|function| (saved, function))
        });
        Ok(found)
    }

    fn find<C: Channel>(
        &mut self,
        store: &mut Client<C>,
        at: Address,
    ) -> Result<(Saved, Function), StoreError> {
        let path = format!("{}/{SAVED}", node(at));
        let known = store.read_if_there(&path)?;
        let saved = match known.and_then(|text| Saved::parse(&text)) {
            // The one before this was ended while it looked.
            Some(saved) => saved,
            None => {
                let saved = Saved::read(&mut self.machine, at);
                store.write_text(&path, saved.to_text())?;
                saved
            }
        };
        let function = regions::find(&mut self.machine, at, &saved);
        store.write_text(&format!("{}/{MASKS}", node(at)), function.masks())?;
        Ok((saved, function))
    }
}
