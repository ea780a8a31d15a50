//! Work that is spread over time: [`sleep`] and [`defer_later`], [`LoopingCall`], [`Cooperator`]. Twisted's
//! `twisted.internet.task`.
//!
//! Everything here takes its clock as an argument and uses nothing else of a reactor. So its tests move a
//! [`ManualClock`](crate::testing::ManualClock) and wait for nothing.
//!
//! | Twisted | here |
//! |---|---|
//! | `deferLater(clock, delay)` | [`sleep`] |
//! | `deferLater(clock, delay, f)` | [`defer_later`] |
//! | `LoopingCall(f).start(interval)` | [`LoopingCall::start`] |
//! | `LoopingCall(f).start(interval, now=False)` | [`LoopingCall::start_later`] |
//! | `LoopingCall.withCount(f)` | [`Tick::count`], on every loop |
//! | `Cooperator().cooperate(iterator)` | [`Cooperator::cooperate`] |
//! | `react(main)` | [`Reactor::run_until`](crate::Reactor::run_until) and [`react`](crate::react) |
//!
//! Next: [`later.rs`](../../src/reactor/task/later.rs.html), a delayed call as a Deferred.

mod cooperator;
mod later;
mod looping_call;

pub use cooperator::{CooperativeTask, Cooperator, TaskPause, TaskStopped};
pub use later::{defer_later, sleep};
pub use looping_call::{LoopingCall, Tick};
