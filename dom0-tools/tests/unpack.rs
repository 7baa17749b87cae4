//! Packed kernels: each method unpacks what its own tool has packed, and whatever is wrong with it
//! is refused by its cause.
//!
//! The files are those of the fuzz target: an image of `fake::image`, packed by the tools that
//! Linux's build uses (`gzip -9n`, `xz --check=crc32 --x86 --lzma2=dict=128KiB`, `lz4 -l -9`,
//! `zstd -22 --ultra`), the unpacked length behind it, a setup header of boot protocol 2.15 before.

mod fake;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use dom0_tools::image::{ImageError, PvKernel, UnpackError, unpack};
use fake::image::Image;

/// The methods with their files' names.
const METHODS: [(&str, &str); 4] = [
    ("gzip", "gzip"),
    ("XZ", "xz"),
    ("LZ4", "lz4"),
    ("zstd", "zstd"),
];
/// Where the payload begins in these files.
const PAYLOAD: usize = 5 * 512;

fn file(name: &str) -> Vec<u8> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/image");
    fs::read(seeds.join(name)).unwrap()
}

#[track_caller]
fn refusal(file: &[u8]) -> UnpackError {
    match unpack(file) {
        Err(ImageError::Unpack(error)) => error,
        Err(other) => panic!("{other}"),
        Ok((unpacked, method)) => panic!("{method:?} gave {} bytes", unpacked.len()),
    }
}

/// Changes the length that a file announces.
fn announce(file: &mut [u8], length: u32) {
    let end = file.len();
    file[end - 4..].copy_from_slice(&length.to_le_bytes());
}

#[test]
fn every_method_gives_back_what_was_packed() {
    let image = Image::modern().bytes();
    for (method, name) in METHODS {
        let packed = file(name);
        let (unpacked, found) = unpack(&packed).expect(name);
        assert_eq!(found, Some(method));
        assert!(unpacked == image, "{name} gave something else");
        PvKernel::parse(&unpacked).expect(name);
        println!("{method}: {} bytes to {}", packed.len(), unpacked.len());
    }
    // What is not packed is borrowed; gzip alone is a kernel too.
    assert!(matches!(unpack(&image), Ok((Cow::Borrowed(_), None))));
    let gzip = &file("gzip")[PAYLOAD..];
    assert_eq!(unpack(gzip).unwrap().0, image);
    let mut plain = file("gzip")[..PAYLOAD].to_vec();
    plain.extend(&image);
    plain[0x24c..0x250].copy_from_slice(&(image.len() as u32).to_le_bytes());
    assert_eq!(unpack(&plain).unwrap().0, image);
}

#[test]
fn headers_that_lie_are_refused() {
    let good = file("xz");
    let mut old = good.clone();
    old[0x206] = 7;
    assert_eq!(
        refusal(&old),
        UnpackError::OldProtocol { major: 2, minor: 7 }
    );
    for at in [0x24b, 0x24f] {
        let mut outside = good.clone();
        outside[at] = 0xff;
        assert!(matches!(
            refusal(&outside),
            UnpackError::PayloadOutside { .. }
        ));
    }
    assert_eq!(refusal(&good[..0x24e]), UnpackError::Header("bzImage"));
    let mut short = good.clone();
    short[0x24c..0x250].copy_from_slice(&6_u32.to_le_bytes());
    short[PAYLOAD..PAYLOAD + 2].copy_from_slice(&[0x1f, 0x8b]);
    assert_eq!(refusal(&short), UnpackError::Header("gzip"));
    for (magic, name) in [
        (&b"BZh"[..], "bzip2"),
        (b"\x5d\0\0", "LZMA"),
        (b"\x89LZO", "LZO"),
    ] {
        let mut other = good.clone();
        other[PAYLOAD..PAYLOAD + magic.len()].copy_from_slice(magic);
        assert_eq!(refusal(&other), UnpackError::Method(name));
    }
}

#[test]
fn lengths_are_what_is_announced_and_limited() {
    let length = Image::modern().bytes().len();
    for (_, name) in METHODS {
        for (claimed, found) in [(length - 1, length), (length + 1, length), (0, 1)] {
            let mut lying = file(name);
            announce(&mut lying, claimed as u32);
            let error = refusal(&lying);
            assert_eq!(error, UnpackError::Length { claimed, found }, "{name}");
        }
        for vast in [(256 << 20) + 1, u32::MAX] {
            let mut lying = file(name);
            announce(&mut lying, vast);
            let what = "unpacked kernel";
            let bytes = vast.into();
            assert_eq!(refusal(&lying), UnpackError::TooLarge { what, bytes });
        }
    }
}

#[test]
fn damage_is_noticed() {
    let (mut places, mut unnoticed) = (0, 0);
    let image = Image::modern().bytes();
    for (method, name) in METHODS {
        let good = file(name);
        // The headers may be damaged where nothing is read.
        for at in PAYLOAD + 12..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 0x10;
            places += 1;
            if let Ok((unpacked, _)) = unpack(&damaged) {
                // LZ4's legacy format has no checksum.
                assert!(method == "LZ4" || unpacked == image, "{name} at {at}");
                unnoticed += usize::from(unpacked != image);
            }
        }
        // Cut short, with the length behind all the same.
        for end in PAYLOAD..good.len() - 4 {
            let mut cut = good[..end].to_vec();
            cut.extend((image.len() as u32).to_le_bytes());
            let length = (cut.len() - PAYLOAD) as u32;
            cut[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
            if let Ok((found, unpacked_by)) = unpack(&cut) {
                // Too short to be known for what it was.
                assert!(
                    unpacked_by.is_none() && end < PAYLOAD + 6,
                    "{name} at {end}"
                );
                assert_eq!(found.len(), length as usize);
            }
        }
    }
    println!("{places} damaged files, {unnoticed} of LZ4 unnoticed");
}

#[test]
fn dictionaries_and_windows_are_limited() {
    // The properties of the block's one LZMA2 filter: 2^30 bytes; its header's checksum after.
    let mut xz = file("xz");
    let at = PAYLOAD + 12;
    let size = (usize::from(xz[at]) + 1) * 4;
    let filter = xz[at..at + size].windows(2).position(|w| w == [0x21, 1]);
    let properties = at + filter.unwrap() + 2;
    xz[properties] = 36;
    let sum = crc32fast::hash(&xz[at..at + size - 4]);
    xz[at + size - 4..at + size].copy_from_slice(&sum.to_le_bytes());
    let what = "XZ dictionary";
    let bytes = 1 << 30;
    assert_eq!(refusal(&xz), UnpackError::TooLarge { what, bytes });
    // A frame header that says nothing but its window: 2^41 bytes.
    let mut zstd = file("zstd");
    zstd[PAYLOAD + 4..PAYLOAD + 6].copy_from_slice(&[0, 31 << 3]);
    let what = "zstd window";
    assert!(
        matches!(refusal(&zstd), UnpackError::TooLarge { what: found, .. } if found == what),
        "{:?}",
        refusal(&zstd)
    );
}
