//! Kernel images: every malformed form is refused with a message that names the cause, and no
//! sequence of bytes makes the parser or the layout panic.

mod fake;

use dom0_tools::build::{Layout, LayoutError};
use dom0_tools::image::{ImageError, PvKernel};
use fake::image::{INIT_P2M, Image, VIRT_BASE};
use hypercall_abi::elfnote::*;
use proptest::prelude::*;

fn refusal(file: &[u8]) -> ImageError {
    PvKernel::parse(file).expect_err("the image must be refused")
}

#[track_caller]
fn refused_with(file: &[u8], part: &str) {
    let message = refusal(file).to_string();
    assert!(
        message.contains(part),
        "`{message}` does not mention `{part}`"
    );
}

#[test]
fn a_sound_image_is_understood() {
    let bytes = Image::modern().bytes();
    let kernel = PvKernel::parse(&bytes).unwrap();
    assert_eq!(kernel.virt_base, VIRT_BASE);
    assert_eq!(kernel.entry, VIRT_BASE + 0x10_0040);
    assert_eq!(kernel.end, 0x10_c000);
    assert_eq!(kernel.init_p2m, Some(INIT_P2M));
    assert_eq!(kernel.hypercall_page, Some(0x10_4000));
    assert!(kernel.mod_start_pfn);
    assert_eq!(kernel.guest_os, "testguest");
    assert_eq!(kernel.segments.len(), 2);
    // As Linux has it: without a NUL at the end.
    let mut image = Image::plain().without(XEN_ELFNOTE_XEN_VERSION);
    let version = (XEN_ELFNOTE_XEN_VERSION as u32, b"xen-3.0".to_vec());
    image.notes.push(version);
    PvKernel::parse(&image.bytes()).unwrap();
}

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 6] = [
        (b"\xfd7zXZ\0\0\0", "XZ"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"070701000", "cpio"),
        (b"#!/bin/sh\n", "script"),
        (b"what is this", "not an ELF file"),
        (b"", "truncated"),
    ];
    for (file, name) in cases {
        refused_with(file, name);
    }
}

#[test]
fn wrong_kinds_of_elf_are_named() {
    let good = Image::plain().bytes();
    for (offset, value, field) in [
        (4, 1, "class"),
        (5, 2, "data encoding"),
        (18, 3, "machine"),
        (16, 1, "type"),
        (54, 32, "program header size"),
    ] {
        let mut file = good.clone();
        file[offset] = value;
        refused_with(&file, field);
    }
}

#[test]
fn lying_headers_and_notes_are_refused() {
    let far = u64::MAX - 0xfff;
    let mut overlapping = Image::plain();
    overlapping.segments[1].0 = 0x10_1000;
    let mut shrinking = Image::plain();
    shrinking.segments[1].2 = 10;
    let mut wrapping = Image::plain();
    wrapping.segments[1].0 = far;
    let mut vast = Image::plain();
    vast.segments[1].2 = 1 << 50;
    let mut odd_note = Image::plain();
    odd_note
        .notes
        .push((XEN_ELFNOTE_INIT_P2M as u32, vec![1, 2, 3]));
    let mut no_text = Image::plain().without(XEN_ELFNOTE_XEN_VERSION);
    no_text
        .notes
        .push((XEN_ELFNOTE_XEN_VERSION as u32, b"xen-3.\xff".to_vec()));
    let mut twice = Image::plain();
    twice.notes.push(twice.notes[0].clone());
    let mut needy = Image::plain();
    needy.notes.push((
        XEN_ELFNOTE_FEATURES as u32,
        b"a|!supervisor_mode_kernel\0".to_vec(),
    ));
    let mut old = Image::plain().without(XEN_ELFNOTE_XEN_VERSION);
    old.notes
        .push((XEN_ELFNOTE_XEN_VERSION as u32, b"xen-2.0\0".to_vec()));
    let mut empty = Image::plain();
    empty.segments.clear();
    let mut silent = Image::plain();
    silent.notes.clear();
    let cases = [
        (overlapping, "overlap"),
        (shrinking, "only 10 in memory"),
        (wrapping, "does not fit"),
        (vast, "does not fit"),
        (odd_note, "4 or 8 bytes"),
        (no_text, "must be ASCII"),
        (twice, "given twice"),
        (needy, "supervisor_mode_kernel"),
        (old, "xen-3.0"),
        (empty, "no loadable segment"),
        (silent, "no Xen notes"),
        (Image::plain().without(XEN_ELFNOTE_ENTRY), "no entry point"),
        (Image::plain().with(XEN_ELFNOTE_ENTRY, 0), "no segment"),
        (
            Image::plain().with(XEN_ELFNOTE_ENTRY, VIRT_BASE + 0x10_2000),
            "no segment",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_VIRT_BASE, VIRT_BASE + 1),
            "not page-aligned",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_VIRT_BASE, 0xffff_8000_0000_0000),
            "hypervisor's own",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_VIRT_BASE, 0x8000_0000_0000),
            "canonical",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_VIRT_BASE, far),
            "end of the address space",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_PADDR_OFFSET, 1 << 40),
            "PADDR_OFFSET",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + 0x10_d000),
            "outside the kernel",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + 8),
            "not page-aligned",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_INIT_P2M, INIT_P2M + 8),
            "not page-aligned",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_INIT_P2M, 0xffff_8100_0000_0000),
            "hypervisor's own",
        ),
        (
            Image::plain().with(XEN_ELFNOTE_HV_START_LOW, 0xffff_8800_0000_0000),
            "begins below",
        ),
    ];
    let count = cases.len();
    for (image, part) in cases {
        refused_with(&image.bytes(), part);
    }
    println!("{count} lying images refused, each by its cause");
}

