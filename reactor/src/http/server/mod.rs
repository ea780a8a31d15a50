//! The HTTP server. A [`Service`] answers requests, an [`HttpServer`] speaks HTTP/1.1 for it.
//!
//! ```no_run
//! use reactor::Reactor;
//! use reactor::http::server::{HttpServer, Request, Response, Routes};
//!
//! let reactor = Reactor::new()?;
//! let routes = Routes::new()
//!     .get("/", |_request| Response::html("<h1>hello</h1>"))
//!     .post("/length", |request: Request| {
//!         request.collect(100_000).add_callback(|body| Ok(Response::text(body.len().to_string())))
//!     });
//! reactor.listen_tcp("127.0.0.1:8080", HttpServer::new(&reactor, routes).factory())?;
//! reactor.run()?;
//! # Ok::<(), reactor::Failure>(())
//! ```
//!
//! Nobody who connects is trusted: [`ServerSettings`] has the limits, [`Refusal`](super::Refusal) the rules.
//!
//! # The way of one request
//!
//! 1. `connection.rs`: `receive` asks the parser (`../request.rs`) for the next event. A head makes a [`Request`].
//! 2. `service.rs`: the [`Service`] answers, at once or with a Deferred. It may take the body first (`request.rs`).
//! 3. `sending.rs`: the [`Response`] goes out, with its head and body in one write. If a [`BodyWriter`] writes the body
//!    (`writer.rs`), it writes to the transport from then on. [`EventSender`] is a writer of events.
//! 4. `connection.rs`: when the request and its response are complete, the loop goes on with the next request.
//!
//! | Twisted | here |
//! |---|---|
//! | `Site` | [`HttpServer`] |
//! | `Resource.render`, `NOT_DONE_YET` | [`Service`]: a [`Response`], or a Deferred of one |
//! | `Resource.putChild`, `getChild` | [`Routes`] |
//! | `Request.content` | [`Request::collect`], [`Request::deliver_body`]: it is not read before it is asked for |
//! | `Request.write`, `finish`, `registerProducer`, `notifyFinish` | [`BodyWriter`] |
//! | `static.File` | [`StaticFile`], compiled in; files of a disk are not served |
//! | (none) | [`OriginCheck`]: what the pages of other sites must not ask for |
//! | `HTTPChannel.timeOut` | [`ServerSettings`], a limit for each step |
//!
//! Next: [`settings.rs`](../../../src/reactor/http/server/settings.rs.html), its limits.

mod connection;
mod date;
mod events;
mod http_server;
mod origin_check;
mod protocol;
mod request;
mod response;
mod routes;
mod sending;
mod service;
mod settings;
mod shared;
mod static_file;
mod status;
mod turns;
mod waiting;
mod writer;

pub use events::{Event, EventChannel, EventSender};
pub use http_server::HttpServer;
pub use origin_check::OriginCheck;
pub use request::{BodyError, Request, RequestBody};
pub use response::{HeaderError, Response};
pub use routes::Routes;
pub use service::Service;
pub use settings::ServerSettings;
pub use shared::ServerCounts;
pub use static_file::StaticFile;
pub use writer::BodyWriter;
