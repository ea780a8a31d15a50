//! A small HTTP client: one request, one answer, and streams of events.

use crate::util::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request with these header lines, and reads the answer to its end.
#[track_caller]
pub(crate) fn request(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(3 * PATIENCE)).unwrap(); // A browser takes its time to start.
    let has_host = headers.iter().any(|line| line.starts_with("Host:"));
    let host = if has_host { String::new() } else { format!("Host: 127.0.0.1:{port}\r\n") };
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let text =
        format!("{method} {path} HTTP/1.1\r\n{host}{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    read(&mut BufReader::new(stream))
}

#[track_caller]
pub(crate) fn get(port: u16, path: &str) -> Answer {
    request(port, "GET", path, &[], "")
}

pub(crate) fn read(stream: &mut BufReader<TcpStream>) -> Answer {
    let head = read_head(stream);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Answer { status, head, body: String::from_utf8(body).expect("the tests read text") }
}

fn read_head(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "the connection has ended: {head:?}");
    }
    head
}

/// The events of a page, in the order in which they come.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    waiting: Vec<Value>,
}

impl Events {
    pub(crate) fn open(port: u16) -> Events {
        Events::open_as(port, &format!("Host: 127.0.0.1:{port}"))
    }

    /// The same, with this header line.
    pub(crate) fn open_as(port: u16, host: &str) -> Events {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\n{host}\r\n\r\n").unwrap();
        let mut stream = BufReader::new(stream);
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        Events { stream, waiting: Vec::new() }
    }

    /// The events of the next message.
    #[track_caller]
    pub(crate) fn next_list(&mut self) -> Vec<Value> {
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the events have ended");
            if let Some(list) = line.strip_prefix("data: ") {
                return serde_json::from_str(list).unwrap();
            }
        }
    }

    /// The next event for which this holds.
    #[track_caller]
    pub(crate) fn find(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.waiting.iter().position(&is_it) {
                return self.waiting.drain(..=at).next_back().expect("it was found");
            }
            assert!(std::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            self.waiting = self.next_list();
        }
    }
}
