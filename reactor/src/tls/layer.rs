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
//! Next: `error.rs`, why it failed.

use super::clock::TlsClock;
use super::error::{ErrorContext, TlsError};
use super::verifier::Verifier;
use crate::transport::{KeepAlive, MAX_BUFFERED, TransportBackend};
use crate::{Address, DelayedCall, Producer, Protocol, Reason, Transport};
use rustls::Connection;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Plain bytes given to the protocol at once: the maximum in one TLS record (RFC 8446, section 5.1).
const PLAIN_BUFFER: usize = 16 * 1024;

/// Maximum number of a peer's first bytes that an error repeats: enough to recognize HTTP, SSH or SMTP.
const MAX_FIRST_BYTES: usize = 24;

/// The part that all sessions of one [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer) share.
#[derive(Clone)]
pub(super) struct Profile {
    /// The name of the other end in errors: "the server" or "the client".
    pub(super) peer: &'static str,
    /// The application protocols that our side speaks, for errors.
    pub(super) alpn: Vec<Vec<u8>>,
    /// A client's verifier, which knows more about a certificate that it has refused.
    pub(super) verifier: Option<Arc<Verifier>>,
    pub(super) handshake_timeout: Duration,
    /// The buffer in which a protocol sees plain bytes. All sessions share it, as one is fed at a time. (A session that
    /// is fed while another one is, finds it taken and makes its own.)
    pub(super) plain: Rc<Cell<Vec<u8>>>,
    pub(super) clock: TlsClock,
}

/// The protocol below: feeds records to the session, and the plain bytes in them to the inner protocol.
pub(super) struct TlsProtocol {
    inner: Box<dyn Protocol>,
    state: State,
    profile: Rc<Profile>,
    /// Records that came before the transport paused, and were not processed: at most what one read brought.
    held: Vec<u8>,
    /// `handshake_completed` has been called.
    has_told_handshake: bool,
}

enum State {
    /// Not connected yet.
    New(Option<Box<Connection>>),
    Up(Rc<TlsBackend>),
}

/// The transport above: what the inner protocol writes becomes records.
struct TlsBackend {
    lower: Transport,
    session: RefCell<Box<Connection>>,
    closing: Cell<Closing>,
    /// Why it ended, if the lower transport cannot know.
    reason: RefCell<Option<Reason>>,
    /// An error in what came. It is reported only after the bytes before it have been handed on.
    broken: Cell<Option<Reason>>,
    /// The session has seen the peer's close_notify.
    close_notify: Cell<bool>,
    /// The inner protocol has been told that the peer has closed.
    peer_closed: Cell<bool>,
    /// Aborts a handshake that takes too long, or that delays our close.
    deadline: Cell<Option<DelayedCall>>,
    progress: Cell<Progress>,
    profile: Rc<Profile>,
}

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Not a byte has come.
    Silent,
    /// The first byte looks like TLS.
    Handshaking,
    Established,
}

/// The end that our side has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// End our sending, once the handshake is done and the bytes written so far have gone out.
    WriteSideAfterHandshake,
    /// Close, once the same has happened.
    AfterHandshake,
    WriteSide,
    All,
}

impl TlsProtocol {
    pub(super) fn new(mut session: Connection, inner: Box<dyn Protocol>, profile: Rc<Profile>) -> TlsProtocol {
        session.set_buffer_limit(Some(MAX_BUFFERED));
        TlsProtocol {
            inner,
            state: State::New(Some(Box::new(session))),
            profile,
            held: Vec::new(),
            has_told_handshake: false,
        }
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
        plain.resize(PLAIN_BUFFER, 0); // Only the first time: clearing it costs more than the rest of this layer.
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
            if backend.close_notify.get() && !backend.peer_closed.replace(true) {
                self.inner.read_connection_lost(&upper);
            }
            backend.flush();
            if backend.peer_closed.get() {
                return backend.end_if_both_have_ended(); // What follows a close_notify means nothing.
            }
            if backend.closing.get() == Closing::All {
                return; // We have said goodbye: what still comes is not wanted.
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
            backend.close_after_handshake();
        }
    }
}

