//! [`MioDriver`]: the real world, through mio (epoll, kqueue). Its TCP sockets stand here.
//!
//! Next: `unix.rs`, its UNIX sockets.

use super::adopt;
use super::signals::{self, SignalPipe};
use super::standard_io::{self, StandardIo};
use super::threads::Threads;
use super::udp;
#[cfg(unix)]
use super::unix;
use super::watch::LoopWatch;
use super::{
    AdoptedDatagramSocket, AdoptedListener, AdoptedStream, DatagramSocket, Driver, Event, Job, ListenOptions, Listener,
    LookupReply, MAX_LOOKUPS, Readiness, Signal, Stream, Token, Wake, Watch,
};
use crate::Address;
#[cfg(unix)]
use crate::UnixAddress;
use crate::diagnostics::tell;
use crate::transport::KeepAlive;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Waker};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of events of one poll. The rest come with the next poll.
const MAX_EVENTS: usize = 1024;

/// The tokens of our own sources, at the top, which the loop leaves to drivers.
const WAKE: mio::Token = mio::Token(usize::MAX);
const INTERRUPT: mio::Token = mio::Token(usize::MAX - 1);
const TERMINATE: mio::Token = mio::Token(usize::MAX - 2);
const HANGUP: mio::Token = mio::Token(usize::MAX - 3);
const STANDARD_OUTPUT: mio::Token = mio::Token(usize::MAX - 4);

/// The operating system's sockets, clock and threads.
pub struct MioDriver {
    poll: Poll,
    registry: Rc<Registry>,
    events: Events,
    waker: Arc<MioWaker>,
    workers: Threads,
    /// A pool of their own, with a thread for each: a silent name server holds up nothing else.
    lookups: Threads,
    signals: Vec<SignalPipe>,
    /// The last connection to standard input and output.
    standard_io: Option<StandardIo>,
    random: RandomState,
    drawn: u64,
}

struct MioWaker(Waker);

impl Wake for MioWaker {
    fn wake(&self) {
        if let Err(error) = self.0.wake() {
            tell!(Error, "reactor", "cannot wake the loop: {error}");
        }
    }
}

impl MioDriver {
    /// A driver with its own poll.
    ///
    /// # Errors
    /// If the system cannot make another poll instance, because too many files are open.
    pub fn new() -> io::Result<MioDriver> {
        let poll = Poll::new()?;
        let waker = Arc::new(MioWaker(Waker::new(poll.registry(), WAKE)?));
        let registry = Rc::new(poll.registry().try_clone()?);
        Ok(MioDriver {
            poll,
            registry,
            events: Events::with_capacity(MAX_EVENTS),
            waker,
            workers: Threads::new("worker"),
            lookups: Threads::new("lookup"),
            signals: Vec::new(),
            standard_io: None,
            random: RandomState::new(),
            drawn: 0,
        })
    }
}

impl fmt::Debug for MioDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MioDriver")
    }
}

impl Driver for MioDriver {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn clock(&self) -> Option<Box<dyn Fn() -> Instant>> {
        Some(Box::new(Instant::now))
    }

    fn watch(&self, limit: Duration) -> Option<Watch> {
        cfg!(debug_assertions).then(|| {
            let watch = LoopWatch::begin(limit);
            let hear: Watch = Box::new(move |words| match words {
                Some(words) => watch.callback_begins(words),
                None => watch.callback_ends(),
            });
            hear
        })
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn random(&mut self) -> u64 {
        // SipHash under a key that the system drew: good enough for jitter, not for secrets.
        self.drawn += 1;
        self.random.hash_one(self.drawn)
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            match event.token() {
                WAKE => events.extend(self.standard_io.and_then(StandardIo::news).map(Event::Ready)),
                STANDARD_OUTPUT => {
                    if let Some(standard_io) = self.standard_io {
                        standard_io.note_watched(event.is_error() || event.is_write_closed());
                        events.extend(standard_io.news().map(Event::Ready));
                    }
                }
                token @ (INTERRUPT | TERMINATE | HANGUP) => {
                    if let Some(pipe) = self.signals.iter_mut().find(|pipe| pipe.token() == token) {
                        events.extend(pipe.drain().map(Event::Signal));
                    }
                }
                // An error is reported as an end, too: the loop then reads on until it meets the error.
                mio::Token(token) => events.push(Event::Ready(Readiness {
                    token: Token(token),
                    readable: event.is_readable() || event.is_error(),
                    writable: event.is_writable() || event.is_error(),
                    read_closed: event.is_read_closed() || event.is_error(),
                    broken: event.is_error(),
                })),
            }
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.waker.clone()
    }

    fn listen_tcp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // A server that was killed can be started again at once, while its old connections linger.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(options.ipv6_only)?; // In any case: each system has a default of its own.
        }
        if options.reuse_port {
            reuse_port(&socket)?;
        }
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        MioListener::register(TcpListener::from_std(socket.into()), &self.registry, token)
    }

    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        let stream = match bind {
            None => TcpStream::connect(address)?,
            Some(bind) => {
                let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
                socket.set_nonblocking(true)?;
                socket.bind(&bind.into())?;
                match socket.connect(&address.into()) {
                    Ok(()) => {}
                    Err(error) if in_progress(&error) => {}
                    Err(error) => return Err(error),
                }
                TcpStream::from_std(socket.into())
            }
        };
        MioStream::register(stream, &self.registry, token)
    }

    fn listen_udp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        udp::listen(address, options, &self.registry, token)
    }

    #[cfg(unix)]
    fn listen_unix(
        &mut self,
        address: &UnixAddress,
        mode: u32,
        backlog: u32,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        unix::listen(address, mode, backlog, &self.registry, token)
    }

    #[cfg(unix)]
    fn connect_unix(&mut self, address: &UnixAddress, token: Token) -> io::Result<Box<dyn Stream>> {
        unix::connect(address, &self.registry, token)
    }

    fn adopt_listener(&mut self, listener: AdoptedListener, token: Token) -> io::Result<Box<dyn Listener>> {
        adopt::listener(listener, &self.registry, token)
    }

    fn adopt_stream(&mut self, stream: AdoptedStream, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        adopt::stream(stream, &self.registry, token)
    }

    fn adopt_datagram_socket(
        &mut self,
        socket: AdoptedDatagramSocket,
        token: Token,
    ) -> io::Result<(Box<dyn DatagramSocket>, Option<SocketAddr>)> {
        adopt::datagram_socket(socket, &self.registry, token)
    }

    fn open_standard_io(&mut self, token: Token) -> io::Result<Box<dyn Stream>> {
        let (opened, stream) = standard_io::open(token, self.waker.clone(), &self.registry, STANDARD_OUTPUT)?;
        self.standard_io = Some(opened);
        Ok(stream)
    }

    fn resolve(&mut self, host: &str, reply: LookupReply) {
        let host = host.to_owned();
        let job: Job = Box::new(move || {
            // The standard library wants a port number. It is not used.
            reply((host.as_str(), 0).to_socket_addrs().map(Iterator::collect));
        });
        // The drop of the job drops the reply.
        if self.lookups.spawn(job, MAX_LOOKUPS).is_err() {
            tell!(Warn, "reactor", "no thread can be started for a name look-up; it was dropped");
        }
    }

    fn spawn(&mut self, job: Job, max_threads: usize) -> Result<(), Job> {
        self.workers.spawn(job, max_threads)
    }

    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        // First, so that two handlers never report the same signal.
        self.signals.retain(|pipe| pipe.token() == HANGUP);
        if on {
            self.signals.extend(signals::catch(Signal::Interrupt, &self.registry, INTERRUPT)?);
            self.signals.extend(signals::catch(Signal::Terminate, &self.registry, TERMINATE)?);
        }
        Ok(())
    }

    fn catch_hangups(&mut self, on: bool) -> io::Result<()> {
        self.signals.retain(|pipe| pipe.token() != HANGUP);
        if on {
            self.signals.extend(signals::catch(Signal::Hangup, &self.registry, HANGUP)?);
        }
        Ok(())
    }
}

