//! [`Harness`]: the server Alford on a loop that the test turns, with a clock that the test moves.
//!
//! Sockets are real, on port 0. The test plays clients, neighbors and Places services in one thread: while it waits for
//! something, the loop turns. The clock stands still unless [`Harness::advance`] moves it.

use crate::held_places::HeldPlaces;
use crate::util::PATIENCE;
use proxyherd::config::{Config, HostPort, Limits, ServerConfig};
use proxyherd::locations::newness;
use proxyherd::places::Places;
use proxyherd::server::Server;
use proxyherd::watch::Watch;
use reactor::driver::{Driver, Event, Job, ListenOptions, Listener, LookupReply, MioDriver, Stream, Token, Wake};
use reactor::trace::Trace;
use reactor::{Deferred, Reactor, Settings};
use socket2::{Domain, Socket, Type};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The time of day in every test. It is chosen so that the example in the protocol's description comes out byte for
/// byte.
pub(crate) const NOW: Duration = Duration::new(1_400_794_645, 655_887_836);

/// A server's loop, and what a test needs to play everybody else.
pub(crate) struct Harness {
    pub(crate) reactor: Reactor,
    passed: Rc<Cell<Duration>>,
    time_of_day: Rc<Cell<Duration>>,
    attempts: Rc<Cell<usize>>,
    silent: SilentNames,
    count: Cell<u32>,
}

/// The look-ups of names that end with `.silent`: nobody answers them.
type SilentNames = Rc<RefCell<Vec<(String, LookupReply)>>>;

impl Harness {
    pub(crate) fn new() -> Harness {
        Harness::made(|driver| Reactor::with_driver(driver, Settings::default()))
    }

    /// The same, with an observer of everything that the loop does.
    pub(crate) fn traced(trace: Trace) -> Harness {
        Harness::made(|driver| Reactor::with_traced_driver(driver, trace, Settings::default()))
    }

    fn made(reactor: impl FnOnce(Box<dyn Driver>) -> Reactor) -> Harness {
        let (passed, attempts) = (Rc::new(Cell::new(Duration::ZERO)), Rc::new(Cell::new(0)));
        let time_of_day = Rc::new(Cell::new(NOW));
        let silent = SilentNames::default();
        let driver = Clock {
            inner: MioDriver::new().unwrap(),
            begin: Instant::now(),
            passed: passed.clone(),
            time_of_day: time_of_day.clone(),
            attempts: attempts.clone(),
            silent: silent.clone(),
        };
        let reactor = reactor(Box::new(driver));
        Harness { reactor, passed, time_of_day, attempts, silent, count: Cell::new(0) }
    }

    /// Lets time pass for the loop. The time of day does not change.
    pub(crate) fn advance(&self, by: Duration) {
        self.passed.set(self.passed.get() + by);
        self.reactor.iterate(Duration::ZERO).unwrap();
    }

    /// Sets the time of day, in the time since 1970.
    pub(crate) fn set_time_of_day(&self, to: Duration) {
        self.time_of_day.set(to);
    }

    /// How much time has passed.
    pub(crate) fn passed(&self) -> Duration {
        self.passed.get()
    }

