//! ELF, notes and layout.

use std::vec::Vec;

use hypercall_abi::elfnote::*;
use proptest::prelude::*;

use super::image::{BASE, Choice, NOTES_OFFSET, STUBS, TEXT, kernel, notes, program, put};
use crate::build::elf::{Elf, ElfError};
use crate::build::layout::{KernelPlace, Layout, LayoutError, Request};
use crate::build::notes::{NoteError, Notes};

#[test]
fn a_good_image() {
    let image = kernel(Choice::default());
    let elf = Elf::parse(&image).unwrap();
    assert_eq!(elf.span(), (TEXT, TEXT + 0x4000));
    let notes = Notes::read(&elf).unwrap();
    assert_eq!(notes.virt_base, BASE);
    assert_eq!(notes.hypercall_page, Some(STUBS));
    assert!(!notes.mod_start_pfn);
}

#[test]
fn notes_are_found_by_section_too() {
    let mut image = kernel(Choice::default());
    put(&mut image, 64 + 56, 0, 4);
    assert_eq!(
        Notes::read(&Elf::parse(&image).unwrap()),
        Err(NoteError::None)
    );
    let section = image.len();
    image.resize(section + 64, 0);
    put(&mut image, 40, section as u64, 8);
    put(&mut image, 60, 1, 2);
    put(&mut image, section + 4, 7, 4);
    put(&mut image, section + 24, NOTES_OFFSET as u64, 8);
    put(&mut image, section + 32, 96, 8);
    let found = Notes::read(&Elf::parse(&image).unwrap()).unwrap().virt_base;
    assert_eq!(found, BASE);
    put(&mut image, section + 32, u64::MAX, 8);
    let elf = Elf::parse(&image).unwrap();
    assert!(matches!(
        Notes::read(&elf),
        Err(NoteError::Elf(ElfError::Truncated { .. }))
    ));
}

fn with_program(header: [u64; 5]) -> Result<(), ElfError> {
    let mut image = kernel(Choice::default());
    put(&mut image, 56, 3, 2);
    program(&mut image, 2, header);
    Elf::parse(&image).map(drop)
}

#[test]
fn lying_headers_are_named() {
    assert_eq!(with_program([1, 0, 0x9000, 0x10, 0x10]), Ok(()));
    assert!(matches!(
        with_program([1, 0x10_0000, 0x9000, 1, 1]),
        Err(ElfError::Truncated { .. })
    ));
    assert!(matches!(
        with_program([1, u64::MAX, 0x9000, 2, 2]),
        Err(ElfError::Truncated { .. })
    ));
    assert!(matches!(
        with_program([4, 0x20, 0, u64::MAX, 0]),
        Err(ElfError::Truncated { .. })
    ));
    assert_eq!(
        with_program([1, 0, 0x9000, 2, 1]),
        Err(ElfError::FileLargerThanMemory {
            index: 1,
            file: 2,
            memory: 1
        })
    );
    assert!(matches!(
        with_program([1, 0, u64::MAX, 0, 2]),
        Err(ElfError::Wraps { index: 1, .. })
    ));
    let overlap = Err(ElfError::Overlap {
        first: 0,
        second: 1,
    });
    assert_eq!(with_program([1, 0, TEXT + 0x3fff, 1, 1]), overlap);
    assert_eq!(with_program([1, 0, 0, 1, TEXT + 1]), overlap);
    assert_eq!(with_program([1, 0, TEXT + 0x4000, 1, 1]), Ok(()));

    for (offset, value, len) in [
        (0, 0, 1),
        (4, 1, 1),
        (16, 1, 2),
        (18, 3, 2),
        (54, 32, 2),
        (56, 65, 2),
    ] {
        let mut image = kernel(Choice::default());
        put(&mut image, offset, value, len);
        assert!(Elf::parse(&image).is_err(), "offset {offset}");
    }
    let mut image = kernel(Choice::default());
    put(&mut image, 64, 0, 4);
    assert_eq!(Elf::parse(&image).map(drop), Err(ElfError::NothingToLoad));
}

fn read_notes(area: &[u8]) -> Result<(), NoteError> {
    let mut image = kernel(Choice::default());
    let at = image.len();
    image.extend_from_slice(area);
    program(&mut image, 1, [4, at as u64, 0, area.len() as u64, 0]);
    Notes::read(&Elf::parse(&image).unwrap()).map(drop)
}

fn features(list: &str) -> Result<(), NoteError> {
    let mut area = notes(&[(XEN_ELFNOTE_FEATURES, 0)]);
    area.truncate(16);
    area[4..8].copy_from_slice(&(list.len() as u32).to_le_bytes());
    area.extend_from_slice(list.as_bytes());
    read_notes(&area)
}

