//! [`Response`]: an answer whose head has come; and its body, as a stream or in one piece.
//!
//! Until somebody takes the body, its connection is paused; a `Response` that is dropped instead frees it. (In Twisted
//! such a connection is held for ever.)

use super::error::{AgentError, Stage};
use super::request::Request;
use crate::http::limits::HttpError;
use crate::{Failure, Firer};
use std::fmt;
use std::rc::Rc;

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

/// What a body comes from: its exchange, as the program's side sees it.
pub(super) trait BodySource {
    fn request(&self) -> &Request;
    /// Gives the body, from its beginning, to `consumer`. Calls it from the loop only.
    fn deliver(&self, consumer: Box<dyn BodyProtocol>);
    /// The end of a body that ended before anything took it.
    fn take_end(&self) -> Option<BodyEnd>;
    fn pause(&self);
    fn resume(&self);
    fn is_paused(&self) -> bool;
    /// Gives the answer up, and the connection with it.
    fn abandon(&self);
    /// The same, unless something takes the body.
    fn abandon_unless_delivered(&self);
}

/// Steers the connection that a body comes over. Clones are the same body.
#[derive(Clone)]
pub struct BodyTransport(Rc<dyn BodySource>);

impl BodyTransport {
    pub(super) fn new(source: Rc<dyn BodySource>) -> BodyTransport {
        BodyTransport(source)
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

/// Gathers a body.
pub(super) struct Collector {
    firer: Firer<Vec<u8>>,
    limit: usize,
    body: Vec<u8>,
}

impl Collector {
    /// Fires `firer` with all of a body, or fails it if there are more than `limit` bytes.
    pub(super) fn new(firer: Firer<Vec<u8>>, limit: usize) -> Collector {
        Collector { firer, limit, body: Vec::new() }
    }
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
