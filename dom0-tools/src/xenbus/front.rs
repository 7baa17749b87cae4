//! What a front end says in the store of what it shares, and what a back end makes of it.

use alloc::format;

use super::{Failure, Machine, Place};
use crate::hyper::Access;
use crate::store::{Channel, Client, Store};

/// The node with a front end's port.
const PORT: &str = "event-channel";

impl Place {
    /// A number of the front end's; `None` where there is no node, or no number.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn number<C: Channel>(
        &self,
        store: &mut Client<C>,
        name: &str,
    ) -> Result<Option<u32>, Failure> {
        let value = store.read_number(&format!("{}/{name}", self.frontend))?;
        Ok(value.and_then(|value| u32::try_from(value).ok()))
    }

    fn claim<C: Channel>(&self, store: &mut Client<C>, name: &str) -> Result<u32, Failure> {
        let value = self.number(store, name)?;
        value.ok_or_else(|| Failure::Device(format!("its `{name}` is no number")))
    }

    /// Maps the page whose grant the front end names, to be written.
    ///
    /// # Errors
    /// It names none, or the page cannot be mapped.
    pub fn map<C: Channel, M: Machine>(
        &self,
        store: &mut Client<C>,
        machine: &mut M,
        name: &str,
    ) -> Result<M::Mapping, Failure> {
        let gref = self.claim(store, name)?;
        let page = machine.map_grants(self.key.domain, &[gref], Access::Write);
        page.map_err(|error| Failure::Device(format!("its `{name}`: {error}")))
    }

    /// Binds the front end's port.
    ///
    /// # Errors
    /// It names none, or the hypervisor refuses.
    pub fn bind<C: Channel, M: Machine>(
        &self,
        store: &mut Client<C>,
        machine: &mut M,
    ) -> Result<M::Line, Failure> {
        let port = self.claim(store, PORT)?;
        let line = machine.bind(self.key.domain, port);
        line.map_err(|errno| Failure::Device(format!("its port: {errno}")))
    }
}
