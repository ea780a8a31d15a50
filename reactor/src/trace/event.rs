//! [`Event`]: one thing that has happened, and [`Kind`], what it was.
//!
//! Numbers that stand for things are used once in a trace of one reactor. A socket (listening or connected) has the
//! number of its insertion into the registry, a delayed call that of its request, a callback that of its beginning.
//!
//! Next: `call.rs`, what a driver can be asked.

use super::{Call, DeferredEvent, Outcome, Shown};
use std::panic::Location;
use std::time::Duration;

/// One thing that has happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// Its number in the trace, from 0 on, without gaps.
    pub seq: u64,
    /// When: on the driver's clock, since the trace of this reactor began; in a simulated world, since the world began.
    pub time: Duration,
    /// The host, in a simulated world.
    pub host: Option<&'a str>,
    /// The turn of the loop, counted from 1; 0 before the first.
    pub turn: u64,
    /// What the loop is at.
    pub phase: Phase,
    /// The callback in which it happened, the innermost one.
    pub callback: Option<u64>,
    /// The callback of a Deferred in which it happened, or the body of a coroutine; the innermost one.
    pub step: Option<u64>,
    /// What has happened.
    pub kind: Kind<'a>,
}

/// The steps of a turn, in their order: see [`Reactor`](crate::Reactor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No turn is taken: before and between runs, and while a stop goes on to its next stage.
    Outside,
    /// It works out how long to wait, and waits: steps 1 and 2.
    Wait,
    /// It handles the events: step 3.
    Events,
    /// It makes the calls of other threads and those of `call_when_running`: step 4.
    Calls,
    /// It makes the delayed calls that are due: step 5.
    Timers,
    /// It attends to the connections that are queued: step 6.
    Flush,
    /// It reports the connections that have ended: step 7.
    Ends,
}

impl Phase {
    /// Its name in a line of JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Outside => "outside",
            Phase::Wait => "wait",
            Phase::Events => "events",
            Phase::Calls => "calls",
            Phase::Timers => "timers",
            Phase::Flush => "flush",
            Phase::Ends => "ends",
        }
    }
}

/// What a turn waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// For nothing: there is work already.
    Nothing,
    /// For an event, but no longer than until the next delayed call is due.
    Timer,
    /// For an event, but no longer than the program has said.
    Limit,
    /// For an event, however long that takes.
    Event,
}

