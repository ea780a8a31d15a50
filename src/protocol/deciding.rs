//! A PEER from an address that is not known as the neighbor's: a look-up decides.
//!
//! Next: `comparing.rs`, how a neighbor's question about our table is answered.

use super::{HerdProtocol, Peer};
use crate::counters::Refused;
use crate::locations::NeighborId;
use crate::replies::Replies;
use log::Level;
use reactor::{Deferred, Transport};
use std::rc::Rc;

impl HerdProtocol {
    /// Decides about a PEER from an address that we do not know as the neighbor's. The neighbor may have connected
    /// before our look-up of its name has answered, or it may have a new address. If we refused it without looking
    /// again, its link would stay up and be useless for ever. What it sends meanwhile waits unread.
    pub(super) fn decide_later(
        &self,
        looked_up: Deferred<()>,
        transport: &Transport,
        replies: Rc<Replies>,
        line: &[u8],
        called: NeighborId,
    ) {
        let (server, peer, identity, transport) =
            (self.server.clone(), self.peer, self.identity.clone(), transport.clone());
        let (refusal, traffic) = ([b"? ", line, b"\n"].concat(), self.traffic.clone());
        // It may have sent its end already. A reserved reply keeps the connection open until we have decided.
        let ticket = replies.reserve();
        transport.pause_producing();
        looked_up
            .add_both(move |_| {
                if identity.get() == Peer::Gone {
                    // It must not count as a connection of the neighbor: `connection_lost` has been called already.
                    return;
                }
                let is_known = server.links()[called].may_come_from(peer);
                if is_known {
                    identity.set(Peer::Recognized(called));
                    server.neighbor_connected(called);
                } else {
                    let link = &server.links()[called];
                    traffic.event(Level::Debug, format_args!("is refused: its address is not one of {}", link.name()));
                    server.counters().refuse(Refused::NotAPeer);
                    link.remember_refused(peer, &replies);
                }
                transport.resume_producing();
                // Last: it may close the connection if the peer has sent its end.
                replies.fill(ticket, if is_known { Vec::new() } else { refusal });
            })
            .detach();
    }
}
