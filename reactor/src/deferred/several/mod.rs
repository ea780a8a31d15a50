//! Waiting for several Deferreds, for one result together, for a lock or a queue, for a limited time.
//!
//! All of this is built on `chain/` and on [`Deferred`](super::Deferred), which know nothing of it. Each can be read
//! alone:
//!
//! * `list.rs`: all, all that succeed, the first; `inputs.rs`: how that is done;
//! * `shared.rs`: one result for several that wait;
//! * `lock.rs`, `queue.rs`: locks, semaphores, queues; `waiters.rs`, `run_end.rs`: how those wait, and how a run ends;
//! * `timeout.rs`: a limit on the time that a chain may take;
//! * `hand_on.rs`: one Deferred fires another;
//! * `tickets.rs`: waiters in order of arrival, used by `shared.rs` and `waiters.rs`.
//!
//! Next: `list.rs`, waiting for several.

mod hand_on;
mod inputs;
mod list;
mod lock;
mod queue;
mod run_end;
mod shared;
mod tickets;
mod timeout;
mod waiters;

pub use list::{Others, deferred_list, gather_results, race};
pub use lock::{DeferredLock, DeferredSemaphore, Permit};
pub use queue::{DeferredQueue, QueueOverflow, QueueUnderflow};
pub use shared::Shared;
