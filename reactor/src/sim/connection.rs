//! [`Connection`]: a TCP connection, as the kernels at its two ends know it, and the two pipes between them.
//!
//! A pipe carries bytes one way. The bytes stay where they are, in one queue; only the borders between their states
//! move:
//!
//! ```text
//!   bytes:     | unread              | in flight          | unsent              |  <- the program writes here
//!              | arrived, the program| on the link        | wait for the window |
//!              | has not read it yet |                    |                     |
//!   segments:                        | len, len, ..., FIN |
//! ```
//!
//! The server's answer to the request to connect (SYN-ACK) and the end of a stream (FIN) are segments without bytes, so
//! they arrive in order with the bytes.
//!
//! The receiver acknowledges what arrives. Until the sender learns of it, the bytes take up room in the send buffer. An
//! acknowledgement costs no event: the time at which the sender learns of it is known in advance, so the sender looks
//! at the clock when it wants to write ([`Pipe::apply_acknowledgements`]).
//!
//! A real kernel keeps sequence numbers, because packets may be lost, duplicated and overtake each other. Here the
//! network itself puts segments in order, so lengths suffice.
//!
//! Next: `handshake.rs`, how a connection comes about.

use super::queue::EndIndex;
use super::random::nanoseconds;
use crate::Address;
use crate::driver::Token;
use crate::transport::KeepAlive;
use std::collections::VecDeque;
use std::io;

/// Maximum number of retries without an answer before a sender gives up: Linux's `tcp_retries2`.
pub(super) const MAX_RETRIES: u32 = 15;

/// The time that [`MAX_RETRIES`] retries take with the waits below, in nanoseconds. A sender without a limit of its own
/// gives up after this time, about a quarter of an hour.
const DEFAULT_USER_TIMEOUT: u64 = 924_600_000_000;

/// How long a sender waits before its first retry, in nanoseconds: Linux's minimum. A real sender measures the round
/// trip and waits longer on a slow link.
pub(super) const FIRST_RETRY_WAIT: u64 = 200_000_000;

/// Maximum wait between two retries, in nanoseconds: Linux's maximum. Each wait is twice the one before, up to this.
pub(super) const MAX_RETRY_WAIT: u64 = 120_000_000_000;

/// Both ends and what is between them. Index 0 is the client and the pipe that starts there, index 1 the server.
pub(super) struct Connection {
    pub(super) serial: u32,
    pub(super) ends: [End; 2],
    pub(super) pipes: [Pipe; 2],
    /// The link on which each end sends.
    pub(super) links: [u32; 2],
    /// How often the client has sent its request to connect.
    pub(super) syns_sent: u32,
}

impl Connection {
    /// Whether both programs and both kernels have finished with it.
    pub(super) fn is_over(&self) -> bool {
        (0..2).all(|side| self.ends[side].owner == Owner::Nobody && self.is_done(side))
    }

    /// Whether the kernel may forget an end that its program has closed: its own bytes have all arrived, and so has the
    /// other side's FIN. (Linux keeps an end that waits for a FIN for one minute. Whatever arrives after that gets the
    /// same answer as here.)
    fn is_done(&self, side: EndIndex) -> bool {
        match self.ends[side].state {
            EndState::Absent | EndState::Gone => true,
            EndState::Connecting => false,
            EndState::Open => {
                let has_received_all =
                    self.pipes[1 - side].fin == Progress::Arrived || self.ends[1 - side].state == EndState::Gone;
                !self.pipes[side].has_outstanding() && has_received_all
            }
        }
    }

    /// How many bytes are in the send buffer of `side`: written, but not known to have arrived.
    pub(super) fn send_buffered(&self, side: EndIndex) -> usize {
        let pipe = &self.pipes[side];
        pipe.bytes.len() - pipe.unread + pipe.unacknowledged
    }
}

/// What a kernel knows of its end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndState {
    /// Nothing yet: the request to connect has not arrived here.
    Absent,
    /// The client waits for the answer to its request. TCP's SYN-SENT.
    Connecting,
    /// Bytes may go both ways. TCP's ESTABLISHED, and, after a FIN, its states up to the end.
    Open,
    /// Nothing any more: reset, timed out, or lost in a crash. TCP's CLOSED.
    Gone,
}

/// Who holds an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// No program: it has not accepted the connection yet, or has closed it.
    Nobody,
    /// It waits in the backlog of this listening socket.
    Backlog(u32),
    /// A program, under this token of its reactor's.
    Program(Token),
}

