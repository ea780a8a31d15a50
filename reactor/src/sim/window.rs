//! A receiver without room: its window is shut, and the sender waits until it opens.
//!
//! Whoever waits asks. The message that there is room may be lost, and the receiver may be gone: so the sender asks
//! again and again, with growing waits (RFC 9293, 3.8.6.1), for as long as it is told "still shut" (RFC 1122,
//! 4.2.2.17). There are three ends to that: [`RETRIES`] without an answer; the limit that keep-alive sets
//! (`TCP_USER_TIMEOUT`), answered or not; and, for what a program left behind when it closed, the longest wait. Linux
//! has them, too, but asks less often about what was left behind if nobody answers.
//!
//! It costs an event only while there are bytes that wait for room.

use super::connection::{FIRST_WAIT, LONGEST_WAIT, Life, Owner, RETRIES, Shut};
use super::network::Network;
use super::queue::{Event, Id, Side};
use super::trace::Did;
use std::io::ErrorKind;

impl Network {
    /// Notes whether the receiver has room for what is to be sent, and sees to it that it is asked if it has none.
    pub(super) fn look_at_the_window(&mut self, id: Id, side: Side) {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let (end, pipe) = (&connection.ends[side], &mut connection.pipes[side]);
        let is_shut = pipe.unsent() > 0 && pipe.flying == 0 && pipe.stall.is_none() && end.life == Life::Open;
        if !is_shut {
            pipe.shut = None;
        } else if pipe.shut.is_none() {
            let next = now.saturating_add(FIRST_WAIT.min(end.patience()));
            pipe.shut = Some(Shut { since: now, wait: FIRST_WAIT, next, unanswered: 0 });
            self.queue.push(next, Event::Again(id, side));
        }
    }

    /// It is time to ask whether there is room now, or to give up.
    pub(super) fn ask_for_room(&mut self, id: Id, side: Side) {
        let now = self.now;
        let connection = &self.connections[id.key as usize];
        let end = &connection.ends[side];
        let Some(Shut { since, wait, unanswered, .. }) = connection.pipes[side].shut else { return };
        let limit = end.keep_alive.map_or(u64::MAX, |_| since.saturating_add(end.patience()));
        let is_left_behind = end.owner == Owner::Nobody && wait == LONGEST_WAIT;
        if now >= limit || unanswered >= RETRIES || is_left_behind {
            self.note_end(id, side, if unanswered >= RETRIES { Did::GiveUp } else { Did::LackRoom }, 0);
            return self.break_end(id, side, ErrorKind::TimedOut);
        }
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        let is_known = connection.ends[1 - side].life != Life::Gone;
        self.note_end(id, side, Did::AskForRoom, 0);
        let is_answered = !self.is_cut(there) && !self.is_lost(there) && !self.is_cut(back);
        if is_answered && !is_known {
            self.connections[id.key as usize].pipes[side].shut = None;
            return self.answer_with_reset(id, side);
        }
        if is_answered {
            self.connections[id.key as usize].ends[side].heard = now;
            self.send(id, side, true);
        }
        if let Some(shut) = &mut self.connections[id.key as usize].pipes[side].shut {
            shut.wait = (wait * 2).min(LONGEST_WAIT);
            shut.next = now.saturating_add(shut.wait).min(limit);
            shut.unanswered = if is_answered { 0 } else { unanswered + 1 };
            self.queue.push(shut.next, Event::Again(id, side));
        }
    }

    /// The program at the other end of what `side` sends has read `len` bytes: `side` may have waited for that.
    pub(super) fn open_the_window(&mut self, id: Id, side: Side, len: usize) {
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        let capacity = self.hosts[connection.ends[1 - side].host as usize].receive_buffer;
        if pipe.unread + pipe.flying > capacity / 2 {
            return; // Not for a few bytes.
        }
        if connection.ends[side].life == Life::Gone {
            if pipe.unread + len + pipe.flying > capacity / 2 {
                self.acknowledge_to_nobody(id, side);
            }
            return;
        }
        if pipe.unsent() == 0 || pipe.window_is_coming || pipe.stall.is_some() {
            return;
        }
        let back = connection.links[1 - side];
        pipe.window_is_coming = true;
        let latency = self.latency(back);
        self.later(latency, Event::Window(id, side));
    }

    /// `side` hears that there is room; if it cannot, it asks.
    pub(super) fn window(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let back = connection.links[1 - side];
        connection.pipes[side].window_is_coming = false;
        if !self.is_cut(back) {
            self.pump(id, side);
        }
    }
}
