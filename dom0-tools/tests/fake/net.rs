//! Guests with network interfaces: their rings, their pages, and the wire to the outside.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use dom0_tools::grants::{Copy, Grants, Local, MapError};
use dom0_tools::hyper::{Access, Errno, Mapping};
use dom0_tools::net::{Interface, Options, Switch, Turn, Wire};
use hypercall_abi::grant_table::{GNTST_bad_copy_arg, GNTST_bad_gntref, GNTST_okay};
use hypercall_abi::io::netif::{NETRXF_more_data, NETTXF_more_data, netif_tx_request};
use zerocopy::IntoBytes;

use super::store::{Bell, Page};

pub const REQ_PROD: usize = 0;
pub const REQ_EVENT: usize = 4;
pub const RSP_PROD: usize = 8;
pub const RSP_EVENT: usize = 12;
pub const ENTRIES: usize = 64;
/// Bytes of an entry of either ring.
pub const TX: usize = 12;
pub const RX: usize = 8;
/// Entries of either ring.
pub const SIZE: u32 = 256;
/// The first of the grants of pages for frames that come; those of sent frames are below.
const RX_GRANTS: u32 = 1000;

/// What the guests grant.
#[derive(Clone, Default)]
pub struct Granted(pub Rc<RefCell<BTreeMap<(u16, u32), Page>>>);

impl Grants for Granted {
    type Mapping = Page;

    fn map_grants(&mut self, domain: u16, refs: &[u32], _: Access) -> Result<Page, MapError> {
        let page = self.0.borrow().get(&(domain, refs[0])).cloned();
        page.ok_or_else(|| MapError::Refused(vec![GNTST_bad_gntref]))
    }

    fn copy_grants(&mut self, domain: u16, copies: &mut [Copy<'_>]) -> Result<(), Errno> {
        for copy in copies {
            let Some(mut page) = self.0.borrow().get(&(domain, copy.gref)).cloned() else {
                copy.status = GNTST_bad_gntref;
                continue;
            };
            let offset = usize::from(copy.offset);
            copy.status = GNTST_okay;
            match &mut copy.local {
                Local::To(to) if offset + to.len() <= 4096 => page.read(offset, to),
                Local::From(from) if offset + from.len() <= 4096 => page.write(offset, from),
                _ => copy.status = GNTST_bad_copy_arg,
            }
        }
        Ok(())
    }
}

/// The wire: what was sent, and what is to arrive.
#[derive(Clone, Default)]
pub struct Cable {
    pub sent: Rc<RefCell<Vec<Vec<u8>>>>,
    pub arriving: Rc<RefCell<VecDeque<Vec<u8>>>>,
    /// There is no room.
    pub full: Rc<RefCell<bool>>,
}

impl Wire for Cable {
    fn receive(&mut self) -> Option<Vec<u8>> {
        self.arriving.borrow_mut().pop_front()
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        let room = !*self.full.borrow();
        if room {
            self.sent.borrow_mut().push(frame.to_vec());
        }
        room
    }
}

/// A guest: its front end is honest unless a test writes in its pages itself.
pub struct Guest {
    pub domain: u16,
    pub tx: Page,
    pub rx: Page,
    pub bell: Bell,
    pub granted: Granted,
    /// Frames that are on their way: the requests of each.
    next_tx: u32,
    taken_tx: u32,
    next_rx: u32,
    taken_rx: u32,
    /// Its port of the switch.
    pub port: u32,
}

pub fn mac(domain: u16) -> [u8; 6] {
    [0, 0x16, 0x3e, 0, 0, domain as u8]
}

/// A frame between two, with a number in it.
pub fn frame(to: [u8; 6], from: [u8; 6], number: u32, len: usize) -> Vec<u8> {
    let mut bytes = [&to[..], &from[..], &[0x88, 0xb5], &number.to_le_bytes()].concat();
    let filler = (bytes.len()..len).map(|at| (at as u32 * 7 + number) as u8);
    bytes.extend(filler.collect::<Vec<_>>());
    bytes
}

pub type World = Switch<Page, Bell, Cable>;

impl Guest {
    /// A guest on a bridge, whose address the bridge is told.
    pub fn new(domain: u16, switch: &mut World, granted: &Granted, options: Options) -> Self {
        let mut guest = Guest {
            domain,
            tx: Page::default(),
            rx: Page::default(),
            bell: Bell::default(),
            granted: granted.clone(),
            next_tx: 0,
            taken_tx: 0,
            next_rx: 0,
            taken_rx: 0,
            port: 0,
        };
        for page in [&mut guest.tx, &mut guest.rx] {
            page.store_u32(REQ_EVENT, 1);
            page.store_u32(RSP_EVENT, 1);
        }
        for gref in (0..SIZE).chain(RX_GRANTS..RX_GRANTS + SIZE) {
            let mut granted = granted.0.borrow_mut();
            granted.insert((domain, gref), Page::default());
        }
        guest.connect(switch, options);
        guest
    }

