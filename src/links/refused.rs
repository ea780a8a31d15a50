//! [`Refused`]: connections that said that they come from a neighbour and were not believed.

use crate::replies::Replies;
use reactor::DelayedCall;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// So many are remembered: anybody may say it.
pub(super) const MOST: usize = 8;

/// So long after a look-up that has not made them all known comes the next, while one of them is still there.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Those that are remembered, for one neighbour.
#[derive(Default)]
pub(super) struct Refused {
    connections: VecDeque<(Option<IpAddr>, Rc<Replies>)>,
    again: Option<DelayedCall>,
}

impl Refused {
    pub(super) fn push(&mut self, from: Option<IpAddr>, connection: &Rc<Replies>) {
        self.forget_who_is_gone();
        if self.connections.len() == MOST {
            self.forget_one();
        }
        self.connections.push_back((from, connection.clone()));
    }

    /// Those whose address is the neighbour's, as it is known now.
    pub(super) fn take(&mut self, is_known: impl Fn(Option<IpAddr>) -> bool) -> Vec<Rc<Replies>> {
        let (known, unknown) = self.connections.drain(..).partition::<VecDeque<_>, _>(|(from, _)| is_known(*from));
        self.connections = unknown;
        known.into_iter().map(|(_, connection)| connection).collect()
    }

    /// Whether somebody waits, and nobody sees to it.
    pub(super) fn needs_look_up(&mut self) -> bool {
        self.forget_who_is_gone();
        !self.connections.is_empty() && !self.again.as_ref().is_some_and(DelayedCall::active)
    }

    /// The call that will look again.
    pub(super) fn set_look_up(&mut self, again: DelayedCall) {
        self.again = Some(again);
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.connections.clear();
        if let Some(again) = self.again.take() {
            again.cancel();
        }
    }

    /// The oldest from the address that has the most: who says it often from one machine forgets only its own.
    fn forget_one(&mut self) {
        let from_there = |address| self.connections.iter().filter(|(from, _)| *from == address).count();
        // Of equal ones the last is taken, so they are counted from the end.
        let crowded = (0..self.connections.len()).rev().max_by_key(|at| from_there(self.connections[*at].0));
        crowded.and_then(|at| self.connections.remove(at));
    }

    fn forget_who_is_gone(&mut self) {
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
        Replies::new(wire.transport(), Traffic::new("somebody", &Reactor::new().unwrap()))
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
    fn who_says_it_often_from_one_machine_pushes_nobody_else_out() {
        let (mut refused, here) = (Refused::default(), replies(&StringTransport::new()));
        refused.push(address(1), &here);
        for _ in 0..3 * MOST {
            refused.push(address(2), &here);
        }
        assert_eq!((how_many_from(&mut refused, 1), how_many_from(&mut refused, 2)), (1, MOST - 1));
        refused.push(address(3), &here);
        let counts = [1, 2, 3].map(|last| how_many_from(&mut refused, last));
        assert_eq!(counts, [1, MOST - 2, 1]);
    }

    #[test]
    fn of_many_machines_the_first_is_forgotten_first_and_the_gone_before_it() {
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
