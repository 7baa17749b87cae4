//! Devices of split drivers: a front end in a domain, a back end in another, and the nodes by which
//! they find each other, as xl 4.17 makes them. What the toolstack keeps is below `/libxl`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::Domains;
use super::nodes::{list, local, own};
use crate::error::Error;
use crate::hyper::{DomctlExt, Hyper};
use crate::store::{Channel, Store, StoreError};

/// States of an end that matter here (io/xenbus.h).
const INITIALISING: u32 = 1;
const CLOSING: u32 = 5;

/// A device of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its kind: `vif`, `vbd`.
    pub kind: String,
    /// Whose front end it is.
    pub domain: domid_t,
    /// Its number among the domain's of its kind.
    pub number: u32,
    /// Where its back end is.
    pub backend: domid_t,
}

/// Nodes of an end besides those of every device.
pub(super) type Nodes = Vec<(&'static str, String)>;

impl Device {
    /// Where the front end's nodes are.
    #[must_use]
    pub fn front(&self) -> String {
        let Device { kind, number, .. } = self;
        format!("{}/device/{kind}/{number}", local(self.domain))
    }

    /// Where the back end's nodes are.
    #[must_use]
    pub fn back(&self) -> String {
        let Device {
            kind,
            domain,
            number,
            ..
        } = self;
        format!("{}/backend/{kind}/{domain}/{number}", local(self.backend))
    }

    fn place(domain: domid_t, kind: &str) -> String {
        format!("{}/device/{kind}", own(domain))
    }

    fn kept(&self) -> String {
        format!("{}/{}", Self::place(self.domain, &self.kind), self.number)
    }

    /// Makes the nodes of both ends, in a transaction of the caller's.
    pub(super) fn write<T: Store>(
        &self,
        store: &mut T,
        front: &Nodes,
        back: &Nodes,
    ) -> Result<(), StoreError> {
        let (domain, backend) = (u32::from(self.domain), u32::from(self.backend));
        let (front_at, back_at, kept_at) = (self.front(), self.back(), self.kept());
        let of_all = |other: &str, at: &str, id: u32| {
            [
                (other.to_string(), at.to_string()),
                (format!("{other}-id"), id.to_string()),
                ("state".to_string(), INITIALISING.to_string()),
            ]
        };
        let places = [
            (
                &front_at,
                (domain, backend),
                of_all("backend", &back_at, backend),
                front,
            ),
            (
                &back_at,
                (backend, domain),
                of_all("frontend", &front_at, domain),
                back,
            ),
        ];
        for (at, (owner, other), common, nodes) in places {
            store.remove(at)?;
            store.make(at)?;
            // What is made below has the same.
            store.set_permissions(at, &list(owner, other))?;
            for (name, value) in &common {
                store.write_text(&format!("{at}/{name}"), value)?;
            }
            for (name, value) in nodes {
                store.write_text(&format!("{at}/{name}"), value)?;
            }
        }
        store.write_text(&format!("{back_at}/online"), 1)?;
        for (name, value) in [("frontend", &front_at), ("backend", &back_at)] {
            store.write_text(&format!("{kept_at}/{name}"), value)?;
        }
        for (name, value) in back {
            store.write_text(&format!("{kept_at}/{name}"), value)?;
        }
        Ok(())
    }

    /// Asks the back end to close, which then lets go of the front end.
    pub(super) fn close<T: Store>(&self, store: &mut T) -> Result<(), StoreError> {
        let back = self.back();
        store.write_text(&format!("{back}/online"), 0)?;
        store.write_text(&format!("{back}/state"), CLOSING)
    }

    /// Removes all nodes.
    pub(super) fn remove<T: Store>(&self, store: &mut T) -> Result<(), StoreError> {
        remove_and_empty(store, &self.front())?;
        self.remove_back(store)?;
        remove_and_empty(store, &self.kept())
    }

    /// Removes the back end's nodes.
    fn remove_back<T: Store>(&self, store: &mut T) -> Result<(), StoreError> {
        remove_and_empty(store, &self.back())
    }

    /// The devices of a domain of a kind, by rising number.
    pub(super) fn of_kind<T: Store>(
        store: &mut T,
        domain: domid_t,
        kind: &str,
    ) -> Result<Vec<Self>, StoreError> {
        let place = Self::place(domain, kind);
        let mut all = Vec::new();
        for name in store.list_if_there(&place)? {
            let Ok(number) = name.parse() else {
                continue;
            };
            let back = store.read_if_there(&format!("{place}/{name}/backend"))?;
            // /local/domain/N/backend/...
            let backend = back.and_then(|back| back.split('/').nth(3)?.parse().ok());
            let Some(backend) = backend else {
                continue;
            };
            all.push(Device {
                kind: kind.to_string(),
                domain,
                number,
                backend,
            });
        }
        all.sort_unstable_by_key(|device| device.number);
        Ok(all)
    }

    /// Removes the nodes that other domains have because of a domain that is no more.
    pub(super) fn remove_backs<T: Store>(store: &mut T, domain: domid_t) -> Result<(), StoreError> {
        for kind in store.list_if_there(&format!("{}/device", own(domain)))? {
            for device in Self::of_kind(store, domain, &kind)? {
                device.remove_back(store)?;
            }
        }
        Ok(())
    }
}

/// Removes a node, and the one above it where there is no other below that.
fn remove_and_empty<T: Store>(store: &mut T, path: &str) -> Result<(), StoreError> {
    store.remove(path)?;
    let above = path.rfind('/').map_or("", |end| &path[..end]);
    match store.list(above) {
        Ok(names) if names.is_empty() => store.remove(above),
        _ => Ok(()),
    }
}

impl<C: Channel> Domains<C> {
    /// Whether a domain has a device of a kind and number. One whose back end's domain is gone does not
    /// count: it is given anew, and its front end goes on with it.
    pub(super) fn has_device<H: Hyper>(
        &mut self,
        hyper: &mut H,
        domain: domid_t,
        (kind, number): (&str, u32),
    ) -> Result<bool, Error> {
        let all = Device::of_kind(&mut self.store, domain, kind)?;
        let Some(device) = all.iter().find(|device| device.number == number) else {
            return Ok(false);
        };
        Ok(hyper.domain_info(device.backend)?.is_some())
    }
}
