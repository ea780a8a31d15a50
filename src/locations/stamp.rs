//! [`Stamp`]: when a server heard a client. Every server finds the same stamp in an AT line, so all of them forget a
//! location by the same rule.
//!
//! Next: `forgetting.rs`, how a table forgets.

use crate::decimal::Time;
use std::fmt;
use std::time::Duration;

/// A moment in 64 bits, to the nanosecond: what a server's clock showed. Moments before the year 1678 and after 2262
/// count as the first and as the last of these: no clock that works shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(i64);

impl Stamp {
    /// The first moment. Nothing was heard before it.
    pub const FIRST: Stamp = Stamp(i64::MIN);

    /// The moment that is this many nanoseconds after 1970.
    pub fn from_nanoseconds(nanoseconds: i64) -> Stamp {
        Stamp(nanoseconds)
    }

    /// The moment that is this much earlier.
    pub fn earlier_by(self, by: Duration) -> Stamp {
        Stamp(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// How many milliseconds later another moment is, rounded up. Zero if it is not later.
    pub(crate) fn milliseconds_until(self, later: Stamp) -> u32 {
        let nanoseconds = later.0.saturating_sub(self.0).max(0) as u64;
        u32::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u32::MAX)
    }

    /// The moment that is this many milliseconds later.
    pub(crate) fn later_by_milliseconds(self, milliseconds: u32) -> Stamp {
        Stamp(self.0.saturating_add(i64::from(milliseconds) * 1_000_000))
    }

    /// The moment that is this much later.
    pub fn later_by(self, by: Duration) -> Stamp {
        Stamp(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Milliseconds since 1970, of the millisecond that has begun; at least 1.
    pub fn milliseconds(self) -> i64 {
        (self.0 / 1_000_000).max(1)
    }

    /// The next moment.
    pub fn next(self) -> Stamp {
        Stamp(self.0.saturating_add(1))
    }
}

impl From<Time> for Stamp {
    fn from(time: Time) -> Stamp {
        Stamp(time.clamped_nanoseconds())
    }
}

impl From<Stamp> for Time {
    fn from(stamp: Stamp) -> Time {
        Time::from_nanoseconds(stamp.0)
    }
}

/// In seconds since 1970, as in a line of the protocol.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Time::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_time_that_a_clock_shows_and_times_that_none_shows_are_the_ends() {
        let stamp = |text: &str| Stamp::from(Time::parse(text.as_bytes()).unwrap());
        assert_eq!(stamp("1400794645.392014450").to_string(), "1400794645.392014450");
        assert_eq!(stamp("-5.5").next().to_string(), "-5.499999999");
        assert_eq!(stamp("100").earlier_by(Duration::from_secs(30)), stamp("70"));
        assert_eq!(stamp("-999999999999"), Stamp::FIRST);
        assert_eq!(
            stamp("70").earlier_by(Duration::MAX),
            stamp("70").earlier_by(Duration::from_nanos(i64::MAX as u64))
        );
        assert_eq!(Stamp::FIRST.earlier_by(Duration::from_secs(1)), Stamp::FIRST);
        assert!(stamp("999999999999") > stamp("9000000000"));
    }
}
