//! The worlds that the tests look at: a server that echoes, and clients that talk.

use reactor::sim::{Host, World};
use reactor::trace::Trace;
use reactor::{Protocol, Transport};
use std::time::Duration;

/// A world with an [`Echo`] on the host "server", and its address. If `later` is given, the server has a delayed call.
pub(crate) fn echo_world(trace: Trace, later: Option<Duration>) -> (World, Host, String) {
    let world = World::new(1);
    world.trace_to(trace);
    let server = world.host("server", move |reactor| {
        reactor.listen_tcp("0.0.0.0:7", |_| Echo).unwrap();
        if let Some(later) = later {
            reactor.call_later(later, || {});
        }
    });
    let address = format!("{}:7", server.address());
    (world, server, address)
}

/// Adds a host that talks to the server.
pub(crate) fn add_talker(world: &World, name: &str, address: &str) {
    let address = address.to_owned();
    world.host(name, move |reactor| {
        reactor.connect_tcp(&*address, |_peer| Talker);
    });
}

/// Sends back what it gets.
pub(crate) struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// Writes 4000 bytes at once: the network cuts them.
pub(crate) struct Talker;

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&[b'x'; 4000]);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}
