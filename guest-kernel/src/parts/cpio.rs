//! The ramdisk's format: an uncompressed cpio archive ("newc"), read where it lies.

use alloc::vec::Vec;

const HEADER_LEN: usize = 110;
const MAGIC: &[u8] = b"070701";
const TRAILER: &[u8] = b"TRAILER!!!";
/// Mode bits that tell a file's kind, and those of a regular file.
const KIND: u64 = 0o170000;
const REGULAR: u64 = 0o100000;

/// A regular file of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Its path as the archive has it.
    pub name: &'a str,
    /// Its contents.
    pub data: &'a [u8],
}

impl File<'_> {
    /// Whether this is the file at an absolute path: archives write `bin/sh`, `./bin/sh` or
    /// `/bin/sh` for the same file.
    pub fn is_at(&self, path: &str) -> bool {
        relative(self.name) == relative(path)
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches("./").trim_start_matches('/')
}

/// The hexadecimal field number `n` after the magic: eight digits.
fn field(header: &[u8], n: usize) -> Result<usize, &'static str> {
    let digits = header.get(6 + n * 8..14 + n * 8).unwrap_or(b"");
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit)
            .to_digit(16)
            .ok_or("a header field is not hexadecimal")?;
        Ok(value << 4 | digit as usize)
    })
}

fn align4(n: usize) -> Result<usize, &'static str> {
    n.checked_next_multiple_of(4).ok_or("a size is absurd")
}

/// `len` bytes at `at`.
fn part(archive: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    archive.get(at..at.checked_add(len)?)
}

/// One entry of an archive.
enum Entry<'a> {
    File(File<'a>),
    /// A directory, a link, a device: nothing that the kernel serves.
    Other,
    Trailer,
}

/// Reads the entry at `at`; returns it and where the next begins.
fn entry(archive: &[u8], at: usize) -> Result<(Entry<'_>, usize), &'static str> {
    let header = part(archive, at, HEADER_LEN).ok_or("an entry is cut off")?;
    if !header.starts_with(MAGIC) {
        return Err("an entry has no newc magic");
    }
    let (mode, size, name_len) = (field(header, 1)?, field(header, 6)?, field(header, 11)?);
    let name_at = at + HEADER_LEN;
    let name = part(archive, name_at, name_len).and_then(|n| n.strip_suffix(&[0]));
    let name = name.ok_or("a name is cut off")?;
    if name == TRAILER {
        return Ok((Entry::Trailer, at));
    }
    let data_at = align4(name_at + name_len)?;
    let data = part(archive, data_at, size).ok_or("a file is cut off")?;
    let name = core::str::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
    let next = align4(data_at + size)?;
    if mode as u64 & KIND != REGULAR {
        return Ok((Entry::Other, next));
    }
    Ok((Entry::File(File { name, data }), next))
}

/// The regular files of an archive, in its order.
///
/// # Errors
/// What is wrong with the archive. Nothing of a malformed archive is used.
pub fn read(archive: &[u8]) -> Result<Vec<File<'_>>, &'static str> {
    let mut files = Vec::new();
    let mut at = 0;
    loop {
        let (entry, next) = entry(archive, at)?;
        match entry {
            Entry::File(file) => files.push(file),
            Entry::Other => {}
            Entry::Trailer => return Ok(files),
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    fn add(archive: &mut Vec<u8>, mode: u32, name: &str, data: &[u8]) {
        let (size, name_len) = (data.len(), name.len() + 1);
        let fields = [
            0,
            mode,
            0,
            0,
            1,
            0,
            size as u32,
            0,
            0,
            0,
            0,
            name_len as u32,
            0,
        ];
        archive.extend_from_slice(MAGIC);
        for value in fields {
            archive.extend_from_slice(format!("{value:08x}").as_bytes());
        }
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }

    fn sample() -> Vec<u8> {
        let mut archive = Vec::new();
        add(&mut archive, 0o040755, "bin", b"");
        add(&mut archive, 0o100755, "./bin/sh", b"shell");
        add(&mut archive, 0o120777, "bin/link", b"sh");
        add(&mut archive, 0o100644, "etc/empty", b"");
        add(&mut archive, 0, "TRAILER!!!", b"");
        archive
    }

    #[test]
    fn regular_files_are_found_whatever_their_prefix() {
        let archive = sample();
        let files = read(&archive).unwrap();
        assert_eq!(files.len(), 2);
        assert!(files[0].is_at("/bin/sh") && !files[0].is_at("/bin/s"));
        assert_eq!(files[0].data, b"shell");
        assert!(files[1].is_at("etc/empty") && files[1].data.is_empty());
    }

    #[test]
    fn every_truncation_is_refused() {
        let archive = sample();
        let end = archive.len() - 2; // the trailer's name is whole; what follows is padding
        for len in 0..end - 2 {
            assert!(read(&archive[..len]).is_err(), "{len} bytes were accepted");
        }
    }

    #[test]
    fn every_changed_byte_is_survived() {
        let archive = sample();
        for at in 0..archive.len() {
            for value in [0, b'0', b'f', b'+', 0xff] {
                let mut changed = archive.clone();
                changed[at] = value;
                // Whatever it says now, it must not panic or run for ever.
                let _ = read(&changed);
            }
        }
    }

    #[test]
    fn errors_name_the_cause() {
        assert_eq!(read(b""), Err("an entry is cut off"));
        assert_eq!(read(&[b'x'; 200]), Err("an entry has no newc magic"));
        let mut signed = sample();
        signed[6] = b'+';
        signed[14] = b'+';
        assert_eq!(read(&signed), Err("a header field is not hexadecimal"));
        let mut long = Vec::new();
        add(&mut long, 0o100644, "a", b"data");
        long[54..62].copy_from_slice(b"ffffffff");
        assert_eq!(read(&long), Err("a file is cut off"));
    }
}
