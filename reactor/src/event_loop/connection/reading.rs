//! The direction in: when a connection reads, how much, and what stops it.
//!
//! ```text
//!   edge   Drained --event--> Readable --event--> EndFollows --read of 0 bytes--> Ended
//!             ^                  |  WouldBlock,       |
//!             +------------------+  or a short read   | WouldBlock
//!             +---------------------------------------+
//!
//!   A report of the peer's end leads from Drained to EndFollows at once. A WouldBlock in EndFollows shows that the
//!   report was needless: the end is not there.
//!
//!   flow   Flowing ---pause---> Paused ---the last pause ends---> Resuming ---reading_resumed---> Flowing
//! ```
//!
//! Readiness is edge-triggered: the driver reports a change once. So a connection that stops reading early, because of
//! its budget or a pause, must stay `Readable` and be queued again by us; the driver will not report it a second time.
//!
//! Next: `sending.rs`, the other direction.

use super::{Connection, ConnectionState};
use crate::Reason;
use crate::driver::Readiness;
use crate::event_loop::{BUFFER, Core};
use crate::trace::Kind;
use crate::transport::Direction;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

pub(super) struct Reading {
    edge: Cell<Edge>,
    flow: Cell<Flow>,
    /// Whether a full send buffer pauses reading: `pause_when_full`.
    pause_when_full: Cell<bool>,
    /// A meter lets nothing in at present.
    waits_for_meter: Cell<bool>,
}

/// What the driver and the last read said about the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Everything has been read; the driver will report more.
    Drained,
    /// There may be more to read, and the driver will not report it again.
    Readable,
    /// As `Readable`, and the driver has reported the end of the peer's stream. A short read must not change this to
    /// `Drained`: no further event would report the end behind those bytes.
    EndFollows,
    /// The end has been read.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Flowing,
    Paused(ReadPause),
    /// The pause is over, but the protocol has not been told. Nothing is read before that: see `report_resumed`.
    Resuming,
}

/// Why reading is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadPause {
    /// The program asked for it: `pause_producing`.
    Requested,
    /// Too many bytes wait to be sent.
    FullBuffer,
    Both,
}

impl Reading {
    pub(super) fn new(pause_when_full: bool) -> Reading {
        Reading {
            edge: Cell::new(Edge::Drained),
            flow: Cell::new(Flow::Flowing),
            pause_when_full: Cell::new(pause_when_full),
            waits_for_meter: Cell::new(false),
        }
    }

    /// Takes in what the driver reports.
    pub(super) fn note(&self, event: Readiness) {
        // In this order: the end outlasts a report of more bytes, and a late report must not open an ended side again.
        self.edge.set(match self.edge.get() {
            Edge::Ended => Edge::Ended,
            _ if event.read_closed => Edge::EndFollows,
            Edge::Drained if event.readable => Edge::Readable,
            unchanged => unchanged,
        });
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.flow.get(), Flow::Paused(_))
    }

    /// Whether the socket may hold bytes that have not been read.
    pub(super) fn may_have_unread(&self) -> bool {
        matches!(self.edge.get(), Edge::Readable | Edge::EndFollows)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.edge.get() == Edge::Ended
    }

    pub(super) fn pause(&self, why: ReadPause) {
        self.flow.set(Flow::Paused(match self.flow.get() {
            Flow::Paused(already) if already != why => ReadPause::Both,
            _ => why,
        }));
    }

    /// Ends the pause for this reason. True if no other reason is left: then the protocol must be told.
    pub(super) fn unpause(&self, why: ReadPause) -> bool {
        let Flow::Paused(paused) = self.flow.get() else { return false };
        match paused {
            ReadPause::Both if why == ReadPause::Requested => self.flow.set(Flow::Paused(ReadPause::FullBuffer)),
            ReadPause::Both => self.flow.set(Flow::Paused(ReadPause::Requested)),
            reason if reason == why => {
                self.flow.set(Flow::Resuming);
                return true;
            }
            ReadPause::Requested | ReadPause::FullBuffer => {}
        }
        false
    }

    /// The send buffer has passed its high-water mark.
    pub(super) fn note_full_buffer(&self) {
        if self.pause_when_full.get() {
            self.pause(ReadPause::FullBuffer);
        }
    }

    pub(super) fn meter_refilled(&self) {
        self.waits_for_meter.set(false);
    }

    pub(super) fn set_pause_when_full(&self, on: bool) {
        self.pause_when_full.set(on);
    }

    /// Whether there is something to deliver: bytes, the end, or the news that reading goes on.
    fn has_input(&self) -> bool {
        match (self.edge.get(), self.flow.get()) {
            (Edge::Ended, _) | (_, Flow::Paused(_)) => false,
            (_, Flow::Resuming) => true,
            (_, Flow::Flowing) if self.waits_for_meter.get() => false,
            (Edge::Drained, Flow::Flowing) => false,
            (Edge::Readable | Edge::EndFollows, Flow::Flowing) => true,
        }
    }
}

