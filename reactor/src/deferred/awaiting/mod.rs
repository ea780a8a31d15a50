//! Deferreds and `async`: how code awaits a Deferred, and how an `async` block runs without a runtime.
//!
//! * `wait.rs`: what a Deferred holds while some code awaits it;
//! * `coroutine.rs`: an `async` block as a node of a chain;
//! * `waker.rs`: how a coroutine is woken by anything else than our Deferreds, from any thread; `notes.rs`: what other
//!   threads leave for it.
//!
//! The public side of it is `future.rs`, beside this folder. Chains know nothing of this room but the slot in which a
//! result waits for the code that awaits it.
//!
//! Next: `wait.rs`, a Deferred that is awaited.

mod coroutine;
mod notes;
mod wait;
mod waker;

pub(super) use coroutine::start;
pub(super) use wait::Awaiting;
pub(crate) use waker::{Hook, Hooked, go_on, hook};
