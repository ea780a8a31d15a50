//! Tools for tests without a network and without waiting.
//!
//! A protocol is only a value with methods, so a test can call them itself. It passes a [`StringTransport`], and looks
//! at what the protocol wrote. If the protocol sets timers, the test gives it a [`ManualClock`], and moves the time on.
//! [`for_every_chunking`] checks that a parser does not care how TCP cuts its bytes, and [`collect_unhandled`] checks
//! which failures a program leaves unhandled. [`connect`] lets two protocols talk to each other in memory, and
//! [`assert_nothing_left`] checks that a test leaves no timer, port or connection behind. Several hosts with a network
//! between them are a [`World`](crate::sim::World).
//!
//! | Twisted | here |
//! |---|---|
//! | `StringTransport`, its `producer` | [`StringTransport`], [`StringTransport::producer`] |
//! | `task.Clock` | [`ManualClock`] |
//! | `iosim.connect`, `IOPump.flush`, `pump` | [`connect`], [`Pump::flush`], [`Pump::pump`] |
//! | `MemoryReactor.tcpServers`, `getDelayedCalls` | [`Reactor::inventory`](crate::Reactor::inventory) |
//! | Trial's check for a dirty reactor | [`assert_nothing_left`] |
//! | `successResultOf`, `failureResultOf` | [`success_result_of`], [`failure_result_of`] |
//! | `assertNoResult` | [`assert_no_result`] |
//! | `flushLoggedErrors` | [`collect_unhandled`] |
//!
//! Next: [`manual_clock.rs`](../../src/reactor/testing/manual_clock.rs.html), time without waiting.

mod chunks;
mod left_over;
mod manual_clock;
mod pump;
mod results;
mod string_transport;
mod wire;

pub use chunks::for_every_chunking;
pub use left_over::assert_nothing_left;
pub use manual_clock::ManualClock;
pub use pump::{Pump, Side, connect};
pub use results::{assert_no_result, failure_result_of, success_result_of};
pub use string_transport::StringTransport;

use crate::Failure;

/// Runs `work` and returns the failures that were dropped without being handled, in that order. They do not go to the
/// log. Only failures on this thread count. Trial's `flushLoggedErrors`.
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
