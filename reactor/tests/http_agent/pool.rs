//! Which request gets which connection.

use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{SECOND, agent, assert_nothing_is_left, body, failed, forward, get, outcome, with_clock};
use reactor::http::{Stage, TooManyWaiting};
use reactor::{Context, Reactor};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

#[test]
fn a_connection_is_kept_and_used_again() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&ok("one"), "HTTP/1.1 204 No\r\n\r\n", &ok("three")]);
    let agent = agent(&reactor, |_| {});
    for expected in ["one", "", "three"] {
        assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), expected);
        assert_eq!((agent.open_connection_count(), agent.idle_connection_count()), (1, 1));
    }
    assert_eq!((server.opened(), server.asked().len()), (1, 3));
    assert_eq!(reactor.delayed_call_count(), 1, "only the idle connection's");
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
    until(&reactor, "the server saw an orderly end", || server.lost() == ["Done"]);
}

#[test]
fn connections_that_must_not_be_reused_are_closed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n",
    ] {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[answer]);
        let agent = agent(&reactor, |_| {});
        for opened in 1..=2 {
            assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), "ok", "{answer}");
            assert_eq!((server.opened(), agent.idle_connection_count()), (opened, 0), "{answer}");
        }
        assert_nothing_is_left(&reactor, &agent, 1);
    }
}

#[test]
fn without_room_for_idle_connections_the_server_is_told_to_close() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&ok("")]);
    let agent = agent(&reactor, |settings| settings.max_idle_per_host = 0);
    wait(&reactor, agent.fetch(get(&server.url("/")))).unwrap();
    assert_eq!(server.asked()[0].header("connection"), Some("close"));
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn requests_beyond_the_limit_wait_and_are_served_in_order() {
    let reactor = Reactor::new().unwrap();
    let server = Server::silent(&reactor);
    let agent = agent(&reactor, |settings| settings.max_open_per_host = 2);
    let pages: Vec<_> = (0..5).map(|n| outcome(agent.fetch(get(&server.url(&format!("/{n}")))))).collect();
    assert_eq!((agent.open_connection_count(), agent.waiting_request_count()), (2, 3));
    for (done, page) in pages.iter().enumerate() {
        until(&reactor, "the next requests are there", || server.asked().len() == (done + 2).min(5));
        let asked = server.asked()[done].clone();
        assert_eq!(agent.waiting_request_count(), 3usize.saturating_sub(done));
        server.connection(asked.connection).write(ok(asked.target()).as_bytes());
        until(&reactor, "it is answered", || page.is_there());
    }
    let targets: Vec<_> = pages.into_iter().map(|page| body(page.get(&reactor))).collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/3", "/4"]);
    assert_eq!((server.opened(), agent.open_connection_count(), agent.idle_connection_count()), (2, 2, 2));
}

#[test]
fn a_full_queue_turns_requests_away_at_once() {
    for per_host in [true, false] {
        let reactor = Reactor::new().unwrap();
        let server = Server::silent(&reactor);
        let agent = agent(&reactor, |settings| {
            settings.max_open_per_host = 1;
            *if per_host { &mut settings.max_waiting_per_host } else { &mut settings.max_waiting } = 2;
        });
        let waiting: Vec<_> = (0..3).map(|_| outcome(agent.fetch(get(&server.url("/"))))).collect();
        let turned_away = outcome(agent.fetch(get(&server.url("/"))));
        assert!(turned_away.is_there());
        let expected = (Stage::RequestNotSent, TooManyWaiting { waiting: 2 });
        assert_eq!(failed(turned_away.get(&reactor)), expected);
        waiting.iter().for_each(|outcome| outcome.1.cancel());
        assert_nothing_is_left(&reactor, &agent, 1);
    }
}

