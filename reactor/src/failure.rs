//! [`Failure`]: an error on its way down a callback chain, with the place where it was raised.
//!
//! Twisted's `twisted.python.failure.Failure`. Any [`std::error::Error`] becomes one with `?` or `.into()`, and the
//! place of that conversion is kept. On its way each callback that it passes adds the place where that callback was
//! added, so that the final report can say where the failure came from.
//!
//! Circle: this file and `failure/` use each other, because a failure may hold a list of failures. Each report, search
//! and drop goes from the one to the other.
//!
//! Next: [`failure/waypoint.rs`](../../src/reactor/failure/waypoint.rs.html), one such place.

mod inside;
mod lists;
mod waypoint;

pub use lists::{FailureGroup, FirstError};
pub use waypoint::Waypoint;

use crate::Context;
use crate::context;
use crate::error::debug_is_display;
use inside::{Inside, TypedError};
use lists::{MAX_GROUPS_DEEP, MAX_TOLD_OF_GROUP, innermost_input, lists, origin};
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

/// Maximum number of places that a failure remembers on its way. The rest are only counted: a failure that circles
/// through a long-lived chain must not grow without end.
const MAX_TRAIL: usize = 64;

/// The first allocation has room for this many places. Most failures are handled soon.
const USUAL_TRAIL: usize = 4;

/// Maximum number of causes in a report, before the last one. An error may have any number.
const MAX_CAUSES: usize = 16;

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
#[derive(Clone)]
pub struct Failure(Box<Inner>);

#[derive(Clone)]
struct Inner {
    /// Shared by the clones; each of them has a trail of its own.
    common: Rc<Common>,
    raised: &'static Location<'static>,
    trail: Vec<Waypoint>,
    /// Steps passed after the trail was full.
    untold: usize,
}

thread_local!(static LAST_ID: Cell<u64> = const { Cell::new(1) });

/// What the clones of a failure have in common.
struct Common {
    error: Box<dyn TypedError>,
    /// Tells it from other failures. It stays the same when the error is replaced: see
    /// [`with_error`](Failure::with_error).
    id: u64,
    inside: Inside,
    /// Of the code that made it, or of the last callback in a context from which it came: it is logged there if nobody
    /// handles it.
    context: Cell<Context>,
}

impl Common {
    #[inline]
    fn new(error: impl Error + 'static, id: u64) -> Rc<Common> {
        let inside = Inside::of(&error);
        Rc::new(Common { error: Box::new(error), id, inside, context: Cell::new(Context::empty()) })
    }
}

impl Drop for Common {
    #[inline]
    fn drop(&mut self) {
        self.inside.drop(&mut self.error);
    }
}

/// An error that is only a sentence: the error of a [`Failure::msg`].
#[derive(Clone, PartialEq, Eq)]
pub struct Message(pub String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}

debug_is_display!(Message);

impl Failure {
    /// Wraps `error`; the caller's place becomes [`raised`](Failure::raised).
    #[track_caller]
    pub fn new(error: impl Error + 'static) -> Failure {
        Failure::at(error, Location::caller())
    }

    /// The same, with the place given by the caller.
    pub(crate) fn at(error: impl Error + 'static, raised: &'static Location<'static>) -> Failure {
        // While a thread ends there are no new numbers; then failures have less to tell.
        let id = LAST_ID.try_with(|last| last.replace(last.get() + 1)).unwrap_or_default();
        Failure(Box::new(Inner { common: Common::new(error, id), raised, trail: Vec::new(), untold: 0 })).claimed()
    }

    /// A failure that is only a sentence, a [`Message`].
    #[track_caller]
    pub fn msg(text: impl Into<String>) -> Failure {
        Failure::new(Message(text.into()))
    }

    /// The error inside.
    pub fn value(&self) -> &(dyn Error + 'static) {
        &*self.0.common.error
    }

