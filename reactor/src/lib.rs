//! Twisted's design in Rust: one thread, one event loop, protocols, transports and Deferreds.
//!
//! ```no_run
//! use reactor::{Protocol, Reactor, Transport};
//!
//! struct Echo;
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//!
//! let reactor = Reactor::new()?;
//! reactor.listen_tcp("127.0.0.1:8007", |_peer| Echo)?;
//! reactor.run()?;
//! # Ok::<(), reactor::Failure>(())
//! ```
//!
//! # What a reactor is
//!
//! One thread serves all connections. It waits until something has happened on any of them, finds the object that has
//! to know of it, and calls that object back: **wait, dispatch, call back**, again and again.
//!
//! ```text
//!          the program                       the reactor                     the system
//!   +------------------------+        +----------------------+        +-------------------+
//!   | Protocol, Factory      | <----- | 2. dispatch: which   |        | sockets, timers,  |
//!   | closures, callbacks    | 3. call|    object wants it?  | <----- | names, signals,   |
//!   |                        |   back |                      | 1. wait| threads           |
//!   | transport.write(..)    | -----> | notes it, and does it| -----> |                   |
//!   | reactor.call_later(..) | request|  when you return     | 4. act |                   |
//!   +------------------------+        +----------------------+        +-------------------+
//! ```
//!
//! The reactor calls you, and you call the reactor. A request (`write`, `call_later`, `lose_connection`) only notes
//! what you want, and returns; it never calls back. So no callback of yours is interrupted by another one, and no lock
//! is needed. [`Protocol`] has the order of its callbacks.
//!
//! The loop takes turns until it is stopped. These are the seven steps of a turn:
//!
//! 1. Work out how long to wait: not at all if there is work already, otherwise until the next delayed call is due.
//! 2. Poll: wait for events.
//! 3. Handle the events: accept, finish connects, read. Right after its own event, each connection is flushed: what it
//!    has written goes out.
//! 4. Make the calls that other threads handed over, and those of [`Reactor::call_when_running`].
//! 5. Make the delayed calls that are due. Calls that these add wait for the next turn.
//! 6. Flush the connections that were written to from elsewhere, and go on with those that were resumed or closed, or
//!    that have used up their share of the turn.
//! 7. Report the connections that have ended: `connection_lost`.
//!
//! [`Reactor`] says what follows from this order.
//!
//! **Do not block.** While your callback runs, everybody else waits: a callback that sleeps for a second, or computes
//! for a second, stops every connection for a second. Ask for a call later ([`Reactor::call_later`], [`task::sleep`]),
//! or have a thread do the work ([`Reactor::defer_to_thread`]). The reactor logs callbacks that take too long.
//!
//! **A [`Deferred`] is a result that is not there yet.** A function that would have to wait returns one at once. You
//! add callbacks to it, for the result and for the errors; or `async` code awaits it.
//!
//! **It speaks up.** Failures that nobody handled, panics, slow callbacks and other mistakes are logged. Without a
//! [`log`] logger, they go to standard error ([`Reactor::quiet`]).
//!
//! The pattern has a name: Reactor (Douglas Schmidt, 1995). Its roles, and ours:
//!
//! | Schmidt's role | Here |
//! |---|---|
//! | handle: the system reports events for it | a socket; a [`Transport`] or a [`ListeningPort`] stands for it |
//! | synchronous event demultiplexer: waits for many handles | [`driver::Driver::poll`]: epoll or kqueue, by `mio` |
//! | initiation dispatcher: the loop, and the registry of handlers | [`Reactor`] |
//! | event handler: its callbacks are called | [`Protocol`], [`DatagramProtocol`], [`Factory`] |
//!
//! # The parts
//!
//! * [`Reactor`]: the loop. It listens ([`Reactor::listen_tcp`]), connects ([`Reactor::connect_tcp`]), makes calls
//!   later ([`Reactor::call_later`]), looks names up, and takes calls from other threads.
//! * [`Protocol`]: what a program does on one connection. [`Factory`] and [`ClientFactory`] build protocols.
//!   [`Transport`]: the handle with which a protocol answers.
//! * [`LineReceiver`]: a protocol that receives lines. [`string_receiver`]: strings with their length in front.
//! * [`Deferred`]: a result that is not there yet, and the callbacks, or the `async` code, that wait for it.
//!   [`Failure`]: an error on its way, with where it came from. In [`deferred`]: lists, races, locks, queues.
//! * [`Clock`]: anything that has a time and makes calls later. The reactor is one, [`testing::ManualClock`] another.
//! * [`Context`]: values that follow a request through callbacks, timers and awaits.
//! * [`task`]: sleeping, calling again and again, long work in small steps. [`react`]: a program that is one Deferred.
//! * [`tls`] and [`http`]: over any transport, and on top of it. [`resp`]: a client of Redis and Valkey.
//! * [`trace`]: everything that happens, as a stream of events: `REACTOR_TRACE=FILE`, for any program.
//! * [`driver`]: the world below the loop. [`testing`]: how to test without a network. [`sim`]: a network, hosts and a
//!   time that a seed decides, under the same loop.
//!
//! This page names what most programs need. The modules have the rest. The contracts stand on the items: [`Protocol`]
//! says in which order callbacks come, [`Transport`] what a write promises, [`Reactor`] what happens in one turn.
//!
//! # The layers
//!
//! DESIGN.md has the same picture with the files of each layer. A layer uses those above it.
//!
//! ```text
//! pure       bytes -> values, times -> due calls, results -> callbacks      no sockets, no clock, no mio
//! protocols  objects that see only a Transport and a Clock                  no loop, no mio
//! loop       the loop, the slab, ports, connectors                          knows only the trait Driver
//! drivers    the real world over mio, or a simulated one                    the only code that differs between the two
//! clients    how a program talks to the world                               no driver
//! tests      help for the tests of protocols
//! ```
//!
//! # Features
//!
//! All of them are on by default. Without them, only the loop, its protocols and Deferreds are built.
//!
//! | Feature | What it adds |
//! |---|---|
//! | `tls` | the module [`tls`], and [`ClientService::over_tls`](service::ClientService::over_tls) |
//! | `http` | the module [`http`]; it turns `tls` on |
//! | `resp` | the module [`resp`] |
//! | `sim` | the module [`sim`] |
//!
//! # Differences from Twisted
//!
//! * The reactor is a value. There may be several, and each can be run again after a stop.
//! * Delayed calls use a clock that does not jump, and calls that are due at the same moment keep their order.
//! * The bytes that wait to be sent are bounded.
//! * A protocol gets its transport as an argument. Half-close is an event for every protocol.
//! * Writing after `lose_connection` has no effect, on TCP as on TLS.
//! * The loop tells a producer to pause; `write` never does so from inside.
//! * A Deferred has two ends and a type; [`deferred`] lists its other differences.
//!
//! Next: [`protocol.rs`](mod@crate::protocol), the contract between the loop and a program.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

