//! Answers that come late: what the store said before it took something newer must not be remembered after that.
//!
//! The store is a script in a simulated world: it answers a question or an offer when the test says so.

use proxyherd::config::{HostPort, StoreConfig, TlsConfig};
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::store::{Access, Offer, Store};
use reactor::resp::{ReplyLimits, ReplyParser, Value};
use reactor::sim::{Host, World};
use reactor::{Protocol, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const PORT: u16 = 6379;

const SECOND: Duration = Duration::from_secs(1);

/// What the test has heard of its look-ups, and what the store has been asked.
#[derive(Default)]
struct Notes {
    asked: RefCell<Vec<String>>,
    heard: RefCell<Vec<String>>,
    connection: RefCell<Option<Transport>>,
}

/// The store's end of a connection.
struct Script(Rc<Notes>, ReplyParser);

impl Protocol for Script {
    fn connection_made(&mut self, transport: &Transport) {
        *self.0.connection.borrow_mut() = Some(transport.clone());
    }

    fn data_received(&mut self, transport: &Transport, mut data: &[u8]) {
        while let Some(command) = self.1.next(&mut data).unwrap() {
            let Value::Array(words) = command else { panic!("{command:?}") };
            let words: Vec<String> =
                words.into_iter().map(|word| String::from_utf8(word.into_bytes().unwrap()).unwrap()).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["HELLO", ..] => transport.write(b"%1\r\n$5\r\nproto\r\n:3\r\n"),
                ["CLIENT", ..] => transport.write(b"+OK\r\n"),
                ["PING"] => transport.write(b"+PONG\r\n"),
                ["FCALL", "proxyherd_version", ..] => transport.write(b":1\r\n"),
                ["SET", ..] => transport.write(b"_\r\n"),
                _ => self.0.asked.borrow_mut().push(words[0].to_owned()),
            }
        }
    }
}

/// A store, as one server of the herd sees it.
struct Stage {
    world: World,
    notes: Rc<Notes>,
    store: Rc<Store>,
    hosts: [Host; 2],
}

/// All clients are in one bucket.
fn stage(wait_replicas: u32) -> Stage {
    let world = World::new(1);
    let notes = Rc::<Notes>::default();
    let of_store = notes.clone();
    let beside = world.host("store", move |reactor| {
        let notes = of_store.clone();
        let script = move |_peer| Script(notes.clone(), ReplyParser::new(ReplyLimits::default()));
        reactor.listen_tcp(("0.0.0.0", PORT), script).unwrap();
    });
    let mut config = StoreConfig::of(vec![HostPort { host: "store".to_owned(), port: PORT }]);
    (config.buckets, config.wait_replicas, config.timeout) = (1, wait_replicas, Duration::from_secs(60));
    let made = Rc::<RefCell<Option<Rc<Store>>>>::default();
    let keep = made.clone();
    let server = world.host("server", move |reactor| {
        let access = Access::read(reactor, &config, &TlsConfig::default()).unwrap();
        let store = Store::new(reactor, &config, &access, "server", 1 << 20);
        store.begin(|| ());
        *keep.borrow_mut() = Some(store);
    });
    world.run_for(SECOND);
    let store = made.take().unwrap();
    Stage { world, notes, store, hosts: [server, beside] }
}

fn line(client: &str, time: u32) -> String {
    format!("AT Alford +0.000000000 {client} +34-118 {time}")
}

/// As the store has it.
fn value(client: &str, time: u32) -> String {
    let digits = Time::parse(time.to_string().as_bytes()).unwrap().sort_digits();
    let value = format!("{digits} {}", line(client, time));
    format!("${}\r\n{value}\r\n", value.len())
}

impl Stage {
    /// What was begun goes on, and what the store is told comes there.
    fn settle(&self) {
        for host in &self.hosts {
            let _ = host.reactor().unwrap().handle().call_from_thread(|_| ());
        }
        self.world.run_for(SECOND);
    }

    fn look_up(&self, client: &str) {
        let notes = self.notes.clone();
        let found = self.store.look_up(client.as_bytes()).add_both(move |found| {
            let line = found.unwrap().map(|stored| String::from_utf8(stored.line).unwrap());
            notes.heard.borrow_mut().push(line.unwrap_or_default());
        });
        found.detach();
        self.settle();
    }

    fn offer(&self, client: &str, time: u32) {
        let line = line(client, time);
        let when = Time::parse(time.to_string().as_bytes()).unwrap();
        let heard = Stamp::from_nanoseconds(i64::MAX);
        let version = Version { client: client.as_bytes(), time: when, heard, line: line.as_bytes() };
        let offer = Offer { version, location: None, forget: Duration::MAX, may_be_new: true };
        self.store.offer(&offer).add_both(|offered| drop(offered.unwrap())).detach();
        self.settle();
    }

    /// The store says this.
    fn say(&self, reply: &str) {
        self.notes.connection.borrow().as_ref().unwrap().write(reply.as_bytes());
        self.settle();
    }

    /// The names of the commands that the store was asked since the last time.
    fn asked(&self) -> String {
        self.notes.asked.take().join(" ")
    }

    fn heard(&self) -> Vec<String> {
        self.notes.heard.take()
    }
}

#[test]
fn an_answer_that_comes_while_something_newer_is_offered_is_not_remembered() {
    let stage = stage(0);
    stage.look_up("kiwi");
    stage.offer("kiwi", 2);
    assert_eq!(stage.asked(), "GET FCALL");
    // The store takes the offer now. Its answer to that is on its way for a while.
    stage.say(&value("kiwi", 1));
    stage.look_up("kiwi");
    assert_eq!((stage.asked(), stage.heard()), ("GET".to_owned(), vec![line("kiwi", 1)]), "it is asked again");
    stage.say(":1\r\n");
    stage.say(&value("kiwi", 2));
    stage.look_up("kiwi");
    assert_eq!(stage.heard(), [line("kiwi", 2)]);
    stage.say(&value("kiwi", 2));
    stage.look_up("kiwi");
    assert_eq!(stage.heard(), [line("kiwi", 2), line("kiwi", 2)], "now it is remembered");
    assert_eq!(stage.asked(), "GET");
}

#[test]
fn an_answer_that_has_changed_before_a_wait_was_over_is_not_remembered() {
    let stage = stage(1);
    stage.offer("moa", 1);
    stage.offer("moa", 2);
    stage.look_up("kiwi"); // Stands behind the second offer, which waits for the first one.
    assert_eq!(stage.asked(), "FCALL WAIT");
    stage.say(":2\r\n:1\r\n");
    assert_eq!(stage.asked(), "FCALL GET WAIT");
    stage.say(&format!(":1\r\n{}", value("kiwi", 1)));
    stage.say(">2\r\n$10\r\ninvalidate\r\n*1\r\n$18\r\n{proxyherd:0}:kiwi\r\n");
    stage.say(":1\r\n");
    assert_eq!(stage.heard(), [line("kiwi", 1)]);
    stage.look_up("kiwi");
    assert_eq!((stage.asked(), stage.heard()), ("GET".to_owned(), Vec::new()), "it is asked again");
}
