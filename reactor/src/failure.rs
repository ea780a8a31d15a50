//! [`Failure`]: an error on its way down a callback chain, with the place where it was raised.
//!
//! Twisted's `twisted.python.failure.Failure`. Any [`std::error::Error`] becomes one with `?` or `.into()`, and the
//! place of that conversion is kept. While it travels, each Deferred step that it passes adds the place where that
//! step was added, so whoever finally reports it can say where it came from.
//!
//! Next: [`crate::deferred`], the chain that carries it.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// How many places a failure remembers on its way; later ones are counted only. A failure that circles through a
/// long-lived chain must not grow without end.
const TRAIL_LIMIT: usize = 32;

/// An error plus where it came from: what errbacks receive.
///
/// ```
/// use reactor::Failure;
///
/// fn port(text: &str) -> Result<u16, Failure> {
///     Ok(text.parse()?)
/// }
/// let failure = port("eighty").unwrap_err();
/// assert!(failure.check::<std::num::ParseIntError>().is_some());
/// assert!(failure.raised().file().ends_with(".rs"));
/// ```
pub struct Failure(Box<Inner>);

struct Inner {
    error: Box<dyn Error>,
    raised: &'static Location<'static>,
    trail: Vec<Passed>,
    /// Steps passed after the trail was full.
    untold: usize,
}

/// One thing that a failure met on its way; see [`Failure::trail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passed {
    /// The callback that was added here returned the failure.
    RaisedBy(&'static Location<'static>),
    /// A step that was added here let the failure through.
    Through(&'static Location<'static>),
    /// The Deferred that carried it was made here.
    Made(&'static Location<'static>),
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Passed::RaisedBy(at) => write!(f, "raised by the callback added at {at}"),
            Passed::Through(at) => write!(f, "passed the step added at {at}"),
            Passed::Made(at) => write!(f, "in a Deferred made at {at}"),
        }
    }
}

/// An error that is only a sentence; what [`Failure::msg`] wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}

impl Failure {
    /// Wraps `error`; the caller's place becomes [`raised`](Failure::raised).
    #[track_caller]
    pub fn new(error: impl Error + 'static) -> Failure {
        Failure::boxed(Box::new(error))
    }

    /// A failure that is only a sentence, a [`Message`].
    #[track_caller]
    pub fn msg(text: impl Into<String>) -> Failure {
        Failure::new(Message(text.into()))
    }

    #[track_caller]
    fn boxed(error: Box<dyn Error>) -> Failure {
        Failure(Box::new(Inner { error, raised: Location::caller(), trail: Vec::new(), untold: 0 }))
    }

    /// The error inside.
    pub fn value(&self) -> &(dyn Error + 'static) {
        &*self.0.error
    }

    /// The error as an `E`, if it is one. Twisted's `Failure.check`.
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        self.0.error.downcast_ref()
    }

    /// The error as an `E`, or the whole failure back: an errback that handles only some errors returns the rest with
    /// `?`. Twisted's `Failure.trap`.
    ///
    /// # Errors
    /// The unchanged failure, if it is of another type.
    pub fn trap<E: Error + 'static>(self) -> Result<E, Failure> {
        let Inner { error, raised, trail, untold } = *self.0;
        match error.downcast::<E>() {
            Ok(wanted) => Ok(*wanted),
            Err(error) => Err(Failure(Box::new(Inner { error, raised, trail, untold }))),
        }
    }

    /// Where in the source this failure was made.
    pub fn raised(&self) -> &'static Location<'static> {
        self.0.raised
    }

    /// What it met since, first to last: at most 32 entries, of which the last replaces what did not fit.
    pub fn trail(&self) -> &[Passed] {
        &self.0.trail
    }

    pub(crate) fn pass(&mut self, what: Passed) {
        let inner = &mut *self.0;
        if inner.trail.len() < TRAIL_LIMIT {
            inner.trail.push(what);
        } else {
            inner.untold += 1;
            inner.trail[TRAIL_LIMIT - 1] = what;
        }
    }

    /// The whole story over several lines: the error, its causes, where it was raised and what it passed.
    pub fn report(&self) -> String {
        let mut text = format!("{self}");
        let mut cause = self.value().source();
        while let Some(error) = cause {
            text.push_str(&format!("\n  because {error}"));
            cause = error.source();
        }
        text.push_str(&format!("\n  raised at {}", self.raised()));
        for step in self.trail() {
            text.push_str(&format!("\n  {step}"));
        }
        if self.0.untold > 0 {
            text.push_str(&format!("\n  ({} more steps before the last)", self.0.untold));
        }
        text
    }
}

impl<E: Error + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Failure {
        Failure::new(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.error, f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?} raised at {})", self.0.error, self.0.raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::ParseIntError;

    fn parse(text: &str) -> Result<u32, Failure> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn check_and_trap_tell_errors_apart() {
        let failure = parse("x").unwrap_err();
        assert!(failure.check::<ParseIntError>().is_some());
        assert!(failure.check::<fmt::Error>().is_none());
        let failure = failure.trap::<fmt::Error>().unwrap_err();
        assert!(failure.trap::<ParseIntError>().is_ok());
    }

    #[test]
    fn the_place_of_a_question_mark_is_kept() {
        let failure = parse("x").unwrap_err();
        assert!(failure.raised().file().ends_with("failure.rs"), "{}", failure.raised());
    }

    #[test]
    fn a_trail_is_bounded_and_keeps_the_last_step() {
        let mut failure = Failure::msg("round and round");
        for _ in 0..1000 {
            failure.pass(Passed::Through(Location::caller()));
        }
        failure.pass(Passed::Made(Location::caller()));
        assert_eq!(failure.trail().len(), TRAIL_LIMIT);
        assert!(matches!(failure.trail()[TRAIL_LIMIT - 1], Passed::Made(_)));
        assert!(failure.report().contains("969 more steps"), "{}", failure.report());
    }
}
