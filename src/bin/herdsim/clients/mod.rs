//! The herd's clients: each has a host of its own and does what its plan says. Every reply is checked.
//!
//! Next: `workload.rs`, what the clients do.

use crate::book::answers::Answer;
use crate::book::invariants::Invariant;
use crate::book::{Book, Version};
use crate::herd::PORT;
use reactor::sim::{Host, World};
use reactor::{
    Address, ClientFactory, Connector, DelayedCall, Failure, LineProtocol, LineReceiver, LineTransport, Protocol,
    Reactor, Reason, Transport,
};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

pub(crate) mod workload;

/// A client leaves if it has not had all its replies after this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The maximum length of a line that a client accepts. No server sends a longer one.
const MAX_LINE: usize = 128 * 1024;

/// Maximum number of bytes of a wrong line that are shown.
const MAX_SHOWN: usize = 400;

/// What a client says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Say {
    /// An IAMAT: its fields.
    IamAt { client: Rc<[u8]>, location: String, time: String },
    /// A WHATSAT about a client: radius and bound.
    WhatsAt { client: Rc<[u8]>, radius: u32, bound: u32 },
    /// Something that no server understands or believes.
    Nonsense(Rc<[u8]>),
    /// A line of this number of bytes, more than a server takes. It is the last thing said on a connection.
    TooLong(usize),
}

/// How a client ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A half-close: it ends its sending after the last command, and waits for the replies.
    HalfClose,
    /// The same, but the last command has no end of line.
    EndsInLine,
    /// It closes when it has received everything.
    WhenAnswered,
    /// It aborts the connection after this time.
    BreakOff(Duration),
}

/// One connection of a client: when it begins, to which server, and what the client says, each line after a pause.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) at: Duration,
    pub(crate) server: usize,
    pub(crate) says: Vec<(Duration, Say)>,
    pub(crate) ending: Ending,
    /// It reads nothing for this long.
    pub(crate) reads_after: Duration,
    /// No faults happen meanwhile: every reply must come.
    pub(crate) is_calm: bool,
}

/// Adds a client's host to the world.
pub(crate) fn add(world: &World, name: &str, visits: Vec<Visit>, names: &Rc<Vec<String>>, book: &Rc<Book>) -> Host {
    let (names, book) = (names.clone(), book.clone());
    world.host(name, move |reactor| {
        for visit in visits.clone() {
            let (names, book, visitor) = (names.clone(), book.clone(), reactor.clone());
            reactor.call_later(visit.at, move || call_on(&visitor, visit, &names, &book));
        }
    })
}

/// Makes one visit now, from the host of `reactor`.
pub(crate) fn call_on(reactor: &Reactor, visit: Visit, names: &[String], book: &Rc<Book>) {
    let there = (names[visit.server].as_str(), PORT);
    let life = book.life(visit.server);
    let arrival = Arrival { reactor: reactor.clone(), visit: Some(visit), book: book.clone(), life };
    reactor.connect_tcp(there, arrival);
}

struct Arrival {
    reactor: Reactor,
    visit: Option<Visit>,
    book: Rc<Book>,
    /// The server's life when the client began to connect.
    life: Option<usize>,
}

impl ClientFactory for Arrival {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let visit = self.visit.take()?;
        // If the server has been restarted since, we do not know which life took the connection.
        let life = self.book.life(visit.server).filter(|life| Some(*life) == self.life);
        let visitor = Visitor {
            reactor: self.reactor.clone(),
            book: self.book.clone(),
            life,
            visit,
            owed: VecDeque::new(),
            places: None,
            heard: Vec::new(),
            is_leaving: false,
            timers: Vec::new(),
        };
        Some(Box::new(LineReceiver::new(visitor).with_delimiter(b"\n").with_max_length(MAX_LINE)))
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        if self.visit.as_ref().is_some_and(|visit| visit.is_calm) {
            self.book.fail(Invariant::RepliesInOrder, || format!("nothing fails, but no connection: {failure}"));
        }
    }
}

/// A client on one connection.
struct Visitor {
    reactor: Reactor,
    book: Rc<Book>,
    /// The server's life, if it is known.
    life: Option<usize>,
    visit: Visit,
    /// What has been said and has no reply yet.
    owed: VecDeque<Say>,
    /// The places in the reply to the first of those, as far as they have arrived.
    places: Option<Answer>,
    /// The newest version of each client that was said or heard on this connection, or that the server held when the
    /// connection was made.
    heard: Vec<(Rc<[u8]>, Version)>,
    /// This end closes the connection.
    is_leaving: bool,
    timers: Vec<DelayedCall>,
}

impl Visitor {
    fn note_heard(&mut self, client: &Rc<[u8]>, version: Option<Version>) {
        let Some(version) = self.book.newer_of(self.last_heard(client), version) else { return };
        self.heard.retain(|(other, _)| other != client);
        self.heard.push((client.clone(), version));
    }

    fn last_heard(&self, client: &Rc<[u8]>) -> Option<Version> {
        self.heard.iter().find(|(other, _)| other == client).map(|(_, version)| *version)
    }

    /// Whether the server is still in the life that took the connection, and has not been asked to stop.
    fn is_served(&self) -> bool {
        self.life.is_some() && self.book.life(self.visit.server) == self.life
    }

    /// Whether the server may not know less than before: it may, while it has lost its store.
    fn must_remember(&self) -> bool {
        !self.book.has_store() || self.visit.is_calm
    }

    fn wrong(&self, line: &[u8], say: Option<&Say>) {
        let line = shown(line);
        self.book.fail(Invariant::RepliesInOrder, || format!("the reply to {say:?} was \"{line}\""));
    }

