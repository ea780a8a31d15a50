//! Maximum times, on a clock that is advanced by hand.

use super::certificates::Authority;
use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{
    Outcome, SECOND, agent, agent_trusting, assert_nothing_is_left, body, failed, forward, get, outcome, with_clock,
};
use reactor::error::ConnectError;
use reactor::http::{Agent, AgentError, AgentSettings, BodyEnd, Party, Redirects, Request, Stage};
use reactor::tls::TlsServer;
use reactor::{Protocol, Reactor, TimeoutError, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Limits that differ, so that a test can tell them apart.
fn limits(settings: &mut AgentSettings) {
    settings.connect_timeout = 2 * SECOND;
    settings.handshake_timeout = 3 * SECOND;
    settings.first_byte_timeout = 4 * SECOND;
    settings.timeout = 10 * SECOND;
}

fn turns(reactor: &Reactor) {
    for _ in 0..10 {
        reactor.iterate(Duration::ZERO).unwrap();
    }
}

/// `page` fails after `after` and not sooner, and nothing is left.
#[track_caller]
fn is_late<T: 'static>(
    (reactor, hooks): &(Reactor, super::driver::Hooks),
    agent: &Agent,
    page: Outcome<T>,
    after: Duration,
    others: usize,
) -> (Stage, TimeoutError) {
    let instant = SECOND / 10; // The real clock may add this much meanwhile.
    forward(hooks, after - instant);
    turns(reactor);
    assert!(!page.is_there(), "too early");
    forward(hooks, instant);
    let result = failed(page.get(reactor));
    assert_nothing_is_left(reactor, agent, others);
    result
}

#[test]
fn the_connection_look_up_included() {
    let world = with_clock();
    *world.1.resolve.borrow_mut() = Some(Box::new(|_, _| {}));
    let agent = agent(&world.0, limits);
    let page = outcome(agent.fetch(get("http://name.test/")));
    turns(&world.0);
    forward(&world.1, 2 * SECOND);
    let failure = page.get(&world.0).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Network));
    assert!(matches!(error.reason().check(), Some(ConnectError::Timeout { after, .. }) if *after == 2 * SECOND));
    assert_nothing_is_left(&world.0, &agent, 0);
}

#[test]
fn the_handshake() {
    let world = with_clock();
    let server = Server::silent(&world.0);
    let agent = agent(&world.0, limits);
    let page = outcome(agent.fetch(get(&format!("https://localhost:{}", server.port.host().port()))));
    until(&world.0, "both ends are there", || server.opened() == 1);
    let (stage, error) = is_late(&world, &agent, page, 3 * SECOND, 1);
    assert_eq!((stage, error.after), (Stage::RequestNotSent, 3 * SECOND));
    assert!(error.what.contains("handshake"), "{error}");
}

#[test]
fn the_first_byte_until_the_head_is_whole() {
    for begun in ["", "HTTP/1.1 200 OK\r\nX: "] {
        let world = with_clock();
        let server = Server::saying(&world.0, &[begun]);
        let agent = agent(&world.0, limits);
        let page = outcome(agent.fetch(get(&server.url("/"))));
        until(&world.0, "it is asked", || server.asked().len() == 1);
        turns(&world.0);
        let (stage, error) = is_late(&world, &agent, page, 4 * SECOND, 1);
        assert_eq!(error.after, 4 * SECOND);
        assert!(error.what.contains("head"), "{error}");
        let expected = if begun.is_empty() { Stage::ResponseNeverReceived } else { Stage::ResponseFailed };
        assert_eq!(stage, expected);
    }
}

/// Reads nothing of a request until the test says so.
struct Slow {
    secure: bool,
    transport: Rc<RefCell<Option<Transport>>>,
}

impl Slow {
    fn pause(&self, transport: &Transport) {
        transport.pause_producing();
        self.transport.replace(Some(transport.clone()));
    }
}

