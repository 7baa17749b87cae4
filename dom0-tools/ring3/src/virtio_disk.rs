//! Virtio disks. A request is on its way at a time, and whoever asks sleeps until the device interrupts:
//! of the `virtio-drivers` crate this has the queue and the transport, as its disk waits in a loop, and
//! knows no discards.

use alloc::format;
use alloc::string::String;

use bitflags::bitflags;
use dom0_tools::block::{Disk, DiskError, SECTOR};
use guest_user::sys;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::{DeviceType, Transport};
use zerocopy::{Immutable, IntoBytes};

use crate::interrupt::Interrupt;
use crate::pci::Claim;
use crate::virtio::{self, Memory};

/// The device's only queue that is used, and its entries: a request takes three.
const QUEUE: u16 = 0;
const ENTRIES: usize = 4;
/// The device is looked at after so many nanoseconds even if it does not interrupt; and so often where it
/// cannot.
const LOST: u64 = 1_000_000_000;
const PAUSE: u64 = 50_000;

bitflags! {
    /// What both sides can do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Features: u64 {
        const READ_ONLY = 1 << 5;
        const FLUSH = 1 << 9;
        const DISCARD = 1 << 13;
        const VERSION_1 = 1 << 32;
    }
}

/// Places in the device's configuration.
const CAPACITY: usize = 0;
const DISCARD_SECTORS_MAX: usize = 36;
const DISCARD_ALIGNMENT: usize = 44;

/// Kinds of requests.
const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const DISCARD: u32 = 11;
/// What comes of one that is done.
const OK: u8 = 0;

/// What a request begins with.
#[repr(C)]
#[derive(IntoBytes, Immutable)]
struct Head {
    kind: u32,
    reserved: u32,
    sector: u64,
}

/// Sectors to give up.
#[repr(C)]
#[derive(IntoBytes, Immutable)]
struct Range {
    sector: u64,
    count: u32,
    flags: u32,
}

/// How a disk gives sectors up.
#[derive(Debug, Clone, Copy)]
struct Discards {
    /// How many at once.
    most: u32,
    /// What can be given up at once, in sectors.
    alignment: u32,
}

/// A virtio disk, which has one driver at a time.
pub(crate) struct VirtioDisk {
    // It goes first, by which the device is reset: then it reaches no memory any more.
    transport: PciTransport,
    queue: VirtQueue<Memory, ENTRIES>,
    interrupt: Option<Interrupt>,
    features: Features,
    sectors: u64,
    discards: Option<Discards>,
    _claim: Claim,
}

impl VirtioDisk {
    /// The disk with a letter: `a` is the first on the bus.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn open(letter: &str, writable: bool) -> Result<Self, String> {
        let [letter @ b'a'..=b'z'] = letter.as_bytes() else {
            return Err("there is no such disk".into());
        };
        let index = letter - b'a';
        let found = virtio::find(DeviceType::Block, index.into())?;
        let disk = Self::start(found).map_err(|error| format!("{error}"))?;
        if writable && disk.features.contains(Features::READ_ONLY) {
            return Err("it cannot be written".into());
        }
        Ok(disk)
    }

    fn start(found: virtio::Found) -> virtio_drivers::Result<Self> {
        let mut transport = found.transport;
        let features = transport.begin_init(Features::all());
        let sectors = transport.read_consistent(|| {
            let [low, high] =
                [CAPACITY, CAPACITY + 4].map(|at| transport.read_config_space::<u32>(at));
            Ok(u64::from(low?) | u64::from(high?) << 32)
        })?;
        let discards = if features.contains(Features::DISCARD) {
            Some(Discards {
                most: transport.read_config_space(DISCARD_SECTORS_MAX)?,
                alignment: transport.read_config_space(DISCARD_ALIGNMENT)?,
            })
        } else {
            None
        };
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false)?;
        transport.finish_init();
        Ok(VirtioDisk {
            transport,
            queue,
            interrupt: found.interrupt,
            features,
            sectors,
            discards: discards.filter(|discards| discards.most > 0),
            _claim: found.claim,
        })
    }

    /// Has the device do something, and waits until it is done.
    fn ask(&mut self, kind: u32, sector: u64, from: &[u8], to: &mut [u8]) -> Result<(), DiskError> {
        let head = Head {
            kind,
            reserved: 0,
            sector,
        };
        let mut status = [!OK];
        let (has_input, has_output) = (!from.is_empty(), !to.is_empty());
        let inputs = [head.as_bytes(), from];
        let inputs = &inputs[..1 + usize::from(has_input)];
        let mut outputs = [to, &mut status];
        let outputs = &mut outputs[usize::from(!has_output)..];
        // SAFETY: nothing looks at the buffers before they are popped, or this ends: the device reaches
        // copies of them only, as `Memory` shares them.
        let token = unsafe { self.queue.add(inputs, outputs) }.map_err(|_| DiskError)?;
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
        self.wait();
        // SAFETY: they are the buffers that the token stands for.
        let popped = unsafe { self.queue.pop_used(token, inputs, outputs) };
        popped.map_err(|_| DiskError)?;
        if status == [OK] {
            Ok(())
        } else {
            Err(DiskError)
        }
    }

    /// Waits until the device has done what was asked of it. Its interrupt is taken before that is looked
    /// at: so each has its answer, and none is left over that keeps the line from others.
    fn wait(&mut self) {
        loop {
            match &self.interrupt {
                Some(interrupt) => {
                    interrupt.wait(LOST);
                    self.transport.ack_interrupt();
                    interrupt.end();
                }
                None => sys::sleep(PAUSE),
            }
            if self.queue.can_pop() {
                return;
            }
        }
    }
}

impl Disk for VirtioDisk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        self.ask(READ, sector, &[], to)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.ask(WRITE, sector, from, &mut [])
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        // One that cannot has written what it has answered.
        if !self.features.contains(Features::FLUSH) {
            return Ok(());
        }
        self.ask(FLUSH, 0, &[], &mut [])
    }

    fn discard_granularity(&self) -> Option<u32> {
        let alignment = self.discards?.alignment.max(1);
        alignment.checked_mul(SECTOR as u32)
    }

    fn discard(&mut self, mut sector: u64, mut count: u64) -> Result<(), DiskError> {
        let most = self.discards.ok_or(DiskError)?.most;
        while count > 0 {
            let now = u32::try_from(count).unwrap_or(u32::MAX).min(most);
            let range = Range {
                sector,
                count: now,
                flags: 0,
            };
            self.ask(DISCARD, 0, range.as_bytes(), &mut [])?;
            sector += u64::from(now);
            count -= u64::from(now);
        }
        Ok(())
    }
}