    /// How many connections the server has tried to make.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.get()
    }

    /// The names ending with `.silent` that are being looked up, without an end.
    pub(crate) fn silent_lookups(&self) -> Vec<String> {
        self.silent.borrow().iter().map(|(host, _)| host.clone()).collect()
    }

    /// 1, 2, 3 ...: each is a newer time for a client than the one before.
    pub(crate) fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    /// One turn of the loop.
    pub(crate) fn turn(&self) {
        self.reactor.iterate(Duration::from_millis(1)).unwrap();
    }

    /// Turns the loop until `condition` holds.
    #[track_caller]
    pub(crate) fn turn_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            self.turn();
        }
    }

    /// Starts a server named Alford of this herd.
    #[track_caller]
    pub(crate) fn start(&self, config: &Config, places: Rc<dyn Places>) -> SocketAddr {
        self.wait_for_start(Server::start(&self.reactor, config, "Alford", places).unwrap())
    }

    /// The same as [`start`](Harness::start), with an observer.
    #[track_caller]
    pub(crate) fn start_watched(&self, config: &Config, places: Rc<dyn Places>, watch: Rc<dyn Watch>) -> SocketAddr {
        let server = Server::new(&self.reactor, config, "Alford", places, Box::new(newness), watch).unwrap();
        self.wait_for_start(server.begin())
    }

    #[track_caller]
    pub(crate) fn wait_for_start(&self, started: Deferred<SocketAddr>) -> SocketAddr {
        let mut started = Some(started);
        self.turn_until("it listens", || started.as_ref().is_some_and(Deferred::has_fired));
        started.take().and_then(Deferred::result).expect("the server has not started")
    }

    /// Starts Alford with these neighbors, and with Places that answer when the test lets them.
    #[track_caller]
    pub(crate) fn start_among(&self, neighbors: &[(&str, SocketAddr)]) -> (SocketAddr, Rc<HeldPlaces>) {
        let held = Rc::new(HeldPlaces::default());
        (self.start(&herd(neighbors), held.clone()), held)
    }

    /// A new connection to a server.
    #[track_caller]
    pub(crate) fn connect(&self, server: SocketAddr) -> Connection<'_> {
        Connection::new(self, TcpStream::connect(server).unwrap())
    }

    /// A new connection to a server, from this address of this machine.
    #[track_caller]
    pub(crate) fn connect_from(&self, from: [u8; 4], server: SocketAddr) -> Connection<'_> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&server.into()).unwrap();
        Connection::new(self, socket.into())
    }

    /// A port for a neighbor or a service that the test plays.
    pub(crate) fn listen(&self) -> Port<'_> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Port { harness: self, listener }
    }
}

/// A herd of Alford, on a free port, and its neighbors.
pub(crate) fn herd(neighbors: &[(&str, SocketAddr)]) -> Config {
    let server = |host: IpAddr, port, neighbors| ServerConfig {
        address: Some(HostPort { host: host.to_string(), port }),
        neighbors,
        ..ServerConfig::default()
    };
    let names = neighbors.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut servers: std::collections::BTreeMap<_, _> =
        neighbors.iter().map(|(name, at)| ((*name).to_owned(), server(at.ip(), at.port(), Vec::new()))).collect();
    servers.insert("Alford".to_owned(), server(IpAddr::from([127, 0, 0, 1]), 0, names));
    // Tests have times of long ago where the time does not matter.
    let limits = Limits { forget: Duration::MAX, ..Limits::default() };
    Config { servers, limits, ..Config::default() }
}

/// The port on which a neighbor or a service listens, and the test behind it.
pub(crate) struct Port<'s> {
    harness: &'s Harness,
    listener: TcpListener,
}

impl<'s> Port<'s> {
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// A connection that has come, if there is one.
    pub(crate) fn try_accept(&self) -> Option<Connection<'s>> {
        match self.listener.accept() {
            Ok((stream, _)) => Some(Connection::new(self.harness, stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    pub(crate) fn accept(&self) -> Connection<'s> {
        let mut accepted = None;
        self.harness.turn_until("somebody connects", || {
            accepted = self.try_accept();
            accepted.is_some()
        });
        accepted.unwrap()
    }

    /// Accepts a link of Alford's and reads its first line.
    #[track_caller]
    pub(crate) fn accept_link(&self) -> Connection<'s> {
        let mut link = self.accept();
        assert_eq!(link.line(), "PEER Alford");
        link
    }
}

/// One connection, the test's end of it.
pub(crate) struct Connection<'s> {
    harness: &'s Harness,
    stream: TcpStream,
    received: VecDeque<u8>,
    ended: bool,
}

