//! STARTTLS: a connection that begins in clear text and changes to TLS when its protocol says so. Twisted's `startTLS`.
//!
//! ```text
//!   the inner protocol       data_received, ...            write, start_tls, ...
//!                                   ^                              |
//!               clear text     PlainFirst  <-- hands over -->    Switch
//!                                   |                              |
//!   after start_tls            TlsProtocol                     TlsBackend
//!                                   ^                              v
//!   the lower transport      bytes that come                 bytes that go
//! ```
//!
//! The two directions change at different moments. What the program writes is encrypted from the very call of
//! `start_tls` on: the next line of the same callback may already say something secret. What comes changes when the
//! running callback has returned, as it still has bytes in its hands. In between the transport says that it is paused,
//! so that a protocol that cuts its bytes, such as [`LineReceiver`](crate::LineReceiver), stops in the middle and gives
//! back what it has not used ([`take_unprocessed`](crate::Protocol::take_unprocessed)).
//!
//! Those bytes came in clear text, perhaps from an attacker who wants them to pass for decrypted ones (CVE-2011-0411).
//! They go to the handshake, as the peer may have begun it in the same packet. If they are anything else, it fails.
//!
//! Next: `layer.rs`, one session at work.

use super::backend::TlsBackend;
use super::config_error::TlsConfigError;
use super::layer::TlsProtocol;
use super::profile::Profile;
use crate::error::StartTlsError;
use crate::transport::{KeepAlive, TransportBackend};
use crate::{Address, Context, Producer, Protocol, Reason, Transport};
use rustls::Connection;
use std::any::Any;
use std::any::type_name;
use std::cell::{Cell, OnceCell, RefCell};
use std::mem;
use std::panic::Location;
use std::rc::Rc;

/// Makes the session of a connection that changes to TLS: with the certificates of that moment.
pub(super) type MakeSession = Box<dyn Fn() -> Result<Connection, TlsConfigError>>;

/// The protocol below. It passes everything through until TLS begins.
pub(super) struct PlainFirst {
    state: State,
    make_session: Option<MakeSession>,
    profile: Rc<Profile>,
    /// Made when the connection is.
    switch: Option<Rc<Switch>>,
}

enum State {
    Plain(Box<dyn Protocol>),
    Tls(TlsProtocol),
    /// For a moment in [`PlainFirst::hand_over`].
    HandingOver,
}

impl PlainFirst {
    pub(super) fn new(make_session: MakeSession, inner: Box<dyn Protocol>, profile: Rc<Profile>) -> PlainFirst {
        PlainFirst { state: State::Plain(inner), make_session: Some(make_session), profile, switch: None }
    }

    /// Tells the inner protocol of an event, and then carries out a `start_tls` of its callback.
    fn event(&mut self, lower: &Transport, tell: impl FnOnce(&mut dyn Protocol, &Transport)) {
        let Some(switch) = self.switch.clone() else { return };
        // TLS may have begun outside of all callbacks, since the last event.
        self.change_over(lower);
        match &mut self.state {
            State::Plain(inner) => {
                switch.is_in_callback.set(true);
                tell(&mut **inner, &Transport::new(switch.clone()));
                switch.is_in_callback.set(false);
                self.change_over(lower);
            }
            State::Tls(tls) => tell(tls, lower),
            State::HandingOver => {}
        }
    }

    /// Hands the inner protocol over to TLS if it has begun. Whether it was handed over just now.
    fn change_over(&mut self, lower: &Transport) -> bool {
        let is_changing = self.hand_over();
        if is_changing
            && let State::Tls(tls) = &mut self.state
            && !lower.is_paused()
            && !lower.is_disconnecting()
        {
            // The pause of the change is over. This also takes up the bytes that were given back.
            tls.reading_resumed(lower);
        }
        is_changing
    }

