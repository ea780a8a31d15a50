//! A store that is a script in a simulated world: it answers a question or an offer when the test says so.

use proxyherd::config::{HostPort, StoreConfig, TlsConfig};
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::store::{Access, Offer, Store};
use reactor::resp::{ReplyLimits, ReplyParser, Value};
use reactor::sim::{Host, World};
use reactor::{Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const PORT: u16 = 6379;

const SECOND: Duration = Duration::from_secs(1);

/// How long the store may take. No time passes unless a test says so.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// What one server of the store has been asked, and its present connection.
#[derive(Default)]
pub(super) struct Notes {
    asked: RefCell<Vec<String>>,
    connection: RefCell<Option<Transport>>,
    /// How many commands wait for what the test says, and the replies to those behind them.
    open: Cell<usize>,
    held: RefCell<Vec<u8>>,
}

impl Notes {
    /// Replies by itself, but not before the test has replied to what was asked before.
    fn reply(&self, transport: &Transport, reply: &[u8]) {
        match self.open.get() {
            0 => transport.write(reply),
            _ => self.held.borrow_mut().extend_from_slice(reply),
        }
    }

    fn say(&self, reply: &str) {
        let (mut parser, mut rest) = (ReplyParser::new(ReplyLimits::default()), reply.as_bytes());
        while let Some(value) = parser.next(&mut rest).unwrap() {
            if !matches!(value, Value::Push(_)) {
                self.open.set(self.open.get() - 1);
            }
        }
        let connection = self.connection.borrow();
        let transport = connection.as_ref().unwrap();
        transport.write(reply.as_bytes());
        if self.open.get() == 0 {
            transport.write(&self.held.take());
        }
    }
}

/// The store's end of a connection. All servers know that the first one has all slots.
struct Script(Rc<Notes>, ReplyParser);

impl Protocol for Script {
    fn connection_made(&mut self, transport: &Transport) {
        *self.0.connection.borrow_mut() = Some(transport.clone());
        self.0.open.set(0);
        self.0.held.take();
        self.0.asked.take();
    }

    fn data_received(&mut self, transport: &Transport, mut data: &[u8]) {
        while let Some(command) = self.1.next(&mut data).unwrap() {
            let Value::Array(words) = command else { panic!("{command:?}") };
            let words: Vec<String> =
                words.into_iter().map(|word| String::from_utf8(word.into_bytes().unwrap()).unwrap()).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["HELLO", ..] => self.0.reply(transport, b"%1\r\n$5\r\nproto\r\n:3\r\n"),
                ["CLIENT", ..] => self.0.reply(transport, b"+OK\r\n"),
                ["PING"] => self.0.reply(transport, b"+PONG\r\n"),
                ["CLUSTER", "SLOTS"] => {
                    let slots = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$6\r\nstore0\r\n:{PORT}\r\n");
                    self.0.reply(transport, slots.as_bytes());
                }
                ["FCALL", "proxyherd_version", ..] => self.0.reply(transport, b":1\r\n"),
                ["SET", ..] => self.0.reply(transport, b"_\r\n"),
                _ => {
                    self.0.open.set(self.0.open.get() + 1);
                    self.0.asked.borrow_mut().push(words[0].to_owned());
                }
            }
        }
    }
}

/// A store, as one server of the herd sees it.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) store: Rc<Store>,
    servers: Vec<Rc<Notes>>,
    hosts: Vec<Host>,
    /// What the test has heard of its look-ups, and of its offers.
    heard: Rc<RefCell<Vec<String>>>,
}

pub(super) fn line(client: &str, time: u32) -> String {
    format!("AT Alford +0.000000000 {client} +34-118 {time}")
}

/// As the store has it.
pub(super) fn value(client: &str, time: u32) -> String {
    let digits = Time::parse(time.to_string().as_bytes()).unwrap().sort_digits();
    let value = format!("{digits} {}", line(client, time));
    format!("${}\r\n{value}\r\n", value.len())
}

impl Stage {
    /// A server alone, with its clients in this number of buckets.
    pub(super) fn alone(buckets: u16, wait_replicas: u32) -> Stage {
        Stage::of(1, buckets, wait_replicas)
    }

