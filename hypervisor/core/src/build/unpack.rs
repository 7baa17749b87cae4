//! From what a distribution ships to an ELF image: Linux bzImages and gzip files.
//!
//! Pure functions over slices. The caller lends the scratch memory: first the unpacked image, then
//! the decoder's dictionary; nothing is allocated. Decoding XZ keeps some 40 KiB of state on the
//! stack.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use thiserror::Error;
use xz4rust::{XzDecoder, XzError, XzNextBlockResult};

/// Largest unpacked kernel accepted, bytes.
pub const MAX_UNPACKED: u64 = 1 << 30;
/// Largest dictionary accepted, bytes.
pub const MAX_DICTIONARY: u64 = 256 << 20;

/// Why a kernel module cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UnpackError {
    #[error("neither an ELF image, nor a bzImage, nor a gzip file")]
    Unknown,
    #[error("the module is empty")]
    Empty,
    #[error(
        "bzImage of boot protocol {major}.{minor:02}, older than 2.08: it does not say where its payload is"
    )]
    OldProtocol { major: u8, minor: u8 },
    #[error(
        "bzImage payload (offset {offset:#x}, {len:#x} bytes) lies outside the module of {module:#x} bytes"
    )]
    PayloadOutside { offset: u64, len: u64, module: u64 },
    #[error("the kernel is packed with {0}, which is not supported")]
    Method(&'static str),
    #[error("an {what} of {bytes:#x} bytes is more than is accepted")]
    TooLarge { what: &'static str, bytes: u64 },
    #[error("unpacking takes {need:#x} bytes of memory, {have:#x} are there")]
    Scratch { need: u64, have: u64 },
    #[error("malformed {0} header")]
    Header(&'static str),
    #[error("corrupt {0} data")]
    Corrupt(&'static str),
    #[error("the packed data ends early")]
    Truncated,
    #[error("the data unpacks to {found:#x} bytes, {claimed:#x} were announced")]
    Length { claimed: u64, found: u64 },
    #[error("checksum of the unpacked data is wrong")]
    Checksum,
}

/// What a module holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel<'a> {
    /// An ELF image as it is.
    Plain(&'a [u8]),
    /// One to unpack first.
    Packed(Packed<'a>),
}

/// A packed kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    payload: &'a [u8],
    method: Method,
    unpacked: usize,
    dictionary: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Gzip,
    Xz,
}

/// Names a compression method by its magic bytes, for kernels that cannot be unpacked.
const OTHER_METHODS: [(&[u8], &str); 5] = [
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "LZMA"),
    (b"\x89LZO", "LZO"),
    (b"\x02\x21\x4c\x18", "LZ4"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
];

/// Recognises a kernel module.
///
/// # Errors
/// When it is of no kind that can be started, or its headers lie.
pub fn inspect(module: &[u8]) -> Result<Kernel<'_>, UnpackError> {
    if module.is_empty() {
        return Err(UnpackError::Empty);
    }
    if module.starts_with(b"\x7fELF") {
        return Ok(Kernel::Plain(module));
    }
    if module.get(0x202..0x206) == Some(b"HdrS") {
        let payload = bzimage_payload(module)?;
        return if payload.starts_with(b"\x7fELF") {
            Ok(Kernel::Plain(payload))
        } else {
            Packed::new(payload, true).map(Kernel::Packed)
        };
    }
    Packed::new(module, false).map(Kernel::Packed)
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The packed kernel inside a bzImage, by its setup header (Linux x86 boot protocol).
fn bzimage_payload(module: &[u8]) -> Result<&[u8], UnpackError> {
    let header = UnpackError::Header("bzImage");
    let [minor, major, ..] = word(module, 0x206).ok_or(header)?.to_le_bytes();
    if (major, minor) < (2, 8) {
        return Err(UnpackError::OldProtocol { major, minor });
    }
    let sectors = match *module.get(0x1f1).ok_or(header)? {
        0 => 4,
        n => u64::from(n),
    };
    let offset = (sectors + 1) * 512 + u64::from(word(module, 0x248).ok_or(header)?);
    let len = u64::from(word(module, 0x24c).ok_or(header)?);
    let (start, end) = (offset as usize, (offset + len) as usize);
    module.get(start..end).ok_or(UnpackError::PayloadOutside {
        offset,
        len,
        module: module.len() as u64,
    })
}

impl<'a> Packed<'a> {
    /// The payload of a bzImage ends with its unpacked length, whatever the method; a gzip file
    /// does so by itself.
    fn new(payload: &'a [u8], in_bzimage: bool) -> Result<Self, UnpackError> {
        let unpacked = payload
            .len()
            .checked_sub(4)
            .and_then(|at| word(payload, at));
        let unpacked = u64::from(unpacked.ok_or(UnpackError::Unknown)?);
        let (method, dictionary) = if payload.starts_with(b"\x1f\x8b") {
            (Method::Gzip, 0)
        } else if payload.starts_with(b"\xfd7zXZ\0") {
            if !in_bzimage {
                return Err(UnpackError::Method("XZ outside of a bzImage"));
            }
            (Method::Xz, xz_dictionary(payload)?)
        } else {
            let other = OTHER_METHODS
                .iter()
                .find(|(magic, _)| payload.starts_with(magic));
            return Err(other.map_or(UnpackError::Unknown, |(_, name)| UnpackError::Method(name)));
        };
        if unpacked > MAX_UNPACKED {
            return Err(UnpackError::TooLarge {
                what: "unpacked kernel",
                bytes: unpacked,
            });
        }
        if dictionary > MAX_DICTIONARY {
            return Err(UnpackError::TooLarge {
                what: "XZ dictionary",
                bytes: dictionary,
            });
        }
        Ok(Self {
            payload,
            method,
            unpacked: unpacked as usize,
            dictionary: dictionary as usize,
        })
    }

    /// Bytes of scratch memory that [`Self::unpack`] takes.
    #[must_use]
    pub fn scratch_len(&self) -> usize {
        self.unpacked + self.dictionary
    }

    /// Name of the method, for the log.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.method {
            Method::Gzip => "gzip",
            Method::Xz => "XZ",
        }
    }

    /// Unpacks into the start of `scratch`, and gives that part of it.
    ///
    /// # Errors
    /// When `scratch` is too small or the data is corrupt.
    pub fn unpack<'s>(&self, scratch: &'s mut [u8]) -> Result<&'s [u8], UnpackError> {
        let have = scratch.len() as u64;
        let scratch = scratch.get_mut(..self.scratch_len());
        let scratch = scratch.ok_or(UnpackError::Scratch {
            need: self.scratch_len() as u64,
            have,
        })?;
        let (out, dictionary) = scratch.split_at_mut(self.unpacked);
        let found = match self.method {
            Method::Gzip => unpack_gzip(self.payload, out)?,
            Method::Xz => unpack_xz(self.payload, out, dictionary)?,
        };
        if found != self.unpacked {
            return Err(UnpackError::Length {
                claimed: self.unpacked as u64,
                found: found as u64,
            });
        }
        Ok(out)
    }
}

