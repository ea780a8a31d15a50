//! How a connection ends out of order: resets, and ends that are gone.
//!
//! A kernel answers every segment of a connection that it does not know with a reset. That is how a peer learns that a
//! machine has crashed and is up again. A machine that is down sends nothing.
//!
//! Next: `unix.rs`, connections that need no network.

use super::connection::{EndState, Owner};
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::trace::Action;
use std::io::ErrorKind;

impl Network {
    /// A segment from `side` has arrived at a kernel that does not know the connection, or after its program closed the
    /// end. The kernel answers with a reset.
    pub(super) fn answer_with_reset(&mut self, id: ConnectionId, side: EndIndex) {
        let connection = &mut self.connections[id.key as usize];
        let back = connection.links[1 - side];
        connection.ends[1 - side].state = EndState::Gone;
        connection.pipes[1 - side].drop_unsent();
        connection.pipes[side].take_back_in_flight();
        if connection.ends[side].state == EndState::Gone {
            connection.pipes[side].clear();
        } else if self.is_cut(back) {
            // The reset is lost: `side` has no answer, and retransmits.
            self.start_retransmitting(id, side);
        } else {
            let latency = self.draw_latency(back);
            self.later(latency, Event::ResetArrived(id, side));
        }
    }

    /// The receiver of what `side` has sent acknowledges it, or announces its window; but the kernel of `side` does not
    /// know the connection any more. If that kernel is up, it answers with a reset.
    pub(super) fn acknowledge_to_unknown_sender(&mut self, id: ConnectionId, side: EndIndex) {
        let connection = &self.connections[id.key as usize];
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        if connection.ends[1 - side].state == EndState::Open && !self.is_cut(there) && !self.is_cut(back) {
            let after = self.draw_latency(back).saturating_add(self.draw_latency(there));
            self.later(after, Event::ResetArrived(id, 1 - side));
        }
    }

    /// `side` aborts the connection: it forgets its end, and sends one reset, which nobody retransmits.
    pub(super) fn abort(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let link = connection.links[side];
        let is_known_there = connection.ends[1 - side].state != EndState::Gone;
        let last_arrival = connection.pipes[side].last_arrival;
        if connection.ends[side].state == EndState::Open {
            self.note_end(id, side, Action::Abort, 0);
            if is_known_there && !self.is_cut(link) {
                let latency = self.draw_latency(link);
                // Not before the segments sent earlier.
                let at = self.now.saturating_add(latency).max(last_arrival);
                self.queue.push(at, Event::ResetArrived(id, 1 - side));
            }
        }
        self.forget_end(id, side);
    }

    /// The kernel of `side` forgets its end. What is in flight still arrives; what is not will never be sent.
    pub(super) fn forget_end(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        end.state = EndState::Gone;
        connection.pipes[side].drop_unsent();
        if end.owner == Owner::Nobody {
            // No program will read what has arrived. What is still in flight will be answered with a reset.
            let incoming = &mut connection.pipes[1 - side];
            incoming.bytes.drain(..incoming.unread);
            incoming.unread = 0;
        }
        self.remove_if_over(id);
    }

    /// A reset arrives at `side`, unless its link has been cut in the meantime.
    pub(super) fn reset_arrived(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let (back, state) = (connection.links[1 - side], connection.ends[side].state);
        match state {
            EndState::Absent | EndState::Gone => {}
            EndState::Connecting if self.is_cut(back) => {} // The next SYN is in the queue already.
            EndState::Open if self.is_cut(back) => {
                // The segments that the reset answered are unsent again, and no event waits for them: without this
                // the connection would hang for ever.
                if self.connections[id.key as usize].pipes[side].has_outstanding() {
                    self.start_retransmitting(id, side);
                }
            }
            EndState::Connecting | EndState::Open => {
                self.note_end(id, side, Action::GetReset, 0);
                let error = match state {
                    EndState::Connecting => ErrorKind::ConnectionRefused,
                    _ => ErrorKind::ConnectionReset,
                };
                self.fail_end(id, side, error);
            }
        }
    }

    /// The connection is over for `side`: its program's next read or write fails with `error`.
    pub(super) fn fail_end(&mut self, id: ConnectionId, side: EndIndex, error: ErrorKind) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        end.error = Some(error).filter(|_| end.owner != Owner::Nobody);
        // Before the end is forgotten: that may remove the connection, and then there is nothing to mark.
        self.mark_ready(id, side);
        self.forget_end(id, side);
    }

    /// The network itself breaks all connections between two hosts: all open ends fail at once.
    pub(super) fn break_connections(&mut self, one: u32, other: u32) {
        let ends = self.ends_of(one);
        for (id, side) in ends {
            if self.get(id).is_some_and(|connection| connection.ends[1 - side].host == other) {
                self.note_end(id, side, Action::Break, 0);
                for side in [side, 1 - side] {
                    if self.get(id).is_some_and(|connection| connection.ends[side].state == EndState::Open) {
                        self.fail_end(id, side, ErrorKind::ConnectionReset);
                    }
                }
            }
        }
    }
}
