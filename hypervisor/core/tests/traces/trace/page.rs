//! The words of a page in the model, and at hand which of them are present as entries.

use std::ops::Index;

/// Entries of a page.
const ENTRIES: usize = 512;

/// A page.
#[derive(Clone)]
pub struct Page {
    words: [u64; ENTRIES],
    /// A bit for each word whose bit 0 is set.
    present: [u64; ENTRIES / 64],
}

impl Page {
    /// A page of zeros.
    pub const ZERO: Self = Self {
        words: [0; ENTRIES],
        present: [0; ENTRIES / 64],
    };

    /// A page of these words.
    pub fn new(words: [u64; ENTRIES]) -> Self {
        let mut present = [0; ENTRIES / 64];
        for (bits, words) in present.iter_mut().zip(words.chunks(64)) {
            for (i, word) in words.iter().enumerate() {
                *bits |= (word & 1) << i;
            }
        }
        Self { words, present }
    }

    /// Changes a word.
    pub fn set(&mut self, index: usize, word: u64) {
        self.words[index] = word;
        let bits = &mut self.present[index / 64];
        *bits = *bits & !(1 << (index % 64)) | (word & 1) << (index % 64);
    }

    /// All words.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.words.iter().copied()
    }

    /// The words that would be present as entries, with their indices.
    pub fn present(&self) -> impl Iterator<Item = (usize, u64)> {
        (0..self.present.len()).flat_map(move |i| {
            let mut left = self.present[i];
            std::iter::from_fn(move || {
                let next = (left != 0).then(|| i * 64 + left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some((next, self.words[next]))
            })
        })
    }
}

impl Index<usize> for Page {
    type Output = u64;

    fn index(&self, index: usize) -> &u64 {
        &self.words[index]
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}
