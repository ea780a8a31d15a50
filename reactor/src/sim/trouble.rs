//! What goes wrong: bytes that do not arrive, peers that are gone, connections that break.
//!
//! A sender whose bytes or whose acknowledgements are lost waits, sends again, waits twice as long, and in the end
//! gives up: at the limit that keep-alive sets (`TCP_USER_TIMEOUT`), or after Linux's quarter of an hour.
//!
//! Next: `window.rs`, when there is no room for them.

use super::connection::{FIRST_WAIT, LONGEST_WAIT, Life, Owner, Stall};
use super::network::{Network, Power};
use super::queue::{Event, Id, Side};
use super::random::nanoseconds;
use super::trace::Did;
use crate::transport::KeepAlive;
use std::io::ErrorKind;

impl Network {
    /// What `side` has sent does not arrive.
    pub(super) fn lose(&mut self, id: Id, side: Side) {
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        let lost = pipe.flying;
        pipe.take_back();
        let is_gone = connection.ends[side].life == Life::Gone;
        if is_gone {
            pipe.cut_off(); // Nobody is there to send it again.
        }
        self.note_end(id, side, Did::Lose, lost);
        if !is_gone {
            self.stall(id, side);
        }
    }

    /// Begins to wait for an acknowledgement that does not come.
    pub(super) fn stall(&mut self, id: Id, side: Side) {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let patience = connection.ends[side].patience();
        let pipe = &mut connection.pipes[side];
        if connection.ends[side].life == Life::Gone || pipe.stall.is_some() {
            return;
        }
        let next = now.saturating_add(FIRST_WAIT.min(patience));
        pipe.stall = Some(Stall { since: now, wait: FIRST_WAIT, next, loss: 0 });
        pipe.shut = None;
        self.queue.push(next, Event::Again(id, side));
    }

