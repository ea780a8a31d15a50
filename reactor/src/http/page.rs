//! [`get_page`]: a URL in, a Deferred with what it says out. One request on one connection, as Twisted's `getPage`.
//!
//! Unlike Twisted's, it fires as soon as the answer is complete, its time limit covers everything (look-up, connection,
//! TLS, answer), the answer's size is limited, and redirects are not followed.

use super::response::{Head, Limits, ResponseEvent, ResponseParser};
use super::url::Url;
use crate::error::{ConnectError, Reason, TimeoutError};
use crate::event_loop::WeakReactor;
use crate::tls::{TlsClient, TlsConfigError, TrustRoots};
use crate::{
    Address, ClientFactory, Connector, Deferred, DelayedCall, Destination, Failure, Firer, Protocol, Reactor, Transport,
};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// How long an answer may take unless [`PageGetter::timeout`] says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Gets the page at `url` with the roots that browsers trust: the body, if the server says that all is well.
///
/// Fails with [`PageError`] for a status other than 200 to 202, [`UrlError`](super::UrlError), [`ConnectError`],
/// [`HttpError`](super::HttpError), [`Reason`] if the connection broke or TLS failed, or [`TimeoutError`] after 30 s.
/// Cancelling ends the connection.
///
/// ```no_run
/// use reactor::{Reactor, http::get_page};
///
/// let reactor = Reactor::new()?;
/// let stopper = reactor.clone();
/// let _chain = get_page(&reactor, "https://example.com/")
///     .add_callback(|body| println!("{}", String::from_utf8_lossy(&body)))
///     .add_errback(|failure| eprintln!("{failure}"))
///     .add_both(move |_| stopper.stop());
/// # drop(_chain);
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

/// An answer: its head and all of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Status and headers.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

impl Page {
    /// The body, if the status is 200, 201 or 202.
    ///
    /// # Errors
    /// [`PageError`] with all of it, for any other status.
    pub fn into_body(self) -> Result<Vec<u8>, Failure> {
        match self.head.status {
            200..=202 => Ok(self.body),
            _ => Err(PageError(self).into()),
        }
    }
}

/// The server answered, but not with the page. Twisted's `web.error.Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageError(pub Page);

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {} {}", self.0.head.status, self.0.head.reason)
    }
}

impl std::error::Error for PageError {}

/// What [`get_page`] is made of, to be set up once and used often. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PageGetter {
    reactor: WeakReactor,
    tls: TlsClient,
    timeout: Duration,
    limits: Limits,
    agent: String,
}

impl PageGetter {
    /// A getter that trusts `roots`.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(reactor: &Reactor, roots: &TrustRoots) -> Result<PageGetter, TlsConfigError> {
        Ok(PageGetter {
            reactor: reactor.weak(),
            tls: TlsClient::new(reactor, roots, &["http/1.1"])?,
            timeout: TIMEOUT,
            limits: Limits::default(),
            agent: concat!("reactor/", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }

    /// Sets how long an answer may take, from the call to the last byte.
    pub fn timeout(mut self, timeout: Duration) -> PageGetter {
        self.timeout = timeout;
        self
    }

    /// Sets how large an answer may be.
    pub fn limits(mut self, limits: Limits) -> PageGetter {
        self.limits = limits;
        self
    }

    /// Sets the `User-Agent` header; control characters are left out.
    pub fn user_agent(mut self, agent: &str) -> PageGetter {
        self.agent = agent.chars().filter(|c| !c.is_control()).collect();
        self
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
        let Some(reactor) = self.reactor.upgrade() else {
            return crate::deferred::fail(ConnectError::Cancelled);
        };
        let cancelled: Rc<RefCell<Weak<Exchange>>> = Rc::default();
        let this = cancelled.clone();
        let (deferred, firer) = Deferred::with_canceller(move |_| {
            let exchange = cancelled.borrow().upgrade();
            if let Some(exchange) = exchange {
                exchange.break_off();
            }
        });
        let exchange = Rc::new(Exchange {
            firer,
            request: request(url, &self.agent),
            connector: RefCell::new(None),
            transport: RefCell::new(None),
            timer: Cell::new(None),
        });
        *this.borrow_mut() = Rc::downgrade(&exchange);

        let (late, after, what) = (Rc::downgrade(&exchange), self.timeout, format!("the answer of {}", url.host()));
        exchange.timer.set(Some(reactor.call_later(self.timeout, move || {
            if let Some(exchange) = late.upgrade() {
                exchange.finish(Err(TimeoutError { what, after }.into()));
            }
        })));

        let destination = Destination::from((url.host(), url.port())).timeout(self.timeout);
        let factory = PageFactory { exchange: exchange.clone(), limits: self.limits.clone() };
        let connector = match url.is_secure() {
            true => reactor.connect_tcp(destination, self.tls.factory(url.host(), factory)),
            false => reactor.connect_tcp(destination, factory),
        };
        *exchange.connector.borrow_mut() = Some(connector);
        deferred
    }
}

/// `Connection: close` because the connection is used once; `identity` because a coded body would have to be decoded.
fn request(url: &Url, agent: &str) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
        url.target(),
        url.authority()
    )
}

