//! A client of Redis and Valkey. RESP is the name of their protocol; both of its versions are spoken.
//!
//! ```no_run
//! use reactor::resp::{Client, Command};
//! use reactor::{Failure, Reactor};
//!
//! let reactor = Reactor::new()?;
//! let client = Client::new(&reactor, "127.0.0.1:6379");
//! client.start();
//! let visits = client.command(Command::new("INCR").key("visits")).add_callback(|value| println!("{value:?}"));
//! reactor.run_until(visits)?;
//! # Ok::<(), Failure>(())
//! ```
//!
//! A server answers commands in their order. So hundreds of them can be on their way at once. This is how a client of
//! such a protocol is written on Deferreds: a queue of them, of which each reply fires the first.
//!
//! ```text
//!   cluster/       Cluster: many servers, each with a part of the keys
//!   client/        Client and its parts: a layer above the loop, knows reactor and time
//!   ------------------------------------------------------------------------------------
//!   parser.rs    replies, from bytes to values     command.rs    commands, from arguments to bytes
//!   value.rs       what a reply is                 slot.rs         where in a cluster a key is
//!   error.rs         what can be wrong with it
//! ```
//!
//! The files below the line are pure: they know neither sockets nor time.
//!
//! Next: [`value.rs`](../../src/reactor/resp/value.rs.html), what a server sends.

mod client;
mod cluster;
mod command;
mod error;
mod parser;
mod slot;
mod value;

pub use client::{
    Client, ClientSettings, CommandError, CommandStage, Invalidation, Message, NeedsResp3, NotAllowed, NotConnected,
    Password, ProtocolVersion, ServerFault, Subscription, SubscriptionEvent, TooManyWaiting, Tracking, WhenDown,
};
pub use cluster::{Cluster, ClusterError, ClusterSettings};
pub use command::{Argument, Command};
pub use error::{CrossSlotError, ReplyError, ServerError};
pub use parser::{ReplyLimits, ReplyParser};
pub use slot::{SLOTS, slot_of};
pub use value::{Value, Values};
