//! [`Latency`]: how long something takes, as a distribution from which times are drawn.
//!
//! Logarithms and powers are calculated with integers (fixed-point numbers). Those of floats may differ in the last
//! place from machine to machine, and a difference of one nanosecond makes another run.
//!
//! Next: `random.rs`, where the random numbers come from.

use super::random::{Random, nanoseconds};
use std::time::Duration;

/// How long something takes: a distribution of durations.
///
/// ```
/// use reactor::sim::Latency;
/// use std::time::Duration;
///
/// const MS: Duration = Duration::from_millis(1);
/// let lan = Latency::Uniform(MS / 10, MS / 2);
/// let internet = Latency::LogNormal { median: 40 * MS, sigma: 50 };
/// # let _ = (lan, internet);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Always this long.
    Fixed(Duration),
    /// From the first up to, but not including, the second, all equally likely. The first, if the second is not
    /// greater.
    Uniform(Duration, Duration),
    /// At least `least`, and an exponentially distributed time more: mostly a short one, at times a long one.
    Exponential {
        /// The minimum.
        least: Duration,
        /// The average of the time that is added.
        mean: Duration,
    },
    /// Around `median`, and at times much longer, as measurements of the Internet show.
    LogNormal {
        /// Half of the times are shorter.
        median: Duration,
        /// The standard deviation of the logarithm, in hundredths. With 50, one time in six is longer than 1.65
        /// medians, and one in fifty is longer than 2.7.
        sigma: u32,
    },
}

/// Number of binary places of a fixed-point number, unless stated otherwise.
const PLACES: u32 = 32;
const ONE: u64 = 1 << PLACES;

/// The natural logarithm of 2, fixed-point.
const LN_2: u64 = 2_977_044_472;

/// 1 / ln 2, fixed-point.
const LOG2_E: u64 = 6_196_328_019;

impl Latency {
    /// In words. The trace's hash covers them, so changing them makes another run of every seed.
    pub(super) fn words(&self) -> String {
        match self {
            Latency::Fixed(time) => format!("{time:?}"),
            Latency::Uniform(least, most) => format!("{least:?} to {most:?}"),
            Latency::Exponential { least, mean } => format!("{least:?} and {mean:?} more on average"),
            Latency::LogNormal { median, sigma } => format!("about {median:?} (sigma {sigma})"),
        }
    }

    /// Draws a time, in nanoseconds.
    pub(super) fn draw(&self, random: &mut Random) -> u64 {
        match *self {
            Latency::Fixed(time) => nanoseconds(time),
            Latency::Uniform(least, most) => nanoseconds(random.between(least, most)),
            Latency::Exponential { least, mean } => {
                let drawn = scale(nanoseconds(mean), minus_ln(random.next_u64()));
                nanoseconds(least).saturating_add(drawn)
            }
            Latency::LogNormal { median, sigma } => {
                let exponent = normal(random) * i64::from(sigma) / 100;
                scale(nanoseconds(median), exp(exponent))
            }
        }
    }
}

/// `value` times a fixed-point factor.
fn scale(value: u64, factor: u64) -> u64 {
    u64::try_from((u128::from(value) * u128::from(factor)) >> PLACES).unwrap_or(u64::MAX)
}

/// Minus the natural logarithm of `drawn` / 2^64, a number between 0 and 1; fixed-point.
fn minus_ln(drawn: u64) -> u64 {
    let drawn = drawn | 1; // Zero has no logarithm.
    let whole = u64::from(drawn.leading_zeros()) + 1;
    // Now a number from 1 up to 2 is left. Squaring it doubles its logarithm: each time the square is 2 or more, the
    // next binary place of the logarithm is a 1.
    let mut rest = u128::from(drawn << drawn.leading_zeros());
    let mut log2 = 0_u64;
    for _ in 0..PLACES {
        rest = (rest * rest) >> 63;
        log2 <<= 1;
        if rest >> 64 != 0 {
            rest >>= 1;
            log2 |= 1;
        }
    }
    scale((whole << PLACES) - log2, LN_2)
}

