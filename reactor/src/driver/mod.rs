//! [`Driver`]: what the loop needs from below, and nothing more.
//!
//! This is the seam on which the library rests. Above it nothing touches a socket, a thread, a random number or the
//! clock; below it nothing knows protocols. [`MioDriver`] is the real world. A simulated one ([`crate::sim`]) puts a
//! virtual network and a virtual clock under the very same loop.
//!
//! The rules that every driver keeps:
//! * Readiness is **edge-triggered**: an [`Event`] tells of a change; who stops reading before `WouldBlock` or the end
//!   must not expect another one.
//! * A source (stream or listener) is registered for both directions when it is made, under the token given, and
//!   deregistered when it is dropped. A late event may still come under its token: tokens are never used again.
//! * Nothing blocks but [`poll`](Driver::poll).
//!
//! Next: `event_loop/`, the loop on top, or `mio_driver.rs`, the real driver.

mod mio_driver;
mod signals;
mod threads;

pub use mio_driver::MioDriver;

use crate::transport::KeepAlive;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Names a source in events: a place in the loop's slab and a generation, so that an event for a connection that is
/// gone never reaches its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);

/// What [`Driver::poll`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A source may be ready; it may also turn out not to be.
    Ready(Readiness),
    /// The process was asked to stop.
    Signal(Signal),
}

/// What has changed on one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The source.
    pub token: Token,
    /// Reading (or accepting) may give something.
    pub readable: bool,
    /// Writing may take something, or a connection attempt has ended.
    pub writable: bool,
    /// The peer has ended its side: reading must go on to the end, as no further event will tell of it.
    pub read_closed: bool,
    /// The connection is broken off: reading or writing would give the error.
    pub broken: bool,
}

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Some moment, to count the time of a virtual clock from: std gives an [`Instant`] in no other way.
pub(crate) fn some_moment() -> Instant {
    Instant::now()
}

/// Work for another thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// Takes the answer of a name look-up, on any thread.
pub type LookupReply = Box<dyn FnOnce(io::Result<Vec<IpAddr>>) + Send>;

/// Wakes a loop that is waiting in [`Driver::poll`], from any thread.
pub trait Wake: Send + Sync {
    /// Makes the current or the next `poll` return at once.
    fn wake(&self);
}

/// The world below one reactor.
pub trait Driver {
    /// The time by which calls are timed; never goes back.
    fn now(&self) -> Instant;

    /// The time of day.
    fn system_time(&self) -> SystemTime;

    /// A random number.
    fn random(&mut self) -> u64;

    /// Waits for events until `timeout` (for ever if `None`) or a wake-up, and appends them to `events`.
    ///
    /// # Errors
    /// Only if the system cannot wait at all; an interrupted wait is no error.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;

    /// What wakes this driver's `poll`.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Opens a listening socket.
    ///
    /// # Errors
    /// As the system says: the address is in use, or not ours.
    fn listen_tcp(&mut self, address: SocketAddr, backlog: u32, token: Token) -> io::Result<Box<dyn Listener>>;

    /// Begins to connect to `address`, from `bind` if given. The outcome is told by an event and then by
    /// [`Stream::finish_connect`].
    ///
    /// # Errors
    /// As the system says, if the attempt cannot even begin.
    fn connect_tcp(&mut self, address: SocketAddr, bind: Option<IpAddr>, token: Token) -> io::Result<Box<dyn Stream>>;

    /// Looks up a host name; `reply` is called once, on any thread, and only hands the answer over. It is dropped
    /// without a call if too many look-ups wait: the loop has a time limit of its own.
    fn resolve(&mut self, host: &str, reply: LookupReply);

    /// Runs `job` on another thread.
    ///
    /// # Errors
    /// The job itself, if too many wait already.
    fn spawn(&mut self, job: Job) -> Result<(), Job>;

    /// Begins or ends reporting SIGINT and SIGTERM as events. While nobody in the process wants them, they have their
    /// usual effect.
    ///
    /// # Errors
    /// As the system says.
    fn catch_signals(&mut self, on: bool) -> io::Result<()>;
}

/// A listening socket; closed when dropped.
pub trait Listener {
    /// Takes the next connection that waits, registered under `token`.
    ///
    /// # Errors
    /// `WouldBlock` if none waits; else what went wrong with this connection or with us.
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, SocketAddr)>;

    /// Where it listens; the port is the real one if 0 was asked for.
    ///
    /// # Errors
    /// As the system says.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// A stream socket; closed when dropped.
pub trait Stream {
    /// How a connection attempt went: `Ok(false)` while it goes on.
    ///
    /// # Errors
    /// Why it failed.
    fn finish_connect(&mut self) -> io::Result<bool>;

    /// Reads what is there; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; else the connection is broken.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as fits now.
    ///
    /// # Errors
    /// `WouldBlock` if nothing fits; else the connection is broken.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that no more will come.
    ///
    /// # Errors
    /// As the system says.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes the coming drop break the connection off (TCP reset) instead of closing it.
    fn reset_on_close(&mut self);

    /// `TCP_NODELAY`.
    ///
    /// # Errors
    /// As the system says.
    fn set_no_delay(&mut self, on: bool) -> io::Result<()>;

    /// `SO_KEEPALIVE` and its times.
    ///
    /// # Errors
    /// As the system says.
    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()>;

    /// The address of this end.
    ///
    /// # Errors
    /// As the system says.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
