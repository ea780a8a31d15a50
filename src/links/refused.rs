//! [`Refused`]: connections that said PEER with a neighbor's name and were not believed.
//!
//! Next: `counters.rs`, what a server counts.

use crate::replies::Replies;
use reactor::DelayedCall;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of refused connections that are remembered: anybody may say PEER.
pub(super) const MAX_REMEMBERED: usize = 8;

/// While a refused connection is open, the name is looked up again this long after the last look-up.
pub(super) const LOOK_UP_AGAIN: Duration = Duration::from_secs(5);

/// The refused connections that are remembered for one neighbor.
#[derive(Default)]
pub(super) struct Refused {
    connections: VecDeque<(Option<IpAddr>, Rc<Replies>)>,
    again: Option<DelayedCall>,
}

impl Refused {
    pub(super) fn push(&mut self, from: Option<IpAddr>, connection: &Rc<Replies>) {
        self.forget_closed();
        if self.connections.len() == MAX_REMEMBERED {
            self.forget_one();
        }
        self.connections.push_back((from, connection.clone()));
    }

    /// Removes the connections that come from an address now known as the neighbor's, and returns them.
    pub(super) fn take(&mut self, is_known: impl Fn(Option<IpAddr>) -> bool) -> Vec<Rc<Replies>> {
        let (known, unknown) = self.connections.drain(..).partition::<VecDeque<_>, _>(|(from, _)| is_known(*from));
        self.connections = unknown;
        known.into_iter().map(|(_, connection)| connection).collect()
    }

    /// Whether a connection is remembered and no look-up is planned. Call `forget_closed` first.
    pub(super) fn needs_look_up(&self) -> bool {
        !self.connections.is_empty() && !self.again.as_ref().is_some_and(DelayedCall::active)
    }

    /// Notes the delayed call that will look the name up again.
    pub(super) fn set_look_up(&mut self, again: DelayedCall) {
        self.again = Some(again);
    }

    /// Forgets all connections, and cancels the planned look-up.
    pub(super) fn clear(&mut self) {
        self.connections.clear();
        if let Some(again) = self.again.take() {
            again.cancel();
        }
    }

    /// Forgets the oldest connection from the address that has the most: one machine cannot evict the others.
    fn forget_one(&mut self) {
        let from_there = |address| self.connections.iter().filter(|(from, _)| *from == address).count();
        // `max_by_key` takes the last of equal ones, so we count from the end to get the oldest.
        let crowded = (0..self.connections.len()).rev().max_by_key(|at| from_there(self.connections[*at].0));
        crowded.and_then(|at| self.connections.remove(at));
    }

    pub(super) fn forget_closed(&mut self) {
        self.connections.retain(|(_, connection)| !connection.is_over());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_file::Traffic;
    use reactor::Reactor;
    use reactor::testing::StringTransport;

    fn replies(wire: &Rc<StringTransport>) -> Rc<Replies> {
        Replies::new(wire.transport(), Traffic::of_client("somebody", None, &Reactor::new().unwrap()))
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    /// How many from this address are remembered.
    fn how_many_from(refused: &mut Refused, last: u8) -> usize {
        let all = refused.connections.clone();
        let found = refused.take(|from| from == address(last)).len();
        refused.connections = all;
        found
    }

    #[test]
    fn one_machine_cannot_evict_the_others() {
        let (mut refused, here) = (Refused::default(), replies(&StringTransport::new()));
        refused.push(address(1), &here);
        for _ in 0..3 * MAX_REMEMBERED {
            refused.push(address(2), &here);
        }
        assert_eq!((how_many_from(&mut refused, 1), how_many_from(&mut refused, 2)), (1, MAX_REMEMBERED - 1));
        refused.push(address(3), &here);
        let counts = [1, 2, 3].map(|last| how_many_from(&mut refused, last));
        assert_eq!(counts, [1, MAX_REMEMBERED - 2, 1]);
    }

    #[test]
    fn closed_connections_are_forgotten_first_then_the_oldest() {
        let (mut refused, wire) = (Refused::default(), StringTransport::new());
        let (here, gone) = (replies(&StringTransport::new()), replies(&wire));
        refused.push(address(0), &here);
        refused.push(address(1), &gone);
        (2..8).for_each(|last| refused.push(address(last), &here));
        wire.transport().lose_connection();
        refused.push(address(8), &here);
        assert_eq!((how_many_from(&mut refused, 0), how_many_from(&mut refused, 1)), (1, 0));
        refused.push(address(9), &here);
        assert_eq!((how_many_from(&mut refused, 0), how_many_from(&mut refused, 9)), (0, 1));
    }
}
