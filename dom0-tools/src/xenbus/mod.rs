//! The backend's side of split drivers: devices that the toolstack writes into the store, their
//! front ends' states, and what follows from them.
//!
//! ```text
//!   toolstack   backend/vbd/3/51712 = frontend, frontend-id, online, state, what to serve
//!   backend     opens it, says what it can do, InitWait(2) ------------------------------+
//!   front end   grants a ring, binds a port, Initialised(3)                              |
//!   backend     maps and binds, Connected(4); serves until the front end is Closing(5),  |
//!               Closed(6) or gone, or has begun anew (Initialising, 1) ------------------+
//! ```
//!
//! What a device serves may change while it is connected, if the driver can do that ([`Driver::change`]):
//!
//! ```text
//!   toolstack   says what is to come and go, and Reconfiguring(7) in the backend's place
//!   front end   lets go of what is to go, Reconfiguring(7)
//!   backend     changes it, Reconfigured(8)
//!   front end   Connected(4), and so does the backend
//! ```
//!
//! A backend that was restarted goes on with the connections of the one before, where its driver can
//! ([`Driver::resume`]): front ends notice nothing. Where that is not possible it begins with InitWait
//! whatever its state was: a front end that knows of that, as ours does, begins anew as well, and asks
//! again for what was not answered. What a front end says is a claim: at worst its own device is
//! closed.

#![expect(
    non_upper_case_globals,
    reason = "states have the names of the public header"
)]

mod front;
mod ring;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::io::xenbus::*;
use hypercall_abi::xen::domid_t;

use crate::grants::Grants;
use crate::hyper::Errno;
use crate::service::Line;
use crate::store::{Channel, Client, Store, StoreError, WatchEvent};

pub use ring::{BackRing, Broken};

/// Token of the watch for all devices.
const DEVICES: &str = "devices";
/// Nodes of a device that say what is wanted of it: the others, backends write themselves.
const WANTED: [&str; 3] = ["frontend", "online", "state"];

/// What a backend needs of the machine.
pub trait Machine: Grants {
    /// An event channel to a front end.
    type Line: Line;
    /// Binds a front end's port.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn bind(&mut self, domain: domid_t, port: u32) -> Result<Self::Line, Errno>;
    /// Something that whoever looks after the machine should know.
    fn log(&mut self, message: &str);
}

/// Which device of which domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The front end's domain.
    pub domain: domid_t,
    /// The device's number there.
    pub device: u32,
}

/// Where a device is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which one it is.
    pub key: Key,
    /// The backend's nodes.
    pub backend: String,
    /// The front end's nodes.
    pub frontend: String,
}

/// Why a device is not served.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no store any more.
    #[error("{0}")]
    Store(StoreError),
    /// This device cannot be, or not any more.
    #[error("{0}")]
    Device(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            // A node is not there, or is no business of this domain.
            StoreError::Refused { .. } => Failure::Device(format!("{error}")),
            StoreError::Closed(_) | StoreError::Garbled(_) => Failure::Store(error),
        }
    }
}

/// What the backends of one kind do.
pub trait Driver<C: Channel> {
    /// What they are called in the store: `vbd`, `vif`.
    const KIND: &'static str;
    /// A device, connected or not; what it has is given back when it is dropped.
    type Device;

    /// Opens what is to be served, and writes what it can do.
    ///
    /// # Errors
    /// See [`Failure`].
    fn open(&mut self, store: &mut Client<C>, place: &Place) -> Result<Self::Device, Failure>;

    /// Connects to a front end that has said where its ring is; writes what it is to know of the
    /// device.
    ///
    /// # Errors
    /// See [`Failure`].
    fn connect(
        &mut self,
        store: &mut Client<C>,
        place: &Place,
        device: &mut Self::Device,
    ) -> Result<(), Failure>;

    /// Goes on with a connection of an earlier backend, whose rings are as it left them: where an
    /// answer was written and not yet shown, it lies over its request; and the front end may not have
    /// been told of the last ones.
    ///
    /// # Errors
    /// See [`Failure`]: what cannot be gone on with begins anew.
    fn resume(
        &mut self,
        _: &mut Client<C>,
        _: &Place,
        _: &mut Self::Device,
    ) -> Result<(), Failure> {
        Err(Failure::Device("what it does is not known".into()))
    }

