//! From what a distribution ships to an ELF image: Linux bzImages with any of four payloads, and
//! gzip files.
//!
//! Everything is bounded by the length that the file announces, and that by a limit of our own.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::FrameDecoderError;
use xz4rust::{XzDecoder, XzError, XzNextBlockResult};

use super::{ImageError, UnpackError};

/// Largest unpacked kernel accepted, bytes.
const MAX_UNPACKED: usize = 256 << 20;
/// Largest dictionary or window accepted, bytes: what the largest levels of the tools ask for.
const MAX_WINDOW: usize = 128 << 20;
/// Dictionary that is tried first, bytes.
const FIRST_WINDOW: usize = 64 << 10;

type Unpack = fn(&[u8], &mut [u8]) -> Result<usize, UnpackError>;

/// What there is to unpack, by its first bytes.
const METHODS: [(&[u8], &str, Unpack); 4] = [
    (b"\x1f\x8b", "gzip", gzip),
    (b"\xfd7zXZ\0", "XZ", xz),
    (b"\x02\x21\x4c\x18", "LZ4", lz4),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd),
];

/// What Linux can be packed with besides.
const UNSERVED: [(&[u8], &str); 3] = [
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "LZMA"),
    (b"\x89LZO", "LZO"),
];

/// The ELF image in a kernel file, and the name of the method if it was packed.
///
/// # Errors
/// [`UnpackError`]. A file of no kind that can be unpacked is given back as it is.
pub fn unpack(file: &[u8]) -> Result<(Cow<'_, [u8]>, Option<&'static str>), ImageError> {
    let (payload, in_bzimage) = match file.get(0x202..0x206) {
        Some(b"HdrS") => (bzimage_payload(file)?, true),
        _ => (file, false),
    };
    let packed = METHODS
        .iter()
        .find(|(magic, ..)| payload.starts_with(magic));
    match packed {
        // Alone, only gzip says how much it unpacks to.
        Some((_, name, method)) if in_bzimage || *name == "gzip" => {
            let unpacked = unpack_with(payload, *method)?;
            Ok((Cow::Owned(unpacked), Some(name)))
        }
        _ => {
            let other = UNSERVED
                .iter()
                .find(|(magic, _)| payload.starts_with(magic));
            match other.filter(|_| in_bzimage) {
                Some((_, name)) => Err(UnpackError::Method(name).into()),
                None => Ok((Cow::Borrowed(payload), None)),
            }
        }
    }
}

