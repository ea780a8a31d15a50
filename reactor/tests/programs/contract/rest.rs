//! What must have happened once nothing has happened for long; and what must be left after a stop, and after all.

use super::connection::{Ending, Life, Side};
use super::places::Attempt;
use super::time::TimerState;
use super::{Contract, Phase};

impl Contract {
    /// Nothing has happened for longer than any limit. Everything that was owed has been given.
    pub(crate) fn check_at_rest(&mut self, host: usize) {
        if self.runs[host].phase != Phase::Running {
            return;
        }
        for id in 0..self.ends.len() {
            if self.ends[id].host == host {
                self.check_end_at_rest(id);
            }
        }
        let now = self.now;
        let late = |timer: &&super::Timer| timer.host == host && timer.state == TimerState::Waiting && timer.due < now;
        if let Some(timer) = self.timers.iter().find(late) {
            let text = format!("a delayed call was not made: {timer:?}");
            self.differ(text);
        }
        if !self.soon[host].is_empty() {
            self.differ(format_args!("host {host}: call_when_running was not followed"));
        }
        for id in 0..self.ports.len() {
            let port = &self.ports[id];
            let is_done = port.has_factory_stopped && port.is_factory_dropped && port.owed == 0;
            if port.host == host && port.is_started && port.is_closed && !is_done {
                let text = format!("a port has not been closed: {port:?}");
                self.differ(text);
            }
        }
        for id in 0..self.udp.len() {
            let port = &self.udp[id];
            let is_done = port.is_stopped && port.is_dropped && port.owed == 0;
            if port.host == host && port.is_closed && port.number != u8::MAX && !is_done {
                let text = format!("a UDP port has not been closed: {port:?}");
                self.differ(text);
            }
        }
        for id in 0..self.connectors.len() {
            let connector = &self.connectors[id];
            let is_open =
                !connector.failures.is_empty() || matches!(connector.attempt, Attempt::Wanted | Attempt::Begun);
            if connector.host == host && is_open && !connector.is_uncertain {
                let text = format!("an attempt has no outcome: {connector:?}");
                self.differ(text);
            }
        }
        if let Some(once) = self.onces.iter().find(|once| once.host == host && !once.has_fired) {
            let text = format!("the Deferred of connect has not fired: {once:?}");
            self.differ(text);
        }
    }

    fn check_end_at_rest(&mut self, id: usize) {
        let end = &self.ends[id];
        let what = |what: &str| format!("at rest, {what}: {id} is {end:?}");
        let text = match (end.life, end.ending) {
            (Life::Built, _) => Some(what("connection_made has not come")),
            (Life::Made, Ending::Over(..)) => Some(what("connection_lost has not come")),
            (Life::Made, Ending::Losing(_)) if end.side == Side::Closed || end.producer.is_none() => {
                Some(what("it has not been closed"))
            }
            (Life::Made, Ending::Losing(_)) => Some(what("it waits longer than it may for its producer")),
            (Life::Made, Ending::No) => self.what_is_missing(id).map(what),
            (Life::Lost | Life::GivenUp, _) if !end.is_dropped => Some(what("its protocol has not been dropped")),
            (Life::Lost | Life::GivenUp, _) => None,
        };
        if let Some(text) = text {
            self.differ(text);
        }
    }

    /// What an open connection should have by now, and has not.
    fn what_is_missing(&self, id: usize) -> Option<&'static str> {
        let end = &self.ends[id];
        if end.backlog != end.buffered() && !self.is_secure {
            return Some("nobody has tried to send its bytes");
        }
        if end.owes_resumed && !end.has_read_end {
            return Some("reading_resumed has not come");
        }
        if let Some(producer) = end.producer.map(|producer| &self.producers[producer]) {
            if producer.is_to_be_paused && !self.is_secure {
                return Some("its producer has not been told to pause");
            }
            if end.accepted == end.bytes_sent && (producer.is_paused || (producer.is_pull && !producer.was_asked)) {
                return Some("its producer has not been told to go on");
            }
        }
        if end.side == Side::WaitsForProducer && end.accepted == end.bytes_sent {
            return Some("it waits longer than it may for its producer");
        }
        if end.has_read_end && end.side == Side::Closed && end.accepted == end.bytes_sent {
            return Some("both sides have ended");
        }
        if !end.has_shaken_hands {
            return Some("the handshake is not complete");
        }
        let peer = &self.ends[self.peer_of(id)?];
        if end.is_paused() || end.has_read_end {
            return None;
        }
        if peer.life == Life::Made && peer.ending == Ending::No && peer.accepted != end.received + end.undelivered {
            return Some("what its peer wrote has not arrived");
        }
        if peer.side == Side::Closed && (peer.ending == Ending::No || peer.is_done()) {
            return Some("it has not read the end of its peer");
        }
        let broke_off = peer.life == Life::Lost && !peer.is_done();
        if broke_off && !self.has_faults {
            return Some("its peer has broken off");
        }
        None
    }

    /// The reactor has stopped: everything is closed, and everybody knows.
    pub(super) fn check_stopped(&mut self, host: usize) {
        for (id, end) in self.ends.iter().enumerate().filter(|(_, end)| end.host == host) {
            let is_over = matches!(end.life, Life::Lost | Life::GivenUp) && end.is_dropped;
            if !is_over {
                let text = format!("the stop leaves {id}: {end:?}");
                return self.differ(text);
            }
        }
        if let Some(port) = self.ports.iter().find(|it| it.host == host && it.is_started && !it.is_factory_dropped) {
            let text = format!("the stop leaves {port:?}");
            return self.differ(text);
        }
        if let Some(port) = self.udp.iter().find(|it| it.host == host && it.number != u8::MAX && !it.is_dropped) {
            let text = format!("the stop leaves {port:?}");
            return self.differ(text);
        }
        let owes = |it: &&super::Connecting| {
            it.host == host
                && !it.is_uncertain
                && !it.is_late
                && (!it.failures.is_empty() || matches!(it.attempt, Attempt::Wanted | Attempt::Begun))
        };
        if let Some(connector) = self.connectors.iter().find(owes) {
            let text = format!("the stop leaves {connector:?}");
            return self.differ(text);
        }
        if let Some(once) = self.onces.iter().find(|once| once.host == host && !once.has_fired && !once.is_late) {
            let text = format!("the stop leaves {once:?}");
            self.differ(text);
        }
        let owed =
            |it: &&super::Producer| self.ends[it.end].host == host && it.stop == super::Stop::Owed && !it.is_late;
        if let Some(producer) = self.producers.iter().find(owed) {
            let text = format!("the stop leaves {producer:?}");
            self.differ(text);
        }
    }
}

impl super::End {
    fn is_done(&self) -> bool {
        self.reason.as_ref().is_some_and(reactor::Reason::is_clean)
    }
}
