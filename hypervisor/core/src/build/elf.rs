//! ELF64 images: headers, loadable segments, note areas. Pure checks on an untrusted slice.

use arrayvec::ArrayVec;
use thiserror::Error;

/// Loadable segments an image may have.
pub const MAX_SEGMENTS: usize = 32;
/// Program headers read at most.
const MAX_PROGRAM_HEADERS: u16 = 64;
/// Section headers read at most.
const MAX_SECTIONS: u16 = 1024;
/// Note areas kept.
const MAX_NOTE_AREAS: usize = 16;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const SHT_NOTE: u32 = 7;
const EM_X86_64: u16 = 62;

/// Why an image is not a loadable ELF64 executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ElfError {
    #[error(
        "{what} (offset {offset:#x}, {len:#x} bytes) lies outside the image of {image:#x} bytes"
    )]
    Truncated {
        what: &'static str,
        offset: u64,
        len: u64,
        image: u64,
    },
    #[error("not an ELF image")]
    NotElf,
    #[error("ELF, but not 64-bit little-endian version 1")]
    NotElf64,
    #[error("ELF for machine {0}, not x86-64")]
    Machine(u16),
    #[error("ELF of type {0}, not an executable")]
    NotExecutable(u16),
    #[error("{what} of {size} bytes, not {expected}")]
    HeaderSize {
        what: &'static str,
        size: u16,
        expected: u16,
    },
    #[error("{count} {what}, at most {most} are accepted")]
    TooMany {
        what: &'static str,
        count: usize,
        most: usize,
    },
    #[error("no loadable segment")]
    NothingToLoad,
    #[error("segment {index} holds {file:#x} bytes of the file in {memory:#x} bytes of memory")]
    FileLargerThanMemory {
        index: usize,
        file: u64,
        memory: u64,
    },
    #[error("segment {index} wraps around the address space ({paddr:#x} + {memory:#x})")]
    Wraps {
        index: usize,
        paddr: u64,
        memory: u64,
    },
    #[error("segments {first} and {second} overlap in memory")]
    Overlap { first: usize, second: usize },
}

/// A loadable segment, its file range checked to lie in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// `p_paddr`: where it goes, still with the image's physical offset.
    pub paddr: u64,
    /// Bytes of memory, at least as many as `data` has.
    pub memory: u64,
    /// What it starts with; the rest is zero.
    pub data: &'a [u8],
}

impl Segment<'_> {
    /// First address behind it; does not overflow (checked by [`Elf::parse`]).
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.paddr.wrapping_add(self.memory)
    }
}

/// A checked image.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    /// `e_entry`.
    pub entry: u64,
    /// Loadable segments that take memory, in the order of their headers, without overlap.
    pub segments: ArrayVec<Segment<'a>, MAX_SEGMENTS>,
    /// Contents of the `PT_NOTE` segments.
    pub notes: ArrayVec<&'a [u8], MAX_NOTE_AREAS>,
    image: &'a [u8],
}

/// The `N` bytes at `offset`.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    field(bytes, offset).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    field(bytes, offset).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    field(bytes, offset).map_or(0, u64::from_le_bytes)
}

/// The `len` bytes of `image` at `offset`.
fn range<'a>(
    image: &'a [u8],
    what: &'static str,
    offset: u64,
    len: u64,
) -> Result<&'a [u8], ElfError> {
    let bytes = offset.checked_add(len).and_then(|end| {
        let (start, end) = (usize::try_from(offset).ok()?, usize::try_from(end).ok()?);
        image.get(start..end)
    });
    bytes.ok_or(ElfError::Truncated {
        what,
        offset,
        len,
        image: image.len() as u64,
    })
}

/// A table of `count` headers of `SIZE` bytes.
fn table<'a, const SIZE: usize>(
    image: &'a [u8],
    what: &'static str,
    offset: u64,
    (count, most): (u16, u16),
    entry_size: u16,
) -> Result<&'a [[u8; SIZE]], ElfError> {
    if count == 0 {
        return Ok(&[]);
    }
    if usize::from(entry_size) != SIZE {
        return Err(ElfError::HeaderSize {
            what,
            size: entry_size,
            expected: SIZE as u16,
        });
    }
    if count > most {
        return Err(ElfError::TooMany {
            what,
            count: count.into(),
            most: most.into(),
        });
    }
    let bytes = range(image, what, offset, u64::from(count) * SIZE as u64)?;
    Ok(bytes.as_chunks::<SIZE>().0)
}

