//! Errors say what went wrong, how far the request came and whose fault it is, and they hold no secret.

use super::server::{Server, ok};
use super::wait::wait;
use super::{agent, assert_nothing_is_left, failed, get, outcome};
use reactor::error::ConnectError;
use reactor::http::{AgentError, HttpError, Party, Request, Stage};
use reactor::{Failure, Reactor, Reason};
use std::error::Error;
use std::net::TcpListener;

/// Every text that a program can get out of a failure.
fn told(failure: &Failure) -> String {
    let error: &AgentError = failure.check().unwrap();
    let source = error.source().unwrap();
    format!("{failure}\n{failure:?}\n{}\n{error}\n{error:?}\n{source}\n{source:?}", failure.report())
}

/// The failure of a request full of secrets, to a server that does this.
#[track_caller]
fn check(answer: &'static str, closes: bool, stage: Stage, party: Party, reason: &HttpError) {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, move |transport, _| {
        transport.write(answer.as_bytes());
        if closes {
            transport.lose_connection();
        }
    });
    let agent = agent(&reactor, |settings| {
        settings.limits.body = 1000;
        settings.limits.head = 1000;
    });
    let request = Request::post(server.url("/SECRET?key=SECRET").parse().unwrap(), "SECRET");
    let request = request.header("Authorization", "SECRET").unwrap().header("X-Odd", "SECRET").unwrap();
    let failure = wait(&reactor, agent.fetch(request)).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (stage, party), "{error}");
    assert_eq!(error.reason().check(), Some(reason));
    let told = told(&failure);
    assert!(!told.contains("SECRET"), "{told}");
    assert!(told.contains(&format!("POST {}", server.url(""))), "{told}");
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_broken_answer_is_the_peers_fault_and_one_too_large_is_our_limit() {
    use Party::{Ours, Peer};
    use Stage::{ResponseFailed, ResponseNeverReceived};
    check("", true, ResponseNeverReceived, Peer, &HttpError::Incomplete);
    check("HTTP/1.1 2", true, ResponseFailed, Peer, &HttpError::Incomplete);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour", true, ResponseFailed, Peer, &HttpError::Incomplete);
    check("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", false, ResponseFailed, Peer, &HttpError::BadContentLength);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n";
    check(chunked, false, ResponseFailed, Peer, &HttpError::BadChunk);
    check("HTTP/1.1 101 Switch\r\n\r\n", false, ResponseFailed, Peer, &HttpError::UnexpectedUpgrade);
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
    check(large, false, ResponseFailed, Ours, &HttpError::BodyTooLarge);
}

#[test]
fn a_refused_connection_is_the_networks_fault() {
    let reactor = Reactor::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let agent = agent(&reactor, |_| {});
    let failure = wait(&reactor, agent.fetch(get(&format!("http://{closed}/?SECRET")))).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Network));
    assert!(matches!(error.reason().check(), Some(ConnectError::Failed { .. })), "{error}");
    assert!(!told(&failure).contains("SECRET"));
    assert_nothing_is_left(&reactor, &agent, 0);
}

#[test]
fn a_reset_is_the_networks_fault() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"] {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[answer]);
        let agent = agent(&reactor, |_| {});
        let page = outcome(agent.fetch(get(&server.url("/"))));
        super::util::until(&reactor, "it is asked", || server.asked().len() == 1);
        for _ in 0..5 {
            reactor.iterate(std::time::Duration::ZERO).unwrap();
        }
        server.connection(0).abort_connection();
        let failure = page.get(&reactor).unwrap_err();
        let error: &AgentError = failure.check().unwrap();
        let stage = if answer.is_empty() { Stage::ResponseNeverReceived } else { Stage::ResponseFailed };
        assert_eq!((error.stage(), error.whose_fault()), (stage, Party::Network));
        assert!(matches!(error.reason().check(), Some(Reason::Lost(_))), "{error}");
        assert_nothing_is_left(&reactor, &agent, 1);
    }
}

#[test]
fn an_error_reads_as_a_sentence() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| transport.lose_connection());
    let agent = agent(&reactor, |_| {});
    let failure = wait(&reactor, agent.fetch(get(&server.url("/")))).unwrap_err();
    let expected = format!("GET {}: no answer came: the server's response ended too early", server.url(""));
    assert_eq!(failure.to_string(), expected);
}

/// The port speaks https, and its server answers plain HTTP with a TLS alert.
#[test]
fn plain_http_on_a_port_for_tls_is_told_apart_from_nonsense() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| {
        transport.write(b"\x15\x03\x03\x00\x02\x02\x46");
        transport.lose_connection();
    });
    let agent = agent(&reactor, |_| {});
    let result = wait(&reactor, agent.fetch(get(&server.url("/"))));
    let told = result.as_ref().unwrap_err().to_string();
    assert!(told.ends_with("not HTTP but TLS: the port is one for https"), "{told}");
    assert_eq!(failed(result), (Stage::ResponseFailed, HttpError::Tls));
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn an_agent_without_its_reactor_fails_with_an_error() {
    let reactor = Reactor::new().unwrap();
    let agent = agent(&reactor, |_| {});
    drop(reactor);
    let page = agent.fetch(get("http://name.test/"));
    let seen = outcome(page);
    assert!(seen.is_there());
    let failure = seen.0.take().unwrap().unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Ours));
}

#[test]
fn a_reactor_that_stops_ends_every_request() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, asked| {
        if asked.target() == "/idle" {
            transport.write(ok("").as_bytes());
        }
    });
    let agent = agent(&reactor, |settings| settings.max_open_per_host = 2);
    wait(&reactor, agent.fetch(get(&server.url("/idle")))).unwrap();
    let pages: Vec<_> = (0..4).map(|_| outcome(agent.fetch(get(&server.url("/"))))).collect();
    super::util::until(&reactor, "two are asked", || server.asked().len() == 3);
    reactor.stop();
    reactor.run().unwrap();
    assert!(pages.into_iter().all(|page| page.is_there() && page.get(&reactor).is_err()));
    assert_nothing_is_left(&reactor, &agent, 0);
}

#[test]
fn a_panic_in_a_callback_ends_that_one_request() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
    let agent = agent(&reactor, |_| {});
    let page = agent.request(get(&server.url("/"))).add_callback(|_response| -> Result<(), Failure> { panic!("oh") });
    let page = outcome(page);
    assert!(page.get(&reactor).is_err());
    assert_nothing_is_left(&reactor, &agent, 1);
}
