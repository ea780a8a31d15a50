//! Bytes on their way: writing, sending, arriving, reading, and the orderly end.
//!
//! ```text
//!   write -> send buffer -> pump: a segment in flight -> segment_arrived -> receive buffer -> read
//!                 ^                                         |                      |
//!                 |   room, when enough is acknowledged     |     room, when half  |
//!                 +---- acknowledge <-----------------------+     is free again    |
//!           pump <----- window update <--------------------------------------------+
//! ```
//!
//! Flow control is whole: a sender never has more in flight than the receiver has room for. Congestion control is
//! missing: a real sender also starts slowly and slows down after a loss.
//!
//! Next: `retransmission.rs`, when bytes do not arrive.

use super::connection::{
    Contents, EndState, FIRST_RETRY_WAIT, MAX_RETRY_WAIT, Owner, Progress, SegmentKind, TcpSegment,
};
use super::network::Network;
use super::queue::{ConnectionId, EndIndex, Event};
use super::trace::Action;
use std::io::{self, ErrorKind, IoSlice};

impl Network {
    /// The program writes. Returns how many bytes the send buffer had room for.
    pub(super) fn write(&mut self, id: ConnectionId, side: EndIndex, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let now = self.now;
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[side];
        if let Some(error) = end.error.take() {
            return Err(error.into());
        }
        match end.state {
            EndState::Connecting => return Err(ErrorKind::WouldBlock.into()),
            EndState::Gone | EndState::Absent => return Err(ErrorKind::BrokenPipe.into()),
            EndState::Open if connection.pipes[side].fin != Progress::NotWanted => {
                return Err(ErrorKind::BrokenPipe.into());
            }
            EndState::Open => {}
        }
        let host = end.host;
        connection.pipes[side].apply_acknowledgements(now);
        let mut room = self.hosts[host as usize].send_buffer.saturating_sub(connection.send_buffered(side));
        let pipe = &mut connection.pipes[side];
        let mut taken = 0;
        for slice in slices {
            let part = &slice[..slice.len().min(room)];
            let (contents, clear) = pipe.contents.after(part);
            pipe.contents = contents;
            if clear > 0 {
                self.trace.mix_bytes(&part[..clear]);
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
            let written = self.detail(|| self.excerpt_of_written(id, side, taken));
            self.note_end_with(id, side, Action::Write, taken, &written);
            self.pump(id, side);
        }
        // After `wants_room` is set: enough may be acknowledged already, and then no later event would announce it.
        self.schedule_room_notice(id, side);
        if taken == 0 && offered > 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// The first of the last `len` bytes that were written, unless they look like TLS.
    fn excerpt_of_written(&self, id: ConnectionId, side: EndIndex, len: usize) -> String {
        let pipe = &self.connections[id.key as usize].pipes[side];
        match pipe.contents {
            Contents::Tls => String::new(),
            _ => self.trace.excerpt(pipe.bytes.range(pipe.bytes.len() - len..).copied()),
        }
    }

    /// Sends everything that waits, as far as the receiver has room.
    pub(super) fn pump(&mut self, id: ConnectionId, side: EndIndex) {
        self.send(id, side, false);
    }

    /// As `pump`. If `first_arrives`, the first segment is not lost: the caller has drawn that already.
    pub(super) fn send(&mut self, id: ConnectionId, side: EndIndex, mut first_arrives: bool) {
        let now = self.now;
        let connection = &self.connections[id.key as usize];
        let (link, to) = (connection.links[side], connection.ends[1 - side].host);
        // A sender that retransmits sends nothing new until it is answered: the stream is in order.
        if connection.ends[side].state != EndState::Open || connection.pipes[side].retransmission.is_some() {
            return;
        }
        let settings = self.link_settings(link);
        let capacity = self.host(to).receive_buffer;
        loop {
            let pipe = &self.connections[id.key as usize].pipes[side];
            let window = capacity.saturating_sub(pipe.unread + pipe.in_flight);
            let unsent = pipe.unsent();
            // Small windows are not used: TCP avoids sending many tiny segments (silly window syndrome, RFC 9293,
            // 3.8.6.2.1).
            let worth_sending = unsent.min(settings.max_segment).min(capacity / 2).max(1);
            let (kind, most) = if pipe.syn_ack == Progress::Wanted {
                (SegmentKind::SynAck, 0)
            } else if unsent > 0 && window >= worth_sending {
                (SegmentKind::Data, unsent.min(window).min(settings.max_segment))
            } else if unsent == 0 && pipe.fin == Progress::Wanted {
                (SegmentKind::Fin, 0)
            } else {
                break;
            };
            if self.is_cut(link) {
                self.start_retransmitting(id, side);
                break;
            }
            let mut len = most;
            if len > 1 && settings.split > 0 && self.random.chance(u64::from(settings.split), 100) {
                len = 1 + self.random.below(most as u64 - 1) as usize;
            }
            let departs = self.departure(link, settings.bandwidth, len);
            let mut arrives = departs.saturating_add(settings.latency.draw(&mut self.random));
            let delay = if std::mem::take(&mut first_arrives) { 0 } else { self.draw_retransmission_delay(link) };
            if delay >= self.connections[id.key as usize].ends[side].user_timeout() {
                // Every retry up to the time-out is lost. The segment stays unsent, and the sender gives up in the end.
                self.start_retransmitting(id, side);
                let retransmission = &mut self.connections[id.key as usize].pipes[side].retransmission;
                retransmission.iter_mut().for_each(|it| it.doomed_at_loss = settings.loss);
                break;
            }
            arrives = arrives.saturating_add(delay);
            let pipe = &mut self.connections[id.key as usize].pipes[side];
            arrives = arrives.max(pipe.last_arrival);
            pipe.last_arrival = arrives;
            match kind {
                SegmentKind::SynAck => pipe.syn_ack = Progress::InFlight,
                SegmentKind::Data => pipe.in_flight += len,
                SegmentKind::Fin => pipe.fin = Progress::InFlight,
            }
            let number = pipe.segment_count;
            pipe.segment_count += u64::from(kind == SegmentKind::Data);
            pipe.segments.push_back(TcpSegment { sent: now, arrives, len, kind, number });
            // One event for each pipe, not for each segment: `segment_arrived` queues the next.
            if !std::mem::replace(&mut pipe.arrival_is_queued, true) {
                self.queue.push(arrives, Event::SegmentArrived(id, side));
            }
        }
        self.update_zero_window(id, side);
    }

    /// When the last of `len` bytes leaves that are handed to the link now.
    pub(super) fn departure(&mut self, link: u32, bandwidth: Option<u64>, len: usize) -> u64 {
        let Some(bandwidth) = bandwidth else { return self.now };
        let takes = u128::from(len as u64) * 1_000_000_000 / u128::from(bandwidth);
        let link = &mut self.links[link as usize];
        link.free_at = link.free_at.max(self.now).saturating_add(u64::try_from(takes).unwrap_or(u64::MAX));
        link.free_at
    }

    /// Draws by how much a segment is late because it is lost and retransmitted, perhaps several times.
    ///
    /// On a link that works, this draw is all there is to a loss: retries that succeed cost no events of their own.
    fn draw_retransmission_delay(&mut self, link: u32) -> u64 {
        let (mut delay, mut wait) = (0_u64, FIRST_RETRY_WAIT);
        while self.draw_loss(link) {
            delay = delay.saturating_add(wait);
            wait = (wait * 2).min(MAX_RETRY_WAIT);
        }
        delay
    }

    /// The first segment that `side` has in flight arrives, and with it all others that arrive at the same moment.
    pub(super) fn segment_arrived(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        connection.pipes[side].arrival_is_queued = false;
        let link = connection.links[side];
        loop {
            let connection = &mut self.connections[id.key as usize];
            let (pipe, receiver) = (&mut connection.pipes[side], &connection.ends[1 - side]);
            let Some(segment) = pipe.segments.front() else {
                // Nothing is in flight any more. If unsent bytes remain, they wait for the window.
                self.update_zero_window(id, side);
                break;
            };
            if segment.arrives > now {
                let next = segment.arrives;
                pipe.arrival_is_queued = true;
                self.queue.push(next, Event::SegmentArrived(id, side));
                break;
            }
            let (kind, len, took) = (segment.kind, segment.len, now - segment.sent);
            let is_unknown = matches!(receiver.state, EndState::Absent | EndState::Gone);
            let is_unwanted = kind == SegmentKind::Data && receiver.owner == Owner::Nobody;
            // A link that was cut while the segment was in flight loses it. This is asked first: a reset needs a
            // segment that arrived.
            if self.is_cut(link) {
                self.lose_in_flight(id, side);
                break;
            }
            if is_unknown || is_unwanted {
                self.answer_with_reset(id, side);
                break;
            }
            let pipe = &mut self.connections[id.key as usize].pipes[side];
            pipe.segments.pop_front();
            match kind {
                SegmentKind::SynAck => self.syn_ack_arrived(id, side),
                SegmentKind::Data => {
                    pipe.in_flight -= len;
                    pipe.unread += len;
                    self.note_end(id, 1 - side, Action::Get, len);
                    self.acknowledge(id, side, len, took);
                }
                SegmentKind::Fin => {
                    pipe.fin = Progress::Arrived;
                    self.note_end(id, 1 - side, Action::GetFin, 0);
                    self.acknowledge(id, side, 0, took);
                }
            }
            let connection = &mut self.connections[id.key as usize];
            connection.ends[1 - side].last_heard = now;
            self.mark_ready(id, 1 - side);
        }
        self.remove_if_over(id);
    }

    /// The receiver acknowledges `len` bytes from `side`. The acknowledgement takes as long as the segment took.
    fn acknowledge(&mut self, id: ConnectionId, side: EndIndex, len: usize, took: u64) {
        let now = self.now;
        let back = self.connections[id.key as usize].links[1 - side];
        let is_cut = self.is_cut(back);
        let connection = &mut self.connections[id.key as usize];
        let pipe = &mut connection.pipes[side];
        pipe.unacknowledged += len;
        if connection.ends[side].state != EndState::Open {
            return self.acknowledge_to_unknown_sender(id, side);
        }
        if is_cut {
            pipe.lost_acknowledgements += len;
            return self.start_retransmitting(id, side);
        }
        pipe.apply_acknowledgements(now);
        pipe.acknowledge(now.saturating_add(took), len);
        connection.ends[side].last_heard = now;
        self.schedule_room_notice(id, side);
    }

    /// If the program waits for room in the send buffer, and the acknowledgements on their way make enough of it, puts
    /// the event into the queue that tells it.
    pub(super) fn schedule_room_notice(&mut self, id: ConnectionId, side: EndIndex) {
        let connection = &mut self.connections[id.key as usize];
        let end = &mut connection.ends[side];
        if !end.wants_room || end.room_notice_is_queued {
            return;
        }
        let pipe = &connection.pipes[side];
        let held = pipe.bytes.len() - pipe.unread + pipe.lost_acknowledgements;
        // As on Linux, a socket is writable when a third of its buffer is free, not as soon as one byte is.
        let capacity = self.hosts[end.host as usize].send_buffer;
        if capacity.saturating_sub(held) >= capacity.div_ceil(3) {
            end.room_notice_is_queued = true;
            let at = pipe.acknowledgements.back().map_or(self.now, |(at, _)| (*at).max(self.now));
            self.queue.push(at, Event::SendBufferDrained(id, side));
        }
    }

    /// Tells the program that its send buffer has room.
    pub(super) fn send_buffer_drained(&mut self, id: ConnectionId, side: EndIndex) {
        let now = self.now;
        let Some(connection) = self.get(id) else { return };
        connection.pipes[side].apply_acknowledgements(now);
        let end = &mut connection.ends[side];
        (end.wants_room, end.room_notice_is_queued) = (false, false);
        self.mark_ready(id, side);
    }

    /// The program reads. Returns how many bytes there were; 0 is the end of the stream.
    ///
    /// Bytes come before an error: a program gets everything that arrived before a reset.
    pub(super) fn read(&mut self, id: ConnectionId, side: EndIndex, buffer: &mut [u8]) -> io::Result<usize> {
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
            self.note_end(id, side, Action::Read, len);
            self.send_window_update(id, 1 - side, len);
            return Ok(len);
        }
        if let Some(error) = end.error.take() {
            return Err(error.into());
        }
        match end.state {
            EndState::Gone => Ok(0),
            EndState::Open if pipe.fin == Progress::Arrived => Ok(0),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// The program half-closes: it sends no more, and may still read.
    pub(super) fn shutdown_write(&mut self, id: ConnectionId, side: EndIndex) -> io::Result<()> {
        let connection = &mut self.connections[id.key as usize];
        if connection.ends[side].state != EndState::Open {
            return Err(ErrorKind::NotConnected.into());
        }
        if connection.pipes[side].fin == Progress::NotWanted {
            connection.pipes[side].fin = Progress::Wanted;
            self.note_end(id, side, Action::ShutdownWrite, 0);
            self.pump(id, side);
        }
        Ok(())
    }

    /// The program closes its end. As on Linux, the kernel still sends what was written, and then a FIN. It sends a
    /// reset instead if the program asked for that, or if bytes have arrived that the program never read: the peer must
    /// learn that they were not used.
    pub(super) fn close(&mut self, id: ConnectionId, side: EndIndex) {
        let Some(connection) = self.get(id) else { return };
        let has_unread = connection.pipes[1 - side].unread > 0;
        let end = &mut connection.ends[side];
        end.owner = Owner::Nobody;
        let (host, state, reset_on_close) = (end.host, end.state, end.reset_on_close);
        self.host_mut(host).descriptors -= 1;
        match state {
            EndState::Open if reset_on_close || has_unread => self.abort(id, side),
            EndState::Open => {
                self.note_end(id, side, Action::Close, 0);
                let pipe = &mut self.connections[id.key as usize].pipes[side];
                if pipe.fin == Progress::NotWanted {
                    pipe.fin = Progress::Wanted;
                    self.pump(id, side);
                }
                self.remove_if_over(id);
            }
            EndState::Connecting | EndState::Absent | EndState::Gone => {
                self.note_end(id, side, Action::Close, 0);
                self.forget_end(id, side);
            }
        }
    }
}
