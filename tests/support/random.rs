//! Random numbers from a seed: SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) struct Random(u64);

impl Random {
    /// From `OUTBAND_SEED` where that is set, else from `seed`; printed, which a failing test shows.
    pub(crate) fn seeded(seed: u64) -> Self {
        let seed = std::env::var("OUTBAND_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
        println!("OUTBAND_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to `below`, exclusive.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }
}
