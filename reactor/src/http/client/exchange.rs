//! [`Exchange`]: one request on its way, from the call to the last byte of its response.
//!
//! ```text
//!   Waiting --> Connecting --> Handshaking --> Requesting --> Receiving --> Over
//!      ^  \_______________________________________^  |
//!      |             (an idle connection)            |
//!      +------ (a kept connection was stale) --------+
//!      from anywhere: cancelled, failed, out of time ---------------------> Over
//! ```
//!
//! It has one timer, which each step sets again; the deadline of the whole request never moves. The timer holds the
//! exchange and the exchange its connection, while the connection has only a weak reference back. So a reactor that is
//! dropped drops its timers, and with them every request.
//!
//! Next: `upload.rs`, how its body goes out.

use super::body::{BodyEnd, BodyProtocol, BodySource, BodyTransport};
use super::connection::{ClientConnection, ConnectionUser};
use super::delivery::Delivery;
use super::error::{AgentError, Stage};
use super::origin::Origin;
use super::pool::Pool;
use super::request::Request;
use super::response::Response;
use super::timing::{RequestStep, RequestTiming};
use super::upload::Upload;
use crate::error::{ConnectError, TimeoutError};
use crate::http::head::Head;
use crate::{Connector, Context, Deferred, DelayedCall, Failure, Firer, Producer, Reactor, Transport, deferred};
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request. Its timer and the program's handles hold it.
pub(super) struct Exchange {
    this: Weak<Exchange>,
    pool: Rc<Pool>,
    origin: Origin,
    request: Request,
    /// Where the program asked for it.
    asked: &'static Location<'static>,
    /// The program's Deferred. Taken out when it fires, as the response that it fires with holds the exchange.
    firer: Cell<Option<Firer<Response>>>,
    state: Cell<State>,
    /// The connection attempt, until there is a connection.
    connector: RefCell<Option<Connector>>,
    connection: RefCell<Option<Rc<ClientConnection>>>,
    timer: Cell<Option<DelayedCall>>,
    /// The deadline of the whole request.
    end: Instant,
    /// A kept connection turned out to be stale: the next one must be new, and there is no second retry.
    retried: Cell<bool>,
    upload: Upload,
    /// The program has asked for a pause, or does not take the body yet.
    paused: Cell<bool>,
    delivery: Delivery,
    /// Whom the program has asked to note when each step was reached.
    timing: Option<Arc<RequestTiming>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the pool's queue.
    Waiting,
    /// TCP is being connected.
    Connecting,
    /// The proxy is asked for a tunnel, or the TLS handshake is under way.
    Handshaking,
    /// The request is being sent, or has been; the head of the response has not come.
    Requesting,
    /// The head has come, the body comes.
    Receiving,
    Over,
}

/// Sends `request` and fires at the head of its response. At `end` all of it must be over, the body too. A redirect is
/// a response like any other. `asked` is the place in the program that diagnostics of a new connection name.
///
/// Fails with [`AgentError`]. Cancelling frees all that the request holds.
#[track_caller]
pub(super) fn start(
    pool: &Rc<Pool>,
    request: Request,
    asked: &'static Location<'static>,
    end: Option<Instant>,
) -> Deferred<Response> {
    let (Some(reactor), Some(end)) = (pool.route().reactor(), end) else {
        return deferred::fail(AgentError::new(Stage::RequestNotSent, &request, ConnectError::Cancelled));
    };
    let exchange = Exchange::new(pool, &reactor, request, asked, end);
    let unwanted = Rc::downgrade(&exchange);
    let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
        if let Some(exchange) = unwanted.upgrade() {
            exchange.abandon();
        }
    });
    exchange.firer.set(Some(firer));
    let user: Rc<dyn ConnectionUser> = exchange.clone();
    if let Err(error) = pool.submit(&user) {
        exchange.fail(error);
    }
    deferred
}

impl Exchange {
    /// An exchange with a running timer.
    fn new(
        pool: &Rc<Pool>,
        reactor: &Reactor,
        request: Request,
        asked: &'static Location<'static>,
        end: Instant,
    ) -> Rc<Exchange> {
        let exchange = Rc::new_cyclic(|this| Exchange {
            this: this.clone(),
            pool: pool.clone(),
            origin: Origin::of(request.url()),
            request,
            asked,
            firer: Cell::new(None),
            state: Cell::new(State::Waiting),
            connector: RefCell::new(None),
            connection: RefCell::new(None),
            timer: Cell::new(None),
            end,
            retried: Cell::new(false),
            upload: Upload::new(),
            paused: Cell::new(false),
            delivery: Delivery::new(),
            timing: Context::current().get(),
        });
        exchange.note(RequestStep::Asked);
        exchange.start_timer(reactor, end.saturating_duration_since(reactor.now()));
        exchange
    }

    /// A strong reference to this exchange. `None` only while it is being dropped.
    fn me(&self) -> Option<Rc<Exchange>> {
        self.this.upgrade()
    }

