//! HTTP/1.1: the client [`Agent`], [`get_page`] on top of it, the [`server`], and the parsers below.
//!
//! ```text
//!   client/      Agent and its parts: a layer above the loop, knows reactor, TLS and time
//!   server/      HttpServer and its parts: a protocol, knows transports and time
//!   ---------------------------------------------------------------------------------------------------
//!   response.rs    one response, from bytes to events
//!   framing.rs       where its body ends            gzip.rs, coding.rs    a compressed body
//!   chunked.rs       a body in chunks               url.rs                addresses
//!   head.rs          status line and headers        limits.rs             maximum sizes, and the errors
//!   section.rs       header lines in pieces
//!   request.rs     the requests of a connection, from bytes to events
//!   request_head.rs  request line and headers       refusal.rs            what is refused, and with which status
//! ```
//!
//! It needs the feature `http`, which is on by default.
//!
//! The files in this folder are sans-I/O. They turn bytes into values, and import nothing of the loop, of TLS, of the
//! client or of the server.
//!
//! Next: [`url.rs`](../../src/reactor/http/url.rs.html), the address of a request.

mod chunked;
mod client;
mod coding;
mod framing;
mod gzip;
mod head;
mod limits;
mod refusal;
mod request;
mod request_head;
mod response;
mod section;
pub mod server;
mod url;

pub use client::{
    Agent, AgentError, AgentSettings, BodyEnd, BodyProtocol, BodyTransport, Page, PageError, PageGetter, Party,
    Previous, Proxy, ProxyError, RedirectError, Redirects, Request, RequestError, RequestStep, RequestTiming, Response,
    Stage, TooManyWaiting, get_page,
};
pub use gzip::GzipError;
pub use head::{Head, Version};
pub use limits::{Fault, HttpError, Limits};
pub use refusal::Refusal;
pub use request::{RequestEvent, RequestParser};
pub use request_head::RequestHead;
pub use response::{ResponseEvent, ResponseParser};
pub use url::{Url, UrlError};
