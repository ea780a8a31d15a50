//! [`ClientService`]: a connection that comes back when it is lost. Twisted's `twisted.application.internet`.
//!
//! ```
//! use reactor::service::ClientService;
//! use reactor::{Protocol, Reactor, Transport};
//!
//! struct Silent;
//! impl Protocol for Silent {
//!     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
//! }
//! let reactor = Reactor::new()?;
//! let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Silent)?;
//!
//! let service = ClientService::new(&reactor, port.host(), |_peer| Silent);
//! service.start();
//! let stopper = service.clone();
//! let said = service.when_connected().add_callback(move |transport| {
//!     transport.write(b"hello");
//!     stopper.stop()
//! });
//! reactor.run_until(said)?;
//! # Ok::<(), reactor::Failure>(())
//! ```
//!
//! | Twisted | here |
//! |---|---|
//! | `ClientService(endpoint, factory)` | [`ClientService::new`]; a TLS endpoint: [`ClientService::over_tls`] |
//! | `ClientService(.., prepareConnection=f)` | [`ClientService::prepared`]; its value is what `f` makes |
//! | `retryPolicy`, `backoffPolicy` | [`Backoff`] |
//! | `whenConnected(failAfterFailures=n)` | [`ClientService::when_connected_within`] |
//! | `startService`, `stopService` | [`ClientService::start`], [`ClientService::stop`] |
//! | `ReconnectingClientFactory` | none: it works with one kind of connection only, and its user must reset its delay |
//!
//! Next: [`settings.rs`](../../src/reactor/service/settings.rs.html), its limits.

mod attempt;
mod backoff;
mod client;
mod machine;
mod settings;
mod waiters;

pub use backoff::Backoff;
pub use client::ClientService;
pub use settings::{ServiceError, ServiceSettings};
