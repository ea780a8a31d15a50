//! The addresses of a neighbor's name: a neighbor in clear text is recognized by them.
//!
//! Next: `refused.rs`, connections that were not believed.

use super::refused::LOOK_UP_AGAIN;
use super::{Link, State};
use crate::replies::Replies;
use reactor::{Deferred, Failure};
use std::net::IpAddr;
use std::rc::Rc;

impl Link {
    /// Looks up the addresses of the neighbor's name. The Deferred does not fail: a name that is not known now may be
    /// known later, and each attempt to connect looks again.
    ///
    /// A connection that was refused may turn out to be the neighbor's. The neighbor believes that everything it wrote
    /// there has been told. So we close that connection once its replies have gone out: the neighbor connects again,
    /// and tells everything again.
    pub(crate) fn look_up(&self) -> Deferred<()> {
        let Some(server) = self.server.upgrade().filter(|_| !self.is_secure()) else {
            return reactor::deferred::succeed(()); // Its address proves nothing.
        };
        let this = self.this.clone();
        server.reactor().resolve_anew(&self.target.place.host).add_both(move |result| {
            let Some(link) = this.upgrade() else { return };
            link.record_addresses(result);
            let known = link.refused.borrow_mut().take(|from| link.may_come_from(from));
            known.iter().for_each(|replies| replies.close_when_paid());
            link.schedule_look_up();
        })
    }

    fn record_addresses(&self, result: Result<Vec<IpAddr>, Failure>) {
        let had_failed = self.lookup_failed.replace(result.is_err());
        match result {
            Ok(addresses) => *self.addresses.borrow_mut() = addresses.iter().map(IpAddr::to_canonical).collect(),
            Err(failure) if had_failed => log::debug!("neighbor {}: {failure}", self.name),
            Err(failure) => log::warn!("neighbor {}: {failure}", self.name),
        }
    }

    /// Remembers a peer that said it is the neighbor, from an address that is not known as the neighbor's now.
    pub(crate) fn remember_refused(&self, from: Option<IpAddr>, connection: &Rc<Replies>) {
        self.refused.borrow_mut().push(from, connection);
        self.schedule_look_up();
    }

    /// While a refused peer is connected, looks the name up every few seconds. The answer may have been wrong, and
    /// while our link is up nothing else asks again.
    fn schedule_look_up(&self) {
        let Some(server) = self.server.upgrade() else { return };
        if matches!(*self.state.borrow(), State::Closed) {
            return; // The server stops, and was deciding about this peer.
        }
        let mut refused = self.refused.borrow_mut();
        refused.forget_closed();
        if refused.needs_look_up() {
            let this = self.this.clone();
            refused.set_look_up(server.reactor().call_later(LOOK_UP_AGAIN, move || {
                if let Some(link) = this.upgrade() {
                    link.look_up().detach();
                }
            }));
        }
    }
}
