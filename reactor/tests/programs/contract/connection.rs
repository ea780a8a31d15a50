//! What is promised about one end of a connection.

use super::{Contract, Stop, Subject};
use crate::program::Kind;
use reactor::Reason;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) type EndId = usize;

/// One end of a connection, as its program may expect it to be.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    /// Where it comes from: `Port`, `Connector` or `Once`.
    pub(crate) origin: Subject,
    pub(crate) life: Life,
    pub(crate) ending: Ending,
    /// Whether the end of our side has been asked for, and whether it waits for a producer.
    pub(crate) side: Side,
    /// Number of bytes of those writes that had an effect.
    pub(crate) accepted: u64,
    /// The last moment of its host in which one had, and their number before that moment.
    pub(crate) written_in: (u64, u64),
    pub(crate) bytes_sent: u64,
    /// Those that wait, although the loop has tried to send them.
    pub(crate) backlog: u64,
    pub(crate) received: u64,
    /// Bytes that its protocol keeps: the beginning of a line, and lines that a pause holds back.
    pub(crate) undelivered: u64,
    pub(crate) has_read_end: bool,
    pub(crate) is_pause_asked: bool,
    pub(crate) is_paused_by_full: bool,
    pub(crate) pauses_when_full: bool,
    pub(crate) owes_resumed: bool,
    /// When a pause was ended last by request.
    pub(crate) resumed_at: Duration,
    pub(crate) max_buffered: u64,
    pub(crate) producer: Option<usize>,
    pub(crate) told_to_stop: bool,
    /// Over TLS: the handshake is complete. In clear text it always is.
    pub(crate) has_shaken_hands: bool,
    /// Our address and the peer's.
    pub(crate) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Whether `connection_made` returned.
    pub(crate) was_made: bool,
    pub(crate) is_dropped: bool,
    pub(crate) reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// `build_protocol` has made a protocol.
    Built,
    Made,
    Lost,
    /// The attempt was given up before `connection_made`.
    GivenUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    No,
    Losing(Duration),
    /// It has ended, and `connection_lost` is owed, with this reason. If it was being lost before, it may have ended by
    /// itself without anybody noticing.
    Over(Why, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Aborted,
    Panicked,
    BufferFull,
    /// It says that it is disconnecting, and the program has not asked for it.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Open,
    WaitsForProducer,
    Closed,
}

/// What a transport says about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) is_paused: bool,
    pub(crate) is_disconnecting: bool,
    pub(crate) buffered: u64,
    pub(crate) backlog: u64,
    pub(crate) bytes_sent: u64,
}