impl<'s> Connection<'s> {
    fn new(harness: &'s Harness, stream: TcpStream) -> Connection<'s> {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { harness, stream, received: VecDeque::new(), ended: false }
    }

    /// Reads what has come. A reset is an end, too.
    fn receive(&mut self) {
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    self.received.extend(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return;
        }
    }

    /// Sends everything, or as much as the other side takes before it ends the connection.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let (mut rest, harness) = (bytes.as_ref(), self.harness);
        harness.turn_until("everything is sent", || {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive(),
                Err(_) => rest = &[],
            }
            rest.is_empty()
        });
        harness.turn();
    }

    /// Sends what the other side takes at once, if anything.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write(bytes);
    }

    /// Sends up to `most` bytes, and stops when nothing has been taken for some turns of the loop. How many were taken.
    pub(crate) fn send_while_taken(&mut self, most: usize) -> usize {
        let piece = [b'x'; 65536];
        let (mut taken, mut idle_turns) = (0, 0);
        while taken < most && idle_turns < 20 {
            match self.stream.write(&piece) {
                Ok(count) => (taken, idle_turns) = (taken + count, 0),
                Err(_) => idle_turns += 1,
            }
            self.harness.turn();
        }
        taken
    }

    /// Tries to send; whether that fails because the other side has closed the connection.
    pub(crate) fn send_fails(&mut self, bytes: &[u8]) -> bool {
        matches!(self.stream.write(bytes), Err(error) if error.kind() != ErrorKind::WouldBlock)
    }

    /// Ends our side, unless the other side has closed the connection meanwhile.
    pub(crate) fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next `count` bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.harness.turn_until("enough bytes come", || {
            self.receive();
            assert!(self.received.len() >= count || !self.ended, "the end came after {:?}", self.received);
            self.received.len() >= count
        });
        self.received.drain(..count).collect()
    }

    /// All bytes that have come and were not read yet.
    pub(crate) fn received(&mut self) -> Vec<u8> {
        self.receive();
        self.received.drain(..).collect()
    }

    /// Whether a whole line has come.
    pub(crate) fn has_line(&mut self) -> bool {
        self.receive();
        self.received.contains(&b'\n')
    }

    /// The next line as it came, without its end.
    #[track_caller]
    pub(crate) fn raw_line(&mut self) -> Vec<u8> {
        let (mut at, mut seen) = (None, 0);
        self.harness.turn_until("a line comes", || {
            self.receive();
            at = self.received.range(seen..).position(|byte| *byte == b'\n').map(|offset| seen + offset);
            seen = self.received.len();
            assert!(at.is_some() || !self.ended, "the end came after {:?}", self.received);
            at.is_some()
        });
        let mut line: Vec<u8> = self.received.drain(..=at.unwrap()).collect();
        line.pop();
        line
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        String::from_utf8(self.raw_line()).unwrap()
    }

    /// Sends a line; the next line that comes back.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\n"));
        self.line()
    }

    /// Everything up to the end of the connection.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        self.harness.turn_until("the connection ends", || self.has_ended());
        String::from_utf8(self.received.drain(..).collect()).unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.receive();
        self.ended
    }

    /// Asserts that nothing has come. The caller has made sure that it would have come by now.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self) {
        self.receive();
        let received: Vec<u8> = self.received.iter().copied().collect();
        assert!(received.is_empty() && !self.ended, "{:?}", String::from_utf8_lossy(&received));
    }
}

/// The real driver, with a clock that the test moves.
struct Clock {
    inner: MioDriver,
    begin: Instant,
    passed: Rc<Cell<Duration>>,
    time_of_day: Rc<Cell<Duration>>,
    attempts: Rc<Cell<usize>>,
    silent: SilentNames,
}

impl Driver for Clock {
    fn now(&self) -> Instant {
        self.begin + self.passed.get()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.time_of_day.get()
    }

    fn random(&mut self) -> u64 {
        self.inner.random()
    }

    /// Never waits long, so that a test for something that does not come fails and does not hang.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        const MAX_WAIT: Duration = Duration::from_millis(1);
        self.inner.poll(Some(timeout.unwrap_or(MAX_WAIT).min(MAX_WAIT)), events)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }

    fn listen_tcp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        self.inner.listen_tcp(address, options, token)
    }

    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        self.attempts.set(self.attempts.get() + 1);
        self.inner.connect_tcp(address, bind, token)
    }

    fn resolve(&mut self, host: &str, reply: LookupReply) {
        match host.ends_with(".silent") {
            true => self.silent.borrow_mut().push((host.to_owned(), reply)),
            false => self.inner.resolve(host, reply),
        }
    }

    fn spawn(&mut self, job: Job, max_threads: usize) -> Result<(), Job> {
        self.inner.spawn(job, max_threads)
    }

    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        self.inner.catch_signals(on)
    }
    fn catch_hangups(&mut self, on: bool) -> io::Result<()> {
        self.inner.catch_hangups(on)
    }
}
