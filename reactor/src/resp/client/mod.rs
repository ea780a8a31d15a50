//! The client: a layer above the loop. It connects, sets timers and keeps commands in order.
//!
//! # The way of one command
//!
//! 1. `handle.rs`: [`Client::command`]. `allowed.rs` refuses what would change the connection for others.
//! 2. `machine.rs`: `submit` looks at the limits and makes the Deferred. With a connection the command is written at
//!    once, otherwise it waits. The transport gathers what is written in one turn of the loop.
//! 3. `pipeline.rs`: the command has its place in the queue of replies.
//! 4. `connection.rs`: bytes come back, the parser makes values of them.
//! 5. `machine.rs`: `replied` takes the oldest command from the queue, and fires its Deferred.
//!
//! Next: `allowed.rs`, which commands may share a connection.

mod allowed;
mod connection;
mod deadlines;
mod error;
mod events;
mod handle;
mod login;
mod machine;
mod pipeline;
mod registry;
mod room;
mod settings;
mod subscriptions;

pub use error::{CommandError, CommandStage, NeedsResp3, NotAllowed, NotConnected, ServerFault, TooManyWaiting};
pub use events::{Invalidation, Message, SubscriptionEvent, Tracking};
pub use handle::Client;
pub(super) use machine::Layer;
pub use settings::{ClientSettings, Password, ProtocolVersion, WhenDown};
pub use subscriptions::Subscription;
