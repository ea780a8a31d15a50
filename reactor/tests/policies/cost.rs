//! What policies cost a connection, in bytes.

use super::*;
use reactor::policies::{ConnectionLimits, Timeouts};
use reactor::testing::ManualClock;

/// The bytes that one more connection takes, when there are many already.
fn bytes_for_one(mut factory: impl Factory) -> u64 {
    const MANY: u64 = 1024;
    let mut peers: Vec<Box<dyn Protocol>> = Vec::with_capacity(2 * MANY as usize);
    let wire = StringTransport::new();
    let info = allocation_counter::measure(|| {
        for n in 0..MANY {
            let from = std::net::Ipv4Addr::from_bits(n as u32).to_string();
            let mut protocol = factory.build_protocol(&address(&from)).unwrap();
            protocol.connection_made(&wire.transport());
            peers.push(protocol);
        }
    });
    info.bytes_current as u64 / MANY
}

#[test]
fn a_policy_takes_at_most_some_hundred_bytes_for_each_connection() {
    struct Nothing;
    impl Protocol for Nothing {
        fn data_received(&mut self, _transport: &reactor::Transport, _data: &[u8]) {}
    }
    let clock = ManualClock::new();
    let bare = bytes_for_one(|_| Nothing);
    let limits = bytes_for_one(ConnectionLimits::new(&clock).factory(|_| Nothing));
    let timeouts = bytes_for_one(Timeouts::new(&clock).idle(SECOND).factory(|_| Nothing));
    println!("bytes for each connection: bare {bare}, limits {limits}, timeouts {timeouts}");
    assert!(bare == 0 && limits <= 320 && timeouts <= 400, "bare {bare}, limits {limits}, timeouts {timeouts}");
}