impl End {
    fn new(host: usize, origin: Subject, is_secure: bool) -> End {
        End {
            host,
            origin,
            life: Life::Built,
            ending: Ending::No,
            side: Side::Open,
            accepted: 0,
            written_in: (0, 0),
            bytes_sent: 0,
            backlog: 0,
            received: 0,
            undelivered: 0,
            has_read_end: false,
            is_pause_asked: false,
            is_paused_by_full: false,
            pauses_when_full: matches!(origin, Subject::Port(_)),
            owes_resumed: false,
            resumed_at: Duration::ZERO,
            max_buffered: reactor::transport::MAX_BUFFERED as u64,
            producer: None,
            told_to_stop: false,
            has_shaken_hands: !is_secure,
            addresses: None,
            was_made: false,
            is_dropped: false,
            reason: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.life == Life::Made && self.ending == Ending::No
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_pause_asked || self.is_paused_by_full
    }

    pub(super) fn buffered(&self) -> u64 {
        self.accepted - self.bytes_sent
    }

    pub(super) fn over(&mut self, why: Why) {
        match self.ending {
            Ending::No => self.ending = Ending::Over(why, false),
            Ending::Losing(_) => self.ending = Ending::Over(why, true),
            Ending::Over(..) => {}
        }
    }
}

/// The byte at `offset` of what an end writes.
pub(crate) fn byte_of(end: EndId, offset: u64) -> u8 {
    let mixed = (offset ^ ((end as u64 + 1) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

impl Contract {
    pub(crate) fn add_end(&mut self, host: usize, origin: Subject) -> EndId {
        self.ends.push(End::new(host, origin, self.is_secure));
        self.ends.len() - 1
    }

    pub(super) fn begin_end(&mut self, id: EndId, kind: Kind) {
        let end = &mut self.ends[id];
        if kind == Kind::ProtocolDropped {
            let was_dropped = std::mem::replace(&mut end.is_dropped, true);
            let is_over = matches!(end.life, Life::Lost | Life::GivenUp);
            let is_unused = end.life == Life::Built;
            if is_unused {
                end.life = Life::GivenUp;
                if let Subject::Connector(connector) = end.origin {
                    self.connectors[connector].built = None;
                }
            }
            return self
                .expect(!was_dropped && (is_over || is_unused), format_args!("the protocol of {id} is dropped"));
        }
        let (life, ending) = (end.life, end.ending);
        let expected_life = if kind == Kind::ConnectionMade { Life::Built } else { Life::Made };
        if life != expected_life || (kind != Kind::ConnectionMade && !end.was_made) {
            return self.differ(format_args!("{kind:?} of {id}, which is {life:?}"));
        }
        let is_news = !matches!(kind, Kind::ConnectionLost);
        if is_news && ending != Ending::No {
            return self.differ(format_args!("{kind:?} of {id}, which is {ending:?}"));
        }
        match kind {
            Kind::ConnectionMade => end.life = Life::Made,
            Kind::HandshakeCompleted => {
                let is_first = !std::mem::replace(&mut end.has_shaken_hands, true);
                self.expect(is_first, format_args!("handshake_completed of {id} comes twice"));
            }
            Kind::ReadingResumed => {
                // Over TLS, what pauses and resumes is known only from outside.
                let holds = self.is_secure || (end.owes_resumed && !end.is_paused() && !end.has_read_end);
                end.owes_resumed = false;
                self.expect(holds, format_args!("reading_resumed of {id}, which was not resumed"));
            }
            Kind::DataReceived | Kind::ReadConnectionLost => {
                // A pause that ends inside the callback of a line does not hold back the next one.
                let is_next_line = self.has_lines && end.resumed_at == self.now;
                let goes_on = !end.owes_resumed || is_next_line;
                let may_read = !end.is_paused() && goes_on && !end.has_read_end;
                let may_read = may_read && (end.has_shaken_hands || kind == Kind::ReadConnectionLost);
                self.expect(may_read, format_args!("{kind:?} of {id}, which does not read"));
                if kind == Kind::ReadConnectionLost {
                    self.read_end(id);
                }
            }
            Kind::ReactorStopping => {
                let first = !std::mem::replace(&mut end.told_to_stop, true);
                let closing = self.runs[self.ends[id].host].is_closing();
                self.expect(first && closing, format_args!("reactor_stopping of {id}"));
            }
            _ => {}
        }
    }

    pub(super) fn end_end(&mut self, id: EndId, kind: Kind, has_panicked: bool) {
        let end = &mut self.ends[id];
        match kind {
            Kind::ConnectionMade => end.was_made = true,
            Kind::ConnectionLost => {
                end.life = Life::Lost;
                if let Some(producer) = end.producer {
                    self.producers[producer].stop = Stop::Owed;
                }
                return;
            }
            Kind::ProtocolDropped => return,
            _ => {}
        }
        if has_panicked {
            end.over(Why::Panicked);
        }
    }

    /// The other end of a connection, as far as it has been made.
    pub(crate) fn peer_of(&self, id: EndId) -> Option<EndId> {
        let (host, peer) = self.ends[id].addresses?;
        self.ends.iter().position(|other| other.addresses == Some((peer, host)))
    }

    pub(crate) fn connected(&mut self, id: EndId, host: Option<SocketAddr>, peer: Option<SocketAddr>) {
        match host.zip(peer) {
            Some(addresses) => self.ends[id].addresses = Some(addresses),
            None => self.differ(format_args!("{id} has no addresses")),
        }
    }

    /// Bytes arrive.
    pub(crate) fn data(&mut self, id: EndId, data: &[u8]) {
        if self.is_dead(self.ends[id].host) {
            return;
        }
        self.note(|| format!("  {} bytes for {id}", data.len()));
        let Some(sender) = self.peer_of(id) else {
            return self.differ(format_args!("{id} receives from nobody"));
        };
        let from = self.ends[id].received;
        self.ends[id].received += data.len() as u64;
        let (received, written) = (self.ends[id].received, self.ends[sender].accepted);
        self.expect(!data.is_empty(), format_args!("{id} receives no byte"));
        self.expect(received <= written, format_args!("{id} has received {received} bytes of {written}"));
        let same = data.iter().zip(from..).all(|(byte, offset)| *byte == byte_of(sender, offset));
        self.expect(same, format_args!("{id} receives other bytes than {sender} wrote"));
    }

    /// The peer has ended its side: everything that it wrote has arrived.
    fn read_end(&mut self, id: EndId) {
        self.ends[id].has_read_end = true;
        let received = self.ends[id].received;
        match self.peer_of(id) {
            Some(peer) => {
                let peer_end = &self.ends[peer];
                // An end whose program closes unread bytes away, or whose process has ended, still ends in order.
                let ends_in_order = peer_end.side == Side::Closed || self.is_dead(peer_end.host);
                let written = peer_end.accepted;
                self.expect(ends_in_order, format_args!("{id} reads an end that {peer} has not sent"));
                self.expect(
                    received == written,
                    format_args!("{id} reads the end after {received} bytes of the {written} that {peer} wrote"),
                );
            }
            // The peer's program has refused the connection.
            None => self.expect(received == 0, format_args!("{id} has bytes from nobody")),
        }
    }

    /// `connection_lost` comes with this reason.
    pub(crate) fn lost(&mut self, id: EndId, reason: &Reason) {
        self.note(|| format!("  {id} is lost: {reason:?}"));
        self.ends[id].reason = Some(reason.clone());
        let host = self.ends[id].host;
        if self.is_dead(host) {
            return;
        }
        let end = &self.ends[id];
        let is_hurried = self.runs[host].is_hurried(self.now, self.limits);
        let (side, has_read_end, max_buffered) = (end.side, end.has_read_end, end.max_buffered);
        let (has_shaken_hands, is_all_sent) = (end.has_shaken_hands, end.accepted == end.bytes_sent);
        let by_itself = |losing: Option<Duration>| match reason {
            Reason::Done if losing.is_some() => side == Side::Closed,
            Reason::Done => has_read_end && side == Side::Closed,
            // When TLS began to close the connection below is not seen.
            Reason::FlushTimeout if self.is_secure => losing.is_some() || side == Side::WaitsForProducer,
            // After a half-close, only a producer that does not write.
            Reason::FlushTimeout if losing.is_none() => side == Side::WaitsForProducer && is_all_sent,
            Reason::FlushTimeout => losing.is_some_and(|since| self.now >= since + self.limits.close),
            // A close that waits for a handshake has a limit of its own.
            Reason::Aborted if self.is_secure => {
                is_hurried || losing.is_some_and(|since| self.now >= since + self.limits.close)
            }
            Reason::Aborted => is_hurried,
            Reason::Lost(_) => self.may_be_lost(id),
            Reason::Tls(_) if !has_shaken_hands => true,
            Reason::Truncated | Reason::Tls(_) => self.is_secure && self.may_be_lost(id),
            Reason::BufferFull => self.is_secure && max_buffered < reactor::transport::MAX_BUFFERED as u64,
            _ => false,
        };
        let holds = match end.ending {
            Ending::No => by_itself(None),
            Ending::Losing(since) => by_itself(Some(since)),
            Ending::Over(why, was_losing) => {
                let is_it = match why {
                    Why::Aborted => matches!(reason, Reason::Aborted),
                    Why::Panicked => matches!(reason, Reason::Panicked),
                    Why::BufferFull => matches!(reason, Reason::BufferFull),
                    Why::Lost => by_itself(None),
                };
                is_it || (was_losing && by_itself(Some(Duration::ZERO)))
            }
        };
        let end = &self.ends[id];
        let what =
            format!("{id} is lost: {reason:?}; it was {:?}, {:?}, peer {:?}", end.ending, side, self.peer_of(id));
        self.expect(holds, what);
        if matches!(reason, Reason::Done) {
            let end = &self.ends[id];
            let whole = end.accepted == end.bytes_sent;
            self.expect(whole || self.is_secure, format_args!("{id} is done before its last byte has gone out"));
        }
    }

    /// Whether there is a cause for which the network or the peer may have broken the connection off.
    fn may_be_lost(&self, id: EndId) -> bool {
        if self.has_faults {
            return true;
        }
        match self.peer_of(id) {
            Some(peer) => {
                let peer = &self.ends[peer];
                peer.ending != Ending::No || peer.life != Life::Made || self.is_dead(peer.host) || !peer.was_made
            }
            None => true,
        }
    }

    /// What a transport says between two actions of the program.
    pub(crate) fn see(&mut self, id: EndId, seen: Seen) {
        let is_secure = self.is_secure;
        let end = &mut self.ends[id];
        if end.life != Life::Made || self.runs[end.host].phase == super::Phase::Dead {
            return;
        }
        let what = |what: &str, end: &End| format!("{id}: {what}: {seen:?} of {end:?}");
        if is_secure {
            // The lengths are those of records. It is known only when nothing waits.
            if seen.buffered == 0 {
                end.bytes_sent = end.accepted;
            }
            end.is_paused_by_full = seen.is_paused && !end.is_pause_asked;
            end.owes_resumed = false;
            if end.ending == Ending::No && seen.is_disconnecting {
                // TLS may be closing the connection below, in its own order.
                end.ending = Ending::Losing(self.now);
                end.side = Side::Closed;
            }
            return;
        }
        if seen.buffered + seen.bytes_sent != end.accepted {
            let text = what("bytes are missing", end);
            return self.differ(text);
        }
        if seen.bytes_sent < end.bytes_sent {
            let text = what("bytes_sent shrinks", end);
            return self.differ(text);
        }
        let (moment, accepted_before) = end.written_in;
        let is_same = moment == self.moments[end.host] && !self.frames[end.host].is_empty();
        let had_its_chance = if is_same { accepted_before } else { end.accepted };
        if seen.backlog > had_its_chance.saturating_sub(seen.bytes_sent) {
            let text = what("the backlog counts what this callback has written", end);
            return self.differ(text);
        }
        (end.bytes_sent, end.backlog) = (seen.bytes_sent, seen.backlog);
        if seen.buffered == 0 && end.is_paused_by_full {
            end.is_paused_by_full = false;
            end.owes_resumed = !end.is_pause_asked;
        }
        match end.ending {
            Ending::No if seen.is_disconnecting => end.over(Why::Lost),
            Ending::No => {
                let expected = end.is_paused();
                let text = what("is_paused", end);
                self.expect(seen.is_paused == expected, text);
            }
            _ => {
                let text = what("is_disconnecting", end);
                self.expect(seen.is_disconnecting, text);
            }
        }
    }
}
