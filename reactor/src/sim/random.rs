//! [`Random`]: numbers that a seed decides, the same on every machine.
//!
//! The generator is xoshiro256++ by Blackman and Vigna, its state filled by splitmix64. Both use integers only, so no
//! machine or compiler can calculate anything else.
//!
//! Next: `seeds.rs`, the same test in many worlds.

use std::time::Duration;

/// A source of numbers that look random and follow from a seed. Not for secrets: the next number can be predicted.
///
/// ```
/// use reactor::sim::Random;
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.next_u64(), other.next_u64());
/// assert!(one.below(6) < 6);
/// ```
#[derive(Debug, Clone)]
pub struct Random([u64; 4]);

impl Random {
    /// A source with this seed.
    pub fn new(seed: u64) -> Random {
        let mut state = seed;
        Random(std::array::from_fn(|_| split_mix(&mut state)))
    }

    /// One of many sources with the same seed. Drawing more from one does not change what the others give.
    pub(super) fn stream(seed: u64, stream: u64) -> Random {
        let mut state = stream;
        Random::new(seed ^ split_mix(&mut state))
    }

    /// The next number; all are equally likely.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `limit`, or 0 if `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The high half of the product. Some numbers are a little more likely than others, by about limit / 2^64: too
        // little to matter here, and a fair draw would take a number of draws that varies.
        ((u128::from(self.next_u64()) * u128::from(limit)) >> 64) as u64
    }

    /// True `count` times out of `out_of`, on average.
    pub fn chance(&mut self, count: u64, out_of: u64) -> bool {
        self.below(out_of) < count
    }

    /// A duration from `least` up to, but not including, `most`; `least` if `most` is not greater.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (nanoseconds(least), nanoseconds(most));
        Duration::from_nanos(least + self.below(most.saturating_sub(least)))
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// In nanoseconds. More than `u64::MAX` of them, some 584 years, count as that many.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_algorithms() {
        // The first numbers of splitmix64 with seed 1234567, and of xoshiro256++ with the state 1, 2, 3, 4.
        let mut state = 1_234_567;
        assert_eq!(
            [(); 3].map(|()| split_mix(&mut state)),
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!([(); 3].map(|()| random.next_u64()), [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let mut streams: Vec<u64> = (0..100).map(|stream| Random::stream(1, stream).next_u64()).collect();
        streams.sort_unstable();
        streams.dedup();
        assert_eq!(streams.len(), 100);
    }

    #[test]
    fn draws_stay_within_their_limits() {
        let mut random = Random::new(1);
        let mut seen = [0; 6];
        for _ in 0..6000 {
            seen[random.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(2));
        assert!((0..1000).all(|_| (least..most).contains(&random.between(least, most))));
        assert_eq!(random.between(most, least), most);
    }
}
