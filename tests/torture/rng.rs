//! Random numbers from a printed seed, so that a run can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// The generator `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Creates a generator for `test` from the seed in `F9_SEED`, or from the time, and prints the seed.
    #[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
    pub(crate) fn new(test: &str) -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = std::env::var("F9_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
        println!("{test}: F9_SEED={seed}");
        Self::of(seed)
    }

    /// Creates a generator from a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates an independent generator.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns one of `items`, or `None` if there are none.
    pub(crate) fn pick<T>(&mut self, items: impl IntoIterator<Item = T>) -> Option<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        let at = self.below(items.len().max(1) as u64);
        (!items.is_empty()).then(|| items.swap_remove(usize::try_from(at).unwrap()))
    }
}