    /// A cluster of servers `store0`, `store1` and so on.
    pub(super) fn of(servers: usize, buckets: u16, wait_replicas: u32) -> Stage {
        let world = World::new(1);
        let notes: Vec<Rc<Notes>> = (0..servers).map(|_| Rc::default()).collect();
        let name = |server: usize| format!("store{server}");
        let mut hosts = Vec::new();
        for (server, notes) in notes.iter().enumerate() {
            let of_host = notes.clone();
            hosts.push(world.host(&name(server), move |reactor| {
                let notes = of_host.clone();
                let script = move |_peer| Script(notes.clone(), ReplyParser::new(ReplyLimits::default()));
                reactor.listen_tcp(("0.0.0.0", PORT), script).unwrap();
            }));
        }
        let mut config = StoreConfig::of((0..servers).map(|it| HostPort { host: name(it), port: PORT }).collect());
        (config.buckets, config.wait_replicas, config.timeout) = (buckets, wait_replicas, TIMEOUT);
        let made = Rc::<RefCell<Option<Rc<Store>>>>::default();
        let keep = made.clone();
        hosts.push(world.host("server", move |reactor| {
            let access = Access::read(reactor, &config, &TlsConfig::default()).unwrap();
            let store = Store::new(reactor, &config, &access, "server", 1 << 20);
            store.begin(|| ());
            *keep.borrow_mut() = Some(store);
        }));
        world.run_for(SECOND);
        let store = made.take().unwrap();
        Stage { world, store, servers: notes, hosts, heard: Rc::default() }
    }

    /// What was begun goes on for this time, and what the store is told comes there.
    pub(super) fn run_for(&self, time: Duration) {
        for host in &self.hosts {
            let _ = host.reactor().unwrap().handle().call_from_thread(|_| ());
        }
        self.world.run_for(time);
    }

    pub(super) fn settle(&self) {
        self.run_for(SECOND);
    }

    pub(super) fn begin_look_up(&self, client: &str) {
        let heard = self.heard.clone();
        let found = self.store.look_up(client.as_bytes()).add_both(move |found| {
            let line = found.unwrap().map(|stored| String::from_utf8(stored.line).unwrap());
            heard.borrow_mut().push(line.unwrap_or_default());
        });
        found.detach();
    }

    pub(super) fn look_up(&self, client: &str) {
        self.begin_look_up(client);
        self.settle();
    }

    /// The test hears whether the store has taken it.
    pub(super) fn begin_offer(&self, client: &str, time: u32) {
        let line = line(client, time);
        let when = Time::parse(time.to_string().as_bytes()).unwrap();
        let heard = Stamp::from_nanoseconds(i64::MAX);
        let version = Version { client: client.as_bytes(), time: when, heard, line: line.as_bytes() };
        let offer = Offer { version, location: None, forget: Duration::MAX, may_be_new: true };
        let (notes, client) = (self.heard.clone(), client.to_owned());
        let offered = self.store.offer(&offer).add_both(move |offered| {
            let what = if offered.is_ok() { "taken" } else { "not taken" };
            notes.borrow_mut().push(format!("{client} {what}"));
        });
        offered.detach();
    }

    pub(super) fn offer(&self, client: &str, time: u32) {
        self.begin_offer(client, time);
        self.settle();
    }

    /// The first server of the store says this.
    pub(super) fn say(&self, reply: &str) {
        self.say_from(0, reply);
    }

    pub(super) fn say_from(&self, server: usize, reply: &str) {
        self.servers[server].say(reply);
        self.settle();
    }

    /// The first server says this, and time goes on.
    pub(super) fn say_for(&self, reply: &str, time: Duration) {
        self.servers[0].say(reply);
        self.run_for(time);
    }

    /// The connection to the first server ends.
    pub(super) fn cut(&self) {
        self.servers[0].connection.borrow().as_ref().unwrap().abort_connection();
    }

    /// The names of the commands that the first server was asked since the last time.
    pub(super) fn asked(&self) -> String {
        self.asked_at(0)
    }

    pub(super) fn asked_at(&self, server: usize) -> String {
        self.servers[server].asked.take().join(" ")
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.take()
    }
}