    /// Changes what a connected device serves to what the store says now: its front end waits for it.
    ///
    /// # Errors
    /// See [`Failure`].
    fn change(
        &mut self,
        _: &mut Client<C>,
        _: &Place,
        _: &mut Self::Device,
    ) -> Result<(), Failure> {
        Err(Failure::Device("it is not changed while it is used".into()))
    }

    /// Looks after a connected device of which something was said in the store.
    ///
    /// # Errors
    /// See [`Failure`].
    fn look_after(
        &mut self,
        _: &mut Client<C>,
        _: &Place,
        _: &mut Self::Device,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Gives back what belongs to the front end.
    fn disconnect(&mut self, device: &mut Self::Device);

    /// Something that whoever looks after the machine should know.
    fn log(&mut self, message: &str);
}

struct Entry<D> {
    place: Place,
    state: XenbusState,
    /// The front end's state when it was last looked at.
    front: XenbusState,
    /// `None` if it could not be opened.
    device: Option<D>,
    /// The front end was connected to an earlier backend, and has not begun anew since.
    stale: bool,
}

/// All devices of a kind that this domain serves.
pub struct Bus<C, D: Driver<C>>
where
    C: Channel,
{
    store: Client<C>,
    driver: D,
    root: String,
    devices: BTreeMap<Key, Entry<D::Device>>,
    due: BTreeSet<Key>,
}

type Result<T, E = StoreError> = core::result::Result<T, E>;

impl<C: Channel, D: Driver<C>> Bus<C, D> {
    /// Over a connection to the store of the domain in which this runs. What is there already is
    /// found in the first turn.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn new(mut store: Client<C>, driver: D) -> Result<Self> {
        let domain = store.read_number("domid")?.unwrap_or(0);
        let root = format!("/local/domain/{domain}/backend/{}", D::KIND);
        store.watch(&root, DEVICES)?;
        Ok(Bus {
            store,
            driver,
            root,
            devices: BTreeMap::new(),
            due: BTreeSet::new(),
        })
    }

    /// The connection, to wait for it together with others.
    pub fn store_mut(&mut self) -> &mut Client<C> {
        &mut self.store
    }

    /// The driver, and the devices that are connected.
    pub fn connected(&mut self) -> (&mut D, impl Iterator<Item = (Key, &mut D::Device)>) {
        let devices = self.devices.iter_mut().filter_map(|(key, entry)| {
            let connected = is_connected(entry.state);
            entry
                .device
                .as_mut()
                .filter(|_| connected)
                .map(|device| (*key, device))
        });
        (&mut self.driver, devices)
    }

