//! Deferreds and `async`: how code awaits a Deferred, and how an `async` block runs without a runtime.
//!
//! * `wait.rs`: what a Deferred holds while some code awaits it;
//! * `coroutine.rs`: an `async` block as a node of a chain; `told.rs`: what a trace hears of it;
//! * `waker.rs`: how anything else than our Deferreds wakes a coroutine, from any thread; `notes.rs`: what other
//!   threads leave for it.
//!
//! The public side of this room is `../future.rs`. Of this room, chains know only the slot in which a result waits for
//! the code that awaits it.
//!
//! Next: `wait.rs`, a Deferred that is awaited.

mod coroutine;
mod notes;
mod told;
mod wait;
mod waker;

pub(super) use coroutine::start;
pub(super) use wait::{Awaiting, tell_had_result};
pub(crate) use waker::{Hook, Hooked, go_on, hook};
