//! What the small programs share: a computation with a known kind of cost, and a memory pattern.

/// An odd multiplier with well-mixed bits (2^64 / golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Pure computation: `rounds` steps of a mixing function, a few instructions each.
pub fn compute(seed: u64, rounds: u64) -> u64 {
    (0..rounds).fold(seed, |state, round| {
        (state ^ round).wrapping_mul(MIX).rotate_left(29)
    })
}

/// The word that belongs at place `index` of the pattern `seed`.
pub fn pattern(seed: u64, index: u64) -> u64 {
    (index ^ seed).wrapping_add(1).wrapping_mul(MIX)
}

/// Fills memory with a pattern.
pub fn fill(memory: &mut [u64], seed: u64) {
    for (index, word) in memory.iter_mut().enumerate() {
        *word = pattern(seed, index as u64);
    }
}

/// A checksum over memory.
pub fn checksum(memory: &[u64]) -> u64 {
    memory.iter().fold(0, |sum: u64, word| {
        (sum ^ word).wrapping_mul(MIX).rotate_left(23)
    })
}

/// The checksum that memory filled with a pattern must have.
pub fn expected(len: usize, seed: u64) -> u64 {
    (0..len as u64).fold(0, |sum: u64, i| {
        (sum ^ pattern(seed, i)).wrapping_mul(MIX).rotate_left(23)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_memory_has_the_expected_checksum_and_a_changed_one_has_not() {
        let mut memory = [0; 1000];
        fill(&mut memory, 7);
        assert_eq!(checksum(&memory), expected(1000, 7));
        assert_ne!(expected(1000, 7), expected(1000, 8));
        for at in [0, 1, 500, 999] {
            memory[at] ^= 1 << 40;
            assert_ne!(checksum(&memory), expected(1000, 7));
            memory[at] ^= 1 << 40;
        }
    }
}
