//! Bytes on their way: writing, sending, arriving, reading, and the orderly end.
//!
//! Next: `trouble.rs`, when they do not arrive.

use super::connection::{Contents, FIRST_WAIT, Kind, LONGEST_WAIT, Life, Mark, Owner, Segment};
use super::network::Network;
use super::queue::{Event, Id, Side};
use super::trace::{Did, excerpt};
use std::io::{self, ErrorKind, IoSlice};

impl Network {
    /// What the program of an end writes; how much of it there was room for.
    pub(super) fn write(&mut self, id: Id, side: Side, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[side];
        if let Some(error) = end.error.take() {
            return Err(error.into());
        }
        match end.life {
            Life::Asking => return Err(ErrorKind::WouldBlock.into()),
            Life::Gone | Life::Absent => return Err(ErrorKind::BrokenPipe.into()),
            Life::Open if connection.pipes[side].end != Mark::No => return Err(ErrorKind::BrokenPipe.into()),
            Life::Open => {}
        }
        let host = end.host;
        connection.pipes[side].settle(now);
        let mut room = self.hosts[host as usize].send_buffer.saturating_sub(connection.send_buffered(side));
        let pipe = &mut connection.pipes[side];
        let mut taken = 0;
        for slice in slices {
            let part = &slice[..slice.len().min(room)];
            pipe.contents = pipe.contents.then(part);
            if pipe.contents != Contents::Opaque {
                self.trace.mix_bytes(part);
            }
            pipe.bytes.extend(part);
            room -= part.len();
            taken += part.len();
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        if taken < offered {
            connection.ends[side].wants_room = true;
        }
        if taken > 0 {
            let written = self.detail(|| self.excerpt(id, side, taken));
            self.note_end_with(id, side, Did::Write, taken, &written);
            self.pump(id, side);
        }
        self.tell_of_room(id, side);
        if taken == 0 && offered > 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// The first of the last `len` bytes that were written, unless they look like TLS.
    fn excerpt(&self, id: Id, side: Side, len: usize) -> String {
        let pipe = &self.connections[id.key as usize].pipes[side];
        match pipe.contents {
            Contents::Opaque => String::new(),
            _ => excerpt(pipe.bytes.range(pipe.bytes.len() - len..).copied()),
        }
    }

    /// Sends what there is to send, as far as the receiver has room.
    pub(super) fn pump(&mut self, id: Id, side: Side) {
        self.send(id, side, false);
    }

    /// The same; the first segment of it is not lost if that `gets_there`.
    pub(super) fn send(&mut self, id: Id, side: Side, mut gets_there: bool) {
        let now = self.now;
        let connection = &self.connections[id.key as usize];
        let (way, to) = (connection.links[side], connection.ends[1 - side].host);
        if connection.ends[side].life != Life::Open || connection.pipes[side].stall.is_some() {
            return;
        }
        let link = self.link(way);
        let capacity = self.host(to).receive_buffer;
        loop {
            let pipe = &self.connections[id.key as usize].pipes[side];
            let window = capacity.saturating_sub(pipe.unread + pipe.flying);
            let unsent = pipe.unsent();
            let (kind, most) = if pipe.beginning == Mark::Wanted {
                (Kind::Beginning, 0)
            } else if unsent > 0 && window >= unsent.min(link.segment).min(capacity / 2).max(1) {
                (Kind::Bytes, unsent.min(window).min(link.segment))
            } else if unsent == 0 && pipe.end == Mark::Wanted {
                (Kind::End, 0)
            } else {
                break;
            };
            if self.is_cut(way) {
                self.stall(id, side);
                break;
            }
            let mut len = most;
            if len > 1 && link.cuts > 0 && self.random.chance(u64::from(link.cuts), 100) {
                len = 1 + self.random.below(most as u64 - 1) as usize;
            }
            let sent = self.departure(way, link.bandwidth, len);
            let mut arrives = sent.saturating_add(link.latency.draw(&mut self.random));
            let late = if std::mem::take(&mut gets_there) { 0 } else { self.lateness(way) };
            if late >= self.connections[id.key as usize].ends[side].patience() {
                self.stall(id, side);
                let stall = &mut self.connections[id.key as usize].pipes[side].stall;
                stall.iter_mut().for_each(|stall| stall.loss = link.loss);
                break;
            }
            arrives = arrives.saturating_add(late);
            let pipe = &mut self.connections[id.key as usize].pipes[side];
            arrives = arrives.max(pipe.last_arrival);
            pipe.last_arrival = arrives;
            match kind {
                Kind::Beginning => pipe.beginning = Mark::Flying,
                Kind::Bytes => pipe.flying += len,
                Kind::End => pipe.end = Mark::Flying,
            }
            pipe.segments.push_back(Segment { sent: now, arrives, len, kind });
            if !std::mem::replace(&mut pipe.arrival_is_coming, true) {
                self.queue.push(arrives, Event::Arrive(id, side));
            }
        }
        self.look_at_the_window(id, side);
    }

    /// When the last of `len` bytes that are sent now is on its way.
    fn departure(&mut self, way: u32, bandwidth: Option<u64>, len: usize) -> u64 {
        let Some(bandwidth) = bandwidth else { return self.now };
        let takes = u128::from(len as u64) * 1_000_000_000 / u128::from(bandwidth);
        let way = &mut self.links[way as usize];
        way.free = way.free.max(self.now).saturating_add(u64::try_from(takes).unwrap_or(u64::MAX));
        way.free
    }

    /// By how much a segment comes later because it is lost and sent again, perhaps many times.
    fn lateness(&mut self, way: u32) -> u64 {
        let (mut late, mut wait) = (0_u64, FIRST_WAIT);
        while self.is_lost(way) {
            late = late.saturating_add(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        late
    }

    pub(super) fn is_lost(&mut self, way: u32) -> bool {
        let loss = self.link(way).loss;
        loss > 0 && self.random.chance(u64::from(loss), 1_000_000)
    }

    /// The first of what `side` has sent arrives, and whatever comes at the same moment.
    pub(super) fn arrive(&mut self, id: Id, side: Side) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        connection.pipes[side].arrival_is_coming = false;
        let way = connection.links[side];
        loop {
            let connection = &mut self.connections[id.key as usize];
            let (pipe, end) = (&mut connection.pipes[side], &connection.ends[1 - side]);
            let Some(segment) = pipe.segments.front() else {
                // What did not fit has waited for these to come.
                self.look_at_the_window(id, side);
                break;
            };
            if segment.arrives > now {
                let next = segment.arrives;
                pipe.arrival_is_coming = true;
                self.queue.push(next, Event::Arrive(id, side));
                break;
            }
            let (kind, len, took) = (segment.kind, segment.len, now - segment.sent);
            let is_unknown = matches!(end.life, Life::Absent | Life::Gone);
            let is_unwanted = kind == Kind::Bytes && end.owner == Owner::Nobody;
            if self.is_cut(way) {
                self.lose(id, side);
                break;
            }
            if is_unknown || is_unwanted {
                self.answer_with_reset(id, side);
                break;
            }
            let pipe = &mut self.connections[id.key as usize].pipes[side];
            pipe.segments.pop_front();
            match kind {
                Kind::Beginning => self.answered(id, side),
                Kind::Bytes => {
                    pipe.flying -= len;
                    pipe.unread += len;
                    self.note_end(id, 1 - side, Did::Get, len);
                    self.acknowledge(id, side, len, took);
                }
                Kind::End => {
                    pipe.end = Mark::Arrived;
                    self.note_end(id, 1 - side, Did::GetEnd, 0);
                    self.acknowledge(id, side, 0, took);
                }
            }
            let connection = &mut self.connections[id.key as usize];
            connection.ends[1 - side].heard = now;
            self.tell(id, 1 - side);
        }
        self.forget_if_over(id);
    }

    /// The answer to a request to connect has come.
    fn answered(&mut self, id: Id, side: Side) {
        let connection = &mut self.connections[id.key as usize];
        connection.pipes[side].beginning = Mark::Arrived;
        connection.ends[1 - side].life = Life::Open;
        let is_known = connection.ends[side].life == Life::Open;
        self.note_end(id, 1 - side, Did::Connect, 0);
        if !is_known {
            self.acknowledge_to_nobody(id, side);
        }
        self.pump(id, 1 - side);
    }

    /// What has come is acknowledged, by a segment that takes as long as it took.
    fn acknowledge(&mut self, id: Id, side: Side, len: usize, took: u64) {
        let now = self.now;
        let back = self.connections[id.key as usize].links[1 - side];
        let is_cut = self.is_cut(back);
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        pipe.unacknowledged += len;
        if connection.ends[side].life != Life::Open {
            return self.acknowledge_to_nobody(id, side);
        }
        if is_cut {
            pipe.lost_acknowledgements += len;
            return self.stall(id, side);
        }
        pipe.settle(now);
        pipe.acknowledge(now.saturating_add(took), len);
        connection.ends[side].heard = now;
        self.tell_of_room(id, side);
    }

    /// If the program waits for room in the send buffer and enough is known to come, it will be told.
    pub(super) fn tell_of_room(&mut self, id: Id, side: Side) {
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[side];
        if !end.wants_room || end.room_is_coming {
            return;
        }
        let pipe = &connection.pipes[side];
        let held = pipe.bytes.len() - pipe.unread + pipe.lost_acknowledgements;
        // As Linux: not for each byte, but when a third is free.
        let capacity = self.hosts[end.host as usize].send_buffer;
        if capacity.saturating_sub(held) >= capacity.div_ceil(3) {
            end.room_is_coming = true;
            let at = pipe.acknowledgements.back().map_or(self.now, |(at, _)| (*at).max(self.now));
            self.queue.push(at, Event::Room(id, side));
        }
    }

    pub(super) fn room(&mut self, id: Id, side: Side) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        connection.pipes[side].settle(now);
        let end = &mut connection.ends[side];
        (end.wants_room, end.room_is_coming) = (false, false);
        self.tell(id, side);
    }

    /// What has come, for the program of an end; 0 is the end.
    pub(super) fn read(&mut self, id: Id, side: Side, buffer: &mut [u8]) -> io::Result<usize> {
        let connection = &mut self.connections[id.key as usize];
        let (end, pipe) = (&mut connection.ends[side], &mut connection.pipes[1 - side]);
        if pipe.unread > 0 {
            let len = pipe.unread.min(buffer.len());
            let (first, second) = pipe.bytes.as_slices();
            let split = first.len().min(len);
            buffer[..split].copy_from_slice(&first[..split]);
            buffer[split..len].copy_from_slice(&second[..len - split]);
            pipe.bytes.drain(..len);
            pipe.unread -= len;
            self.note_end(id, side, Did::Read, len);
            self.open_the_window(id, 1 - side, len);
            return Ok(len);
        }
        if let Some(error) = end.error.take() {
            return Err(error.into());
        }
        match end.life {
            Life::Gone => Ok(0),
            Life::Open if pipe.end == Mark::Arrived => Ok(0),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// The program of an end will send no more.
    pub(super) fn shut(&mut self, id: Id, side: Side) -> io::Result<()> {
        let connection = &mut self.connections[id.key as usize];
        if connection.ends[side].life != Life::Open {
            return Err(ErrorKind::NotConnected.into());
        }
        if connection.pipes[side].end == Mark::No {
            connection.pipes[side].end = Mark::Wanted;
            self.note_end(id, side, Did::Shut, 0);
            self.pump(id, side);
        }
        Ok(())
    }

    /// The program of an end closes it. As on Linux, what was written is still sent; but if bytes that had come were
    /// never read, or if it was asked for, the connection is broken off.
    pub(super) fn close(&mut self, id: Id, side: Side) {
        let Some(connection) = self.get(id) else { return };
        let unread = connection.pipes[1 - side].unread > 0;
        let end = &mut connection.ends[side];
        end.owner = Owner::Nobody;
        let (host, life, resets) = (end.host, end.life, end.resets);
        self.host_mut(host).descriptors -= 1;
        match life {
            Life::Open if resets || unread => self.abort(id, side),
            Life::Open => {
                self.note_end(id, side, Did::Close, 0);
                let pipe = &mut self.connections[id.key as usize].pipes[side];
                if pipe.end == Mark::No {
                    pipe.end = Mark::Wanted;
                    self.pump(id, side);
                }
                self.forget_if_over(id);
            }
            Life::Asking | Life::Absent | Life::Gone => {
                self.note_end(id, side, Did::Close, 0);
                self.vanish(id, side);
            }
        }
    }
}
