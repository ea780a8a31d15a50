//! [`Agent`]: requests out, responses in, over connections that are kept. Twisted's `Agent` together with what its
//! users wrap around it: pool, redirects, gzip, proxies.
//!
//! It differs from Twisted's in four ways. Everything has a deadline. All connections are limited, not only idle ones.
//! Requests wait in a bounded queue. A response that the program drops holds no connection.
//!
//! Next: `settings.rs`, its limits.

use super::exchange;
use super::pool::Pool;
use super::redirect;
use super::request::Request;
use super::response::{Page, Response};
use super::route::Route;
use super::settings::{AgentSettings, Redirects};
use crate::tls::{TlsClient, TlsConfigError, TrustRoots};
use crate::{Deferred, Reactor, deferred};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

/// Maximum time of a request, a hundred years: adding `Duration::MAX` to an instant would overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// An HTTP client with a pool of connections. Cheap to clone; clones share the pool.
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor::http::{Agent, Request};
/// use reactor::tls::TrustRoots;
///
/// let reactor = Reactor::new()?;
/// let agent = Agent::new(&reactor, &TrustRoots::web())?;
/// let stopper = reactor.clone();
/// agent
///     .fetch(Request::get("https://example.com/".parse()?))
///     .add_callback(|page| println!("{}: {} bytes", page.head.status, page.body.len()))
///     .add_errback(|failure| eprintln!("{failure}"))
///     .add_both(move |_| stopper.stop())
///     .detach();
/// reactor.run()?;
/// # Ok::<(), reactor::Failure>(())
/// ```
#[derive(Clone)]
pub struct Agent {
    pool: Rc<Pool>,
}

impl Agent {
    /// An agent that trusts `roots`, with the default settings. TLS works as in a browser: the server's certificate
    /// must be for the host name in the URL.
    ///
    /// # Errors
    /// If there are no roots.
    pub fn new(reactor: &Reactor, roots: &TrustRoots) -> Result<Agent, TlsConfigError> {
        Agent::with_settings(reactor, roots, AgentSettings::default())
    }

    /// An agent that trusts `roots`, with these settings.
    ///
    /// # Errors
    /// If there are no roots.
    pub fn with_settings(
        reactor: &Reactor,
        roots: &TrustRoots,
        settings: AgentSettings,
    ) -> Result<Agent, TlsConfigError> {
        let tls = TlsClient::new(reactor, roots, &["http/1.1"])?;
        Ok(Agent { pool: Pool::new(Route::new(reactor.weak(), tls, settings)) })
    }

    /// Another agent on the same reactor and with the same trust, with these settings and a pool of its own.
    pub(super) fn sibling(&self, settings: AgentSettings) -> Agent {
        Agent { pool: Pool::new(self.pool.route().with_settings(settings)) }
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &AgentSettings {
        self.pool.route().settings()
    }

    /// Sends `request`. Fires at the head of the response; take the body from the [`Response`], or drop the
    /// `Response`.
    ///
    /// Fails with [`AgentError`](super::AgentError). Cancelling frees all that the request holds: its place in the
    /// queue, the connection attempt, the connection.
    #[track_caller]
    pub fn request(&self, request: Request) -> Deferred<Response> {
        let reactor = self.pool.route().reactor();
        let end = reactor.map(|reactor| reactor.now() + self.settings().timeout.min(MAX_TIMEOUT));
        let asked = Location::caller();
        match self.settings().redirects {
            Redirects::None => exchange::start(&self.pool, request, asked, end),
            Redirects::Follow { limit } => {
                Deferred::from_future(redirect::follow(self.pool.clone(), request, asked, limit, end))
            }
        }
    }

    /// Sends `request` and gathers the body, up to [`Limits::body`](crate::http::Limits::body). Fails and cancels as
    /// [`request`](Agent::request) does.
    #[track_caller]
    pub fn fetch(&self, request: Request) -> Deferred<Page> {
        let limit = usize::try_from(self.settings().limits.body).unwrap_or(usize::MAX);
        self.request(request).add_callback(move |response| {
            let head = response.head().clone();
            response.collect(limit).add_callback(|body| Ok(Page { head, body }))
        })
    }

    /// Closes the idle connections and fires when they are gone. Connections that carry a request stay.
    #[track_caller]
    pub fn close_idle(&self) -> Deferred<()> {
        deferred::deferred_list(self.pool.close_idle()).add_callback(|_| Ok(()))
    }

    /// Number of connections: those being made, those that carry a request, idle and closing ones.
    pub fn open_connection_count(&self) -> usize {
        self.pool.open()
    }

    /// Number of connections that are kept for the next request.
    pub fn idle_connection_count(&self) -> usize {
        self.pool.idle()
    }

    /// Number of requests that wait for a connection.
    pub fn waiting_request_count(&self) -> usize {
        self.pool.waiting()
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle, waiting) =
            (self.open_connection_count(), self.idle_connection_count(), self.waiting_request_count());
        write!(f, "Agent(open: {open}, idle: {idle}, waiting: {waiting})")
    }
}
