//! One TLS session between a protocol above and a transport below.
//!
//! ```text
//!   the inner protocol      data_received, ...        write, lose_connection, ...
//!                                 ^                              |
//!                            TlsProtocol  -- the session --  TlsBackend
//!                                 ^            (rustls)          v
//!   the lower transport     records that come          records that go
//! ```
//!
//! `TlsProtocol` is the protocol of the lower transport, `TlsBackend` the transport of the inner protocol. The session
//! is never borrowed while the inner protocol runs, as that may write.
//!
//! Two ends must not be mixed up. An end of the lower connection can be forged by anything on the way; only TLS's own
//! close_notify shows that the peer has said all (RFC 8446, section 6.1). Without one the reason is
//! [`Reason::Truncated`].
//!
//! Next: `backend.rs`, the transport above.

use super::backend::{Closing, Progress, TlsBackend};
use super::profile::Profile;
use crate::transport::TransportBackend;
use crate::{Protocol, Reason, Transport};
use rustls::Connection;
use std::io::{self, Read};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

/// Maximum number of plain bytes in one piece: those of one TLS record (RFC 8446, section 5.1).
const MAX_PLAIN_PIECE: usize = 16 * 1024;

/// The protocol below: feeds records to the session, and the plain bytes in them to the inner protocol.
pub(super) struct TlsProtocol {
    inner: Box<dyn Protocol>,
    state: State,
    profile: Rc<Profile>,
    /// Records that came before the transport paused, and were not processed; at most one read's worth.
    held: Vec<u8>,
    /// `handshake_completed` has been called.
    has_told_handshake: bool,
}

enum State {
    /// Not connected yet.
    New(Option<Box<Connection>>),
    Up(Rc<TlsBackend>),
}

impl TlsProtocol {
    pub(super) fn new(session: Connection, inner: Box<dyn Protocol>, profile: Rc<Profile>) -> TlsProtocol {
        TlsProtocol {
            inner,
            state: State::New(Some(Box::new(session))),
            profile,
            held: Vec::new(),
            has_told_handshake: false,
        }
    }

    /// A session in the middle of a connection. `inner` knows that it is connected, and `records` have come already;
    /// they are processed in `reading_resumed`.
    pub(super) fn started(
        backend: Rc<TlsBackend>,
        inner: Box<dyn Protocol>,
        profile: Rc<Profile>,
        records: Vec<u8>,
    ) -> TlsProtocol {
        TlsProtocol { inner, state: State::Up(backend), profile, held: records, has_told_handshake: false }
    }

    fn backend(&self) -> Option<Rc<TlsBackend>> {
        match &self.state {
            State::Up(backend) => Some(backend.clone()),
            State::New(_) => None,
        }
    }

    /// Feeds records to the session and plain bytes to the inner protocol, until all are used up or reading is paused.
    fn feed(&mut self, backend: &Rc<TlsBackend>, records: &[u8]) {
        let mut plain = self.profile.plain.take();
        plain.resize(MAX_PLAIN_PIECE, 0); // Only the first time: clearing it costs more than the rest of this layer.
        self.feed_through(backend, records, &mut plain);
        self.profile.plain.set(plain);
    }

    fn feed_through(&mut self, backend: &Rc<TlsBackend>, mut records: &[u8], plain: &mut [u8]) {
        let upper = Transport::new(backend.clone());
        loop {
            // The order within a turn: what came earlier is handed on before what came later is looked at. So the
            // protocol gets the same calls however the network cuts the records.
            while !backend.peer_closed.get() {
                if backend.lower.is_paused() && !backend.is_disconnecting() {
                    // Also the last message of our handshake, if the protocol has paused at its end: the peer waits.
                    backend.flush();
                    self.held = records.to_vec();
                    return;
                }
                let count = match backend.session.borrow_mut().reader().read(plain) {
                    Ok(count @ 1..) => count,
                    _ => break, // Nothing now, or the end; process() finds out which.
                };
                if !backend.is_disconnecting() {
                    self.inner.data_received(&upper, &plain[..count]);
                }
            }
            if backend.close_notify.get() && !backend.peer_closed.replace(true) && !backend.is_disconnecting() {
                self.inner.read_connection_lost(&upper);
            }
            backend.flush();
            if backend.peer_closed.get() {
                return backend.end_if_both_have_ended(); // What follows a close_notify means nothing.
            }
            if backend.closing.get() == Closing::All {
                return; // We have closed: whatever still comes is not wanted.
            }
            // Only now: the bytes before the error are as good as if they had come alone.
            if let Some(reason) = backend.broken.take() {
                return backend.fail(reason);
            }
            if records.is_empty() || backend.reason.borrow().is_some() {
                return;
            }
            backend.process(&mut records);
            // Before the next plain bytes: the protocol must hear that the peer is who it should be before it gets
            // data.
            if !self.has_told_handshake
                && !backend.is_disconnecting()
                && backend.progress.get() == Progress::Established
            {
                self.has_told_handshake = true;
                self.inner.handshake_completed(&upper);
            }
            backend.close_when_all_is_written();
        }
    }
}

impl Protocol for TlsProtocol {
    fn type_name(&self) -> &'static str {
        self.inner.type_name()
    }

    fn connection_made(&mut self, transport: &Transport) {
        let State::New(session) = &mut self.state else { return };
        let Some(session) = session.take() else { return };
        let backend = TlsBackend::new(transport.clone(), session, self.profile.clone());
        backend.start_handshake_deadline();
        // Before the inner protocol is called: if it panics, connection_lost needs the backend to stop the deadline.
        self.state = State::Up(backend.clone());
        let above = Transport::new(backend.clone());
        transport.set_layer_above(&above);
        self.inner.connection_made(&above);
        backend.flush(); // A client begins the handshake.
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let Some(backend) = self.backend() else { return };
        if self.held.is_empty() {
            self.feed(&backend, data);
        } else {
            let mut held = mem::take(&mut self.held);
            held.extend_from_slice(data);
            self.feed(&backend, &held);
        }
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        let Some(backend) = self.backend() else { return };
        // A protocol that closes during the handshake is not called until that is done and the connection is lost.
        if !backend.is_disconnecting() {
            self.inner.reading_resumed(&Transport::new(backend.clone()));
        }
        let held = mem::take(&mut self.held);
        self.feed(&backend, &held);
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        let Some(backend) = self.backend() else { return };
        if !backend.peer_closed.get() {
            let handshaking = backend.session.borrow().is_handshaking();
            backend.reason.borrow_mut().get_or_insert_with(|| match handshaking {
                true => {
                    let what = "the peer closed the connection during the TLS handshake";
                    Reason::Lost(Arc::new(io::Error::new(io::ErrorKind::UnexpectedEof, what)))
                }
                false => Reason::Truncated,
            });
            backend.lose_lower_without_producer();
        } else if backend.closing.get() != Closing::No {
            backend.lose_lower();
        }
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        match self.backend() {
            Some(backend) if backend.is_disconnecting() => {} // It is closing already, and its handshake has a limit.
            Some(backend) => self.inner.reactor_stopping(&Transport::new(backend)),
            None => transport.lose_connection(),
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let backend = self.backend();
        if let Some(backend) = &backend {
            backend.set_deadline(None);
        }
        let ours = backend.and_then(|backend| backend.why_lost(reason));
        self.inner.connection_lost(ours.as_ref().unwrap_or(reason));
    }
}
