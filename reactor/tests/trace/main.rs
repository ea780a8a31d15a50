//! The trace: what it tells of a loop, a driver, timers and connections, in which order, and within which bounds.

mod bounds;
mod connections;
mod deferreds;
mod driver;
mod locks;
mod loop_events;
mod reading;
mod secrets;
mod simulated;
mod timers;
#[path = "../util/mod.rs"]
mod util;

use reactor::trace::{Ring, RingReader, Trace};
use reactor::{Protocol, Reactor, Settings, Transport};

/// Sends back what it receives, and ends when its peer does.
pub(crate) struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// A reactor on real sockets, and its trace.
pub(crate) fn traced() -> (Reactor, RingReader) {
    let (ring, reader) = Ring::new(100_000);
    (Reactor::traced(Trace::new(ring), Settings::default()).unwrap(), reader)
}
