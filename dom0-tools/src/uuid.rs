//! Domain handles in their usual spelling.

use alloc::format;
use alloc::string::String;

/// Reads `8-4-4-4-12` hexadecimal digits, in either case.
pub fn parse(text: &str) -> Option<[u8; 16]> {
    let mut uuid = [0; 16];
    let mut digits = 0;
    for (index, byte) in text.bytes().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        let slot: &mut u8 = uuid.get_mut(digits / 2)?;
        // A hexadecimal digit fits four bits.
        *slot = *slot << 4 | digit as u8;
        digits += 1;
    }
    (digits == 32 && text.len() == 36).then_some(uuid)
}

/// Writes it the way [`parse`] reads it.
pub fn to_text(uuid: &[u8; 16]) -> String {
    let mut text = String::new();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

/// Makes a handle out of a domain's name and a number that differs between its incarnations.
/// Not random: nothing in dom0 relies on handles being hard to guess.
pub fn derive(name: &str, salt: u64) -> [u8; 16] {
    // FNV-1a, twice with different starts.
    let hash = |start: u64| {
        let bytes = name.bytes().chain(salt.to_le_bytes());
        bytes.fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    let mut uuid = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
    uuid[6] = 0x80 | (uuid[6] & 0x0f);
    uuid[8] = 0x80 | (uuid[8] & 0x3f);
    uuid
}
