//! The files of the ramdisk, which lie where the loader put it.

use crate::global::Global;
use alloc::vec::Vec;
use guest_kernel::cpio::{self, File};
use guest_user::abi::Errno;

static FILES: Global<Vec<File<'static>>> = Global::new(Vec::new());

/// Reads the archive's directory; returns how many files it has.
pub(crate) fn init(archive: &'static [u8]) -> Result<usize, &'static str> {
    let files = cpio::read(archive)?;
    let count = files.len();
    FILES.with(|f| *f = files);
    Ok(count)
}

/// Finds a file by path.
pub(crate) fn find(path: &str) -> Result<File<'static>, Errno> {
    let found = FILES.with(|files| files.iter().find(|f| f.is_at(path)).copied());
    found.ok_or(Errno::ENOENT)
}

/// The file number `index` of the archive.
pub(crate) fn nth(index: u64) -> Option<File<'static>> {
    FILES.with(|files| files.get(usize::try_from(index).ok()?).copied())
}