impl Protocol for Slow {
    fn connection_made(&mut self, transport: &Transport) {
        if !self.secure {
            self.pause(transport);
        }
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        self.pause(transport);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn the_time_for_the_first_byte_begins_when_the_request_has_gone_out() {
    for secure in [false, true] {
        let (world, authority) = (with_clock(), Authority::new());
        let (reactor, hooks) = &world;
        let identity = authority.issue("localhost", 2999);
        let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap();
        let reader: Rc<RefCell<Option<Transport>>> = Rc::default();
        let transport = reader.clone();
        let build = move |_| Slow { secure, transport: transport.clone() };
        let port = match secure {
            true => reactor.listen_tcp("127.0.0.1:0", tls.factory(build)).unwrap(),
            false => reactor.listen_tcp("127.0.0.1:0", build).unwrap(),
        };
        let scheme = if secure { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", port.host().port()).parse().unwrap();
        let agent = agent_trusting(reactor, &authority.roots(), |settings| {
            limits(settings);
            settings.timeout = 60 * SECOND; // On a busy machine, sending so much takes more than a second of real time.
        });
        let page = outcome(agent.fetch(Request::post(url, vec![0; 32 * 1024 * 1024])));
        until(reactor, "the server is there", || reader.borrow().is_some());
        (0..100).for_each(|_| turns(reactor)); // As much is sent as the system takes.
        forward(hooks, 5 * SECOND); // Longer than the handshake or the first byte may take.
        turns(reactor);
        assert!(!page.is_there());
        let transport = reader.borrow().clone().unwrap();
        transport.resume_producing();
        (0..1000).for_each(|_| turns(reactor)); // All of it is read.
        forward(hooks, 4 * SECOND);
        let (stage, error): (Stage, TimeoutError) = failed(page.get(reactor));
        assert_eq!((stage, error.after), (Stage::ResponseNeverReceived, 4 * SECOND));
    }
}

#[test]
fn the_whole_and_a_drip_cannot_extend_it() {
    let world = with_clock();
    let server = Server::saying(&world.0, &["HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]);
    let agent = agent(&world.0, limits);
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 1);
    turns(&world.0);
    for _ in 0..9 {
        forward(&world.1, SECOND);
        server.connection(0).write(b"x");
        turns(&world.0);
        assert!(!page.is_there());
    }
    let (stage, error) = is_late(&world, &agent, page, SECOND, 1);
    assert_eq!((stage, error.after), (Stage::ResponseFailed, 10 * SECOND));
}

#[test]
fn a_redirects_own_body_is_not_waited_for() {
    let world = with_clock();
    let server = Server::new(&world.0, |transport, asked| match asked.target() {
        "/x" => transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\narrived"),
        _ => transport.write(b"HTTP/1.1 302 Go\r\nLocation: /x\r\nContent-Length: 9\r\n\r\n"),
    });
    let agent = agent(&world.0, |settings| {
        limits(settings);
        settings.redirects = Redirects::Follow { limit: 3 };
    });
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 1);
    turns(&world.0);
    forward(&world.1, SECOND);
    until(&world.0, "the answer is there", || page.is_there());
    assert_eq!(server.opened(), 2);
}

#[test]
fn the_whole_includes_waiting_for_a_connection() {
    let world = with_clock();
    let server = Server::saying(&world.0, &["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"]);
    let agent = agent(&world.0, |settings| {
        limits(settings);
        settings.max_open_per_host = 1;
    });
    let first = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 1);
    turns(&world.0);
    forward(&world.1, SECOND);
    turns(&world.0);
    let second = outcome(agent.fetch(get(&server.url("/"))));
    forward(&world.1, 9 * SECOND);
    // The first is over. The second has a second left, and spends all of it waiting for the head.
    assert!(first.get(&world.0).is_err());
    until(&world.0, "the second is asked", || server.asked().len() == 2);
    turns(&world.0);
    assert!(!second.is_there());
    forward(&world.1, SECOND);
    turns(&world.0);
    assert!(second.is_there(), "the head may take longer, but not longer than the whole");
    let (_, error): (Stage, TimeoutError) = failed(second.get(&world.0));
    assert_eq!(error.after, 10 * SECOND);
    assert_nothing_is_left(&world.0, &agent, 1);
}

#[test]
fn the_whole_includes_every_redirect() {
    let world = with_clock();
    let server = Server::silent(&world.0);
    let agent = agent(&world.0, |settings| {
        limits(settings);
        settings.redirects = Redirects::Follow { limit: 20 };
    });
    let page = outcome(agent.fetch(get(&server.url("/"))));
    for asked in 1..4 {
        until(&world.0, "it is asked", || server.asked().len() == asked);
        turns(&world.0);
        forward(&world.1, 3 * SECOND);
        server.connection(0).write(b"HTTP/1.1 302 Go\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n");
    }
    until(&world.0, "it is asked", || server.asked().len() == 4);
    let (_, error) = is_late(&world, &agent, page, SECOND, 1);
    assert_eq!(error.after, 10 * SECOND);
}

#[test]
fn the_whole_also_ends_a_body_that_nobody_takes() {
    let world = with_clock();
    let server = Server::saying(&world.0, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
    let agent = agent(&world.0, limits);
    let response = wait(&world.0, agent.request(get(&server.url("/")))).unwrap();
    let other = wait(&world.0, agent.request(get(&server.url("/")))).unwrap();
    turns(&world.0);
    assert_eq!(agent.open_connection_count(), 2);
    forward(&world.1, 10 * SECOND);
    assert_nothing_is_left(&world.0, &agent, 1);
    let (stage, error): (Stage, TimeoutError) = failed(wait(&world.0, response.collect(100)));
    assert_eq!((stage, error.after), (Stage::ResponseFailed, 10 * SECOND));
    let taker = super::bodies::Taker::new(|_| {});
    other.deliver_body(taker.clone());
    until(&world.0, "it is told", || taker.is_over());
    assert!(matches!(taker.seen.borrow().end, Some(BodyEnd::ResponseFailed(_))));
}

#[test]
fn time_left_over_by_a_quick_step_is_not_passed_on() {
    let world = with_clock();
    let server = Server::silent(&world.0);
    let agent = agent(&world.0, limits);
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 1);
    server.connection(0).write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    turns(&world.0);
    forward(&world.1, 8 * SECOND); // Longer than the head may take; but it has come.
    turns(&world.0);
    server.connection(0).write(b"body");
    assert_eq!(body(page.get(&world.0)), "body");
    let late = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 2);
    server.connection(0).write(ok("again").as_bytes());
    assert_eq!(body(late.get(&world.0)), "again");
    wait(&world.0, agent.close_idle()).unwrap();
    assert_nothing_is_left(&world.0, &agent, 1);
}

#[test]
fn deadlines_may_be_infinite() {
    let world = with_clock();
    let server = Server::silent(&world.0);
    let agent = agent(&world.0, |settings| {
        (settings.connect_timeout, settings.handshake_timeout) = (Duration::MAX, Duration::MAX);
        (settings.first_byte_timeout, settings.timeout) = (Duration::MAX, Duration::MAX);
        settings.idle_timeout = Duration::MAX;
    });
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&world.0, "it is asked", || server.asked().len() == 1);
    forward(&world.1, 1_000_000 * SECOND);
    turns(&world.0);
    assert!(!page.is_there());
    server.connection(0).write(ok("at last").as_bytes());
    assert_eq!(body(page.get(&world.0)), "at last");
    assert_eq!(agent.idle_connection_count(), 1);
}
