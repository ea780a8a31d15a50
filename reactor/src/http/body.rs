//! [`Response`]: an answer whose head has come; and its body, as a stream or in one piece.
//!
//! Until somebody takes the body, its connection is paused; a `Response` that is dropped instead frees it. (In Twisted
//! such a connection is held for ever.)

use super::agent_error::{AgentError, Stage};
use super::exchange::Exchange;
use super::head::Head;
use super::limits::HttpError;
use super::url::Url;
use crate::{Deferred, Failure, Firer};
use std::fmt;
use std::rc::{Rc, Weak};

/// Takes the body of a [`Response`]. Twisted's protocol for `deliverBody`.
pub trait BodyProtocol {
    /// Some of the body has come, decoded: at least one byte, cut anywhere.
    fn data_received(&mut self, body: &BodyTransport, data: &[u8]);

    /// There is no more; comes last and once, unless the body was aborted.
    fn body_ended(&mut self, end: BodyEnd);
}

/// How a body ended.
#[derive(Debug, Clone)]
pub enum BodyEnd {
    /// All of it has come.
    ResponseDone,
    /// The connection was closed in an orderly way, and nothing else said where the body ends: it may have been cut.
    /// (Over TLS the peer's close_notify says it.)
    PotentialDataLoss,
    /// It broke off: an [`AgentError`].
    ResponseFailed(Failure),
}

/// Steers the connection that a body comes over. Clones are the same body.
#[derive(Clone)]
pub struct BodyTransport(Rc<Exchange>);

impl BodyTransport {
    pub(super) fn new(exchange: Rc<Exchange>) -> BodyTransport {
        BodyTransport(exchange)
    }

    /// Gives no more of the body, and reads no more of the connection, until
    /// [`resume_producing`](BodyTransport::resume_producing). The deadline of the whole request still holds.
    pub fn pause_producing(&self) {
        self.0.pause();
    }

    /// Goes on, from the loop.
    pub fn resume_producing(&self) {
        self.0.resume();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    /// Breaks the connection off: the rest of the body is not wanted, and `body_ended` is not called any more.
    pub fn abort_connection(&self) {
        self.0.abandon();
    }
}

impl fmt::Debug for BodyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyTransport({:?})", self.0.request())
    }
}

/// A redirect that was followed. `Debug` does not show the query, which may hold secrets.
#[derive(Clone)]
pub struct Previous {
    /// What was asked.
    pub url: Url,
    /// What was answered.
    pub head: Head,
}

impl fmt::Debug for Previous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Previous({} of {})", self.head.status, self.url.without_query())
    }
}

/// An answer whose head has come. Dropping it ends what is under way of its body.
pub struct Response {
    head: Head,
    exchange: Rc<Exchange>,
    previous: Vec<Previous>,
}

impl Response {
    pub(super) fn new(head: Head, exchange: Rc<Exchange>) -> Response {
        Response { head, exchange, previous: Vec::new() }
    }

    pub(super) fn with_previous(mut self, previous: Vec<Previous>) -> Response {
        self.previous = previous;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Status and headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The redirects that led here, first to last. Twisted's `previousResponse`.
    pub fn previous(&self) -> &[Previous] {
        &self.previous
    }

    /// Has `protocol` get the body, as it comes. It is called by the loop, not before this returns.
    pub fn deliver_body(self, protocol: impl BodyProtocol + 'static) -> BodyTransport {
        self.exchange.deliver(Box::new(protocol));
        BodyTransport(self.exchange.clone())
    }

    /// The whole body, of `limit` bytes at most. Twisted's `readBody`, which has no limit.
    ///
    /// A body that only the connection's end delimits is taken as whole. Fails with [`AgentError`]; cancelling ends
    /// the connection.
    #[track_caller]
    pub fn collect(self, limit: usize) -> Deferred<Vec<u8>> {
        match self.exchange.take_end() {
            Some(BodyEnd::ResponseFailed(failure)) => return Deferred::from_result(Err(failure)),
            Some(_) => return crate::deferred::succeed(Vec::new()),
            None => {}
        }
        let unwanted = Rc::downgrade(&self.exchange);
        let (deferred, firer) = Deferred::with_canceller(move |_| abandon(&unwanted));
        self.exchange.deliver(Box::new(Collector { firer, limit, body: Vec::new() }));
        deferred
    }
}

/// Breaks off what nobody waits for any more.
pub(super) fn abandon(exchange: &Weak<Exchange>) {
    if let Some(exchange) = exchange.upgrade() {
        exchange.abandon();
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        self.exchange.abandon_unless_delivered();
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} redirects before)", self.head.status, self.previous.len())
    }
}

/// Gathers a body.
struct Collector {
    firer: Firer<Vec<u8>>,
    limit: usize,
    body: Vec<u8>,
}

impl BodyProtocol for Collector {
    fn data_received(&mut self, body: &BodyTransport, data: &[u8]) {
        if data.len() > self.limit - self.body.len() {
            let error = AgentError::new(Stage::ResponseFailed, body.0.request(), HttpError::BodyTooLarge);
            body.abort_connection();
            let _ = self.firer.errback(error);
            return;
        }
        self.body.extend_from_slice(data);
    }

    fn body_ended(&mut self, end: BodyEnd) {
        let _ = match end {
            BodyEnd::ResponseDone | BodyEnd::PotentialDataLoss => self.firer.callback(std::mem::take(&mut self.body)),
            BodyEnd::ResponseFailed(failure) => self.firer.errback(failure),
        };
    }
}
