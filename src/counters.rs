//! [`Counters`]: what a server has done and refused since its start. It is the one place that counts; every view
//! (`proxyherd status`, and whatever else shows a server) reads it.
//!
//! Pure: numbers in cells. Adding one costs two instructions, so nothing is counted only on demand.
//!
//! Next: [`status.rs`](mod@crate::status), which shows all that is known of a server.

use std::cell::Cell;

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
    /// Answers that the Places service owed: it failed, or sent something else.
    pub places_failed: Counter,
    /// Questions for which the Places service was not asked: a budget was spent, or too many waited.
    pub places_not_asked: Counter,
    refused: [Counter; Refused::ALL.len()],
}

impl Counters {
    /// Notes that a command was refused.
    pub fn refuse(&self, why: Refused) {
        self.refused[why as usize].add();
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
}
