//! All interfaces, and the wire to the outside: frames go from one to others.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::bridge::{Bridge, Target};
use super::checksum;
use super::frame::{Checksum, Frame, Mac};
use super::interface::{Fault, Interface, Options};
use crate::grants::Grants;
use crate::hyper::Mapping;
use crate::service::Line;

/// Frames taken from the wire at once.
const BURST: usize = 64;
/// Frames that wait for the wire.
const QUEUE_MAX: usize = 256;
/// The wire's port.
const OUTSIDE: u32 = 0;

/// The way to other machines.
pub trait Wire {
    /// The next frame that has arrived.
    fn receive(&mut self) -> Option<Vec<u8>>;
    /// Sends a frame. False: there is no room for it now.
    fn send(&mut self, frame: &[u8]) -> bool;
}

/// The name of a bridge, which each frame is taken to.
type Name = Rc<str>;

struct Outside<W> {
    wire: W,
    bridge: Name,
    /// What waits to be sent, and whose port it has come from.
    queue: VecDeque<(Rc<Frame>, u32)>,
    lost: u64,
}

struct Port<M, L> {
    interface: Interface<M, L>,
    bridge: Name,
}

/// An interface that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Its port, which is no more.
    pub port: u32,
    /// Why.
    pub fault: Fault,
}

/// What came of a turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// From when on there is something to do, whatever else happens, in ns: `now` or later.
    pub due: Option<u64>,
    /// Interfaces that were given up.
    pub broken: Vec<Broken>,
}

impl Turn {
    fn again(&mut self, at: u64) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

/// All interfaces of guests, their bridges, and the wire.
pub struct Switch<M, L, W> {
    ports: BTreeMap<u32, Port<M, L>>,
    bridges: BTreeMap<Name, Bridge>,
    outside: Option<Outside<W>>,
    last_port: u32,
    /// Lists of a turn, empty between turns: so no memory is asked for each time.
    lists: (Vec<u32>, Vec<Frame>),
}

/// A frame in the forms in which it goes to different ports.
struct Forms {
    frame: Rc<Frame>,
    /// With its checksum, once somebody has needed it; or that it has none.
    complete: Option<Option<Rc<Frame>>>,
}

impl Forms {
    fn with_checksum(&mut self) -> Option<Rc<Frame>> {
        if self.frame.checksum != Checksum::Blank {
            return Some(self.frame.clone());
        }
        let frame = &self.frame;
        let complete = self.complete.get_or_insert_with(|| {
            let mut bytes = frame.bytes.clone();
            let checksum = Checksum::Validated;
            checksum::complete(&mut bytes).then(|| Rc::new(Frame { bytes, checksum }))
        });
        complete.clone()
    }

    fn for_port(&mut self, options: &Options) -> Option<Rc<Frame>> {
        if options.takes(&self.frame) {
            Some(self.frame.clone())
        } else {
            self.with_checksum()
        }
    }
}

impl<M: Mapping, L: Line, W: Wire> Switch<M, L, W> {
    /// With the wire to the outside, if there is one, and the bridge that it is on.
    pub fn new(outside: Option<(W, &str)>) -> Self {
        let outside = outside.map(|(wire, bridge)| Outside {
            wire,
            bridge: bridge.into(),
            queue: VecDeque::new(),
            lost: 0,
        });
        Switch {
            ports: BTreeMap::new(),
            bridges: BTreeMap::new(),
            outside,
            last_port: OUTSIDE,
            lists: Default::default(),
        }
    }

    /// Puts an interface on a bridge, with the address that it was given; returns its port.
    pub fn attach(&mut self, interface: Interface<M, L>, bridge: &str, mac: Option<Mac>) -> u32 {
        loop {
            self.last_port = self.last_port.wrapping_add(1);
            if self.last_port != OUTSIDE && !self.ports.contains_key(&self.last_port) {
                break;
            }
        }
        let (port, bridge) = (self.last_port, Name::from(bridge));
        let known = self.bridges.entry(bridge.clone()).or_default();
        if let Some(mac) = mac {
            // Where two were given the same one, the first has it.
            known.give(mac, port);
        }
        self.ports.insert(port, Port { interface, bridge });
        port
    }

    /// Has an interface not believe what is in its ring already; see [`Interface::doubt`].
    pub fn doubt(&mut self, port: u32) {
        if let Some(port) = self.ports.get_mut(&port) {
            port.interface.doubt();
        }
    }