/// One note with any description.
fn note(kind: i64, desc: &[u8]) -> Vec<u8> {
    let mut area = Vec::new();
    for word in [4, desc.len() as u32, kind as u32] {
        area.extend_from_slice(&word.to_le_bytes());
    }
    area.extend_from_slice(b"Xen\0");
    area.extend_from_slice(desc);
    area
}

#[test]
fn notes_of_every_kind() {
    for width in [1, 2, 4, 8] {
        let number = &0x41_u64.to_le_bytes()[..width];
        for kind in [
            XEN_ELFNOTE_PADDR_OFFSET,
            XEN_ELFNOTE_INIT_P2M,
            XEN_ELFNOTE_MOD_START_PFN,
            XEN_ELFNOTE_HV_START_LOW,
        ] {
            assert_eq!(read_notes(&note(kind, number)), Ok(()), "{kind} {width}");
        }
    }
    for (kind, text) in [
        (XEN_ELFNOTE_XEN_VERSION, &b"xen-3.0\0"[..]),
        (XEN_ELFNOTE_GUEST_OS, b"linux"),
        (XEN_ELFNOTE_GUEST_VERSION, b"2.6"),
        (XEN_ELFNOTE_LOADER, b"generic"),
        (XEN_ELFNOTE_PAE_MODE, b"yes"),
        (XEN_ELFNOTE_BSD_SYMTAB, b"yes"),
        (XEN_ELFNOTE_L1_MFN_VALID, b""),
        (XEN_ELFNOTE_L1_MFN_VALID, &[1; 16]),
        (XEN_ELFNOTE_MAX + 1, b"?"),
    ] {
        assert_eq!(read_notes(&note(kind, text)), Ok(()), "{kind}");
    }
    let beyond = 0xffff_9000_0000_0000_u64;
    for (kind, desc, error) in [
        (
            XEN_ELFNOTE_HV_START_LOW,
            &beyond.to_le_bytes()[..],
            NoteError::HvStartLow(beyond),
        ),
        (XEN_ELFNOTE_XEN_VERSION, b"xen-4.0", NoteError::XenVersion),
        (XEN_ELFNOTE_L1_MFN_VALID, &[1; 17], NoteError::OddPairs(17)),
    ] {
        assert_eq!(read_notes(&note(kind, desc)), Err(error));
    }
}

#[test]
fn notes_that_cannot_be_honoured() {
    assert_eq!(
        features("!writable_page_tables|pae_pgdir_above_4gb"),
        Ok(())
    );
    assert_eq!(
        features("!auto_translated_physmap"),
        Err(NoteError::FeatureRequired("auto_translated_physmap"))
    );
    assert_eq!(features("dom0|!telepathy"), Err(NoteError::FeatureUnknown));
    assert_eq!(features("telepathy"), Ok(()));
    let area = notes(&[(XEN_ELFNOTE_SUPPORTED_FEATURES, 1)]);
    assert_eq!(read_notes(&area), Err(NoteError::NotForDom0));
    assert_eq!(
        read_notes(&notes(&[(XEN_ELFNOTE_SUPPORTED_FEATURES, 0x8801)])),
        Ok(())
    );
    assert!(matches!(
        read_notes(&area[..20]),
        Err(NoteError::Truncated { .. })
    ));
    let mut area = notes(&[(1, 0)]);
    area[4] = 3;
    assert_eq!(
        read_notes(&area),
        Err(NoteError::NotNumeric {
            name: "ENTRY",
            len: 3
        })
    );
}

#[test]
fn places_that_cannot_be() {
    let place =
        |span, base, offset, entry, page| KernelPlace::new(span, (base, offset), entry, page);
    let span = (0x1000, 0x5000);
    assert!(place(span, BASE, 0, BASE + 0x1000, None).is_ok());
    assert!(place(span, 0, 0, 0x1000, None).is_ok());
    assert!(matches!(
        place(span, 1, 0, 0x1001, None),
        Err(LayoutError::Unaligned { .. })
    ));
    assert!(matches!(
        place(span, BASE, 0x2000, BASE, None),
        Err(LayoutError::BelowOffset { .. })
    ));
    for entry in [BASE + 0xfff, BASE + 0x5000, 0, u64::MAX] {
        let outside = place(span, BASE, 0, entry, None);
        assert!(
            matches!(outside, Err(LayoutError::OutsideKernel { .. })),
            "{entry:x}"
        );
    }
    let page = place(span, BASE, 0, BASE + 0x1000, Some(BASE + 0x5000));
    assert!(matches!(page, Err(LayoutError::OutsideKernel { .. })));
    for base in [
        0xffff_8000_0000_0000,
        0x7fff_ffff_f000,
        0xffff_ffff_ffff_f000,
    ] {
        let nowhere = place(span, base, 0, base.wrapping_add(0x1000), None);
        assert!(
            matches!(nowhere, Err(LayoutError::AddressSpace { .. })),
            "{base:x}"
        );
    }
}