    /// The type of the error, with its path.
    pub(crate) fn type_name(&self) -> &'static str {
        (*self.0.common.error).type_name()
    }

    /// The error as an `E`, if it is one. Twisted's `Failure.check`.
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        self.value().downcast_ref()
    }

    /// The same failure, typed: its error is known to be an `E`. An errback that handles only some errors passes on
    /// the others with `?`. Twisted's `Failure.trap`.
    ///
    /// ```
    /// use reactor::{Failure, deferred};
    ///
    /// fn parse(text: &str) -> Result<u16, Failure> {
    ///     Ok(text.parse()?)
    /// }
    /// let port = deferred::execute(|| parse("eighty"))
    ///     .add_errback(|failure| failure.trap::<std::num::ParseIntError>().map(|_| 8007));
    /// assert_eq!(port.result(), Some(8007));
    /// ```
    ///
    /// # Errors
    /// The unchanged failure, if it is of another type.
    pub fn trap<E: Error + 'static>(self) -> Result<Trapped<E>, Failure> {
        match self.check::<E>() {
            Some(_) => Ok(Trapped { failure: self, error: PhantomData }),
            None => Err(self),
        }
    }

    /// Where in the source this failure was made.
    pub fn raised(&self) -> &'static Location<'static> {
        self.0.raised
    }

    /// What happened to it since, first to last: at most 64 entries. If more happened, the last entry is still the
    /// latest, and those that did not fit are missing before it.
    pub fn trail(&self) -> &[Waypoint] {
        &self.0.trail
    }

    pub(crate) fn pass(&mut self, what: Waypoint) {
        let inner = &mut *self.0;
        if inner.trail.capacity() == 0 {
            // The capacity that it would grow to, in one allocation.
            inner.trail = Vec::with_capacity(USUAL_TRAIL);
        }
        if inner.trail.len() < MAX_TRAIL {
            inner.trail.push(what);
        } else {
            inner.untold += 1;
            inner.trail[MAX_TRAIL - 1] = what;
        }
    }

    /// The same failure. If nobody handles it, it is logged in the context that is current now, if that has values.
    #[inline]
    pub(crate) fn claimed(self) -> Failure {
        if context::is_set() {
            self.set_context(Context::current());
        }
        self
    }

    #[cold]
    fn set_context(&self, context: Context) {
        self.0.common.context.set(context);
    }

    /// The context in which it is logged if nobody handles it.
    pub(crate) fn context(&self) -> Context {
        let context = self.0.common.context.take();
        self.set_context(context.clone());
        context
    }

    /// The same failure, with the same origin and trail, as another error.
    pub(crate) fn with_error(&self, error: impl Error + 'static) -> Failure {
        let failure = Failure(Box::new(Inner { common: Common::new(error, self.id()), ..(*self.0).clone() }));
        failure.set_context(self.context());
        failure
    }

    /// The same error, as if it were raised at `place`: what it passed inside the library is nothing to the program.
    pub(crate) fn raised_for(mut self, place: &'static Location<'static>) -> Failure {
        (self.0.raised, self.0.untold) = (place, 0);
        self.0.trail.clear();
        self
    }

    /// A failure with the same origin and trail. Its error is what `wrap` makes around this failure. If many lists are
    /// inside each other, only the innermost and the outermost failure keep a full trail: the trails of all those
    /// between them would fill the memory.
    pub(crate) fn wrapped<E: Error + 'static>(self, wrap: impl FnOnce(Failure) -> E) -> Failure {
        let context = self.context();
        let Inner { common, raised, trail, untold } = *self.0;
        let (id, is_between) = (common.id, (&*common.error as &dyn Error).is::<FirstError>());
        let inside = match trail.last() {
            Some(&last) if is_between && trail.len() == MAX_TRAIL => {
                let untold = untold + MAX_TRAIL - 1;
                Inner { common, raised, trail: vec![last], untold }
            }
            _ => Inner { common, raised, trail: trail.clone(), untold },
        };
        let common = Common::new(wrap(Failure(Box::new(inside))), id);
        let failure = Failure(Box::new(Inner { common, raised, trail, untold }));
        failure.set_context(context);
        failure
    }

    /// The number that tells it from every other failure of this thread; its clones have the same.
    pub(crate) fn id(&self) -> u64 {
        self.0.common.id
    }

    /// Whether it is a cancellation, or what lists and races make of one.
    pub(crate) fn is_cancellation(&self) -> bool {
        self.0.common.inside.is_cancellation()
    }

    /// Marks it, and all its clones, as reported. Returns whether it was not marked before.
    pub(crate) fn mark_reported(&self) -> bool {
        self.0.common.inside.mark_reported()
    }

    /// The whole story, in several lines: the error, its causes, where it was raised, and what it passed on its way. If
    /// all inputs of a race failed, also the stories of the first few.
    pub fn report(&self) -> String {
        self.report_inside(0)
    }

    /// The same for a failure that is inside this many groups.
    fn report_inside(&self, groups: usize) -> String {
        let mut text = format!("{self}");
        let causes = || iter::successors(self.value().source(), |&error| error.source());
        for error in causes().take(MAX_CAUSES) {
            let cause = error.to_string();
            // The sentence of many an error has that of its cause in it. Nobody wants to read it twice.
            if !text.contains(&cause) {
                text.push_str(&format!("\n  because {cause}"));
            }
        }
        let mut rest = causes().skip(MAX_CAUSES);
        let (untold, last) = rest.by_ref().fold((0, None), |(count, _), error| (count + 1, Some(error)));
        if untold > 1 {
            text.push_str(&format!("\n  ({} more causes before the last)", untold - 1));
        }
        if let Some(error) = last {
            text.push_str(&format!("\n  because {error}"));
        }
        text.push_str(&format!("\n  raised at {}", self.raised()));
        for step in self.trail() {
            text.push_str(&format!("\n  {step}"));
        }
        if self.0.untold > 0 {
            text.push_str(&format!("\n  ({} more steps before the last)", self.0.untold));
        }
        let Some(FailureGroup(failures)) = innermost_input(self).check() else { return text };
        for (index, failure) in failures.iter().enumerate().take(MAX_TOLD_OF_GROUP) {
            let is_cut = groups + 1 == MAX_GROUPS_DEEP && innermost_input(failure).check::<FailureGroup>().is_some();
            let report = if is_cut {
                let (origin, levels) = origin(failure);
                format!("({levels} {} further in) {}", lists(levels), origin.report_inside(groups + 1))
            } else {
                failure.report_inside(groups + 1)
            };
            text.push_str(&format!("\n  input {index}: {}", report.replace('\n', "\n  ")));
        }
        text
    }
}

