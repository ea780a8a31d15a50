//! TLS over any transport: it is a [`Protocol`](crate::Protocol) to the transport below, and a
//! [`Transport`](crate::Transport) to the protocol above.
//!
//! ```text
//!   your Protocol  <--plain bytes-->  TLS  <--records-->  a Transport (TCP, memory, ...)
//! ```
//!
//! This is Twisted's `TLSMemoryBIOProtocol`, with rustls instead of OpenSSL. It knows nothing of sockets or of the
//! loop, and gets its time from a [`TlsClock`], so it runs over anything. rustls decides the rest: versions 1.2 and
//! 1.3, strong ciphers, and that the certificate's name and dates are checked before a byte of ours goes out.
//!
//! An end without TLS's close_notify never counts as a clean one: [`Reason::Truncated`](crate::Reason::Truncated). A
//! [`TlsError`] is a sentence that says at which end the fault is.
//!
//! Imports go one way: `config`, `layer`, `backend`, `early`, `error`, `verifier`, `certificate`; and `clock` beside
//! them.
//!
//! Next: `clock.rs`, all that TLS asks of the world.

mod backend;
mod certificate;
mod clock;
mod config;
mod early;
mod error;
mod layer;
mod verifier;

pub use clock::{TimeSource, TlsClock};
pub use config::{TlsClient, TlsConfigError, TlsServer, TrustRoots};
pub use error::{TlsError, TlsFault};

pub use rustls;
