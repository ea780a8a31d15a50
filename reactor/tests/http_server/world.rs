//! The server in the simulated world: fragments of one byte, breaks at each byte, stops in the middle, slow readers.

use super::{echo, get, last_text, post, seconds, text};
use reactor::http::server::{Event, EventChannel, EventSender, HttpServer, Request, Response, ServerSettings, Service};
use reactor::sim::{Host, Latency, LinkSettings, World, WorldSettings};
use reactor::{Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A world whose links take 10 ms, and whose segments have at most `segment` bytes.
fn world(segment: usize) -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(10 * MS)).max_segment(segment);
    World::with_settings(1, settings)
}

/// A host that serves on port 80, and its server.
fn serving<S: Service + 'static>(
    world: &World,
    service: impl Fn() -> S + 'static,
) -> (Host, Rc<RefCell<Option<HttpServer>>>) {
    let slot = Rc::new(RefCell::new(None));
    let servers = slot.clone();
    let host = world.host("server", move |reactor| {
        let server = HttpServer::with_settings(reactor, ServerSettings::default(), service());
        reactor.listen_tcp("0.0.0.0:80", server.factory()).unwrap();
        *servers.borrow_mut() = Some(server);
    });
    (host, slot)
}

/// What a client does when it is connected.
type Doing = Box<dyn FnMut(&Transport)>;

/// A client, and what it has seen.
struct Client {
    heard: Rc<RefCell<Vec<u8>>>,
    lost: Rc<RefCell<Option<Reason>>>,
    doing: Doing,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        (self.doing)(transport);
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.heard.borrow_mut().extend_from_slice(data);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        *self.lost.borrow_mut() = Some(reason.clone());
    }
}

type Heard = (Rc<RefCell<Vec<u8>>>, Rc<RefCell<Option<Reason>>>);

/// A host that connects once.
fn client(world: &World, name: &str, doing: impl Fn(&Transport) + 'static) -> Heard {
    let seen: Heard = Default::default();
    let (heard, lost) = seen.clone();
    let doing = Rc::new(doing);
    world.host(name, move |reactor| {
        let (heard, lost, doing) = (heard.clone(), lost.clone(), doing.clone());
        reactor.connect_tcp(("server", 80), move |_peer| {
            let doing = doing.clone();
            let doing: Doing = Box::new(move |transport| doing(transport));
            Client { heard: heard.clone(), lost: lost.clone(), doing }
        });
    });
    seen
}

/// The bytes without their `Date` lines, of which there is one in each response.
fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text.matches("\r\nDate: Mon, 01 Jan 2024 00:").count(), text.matches("HTTP/1.1 200").count(), "{text}");
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: ")).collect()
}

/// Answers with the body, or with the path if there is none.
fn body_or_path(request: Request) -> reactor::Deferred<Response> {
    let path = request.path().to_owned();
    request
        .collect(1000)
        .add_callback(|body| Ok(Response::text(if body.is_empty() { path } else { String::from_utf8(body)? })))
}

const CHUNKED: &str = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

fn script() -> String {
    [get("/1"), post("/2", "body"), CHUNKED.to_owned(), get("/4")].concat()
}

#[test]
fn fragments_of_one_byte_are_answered_as_a_whole_is() {
    for segment in [1, 2, 7, 1460] {
        let world = world(segment);
        serving(&world, || body_or_path);
        let (heard, _) = client(&world, "client", |transport| transport.write(script().as_bytes()));
        world.run_for(seconds(5));
        let expected = ["/1", "body", "abcde", "/4"].map(text).concat();
        assert_eq!(without_dates(&heard.borrow()), expected, "segments of {segment}");
    }
}

#[test]
fn a_connection_may_break_at_each_byte_of_its_requests() {
    let script = script();
    for at in 0..=script.len() {
        for aborts in [true, false] {
            let world = world(1460);
            let (host, server) = serving(&world, || body_or_path);
            let sent = script.as_bytes()[..at].to_vec();
            let (heard, lost) = client(&world, "client", move |transport| {
                transport.write(&sent);
                match aborts {
                    true => transport.abort_connection(),
                    false => transport.lose_write_connection(),
                }
            });
            world.run_for(seconds(5));
            let server = server.borrow().clone().unwrap();
            assert_eq!(server.connection_counts().open, 0, "cut at {at}, aborts: {aborts}");
            assert_eq!(server.counts().failed, 0, "a body that never came is not the service's failure");
            assert!(lost.borrow().is_some());
            let reactor = host.reactor().expect("it runs");
            assert_eq!(reactor.delayed_call_count(), 0, "no timer is left");
            if !aborts {
                // Whole requests have their responses, and the last says that it is the last, or the connection ends.
                let answers = String::from_utf8_lossy(&heard.borrow()).matches("HTTP/1.1 200").count();
                let whole = [get("/1"), post("/2", "body"), CHUNKED.to_owned(), get("/4")];
                let ends = whole.iter().scan(0, |end, one| {
                    *end += one.len();
                    Some(*end)
                });
                assert_eq!(answers, ends.filter(|end| *end <= at).count(), "cut at {at}");
            }
        }
    }
}

