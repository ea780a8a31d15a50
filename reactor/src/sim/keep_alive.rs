//! Keep-alive: a kernel probes a peer that has been silent for long, to find out whether it is still there.
//!
//! Without it, an end that only waits never learns that its peer's machine is gone: such a connection is half-open.
//!
//! Next: `reset.rs`, when an end of a connection is gone.

use super::connection::EndState;
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::random::nanoseconds;
use super::trace::Action;
use crate::transport::KeepAlive;

impl Network {
    /// Sets when a silent peer is probed, or with `None` that it never is.
    pub(super) fn set_keep_alive(&mut self, id: ConnectionId, side: EndIndex, keep_alive: Option<KeepAlive>) {
        let now = self.now;
        let end = &mut self.connections[id.key as usize].ends[side];
        (end.keep_alive, end.unanswered) = (keep_alive, 0);
        let Some(KeepAlive { idle, .. }) = keep_alive else { return };
        let next = end.last_heard.max(now).saturating_add(nanoseconds(idle));
        // A timer that expires earlier stays: when it does, it looks at the settings of that time.
        if end.next_probe.is_none_or(|queued| next < queued) {
            end.next_probe = Some(next);
            self.queue.push(next, Event::KeepAliveTimer(id, side));
        }
    }

    /// The keep-alive timer expires. Depending on what has happened since it was set, `side` waits on, probes its peer,
    /// or gives up.
    pub(super) fn keep_alive_timer_expired(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        let is_known = !matches!(connection.ends[1 - side].state, EndState::Absent | EndState::Gone);
        let end = &mut connection.ends[side];
        if end.next_probe.take_if(|next| *next == now).is_none() {
            return; // An earlier time was set after this event went into the queue: it is out of date.
        }
        let Some(KeepAlive { idle, interval, probes }) = end.keep_alive else { return };
        if matches!(end.state, EndState::Absent | EndState::Gone) {
            return;
        }
        let quiet_until = end.last_heard.saturating_add(nanoseconds(idle));
        let heard_lately = quiet_until > now && (end.unanswered == 0 || now - end.last_heard < nanoseconds(interval));
        let is_busy = connection.pipes[side].has_outstanding() || end.state == EndState::Connecting;
        let (there, back) = (connection.links[side], connection.links[1 - side]);
        let is_answered = !self.is_cut(there) && !self.is_cut(back);
        let end = &mut self.connections[id.key as usize].ends[side];
        let next = if is_busy {
            // Retransmissions probe the peer as well, and have a limit of their own.
            end.unanswered = 0;
            now.saturating_add(nanoseconds(idle))
        } else if heard_lately {
            end.unanswered = 0;
            quiet_until
        } else if is_answered && is_known {
            // A probe and its answer, done at once: they change nothing but this.
            (end.last_heard, end.unanswered) = (now, 0);
            now.saturating_add(nanoseconds(idle))
        } else if end.unanswered >= probes {
            // Linux resets the connection as well, in case only the answers were lost.
            if !self.is_cut(there) {
                let latency = self.draw_latency(there);
                self.later(latency, Event::ResetArrived(id, 1 - side));
            }
            return self.give_up(id, side);
        } else {
            end.unanswered += 1;
            self.note_end(id, side, Action::ProbeKeepAlive, 0);
            if is_answered {
                // The peer's kernel answers with a reset. It may still be lost on its way, so this end stays open, and
                // goes on probing, until the reset arrives.
                let latency = self.draw_latency(back);
                self.later(latency, Event::ResetArrived(id, side));
            }
            now.saturating_add(nanoseconds(interval))
        };
        // With an idle time or interval of zero, the timer would expire for ever at the same moment.
        let next = next.max(now.saturating_add(1));
        self.connections[id.key as usize].ends[side].next_probe = Some(next);
        self.queue.push(next, Event::KeepAliveTimer(id, side));
    }
}
