//! [`Reactor`]: the loop and what it offers. Twisted's `reactor`, as a value instead of a global.
//!
//! The parts:
//!
//! * `turn.rs` is the loop itself. `work_queue.rs` holds the requests that it has not carried out yet.
//! * `connection/`, `port.rs` and `connector.rs` are the sources that it serves, and `registry.rs` finds them by their
//!   tokens. A connector goes to a `destination.rs`, has names looked up by `looking_up.rs` and `resolver.rs`, and has
//!   addresses tried by `race.rs`; a `client_factory.rs` builds the protocol. `unix.rs` has ports and connections
//!   inside one machine, `standard_io.rs` the connection that every process has.
//! * `lifecycle.rs` starts the loop, `shutdown.rs` stops it, and `hangup.rs` has SIGHUP. `stepped.rs` has what a
//!   simulated world needs to take the steps itself.
//! * `callback.rs` is how the loop calls the program.
//! * `threads.rs` is the way in from other threads, `blocking.rs` waits there for the answer, and `thread_pool.rs` has
//!   threads do work for the loop.
//! * On top: `connect.rs` makes one connection a Deferred, and `run_until.rs` a program. `tls.rs` gives TLS its clock,
//!   and `policy_clock.rs` the policies. `inventory.rs` lists what the reactor holds.
//!
//! The files of this folder import each other in a circle, because the loop does: a turn serves the sources, a source
//! queues work, the queue holds the sources, and a callback of a source comes back to the reactor for more. All of them
//! work on `Core`, which stands here and owns them.
//!
//! Circle: these files and `connection/` are one state machine. To open the circle, the queue would have to hold tokens
//! or trait objects. Each event would then cost a look-up or a virtual call, and a reader would still have to follow
//! the same calls.
//!
//! Next: [`turn.rs`](../../src/reactor/event_loop/turn.rs.html), to be read in one sitting.

mod adopt;
mod blocking;
mod building;
mod callback;
mod client_factory;
mod connect;
mod connection;
mod connector;
mod datagram_port;
mod destination;
mod hangup;
mod inventory;
mod lifecycle;
mod longest;
mod looking_up;
mod policy_clock;
mod port;
mod race;
mod registry;
mod resolver;
mod run_until;
mod shutdown;
mod standard_io;
#[cfg(feature = "sim")]
mod stepped;
mod thread_pool;
mod threads;
#[cfg(feature = "tls")]
mod tls;
mod turn;
#[cfg(unix)]
mod unix;
mod work_queue;

pub use building::{BuildEach, BuildOnce};
pub use client_factory::ClientFactory;
pub use connector::Connector;
pub use datagram_port::UdpListenAddress;
pub use destination::Destination;
pub use inventory::Inventory;
pub use lifecycle::{Phase, SystemEvent, TriggerId};
pub use longest::LongestCallback;
pub use port::{ListenAddress, ListeningPort};
pub use run_until::react;
pub use thread_pool::{ErrorOnItsWay, WorkError};
pub use threads::ReactorHandle;
#[cfg(unix)]
pub use unix::UnixListenAddress;

#[cfg(feature = "sim")]
pub(crate) use lifecycle::Run;
#[cfg(feature = "sim")]
pub(crate) use stepped::TurnMemory;

use crate::address::IntoAddress;
use crate::context::Asked;
use crate::driver::{Driver, MioDriver, TracingDriver, Watch};
use crate::error::CannotListenError;
use crate::foreign::Foreign;
use crate::timers::Timers;
use crate::trace::{self, Scope, Trace};
use crate::{Address, Clock, DelayedCall, Factory, Settings};
use connector::ConnectorInner;
use hangup::Hangups;
use lifecycle::Lifecycle;
use longest::Longest;
use registry::Registry;
use resolver::Resolver;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use thread_pool::ThreadPool;
use threads::{CallsFromThreads, Completions};
use work_queue::WorkQueue;

/// Size of the read buffer. All connections share one, so that an idle connection owns none.
const BUFFER: usize = 64 * 1024;

/// A callback that runs for longer than this is told before it has ended, where the driver looks on. It is also the
/// time after which a person begins to wonder.
const STUCK: Duration = Duration::from_secs(2);

