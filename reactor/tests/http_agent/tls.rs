//! Over TLS: names, kept connections, and bytes that an attacker slips in.

use super::bodies::Taker;
use super::certificates::Authority;
use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{agent_trusting, assert_nothing_is_left, body, get, outcome};
use reactor::http::{Agent, AgentError, AgentSettings, BodyEnd, Party, Request, Stage};
use reactor::tls::{TlsConfigError, TlsServer};
use reactor::{Reactor, Reason};

fn tls(reactor: &Reactor, authority: &Authority, name: &str) -> TlsServer {
    let identity = authority.issue(name, 2999);
    TlsServer::new(reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap()
}

/// An agent that connects to `server`, whatever the host.
fn agent_to(reactor: &Reactor, authority: &Authority, server: &Server, set: fn(&mut AgentSettings)) -> Agent {
    let to = server.port.host();
    agent_trusting(reactor, &authority.roots(), |settings| {
        settings.connect_to = Some((to.ip().to_string(), to.port()));
        set(settings);
    })
}

#[test]
fn a_kept_connection_to_another_address_keeps_the_name_of_its_url() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::secure(&reactor, &tls(&reactor, &authority, "maps.test"), |transport, asked| {
        transport.write(ok(asked.header("host").unwrap()).as_bytes());
    });
    let agent = agent_to(&reactor, &authority, &server, |_| {});
    for _ in 0..3 {
        assert_eq!(body(wait(&reactor, agent.fetch(get("https://maps.test/")))), "maps.test");
    }
    assert_eq!((server.opened(), agent.idle_connection_count()), (1, 1));
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
    until(&reactor, "the server saw an orderly end", || server.lost() == ["Done"]);
}

#[test]
fn a_server_with_another_name_gets_no_request() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::secure(&reactor, &tls(&reactor, &authority, "other.test"), |_, _| {});
    let agent = agent_to(&reactor, &authority, &server, |_| {});
    let failure = wait(&reactor, agent.fetch(get("https://maps.test/?key=SECRET"))).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Peer));
    assert!(matches!(error.reason().check(), Some(Reason::Tls(_))), "{error}");
    assert!(!format!("{error} {failure:?} {}", failure.report()).contains("SECRET"));
    assert!(server.asked().is_empty());
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_host_that_no_certificate_could_be_for_is_our_own_mistake() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::secure(&reactor, &tls(&reactor, &authority, "a.test"), |_, _| {});
    let agent = agent_to(&reactor, &authority, &server, |_| {});
    let failure = wait(&reactor, agent.fetch(get("https://-..-/"))).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Ours));
    assert!(matches!(error.reason().check(), Some(TlsConfigError::BadName(_))), "{error}");
    assert_nothing_is_left(&reactor, &agent, 1);
}

/// As much as a TLS record holds and TLS gives to a protocol at once, so that a response of this length comes alone.
const RECORD: usize = 16 * 1024;

#[test]
fn a_response_that_comes_before_its_request_is_not_used() {
    for method in ["GET", "POST"] {
        let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
        let server = Server::secure(&reactor, &tls(&reactor, &authority, "maps.test"), |transport, asked| {
            match asked.target() {
                "/one" => {
                    let head = ok(&"x".repeat(RECORD)).len() - RECORD;
                    transport.write(ok(&"x".repeat(RECORD - head)).as_bytes());
                    transport.write(ok("evil").as_bytes()); // The connection now belongs to the waiting request.
                }
                _ => transport.write(ok("good").as_bytes()),
            }
        });
        let agent = agent_to(&reactor, &authority, &server, |settings| settings.max_open_per_host = 1);
        let one = outcome(agent.fetch(get("https://maps.test/one")));
        let two = Request::new(method, "https://maps.test/two".parse().unwrap()).unwrap();
        let two = outcome(agent.fetch(two));
        assert!(body(one.get(&reactor)).starts_with("xxx"));
        assert_eq!(body(two.get(&reactor)), "good", "nothing of it was sent: also a POST may go elsewhere");
        assert_eq!((server.opened(), server.asked().len()), (2, 2));
    }
}

#[test]
fn a_close_notify_ends_a_body_safely_and_its_absence_does_not() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::secure(&reactor, &tls(&reactor, &authority, "maps.test"), |transport, asked| {
        transport.write(b"HTTP/1.1 200 OK\r\n\r\nall of it");
        match asked.target() {
            "/fair" => transport.lose_connection(),
            _ => transport.abort_connection(),
        }
    });
    let agent = agent_to(&reactor, &authority, &server, |_| {});
    let taker = Taker::new(|_| {});
    wait(&reactor, agent.request(get("https://maps.test/fair"))).unwrap().deliver_body(taker.clone());
    until(&reactor, "the end", || taker.is_over());
    assert!(matches!(taker.seen.borrow().end, Some(BodyEnd::ResponseDone)));
    let failure = wait(&reactor, agent.fetch(get("https://maps.test/foul"))).unwrap_err();
    assert_ne!(failure.check::<AgentError>().unwrap().stage(), Stage::RequestNotSent);
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn large_bodies_go_both_ways_and_pauses_hold() {
    const LARGE: usize = 4 * 1024 * 1024;
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::secure(&reactor, &tls(&reactor, &authority, "maps.test"), |transport, asked| {
        transport.write(ok(asked.text.split_once("\r\n\r\n").unwrap().1).as_bytes());
    });
    let agent = agent_to(&reactor, &authority, &server, |_| {});
    let request = Request::post("https://maps.test/".parse().unwrap(), "y".repeat(LARGE));
    let taker = Taker::new(|body| body.pause_producing());
    let response = wait(&reactor, agent.request(request)).unwrap();
    let body = response.deliver_body(taker.clone());
    until(&reactor, "the end", || {
        body.resume_producing();
        taker.is_over()
    });
    assert!(taker.seen.borrow().data == "y".repeat(LARGE).as_bytes());
    assert_eq!(agent.idle_connection_count(), 1);
}
