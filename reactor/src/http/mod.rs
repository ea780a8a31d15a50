//! HTTP/1.1, the client's side: [`Agent`] and what it is made of; [`get_page`] on top.
//!
//! Next: `url.rs`.

mod chunked;
mod client;
mod coding;
mod framing;
mod gzip;
mod head;
mod limits;
mod response;
mod section;
mod url;

pub use client::{
    Agent, AgentError, AgentSettings, BodyEnd, BodyProtocol, BodyTransport, Page, PageError, PageGetter, Party,
    Previous, Proxy, ProxyError, RedirectError, Redirects, Request, RequestError, Response, Stage, TooManyWaiting,
    get_page,
};
pub use gzip::GzipError;
pub use head::{Head, Version};
pub use limits::{Fault, HttpError, Limits};
pub use response::{ResponseEvent, ResponseParser};
pub use url::{Url, UrlError};
