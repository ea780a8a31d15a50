//! [`Refused`]: connections that said that they come from a neighbour and were not believed.

use reactor::{DelayedCall, Transport};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// So many are remembered, the last ones: anybody may say it.
pub(super) const MOST: usize = 8;

/// So long after a look-up that has not made them all known comes the next, while one of them is still there.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Those that are remembered, for one neighbour.
#[derive(Default)]
pub(super) struct Refused {
    connections: VecDeque<(Option<IpAddr>, Transport)>,
    again: Option<DelayedCall>,
}

impl Refused {
    pub(super) fn push(&mut self, from: Option<IpAddr>, connection: &Transport) {
        self.forget_who_is_gone();
        if self.connections.len() == MOST {
            self.connections.pop_front();
        }
        self.connections.push_back((from, connection.clone()));
    }

    /// Those whose address is the neighbour's, as it is known now.
    pub(super) fn take(&mut self, is_known: impl Fn(Option<IpAddr>) -> bool) -> Vec<Transport> {
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
            let _ = again.cancel();
        }
    }

    fn forget_who_is_gone(&mut self) {
        self.connections.retain(|(_, connection)| !connection.is_disconnecting());
    }
}