#[test]
fn each_host_has_a_limit_and_so_have_all_hosts_together() {
    let reactor = Reactor::new().unwrap();
    let (one, other) = (Server::silent(&reactor), Server::silent(&reactor));
    let agent = agent(&reactor, |settings| (settings.max_open_per_host, settings.max_open) = (2, 3));
    let pages: Vec<_> =
        [&one, &one, &one, &other, &other].map(|server| outcome(agent.fetch(get(&server.url("/"))))).into();
    until(&reactor, "three are asked", || one.asked().len() + other.asked().len() == 3);
    assert_eq!((one.opened(), other.opened(), agent.waiting_request_count()), (2, 1, 2));
    // A request waits for each of the two hosts. The one that waits longer comes first, wherever room is made.
    other.connection(0).write(ok("").as_bytes());
    until(&reactor, "it is answered", || pages[3].is_there());
    until(&reactor, "its connection has a new request", || other.asked().len() == 2);
    assert_eq!((one.opened(), agent.waiting_request_count()), (2, 1));
    pages.iter().for_each(|page| page.1.cancel());
    assert_nothing_is_left(&reactor, &agent, 2);
}

#[test]
fn an_idle_connection_makes_room_for_another_host() {
    let reactor = Reactor::new().unwrap();
    let (one, other) = (Server::saying(&reactor, &[&ok("one")]), Server::saying(&reactor, &[&ok("other")]));
    let agent = agent(&reactor, |settings| settings.max_open = 1);
    for (server, expected) in [(&one, "one"), (&other, "other"), (&one, "one")] {
        assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), expected);
        assert_eq!(
            (agent.open_connection_count(), agent.idle_connection_count(), agent.waiting_request_count()),
            (1, 1, 0)
        );
    }
    assert_eq!((one.opened(), other.opened()), (2, 1));
}

#[test]
fn the_longest_waiting_request_is_served_first_whatever_its_host() {
    let reactor = Reactor::new().unwrap();
    let first = Server::silent(&reactor);
    let others = [0; 4].map(|_| Server::saying(&reactor, &[&ok("")]));
    let agent = agent(&reactor, |settings| settings.max_open = 1);
    let page = outcome(agent.fetch(get(&first.url("/"))));
    let done = Rc::new(RefCell::new(Vec::new()));
    let pages: Vec<_> = (0..others.len())
        .map(|number| {
            let note = done.clone();
            let page = agent.fetch(get(&others[number].url("/")));
            outcome(page.add_callback(move |_| note.borrow_mut().push(number)))
        })
        .collect();
    until(&reactor, "the first is asked", || first.asked().len() == 1);
    assert_eq!(agent.waiting_request_count(), 4);
    first.connection(0).write(ok("").as_bytes());
    until(&reactor, "all are served", || pages.iter().all(super::Outcome::is_there));
    assert_eq!(*done.borrow(), [0, 1, 2, 3]);
    page.get(&reactor).unwrap();
}

#[test]
fn a_connection_that_ends_makes_room_for_a_waiting_request() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, asked| match asked.target() {
        "/bad" => transport.write(b"this is not HTTP\r\n\r\n"),
        _ => transport.write(ok("good").as_bytes()),
    });
    let agent = agent(&reactor, |settings| settings.max_open_per_host = 1);
    let bad = outcome(agent.fetch(get(&server.url("/bad"))));
    let good = outcome(agent.fetch(get(&server.url("/good"))));
    assert!(bad.get(&reactor).is_err());
    assert_eq!(body(good.get(&reactor)), "good");
    assert_eq!(server.opened(), 2);
}

#[test]
fn surplus_idle_connections_are_closed_the_oldest_first() {
    for (per_host, in_all) in [(1, 9), (9, 1)] {
        let reactor = Reactor::new().unwrap();
        let server = Server::silent(&reactor);
        let agent = agent(&reactor, |settings| {
            (settings.max_idle_per_host, settings.max_idle) = (per_host, in_all);
        });
        let pages: Vec<_> = (0..3).map(|_| outcome(agent.fetch(get(&server.url("/"))))).collect();
        until(&reactor, "all are asked", || server.asked().len() == 3);
        for number in 0..3 {
            server.connection(number).write(ok("").as_bytes());
            until(&reactor, "it is answered", || pages.iter().filter(|page| page.is_there()).count() == number + 1);
        }
        until(&reactor, "the surplus is gone", || server.lost().len() == 2);
        assert_eq!((agent.open_connection_count(), agent.idle_connection_count()), (1, 1));
        server.connection(2); // The one used last is still there.
    }
}

