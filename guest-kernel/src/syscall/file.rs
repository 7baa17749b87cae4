//! Descriptors: the console as 0 to 2, then files of the ramdisk, local channels, disks and files on
//! them.

use super::{buffer, channel};
use crate::dev::block::{self, mount};
use crate::dev::{console, net};
use crate::mm::user;
use crate::ramdisk;
use crate::task;
use alloc::vec::Vec;
use guest_kernel::block::SECTOR;
use guest_kernel::channel::Id;
use guest_kernel::cpio::File;
use guest_user::abi::Errno;

/// Descriptors below this are the console.
const FIRST_FILE: u64 = 3;
/// The most files a process can have open.
const FILES_MAX: usize = 1024;
/// The most one write to the console takes; the caller repeats for the rest.
const WRITE_MAX: u64 = 4096;
/// The most one console read gives.
const CONSOLE_READ_MAX: u64 = 4096;
/// The most one read or write of a stream moves.
const STREAM_MAX: u64 = 16_384;

/// What a descriptor stands for.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    /// A file of the ramdisk.
    File(File<'static>),
    /// A listener, or one end of a stream.
    Channel(Id),
    /// A disk, by its number.
    Disk(u32),
    /// A file on a disk.
    Mounted(u64),
    /// The network interface: each read and write is a frame.
    Network,
}

/// Where disks are, as their sectors.
const DEVICES: &str = "/dev/";
/// The network interface's name.
const NETWORK: &str = "/dev/net0";
/// The most one frame is.
const FRAME_MAX: u64 = 4096;

pub(super) fn write(fd: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    if fd == 1 || fd == 2 {
        let data = user::read(ptr, len.min(WRITE_MAX))?;
        console::write(&data)?;
        return Ok(data.len() as u64);
    }
    if let Open::Network = get(fd)? {
        // One that is longer is refused.
        return net::send(&user::read(ptr, len.min(FRAME_MAX + 1))?).map(|n| n as u64);
    }
    let end = channel::end(fd)?;
    let data = user::read(ptr, len.min(STREAM_MAX))?;
    channel::write(end, &data).map(|n| n as u64)
}

pub(super) fn read(fd: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    let (mut buf, n);
    if fd == 0 {
        buf = buffer(len.min(CONSOLE_READ_MAX))?;
        n = console::read(&mut buf)?;
    } else if let Open::Network = get(fd)? {
        buf = buffer(len.min(FRAME_MAX))?;
        user::check_writable(ptr, buf.len() as u64)?;
        n = net::receive(&mut buf)?;
    } else {
        let end = channel::end(fd)?;
        buf = buffer(len.min(STREAM_MAX))?;
        // What cannot be delivered must stay in the stream.
        user::check_writable(ptr, buf.len() as u64)?;
        n = channel::read(end, &mut buf)?;
    }
    user::write(ptr, &buf[..n])?;
    Ok(n as u64)
}

pub(super) fn open(path: &str) -> Result<u64, Errno> {
    if path == NETWORK {
        check_room()?;
        net::open()?;
        return add(Open::Network);
    }
    if let Some(name) = path.strip_prefix(DEVICES)
        && let Ok(disk) = block::find(name)
    {
        return add(Open::Disk(disk));
    }
    if mount::is_mounted(path) {
        check_room()?;
        return add(Open::Mounted(mount::open(path)?));
    }
    add(Open::File(ramdisk::find(path)?))
}

/// What a second process has of the running one's descriptors, by the same numbers: those that it
/// can have without taking anything from the first, files of the ramdisk and disks.
pub(crate) fn inherited() -> Result<Vec<Option<Open>>, Errno> {
    let copied = task::with_files(|files| {
        let mut copy = Vec::new();
        copy.try_reserve_exact(files.len())
            .map_err(|_| Errno::ENOMEM)?;
        let has = |open: &Open| matches!(open, Open::File(_) | Open::Disk(_));
        copy.extend(files.iter().map(|open| open.filter(has)));
        Ok(copy)
    });
    copied.ok_or(Errno::EPERM)?
}

/// Whether the running process may have another descriptor.
pub(super) fn check_room() -> Result<(), Errno> {
    let full = task::with_files(|files| files.iter().flatten().count() >= FILES_MAX);
    if full.ok_or(Errno::EBADF)? {
        return Err(Errno::EMFILE);
    }
    Ok(())
}

/// Gives the running process a descriptor: the lowest that is free.
pub(super) fn add(open: Open) -> Result<u64, Errno> {
    check_room()?;
    let slot = task::with_files(|files| {
        let free = files.iter().position(Option::is_none);
        let slot = free.unwrap_or(files.len());
        match free {
            Some(slot) => files[slot] = Some(open),
            None => files.push(Some(open)),
        }
        slot
    });
    Ok(slot.ok_or(Errno::EBADF)? as u64 + FIRST_FILE)
}

