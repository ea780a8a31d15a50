//! [`SimulatedStore`]: a store in the simulated world, written from its contract (docs/design/store.md), and not from
//! `function.lua`. It has one replica, which is late; it dies, and its replica takes its place.

use reactor::resp::{ReplyLimits, ReplyParser, Value};
use reactor::sim::{Host, Random, World};
use reactor::{Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

pub(crate) const PORT: u16 = 6379;

const HELLO: &str = "%1\r\n$5\r\nproto\r\n:3\r\n";

type Bytes = Vec<u8>;

/// Survives its host, as a disk and a replica do.
pub(crate) struct SimulatedStore {
    pub(crate) host: Host,
    data: Rc<Data>,
}

struct Data {
    /// All writes so far. The primary has all of them, the replica the first ones.
    writes: RefCell<Vec<(Bytes, Bytes)>>,
    replicated: Cell<usize>,
    /// What the primary has.
    values: RefCell<BTreeMap<Bytes, Bytes>>,
    has_functions: Cell<bool>,
    /// Whether the replica hears of writes.
    is_replicating: Cell<bool>,
    sessions: RefCell<Vec<Weak<Session>>>,
    random: RefCell<Random>,
}

impl SimulatedStore {
    pub(crate) fn new(world: &World, seed: u64) -> SimulatedStore {
        let data = Rc::new(Data {
            writes: RefCell::default(),
            replicated: Cell::new(0),
            values: RefCell::default(),
            has_functions: Cell::new(false),
            is_replicating: Cell::new(true),
            sessions: RefCell::default(),
            random: RefCell::new(Random::new(seed)),
        });
        let of_host = data.clone();
        let host = world.host("store", move |reactor| {
            let (data, reactor) = (of_host.clone(), reactor.clone());
            let own = reactor.clone();
            let session = move |_peer| Connection::new(&data, &own);
            reactor.listen_tcp(("0.0.0.0", PORT), session).unwrap();
        });
        SimulatedStore { host, data }
    }

    /// The primary has died for good, and the replica takes its place: what it lacks is lost.
    pub(crate) fn fail_over(&self) {
        self.host.kill();
        let data = &self.data;
        data.writes.borrow_mut().truncate(data.replicated.get());
        *data.values.borrow_mut() = data.writes.borrow().iter().cloned().collect();
        data.sessions.borrow_mut().clear();
    }

    /// Whether the replica hears of writes from now on.
    pub(crate) fn set_replicating(&self, is_replicating: bool) {
        self.data.is_replicating.set(is_replicating);
        if is_replicating {
            self.data.replicated.set(self.data.writes.borrow().len());
        }
    }

    /// The line of a client.
    pub(crate) fn line_of(&self, client: &str) -> Option<String> {
        let end = format!("}}:{client}").into_bytes();
        let values = self.data.values.borrow();
        let (_, value) = values.iter().find(|(key, _)| key.ends_with(&end))?;
        Some(String::from_utf8_lossy(&value[23..]).into_owned())
    }
}

impl Data {
    fn write(self: &Rc<Self>, reactor: &Reactor, key: &[u8], value: &[u8], writer: &Session) {
        self.values.borrow_mut().insert(key.to_vec(), value.to_vec());
        self.writes.borrow_mut().push((key.to_vec(), value.to_vec()));
        let count = self.writes.borrow().len();
        writer.offset.set(count);
        let sessions: Vec<Rc<Session>> = self.sessions.borrow().iter().filter_map(Weak::upgrade).collect();
        for session in sessions {
            // The server forgets that the key was read, and tells all others.
            if session.tracked.borrow_mut().remove(key) && session.number != writer.number {
                let push = [b">2\r\n$10\r\ninvalidate\r\n*1\r\n", &bulk(key)[..]].concat();
                session.transport.write(&push);
            }
        }
        let (data, delay) = (self.clone(), self.random.borrow_mut().between(Duration::ZERO, Duration::from_millis(40)));
        reactor.call_later(delay, move || {
            if data.is_replicating.get() {
                let there = data.writes.borrow().len();
                data.replicated.set(data.replicated.get().max(count).min(there));
            }
        });
    }
}

/// One connection, as the store sees it.
struct Session {
    number: u64,
    transport: Transport,
    tracked: RefCell<BTreeSet<Bytes>>,
    /// How many writes there were at this connection's last one.
    offset: Cell<usize>,
    /// Commands that wait behind a WAIT.
    waiting: RefCell<VecDeque<Vec<Bytes>>>,
    is_waiting: Cell<bool>,
}

struct Connection {
    data: Rc<Data>,
    reactor: Reactor,
    parser: ReplyParser,
    session: Option<Rc<Session>>,
}

impl Connection {
    fn new(data: &Rc<Data>, reactor: &Reactor) -> Connection {
        let parser = ReplyParser::new(ReplyLimits::default());
        Connection { data: data.clone(), reactor: reactor.clone(), parser, session: None }
    }
}

impl Protocol for Connection {
    fn connection_made(&mut self, transport: &Transport) {
        let number = self.data.random.borrow_mut().next_u64();
        let (tracked, offset, waiting, is_waiting) = Default::default();
        let session = Rc::new(Session { number, transport: transport.clone(), tracked, offset, waiting, is_waiting });
        self.data.sessions.borrow_mut().push(Rc::downgrade(&session));
        self.session = Some(session);
    }

    fn data_received(&mut self, _transport: &Transport, mut input: &[u8]) {
        let Some(session) = &self.session else { return };
        while let Some(command) = self.parser.next(&mut input).expect("a command") {
            let Value::Array(words) = command else { panic!("{command:?}") };
            let words = words.into_iter().map(|word| word.into_bytes().expect("bytes")).collect();
            session.waiting.borrow_mut().push_back(words);
        }
        go_on(&self.data, &self.reactor, session);
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        self.session = None;
    }
}

/// Carries out what has come, up to a WAIT that is not over.
fn go_on(data: &Rc<Data>, reactor: &Reactor, session: &Rc<Session>) {
    while !session.is_waiting.get() {
        let Some(words) = session.waiting.borrow_mut().pop_front() else { return };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match &words[..] {
            [b"WAIT", want, limit] => {
                let number = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<u64>().unwrap();
                assert_eq!(number(want), 1);
                session.is_waiting.set(true);
                let end = reactor.now() + Duration::from_millis(number(limit));
                wait(data.clone(), reactor.clone(), session.clone(), end);
            }
            words => {
                let reply = answer(data, reactor, session, words);
                session.transport.write(&reply);
            }
        }
    }
}

fn wait(data: Rc<Data>, reactor: Reactor, session: Rc<Session>, end: std::time::Instant) {
    let has_it = data.replicated.get() >= session.offset.get();
    if has_it || reactor.now() >= end {
        session.is_waiting.set(false);
        session.transport.write(if has_it { b":1\r\n" } else { b":0\r\n" });
        return go_on(&data, &reactor, &session);
    }
    let again = reactor.clone();
    reactor.call_later(Duration::from_millis(1), move || wait(data, again, session, end));
}

fn bulk(bytes: &[u8]) -> Bytes {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn answer(data: &Rc<Data>, reactor: &Reactor, session: &Session, words: &[&[u8]]) -> Bytes {
    let known = |key: &[u8]| data.values.borrow().get(key).cloned();
    let read = |key: &[u8]| {
        session.tracked.borrow_mut().insert(key.to_vec());
    };
    match words {
        [b"HELLO", ..] => HELLO.into(),
        [b"CLIENT", ..] => b"+OK\r\n".to_vec(),
        [b"PING"] => b"+PONG\r\n".to_vec(),
        [b"FUNCTION", b"LOAD", ..] => {
            data.has_functions.set(true);
            bulk(b"proxyherd")
        }
        [b"FCALL", ..] if !data.has_functions.get() => b"-ERR Function not found\r\n".to_vec(),
        [b"FCALL", b"proxyherd_version", b"0"] => b":1\r\n".to_vec(),
        [b"GET", key] => {
            read(key);
            known(key).map_or(b"_\r\n".to_vec(), |value| bulk(&value))
        }
        [b"SET", key, value, rest @ ..] => {
            let before = known(key);
            if rest.first() == Some(&&b"NX"[..]) {
                if before.is_none() {
                    data.write(reactor, key, value, session);
                }
                return before.map_or(b"_\r\n".to_vec(), |value| bulk(&value));
            }
            data.write(reactor, key, value, session);
            b"+OK\r\n".to_vec()
        }
        [
            b"FCALL",
            b"proxyherd_offer",
            b"2",
            key,
            _places,
            value,
            _expires,
            _longitude,
            _latitude,
            may_be_new,
            must_write,
        ] => {
            read(key);
            match known(key) {
                Some(known) if order(&known) >= order(value) => {
                    if *must_write == b"1" {
                        data.write(reactor, key, &known, session);
                    }
                    if known == *value { b":0\r\n".to_vec() } else { bulk(&known) }
                }
                Some(_) => {
                    data.write(reactor, key, value, session);
                    b":1\r\n".to_vec()
                }
                None if *may_be_new == b"0" => b":-1\r\n".to_vec(),
                None => {
                    data.write(reactor, key, value, session);
                    b":2\r\n".to_vec()
                }
            }
        }
        _ => b"-ERR unknown command\r\n".to_vec(),
    }
}

/// What makes a value newer: time, server, line.
fn order(value: &[u8]) -> (u128, &[u8], &[u8]) {
    let time = std::str::from_utf8(&value[..22]).unwrap().parse().unwrap();
    let line = &value[23..];
    (time, line.split(|byte| *byte == b' ').nth(1).unwrap(), line)
}
