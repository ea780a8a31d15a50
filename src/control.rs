//! The control socket: how the operator's programs (`proxyherd status`, `proxyherd watch`) ask a server about itself.
//!
//! It is a UNIX socket that only the server's own user can open. A command is one line; what comes back is lines of
//! JSON:
//!
//! ```text
//!   status          one line: the server's Status, and the end of the connection
//!   watch           a line for each location that the server takes, as it takes it, until the peer ends
//!   watch CLIENT    the same for one client
//! ```
//!
//! A program that watches costs a server nothing while nobody does, and a bounded amount when somebody does not read:
//! beyond [`MAX_WAITING`] bytes, lines are left out and counted, and the next line that fits says how many.
//!
//! Next: [`page.rs`](mod@crate::page), what a browser shows of a server.

use crate::config::Config;
use crate::locations::Verdict;
use crate::log_file::Bytes;
use crate::message::At;
use crate::server::Server;
use crate::status::Status;
use crate::watch::{HeardFrom, Observers, Watch};
use reactor::{LineProtocol, LineTransport, Reason, Transport};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};

/// Maximum number of bytes that wait for one watcher.
pub const MAX_WAITING: usize = 1 << 20;

/// Maximum number of watchers at once: each costs every IAMAT a line.
pub const MAX_WATCHERS: usize = 16;

/// Maximum length of a command. A client's name fits, unless the herd accepts lines of more than a mebibyte.
#[cfg_attr(not(unix), allow(dead_code, reason = "there is no such socket"))]
const MAX_COMMAND: usize = 1 << 20;

/// Where the control socket of a server is; `None` if the configuration has none.
pub fn path(config: &Config, server: &str) -> Option<PathBuf> {
    Some(config.control.directory.as_ref()?.join(format!("{server}.sock")))
}

/// The watchers of one server: while there is one, they are among its observers.
struct Watchers {
    server: Weak<Server>,
    observers: Rc<Observers>,
    list: RefCell<Vec<Rc<Watcher>>>,
}

/// Somebody who watches.
struct Watcher {
    transport: Transport,
    /// The only client that it wants to hear of, if there is one.
    client: Option<Vec<u8>>,
    /// The lines that were left out since the last that was sent.
    missed: Cell<u64>,
}

impl Watchers {
    fn enter(self: &Rc<Self>, watcher: Rc<Watcher>) {
        let is_first = self.list.borrow().is_empty();
        self.list.borrow_mut().push(watcher);
        if is_first {
            self.observers.add(self.clone());
        }
    }

    fn leave(self: &Rc<Self>, watcher: &Rc<Watcher>) {
        self.list.borrow_mut().retain(|other| !Rc::ptr_eq(other, watcher));
        if self.list.borrow().is_empty() {
            let this: Rc<dyn Watch> = self.clone();
            self.observers.remove(&this);
        }
    }

    fn source(&self, from: HeardFrom) -> Value {
        match from {
            HeardFrom::Client => json!("client"),
            HeardFrom::Unnamed => Value::Null,
            HeardFrom::Neighbor(neighbor) => {
                let server = self.server.upgrade();
                server.map_or(Value::Null, |server| json!(server.links()[neighbor].name()))
            }
        }
    }
}

impl Watch for Watchers {
    fn heard(&self, at: &At<'_>, _line: &[u8], from: HeardFrom, verdict: &Verdict) {
        if matches!(verdict, Verdict::Newer(_)) {
            self.tell(at, from);
        }
    }

    fn stored(&self, at: &At<'_>, _line: &[u8], is_news: bool) {
        if is_news {
            self.tell(at, HeardFrom::Client);
        }
    }
}

impl Watchers {
    /// Tells those who watch this client.
    fn tell(&self, at: &At<'_>, from: HeardFrom) {
        let list = self.list.borrow();
        let is_wanted =
            |watcher: &&Rc<Watcher>| watcher.client.as_deref().is_none_or(|client| client == at.iamat.client);
        let mut line = None;
        for watcher in list.iter().filter(is_wanted) {
            watcher.tell(line.get_or_insert_with(|| format!("{}\n", location(at, self.source(from)))));
        }
    }
}

impl Watcher {
    /// Writing never calls back, so this may be done in the middle of the server's work.
    fn tell(&self, line: &str) {
        if self.transport.buffered() + line.len() > MAX_WAITING {
            return self.missed.set(self.missed.get() + 1);
        }
        let missed = self.missed.take();
        if missed > 0 {
            self.transport.write(format!("{}\n", json!({ "missed": missed })).as_bytes());
        }
        self.transport.write(line.as_bytes());
    }
}

