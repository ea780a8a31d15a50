//! Redirects: where a response sends us, and whether we go. Twisted's `BrowserLikeRedirectAgent`.
//!
//! The rules are a browser's (the Fetch standard). 303 becomes a GET, and so does a POST after 301 or 302; 307 and 308
//! keep method and body. Credentials do not go to another origin, and no redirect leads from https to http.
//!
//! Next: `page.rs`, all of it in one call.

use super::error::{AgentError, RedirectError, Stage};
use super::exchange;
use super::pool::Pool;
use super::request::Request;
use super::response::{Previous, Response};
use crate::http::framing::is_redirect;
use crate::http::head::Head;
use crate::http::url::UrlError;
use crate::{CancelledError, Failure, TimeoutError};
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Maximum bytes of a redirect's own body that are read to make its connection reusable.
const MAX_BODY: usize = 64 * 1024;

/// Maximum time for that; then the connection is given up.
const MAX_BODY_TIME: Duration = Duration::from_secs(1);

/// Sends `request`, which the program asked for at `asked`, and follows at most `limit` redirects.
pub(super) async fn follow(
    pool: Rc<Pool>,
    mut request: Request,
    asked: &'static Location<'static>,
    limit: usize,
    end: Option<Instant>,
) -> Result<Response, Failure> {
    let mut previous = Vec::new();
    loop {
        let response = exchange::start(&pool, request.clone(), asked, end).await?;
        let next = match next(&request, response.head()) {
            Ok(None) => return Ok(response.with_previous(previous)),
            Ok(Some(_)) if previous.len() == limit => Err(RedirectError::TooMany { limit }),
            Ok(Some(next)) => Ok(next),
            Err(error) => Err(error),
        };
        let next = next.map_err(|error| AgentError::new(Stage::ResponseFailed, &request, error))?;
        previous.push(Previous { url: request.url().clone(), head: response.head().clone() });
        request = next;
        if is_too_long(response.head()) {
            drop(response); // And its connection with it: another one costs less than this body.
            continue;
        }
        // If reading the body fails, we go on without that connection. Two failures are not about the body but about
        // all that we do here: a cancel, and the deadline of the whole request.
        let mut body = response.collect(MAX_BODY);
        if let Some(reactor) = pool.route().reactor() {
            body = body.add_timeout(MAX_BODY_TIME, &reactor);
        }
        if let Err(failure) = body.await
            && ends_all(&failure)
        {
            return Err(failure);
        }
    }
}

/// Whether the announced body is longer than we would read.
fn is_too_long(head: &Head) -> bool {
    let lengths = head.header("content-length").filter_map(|length| std::str::from_utf8(length).ok()?.parse().ok());
    lengths.max().is_some_and(|length: u64| length > MAX_BODY as u64)
}

/// Whether a failure ends the whole request and not only a redirect's body.
fn ends_all(failure: &Failure) -> bool {
    let is_late = |error: &AgentError| error.reason().check::<TimeoutError>().is_some();
    failure.check::<CancelledError>().is_some() || failure.check().is_some_and(is_late)
}

/// The next request, if this response is a redirect.
fn next(request: &Request, head: &Head) -> Result<Option<Request>, RedirectError> {
    if !is_redirect(head.status) {
        return Ok(None);
    }
    let method = match (head.status, request.method()) {
        (301 | 302, "POST") => "GET",
        (303, "HEAD") => "HEAD",
        (303, _) => "GET",
        (_, method) => method,
    };
    let mut locations = head.header("location");
    let (Some(location), None) = (locations.next(), locations.next()) else { return Err(RedirectError::NoLocation) };
    let location = std::str::from_utf8(location).map_err(|_| RedirectError::BadLocation(UrlError::Character))?;
    let url = request.url().join(location).map_err(RedirectError::BadLocation)?;
    if request.url().is_secure() && !url.is_secure() {
        return Err(RedirectError::Insecure);
    }
    request.redirected(url, method).map(Some).ok_or(RedirectError::Secret)
}