#[test]
fn every_truncation_is_refused() {
    let good = Image::modern().bytes();
    for length in 0..good.len() {
        refusal(&good[..length]);
    }
    println!("{} truncations refused", good.len());
}

/// Everything a sound layout must have; independent of how it is computed.
fn check_layout(kernel: &PvKernel<'_>, layout: &Layout) {
    let mut taken: Vec<(u64, u64)> = vec![
        (kernel.segments[0].offset / 4096, kernel.end.div_ceil(4096)),
        (layout.ramdisk.start, layout.ramdisk.end),
        (layout.p2m.start, layout.p2m.end),
        (layout.p2m_tables.start, layout.p2m_tables.end),
        (layout.tables.start, layout.tables.end),
    ];
    taken.extend(
        [
            layout.start_info,
            layout.store,
            layout.console,
            layout.stack,
        ]
        .map(|pfn| (pfn, pfn + 1)),
    );
    taken.retain(|(start, end)| start < end);
    taken.sort();
    for pair in taken.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
    assert!(taken.last().unwrap().1 <= layout.total_pages);
    assert_eq!(layout.address(layout.region_pages) % (4 << 20), 0);
    assert!(layout.stack + 1 + (512 << 10) / 4096 <= layout.region_pages);
    assert!(layout.region_pages <= layout.total_pages);
    assert_eq!(
        layout.p2m.end - layout.p2m.start,
        layout.total_pages.div_ceil(512)
    );
}

#[test]
fn layouts_are_sound_over_many_sizes() {
    let mut laid_out = 0;
    for image in [
        Image::plain(),
        Image::modern(),
        Image::modern()
            .with(XEN_ELFNOTE_VIRT_BASE, 0)
            .with(XEN_ELFNOTE_ENTRY, 0x10_0040)
            .without(XEN_ELFNOTE_HYPERCALL_PAGE),
    ] {
        let bytes = image.bytes();
        let kernel = PvKernel::parse(&bytes).unwrap();
        for pages in (0..40_000).step_by(61) {
            for ramdisk in [0, 1, 4096, 1 << 20, 9 << 20] {
                match Layout::plan(&kernel, ramdisk, pages) {
                    Ok(layout) => {
                        check_layout(&kernel, &layout);
                        laid_out += 1;
                    }
                    Err(error) => assert!(matches!(error, LayoutError::Memory { .. }), "{error}"),
                }
            }
        }
    }
    println!("{laid_out} layouts checked");
    assert!(laid_out > 5000);
}

#[test]
fn a_p2m_inside_the_region_is_refused() {
    let bytes = Image::plain()
        .with(XEN_ELFNOTE_INIT_P2M, VIRT_BASE + 0x20_0000)
        .bytes();
    let kernel = PvKernel::parse(&bytes).unwrap();
    let error = Layout::plan(&kernel, 0, 8192).unwrap_err();
    assert!(matches!(error, LayoutError::P2mOverlap { .. }), "{error}");
}

#[test]
fn too_little_memory_says_how_much_is_needed() {
    let bytes = Image::plain().bytes();
    let kernel = PvKernel::parse(&bytes).unwrap();
    let LayoutError::Memory { need, have } = Layout::plan(&kernel, 0, 100).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!((need, have), (4096, 400));
    assert!(Layout::plan(&kernel, 0, need / 4).is_ok());
    assert!(Layout::plan(&kernel, u64::MAX / 2, 1 << 20).is_err());
    assert!(matches!(
        Layout::plan(&kernel, 0, u64::MAX),
        Err(LayoutError::TooLarge(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Any mutation of a sound image is either refused or still a sound layout: no panic.
    #[test]
    fn mutated_images_never_panic(
        changes in prop::collection::vec((0usize..600, any::<u8>()), 1..12),
        tail in 0usize..200,
        pages in 0u64..20_000,
        ramdisk in 0u64..(8 << 20),
    ) {
        // Headers first, then the notes at the end of the file.
        let mut file = Image::modern().bytes();
        let length = file.len();
        for (at, value) in changes {
            let at = if at < 300 { at } else { length - 1 - (at - 300) };
            file[at] = value;
        }
        file.truncate(length - tail.saturating_sub(150));
        if let Ok(kernel) = PvKernel::parse(&file)
            && let Ok(layout) = Layout::plan(&kernel, ramdisk, pages)
        {
            check_layout(&kernel, &layout);
        }
    }

    /// Nor does any file of noise behind an ELF magic.
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.extend(noise);
        let _ = PvKernel::parse(&file);
    }
}
