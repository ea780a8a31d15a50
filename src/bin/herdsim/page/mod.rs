//! The simulated herd on a page: real servers in a [`World`](reactor::sim::World), under the mouse. It is the page that
//! a server has (`src/page`), with more tools; `docs/page.md` describes it, `docs/design/page.md` says why it is so.
//!
//! ```text
//!   GET  /          the page: the files of a server's page, and those in `page/files`
//!   GET  /events    what happens, as Server-Sent Events (`feed.rs`)
//!   POST /do        one wish of the viewer, a line: `play`, `go 12.5`, `kill Alford` (`film.rs`, `act.rs`)
//!
//!   real reactor:   HTTP --> Feed --> Film --> Show: World of Server Server ... and Book
//!                                       |
//!                         another time: a new Show, run to there with the same acts
//! ```
//!
//! A run is its seed, its settings, and each act with its place in the run: an [`Address`]. So whatever a mouse does
//! can be done again, by a test, by `--replay`, or by somebody else.
//!
//! Next: `act.rs`, what a person does.

mod act;
mod address;
mod feed;
mod film;
mod hands;
mod journal;
mod lessons;
mod parked;
mod people;
mod picture;
mod replay;
mod show;

pub(crate) use address::{Address, MAX_LENGTH, Settings};
pub(crate) use replay::replay;

use feed::Feed;
use film::Film;
use proxyherd::page::{ErrorStatus, routes, with_files};
use reactor::http::server::{HttpServer, OriginCheck, Request, Response, ServerSettings};
use reactor::{Failure, Reactor};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// The port of the page, unless the command line has another.
pub(crate) const PORT: u16 = 12_400;

/// The maximum number of connections. Each viewer has one that stays.
const MAX_CONNECTIONS: usize = 64;

/// The maximum number of bytes of events that wait for a viewer that does not read. A herd of 200 servers takes about
/// one million bytes to describe.
const MAX_BACKLOG: usize = 16 << 20;

/// The files that a server's page does not have.
const FILES: &[(&str, &[u8])] = &[
    ("/sim.html", include_bytes!("files/sim.html")),
    ("/sim.css", include_bytes!("files/sim.css")),
    ("/sim.js", include_bytes!("files/sim.js")),
    ("/flights.js", include_bytes!("files/flights.js")),
    ("/tools.js", include_bytes!("files/tools.js")),
];

/// Serves the page until the process is told to stop. It begins with this run.
///
/// # Errors
/// One line that says why there is no such run, or no page.
pub(crate) fn serve(address: Address, port: u16, print: impl Fn(&str)) -> Result<(), String> {
    let reactor = Reactor::new().map_err(|error| format!("there is no event loop: {error}"))?;
    let film = Film::new(address, 1.0)?;
    let at = open(&reactor, film, port).map_err(|failure| format!("the page cannot be opened: {failure}"))?;
    print(&format!("page: http://{at}/\n"));
    reactor.run().map_err(|error| format!("the event loop has failed: {error}"))
}

/// Opens the page, on this machine alone: anybody who reaches it may do everything to the herd.
fn open(reactor: &Reactor, film: Film, port: u16) -> Result<SocketAddr, Failure> {
    let feed = Feed::new(reactor, film);
    let (viewed, asked) = (feed.clone(), feed);
    let routes = with_files(routes()?, FILES)?.get("/events", move |_request| viewed.subscribe()).post(
        "/do",
        move |request: Request| {
            let (feed, status) = (asked.clone(), ErrorStatus::asked_by(&request));
            request.collect(MAX_LENGTH).add_callback(move |body| Ok(answer(&feed, &body, status)))
        },
    );
    let mut settings = ServerSettings::default();
    settings.limits.body = MAX_LENGTH as u64;
    settings.max_connections = MAX_CONNECTIONS;
    settings.max_per_address = MAX_CONNECTIONS; // All come from this machine.
    settings.max_event_backlog = MAX_BACKLOG;
    let http = HttpServer::with_settings(reactor, settings, OriginCheck::new(routes));
    let port = reactor.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), http.factory())?;
    Ok(port.host())
}

fn answer(feed: &Rc<Feed>, body: &[u8], status: ErrorStatus) -> Response {
    let wished = std::str::from_utf8(body).map_err(|_| "this is not UTF-8".to_owned());
    match wished.and_then(|text| feed.wish(text)) {
        Ok(()) => Response::json("{}".to_owned()),
        Err(why) => status.refuse(400, &why),
    }
}

#[cfg(test)]
mod tests;
