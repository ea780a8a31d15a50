//! [`OriginCheck`]: refuses what a browser sends in the name of somebody else's page.
//!
//! A page of any web site can make its visitor's browser send requests to a server that only the visitor can reach: one
//! on the same machine, or in the same network. Three checks stand against that:
//!
//! * *DNS rebinding*: the foreign page's own name leads to our address, so the browser takes us for its site. But
//!   `Host` still has that name. So we serve only names that we know. An IP address cannot be rebound, as nobody looks
//!   it up.
//! * *Cross-origin requests*: `Origin` names the page that sends the request, and must be our own.
//! * *Requests without `Origin`*, such as those of `<img>` and `<script>`: `Sec-Fetch-Site` says that another site
//!   sends them. Only a person who follows a link to us is let in.
//!
//! A fourth check is the browser's own. Another site's page may name our JSON in a `<script>`. What is served says
//! `X-Content-Type-Options: nosniff`, so the browser runs only what has the type of a script.
//!
//! A program that is not a browser sends none of these headers, or any that it likes: this check authenticates nobody.
//!
//! Sources: RFC 6454, section 7.3 (`Origin`); W3C, Fetch Metadata Request Headers; RFC 9110, section 15.5.20 (421);
//! the Fetch standard (`nosniff`).
//!
//! Next: `static_file.rs`, files that were compiled in.

use super::request::Request;
use super::response::Response;
use super::service::Service;
use crate::deferred::{Given, IntoDeferred};
use std::fmt;
use std::net::IpAddr;

/// A service that only its own pages may use: see the introduction of this file. Everything else is answered with 421
/// if `Host` has a name that is not served, and with 403 if another site's page asks.
///
/// ```
/// use reactor::http::server::{OriginCheck, Response, Routes};
///
/// let routes = Routes::new().get("/", |_request| Response::html("<h1>only for this machine</h1>"));
/// let service = OriginCheck::new(routes).host("status.example.com");
/// # let _ = service;
/// ```
pub struct OriginCheck<S> {
    inner: S,
    hosts: Vec<String>,
}

impl<S: Service> OriginCheck<S> {
    /// Serves requests to IP addresses and to `localhost`, from their own pages.
    pub fn new(inner: S) -> OriginCheck<S> {
        OriginCheck { inner, hosts: vec!["localhost".to_owned()] }
    }

    /// Serves this name, too, at any port. Upper and lower case are the same.
    #[must_use]
    pub fn host(mut self, name: &str) -> OriginCheck<S> {
        self.hosts.push(name.to_owned());
        self
    }

    /// Why a request is refused, if it is: the status and a line for a person.
    fn refusal(&self, request: &Request) -> Option<(u16, &'static str)> {
        let host = match one(request, "host") {
            Header::Missing => None, // HTTP/1.0, which no browser speaks.
            Header::One(host) if self.serves(host) => Some(host),
            Header::One(_) | Header::Bad => return Some((421, "this name is not served here\n")),
        };
        let is_own = match one(request, "origin") {
            Header::Missing => !self.is_from_elsewhere(request),
            Header::One(origin) => host.is_some_and(|host| is_origin_of(origin, host)),
            Header::Bad => false,
        };
        (!is_own).then_some((403, "the page of another site may not ask for this\n"))
    }

    /// Whether a `Host`, with or without a port, is an IP address or a name of ours.
    fn serves(&self, host: &str) -> bool {
        let name = without_port(host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        address.parse::<IpAddr>().is_ok() || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether the browser says that another site's page sends this, and it is not a link that a person follows.
    fn is_from_elsewhere(&self, request: &Request) -> bool {
        let is_own = match one(request, "sec-fetch-site") {
            Header::Missing => true, // No browser, or an old one.
            Header::One(site) => matches!(site, "same-origin" | "none"),
            Header::Bad => false,
        };
        let is_link = matches!(one(request, "sec-fetch-mode"), Header::One("navigate"))
            && matches!(one(request, "sec-fetch-dest"), Header::One("document"))
            && matches!(request.method(), "GET" | "HEAD");
        !is_own && !is_link
    }
}

/// A header that may stand there once.
enum Header<'r> {
    Missing,
    One(&'r str),
    /// It is not text, or stands there twice.
    Bad,
}

fn one<'r>(request: &'r Request, name: &'r str) -> Header<'r> {
    let mut all = request.header(name);
    match (all.next().map(std::str::from_utf8), all.next()) {
        (None, _) => Header::Missing,
        (Some(Ok(value)), None) => Header::One(value),
        (Some(_), _) => Header::Bad,
    }
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

/// Whether this is the origin of a page at `host`. It may be `https` although we speak HTTP: a proxy before us may
/// speak TLS.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

impl<S: Service> Service for OriginCheck<S> {
    fn serve(&self, request: Request) -> Given<Response> {
        let given = match self.refusal(&request) {
            None => self.inner.serve(request),
            Some((status, why)) => Response::text(why).with_status(status).into_given(),
        };
        match given {
            Given::Ready(result) => Given::Ready(result.map(without_sniffing)),
            Given::Pending(response) => {
                Given::Pending(response.add_callback(|response| Ok(without_sniffing(response))))
            }
        }
    }
}

fn without_sniffing(mut response: Response) -> Response {
    response.forbid_sniffing();
    response
}

impl<S> fmt::Debug for OriginCheck<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OriginCheck({})", self.hosts.join(", "))
    }
}
