//! [`Routes`]: services by path and method.
//!
//! A table, looked through from the top: the first pattern that fits wins, so what stands first is what a reader reads
//! first. A server of some dozen routes needs no tree.
//!
//! Next: `origin_check.rs`, what is refused before a route is looked for.

use super::request::Request;
use super::response::Response;
use super::service::Service;
use super::static_file::StaticFile;
use crate::deferred::{Given, IntoDeferred};
use crate::http::url::percent_decoded;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

/// Services by path and method. It is a [`Service`] itself.
///
/// A pattern is a path. `{name}` stands for one segment of it, which is not empty, and `{name..}` at the end for the
/// rest, which may be: see [`Request::parameter`]. The other segments must be equal to the path's, as it came. Segments
/// that stand for a name are percent-decoded; if that is not UTF-8, the route does not fit.
///
/// A path without a route is answered with 404, a method without one with 405. `HEAD` goes to the service of `GET`, and
/// the response is sent without its body. `OPTIONS` is answered here.
///
/// ```
/// use reactor::http::server::{Request, Response, Routes};
///
/// let routes = Routes::new()
///     .get("/", |_request| Response::html("<h1>hello</h1>"))
///     .get("/users/{name}", |request: Request| Response::text(request.parameter("name").unwrap_or("").to_owned()))
///     .post("/users", |request: Request| {
///         request.collect(1000).add_callback(|_body| Ok(Response::new(201)))
///     })
///     .file("/style.css", b"h1 { color: teal }");
/// ```
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
}

struct Route {
    method: String,
    pattern: Vec<Segment>,
    service: Box<dyn Service>,
}

enum Segment {
    Literal(String),
    One(Rc<str>),
    Rest(Rc<str>),
}

impl Routes {
    /// No route yet.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Adds a service for `GET` and `HEAD`.
    ///
    /// # Panics
    /// As [`on`](Routes::on).
    pub fn get<R: IntoDeferred<Value = Response>>(
        self,
        pattern: &str,
        service: impl Fn(Request) -> R + 'static,
    ) -> Routes {
        self.on("GET", pattern, service)
    }

    /// Adds a service for `POST`.
    ///
    /// # Panics
    /// As [`on`](Routes::on).
    pub fn post<R: IntoDeferred<Value = Response>>(
        self,
        pattern: &str,
        service: impl Fn(Request) -> R + 'static,
    ) -> Routes {
        self.on("POST", pattern, service)
    }

    /// Adds a file for `GET` and `HEAD`; its content type follows from the end of the pattern.
    ///
    /// # Panics
    /// As [`on`](Routes::on).
    pub fn file(self, pattern: &str, bytes: &'static [u8]) -> Routes {
        let file = StaticFile::named(pattern, bytes);
        self.on("GET", pattern, file)
    }

    /// Adds a service for any method.
    ///
    /// # Panics
    /// If the pattern does not begin with a slash, or `{name..}` stands before its end: a mistake of the program.
    pub fn on(mut self, method: &str, pattern: &str, service: impl Service + 'static) -> Routes {
        let Some(path) = pattern.strip_prefix('/') else {
            panic!("the pattern {pattern:?} does not begin with a slash")
        };
        let segments: Vec<Segment> = path.split('/').map(segment).collect();
        let rest = segments.iter().position(|segment| matches!(segment, Segment::Rest(_)));
        let is_last = rest.is_none_or(|rest| rest + 1 == segments.len());
        assert!(is_last, "in the pattern {pattern:?}, something follows the rest");
        self.routes.push(Route { method: method.to_owned(), pattern: segments, service: Box::new(service) });
        self
    }
}

fn segment(text: &str) -> Segment {
    let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    match name.map(|name| (name, name.strip_suffix(".."))) {
        Some((_, Some(rest))) => Segment::Rest(rest.into()),
        Some((name, None)) => Segment::One(name.into()),
        None => Segment::Literal(text.to_owned()),
    }
}

/// What a pattern has found in a path.
type Parameters = Vec<(Rc<str>, String)>;

fn find(pattern: &[Segment], path: &str) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for segment in pattern {
        let text = rest?;
        let (first, after) = text.split_once('/').map_or((text, None), |(first, after)| (first, Some(after)));
        match segment {
            Segment::Literal(literal) if literal == first => {}
            Segment::One(name) if !first.is_empty() => parameters.push((name.clone(), decoded(first)?)),
            Segment::Rest(name) => {
                parameters.push((name.clone(), decoded(text)?));
                return Some(parameters);
            }
            Segment::Literal(_) | Segment::One(_) => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(parameters)
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_decoded(text)?).ok()
}

impl Service for Routes {
    fn serve(&self, mut request: Request) -> Given<Response> {
        let mut allowed = BTreeSet::new();
        for route in &self.routes {
            let Some(parameters) = find(&route.pattern, request.path()) else { continue };
            let serves = |method: &str| route.method == method || route.method == "GET" && method == "HEAD";
            if serves(request.method()) {
                request.parameters = parameters;
                return route.service.serve(request);
            }
            allowed.insert(route.method.as_str());
            if serves("HEAD") {
                allowed.insert("HEAD");
            }
        }
        let is_server = request.path() == "*"; // Only OPTIONS asks for that.
        if allowed.is_empty() && !is_server {
            return Response::text("there is nothing here\n").with_status(404).into_given();
        }
        let is_asked = request.method() == "OPTIONS";
        let mut response = match is_asked {
            true => Response::new(204),
            false => Response::text("this method is not served here\n").with_status(405),
        };
        allowed.insert("OPTIONS");
        let allowed: Vec<&str> = allowed.into_iter().collect();
        response.add_checked("Allow", &Cow::Owned::<str>(allowed.join(", ")));
        response.into_given()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Routes({})", self.routes.len())
    }
}
