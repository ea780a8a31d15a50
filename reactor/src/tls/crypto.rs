//! What rustls needs from outside for every session: the cryptography, and the time of day.
//!
//! Next: `client.rs`, the end that connects.

use super::clock::TlsClock;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// The cryptography: always ring's, never one that a program or another crate has installed for the whole process.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The time of day as rustls asks for it, from any thread: set from the [`TlsClock`] when a session begins.
#[derive(Debug)]
pub(super) struct CertificateClock {
    seconds: AtomicU64,
}

impl CertificateClock {
    pub(super) fn new() -> Arc<CertificateClock> {
        Arc::new(CertificateClock { seconds: AtomicU64::new(0) })
    }

    /// Sets it to the time of `clock`, for the session that begins now.
    pub(super) fn set(&self, clock: &TlsClock) {
        let Some(time) = clock.system_time() else { return };
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        self.seconds.store(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for CertificateClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.seconds.load(Ordering::Relaxed))))
    }
}
