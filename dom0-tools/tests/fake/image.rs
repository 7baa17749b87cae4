//! Kernel images made to order.

use hypercall_abi::elfnote::*;

/// A kernel in the making.
#[derive(Clone)]
pub struct Image {
    pub segments: Vec<(u64, Vec<u8>, u64)>,
    pub notes: Vec<(u32, Vec<u8>)>,
}

pub const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
pub const INIT_P2M: u64 = 0x80_0000_0000;

fn number(kind: i64, value: u64) -> (u32, Vec<u8>) {
    (kind as u32, value.to_le_bytes().to_vec())
}

impl Image {
    /// A small kernel: text, and data with a BSS, at 1 MiB, and no optional note.
    pub fn plain() -> Self {
        let text: Vec<u8> = (0..6000u32).map(|i| (i * 7 + 1) as u8).collect();
        let data: Vec<u8> = (0..3000u32).map(|i| (i * 11 + 3) as u8).collect();
        Image {
            segments: vec![(0x10_0000, text, 6000), (0x10_3000, data, 0x9000)],
            notes: vec![
                number(XEN_ELFNOTE_VIRT_BASE, VIRT_BASE),
                number(XEN_ELFNOTE_ENTRY, VIRT_BASE + 0x10_0040),
                (XEN_ELFNOTE_XEN_VERSION as u32, b"xen-3.0\0".to_vec()),
                (XEN_ELFNOTE_GUEST_OS as u32, b"testguest\0".to_vec()),
            ],
        }
    }

    /// The same with everything that Linux asks for.
    pub fn modern() -> Self {
        let mut image = Self::plain();
        image.notes.push(number(XEN_ELFNOTE_INIT_P2M, INIT_P2M));
        image.notes.push((
            XEN_ELFNOTE_MOD_START_PFN as u32,
            1u32.to_le_bytes().to_vec(),
        ));
        image
            .notes
            .push(number(XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + 0x10_4000));
        let features = b"!writable_page_tables|pae_pgdir_above_4gb\0".to_vec();
        image.notes.push((XEN_ELFNOTE_FEATURES as u32, features));
        image
    }

    /// Replaces a numeric note.
    pub fn with(mut self, kind: i64, value: u64) -> Self {
        self.notes.retain(|(known, _)| i64::from(*known) != kind);
        self.notes.push(number(kind, value));
        self
    }

    /// Removes a note.
    pub fn without(mut self, kind: i64) -> Self {
        self.notes.retain(|(known, _)| i64::from(*known) != kind);
        self
    }

    /// The ELF file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut notes = Vec::new();
        for (kind, description) in &self.notes {
            for word in [4, description.len() as u32, *kind] {
                notes.extend(word.to_le_bytes());
            }
            notes.extend(b"Xen\0");
            notes.extend(description);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        let count = self.segments.len() + 1;
        let mut file = vec![0; 64 + 56 * count];
        file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        file[20] = 1;
        file[32] = 64;
        file[52] = 64;
        file[54] = 56;
        file[56] = count as u8;
        let header =
            |file: &mut Vec<u8>, index: usize, kind: u32, paddr: u64, data: &[u8], size: u64| {
                let offset = file.len() as u64;
                let at = 64 + 56 * index;
                file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
                for (slot, value) in [
                    (8, offset),
                    (24, paddr),
                    (32, data.len() as u64),
                    (40, size),
                ] {
                    file[at + slot..at + slot + 8].copy_from_slice(&value.to_le_bytes());
                }
                file.extend(data);
            };
        for (index, (paddr, data, size)) in self.segments.iter().enumerate() {
            header(&mut file, index, 1, *paddr, data, *size);
        }
        header(&mut file, count - 1, 4, 0, &notes, notes.len() as u64);
        file
    }
}
