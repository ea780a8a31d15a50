//! What tests need, without a network and without waiting: chunkings of bytes, a transport that only remembers, and a
//! clock that is moved by hand.
//!
//! Twisted's `proto_helpers` and `task.Clock`.

mod chunks;
mod manual_clock;
mod string_transport;

pub use chunks::for_every_chunking;
pub use manual_clock::ManualClock;
pub use string_transport::StringTransport;

use crate::Failure;

/// The failures that nobody handled while `work` ran on this thread; they are given here instead of to the log. Trial's
/// `flushLoggedErrors`.
///
/// ```
/// use reactor::{deferred, testing};
/// use reactor::failure::Message;
///
/// let lost = testing::collect_unhandled(|| drop(deferred::fail::<()>(Message("boom".into()))));
/// assert_eq!(lost.len(), 1);
/// ```
pub fn collect_unhandled(work: impl FnOnce()) -> Vec<Failure> {
    crate::deferred::collect(work)
}
