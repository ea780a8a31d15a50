//! TLS over any transport: a [`Protocol`](crate::Protocol) below and a [`Transport`](crate::Transport) above.
//!
//! ```text
//!   your Protocol  <--plain bytes-->  TLS  <--records-->  a Transport (TCP, memory, ...)
//! ```
//!
//! Twisted's `TLSMemoryBIOProtocol`, with rustls instead of OpenSSL. It knows nothing of sockets, and time comes from
//! the reactor, so it runs over anything. What rustls decides for us: versions 1.2 and 1.3, strong ciphers, the
//! certificate's name and dates are checked, and not a byte of ours goes out before they are.
//!
//! An end without TLS's close_notify is never taken for a clean one: [`Reason::Truncated`](crate::Reason::Truncated).
//! What fails says so in a sentence that names the end whose fault it is: [`TlsError`].
//!
//! Next: [`crate::http`].

mod certificate;
mod clock;
mod config;
mod error;
mod layer;
mod verifier;

pub use clock::{TimeSource, TlsClock};
pub use config::{TlsClient, TlsConfigError, TlsServer, TrustRoots};
pub use error::{TlsError, TlsFault};

pub use rustls;
