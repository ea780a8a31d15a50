//! How links are opened: the first of them at once, and those of a server with many neighbors one after the other.
//!
//! Next: `wire.rs`, the link as the reactor sees it.

use super::wire::LinkFactory;
use super::{Link, REDIAL_EVERY, State};
use crate::config::LinkTarget;
use reactor::Destination;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of links that a server opens at once when it starts. The next ones follow [`REDIAL_EVERY`].
const MAX_OPENED_AT_ONCE: usize = 40;

/// How long one attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Link {
    /// Opens all links of a server: the first at once, and the others one after the other.
    pub(crate) fn open_all(links: &[Rc<Link>], ours: &[SocketAddr]) {
        for (number, link) in links.iter().enumerate() {
            let before = u32::try_from(number.saturating_sub(MAX_OPENED_AT_ONCE - 1)).unwrap_or(u32::MAX);
            match (before, link.server.upgrade()) {
                (1.., Some(server)) => {
                    let (this, ours) = (link.this.clone(), ours.to_vec());
                    let call = server.reactor().call_later(REDIAL_EVERY * before, move || {
                        if let Some(link) = this.upgrade() {
                            link.open(&ours);
                        }
                    });
                    *link.state.borrow_mut() = State::ToBeOpened(call);
                }
                _ => link.open(ours),
            }
        }
    }

    /// Begins to connect. In clear text, it does so from our own address: the neighbor recognizes us by it.
    fn open(&self, ours: &[SocketAddr]) {
        let Some(server) = self.server.upgrade() else { return };
        let LinkTarget { place, is_secure } = &self.target;
        let mut there = Destination::from((place.host.as_str(), place.port)).timeout(CONNECT_TIMEOUT);
        for own in ours.iter().filter(|own| !is_secure && !own.ip().is_unspecified()) {
            let mut own = *own;
            own.set_port(0); // Any: at the port itself we listen.
            there = there.bind_address(own);
        }
        *self.state.borrow_mut() = State::Connecting;
        server.reactor().connect_tcp(there, LinkFactory { link: self.this.clone() });
    }
}