    /// Takes an interface away.
    pub fn detach(&mut self, port: u32) -> Option<Interface<M, L>> {
        let gone = self.ports.remove(&port)?;
        if let Some(bridge) = self.bridges.get_mut(&gone.bridge) {
            bridge.remove(port);
        }
        let outside = self.outside.iter().map(|outside| &outside.bridge);
        let mut used = self.ports.values().map(|port| &port.bridge).chain(outside);
        if !used.any(|bridge| *bridge == gone.bridge) {
            self.bridges.remove(&gone.bridge);
        }
        Some(gone.interface)
    }

    /// An interface.
    pub fn interface(&self, port: u32) -> Option<&Interface<M, L>> {
        self.ports.get(&port).map(|port| &port.interface)
    }

    /// The wire to the outside.
    pub fn wire_mut(&mut self) -> Option<&mut W> {
        self.outside.as_mut().map(|outside| &mut outside.wire)
    }

    /// Moves what can be moved at `now`, ns; of each port so much at most that others have their
    /// turn soon.
    pub fn turn(&mut self, grants: &mut impl Grants, now: u64) -> Turn {
        let mut turn = Turn::default();
        let (mut numbers, mut frames) = core::mem::take(&mut self.lists);
        numbers.extend(self.ports.keys());
        for &number in &numbers {
            let Some(port) = self.ports.get_mut(&number) else {
                continue;
            };
            match port.interface.take(grants, now, &mut frames) {
                Ok(more) => {
                    more.into_iter().for_each(|at| turn.again(at));
                    for frame in frames.drain(..) {
                        self.forward(frame, number, now);
                    }
                }
                Err(fault) => self.give_up(number, fault, &mut turn),
            }
        }
        self.take_from_outside(now, &mut turn);
        for number in numbers.drain(..) {
            let Some(port) = self.ports.get_mut(&number) else {
                continue;
            };
            let result = port.interface.give(grants);
            port.interface.notify();
            match result {
                Ok(true) => turn.again(now),
                Ok(false) => {}
                Err(fault) => self.give_up(number, fault, &mut turn),
            }
        }
        self.lists = (numbers, frames);
        if let Some(outside) = &mut self.outside {
            while let Some((frame, _)) = outside.queue.front()
                && outside.wire.send(&frame.bytes)
            {
                outside.queue.pop_front();
            }
        }
        turn
    }

    fn give_up(&mut self, port: u32, fault: Fault, turn: &mut Turn) {
        self.detach(port);
        turn.broken.push(Broken { port, fault });
    }

    fn take_from_outside(&mut self, now: u64, turn: &mut Turn) {
        for _ in 0..BURST {
            let arrived = self.wire_mut().and_then(Wire::receive);
            let Some(bytes) = arrived else {
                return;
            };
            if let Some(frame) = Frame::new(bytes, Checksum::Unknown) {
                self.forward(frame, OUTSIDE, now);
            }
        }
        turn.again(now);
    }

    fn forward(&mut self, frame: Frame, from: u32, now: u64) {
        let outside = self.outside.as_ref().map(|outside| &outside.bridge);
        let own = self.ports.get(&from).map(|port| &port.bridge);
        let Some(name) = own.or(outside.filter(|_| from == OUTSIDE)).cloned() else {
            return;
        };
        let target = (self.bridges.entry(name.clone()).or_default()).route(&frame, from, now);
        let mut forms = Forms {
            frame: Rc::new(frame),
            complete: None,
        };
        let is_for = |port: u32, bridge: &Name| match target {
            Target::Nobody => false,
            Target::One(one) => port == one,
            Target::Others => port != from && *bridge == name,
        };
        if let Target::One(one) = target
            && one != OUTSIDE
        {
            if let Some(port) = self.ports.get_mut(&one) {
                Self::queue(port, &mut forms, from);
            }
            return;
        }
        for (number, port) in &mut self.ports {
            if is_for(*number, &port.bridge) {
                Self::queue(port, &mut forms, from);
            }
        }
        if let Some(outside) = &mut self.outside
            && is_for(OUTSIDE, &outside.bridge)
        {
            outside.queue(&mut forms, from);
        }
    }

    fn queue(port: &mut Port<M, L>, forms: &mut Forms, from: u32) {
        if let Some(frame) = forms.for_port(port.interface.options()) {
            port.interface.queue(frame, from);
        }
    }
}

impl<W> Outside<W> {
    /// Has a frame wait for the wire, of one port at most as many as there is room left for others.
    fn queue(&mut self, forms: &mut Forms, from: u32) {
        let of_port = self
            .queue
            .iter()
            .filter(|(_, whose)| *whose == from)
            .count();
        if of_port >= QUEUE_MAX - self.queue.len() {
            self.lost += 1;
        } else if let Some(frame) = forms.with_checksum() {
            self.queue.push_back((frame, from));
        }
    }
}