/// A location as JSON. A name that is not UTF-8 is shown as near as JSON can.
fn location(at: &At<'_>, from: Value) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let degrees = |number: String| serde_json::from_str::<Value>(&number).unwrap_or(Value::Null);
    json!({
        "server": text(at.server),
        "difference": text(at.difference),
        "client": text(at.iamat.client),
        "latitude": degrees(at.iamat.location.latitude()),
        "longitude": degrees(at.iamat.location.longitude()),
        "time": text(at.iamat.time_text),
        "from": from,
    })
}

/// One connection to the control socket.
#[cfg_attr(not(unix), allow(dead_code, reason = "there is no such socket"))]
struct ControlProtocol {
    server: Rc<Server>,
    watchers: Rc<Watchers>,
    watcher: Option<Rc<Watcher>>,
}

impl LineProtocol for ControlProtocol {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let (word, rest) = match memchr::memchr(b' ', line) {
            Some(space) => (&line[..space], Some(&line[space + 1..])),
            None => (line, None),
        };
        match (word, rest) {
            (b"status", None) => {
                transport.write(format!("{}\n", Status::of(&self.server).to_json()).as_bytes());
                transport.lose_connection();
            }
            (b"watch", client) if self.watcher.is_none() => self.watch(transport, client),
            _ => self.refuse(transport, &format!("no such command: {}", Bytes(&line[..line.len().min(80)]))),
        }
    }

    fn line_length_exceeded(&mut self, transport: &LineTransport, _start: &[u8]) {
        self.refuse(transport, "the command is too long");
    }

    fn reactor_stopping(&mut self, transport: &LineTransport) {
        transport.lose_connection();
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        if let Some(watcher) = self.watcher.take() {
            self.watchers.leave(&watcher);
        }
    }
}

#[cfg_attr(not(unix), allow(dead_code, reason = "there is no such socket"))]
impl ControlProtocol {
    fn watch(&mut self, transport: &LineTransport, client: Option<&[u8]>) {
        if self.watchers.list.borrow().len() >= MAX_WATCHERS {
            return self.refuse(transport, &format!("{MAX_WATCHERS} programs watch already"));
        }
        let to = Transport::clone(transport);
        let watcher = Rc::new(Watcher { transport: to, client: client.map(<[u8]>::to_vec), missed: Cell::new(0) });
        self.watchers.enter(watcher.clone());
        transport.write(format!("{}\n", json!({ "watching": self.server.name() })).as_bytes());
        self.watcher = Some(watcher);
    }

    fn refuse(&self, transport: &LineTransport, why: &str) {
        transport.write(format!("{}\n", json!({ "error": why })).as_bytes());
        transport.lose_connection();
    }
}

#[cfg(unix)]
mod open {
    use super::{ControlProtocol, MAX_COMMAND, Observers, Server, Watchers};
    use reactor::{Failure, LineReceiver, UnixListenAddress};
    use std::cell::RefCell;
    use std::path::Path;
    use std::rc::Rc;

    /// Opens the control socket at `path`, for this process's user alone. Its file goes when the server stops.
    /// `observers` are those that the server was made with.
    ///
    /// # Errors
    /// If nobody can listen there: the directory does not exist, another server listens, or a file is in the way.
    pub fn open(server: &Rc<Server>, observers: &Rc<Observers>, path: &Path) -> Result<(), Failure> {
        let (served, observers) = (server.clone(), observers.clone());
        let watchers = Rc::new(Watchers { server: Rc::downgrade(server), observers, list: RefCell::default() });
        let build = move |_peer| {
            let protocol = ControlProtocol { server: served.clone(), watchers: watchers.clone(), watcher: None };
            LineReceiver::new(protocol).with_delimiter(b"\n").with_max_length(MAX_COMMAND)
        };
        server.reactor().listen_unix(UnixListenAddress::from(path).mode(0o600), build)?;
        Ok(())
    }
}

#[cfg(unix)]
pub use open::open;

/// Opens the control socket at `path`. This system has none.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn open(_: &Rc<Server>, _: &Rc<Observers>, _: &std::path::Path) -> Result<(), reactor::Failure> {
    Err(reactor::Failure::msg("this system has no UNIX sockets"))
}
