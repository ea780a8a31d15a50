//! One TLS session between a protocol above and a transport below.

use crate::event_loop::WeakReactor;
use crate::transport::{BUFFER_LIMIT, KeepAlive};
use crate::{Address, Channel, DelayedCall, Producer, Protocol, Reason, Transport};
use rustls::Connection;
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

/// Plain bytes given to the protocol at once: a TLS record holds at most this much.
const PLAIN_BUFFER: usize = 16 * 1024;

/// The protocol below: it feeds the session what comes and gives the inner protocol what is in it.
pub(super) struct TlsProtocol {
    inner: Box<dyn Protocol>,
    state: State,
    reactor: WeakReactor,
    /// Records received and held back because reading was paused: at most what one read brought.
    held: Vec<u8>,
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
    /// The peer has sent its close_notify.
    peer_closed: Cell<bool>,
    /// Aborts a handshake that holds up the end.
    limit: Cell<Option<DelayedCall>>,
    reactor: WeakReactor,
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
    pub(super) fn new(mut session: Connection, inner: Box<dyn Protocol>, reactor: WeakReactor) -> TlsProtocol {
        session.set_buffer_limit(Some(BUFFER_LIMIT));
        TlsProtocol { inner, state: State::New(Some(Box::new(session))), reactor, held: Vec::new() }
    }

    fn channel(&self) -> Option<Rc<TlsChannel>> {
        match &self.state {
            State::Up(channel) => Some(channel.clone()),
            State::New(_) => None,
        }
    }

    /// Feeds records to the session and plain bytes to the inner protocol, until all is used up or reading is paused.
    fn feed(&mut self, channel: &Rc<TlsChannel>, mut records: &[u8]) {
        let upper = Transport::new(channel.clone());
        let mut plain = [0; PLAIN_BUFFER];
        loop {
            // First what the session holds already.
            while !channel.peer_closed.get() {
                if channel.lower.is_paused() && !channel.is_disconnecting() {
                    self.held = records.to_vec();
                    return;
                }
                let count = match channel.session.borrow_mut().reader().read(&mut plain) {
                    Ok(count @ 1..) => count,
                    _ => break, // Nothing now, or the end: which of them, process() tells.
                };
                if !channel.is_disconnecting() {
                    self.inner.data_received(&upper, &plain[..count]);
                }
            }
            if channel.has_close_notify() && !channel.peer_closed.replace(true) {
                self.inner.read_connection_lost(&upper);
            }
            channel.flush();
            if channel.peer_closed.get() {
                return channel.end_if_both_have_ended(); // What follows a close_notify means nothing.
            }
            if channel.closing.get() == Closing::All {
                return;
            }
            if records.is_empty() || channel.reason.borrow().is_some() || !channel.process(&mut records) {
                return;
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
            peer_closed: Cell::new(false),
            limit: Cell::new(None),
            reactor: self.reactor.clone(),
        });
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
        if let Some(limit) = self.channel().and_then(|channel| channel.limit.take()) {
            let _ = limit.cancel();
        }
        let ours = self.channel().and_then(|channel| channel.reason.borrow_mut().take());
        self.inner.connection_lost(ours.as_ref().unwrap_or(reason));
    }
}

impl TlsChannel {
    /// Gives the session a bite of `records`. False if that ended the connection.
    fn process(&self, records: &mut &[u8]) -> bool {
        let mut session = self.session.borrow_mut();
        let taken = session.read_tls(records);
        let processed = session.process_new_packets();
        drop(session);
        let error = match (taken, processed) {
            (_, Err(error)) => Reason::Tls(Arc::new(error)),
            (Err(error), _) => Reason::Lost(Arc::new(error)),
            (Ok(_), Ok(_)) => return true,
        };
        self.flush(); // The alert that tells the peer why.
        *self.reason.borrow_mut() = Some(error);
        self.lower.lose_connection();
        false
    }

    fn has_close_notify(&self) -> bool {
        self.session.borrow_mut().process_new_packets().is_ok_and(|state| state.peer_has_closed())
    }

    /// Hands the session's records to the transport below.
    fn flush(&self) {
        struct Lower<'a>(&'a Transport);
        impl Write for Lower<'_> {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.write(data);
                Ok(data.len())
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

impl Channel for TlsChannel {
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
        if let Some(reactor) = self.reactor.upgrade() {
            let lower = self.lower.clone();
            let limit = reactor.call_later(reactor.settings().close_timeout, move || lower.abort_connection());
            self.limit.set(Some(limit));
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

    fn set_buffer_limit(&self, bytes: usize) {
        self.session.borrow_mut().set_buffer_limit(Some(bytes));
        self.lower.set_buffer_limit(bytes);
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
