//! [`Connection`]: one connection to the simulated store, which speaks as much of RESP 3 as a server of the herd needs.
//!
//! Next: `../feeder.rs`, the simplest client.

use super::map::Place;
use super::shard::{Data, Kept};
use super::{Bytes, line};
use reactor::resp::{ReplyLimits, ReplyParser, Value};
use reactor::{DelayedCall, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

const HELLO: &[u8] = b"%1\r\n$5\r\nproto\r\n:3\r\n";

const OK: &[u8] = b"+OK\r\n";

const NOTHING: &[u8] = b"_\r\n";

/// What the store knows of a connection.
pub(super) struct Session {
    pub(super) place: Place,
    reactor: Reactor,
    transport: Transport,
    /// The keys that were read on it: it hears of their next change.
    tracked: RefCell<BTreeSet<Bytes>>,
    /// How many writes there were at this connection's last one. A WAIT asks for those.
    pub(super) offset: Cell<usize>,
    /// Whether the last command was ASKING.
    is_asking: Cell<bool>,
    /// Commands that have not been carried out: they are behind a WAIT.
    commands: RefCell<VecDeque<Vec<Bytes>>>,
    /// The WAIT that is not over.
    wait: RefCell<Option<Wait>>,
}

struct Wait {
    /// How many replicas it wants.
    replicas: usize,
    /// The number of the primary that was asked. Another one cannot tell who has its writes.
    primary: u64,
    end: DelayedCall,
}

impl Session {
    /// Somebody has written this key.
    pub(super) fn key_changed(&self, key: &[u8], writer: Option<&Session>) {
        let is_own = writer.is_some_and(|writer| std::ptr::eq(self, writer));
        if self.tracked.borrow_mut().remove(key) && !is_own {
            self.transport.write(&[b">2\r\n$10\r\ninvalidate\r\n*1\r\n", &bulk(key)[..]].concat());
        }
    }
}

pub(super) struct Connection {
    place: Place,
    data: Rc<Data>,
    reactor: Reactor,
    parser: ReplyParser,
    session: Option<Rc<Session>>,
}

impl Connection {
    pub(super) fn new(data: &Rc<Data>, reactor: &Reactor, place: Place) -> Connection {
        let parser = ReplyParser::new(ReplyLimits::default());
        Connection { place, data: data.clone(), reactor: reactor.clone(), parser, session: None }
    }
}

impl Protocol for Connection {
    fn connection_made(&mut self, transport: &Transport) {
        let (tracked, offset, is_asking, commands, wait) = Default::default();
        let (place, reactor, transport) = (self.place, self.reactor.clone(), transport.clone());
        let session = Session { place, reactor, transport, tracked, offset, is_asking, commands, wait };
        let session = Rc::new(session);
        self.data.add(&session);
        self.session = Some(session);
    }

    fn data_received(&mut self, _transport: &Transport, mut input: &[u8]) {
        let Some(session) = &self.session else { return };
        while let Some(command) = self.parser.next(&mut input).expect("the herd sends commands") {
            let Value::Array(words) = command else { panic!("no command: {command:?}") };
            let words = words.into_iter().map(|word| word.into_bytes().expect("words are bytes")).collect();
            session.commands.borrow_mut().push_back(words);
        }
        go_on(&self.data, session);
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        let Some(session) = self.session.take() else { return };
        if let Some(Wait { end, .. }) = session.wait.take() {
            end.cancel();
        }
    }
}

/// Carries out what has come, up to a WAIT that is not over.
fn go_on(data: &Rc<Data>, session: &Rc<Session>) {
    while session.wait.borrow().is_none() {
        let Some(words) = session.commands.borrow_mut().pop_front() else { return };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match &words[..] {
            [b"WAIT", replicas, milliseconds] => {
                let (of_end, own) = (data.clone(), session.clone());
                let within = Duration::from_millis(number(milliseconds));
                let end = session.reactor.call_later(within, move || end_wait(&of_end, &own));
                let wait = Wait { replicas: number(replicas) as usize, primary: data.primary_number(), end };
                session.wait.replace(Some(wait));
                end_wait_if_confirmed(data, session);
            }
            words => {
                let reply = answer(data, session, words);
                session.transport.write(&reply);
            }
        }
    }
}

/// Ends a WAIT if enough replicas have what its connection wrote. Ends it also after a failover: the new primary cannot
/// tell what the replicas had from the old one.
pub(super) fn end_wait_if_confirmed(data: &Rc<Data>, session: &Rc<Session>) {
    let is_over =
        |wait: &Wait| wait.primary != data.primary_number() || data.confirmed(session.offset.get()) >= wait.replicas;
    if session.wait.borrow().as_ref().is_some_and(is_over) {
        end_wait(data, session);
    }
}

fn end_wait(data: &Rc<Data>, session: &Rc<Session>) {
    let Some(wait) = session.wait.take() else { return };
    wait.end.cancel();
    let reply = match wait.primary == data.primary_number() {
        true => format!(":{}\r\n", data.confirmed(session.offset.get())),
        false => "-UNBLOCKED force unblock from blocking operation, instance state changed\r\n".to_owned(),
    };
    session.transport.write(reply.as_bytes());
    go_on(data, session);
}

fn bulk(bytes: &[u8]) -> Bytes {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The first key of a command, and how many keys it has.
fn keys<'a>(words: &[&'a [u8]]) -> Option<(&'a [u8], usize)> {
    match words {
        [b"GET" | b"SET", key, ..] => Some((key, 1)),
        [b"FCALL", _, b"2", key, ..] => Some((key, 2)),
        _ => None,
    }
}

