//! What Deferreds can report: where a failure came from, what a Deferred waits for, which failures nobody handled.
//!
//! * `history.rs`: the places at which callbacks were added, and how a failure learns them;
//! * `unhandled.rs`: a result that reports its failure if it is dropped;
//! * `unfired.rs`: Deferreds that nothing will fire;
//! * `waiting.rs`: what an unfired Deferred waits for.
//!
//! Nothing here runs callbacks: chains use this room, and it knows nothing of them.
//!
//! Next: `history.rs`, the places.

mod history;
mod unfired;
mod unhandled;
mod waiting;

pub(super) use crate::trace::Side;
pub(super) use history::{Incoming, Kept, Place, Trace};
pub(super) use unfired::{MayStayUnfired, Watch, forget, is_loss_unexpected, look_later, unwatch, watch};
pub(crate) use unfired::{begin_run, end_run, expecting_losses, tell_lost, tell_unfired};
pub(super) use unhandled::Outcome;
pub(crate) use unhandled::collect;
pub use waiting::Waiting;
pub(super) use waiting::{Status, TellsStatus};