/// One event loop: a cheap handle to clone into whatever needs it, but not to send to another thread (see
/// [`handle`](Reactor::handle)).
///
/// Several may live in one thread or process; each can be run, stopped and run again.
///
/// # One turn
///
/// The loop takes turns until it is stopped. These are the seven steps of a turn, in this order:
///
/// 1. Work out how long to wait: not at all if there is work already, otherwise until the next delayed call is due.
/// 2. Wait for events.
/// 3. Handle the events: accept, finish connects, read. What a connection's callbacks wrote on it leaves right after.
/// 4. Make the calls that other threads handed over, and those of [`call_when_running`](Reactor::call_when_running).
/// 5. Make the delayed calls that are due.
/// 6. Send what was written from elsewhere, in one piece for each connection; read on where a read budget was used up.
/// 7. Report the connections that have ended: `connection_lost`.
///
/// Each step does a bounded amount of work. What a step adds to its own queue waits for the next turn.
///
/// # Contract
///
/// * Nothing here calls back before it returns: a request is noted, and the loop carries it out. Only callbacks of a
///   [`Deferred`](crate::Deferred) that has fired run at once.
/// * Callbacks never overlap: one runs at a time, in the thread of the loop, to its end.
/// * A callback must not block, as everybody else waits meanwhile. One that takes longer than
///   [`Settings::slow_callback`] is logged, with its name and the place that asked for it.
/// * A panic in a callback is logged and goes no further.
///
/// ```
/// use reactor::Reactor;
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let (begin, stopper) = (reactor.now(), reactor.clone());
/// reactor.call_later(Duration::from_millis(5), move || stopper.stop());
/// reactor.run()?;
/// assert!(reactor.now() - begin >= Duration::from_millis(5));
/// # Ok::<(), reactor::Failure>(())
/// ```
#[derive(Clone)]
pub struct Reactor {
    core: Rc<Core>,
}

/// A reference that does not keep the reactor alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakReactor(Weak<Core>);

impl WeakReactor {
    fn core(&self) -> Option<Rc<Core>> {
        self.0.upgrade()
    }

    pub(crate) fn upgrade(&self) -> Option<Reactor> {
        Some(Reactor { core: self.core()? })
    }
}

struct Core {
    this: Weak<Core>,
    driver: RefCell<Box<dyn Driver>>,
    registry: RefCell<Registry>,
    work: Rc<WorkQueue>,
    lifecycle: Lifecycle,
    hangups: Hangups,
    calls_from_threads: Arc<CallsFromThreads>,
    thread_pool: ThreadPool,
    completions: Completions,
    resolver: RefCell<Resolver>,
    /// The shared read buffer; empty while a connection reads into it.
    buffer: Cell<Vec<u8>>,
    /// The time of day, and the moment at which the callback began that read it.
    time_of_day: Cell<Option<(Instant, SystemTime)>>,
    /// The last reading of the clock: the moment at which the running callback began.
    last_reading: Cell<Instant>,
    /// How long the callbacks took that have run inside the running one.
    time_inside: Cell<Duration>,
    longest: Longest,
    /// Hears of each callback when it begins.
    watch: Option<Watch>,
    turns: Cell<u64>,
}

impl Reactor {
    /// A reactor on the operating system's sockets, with default [`Settings`].
    ///
    /// # Errors
    /// If the system cannot make another poll instance, because too many files are open.
    pub fn new() -> io::Result<Reactor> {
        Reactor::with_settings(Settings::default())
    }

    /// A reactor on the operating system's sockets.
    ///
    /// # Errors
    /// As [`new`](Reactor::new).
    pub fn with_settings(settings: Settings) -> io::Result<Reactor> {
        match trace::from_environment() {
            Some(trace) => Reactor::traced(trace, settings),
            None => Ok(Reactor::with_driver(Box::new(MioDriver::new()?), settings)),
        }
    }

    /// A reactor on the operating system's sockets that reports everything that happens to `trace`. The module
    /// [`trace`] tells what that is.
    ///
    /// # Errors
    /// As [`new`](Reactor::new).
    pub fn traced(trace: Trace, settings: Settings) -> io::Result<Reactor> {
        Ok(Reactor::with_traced_driver(Box::new(MioDriver::new()?), trace, settings))
    }