/// A failure with an error that is known to be an `E`: what [`Failure::trap`] returns. It dereferences to that `E`.
pub struct Trapped<E> {
    failure: Failure,
    error: PhantomData<fn() -> E>,
}

impl<E> Trapped<E> {
    /// The failure again, with where it came from.
    pub fn into_failure(self) -> Failure {
        self.failure
    }
}

impl<E: Error + 'static> Deref for Trapped<E> {
    type Target = E;
    fn deref(&self) -> &E {
        self.failure.check().expect("trap looked before it made this, and the error does not change")
    }
}

impl<E> fmt::Display for Trapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.failure, f)
    }
}

impl<E> fmt::Debug for Trapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.failure, f)
    }
}

/// A failure as a plain error, for code that knows nothing of failures; its `Debug` is the whole report.
struct AsError(Failure);

impl fmt::Display for AsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for AsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.report())
    }
}

impl Error for AsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.value())
    }
}

impl From<Failure> for Box<dyn Error> {
    /// So that `?` works in a function which returns any error; the error itself is its source.
    fn from(failure: Failure) -> Box<dyn Error> {
        Box::new(AsError(failure))
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
        fmt::Display::fmt(&self.0.common.error, f)
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
    fn main_and_unwrap_print_a_failure_as_sentences() {
        let failure = parse("x").unwrap_err();
        let shown = format!("{failure:?}");
        assert!(shown.starts_with("invalid digit found in string\n  raised at "), "{shown}");
        assert_eq!(shown, failure.report());
        let typed = format!("{failure:#?}");
        assert!(typed.starts_with("Failure(ParseIntError { kind: InvalidDigit } raised at "), "{typed}");
    }

    #[test]
    fn a_trail_is_bounded_and_keeps_the_last_step() {
        let mut failure = Failure::msg("round and round");
        for _ in 0..1000 {
            failure.pass(Waypoint::Through(Location::caller()));
        }
        failure.pass(Waypoint::Made(Location::caller()));
        assert_eq!(failure.trail().len(), MAX_TRAIL);
        assert!(matches!(failure.trail()[MAX_TRAIL - 1], Waypoint::Made(_)));
        assert!(failure.report().contains("937 more steps"), "{}", failure.report());
    }
}
