//! One end on a reactor, the other in a thread.

use super::events::{Events, Noting};
use super::peer::{meanwhile, patient};
use super::util::until;
use reactor::{Address, ListeningPort, Protocol, Reactor};
use std::cell::Cell;
use std::io::Read;
use std::net::TcpStream;

/// More than the system's buffers of both ends hold together.
pub(crate) const LARGE: usize = 32 * 1024 * 1024;

/// A reactor with one port.
pub(crate) fn serve<P: Protocol + 'static>(build: impl FnMut(Address) -> P + 'static) -> (Reactor, ListeningPort) {
    let reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap();
    (reactor, port)
}

/// Serves one connection with `protocol` while `client` talks to it from a thread, until the connection is lost.
#[track_caller]
pub(crate) fn converse<T: Send + 'static>(
    protocol: impl FnOnce(&Reactor, Noting) -> Noting + 'static,
    client: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Vec<String>, T) {
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    let first = Cell::new(Some(protocol(&reactor, Noting::new(&events))));
    let port = reactor.listen_tcp("127.0.0.1:0", move |_| first.take().expect("one connection")).unwrap();
    let address = port.host();
    let result = meanwhile(&reactor, move || client(patient(TcpStream::connect(address))));
    until(&reactor, "the connection is lost", || events.all().iter().any(|event| event.starts_with("lost")));
    assert_eq!(reactor.source_count(), 1, "only the port is left");
    (events.all(), result)
}

/// Everything until the end.
pub(crate) fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}
