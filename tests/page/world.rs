//! Pages in a simulated world: the same server and the same events, where a viewer's window is small and time is free.

use proxyherd::config::{Config, HostPort, PageAddress, PageConfig, ServerConfig};
use proxyherd::locations::newness;
use proxyherd::page;
use proxyherd::places;
use proxyherd::server::Server;
use proxyherd::watch::Observers;
use reactor::sim::{Host, World};
use reactor::{Protocol, Reactor, Transport};
use serde_json::Value;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Alford and Powell, each with a page, and a host for those who look.
struct Pages {
    world: World,
    /// Of Alford and of Powell.
    observers: [Rc<RefCell<Rc<Observers>>>; 2],
    visitor: Host,
}

fn config() -> Config {
    let server = |name: &str, neighbor: &str| {
        let address = Some(HostPort { host: name.to_owned(), port: 12_200 });
        (name.to_owned(), ServerConfig { address, neighbors: vec![neighbor.to_owned()], ..ServerConfig::default() })
    };
    let address = PageAddress::Beside(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let page = PageConfig { address, hosts: Vec::new() };
    Config { servers: [server("Alford", "Powell"), server("Powell", "Alford")].into(), page, ..Config::default() }
}

impl Pages {
    fn new() -> Pages {
        let world = World::new(1);
        let observers = ["Alford", "Powell"].map(|name| {
            let kept: Rc<RefCell<Rc<Observers>>> = Rc::default();
            let these = kept.clone();
            world.host(name, move |reactor| {
                let (config, observers) = (config(), Rc::<Observers>::default());
                let places = places::open(reactor, &config.places, None).unwrap();
                let server = Server::new(reactor, &config, name, places, Box::new(newness), observers.clone()).unwrap();
                page::open(&server, &observers, &config).unwrap().expect("it has a page");
                *these.borrow_mut() = observers;
                server.begin().detach();
            });
            kept
        });
        let visitor = world.host("visitor", |_| {});
        world.run_for(SECOND * 2);
        Pages { world, observers, visitor }
    }

    fn connect(&self, host: &'static str, port: u16, text: &str, reads: bool) -> Rc<RefCell<String>> {
        let received = self.begin(host, port, text, reads);
        self.world.run_for(SECOND);
        received
    }

    /// The same, and no time goes by.
    fn begin(&self, host: &'static str, port: u16, text: &str, reads: bool) -> Rc<RefCell<String>> {
        let received: Rc<RefCell<String>> = Rc::default();
        let peer = Peer { text: text.to_owned(), reads, received: received.clone() };
        let reactor: Reactor = self.visitor.reactor().expect("it runs");
        reactor.connect((host, port), move |_| peer).detach();
        received
    }

    fn view(&self, host: &'static str, reads: bool) -> Rc<RefCell<String>> {
        self.connect(host, 12_300, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", reads)
    }

    /// A number of Powell's metrics.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.connect("Powell", 12_300, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", true);
        let text = text.borrow();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn observers_of_powell(&self) -> String {
        format!("{:?}", self.observers[1].borrow())
    }
}

struct Peer {
    text: String,
    reads: bool,
    received: Rc<RefCell<String>>,
}

impl Protocol for Peer {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(self.text.as_bytes());
        if !self.reads {
            transport.pause_producing();
        }
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.received.borrow_mut().push_str(&String::from_utf8_lossy(data));
    }
}

#[test]
fn a_page_observes_only_while_somebody_looks() {
    let pages = Pages::new();
    assert_eq!(pages.observers_of_powell(), "Observers(0)");
    let seen = pages.view("Powell", true);
    assert_eq!(pages.observers_of_powell(), "Observers(1)");
    pages.connect("Alford", 12_200, "IAMAT kiwi +34-118 0\n", true);
    let heard = r#""from":"Alford","heard":"#;
    let seen = seen.borrow();
    assert!(seen.contains("event: hello\n") && seen.contains(heard) && seen.contains(r#""kind":"heard""#), "{seen}");
    drop(seen);
    pages.visitor.kill();
    pages.world.run_for(SECOND * 2);
    assert_eq!(pages.observers_of_powell(), "Observers(0)");
}

#[test]
fn a_viewer_whose_machine_has_gone_is_not_counted_for_long() {
    let pages = Pages::new();
    let _seen = pages.view("Powell", true);
    assert_eq!(pages.observers_of_powell(), "Observers(1)");
    pages.visitor.crash();
    pages.world.run_for(SECOND * 29);
    assert_eq!(pages.observers_of_powell(), "Observers(1)", "it may come back");
    pages.world.run_for(SECOND * 5);
    assert_eq!(pages.observers_of_powell(), "Observers(0)");
}

#[test]
fn a_crowd_that_sends_no_whole_request_makes_room_for_who_does() {
    let pages = Pages::new();
    let seen = pages.view("Powell", true);
    for _ in 0..300 {
        pages.begin("Powell", 12_300, "GET / HTTP/1.1\r\n", true);
    }
    pages.world.run_for(SECOND * 6); // They have more time for a head; but by then they are idle.
    let page = pages.connect("Powell", 12_300, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", true);
    assert!(page.borrow().starts_with("HTTP/1.1 200 OK"), "{}", page.borrow());
    let before = seen.borrow().len();
    pages.world.run_for(SECOND * 2);
    assert!(seen.borrow().len() > before, "a viewer is not idle");
}

#[test]
fn viewers_leave_room_for_what_watches_over_the_server() {
    let pages = Pages::new();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let viewers: Vec<_> = (0..210).map(|_| pages.begin("Powell", 12_300, &get("/events"), true)).collect();
    pages.world.run_for(SECOND);
    let all: Vec<_> = viewers.iter().map(|viewer| viewer.borrow().clone()).collect();
    let (seen, refused): (Vec<_>, Vec<_>) = all.iter().partition(|seen| seen.contains("event: hello\n"));
    assert_eq!((seen.len(), refused.len()), (200, 10));
    for answer in refused {
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
    }
    let page = pages.connect("Powell", 12_300, &get("/healthz"), true);
    assert!(page.borrow().starts_with("HTTP/1.1 200 OK"), "{}", page.borrow());
}

#[test]
fn viewers_that_come_at_once_get_the_same_hello_and_what_happens_after_it_once() {
    let pages = Pages::new();
    let (view, mut all) = ("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", Vec::new());
    for number in 0..200 {
        all.push(pages.begin("Powell", 12_300, view, true));
        pages.begin("Powell", 12_200, &format!("IAMAT k{number} +1+1 0\n"), true);
        pages.world.run_for(SECOND / 1000);
    }
    pages.world.run_for(SECOND);
    let mut hellos = Vec::new();
    for seen in &all {
        let seen = seen.borrow();
        let mut lists = seen.lines().filter_map(|line| line.strip_prefix("data: "));
        let hello = lists.next().unwrap().to_owned();
        let events = |text: &str| serde_json::from_str::<Vec<Value>>(text).unwrap();
        let (first, later) = (events(&hello), lists.flat_map(events).collect::<Vec<_>>());
        for number in 0..200 {
            let client = format!("k{number}");
            let count = |events: &[Value], kind: &str| {
                events.iter().filter(|event| event["kind"] == kind && event["client"] == client).count()
            };
            assert_eq!(count(&first, "known") + count(&later, "heard"), 1, "{client}");
        }
        hellos.push(hello);
    }
    hellos.dedup();
    assert!(hellos.len() <= 4, "{} of them were made in 0.2 s", hellos.len());
}

#[test]
fn the_page_of_a_server_on_another_machine_is_not_guessed() {
    let pages = Pages::new();
    let seen = pages.view("Powell", true).borrow().clone();
    let server = |name: &str| seen.split(r#""name":""#).find(|part| part.starts_with(name)).unwrap().to_owned();
    assert!(server("Powell").contains(r#""page":"http://0.0.0.0:12300/""#), "{}", server("Powell"));
    assert!(server("Alford").contains(r#""page":null"#), "{}", server("Alford"));
}

#[test]
fn a_viewer_that_does_not_read_is_dropped_and_the_others_go_on() {
    let pages = Pages::new();
    let (_silent, seen) = (pages.view("Powell", false), pages.view("Powell", true));
    assert_eq!(pages.metric("proxyherd_page_viewers"), Some(2.0));
    let name = "x".repeat(190);
    for round in 0..20 {
        let line = |number| format!("IAMAT {number}{name} +1+1 0\n");
        let lines: String = (round * 500..(round + 1) * 500).map(line).collect();
        let replies = pages.connect("Powell", 12_200, &lines, true);
        assert_eq!(replies.borrow().matches("AT Powell ").count(), 500, "the herd goes on");
    }
    assert_eq!(pages.metric("proxyherd_page_viewers_dropped_total"), Some(1.0));
    assert_eq!(pages.metric("proxyherd_page_viewers"), Some(1.0));
    let last = seen.borrow().matches(r#""client":"9999xxx"#).count();
    assert!(last > 0, "the other viewer sees what comes last");
    assert!(seen.borrow().matches(r#""kind":"anew""#).count() > 1, "what was left out is said anew");
}
