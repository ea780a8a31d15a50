//! One end on a reactor, the other in a thread.

use super::events::{Events, Noting};
use super::kind::{self, Port, Socket};
use super::peer::meanwhile;
use super::util::until;
use reactor::{Address, Protocol, Reactor};
use std::cell::Cell;
use std::io::Read;

/// More than the system's buffers of both ends hold together.
pub(crate) const LARGE: usize = 32 * 1024 * 1024;

/// A reactor with one port.
pub(crate) fn serve<P: Protocol + 'static>(build: impl FnMut(Address) -> P + 'static) -> (Reactor, Port) {
    let reactor = Reactor::new().unwrap();
    let port = kind::listen(&reactor, build);
    (reactor, port)
}

/// Serves one connection with `protocol` while `client` talks to it from a thread, until the connection is lost.
#[track_caller]
pub(crate) fn converse<T: Send + 'static>(
    protocol: impl FnOnce(&Reactor, Noting) -> Noting + 'static,
    client: impl FnOnce(Socket) -> T + Send + 'static,
) -> (Vec<String>, T) {
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    let first = Cell::new(Some(protocol(&reactor, Noting::new(&events))));
    let port = kind::listen(&reactor, move |_| first.take().expect("one connection"));
    let address = port.host();
    let result = meanwhile(&reactor, move || client(kind::connect(&address)));
    until(&reactor, "the connection is lost", || events.all().iter().any(|event| event.starts_with("lost")));
    assert_eq!(reactor.source_count(), 1, "only the port is left");
    (events.all(), result)
}

/// Everything until the end.
pub(crate) fn read_all(stream: &mut Socket) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}
