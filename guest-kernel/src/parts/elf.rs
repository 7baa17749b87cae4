//! ELF executables of processes: a bounds-checked reader of what the kernel needs.

use alloc::vec::Vec;
use guest_user::abi::{USER_BASE, USER_END};

const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const EM_X86_64: u16 = 62;
const ET_EXEC: u16 = 2;
const PROGRAM_HEADER_LEN: usize = 56;
const PAGE: u64 = 4096;

/// What a program may do with a segment; never both write and execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

/// One loadable segment.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its page-aligned address.
    pub va: u64,
    /// Length in memory; what `data` does not cover is zero.
    pub len: u64,
    /// What the file has of it.
    pub data: &'a [u8],
    /// What the program may do with it.
    pub rights: Rights,
}

/// A program.
#[derive(Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// Its first instruction, inside an executable segment.
    pub entry: u64,
    /// What to load, in order of address, without overlap.
    pub segments: Vec<Segment<'a>>,
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
        (true, false) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (false, false) => Rights::Read,
    };
    Ok(Some(Segment {
        va,
        len,
        data,
        rights,
    }))
}

/// Reads an executable.
///
/// # Errors
/// What is wrong with the file.
pub fn parse(file: &[u8]) -> Result<Program<'_>, &'static str> {
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
    let inside =
        |s: &Segment<'_>| (s.va..s.va + s.len).contains(&entry) && s.rights == Rights::ReadExecute;
    if !segments.iter().any(inside) {
        return Err("its entry point is not in an executable segment");
    }
    Ok(Program { entry, segments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// A program of one code and one data segment.
    fn sample() -> Vec<u8> {
        let mut file = vec![0u8; 64 + 2 * PROGRAM_HEADER_LEN];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        put(&mut file, 16, &ET_EXEC.to_le_bytes());
        put(&mut file, 18, &EM_X86_64.to_le_bytes());
        put(&mut file, 24, &(USER_BASE + 8).to_le_bytes());
        put(&mut file, 32, &64u64.to_le_bytes());
        put(&mut file, 54, &(PROGRAM_HEADER_LEN as u16).to_le_bytes());
        put(&mut file, 56, &2u16.to_le_bytes());
        header(&mut file, 0, PF_X | 4, USER_BASE, 16, 16);
        header(&mut file, 1, PF_W | 4, USER_BASE + PAGE, 16, 5000);
        file.resize(4096 + 16, 0xcc);
        file
    }

    fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn header(file: &mut [u8], n: usize, flags: u32, va: u64, file_len: u64, len: u64) {
        let at = 64 + n * PROGRAM_HEADER_LEN;
        put(file, at, &PT_LOAD.to_le_bytes());
        put(file, at + 4, &flags.to_le_bytes());
        put(file, at + 8, &4096u64.to_le_bytes());
        put(file, at + 16, &va.to_le_bytes());
        put(file, at + 32, &file_len.to_le_bytes());
        put(file, at + 40, &len.to_le_bytes());
    }

    #[test]
    fn a_program_is_read() {
        let file = sample();
        let program = parse(&file).unwrap();
        assert_eq!(program.entry, USER_BASE + 8);
        let rights: Vec<_> = program.segments.iter().map(|s| s.rights).collect();
        assert_eq!(rights, [Rights::ReadExecute, Rights::ReadWrite]);
        assert_eq!(
            (program.segments[1].data.len(), program.segments[1].len),
            (16, 5000)
        );
    }

    #[test]
    fn every_truncation_is_refused() {
        let file = sample();
        for len in 0..file.len() {
            assert!(parse(&file[..len]).is_err(), "{len} bytes were accepted");
        }
    }

    #[test]
    fn every_changed_header_byte_gives_a_sound_program_or_an_error() {
        let file = sample();
        for at in 0..64 + 2 * PROGRAM_HEADER_LEN {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                let Ok(program) = parse(&changed) else {
                    continue;
                };
                let mut free_from = USER_BASE;
                for s in &program.segments {
                    assert!(s.va >= free_from && s.va + s.len <= USER_END);
                    assert!(s.data.len() as u64 <= s.len);
                    free_from = (s.va + s.len).next_multiple_of(PAGE);
                }
            }
        }
    }

    #[test]
    fn errors_name_the_cause() {
        let broken = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut file = sample();
            change(&mut file);
            parse(&file).unwrap_err()
        };
        let wx = broken(&|f| header(f, 1, PF_W | PF_X, USER_BASE + PAGE, 16, 16));
        assert_eq!(wx, "a segment is writable and executable");
        let kernel = broken(&|f| header(f, 1, PF_W, 0xffff_ffff_8000_0000, 16, 16));
        assert_eq!(kernel, "a segment is misaligned or outside the user range");
        let wraps = broken(&|f| header(f, 1, PF_W, 0xffff_ffff_ffff_f000, 16, 0x2000));
        assert_eq!(wraps, "a segment wraps around");
        let overlap = broken(&|f| header(f, 1, PF_W, USER_BASE, 16, 16));
        assert_eq!(overlap, "its segments overlap or are not in order");
        let entry = broken(&|f| put(f, 24, &(USER_BASE + PAGE).to_le_bytes()));
        assert_eq!(entry, "its entry point is not in an executable segment");
        let lies = broken(&|f| header(f, 1, PF_W, USER_BASE + PAGE, 16, 8));
        assert_eq!(lies, "a segment is longer in the file than in memory");
        let beyond =
            broken(&|f| header(f, 1, PF_W, USER_BASE + PAGE, u64::MAX, u64::MAX - USER_END));
        assert_ne!(beyond, "");
    }
}
