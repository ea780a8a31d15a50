//! A simulated world: hosts, the network between them and the time. A seed decides everything that happens in it.
//!
//! Each host runs the very code that it runs on a real machine: the same loop, the same protocols. Only what is below
//! the trait [`Driver`](crate::driver::Driver) differs. Nothing waits for real time: the next event happens at once, so
//! an hour takes milliseconds. The same seed gives the same run, on every machine, byte for byte.
//!
//! It needs the feature `sim`, which is on by default.
//!
//! This is a discrete-event simulation. A [`World`] looks like this:
//!
//! ```text
//!   +-- World ----------------------------------------------------------------------------+
//!   |   host "server"                              host "client"                          |
//!   |   +------------------------+                 +------------------------+             |
//!   |   | program: your boot     |                 | program                |  program.rs |
//!   |   | reactor: the real loop |                 | reactor                |             |
//!   |   | SimDriver              |                 | SimDriver              |  driver.rs  |
//!   |   | kernel: ports, backlog |                 | kernel                 |  kernel.rs  |
//!   |   +-----------+------------+                 +-----------+------------+             |
//!   |               |                                          |                          |
//!   |   network:    +--- connections over links, one for each direction   ----  network.rs|
//!   |   virtual clock: moves only when the queue gives out the next event                 |
//!   |   event queue: what happens when                                          queue.rs  |
//!   |   random numbers: every latency, loss and split is drawn here             random.rs |
//!   |   trace: what happened, as a hash and as lines                            trace.rs  |
//!   +-------------------------------------------------------------------------------------+
//! ```
//!
//! ```
//! use reactor::sim::World;
//! use reactor::{Address, Protocol, Transport};
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//!
//! struct Echo;
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//!
//! struct Hello(Rc<RefCell<Vec<u8>>>);
//! impl Protocol for Hello {
//!     fn connection_made(&mut self, transport: &Transport) {
//!         transport.write(b"hello");
//!     }
//!     fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
//!         self.0.borrow_mut().extend(data);
//!     }
//! }
//!
//! let world = World::new(7);
//! let server = world.host("server", |reactor| {
//!     reactor.listen_tcp("0.0.0.0:8007", |_peer| Echo).unwrap();
//! });
//! let heard = Rc::new(RefCell::new(Vec::new()));
//! let ear = heard.clone();
//! world.host("client", move |reactor| {
//!     let ear = ear.clone();
//!     reactor.connect_tcp(("server", 8007), move |_peer| Hello(ear.clone()));
//! });
//! world.run_for(Duration::from_secs(1));
//! assert_eq!(*heard.borrow(), b"hello");
//! server.crash();
//! ```
//!
//! # What there is
//!
//! * [`World`] runs everything. It has links ([`World::set_link`]), partitions ([`World::partition`], [`World::cut`]),
//!   names ([`World::set_name`]), a script ([`World::call_later`]) and a trace ([`World::trace_hash`],
//!   [`World::keep_trace`]). It also tells what is on its way now ([`World::in_flight`]).
//! * [`Host`]: crash, kill, restart, pause, signals, the host's clock and its maximum number of descriptors.
//! * [`LinkSettings`] and [`Latency`]: latency, bandwidth, loss, segments. [`HostSettings`], [`WorldSettings`]: all
//!   other settings.
//! * [`Random`]: random numbers for workloads and faults of your own. [`for_each_seed`]: the same test in many worlds,
//!   and the command that repeats the one that fails.
//!
//! # How true it is
//!
//! To a program, connections behave as Linux's TCP does: bounded buffers at both ends, backlogs that overflow, resets,
//! half-open connections, retransmission with growing waits, zero-window probes, keep-alive, and limits after which a
//! peer is given up. There are no packets below that. So there is no congestion control, no Nagle's algorithm, and no
//! reordering within a connection, which TCP would hide anyway. A callback takes no virtual time. A network
//! simulator such as ns-3 models packets and congestion, too; this one is for the programs above them.
//!
//! Datagrams may be lost, doubled ([`LinkSettings::duplication`]) and overtaken, because each draws a latency of its
//! own. Nothing fragments them.
//!
//! UNIX sockets are connections within one host. Nothing cuts them or loses their bytes. A host's socket files have no
//! permissions and no directories; a program that is killed leaves its files behind, as on a real machine.
//!
//! Standard input and output of a host are a [`Console`], which the test types into and reads.
//!
//! Errors have an [`ErrorKind`](std::io::ErrorKind) and no number, not even the lack of descriptors, which is EMFILE on
//! a real system ([`HostSettings::max_descriptors`]).
//!
//! # What no seed decides
//!
//! * **TLS** draws keys and nonces from the system, through `ring`, which takes no other source. So the bytes of two
//!   runs differ. Their lengths, and so all times, are equal *if* the certificates and the signatures by their keys
//!   have a fixed length: use Ed25519 keys, and certificates with a serial number of your own. (ECDSA signatures in DER
//!   vary by a few bytes.) [`World::trace_hash`] covers the contents of plain streams, and only the lengths from where
//!   a stream looks like TLS.
//! * **The program's own hash maps** (those of std iterate in another order in each run), its threads, and any clock
//!   other than its reactor's.
//! * **The program's own floats**, if its behaviour depends on `sin`, `ln`, `powf` and the like: std takes them from
//!   the system's library, and two libraries may differ in the last place. Sums, products, quotients and square roots
//!   are the same everywhere. The network itself counts in integers only.
//! * **Calls from other threads**: they arrive when they arrive.
//!
//! # In which order to read it
//!
//! First how a world runs: `queue.rs`, `world.rs`, `environment.rs`, `host.rs`, `program.rs`, `driver.rs`. Then the
//! network: `network.rs`, `kernel.rs`, and one file for each part of TCP: `connection.rs` (the data), `handshake.rs`,
//! `stream.rs`, `retransmission.rs`, `zero_window.rs`, `keep_alive.rs`, `reset.rs`; then `unix.rs`, `datagrams.rs` and
//! `console.rs`. Last the parts that stand alone: `in_flight.rs`, `trace.rs`, `settings.rs`, `latency.rs`,
//! `random.rs`, `seeds.rs`.
//!
//! Five files import each other in a circle: a world has programs, a program has a driver, a driver has the
//! environment, and a step of the script in the environment gets the world.
//!
//! Next: [`queue.rs`](../../src/reactor/sim/queue.rs.html), what happens when.

mod connection;
mod console;
mod datagrams;
mod driver;
mod environment;
mod handshake;
mod host;
mod in_flight;
mod keep_alive;
mod kernel;
mod latency;
mod network;
mod program;
mod queue;
mod random;
mod reset;
mod retransmission;
mod seeds;
mod settings;
mod stream;
mod trace;
mod unix;
mod world;
mod zero_window;

pub use host::{Console, Host};
pub use in_flight::InFlight;
pub use kernel::HostState;
pub use latency::Latency;
pub use random::Random;
pub use seeds::for_each_seed;
pub use settings::{HostSettings, LinkSettings, Resolution, WorldSettings};
pub use world::World;
