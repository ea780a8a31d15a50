//! [`Profile`]: what all sessions of one [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer) share.
//!
//! Next: `deadlines.rs`, the time limits of a session.

use super::clock::TlsClock;
use super::verifier::Refusals;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time for a handshake unless `handshake_timeout` sets another. It is enough for two round trips over the
/// slowest line, and a peer that stalls holds a connection no longer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The part that all sessions of one [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer) share.
#[derive(Clone)]
pub(super) struct Profile {
    /// The name of the other end in errors: "the server" or "the client".
    pub(super) peer: &'static str,
    /// The application protocols that our side speaks, for errors.
    pub(super) alpn: Vec<Vec<u8>>,
    /// More about a certificate that has been refused than the error says.
    pub(super) refusals: Option<Arc<Refusals>>,
    pub(super) handshake_timeout: Duration,
    /// The buffer in which a protocol sees plain bytes. All sessions share it, as one is fed at a time. (A session that
    /// is fed inside the callback of another finds it taken, and makes its own.)
    pub(super) plain: Rc<Cell<Vec<u8>>>,
    pub(super) clock: TlsClock,
}

impl Profile {
    pub(super) fn new(
        peer: &'static str,
        alpn: Vec<Vec<u8>>,
        refusals: Option<Arc<Refusals>>,
        clock: TlsClock,
    ) -> Profile {
        Profile { peer, alpn, refusals, handshake_timeout: HANDSHAKE_TIMEOUT, plain: Rc::default(), clock }
    }
}