    /// A reactor on any driver.
    pub fn with_driver(driver: Box<dyn Driver>, settings: Settings) -> Reactor {
        Reactor::build(driver, None, settings)
    }

    /// A reactor on any driver that reports everything that happens to `trace`.
    pub fn with_traced_driver(driver: Box<dyn Driver>, trace: Trace, settings: Settings) -> Reactor {
        let (driver, scope) = TracingDriver::around(driver, trace, None, None);
        trace::attach(scope.clone());
        Reactor::build(driver, Some(scope), settings)
    }

    pub(crate) fn build(driver: Box<dyn Driver>, trace: Option<Rc<Scope>>, settings: Settings) -> Reactor {
        let now = driver.now();
        let watch = driver.watch(settings.slow_callback.max(STUCK));
        let core = Rc::new_cyclic(|this| Core {
            this: this.clone(),
            calls_from_threads: Arc::new(CallsFromThreads::new(driver.waker())),
            driver: RefCell::new(driver),
            registry: RefCell::default(),
            thread_pool: ThreadPool::new(&settings),
            longest: Longest::default(),
            watch,
            time_inside: Cell::new(Duration::ZERO),
            turns: Cell::new(0),
            work: WorkQueue::new(settings, Timers::new(now, trace.clone()), trace),
            lifecycle: Lifecycle::default(),
            hangups: Hangups::default(),
            completions: Completions::default(),
            resolver: RefCell::default(),
            buffer: Cell::new(Vec::new()),
            time_of_day: Cell::new(None),
            last_reading: Cell::new(now),
        });
        let clock = core.weak();
        core.work.timers.set_clock(Box::new(move || {
            if let Some(core) = clock.core() {
                core.read_clock();
            }
        }));
        Reactor { core }
    }

    /// The limits with which the reactor was made.
    pub fn settings(&self) -> &Settings {
        &self.core.work.settings
    }

    /// The time on the clock of delayed calls, which never jumps. Twisted's `seconds`.
    pub fn now(&self) -> Instant {
        self.core.read_clock()
    }

    /// The time of day. While the loop runs it is read at most once for each callback, so that everything that one
    /// callback does happens at one moment.
    pub fn system_time(&self) -> SystemTime {
        let core = &self.core;
        let moment = core.last_reading.get();
        match core.time_of_day.get() {
            Some((at, time)) if at == moment && self.running() => time,
            _ => {
                let time = core.driver.borrow().system_time();
                core.time_of_day.set(Some((moment, time)));
                time
            }
        }
    }

    /// A random number, for jitter and the like. Not for secrets.
    pub fn random(&self) -> u64 {
        self.core.driver.borrow_mut().random()
    }