/// The packed kernel inside a bzImage, by its setup header (Linux x86 boot protocol).
fn bzimage_payload(file: &[u8]) -> Result<&[u8], UnpackError> {
    let header = UnpackError::Header("bzImage");
    let [minor, major, ..] = word(file, 0x206).ok_or(header)?.to_le_bytes();
    if (major, minor) < (2, 8) {
        return Err(UnpackError::OldProtocol { major, minor });
    }
    let sectors = match file[0x1f1] {
        0 => 4,
        n => u64::from(n),
    };
    let offset = (sectors + 1) * 512 + u64::from(word(file, 0x248).ok_or(header)?);
    let length = u64::from(word(file, 0x24c).ok_or(header)?);
    let (start, end) = (offset as usize, (offset + length) as usize);
    file.get(start..end).ok_or(UnpackError::PayloadOutside {
        offset,
        length,
        file: file.len() as u64,
    })
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The last word of a payload is its unpacked length: a gzip file has it there, and Linux puts it
/// behind what has not.
fn unpack_with(payload: &[u8], method: Unpack) -> Result<Vec<u8>, UnpackError> {
    let (data, length) = payload.split_last_chunk().ok_or(UnpackError::Truncated)?;
    let claimed = u32::from_le_bytes(*length) as usize;
    if claimed > MAX_UNPACKED {
        return Err(UnpackError::TooLarge {
            what: "unpacked kernel",
            bytes: claimed as u64,
        });
    }
    let mut out = zeros(claimed)?;
    let found = method(data, &mut out)?;
    match found == claimed {
        true => Ok(out),
        false => Err(UnpackError::Length { claimed, found }),
    }
}

/// Memory that is there, with nothing in it yet.
fn room(bytes: usize) -> Result<Vec<u8>, UnpackError> {
    let mut memory = Vec::new();
    match memory.try_reserve_exact(bytes) {
        Ok(()) => Ok(memory),
        Err(_) => Err(UnpackError::Memory(bytes)),
    }
}

fn zeros(bytes: usize) -> Result<Vec<u8>, UnpackError> {
    let mut memory = room(bytes)?;
    memory.resize(bytes, 0);
    Ok(memory)
}

fn too_much(out: &[u8]) -> UnpackError {
    UnpackError::Length {
        claimed: out.len(),
        found: out.len() + 1,
    }
}

/// Decodes an XZ stream with as large a dictionary as it says it needs.
fn xz(stream: &[u8], out: &mut [u8]) -> Result<usize, UnpackError> {
    match xz_within(stream, out, &mut zeros(FIRST_WINDOW)?) {
        Err(XzFailure::Dictionary(bytes)) if bytes > MAX_WINDOW as u64 => {
            let what = "XZ dictionary";
            Err(UnpackError::TooLarge { what, bytes })
        }
        Err(XzFailure::Dictionary(bytes)) => {
            let again = xz_within(stream, out, &mut zeros(bytes as usize)?);
            again.map_err(|failure| match failure {
                XzFailure::Other(error) => error,
                XzFailure::Dictionary(_) => UnpackError::Corrupt("XZ"),
            })
        }
        Err(XzFailure::Other(error)) => Err(error),
        Ok(length) => Ok(length),
    }
}

enum XzFailure {
    /// The dictionary must have so many bytes.
    Dictionary(u64),
    Other(UnpackError),
}

fn xz_within(stream: &[u8], out: &mut [u8], dictionary: &mut [u8]) -> Result<usize, XzFailure> {
    let mut decoder = XzDecoder::with_fixed_size_dict(dictionary);
    let (mut read, mut written) = (0, 0);
    loop {
        let error = match decoder.decode(&stream[read..], &mut out[written..]) {
            Ok(XzNextBlockResult::EndOfStream(_, more)) => return Ok(written + more),
            Ok(XzNextBlockResult::NeedMoreData(0, 0)) if written == out.len() => too_much(out),
            Ok(XzNextBlockResult::NeedMoreData(0, 0)) | Err(XzError::NeedsLargerInputBuffer) => {
                UnpackError::Truncated
            }
            Ok(XzNextBlockResult::NeedMoreData(taken, given)) => {
                (read, written) = (read + taken, written + given);
                continue;
            }
            Err(XzError::DictionaryTooLarge(bytes)) => return Err(XzFailure::Dictionary(bytes)),
            Err(_) => UnpackError::Corrupt("XZ"),
        };
        return Err(XzFailure::Other(error));
    }
}

/// Where the compressed data of a gzip file starts (RFC 1952). Deflate is the only method there
/// is; the upper flags are reserved.
fn gzip_data(file: &[u8]) -> Option<&[u8]> {
    let (&[_, _, method, flags, ..], mut rest) = file.split_first_chunk::<10>()?;
    if flags & 4 != 0 {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    (method == 8 && flags & 0xe0 == 0).then_some(rest)
}

fn gzip(file: &[u8], out: &mut [u8]) -> Result<usize, UnpackError> {
    let data = gzip_data(file).ok_or(UnpackError::Header("gzip"))?;
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut decoder = DecompressorOxide::new();
    let (status, read, written) = decompress(&mut decoder, data, out, 0, flags);
    match status {
        TINFLStatus::Done => {}
        TINFLStatus::HasMoreOutput => return Err(too_much(out)),
        TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            return Err(UnpackError::Truncated);
        }
        _ => return Err(UnpackError::Corrupt("gzip")),
    }
    match data.get(read..).and_then(|trailer| word(trailer, 0)) {
        None => Err(UnpackError::Truncated),
        Some(sum) if sum != crc32fast::hash(&out[..written]) => Err(UnpackError::Checksum("gzip")),
        Some(_) => Ok(written),
    }
}

/// Decodes LZ4's legacy format, which Linux uses: blocks, each behind its packed length.
fn lz4(stream: &[u8], out: &mut [u8]) -> Result<usize, UnpackError> {
    let (mut rest, mut written) = (stream.get(4..).ok_or(UnpackError::Truncated)?, 0);
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(UnpackError::Truncated)?;
        let length = u32::from_le_bytes(*length) as usize;
        let block = behind.get(..length).ok_or(UnpackError::Truncated)?;
        rest = &behind[length..];
        written += match lz4_flex::block::decompress_into(block, &mut out[written..]) {
            Ok(more) => more,
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) => {
                return Err(too_much(out));
            }
            Err(_) => return Err(UnpackError::Corrupt("LZ4")),
        };
    }
    Ok(written)
}

fn zstd(frames: &[u8], out: &mut [u8]) -> Result<usize, UnpackError> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW as u64);
    // The window grows with what is decoded, doubling, and holds no more than that: see that there
    // is room for it, for the decoder does not.
    let window = (MAX_WINDOW.min(out.len()) + 1).next_power_of_two();
    drop(room(window + window / 2)?);
    match decoder.decode_all(frames, out) {
        Ok(written) if decoder.get_checksum_from_data() != decoder.get_calculated_checksum() => {
            match decoder.get_checksum_from_data() {
                Some(_) => Err(UnpackError::Checksum("zstd")),
                None => Ok(written),
            }
        }
        Ok(written) => Ok(written),
        Err(FrameDecoderError::TargetTooSmall) => Err(too_much(out)),
        Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => Err(UnpackError::TooLarge {
            what: "zstd window",
            bytes: requested,
        }),
        Err(_) => Err(UnpackError::Corrupt("zstd")),
    }
}
