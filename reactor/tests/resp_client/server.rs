//! A server that answers as a test wants.

use reactor::resp::{ReplyLimits, ReplyParser, Value};
use reactor::sim::{Host, World};
use reactor::{Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) const PORT: u16 = 6379;

/// The answer to HELLO 3.
pub(crate) const HELLO: &str = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n";

/// What a test's own answer to a command is. `None` leaves it to the server.
type Answer = dyn Fn(&Transport, &[String]) -> Option<Vec<u8>>;

pub(crate) struct State {
    /// Each command with its arguments.
    log: RefCell<Vec<String>>,
    answer: RefCell<Rc<Answer>>,
    values: RefCell<BTreeMap<String, String>>,
    connections: RefCell<Vec<Transport>>,
    made: Cell<usize>,
    reads: Cell<usize>,
}

/// Survives its host: a killed one loses its connections, and not what is noted here.
pub(crate) struct Server {
    pub(crate) host: Host,
    state: Rc<State>,
}

impl Server {
    pub(crate) fn new(world: &World) -> Server {
        Server::named(world, "server")
    }

    pub(crate) fn named(world: &World, name: &str) -> Server {
        let state = Rc::new(State {
            log: RefCell::default(),
            answer: RefCell::new(Rc::new(|_, _| None)),
            values: RefCell::default(),
            connections: RefCell::default(),
            made: Cell::new(0),
            reads: Cell::new(0),
        });
        let of_host = state.clone();
        let host = world.host(name, move |reactor| {
            let state = of_host.clone();
            let session =
                move |_peer| Session { state: state.clone(), parser: ReplyParser::new(ReplyLimits::default()) };
            reactor.listen_tcp(("0.0.0.0", PORT), session).unwrap();
        });
        Server { host, state }
    }

    /// Has `answer` answer from now on. An empty answer is silence.
    pub(crate) fn answer(&self, answer: impl Fn(&Transport, &[String]) -> Option<Vec<u8>> + 'static) {
        *self.state.answer.borrow_mut() = Rc::new(answer);
    }

    /// What it has received after the logins, and forgets it.
    pub(crate) fn take_log(&self) -> Vec<String> {
        self.state.log.take().into_iter().filter(|line| !line.starts_with("HELLO")).collect()
    }

    /// All that it has received.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.log.borrow().clone()
    }

    /// Number of times that bytes have come.
    pub(crate) fn reads(&self) -> usize {
        self.state.reads.get()
    }

    /// Number of connections so far.
    pub(crate) fn made(&self) -> usize {
        self.state.made.get()
    }

    /// Number of connections now.
    pub(crate) fn connection_count(&self) -> usize {
        self.state.connections.borrow().len()
    }

    /// Sends bytes on all connections.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.state.connections.borrow().iter().for_each(|transport| transport.write(bytes));
    }

    pub(crate) fn abort_all(&self) {
        let connections = self.state.connections.borrow().clone();
        connections.iter().for_each(Transport::abort_connection);
    }
}

/// The answer of a simple server, with strings and a few other commands.
fn plain(state: &State, words: &[String]) -> String {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut values = state.values.borrow_mut();
    match words[..] {
        ["HELLO", "3", ..] => HELLO.to_owned(),
        ["PING"] => "+PONG\r\n".to_owned(),
        ["AUTH" | "SELECT" | "CLIENT", ..] => "+OK\r\n".to_owned(),
        ["SET", key, value] => {
            values.insert(key.to_owned(), value.to_owned());
            "+OK\r\n".to_owned()
        }
        ["GET", key] => bulk(values.get(key).map_or(key, String::as_str)),
        ["INCR", key] => {
            let value = values.entry(key.to_owned()).or_default();
            *value = (value.parse::<u64>().unwrap_or(0) + 1).to_string();
            format!(":{value}\r\n")
        }
        ["MULTI"] => "+OK\r\n".to_owned(),
        ["EXEC"] => "*1\r\n+QUEUED\r\n".to_owned(),
        ["LPUSH", ..] => "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_owned(),
        _ => "-ERR unknown command\r\n".to_owned(),
    }
}

struct Session {
    state: Rc<State>,
    parser: ReplyParser,
}

impl Protocol for Session {
    fn connection_made(&mut self, transport: &Transport) {
        transport.pause_when_full(false);
        self.state.made.set(self.state.made.get() + 1);
        self.state.connections.borrow_mut().push(transport.clone());
    }

    fn data_received(&mut self, transport: &Transport, mut data: &[u8]) {
        self.state.reads.set(self.state.reads.get() + 1);
        while let Some(command) = self.parser.next(&mut data).expect("a command") {
            let Value::Array(words) = command else { panic!("{command:?}") };
            let words: Vec<String> = words.iter().map(|word| word.as_str().expect("text").to_owned()).collect();
            self.state.log.borrow_mut().push(words.join(" "));
            let answer = self.state.answer.borrow().clone();
            match answer(transport, &words) {
                Some(bytes) => transport.write(&bytes),
                None => transport.write(plain(&self.state, &words).as_bytes()),
            }
        }
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        // Those that are gone say so.
        self.state.connections.borrow_mut().retain(|transport| !transport.is_disconnecting());
    }
}
