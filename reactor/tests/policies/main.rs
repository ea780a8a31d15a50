//! Policies: limits on the number of connections and on their time, by hand and in the simulated world.

mod bandwidth;
mod cost;
#[path = "../util/events.rs"]
mod events;
mod limits;
mod timeouts;

use events::{Events, Noting};
use reactor::testing::StringTransport;
use reactor::{Address, Factory, Protocol, Reason};
use std::rc::Rc;
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A peer of a factory that is called by hand.
pub(crate) struct Peer {
    pub(crate) wire: Rc<StringTransport>,
    protocol: Box<dyn Protocol>,
}

impl Peer {
    /// A connection from this address; `None` if it is refused.
    pub(crate) fn connect(factory: &mut dyn Factory, from: &str) -> Option<Peer> {
        let wire = StringTransport::new();
        let mut protocol = factory.build_protocol(&address(from))?;
        protocol.connection_made(&wire.transport());
        Some(Peer { wire, protocol })
    }

    pub(crate) fn sends(&mut self, data: &[u8]) {
        self.protocol.data_received(&self.wire.transport(), data);
    }

    pub(crate) fn goes(mut self, reason: &Reason) {
        self.protocol.connection_lost(reason);
    }
}

fn address(from: &str) -> Address {
    Address::from(std::net::SocketAddr::new(from.parse().unwrap(), 4000))
}

/// A factory of connections that note what they meet.
pub(crate) fn noting(events: &Events) -> impl Factory + use<> {
    let events = events.clone();
    move |_peer| Noting::new(&events)
}
