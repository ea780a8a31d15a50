//! A simulated world: hosts, the network between them and the time, all of it decided by a seed.
//!
//! Each host has a reactor of its own, and runs the very code that it runs on a real machine: the same loop, the same
//! protocols. Only what is below the trait [`Driver`](crate::driver::Driver) is another. No time is waited for:
//! whatever happens next happens now, so that an hour goes by in milliseconds; and the same seed gives the same run, on
//! every machine, byte for byte.
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
//! * [`World`]: runs it all; links ([`World::set_link`]), partitions ([`World::partition`], [`World::cut`]), names
//!   ([`World::set_name`]), a script ([`World::call_later`]), what happened ([`World::trace_hash`],
//!   [`World::keep_trace`]).
//! * [`Host`]: crash, kill, restart, pause, signals, its clock and its limit of descriptors.
//! * [`LinkSettings`], [`Latency`]: latency, bandwidth, loss, fragments. [`HostSettings`], [`WorldSettings`]: all the rest.
//! * [`Random`]: for workloads and faults of your own. [`for_each_seed`]: many worlds, and how to repeat the one that
//!   fails.
//!
//! # How true it is
//!
//! Connections behave as Linux's TCP does towards a program: bounded buffers at both ends, backlogs that drop what is
//! too much, resets, half-open connections, retransmission with growing waits, questions to a receiver that has no
//! room, limits after which a peer is given up. There are no packets below that: no congestion control, no Nagle, no
//! reordering within a connection (TCP hides it). A callback takes no time.
//!
//! Errors are told by their [`ErrorKind`](std::io::ErrorKind). None has a number, not even the lack of descriptors,
//! which is EMFILE on a real system and is only said in words here ([`HostSettings::max_descriptors`]).
//!
//! # Where the seed's rule ends
//!
//! * **TLS** draws keys and nonces from the system, through `ring`, which takes no other source. So the bytes of two
//!   runs differ; their lengths, and with them all times, do not, *if* the certificates have a fixed length and so do
//!   the signatures by their keys: take Ed25519 ones with a serial number of your own. ECDSA signatures in DER vary by
//!   a few bytes. [`World::trace_hash`] covers the contents of plain streams, and only the lengths of those that begin
//!   like TLS.
//! * **A program's own** hash maps (std's have another order in each run), threads, and other clocks than its
//!   reactor's.
//! * **A program's own floats**, if what it sends or does hangs on `sin`, `ln`, `powf` and their like: std takes them
//!   from the system's library, and two of those may differ in the last place. Sums, products, quotients and square
//!   roots are the same everywhere. The network itself counts in integers only.
//! * Calls from other threads come when they come.
//!
//! Next: `queue.rs` (what happens when), `network.rs`, `connection.rs`.

mod connection;
mod driver;
mod environment;
mod handshake;
mod host;
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
mod world;
mod zero_window;

pub use host::Host;
pub use kernel::HostState;
pub use latency::Latency;
pub use random::Random;
pub use seeds::for_each_seed;
pub use settings::{HostSettings, LinkSettings, Resolution, WorldSettings};
pub use world::World;
