//! [`WriteLimit`]: the hard limit on what a peer may leave waiting, and what the program is told of it.
//!
//! Next: `../datagram.rs`, the same two contracts for UDP.

use super::{HIGH_WATER, MAX_BUFFERED};
use crate::diagnostics::{is_first_at, tell};
use log::Level;
use std::cell::Cell;
use std::panic::Location;

/// A place in the program.
type Place = &'static Location<'static>;

/// How large the backlog of one connection may be, and what the program is told of it.
#[derive(Debug)]
pub(crate) struct WriteLimit {
    /// A write to a backlog of this many bytes or more ends the connection.
    most: Cell<usize>,
    /// A write that finds fewer bytes waiting than this has nothing to do with the limit.
    near: Cell<usize>,
    warned: Cell<Warned>,
}

/// What is known of the bytes that a write finds waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// How many waited when the loop last tried to send.
    pub(crate) backlog: usize,
    /// A producer is registered, which should have stopped writing long before the limit.
    pub(crate) has_producer: bool,
}

/// Whether the program was told that a peer does not read, while there was still time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Warned {
    No,
    /// Of another connection, at the same place in the program.
    OfAnother,
    OfThis,
}

impl WriteLimit {
    pub(crate) fn new() -> WriteLimit {
        let limit = WriteLimit { most: Cell::default(), near: Cell::default(), warned: Cell::new(Warned::No) };
        limit.set(MAX_BUFFERED);
        limit
    }

    pub(crate) fn set(&self, most: usize) {
        self.most.set(most);
        self.near.set((most / 2).max(HIGH_WATER).min(most));
    }

    /// Whether the program was told that the peer of this connection does not read.
    pub(crate) fn is_told(&self) -> bool {
        self.warned.get() == Warned::OfThis
    }

    pub(crate) fn note_told(&self) {
        self.warned.set(Warned::OfThis);
    }

    /// Whether a write that finds `buffered` bytes, and `rest` among them, ends the connection. What the loop has not
    /// tried to send does not count, however much it is: the program has handed it over itself, and the peer has had no
    /// chance to read it. `place` is that of a write by the program.
    #[inline]
    pub(crate) fn is_passed(
        &self,
        buffered: usize,
        rest: impl FnOnce() -> Waiting,
        place: Option<Place>,
        described: impl FnOnce() -> String,
    ) -> bool {
        buffered >= self.near.get() && self.is_passed_or_near(buffered, rest(), place, described)
    }

    #[cold]
    fn is_passed_or_near(
        &self,
        buffered: usize,
        waiting: Waiting,
        place: Option<Place>,
        described: impl FnOnce() -> String,
    ) -> bool {
        let is_passed = waiting.backlog >= self.most.get();
        if let Some(place) = place {
            if is_passed {
                self.tell_passed(waiting.backlog, place, &described());
            } else if waiting.backlog >= self.near.get() {
                self.tell_near(waiting.backlog, place, described);
            } else if waiting.has_producer && buffered >= self.most.get() {
                tell_unpaused(buffered, place, described);
            }
        }
        is_passed
    }

    /// Half of the limit is told once for each place: an operator can still look at the connection then.
    fn tell_near(&self, backlog: usize, place: Place, described: impl FnOnce() -> String) {
        if self.warned.get() != Warned::No {
            return;
        }
        let is_first = is_first_at(place);
        self.warned.set(if is_first { Warned::OfThis } else { Warned::OfAnother });
        if is_first {
            tell!(
                Warn,
                "reactor",
                "the peer does not read: {backlog} bytes wait to be sent to it, and the write at {place} adds more. \
                 With {} bytes it is broken off: {}",
                self.most.get(),
                described()
            );
        }
    }

    /// After a warning, a logger hears of the end; standard error does not.
    fn tell_passed(&self, backlog: usize, place: Place, described: &str) {
        let level = if self.warned.get() == Warned::OfThis { Level::Info } else { Level::Warn };
        tell!(
            at level,
            "reactor",
            "the peer does not read: {backlog} bytes wait to be sent to it, and the write at {place} is one too many. \
             Broken off: {described}"
        );
    }
}

/// A producer that writes on and on in one callback: the loop cannot tell it to pause before that returns.
fn tell_unpaused(buffered: usize, place: Place, described: impl FnOnce() -> String) {
    if is_first_at(place) {
        tell!(
            Warn,
            "reactor",
            "a producer has written {buffered} bytes, and the write at {place} adds more, without a pause. The loop \
             pauses it between two callbacks: inside one it has to ask for `buffered()` itself. On {}",
            described()
        );
    }
}
