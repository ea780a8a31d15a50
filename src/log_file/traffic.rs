//! [`Traffic`]: the lines of one connection in the log, and [`Bytes`]: how the log shows what a peer sent.
//!
//! Next: `../cli.rs`, the program around all this.

use super::buffer::INSTALLED;
use super::share::{Owner, Share};
use crate::terminal;
use log::Level;
use reactor::Reactor;
use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Logs the lines of one connection at level info: `label >> line` for a line that came, `label << line` for one sent.
///
/// It writes what `log::info!` would write, at a fraction of the cost: every command makes two such lines. The lines of
/// one callback share one reading of the clock. All that one peer makes the log hold comes out of its share: see
/// [`LogConfig`](crate::config::LogConfig).
///
/// A clone is the same connection's. Several parts of a connection have one, so all is behind one pointer.
#[derive(Debug, Clone)]
pub struct Traffic(Rc<Logged>);

#[derive(Debug)]
struct Logged {
    label: Box<str>,
    reactor: Reactor,
    /// `None` if the program has no log of ours.
    share: Option<Arc<Share>>,
    /// How many empty lines have come since the last line that was logged.
    blank: Cell<u64>,
}

impl Traffic {
    /// The traffic of a connection that the log calls `label`, from a client at `address`. All connections from one
    /// address share a budget.
    pub fn of_client(label: &str, address: Option<IpAddr>, reactor: &Reactor) -> Traffic {
        Traffic::new(label, Owner::peer(address), reactor)
    }

    /// The traffic of a connection to or from the neighbor `name`. Each neighbor has a budget of its own.
    pub fn of_neighbor(label: &str, name: &str, reactor: &Reactor) -> Traffic {
        Traffic::new(label, Owner::Neighbor(name.to_owned()), reactor)
    }

    fn new(label: &str, owner: Owner, reactor: &Reactor) -> Traffic {
        let share = INSTALLED.get().map(|log| log.shares.of(owner));
        Traffic(Rc::new(Logged { label: label.into(), reactor: reactor.clone(), share, blank: Cell::new(0) }))
    }

    /// The name of the connection in the log.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Its clock gives the time of a line.
    pub fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    /// Logs a line that has come.
    pub fn line_in(&self, line: &[u8]) {
        self.line(" >> ", line);
    }

    /// Logs a line that is sent.
    pub fn line_out(&self, line: &[u8]) {
        self.line(" << ", line);
    }

    /// Notes an empty line that has come. It gets no reply and means nothing, so the log has their number only, before
    /// the next line.
    pub fn blank_line_in(&self) {
        self.0.blank.set(self.0.blank.get() + 1);
    }

    /// Logs an event of this connection: `label`, a space, and what happened.
    pub fn event(&self, level: Level, what: fmt::Arguments<'_>) {
        if level > log::max_level() {
            return;
        }
        self.log_blank();
        let text = format!("{} {what}", self.0.label);
        self.add(level, |buffer| buffer.extend_from_slice(terminal::in_one_line(&text).as_bytes()));
    }

    #[inline]
    fn line(&self, arrow: &str, line: &[u8]) {
        if !log::log_enabled!(Level::Info) {
            return;
        }
        self.log_blank();
        self.add(Level::Info, |buffer| {
            buffer.extend_from_slice(self.0.label.as_bytes());
            buffer.extend_from_slice(arrow.as_bytes());
            match line.len() <= MAX_SHOWN && terminal::is_plain(line) {
                true => buffer.extend_from_slice(line),
                false => drop(write!(buffer, "{}", Bytes(line))), // Writing to memory does not fail.
            }
        });
    }

    #[inline]
    fn log_blank(&self) {
        if self.0.blank.get() > 0 {
            self.log_blank_now();
        }
    }

    #[cold]
    fn log_blank_now(&self) {
        let blank = self.0.blank.take();
        if log::log_enabled!(Level::Info) {
            self.add(Level::Info, |buffer| drop(write!(buffer, "{} >> ({blank} empty lines)", self.0.label)));
        }
    }

    /// Adds a line if there is room for it in the peer's share. `write` must append nothing that a terminal would obey.
    #[inline]
    fn add(&self, level: Level, write: impl FnOnce(&mut Vec<u8>)) {
        let (Some(log), Some(share)) = (INSTALLED.get(), &self.0.share) else {
            // Another logger, or none: a test's.
            let mut text = Vec::new();
            write(&mut text);
            return log::log!(level, "{}", String::from_utf8_lossy(&text));
        };
        log.add_from(share, self.0.reactor.system_time(), level, write);
    }
}

/// Bytes of a peer as the log shows them: text as it is, anything else escaped, and cut if they are very long.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

/// The maximum length of a peer's line in the log: that is all of it, unless the configuration allows longer lines.
const MAX_SHOWN: usize = 128 * 1024;

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bytes(bytes) = self;
        let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
        match std::str::from_utf8(shown) {
            Ok(text) if terminal::is_plain(shown) || !text.contains(terminal::is_obeyed) => f.write_str(text)?,
            _ => write!(f, "{}", shown.escape_ascii())?,
        }
        match bytes.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "... ({more} more bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_peer_are_shown_readably() {
        assert_eq!(Bytes(b"IAMAT kiwi").to_string(), "IAMAT kiwi");
        assert_eq!(Bytes("é".as_bytes()).to_string(), "é");
        assert_eq!(Bytes(b"a\xff\n").to_string(), r"a\xff\n");
        assert!(Bytes(&[b'x'; MAX_SHOWN + 976]).to_string().ends_with("x... (976 more bytes)"));
    }

    #[test]
    fn bytes_that_a_terminal_would_obey_are_escaped() {
        for character in ['\u{85}', '\u{9b}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2066}'] {
            let shown = Bytes(format!("a{character}b").as_bytes()).to_string();
            assert!(shown.is_ascii() && shown.starts_with(r"a\x"), "{shown}");
        }
    }
}
