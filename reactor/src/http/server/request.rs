//! [`Request`]: what a service gets, and [`RequestBody`]: its body on the way.
//!
//! A body waits until the service asks for it. Nothing of it is read before that, and `100 Continue` is not sent. A
//! service that does not want the body drops the request.
//!
//! Next: `response.rs`, what it gives back.

use crate::deferred;
use crate::error::debug_is_display;
use crate::http::{Refusal, RequestHead};
use crate::{Address, Deferred, Failure, Firer};
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// A request: its head, to which it dereferences; its body; where it comes from. Twisted's `Request`.
///
/// ```
/// use reactor::http::server::{Request, Response};
///
/// let shout = |request: Request| {
///     let agent = request.header("user-agent").next().is_some();
///     request.collect(1000).add_callback(move |body| Ok(Response::text(format!("{} {agent}", body.len()))))
/// };
/// # let _: &dyn reactor::http::server::Service = &shout;
/// ```
pub struct Request {
    head: RequestHead,
    body: RequestBody,
    peer: Address,
    is_secure: bool,
    /// What the pattern of a route has found in the path.
    pub(super) parameters: Vec<(Rc<str>, String)>,
}

/// Where a body comes from: its connection, as the program's handles see it.
pub(super) trait BodySource {
    /// From now on `taker` gets the pieces, from the loop only. False if the body has been given to another already.
    fn take_body(&self, taker: Taker) -> bool;
    /// Nobody wants the body, unless something has taken it.
    fn body_unwanted(&self);
    /// The service wants a body, and the head does not say how long it is.
    fn refuse_length(&self);
    fn pause_body(&self);
    fn resume_body(&self);
    fn is_body_paused(&self) -> bool;
    /// The rest is not wanted, nor the connection.
    fn abort(&self);
}

type OnPiece = Box<dyn FnMut(&RequestBody, &[u8])>;

/// What takes a body.
pub(super) struct Taker {
    on_piece: OnPiece,
    handle: RequestBody,
    done: Firer<()>,
}

impl Taker {
    pub(super) fn piece(&mut self, piece: &[u8]) {
        (self.on_piece)(&self.handle, piece);
    }

    /// The body is complete, or will never be.
    pub(super) fn end(self, result: Result<(), Failure>) {
        if !self.done.called() {
            let _ = self.done.fire(result);
        }
    }
}

impl Request {
    pub(super) fn new(head: RequestHead, body: Rc<dyn BodySource>, peer: Address, is_secure: bool) -> Request {
        Request { head, body: RequestBody(body), peer, is_secure, parameters: Vec::new() }
    }

    /// The head; [`Request`] dereferences to it.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The address that it comes from.
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// Whether it came over TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The part of the path that stands for `{name}` in the pattern of its [route](super::Routes), percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| **own == *name).map(|(_, value)| &value[..])
    }

    /// Gives the body to `on_piece` as it comes: pieces of at least one byte, cut anywhere. The loop calls it, never
    /// before this returns. The Deferred fires when the body is complete, and fails with a [`BodyError`] if it will
    /// never be. Cancelling it breaks the connection off. A POST, PUT or PATCH without a length is answered with 411
    /// here.
    ///
    /// For back-pressure, `on_piece` gets a handle that pauses the body.
    #[track_caller]
    pub fn deliver_body(&self, on_piece: impl FnMut(&RequestBody, &[u8]) + 'static) -> Deferred<()> {
        // No length means no body (RFC 9112, section 6.3). If a client sends one all the same, it would be taken for
        // the next request, so the client hears what is missing. By RFC 9110, section 8.6, it should send zero, too.
        if matches!(self.method(), "POST" | "PUT" | "PATCH") && !self.has_length() {
            self.body.0.refuse_length();
            return deferred::fail(BodyError::Refused(Refusal::LengthRequired));
        }
        let source = Rc::downgrade(&self.body.0);
        let (deferred, done) = Deferred::with_canceller(move |_| {
            if let Some(source) = source.upgrade() {
                source.abort();
            }
        });
        let taker = Taker { on_piece: Box::new(on_piece), handle: self.body.clone(), done };
        match self.body.0.take_body(taker) {
            true => deferred,
            false => deferred::fail(BodyError::Taken),
        }
    }

    /// The whole body, at most `limit` bytes. Fails with [`BodyError`]; one that is too large breaks the connection off
    /// if its service does not answer.
    #[track_caller]
    pub fn collect(&self, limit: usize) -> Deferred<Vec<u8>> {
        let body = Rc::new(RefCell::new(Ok(Vec::new())));
        let collected = body.clone();
        let done = self.deliver_body(move |_, piece| {
            let mut body = body.borrow_mut();
            let room = body.as_ref().map_or(0, |body: &Vec<u8>| limit - body.len());
            match &mut *body {
                Ok(body) if piece.len() <= room => body.extend_from_slice(piece),
                _ => *body = Err(BodyError::TooLarge), // What follows is dropped; the limit of the server bounds it.
            }
        });
        done.add_callback(move |()| Ok(collected.replace(Ok(Vec::new()))?))
    }
}

impl Deref for Request {
    type Target = RequestHead;
    fn deref(&self) -> &RequestHead {
        &self.head
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.body.0.body_unwanted();
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {} from {})", self.method(), self.path(), self.peer)
    }
}

/// Steers a body on its way. Clones steer the same body.
#[derive(Clone)]
pub struct RequestBody(Rc<dyn BodySource>);

impl RequestBody {
    /// Stops the body until [`resume_producing`](RequestBody::resume_producing). Nothing is read from the connection
    /// meanwhile, so that TCP slows the client down.
    pub fn pause_producing(&self) {
        self.0.pause_body();
    }

    /// Lets the body go on, from the loop, not before this returns.
    pub fn resume_producing(&self) {
        self.0.resume_body();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.0.is_body_paused()
    }

    /// Breaks the connection off.
    pub fn abort_connection(&self) {
        self.0.abort();
    }
}

/// So a body can wait for the consumer of its bytes.
impl crate::Producer for RequestBody {
    fn pause_producing(&self) {
        RequestBody::pause_producing(self);
    }
    fn resume_producing(&self) {
        RequestBody::resume_producing(self);
    }
    fn stop_producing(&self) {
        self.abort_connection();
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestBody(paused: {})", self.is_paused())
    }
}

/// Why there is no body, or not all of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It was asked for before. A mistake of the service.
    Taken,
    /// It is larger than the service allows.
    TooLarge,
    /// It breaks a rule or a limit of the server.
    Refused(Refusal),
    /// The connection ended first.
    ConnectionLost,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Taken => f.write_str("the body of the request was taken before"),
            BodyError::TooLarge => f.write_str("the body of the request is larger than its service allows"),
            BodyError::Refused(refusal) => write!(f, "the body of the request was refused: {refusal}"),
            BodyError::ConnectionLost => f.write_str("the connection ended before the body of the request did"),
        }
    }
}

impl std::error::Error for BodyError {}

debug_is_display!(BodyError);