#[test]
fn a_stop_in_the_middle_leaves_whole_responses_and_an_orderly_end() {
    // A service that takes 20 ms, asked four times in one read; the server stops at each millisecond.
    for stop in 0..200 {
        let world = world(1460);
        let slot: Rc<RefCell<Option<reactor::Reactor>>> = Rc::default();
        let (reactors, reactor_of_service) = (slot.clone(), slot.clone());
        let host = world.host("server", move |reactor| {
            *reactors.borrow_mut() = Some(reactor.clone());
            let own = reactor_of_service.clone();
            let server = HttpServer::new(reactor, move |request: Request| {
                let reactor = own.borrow().clone().expect("it runs");
                let text = request.path().to_owned();
                reactor::task::sleep(&reactor, 20 * MS).add_callback(move |()| Ok(Response::text(text)))
            });
            reactor.listen_tcp("0.0.0.0:80", server.factory()).unwrap();
        });
        let (heard, lost) = client(&world, "client", |transport| {
            transport.write(["/1", "/2", "/3", "/4"].map(get).concat().as_bytes())
        });
        let stopped = host.clone();
        world.call_later(stop * MS, move |_| stopped.terminate());
        world.run_for(seconds(30));
        drop(slot.take());
        let heard = without_dates(&heard.borrow());
        let mut rest = &heard[..];
        let mut is_last = false;
        for path in ["/1", "/2", "/3", "/4"] {
            assert!(!is_last || rest.is_empty(), "stop at {stop} ms: {heard:?}");
            if let Some(after) = rest.strip_prefix(&text(path)) {
                rest = after;
            } else if let Some(after) = rest.strip_prefix(&last_text(path)) {
                (rest, is_last) = (after, true);
            }
        }
        assert_eq!(rest, "", "stop at {stop} ms");
        if !heard.is_empty() {
            assert!(lost.borrow().as_ref().is_some_and(Reason::is_clean), "stop at {stop} ms: {lost:?}");
        }
    }
}

#[test]
fn a_slow_reader_of_events_costs_bounded_memory_and_is_dropped() {
    let world = world(1460);
    let channel = EventChannel::new();
    let subscribers = channel.clone();
    let (_host, server) = serving(&world, move || {
        let channel = subscribers.clone();
        move |_request: Request| channel.subscribe()
    });
    let (_, lost) = client(&world, "slow", |transport| {
        transport.write(get("/").as_bytes());
        transport.pause_producing();
    });
    let (heard, fast_lost) = client(&world, "fast", |transport| transport.write(get("/").as_bytes()));
    world.run_for(seconds(1));
    assert_eq!(channel.subscriber_count(), 2);
    let event = Event::data("x".repeat(10_000));
    let mut published = 0;
    while channel.subscriber_count() == 2 {
        channel.publish(&event);
        published += 1;
        world.run_for(100 * MS);
        assert!(published < 200, "it is never dropped");
    }
    // What waits here, and what the two systems have taken.
    let max = ServerSettings::default().max_event_backlog;
    assert!(published * 10_000 > max, "it is dropped for a reason");
    assert_eq!(server.borrow().as_ref().unwrap().counts().too_slow, 1);
    world.run_for(seconds(1));
    assert!(lost.borrow().is_none() || !lost.borrow().as_ref().unwrap().is_clean());
    let heard = String::from_utf8_lossy(&heard.borrow()).matches("data: x").count();
    assert_eq!((heard, fast_lost.borrow().is_none()), (published, true), "the other one has them all");
}

#[test]
fn an_address_has_a_share_of_the_connections() {
    let world = world(1460);
    let (_host, server) = serving(&world, || echo);
    let (open, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (opened, ended) = (open.clone(), refused.clone());
    struct Counted(Rc<Cell<i32>>, Rc<Cell<i32>>);
    impl Protocol for Counted {
        fn connection_made(&mut self, _transport: &Transport) {
            self.0.set(self.0.get() + 1);
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: &Reason) {
            self.1.set(self.1.get() + 1);
        }
    }
    world.host("many", move |reactor| {
        for _ in 0..300 {
            let (opened, ended) = (opened.clone(), ended.clone());
            reactor.connect_tcp(("server", 80), move |_peer| Counted(opened.clone(), ended.clone()));
        }
    });
    world.run_for(seconds(5));
    let counts = server.borrow().as_ref().unwrap().connection_counts();
    assert_eq!((counts.open, counts.refused_for_address), (256, 44));
    assert_eq!((open.get(), refused.get()), (300, 44));
    // They say nothing, and their time for a head is over.
    world.run_for(seconds(10));
    assert_eq!(server.borrow().as_ref().unwrap().connection_counts().open, 0);
}

#[test]
fn a_listener_whose_host_has_crashed_is_noticed_by_the_next_comment() {
    let world = world(1460);
    let slot: Rc<RefCell<Option<EventSender>>> = Rc::default();
    let senders = slot.clone();
    serving(&world, move || {
        let senders = senders.clone();
        move |_request: Request| {
            let (response, sender) = Response::events();
            *senders.borrow_mut() = Some(sender);
            response
        }
    });
    let peer = world.host("peer", |reactor| {
        reactor.connect_tcp(("server", 80), |_peer| Client {
            heard: Rc::default(),
            lost: Rc::default(),
            doing: Box::new(|transport| transport.write(get("/").as_bytes())),
        });
    });
    world.run_for(seconds(1));
    let sender = slot.take().unwrap();
    assert!(!sender.is_gone());
    peer.crash();
    peer.restart();
    // The host answers the next comment with a reset.
    assert!(world.run_until(seconds(40), || sender.is_gone()));
}
