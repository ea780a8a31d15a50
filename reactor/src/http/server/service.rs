//! [`Service`]: what answers requests. Most services are closures.
//!
//! Next: `request.rs`, what it gets.

use super::request::Request;
use super::response::Response;
use crate::deferred::{Given, IntoDeferred};

/// Answers requests. Twisted's `Resource.render`.
///
/// A closure is one, if it takes a [`Request`] and returns a [`Response`], a `Result<Response, Failure>`, or a
/// `Deferred<Response>`. A failure is logged, and answered with the status 500.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer requests",
    label = "a `Service` is wanted here",
    note = "a service is a closure that returns a response: `|_request| Response::text(\"hello\")`",
    note = "a closure that uses the request names its type: `|request: Request| ...`"
)]
pub trait Service {
    /// Answers one request: at once, or with a Deferred. If the connection ends first, the Deferred is cancelled.
    fn serve(&self, request: Request) -> Given<Response>;
}

impl<F, R> Service for F
where
    F: Fn(Request) -> R,
    R: IntoDeferred<Value = Response>,
{
    fn serve(&self, request: Request) -> Given<Response> {
        self(request).into_given()
    }
}
