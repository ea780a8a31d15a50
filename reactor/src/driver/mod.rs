//! [`Driver`]: what the loop needs from below, and nothing more.
//!
//! This is the seam on which the library rests. Above it, no code touches a socket, a thread, a random number or the
//! clock. Below it, no code knows protocols. [`MioDriver`] is the real world. The simulated one ([`crate::sim`]) puts a
//! virtual network and a virtual clock under the very same loop. A program can bring its own:
//! [`Reactor::with_driver`](crate::Reactor::with_driver).
//!
//! # The contract
//!
//! A driver has three kinds of objects: itself, listeners ([`Listener`]) and streams ([`Stream`]). It must keep these
//! rules:
//!
//! * **Only [`poll`](Driver::poll) blocks.** Every other method returns at once. A stream or listener that cannot go on
//!   answers `WouldBlock`.
//! * **Readiness is edge-triggered.** An [`Event`] reports a change, once. A driver need not report the source again
//!   before the loop has met `WouldBlock`, a read of fewer bytes than it had room for, or a write of fewer than it
//!   offered. Until then the loop itself remembers that the source is ready.
//! * **A source is registered when it is made**, for reading and writing, under the token that the loop gives, and
//!   deregistered when it is dropped. Interest never changes.
//! * **Events may be late or needless.** An event may report what the loop knows already or what is no longer true, and
//!   may come under the token of a source that has been dropped. The loop never uses a token again.
//! * **Nothing is called back**, except a [`LookupReply`] and a [`Job`], which may run on any thread and only hand
//!   their results over.
//! * **A driver never goes back in time**: [`now`](Driver::now) does not decrease.
//!
//! Next: [`adopted.rs`](../../src/reactor/driver/adopted.rs.html), sockets that a driver takes over.

mod adopt;
mod adopted;
mod mio_driver;
#[cfg_attr(not(unix), path = "no_signals.rs")]
mod signals;
mod standard_io;
mod threads;
mod tracing;
mod udp;
#[cfg(unix)]
mod unix;
mod watch;

pub use adopted::{AdoptedDatagramSocket, AdoptedListener, AdoptedStream};
pub use mio_driver::MioDriver;
pub(crate) use tracing::TracingDriver;

pub(crate) use std::thread::ThreadId;

use crate::transport::KeepAlive;
use crate::{Address, UnixAddress};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of names that the loop has looked up at a time.
pub const MAX_LOOKUPS: usize = 128;

/// Names a source in events. To the loop it is a slab key and a generation, so that an event for a connection that is
/// gone never reaches its successor. To a driver it is opaque. The topmost values are left to a driver's own sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);

/// One report of [`Driver::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A source may be ready.
    Ready(Readiness),
    /// The process got a signal that the loop catches.
    Signal(Signal),
}

/// The changes on one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The source.
    pub token: Token,
    /// There may be bytes to read, or connections to accept.
    pub readable: bool,
    /// There may be room to write, or a connection attempt has ended.
    pub writable: bool,
    /// The peer has ended its side. The loop reads on until it meets the end, because no event will report it again.
    pub read_closed: bool,
    /// The connection is broken off. A read or a write would return the error.
    pub broken: bool,
}

/// A request from outside to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: to begin anew, with a new log or a new configuration. It does not ask for a stop.
    Hangup,
}

/// How a listening socket is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Maximum number of connections that wait to be accepted. A system may allow fewer.
    pub backlog: u32,
    /// At an IPv6 address: whether IPv4 clients are left out, and the port number stays free for IPv4. If not, a driver
    /// may report an IPv4 client under its IPv4-mapped address.
    pub ipv6_only: bool,
    /// Whether other sockets that say the same may have the same port (`SO_REUSEPORT`). A driver that has no such thing
    /// refuses.
    pub reuse_port: bool,
}

/// Some moment, as the beginning of a virtual clock: std makes an [`Instant`] in no other way.
pub(crate) fn some_moment() -> Instant {
    Instant::now()
}

/// The thread that calls this.
pub(crate) fn this_thread() -> ThreadId {
    std::thread::current().id()
}

/// Work for another thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// Takes the answer of a name look-up: addresses without a port, but with the scope that a link-local one needs. It may
/// be called on any thread, and only hands the answer over.
pub type LookupReply = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// Wakes a loop that waits in [`Driver::poll`], from any thread.
pub trait Wake: Send + Sync {
    /// Makes the current `poll`, or else the next, return at once.
    fn wake(&self);
}

/// Hears of each callback: the words that name it when it begins, perhaps inside of another, and `None` when the
/// innermost has ended. See [`Driver::watch`].
pub type Watch = Box<dyn Fn(Option<String>)>;

/// The world below one reactor. The [module](crate::driver) has the contract.
pub trait Driver {
    /// The time on the clock of delayed calls. It never goes back.
    fn now(&self) -> Instant;

