//! [`Latency`]: how long something takes, drawn at random.
//!
//! Logarithms and powers are worked out in integers: those of a machine's floats differ from machine to machine in the
//! last place, and one nanosecond is enough to turn one run into another.

use super::random::{Random, nanoseconds};
use std::time::Duration;

/// How long something takes.
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
    /// Always the same.
    Fixed(Duration),
    /// Anything from the first up to the second, with equal chance.
    Uniform(Duration, Duration),
    /// At least this, and then what a process without memory adds, on average `mean`: most are short, a few long.
    Exponential {
        /// The least.
        least: Duration,
        /// The average of what is added.
        mean: Duration,
    },
    /// Around `median`, and long at times: what measurements of the Internet look like.
    LogNormal {
        /// Half of them are shorter.
        median: Duration,
        /// How far they spread, in hundredths: with 50, one in six is longer than 1.65 medians, one in fifty than 2.7.
        sigma: u32,
    },
}

/// A fixed-point number has so many binary places.
const PLACES: u32 = 32;
const ONE: u64 = 1 << PLACES;

/// The natural logarithm of 2.
const LN_2: u64 = 2_977_044_472;

/// 1 / ln 2.
const LOG2_E: u64 = 6_196_328_019;

impl Latency {
    /// All of it, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Latency::Fixed(time) => format!("{time:?}"),
            Latency::Uniform(least, most) => format!("{least:?} to {most:?}"),
            Latency::Exponential { least, mean } => format!("{least:?} and {mean:?} more on average"),
            Latency::LogNormal { median, sigma } => format!("about {median:?} (sigma {sigma})"),
        }
    }

    /// Draws one, in nanoseconds.
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

/// Minus the natural logarithm of `drawn` taken for a number between 0 and 1; fixed-point.
fn minus_ln(drawn: u64) -> u64 {
    let drawn = drawn | 1; // Never zero.
    let whole = u64::from(drawn.leading_zeros()) + 1;
    // What is left is from 1 up to 2. Squaring it doubles its logarithm, whose binary places come out one by one.
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

/// A draw from the normal distribution, fixed-point: the sum of twelve uniform ones, which has its mean and variance
/// and is cut off at six sigma.
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

/// e to the power of a fixed-point exponent; fixed-point. Beyond what can be told it is 0, or the most.
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
    fn near(value: u64, expected: f64) {
        let off = (value as f64 / expected - 1.0).abs();
        assert!(off < 0.03, "{value} is not near {expected}");
    }

    #[test]
    fn the_integer_logarithm_and_power_are_those_of_the_floats() {
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
    fn draws_follow_their_law() {
        assert_eq!(sorted(Latency::Fixed(MS))[99_999], 1_000_000);
        let uniform = sorted(Latency::Uniform(MS, 3 * MS));
        assert!(uniform[0] >= 1_000_000 && uniform[99_999] < 3_000_000);
        near(uniform[50_000], 2e6);
        let exponential = sorted(Latency::Exponential { least: MS, mean: MS });
        assert!(exponential[0] >= 1_000_000);
        near(exponential[50_000], 1e6 + 1e6 * 2f64.ln());
        near(exponential.iter().sum::<u64>() / 100_000, 2e6);
        let log_normal = sorted(Latency::LogNormal { median: MS, sigma: 50 });
        near(log_normal[50_000], 1e6);
        near(log_normal[84_134], 1e6 * 0.5f64.exp());
        near(log_normal[15_866], 1e6 * (-0.5f64).exp());
    }

    #[test]
    fn a_draw_is_the_same_everywhere() {
        // Written down once: another machine, compiler or version must give the same.
        let mut random = Random::new(42);
        let latencies = [
            Latency::Exponential { least: Duration::ZERO, mean: MS },
            Latency::LogNormal { median: MS, sigma: 80 },
            Latency::Uniform(MS, 2 * MS),
        ];
        assert_eq!(latencies.map(|latency| latency.draw(&mut random)), [205_420, 396_686, 1_605_122]);
    }
}
