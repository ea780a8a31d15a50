//! How a response goes out: its head and all that is known of its body in one write.
//!
//! Next: `http_server.rs`, the front.

use super::connection::{Connection, Phase};
use super::response::{Body, Response};
use super::status::reason;
use super::writer::{Beginning, Stream, StreamFraming, StreamOwner, chunk_head};
use crate::Transport;
use crate::http::Version;
use crate::transport::KeepAlive;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// The time between two questions of TCP whether the machine of a peer that only listens is still there.
const GONE_PROBE: Duration = Duration::from_secs(5);

/// The number of questions without an answer after which it has gone.
const GONE_PROBES: u32 = 3;

/// How the head says where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
    UntilClose,
    /// 204 and 304 have no body and no length.
    None,
}

impl Connection {
    /// Sends the response to the current request.
    pub(super) fn send(&self, response: Response) {
        let Some(transport) = self.transport.borrow().clone() else { return };
        if response.closes || !self.persists() {
            self.is_last.set(true);
        }
        let has_body = !matches!(response.status, 204 | 304);
        let only_head = self.asked.get().only_head;
        match &response.body {
            Body::Bytes(bytes) => self.send_whole(&transport, &response, has_body, only_head, bytes),
            Body::Shared(bytes) => self.send_whole(&transport, &response, has_body, only_head, bytes),
            Body::Stream(stream) => self.send_stream(&transport, &response, has_body, only_head, stream),
        }
    }

    /// Sends a response after which the connection closes, whatever comes of the request.
    pub(super) fn send_and_close(&self, response: Response) {
        self.is_last.set(true);
        self.send(response.and_close());
        if !self.is(Phase::Over) {
            self.close();
        }
    }

    fn send_whole(&self, transport: &Transport, response: &Response, has_body: bool, only_head: bool, body: &[u8]) {
        let length = if has_body { Length::Bytes(body.len()) } else { Length::None };
        let body = if has_body && !only_head { body } else { &[] };
        self.shared.with_scratch(
            |head| self.write_head(head, response, length),
            |head| transport.write_vectored(&[head, body]),
        );
        self.response_ended();
    }

    fn send_stream(
        &self,
        transport: &Transport,
        response: &Response,
        has_body: bool,
        only_head: bool,
        stream: &Rc<Stream>,
    ) {
        let beginning = match stream.take_beginning() {
            Beginning::Whole(body) => {
                self.send_whole(transport, response, has_body, only_head, &body);
                return stream.gone();
            }
            Beginning::Part(beginning) => beginning,
            Beginning::Broken => {
                self.break_off();
                return stream.gone();
            }
        };
        let (length, framing) = match self.asked.get().version {
            _ if !has_body => (Length::None, StreamFraming::Nothing),
            Version::Http11 => (Length::Chunked, StreamFraming::Chunked),
            Version::Http10 => {
                self.is_last.set(true);
                (Length::UntilClose, StreamFraming::UntilClose)
            }
        };
        let framing = if only_head { StreamFraming::Nothing } else { framing };
        let mut room = [0; 18];
        let (before, after): (&[u8], &[u8]) = match framing {
            StreamFraming::Chunked if !beginning.is_empty() => (chunk_head(&mut room, beginning.len()), b"\r\n"),
            _ => (b"", b""),
        };
        let beginning = if framing == StreamFraming::Nothing { &[][..] } else { &beginning };
        self.shared.with_scratch(
            |head| self.write_head(head, response, length),
            |head| transport.write_vectored(&[head, before, beginning, after]),
        );
        if framing == StreamFraming::Nothing {
            self.response_ended();
            return stream.gone();
        }
        if stream.is_events() {
            // Nothing comes from such a peer, and so nothing tells that its machine has gone: TCP must ask.
            let idle = self.shared.settings.heartbeat.max(Duration::from_secs(1));
            transport.set_keep_alive(Some(KeepAlive { idle, interval: GONE_PROBE, probes: GONE_PROBES }));
        }
        self.phase.set(Phase::Streaming);
        drop(self.stream.replace(Some(stream.clone())));
        let owner: Weak<dyn StreamOwner> = self.this();
        stream.open(transport, framing, self.shared.settings.max_event_backlog, owner);
    }

    fn write_head(&self, head: &mut Vec<u8>, response: &Response, length: Length) {
        let status = match response.status {
            200..=599 => response.status,
            other => {
                log::error!(target: "reactor", "a service answered with the status {other}, which does not exist");
                500
            }
        };
        let digit = |value: u16| b'0' + (value % 10) as u8;
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
        head.extend_from_slice(reason(status).as_bytes());
        head.extend_from_slice(b"\r\n");
        self.shared.add_date(head);
        if let Some(content_type) = &response.content_type {
            add_line(head, "Content-Type: ", content_type.as_bytes());
        }
        head.extend_from_slice(&response.headers);
        match length {
            Length::Bytes(bytes) => {
                let mut room = [0; 20];
                add_line(head, "Content-Length: ", decimal(&mut room, bytes));
            }
            Length::Chunked => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Length::UntilClose | Length::None => {}
        }
        if self.is_last.get() {
            head.extend_from_slice(b"Connection: close\r\n");
        } else if self.asked.get().version == Version::Http10 {
            head.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        head.extend_from_slice(b"\r\n");
    }
}

fn add_line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// A number in decimal digits, without an allocation.
fn decimal(room: &mut [u8; 20], number: usize) -> &[u8] {
    let (mut at, mut left) = (room.len(), number);
    loop {
        at -= 1;
        room[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &room[at..];
        }
    }
}

impl StreamOwner for Connection {
    fn stream_finished(&self) {
        if self.is(Phase::Streaming) {
            self.response_ended();
        }
    }

    fn stream_broken(&self) {
        log::debug!(target: "reactor", "the writer of a response was dropped before it had finished");
        self.break_off();
    }

    fn stream_too_slow(&self) {
        if !self.is(Phase::Over) {
            self.shared.count(|counts| counts.too_slow += 1);
            self.break_off();
        }
    }
}