    /// A clock that says the same as [`now`](Driver::now), and can be read while the driver is at work. A trace reads
    /// it for each event. Without one, an event has the time of the last `now`.
    fn clock(&self) -> Option<Box<dyn Fn() -> Instant>> {
        None
    }

    /// The observer that hears when each callback begins, so that a callback that runs longer than `limit` is reported
    /// before it ends. With it, the loop works out the name of each callback. Without it, a callback that never returns
    /// goes unnoticed.
    fn watch(&self, limit: Duration) -> Option<Watch> {
        let _ = limit;
        None
    }

    /// The time of day.
    fn system_time(&self) -> SystemTime;

    /// A random number, of any quality: it serves jitter, not secrets.
    fn random(&mut self) -> u64;

    /// Waits for events and appends them to `events`. Returns when there is at least one event, after `timeout` (never,
    /// if `None`), or after a wake-up. It may also return early, without an event.
    ///
    /// # Errors
    /// Only if the system cannot wait at all: the loop then ends. An interrupted wait is not an error.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;

    /// A handle that wakes this driver's `poll`.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Opens a listening socket under `token`.
    ///
    /// # Errors
    /// The system's: the address is in use, is not ours, or cannot be listened on in this way.
    fn listen_tcp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn Listener>>;

    /// Begins to connect to `address`, from the local address `bind` if given (its port 0 means any). When the attempt
    /// has ended, an event says so (`writable`), and [`Stream::finish_connect`] gives the outcome.
    ///
    /// # Errors
    /// The system's, if the attempt cannot even begin.
    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>>;

    /// Opens a listening UNIX socket under `token`. A socket file gets the permissions `mode` before anybody can
    /// connect. A file that no socket belongs to any more is replaced; the file of a living socket, or any other file,
    /// is left alone. The listener removes its file when it is dropped, if the file is still its own. A driver without
    /// UNIX sockets refuses.
    ///
    /// # Errors
    /// The system's: the address is in use, too long, or in a directory that is not ours to write to.
    fn listen_unix(
        &mut self,
        address: &UnixAddress,
        mode: u32,
        backlog: u32,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        let _ = (address, mode, backlog, token);
        Err(no_unix_sockets())
    }

    /// Begins to connect to the UNIX socket at `address`. The outcome is reported as for
    /// [`connect_tcp`](Driver::connect_tcp). A driver without UNIX sockets refuses.
    ///
    /// # Errors
    /// The system's, if the attempt cannot even begin. `WouldBlock` means that the backlog of the socket is full: no
    /// event reports when it has room, so the loop tries again after a while.
    fn connect_unix(&mut self, address: &UnixAddress, token: Token) -> io::Result<Box<dyn Stream>> {
        let _ = (address, token);
        Err(no_unix_sockets())
    }

    /// Opens a UDP socket under `token`. Of `options`, the backlog means nothing here. A driver without UDP refuses.
    ///
    /// # Errors
    /// The system's: the address is in use, or is not ours.
    fn listen_udp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        let _ = (address, options, token);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this driver has no UDP"))
    }

    /// Takes over a listening socket under `token`. A driver without sockets of the system refuses.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a listening socket of the kind that it says; otherwise the system's.
    fn adopt_listener(&mut self, listener: AdoptedListener, token: Token) -> io::Result<Box<dyn Listener>> {
        let _ = (listener, token);
        Err(no_system_sockets())
    }

    /// Takes over a connected stream socket under `token`. Returns it with its peer's address. A driver without sockets
    /// of the system refuses.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a connected socket of the kind that it says; otherwise the system's.
    fn adopt_stream(&mut self, stream: AdoptedStream, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let _ = (stream, token);
        Err(no_system_sockets())
    }

    /// Takes over a UDP socket under `token`. Returns it with the one address that it is connected to, if it is. A
    /// driver without sockets of the system refuses.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a UDP socket; otherwise the system's.
    fn adopt_datagram_socket(
        &mut self,
        socket: AdoptedDatagramSocket,
        token: Token,
    ) -> io::Result<(Box<dyn DatagramSocket>, Option<SocketAddr>)> {
        let _ = (socket, token);
        Err(no_system_sockets())
    }

    /// Takes standard input and output of the process as one stream, under `token`. A driver without them refuses.
    ///
    /// # Errors
    /// `ResourceBusy` while another stream has them; otherwise the system's.
    fn open_standard_io(&mut self, token: Token) -> io::Result<Box<dyn Stream>> {
        let _ = token;
        Err(io::Error::new(io::ErrorKind::Unsupported, "this driver has no standard input and output"))
    }

    /// Looks up a host name, and calls `reply` once with the answer. The loop asks for at most [`MAX_LOOKUPS`] names at
    /// a time, each of them once, and none of them may wait for another: any of them may take for ever. If a look-up
    /// cannot even begin, `reply` is dropped without a call.
    fn resolve(&mut self, host: &str, reply: LookupReply);

    /// Runs `job` on another thread. The loop has at most `max_threads` jobs with the driver at a time, and wants no
    /// more threads for them. The drop of the driver waits for no job.
    ///
    /// # Errors
    /// Returns the job, if no thread can be started for it.
    fn spawn(&mut self, job: Job, max_threads: usize) -> Result<(), Job>;

    /// Begins or ends the reporting of SIGINT and SIGTERM as events. While no driver of the process reports them, they
    /// have their usual effect. A SIGINT that the process ignores from its start is not reported.
    ///
    /// # Errors
    /// The system's.
    fn catch_signals(&mut self, on: bool) -> io::Result<()>;

    /// Begins or ends the reporting of SIGHUP as an event. While no driver of the process reports it, it has its usual
    /// effect. Only some programs ask for it, and a world that has no such signal does nothing.
    ///
    /// # Errors
    /// The system's.
    fn catch_hangups(&mut self, on: bool) -> io::Result<()> {
        let _ = on;
        Ok(())
    }
}