/// Whether this "error" only says that a non-blocking connect has begun.
fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(EINPROGRESS)
}

#[cfg(target_os = "linux")]
const EINPROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const EINPROGRESS: i32 = 36;

/// Lets other sockets with this option, of the same user, have the same port.
pub(super) fn reuse_port(socket: &Socket) -> io::Result<()> {
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    return socket.set_reuse_port(true);
    #[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
    {
        let _ = socket;
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no SO_REUSEPORT"))
    }
}

pub(super) struct MioListener {
    listener: TcpListener,
    registry: Rc<Registry>,
}

impl MioListener {
    pub(super) fn register(
        mut listener: TcpListener,
        registry: &Rc<Registry>,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        registry.register(&mut listener, mio::Token(token.0), Interest::READABLE)?;
        Ok(Box::new(MioListener { listener, registry: registry.clone() }))
    }
}

impl Listener for MioListener {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let (stream, peer) = self.listener.accept()?;
        Ok((MioStream::register(stream, &self.registry, token)?, peer.into()))
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(self.listener.local_addr()?.into())
    }
}

pub(super) struct MioStream(TcpStream);

impl MioStream {
    /// Registers the stream once, for both directions. Interest never changes, so it never costs a system call again.
    pub(super) fn register(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Box<dyn Stream>> {
        registry.register(&mut stream, mio::Token(token.0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Box::new(MioStream(stream)))
    }
}

impl Stream for MioStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        if let Some(error) = self.0.take_error()? {
            return Err(error);
        }
        match self.0.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected || in_progress(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.0.write(one),
            many => self.0.write_vectored(many),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(std::net::Shutdown::Write)
    }

    fn reset_on_close(&mut self) {
        if let Err(error) = SockRef::from(&self.0).set_linger(Some(Duration::ZERO)) {
            log::debug!(target: "reactor", "cannot prepare a reset: {error}");
        }
    }

    fn set_no_delay(&mut self, on: bool) -> io::Result<()> {
        self.0.set_nodelay(on)
    }

    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        let socket = SockRef::from(&self.0);
        match keep_alive {
            None => socket.set_keepalive(false),
            Some(KeepAlive { idle, interval, probes }) => {
                let times = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
                socket.set_tcp_keepalive(&times)?;
                // Bytes in flight silence the probes: without this they would be sent again for a quarter of an hour.
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(Some(idle + interval * probes))?;
                Ok(())
            }
        }
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(self.0.local_addr()?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::mpsc::channel;

    #[test]
    fn look_ups_that_are_stuck_do_not_block_the_next() {
        let driver = MioDriver::new().unwrap();
        let (sender, answers) = channel();
        let stuck = Arc::new(Barrier::new(MAX_LOOKUPS));
        for _ in 1..MAX_LOOKUPS {
            let stuck = stuck.clone();
            assert!(driver.lookups.spawn(Box::new(move || _ = stuck.wait()), MAX_LOOKUPS).is_ok());
        }
        assert!(driver.lookups.spawn(Box::new(move || sender.send("answered").unwrap()), MAX_LOOKUPS).is_ok());
        assert_eq!(answers.recv_timeout(Duration::from_secs(10)), Ok("answered"));
        stuck.wait(); // Lets the others go.
    }
}