/// One end of a connection, as its kernel knows it.
pub(super) struct End {
    pub(super) host: u32,
    pub(super) address: Address,
    pub(super) state: EndState,
    pub(super) owner: Owner,
    /// It is in its host's ready list; it must not stand there twice.
    pub(super) is_in_ready_list: bool,
    /// The error that the program's next read or write fails with.
    pub(super) error: Option<io::ErrorKind>,
    /// A close sends a reset instead of a FIN.
    pub(super) reset_on_close: bool,
    /// The program wrote more than the send buffer had room for, and waits to hear of room.
    pub(super) wants_room: bool,
    /// The event that announces room is in the queue.
    pub(super) room_notice_is_queued: bool,
    pub(super) keep_alive: Option<KeepAlive>,
    /// When anything from the other end last arrived.
    pub(super) last_heard: u64,
    /// Keep-alive probes sent since then.
    pub(super) unanswered: u32,
    /// When the keep-alive timer expires. An event for any other time is out of date (lazy deletion).
    pub(super) next_probe: Option<u64>,
}

impl End {
    pub(super) fn new(host: u32, address: impl Into<Address>) -> End {
        End {
            host,
            address: address.into(),
            state: EndState::Absent,
            owner: Owner::Nobody,
            is_in_ready_list: false,
            error: None,
            reset_on_close: false,
            wants_room: false,
            room_notice_is_queued: false,
            keep_alive: None,
            last_heard: 0,
            unanswered: 0,
            next_probe: None,
        }
    }

    /// How long it waits for an acknowledgement before it gives up, in nanoseconds. The keep-alive settings set it, as
    /// the real driver does with Linux's `TCP_USER_TIMEOUT`.
    pub(super) fn user_timeout(&self) -> u64 {
        match self.keep_alive {
            Some(KeepAlive { idle, interval, probes }) => {
                nanoseconds(idle).saturating_add(nanoseconds(interval).saturating_mul(u64::from(probes)))
            }
            None => DEFAULT_USER_TIMEOUT,
        }
    }
}

/// How far the SYN-ACK or the FIN of a pipe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is none to send (yet).
    NotWanted,
    /// It is to be sent.
    Wanted,
    /// It is on the link.
    InFlight,
    /// The other end has it.
    Arrived,
}

/// What a segment carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentKind {
    /// The server's answer to the request to connect.
    SynAck,
    /// Bytes.
    Data,
    /// The end of the stream.
    Fin,
}

/// A piece of the stream on the link. Times are nanoseconds since the world began.
pub(super) struct TcpSegment {
    pub(super) sent: u64,
    pub(super) arrives: u64,
    pub(super) len: usize,
    pub(super) kind: SegmentKind,
    /// How many segments the pipe has sent before.
    pub(super) number: u64,
}

/// The sender waits for an acknowledgement that has not come, and retries with growing waits.
pub(super) struct Retransmission {
    pub(super) since: u64,
    pub(super) wait: u64,
    /// When it retries.
    pub(super) next: u64,
    /// Not 0 if the draw for a link with this loss said that every retry is lost until the sender gives up. The draw
    /// holds only as long as the link has that loss.
    pub(super) doomed_at_loss: u32,
}

/// As far as the sender knows, the receiver has no room: TCP calls that a zero window. The sender probes it.
pub(super) struct ZeroWindow {
    pub(super) since: u64,
    pub(super) wait: u64,
    /// When it sends the next probe.
    pub(super) next: u64,
    /// Probes sent since the last answer.
    pub(super) unanswered: u32,
}

/// What kind of bytes go through a pipe. The trace must know: the bytes of TLS differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing has been written yet.
    Unknown,
    /// One byte has been written, and TLS may begin with it.
    MaybeTls,
    /// Clear text so far. Its last bytes are the first `matched` bytes of a TLS handshake.
    Plain { matched: usize },
    /// It looks like TLS from here on: no seed decides these bytes.
    Tls,
}

/// How many bytes show that a handshake begins in the middle of clear text.
const HELLO_BYTES: usize = 7;

/// Whether the byte at `place` of a handshake may be `byte`: a record of the type handshake, its version, its length,
/// and in it a hello of the client or of the server, the length of which is below 64 KiB.
fn may_be_in_hello(place: usize, byte: u8) -> bool {
    match place {
        0 => byte == 0x16,
        1 => byte == 3,
        2 => byte <= 4,
        3 | 4 => true,
        5 => byte == 1 || byte == 2,
        _ => byte == 0,
    }
}

impl Contents {
    /// What is known once `bytes` have been written as well, and how many of them are clear text. The few bytes by
    /// which TLS is recognized may be among those: they are the same in each run.
    #[inline]
    pub(super) fn after(self, bytes: &[u8]) -> (Contents, usize) {
        /// A TLS record begins with its type, one of these, and then the high byte of a version, always the same.
        const RECORD_TYPES: std::ops::RangeInclusive<u8> = 0x14..=0x17;
        const VERSION_HIGH: u8 = 3;
        match (self, bytes) {
            (Contents::Tls, _) | (_, []) => (self, 0),
            (Contents::Unknown, [first]) if RECORD_TYPES.contains(first) => (Contents::MaybeTls, 1),
            (Contents::Unknown, [first, VERSION_HIGH, ..]) if RECORD_TYPES.contains(first) => (Contents::Tls, 0),
            (Contents::MaybeTls, [VERSION_HIGH, ..]) => (Contents::Tls, 0),
            (Contents::Plain { matched }, _) => Contents::after_clear_text(matched, bytes),
            (Contents::Unknown | Contents::MaybeTls, _) => Contents::after_clear_text(0, bytes),
        }
    }