    fn reactor(&self) -> Option<Reactor> {
        self.pool.route().reactor()
    }

    fn note(&self, step: RequestStep) {
        if let (Some(timing), Some(reactor)) = (&self.timing, self.reactor()) {
            timing.note(step, reactor.now());
        }
    }

    fn is(&self, state: State) -> bool {
        self.state.get() == state
    }

    // ---- Deadlines.

    fn start_timer(&self, reactor: &Reactor, after: Duration) {
        if let Some(me) = self.me() {
            self.timer.set(Some(reactor.call_later_for(self.asked, after, move || me.timed_out())));
        }
    }

    /// The state that begins now may take `limit`, but never longer than the whole request.
    fn limit(&self, limit: Duration) {
        let Some(reactor) = self.reactor() else { return };
        let left = self.end.saturating_duration_since(reactor.now());
        if let Some(timer) = self.timer.take()
            && timer.reset(limit.min(left)).is_ok()
        {
            self.timer.set(Some(timer));
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// The timer has fired.
    fn timed_out(&self) {
        drop(self.timer.take());
        let Some(reactor) = self.reactor() else { return };
        let (settings, host) = (self.pool.route().settings(), self.request.url().host_name());
        let is_end = reactor.now() >= self.end;
        let (what, limit) = match self.state.get() {
            State::Over => return,
            State::Handshaking => (format!("the TLS handshake with {host}"), settings.handshake_timeout),
            State::Requesting => (format!("the head of the answer of {host}"), settings.first_byte_timeout),
            // The limit was that of an earlier state, which ended in time. The states below have none of their own, so
            // the timer goes on to the deadline of the whole request.
            _ if !is_end => return self.start_timer(&reactor, self.end.saturating_duration_since(reactor.now())),
            State::Waiting => (format!("a free connection to {host}"), settings.timeout),
            State::Connecting => (format!("a connection to {host}"), settings.timeout),
            State::Receiving => (format!("the answer of {host}"), settings.timeout),
        };
        let after = if is_end { settings.timeout } else { limit };
        self.fail(TimeoutError { what, after });
    }

    /// Writes more of the request; [`Sender`] calls it again when the transport has room.
    fn continue_sending(&self, transport: &Transport) {
        let is_done =
            self.upload.continue_writing(self.request.content(), transport, || Rc::new(Sender(self.this.clone())));
        // Not before: the time for the first byte begins when the request has been sent. And not if the response has
        // begun already: then this state is over.
        if is_done && self.is(State::Requesting) {
            self.limit(self.pool.route().settings().first_byte_timeout);
        }
    }

    // ---- Early ends.

    /// Ends it with an error: of the response if the head has not come, else of the body.
    fn fail(&self, reason: impl Into<Failure>) {
        let has_answered = self.connection.borrow().as_ref().is_some_and(|connection| connection.has_answered());
        let (stage, state) = match self.state.get() {
            State::Over => return,
            state @ (State::Waiting | State::Connecting | State::Handshaking) => (Stage::RequestNotSent, state),
            State::Requesting if !has_answered => (Stage::ResponseNeverReceived, State::Requesting),
            state => (Stage::ResponseFailed, state),
        };
        let error = AgentError::new(stage, &self.request, reason);
        log::debug!(target: "reactor", "{error}");
        // Before the program is told: it may ask again at once, and then the place in the pool must be free.
        self.release();
        match state {
            State::Receiving => self.delivery.end(BodyEnd::ResponseFailed(error.into())),
            _ => self.fire(Err(error.into())),
        }
    }

    fn fire(&self, result: Result<Response, Failure>) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.fire(result); // Refused if it was cancelled: then nothing waits for it.
        }
    }

    /// Frees the place in the queue, the timer, the connection attempt and the connection.
    fn release(&self) {
        if self.state.replace(State::Over) == State::Waiting
            && let Some(me) = self.me()
        {
            let me: Rc<dyn ConnectionUser> = me;
            self.pool.forget(&me);
        }
        self.stop_timer();
        if let Some(connection) = self.connection.take() {
            connection.abort();
        }
        if let Some(connector) = self.connector.take() {
            connector.stop_connecting();
        }
    }

    fn with_transport(&self, f: impl FnOnce(&Transport)) {
        let transport = self.connection.borrow().as_ref().and_then(|connection| connection.transport());
        if let Some(transport) = transport {
            f(&transport);
        }
    }
}

/// What the pool and the connection call.
impl ConnectionUser for Exchange {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn asked(&self) -> &'static Location<'static> {
        self.asked
    }

    fn needs_new_connection(&self) -> bool {
        self.retried.get()
    }

    fn connecting(&self, connection: Rc<ClientConnection>, connector: Connector) {
        self.state.set(State::Connecting);
        self.note(RequestStep::Connecting);
        drop(self.connection.replace(Some(connection)));
        drop(self.connector.replace(Some(connector)));
    }

