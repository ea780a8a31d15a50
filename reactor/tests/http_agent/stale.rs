//! Kept connections that the server has closed: which requests are retried and which are not.

use super::server::{Asked, Server, ok};
use super::wait::wait;
use super::{agent, assert_nothing_is_left, body, get, outcome};
use reactor::http::{Agent, AgentError, Request, Stage};
use reactor::{Failure, Protocol, Reactor, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A server that answers the first request of each connection, up to `good` connections, and does `bad` at any other.
fn server(reactor: &Reactor, good: usize, bad: fn(&Transport)) -> Server {
    let mut seen = Vec::new();
    Server::new(reactor, move |transport, asked| {
        let is_first = !seen.contains(&asked.connection);
        seen.push(asked.connection);
        match is_first && asked.connection < good {
            true => transport.write(ok(&format!("from {}", asked.connection)).as_bytes()),
            false => bad(transport),
        }
    })
}

/// Makes a kept connection with one request, and returns the result of `request` on it.
fn ask_on_kept(reactor: &Reactor, agent: &Agent, server: &Server, request: Request) -> Result<String, Failure> {
    assert_eq!(body(wait(reactor, agent.fetch(get(&server.url("/first"))))), "from 0");
    assert_eq!(agent.idle_connection_count(), 1);
    wait(reactor, agent.fetch(request)).map(|page| String::from_utf8(page.body).unwrap())
}

#[track_caller]
fn check(method: &str, good: usize, bad: fn(&Transport), expected: Result<&str, Stage>, opened: usize) {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor, good, bad);
    let agent = agent(&reactor, |_| {});
    let request = Request::new(method, server.url("/second").parse().unwrap()).unwrap();
    let result = ask_on_kept(&reactor, &agent, &server, request);
    let result = result.as_deref().map_err(|failure| failure.check::<AgentError>().unwrap().stage());
    assert_eq!(result, expected, "{method}");
    assert_eq!(server.opened(), opened, "{method}");
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
}

const CLOSES: fn(&Transport) = |transport| transport.lose_connection();
const RESETS: fn(&Transport) = |transport| transport.abort_connection();

#[test]
fn an_idempotent_request_is_retried_on_a_new_connection() {
    for bad in [CLOSES, RESETS] {
        for method in ["GET", "OPTIONS", "PUT", "DELETE"] {
            check(method, 9, bad, Ok("from 1"), 2);
        }
    }
}

#[test]
fn a_request_that_is_not_idempotent_is_not_retried() {
    for bad in [CLOSES, RESETS] {
        for method in ["POST", "PATCH", "get"] {
            check(method, 9, bad, Err(Stage::ResponseNeverReceived), 1);
        }
    }
}

#[test]
fn a_request_marked_as_idempotent_is_retried() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor, 9, CLOSES);
    let agent = agent(&reactor, |_| {});
    let search = Request::post(server.url("/second").parse().unwrap(), "what").idempotent();
    assert_eq!(ask_on_kept(&reactor, &agent, &server, search).unwrap(), "from 1");
    assert_eq!(server.lines()[1..], ["POST /second what"; 2]);
}

#[test]
fn a_request_is_retried_only_once() {
    for bad in [CLOSES, RESETS] {
        check("GET", 1, bad, Err(Stage::ResponseNeverReceived), 2);
    }
}

#[test]
fn after_a_byte_of_the_response_nothing_is_retried() {
    let bad = |transport: &Transport| {
        transport.write(b"H");
        transport.lose_connection();
    };
    check("GET", 9, bad, Err(Stage::ResponseFailed), 1);
}

#[test]
fn a_request_on_a_new_connection_is_not_retried() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| transport.lose_connection());
    let agent = agent(&reactor, |_| {});
    let failure = wait(&reactor, agent.fetch(get(&server.url("/")))).unwrap_err();
    assert_eq!(failure.check::<AgentError>().unwrap().stage(), Stage::ResponseNeverReceived);
    assert_eq!(server.opened(), 1);
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_retried_request_comes_before_waiting_ones() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor, 9, CLOSES);
    let agent = agent(&reactor, |settings| settings.max_open_per_host = 1);
    assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/first"))))), "from 0");
    let pages = ["/a", "/b"].map(|target| outcome(agent.fetch(get(&server.url(target)))));
    assert_eq!(agent.waiting_request_count(), 1);
    for page in pages {
        page.get(&reactor).unwrap();
    }
    let targets: Vec<_> = server.asked().iter().map(Asked::line).collect();
    // Each of the two meets a stale connection first.
    assert_eq!(targets, ["GET /first", "GET /a", "GET /a", "GET /b", "GET /b"]);
}

#[test]
fn a_retried_request_sends_its_body_again() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor, 9, RESETS);
    let agent = agent(&reactor, |_| {});
    let request = Request::new("PUT", server.url("/second").parse().unwrap()).unwrap().body("the body");
    assert_eq!(ask_on_kept(&reactor, &agent, &server, request).unwrap(), "from 1");
    assert_eq!(server.lines()[1..], ["PUT /second the body", "PUT /second the body"]);
}

#[test]
fn an_early_response_to_a_long_request_counts() {
    /// Answers a GET and keeps its transport. Of a longer request it reads only the beginning.
    struct Early(Rc<RefCell<Vec<Transport>>>);
    impl Protocol for Early {
        fn connection_made(&mut self, transport: &Transport) {
            self.0.borrow_mut().push(transport.clone());
        }
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            match data.starts_with(b"GET") {
                true => transport.write(ok("first").as_bytes()),
                false => transport.pause_producing(),
            }
        }
    }
    let reactor = Reactor::new().unwrap();
    let connections: Rc<RefCell<Vec<Transport>>> = Rc::default();
    let kept = connections.clone();
    let url = format!("http://{}/", reactor.listen_tcp("127.0.0.1:0", move |_| Early(kept.clone())).unwrap().host());
    let agent = agent(&reactor, |_| {});
    assert_eq!(body(wait(&reactor, agent.fetch(get(&url)))), "first");
    let page = outcome(agent.fetch(Request::post(url.parse().unwrap(), vec![0; 32 * 1024 * 1024])));
    // Until the system's buffers are full and no more bytes leave.
    for _ in 0..1000 {
        reactor.iterate(Duration::ZERO).unwrap();
    }
    connections.borrow()[0].write(ok("early").as_bytes());
    assert_eq!(body(page.get(&reactor)), "early");
    assert_eq!(connections.borrow().len(), 1);
}