mod address;
mod around;
mod clock;
pub mod context;
pub mod datagram;
pub mod deferred;
mod diagnostics;
pub mod driver;
pub mod error;
pub mod event_loop;
pub mod failure;
mod foreign;
#[cfg(feature = "http")]
pub mod http;
pub mod line_buffer;
pub mod line_receiver;
mod outgoing;
pub mod policies;
pub mod producers;
pub mod protocol;
#[cfg(feature = "resp")]
pub mod resp;
pub mod service;
mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod string_receiver;
pub mod task;
pub mod testing;
mod timed;
pub mod timers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod trace;
pub mod transport;
mod undelivered;

pub use address::{Address, IntoAddress, UnixAddress};
pub use clock::Clock;
#[doc(inline)]
pub use context::Context;
#[doc(inline)]
pub use datagram::{DatagramProtocol, DatagramTransport};
#[doc(inline)]
pub use deferred::{Deferred, Firer};
#[doc(inline)]
pub use error::{CancelledError, Reason, TimeoutError};
#[cfg(unix)]
#[doc(inline)]
pub use event_loop::UnixListenAddress;
#[doc(inline)]
pub use event_loop::{
    ClientFactory, Connector, Destination, ListenAddress, ListeningPort, Phase, Reactor, ReactorHandle, SystemEvent,
    UdpListenAddress, react,
};
#[doc(inline)]
pub use failure::Failure;
#[doc(inline)]
pub use line_receiver::{LineProtocol, LineReceiver, LineTransport};
#[doc(inline)]
pub use protocol::{Factory, Protocol};
pub use settings::Settings;
#[doc(inline)]
pub use timers::DelayedCall;
#[doc(inline)]
pub use transport::{Producer, Transport};

/// The README's code, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Documents;