#[test]
fn an_idle_connection_is_closed_when_its_time_is_over() {
    let (reactor, hooks) = with_clock();
    let server = Server::saying(&reactor, &[&ok("")]);
    let agent = agent(&reactor, |settings| settings.idle_timeout = 50 * SECOND);
    for _ in 0..2 {
        wait(&reactor, agent.fetch(get(&server.url("/")))).unwrap();
        forward(&hooks, 49 * SECOND); // Its time begins again with each use.
        reactor.iterate(SECOND / 1000).unwrap();
        assert_eq!(agent.idle_connection_count(), 1);
    }
    forward(&hooks, SECOND);
    assert_nothing_is_left(&reactor, &agent, 1);
    assert_eq!((server.opened(), server.asked().len()), (1, 2));
}

#[test]
fn an_idle_connection_is_dropped_if_the_server_closes_it_or_sends_on_it() {
    for (ends, how) in [(true, "Done"), (false, "Lost")] {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[&ok("fine")]);
        let agent = agent(&reactor, |_| {});
        wait(&reactor, agent.fetch(get(&server.url("/")))).unwrap();
        match ends {
            true => server.connection(0).lose_connection(),
            false => server.connection(0).write(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
        }
        assert_nothing_is_left(&reactor, &agent, 1);
        until(&reactor, "the server knows", || server.lost() == [how]);
        assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), "fine");
        assert_eq!(server.opened(), 2);
    }
}

#[test]
fn when_the_last_handle_is_dropped_idle_connections_close_and_requests_go_on() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, asked| {
        if asked.target() == "/now" {
            transport.write(ok("now").as_bytes());
        }
    });
    let agent = agent(&reactor, |_| {});
    let later = outcome(agent.fetch(get(&server.url("/later"))));
    assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/now"))))), "now");
    assert_eq!((agent.open_connection_count(), agent.idle_connection_count()), (2, 1));
    drop(agent);
    until(&reactor, "the asking connection is there", || server.asked().len() == 2);
    let at = server.asked().iter().position(|asked| asked.target() == "/later").unwrap();
    server.connection(server.asked()[at].connection).write(ok("later").as_bytes());
    assert_eq!(body(later.get(&reactor)), "later");
    until(&reactor, "all connections are gone", || reactor.source_count() == 1);
    assert_eq!(reactor.delayed_call_count(), 0);
}

#[test]
fn a_dropped_reactor_takes_every_request_with_it() {
    let token = Rc::new(());
    for turns in 0..6 {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
        let agent = agent(&reactor, |settings| settings.max_open_per_host = 1);
        for _ in 0..2 {
            let held = token.clone();
            agent.fetch(get(&server.url("/"))).add_both(move |_| drop(held)).detach();
        }
        for _ in 0..turns {
            reactor.iterate(SECOND / 100).unwrap();
        }
        drop((server, reactor));
        drop(agent);
        assert_eq!(Rc::strong_count(&token), 1, "after {turns} turns");
    }
}

/// Whenever a connection ends, the pool looks at the waiting requests. That must not take longer than the responses
/// themselves.
#[test]
fn requests_to_a_thousand_hosts_may_wait() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&ok("x")]);
    let agent = agent(&reactor, |settings| {
        settings.max_open = 2;
        settings.connect_to = Some(("127.0.0.1".to_owned(), server.port.host().port()));
    });
    let pages: Vec<_> = (0..1000).map(|n| outcome(agent.fetch(get(&format!("http://host-{n}.example/"))))).collect();
    assert_eq!((agent.open_connection_count(), agent.waiting_request_count()), (2, 998));
    until(&reactor, "all are answered", || pages.iter().all(super::Outcome::is_there));
    let hosts: Vec<_> = server.asked().iter().map(|asked| asked.header("host").unwrap().to_owned()).collect();
    assert!(hosts.iter().skip(2).is_sorted_by_key(|host| host.len()), "the longest waiting comes first");
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_kept_connection_does_not_belong_to_the_request_that_needed_it_first() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&ok("one")]);
    let agent = agent(&reactor, |_| {});
    let of_request = Arc::new(());
    let page = Context::empty().with(of_request.clone()).run(|| agent.fetch(get(&server.url("/"))));
    assert_eq!(body(wait(&reactor, page)), "one");
    assert_eq!(agent.idle_connection_count(), 1);
    assert_eq!(Arc::strong_count(&of_request), 1, "something still runs in its context");
}
