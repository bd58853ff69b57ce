//! Randomness from a seed: splitmix64. The same seed is the same world on every machine.

use std::time::Duration;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Prng(u64);

impl Prng {
    /// A stream that the seed alone decides.
    #[must_use]
    pub fn new(seed: u64) -> Prng {
        Prng(seed)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("sizes fit");
        usize::try_from(self.draw() % end).expect("below a size")
    }

    /// Happens in so many of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.draw() % 100 < u64::from(percent)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A span between two, both included; small ones as likely as large ones of the same order.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_micros(), high.as_micros());
        let low = u64::try_from(low).expect("short").max(1);
        let high = u64::try_from(high).expect("short").max(low);
        let steps = 64 - (high / low).leading_zeros();
        let shift = self.below(usize::try_from(steps).expect("small").max(1));
        let base = low << shift;
        Duration::from_micros((base + self.draw() % base.max(1)).clamp(low, high))
    }
}