impl Protocol for TlsProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        let State::New(session) = &mut self.state else { return };
        let Some(session) = session.take() else { return };
        let backend = Rc::new(TlsBackend {
            lower: transport.clone(),
            session: RefCell::new(session),
            closing: Cell::new(Closing::No),
            reason: RefCell::new(None),
            broken: Cell::new(None),
            close_notify: Cell::new(false),
            peer_closed: Cell::new(false),
            deadline: Cell::new(None),
            progress: Cell::new(Progress::Silent),
            profile: self.profile.clone(),
        });
        backend.start_handshake_deadline();
        // Before the inner protocol is called: if it panics, connection_lost needs the backend to stop the deadline.
        self.state = State::Up(backend.clone());
        self.inner.connection_made(&Transport::new(backend.clone()));
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
        self.inner.reading_resumed(&Transport::new(backend.clone()));
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
            backend.lower.lose_connection();
        } else if backend.closing.get() != Closing::No {
            backend.lower.lose_connection();
        }
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        match self.backend() {
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

impl TlsBackend {
    /// Gives the session some of `records`, and moves them on past it.
    fn process(&self, records: &mut &[u8]) {
        if self.progress.get() == Progress::Silent {
            if !looks_like_tls(records) {
                let first = &records[..records.len().min(MAX_FIRST_BYTES)];
                return self.broken.set(Some(Reason::Tls(Arc::new(TlsError::not_tls(first, self.error_context())))));
            }
            self.progress.set(Progress::Handshaking);
        }
        let mut session = self.session.borrow_mut();
        let taken = session.read_tls(records);
        let processed = session.process_new_packets();
        let is_handshaking = session.is_handshaking();
        drop(session);
        match (taken, processed) {
            (_, Err(error)) => {
                return self.broken.set(Some(Reason::Tls(Arc::new(TlsError::new(error, self.error_context())))));
            }
            (Err(error), _) => return self.broken.set(Some(Reason::Lost(Arc::new(error)))),
            (Ok(_), Ok(state)) => self.close_notify.set(state.peer_has_closed()),
        }
        if self.progress.get() == Progress::Handshaking && !is_handshaking {
            self.progress.set(Progress::Established);
            self.set_deadline(None);
        }
    }

    /// Ends the connection because of an error in what came.
    fn fail(&self, reason: Reason) {
        self.flush(); // Sends the alert that says why. It must go before the connection closes.
        *self.reason.borrow_mut() = Some(reason);
        self.lower.lose_connection();
    }

    fn error_context(&self) -> ErrorContext<'_> {
        ErrorContext {
            in_handshake: self.progress.get() != Progress::Established,
            peer: self.profile.peer,
            seen: self.profile.verifier.as_ref().and_then(|verifier| verifier.take_seen()),
            alpn: &self.profile.alpn,
        }
    }

    /// The reason of the end, if it is a better one than the lower transport's.
    fn why_lost(&self, reason: &Reason) -> Option<Reason> {
        let ours = self.reason.borrow_mut().take().or_else(|| self.broken.take());
        ours.or_else(|| match reason {
            Reason::Lost(error) if self.progress.get() != Progress::Established => {
                let what = format!("the connection broke during the TLS handshake: {error}");
                Some(Reason::Lost(Arc::new(io::Error::new(error.kind(), what))))
            }
            _ => None,
        })
    }

    fn start_handshake_deadline(self: &Rc<TlsBackend>) {
        let (after, this) = (self.profile.handshake_timeout, Rc::downgrade(self));
        let deadline = self.profile.clock.call_later(after, move || {
            let Some(backend) = this.upgrade() else { return };
            let error = TlsError::timed_out(after, backend.error_context());
            backend.reason.borrow_mut().get_or_insert_with(|| Reason::Tls(Arc::new(error)));
            backend.lower.abort_connection();
        });
        self.set_deadline(deadline);
    }

    fn set_deadline(&self, deadline: Option<DelayedCall>) {
        if let Some(old) = self.deadline.replace(deadline) {
            old.cancel();
        }
    }

    /// Hands the session's records to the lower transport.
    fn flush(&self) {
        struct Lower<'a>(&'a Transport);
        impl Write for Lower<'_> {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.write(data);
                Ok(data.len())
            }
            fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                slices.iter().for_each(|slice| self.0.write(slice));
                Ok(slices.iter().map(|slice| slice.len()).sum())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            // Writing to a Transport never fails, so neither does this.
            if session.write_tls(&mut Lower(&self.lower)).is_err() {
                break;
            }
        }
    }

    /// Half-closes: tells the peer that we have said all.
    fn end_sending(&self) {
        self.closing.set(Closing::WriteSide);
        self.session.borrow_mut().send_close_notify();
        self.flush();
        self.end_if_both_have_ended();
    }

    /// Closes the lower connection once both sides have sent their close_notify. One alone is a half-close.
    fn end_if_both_have_ended(&self) {
        if self.peer_closed.get() && self.closing.get() == Closing::WriteSide {
            self.lower.lose_connection();
        }
    }

    fn close_now(&self) {
        self.session.borrow_mut().send_close_notify();
        self.flush();
        self.lower.lose_connection();
    }

    /// Does what was asked for during the handshake, once it is done: only now can the bytes written so far leave.
    fn close_after_handshake(&self) {
        if self.session.borrow().is_handshaking() {
            return;
        }
        match self.closing.get() {
            Closing::AfterHandshake => {
                self.closing.set(Closing::All);
                self.close_now();
            }
            Closing::WriteSideAfterHandshake => self.end_sending(),
            Closing::No | Closing::WriteSide | Closing::All => {}
        }
    }
}