fn answer(data: &Rc<Data>, session: &Session, words: &[&[u8]]) -> Bytes {
    let is_asking = session.is_asking.take();
    if let Some(keys) = keys(words)
        && let Some(elsewhere) = data.redirect(&session.reactor, session.place, keys, is_asking)
    {
        return elsewhere.into_bytes();
    }
    let get = |key: &[u8]| data.get(&session.reactor, key);
    let write = |key: &[u8], value: &[u8], expires| {
        data.write(&session.reactor, key, Some(Kept { value: value.to_vec(), expires }), Some(session));
    };
    match words {
        [b"HELLO", ..] => HELLO.to_vec(),
        [b"CLIENT", ..] => OK.to_vec(),
        [b"PING"] => b"+PONG\r\n".to_vec(),
        [b"CLUSTER", b"SLOTS"] => data.map.slots().into_bytes(),
        [b"ASKING"] => {
            session.is_asking.set(true);
            OK.to_vec()
        }
        [b"FUNCTION", b"LOAD", ..] if !data.map.is_primary(session.place) => {
            b"-READONLY You can't write against a read only replica.\r\n".to_vec()
        }
        [b"FUNCTION", b"LOAD", ..] => {
            data.has_functions.set(true);
            bulk(b"proxyherd")
        }
        [b"FCALL", ..] if !data.has_functions.get() => b"-ERR Function not found\r\n".to_vec(),
        [b"FCALL", b"proxyherd_version", b"0"] => b":1\r\n".to_vec(),
        [b"GET", key] if data.map.is_foreign(key) => {
            b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_vec()
        }
        [b"GET", key] => {
            session.tracked.borrow_mut().insert(key.to_vec());
            get(key).map_or(NOTHING.to_vec(), |kept| bulk(&kept.value))
        }
        [b"SET" | b"FCALL", ..] if data.is_full.get() => {
            b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_vec()
        }
        [b"SET", key, value, b"NX", b"GET"] => {
            let before = get(key);
            if before.is_none() {
                write(key, value, None);
            }
            before.map_or(NOTHING.to_vec(), |kept| bulk(&kept.value))
        }
        [b"FCALL", b"proxyherd_offer", b"2", key, ..] if data.map.is_foreign(key) => {
            b"-NOTOURS the key of the client has something else\r\n".to_vec()
        }
        [b"FCALL", b"proxyherd_offer", b"2", key, _, value, expires, _, _, may_be_new, must_write] => {
            match (get(key), *may_be_new == b"1") {
                (Some(known), _) if order(&known.value) >= order(value) => {
                    if *must_write == b"1" {
                        write(key, &known.value, known.expires);
                    }
                    if known.value == *value { b":0\r\n".to_vec() } else { bulk(&known.value) }
                }
                (None, false) => b":-1\r\n".to_vec(),
                (known, _) => {
                    write(key, value, Some(number(expires)));
                    if known.is_some() { b":1\r\n".to_vec() } else { b":2\r\n".to_vec() }
                }
            }
        }
        _ => b"-ERR unknown command\r\n".to_vec(),
    }
}

fn number(text: &[u8]) -> u64 {
    String::from_utf8_lossy(text).parse().expect("the herd says a number")
}

/// What makes a value newer: time, server, line. All digits of the times are as many, so that text has their order.
fn order(value: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let line = line(value);
    (&value[..22], line.split(|byte| *byte == b' ').nth(1).unwrap_or_default(), line)
}
