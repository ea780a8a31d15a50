//! A receiver without room: it announces a zero window, and the sender waits until the window opens.
//!
//! The message that opens the window may be lost, and the receiver may be gone. So the sender does not only wait; it
//! sends zero-window probes with growing waits (RFC 9293, 3.8.6.1), for as long as it is told "still zero" (RFC 1122,
//! 4.2.2.17). Three limits end that:
//!
//! * [`MAX_RETRIES`] probes without an answer;
//! * the limit that keep-alive sets (`TCP_USER_TIMEOUT`), with answers or without;
//! * for bytes that a program left behind when it closed, [`MAX_RETRY_WAIT`]: once the wait has grown that long, the
//!   next probe is not sent.
//!
//! Linux has the same three, but probes less often for bytes left behind if nobody answers.
//!
//! An event is spent on this only while bytes wait for room.
//!
//! Next: `keep_alive.rs`, when neither side has anything to send.

use super::connection::{EndState, FIRST_RETRY_WAIT, MAX_RETRIES, MAX_RETRY_WAIT, Owner, ZeroWindow};
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::trace::Action;
use std::io::ErrorKind;

impl Network {
    /// Starts to probe if bytes wait and only the window holds them back; stops if not.
    pub(super) fn update_zero_window(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let (end, pipe) = (&connection.ends[side], &mut connection.pipes[side]);
        let waits_for_window =
            pipe.unsent() > 0 && pipe.in_flight == 0 && pipe.retransmission.is_none() && end.state == EndState::Open;
        if !waits_for_window {
            pipe.zero_window = None;
        } else if pipe.zero_window.is_none() {
            let next = now.saturating_add(FIRST_RETRY_WAIT.min(end.user_timeout()));
            pipe.zero_window = Some(ZeroWindow { since: now, wait: FIRST_RETRY_WAIT, next, unanswered: 0 });
            self.queue.push(next, Event::RetryTimer(id, side));
        }
    }

    /// It is time for the next probe, or to give up.
    pub(super) fn probe_zero_window(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let connection = &self.connections[id.key as usize];
        let end = &connection.ends[side];
        let Some(ZeroWindow { since, wait, unanswered, .. }) = connection.pipes[side].zero_window else { return };
        let limit = end.keep_alive.map_or(u64::MAX, |_| since.saturating_add(end.user_timeout()));
        let is_left_behind = end.owner == Owner::Nobody && wait == MAX_RETRY_WAIT;
        if now >= limit || unanswered >= MAX_RETRIES || is_left_behind {
            let action = if unanswered >= MAX_RETRIES { Action::GiveUp } else { Action::GiveUpOnZeroWindow };
            self.note_end(id, side, action, 0);
            return self.fail_end(id, side, ErrorKind::TimedOut);
        }
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        let is_known = connection.ends[1 - side].state != EndState::Gone;
        self.note_end(id, side, Action::ProbeZeroWindow, 0);
        let is_answered = !self.is_cut(there) && !self.draw_loss(there) && !self.is_cut(back);
        if is_answered && !is_known {
            self.connections[id.key as usize].pipes[side].zero_window = None;
            return self.answer_with_reset(id, side);
        }
        if is_answered {
            self.connections[id.key as usize].ends[side].last_heard = now;
            // Clears `zero_window` if there is room by now.
            self.send(id, side, true);
        }
        if let Some(zero_window) = &mut self.connections[id.key as usize].pipes[side].zero_window {
            zero_window.wait = (wait * 2).min(MAX_RETRY_WAIT);
            zero_window.next = now.saturating_add(zero_window.wait).min(limit);
            zero_window.unanswered = if is_answered { 0 } else { unanswered + 1 };
            self.queue.push(zero_window.next, Event::RetryTimer(id, side));
        }
    }

    /// The program has read `len` bytes of what `side` sends. If that opens the window, the kernel tells `side`.
    pub(super) fn send_window_update(&mut self, id: ConnectionId, side: EndIndex, len: usize) {
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        let capacity = self.hosts[connection.ends[1 - side].host as usize].receive_buffer;
        // Not for a few bytes: an update for each read would make the sender send tiny segments.
        if pipe.unread + pipe.in_flight > capacity / 2 {
            return;
        }
        if connection.ends[side].state == EndState::Gone {
            // The receiver's kernel does not know that, and sends the update when this read opens the window.
            if pipe.unread + len + pipe.in_flight > capacity / 2 {
                self.acknowledge_to_unknown_sender(id, side);
            }
            return;
        }
        if pipe.unsent() == 0 || pipe.window_update_is_queued || pipe.retransmission.is_some() {
            return;
        }
        let back = connection.links[1 - side];
        pipe.window_update_is_queued = true;
        let latency = self.draw_latency(back);
        self.later(latency, Event::WindowUpdateArrived(id, side));
    }

    /// `side` learns that the window is open. If the update is lost, a probe will find out.
    pub(super) fn window_update_arrived(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let back = connection.links[1 - side];
        connection.pipes[side].window_update_is_queued = false;
        if !self.is_cut(back) {
            self.pump(id, side);
        }
    }
}
