//! The load: connections that keep a fixed number of IAMATs in flight and check every reply.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use memchr::memchr_iter;

/// The name of every measured server.
pub const NAME: &str = "Powell";

/// Number of blocking threads that make the load; each has a part of the connections.
const THREADS: usize = 2;
/// Maximum time for one read or write.
const MAX_IO: Duration = Duration::from_secs(10);
/// Maximum time for one run of the load.
const MAX_RUN: Duration = Duration::from_secs(120);
/// Each connection sends the IAMATs of this many clients in turn.
const CLIENTS: usize = 20;
/// How far the clock in a reply may lie outside the time from the request to the reply, in nanoseconds.
const SLACK: i128 = 100_000_000;
const SECOND: i128 = 1_000_000_000;

#[derive(Clone, Copy)]
pub struct Shape {
    pub connections: usize,
    /// Requests in flight on each connection.
    pub in_flight: usize,
    pub requests: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{} x {} in flight", self.connections, self.in_flight))
    }
}

/// The open connections of one run.
pub struct Load(Vec<Connection>);

impl Load {
    pub fn connect(address: SocketAddr, shape: Shape) -> io::Result<Self> {
        (0..shape.connections)
            .map(|number| Connection::open(address, number, shape.in_flight))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Sends at least `requests` requests. Returns the number of replies, one to each request and all of them correct;
    /// an error if any is not.
    pub fn drive(&mut self, requests: usize) -> io::Result<usize> {
        let in_flight: usize = self.0.iter().map(|connection| connection.in_flight).sum();
        let batches = requests.div_ceil(in_flight);
        let share = self.0.len().div_ceil(THREADS);
        thread::scope(|scope| {
            let threads: Vec<_> =
                self.0.chunks_mut(share).map(|connections| scope.spawn(move || drive(connections, batches))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("this thread never panics"))
        })?;
        Ok(batches * in_flight)
    }
}

/// Sends `batches` batches on each connection. Every connection has a batch in flight all the time.
fn drive(connections: &mut [Connection], batches: usize) -> io::Result<()> {
    let start = Instant::now();
    connections.iter_mut().try_for_each(Connection::send)?;
    for left in (0..batches).rev() {
        for connection in &mut *connections {
            connection.receive()?;
            if left > 0 {
                connection.send()?;
            }
        }
        if start.elapsed() > MAX_RUN {
            return Err(io::Error::other(format!("{left} batches left after {MAX_RUN:?}")));
        }
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    number: usize,
    in_flight: usize,
    client: usize,
    sent: Vec<u8>,
    sent_at: i128,
    received: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, number: usize, in_flight: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(MAX_IO))?;
        stream.set_write_timeout(Some(MAX_IO))?;
        Ok(Self { stream, number, in_flight, client: 0, sent: Vec::new(), sent_at: 0, received: Vec::new() })
    }

    /// Sends a batch. Each request is newer than all earlier ones of its client.
    fn send(&mut self) -> io::Result<()> {
        self.sent.clear();
        self.sent_at = clock();
        for _ in 0..self.in_flight {
            self.client = (self.client + 1) % CLIENTS;
            let (seconds, nanos) = (self.sent_at / SECOND, self.sent_at % SECOND);
            let (number, client) = (self.number, self.client);
            writeln!(
                self.sent,
                "IAMAT client{client:02}.host{number:03}.example +34.068930-118.445127 {seconds}.{nanos:09}"
            )?;
        }
        self.stream.write_all(&self.sent)
    }

