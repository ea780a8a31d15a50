//! [`Response`]: a response from the moment when its head has come, and [`Page`]: a complete one.
//!
//! Until the program takes the body, the connection is paused. If it drops the `Response` instead, the connection is
//! freed. (In Twisted such a connection is held for ever.)
//!
//! Next: `pool.rs`, which connection an exchange gets.

use super::body::{BodyEnd, BodyProtocol, BodySource, BodyTransport, Collector};
use crate::error::debug_is_display;
use crate::http::head::Head;
use crate::http::url::Url;
use crate::{Deferred, Failure};
use std::fmt;
use std::rc::Rc;

/// A redirect that was followed. `Debug` does not show the query, which may hold secrets.
#[derive(Clone)]
pub struct Previous {
    /// The URL that was requested.
    pub url: Url,
    /// The head of the redirect.
    pub head: Head,
}

impl fmt::Debug for Previous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Previous({} of {})", self.head.status, self.url.without_query())
    }
}

/// A response: its head has come, its body may still be on the way. Dropping it ends the transfer of the body.
pub struct Response {
    head: Head,
    source: Rc<dyn BodySource>,
    previous: Vec<Previous>,
}

impl Response {
    pub(super) fn new(head: Head, source: Rc<dyn BodySource>) -> Response {
        Response { head, source, previous: Vec::new() }
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

    /// Gives the body to `protocol` as it comes. The loop calls it, not before this returns. Twisted's `deliverBody`.
    pub fn deliver_body(self, protocol: impl BodyProtocol + 'static) -> BodyTransport {
        self.source.deliver(Box::new(protocol));
        BodyTransport::new(self.source.clone())
    }

    /// The whole body, at most `limit` bytes. Twisted's `readBody`, which has no limit.
    ///
    /// A body that only the end of the connection delimits counts as whole. Fails with
    /// [`AgentError`](super::AgentError); cancelling ends the connection.
    #[track_caller]
    pub fn collect(self, limit: usize) -> Deferred<Vec<u8>> {
        match self.source.take_end() {
            Some(BodyEnd::ResponseFailed(failure)) => return Deferred::from_result(Err(failure)),
            Some(_) => return crate::deferred::succeed(Vec::new()),
            None => {}
        }
        let unwanted = Rc::downgrade(&self.source);
        let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(source) = unwanted.upgrade() {
                source.abandon();
            }
        });
        self.source.deliver(Box::new(Collector::new(firer, limit)));
        deferred
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        self.source.abandon_unless_delivered();
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} redirects before)", self.head.status, self.previous.len())
    }
}

/// A whole response: its head and all of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Status and headers.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

impl Page {
    /// The body, if the status is 200, 201 or 202.
    ///
    /// # Errors
    /// [`PageError`], which has the whole page, for any other status.
    pub fn into_body(self) -> Result<Vec<u8>, Failure> {
        match self.head.status {
            200..=202 => Ok(self.body),
            _ => Err(PageError(self).into()),
        }
    }
}

/// The server answered, but not with the page. Twisted's `web.error.Error`.
#[derive(Clone, PartialEq, Eq)]
pub struct PageError(pub Page);

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {} {}", self.0.head.status, self.0.head.reason())
    }
}

impl std::error::Error for PageError {}

debug_is_display!(PageError);
