//! Why an image was refused.

use alloc::string::String;

/// Why a kernel image cannot be started as a PV guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The file ends inside a structure it announces.
    #[error("truncated: {what} at offset {offset:#x} needs {need} bytes, the file has {have}")]
    Truncated {
        /// The structure that does not fit.
        what: &'static str,
        /// Where in the file it starts.
        offset: u64,
        /// Its size in bytes.
        need: u64,
        /// The file's size in bytes.
        have: u64,
    },
    /// It is packed, and cannot be unpacked.
    #[error("it cannot be unpacked: {0}")]
    Unpack(#[from] UnpackError),
    /// A file format this builder recognises but does not load.
    #[error("it is {0}; give a 64-bit ELF kernel or a bzImage")]
    OtherFormat(&'static str),
    /// Not ELF at all.
    #[error("it is not an ELF file (it starts with {0:02x?})")]
    NotElf([u8; 4]),
    /// ELF, but not a 64-bit little-endian x86-64 executable.
    #[error("the ELF header's {field} is {value}, a 64-bit PV kernel needs {need}")]
    WrongElf {
        /// The header field.
        field: &'static str,
        /// What the file says.
        value: u32,
        /// What is needed.
        need: &'static str,
    },
    /// No program header of type PT_LOAD.
    #[error("it has no loadable segment")]
    NothingToLoad,
    /// A segment is larger in the file than in memory.
    #[error("segment {index}: {file_size} bytes in the file, only {memory_size} in memory")]
    SegmentShrinks {
        /// Index among the loadable segments.
        index: usize,
        /// p_filesz.
        file_size: u64,
        /// p_memsz.
        memory_size: u64,
    },
    /// Address arithmetic on a segment leaves the address space or its image.
    #[error(
        "segment {index}: its range (paddr {paddr:#x}, {memory_size:#x} bytes) does not fit above PADDR_OFFSET {paddr_offset:#x}"
    )]
    SegmentRange {
        /// Index among the loadable segments.
        index: usize,
        /// p_paddr.
        paddr: u64,
        /// p_memsz.
        memory_size: u64,
        /// The PADDR_OFFSET note.
        paddr_offset: u64,
    },
    /// Two segments claim the same memory.
    #[error("segments overlap: one ends at offset {end:#x}, the next starts at {start:#x}")]
    SegmentsOverlap {
        /// End of the lower segment, bytes from the image's base.
        end: u64,
        /// Start of the upper one.
        start: u64,
    },
    /// The note segment's records do not add up.
    #[error("the note at offset {offset:#x} of its segment is malformed: {why}")]
    BadNote {
        /// Offset inside the note segment.
        offset: usize,
        /// What does not add up.
        why: &'static str,
    },
    /// The same Xen note twice.
    #[error("the Xen note {0} is given twice")]
    DuplicateNote(&'static str),
    /// A note whose value cannot be used.
    #[error("the Xen note {note} is {value:#x}: {why}")]
    NoteValue {
        /// The note's name as in elfnote.h, without the prefix.
        note: &'static str,
        /// Its value.
        value: u64,
        /// Why it cannot be.
        why: &'static str,
    },
    /// A text note with a value that this toolstack does not serve.
    #[error("the Xen note {note} is `{value}`: {why}")]
    NoteText {
        /// The note's name.
        note: &'static str,
        /// Its text.
        value: String,
        /// Why it cannot be.
        why: &'static str,
    },
    /// Neither an entry note nor any Xen note.
    #[error("it has no Xen notes (no PT_NOTE segment with records named `Xen`): not a PV kernel")]
    NoXenNotes,
    /// There is no entry point.
    #[error("it has no entry point (no ENTRY note)")]
    NoEntry,
    /// The kernel insists on a feature that is not offered.
    #[error("it requires the feature `{0}`, which PV guests are not offered")]
    FeatureRequired(String),
}

/// Why a packed kernel cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UnpackError {
    #[error(
        "the bzImage's boot protocol {major}.{minor:02} is older than 2.08: it does not say where its payload is"
    )]
    OldProtocol { major: u8, minor: u8 },
    #[error(
        "the bzImage's payload (offset {offset:#x}, {length:#x} bytes) lies outside the file of {file:#x} bytes"
    )]
    PayloadOutside { offset: u64, length: u64, file: u64 },
    #[error("it is packed with {0}, which is not served; gzip, XZ, LZ4 and zstd are")]
    Method(&'static str),
    #[error("its {what} is of {bytes} bytes, which is more than is accepted")]
    TooLarge { what: &'static str, bytes: u64 },
    #[error("there is no memory for {0} bytes")]
    Memory(usize),
    #[error("its {0} header is malformed")]
    Header(&'static str),
    #[error("its {0} data is corrupt")]
    Corrupt(&'static str),
    #[error("the packed data ends early")]
    Truncated,
    #[error("it announces {claimed} bytes, and there are {found} or more")]
    Length { claimed: usize, found: usize },
    #[error("the {0} checksum of the unpacked data is wrong")]
    Checksum(&'static str),
}
