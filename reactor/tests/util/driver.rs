//! [`Edited`]: the real driver, with its look-ups and events in the hands of a test.

use reactor::driver::{Driver, Event, Job, ListenOptions, Listener, LookupReply, MioDriver, Stream, Token, Wake};
use reactor::{Address, Settings};
use std::cell::{Cell, RefCell};
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
    /// The time of day, if it is not to be the real one.
    pub(crate) today: Rc<Cell<Option<SystemTime>>>,
    /// How often the loop has polled.
    pub(crate) polls: Rc<Cell<usize>>,
    /// How often a port has tried to accept.
    pub(crate) accepts: Rc<Cell<usize>>,
    /// The attempts to connect, in order.
    pub(crate) attempts: Rc<RefCell<Vec<Attempt>>>,
    /// Sees the events of each poll and may change them.
    pub(crate) events: Rc<RefCell<Option<EditEvents>>>,
    /// Answers look-ups; the real resolver is never asked while there is one.
    pub(crate) resolve: Rc<RefCell<Option<Resolve>>>,
}

/// A reactor on the real driver, with `hooks` in between.
pub(crate) fn edited(hooks: &Hooks, settings: Settings) -> reactor::Reactor {
    let driver = Edited { inner: MioDriver::new().unwrap(), hooks: hooks.clone() };
    reactor::Reactor::with_driver(Box::new(driver), settings)
}

struct Edited {
    inner: MioDriver,
    hooks: Hooks,
}

impl Driver for Edited {
    fn now(&self) -> Instant {
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
        Ok(Box::new(Counted { inner, accepts: self.hooks.accepts.clone() }))
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

/// A listener that counts the calls of `accept`.
struct Counted {
    inner: Box<dyn Listener>,
    accepts: Rc<Cell<usize>>,
}

impl Listener for Counted {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        self.accepts.set(self.accepts.get() + 1);
        self.inner.accept(token)
    }
    fn local_address(&self) -> io::Result<Address> {
        self.inner.local_address()
    }
}
