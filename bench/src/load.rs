//! The load: connections that keep a fixed number of requests in flight, check every reply, and note how long it took.
//! One thread drives all of them over `mio`, so that ten thousand connections are as easy as one.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use memchr::memchr_iter;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::talk::{self, Talk};

/// Maximum time for the next reply.
const MAX_SILENCE: Duration = Duration::from_secs(20);
/// The size of one read.
const CHUNK: usize = 64 * 1024;

/// Number of connections from one address of loopback.
const FROM_ONE_ADDRESS: usize = 1000;

/// How many connections, and how many requests in flight on each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub connections: usize,
    pub in_flight: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{} x {} in flight", self.connections, self.in_flight))
    }
}

/// When a run ends. Requests in flight are still waited for.
#[derive(Clone, Copy)]
pub enum Until {
    Replies(usize),
    Time(Duration),
}

/// What came of a run.
#[derive(Default)]
pub struct Run {
    pub replies: usize,
    /// For each batch, the nanoseconds from its first byte to the last byte of its replies.
    pub latencies: Vec<u32>,
}

/// The open connections of one run.
pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    chunk: Vec<u8>,
}

impl Load {
    pub fn connect(address: SocketAddr, shape: Shape, talk: Talk) -> io::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..shape.connections).map(|number| {
            let mut stream = TcpStream::from_std(connect(address, number)?);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
            Ok(Connection::new(stream, talk, number, shape.in_flight))
        });
        let connections = connections.collect::<io::Result<_>>()?;
        Ok(Self { poll, connections, chunk: vec![0; CHUNK] })
    }

    /// Keeps a batch in flight on each connection until the end. An error if any reply is wrong or missing.
    pub fn drive(&mut self, until: Until) -> io::Result<Run> {
        let begin = Instant::now();
        let mut run = Run::default();
        let mut events = Events::with_capacity(1024);
        self.connections.iter_mut().try_for_each(Connection::send)?;
        let mut busy = self.connections.len();
        while busy > 0 {
            self.poll.poll(&mut events, Some(MAX_SILENCE))?;
            if events.is_empty() {
                return Err(io::Error::other(format!("{busy} connections got no reply within {MAX_SILENCE:?}")));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if event.is_writable() {
                    connection.flush()?;
                }
                if !event.is_readable() || !connection.receive(&mut self.chunk)? {
                    continue;
                }
                let now = Instant::now();
                run.replies += connection.in_flight;
                let took = now.duration_since(connection.sent_at).as_nanos();
                run.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
                let over = match until {
                    Until::Replies(count) => run.replies >= count,
                    Until::Time(time) => now.duration_since(begin) >= time,
                };
                if over {
                    busy -= 1;
                } else {
                    connection.send()?;
                }
            }
        }
        Ok(run)
    }
}

/// Connects from one of several addresses: servers take a limited number of connections from each.
fn connect(address: SocketAddr, number: usize) -> io::Result<std::net::TcpStream> {
    let host = u8::try_from(1 + number / FROM_ONE_ADDRESS).map_err(io::Error::other)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into())?;
    socket.connect(&address.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

struct Connection {
    stream: TcpStream,
    talk: Talk,
    number: usize,
    in_flight: usize,
    /// How many requests it has sent.
    count: usize,
    sent: Vec<u8>,
    /// How many bytes of `sent` the system has taken.
    written: usize,
    sent_at: Instant,
    /// The system's clock at that moment, in nanoseconds since 1970.
    clock: i128,
    received: Vec<u8>,
    /// How many lines of `received` are whole.
    lines: usize,
}

impl Connection {
    fn new(stream: TcpStream, talk: Talk, number: usize, in_flight: usize) -> Self {
        Self {
            stream,
            talk,
            number,
            in_flight,
            count: 0,
            sent: Vec::new(),
            written: 0,
            sent_at: Instant::now(),
            clock: 0,
            received: Vec::new(),
            lines: 0,
        }
    }

    /// Sends a batch.
    fn send(&mut self) -> io::Result<()> {
        self.sent.clear();
        self.written = 0;
        self.received.clear();
        self.lines = 0;
        self.clock = talk::clock();
        for at in 0..self.in_flight {
            self.talk.request(&mut self.sent, self.number, self.count, self.clock + at as i128);
            self.count += 1;
        }
        self.sent_at = Instant::now();
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.sent.len() {
            match self.stream.write(&self.sent[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come. Returns whether the last reply of the batch was in it; all of them were right then.
    fn receive(&mut self, chunk: &mut [u8]) -> io::Result<bool> {
        let owed = self.in_flight * self.talk.lines();
        if self.lines == owed {
            return Ok(false);
        }
        loop {
            let count = match self.stream.read(chunk) {
                Ok(0) => return Err(io::Error::other("the server closed the connection")),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            self.lines += memchr_iter(b'\n', &chunk[..count]).count();
            self.received.extend_from_slice(&chunk[..count]);
            if self.lines >= owed {
                self.talk.check(&self.sent, &self.received, self.clock)?;
                return Ok(true);
            }
        }
    }
}

/// The value below which this part of the sorted values lies.
pub fn percentile(sorted: &[u32], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |value| f64::from(*value))
}
