//! [`Counters`]: what a server has done and refused since its start. It is the one place that counts; every view
//! (`proxyherd status`, and whatever else shows a server) reads it.
//!
//! Pure: numbers in cells. Adding one costs two instructions, so nothing is counted only on demand.
//!
//! Next: [`status.rs`](mod@crate::status), which shows all that is known of a server.

use std::cell::Cell;
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn add(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Why a command was refused, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is not well formed.
    Malformed,
    /// An IAMAT with a time that is too far ahead.
    TooFarAhead,
    /// An IAMAT or a FORGET for which there is no memory, or that is beyond its sender's share, or too old.
    NotTaken,
    /// A WHATSAT about a client that nobody knows.
    UnknownClient,
    /// A command that a peer at this address may not give.
    WrongAddress,
    /// An AT that cannot be what it says.
    Doubtful,
    /// A PEER that does not count.
    NotAPeer,
}

impl Refused {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Refused; 7] = [
        Refused::Malformed,
        Refused::TooFarAhead,
        Refused::NotTaken,
        Refused::UnknownClient,
        Refused::WrongAddress,
        Refused::Doubtful,
        Refused::NotAPeer,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Malformed => "malformed",
            Refused::TooFarAhead => "too_far_ahead",
            Refused::NotTaken => "not_taken",
            Refused::UnknownClient => "unknown_client",
            Refused::WrongAddress => "wrong_address",
            Refused::Doubtful => "doubtful",
            Refused::NotAPeer => "not_a_peer",
        }
    }
}

/// How a question to the Places service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacesOutcome {
    /// There is an answer. It may come from what is kept of earlier ones.
    Answered,
    /// The service failed, or sent something else.
    Failed,
    /// The service was not asked: a budget was spent, or too many waited.
    NotAsked,
}

impl PlacesOutcome {
    /// All of them, in the order in which they are shown.
    pub const ALL: [PlacesOutcome; 3] = [PlacesOutcome::Answered, PlacesOutcome::Failed, PlacesOutcome::NotAsked];

    /// Its name in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            PlacesOutcome::Answered => "answered",
            PlacesOutcome::Failed => "failed",
            PlacesOutcome::NotAsked => "not_asked",
        }
    }
}

/// How long something took, each time: how many times within each bound, and the sum.
#[derive(Debug, Default)]
pub struct Times {
    within: [Counter; Times::BOUNDS.len()],
    count: Counter,
    sum: Cell<Duration>,
}

impl Times {
    /// The bounds. From what a cache answers to what a service on another continent does in its worst hour.
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(10),
    ];

    /// Notes that it took this long.
    pub fn add(&self, took: Duration) {
        if let Some(at) = Times::BOUNDS.iter().position(|bound| took <= *bound) {
            self.within[at].add();
        }
        self.count.add();
        self.sum.set(self.sum.get().saturating_add(took));
    }

    /// Each bound, and how many times it took no longer than that.
    pub fn within(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        Times::BOUNDS.into_iter().zip(&self.within).map(move |(bound, more)| {
            below += more.get();
            (bound, below)
        })
    }

    /// How many times.
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// All of it together.
    pub fn sum(&self) -> Duration {
        self.sum.get()
    }
}

/// What a server has done since its start.
#[derive(Debug, Default)]
pub struct Counters {
    /// IAMATs that were answered.
    pub iamat: Counter,
    /// WHATSATs that were answered, with places or without.
    pub whatsat: Counter,
    /// ATs of neighbors that were news.
    pub at_news: Counter,
    /// ATs of neighbors that were known, or older than what was known.
    pub at_known: Counter,
    /// AT lines that were sent to neighbors.
    pub told: Counter,
    /// Connections that peers have made.
    pub connections: Counter,
    /// Connections that were closed or cut off for a limit.
    pub cut_off: Counter,
    /// How long questions to the Places service took, by how they ended.
    places: [Times; PlacesOutcome::ALL.len()],
    refused: [Counter; Refused::ALL.len()],
}

impl Counters {
    /// Notes that a command was refused.
    pub fn refuse(&self, why: Refused) {
        self.refused[why as usize].add();
    }

    /// Notes how a question to the Places service ended.
    pub fn places(&self, outcome: PlacesOutcome, took: Duration) {
        self.places[outcome as usize].add(took);
    }

    /// How long the questions to the Places service took that ended like this.
    pub fn places_times(&self, outcome: PlacesOutcome) -> &Times {
        &self.places[outcome as usize]
    }

    /// How many commands were refused for this reason.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused[why as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_and_a_name_of_its_own() {
        for (number, why) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, number);
            let counters = Counters::default();
            counters.refuse(why);
            assert!(Refused::ALL.into_iter().all(|other| counters.refused(other) == u64::from(other == why)));
            assert_eq!(Refused::ALL.into_iter().filter(|other| other.name() == why.name()).count(), 1);
        }
    }

    #[test]
    fn each_time_is_counted_within_its_bounds() {
        let times = Times::default();
        for millis in [0, 1, 2, 30, 11_000] {
            times.add(Duration::from_millis(millis));
        }
        let within: Vec<u64> = times.within().map(|(_, count)| count).collect();
        assert_eq!(within, [2, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!((times.count(), times.sum()), (5, Duration::from_millis(11_033)));
        assert!(Times::BOUNDS.is_sorted());
        for (number, outcome) in PlacesOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
        }
    }
}
