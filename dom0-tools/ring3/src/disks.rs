//! Disks that a process of this domain can serve: files of the ramdisk, to be read, and virtio disks.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use dom0_tools::block::{Disk, DiskError, DiskMachine, SECTOR, Wanted};
use guest_user::sys;

use crate::Door;
use crate::virtio_disk::VirtioDisk;

/// What virtio disks are called: `/dev/vda` is the first on the bus.
const VIRTIO: &str = "/dev/vd";

/// A file of the ramdisk, which cannot be written.
pub(crate) struct FileDisk {
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

impl DiskMachine for Door {
    type Disk = Box<dyn Disk>;

    fn open(&mut self, wanted: &Wanted) -> Result<Box<dyn Disk>, String> {
        let Wanted { target, writable } = wanted;
        if let Some(letter) = target.strip_prefix(VIRTIO) {
            let opened = VirtioDisk::open(letter, *writable);
            let opened = opened.map_err(|why| format!("{target}: {why}"))?;
            return Ok(Box::new(opened));
        }
        if *writable {
            return Err(format!("{target}: a file of the ramdisk cannot be written"));
        }
        Ok(Box::new(FileDisk::open(target)?))
    }
}