    /// Looks for a handshake that begins in clear text, as after STARTTLS.
    fn after_clear_text(mut matched: usize, bytes: &[u8]) -> (Contents, usize) {
        let mut at = 0;
        while at < bytes.len() {
            if matched == 0 {
                let Some(skipped) = memchr::memchr(0x16, &bytes[at..]) else { break };
                at += skipped;
            }
            if may_be_in_hello(matched, bytes[at]) {
                matched += 1;
                at += 1;
            } else {
                matched = 0; // This byte may be the first of another one.
            }
            if matched == HELLO_BYTES {
                return (Contents::Tls, at);
            }
        }
        (Contents::Plain { matched }, bytes.len())
    }
}

/// One direction of a connection: see the picture at the top of this file.
pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    pub(super) unread: usize,
    pub(super) in_flight: usize,
    pub(super) segments: VecDeque<TcpSegment>,
    /// How many segments of bytes were sent.
    pub(super) segment_count: u64,
    pub(super) syn_ack: Progress,
    pub(super) fin: Progress,
    /// Acknowledgements on their way back: when the sender learns of each, and for how many bytes it is.
    pub(super) acknowledgements: VecDeque<(u64, usize)>,
    /// How many bytes have arrived without the sender knowing it yet.
    pub(super) unacknowledged: usize,
    /// How many of them the sender will learn of only by a retransmission, because the acknowledgement was lost.
    pub(super) lost_acknowledgements: usize,
    /// When the last segment arrives. No later segment may arrive before it: TCP delivers in order.
    pub(super) last_arrival: u64,
    /// The event of the next arrival is in the queue.
    pub(super) arrival_is_queued: bool,
    pub(super) retransmission: Option<Retransmission>,
    /// Never set together with `retransmission`: a sender that retransmits learns of the window by that.
    pub(super) zero_window: Option<ZeroWindow>,
    pub(super) window_update_is_queued: bool,
    pub(super) contents: Contents,
}

impl Pipe {
    pub(super) fn new() -> Pipe {
        Pipe {
            bytes: VecDeque::new(),
            unread: 0,
            in_flight: 0,
            segments: VecDeque::new(),
            segment_count: 0,
            syn_ack: Progress::NotWanted,
            fin: Progress::NotWanted,
            acknowledgements: VecDeque::new(),
            unacknowledged: 0,
            lost_acknowledgements: 0,
            last_arrival: 0,
            arrival_is_queued: false,
            retransmission: None,
            zero_window: None,
            window_update_is_queued: false,
            contents: Contents::Unknown,
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.bytes.len() - self.unread - self.in_flight
    }

    /// Whether the sender has anything left to send, or to hear of.
    pub(super) fn has_outstanding(&self) -> bool {
        self.bytes.len() > self.unread
            || self.lost_acknowledgements > 0
            || matches!(self.fin, Progress::Wanted | Progress::InFlight)
            || matches!(self.syn_ack, Progress::Wanted | Progress::InFlight)
    }

    /// Makes everything in flight unsent again.
    pub(super) fn take_back_in_flight(&mut self) {
        for segment in self.segments.drain(..) {
            match segment.kind {
                SegmentKind::SynAck => self.syn_ack = Progress::Wanted,
                SegmentKind::Data => self.in_flight -= segment.len,
                SegmentKind::Fin => self.fin = Progress::Wanted,
            }
        }
    }

    /// The sender is gone, and sends nothing more. What is in flight still arrives.
    pub(super) fn drop_unsent(&mut self) {
        self.bytes.truncate(self.unread + self.in_flight);
        self.retransmission = None;
        self.zero_window = None;
        if self.fin == Progress::Wanted {
            self.fin = Progress::NotWanted;
        }
        if self.syn_ack == Progress::Wanted {
            self.syn_ack = Progress::NotWanted;
        }
    }

    /// Both ends are gone: nothing arrives any more, and nobody reads what has arrived.
    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.segments.clear();
        (self.unread, self.in_flight) = (0, 0);
    }

    /// Takes the acknowledgements that the sender has learned of by `now`.
    pub(super) fn apply_acknowledgements(&mut self, now: u64) {
        while let Some((at, len)) = self.acknowledgements.front()
            && *at <= now
        {
            self.unacknowledged -= len;
            self.acknowledgements.pop_front();
        }
    }

    /// Notes an acknowledgement of `len` bytes that the sender will learn of at `at`.
    pub(super) fn acknowledge(&mut self, at: u64, len: usize) {
        match self.acknowledgements.back_mut() {
            // `apply_acknowledgements` needs them by time, so one that would overtake the one before counts with it.
            Some((last, sum)) if *last >= at => *sum += len,
            _ => self.acknowledgements.push_back((at, len)),
        }
    }
}