    fn hand_over(&mut self) -> bool {
        let Some(switch) = &self.switch else { return false };
        let (Some(backend), true) = (switch.tls.get(), switch.is_changing.get()) else { return false };
        let mut inner = match mem::replace(&mut self.state, State::HandingOver) {
            State::Plain(inner) => inner,
            other => {
                self.state = other;
                return false;
            }
        };
        let mut unprocessed = inner.take_unprocessed();
        unprocessed.append(&mut switch.unprocessed.borrow_mut());
        switch.is_changing.set(false);
        self.state = State::Tls(TlsProtocol::started(backend.clone(), inner, self.profile.clone(), unprocessed));
        true
    }
}

impl Protocol for PlainFirst {
    fn type_name(&self) -> &'static str {
        match &self.state {
            State::Plain(inner) => inner.type_name(),
            State::HandingOver => type_name::<Self>(),
            State::Tls(tls) => tls.type_name(),
        }
    }

    fn connection_made(&mut self, transport: &Transport) {
        let Some(make_session) = self.make_session.take() else { return };
        let switch = Rc::new(Switch::new(transport.clone(), make_session, self.profile.clone()));
        transport.set_layer_above(&Transport::new(switch.clone()));
        self.switch = Some(switch);
        self.event(transport, |inner, transport| inner.connection_made(transport));
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        self.event(transport, |inner, transport| inner.handshake_completed(transport));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.event(transport, |inner, transport| inner.data_received(transport, data));
    }

    fn reading_resumed(&mut self, transport: &Transport) {
        // If TLS begins with this, the inner protocol has been told.
        if !self.change_over(transport) {
            self.event(transport, |inner, transport| inner.reading_resumed(transport));
        }
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        if let Some(switch) = &self.switch {
            switch.has_ended.set(true);
        }
        self.event(transport, |inner, transport| inner.read_connection_lost(transport));
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        self.event(transport, |inner, transport| inner.reactor_stopping(transport));
    }

    fn take_unprocessed(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Plain(inner) => inner.take_unprocessed(),
            State::Tls(_) | State::HandingOver => Vec::new(),
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.hand_over(); // So that the handshake's time limit is taken back.
        match &mut self.state {
            State::Plain(inner) => inner.connection_lost(reason),
            State::Tls(tls) => tls.connection_lost(reason),
            State::HandingOver => {}
        }
    }
}

/// The transport above. It leads to the lower transport until TLS begins, and to TLS from then on: handles that the
/// program has kept change with it.
struct Switch {
    lower: Transport,
    tls: OnceCell<Rc<TlsBackend>>,
    make_session: MakeSession,
    profile: Rc<Profile>,
    /// TLS has begun, and [`PlainFirst`] has not handed the inner protocol over yet.
    is_changing: Cell<bool>,
    /// A callback of the inner protocol runs: when it returns, it is handed over.
    is_in_callback: Cell<bool>,
    /// What the caller of `start_tls` had not used.
    unprocessed: RefCell<Vec<u8>>,
    /// One direction has ended in clear text.
    has_ended: Cell<bool>,
    // What the program has set so far: TLS has settings of its own, which begin with these.
    max_buffered: Cell<Option<usize>>,
    pauses_when_full: Cell<Option<bool>>,
    held_back: Cell<usize>,
}

impl Switch {
    fn new(lower: Transport, make_session: MakeSession, profile: Rc<Profile>) -> Switch {
        Switch {
            lower,
            tls: OnceCell::new(),
            make_session,
            profile,
            is_changing: Cell::new(false),
            is_in_callback: Cell::new(false),
            unprocessed: RefCell::default(),
            has_ended: Cell::new(false),
            max_buffered: Cell::new(None),
            pauses_when_full: Cell::new(None),
            held_back: Cell::new(0),
        }
    }

    fn current(&self) -> &dyn TransportBackend {
        match self.tls.get() {
            Some(tls) => &**tls,
            None => self.lower.backend(),
        }
    }
}

