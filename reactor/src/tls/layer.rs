//! One TLS session between a protocol above and a transport below.

use super::clock::TlsClock;
use super::error::{During, TlsError};
use super::verifier::Verifier;
use crate::transport::TransportBackend;
use crate::transport::{KeepAlive, MAX_BUFFERED};
use crate::{Address, DelayedCall, Producer, Protocol, Reason, Transport};
use rustls::Connection;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Plain bytes given to the protocol at once: a TLS record holds at most this much.
const PLAIN_BUFFER: usize = 16 * 1024;

/// A peer's first bytes that an error repeats: enough to recognize HTTP, SSH or SMTP by.
const FIRST_BYTES: usize = 24;

/// What all sessions of one [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer) have in common.
#[derive(Clone)]
pub(super) struct Profile {
    /// What errors call the other end: "the server" or "the client".
    pub(super) peer: &'static str,
    /// The application protocols that our side speaks, for errors.
    pub(super) alpn: Vec<Vec<u8>>,
    /// A client's: it knows more about certificates that were refused.
    pub(super) verifier: Option<Arc<Verifier>>,
    pub(super) handshake_timeout: Duration,
    /// Where plain bytes are put for a protocol to see: one for all sessions, as only one is fed at a time. (If one is
    /// fed from inside of another, it finds none, and makes its own.)
    pub(super) plain: Rc<Cell<Vec<u8>>>,
    pub(super) clock: TlsClock,
}

/// The protocol below: it feeds the session what comes and gives the inner protocol what is in it.
pub(super) struct TlsProtocol {
    inner: Box<dyn Protocol>,
    state: State,
    profile: Rc<Profile>,
    /// Records received and held back because reading was paused: at most what one read brought.
    held: Vec<u8>,
    /// The inner protocol knows that the handshake is done.
    told: bool,
}

enum State {
    /// Not connected yet.
    New(Option<Box<Connection>>),
    Up(Rc<TlsChannel>),
}

/// The transport above.
struct TlsChannel {
    lower: Transport,
    session: RefCell<Box<Connection>>,
    closing: Cell<Closing>,
    /// Why it ended, if the transport below would not know.
    reason: RefCell<Option<Reason>>,
    /// What came broke the session; to be told when what came before it has been handed on.
    broken: Cell<Option<Reason>>,
    /// The session has seen the peer's close_notify.
    close_notify: Cell<bool>,
    /// And the protocol has been told.
    peer_closed: Cell<bool>,
    /// Aborts a handshake that takes too long, or holds up the end.
    limit: Cell<Option<DelayedCall>>,
    progress: Cell<Progress>,
    profile: Rc<Profile>,
}

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Not a byte has come.
    Silent,
    /// What came first looks like TLS.
    Handshaking,
    Established,
}

/// What our side has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// End our sending when the handshake is done and what was written has gone out.
    WriteSideAfterHandshake,
    /// Close then.
    AfterHandshake,
    WriteSide,
    All,
}

impl TlsProtocol {
    pub(super) fn new(mut session: Connection, inner: Box<dyn Protocol>, profile: Rc<Profile>) -> TlsProtocol {
        session.set_buffer_limit(Some(MAX_BUFFERED));
        TlsProtocol { inner, state: State::New(Some(Box::new(session))), profile, held: Vec::new(), told: false }
    }

    fn channel(&self) -> Option<Rc<TlsChannel>> {
        match &self.state {
            State::Up(channel) => Some(channel.clone()),
            State::New(_) => None,
        }
    }

    /// Feeds records to the session and plain bytes to the inner protocol, until all is used up or reading is paused.
    fn feed(&mut self, channel: &Rc<TlsChannel>, records: &[u8]) {
        let mut plain = self.profile.plain.take();
        plain.resize(PLAIN_BUFFER, 0); // Only the first time: clearing it costs more than the rest of this layer.
        self.feed_through(channel, records, &mut plain);
        self.profile.plain.set(plain);
    }

    fn feed_through(&mut self, channel: &Rc<TlsChannel>, mut records: &[u8], plain: &mut [u8]) {
        let upper = Transport::new(channel.clone());
        loop {
            // First what the session holds already.
            while !channel.peer_closed.get() {
                if channel.lower.is_paused() && !channel.is_disconnecting() {
                    self.held = records.to_vec();
                    return;
                }
                let count = match channel.session.borrow_mut().reader().read(plain) {
                    Ok(count @ 1..) => count,
                    _ => break, // Nothing now, or the end: which of them, process() tells.
                };
                if !channel.is_disconnecting() {
                    self.inner.data_received(&upper, &plain[..count]);
                }
            }
            if channel.close_notify.get() && !channel.peer_closed.replace(true) {
                self.inner.read_connection_lost(&upper);
            }
            channel.flush();
            if channel.peer_closed.get() {
                return channel.end_if_both_have_ended(); // What follows a close_notify means nothing.
            }
            if channel.closing.get() == Closing::All {
                return;
            }
            // Only now: what came before the break is as true as if it had come alone.
            if let Some(reason) = channel.broken.take() {
                return channel.fail(reason);
            }
            if records.is_empty() || channel.reason.borrow().is_some() {
                return;
            }
            channel.process(&mut records);
            if !self.told && !channel.is_disconnecting() && channel.progress.get() == Progress::Established {
                self.told = true;
                self.inner.handshake_completed(&upper);
            }
            channel.close_after_handshake();
        }
    }
}