    /// Does what the store wants of the devices since the last turn.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn turn(&mut self) -> Result<()> {
        loop {
            // What came while something else was asked for is nowhere else but here.
            while let Some(event) = self.store.next_event()? {
                self.note(&event)?;
            }
            let Some(key) = self.due.pop_first() else {
                return Ok(());
            };
            match self.look(key) {
                Ok(()) => {}
                Err(Failure::Store(error)) => return Err(error),
                Err(Failure::Device(why)) => self.close(key, &why)?,
            }
        }
    }

    /// Finds out which devices an event is about.
    fn note(&mut self, event: &WatchEvent) -> Result<()> {
        if event.token != DEVICES {
            self.due.extend(parse_key(&event.token));
            return Ok(());
        }
        let below = event.path.strip_prefix(&self.root).unwrap_or_default();
        let mut words = below.split('/').skip(1);
        let key = [words.next(), words.next()];
        match (key, words.next()) {
            ([Some(domain), Some(device)], leaf) => {
                if leaf.is_none_or(|leaf| WANTED.contains(&leaf)) {
                    self.due.extend(parse_key(&format!("{domain}/{device}")));
                }
            }
            _ => self.find_all()?,
        }
        Ok(())
    }

    /// All that are in the store, and those that were.
    fn find_all(&mut self) -> Result<()> {
        self.due.extend(self.devices.keys().copied());
        for domain in self.store.list_if_there(&self.root)? {
            for device in self
                .store
                .list_if_there(&format!("{}/{domain}", self.root))?
            {
                self.due.extend(parse_key(&format!("{domain}/{device}")));
            }
        }
        Ok(())
    }

    fn read_state(&mut self, of: &str) -> Result<XenbusState, Failure> {
        let state = readable(self.store.read_number(&format!("{of}/state")))?.flatten();
        let state = state.and_then(|state| state.try_into().ok());
        Ok(state.unwrap_or(XenbusStateUnknown))
    }

    /// Sees to one device.
    fn look(&mut self, key: Key) -> Result<(), Failure> {
        let backend = format!("{}/{}/{}", self.root, key.domain, key.device);
        let frontend = self.store.read_if_there(&format!("{backend}/frontend"))?;
        let Some(frontend) = frontend else {
            return Ok(self.forget(key)?);
        };
        let said = self.store.read_number(&format!("{backend}/frontend-id"))?;
        if said != Some(key.domain.into()) {
            return Err(Failure::Device("its front end is another's".into()));
        }
        let own = self.read_state(&backend)?;
        let front = self.read_state(&frontend)?;
        if !self.devices.contains_key(&key) {
            let place = Place {
                key,
                backend: backend.clone(),
                frontend: frontend.clone(),
            };
            let stale = is_connected(own) || own == XenbusStateReconfiguring;
            self.begin(place, stale, front)?;
        }
        let online = self.store.read_number(&format!("{backend}/online"))?;
        if online == Some(0) {
            return self.go_offline(key, front);
        }
        self.follow(key, front)
    }

    /// Opens a device that is new.
    fn begin(&mut self, place: Place, stale: bool, front: XenbusState) -> Result<(), Failure> {
        let key = place.key;
        let (frontend, backend) = (place.frontend.clone(), place.backend.clone());
        let entry = Entry {
            place,
            state: XenbusStateInitialising,
            front,
            device: None,
            stale,
        };
        self.devices.insert(key, entry);
        let token = format!("{}/{}", key.domain, key.device);
        self.store.watch(&format!("{frontend}/state"), &token)?;
        // What was said of an earlier failure.
        self.store.remove(&format!("{backend}/error"))?;
        if stale && front == XenbusStateConnected && self.resume(key)? {
            return Ok(());
        }
        self.open(key)
    }

    /// Goes on with the connection of an earlier backend, whose state stays; whether that is possible.
    fn resume(&mut self, key: Key) -> Result<bool, Failure> {
        let Some(entry) = self.devices.get_mut(&key) else {
            return Ok(false);
        };
        let mut device = self.driver.open(&mut self.store, &entry.place)?;
        match (self.driver).resume(&mut self.store, &entry.place, &mut device) {
            Ok(()) => {
                entry.device = Some(device);
                (entry.state, entry.stale) = (XenbusStateConnected, false);
                Ok(true)
            }
            Err(Failure::Device(why)) => {
                self.log(key, &format!("begins anew: {why}"));
                Ok(false)
            }
            Err(gone) => Err(gone),
        }
    }

    fn log(&mut self, key: Key, what: &str) {
        let Key { domain, device } = key;
        let whose = format!("{} {device} of domain {domain}", D::KIND);
        self.driver.log(&format!("{whose} {what}"));
    }

    /// Opens what a device serves, and waits for its front end.
    fn open(&mut self, key: Key) -> Result<(), Failure> {
        if let Some(entry) = self.devices.get_mut(&key) {
            // What it had open before, it may open again.
            entry.device = None;
            entry.device = Some(self.driver.open(&mut self.store, &entry.place)?);
            self.switch(key, XenbusStateInitWait)?;
        }
        Ok(())
    }

    /// Sets and says a state.
    fn switch(&mut self, key: Key, state: XenbusState) -> Result<(), Failure> {
        let Some(entry) = self.devices.get_mut(&key) else {
            return Ok(());
        };
        entry.state = state;
        let path = format!("{}/state", entry.place.backend);
        // A node that the toolstack has removed is not made again.
        if self.store.read_if_there(&path)?.is_some() {
            self.store.write_text(&path, state)?;
        }
        Ok(())
    }

    fn disconnect(&mut self, key: Key) {
        let entry = self.devices.get_mut(&key);
        if let Some(device) = entry.and_then(|entry| entry.device.as_mut()) {
            self.driver.disconnect(device);
        }
    }

    /// It is to be unplugged: when the front end does not use it any more, it is closed.
    fn go_offline(&mut self, key: Key, front: XenbusState) -> Result<(), Failure> {
        let state = self.devices.get(&key).map(|entry| entry.state);
        let in_use = [
            XenbusStateInitialised,
            XenbusStateConnected,
            XenbusStateReconfiguring,
        ];
        if in_use.contains(&front) {
            return Ok(());
        }
        self.disconnect(key);
        if state != Some(XenbusStateClosed) {
            self.switch(key, XenbusStateClosed)?;
        }
        Ok(())
    }

    /// Does what the front end's state asks for.
    fn follow(&mut self, key: Key, front: XenbusState) -> Result<(), Failure> {
        let Some(entry) = self.devices.get_mut(&key) else {
            return Ok(());
        };
        let state = entry.state;
        let waits = state == XenbusStateInitWait;
        // Who waits in vain for what cannot be opened does not begin anew by that.
        let is_new = core::mem::replace(&mut entry.front, front) != front;
        let may_open = is_new || entry.device.is_some();
        if front == XenbusStateInitialising || front == XenbusStateInitialised {
            entry.stale = false;
        }
        match front {
            XenbusStateInitialising if !waits && may_open => {
                self.disconnect(key);
                self.open(key)
            }
            XenbusStateInitialised | XenbusStateConnected if waits && !entry.stale => {
                self.connect(key)
            }
            XenbusStateReconfiguring if state == XenbusStateConnected => {
                self.with_device(key, D::change)?;
                self.switch(key, XenbusStateReconfigured)
            }
            XenbusStateConnected if state == XenbusStateReconfigured => {
                self.switch(key, XenbusStateConnected)
            }
            XenbusStateClosing if is_connected(state) => {
                self.disconnect(key);
                self.switch(key, XenbusStateClosing)
            }
            XenbusStateClosed | XenbusStateUnknown if state != XenbusStateClosed => {
                // Before it has begun, there is nothing to close.
                if waits && front == XenbusStateUnknown {
                    return Ok(());
                }
                self.disconnect(key);
                self.switch(key, XenbusStateClosed)
            }
            _ if is_connected(state) => self.with_device(key, D::look_after),
            _ => Ok(()),
        }
    }

    fn connect(&mut self, key: Key) -> Result<(), Failure> {
        self.with_device(key, D::connect)?;
        self.switch(key, XenbusStateConnected)
    }

    /// Has the driver do something with a device, if that is open.
    fn with_device(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut D, &mut Client<C>, &Place, &mut D::Device) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { driver, store, .. } = self;
        match self.devices.get_mut(&key) {
            Some(Entry {
                place,
                device: Some(device),
                ..
            }) => act(driver, store, place, device),
            _ => Ok(()),
        }
    }

    /// Closes a device that cannot be served: its front end, or what it serves, is at fault.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn close(&mut self, key: Key, why: &str) -> Result<()> {
        self.log(key, &format!("is closed: {why}"));
        self.disconnect(key);
        let Some(entry) = self.devices.get(&key) else {
            return Ok(());
        };
        let path = format!("{}/error", entry.place.backend);
        let said = readable(self.store.write(&path, why.as_bytes()));
        match said.and_then(|_| self.switch(key, XenbusStateClosed)) {
            Err(Failure::Store(error)) => Err(error),
            // Its nodes are gone.
            Ok(()) | Err(Failure::Device(_)) => Ok(()),
        }
    }

    /// Closes those whose front ends are at fault, and does what comes of that: what the store says
    /// meanwhile is heard by nobody else.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn close_all<W: ToString>(&mut self, broken: Vec<(Key, W)>) -> Result<()> {
        if broken.is_empty() {
            return Ok(());
        }
        for (key, why) in broken {
            self.close(key, &why.to_string())?;
        }
        self.turn()
    }

    /// A device that is not in the store any more.
    fn forget(&mut self, key: Key) -> Result<()> {
        self.disconnect(key);
        let Some(entry) = self.devices.remove(&key) else {
            return Ok(());
        };
        let token = format!("{}/{}", key.domain, key.device);
        let path = format!("{}/state", entry.place.frontend);
        match self.store.unwatch(&path, &token) {
            Err(error) if error.errno().is_none() => Err(error),
            _ => Ok(()),
        }
    }
}

/// A refusal is no failure of the connection.
fn readable<T>(result: Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.errno().is_some() => Ok(None),
        Err(error) => Err(Failure::Store(error)),
    }
}

/// Whether a backend of that state serves its front end.
fn is_connected(state: XenbusState) -> bool {
    matches!(state, XenbusStateConnected | XenbusStateReconfigured)
}

fn parse_key(text: &str) -> Option<Key> {
    let (domain, device) = text.split_once('/')?;
    Some(Key {
        domain: domain.parse().ok()?,
        device: device.parse().ok()?,
    })
}