    /// Reads and checks the replies to the batch.
    fn receive(&mut self) -> io::Result<()> {
        self.received.clear();
        let mut lines = 0;
        let mut chunk = [0; 4096];
        while lines < self.in_flight {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::Error::other("the server closed the connection"));
            }
            lines += memchr_iter(b'\n', &chunk[..count]).count();
            self.received.extend_from_slice(&chunk[..count]);
        }
        let now = clock();
        let (mut requests, mut replies) = (self.sent.split_inclusive(newline), self.received.split_inclusive(newline));
        loop {
            match (requests.next(), replies.next()) {
                (None, None) => return Ok(()),
                (Some(request), Some(reply))
                    if server_clock(request, reply)
                        .is_some_and(|clock| (self.sent_at - SLACK..=now + SLACK).contains(&clock)) => {}
                (request, reply) => {
                    let [request, reply] =
                        [request, reply].map(|line| String::from_utf8_lossy(line.unwrap_or_default()));
                    return Err(io::Error::other(format!("wrong reply {reply:?} to {request:?}")));
                }
            }
        }
    }
}

fn newline(byte: &u8) -> bool {
    *byte == b'\n'
}

/// The server's clock when it answered this IAMAT with this AT, in nanoseconds. `None` if the AT is wrong.
fn server_clock(request: &[u8], reply: &[u8]) -> Option<i128> {
    let fields = request.strip_prefix(b"IAMAT ")?;
    let rest = reply.strip_prefix(b"AT ")?.strip_prefix(NAME.as_bytes())?.strip_prefix(b" ")?;
    let difference = rest.strip_suffix(fields)?.strip_suffix(b" ")?;
    let time = fields.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?;
    if !difference.starts_with(b"+") && !difference.starts_with(b"-") {
        return None;
    }
    Some(nanos(difference)? + nanos(time)?)
}

/// A decimal number of seconds with nine digits after the point, in nanoseconds.
fn nanos(text: &[u8]) -> Option<i128> {
    let text = str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.')?;
    if fraction.len() != 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: i128 = fraction.parse().ok()?;
    let whole: i128 = whole.parse::<i128>().ok()? * SECOND;
    Some(if text.starts_with('-') { whole - part } else { whole + part })
}

/// Nanoseconds since 1970.
fn clock() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

/// Checks that a server tells good IAMATs from bad ones: the benchmark must compare equal work.
pub fn check(address: SocketAddr) -> io::Result<()> {
    let mut connection = Connection::open(address, 0, 1)?;
    let tomorrow = clock() / SECOND + 90_000;
    let good = ["+34.068930-118.445127 1400794645.392014450", "+90-180 1400794645.000000000", "-0.5+.25 -1.500000000"];
    for fields in good {
        connection.sent = format!("IAMAT check {fields}\n").into_bytes();
        connection.sent_at = clock();
        connection.stream.write_all(&connection.sent)?;
        connection.receive()?;
    }
    let bad = [
        "+90.000001+0 1.0",
        "+0-180.1 1.0",
        "34+118 1.0",
        "+1..2+3 1.0",
        "+1+2 1e9",
        "+1+2 1.0000000000",
        "+1+2",
        "+1+2 nan",
    ];
    for fields in bad.map(String::from).into_iter().chain([format!("+1+2 {tomorrow}")]) {
        let line = format!("IAMAT check {fields}\n");
        connection.stream.write_all(line.as_bytes())?;
        let mut reply = vec![0; line.len() + 2];
        connection.stream.read_exact(&mut reply)?;
        if reply != format!("? {line}").as_bytes() {
            return Err(io::Error::other(format!("{:?} to {line:?}", String::from_utf8_lossy(&reply))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_in_a_reply_is_read_and_wrong_replies_are_refused() {
        let request = b"IAMAT a +1-2 100.000000001\n";
        assert_eq!(server_clock(request, b"AT Powell +0.500000000 a +1-2 100.000000001\n"), Some(100_500_000_001));
        assert_eq!(server_clock(request, b"AT Powell -0.500000000 a +1-2 100.000000001\n"), Some(99_500_000_001));
        for wrong in
            ["0.500000000 a +1-2 100.000000001", "+0.5 a +1-2 100.000000001", "+0.500000000 a +1-2 100.00000001"]
        {
            assert_eq!(server_clock(request, format!("AT Powell {wrong}\n").as_bytes()), None, "{wrong}");
        }
    }
}