/// A variable-length integer of the XZ format at the start of `bytes`, and what follows it.
fn xz_integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

/// The dictionary size that the first block of an XZ stream asks for (xz file format, 3.1, 5.3.1).
fn xz_dictionary(stream: &[u8]) -> Result<u64, UnpackError> {
    let size = || -> Option<u64> {
        let block = stream.get(12..)?;
        let (&header_size, _) = block.split_first()?;
        let header = block.get(1..(usize::from(header_size) + 1) * 4)?;
        let (&flags, mut rest) = header.split_first()?;
        for present in [0x40, 0x80] {
            if flags & present != 0 {
                rest = xz_integer(rest)?.1;
            }
        }
        for _ in 0..=flags & 3 {
            let (id, properties) = xz_integer(rest)?;
            let (len, properties) = xz_integer(properties)?;
            let len = usize::try_from(len).ok()?;
            if id == 0x21 {
                let bits = u32::from(*properties.first()?);
                return match bits {
                    0..=39 => Some(u64::from(2 | bits & 1) << (bits / 2 + 11)),
                    40 => Some(u64::from(u32::MAX)),
                    _ => None,
                };
            }
            rest = properties.get(len..)?;
        }
        None
    };
    size().ok_or(UnpackError::Header("XZ"))
}

/// Decodes an XZ stream; gives the number of bytes written.
#[inline(never)]
fn unpack_xz(stream: &[u8], out: &mut [u8], dictionary: &mut [u8]) -> Result<usize, UnpackError> {
    let mut decoder = XzDecoder::with_fixed_size_dict(dictionary);
    let (mut read, mut written) = (0, 0);
    loop {
        let (input, output) = (&stream[read..], &mut out[written..]);
        match decoder.decode(input, output) {
            Ok(XzNextBlockResult::EndOfStream(_, n)) => return Ok(written + n),
            Ok(XzNextBlockResult::NeedMoreData(0, 0)) if written == out.len() => {
                let claimed = out.len() as u64;
                return Err(UnpackError::Length {
                    claimed,
                    found: claimed + 1,
                });
            }
            Ok(XzNextBlockResult::NeedMoreData(0, 0)) => return Err(UnpackError::Truncated),
            Ok(XzNextBlockResult::NeedMoreData(r, w)) => {
                read += r;
                written += w;
            }
            Err(XzError::NeedsLargerInputBuffer) => return Err(UnpackError::Truncated),
            Err(_) => return Err(UnpackError::Corrupt("XZ")),
        }
    }
}

/// Where the compressed data of a gzip file starts (RFC 1952).
fn gzip_data(file: &[u8]) -> Option<&[u8]> {
    let flags = *file.get(3)?;
    let mut rest = file.get(10..)?;
    if flags & 4 != 0 {
        let len = u16::from_le_bytes(*rest.first_chunk()?);
        rest = rest.get(2 + usize::from(len)..)?;
    }
    for named in [8, 16] {
        if flags & named != 0 {
            let end = rest.iter().position(|&b| b == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    // Deflate is the only method there is; the upper flags are reserved.
    (file.get(2) == Some(&8) && flags & 0xe0 == 0).then_some(rest)
}

/// Decodes a gzip file of one member; gives the number of bytes written.
#[inline(never)]
fn unpack_gzip(file: &[u8], out: &mut [u8]) -> Result<usize, UnpackError> {
    let data = gzip_data(file).ok_or(UnpackError::Header("gzip"))?;
    let mut decoder = DecompressorOxide::new();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = decompress(&mut decoder, data, out, 0, flags);
    match status {
        TINFLStatus::Done => {}
        TINFLStatus::HasMoreOutput => {
            let claimed = out.len() as u64;
            return Err(UnpackError::Length {
                claimed,
                found: claimed + 1,
            });
        }
        TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            return Err(UnpackError::Truncated);
        }
        _ => return Err(UnpackError::Corrupt("gzip")),
    }
    let sum = data.get(read..).and_then(|trailer| word(trailer, 0));
    if sum.ok_or(UnpackError::Truncated)? != crc32(&out[..written]) {
        return Err(UnpackError::Checksum);
    }
    Ok(written)
}

/// The checksum of gzip (RFC 1952, 8).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 8 {
                value = (value >> 1) ^ (0xedb8_8320 & (value & 1).wrapping_neg());
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| {
        (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}
