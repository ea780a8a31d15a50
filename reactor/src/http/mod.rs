//! HTTP/1.1, the client's side: [`Agent`] and what it is made of; [`get_page`] on top.
//!
//! Pure: `response.rs` is the parser: bytes in, events out (httparse reads the head, the framing is ours: `head.rs`,
//! `framing.rs`, `chunked.rs`, and `section.rs` for what comes in pieces; `limits.rs` has the errors). `gzip.rs` and
//! `coding.rs` unpack, `url.rs` takes addresses apart and resolves references, `request.rs` is what is asked.
//!
//! On the loop: `agent.rs` (begin there; it has a map), `redirect.rs`, `exchange.rs`, `pool.rs`, `link.rs`, `proxy.rs`,
//! and `body.rs` for whoever takes an answer. `agent_settings.rs` has every limit with its reason, `agent_error.rs` how
//! far a request came and why no further.
//!
//! Next: the herd in `src/`, which asks a Places service with it.

mod agent;
mod agent_error;
mod agent_settings;
mod body;
mod chunked;
mod coding;
mod exchange;
mod framing;
mod gzip;
mod head;
mod limits;
mod link;
mod page;
mod pool;
mod proxy;
mod redirect;
mod request;
mod response;
mod section;
mod url;

pub use agent::Agent;
pub use agent_error::{AgentError, Party, Stage, TooManyWaiting};
pub use agent_settings::{AgentSettings, Redirects};
pub use body::{BodyEnd, BodyProtocol, BodyTransport, Previous, Response};
pub use gzip::GzipError;
pub use head::{Head, Version};
pub use limits::{Fault, HttpError, Limits};
pub use page::{Page, PageError, PageGetter, get_page};
pub use proxy::{Proxy, ProxyError};
pub use redirect::RedirectError;
pub use request::{Request, RequestError};
pub use response::{ResponseEvent, ResponseParser};
pub use url::{Url, UrlError};
