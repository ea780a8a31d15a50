//! What clients do: connections to any server, with commands about any client, and what comes back goes into the book.

use crate::book::{Book, Life, Version};
use crate::random::Random;
use crate::servers::Server;
use reactor::{CancelledError, Deferred, Destination, Failure, Firer, LineProtocol, LineReceiver, LineTransport};
use reactor::{Reactor, Reason};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// How many clients move around.
pub(crate) const CLIENTS: usize = 40;

/// How many places they are at. A server keeps what is near a place, so a long run with ever new places would fill that
/// cache for as long as it has room, and nobody could see a leak beside it.
const PLACES: usize = 60;

/// How long a visit may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The name of a client.
pub(crate) fn name(number: usize) -> String {
    format!("client-{number}")
}

/// One command.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    IamAt { client: String, location: String, time: String },
    WhatsAt { client: String },
}

impl Said {
    fn line(&self) -> String {
        match self {
            Said::IamAt { client, location, time } => format!("IAMAT {client} {location} {time}\n"),
            Said::WhatsAt { client } => format!("WHATSAT {client} 0 0\n"),
        }
    }
}

/// A random visit to a server.
pub(crate) fn visit(
    reactor: &Reactor,
    server: &Server,
    random: &Random,
    book: &Rc<RefCell<Book>>,
) -> Option<Deferred<()>> {
    let count = 1 + random.below(6);
    let said = (0..count).map(|_| {
        let client = name(random.below(CLIENTS));
        if random.once_in(3) {
            return Said::WhatsAt { client };
        }
        let now = reactor.system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Some are older than what is known, and some have the same time.
        let late = Duration::from_millis([0, 0, 0, 40, 2000][random.below(5)]);
        let time = now.saturating_sub(late);
        let nanos = if random.once_in(8) { 0 } else { time.subsec_nanos() };
        let place = random.below(PLACES);
        let location = format!("+{}.25-{}.5", place, 2 * place);
        Said::IamAt { client, location, time: format!("{}.{nanos:09}", time.as_secs()) }
    });
    let said = said.collect();
    let lines = ask(reactor, server, said, book.clone())?;
    // A visit that fails is what faults are for.
    Some(lines.add_callback(|_| ()).add_errback(|_| ()))
}

/// Gives a server these commands. The Deferred fires with the first line of each reply.
pub(crate) fn ask(
    reactor: &Reactor,
    server: &Server,
    said: VecDeque<Said>,
    book: Rc<RefCell<Book>>,
) -> Option<Deferred<Vec<String>>> {
    let (done, firer) = Deferred::new();
    let (life, server_life, server, address) = (server.life()?, server.current(), server.name, server.address);
    let visit = Visit {
        life,
        current: server_life,
        server,
        said,
        before: None,
        lines: Vec::new(),
        is_in_places: false,
        book,
        firer: Some(firer),
    };
    let lines = move |_peer| LineReceiver::new(visit).with_delimiter(b"\n").with_max_length(1 << 20);
    let to = Destination::from(address).timeout(PATIENCE);
    let asked = reactor.connect(to, lines).add_callback(move |transport| {
        done.add_both(move |lines| {
            transport.abort_connection();
            lines
        })
    });
    Some(asked.add_timeout(PATIENCE, reactor))
}

/// One connection: one command after the other.
struct Visit {
    life: Life,
    /// The life of the server by now.
    current: Rc<Cell<Life>>,
    server: &'static str,
    said: VecDeque<Said>,
    /// What the server had said about the client before it was asked.
    before: Option<Version>,
    lines: Vec<String>,
    /// The rest of the reply to a WHATSAT is still to come.
    is_in_places: bool,
    book: Rc<RefCell<Book>>,
    firer: Option<Firer<Vec<String>>>,
}

impl Visit {
    fn say(&mut self, transport: &LineTransport) {
        let Some(next) = self.said.front() else {
            if let Some(firer) = self.firer.take() {
                let _ = firer.callback(std::mem::take(&mut self.lines)); // It may have been too slow.
            }
            return;
        };
        if let Said::WhatsAt { client } = next {
            self.before = self.book.borrow().said(self.life, client);
        }
        transport.write(next.line().as_bytes());
    }
}

impl LineProtocol for Visit {
    fn connection_made(&mut self, transport: &LineTransport) {
        // While a cable was pulled, a request to connect may have waited for the next life, which promised nothing yet.
        if self.current.get() == self.life { self.say(transport) } else { transport.abort_connection() }
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        if self.is_in_places {
            if line.is_empty() {
                self.is_in_places = false;
                self.say(transport);
            }
            return;
        }
        let line = String::from_utf8_lossy(line).into_owned();
        match self.said.pop_front() {
            Some(Said::IamAt { client, location, time }) => {
                self.book.borrow_mut().acknowledged(self.life, self.server, [&client, &location, &time], &line);
                self.lines.push(line);
                self.say(transport);
            }
            Some(Said::WhatsAt { client }) => {
                let before = self.before.take();
                self.book.borrow_mut().answered(self.life, self.server, &client, before.as_ref(), &line);
                self.is_in_places = line.starts_with("AT ");
                self.lines.push(line);
                if !self.is_in_places {
                    self.say(transport);
                }
            }
            None => self.book.borrow_mut().fail(format!("{} said {line:?} unasked", self.server)),
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.errback(Failure::from(reason.clone())); // It may have been too slow.
        }
    }
}

/// Whether a failure means that the user has ended the run.
pub(crate) fn is_end(failure: &Failure) -> bool {
    failure.check::<CancelledError>().is_some()
}
