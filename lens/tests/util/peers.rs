//! Protocols of the worlds that the tests look at.

use reactor::{Protocol, Transport};

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
