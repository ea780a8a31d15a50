//! How a chain runs: its nodes, the loop that runs them, and how they are cancelled, paused and dropped.
//!
//! Nothing here knows of [`Deferred`](super::Deferred) or [`Firer`](super::Firer): those are handles on what is here.
//! Read `trampoline.rs` first, with its example, then `step.rs`: with the contract in `../mod.rs` they say how a
//! Deferred works. The other files can be read alone:
//!
//! | File | What it adds |
//! |---|---|
//! | `head.rs` | the start of a chain: firing once, cancelling |
//! | `out.rs` | the result side of a node: what follows it, or the result itself |
//! | `pending.rs` | the two ends of a chain that a Deferred holds; what a callback returned |
//! | `circle.rs` | chains that would wait for each other in a circle |
//! | `control.rs` | pausing a chain, cancelling it, asking what it waits for |
//! | `flat_rc.rs` | the links: dropping a chain of any length does not recurse |
//! | `panics.rs`, `cancelling.rs`, `waking.rs` | panics; cancellers inside cancellers; wakers inside the loop |
//! | `nesting.rs` | how deep firings run inside firings |
//! | `in_context.rs`, `traced.rs` | callbacks of a request; callbacks that a trace hears of |
//! | `await_slot.rs` | the result of a Deferred that some code awaits |
//! | `spare.rs` | a head is used again |
//!
//! Next: `trampoline.rs`, the loop.

mod await_slot;
mod cancelling;
mod circle;
mod control;
mod flat_rc;
mod head;
mod in_context;
mod nesting;
mod out;
mod panics;
mod pending;
mod spare;
mod step;
mod traced;
mod trampoline;
mod waking;

pub(super) use await_slot::{AwaitSlot, Awaited, WakeTarget};
pub(super) use circle::waits_for;
pub(super) use control::{Control, Gate, Segment, WaitedFor, Waiter, WaitsOn};
pub(super) use flat_rc::{FlatRc, Node, Plain};
pub(super) use head::{Firing, Head, Stop};
pub(super) use in_context::{Boxed, in_current_context};
pub(super) use out::{Out, Tail, deliver_from};
pub(crate) use panics::sparing;
pub(super) use panics::{Payload, caught, run_in_drop};
pub(super) use pending::{Chain, Reply};
pub(super) use step::{Step, wait_behind};
pub(super) use traced::{Running, telling, with_seen};
pub(super) use trampoline::{Accept, Next, Run, Trampoline, cancel, run};
pub(super) use waking::give_to_waking_loop;

use std::cell::Cell;

/// Looks at what is in a cell. `look` must not use the cell: it is empty meanwhile.
#[inline]
pub(super) fn peek<T: Default, R>(cell: &Cell<T>, look: impl FnOnce(&T) -> R) -> R {
    let content = cell.take();
    let seen = look(&content);
    cell.set(content);
    seen
}