    /// Connects its rings as they are.
    pub fn connect(&mut self, switch: &mut World, options: Options) {
        let (tx, rx, bell) = (self.tx.clone(), self.rx.clone(), self.bell.clone());
        let interface = Interface::new(self.domain, tx, rx, bell, options);
        self.port = switch.attach(interface, "xenbr0", Some(mac(self.domain)));
    }

    pub fn page(&self, gref: u32) -> Page {
        self.granted.0.borrow()[&(self.domain, gref)].clone()
    }

    /// Puts a request into the ring of sent frames.
    pub fn ask(&mut self, request: impl IntoBytes + zerocopy::Immutable) {
        let place = ENTRIES + (self.next_tx % SIZE) as usize * TX;
        self.tx.write(place, request.as_bytes());
        self.next_tx = self.next_tx.wrapping_add(1);
    }

    pub fn show(&mut self) {
        self.tx.store_u32(REQ_PROD, self.next_tx);
    }

    /// Requests that there is room for.
    pub fn room(&self) -> u32 {
        SIZE - self.next_tx.wrapping_sub(self.tx.load_u32(RSP_PROD))
    }

    /// Sends a frame in pieces of at most so many bytes.
    pub fn send_in(&mut self, bytes: &[u8], piece: usize, flags: u16) {
        let last = bytes.len().div_ceil(piece) - 1;
        for (index, part) in bytes.chunks(piece).enumerate() {
            let gref = self.next_tx % SIZE;
            let offset = (gref % 64) as u16;
            self.page(gref).write(offset.into(), part);
            let more = if index < last { NETTXF_more_data } else { 0 };
            let first = index == 0;
            self.ask(netif_tx_request {
                gref,
                offset,
                flags: more | if first { flags } else { 0 },
                id: gref as u16,
                size: if first { bytes.len() } else { part.len() } as u16,
            });
        }
        self.show();
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.send_in(bytes, 4000, 0);
    }

    /// What came of the requests since the last time: `id` and status.
    pub fn answers(&mut self) -> Vec<(u16, i16)> {
        let upto = self.tx.load_u32(RSP_PROD);
        let mut answers = Vec::new();
        while self.taken_tx != upto {
            let place = ENTRIES + (self.taken_tx % SIZE) as usize * TX;
            let word = self.tx.load_u32(place);
            answers.push((word as u16, (word >> 16) as u16 as i16));
            self.taken_tx = self.taken_tx.wrapping_add(1);
        }
        self.tx.store_u32(RSP_EVENT, upto.wrapping_add(1));
        answers
    }

    /// Gives up to `count` buffers.
    pub fn offer(&mut self, count: u32) {
        for _ in 0..count {
            if self.next_rx.wrapping_sub(self.taken_rx) >= SIZE {
                break;
            }
            let slot = self.next_rx % SIZE;
            let place = ENTRIES + slot as usize * RX;
            self.rx.store_u32(place, slot);
            self.rx.store_u32(place + 4, RX_GRANTS + slot);
            self.next_rx = self.next_rx.wrapping_add(1);
        }
        self.rx.store_u32(REQ_PROD, self.next_rx);
    }

    /// Frames that have come since the last time, and the flags of each; those that were not whole
    /// are empty.
    pub fn received(&mut self) -> Vec<(Vec<u8>, u16)> {
        let upto = self.rx.load_u32(RSP_PROD);
        let (mut frames, mut bytes, mut first) = (Vec::new(), Vec::new(), None);
        while self.taken_rx != upto {
            let slot = self.taken_rx % SIZE;
            let place = ENTRIES + slot as usize * RX;
            let (head, tail) = (self.rx.load_u32(place), self.rx.load_u32(place + 4));
            assert_eq!(head & 0xffff, slot, "answers are in the places of requests");
            let (offset, flags, status) = (head >> 16, tail as u16, (tail >> 16) as u16 as i16);
            if let Ok(len) = usize::try_from(status) {
                let mut part = vec![0; len];
                self.page(RX_GRANTS + slot).read(offset as usize, &mut part);
                bytes.extend(part);
            }
            first.get_or_insert(flags);
            self.taken_rx = self.taken_rx.wrapping_add(1);
            if flags & NETRXF_more_data == 0 {
                let flags = first.take().unwrap_or_default() & !NETRXF_more_data;
                frames.push((std::mem::take(&mut bytes), flags));
            }
        }
        frames
    }

    /// The bytes of those frames.
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        self.received()
            .into_iter()
            .map(|(bytes, _)| bytes)
            .collect()
    }
}

/// Turns until there is nothing to do at once; what broke.
pub fn settle(switch: &mut World, granted: &mut Granted, now: u64) -> Turn {
    let mut all = Turn::default();
    for _ in 0..100 {
        let turn = switch.turn(granted, now);
        all.broken.extend(turn.broken);
        all.due = turn.due;
        if turn.due.is_none_or(|due| due > now) {
            return all;
        }
    }
    panic!("it does not come to rest");
}
