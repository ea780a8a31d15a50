//! [`TlsBackend`]: the transport of the protocol inside TLS.
//!
//! The inner protocol may write and close at any time. What it writes before the handshake is done waits here, in
//! plain: the *early* bytes. The transport below is told of them, as its producer must pause for them, too. A close
//! waits for the handshake, too, but no longer than until the deadline.
//!
//! Next: `profile.rs`, what all sessions of one end share.

use super::early::Early;
use super::error::{ErrorContext, TlsError, looks_like_tls};
use super::profile::Profile;
use super::session::TlsSession;
use crate::error::StartTlsError;
use crate::transport::{HIGH_WATER, KeepAlive, TransportBackend, Waiting, WriteLimit, tell_late_write};
use crate::{Address, Context, DelayedCall, Producer, Reason, Transport};
use rustls::Connection;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Write};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// Maximum number of a peer's first bytes that an error repeats: enough to recognize HTTP, SSH or SMTP.
const MAX_FIRST_BYTES: usize = 24;

/// Plain bytes that become records at once. A large write must not be in memory twice, in plain and encrypted, so it
/// goes to the transport below piece by piece. It is a multiple of a record's length.
const MAX_PIECE: usize = 64 * 1024;

/// The transport above: what the inner protocol writes becomes records.
pub(super) struct TlsBackend {
    /// Itself, for its time limits.
    pub(super) this: Weak<TlsBackend>,
    pub(super) lower: Transport,
    pub(super) session: RefCell<Box<Connection>>,
    pub(super) closing: Cell<Closing>,
    /// Why it ended, if the lower transport cannot know.
    pub(super) reason: RefCell<Option<Reason>>,
    /// An error in what came. It is reported only after the bytes before it have been handed on.
    pub(super) broken: Cell<Option<Reason>>,
    /// The session has seen the peer's close_notify.
    pub(super) close_notify: Cell<bool>,
    /// The inner protocol has been told that the peer has closed.
    pub(super) peer_closed: Cell<bool>,
    /// Aborts a handshake that takes too long, or that delays our close.
    pub(super) deadline: Cell<Option<DelayedCall>>,
    pub(super) progress: Cell<Progress>,
    /// Plain bytes that wait for the handshake.
    early: RefCell<Early>,
    /// The registered producer, which the transport below holds.
    producer: RefCell<Option<Weak<dyn Producer>>>,
    /// An end waits for the producer. Not if it came after the end was asked for, or if TLS has failed.
    pub(super) is_producer_awaited: Cell<bool>,
    /// The inner protocol has paused, and the handshake is not done. A pause holds back its data, and there is none
    /// yet: it begins when the handshake is done, which needs what the peer sends.
    pauses_after_handshake: Cell<bool>,
    /// Bytes that a layer above this one holds back.
    held_back: Cell<usize>,
    /// How large the backlog may be, early bytes and written ones together.
    write_limit: WriteLimit,
    /// Whether early bytes above [`HIGH_WATER`] pause reading. Later the transport below sees to that.
    pauses_when_full: Cell<bool>,
    pub(super) profile: Rc<Profile>,
}

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not a byte has come.
    Silent,
    /// The first byte looks like TLS.
    Handshaking,
    Established,
}

/// The end that our side has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// End our sending, once the handshake is done and the registered producer, if any, has unregistered.
    WriteSideWanted,
    /// Close, once the same has happened.
    AllWanted,
    WriteSide,
    All,
}

impl TlsBackend {
    pub(super) fn new(lower: Transport, mut session: Box<Connection>, profile: Rc<Profile>) -> Rc<TlsBackend> {
        session.set_buffer_limit(None); // The limit is here.
        // The limit is checked here, where a write is still one: below it comes in pieces. The session's own messages
        // need no limit, as a peer cannot make it send many.
        lower.set_max_buffered(usize::MAX);
        // A TLS 1.3 server sends session tickets when it likes, and every peer answers our close_notify with its own.
        lower.linger_on_close();
        // As the transport below does: on for the side that answers.
        let pauses_when_full = matches!(*session, Connection::Server(_));
        Rc::new_cyclic(|this| TlsBackend {
            this: this.clone(),
            lower,
            session: RefCell::new(session),
            closing: Cell::new(Closing::No),
            reason: RefCell::new(None),
            broken: Cell::new(None),
            close_notify: Cell::new(false),
            peer_closed: Cell::new(false),
            deadline: Cell::new(None),
            progress: Cell::new(Progress::Silent),
            early: RefCell::default(),
            producer: RefCell::new(None),
            is_producer_awaited: Cell::new(false),
            pauses_after_handshake: Cell::new(false),
            held_back: Cell::new(0),
            write_limit: WriteLimit::new(),
            pauses_when_full: Cell::new(pauses_when_full),
            profile,
        })
    }

