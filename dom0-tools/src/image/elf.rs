//! ELF64 as the System V ABI lays it out: only the headers a loader reads.

use alloc::vec::Vec;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::ImageError;

const ELFCLASS64: u8 = 2;
const ELFDATA2LSB: u8 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Ehdr {
    e_ident: [u8; 16],
    e_type: u16,
    e_machine: u16,
    e_version: u32,
    e_entry: u64,
    e_phoff: u64,
    e_shoff: u64,
    e_flags: u32,
    e_ehsize: u16,
    e_phentsize: u16,
    e_phnum: u16,
    e_shentsize: u16,
    e_shnum: u16,
    e_shstrndx: u16,
}

#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Phdr {
    p_type: u32,
    p_flags: u32,
    p_offset: u64,
    p_vaddr: u64,
    p_paddr: u64,
    p_filesz: u64,
    p_memsz: u64,
    p_align: u64,
}

/// One PT_LOAD segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// p_paddr, bytes.
    pub paddr: u64,
    /// What the file holds of it.
    pub data: &'a [u8],
    /// p_memsz, bytes: at least `data.len()`, the rest is zero.
    pub memory_size: u64,
}

/// The loader's view of an ELF64 file.
#[derive(Debug, Clone)]
pub struct Elf<'a> {
    /// e_entry, a virtual address.
    pub entry: u64,
    /// The PT_LOAD segments with a size in memory, in file order.
    pub segments: Vec<Segment<'a>>,
    /// The contents of the PT_NOTE segments.
    pub notes: Vec<&'a [u8]>,
}

impl<'a> Elf<'a> {
    /// Reads the headers of an x86-64 executable.
    ///
    /// # Errors
    /// Anything that is not one, is cut short or contradicts itself.
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        refuse_other_formats(file)?;
        let header: Ehdr = read(file, "the ELF header", 0)?;
        check_identity(&header)?;
        let mut elf = Elf {
            entry: header.e_entry,
            segments: Vec::new(),
            notes: Vec::new(),
        };
        for index in 0..u64::from(header.e_phnum) {
            // Cannot overflow in a file that can be in memory, and is checked all the same.
            let offset = header
                .e_phoff
                .checked_add(index * u64::from(header.e_phentsize));
            let offset = offset.ok_or(truncated(file, "a program header", header.e_phoff, 56))?;
            elf.take(file, &read(file, "a program header", offset)?)?;
        }
        if elf.segments.is_empty() {
            return Err(ImageError::NothingToLoad);
        }
        Ok(elf)
    }

    fn take(&mut self, file: &'a [u8], header: &Phdr) -> Result<(), ImageError> {
        match header.p_type {
            PT_LOAD if header.p_memsz != 0 || header.p_filesz != 0 => {
                if header.p_filesz > header.p_memsz {
                    return Err(ImageError::SegmentShrinks {
                        index: self.segments.len(),
                        file_size: header.p_filesz,
                        memory_size: header.p_memsz,
                    });
                }
                self.segments.push(Segment {
                    paddr: header.p_paddr,
                    data: slice(file, "a segment", header.p_offset, header.p_filesz)?,
                    memory_size: header.p_memsz,
                });
            }
            PT_NOTE => {
                let notes = slice(file, "a note segment", header.p_offset, header.p_filesz)?;
                self.notes.push(notes);
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_identity(header: &Ehdr) -> Result<(), ImageError> {
    let wrong = |field, value: u32, need| Err(ImageError::WrongElf { field, value, need });
    if header.e_ident[4] != ELFCLASS64 {
        return wrong("class", header.e_ident[4].into(), "2 (64-bit)");
    }
    if header.e_ident[5] != ELFDATA2LSB {
        return wrong(
            "data encoding",
            header.e_ident[5].into(),
            "1 (little-endian)",
        );
    }
    if header.e_machine != EM_X86_64 {
        return wrong("machine", header.e_machine.into(), "62 (x86-64)");
    }
    if !matches!(header.e_type, ET_EXEC | ET_DYN) {
        return wrong("type", header.e_type.into(), "2 or 3 (an executable)");
    }
    if usize::from(header.e_phentsize) < size_of::<Phdr>() {
        return wrong(
            "program header size",
            header.e_phentsize.into(),
            "at least 56",
        );
    }
    Ok(())
}

/// Names the formats people give by mistake, before the generic "not ELF".
fn refuse_other_formats(file: &[u8]) -> Result<(), ImageError> {
    let has = |offset: usize, magic: &[u8]| {
        file.get(offset..offset + magic.len())
            .is_some_and(|found| found == magic)
    };
    if has(0, b"\x7fELF") {
        return Ok(());
    }
    let known: [(usize, &[u8], &str); 5] = [
        (0, b"BZh", "a bzip2 file"),
        (0, b"\xfd7zXZ\0", "an XZ file"),
        (0, &[0x28, 0xb5, 0x2f, 0xfd], "a zstd file"),
        (0, b"070701", "a cpio archive (a ramdisk?)"),
        (0, b"#!", "a script"),
    ];
    for (offset, magic, name) in known {
        if has(offset, magic) {
            return Err(ImageError::OtherFormat(name));
        }
    }
    match file.first_chunk::<4>() {
        Some(start) => Err(ImageError::NotElf(*start)),
        None => Err(truncated(
            file,
            "the ELF header",
            0,
            size_of::<Ehdr>() as u64,
        )),
    }
}

fn truncated(file: &[u8], what: &'static str, offset: u64, need: u64) -> ImageError {
    ImageError::Truncated {
        what,
        offset,
        need,
        have: file.len() as u64,
    }
}

fn slice<'a>(
    file: &'a [u8],
    what: &'static str,
    offset: u64,
    size: u64,
) -> Result<&'a [u8], ImageError> {
    let range = usize::try_from(offset).ok().and_then(|start| {
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        file.get(start..end)
    });
    range.ok_or_else(|| truncated(file, what, offset, size))
}

fn read<T: FromBytes>(file: &[u8], what: &'static str, offset: u64) -> Result<T, ImageError> {
    let bytes = slice(file, what, offset, size_of::<T>() as u64)?;
    T::read_from_bytes(bytes).map_err(|_| truncated(file, what, offset, size_of::<T>() as u64))
}