/// A draw from the normal distribution, fixed-point. It is the sum of twelve uniform draws, which has the same mean and
/// variance, but never lies beyond six standard deviations.
fn normal(random: &mut Random) -> i64 {
    let mut sum = 0;
    for _ in 0..6 {
        let drawn = random.next_u64();
        sum += (drawn >> 32) as i64 + (drawn & 0xffff_ffff) as i64;
    }
    sum - 6 * ONE as i64
}

/// 2 to the power of 1/2, 1/4, 1/8, ...; fixed-point with 62 places.
const ROOTS: [u64; PLACES as usize] = {
    let mut roots = [0; PLACES as usize];
    let mut root: u128 = 2 << 62;
    let mut at = 0;
    while at < roots.len() {
        root = (root << 62).isqrt();
        roots[at] = root as u64;
        at += 1;
    }
    roots
};

/// e to the power of a fixed-point exponent; fixed-point. Too small a result becomes 0, too large a one the maximum.
fn exp(exponent: i64) -> u64 {
    let exponent = (i128::from(exponent) * i128::from(LOG2_E)) >> PLACES;
    let (whole, fraction) = (exponent >> PLACES, (exponent & i128::from(ONE - 1)) as u64);
    let mut power: u128 = 1 << 62;
    for (place, root) in ROOTS.iter().enumerate() {
        if fraction >> (PLACES - 1 - place as u32) & 1 == 1 {
            power = (power * u128::from(*root)) >> 62;
        }
    }
    match whole {
        ..-32 => 0,
        31.. => u64::MAX,
        _ => (power >> (30 - whole)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sorted(latency: Latency) -> Vec<u64> {
        let mut random = Random::new(1);
        let mut drawn: Vec<u64> = (0..100_000).map(|_| latency.draw(&mut random)).collect();
        drawn.sort_unstable();
        drawn
    }

    #[track_caller]
    fn assert_near(value: u64, expected: f64) {
        let off = (value as f64 / expected - 1.0).abs();
        assert!(off < 0.03, "{value} is not near {expected}");
    }

    #[test]
    fn the_integer_logarithm_and_power_agree_with_those_of_floats() {
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let drawn = random.next_u64() >> random.below(50);
            let expected = -((drawn | 1) as f64 / 2f64.powi(64)).ln();
            assert!((minus_ln(drawn) as f64 / ONE as f64 - expected).abs() < 1e-8, "{drawn}");
            let exponent = (random.next_u64() >> 28) as i64 - (1 << 35);
            let expected = (exponent as f64 / ONE as f64).exp();
            assert!((exp(exponent) as f64 / ONE as f64 / expected - 1.0).abs() < 1e-4 || expected < 1e-4, "{exponent}");
        }
        assert_eq!((exp(0), exp(i64::MAX), exp(i64::MIN)), (ONE, u64::MAX, 0));
    }

    #[test]
    fn draws_follow_their_distribution() {
        assert_eq!(sorted(Latency::Fixed(MS))[99_999], 1_000_000);
        let uniform = sorted(Latency::Uniform(MS, 3 * MS));
        assert!(uniform[0] >= 1_000_000 && uniform[99_999] < 3_000_000);
        assert_near(uniform[50_000], 2e6);
        let exponential = sorted(Latency::Exponential { least: MS, mean: MS });
        assert!(exponential[0] >= 1_000_000);
        assert_near(exponential[50_000], 1e6 + 1e6 * 2f64.ln());
        assert_near(exponential.iter().sum::<u64>() / 100_000, 2e6);
        let log_normal = sorted(Latency::LogNormal { median: MS, sigma: 50 });
        assert_near(log_normal[50_000], 1e6);
        assert_near(log_normal[84_134], 1e6 * 0.5f64.exp());
        assert_near(log_normal[15_866], 1e6 * (-0.5f64).exp());
    }

    #[test]
    fn a_draw_is_the_same_everywhere() {
        // Written down once: every machine, compiler and version must give the same.
        let mut random = Random::new(42);
        let latencies = [
            Latency::Exponential { least: Duration::ZERO, mean: MS },
            Latency::LogNormal { median: MS, sigma: 80 },
            Latency::Uniform(MS, 2 * MS),
        ];
        assert_eq!(latencies.map(|latency| latency.draw(&mut random)), [205_420, 396_686, 1_605_122]);
    }
}
