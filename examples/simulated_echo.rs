//! A simulated network: the server crashes, and the client connects again. A minute passes in a moment, and the seed
//! decides every delay.
//!
//! Run it with `cargo run --example simulated_echo`. Next: the documentation of `reactor::sim`.

use reactor::sim::{Latency, LinkSettings, World};
use reactor::{Address, ClientFactory, Connector, Protocol, Reactor, Reason, Transport};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// Says something every ten seconds.
struct Talker(Reactor);

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        talk(self.0.clone(), transport.clone());
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

fn talk(reactor: Reactor, transport: Transport) {
    if !transport.is_disconnecting() {
        transport.write(b"anybody there?");
        reactor.clone().call_later(SECOND * 10, move || talk(reactor, transport));
    }
}

/// Connects again two seconds after a connection has ended.
struct Stubborn(Reactor);

impl ClientFactory for Stubborn {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Talker(self.0.clone())))
    }
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &Reason) {
        let connector = connector.clone();
        self.0.call_later(SECOND * 2, move || connector.connect());
    }
}

fn main() {
    let world = World::new(42);
    world.set_links(LinkSettings::new(Latency::LogNormal { median: SECOND / 20, sigma: 50 }));
    world.keep_trace(100);
    let server = world.host("server", |reactor| {
        reactor.listen_tcp("0.0.0.0:8007", |_peer| Echo).expect("the port is free");
    });
    world.host("client", |reactor| {
        reactor.connect_tcp(("server", 8007), Stubborn(reactor.clone()));
    });
    world.run_for(SECOND * 5);
    server.crash();
    world.call_later(SECOND * 15, move |_| server.restart());
    world.run_for(SECOND * 55);
    let words = ["starts", "crashes", "asks", "connected", "reset"];
    for line in world.trace().iter().filter(|line| words.iter().any(|word| line.contains(word))) {
        println!("{line}");
    }
}

// Prints:
//      0.000000000 server     starts: its clock says 1704067200.000000000 s after 1970
//      0.000000000 client     starts: its clock says 1704067200.000000000 s after 1970
//      0.007781242 client     #0 asks server for a connection to port 8007
//      0.111101779 client     #0 is connected to server
//      5.000000000 server     crashes
//     20.000000000 server     starts: its clock says 1704067220.000000000 s after 1970
//     22.807629678 client     #0 gets a reset from server
//     24.825243187 client     #1 asks server for a connection to port 8007
//     24.959166652 client     #1 is connected to server
