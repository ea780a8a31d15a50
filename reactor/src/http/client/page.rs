//! [`get_page`]: a URL in, a Deferred with the page out. One request on one connection, like Twisted's `getPage`.
//!
//! It differs from Twisted's: it fires as soon as the response is complete, its time limit covers everything (look-up,
//! connection, TLS, response), the size of the response is limited, and redirects are not followed.
//!
//! Next: `../server/mod.rs`, the other side.

use super::agent::Agent;
use super::error::AgentError;
use super::request::Request;
use super::response::Page;
use super::settings::AgentSettings;
use crate::http::limits::Limits;
use crate::http::url::Url;
use crate::tls::{TlsConfigError, TrustRoots};
use crate::{Deferred, Reactor};
use std::time::Duration;

/// Maximum time for a page unless [`PageGetter::timeout`] sets another.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Gets the page at `url`, trusting the roots that browsers trust. Fires with the body if the status is 200, 201 or
/// 202.
///
/// Fails with [`PageError`](super::PageError) for any other status, with [`UrlError`](crate::http::UrlError),
/// [`ConnectError`](crate::error::ConnectError), [`HttpError`](crate::http::HttpError), [`Reason`](crate::Reason) if
/// the connection broke or TLS failed, or [`TimeoutError`](crate::TimeoutError) after 30 s. Cancelling ends the
/// connection.
///
/// ```no_run
/// use reactor::{Reactor, http::get_page};
///
/// let reactor = Reactor::new()?;
/// let stopper = reactor.clone();
/// get_page(&reactor, "https://example.com/")
///     .add_callback(|body| println!("{}", String::from_utf8_lossy(&body)))
///     .add_errback(|failure| eprintln!("{failure}"))
///     .add_both(move |_| stopper.stop())
///     .detach();
/// reactor.run()?;
/// # Ok::<(), reactor::Failure>(())
/// ```
#[track_caller]
pub fn get_page(reactor: &Reactor, url: &str) -> Deferred<Vec<u8>> {
    match PageGetter::new(reactor, &TrustRoots::web()) {
        Ok(getter) => getter.get(url).add_callback(Page::into_body),
        Err(error) => crate::deferred::fail(error),
    }
}

/// [`get_page`] with settings, to be made once and used often: an [`Agent`] that keeps no connection and follows no
/// redirect. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PageGetter {
    agent: Agent,
}

impl PageGetter {
    /// A getter that trusts `roots`.
    ///
    /// # Errors
    /// If there are no roots.
    pub fn new(reactor: &Reactor, roots: &TrustRoots) -> Result<PageGetter, TlsConfigError> {
        // Each page has a connection of its own, and none waits for that of another.
        let settings = AgentSettings {
            max_idle_per_host: 0,
            max_open: usize::MAX,
            max_open_per_host: usize::MAX,
            ..AgentSettings::default()
        };
        let agent = Agent::with_settings(reactor, roots, settings)?;
        Ok(PageGetter { agent }.timeout(TIMEOUT))
    }

    /// With the old agent goes its pool, but that one keeps no connections.
    fn set(self, set: impl FnOnce(&mut AgentSettings)) -> PageGetter {
        let mut settings = self.agent.settings().clone();
        set(&mut settings);
        PageGetter { agent: self.agent.sibling(settings) }
    }

    /// Sets the maximum time for a page, from the call to the last byte.
    pub fn timeout(self, timeout: Duration) -> PageGetter {
        self.set(|settings| {
            settings.timeout = timeout;
            (settings.connect_timeout, settings.handshake_timeout) = (timeout, timeout);
            settings.first_byte_timeout = timeout;
        })
    }

    /// Sets the maximum sizes of a response.
    pub fn limits(self, limits: Limits) -> PageGetter {
        self.set(|settings| settings.limits = limits)
    }

    /// Sets the `User-Agent` header; control characters are left out.
    pub fn user_agent(self, agent: &str) -> PageGetter {
        self.set(|settings| settings.user_agent = agent.to_owned())
    }

    /// Gets the page at `url`, whatever its status. Fails and cancels as [`get_page`] does.
    #[track_caller]
    pub fn get(&self, url: &str) -> Deferred<Page> {
        match url.parse::<Url>() {
            Ok(url) => self.get_url(&url),
            Err(error) => crate::deferred::fail::<Page>(error),
        }
    }

    /// As [`get`](PageGetter::get), for a URL that has been parsed already.
    #[track_caller]
    pub fn get_url(&self, url: &Url) -> Deferred<Page> {
        // The caller hears why there is no page, not how far the request came.
        self.agent.fetch(Request::get(url.clone())).add_errback(|failure| {
            let reason = failure.check().map(|error: &AgentError| error.reason().clone());
            Err(reason.unwrap_or(failure))
        })
    }
}
