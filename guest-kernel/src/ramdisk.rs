//! The ramdisk: an uncompressed cpio archive ("newc"), read where it lies. Pure.

use crate::global::Global;
use alloc::vec::Vec;
use guest_user::abi::Errno;

const HEADER_LEN: usize = 110;
const MAGIC: &[u8] = b"070701";
const TRAILER: &[u8] = b"TRAILER!!!";
/// Mode bits that tell a file's kind, and those of a regular file.
const KIND: u64 = 0o170000;
const REGULAR: u64 = 0o100000;

/// A regular file.
#[derive(Clone, Copy)]
pub(crate) struct File {
    /// Its path, with a leading slash made by [`File::is`] where the archive has none.
    pub(crate) name: &'static str,
    pub(crate) data: &'static [u8],
}

impl File {
    /// Whether this is the file at an absolute path.
    fn is(&self, path: &str) -> bool {
        self.name.trim_start_matches("./").trim_start_matches('/') == path.trim_start_matches('/')
    }
}

static FILES: Global<Vec<File>> = Global::new(Vec::new());

/// The hexadecimal field number `n` after the magic.
fn field(header: &[u8], n: usize) -> Option<u64> {
    let text = core::str::from_utf8(header.get(6 + n * 8..14 + n * 8)?).ok()?;
    u64::from_str_radix(text, 16).ok()
}

fn align4(n: usize) -> usize {
    n.next_multiple_of(4)
}

/// Parses one member; returns it (if it is a regular file) and where the next begins. `None` at
/// the trailer, `Err` if the archive is malformed.
fn member(
    archive: &'static [u8],
    at: usize,
) -> Result<Option<(Option<File>, usize)>, &'static str> {
    let header = at
        .checked_add(HEADER_LEN)
        .and_then(|end| archive.get(at..end));
    let header = header.ok_or("an entry is cut off")?;
    if !header.starts_with(MAGIC) {
        return Err("an entry has no newc magic");
    }
    let number = |n| field(header, n).ok_or("a header field is not hexadecimal");
    let (mode, size, name_len) = (number(1)?, number(6)? as usize, number(11)? as usize);
    let name_at = at + HEADER_LEN;
    let name = name_at
        .checked_add(name_len)
        .and_then(|end| archive.get(name_at..end));
    let name = name
        .and_then(|n| n.strip_suffix(&[0]))
        .ok_or("a name is cut off")?;
    if name == TRAILER {
        return Ok(None);
    }
    let data_at = align4(name_at + name_len);
    let data_end = data_at.checked_add(size).ok_or("a size is absurd")?;
    let data = archive.get(data_at..data_end).ok_or("a file is cut off")?;
    let name = core::str::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
    let file = (mode & KIND == REGULAR).then_some(File { name, data });
    Ok(Some((file, align4(data_end))))
}

/// Reads the archive's directory; returns how many files it has.
pub(crate) fn init(archive: &'static [u8]) -> Result<usize, &'static str> {
    let mut at = 0;
    let mut files = Vec::new();
    while let Some((file, next)) = member(archive, at)? {
        files.extend(file);
        at = next;
    }
    let count = files.len();
    FILES.with(|f| *f = files);
    Ok(count)
}

/// Finds a file by path.
pub(crate) fn find(path: &str) -> Result<File, Errno> {
    FILES
        .with(|files| files.iter().find(|f| f.is(path)).copied())
        .ok_or(Errno::ENOENT)
}

/// The file number `index` of the archive.
pub(crate) fn nth(index: u64) -> Option<File> {
    FILES.with(|files| files.get(usize::try_from(index).ok()?).copied())
}
