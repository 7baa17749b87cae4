//! Little-endian numbers in untrusted bytes, by checked offsets.

macro_rules! at {
    ($name:ident, $type:ty) => {
        /// The number at byte `offset`; `None` behind the end.
        #[must_use]
        pub fn $name(bytes: &[u8], offset: usize) -> Option<$type> {
            let end = offset.checked_add(size_of::<$type>())?;
            let field = bytes.get(offset..end)?;
            Some(<$type>::from_le_bytes(field.try_into().ok()?))
        }
    };
}

at!(u8_at, u8);
at!(u16_at, u16);
at!(u32_at, u32);
at!(u64_at, u64);

/// The bytes up to the first NUL, or all.
#[must_use]
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}
