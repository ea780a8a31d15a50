//! [`Server`]: a server on the loop under test, which does what the test says at each request.

use reactor::tls::TlsServer;
use reactor::{Address, Factory, ListeningPort, Protocol, Reactor, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;

/// What the test does with each request.
pub(crate) type Answer = Box<dyn FnMut(&Transport, &Asked)>;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    /// Head and body.
    pub(crate) text: String,
}

impl Asked {
    /// The request line's target.
    pub(crate) fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }

    /// The method, the target and the body.
    pub(crate) fn line(&self) -> String {
        let (head, body) = self.text.split_once("\r\n\r\n").unwrap();
        let words: Vec<&str> = head.split(' ').take(2).collect();
        format!("{} {body}", words.join(" ")).trim_end().to_owned()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[derive(Default)]
struct Seen {
    opened: usize,
    asked: Vec<Asked>,
    /// Connections that are open.
    open: Vec<(usize, Transport)>,
    /// The names of the reasons for which connections ended.
    lost: Vec<String>,
}

/// A server, with a record of what it has seen.
pub(crate) struct Server {
    pub(crate) port: ListeningPort,
    seen: Rc<RefCell<Seen>>,
}

impl Server {
    /// Calls `answer` for every request.
    pub(crate) fn new(reactor: &Reactor, answer: impl FnMut(&Transport, &Asked) + 'static) -> Server {
        Server::dressed(reactor, |factory| Box::new(factory), answer)
    }

    /// The same over TLS.
    pub(crate) fn secure(
        reactor: &Reactor,
        tls: &TlsServer,
        answer: impl FnMut(&Transport, &Asked) + 'static,
    ) -> Server {
        Server::dressed(reactor, |factory| Box::new(tls.factory(factory)), answer)
    }

    fn dressed(
        reactor: &Reactor,
        dress: impl FnOnce(Conversations) -> Box<dyn Factory>,
        answer: impl FnMut(&Transport, &Asked) + 'static,
    ) -> Server {
        struct Boxed(Box<dyn Factory>);
        impl Factory for Boxed {
            fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
                self.0.build_protocol(peer)
            }
        }
        let seen: Rc<RefCell<Seen>> = Rc::default();
        let answer: Rc<RefCell<Answer>> = Rc::new(RefCell::new(Box::new(answer)));
        let factory = dress(Conversations { seen: seen.clone(), answer });
        Server { port: reactor.listen_tcp("127.0.0.1:0", Boxed(factory)).unwrap(), seen }
    }

    /// A server that answers each request with the next of these texts; the last is for all that follow.
    pub(crate) fn saying(reactor: &Reactor, answers: &[&str]) -> Server {
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let mut next = 0;
        Server::new(reactor, move |transport, _| {
            transport.write(answers[next.min(answers.len() - 1)].as_bytes());
            next += 1;
        })
    }

    /// A server that reads and never answers.
    pub(crate) fn silent(reactor: &Reactor) -> Server {
        Server::new(reactor, |_, _| {})
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.port.host())
    }

    /// Number of connections so far.
    pub(crate) fn opened(&self) -> usize {
        self.seen.borrow().opened
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.borrow().asked.clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// Why connections ended, in order.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.seen.borrow().lost.clone()
    }

    /// The transport of this connection.
    #[track_caller]
    pub(crate) fn connection(&self, number: usize) -> Transport {
        let seen = self.seen.borrow();
        let found = seen.open.iter().find(|(own, _)| *own == number);
        found.map(|(_, transport)| transport.clone()).expect("that connection is open")
    }
}

/// A plain answer with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

struct Conversations {
    seen: Rc<RefCell<Seen>>,
    answer: Rc<RefCell<Answer>>,
}

impl Factory for Conversations {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let mut seen = self.seen.borrow_mut();
        let connection = seen.opened;
        seen.opened += 1;
        let (answer, seen) = (self.answer.clone(), self.seen.clone());
        Some(Box::new(Conversation { connection, seen, answer, bytes: Vec::new() }))
    }
}

struct Conversation {
    connection: usize,
    seen: Rc<RefCell<Seen>>,
    answer: Rc<RefCell<Answer>>,
    bytes: Vec<u8>,
}

impl Conversation {
    /// The next whole request.
    fn next(&mut self) -> Option<Asked> {
        let head = self.bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let asked =
            Asked { connection: self.connection, text: String::from_utf8_lossy(&self.bytes[..head]).into_owned() };
        let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
        let whole = self.bytes.get(..head + length)?;
        let asked = Asked { text: String::from_utf8_lossy(whole).into_owned(), ..asked };
        self.bytes.drain(..head + length);
        Some(asked)
    }
}

impl Protocol for Conversation {
    fn connection_made(&mut self, transport: &Transport) {
        self.seen.borrow_mut().open.push((self.connection, transport.clone()));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        while let Some(asked) = self.next() {
            self.seen.borrow_mut().asked.push(asked.clone());
            (self.answer.borrow_mut())(transport, &asked);
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let reason = format!("{reason:?}");
        let mut seen = self.seen.borrow_mut();
        seen.lost.push(reason.split('(').next().unwrap_or_default().to_owned());
        let own = self.connection;
        seen.open.retain(|(connection, _)| *connection != own);
    }
}
