//! ELF executables of processes: a bounds-checked reader of what the kernel needs. Pure.

use crate::mm::paging::pte;
use alloc::vec::Vec;
use guest_user::abi::{USER_BASE, USER_END};

const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const EM_X86_64: u16 = 62;
const ET_EXEC: u16 = 2;
const PROGRAM_HEADER_LEN: usize = 56;
const PAGE: u64 = 4096;

/// One loadable segment.
pub(crate) struct Segment<'a> {
    pub(crate) va: u64,
    /// Length in memory; what `data` does not cover is zero.
    pub(crate) len: u64,
    pub(crate) data: &'a [u8],
    /// Page-table rights.
    pub(crate) rights: u64,
}

/// A program.
pub(crate) struct Program<'a> {
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment<'a>>,
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], &'static str> {
    let part = at
        .checked_add(N)
        .and_then(|end| file.get(at..end))
        .ok_or("it is cut off")?;
    part.try_into().map_err(|_| "it is cut off")
}

fn half(file: &[u8], at: usize) -> Result<u16, &'static str> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn word(file: &[u8], at: usize) -> Result<u32, &'static str> {
    bytes(file, at).map(u32::from_le_bytes)
}

fn quad(file: &[u8], at: usize) -> Result<u64, &'static str> {
    bytes(file, at).map(u64::from_le_bytes)
}

fn segment(file: &[u8], at: usize) -> Result<Option<Segment<'_>>, &'static str> {
    let (kind, flags) = (word(file, at)?, word(file, at + 4)?);
    let (offset, va) = (quad(file, at + 8)?, quad(file, at + 16)?);
    let (file_len, len) = (quad(file, at + 32)?, quad(file, at + 40)?);
    if kind != PT_LOAD || len == 0 {
        return Ok(None);
    }
    let end = va.checked_add(len).ok_or("a segment wraps around")?;
    if va < USER_BASE || end > USER_END || va % PAGE != 0 {
        return Err("a segment is misaligned or outside the user range");
    }
    if file_len > len {
        return Err("a segment is longer in the file than in memory");
    }
    let data = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(file_len).ok());
    let data = data
        .and_then(|(o, n)| file.get(o..o.checked_add(n)?))
        .ok_or("a segment is cut off")?;
    let rights = match (flags & PF_W != 0, flags & PF_X != 0) {
        (true, true) => return Err("a segment is writable and executable"),
        (true, false) => pte::RW,
        (false, true) => pte::RX,
        (false, false) => pte::RO,
    };
    Ok(Some(Segment {
        va,
        len,
        data,
        rights,
    }))
}

/// Reads an executable; the error says what is wrong with it.
pub(crate) fn parse(file: &[u8]) -> Result<Program<'_>, &'static str> {
    if file.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err("it is no little-endian ELF64 file");
    }
    if half(file, 16)? != ET_EXEC || half(file, 18)? != EM_X86_64 {
        return Err("it is no x86-64 executable at a fixed address");
    }
    let (entry, headers) = (quad(file, 24)?, quad(file, 32)?);
    let (entry_len, count) = (half(file, 54)?, half(file, 56)?);
    if usize::from(entry_len) != PROGRAM_HEADER_LEN {
        return Err("its program headers have an unknown size");
    }
    let headers = usize::try_from(headers).map_err(|_| "it is cut off")?;
    let mut segments: Vec<Segment<'_>> = Vec::new();
    for i in 0..usize::from(count) {
        let at = headers
            .checked_add(i * PROGRAM_HEADER_LEN)
            .ok_or("it is cut off")?;
        if let Some(new) = segment(file, at)? {
            let start = segments
                .last()
                .map_or(0, |s| (s.va + s.len).next_multiple_of(PAGE));
            if new.va < start {
                return Err("its segments overlap or are not in order");
            }
            segments.push(new);
        }
    }
    let inside = |s: &Segment<'_>| (s.va..s.va + s.len).contains(&entry) && s.rights == pte::RX;
    if !segments.iter().any(inside) {
        return Err("its entry point is not in an executable segment");
    }
    Ok(Program { entry, segments })
}
