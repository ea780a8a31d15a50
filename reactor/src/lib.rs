//! Twisted's design in Rust: one thread, one event loop, protocols, transports and Deferreds.
mod address;
pub mod deferred;
pub mod driver;
pub mod error;
mod event_loop;
mod failure;
pub mod http;
mod line_buffer;
mod line_receiver;
mod outgoing;
mod protocol;
mod settings;
pub mod testing;
mod timers;
pub mod tls;
mod transport;

pub use address::Address;
pub use deferred::{Deferred, Firer, IntoDeferred};
pub use error::{AlreadyCalledError, CancelledError, Reason, TimeoutError};
pub use event_loop::{
    Connector, Destination, ListenAddress, ListeningPort, Phase, Reactor, ReactorHandle, SystemEvent, TriggerId,
};
pub use failure::{Failure, Message, Passed};
pub use line_buffer::{LineBuffer, Split};
pub use line_receiver::{LineProtocol, LineReceiver, LineTransport, MAX_LENGTH};
pub use protocol::{ClientFactory, Factory, Protocol};
pub use settings::Settings;
pub use timers::{DelayedCall, NotActive};
pub use transport::{BUFFER_LIMIT, Channel, HIGH_WATER, KeepAlive, Producer, Transport};