impl<'a> Elf<'a> {
    /// Checks the headers of `image` and everything they point to.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn parse(image: &'a [u8]) -> Result<Self, ElfError> {
        if !image.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        let header = range(image, "the ELF header", 0, 64)?;
        // EI_CLASS 64-bit, EI_DATA little-endian, EI_VERSION 1.
        if header[4..7] != [2, 1, 1] {
            return Err(ElfError::NotElf64);
        }
        let (kind, machine) = (u16_at(header, 16), u16_at(header, 18));
        if machine != EM_X86_64 {
            return Err(ElfError::Machine(machine));
        }
        if !matches!(kind, 2 | 3) {
            return Err(ElfError::NotExecutable(kind));
        }
        let mut elf = Self {
            entry: u64_at(header, 24),
            segments: ArrayVec::new(),
            notes: ArrayVec::new(),
            image,
        };
        let programs: &[[u8; 56]] = table(
            image,
            "program headers",
            u64_at(header, 32),
            (u16_at(header, 56), MAX_PROGRAM_HEADERS),
            u16_at(header, 54),
        )?;
        for program in programs {
            match u32_at(program, 0) {
                PT_LOAD => elf.add_segment(program)?,
                PT_NOTE => elf.add_notes(u64_at(program, 8), u64_at(program, 32))?,
                _ => {}
            }
        }
        elf.check_overlaps()?;
        Ok(elf)
    }

    fn add_segment(&mut self, program: &[u8; 56]) -> Result<(), ElfError> {
        let (offset, paddr) = (u64_at(program, 8), u64_at(program, 24));
        let (file, memory) = (u64_at(program, 32), u64_at(program, 40));
        let index = self.segments.len();
        if file > memory {
            return Err(ElfError::FileLargerThanMemory {
                index,
                file,
                memory,
            });
        }
        let data = range(self.image, "a segment", offset, file)?;
        if memory == 0 {
            return Ok(());
        }
        if paddr.checked_add(memory).is_none() {
            return Err(ElfError::Wraps {
                index,
                paddr,
                memory,
            });
        }
        let segment = Segment {
            paddr,
            memory,
            data,
        };
        self.segments
            .try_push(segment)
            .map_err(|_| ElfError::TooMany {
                what: "loadable segments",
                count: index + 1,
                most: MAX_SEGMENTS,
            })
    }

    fn add_notes(&mut self, offset: u64, len: u64) -> Result<(), ElfError> {
        let bytes = range(self.image, "a note segment", offset, len)?;
        self.notes.try_push(bytes).map_err(|_| ElfError::TooMany {
            what: "note segments",
            count: MAX_NOTE_AREAS + 1,
            most: MAX_NOTE_AREAS,
        })
    }

    fn check_overlaps(&self) -> Result<(), ElfError> {
        if self.segments.is_empty() {
            return Err(ElfError::NothingToLoad);
        }
        for (second, b) in self.segments.iter().enumerate() {
            for (first, a) in self.segments[..second].iter().enumerate() {
                if a.paddr < b.end() && b.paddr < a.end() {
                    return Err(ElfError::Overlap { first, second });
                }
            }
        }
        Ok(())
    }

    /// The span of memory of all segments: first address, and first address behind.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let start = self.segments.iter().map(|s| s.paddr).min().unwrap_or(0);
        let end = self.segments.iter().map(Segment::end).max().unwrap_or(0);
        (start, end)
    }

    /// Contents of the `SHT_NOTE` sections, for images without note segments.
    ///
    /// # Errors
    /// When the section headers point outside the image.
    pub fn note_sections(&self) -> Result<ArrayVec<&'a [u8], MAX_NOTE_AREAS>, ElfError> {
        let header = range(self.image, "the ELF header", 0, 64)?;
        let sections: &[[u8; 64]] = table(
            self.image,
            "section headers",
            u64_at(header, 40),
            (u16_at(header, 60), MAX_SECTIONS),
            u16_at(header, 58),
        )?;
        let mut found = ArrayVec::new();
        for section in sections.iter().filter(|s| u32_at(&s[..], 4) == SHT_NOTE) {
            let bytes = range(
                self.image,
                "a note section",
                u64_at(section, 24),
                u64_at(section, 32),
            )?;
            found.try_push(bytes).map_err(|_| ElfError::TooMany {
                what: "note sections",
                count: MAX_NOTE_AREAS + 1,
                most: MAX_NOTE_AREAS,
            })?;
        }
        Ok(found)
    }
}