impl TransportBackend for Switch {
    fn start_tls(&self, unprocessed: &[u8]) -> Result<(), StartTlsError> {
        if self.is_tls() {
            return Err(StartTlsError::AlreadyTls);
        }
        if self.lower.is_disconnecting() || self.has_ended.get() {
            return Err(StartTlsError::Closing);
        }
        let session = (self.make_session)().map_err(|error| StartTlsError::NoSession { reason: error.to_string() })?;
        let tls = TlsBackend::new(self.lower.clone(), Box::new(session), self.profile.clone());
        if let Some(bytes) = self.max_buffered.get() {
            tls.set_max_buffered(bytes);
        }
        if let Some(on) = self.pauses_when_full.get() {
            tls.pause_when_full(on);
        }
        tls.set_held_back(self.held_back.get());
        tls.start_handshake_deadline();
        tls.flush(); // A client begins the handshake.
        self.unprocessed.borrow_mut().extend_from_slice(unprocessed);
        self.is_changing.set(true);
        let _ = self.tls.set(tls); // It is empty: we have looked.
        if !self.is_in_callback.get() && !self.lower.is_paused() {
            // A pause that is over at once. The loop calls `reading_resumed` soon and before any data; by that we hand
            // over. The peer may have sent all of its part already, and no other event would come.
            self.lower.pause_producing();
            self.lower.resume_producing();
        }
        Ok(())
    }

    fn is_tls(&self) -> bool {
        self.tls.get().is_some() || self.lower.is_tls()
    }

    fn is_paused(&self) -> bool {
        self.is_changing.get() || self.current().is_paused()
    }

    fn lose_write_connection(&self) {
        if self.tls.get().is_none() {
            self.has_ended.set(true);
        }
        self.current().lose_write_connection();
    }

    fn set_max_buffered(&self, bytes: usize) {
        self.max_buffered.set(Some(bytes));
        self.current().set_max_buffered(bytes);
    }

    fn pause_when_full(&self, on: bool) {
        self.pauses_when_full.set(Some(on));
        self.current().pause_when_full(on);
    }

    fn set_held_back(&self, bytes: usize) {
        self.held_back.set(bytes);
        self.current().set_held_back(bytes);
    }

    // The rest only passes on.

    fn write(&self, data: &[u8]) {
        self.current().write(data);
    }
    fn write_vectored(&self, pieces: &[&[u8]]) {
        self.current().write_vectored(pieces);
    }
    fn write_from(&self, pieces: &[&[u8]], place: &'static Location<'static>) {
        self.current().write_from(pieces, place);
    }
    fn lose_connection(&self) {
        self.current().lose_connection();
    }
    fn abort_connection(&self) {
        self.current().abort_connection();
    }
    fn pause_producing(&self) {
        self.current().pause_producing();
    }
    fn resume_producing(&self) {
        self.current().resume_producing();
    }
    fn is_disconnecting(&self) -> bool {
        self.current().is_disconnecting()
    }
    fn register_producer(&self, producer: Rc<dyn Producer>) {
        self.current().register_producer(producer);
    }
    fn unregister_producer(&self) {
        self.current().unregister_producer();
    }
    fn buffered(&self) -> usize {
        self.current().buffered()
    }
    fn backlog(&self) -> usize {
        self.current().backlog()
    }
    fn bytes_sent(&self) -> u64 {
        self.current().bytes_sent()
    }
    fn linger_on_close(&self) {
        self.current().linger_on_close();
    }
    fn below(&self) -> Option<Transport> {
        Some(self.lower.clone())
    }
    fn set_no_delay(&self, on: bool) {
        self.current().set_no_delay(on);
    }
    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.current().set_keep_alive(keep_alive);
    }
    fn tls_session(&self) -> Option<Box<dyn Any>> {
        self.current().tls_session()
    }
    fn set_context(&self, context: Context) {
        self.lower.backend().set_context(context);
    }
    fn peer(&self) -> Address {
        self.current().peer()
    }
    fn host(&self) -> Address {
        self.current().host()
    }
}
