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

use super::agent_error::{AgentError, Stage};
use super::body::{BodyEnd, BodyProtocol, BodyTransport, Response};
use super::head::Head;
use super::link::Link;
use super::pool::Pool;
use super::request::Request;
use crate::error::TimeoutError;
use crate::transport::HIGH_WATER;
use crate::{Connector, DelayedCall, Failure, Firer, Producer, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Bytes of a request's body that are written at once: a body may be larger than what a transport holds.
const PIECE: usize = 64 * 1024;

pub(super) struct Exchange {
    this: Weak<Exchange>,
    pool: Rc<Pool>,
    request: Request,
    /// Let go of when it fires: what it fired with holds the exchange.
    firer: Cell<Option<Firer<Response>>>,
    step: Cell<Step>,
    /// The connection attempt, and then the connection.
    connector: RefCell<Option<Connector>>,
    link: RefCell<Option<Rc<Link>>>,
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

impl Exchange {
    /// An exchange that is to be over at `end`, and its timer runs.
    pub(super) fn new(pool: &Rc<Pool>, reactor: &Reactor, request: Request, end: Instant) -> Rc<Exchange> {
        let exchange = Rc::new_cyclic(|this| Exchange {
            this: this.clone(),
            pool: pool.clone(),
            request,
            firer: Cell::new(None),
            step: Cell::new(Step::Waiting),
            connector: RefCell::new(None),
            link: RefCell::new(None),
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

    /// Whom it tells of the answer.
    pub(super) fn is_to_fire(&self, firer: Firer<Response>) {
        self.firer.set(Some(firer));
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn reactor(&self) -> Option<Reactor> {
        self.pool.reactor()
    }

    /// Whether only a new connection will do.
    pub(super) fn wants_a_new_link(&self) -> bool {
        self.retried.get()
    }

    fn is(&self, step: Step) -> bool {
        self.step.get() == step
    }

    // ---- Deadlines.

    fn start_timer(&self, reactor: &Reactor, after: Duration) {
        if let Some(me) = self.this.upgrade() {
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
        let (settings, host) = (self.pool.settings(), self.request.url().host());
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

    /// A connection is being made for it.
    pub(super) fn connecting(&self, link: Rc<Link>, connector: Connector) {
        self.step.set(Step::Connecting);
        drop(self.link.replace(Some(link)));
        drop(self.connector.replace(Some(connector)));
    }

    /// The connection is there; if `is_secure`, TLS and perhaps a proxy come before the request.
    pub(super) fn connected(&self, is_secure: bool) {
        drop(self.connector.take());
        if is_secure && self.is(Step::Connecting) {
            self.step.set(Step::Greeting);
            self.limit(self.pool.settings().handshake_timeout);
        }
    }

    /// The connection is ready for the request.
    pub(super) fn ask(&self, link: &Rc<Link>, transport: &Transport) {
        drop(self.connector.take());
        self.step.set(Step::Asking);
        drop(self.link.replace(Some(link.clone())));
        let mut bytes = self.pool.head_of(&self.request);
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
                    self.limit(self.pool.settings().first_byte_timeout);
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

    /// Whether all of the request has gone out.
    pub(super) fn is_sent(&self) -> bool {
        self.upload.get() == Upload::Sent
    }

    /// The head has come, and if `is_complete` there is no more.
    pub(super) fn head_came(self: &Rc<Self>, head: Head, is_complete: bool) {
        if is_complete {
            self.consumer.replace(Consumer::Ended(BodyEnd::ResponseDone));
        } else {
            self.step.set(Step::Answering);
        }
        self.fire(Ok(Response::new(head, self.clone())));
        if self.is(Step::Answering) && matches!(*self.consumer.borrow(), Consumer::Undelivered) {
            self.pause();
        }
    }

    /// Some of the body has come.
    pub(super) fn body_came(self: &Rc<Self>, data: &[u8]) {
        let consumer = self.consumer.replace(Consumer::Away);
        let Consumer::Delivered(mut consumer) = consumer else {
            self.consumer.replace(consumer);
            return;
        };
        consumer.data_received(&BodyTransport::new(self.clone()), data);
        if self.is(Step::Answering) {
            self.consumer.replace(Consumer::Delivered(consumer));
        }
    }

    /// The answer is complete and the link is needed no more; who takes the body is told later, by
    /// [`tell`](Exchange::tell).
    pub(super) fn leave(&self) {
        self.step.set(Step::Over);
        self.stop_timer();
        drop(self.link.take());
    }

    /// Tells who takes the body how it ended.
    pub(super) fn tell(&self, end: BodyEnd) {
        match self.consumer.replace(Consumer::Away) {
            Consumer::Delivered(mut consumer) => consumer.body_ended(end),
            Consumer::Undelivered => drop(self.consumer.replace(Consumer::Ended(end))),
            Consumer::Away => {}
            ended @ Consumer::Ended(_) => drop(self.consumer.replace(ended)),
        }
    }

    // ---- Ends that come too early.

    /// The link broke. A kept connection that the server had given up in the meantime is no reason to fail, if nothing
    /// can have happened twice; it happens once at most.
    pub(super) fn broken(&self, link: &Link, reason: Failure) {
        let is_safe = self.request.is_idempotent() || link.is_unsent();
        let is_stale = self.is(Step::Asking) && link.is_reused() && !link.has_answered();
        if !(is_stale && is_safe) || self.retried.replace(true) {
            return self.fail(reason);
        }
        log::debug!(target: "reactor", "a kept connection to {} was stale", self.request.url().origin());
        self.step.set(Step::Waiting);
        drop(self.link.take());
        if let (Some(reactor), Some(me)) = (self.reactor(), self.this.upgrade()) {
            self.limit(self.end.saturating_duration_since(reactor.now()));
            self.pool.submit_again(&me);
        }
    }

    pub(super) fn fail(&self, reason: impl Into<Failure>) {
        let has_answered = self.link.borrow().as_ref().is_some_and(|link| link.has_answered());
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
            Step::Answering => self.tell(BodyEnd::ResponseFailed(error.into())),
            _ => self.fire(Err(error.into())),
        }
    }

    fn fire(&self, result: Result<Response, Failure>) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.fire(result); // Who cancelled has given it up already.
        }
    }

    /// Nobody wants the answer any more: cancelled, or its response was dropped.
    pub(super) fn abandon(&self) {
        self.let_go();
        drop(self.consumer.replace(Consumer::Away));
    }

    /// The response was dropped.
    pub(super) fn abandon_unless_delivered(&self) {
        let is_taken = matches!(*self.consumer.borrow(), Consumer::Delivered(_) | Consumer::Away);
        if !is_taken {
            self.abandon();
        }
    }

    /// Frees everything.
    fn let_go(&self) {
        if self.step.replace(Step::Over) == Step::Waiting
            && let Some(me) = self.this.upgrade()
        {
            self.pool.forget(&me);
        }
        self.stop_timer();
        if let Some(link) = self.link.take() {
            link.abort();
        }
        if let Some(connector) = self.connector.take() {
            connector.stop_connecting();
        }
    }

    // ---- Asked for by whoever takes the body.

    pub(super) fn deliver(self: &Rc<Self>, consumer: Box<dyn BodyProtocol>) {
        match self.consumer.replace(Consumer::Delivered(consumer)) {
            Consumer::Ended(end) => {
                // Not from inside of the call that delivers.
                let me = self.clone();
                match self.reactor() {
                    Some(reactor) => reactor.call_when_running(move || me.tell(end)),
                    None => drop(self.consumer.replace(Consumer::Away)),
                }
            }
            _ => self.resume(),
        }
    }

    /// The end of a body that ended before anybody took it.
    pub(super) fn take_end(&self) -> Option<BodyEnd> {
        match self.consumer.replace(Consumer::Away) {
            Consumer::Ended(end) => Some(end),
            consumer => {
                self.consumer.replace(consumer);
                None
            }
        }
    }

    pub(super) fn pause(&self) {
        if self.is(Step::Answering) && !self.paused.replace(true) {
            self.with_transport(Transport::pause_producing);
        }
    }

    pub(super) fn resume(&self) {
        if self.paused.replace(false) {
            self.with_transport(Transport::resume_producing);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    fn with_transport(&self, f: impl FnOnce(&Transport)) {
        let transport = self.link.borrow().as_ref().and_then(|link| link.transport());
        if let Some(transport) = transport {
            f(&transport);
        }
    }
}

/// Hears from the transport when it may send on.
struct Sender(Weak<Exchange>);

impl Producer for Sender {
    fn pause_producing(&self) {} // It waits already.

    fn resume_producing(&self) {
        let Some(exchange) = self.0.upgrade() else { return };
        let link = exchange.link.borrow().clone();
        if let Some(link) = link {
            link.some_was_sent();
        }
        exchange.with_transport(|transport| exchange.go_on_sending(transport));
    }
}