    /// Gives the session some of `records`, and moves them on past it.
    pub(super) fn process(&self, records: &mut &[u8]) {
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
            self.send_early();
            if self.pauses_after_handshake.take() {
                self.lower.pause_producing();
            }
        }
    }

    /// Sends what was written before the handshake was done.
    fn send_early(&self) {
        let early = self.early.borrow_mut().take();
        self.tell_held_back(); // First: the lower transport must not count them twice.
        early.for_each(|block| self.seal(&block));
    }

    /// Makes records of plain bytes, and hands them to the lower transport.
    fn seal(&self, data: &[u8]) {
        for piece in data.chunks(MAX_PIECE) {
            // An error means that the session has failed. The connection ends for that, not for this write.
            let _ = self.session.borrow_mut().writer().write(piece);
            self.flush();
        }
    }

    fn tell_held_back(&self) {
        self.lower.set_held_back(self.early.borrow().len() + self.held_back.get());
    }

    /// Ends the connection because of an error in what came.
    pub(super) fn fail(&self, reason: Reason) {
        self.flush(); // Sends the alert that says why. It must go before the connection closes.
        *self.reason.borrow_mut() = Some(reason);
        self.lose_lower_without_producer();
    }

    /// Closes the lower connection after what has been written, and after what a producer that is awaited still writes.
    pub(super) fn lose_lower(&self) {
        match self.is_producer_awaited.get() {
            true => self.lower.lose_connection(),
            false => self.lose_lower_without_producer(),
        }
    }

    /// The same, but waits for no producer.
    pub(super) fn lose_lower_without_producer(&self) {
        self.is_producer_awaited.set(false);
        let producer = self.producer.borrow().as_ref().and_then(Weak::upgrade);
        self.lower.unregister_producer();
        self.lower.lose_connection();
        if let Some(producer) = producer {
            // The connection below has ended: it tells a producer that comes now to stop.
            self.lower.register_producer(producer);
        }
    }

    pub(super) fn error_context(&self) -> ErrorContext<'_> {
        ErrorContext {
            in_handshake: self.progress.get() != Progress::Established,
            peer: self.profile.peer,
            seen: self.profile.refusals.as_ref().and_then(|refusals| refusals.take()),
            alpn: &self.profile.alpn,
        }
    }

    /// The reason of the end, if it is a better one than the lower transport's.
    pub(super) fn why_lost(&self, reason: &Reason) -> Option<Reason> {
        let ours = self.reason.borrow_mut().take().or_else(|| self.broken.take());
        ours.or_else(|| match reason {
            Reason::Lost(error) if self.progress.get() != Progress::Established => {
                let what = format!("the connection broke during the TLS handshake: {error}");
                Some(Reason::Lost(Arc::new(io::Error::new(error.kind(), what))))
            }
            _ => None,
        })
    }

    /// Hands the session's records to the lower transport.
    pub(super) fn flush(&self) {
        struct Lower<'a>(&'a Transport);
        impl Write for Lower<'_> {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.backend().write(data);
                Ok(data.len())
            }
            fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                slices.iter().for_each(|slice| self.0.backend().write(slice));
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
    pub(super) fn end_if_both_have_ended(&self) {
        if self.peer_closed.get() && self.closing.get() == Closing::WriteSide {
            self.lose_lower();
        }
    }

    fn close_now(&self) {
        self.session.borrow_mut().send_close_notify();
        self.flush();
        self.lose_lower();
    }

    /// Carries out an end that had to wait for the handshake or a producer, if it waits no longer: only now have the
    /// last bytes been written.
    pub(super) fn close_when_all_is_written(&self) {
        if self.session.borrow().is_handshaking() {
            return;
        }
        match (self.closing.get(), self.is_producer_awaited.get()) {
            (Closing::AllWanted, false) => {
                self.closing.set(Closing::All);
                self.close_now();
            }
            // The lower connection waits for the same producer, and limits that.
            (Closing::AllWanted, true) => self.lose_lower(),
            (Closing::WriteSideWanted, false) => self.end_sending(),
            // Not again with every record that comes: the peer must not lengthen the wait.
            (Closing::WriteSideWanted, true) if !self.has_deadline() => self.limit_the_producer(),
            (Closing::WriteSideWanted, true) => {}
            (Closing::No | Closing::WriteSide | Closing::All, _) => {}
        }
    }

    fn described(&self) -> String {
        format!("the TLS connection with {}", self.lower.peer())
    }

    /// Whether bytes that are written now will be sent.
    fn takes_writes(&self) -> bool {
        match self.closing.get() {
            Closing::No => !self.lower.is_disconnecting(),
            Closing::WriteSideWanted | Closing::AllWanted => self.is_producer_awaited.get(),
            Closing::WriteSide | Closing::All => false,
        }
    }
}

impl TransportBackend for TlsBackend {
    fn write(&self, data: &[u8]) {
        self.write_from(&[data], Location::caller());
    }