    fn transport_made(&self, is_secure: bool) {
        let connector = self.connector.take();
        if self.is(State::Connecting) {
            let resolved = connector.and_then(|connector| connector.resolved());
            if let (Some(timing), Some(resolved)) = (&self.timing, resolved) {
                timing.note(RequestStep::Resolved, resolved);
            }
            self.note(RequestStep::Connected);
        }
        if is_secure && self.is(State::Connecting) {
            self.state.set(State::Handshaking);
            self.limit(self.pool.route().settings().handshake_timeout);
        }
    }

    fn connection_ready(&self, connection: &Rc<ClientConnection>, transport: &Transport) {
        drop(self.connector.take());
        self.state.set(State::Requesting);
        self.note(RequestStep::Ready);
        drop(self.connection.replace(Some(connection.clone())));
        self.upload.begin(self.pool.route().head_of(&self.request), self.request.content(), transport);
        self.continue_sending(transport);
        if !self.is_sent() {
            // Sending has no limit of its own; that of the state before must not end it.
            self.limit(Duration::MAX);
        }
    }

    fn method(&self) -> &str {
        self.request.method()
    }

    fn is_sent(&self) -> bool {
        self.upload.is_done()
    }

    fn is_paused(&self) -> bool {
        self.paused.get()
    }

    fn head_received(&self, head: Head, is_complete: bool) {
        let Some(me) = self.me() else { return };
        self.note(RequestStep::Head);
        if is_complete {
            self.delivery.end(BodyEnd::ResponseDone);
        } else {
            self.state.set(State::Receiving);
        }
        self.fire(Ok(Response::new(head, me)));
        // After the Deferred has fired: most programs take the body at once, and then there is nothing to pause.
        if self.is(State::Receiving) && self.delivery.is_undelivered() {
            self.pause();
        }
    }

    fn body_received(&self, data: &[u8]) {
        let Some(me) = self.me() else { return };
        self.delivery.give(data, &BodyTransport::new(me), || self.is(State::Receiving));
    }

    fn connection_released(&self) {
        self.state.set(State::Over);
        self.stop_timer();
        drop(self.connection.take());
    }

    fn body_ended(&self, end: BodyEnd) {
        self.delivery.end(end);
    }

    /// Asks again, once, if a kept connection turns out to have been closed by the server (RFC 9112, section 9.3.1).
    /// Only if that cannot make anything happen twice: the method is idempotent, or not a byte has left.
    fn connection_broken(&self, connection: &ClientConnection, reason: Failure) {
        let is_safe = self.request.is_idempotent() || connection.is_unsent();
        let is_stale = self.is(State::Requesting) && connection.is_reused() && !connection.has_answered();
        if !(is_stale && is_safe) || self.retried.replace(true) {
            return self.fail(reason);
        }
        log::debug!(target: "reactor", "a kept connection to {} was stale", self.request.url().origin());
        self.state.set(State::Waiting);
        drop(self.connection.take());
        if let (Some(reactor), Some(me)) = (self.reactor(), self.me()) {
            self.limit(self.end.saturating_duration_since(reactor.now()));
            let me: Rc<dyn ConnectionUser> = me;
            self.pool.submit_again(&me);
        }
    }
}

/// What the program calls, by its [`Response`] and its [`BodyTransport`].
impl BodySource for Exchange {
    fn request(&self) -> &Request {
        &self.request
    }

    fn deliver(&self, consumer: Box<dyn BodyProtocol>) {
        let Some(end) = self.delivery.deliver(consumer) else { return self.resume() };
        // From the loop: the contract is that nothing calls the protocol before `deliver_body` returns.
        match (self.reactor(), self.me()) {
            (Some(reactor), Some(me)) => reactor.call_when_running(move || me.delivery.end(end)),
            _ => self.delivery.give_up(),
        }
    }

    fn take_end(&self) -> Option<BodyEnd> {
        self.delivery.take_end()
    }

    fn pause(&self) {
        if self.is(State::Receiving) && !self.paused.replace(true) {
            self.with_transport(Transport::pause_producing);
        }
    }

    fn resume(&self) {
        if self.paused.replace(false) {
            self.with_transport(Transport::resume_producing);
        }
    }

    fn is_paused(&self) -> bool {
        self.paused.get()
    }

    fn abandon(&self) {
        self.release();
        self.delivery.give_up();
    }

    fn abandon_unless_delivered(&self) {
        if !self.delivery.is_delivered() {
            self.abandon();
        }
    }
}

/// The producer that the transport calls when there is room for more of the request.
struct Sender(Weak<Exchange>);

impl Producer for Sender {
    fn pause_producing(&self) {} // It is registered only while it waits.

    fn resume_producing(&self) {
        let Some(exchange) = self.0.upgrade() else { return };
        let connection = exchange.connection.borrow().clone();
        if let Some(connection) = connection {
            connection.note_sent(); // From here on only an idempotent request may be retried.
        }
        exchange.with_transport(|transport| exchange.continue_sending(transport));
    }
}