impl Protocol for TlsProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        let State::New(session) = &mut self.state else { return };
        let Some(session) = session.take() else { return };
        let channel = Rc::new(TlsChannel {
            lower: transport.clone(),
            session: RefCell::new(session),
            closing: Cell::new(Closing::No),
            reason: RefCell::new(None),
            broken: Cell::new(None),
            close_notify: Cell::new(false),
            peer_closed: Cell::new(false),
            limit: Cell::new(None),
            progress: Cell::new(Progress::Silent),
            profile: self.profile.clone(),
        });
        channel.limit_handshake();
        self.state = State::Up(channel.clone());
        self.inner.connection_made(&Transport::new(channel.clone()));
        channel.flush(); // A client begins the handshake.
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let Some(channel) = self.channel() else { return };
        if self.held.is_empty() {
            self.feed(&channel, data);
        } else {
            let mut held = mem::take(&mut self.held);
            held.extend_from_slice(data);
            self.feed(&channel, &held);
        }
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        let Some(channel) = self.channel() else { return };
        self.inner.reading_resumed(&Transport::new(channel.clone()));
        let held = mem::take(&mut self.held);
        self.feed(&channel, &held);
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        let Some(channel) = self.channel() else { return };
        if !channel.peer_closed.get() {
            let handshaking = channel.session.borrow().is_handshaking();
            channel.reason.borrow_mut().get_or_insert_with(|| match handshaking {
                true => {
                    let what = "the peer closed the connection during the TLS handshake";
                    Reason::Lost(Arc::new(io::Error::new(io::ErrorKind::UnexpectedEof, what)))
                }
                false => Reason::Truncated,
            });
            channel.lower.lose_connection();
        } else if channel.closing.get() != Closing::No {
            channel.lower.lose_connection();
        }
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        match self.channel() {
            Some(channel) => self.inner.reactor_stopping(&Transport::new(channel)),
            None => transport.lose_connection(),
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let channel = self.channel();
        if let Some(channel) = &channel {
            channel.set_limit(None);
        }
        let ours = channel.and_then(|channel| channel.why_lost(reason));
        self.inner.connection_lost(ours.as_ref().unwrap_or(reason));
    }
}

impl TlsChannel {
    /// Gives the session a bite of `records`.
    fn process(&self, records: &mut &[u8]) {
        if self.progress.get() == Progress::Silent {
            if !looks_like_tls(records) {
                let first = &records[..records.len().min(FIRST_BYTES)];
                return self.broken.set(Some(Reason::Tls(Arc::new(TlsError::not_tls(first, self.during())))));
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
                return self.broken.set(Some(Reason::Tls(Arc::new(TlsError::new(error, self.during())))));
            }
            (Err(error), _) => return self.broken.set(Some(Reason::Lost(Arc::new(error)))),
            (Ok(_), Ok(state)) => self.close_notify.set(state.peer_has_closed()),
        }
        if self.progress.get() == Progress::Handshaking && !is_handshaking {
            self.progress.set(Progress::Established);
            self.set_limit(None);
        }
    }

    /// Ends the connection because of what came.
    fn fail(&self, reason: Reason) {
        self.flush(); // The alert that tells the peer why.
        *self.reason.borrow_mut() = Some(reason);
        self.lower.lose_connection();
    }

    fn during(&self) -> During<'_> {
        During {
            in_handshake: self.progress.get() != Progress::Established,
            peer: self.profile.peer,
            seen: self.profile.verifier.as_ref().and_then(|verifier| verifier.take_seen()),
            alpn: &self.profile.alpn,
        }
    }

    /// What the transport below does not know about the end.
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

    fn limit_handshake(self: &Rc<TlsChannel>) {
        let (after, this) = (self.profile.handshake_timeout, Rc::downgrade(self));
        let limit = self.profile.clock.call_later(after, move || {
            let Some(channel) = this.upgrade() else { return };
            let error = TlsError::timed_out(after, channel.during());
            channel.reason.borrow_mut().get_or_insert_with(|| Reason::Tls(Arc::new(error)));
            channel.lower.abort_connection();
        });
        self.set_limit(limit);
    }

    fn set_limit(&self, limit: Option<DelayedCall>) {
        if let Some(old) = self.limit.replace(limit) {
            old.cancel();
        }
    }

    /// Hands the session's records to the transport below.
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
            // Writing to a Transport never fails.
            if session.write_tls(&mut Lower(&self.lower)).is_err() {
                break;
            }
        }
    }

    fn end_sending(&self) {
        self.closing.set(Closing::WriteSide);
        self.session.borrow_mut().send_close_notify();
        self.flush();
        self.end_if_both_have_ended();
    }

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

/// Whether a peer's first bytes can be a record of TLS: its kind, and the major version that all versions have.
fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

impl TransportBackend for TlsChannel {
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
        // What was written waits in the session for the handshake, but not for ever.
        self.closing.set(Closing::AfterHandshake);
        let (clock, lower) = (&self.profile.clock, self.lower.clone());
        let after = clock.close_timeout().min(self.profile.handshake_timeout);
        if let Some(limit) = clock.call_later(after, move || lower.abort_connection()) {
            self.set_limit(Some(limit));
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
