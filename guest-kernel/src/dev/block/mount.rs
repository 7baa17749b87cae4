//! Files on disks: ext2 and ext4, to be read. `/mnt/xvda/etc/motd` is `/etc/motd` on xvda. A file is
//! read when it is opened, and is then what it was at that moment.

use super::{find, geometry, read};
use crate::global::Global;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::error::Error;
use ext4_view::{Ext4, Ext4Error, Ext4Read};
use guest_kernel::block::SECTOR;
use guest_user::abi::Errno;

/// Where disks are mounted.
const MOUNTS: &str = "/mnt/";
/// The longest file that is read.
const FILE_MAX: u64 = 8 << 20;

/// The bytes of a disk, wherever they begin.
struct Bytes(u32);

impl Ext4Read for Bytes {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let first = start / SECTOR as u64 * SECTOR as u64;
        let skipped = (start - first) as usize;
        let len = (skipped + to.len()).next_multiple_of(SECTOR);
        let mut whole = Vec::new();
        whole.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        whole.resize(len, 0);
        read(self.0, first, &mut whole)?;
        to.copy_from_slice(&whole[skipped..skipped + to.len()]);
        Ok(())
    }
}

fn errno(error: &Ext4Error) -> Errno {
    match error {
        Ext4Error::NotFound => Errno::ENOENT,
        Ext4Error::Io(error) => error.downcast_ref().copied().unwrap_or(Errno::EIO),
        Ext4Error::IsADirectory | Ext4Error::NotADirectory => Errno::EINVAL,
        // It is none of these file systems, or broken.
        _ => Errno::EIO,
    }
}

/// Whether a path is one of a file on a disk.
pub(crate) fn is_mounted(path: &str) -> bool {
    path.starts_with(MOUNTS)
}

/// Files that are open, and the number of the next.
struct Files {
    all: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

static FILES: Global<Files> = Global::new(Files {
    all: BTreeMap::new(),
    next: 0,
});

/// Opens a file; its number.
///
/// # Errors
/// `ENOENT`: there is no such file or disk. `E2BIG`: it is too long. `EIO`: the disk fails, or has no
/// such file system.
pub(crate) fn open(path: &str) -> Result<u64, Errno> {
    let content = read_file(path)?;
    Ok(FILES.with(|files| {
        let number = files.next;
        files.next += 1;
        files.all.insert(number, content);
        number
    }))
}

/// Bytes of an open file.
pub(crate) fn size(file: u64) -> u64 {
    FILES.with(|files| {
        files
            .all
            .get(&file)
            .map_or(0, |content| content.len() as u64)
    })
}

/// Copies from an open file; how many bytes there were.
pub(crate) fn read_at(file: u64, offset: u64, to: &mut [u8]) -> usize {
    FILES.with(|files| {
        let content = files.all.get(&file).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.len());
        let count = to.len().min(content.len() - from);
        to[..count].copy_from_slice(&content[from..from + count]);
        count
    })
}

/// Closes a file.
pub(crate) fn close(file: u64) {
    FILES.with(|files| files.all.remove(&file));
}

fn read_file(path: &str) -> Result<Vec<u8>, Errno> {
    let (disk, path) = path
        .strip_prefix(MOUNTS)
        .and_then(|rest| rest.split_at_checked(rest.find('/')?))
        .ok_or(Errno::ENOENT)?;
    let number = find(disk)?;
    // A file system needs a superblock; that is checked, what it says is not trusted.
    geometry(number)?;
    let system = Ext4::load(Box::new(Bytes(number))).map_err(|e| errno(&e))?;
    let metadata = system.metadata(path).map_err(|e| errno(&e))?;
    if metadata.len() > FILE_MAX {
        return Err(Errno::E2BIG);
    }
    system.read(path).map_err(|e| errno(&e))
}
