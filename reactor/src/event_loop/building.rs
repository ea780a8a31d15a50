//! [`BuildOnce`] and [`BuildEach`]: closures that make the protocol of a connection, for programs that need no factory.
//!
//! They say no more than `FnOnce(Address) -> P`. They are here so that a protocol in the place of such a closure, which
//! is a common slip, gets a compile error that says what to write.
//!
//! Next: `connect.rs`, one connection without a factory.

use crate::Address;

/// A closure that makes the protocol of one connection from the peer's address: `|_peer| Echo`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a protocol",
    label = "a closure that returns a protocol is wanted here",
    note = "write `|_peer| Echo`, or `|peer| Greeter::new(peer)`"
)]
pub trait BuildOnce<P>: FnOnce(Address) -> P {}

#[diagnostic::do_not_recommend]
impl<P, F: FnOnce(Address) -> P> BuildOnce<P> for F {}

/// A closure that makes the protocol of each connection from the peer's address: `|_peer| Echo`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make protocols",
    label = "a closure that returns a protocol is wanted here",
    note = "write `|_peer| Echo`, or `|peer| Greeter::new(peer)`",
    note = "it makes a protocol for each connection; one protocol cannot serve them all"
)]
pub trait BuildEach<P>: FnMut(Address) -> P {}

#[diagnostic::do_not_recommend]
impl<P, F: FnMut(Address) -> P> BuildEach<P> for F {}
