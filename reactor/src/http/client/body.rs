//! The body of a response on its way to the program: [`BodyProtocol`] takes it, [`BodyTransport`] steers it,
//! [`BodyEnd`] says how it ended.
//!
//! Next: `response.rs`, what the program gets.

use super::error::{AgentError, Stage};
use super::request::Request;
use crate::http::limits::HttpError;
use crate::{Failure, Firer};
use std::fmt;
use std::rc::Rc;

/// Takes the body of a [`Response`](super::Response). Twisted's protocol for `deliverBody`.
pub trait BodyProtocol {
    /// Some of the body has come, decoded: at least one byte, cut anywhere.
    fn data_received(&mut self, body: &BodyTransport, data: &[u8]);

    /// The body has ended. Called once, as the last call; not at all if the program aborted the body.
    fn body_ended(&mut self, end: BodyEnd);
}

/// How a body ended.
#[derive(Debug, Clone)]
pub enum BodyEnd {
    /// All of it has come.
    ResponseDone,
    /// The connection was closed in an orderly way, and nothing else said where the body ends: it may have been cut.
    /// Twisted's `PotentialDataLoss`. Over TLS this does not occur, as the peer's close_notify marks the end.
    PotentialDataLoss,
    /// It broke off. The failure is an [`AgentError`].
    ResponseFailed(Failure),
}

/// Where a body comes from: its exchange, as the program's handles see it.
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
    /// Gives the answer up, and the connection with it, unless something takes the body.
    fn abandon_unless_delivered(&self);
}

/// Steers the connection that a body comes over. Clones steer the same body.
#[derive(Clone)]
pub struct BodyTransport(Rc<dyn BodySource>);

impl BodyTransport {
    pub(super) fn new(source: Rc<dyn BodySource>) -> BodyTransport {
        BodyTransport(source)
    }

    /// Stops the body until [`resume_producing`](BodyTransport::resume_producing). Nothing is read from the connection
    /// meanwhile, so that TCP slows the server down. The deadline of the whole request still holds.
    pub fn pause_producing(&self) {
        self.0.pause();
    }

    /// Lets the body go on. Its protocol is called from the loop, not before this returns.
    pub fn resume_producing(&self) {
        self.0.resume();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    /// Breaks the connection off, as the rest of the body is not wanted. `body_ended` is not called any more.
    pub fn abort_connection(&self) {
        self.0.abandon();
    }
}

impl fmt::Debug for BodyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyTransport({:?})", self.0.request())
    }
}

/// Gathers a body for [`Response::collect`](super::Response::collect).
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
