//! RESP, the protocol of Redis and Valkey, versions 2 and 3.
//!
//! ```text
//!   parser.rs    replies, from bytes to values     command.rs    commands, from arguments to bytes
//!   value.rs       what a reply is                 slot.rs         where in a cluster a key is
//!   error.rs         what can be wrong with it
//! ```
//!
//! These files are pure: they know neither sockets nor time.
//!
//! Next: [`value.rs`](../../src/reactor/resp/value.rs.html), what a server sends.

mod command;
mod error;
mod parser;
mod slot;
mod value;

pub use command::{Argument, Command};
pub use error::{CrossSlotError, ReplyError, ServerError};
pub use parser::{ReplyLimits, ReplyParser};
pub use slot::{SLOTS, slot_of};
pub use value::{Value, Values};
