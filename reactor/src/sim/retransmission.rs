//! Retransmission: when bytes or their acknowledgements are lost, the sender waits and sends again.
//!
//! A link that only loses some packets needs none of this: `stream.rs` draws the delay of each loss in advance.
//! This file is for links that are cut, for machines that are down, and for losses that outlast the sender.
//!
//! Waits double from [`FIRST_RETRY_WAIT`] to [`MAX_RETRY_WAIT`]. The sender gives up at the limit that keep-alive sets
//! (`TCP_USER_TIMEOUT`), or else after about a quarter of an hour, as Linux does.
//!
//! Next: `zero_window.rs`, when the receiver has no room.

use super::connection::{EndState, FIRST_RETRY_WAIT, MAX_RETRY_WAIT, Retransmission};
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::trace::Action;
use std::io::ErrorKind;

impl Network {
    /// Everything that `side` has in flight is lost.
    pub(super) fn lose_in_flight(&mut self, id: ConnectionId, side: EndIndex) {
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        let lost = pipe.in_flight;
        pipe.take_back_in_flight();
        let is_gone = connection.ends[side].state == EndState::Gone;
        if is_gone {
            pipe.drop_unsent(); // No kernel is there to send it again.
        }
        self.note_end(id, side, Action::Lose, lost);
        if !is_gone {
            self.start_retransmitting(id, side);
        }
    }

    /// Makes `side` wait for an acknowledgement that does not come, unless it waits already.
    pub(super) fn start_retransmitting(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let user_timeout = connection.ends[side].user_timeout();
        let pipe = &mut connection.pipes[side];
        if connection.ends[side].state == EndState::Gone || pipe.retransmission.is_some() {
            return;
        }
        let next = now.saturating_add(FIRST_RETRY_WAIT.min(user_timeout));
        pipe.retransmission = Some(Retransmission { since: now, wait: FIRST_RETRY_WAIT, next, doomed_at_loss: 0 });
        // The retransmission takes over: its answer also tells the sender about the window.
        pipe.zero_window = None;
        self.queue.push(next, Event::RetryTimer(id, side));
    }

    /// The wait of a sender is over: it sends again, sends a zero-window probe, or gives up.
    pub(super) fn retry_timer_expired(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        let (end, pipe) = (&connection.ends[side], &mut connection.pipes[side]);
        let user_timeout = end.user_timeout();
        if end.state != EndState::Open {
            return;
        }
        let (since, doomed_at_loss) = match &pipe.retransmission {
            Some(retransmission) if retransmission.next == now => (retransmission.since, retransmission.doomed_at_loss),
            None if pipe.zero_window.as_ref().is_some_and(|window| window.next == now) => {
                return self.probe_zero_window(id, side);
            }
            _ => return, // An answer has come since: this event is out of date.
        };
        if now - since >= user_timeout {
            return self.give_up(id, side);
        }
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        self.note_end(id, side, Action::Retransmit, 0);
        let is_doomed = doomed_at_loss > 0 && doomed_at_loss == self.link_settings(there).loss;
        // The order of these questions matters: the last one draws a number, and a draw more changes the whole run.
        let arrives = !self.is_cut(there) && !is_doomed && !self.draw_loss(there);
        let is_answered = arrives && !self.is_cut(back);
        let connection = &mut self.connections[id.key as usize];
        if is_answered && connection.ends[1 - side].state == EndState::Gone {
            connection.pipes[side].retransmission = None;
            return self.answer_with_reset(id, side);
        }
        let pipe = &mut self.connections[id.key as usize].pipes[side];
        // Taken out before `send`, which sends nothing while a retransmission is under way.
        let retransmission = pipe.retransmission.take();
        if arrives {
            if is_answered {
                let lost = std::mem::take(&mut pipe.lost_acknowledgements);
                let latency = self.draw_latency(back);
                let pipe = &mut self.connections[id.key as usize].pipes[side];
                pipe.apply_acknowledgements(now);
                pipe.acknowledge(now.saturating_add(latency), lost);
            }
            self.send(id, side, true);
            self.schedule_room_notice(id, side);
        }
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        if is_answered {
            connection.ends[side].last_heard = now;
            return self.remove_if_over(id);
        }
        // `since` stays: all the retries of one silence count against one time-out.
        if let Some(Retransmission { wait, .. }) = retransmission {
            let wait = (wait * 2).min(MAX_RETRY_WAIT);
            let next = now.saturating_add(wait).min(since.saturating_add(user_timeout));
            let doomed_at_loss = if is_doomed { doomed_at_loss } else { 0 };
            pipe.retransmission = Some(Retransmission { since, wait, next, doomed_at_loss });
            pipe.zero_window = None;
            self.queue.push(next, Event::RetryTimer(id, side));
        }
    }

    /// `side` has waited too long for its peer.
    pub(super) fn give_up(&mut self, id: ConnectionId, side: EndIndex) {
        self.note_end(id, side, Action::GiveUp, 0);
        self.fail_end(id, side, ErrorKind::TimedOut);
    }
}
