//! Files of the ramdisk, and the console as descriptors 0 to 2.

use super::buffer;
use crate::dev::console;
use crate::mm::user;
use crate::ramdisk;
use crate::task;
use guest_kernel::cpio::File;
use guest_user::abi::Errno;

/// Descriptors below this are the console.
const FIRST_FILE: u64 = 3;
/// The most files a process can have open.
const FILES_MAX: usize = 64;
/// The most one write takes; the caller repeats for the rest.
const WRITE_MAX: u64 = 4096;
/// The most one console read gives.
const CONSOLE_READ_MAX: u64 = 4096;

pub(super) fn write(fd: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    if fd != 1 && fd != 2 {
        return Err(Errno::EBADF);
    }
    let data = user::read(ptr, len.min(WRITE_MAX))?;
    console::write(&data)?;
    Ok(data.len() as u64)
}

pub(super) fn read(fd: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    if fd != 0 {
        return Err(Errno::EBADF);
    }
    let mut buf = buffer(len.min(CONSOLE_READ_MAX))?;
    let n = console::read(&mut buf)?;
    user::write(ptr, &buf[..n])?;
    Ok(n as u64)
}

pub(super) fn open(path: &str) -> Result<u64, Errno> {
    let file = ramdisk::find(path)?;
    let slot = task::with_files(|files| match files.iter().position(Option::is_none) {
        Some(slot) => {
            files[slot] = Some(file);
            Ok(slot)
        }
        None if files.len() < FILES_MAX => {
            files.push(Some(file));
            Ok(files.len() - 1)
        }
        None => Err(Errno::EMFILE),
    });
    Ok(slot.ok_or(Errno::EBADF)?? as u64 + FIRST_FILE)
}

fn slot(fd: u64) -> Result<usize, Errno> {
    let slot = fd.checked_sub(FIRST_FILE).ok_or(Errno::EBADF)?;
    usize::try_from(slot).map_err(|_| Errno::EBADF)
}

fn file(fd: u64) -> Result<File<'static>, Errno> {
    let slot = slot(fd)?;
    let file = task::with_files(|files| files.get(slot).copied().flatten());
    file.flatten().ok_or(Errno::EBADF)
}

pub(super) fn size(fd: u64) -> Result<u64, Errno> {
    file(fd).map(|f| f.data.len() as u64)
}

pub(super) fn pread(fd: u64, ptr: u64, len: u64, offset: u64) -> Result<u64, Errno> {
    let data = file(fd)?.data;
    let from = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(data.len());
    let n = len.min(user::COPY_MAX).min((data.len() - from) as u64) as usize;
    user::write(ptr, &data[from..from + n])?;
    Ok(n as u64)
}

pub(super) fn close(fd: u64) -> Result<u64, Errno> {
    file(fd)?;
    let slot = slot(fd)?;
    task::with_files(|files| files[slot] = None);
    Ok(0)
}

pub(super) fn readdir(index: u64, ptr: u64, len: u64) -> Result<u64, Errno> {
    let name = ramdisk::nth(index).ok_or(Errno::ENOENT)?.name;
    let n = len.min(name.len() as u64) as usize;
    user::write(ptr, &name.as_bytes()[..n])?;
    Ok(name.len() as u64)
}