fn slot(fd: u64) -> Result<usize, Errno> {
    let slot = fd.checked_sub(FIRST_FILE).ok_or(Errno::EBADF)?;
    usize::try_from(slot).map_err(|_| Errno::EBADF)
}

/// What a descriptor of the running process stands for.
pub(super) fn get(fd: u64) -> Result<Open, Errno> {
    let slot = slot(fd)?;
    let open = task::with_files(|files| files.get(slot).copied().flatten());
    open.flatten().ok_or(Errno::EBADF)
}

/// Serves `SYS_NET_ADDRESS`.
pub(super) fn net_address(fd: u64, ptr: u64) -> Result<u64, Errno> {
    match get(fd)? {
        Open::Network => user::write(ptr, &net::address()?).map(|()| 0),
        _ => Err(Errno::EBADF),
    }
}

/// `POLL_*` bits of a descriptor.
pub(super) fn ready(fd: u64) -> Result<u32, Errno> {
    match get(fd)? {
        Open::Network => Ok(net::ready()),
        _ => channel::ready(fd),
    }
}

pub(super) fn size(fd: u64) -> Result<u64, Errno> {
    match get(fd)? {
        Open::File(file) => Ok(file.data.len() as u64),
        Open::Disk(disk) => Ok(block::geometry(disk)?.sectors * SECTOR as u64),
        Open::Mounted(file) => Ok(mount::size(file)),
        Open::Channel(_) | Open::Network => Err(Errno::EBADF),
    }
}

pub(super) fn pread(fd: u64, ptr: u64, len: u64, offset: u64) -> Result<u64, Errno> {
    match get(fd)? {
        Open::File(file) => read_ramdisk(file.data, ptr, len, offset),
        Open::Disk(disk) => {
            let mut buf = buffer(len)?;
            user::check_writable(ptr, buf.len() as u64)?;
            block::read(disk, offset, &mut buf)?;
            user::write(ptr, &buf)?;
            Ok(buf.len() as u64)
        }
        Open::Mounted(file) => {
            let mut buf = buffer(len.min(mount::size(file)))?;
            let count = mount::read_at(file, offset, &mut buf);
            user::write(ptr, &buf[..count])?;
            Ok(count as u64)
        }
        Open::Channel(_) | Open::Network => Err(Errno::EBADF),
    }
}

fn read_ramdisk(data: &[u8], ptr: u64, len: u64, offset: u64) -> Result<u64, Errno> {
    let from = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(data.len());
    let n = len.min(user::COPY_MAX).min((data.len() - from) as u64) as usize;
    user::write(ptr, &data[from..from + n])?;
    Ok(n as u64)
}

/// Serves `SYS_PWRITE`.
pub(super) fn pwrite(fd: u64, ptr: u64, len: u64, offset: u64) -> Result<u64, Errno> {
    let Open::Disk(disk) = get(fd)? else {
        return Err(Errno::EBADF);
    };
    let data = user::read(ptr, len)?;
    block::write(disk, offset, &data)?;
    Ok(len)
}

/// Serves `SYS_FLUSH`.
pub(super) fn flush(fd: u64) -> Result<u64, Errno> {
    match get(fd)? {
        Open::Disk(disk) => block::flush(disk).map(|()| 0),
        _ => Err(Errno::EBADF),
    }
}

/// Serves `SYS_DISCARD`.
pub(super) fn discard(fd: u64, offset: u64, len: u64) -> Result<u64, Errno> {
    match get(fd)? {
        Open::Disk(disk) => block::discard(disk, offset, len).map(|()| 0),
        _ => Err(Errno::EBADF),
    }
}

pub(super) fn close(fd: u64) -> Result<u64, Errno> {
    let (open, slot) = (get(fd)?, slot(fd)?);
    task::with_files(|files| files[slot] = None);
    match open {
        Open::Channel(id) => channel::close(id)?,
        Open::Network => net::close(),
        Open::Mounted(file) => mount::close(file),
        Open::File(_) | Open::Disk(_) => {}
    }
    Ok(0)
}

/// Closes every descriptor of the running process, which ends.
pub(super) fn close_all() {
    let files = task::with_files(core::mem::take).unwrap_or_default();
    for open in files.into_iter().flatten() {
        match open {
            // A descriptor stands for an end that is not closed.
            Open::Channel(id) => drop(channel::close(id)),
            Open::Network => net::close(),
            Open::Mounted(file) => mount::close(file),
            Open::File(_) | Open::Disk(_) => {}
        }
    }
}

pub(super) fn readdir(index: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    let name = ramdisk::nth(index).ok_or(Errno::ENOENT)?.name;
    let n = len.min(name.len() as u64) as usize;
    user::write(ptr, &name.as_bytes()[..n])?;
    Ok(name.len() as u64)
}
