//! Bytes of a guest's code, for the decoders.

use zerocopy::IntoBytes;

use crate::addr::{PAGE_SIZE, guest_range};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Bytes that are captured at once.
const WORD: usize = 8;

/// Bytes of code, each read once: what is decoded is what is carried out, whatever another CPU
/// writes there meanwhile. Those that are not there are 0.
pub(crate) struct Code {
    at: u64,
    words: [u64; 2],
    have: usize,
}

impl Code {
    /// None yet of the code at `at`.
    #[inline]
    pub(crate) const fn new(at: u64) -> Self {
        Self {
            at,
            words: [0; 2],
            have: 0,
        }
    }

    /// As many bytes as there is room for, from `at` on.
    #[inline(always)]
    pub(crate) fn whole<M: Machine>(hv: &Hypervisor<M>, at: u64) -> Self {
        let mut code = Self::new(at);
        if guest_range(at, 2 * WORD as u64)
            && let Ok(low) = hv.machine.read_guest_u64(at)
        {
            (code.words[0], code.have) = (low, WORD);
            match hv.machine.read_guest_u64(at.wrapping_add(WORD as u64)) {
                Ok(high) => (code.words[1], code.have) = (high, 2 * WORD),
                Err(_) => code.capture_end(hv),
            }
        } else {
            code.capture_near_end(hv);
        }
        code
    }

    #[cold]
    #[inline(never)]
    fn capture_near_end<M: Machine>(&mut self, hv: &Hypervisor<M>) {
        self.capture(hv);
        self.capture(hv);
    }

    /// Reads the next eight bytes; fewer at the end of what is mapped.
    #[inline]
    pub(crate) fn capture<M: Machine>(&mut self, hv: &Hypervisor<M>) {
        let from = self.at.wrapping_add(self.have as u64);
        if let Some(room) = self.words.get_mut(self.have / WORD)
            && self.have.is_multiple_of(WORD)
            && guest_range(from, WORD as u64)
            && let Ok(word) = hv.machine.read_guest_u64(from)
        {
            *room = word;
            self.have += WORD;
        } else {
            self.capture_end(hv);
        }
    }

    /// Reads the next bytes up to the end of their page, if they are fewer than eight.
    #[cold]
    #[inline(never)]
    fn capture_end<M: Machine>(&mut self, hv: &Hypervisor<M>) {
        let from = self.at.wrapping_add(self.have as u64);
        let in_page = PAGE_SIZE - from as usize % PAGE_SIZE;
        let room = self.words.as_mut_bytes().get_mut(self.have..);
        if let Some(room) = room.and_then(|room| room.get_mut(..in_page))
            && in_page < WORD
            && guest_range(from, in_page as u64)
            && hv.machine.copy_from_guest(from, room).is_ok()
        {
            self.have += in_page;
        }
    }

    /// Those that are there.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.words.as_bytes().get(..self.have).unwrap_or(&[])
    }

    /// How many are there.
    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.have
    }

    /// The first eight, the first of them lowest.
    #[inline(always)]
    pub(crate) const fn first_word(&self) -> u64 {
        self.words[0]
    }

    /// The four from `index` on, 0 where there is no room for more.
    #[inline]
    pub(crate) const fn four_at(&self, index: usize) -> u32 {
        let [low, high] = self.words;
        let all = (high as u128) << 64 | low as u128;
        match all.checked_shr(index as u32 * 8) {
            Some(rest) => rest as u32,
            None => 0,
        }
    }
}

#[cfg(any(test, feature = "testkit"))]
impl From<&[u8]> for Code {
    fn from(bytes: &[u8]) -> Self {
        let mut code = Self::new(0);
        code.have = bytes.len().min(2 * WORD);
        code.words.as_mut_bytes()[..code.have].copy_from_slice(&bytes[..code.have]);
        code
    }
}
