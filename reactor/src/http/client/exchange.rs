//! [`Exchange`]: one request on its way, from the call to the last byte of its answer.
//!
//! ```text
//!   Waiting --> Connecting --> Greeting --> Asking --> Answering --> Over
//!      ^  \___________________________________^  |          |
//!      |           (an idle connection)          |          |
//!      +---- (a kept connection was stale) ------+          |
//!      from anywhere: cancelled, failed, out of time -------+----> Over
//! ```
//!
//! Whoever fires holds what follows: the timer of the whole deadline holds the exchange, the exchange its link, a link
//! only a weak way back. So when a reactor is dropped, everything is.

use super::body::{BodyEnd, BodyProtocol, BodySource, BodyTransport};
use super::connection::{ClientConnection, ConnectionUser};
use super::error::{AgentError, Stage};
use super::origin::Origin;
use super::pool::Pool;
use super::request::Request;
use super::response::Response;
use crate::error::{ConnectError, TimeoutError};
use crate::http::head::Head;
use crate::transport::HIGH_WATER;
use crate::{Connector, Deferred, DelayedCall, Failure, Firer, Producer, Reactor, Transport, deferred};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Bytes of a request's body that are written at once: a body may be larger than what a transport holds.
const PIECE: usize = 64 * 1024;

pub(super) struct Exchange {
    this: Weak<Exchange>,
    pool: Rc<Pool>,
    origin: Origin,
    request: Request,
    /// Let go of when it fires: what it fired with holds the exchange.
    firer: Cell<Option<Firer<Response>>>,
    step: Cell<Step>,
    /// The connection attempt, and then the connection.
    connector: RefCell<Option<Connector>>,
    connection: RefCell<Option<Rc<ClientConnection>>>,
    timer: Cell<Option<DelayedCall>>,
    /// The whole deadline.
    end: Instant,
    /// A kept connection turned out to be stale: the next one is new.
    retried: Cell<bool>,
    /// How much of the request's body has been handed to the transport, and whether all of it has gone out.
    uploaded: Cell<usize>,
    upload: Cell<Upload>,
    /// Somebody who takes the body has asked for a pause, or nobody takes it.
    paused: Cell<bool>,
    consumer: RefCell<Consumer>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Waiting,
    Connecting,
    /// The proxy is asked for a tunnel, the TLS handshake is under way.
    Greeting,
    Asking,
    /// The head has come.
    Answering,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    Writing,
    /// Too much waits to be sent; the transport tells us to go on.
    Held,
    Sent,
}

/// Who takes the body.
enum Consumer {
    /// Nobody yet.
    Undelivered,
    Delivered(Box<dyn BodyProtocol>),
    /// It is being called, or it is gone.
    Away,
    /// Nobody yet, and it has ended.
    Ended(BodyEnd),
}

