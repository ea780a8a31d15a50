//! What a program asks of a connection, and what follows for the contract; and what is promised to producers.

use super::connection::{EndId, Ending, Life, Side, Why};
use super::{Contract, Seen, Stop};
use crate::program::Kind;
use reactor::transport::HIGH_WATER;

impl Contract {
    /// The program writes. `backlog` is what the transport says of it before.
    pub(crate) fn write(&mut self, id: EndId, len: u64, backlog: u64) {
        let end = &mut self.ends[id];
        if end.life != Life::Made || matches!(end.ending, Ending::Over(..)) || end.side == Side::Closed {
            return;
        }
        if backlog >= end.max_buffered && !self.is_secure {
            return end.over(Why::BufferFull);
        }
        let moment = self.moments[end.host];
        if end.written_in.0 != moment {
            end.written_in = (moment, end.accepted);
        }
        end.accepted += len;
        self.note_full(id);
    }

    /// More bytes wait, or somebody else looks at how many do.
    pub(crate) fn note_full(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if end.buffered() <= HIGH_WATER as u64 {
            return;
        }
        if end.pauses_when_full && !end.is_paused_by_full {
            end.is_paused_by_full = true;
            end.owes_resumed = false;
        }
        if let Some(producer) = end.producer.map(|producer| &mut self.producers[producer])
            && !producer.is_pull
            && !producer.is_paused
        {
            producer.is_to_be_paused = true;
        }
    }

    /// In a connection that is being lost, the end may have come unnoticed: then a write has no effect.
    pub(crate) fn take_back(&mut self, id: EndId, len: u64, seen: Seen) {
        let end = &mut self.ends[id];
        if len > 0
            && !self.is_secure
            && matches!(end.ending, Ending::Losing(_))
            && seen.buffered + seen.bytes_sent + len == end.accepted
        {
            end.accepted -= len;
            end.ending = Ending::Over(Why::Lost, true);
        }
    }

    pub(crate) fn lose(&mut self, id: EndId) {
        let now = self.now;
        let end = &mut self.ends[id];
        if end.is_open() {
            end.ending = Ending::Losing(now);
            self.half_close_side(id);
        }
    }

    pub(crate) fn half_close(&mut self, id: EndId) {
        if self.ends[id].is_open() {
            self.half_close_side(id);
        }
    }

    fn half_close_side(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if end.side == Side::Open {
            end.side = if end.producer.is_some() { Side::WaitsForProducer } else { Side::Closed };
        }
    }

    pub(crate) fn abort(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if end.life == Life::Made {
            end.over(Why::Aborted);
        }
    }

    pub(crate) fn pause(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        end.is_pause_asked = true;
        end.owes_resumed = false;
    }

    pub(crate) fn resume(&mut self, id: EndId) {
        let is_secure = self.is_secure;
        let end = &mut self.ends[id];
        if std::mem::take(&mut end.is_pause_asked) && !end.is_paused_by_full {
            end.owes_resumed = !is_secure;
            end.resumed_at = self.now;
        }
    }

    pub(crate) fn pause_when_full(&mut self, id: EndId, on: bool) {
        let end = &mut self.ends[id];
        end.pauses_when_full = on;
        if on {
            self.note_full(id);
        } else if std::mem::take(&mut end.is_paused_by_full) {
            end.owes_resumed = !end.is_pause_asked;
            end.resumed_at = self.now;
        }
    }

    pub(crate) fn register(&mut self, id: EndId, producer: usize) {
        let end = &mut self.ends[id];
        let owed = if end.life == Life::Lost { Stop::Owed } else { Stop::NotOwed };
        self.producers[producer].stop = owed;
        if let Some(old) = end.producer.replace(producer) {
            self.producers[old].is_to_be_paused = false;
            self.producers[old].stop = Stop::NotOwed;
        }
        self.note_full_for_producer(id);
    }

    fn note_full_for_producer(&mut self, id: EndId) {
        let end = &self.ends[id];
        if end.buffered() > HIGH_WATER as u64
            && let Some(producer) = end.producer
            && !self.producers[producer].is_pull
        {
            self.producers[producer].is_to_be_paused = true;
        }
    }

    pub(crate) fn unregister(&mut self, id: EndId) {
        let end = &mut self.ends[id];
        if let Some(old) = end.producer.take() {
            self.producers[old].is_to_be_paused = false;
            self.producers[old].stop = Stop::NotOwed;
        }
        if end.side == Side::WaitsForProducer {
            end.side = Side::Closed;
        }
    }

    pub(super) fn begin_producer(&mut self, id: usize, kind: Kind) {
        let producer = &mut self.producers[id];
        let end = &self.ends[producer.end];
        let is_registered = end.producer == Some(id) && !matches!(end.ending, Ending::Over(..));
        let is_empty = end.accepted == end.bytes_sent || self.is_secure;
        let holds = match kind {
            Kind::PauseProducing => {
                producer.is_paused = true;
                // Over TLS, the length of what waits is that of records.
                let is_due = std::mem::take(&mut producer.is_to_be_paused) || self.is_secure;
                is_registered && is_due
            }
            Kind::ResumeProducing => {
                producer.was_asked = true;
                let was_paused = std::mem::take(&mut producer.is_paused);
                is_registered && is_empty && (producer.is_pull || was_paused)
            }
            Kind::StopProducing => {
                let stop = std::mem::replace(&mut producer.stop, Stop::NotOwed);
                stop != Stop::NotOwed
            }
            _ => !std::mem::replace(&mut producer.is_dropped, true),
        };
        let text = format!("{kind:?} of {:?} on {:?}", self.producers[id], self.ends[self.producers[id].end]);
        self.expect(holds, text);
    }
}