    fn answered(&mut self, transport: &LineTransport) {
        self.owed.pop_front();
        if self.owed.is_empty() && self.visit.ending == Ending::WhenAnswered {
            self.is_leaving = true;
            transport.lose_connection();
        }
    }
}

impl Say {
    pub(crate) fn line(&self) -> Vec<u8> {
        match self {
            Say::IamAt { client, location, time } => {
                [b"IAMAT ", &client[..], format!(" {location} {time}").as_bytes()].concat()
            }
            Say::WhatsAt { client, radius, bound } => {
                [b"WHATSAT ", &client[..], format!(" {radius} {bound}").as_bytes()].concat()
            }
            Say::Nonsense(line) => line.to_vec(),
            Say::TooLong(bytes) => vec![b'x'; *bytes],
        }
    }
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", shown(&self.line()))
    }
}

/// The beginning of a line, escaped.
fn shown(line: &[u8]) -> String {
    line.iter().take(MAX_SHOWN).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
}

/// Whether `line` is an AT with these fields at its end.
fn is_at(line: &[u8], client: &[u8], rest: &str) -> bool {
    let end = [b" ", client, b" ", rest.as_bytes()].concat();
    line.starts_with(b"AT ") && line.ends_with(&end)
}

impl LineProtocol for Visitor {
    fn connection_made(&mut self, transport: &LineTransport) {
        // The lines go out in order, each after its wait. Those without a wait go out in one write.
        let mut at = Duration::ZERO;
        for (_, say) in &self.visit.says {
            if let (Say::WhatsAt { client, .. }, Some(life)) = (say, self.life)
                && let Some(version) = self.book.held(life, client)
            {
                self.heard.retain(|(other, _)| other != client);
                self.heard.push((client.clone(), version));
            }
        }
        let says = std::mem::take(&mut self.visit.says);
        let last = says.len();
        let mut now = Vec::new();
        for (number, (wait, say)) in says.into_iter().enumerate() {
            at += wait;
            let mut line = say.line();
            let is_last = number + 1 == last && matches!(self.visit.ending, Ending::HalfClose | Ending::EndsInLine);
            if !is_last || self.visit.ending == Ending::HalfClose {
                line.push(b'\n');
            }
            self.book.asked();
            self.owed.push_back(say);
            if at.is_zero() && !is_last {
                now.extend(line);
                continue;
            }
            let writer = Transport::clone(transport);
            self.timers.push(self.reactor.call_later(at, move || {
                writer.write(&line);
                if is_last {
                    writer.lose_write_connection();
                }
            }));
        }
        transport.write(&now);
        let breaker: Transport = Transport::clone(transport);
        let patience = match self.visit.ending {
            Ending::BreakOff(after) => after,
            Ending::HalfClose | Ending::EndsInLine | Ending::WhenAnswered => at + self.visit.reads_after + PATIENCE,
        };
        if !self.visit.reads_after.is_zero() {
            let reader = Transport::clone(transport);
            reader.pause_producing();
            self.timers.push(self.reactor.call_later(self.visit.reads_after, move || reader.resume_producing()));
        }
        self.timers.push(self.reactor.call_later(patience, move || breaker.abort_connection()));
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let Some(say) = self.owed.front().cloned() else { return self.wrong(line, None) };
        if let Some(answer) = &mut self.places {
            if !line.is_empty() {
                return answer.add(line);
            }
            if let Some(answer) = self.places.take()
                && let Err(what) = answer.check(self.visit.is_calm && !self.book.leaves_places_alone(self.visit.server))
            {
                self.book.fail(Invariant::RepliesInOrder, || format!("the places in the reply to {say:?}: {what}"));
            }
            return self.answered(transport);
        }
        match &say {
            Say::IamAt { client, location, time } if is_at(line, client, &format!("{location} {time}")) => {
                let version = self.book.acknowledged(line);
                self.note_heard(client, version);
                self.answered(transport);
            }
            Say::WhatsAt { client, radius, bound } if line.starts_with(b"AT ") => {
                let version = self.book.replied(client, line, self.last_heard(client).filter(|_| self.must_remember()));
                self.note_heard(client, version);
                if self.visit.is_calm {
                    self.book.check_shown(version);
                }
                self.places = Some(Answer::new(line, *radius, *bound));
            }
            // A server that knows a client knows it for the rest of its life.
            Say::WhatsAt { client, .. }
                if self.last_heard(client).is_some() && !self.book.may_forget() && self.must_remember() =>
            {
                self.wrong(line, Some(&say));
            }
            Say::IamAt { .. } if !self.book.may_forget() => self.wrong(line, Some(&say)),
            Say::IamAt { .. } | Say::WhatsAt { .. } | Say::Nonsense(_)
                if line.strip_prefix(b"? ") == Some(&say.line()[..]) =>
            {
                self.book.replied_otherwise();
                self.answered(transport);
            }
            Say::TooLong(_) if line == b"? a line is longer than 65536 bytes" => {
                self.book.replied_otherwise();
                self.answered(transport);
            }
            _ => self.wrong(line, Some(&say)),
        }
    }

    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        if !rest.is_empty() && self.is_served() {
            self.wrong(rest, self.owed.front());
        }
        transport.lose_connection();
    }

    fn connection_lost(&mut self, reason: &Reason) {
        for timer in self.timers.drain(..) {
            timer.cancel();
        }
        let server_ended_it = reason.is_clean() && self.is_served() && !self.is_leaving;
        let is_owed = !self.owed.is_empty() && !matches!(self.visit.ending, Ending::BreakOff(_));
        if is_owed && (server_ended_it || self.visit.is_calm) {
            let owed = self.owed.len();
            self.book.fail(Invariant::RepliesInOrder, || {
                format!("a connection ended ({reason}) with {owed} replies owed, the first to {:?}", self.owed.front())
            });
        }
    }
}
