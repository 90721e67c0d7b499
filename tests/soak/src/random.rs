//! Random numbers that a seed repeats: splitmix64 (Steele, Lea, Flood 2014).

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// Between two numbers of seconds.
    pub(crate) fn seconds(&mut self, low: f64, high: f64) -> std::time::Duration {
        let part = self.below(1 << 20) as f64 / f64::from(1 << 20);
        std::time::Duration::from_secs_f64(low + (high - low) * part)
    }
}
