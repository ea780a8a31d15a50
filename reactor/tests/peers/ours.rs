//! Our ends of the conversations. Each notes what it meets in words that the other end uses, too.

use crate::events::Events;
use reactor::string_receiver::{StringProtocol, StringSender};
use reactor::{LineProtocol, LineTransport, Protocol, Reason, Transport};

/// The longest line that Twisted accepts.
pub(crate) const LONGEST: usize = 16384;

/// What a client says.
pub(crate) fn lines() -> [Vec<u8>; 4] {
    [b"one".to_vec(), Vec::new(), vec![b'x'; LONGEST], b"bye".to_vec()]
}

/// What [`Lines`] notes of [`lines`], and [`AskingLines`] of their answers.
pub(crate) const HEARD: [&str; 4] = ["line 3 one", "line 0 ", "line 16384 xxxxxxxxxx", "line 3 bye"];
pub(crate) const ANSWERED: [&str; 4] = ["line 3 ONE", "line 0 ", "line 16384 XXXXXXXXXX", "line 3 BYE"];

fn note_line(events: &Events, line: &[u8]) {
    events.note(format!("line {} {}", line.len(), String::from_utf8_lossy(&line[..line.len().min(10)])));
}

/// What the handshake has found, and the TCP connection's end if it is not yet known.
fn note_handshake(events: &Events, transport: &Transport) {
    let session = transport.tls_session().expect("the handshake is done");
    let peer = session.peer_certificate().and_then(|certificate| certificate.common_name());
    let resumed = if session.is_resumed() { " resumed" } else { "" };
    let protocol = session.negotiated_protocol().map(String::from_utf8_lossy);
    events.note(format!("handshake {protocol:?} {peer:?} {:?}{resumed}", session.server_name()));
}

/// Answers each line in capitals, and closes after `bye`.
pub(crate) struct Lines(pub(crate) Events);

impl LineProtocol for Lines {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        note_line(&self.0, line);
        transport.send_line(&line.to_ascii_uppercase());
        if line == b"bye" {
            transport.lose_connection();
        }
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        note_handshake(&self.0, transport);
    }
    fn read_connection_lost(&mut self, transport: &LineTransport, _rest: &[u8]) {
        self.0.note("end");
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Says [`lines`], and hears the answers until the server closes.
pub(crate) struct AskingLines(pub(crate) Events);

impl LineProtocol for AskingLines {
    fn connection_made(&mut self, transport: &LineTransport) {
        lines().iter().for_each(|line| transport.send_line(line));
    }
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        note_line(&self.0, line);
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        note_handshake(&self.0, transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// What a client says in strings: the longest is the longest with a length of one byte.
pub(crate) fn strings() -> [Vec<u8>; 4] {
    [Vec::new(), b"hello".to_vec(), vec![b'x'; 255], b"bye".to_vec()]
}

/// Sends each string back reversed, and closes after `bye`.
pub(crate) struct Strings(pub(crate) Events);

impl StringProtocol for Strings {
    fn string_received(&mut self, transport: &StringSender, string: &[u8]) {
        transport.send_string(&string.iter().rev().copied().collect::<Vec<u8>>()).unwrap();
        if string == b"bye" {
            transport.lose_connection();
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Says [`strings`], and hears them reversed.
pub(crate) struct AskingStrings {
    pub(crate) events: Events,
    pub(crate) heard: Vec<Vec<u8>>,
}

impl StringProtocol for AskingStrings {
    fn connection_made(&mut self, transport: &StringSender) {
        strings().iter().for_each(|string| transport.send_string(string).unwrap());
    }
    fn string_received(&mut self, _transport: &StringSender, string: &[u8]) {
        self.heard.push(string.iter().rev().copied().collect());
    }
    fn connection_lost(&mut self, reason: &Reason) {
        assert_eq!(self.heard, strings());
        self.events.note(format!("lost: {reason}"));
    }
}

/// Counts, and says how much it was when the peer has no more to say.
pub(crate) struct HalfClosing {
    pub(crate) events: Events,
    pub(crate) count: usize,
}

impl Protocol for HalfClosing {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.count += data.len();
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.events.note(format!("end after {}", self.count));
        transport.write(self.count.to_string().as_bytes());
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

/// Says its question, closes its own direction, and hears the answer.
pub(crate) struct AskingHalfClosing {
    pub(crate) events: Events,
    pub(crate) question: usize,
    pub(crate) answer: Vec<u8>,
}

impl Protocol for AskingHalfClosing {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'x'; self.question]);
        transport.lose_write_connection();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.answer.extend_from_slice(data);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.events.note(format!("answer {}", String::from_utf8_lossy(&self.answer)));
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}
