//! The HTTP client. It is a layer above the loop: it connects, sets timers and keeps a pool, so it knows the reactor.
//! The bytes are read and written by the sans-I/O files of [`crate::http`], which know nothing of it.
//!
//! # The way of one request
//!
//! 1. `agent.rs`: [`Agent::request`] works out the deadline of the whole request. If redirects are to be followed, it
//!    hands over to `redirect.rs`, which goes through the next steps once for each redirect.
//! 2. `exchange.rs`: `start` makes the exchange, which is this one request: its deadlines, its retry, its cancellation.
//!    It sets the timer and submits the exchange to the pool.
//! 3. `pool.rs`: `submit` finds an idle connection to the same origin, or opens one, or puts the exchange into a queue.
//! 4. `route.rs`: `connect`, if one is opened. It says where TCP goes and which protocols run on it: perhaps a tunnel
//!    through a proxy (`tunnel.rs`), perhaps TLS, and on top the connection's own.
//! 5. `connection.rs`: `begin`, as soon as the connection is ready. It makes a reader for the response and has the
//!    exchange write the request (`upload.rs`).
//! 6. `connection.rs`: `receive`, for each piece that comes. `reader.rs` turns it into events for the exchange.
//! 7. `exchange.rs`: `head_received` fires the Deferred of step 2 with a [`Response`] (`response.rs`). The body goes to
//!    a `BodyProtocol` (`delivery.rs`, `body.rs`).
//! 8. `connection.rs`: `complete`. First the pool gets the connection back and gives it to the next exchange that
//!    waits; then the program hears of the end, so that it finds the pool in order.
//!
//! Imports go the same way and never back. What calls upwards does so through a trait that stands below: the pool and a
//! connection see an exchange as `ConnectionUser`, a connection sees its pool as `ConnectionOwner` (`connection.rs`),
//! the program's handles see an exchange as `BodySource` (`body.rs`).
//!
//! # Ownership: what keeps what alive
//!
//! The timer of the whole deadline holds the exchange, the exchange holds its connection and the pool, a connection has
//! only weak references back, and the pool holds idle connections only. So a dropped reactor drops everything, and a
//! dropped agent closes what is idle while requests go on.
//!
//! Next: `agent.rs`, the front.

mod agent;
mod body;
mod connection;
mod delivery;
mod error;
mod exchange;
mod origin;
mod page;
mod pool;
mod proxy;
mod reader;
mod redirect;
mod request;
mod response;
mod route;
mod settings;
mod timing;
mod tunnel;
mod upload;

pub use agent::Agent;
pub use body::{BodyEnd, BodyProtocol, BodyTransport};
pub use error::{AgentError, Party, ProxyError, RedirectError, Stage, TooManyWaiting};
pub use page::{PageGetter, get_page};
pub use proxy::Proxy;
pub use request::{Request, RequestError};
pub use response::{Page, PageError, Previous, Response};
pub use settings::{AgentSettings, Redirects};
pub use timing::{RequestStep, RequestTiming};