/// One request and whoever waits for its answer.
struct Exchange {
    firer: Firer<Page>,
    request: String,
    connector: RefCell<Option<Connector>>,
    transport: RefCell<Option<Transport>>,
    timer: Cell<Option<DelayedCall>>,
}

impl Exchange {
    /// Fires, once, and ends the connection.
    fn finish(&self, result: Result<Page, Failure>) {
        self.break_off();
        let _ = self.firer.fire(result); // Whoever comes second has nothing to add.
    }

    fn break_off(&self) {
        if let Some(timer) = self.timer.take() {
            let _ = timer.cancel();
        }
        if let Some(connector) = self.connector.take() {
            connector.stop_connecting();
        }
        if let Some(transport) = self.transport.take() {
            transport.abort_connection();
        }
    }
}

struct PageFactory {
    exchange: Rc<Exchange>,
    limits: Limits,
}

impl ClientFactory for PageFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(PageProtocol {
            exchange: self.exchange.clone(),
            parser: ResponseParser::new(self.limits.clone()),
            head: None,
            body: Vec::new(),
        }))
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        self.exchange.finish(Err(failure));
    }
}

struct PageProtocol {
    exchange: Rc<Exchange>,
    parser: ResponseParser,
    head: Option<Head>,
    body: Vec<u8>,
}

impl PageProtocol {
    fn complete(&mut self) {
        // An orderly close, now that nothing is missing: not the break that a failure deserves.
        if let Some(transport) = self.exchange.transport.take() {
            transport.lose_connection();
        }
        if let Some(head) = self.head.take() {
            self.exchange.finish(Ok(Page { head, body: std::mem::take(&mut self.body) }));
        }
    }
}

impl Protocol for PageProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        *self.exchange.transport.borrow_mut() = Some(transport.clone());
        transport.write(self.exchange.request.as_bytes());
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let mut input = data;
        loop {
            match self.parser.next(&mut input) {
                Ok(ResponseEvent::Head(head)) => self.head = Some(head),
                Ok(ResponseEvent::Data(data)) => self.body.extend_from_slice(data),
                Ok(ResponseEvent::NeedMore) => return,
                Ok(ResponseEvent::End) => return self.complete(),
                Err(error) => return self.exchange.finish(Err(error.into())),
            }
        }
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        match self.parser.finish() {
            Ok(()) => self.complete(),
            Err(error) => self.exchange.finish(Err(error.into())),
        }
        transport.lose_connection();
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.exchange.transport.take();
        if !self.exchange.firer.called() {
            self.exchange.finish(Err(reason.clone().into()));
        }
    }
}
