//! A cancel frees everything, wherever the request is.

use super::certificates::Authority;
use super::driver::{Hooks, edited};
use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{Outcome, agent, agent_trusting, assert_nothing_is_left, body, get, outcome};
use reactor::http::{Agent, Page, Proxy, Redirects, Request};
use reactor::{CancelledError, Protocol, Reactor, Settings, Transport};
use std::rc::Rc;

/// Cancels `page`: it fails with `CancelledError`, and nothing of the agent's is left.
#[track_caller]
fn cancel(reactor: &Reactor, agent: &Agent, page: Outcome<Page>, others: usize) {
    page.1.cancel();
    assert!(page.is_there());
    assert_eq!(page.get(reactor).unwrap_err().check(), Some(&CancelledError));
    assert_nothing_is_left(reactor, agent, others);
}

#[test]
fn in_the_queue() {
    let reactor = Reactor::new().unwrap();
    let server = Server::silent(&reactor);
    let agent = agent(&reactor, |settings| settings.max_open_per_host = 1);
    let first = outcome(agent.fetch(get(&server.url("/first"))));
    let [two, three] = ["/two", "/three"].map(|target| outcome(agent.fetch(get(&server.url(target)))));
    assert_eq!(agent.waiting_request_count(), 2);
    two.1.cancel();
    assert_eq!(agent.waiting_request_count(), 1);
    assert_eq!(two.get(&reactor).unwrap_err().check(), Some(&CancelledError));
    // The other requests are still there, in order.
    until(&reactor, "the first is asked", || server.asked().len() == 1);
    server.connection(0).write(ok("").as_bytes());
    first.get(&reactor).unwrap();
    until(&reactor, "the third is asked", || server.lines() == ["GET /first", "GET /three"]);
    cancel(&reactor, &agent, three, 1);
}

#[test]
fn before_the_loop_has_begun_to_connect() {
    let reactor = Reactor::new().unwrap();
    let server = Server::silent(&reactor);
    let agent = agent(&reactor, |_| {});
    let page = outcome(agent.fetch(get(&server.url("/"))));
    cancel(&reactor, &agent, page, 1);
    assert_eq!(server.opened(), 0);
}

#[test]
fn during_the_look_up() {
    let hooks = Hooks::default();
    let reactor = edited(&hooks, Settings::default());
    let kept = Rc::new(std::cell::RefCell::new(Vec::new()));
    let replies = kept.clone();
    *hooks.resolve.borrow_mut() = Some(Box::new(move |_, reply| replies.borrow_mut().push(reply)));
    let agent = agent(&reactor, |_| {});
    let page = outcome(agent.fetch(get("http://name.test/")));
    until(&reactor, "the look-up is asked for", || kept.borrow().len() == 1);
    cancel(&reactor, &agent, page, 0);
    // The answer comes too late and has no effect.
    kept.borrow_mut().pop().unwrap()(Ok(vec!["127.0.0.1:0".parse().unwrap()]));
    reactor.iterate(std::time::Duration::ZERO).unwrap();
    assert_nothing_is_left(&reactor, &agent, 0);
}

