//! Copies between the kernel and the memory of the running process.
//!
//! An address from a process is a claim: the range is checked against its regions, missing pages
//! are given, and only then is it touched. Nothing can change the mappings in between, because
//! the kernel does not give the processor up there.

use crate::task;
use alloc::vec::Vec;
use guest_user::abi::Errno;

/// The most one call copies, in bytes; longer transfers are cut (read, write) or refused.
pub(crate) const COPY_MAX: u64 = 1 << 20;

fn ensure(start: u64, len: u64, write: bool) -> Result<(), Errno> {
    task::with_space(|space| space.ensure(start, len, write)).ok_or(Errno::EFAULT)?
}

/// Copies in a range of at most [`COPY_MAX`] bytes.
pub(crate) fn read(start: u64, len: u64) -> Result<Vec<u8>, Errno> {
    if len > COPY_MAX {
        return Err(Errno::E2BIG);
    }
    ensure(start, len, false)?;
    let mut buf = Vec::new();
    buf.try_reserve_exact(len as usize)
        .map_err(|_| Errno::ENOMEM)?;
    buf.resize(len as usize, 0);
    // SAFETY: the range was just found mapped and readable in the active space, whose user half
    // the kernel root contains; `buf` is the kernel's own.
    unsafe { core::ptr::copy_nonoverlapping(start as *const u8, buf.as_mut_ptr(), len as usize) };
    Ok(buf)
}

/// Finds out whether a range could be written.
pub(crate) fn check_writable(start: u64, len: u64) -> Result<(), Errno> {
    ensure(start, len, true)
}

/// Copies out.
pub(crate) fn write(start: u64, data: &[u8]) -> Result<(), Errno> {
    check_writable(start, data.len() as u64)?;
    // SAFETY: the range was just found mapped and writable in the active space; it holds nothing
    // of the kernel's.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), start as *mut u8, data.len()) };
    Ok(())
}

/// Copies in text.
pub(crate) fn read_str(start: u64, len: u64, max: u64) -> Result<alloc::string::String, Errno> {
    if len > max {
        return Err(Errno::E2BIG);
    }
    alloc::string::String::from_utf8(read(start, len)?).map_err(|_| Errno::EINVAL)
}
