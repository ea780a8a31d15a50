//! TLS over any transport: it is a [`Protocol`](crate::Protocol) to the transport below, and a
//! [`Transport`](crate::Transport) to the protocol above.
//!
//! ```text
//!   your Protocol  <--plain bytes-->  TLS  <--records-->  a Transport (TCP, memory, ...)
//! ```
//!
//! It needs the feature `tls`, which is on by default.
//!
//! This is Twisted's `TLSMemoryBIOProtocol`, with rustls instead of OpenSSL. It knows nothing of sockets or of the
//! loop, and gets its time from a [`TlsClock`], so it runs over anything. rustls decides the rest: versions 1.2 and
//! 1.3, strong ciphers, and that the certificate's name and dates are checked before a byte of ours goes out.
//!
//! An end without TLS's close_notify never counts as a clean one: [`Reason::Truncated`](crate::Reason::Truncated). A
//! [`TlsError`] is a sentence that says at which end the fault is.
//!
//! Imports go one way: `client` and `server`; `plain_first`, `layer`, `backend`, `early`, `session`, `error`,
//! `verifier`, `certificate`, `der`. What both ends are made of stands beside them: `private_certificate`,
//! `trust_roots`, `pem`, `config_error`, `by_name`, `crypto`, `clock`.
//!
//! Next: [`clock.rs`](../../src/reactor/tls/clock.rs.html), all that TLS asks of the world.

mod backend;
mod by_name;
mod certificate;
mod client;
mod clock;
mod config_error;
mod crypto;
mod deadlines;
mod der;
mod early;
mod error;
mod layer;
mod pem;
mod plain_first;
mod private_certificate;
mod profile;
mod server;
mod session;
mod trust_roots;
mod verifier;

pub use crate::error::StartTlsError;
pub use client::TlsClient;
pub use clock::{TimeSource, TlsClock};
pub use config_error::TlsConfigError;
pub use error::{TlsError, TlsFault};
pub use private_certificate::PrivateCertificate;
pub use server::{MAX_SESSIONS, TlsServer};
pub use session::{PeerCertificate, TlsSession};
pub use trust_roots::TrustRoots;

pub use rustls;