impl Connection {
    /// The send buffer has passed its high-water mark.
    pub(super) fn note_full_buffer(&self) {
        self.changes_reading(Reading::note_full_buffer);
    }

    /// Makes a change that may pause reading or end a pause, and reports it to the trace.
    pub(super) fn changes_reading<T>(&self, change: impl FnOnce(&Reading) -> T) -> T {
        let before = self.reading.flow.get();
        let result = change(&self.reading);
        self.report(|scope, socket| match (before, self.reading.flow.get()) {
            (before, after) if before == after => {}
            (_, Flow::Paused(why)) => scope.emit(Kind::ReadingPaused { socket, full: why != ReadPause::Requested }),
            _ => scope.emit(Kind::ReadingResumed { socket }),
        });
        result
    }

    /// Whether the protocol gets what the peer sends: the connection is open in this direction, and not paused.
    pub(super) fn is_reading(&self) -> bool {
        self.life.get() == ConnectionState::Open && !self.reading.has_ended() && !self.reading.is_paused()
    }

    pub(super) fn has_input(&self) -> bool {
        self.life.get() == ConnectionState::Open && self.reading.has_input()
    }

    /// Tells the protocol that a pause is over, if one is.
    pub(super) fn report_resumed(self: &Rc<Self>, core: &Core) {
        if self.reading.flow.get() == Flow::Resuming && self.is_reading() {
            self.reading.flow.set(Flow::Flowing); // Before the call, which may pause again.
            self.call(core, "reading_resumed", |protocol, transport| protocol.reading_resumed(transport));
        }
    }

    /// Reads until nothing is there, the protocol pauses, or the budget is used up. After that the other connections
    /// have their turn.
    pub(super) fn read(self: &Rc<Self>, core: &Core) {
        if !self.may_read() {
            return;
        }
        let mut buffer = core.take_buffer();
        for _ in 0..self.work.settings.max_reads_at_once {
            if !self.may_read() {
                break; // The callback of the last read has paused, closed or ended us.
            }
            let room = self.metered(Direction::In, BUFFER);
            if room == 0 {
                self.reading.waits_for_meter.set(true);
                break;
            }
            // The borrow ends before the callback: it may abort this connection, and an abort needs the stream.
            let result = match &mut *self.stream.borrow_mut() {
                Some(stream) => stream.read(&mut buffer[..room]),
                None => break,
            };
            let edge = &self.reading.edge;
            match result {
                Ok(0) => {
                    edge.set(Edge::Ended);
                    self.report(|scope, socket| scope.emit(Kind::PeerEnded { socket }));
                    self.call(core, "read_connection_lost", |protocol, transport| {
                        protocol.read_connection_lost(transport);
                    });
                }
                Ok(count) => {
                    self.note_used(Direction::In, count);
                    // A short read has emptied the socket: this saves the read that would only say WouldBlock.
                    if count < room && edge.get() == Edge::Readable {
                        edge.set(Edge::Drained);
                    }
                    self.call(core, "data_received", |protocol, transport| {
                        protocol.data_received(transport, &buffer[..count]);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => edge.set(Edge::Drained),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end(Reason::Lost(Arc::new(error))),
            }
        }
        core.give_buffer(buffer);
    }

    fn may_read(&self) -> bool {
        self.reading.flow.get() == Flow::Flowing && self.has_input()
    }
}
