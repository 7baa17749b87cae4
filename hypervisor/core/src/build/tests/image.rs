//! A kernel image made for the tests.

use std::vec::Vec;

use hypercall_abi::elfnote::{
    XEN_ELFNOTE_ENTRY, XEN_ELFNOTE_HYPERCALL_PAGE, XEN_ELFNOTE_INIT_P2M, XEN_ELFNOTE_MOD_START_PFN,
    XEN_ELFNOTE_VIRT_BASE,
};

/// Address of page 0 of the test kernel.
pub(super) const BASE: u64 = 0xffff_ffff_8000_0000;
/// Its first byte: page 1 and a bit.
pub(super) const TEXT: u64 = 0x1040;
/// Bytes of its text and of its zeroed memory.
pub(super) const TEXT_LEN: u64 = 0x2100;
pub(super) const BSS_LEN: u64 = 0x1f00;
/// Its hypercall page.
pub(super) const STUBS: u64 = BASE + 0x2000;
/// Where in the file its text is.
pub(super) const TEXT_OFFSET: usize = 0x200;
/// Where in the file its notes are.
pub(super) const NOTES_OFFSET: usize = 0x120;

/// What a test image has besides the usual.
#[derive(Clone, Copy, Default)]
pub(super) struct Choice {
    /// `INIT_P2M`.
    pub(super) init_p2m: Option<u64>,
    /// `MOD_START_PFN`.
    pub(super) mod_start_pfn: bool,
    /// Zeroed memory beyond [`BSS_LEN`].
    pub(super) more_bss: u64,
}

pub(super) fn put(image: &mut [u8], offset: usize, value: u64, len: usize) {
    image[offset..offset + len].copy_from_slice(&value.to_le_bytes()[..len]);
}

/// A note area with numeric notes.
pub(super) fn notes(numbers: &[(i64, u64)]) -> Vec<u8> {
    let mut area = Vec::new();
    for &(kind, value) in numbers {
        for word in [4, 8, kind as u32] {
            area.extend_from_slice(&word.to_le_bytes());
        }
        area.extend_from_slice(b"Xen\0");
        area.extend_from_slice(&value.to_le_bytes());
    }
    area
}

/// Byte `index` of the text.
pub(super) fn text_byte(index: u64) -> u8 {
    (index % 251) as u8
}

/// An image of one loadable segment and one note segment.
pub(super) fn kernel(choice: Choice) -> Vec<u8> {
    let mut numbers = Vec::from([
        (XEN_ELFNOTE_ENTRY, BASE + TEXT + 0x10),
        (XEN_ELFNOTE_VIRT_BASE, BASE),
        (XEN_ELFNOTE_HYPERCALL_PAGE, STUBS),
        (XEN_ELFNOTE_MOD_START_PFN, choice.mod_start_pfn.into()),
    ]);
    numbers.extend(choice.init_p2m.map(|va| (XEN_ELFNOTE_INIT_P2M, va)));
    let area = notes(&numbers);
    let mut image = std::vec![0; TEXT_OFFSET + TEXT_LEN as usize];
    image[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    for (offset, value, len) in [
        (16, 2, 2),
        (18, 62, 2),
        (20, 1, 4),
        (24, BASE + TEXT, 8),
        (32, 64, 8),
        (52, 64, 2),
        (54, 56, 2),
        (56, 2, 2),
        (58, 64, 2),
    ] {
        put(&mut image, offset, value, len);
    }
    let memory = TEXT_LEN + BSS_LEN + choice.more_bss;
    program(
        &mut image,
        0,
        [1, TEXT_OFFSET as u64, TEXT, TEXT_LEN, memory],
    );
    let len = area.len() as u64;
    program(&mut image, 1, [4, NOTES_OFFSET as u64, 0, len, len]);
    image[NOTES_OFFSET..NOTES_OFFSET + area.len()].copy_from_slice(&area);
    for index in 0..TEXT_LEN {
        image[TEXT_OFFSET + index as usize] = text_byte(index);
    }
    image
}

/// Writes program header `index`: type, file offset, physical address, bytes in file, in memory.
pub(super) fn program(
    image: &mut [u8],
    index: usize,
    [kind, offset, paddr, file, memory]: [u64; 5],
) {
    let at = 64 + index * 56;
    put(image, at, kind, 4);
    put(image, at + 8, offset, 8);
    put(image, at + 24, paddr, 8);
    put(image, at + 32, file, 8);
    put(image, at + 40, memory, 8);
}
