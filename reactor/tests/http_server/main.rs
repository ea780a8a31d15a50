//! The HTTP server: in memory, in the simulated world, and beside other people's clients and servers.

#[path = "../util/certificates.rs"]
mod certificates;
#[path = "../util/pem.rs"]
mod pem;
#[path = "../util/skip.rs"]
mod skip;

mod answers;
mod bodies;
mod curl;
mod differential;
mod ends;
mod origins;
mod peers;
mod routes;
mod streams;
mod times;
mod turns;
mod world;

use reactor::http::server::{HttpServer, Request, Response, ServerSettings, Service};
use reactor::testing::{ManualClock, StringTransport};
use reactor::{Address, Factory, Protocol, Reason, Transport};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// One connection to a server, in memory. The test is the loop.
struct Peer {
    protocol: Box<dyn Protocol>,
    wire: Rc<StringTransport>,
    transport: Transport,
    /// Bytes that came while the server had paused.
    waiting: VecDeque<Vec<u8>>,
    was_paused: bool,
}

impl Peer {
    fn new(server: &HttpServer) -> Peer {
        let mut protocol = server.bare_factory().build_protocol(&Address::Unknown).expect("it takes everybody");
        let wire = StringTransport::new();
        let transport = wire.transport();
        protocol.connection_made(&transport);
        Peer { protocol, wire, transport, waiting: VecDeque::new(), was_paused: false }
    }

    /// Sends `bytes`, and returns what the server has written since the last call.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.waiting.push_back(bytes.as_ref().to_vec());
        self.turn()
    }

    /// Lets the loop go on, and returns what the server has written since the last call.
    fn turn(&mut self) -> String {
        loop {
            if self.wire.is_losing() || self.wire.is_aborted() || self.transport.is_paused() {
                self.was_paused = self.transport.is_paused();
                break;
            }
            if std::mem::take(&mut self.was_paused) {
                self.protocol.reading_resumed(&self.transport);
                self.was_paused = self.transport.is_paused();
                continue;
            }
            let Some(bytes) = self.waiting.pop_front() else { break };
            self.protocol.data_received(&self.transport, &bytes);
            self.was_paused = self.transport.is_paused();
        }
        self.take()
    }

    fn take(&mut self) -> String {
        String::from_utf8(self.wire.take_written()).expect("the tests send text")
    }

    fn end_sending(&mut self) -> String {
        self.protocol.read_connection_lost(&self.transport);
        self.take()
    }

    fn is_open(&self) -> bool {
        !self.wire.is_losing() && !self.wire.is_aborted()
    }

    fn lose(&mut self) {
        self.protocol.connection_lost(&Reason::Done);
    }
}

/// Puts by what a service gets or makes, for the test to take out.
type Shelf<T> = Rc<RefCell<Vec<T>>>;

/// A server with a clock that stands still, and a connection to it.
fn serve(service: impl Service + 'static) -> Peer {
    Peer::new(&HttpServer::new(&ManualClock::new(), service))
}

fn serve_with(change: impl FnOnce(&mut ServerSettings), service: impl Service + 'static) -> (Peer, ManualClock) {
    let clock = ManualClock::new();
    let mut settings = ServerSettings::default();
    change(&mut settings);
    (Peer::new(&HttpServer::with_settings(&clock, settings, service)), clock)
}

/// Answers with method, path and query.
fn echo(request: Request) -> Response {
    Response::text(format!("{} {}", request.method(), request.target()))
}

/// A request without a body.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A response with this text, after which the connection goes on.
fn text(text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}")
}

/// The same, after which it closes.
fn last_text(text: &str) -> String {
    let length = text.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    )
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