/// Whether a peer's first bytes can begin a TLS record: its type, and the major version, which is 3 in all versions.
fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

impl TransportBackend for TlsBackend {
    fn write(&self, data: &[u8]) {
        if self.closing.get() != Closing::No {
            return;
        }
        let taken = self.session.borrow_mut().writer().write(data);
        if taken.is_ok_and(|taken| taken < data.len()) {
            *self.reason.borrow_mut() = Some(Reason::BufferFull);
            self.lower.abort_connection();
        }
        self.flush();
    }

    fn lose_connection(&self) {
        if matches!(self.closing.get(), Closing::All | Closing::AfterHandshake) {
            return;
        }
        if !self.session.borrow().is_handshaking() {
            self.closing.set(Closing::All);
            return self.close_now();
        }
        // The bytes written so far wait in the session for the handshake, but not for ever.
        self.closing.set(Closing::AfterHandshake);
        let (clock, lower) = (&self.profile.clock, self.lower.clone());
        let after = clock.close_timeout().min(self.profile.handshake_timeout);
        if let Some(deadline) = clock.call_later(after, move || lower.abort_connection()) {
            self.set_deadline(Some(deadline));
        }
    }

    fn lose_write_connection(&self) {
        match self.closing.get() {
            Closing::No if self.session.borrow().is_handshaking() => self.closing.set(Closing::WriteSideAfterHandshake),
            Closing::No => self.end_sending(),
            _ => {}
        }
    }

    fn abort_connection(&self) {
        self.lower.abort_connection();
    }

    fn pause_producing(&self) {
        self.lower.pause_producing();
    }

    fn resume_producing(&self) {
        self.lower.resume_producing();
    }

    fn is_paused(&self) -> bool {
        self.lower.is_paused()
    }

    fn is_disconnecting(&self) -> bool {
        matches!(self.closing.get(), Closing::All | Closing::AfterHandshake) || self.lower.is_disconnecting()
    }

    fn pause_when_full(&self, on: bool) {
        self.lower.pause_when_full(on);
    }

    fn register_producer(&self, producer: Rc<dyn Producer>) {
        self.lower.register_producer(producer);
    }

    fn unregister_producer(&self) {
        self.lower.unregister_producer();
    }

    fn buffered(&self) -> usize {
        self.lower.buffered()
    }

    fn set_max_buffered(&self, bytes: usize) {
        self.session.borrow_mut().set_buffer_limit(Some(bytes));
        self.lower.set_max_buffered(bytes);
    }

    fn set_no_delay(&self, on: bool) {
        self.lower.set_no_delay(on);
    }

    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.lower.set_keep_alive(keep_alive);
    }

    fn peer(&self) -> Address {
        self.lower.peer()
    }

    fn host(&self) -> Address {
        self.lower.host()
    }
}
