//! [`Edited`]: the real driver, with its look-ups and events in the hands of a test.

use reactor::driver::{
    DatagramSocket, Driver, Event, Job, ListenOptions, Listener, LookupReply, MioDriver, Stream, Token, Wake,
};
use reactor::{Address, Settings};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

type EditEvents = Box<dyn FnMut(&mut Vec<Event>)>;
type Resolve = Box<dyn FnMut(&str, LookupReply)>;

/// An attempt to connect to an address, and from which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) address: SocketAddr,
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) token: Token,
}

/// What a test sees of the driver below its reactor, and does to it.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// How far the loop's clock is ahead of the real one.
    pub(crate) ahead: Rc<Cell<Duration>>,
    /// How much further ahead it is from each of its next readings on.
    pub(crate) jumps: Rc<RefCell<VecDeque<Duration>>>,
    /// The time of day, if it is not to be the real one.
    pub(crate) today: Rc<Cell<Option<SystemTime>>>,
    /// How often the loop has polled.
    pub(crate) polls: Rc<Cell<usize>>,
    /// How often a port has tried to accept.
    pub(crate) accepts: Rc<Cell<usize>>,
    /// The numbers of the errors with which the next calls of `accept` fail, without reaching the system.
    pub(crate) accept_errors: Rc<RefCell<VecDeque<i32>>>,
    /// The errors with which the next calls of `send` of a UDP socket fail, without reaching the system.
    pub(crate) send_errors: Rc<RefCell<VecDeque<io::ErrorKind>>>,
    /// The datagrams that were handed to `send`, those that failed included.
    pub(crate) datagrams: Rc<RefCell<Vec<Vec<u8>>>>,
    /// The attempts to connect, in order.
    pub(crate) attempts: Rc<RefCell<Vec<Attempt>>>,
    /// Sees the events of each poll and may change them.
    pub(crate) events: Rc<RefCell<Option<EditEvents>>>,
    /// Answers look-ups; the real resolver is never asked while there is one.
    pub(crate) resolve: Rc<RefCell<Option<Resolve>>>,
}

/// A reactor on the real driver, with `hooks` in between.
pub(crate) fn edited(hooks: &Hooks, settings: Settings) -> reactor::Reactor {
    reactor::Reactor::with_driver(edited_driver(hooks), settings)
}

/// The driver of such a reactor.
pub(crate) fn edited_driver(hooks: &Hooks) -> Box<dyn Driver> {
    Box::new(Edited { inner: MioDriver::new().unwrap(), hooks: hooks.clone() })
}

struct Edited {
    inner: MioDriver,
    hooks: Hooks,
}

impl Driver for Edited {
    fn now(&self) -> Instant {
        let jump = self.hooks.jumps.borrow_mut().pop_front().unwrap_or_default();
        self.hooks.ahead.set(self.hooks.ahead.get() + jump);
        self.inner.now() + self.hooks.ahead.get()
    }
    fn system_time(&self) -> SystemTime {
        self.hooks.today.get().unwrap_or_else(|| self.inner.system_time())
    }
    fn random(&mut self) -> u64 {
        self.inner.random()
    }
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.hooks.polls.set(self.hooks.polls.get() + 1);
        self.inner.poll(timeout, events)?;
        if let Some(edit) = &mut *self.hooks.events.borrow_mut() {
            edit(events);
        }
        Ok(())
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
        let inner = self.inner.listen_tcp(address, options, token)?;
        Ok(Box::new(Counted { inner, hooks: self.hooks.clone() }))
    }
    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        self.hooks.attempts.borrow_mut().push(Attempt { address, bind, token });
        self.inner.connect_tcp(address, bind, token)
    }
    fn listen_udp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        let inner = self.inner.listen_udp(address, options, token)?;
        Ok(Box::new(Scripted { inner, hooks: self.hooks.clone() }))
    }
    fn resolve(&mut self, host: &str, reply: LookupReply) {
        match &mut *self.hooks.resolve.borrow_mut() {
            Some(resolve) => resolve(host, reply),
            None => self.inner.resolve(host, reply),
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

/// A listener that counts the calls of `accept`, and fails as the test says.
struct Counted {
    inner: Box<dyn Listener>,
    hooks: Hooks,
}

impl Listener for Counted {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        self.hooks.accepts.set(self.hooks.accepts.get() + 1);
        match self.hooks.accept_errors.borrow_mut().pop_front() {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => self.inner.accept(token),
        }
    }
    fn local_address(&self) -> io::Result<Address> {
        self.inner.local_address()
    }
}

/// A UDP socket that fails to send as the test says.
struct Scripted {
    inner: Box<dyn DatagramSocket>,
    hooks: Hooks,
}

impl DatagramSocket for Scripted {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.receive(buffer)
    }
    fn send(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        self.hooks.datagrams.borrow_mut().push(datagram.to_vec());
        match self.hooks.send_errors.borrow_mut().pop_front() {
            Some(error) => Err(error.into()),
            None => self.inner.send(datagram, to),
        }
    }
    fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.inner.connect(peer)
    }
    fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.set_broadcast(on)
    }
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_address()
    }
}