    /// The wait of a sender is over: it tries again, or gives up.
    pub(super) fn again(&mut self, id: Id, side: Side) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        let (end, pipe) = (&connection.ends[side], &mut connection.pipes[side]);
        let patience = end.patience();
        if end.life != Life::Open {
            return;
        }
        let (since, loss) = match &pipe.stall {
            Some(stall) if stall.next == now => (stall.since, stall.loss),
            None if pipe.shut.as_ref().is_some_and(|shut| shut.next == now) => return self.ask_for_room(id, side),
            _ => return, // It has been heard of since.
        };
        if now - since >= patience {
            return self.give_up(id, side);
        }
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        self.note_end(id, side, Did::Retransmit, 0);
        let loses_all = loss > 0 && loss == self.link(there).loss;
        let gets_there = !self.is_cut(there) && !loses_all && !self.is_lost(there);
        let comes_back = gets_there && !self.is_cut(back);
        let connection = &mut self.connections[id.key as usize];
        if comes_back && connection.ends[1 - side].life == Life::Gone {
            connection.pipes[side].stall = None;
            return self.answer_with_reset(id, side);
        }
        let pipe = &mut self.connections[id.key as usize].pipes[side];
        let stall = pipe.stall.take();
        if gets_there {
            if comes_back {
                let lost = std::mem::take(&mut pipe.lost_acknowledgements);
                let latency = self.latency(back);
                let pipe = &mut self.connections[id.key as usize].pipes[side];
                pipe.settle(now);
                pipe.acknowledge(now.saturating_add(latency), lost);
            }
            self.send(id, side, true);
            self.tell_of_room(id, side);
        }
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        if comes_back {
            connection.ends[side].heard = now;
            return self.forget_if_over(id);
        }
        if let Some(Stall { wait, .. }) = stall {
            let wait = (wait * 2).min(LONGEST_WAIT);
            let next = now.saturating_add(wait).min(since.saturating_add(patience));
            let loss = if loses_all { loss } else { 0 };
            pipe.stall = Some(Stall { since, wait, next, loss });
            pipe.shut = None;
            self.queue.push(next, Event::Again(id, side));
        }
    }

    /// A request to connect has come again: whoever waits to send the answer to it once more does so now.
    pub(super) fn answer_again(&mut self, id: Id) {
        let now = self.now;
        if let Some(stall) = &mut self.connections[id.key as usize].pipes[1].stall {
            stall.next = now;
            self.again(id, 1);
        }
    }

    fn give_up(&mut self, id: Id, side: Side) {
        self.note_end(id, side, Did::GiveUp, 0);
        self.break_end(id, side, ErrorKind::TimedOut);
    }

    /// What `side` has sent came to a kernel that knows of no such connection, or to one whose program is gone.
    pub(super) fn answer_with_reset(&mut self, id: Id, side: Side) {
        let connection = &mut self.connections[id.key as usize];
        let back = connection.links[1 - side];
        connection.ends[1 - side].life = Life::Gone;
        connection.pipes[1 - side].cut_off();
        connection.pipes[side].take_back();
        if connection.ends[side].life == Life::Gone {
            connection.pipes[side].clear();
        } else if self.is_cut(back) {
            self.stall(id, side);
        } else {
            let latency = self.latency(back);
            self.later(latency, Event::Reset(id, side));
        }
    }

    /// The receiver of what `side` has sent acknowledges that, or tells of its room; but the kernel of `side` knows of
    /// no connection any more. If it is up, it says so.
    pub(super) fn acknowledge_to_nobody(&mut self, id: Id, side: Side) {
        let connection = &self.connections[id.key as usize];
        let [there, back] = [connection.links[side], connection.links[1 - side]];
        if connection.ends[1 - side].life == Life::Open && !self.is_cut(there) && !self.is_cut(back) {
            let after = self.latency(back).saturating_add(self.latency(there));
            self.later(after, Event::Reset(id, 1 - side));
        }
    }

    /// `side` breaks the connection off and tells the other, once.
    pub(super) fn abort(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let way = connection.links[side];
        let is_known_there = connection.ends[1 - side].life != Life::Gone;
        let last = connection.pipes[side].last_arrival;
        if connection.ends[side].life == Life::Open {
            self.note_end(id, side, Did::Abort, 0);
            if is_known_there && !self.is_cut(way) {
                let latency = self.latency(way);
                self.queue.push(self.now.saturating_add(latency).max(last), Event::Reset(id, 1 - side));
            }
        }
        self.vanish(id, side);
    }

    /// The kernel of `side` forgets its end: what was not on its way yet will never be.
    pub(super) fn vanish(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        end.life = Life::Gone;
        connection.pipes[side].cut_off();
        if end.owner == Owner::Nobody {
            // Nobody reads what has come; what is still coming finds nobody, and is told so.
            let incoming = &mut connection.pipes[1 - side];
            incoming.bytes.drain(..incoming.unread);
            incoming.unread = 0;
        }
        self.forget_if_over(id);
    }

    /// `side` hears that the other end knows of no connection.
    pub(super) fn reset(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let (back, life) = (connection.links[1 - side], connection.ends[side].life);
        match life {
            Life::Absent | Life::Gone => {}
            Life::Asking if self.is_cut(back) => {} // The request is sent again anyway.
            Life::Open if self.is_cut(back) => {
                // It never comes; whoever still waits for an acknowledgement goes on trying.
                if self.connections[id.key as usize].pipes[side].is_outstanding() {
                    self.stall(id, side);
                }
            }
            Life::Asking | Life::Open => {
                self.note_end(id, side, Did::HearReset, 0);
                let error = match life {
                    Life::Asking => ErrorKind::ConnectionRefused,
                    _ => ErrorKind::ConnectionReset,
                };
                self.break_end(id, side, error);
            }
        }
    }

    /// The connection is over for `side`: its program meets `error`.
    pub(super) fn break_end(&mut self, id: Id, side: Side, error: ErrorKind) {
        let Some(connection) = self.get(id) else { return };
        let end = &mut connection.ends[side];
        end.error = Some(error).filter(|_| end.owner != Owner::Nobody);
        self.tell(id, side);
        self.vanish(id, side);
    }

    /// Sets how a silent peer is asked whether it is there.
    pub(super) fn keep_alive(&mut self, id: Id, side: Side, keep_alive: Option<KeepAlive>) {
        let now = self.now;
        let end = &mut self.connections[id.key as usize].ends[side];
        (end.keep_alive, end.unanswered) = (keep_alive, 0);
        let Some(KeepAlive { idle, .. }) = keep_alive else { return };
        let next = end.heard.max(now).saturating_add(nanoseconds(idle));
        if end.next_probe.is_none_or(|coming| next < coming) {
            end.next_probe = Some(next);
            self.queue.push(next, Event::Probe(id, side));
        }
    }

    /// It is time to look whether the other end is there.
    pub(super) fn probe(&mut self, id: Id, side: Side) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        let is_known = !matches!(connection.ends[1 - side].life, Life::Absent | Life::Gone);
        let end = &mut connection.ends[side];
        if end.next_probe.take_if(|next| *next == now).is_none() {
            return; // It was to be sooner, and has been.
        }
        let Some(KeepAlive { idle, interval, probes }) = end.keep_alive else { return };
        if matches!(end.life, Life::Absent | Life::Gone) {
            return;
        }
        let quiet_until = end.heard.saturating_add(nanoseconds(idle));
        let heard_lately = quiet_until > now && (end.unanswered == 0 || now - end.heard < nanoseconds(interval));
        let is_busy = connection.pipes[side].is_outstanding() || end.life == Life::Asking;
        let (there, back) = (connection.links[side], connection.links[1 - side]);
        let answers = !self.is_cut(there) && !self.is_cut(back);
        let end = &mut self.connections[id.key as usize].ends[side];
        let next = if is_busy {
            end.unanswered = 0;
            now.saturating_add(nanoseconds(idle)) // What is sent again and again asks as well.
        } else if heard_lately {
            end.unanswered = 0;
            quiet_until
        } else if answers && is_known {
            (end.heard, end.unanswered) = (now, 0);
            now.saturating_add(nanoseconds(idle))
        } else if end.unanswered >= probes {
            if !self.is_cut(there) {
                let latency = self.latency(there);
                self.later(latency, Event::Reset(id, 1 - side));
            }
            return self.give_up(id, side);
        } else {
            end.unanswered += 1;
            self.note_end(id, side, Did::Probe, 0);
            if answers {
                // A reset; it may be lost on its way: until it comes nothing is known.
                let latency = self.latency(back);
                self.later(latency, Event::Reset(id, side));
            }
            now.saturating_add(nanoseconds(interval))
        };
        let next = next.max(now.saturating_add(1));
        self.connections[id.key as usize].ends[side].next_probe = Some(next);
        self.queue.push(next, Event::Probe(id, side));
    }

    /// The network breaks a connection: both ends meet an error at once.
    pub(super) fn break_between(&mut self, one: u32, other: u32) {
        let ends = self.ends_of(one);
        for (id, side) in ends {
            if self.get(id).is_some_and(|connection| connection.ends[1 - side].host == other) {
                self.note_end(id, side, Did::Break, 0);
                for side in [side, 1 - side] {
                    if self.get(id).is_some_and(|connection| connection.ends[side].life == Life::Open) {
                        self.break_end(id, side, ErrorKind::ConnectionReset);
                    }
                }
            }
        }
    }

    /// The program of `host` is no more. Its kernel closes what it had open, or, in a crash, is no more itself.
    pub(super) fn end_program(&mut self, host: u32, power: Power, did: Did) {
        self.note(host, did);
        let kernel = self.host_mut(host);
        kernel.power = power;
        kernel.ready.clear();
        kernel.signals.clear();
        kernel.catches_signals = false;
        kernel.wake = u64::MAX;
        let ports: Vec<u32> = kernel.ports.values().copied().collect();
        let is_crash = power == Power::Down;
        let ends = self.ends_of(host);
        if is_crash {
            for (id, side) in ends {
                let Some(connection) = self.get(id) else { continue };
                let end = &mut connection.ends[side];
                let is_program = matches!(end.owner, Owner::Program(_));
                end.owner = Owner::Nobody;
                if is_program {
                    self.host_mut(host).descriptors -= 1;
                }
                self.vanish(id, side);
            }
        } else {
            for (id, side) in ends {
                if self.get(id).is_some_and(|connection| matches!(connection.ends[side].owner, Owner::Program(_))) {
                    self.close(id, side);
                }
            }
        }
        for key in ports {
            self.close_port(key);
        }
    }

    /// Whether a connection attempt has come to an end.
    pub(super) fn finish_connect(&mut self, id: Id, side: Side) -> Result<bool, ErrorKind> {
        let end = &mut self.connections[id.key as usize].ends[side];
        match (end.error.take(), end.life) {
            (Some(error), _) => Err(error),
            (None, Life::Asking) => Ok(false),
            (None, Life::Open) => Ok(true),
            (None, Life::Absent | Life::Gone) => Err(ErrorKind::NotConnected),
        }
    }
}
