//! Disks that a process of this domain can serve: files of the ramdisk, to be read, and virtio disks.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use dom0_tools::block::{Disk, DiskError, DiskMachine, SECTOR, Wanted};
use guest_user::sys;
use virtio_drivers::device::blk::VirtIOBlk;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::PciTransport;

use crate::Door;
use crate::pci::Claim;
use crate::virtio::{self, Memory};

/// What virtio disks are called: `/dev/vda` is the first on the bus.
const VIRTIO: &str = "/dev/vd";

/// A file of the ramdisk, which cannot be written.
pub struct FileDisk {
    descriptor: u64,
    sectors: u64,
}

impl FileDisk {
    fn open(path: &str) -> Result<Self, String> {
        let descriptor = sys::open(path).map_err(|errno| format!("{path}: {errno}"))?;
        let size = sys::fsize(descriptor).unwrap_or(0);
        Ok(FileDisk {
            descriptor,
            sectors: size / SECTOR as u64,
        })
    }
}

impl Disk for FileDisk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        let offset = sector * SECTOR as u64;
        match sys::pread(self.descriptor, to, offset) {
            Ok(count) if count == to.len() => Ok(()),
            _ => Err(DiskError),
        }
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(DiskError)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

impl Drop for FileDisk {
    fn drop(&mut self) {
        // The descriptor is this object's alone, so it is not refused.
        let _ = sys::close(self.descriptor);
    }
}

/// A virtio disk, which has one driver at a time.
pub struct VirtioDisk {
    /// `None` while it ends.
    driver: Option<Box<VirtIOBlk<Memory, PciTransport>>>,
    _claim: Claim,
}

impl VirtioDisk {
    fn open(letter: &str, writable: bool) -> Result<Self, String> {
        let [letter @ b'a'..=b'z'] = letter.as_bytes() else {
            return Err("there is no such disk".into());
        };
        let index = letter - b'a';
        let found = virtio::find(DeviceType::Block, index.into())?;
        let driver = VirtIOBlk::new(found.transport).map_err(|error| format!("{error}"))?;
        if writable && driver.readonly() {
            return Err("it cannot be written".into());
        }
        Ok(VirtioDisk {
            driver: Some(Box::new(driver)),
            _claim: found.claim,
        })
    }

    fn driver(&mut self) -> Result<&mut VirtIOBlk<Memory, PciTransport>, DiskError> {
        self.driver.as_deref_mut().ok_or(DiskError)
    }
}

impl Drop for VirtioDisk {
    fn drop(&mut self) {
        // The device is reset before another may have it.
        self.driver = None;
    }
}

impl Disk for VirtioDisk {
    fn sectors(&self) -> u64 {
        self.driver.as_ref().map_or(0, |driver| driver.capacity())
    }

    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        let done = self.driver()?.read_blocks(sector as usize, to);
        done.map_err(|_| DiskError)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        let done = self.driver()?.write_blocks(sector as usize, from);
        done.map_err(|_| DiskError)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.driver()?.flush().map_err(|_| DiskError)
    }
}

/// Any of them.
pub enum AnyDisk {
    /// A file.
    File(FileDisk),
    /// A virtio disk.
    Virtio(VirtioDisk),
}

impl AnyDisk {
    fn disk(&mut self) -> &mut dyn Disk {
        match self {
            AnyDisk::File(disk) => disk,
            AnyDisk::Virtio(disk) => disk,
        }
    }
}

impl Disk for AnyDisk {
    fn sectors(&self) -> u64 {
        match self {
            AnyDisk::File(disk) => disk.sectors(),
            AnyDisk::Virtio(disk) => disk.sectors(),
        }
    }

    fn read(&mut self, sector: u64, to: &mut [u8]) -> Result<(), DiskError> {
        self.disk().read(sector, to)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.disk().write(sector, from)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.disk().flush()
    }
}

impl DiskMachine for Door {
    type Disk = AnyDisk;

    fn open(&mut self, wanted: &Wanted) -> Result<AnyDisk, String> {
        let Wanted { target, writable } = wanted;
        if let Some(letter) = target.strip_prefix(VIRTIO) {
            let opened = VirtioDisk::open(letter, *writable);
            let opened = opened.map_err(|why| format!("{target}: {why}"))?;
            return Ok(AnyDisk::Virtio(opened));
        }
        if *writable {
            return Err(format!("{target}: a file of the ramdisk cannot be written"));
        }
        FileDisk::open(target).map(AnyDisk::File)
    }
}