/// Sends `request`, which is to be over at `end`, and fires with its response; a redirect is a response like any other.
///
/// Fails with [`AgentError`]. Cancelling frees whatever the request holds.
#[track_caller]
pub(super) fn start(pool: &Rc<Pool>, request: Request, end: Option<Instant>) -> Deferred<Response> {
    let (Some(reactor), Some(end)) = (pool.route().reactor(), end) else {
        return deferred::fail(AgentError::new(Stage::RequestNotSent, &request, ConnectError::Cancelled));
    };
    let exchange = Exchange::new(pool, &reactor, request, end);
    let unwanted = Rc::downgrade(&exchange);
    let (deferred, firer) = Deferred::with_canceller(move |_| {
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
    /// An exchange that is to be over at `end`, and its timer runs.
    fn new(pool: &Rc<Pool>, reactor: &Reactor, request: Request, end: Instant) -> Rc<Exchange> {
        let exchange = Rc::new_cyclic(|this| Exchange {
            this: this.clone(),
            pool: pool.clone(),
            origin: Origin::of(request.url()),
            request,
            firer: Cell::new(None),
            step: Cell::new(Step::Waiting),
            connector: RefCell::new(None),
            connection: RefCell::new(None),
            timer: Cell::new(None),
            end,
            retried: Cell::new(false),
            uploaded: Cell::new(0),
            upload: Cell::new(Upload::Writing),
            paused: Cell::new(false),
            consumer: RefCell::new(Consumer::Undelivered),
        });
        exchange.start_timer(reactor, end.saturating_duration_since(reactor.now()));
        exchange
    }

    /// This exchange, to be handed on. There is always one: a method of it runs.
    fn me(&self) -> Option<Rc<Exchange>> {
        self.this.upgrade()
    }

    fn reactor(&self) -> Option<Reactor> {
        self.pool.route().reactor()
    }

    fn is(&self, step: Step) -> bool {
        self.step.get() == step
    }

    // ---- Deadlines.

    fn start_timer(&self, reactor: &Reactor, after: Duration) {
        if let Some(me) = self.me() {
            self.timer.set(Some(reactor.call_later(after, move || me.late())));
        }
    }

    /// From now on, this step may take `limit`; the whole deadline stays what it is.
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

    fn late(&self) {
        drop(self.timer.take());
        let Some(reactor) = self.reactor() else { return };
        let (settings, host) = (self.pool.route().settings(), self.request.url().host());
        let is_end = reactor.now() >= self.end;
        let (what, limit) = match self.step.get() {
            Step::Over => return,
            Step::Greeting => (format!("the TLS handshake with {host}"), settings.handshake_timeout),
            Step::Asking => (format!("the head of the answer of {host}"), settings.first_byte_timeout),
            // A step that has been left in time: only the whole deadline is left.
            _ if !is_end => return self.start_timer(&reactor, self.end.saturating_duration_since(reactor.now())),
            Step::Waiting => (format!("a free connection to {host}"), settings.timeout),
            Step::Connecting => (format!("a connection to {host}"), settings.timeout),
            Step::Answering => (format!("the answer of {host}"), settings.timeout),
        };
        let after = if is_end { settings.timeout } else { limit };
        self.fail(TimeoutError { what, after });
    }

    // ---- The way to the answer: called by the pool and the link.

    /// Writes on until too much waits to be sent, or all has been.
    fn go_on_sending(&self, transport: &Transport) {
        let content = self.request.content();
        while transport.buffered() <= HIGH_WATER {
            let rest = &content[self.uploaded.get()..];
            if rest.is_empty() {
                if self.upload.replace(Upload::Sent) == Upload::Held {
                    transport.unregister_producer();
                }
                if self.is(Step::Asking) {
                    self.limit(self.pool.route().settings().first_byte_timeout);
                }
                return;
            }
            let piece = &rest[..rest.len().min(PIECE)];
            transport.write(piece);
            self.uploaded.set(self.uploaded.get() + piece.len());
        }
        if self.upload.replace(Upload::Held) != Upload::Held {
            transport.register_producer(Rc::new(Sender(self.this.clone())));
        }
    }

    // ---- Ends that come too early.

    fn fail(&self, reason: impl Into<Failure>) {
        let has_answered = self.connection.borrow().as_ref().is_some_and(|connection| connection.has_answered());
        let (stage, was) = match self.step.get() {
            Step::Over => return,
            step @ (Step::Waiting | Step::Connecting | Step::Greeting) => (Stage::RequestNotSent, step),
            Step::Asking if !has_answered => (Stage::ResponseNeverReceived, Step::Asking),
            step => (Stage::ResponseFailed, step),
        };
        let error = AgentError::new(stage, &self.request, reason);
        log::debug!(target: "reactor", "{error}");
        self.let_go();
        match was {
            Step::Answering => self.body_ended(BodyEnd::ResponseFailed(error.into())),
            _ => self.fire(Err(error.into())),
        }
    }

    fn fire(&self, result: Result<Response, Failure>) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.fire(result); // Who cancelled has given it up already.
        }
    }

    /// Frees everything.
    fn let_go(&self) {
        if self.step.replace(Step::Over) == Step::Waiting
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

    fn needs_new_connection(&self) -> bool {
        self.retried.get()
    }

    fn connecting(&self, connection: Rc<ClientConnection>, connector: Connector) {
        self.step.set(Step::Connecting);
        drop(self.connection.replace(Some(connection)));
        drop(self.connector.replace(Some(connector)));
    }

    fn transport_made(&self, is_secure: bool) {
        drop(self.connector.take());
        if is_secure && self.is(Step::Connecting) {
            self.step.set(Step::Greeting);
            self.limit(self.pool.route().settings().handshake_timeout);
        }
    }

    fn connection_ready(&self, connection: &Rc<ClientConnection>, transport: &Transport) {
        drop(self.connector.take());
        self.step.set(Step::Asking);
        drop(self.connection.replace(Some(connection.clone())));
        let mut bytes = self.pool.route().head_of(&self.request);
        let content = self.request.content();
        let first = content.len().min(PIECE);
        bytes.extend_from_slice(&content[..first]);
        self.uploaded.set(first);
        self.upload.set(Upload::Writing);
        transport.write(&bytes);
        self.go_on_sending(transport);
        if !self.is_sent() {
            self.limit(Duration::MAX); // Sending has no limit of its own.
        }
    }

    fn method(&self) -> &str {
        self.request.method()
    }

    fn is_sent(&self) -> bool {
        self.upload.get() == Upload::Sent
    }

    fn is_paused(&self) -> bool {
        self.paused.get()
    }

    fn head_received(&self, head: Head, is_complete: bool) {
        let Some(me) = self.me() else { return };
        if is_complete {
            self.consumer.replace(Consumer::Ended(BodyEnd::ResponseDone));
        } else {
            self.step.set(Step::Answering);
        }
        self.fire(Ok(Response::new(head, me)));
        if self.is(Step::Answering) && matches!(*self.consumer.borrow(), Consumer::Undelivered) {
            self.pause();
        }
    }

    fn body_received(&self, data: &[u8]) {
        let Some(me) = self.me() else { return };
        match self.consumer.replace(Consumer::Away) {
            Consumer::Delivered(mut consumer) => {
                consumer.data_received(&BodyTransport::new(me), data);
                // It may have given the body up, or ended the connection.
                if self.is(Step::Answering) {
                    self.consumer.replace(Consumer::Delivered(consumer));
                }
            }
            other => drop(self.consumer.replace(other)),
        }
    }

    fn connection_released(&self) {
        self.step.set(Step::Over);
        self.stop_timer();
        drop(self.connection.take());
    }

    fn body_ended(&self, end: BodyEnd) {
        match self.consumer.replace(Consumer::Away) {
            Consumer::Delivered(mut consumer) => consumer.body_ended(end),
            Consumer::Undelivered => drop(self.consumer.replace(Consumer::Ended(end))),
            Consumer::Away => {}
            ended @ Consumer::Ended(_) => drop(self.consumer.replace(ended)),
        }
    }

    /// A kept connection that the server had given up in the meantime is no reason to fail, if nothing can have
    /// happened twice; it happens once at most.
    fn connection_broken(&self, connection: &ClientConnection, reason: Failure) {
        let is_safe = self.request.is_idempotent() || connection.is_unsent();
        let is_stale = self.is(Step::Asking) && connection.is_reused() && !connection.has_answered();
        if !(is_stale && is_safe) || self.retried.replace(true) {
            return self.fail(reason);
        }
        log::debug!(target: "reactor", "a kept connection to {} was stale", self.request.url().origin());
        self.step.set(Step::Waiting);
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
        match self.consumer.replace(Consumer::Delivered(consumer)) {
            Consumer::Ended(end) => {
                // Not from inside of the call that delivers.
                match (self.reactor(), self.me()) {
                    (Some(reactor), Some(me)) => reactor.call_when_running(move || me.body_ended(end)),
                    _ => drop(self.consumer.replace(Consumer::Away)),
                }
            }
            _ => self.resume(),
        }
    }

    fn take_end(&self) -> Option<BodyEnd> {
        match self.consumer.replace(Consumer::Away) {
            Consumer::Ended(end) => Some(end),
            consumer => {
                self.consumer.replace(consumer);
                None
            }
        }
    }

    fn pause(&self) {
        if self.is(Step::Answering) && !self.paused.replace(true) {
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
        self.let_go();
        drop(self.consumer.replace(Consumer::Away));
    }

    fn abandon_unless_delivered(&self) {
        let is_taken = matches!(*self.consumer.borrow(), Consumer::Delivered(_) | Consumer::Away);
        if !is_taken {
            self.abandon();
        }
    }
}

/// Hears from the transport when it may send on.
struct Sender(Weak<Exchange>);

impl Producer for Sender {
    fn pause_producing(&self) {} // It waits already.

    fn resume_producing(&self) {
        let Some(exchange) = self.0.upgrade() else { return };
        let connection = exchange.connection.borrow().clone();
        if let Some(connection) = connection {
            connection.note_sent();
        }
        exchange.with_transport(|transport| exchange.go_on_sending(transport));
    }
}
