//! [`ClientConnection`]: one connection to a server, perhaps through a proxy, and the protocol on it.
//!
//! ```text
//!   Opening --> Busy <--> Idle
//!      |         |         |     aborted, failed, closed by either side, unrequested bytes
//!      +---------+---------+---> Over
//! ```
//!
//! It works for one exchange at a time and belongs to a pool. It imports neither, and sees them as the two traits
//! below.
//!
//! Reading is a loop over the reader's events. Most events run callbacks of the program, which may pause, abort or drop
//! anything. So nothing is borrowed during an event, and the state is looked at again after each.
//!
//! Next: `reader.rs`, its parser and decoder.

use super::body::BodyEnd;
use super::origin::Origin;
use super::reader::{ReadEvent, ResponseReader};
use super::settings::AgentSettings;
use crate::http::head::Head;
use crate::http::limits::HttpError;
use crate::http::response::ResponseParser;
use crate::{Connector, DelayedCall, Failure, Firer, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// What a connection works for: one exchange, as the connection and the pool see it.
pub(super) trait ConnectionUser {
    /// Where its request goes.
    fn origin(&self) -> &Origin;
    /// Where the program made the request: a new connection for it is made on behalf of that code.
    fn asked(&self) -> &'static Location<'static>;
    /// Whether only a new connection will do.
    fn needs_new_connection(&self) -> bool;
    /// `connection` is being made for it.
    fn connecting(&self, connection: Rc<ClientConnection>, connector: Connector);
    /// TCP is connected. Called again for each layer on top. If `is_secure`, TLS and perhaps a tunnel still come before
    /// the request.
    fn transport_made(&self, is_secure: bool);
    /// `connection` is ready for the request: write it to `transport`.
    fn connection_ready(&self, connection: &Rc<ClientConnection>, transport: &Transport);
    /// The method of the request; it decides whether the response has a body.
    fn method(&self) -> &str;
    /// Whether all of the request has been handed to the transport.
    fn is_sent(&self) -> bool;
    /// Whether the body is paused.
    fn is_paused(&self) -> bool;
    /// The head has come, and if `is_complete` there is no more.
    fn head_received(&self, head: Head, is_complete: bool);
    /// Some of the body has come.
    fn body_received(&self, data: &[u8]);
    /// The response is complete and the connection is no longer this user's. One last call follows: `head_received` if
    /// there was no body, else `body_ended`.
    fn connection_released(&self);
    /// The body is complete.
    fn body_ended(&self, end: BodyEnd);
    /// The connection ended before the response did.
    fn connection_broken(&self, connection: &ClientConnection, reason: Failure);
}

/// Where a connection belongs: the pool, as the connection sees it.
pub(super) trait ConnectionOwner {
    /// The connection has brought its response and can carry another request.
    fn connection_freed(&self, connection: &Rc<ClientConnection>);
    /// The connection closes. It may be idle, and must not be given to an exchange any more.
    fn connection_closing(&self, connection: &ClientConnection);
    /// The connection is gone, or could not be made.
    fn connection_gone(&self, connection: &ClientConnection);
}

/// One connection. Held by its protocol, by the exchange that it works for, and while it is idle by the pool.
pub(super) struct ClientConnection {
    owner: Weak<dyn ConnectionOwner>,
    origin: Origin,
    settings: Rc<AgentSettings>,
    state: Cell<State>,
    transport: RefCell<Option<Transport>>,
    user: RefCell<Option<Weak<dyn ConnectionUser>>>,
    reader: Cell<Option<Box<ResponseReader>>>,
    /// Bytes received and held back because the body is paused; at most one read's worth.
    held: RefCell<Vec<u8>>,
    /// Complete responses so far.
    served: Cell<u64>,
    /// Some of the current response has come.
    has_answered: Cell<bool>,
    /// Bytes that waited in the transport when the request had just been written. While as many still wait, no byte of
    /// the request has left.
    unsent: Cell<usize>,
    /// Closes it when it has been idle for too long.
    idle_timer: Cell<Option<DelayedCall>>,
    /// Fired when it is gone.
    when_gone: RefCell<Vec<Firer<()>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Busy,
    Idle,
    Over,
}

impl ClientConnection {
    pub(super) fn new(
        owner: Weak<dyn ConnectionOwner>,
        origin: Origin,
        settings: Rc<AgentSettings>,
        user: Weak<dyn ConnectionUser>,
    ) -> Rc<ClientConnection> {
        Rc::new(ClientConnection {
            owner,
            origin,
            settings,
            state: Cell::new(State::Opening),
            transport: RefCell::new(None),
            user: RefCell::new(Some(user)),
            reader: Cell::new(None),
            held: RefCell::default(),
            served: Cell::new(0),
            has_answered: Cell::new(false),
            unsent: Cell::new(0),
            idle_timer: Cell::new(None),
            when_gone: RefCell::default(),
        })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn transport(&self) -> Option<Transport> {
        self.transport.borrow().clone()
    }

    pub(super) fn is_reused(&self) -> bool {
        self.served.get() > 0
    }

    /// Whether any of the response has come.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// Whether nothing of the request can have left.
    pub(super) fn is_unsent(&self) -> bool {
        let unsent = self.unsent.get();
        unsent > 0 && self.transport.borrow().as_ref().is_some_and(|transport| transport.buffered() >= unsent)
    }

    /// Some of the request has left.
    pub(super) fn note_sent(&self) {
        self.unsent.set(0);
    }

    fn is(&self, state: State) -> bool {
        self.state.get() == state
    }

    fn user(&self) -> Option<Rc<dyn ConnectionUser>> {
        self.user.borrow().as_ref()?.upgrade()
    }

    // ---- From Opening to Busy, to Idle, and back.

    /// The connection is up. Called again for each layer on top, with that layer's transport.
    pub(super) fn transport_made(&self, transport: &Transport) {
        drop(self.transport.replace(Some(transport.clone())));
        if let Some(user) = self.user() {
            user.transport_made(self.origin.is_secure());
        }
    }

    /// The connection is ready for the request that it was opened for.
    fn opened(self: &Rc<Self>) {
        match self.user() {
            Some(user) if self.is(State::Opening) => self.begin(&user),
            _ => self.abort(), // The exchange has ended meanwhile.
        }
    }

    /// Carries the request of `user`: has it written, and makes a reader for the response.
    pub(super) fn begin(self: &Rc<Self>, user: &Rc<dyn ConnectionUser>) {
        let Some(transport) = self.transport() else { return };
        self.state.set(State::Busy);
        self.has_answered.set(false);
        drop(self.user.replace(Some(Rc::downgrade(user))));
        let limits = &self.settings.limits;
        let parser = ResponseParser::new(limits.clone()).for_method(user.method());
        let reader = ResponseReader::new(parser, self.settings.accept_gzip, limits.body);
        self.reader.set(Some(Box::new(reader)));
        user.connection_ready(self, &transport);
        // After the request has been written, as its bytes are what must still wait.
        self.unsent.set(transport.buffered());
    }

    /// Becomes idle, and closes if it is still idle after `limit`. A timer from the last time is set again: stopping
    /// one and starting another for each request would cost more.
    pub(super) fn keep_idle(self: &Rc<Self>, reactor: &Reactor, limit: Duration) {
        self.state.set(State::Idle);
        let timer = self.idle_timer.take().filter(|timer| timer.reset(limit).is_ok()).unwrap_or_else(|| {
            let this = Rc::downgrade(self);
            reactor.call_later(limit, move || {
                if let Some(connection) = this.upgrade() {
                    connection.close_if_idle();
                }
            })
        });
        self.idle_timer.set(Some(timer));
    }

    /// The idle timer has fired. It is not stopped when a request comes, so the connection may be busy.
    fn close_if_idle(&self) {
        if self.is(State::Idle) {
            self.leave_the_pool();
            self.close();
        }
    }

    /// The pool must forget it before it closes, or would give it to the next request.
    fn leave_the_pool(&self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.connection_closing(self);
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.idle_timer.take() {
            timer.cancel();
        }
    }

    // ---- Ends.

    /// Aborts it, and drops the unsent bytes.
    pub(super) fn abort(&self) {
        self.end(Transport::abort_connection);
    }

    /// Closes it in an orderly way: bytes that wait still go out.
    pub(super) fn close(&self) {
        self.end(|transport| {
            // The server has answered before it had all of the request: the rest is not wanted.
            transport.unregister_producer();
            transport.lose_connection();
        });
    }

    fn end(&self, how: impl FnOnce(&Transport)) {
        self.state.set(State::Over);
        self.stop_timer();
        drop(self.reader.take());
        self.held.take();
        if let Some(transport) = self.transport() {
            how(&transport);
        }
    }

    /// Fires `firer` when the connection is gone.
    pub(super) fn tell_when_gone(&self, firer: Firer<()>) {
        self.when_gone.borrow_mut().push(firer);
    }

    /// Aborts it because of `reason`.
    pub(super) fn fail(&self, reason: Failure) {
        if self.is(State::Over) {
            return;
        }
        self.abort();
        if let Some(user) = self.user() {
            user.connection_broken(self, reason);
        }
    }

    /// The connection is gone, or could not be made.
    pub(super) fn lost(self: &Rc<Self>, reason: Failure) {
        let was = self.state.replace(State::Over);
        self.stop_timer();
        drop(self.reader.take());
        // The pool first: the exchange may ask again at once, and must find that there is room for one more.
        if let Some(owner) = self.owner.upgrade() {
            owner.connection_gone(self);
        }
        if was != State::Over
            && let Some(user) = self.user()
        {
            user.connection_broken(self, reason);
        }
        drop(self.transport.take());
        for firer in self.when_gone.take() {
            let _ = firer.callback(());
        }
    }

    // ---- Reading.

    fn receive(self: &Rc<Self>, mut input: &[u8]) {
        match self.state.get() {
            State::Busy => {}
            State::Over => return,
            State::Opening | State::Idle => return self.refuse_unsolicited("without being asked"),
        }
        // A response that overtakes its request belongs to no request of ours. On a reused connection, an attacker may
        // have sent it for whichever request comes next.
        if !self.has_answered.get() && self.is_reused() && self.is_unsent() {
            return self.refuse_unsolicited("before it was asked");
        }
        self.has_answered.set(true);
        while let (Some(mut reader), Some(user)) = (self.reader.take(), self.user()) {
            if user.is_paused() {
                // The transport is paused too, but the read that is under way brought this much.
                self.held.replace(input.to_vec());
                self.reader.set(Some(reader));
                return;
            }
            match reader.next(&mut input, |data| user.body_received(data)) {
                Ok(ReadEvent::Body) => {}
                Ok(ReadEvent::Head(head)) => user.head_received(head, false),
                Ok(ReadEvent::NeedMore) => {
                    self.reader.set(Some(reader));
                    return;
                }
                Ok(ReadEvent::End) => return self.complete(&*user, reader.parser(), None, input),
                Ok(ReadEvent::HeadAlone(head)) => return self.complete(&*user, reader.parser(), Some(head), input),
                Err(reason) => return self.fail(reason),
            }
            if !self.is(State::Busy) {
                return; // A callback has ended it; the reader goes with it.
            }
            self.reader.set(Some(reader));
        }
    }

    /// The response is complete. The connection goes back to the pool before the program is told, so that a callback
    /// that sends the next request finds it there.
    fn complete(self: &Rc<Self>, user: &dyn ConnectionUser, parser: &ResponseParser, head: Option<Head>, rest: &[u8]) {
        if !rest.is_empty() {
            log::debug!(target: "reactor", "{}: {} bytes follow the end of an answer", self.origin, rest.len());
        }
        // Bytes after the end answer nothing, and a response before the end of the request leaves part of that unsent.
        // In both cases the next exchange would not begin with a clean connection.
        let is_clean = rest.is_empty() && user.is_sent();
        self.served.set(self.served.get() + 1);
        drop(self.user.take());
        user.connection_released();
        match self.owner.upgrade() {
            Some(owner) if is_clean && parser.keeps_alive() && self.is(State::Busy) => owner.connection_freed(self),
            _ if is_clean => self.close(),
            _ => self.abort(),
        }
        match head {
            Some(head) => user.head_received(head, true),
            None if parser.is_delimited_by_close() && !self.origin.is_secure() => {
                user.body_ended(BodyEnd::PotentialDataLoss);
            }
            None => user.body_ended(BodyEnd::ResponseDone),
        }
    }

    /// The peer has ended its side in an orderly way: the end of a body without a length, else too early.
    fn read_ended(self: &Rc<Self>) {
        let reader = match self.state.get() {
            State::Busy => self.reader.take(),
            _ => None,
        };
        let (Some(mut reader), Some(user)) = (reader, self.user()) else {
            if self.is(State::Opening) {
                return self.fail(HttpError::Incomplete.into());
            }
            self.leave_the_pool();
            return self.close();
        };
        match reader.finish() {
            Ok(()) => self.complete(&*user, reader.parser(), None, &[]),
            Err(reason) => self.fail(reason),
        }
    }

    /// Bytes have come that belong to no response. They must not be taken for the next one, so the connection ends.
    fn refuse_unsolicited(&self, when: &str) {
        log::debug!(target: "reactor", "{}: the server sent something {when}", self.origin);
        self.leave_the_pool();
        self.fail(Reason::Aborted.into());
    }
}

/// The connection as the protocol that the loop, TLS or the tunnel calls.
pub(super) struct ConnectionProtocol(Rc<ClientConnection>);

impl ConnectionProtocol {
    pub(super) fn new(connection: Rc<ClientConnection>) -> ConnectionProtocol {
        ConnectionProtocol(connection)
    }
}

impl Protocol for ConnectionProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.transport_made(transport);
        if !self.0.origin.is_secure() {
            transport.set_no_delay(true);
            self.0.opened();
        }
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        transport.set_no_delay(true);
        self.0.opened();
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.receive(data);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        let held = self.0.held.take();
        if self.0.is(State::Busy) && self.0.has_answered() {
            self.0.receive(&held);
        }
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.0.read_ended();
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.0.lost(reason.clone().into());
    }
}