impl WaitsFor {
    /// Its name in a line of JSON.
    pub fn name(self) -> &'static str {
        match self {
            WaitsFor::Nothing => "nothing",
            WaitsFor::Timer => "timer",
            WaitsFor::Limit => "limit",
            WaitsFor::Event => "event",
        }
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// The trace of a reactor begins: the first event of each reactor in it.
    Trace {
        /// Maximum number of bytes that a read or a write shows.
        max_bytes: usize,
    },
    /// A turn begins: the loop is about to wait.
    Turn {
        /// What for.
        waits_for: WaitsFor,
        /// How long at most; `None` means for ever.
        timeout: Option<Duration>,
    },
    /// The loop comes to the phase that the event names. A phase in which nothing happens is left out.
    Phase,
    /// The turn is over.
    TurnEnd,
    /// The reactor is gone, or its program has ended: it reports nothing any more.
    End,
    /// A callback of the program begins.
    CallbackBegin(&'a Callback<'a>),
    /// A callback is over. Each that begins ends, and the innermost one ends first.
    CallbackEnd(CallbackEnded),
    /// The driver was asked for something; with most drivers, a call to the system.
    Call {
        /// What it was asked.
        call: Call<'a>,
        /// How it went.
        outcome: Outcome,
    },
    /// The wait is over, and this has happened to a socket.
    Ready {
        /// The socket.
        socket: u64,
        /// There may be bytes to read, or connections to accept.
        readable: bool,
        /// There may be room to write, or a connection attempt has ended.
        writable: bool,
        /// The peer has ended its side.
        read_closed: bool,
        /// The connection is broken off.
        broken: bool,
    },
    /// The wait is over: the process got a signal.
    Signal(&'static str),
    /// A delayed call was requested.
    TimerSet {
        /// Its number.
        timer: u64,
        /// How long from now.
        delay: Duration,
        /// Where in the source.
        place: &'static Location<'static>,
    },
    /// A delayed call was moved.
    TimerMoved {
        /// Its number.
        timer: u64,
        /// How long from now; zero if it is due already.
        delay: Duration,
    },
    /// A delayed call was cancelled.
    TimerCancelled {
        /// Its number.
        timer: u64,
    },
    /// A port is open: its socket listens.
    Listening {
        /// Its socket.
        socket: u64,
        /// Where it listens, with the number of the port even if the program asked for any free one.
        address: &'a str,
        /// Where the program asked for it.
        place: &'static Location<'static>,
    },
    /// A connection is up: accepted, made or handed over. Its protocol hears of it next.
    Connected {
        /// Its socket.
        socket: u64,
        /// The peer's address.
        peer: &'a str,
        /// The type of its protocol.
        protocol: &'static str,
        /// Whether the program asked for it; if not, a port accepted it.
        outgoing: bool,
        /// Where the program asked for it, or for the port.
        place: &'static Location<'static>,
    },
    /// The program wrote to a connection. Later writes of the driver send it.
    Written {
        /// The socket of the connection.
        socket: u64,
        /// Number of bytes.
        count: usize,
        /// Number of bytes that wait to be sent now.
        waiting: usize,
        /// Where in the source, if the program wrote it, and not a layer in between.
        place: Option<&'static Location<'static>>,
    },
    /// A connection reads no more for now: back-pressure.
    ReadingPaused {
        /// The socket of the connection.
        socket: u64,
        /// Because too many bytes wait to be sent; otherwise the program asked for it.
        full: bool,
    },
    /// A connection reads again.
    ReadingResumed {
        /// The socket of the connection.
        socket: u64,
    },
    /// A close was asked for: the connection ends after its last byte.
    Closing {
        /// The socket of the connection.
        socket: u64,
        /// Only our side ends, and reading goes on.
        half: bool,
    },
    /// The peer has ended its side.
    PeerEnded {
        /// The socket of the connection.
        socket: u64,
    },
    /// A connection has ended. Its protocol hears of it at the end of the turn.
    Ended {
        /// The socket of the connection.
        socket: u64,
        /// Why, in words.
        reason: &'a str,
        /// Whether it is a clean end.
        clean: bool,
        /// Number of bytes that were written and not sent.
        unsent: usize,
    },
    /// A name look-up is answered.
    Resolved {
        /// The name.
        name: &'a str,
        /// Number of addresses, or why there is none.
        outcome: Outcome,
    },
    /// Something happened to a Deferred.
    Deferred {
        /// Its number: that of the whole chain.
        deferred: u64,
        /// What.
        event: DeferredEvent<'a>,
    },
    /// Nobody handled a failure: it was logged.
    Unhandled {
        /// The failure.
        failure: Shown<'a>,
        /// Its whole story, in several lines: see [`Failure::report`](crate::Failure::report).
        words: &'a str,
    },
    /// Something happened in the network of a simulated world, or to one of its hosts.
    Network(Network<'a>),
}

/// What happened in the network of a simulated world. A line of the world's text trace is made of this.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// The host that did it, or to which it happened; `--` if it is said of the whole world.
    pub at: &'a str,
    /// What, as one word.
    pub what: &'a str,
    /// The number of the connection in the network. Both ends have the same.
    pub link: Option<u32>,
    /// The number of the datagram in the network. What becomes of it has the same, for each receiver and each copy.
    pub datagram: Option<u64>,
    /// Number of bytes, a port, or what else is counted.
    pub count: u64,
    /// The other host.
    pub other: Option<&'a str>,
    /// The whole in words.
    pub words: &'a str,
}

/// What a callback is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackKind {
    /// A method of a protocol, on a connection or a UDP port.
    Protocol,
    /// A method of a factory, of a port or a connector.
    Factory,
    /// A method of a producer.
    Producer,
    /// A delayed call.
    Timer,
    /// A call from another thread.
    ThreadCall,
    /// A call of `call_when_running`, or one of the loop's own.
    SoonCall,
    /// Anything else that the words of the callback name.
    #[default]
    Other,
}

impl CallbackKind {
    /// Its name in a line of JSON.
    pub fn name(self) -> &'static str {
        match self {
            CallbackKind::Protocol => "protocol",
            CallbackKind::Factory => "factory",
            CallbackKind::Producer => "producer",
            CallbackKind::Timer => "timer",
            CallbackKind::ThreadCall => "thread_call",
            CallbackKind::SoonCall => "soon_call",
            CallbackKind::Other => "other",
        }
    }
}

/// A callback of the program.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Callback<'a> {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub kind: CallbackKind,
    /// In words: the same as in a line of the log.
    pub words: &'a str,
    /// The method, if it is one.
    pub method: Option<&'a str>,
    /// The type that the method belongs to.
    pub object: Option<&'static str>,
    /// The socket that it is about.
    pub socket: Option<u64>,
    /// The delayed call.
    pub timer: Option<u64>,
    /// How late a delayed call is made.
    pub late: Option<Duration>,
    /// Where the program asked for it.
    pub place: Option<&'static Location<'static>>,
}

/// How a callback of the program went. The loop's report of slow callbacks reads this, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackEnded {
    /// Its number; 0 in a report without a trace.
    pub id: u64,
    /// How long it held the loop.
    pub took: Duration,
    /// It panicked, and the panic went no further.
    pub panicked: bool,
    /// Number of callbacks of Deferreds that it fired and that panicked.
    pub spared: usize,
}