/// A server that accepts connections and never answers; it reads only if the test wants that.
fn mute(reactor: &Reactor, reads: bool) -> reactor::ListeningPort {
    struct Mute(bool);
    impl Protocol for Mute {
        fn connection_made(&mut self, transport: &Transport) {
            if !self.0 {
                transport.pause_producing();
            }
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    reactor.listen_tcp("127.0.0.1:0", move |_| Mute(reads)).unwrap()
}

#[test]
fn during_the_handshake() {
    let reactor = Reactor::new().unwrap();
    let port = mute(&reactor, true);
    let agent = agent(&reactor, |_| {});
    let page = outcome(agent.fetch(get(&format!("https://localhost:{}", port.host().port()))));
    until(&reactor, "both ends are there", || reactor.source_count() == 3);
    cancel(&reactor, &agent, page, 1);
}

#[test]
fn while_a_proxy_is_asked_for_a_tunnel() {
    let reactor = Reactor::new().unwrap();
    let proxy = Server::silent(&reactor);
    let url: Proxy = proxy.url("").parse().unwrap();
    let agent = agent(&reactor, |settings| settings.proxy = Some(url));
    let page = outcome(agent.fetch(get("https://name.test/")));
    until(&reactor, "the proxy is asked", || proxy.asked().len() == 1);
    cancel(&reactor, &agent, page, 1);
}

#[test]
fn while_the_request_is_being_sent() {
    let reactor = Reactor::new().unwrap();
    let port = mute(&reactor, false);
    let agent = agent(&reactor, |_| {});
    let url = format!("http://{}", port.host()).parse().unwrap();
    let page = outcome(agent.fetch(Request::post(url, vec![0; 32 * 1024 * 1024])));
    until(&reactor, "both ends are there", || reactor.source_count() == 3);
    for _ in 0..20 {
        reactor.iterate(std::time::Duration::ZERO).unwrap();
    }
    page.1.cancel();
    assert_eq!(page.get(&reactor).unwrap_err().check(), Some(&CancelledError));
    // The mute end is paused: it does not notice, and is not ours.
    until(&reactor, "our end is gone", || agent.open_connection_count() == 0);
    assert_eq!(reactor.delayed_call_count(), 0);
}

#[test]
fn while_the_head_is_waited_for() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &["HTTP/1.1 200"]);
    let agent = agent(&reactor, |_| {});
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&reactor, "it is asked", || server.asked().len() == 1);
    cancel(&reactor, &agent, page, 1);
    until(&reactor, "the server saw the reset", || server.lost() == ["Lost"]);
}

#[test]
fn while_the_body_comes() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
    let agent = agent(&reactor, |_| {});
    // The head has come, and the body is being collected.
    let response = wait(&reactor, agent.request(get(&server.url("/")))).unwrap();
    let body = response.collect(100);
    for _ in 0..5 {
        reactor.iterate(std::time::Duration::ZERO).unwrap();
    }
    body.cancel();
    assert_eq!(wait(&reactor, body).unwrap_err().check(), Some(&CancelledError));
    assert_nothing_is_left(&reactor, &agent, 1);
    // The same with one Deferred for both.
    let page = outcome(agent.fetch(get(&server.url("/"))));
    until(&reactor, "it is asked", || server.asked().len() == 2);
    for _ in 0..5 {
        reactor.iterate(std::time::Duration::ZERO).unwrap();
    }
    cancel(&reactor, &agent, page, 1);
}

#[test]
fn between_redirects() {
    for at in 1..=2 {
        let reactor = Reactor::new().unwrap();
        let server = Server::new(&reactor, move |transport, asked| match asked.target() {
            "/silent" => {}
            // A redirect with a body that never ends, or one that leads to silence.
            _ if at == 1 => transport.write(b"HTTP/1.1 302 Go\r\nLocation: /silent\r\nContent-Length: 9\r\n\r\nhalf"),
            _ => transport.write(b"HTTP/1.1 302 Go\r\nLocation: /silent\r\nContent-Length: 0\r\n\r\n"),
        });
        let agent = agent(&reactor, |settings| settings.redirects = Redirects::Follow { limit: 3 });
        let page = outcome(agent.fetch(get(&server.url("/"))));
        until(&reactor, "it is there", || server.asked().len() == at);
        for _ in 0..5 {
            reactor.iterate(std::time::Duration::ZERO).unwrap();
        }
        assert_eq!(server.asked().len(), at);
        cancel(&reactor, &agent, page, 1);
    }
}

#[test]
fn a_cancelled_request_does_not_touch_the_others() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = Server::silent(&reactor);
    let agent = agent_trusting(&reactor, &authority.roots(), |_| {});
    let [one, other] = ["/one", "/other"].map(|target| outcome(agent.fetch(get(&server.url(target)))));
    until(&reactor, "both are asked", || server.asked().len() == 2);
    one.1.cancel();
    assert!(one.get(&reactor).is_err());
    let asked = server.asked().into_iter().find(|asked| asked.target() == "/other").unwrap();
    server.connection(asked.connection).write(ok("fine").as_bytes());
    assert_eq!(body(other.get(&reactor)), "fine");
}
