//! [`Bucket`]: tokens that come in at a steady rate, up to a limit. Pure.
//!
//! Next: `bandwidth.rs`, the policy that is built on it.

use std::time::{Duration, Instant};

const NANOSECONDS: u128 = 1_000_000_000;

/// Larger amounts make no difference, and cannot overflow what follows.
const MAX: u64 = u64::MAX / 4;

/// See the [module](self). It begins full.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    burst: i64,
    /// Below zero if more was taken than there was.
    level: i64,
    /// The moment up to which tokens have come in. It stands at whole tokens, so that no part of one is lost.
    filled: Instant,
}

impl Bucket {
    /// `rate` tokens a second, and at most what comes in during `burst`, but at least two: a part of a
    /// token that comes while one is there must not be lost.
    pub(super) fn new(rate: u64, burst: Duration, now: Instant) -> Bucket {
        let burst = (u128::from(rate).saturating_mul(burst.as_nanos()) / NANOSECONDS).clamp(2, u128::from(MAX)) as i64;
        Bucket { rate: rate.min(MAX), burst, level: burst, filled: now }
    }

    /// How many tokens there are.
    pub(super) fn level(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos();
        let come = elapsed.saturating_mul(u128::from(self.rate)) / NANOSECONDS;
        if come >= (i128::from(self.burst) - i128::from(self.level)).max(0) as u128 {
            (self.level, self.filled) = (self.level.max(self.burst), now);
        } else {
            self.level = self.level.saturating_add_unsigned(come as u64);
            // Rounded up: the next token must not come early.
            let spent = (come * NANOSECONDS).div_ceil(u128::from(self.rate));
            self.filled += Duration::from_nanos(u64::try_from(spent).unwrap_or(u64::MAX));
        }
        self.level.max(0) as u64
    }

    pub(super) fn take(&mut self, tokens: u64) {
        self.level = self.level.saturating_sub_unsigned(tokens);
    }

    /// Puts tokens back.
    pub(super) fn give(&mut self, tokens: u64) {
        self.level = self.level.saturating_add_unsigned(tokens).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        crate::testing::ManualClock::new().now()
    }

    #[test]
    fn it_begins_full_and_fills_at_the_rate_up_to_the_burst() {
        let now = start();
        let mut bucket = Bucket::new(1000, Duration::from_secs(2), now);
        assert_eq!(bucket.level(now), 2000);
        bucket.take(2000);
        assert_eq!(bucket.level(now + Duration::from_micros(999)), 0);
        assert_eq!(bucket.level(now + Duration::from_millis(1)), 1);
        assert_eq!(bucket.level(now + Duration::from_secs(1)), 1000);
        assert_eq!(bucket.level(now + Duration::from_secs(100)), 2000);
    }

    #[test]
    fn no_part_of_a_token_is_lost_or_won_by_asking_often() {
        for rate in [1, 3, 7, 1000, 999_999_937] {
            let now = start();
            let mut bucket = Bucket::new(rate, Duration::from_secs(10), now);
            bucket.take(bucket.burst as u64);
            for step in 1..=10_000 {
                bucket.level(now + Duration::from_micros(173) * step);
            }
            let exact = rate * 1_730_000 / 1_000_000;
            let level = bucket.level(now + Duration::from_micros(173) * 10_000);
            assert!(level <= exact && exact - level <= 1 + rate / 100_000, "{level} and not {exact}");
        }
    }

    #[test]
    fn a_debt_is_paid_before_there_is_a_token() {
        let now = start();
        let mut bucket = Bucket::new(10, Duration::from_secs(1), now);
        bucket.take(30);
        assert_eq!(bucket.level(now + Duration::from_secs(2)), 0);
        assert_eq!(bucket.level(now + Duration::from_secs(3)), 10);
        bucket.give(1000);
        assert_eq!(bucket.level(now + Duration::from_secs(3)), 10, "it holds no more");
    }

    #[test]
    fn the_largest_and_the_smallest_do_not_overflow() {
        let now = start();
        let mut large = Bucket::new(u64::MAX, Duration::MAX, now);
        large.take(u64::MAX);
        large.take(u64::MAX);
        large.give(u64::MAX);
        large.level(now + Duration::from_secs(1 << 30));
        let mut small = Bucket::new(1, Duration::ZERO, now);
        small.take(2);
        assert_eq!((small.level(now), small.level(now + Duration::from_secs(1))), (0, 1));
    }
}