fn no_system_sockets() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this driver cannot take over sockets of the system")
}

fn no_unix_sockets() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this driver has no UNIX sockets")
}

/// A listening socket; closed when dropped.
pub trait Listener {
    /// Accepts the next connection that waits, and registers it under `token`. Returns it with the peer's address.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none waits. `ConnectionAborted`, `ConnectionReset`, `Interrupted`, `PermissionDenied`
    /// and `TimedOut` mean that only this connection failed: the loop accepts the next. After any other error the loop
    /// tries again later.
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)>;

    /// The local address, with the real port number if 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    fn local_address(&self) -> io::Result<Address>;
}

/// A stream socket; closed when dropped.
pub trait Stream {
    /// The outcome of a connection attempt: `Ok(true)` if connected, `Ok(false)` while the attempt goes on. Asked after
    /// each event, until the attempt has ended.
    ///
    /// # Errors
    /// Why the attempt failed.
    fn finish_connect(&mut self) -> io::Result<bool>;

    /// Reads the bytes that have arrived, at most as many as fit into `buffer`. 0 means that the peer has ended its
    /// side. A read that returns fewer bytes than fit has emptied the socket, unless `read_closed` was reported.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there are no bytes; `Interrupted` to be called again; any other error means that the
    /// connection is broken.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as many bytes as fit now, and returns their number, which is not 0. If it is smaller than was offered, an
    /// event reports when there is room again. The loop offers the bytes that were not taken again, before all others.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing fits; `Interrupted` to be called again; any other error means that the
    /// connection is broken.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends our side: the peer reads the end after everything that was written. Reading goes on.
    ///
    /// # Errors
    /// The system's.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes the drop that follows break the connection off (a TCP reset) instead of closing it. A UNIX socket has
    /// nothing like a reset: its peer meets the end after the bytes that were sent.
    fn reset_on_close(&mut self);

    /// Whether the drop only gives the stream back, as it does standard input and output, and closes nothing. The peer
    /// then meets our end by `shutdown_write` alone, and bytes that were not read are there for the next.
    fn is_borrowed(&self) -> bool {
        false
    }

    /// Sets `TCP_NODELAY`. Does nothing on a stream that is not TCP.
    ///
    /// # Errors
    /// The system's.
    fn set_no_delay(&mut self, on: bool) -> io::Result<()>;

    /// Sets `SO_KEEPALIVE` and its times; `None` turns the probes off. Does nothing on a stream that is not TCP.
    ///
    /// # Errors
    /// The system's.
    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()>;

    /// The local address.
    ///
    /// # Errors
    /// The system's.
    fn local_address(&self) -> io::Result<Address>;
}

/// A UDP socket; closed when dropped.
pub trait DatagramSocket {
    /// Takes the next datagram, with the address of its sender. What does not fit into `buffer` is lost; the loop's
    /// buffer has room for every datagram.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; `Interrupted` to be called again; `ConnectionRefused`, once, if nobody listens
    /// where an earlier datagram went; `HostUnreachable` and `NetworkUnreachable`, once, if one did not arrive. After
    /// any other error the loop tries again later.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Sends a datagram, whole or not at all; to the peer of a connected socket if `to` is `None`.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room now; `FileTooLarge` if no datagram can be that long; `ConnectionRefused` as in
    /// `receive`, and then this datagram is not sent.
    fn send(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<()>;

    /// Fixes the peer: datagrams of others are no longer received.
    ///
    /// # Errors
    /// The system's.
    fn connect(&self, peer: SocketAddr) -> io::Result<()>;

    /// Sets `SO_BROADCAST`.
    ///
    /// # Errors
    /// The system's.
    fn set_broadcast(&self, on: bool) -> io::Result<()>;

    /// The local address, with the real port number if 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