    /// Calls `f` from the loop when `delay` has passed. Calls that are due at the same moment are made in the order in
    /// which they were requested. A call with no delay, requested from a delayed call, is made in the next turn.
    ///
    /// The values that `f` captures live until then. A clone of the reactor in a call that never comes keeps the
    /// reactor alive.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.core.work.timers.call_later(delay, f)
    }

    /// As [`call_later`](Reactor::call_later), for the code at `place`.
    pub(crate) fn call_later_for(
        &self,
        place: &'static Location<'static>,
        delay: Duration,
        f: impl FnOnce() + 'static,
    ) -> DelayedCall {
        self.core.work.timers.call_later_at(place, delay, f)
    }

    /// The number of delayed calls that wait. (Twisted's `getDelayedCalls` returns the calls.)
    pub fn delayed_call_count(&self) -> usize {
        // Not those of sockets that linger, each of which has one: to the program these are gone.
        self.core.work.timers.len().saturating_sub(self.core.work.lingering_count.get())
    }

    /// The number of open ports, connection attempts and connections.
    pub fn source_count(&self) -> usize {
        self.core.registry.borrow().len() - self.core.work.lingering_count.get()
    }

    /// Calls `f` from the loop as soon as it runs, in this turn or the next. Several such calls are made in the order
    /// in which they were requested.
    ///
    /// A stop waits for none of them: those that it leaves are made in the next run.
    #[track_caller]
    pub fn call_when_running(&self, f: impl FnOnce() + 'static) {
        self.core.work.call_when_running(Box::new(f), Asked::here());
    }

    /// Listens on `address`; `factory` builds a protocol for each connection. Connections are accepted while the loop
    /// runs.
    ///
    /// A factory that holds a clone of the reactor keeps the reactor alive until the port is stopped.
    ///
    /// # Errors
    /// If the address is in use, is not ours, or is not an address; and while the reactor closes everything to stop.
    #[track_caller]
    pub fn listen_tcp(
        &self,
        address: impl IntoAddress<ListenAddress>,
        factory: impl Factory + 'static,
    ) -> Result<ListeningPort, CannotListenError> {
        let address = address.into_address();
        let open = |driver: &mut dyn Driver, token| driver.listen_tcp(address.parse()?, address.options, token);
        port::open(&self.core, address.text.clone(), Foreign::new(Box::new(factory)), open, Address::tcp)
    }

    /// Connects to `destination`. `factory` builds the protocol; it also hears if the attempt fails, and when the
    /// connection has ended. The attempt begins when the loop runs.
    #[track_caller]
    pub fn connect_tcp(
        &self,
        destination: impl IntoAddress<Destination>,
        factory: impl ClientFactory + 'static,
    ) -> Connector {
        self.connect_for(Asked::here(), destination.into_address(), factory)
    }

    /// The same, on behalf of the code at `asked`.
    pub(crate) fn connect_for(
        &self,
        asked: Asked,
        destination: Destination,
        factory: impl ClientFactory + 'static,
    ) -> Connector {
        ConnectorInner::connect(self.core.weak(), destination, Foreign::new(Box::new(factory)), asked)
    }

    /// Has the library write nothing to standard error from now on. Standard error belongs to the process, so this is
    /// for all reactors and Deferreds in it.
    ///
    /// What a program should hear of is logged: failures that nobody handled, panics, callbacks that hold the loop,
    /// connections that fail, Deferreds that nothing will fire. As long as no [`log`] logger is installed, the warnings
    /// and errors among it go to standard error, at most 1000 lines. With a logger, only that hears of it.
    pub fn quiet(&self) {
        crate::diagnostics::be_quiet();
    }

    /// While what this returns lives, Deferreds report to the trace of this reactor.
    #[cfg(feature = "sim")]
    pub(crate) fn enter_trace(&self) -> Option<trace::Entered> {
        self.core.work.trace.as_ref().map(trace::Entered::new)
    }

    /// The trace that this reactor reports to.
    pub fn trace(&self) -> Option<&Trace> {
        self.core.work.trace.as_deref().map(Scope::trace)
    }

    /// The handle with which other threads reach this reactor.
    pub fn handle(&self) -> ReactorHandle {
        ReactorHandle::new(self.core.calls_from_threads.clone())
    }

    pub(crate) fn weak(&self) -> WeakReactor {
        self.core.weak()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reactor({} sources, {} delayed calls)", self.source_count(), self.delayed_call_count())
    }
}

impl Clock for Reactor {
    fn now(&self) -> Instant {
        Reactor::now(self)
    }
    #[track_caller]
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.core.work.timers.call_later(after, call)
    }
    fn call_later_at(
        &self,
        place: &'static Location<'static>,
        after: Duration,
        call: Box<dyn FnOnce()>,
    ) -> DelayedCall {
        self.core.work.timers.call_later_at(place, after, call)
    }
}

impl Core {
    fn weak(&self) -> WeakReactor {
        WeakReactor(self.this.clone())
    }

    fn read_clock(&self) -> Instant {
        let now = self.driver.borrow().now();
        self.last_reading.set(now);
        self.work.timers.set_now(now);
        now
    }

    fn take_buffer(&self) -> Vec<u8> {
        let mut buffer = self.buffer.take();
        if buffer.len() != BUFFER {
            buffer = vec![0; BUFFER];
        }
        buffer
    }

    fn give_buffer(&self, buffer: Vec<u8>) {
        self.buffer.set(buffer);
    }
}