    fn write_from(&self, pieces: &[&[u8]], place: &'static Location<'static>) {
        if !self.takes_writes() {
            let is_half = matches!(self.closing.get(), Closing::WriteSideWanted | Closing::WriteSide);
            let closed_by = if is_half { "lose_write_connection" } else { "lose_connection" };
            if self.closing.get() != Closing::No && !self.peer_closed.get() {
                tell_late_write(pieces, place, closed_by, &self.described());
            }
            return;
        }
        let rest = || Waiting { backlog: self.backlog(), has_producer: self.producer.borrow().is_some() };
        if self.write_limit.is_passed(self.buffered(), rest, Some(place), || self.described()) {
            self.reason.borrow_mut().get_or_insert(Reason::BufferFull);
            return self.lower.abort_connection();
        }
        match self.progress.get() {
            Progress::Established => {
                pieces.iter().for_each(|piece| self.seal(piece));
                if self.closing.get() == Closing::WriteSideWanted {
                    self.limit_the_producer();
                }
            }
            Progress::Silent | Progress::Handshaking => {
                pieces.iter().for_each(|piece| self.early.borrow_mut().push(piece));
                self.tell_held_back();
            }
        }
    }

    fn lose_connection(&self) {
        if matches!(self.closing.get(), Closing::All | Closing::AllWanted) {
            return;
        }
        self.closing.set(Closing::AllWanted);
        if self.lower.is_disconnecting() {
            // It is closing or gone. A time limit for the handshake would outlive it, and a producer would be told to
            // stop twice.
            return;
        }
        if !self.session.borrow().is_handshaking() {
            self.set_deadline(None); // That of a half-close: the transport below has a limit for a close.
            return self.close_when_all_is_written();
        }
        // The bytes written so far wait in the session for the handshake, but not for ever.
        let (clock, lower) = (&self.profile.clock, self.lower.clone());
        let after = clock.close_timeout().min(self.profile.handshake_timeout);
        if let Some(deadline) = clock.call_later(after, move || lower.abort_connection()) {
            self.set_deadline(Some(deadline));
        }
    }

    fn lose_write_connection(&self) {
        if self.closing.get() == Closing::No {
            self.closing.set(Closing::WriteSideWanted);
            self.close_when_all_is_written();
        }
    }

    fn abort_connection(&self) {
        self.lower.abort_connection();
    }

    fn pause_producing(&self) {
        match self.progress.get() {
            Progress::Established => self.lower.pause_producing(),
            Progress::Silent | Progress::Handshaking => self.pauses_after_handshake.set(true),
        }
    }

    fn resume_producing(&self) {
        if self.pauses_after_handshake.take() {
            // A pause that was never passed on. The transport below has the loop call `reading_resumed` for it.
            self.lower.pause_producing();
        }
        self.lower.resume_producing();
    }

    fn is_paused(&self) -> bool {
        let is_full = self.early.borrow().len() > HIGH_WATER;
        is_full && self.pauses_when_full.get() || self.pauses_after_handshake.get() || self.lower.is_paused()
    }

    fn is_disconnecting(&self) -> bool {
        matches!(self.closing.get(), Closing::All | Closing::AllWanted) || self.lower.is_disconnecting()
    }

    fn pause_when_full(&self, on: bool) {
        self.pauses_when_full.set(on);
        self.lower.pause_when_full(on);
    }

    fn register_producer(&self, producer: Rc<dyn Producer>) {
        // One that comes after the last write was asked for must not make writes possible again: some are lost already.
        if self.closing.get() == Closing::No {
            self.is_producer_awaited.set(true);
        }
        *self.producer.borrow_mut() = Some(Rc::downgrade(&producer));
        self.lower.register_producer(producer);
    }

    fn unregister_producer(&self) {
        self.producer.take();
        self.is_producer_awaited.set(false);
        if self.closing.get() == Closing::WriteSideWanted && !self.session.borrow().is_handshaking() {
            self.set_deadline(None);
        }
        // First, as a lower connection that waits for the producer takes our close_notify only until then.
        self.close_when_all_is_written();
        self.lower.unregister_producer();
    }

    fn buffered(&self) -> usize {
        self.early.borrow().len() + self.lower.buffered()
    }

    fn backlog(&self) -> usize {
        // The transport below is told of the early bytes, and also of those that a layer above holds back.
        self.lower.backlog().min(self.buffered())
    }

    fn bytes_sent(&self) -> u64 {
        self.lower.bytes_sent()
    }

    fn set_max_buffered(&self, bytes: usize) {
        self.write_limit.set(bytes);
    }

    fn set_held_back(&self, bytes: usize) {
        self.held_back.set(bytes);
        self.tell_held_back();
    }

    fn linger_on_close(&self) {
        self.lower.linger_on_close();
    }
    fn below(&self) -> Option<Transport> {
        Some(self.lower.clone())
    }
    fn set_no_delay(&self, on: bool) {
        self.lower.set_no_delay(on);
    }
    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.lower.set_keep_alive(keep_alive);
    }

    fn start_tls(&self, _unprocessed: &[u8]) -> Result<(), StartTlsError> {
        Err(StartTlsError::AlreadyTls)
    }

    fn is_tls(&self) -> bool {
        true
    }

    fn tls_session(&self) -> Option<Box<dyn Any>> {
        Some(Box::new(TlsSession::of(&self.session.borrow())?))
    }

    fn set_context(&self, context: Context) {
        self.lower.set_context(context);
    }
    fn peer(&self) -> Address {
        self.lower.peer()
    }
    fn host(&self) -> Address {
        self.lower.host()
    }
}
