//! Random numbers that depend only on a seed.

/// Stafford's mixer. Neighbouring words give words that have nothing to do with each other.
pub fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A sequence of random numbers.
pub struct Random(u64);

impl Random {
    /// The sequence of this number. Each seed has many sequences.
    pub fn new(seed: u64, number: u64) -> Self {
        Self(mix(seed ^ mix(number)))
    }

    /// The next number of the sequence, less than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mix(self.0) % limit as u64).expect("less than a usize")
    }
}
