//! Limits around a [`Factory`](crate::Factory): how many connections, from where, for how long, and how fast. Twisted's
//! `twisted.protocols.policies`.
//!
//! A policy takes a factory and gives a factory, so policies stand inside each other in any order:
//!
//! ```
//! use reactor::policies::{ConnectionLimits, Timeouts};
//! use reactor::{Protocol, Reactor, Transport};
//! use std::time::Duration;
//!
//! struct Echo;
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//! let reactor = Reactor::new()?;
//! let limits = ConnectionLimits::new(&reactor).total(10_000).per_address(100);
//! let timeouts = Timeouts::new(&reactor).idle(Duration::from_secs(60)).stalled(Duration::from_secs(30));
//! reactor.listen_tcp("127.0.0.1:0", limits.factory(timeouts.factory(|_peer| Echo)))?;
//! assert_eq!(limits.counts().open, 0);
//! # Ok::<(), reactor::Failure>(())
//! ```
//!
//! The protocol inside notices nothing, but for the reason with which its connection ends:
//! [`Reason::LimitReached`](crate::Reason::LimitReached). Policies stand outside TLS: they count and close connections,
//! whatever is spoken on them.
//!
//! | Twisted | here |
//! |---|---|
//! | `LimitTotalConnectionsFactory` | [`ConnectionLimits::total`]; without `overflowProtocol`: see below |
//! | `LimitConnectionsByPeer` | [`ConnectionLimits::per_address`], IPv6 by the /64 |
//! | `ThrottlingFactory`, `htb` | [`Bandwidth`] |
//! | `TimeoutFactory`, `TimeoutProtocol` | [`Timeouts`] |
//! | `TimeoutMixin` | [`Timeout`], a value in the protocol |
//! | `WrappingFactory`, `ProtocolWrapper` | none: a protocol that holds a `Box<dyn Protocol>` is a wrapper |
//!
//! A peer that is refused is told nothing. To be spoken to costs as much as to be served, so an `overflowProtocol`
//! would be a second, unlimited number of connections.
//!
//! Next: [`clock.rs`](../../src/reactor/policies/clock.rs.html), the time of a policy.

mod bandwidth;
mod bucket;
mod clock;
mod idle_list;
mod limits;
mod timeout;
mod timeouts;

pub use bandwidth::{Bandwidth, BandwidthCounts};
pub use clock::{PolicyClock, PolicyTime};
pub use limits::{ConnectionCounts, ConnectionLimits};
pub use timeout::Timeout;
pub use timeouts::{TimeoutCounts, Timeouts};
