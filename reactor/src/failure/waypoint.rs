//! [`Waypoint`]: one thing that a failure met on its way down a chain.
//!
//! Next: `lists.rs`, failures that hold others.

use std::fmt;
use std::panic::Location;

/// One thing that a failure met on its way; see [`Failure::trail`](super::Failure::trail).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waypoint {
    /// It came into a Deferred that was made here; the waypoints that follow are of that Deferred.
    Made(&'static Location<'static>),
    /// Before the callbacks that follow in this list, this many more ran.
    Earlier(usize),
    /// The callback that was added here ran before.
    After(&'static Location<'static>),
    /// The callback that was added here returned the failure.
    RaisedBy(&'static Location<'static>),
    /// The callback that was added here returned a Deferred, which failed.
    GivenBackBy(&'static Location<'static>),
    /// The callback that was added here is for values only: the failure passed it by.
    Through(&'static Location<'static>),
    /// The errback that was added here got the failure and returned it.
    PassedOnBy(&'static Location<'static>),
    /// It was handed on to another Deferred by `chain_deferred` here.
    HandedOnAt(&'static Location<'static>),
    /// It came out of an `await` here.
    AwaitedAt(&'static Location<'static>),
    /// It ended the coroutine that was started here.
    Coroutine(&'static Location<'static>),
    /// It came from an input of the list that was made here, and decided its result.
    List(&'static Location<'static>),
}

impl fmt::Display for Waypoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waypoint::Made(at) => write!(f, "in the Deferred made at {at}"),
            Waypoint::Earlier(1) => write!(f, "  after an earlier callback"),
            Waypoint::Earlier(count) => write!(f, "  after {count} earlier callbacks"),
            Waypoint::After(at) => write!(f, "  after the callback added at {at}"),
            Waypoint::RaisedBy(at) => write!(f, "  raised by the callback added at {at}"),
            Waypoint::GivenBackBy(at) => write!(f, "  from what the callback added at {at} gave back"),
            Waypoint::Through(at) => write!(f, "  past the callback added at {at}"),
            Waypoint::PassedOnBy(at) => write!(f, "  passed on by the errback added at {at}"),
            Waypoint::HandedOnAt(at) => write!(f, "  handed on at {at}"),
            Waypoint::AwaitedAt(at) => write!(f, "awaited at {at}"),
            Waypoint::Coroutine(at) => write!(f, "in the coroutine started at {at}"),
            Waypoint::List(at) => write!(f, "in the list made at {at}"),
        }
    }
}
