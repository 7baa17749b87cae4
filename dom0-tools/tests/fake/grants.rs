//! Grants of other domains, and disks in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dom0_tools::block::{Disk, DiskError, DiskMachine, SECTOR, Wanted};
use dom0_tools::grants::{Copy, Grants, Local, MapError};
use dom0_tools::hyper::{Access, Errno, Mapping, PAGE_SIZE};
use dom0_tools::service::Line;
use dom0_tools::xenbus::Machine;
use hypercall_abi::errno::XEN_EINVAL;
use hypercall_abi::grant_table::*;

use super::store::{Page, step};

/// A page that a domain grants.
#[derive(Clone)]
pub struct Granted {
    pub page: Page,
    pub writable: bool,
}

/// What is shared between the backend and the test.
#[derive(Default)]
pub struct Books {
    pub granted: BTreeMap<(u16, u32), Granted>,
    /// Mappings that exist, of each grant.
    pub mapped: BTreeMap<(u16, u32), usize>,
    /// Ports that can be bound, how often each was notified, and whether it is bound.
    pub ports: BTreeMap<(u16, u32), (usize, bool)>,
    pub disks: BTreeMap<String, Rc<RefCell<Vec<u8>>>>,
    pub broken_disk: bool,
    /// Bytes of what disks give up at once, if they do.
    pub granularity: Option<u32>,
    pub flushes: usize,
    /// The first sectors of all writes to disks.
    pub writes: Vec<u64>,
    pub log: Vec<String>,
}

/// The machine of a backend.
#[derive(Clone, Default)]
pub struct Fake(pub Rc<RefCell<Books>>);

impl Fake {
    /// Grants a fresh page of a domain.
    pub fn grant(&self, domain: u16, gref: u32, writable: bool) -> Page {
        let page = Page::default();
        let granted = Granted {
            page: page.clone(),
            writable,
        };
        self.0.borrow_mut().granted.insert((domain, gref), granted);
        page
    }

    pub fn notified(&self, domain: u16, port: u32) -> usize {
        self.0.borrow().ports[&(domain, port)].0
    }
}

/// A mapping that is in the books.
pub struct Mapped {
    page: Page,
    key: (u16, u32),
    books: Rc<RefCell<Books>>,
}

impl Mapping for Mapped {
    fn read(&self, offset: usize, to: &mut [u8]) {
        self.page.read(offset, to);
    }
    fn write(&mut self, offset: usize, from: &[u8]) {
        // A step each, as where they are words of memory.
        for (at, word) in (offset..).step_by(8).zip(from.chunks(8)) {
            self.page.write(at, word);
        }
    }
    fn load_u32(&self, offset: usize) -> u32 {
        self.page.load_u32(offset)
    }
    fn store_u32(&mut self, offset: usize, value: u32) {
        self.page.store_u32(offset, value);
    }
    fn load_u64(&self, _: usize) -> u64 {
        unreachable!("rings have 32-bit indices")
    }
    fn store_u64(&mut self, _: usize, _: u64) {
        unreachable!("rings have 32-bit indices")
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        *self.books.borrow_mut().mapped.get_mut(&self.key).unwrap() -= 1;
    }
}

pub struct Wire {
    key: (u16, u32),
    books: Rc<RefCell<Books>>,
}

impl Line for Wire {
    fn notify(&mut self) {
        step();
        self.books.borrow_mut().ports.get_mut(&self.key).unwrap().0 += 1;
    }
    fn port(&self) -> u32 {
        self.key.1
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.books.borrow_mut().ports.get_mut(&self.key).unwrap().1 = false;
    }
}

impl Grants for Fake {
    type Mapping = Mapped;

    fn map_grants(&mut self, domain: u16, refs: &[u32], _: Access) -> Result<Mapped, MapError> {
        let [gref] = refs[..] else {
            unreachable!("rings have one page");
        };
        let mut books = self.0.borrow_mut();
        let key = (domain, gref);
        let Some(granted) = books.granted.get(&key).filter(|granted| granted.writable) else {
            return Err(MapError::Refused(vec![GNTST_bad_gntref]));
        };
        let page = granted.page.clone();
        *books.mapped.entry(key).or_default() += 1;
        let books = self.0.clone();
        Ok(Mapped { page, key, books })
    }

    fn copy_grants(&mut self, domain: u16, copies: &mut [Copy<'_>]) -> Result<(), Errno> {
        for copy in copies {
            let granted = self.0.borrow().granted.get(&(domain, copy.gref)).cloned();
            let at = usize::from(copy.offset);
            copy.status = match (granted, &mut copy.local) {
                (None, _) => GNTST_bad_gntref,
                (Some(of), Local::To(to)) if at + to.len() <= PAGE_SIZE => {
                    of.page.read(at, to);
                    GNTST_okay
                }
                (Some(mut of), Local::From(from)) if at + from.len() <= PAGE_SIZE => {
                    if of.writable {
                        of.page.write(at, from);
                        GNTST_okay
                    } else {
                        GNTST_permission_denied
                    }
                }
                _ => GNTST_bad_copy_arg,
            };
        }
        Ok(())
    }
}

impl Machine for Fake {
    type Line = Wire;

    fn bind(&mut self, domain: u16, port: u32) -> Result<Wire, Errno> {
        let key = (domain, port);
        match self.0.borrow_mut().ports.get_mut(&key) {
            Some((_, bound @ false)) => *bound = true,
            _ => return Err(Errno(XEN_EINVAL)),
        }
        let books = self.0.clone();
        Ok(Wire { key, books })
    }

    fn log(&mut self, message: &str) {
        self.0.borrow_mut().log.push(message.into());
    }
}

/// A disk in memory; it fails while the books say so.
pub struct Memory {
    bytes: Rc<RefCell<Vec<u8>>>,
    books: Rc<RefCell<Books>>,
}

impl Memory {
    fn works(&self) -> Result<(), DiskError> {
        if self.books.borrow().broken_disk {
            Err(DiskError)
        } else {
            Ok(())
        }
    }
}

impl Disk for Memory {
    fn sectors(&self) -> u64 {
        (self.bytes.borrow().len() / SECTOR) as u64
    }
    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        self.works()?;
        let at = sector as usize * SECTOR;
        to.copy_from_slice(&self.bytes.borrow()[at..at + to.len()]);
        Ok(())
    }
    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.works()?;
        step();
        let at = sector as usize * SECTOR;
        self.bytes.borrow_mut()[at..at + from.len()].copy_from_slice(from);
        self.books.borrow_mut().writes.push(sector);
        step();
        Ok(())
    }
    fn flush(&mut self) -> Result<(), DiskError> {
        self.works()?;
        self.books.borrow_mut().flushes += 1;
        Ok(())
    }
    fn discard_granularity(&self) -> Option<u32> {
        self.books.borrow().granularity
    }
    fn discard(&mut self, sector: u64, count: u64) -> Result<(), DiskError> {
        self.works()?;
        let (at, len) = (sector as usize * SECTOR, count as usize * SECTOR);
        self.bytes.borrow_mut()[at..at + len].fill(0);
        Ok(())
    }
}

impl DiskMachine for Fake {
    type Disk = Memory;

    fn open(&mut self, wanted: &Wanted) -> Result<Memory, String> {
        let bytes = self.0.borrow().disks.get(&wanted.target).cloned();
        let bytes = bytes.ok_or_else(|| format!("there is no {}", wanted.target))?;
        let books = self.0.clone();
        Ok(Memory { bytes, books })
    }
}
