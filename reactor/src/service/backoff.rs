//! [`Backoff`]: how long to wait before the next attempt. Pure.
//!
//! The window doubles with each failure, and the wait is a random time within it: exponential backoff with "full
//! jitter". The clients that a server loses at one moment then come back spread over the whole window, and not all
//! together. (In Twisted, `ReconnectingClientFactory` varies its delay by 12 %, so thousands of clients stay a crowd.)
//!
//! ```text
//!   failures   1    |----shortest----[ wait ]  first
//!              2    |----shortest----[      wait       ]  first * 2
//!              3    |----shortest----[               wait                ]  first * 4, at most longest
//! ```
//!
//! Next: `client.rs`, the service.

use std::time::Duration;

/// Even a program that wants to try again at once waits this long: a peer that refuses at once must not keep the loop
/// busy.
const MIN_WAIT: Duration = Duration::from_millis(1);

/// How long to wait before the next attempt: a random time within a window that doubles with each failure.
///
/// ```
/// use reactor::service::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::default().longest(Duration::from_secs(60));
/// assert_eq!(backoff.wait(20, u64::MAX).as_secs_f64().round(), 60.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    shortest: Duration,
    first: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { shortest: Duration::from_millis(100), first: Duration::from_secs(1), longest: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// Sets the shortest wait (default 100 ms, at least 1 ms).
    pub fn shortest(mut self, shortest: Duration) -> Backoff {
        self.shortest = shortest.max(MIN_WAIT);
        self
    }

    /// Sets the end of the first window (default 1 s). The more clients a server may lose at one moment, the longer it
    /// should be.
    pub fn first(mut self, first: Duration) -> Backoff {
        self.first = first;
        self
    }

    /// Sets the longest wait (default 5 s). A long one spares a server that is down for hours; a short one has
    /// everybody back soon.
    pub fn longest(mut self, longest: Duration) -> Backoff {
        self.longest = longest;
        self
    }

    /// The wait after `failures` failures in a row, the last one included. `random` says where in the window it lies: 0
    /// at the beginning, `u64::MAX` at the end.
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let window = self.first.saturating_mul(1 << doublings).min(self.longest).max(self.shortest);
        let span = u64::try_from((window - self.shortest).as_nanos()).unwrap_or(u64::MAX); // 584 years are enough.
        let part = (u128::from(span) * u128::from(random)) >> 64;
        self.shortest + Duration::from_nanos(part as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The ends of the window after this many failures, in milliseconds.
    fn window(backoff: Backoff, failures: u32) -> (u128, u128) {
        let at = |random| (backoff.wait(failures, random) + Duration::from_nanos(1)).as_millis();
        (at(0), at(u64::MAX))
    }

    #[test]
    fn the_window_doubles_up_to_the_longest_wait_and_always_begins_at_the_shortest() {
        let windows = [0, 1, 2, 3, 4, 5, u32::MAX].map(|failures| window(Backoff::default(), failures));
        let ends = [1000, 1000, 2000, 4000, 5000, 5000, 5000];
        assert_eq!(windows, ends.map(|end| (100, end)));
    }

    #[test]
    fn a_wait_is_anywhere_in_its_window() {
        let middle = Backoff::default().wait(4, u64::MAX / 2);
        assert_eq!(middle.as_millis(), 2549);
    }

    #[test]
    fn settings_that_contradict_each_other_give_a_short_wait_and_never_none() {
        let none = Backoff::default().shortest(Duration::ZERO).first(Duration::ZERO).longest(Duration::ZERO);
        assert_eq!(window(none, 1), (1, 1));
        let reversed = Backoff::default().shortest(SECOND * 3).first(SECOND).longest(SECOND * 2);
        assert_eq!(window(reversed, 9), (3000, 3000));
        let endless = Backoff::default().first(Duration::MAX).longest(Duration::MAX);
        assert!(endless.wait(u32::MAX, u64::MAX) > SECOND * 1_000_000);
    }
}
