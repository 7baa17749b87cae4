//! bzImage, XZ and gzip.

use std::vec::Vec;

use proptest::prelude::*;

use super::image::put;
use crate::build::unpack::{Kernel, Packed, UnpackError, inspect};

fn sample() -> Vec<u8> {
    let mut text = b"Paravane unpacks kernels. ".repeat(40);
    text.truncate(1000);
    text
}

/// The text of `sample()`, through an x86 filter and LZMA2 with a dictionary of 64 KiB.
const XZ: [u8; 100] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x01, 0x04, 0x00,
    0x21, 0x01, 0x08, 0x00, 0xd2, 0xb9, 0x74, 0xcb, 0xe0, 0x03, 0xe7, 0x00, 0x26, 0x5d, 0x00, 0x28,
    0x18, 0x4a, 0x46, 0x23, 0xbe, 0x60, 0xca, 0x95, 0x71, 0x58, 0x29, 0xeb, 0x2e, 0xe5, 0x55, 0x1a,
    0xae, 0xc8, 0xc2, 0xfd, 0xd6, 0xc1, 0x7f, 0x27, 0x6f, 0x31, 0xaa, 0xa1, 0xf8, 0xb6, 0xb0, 0xb3,
    0x3c, 0xba, 0xa8, 0xa7, 0x00, 0x00, 0x00, 0x00, 0x6d, 0x87, 0xd3, 0xc7, 0x00, 0x01, 0x3e, 0xe8,
    0x07, 0x00, 0x00, 0x00, 0xa7, 0x06, 0x56, 0x78, 0x3e, 0x30, 0x0d, 0x8b, 0x02, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x59, 0x5a,
];

/// The same as a gzip file.
const GZIP: [u8; 55] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x0b, 0x48, 0x2c, 0x4a, 0x2c, 0x4b,
    0xcc, 0x4b, 0x55, 0x28, 0xcd, 0x2b, 0x48, 0x4c, 0xce, 0x2e, 0x56, 0xc8, 0x4e, 0x2d, 0xca, 0x4b,
    0xcd, 0x29, 0xd6, 0x53, 0x08, 0x18, 0x95, 0x19, 0x95, 0x19, 0x95, 0x19, 0x26, 0x32, 0x00, 0x6d,
    0x87, 0xd3, 0xc7, 0xe8, 0x03, 0x00, 0x00,
];

/// A bzImage of boot protocol 2.15 around a payload, to which it adds the unpacked length.
fn bzimage(payload: &[u8], unpacked: u32) -> Vec<u8> {
    let mut image = std::vec![0; 0x600];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    put(&mut image, 0x206, 0x20f, 2);
    put(&mut image, 0x248, 0x200, 4);
    put(&mut image, 0x24c, payload.len() as u64 + 4, 4);
    image.extend_from_slice(payload);
    image.extend_from_slice(&unpacked.to_le_bytes());
    image
}

fn packed(module: &[u8]) -> Packed<'_> {
    match inspect(module) {
        Ok(Kernel::Packed(packed)) => packed,
        other => panic!("{other:?}"),
    }
}

fn unpack(module: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let packed = packed(module);
    let mut scratch = std::vec![0xaa; packed.scratch_len()];
    packed.unpack(&mut scratch).map(<[u8]>::to_vec)
}

#[test]
fn both_methods_unpack() {
    let image = bzimage(&XZ, 1000);
    assert_eq!(packed(&image).scratch_len(), 1000 + (64 << 10));
    assert_eq!(unpack(&image), Ok(sample()));
    assert_eq!(unpack(&GZIP), Ok(sample()));
}

#[test]
fn lies_about_the_length() {
    for claimed in [0, 1, 999, 1001] {
        let short = unpack(&bzimage(&XZ, claimed));
        assert!(
            matches!(short, Err(UnpackError::Length { .. })),
            "{claimed}: {short:?}"
        );
        let mut gzip = GZIP;
        let at = gzip.len() - 4;
        put(&mut gzip, at, claimed.into(), 4);
        let short = unpack(&gzip);
        assert!(
            matches!(short, Err(UnpackError::Length { .. })),
            "{claimed}: {short:?}"
        );
    }
    let image = bzimage(&XZ, u32::MAX);
    assert!(matches!(inspect(&image), Err(UnpackError::TooLarge { .. })));
    let need = packed(&GZIP).unpack(&mut [0; 999]).map(drop);
    assert_eq!(
        need,
        Err(UnpackError::Scratch {
            need: 1000,
            have: 999
        })
    );
}

#[test]
fn what_cannot_be_unpacked_is_named() {
    assert_eq!(inspect(b""), Err(UnpackError::Empty));
    assert_eq!(inspect(b"#!/bin/sh\n"), Err(UnpackError::Unknown));
    for (magic, name) in [
        (&b"BZh91AY"[..], "bzip2"),
        (b"\x28\xb5\x2f\xfdxxxx", "Zstandard"),
    ] {
        assert_eq!(inspect(&bzimage(magic, 1)), Err(UnpackError::Method(name)));
    }
    assert_eq!(
        inspect(&XZ),
        Err(UnpackError::Method("XZ outside of a bzImage"))
    );
    let mut old = bzimage(&XZ, 1000);
    old[0x206] = 7;
    old[0x207] = 2;
    assert_eq!(
        inspect(&old),
        Err(UnpackError::OldProtocol { major: 2, minor: 7 })
    );
    let mut outside = bzimage(&XZ, 1000);
    put(&mut outside, 0x24c, 0xffff_ffff, 4);
    assert!(matches!(
        inspect(&outside),
        Err(UnpackError::PayloadOutside { .. })
    ));
    let mut sum = GZIP;
    let at = sum.len() - 8;
    sum[at] ^= 1;
    assert_eq!(unpack(&sum), Err(UnpackError::Checksum));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn mutated_payloads_are_survived(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        gzip: bool,
    ) {
        let mut payload = if gzip { GZIP.to_vec() } else { XZ.to_vec() };
        for (at, byte) in flips {
            let at = at.index(payload.len());
            payload[at] ^= byte;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        if let Ok(Kernel::Packed(packed)) = inspect(&bzimage(&payload, 1000))
            && packed.scratch_len() < 1 << 20
        {
            let mut scratch = std::vec![0; packed.scratch_len()];
            let _ = packed.unpack(&mut scratch);
        }
    }

    #[test]
    fn mutated_setup_headers_are_survived(
        flips in prop::collection::vec((0x1f0_usize..0x250, any::<u8>()), 1..6),
    ) {
        let mut image = bzimage(&XZ, 1000);
        for (at, byte) in flips {
            image[at] ^= byte;
        }
        let _ = inspect(&image);
    }
}
