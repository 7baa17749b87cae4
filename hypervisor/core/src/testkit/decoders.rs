//! The two decoders of guest code, for programs that compare them with others.

use core::hint::black_box;

use crate::pv::store;
use crate::trap::code::Code;
use crate::trap::decode;

/// Decodes a privileged instruction as the emulator does; its length, if it is one.
#[must_use]
pub fn privileged(bytes: &[u8]) -> Option<u8> {
    black_box(decode::decode(bytes)).map(|insn| insn.len)
}

/// A store to a page table, its bytes fetched already.
pub struct Fetched(Code);

impl Fetched {
    /// At most 16 bytes of code.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Decodes it; its length, if it is one.
    #[must_use]
    pub fn decode(&self) -> Option<u8> {
        black_box(store::decode(&self.0)).map(|store| store.length)
    }
}