fn request() -> impl Strategy<Value = Request> {
    let base =
        prop::sample::select(&[0, 0x10_0000, BASE, 0xffff_8800_0000_0000, 0x7f_ffff_f000][..]);
    let p2m = prop::option::of(prop::sample::select(
        &[
            0x80_0000_0000,
            0,
            0xffff_8000_0000_0000,
            0xffff_f000_0000_0000,
            0x1234,
        ][..],
    ));
    (
        base,
        1_u64..40_000,
        0_u64..20_000,
        any::<bool>(),
        p2m,
        0_u64..400_000,
    )
        .prop_map(
            |(v_start, kernel_pages, ramdisk_pages, ramdisk_unmapped, init_p2m, nr_pages)| {
                Request {
                    v_start,
                    kernel_pages,
                    ramdisk_pages,
                    ramdisk_unmapped,
                    init_p2m,
                    nr_pages,
                }
            },
        )
}

/// The page ranges of everything that is placed, in order.
fn ranges(request: &Request, layout: &Layout) -> Vec<(u64, u64)> {
    let mut all = Vec::from([
        (0, request.kernel_pages),
        (layout.ramdisk_pfn, request.ramdisk_pages),
        (layout.p2m_pfn, layout.p2m_pages),
        (layout.start_info_pfn, 1),
        (layout.root_pfn, layout.boot_tables()),
        (layout.stack_pfn, 1),
    ]);
    all.extend(
        layout
            .p2m
            .map(|region| (region.tables_pfn, region.all_tables())),
    );
    all.retain(|&(_, count)| count != 0);
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn layouts_keep_xen_h_s_promises(request in request()) {
        let Ok(layout) = Layout::plan(&request) else { return Ok(()) };
        let all = ranges(&request, &layout);
        for pair in all.windows(2) {
            prop_assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
        }
        let last = all.last().map_or(0, |&(pfn, count)| pfn + count);
        prop_assert!(last <= layout.end_pfn.max(layout.boot.pages));
        prop_assert!(layout.end_pfn <= request.nr_pages);
        let end = layout.va(layout.boot.pages);
        prop_assert!(end.is_multiple_of(4 << 20));
        prop_assert!(end - layout.va(layout.stack_pfn + 1) >= 512 << 10);
        prop_assert!(layout.va(layout.stack_pfn + 1) < end);
        if request.init_p2m.is_none() {
            prop_assert!(layout.p2m_pfn < layout.start_info_pfn);
        }
    }

    #[test]
    fn mutated_images_are_survived(
        flips in prop::collection::vec((0_usize..0x240, any::<u8>()), 0..12),
        words in prop::collection::vec((0_usize..0x40, prop::sample::select(
            &[0, 1, 0x1000, 1 << 31, u64::MAX, i64::MAX as u64, u64::MAX - 0xfff, BASE][..])), 0..3),
        len in 0_usize..0x3000,
        nr_pages in 0_u64..10_000,
    ) {
        let mut image = kernel(Choice { init_p2m: Some(0x80_0000_0000), ..Choice::default() });
        for (at, byte) in flips {
            image[at] ^= byte;
        }
        for (word, value) in words {
            put(&mut image, word * 8, value, 8);
        }
        image.truncate(len.max(64));
        let Ok(elf) = Elf::parse(&image) else { return Ok(()) };
        let Ok(notes) = Notes::read(&elf) else { return Ok(()) };
        let place = KernelPlace::new(
            elf.span(),
            (notes.virt_base, notes.paddr_offset),
            notes.entry.unwrap_or(elf.entry),
            notes.hypercall_page,
        );
        let Ok(place) = place else { return Ok(()) };
        let _ = Layout::plan(&Request {
            v_start: place.v_start,
            kernel_pages: place.pages(),
            ramdisk_pages: 3,
            ramdisk_unmapped: notes.mod_start_pfn,
            init_p2m: notes.init_p2m,
            nr_pages,
        });
    }

    #[test]
    fn any_note_area_is_survived(area in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_notes(&area);
    }
}
