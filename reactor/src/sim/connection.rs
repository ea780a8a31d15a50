//! [`Connection`]: both ends of a TCP connection as their kernels know them, and the two pipes between.
//!
//! A pipe carries bytes one way. They never move in memory; only the borders between their states do:
//!
//! ```text
//!   bytes:   | unread            | flying             | unsent             |
//!            | come, not yet read| on the way         | wait for the window|
//!   segments:                    | len, len, ..., end |
//! ```
//!
//! The beginning (the answer to the request to connect) and the end of a pipe travel in order with the bytes. What has
//! come is acknowledged; until the sender hears of it, it takes up room in the send buffer. No event is spent on that:
//! it is known when each acknowledgement will come, so that the sender can look when it wants to write.

use super::queue::Side;
use super::random::nanoseconds;
use crate::driver::Token;
use crate::transport::KeepAlive;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// Without a limit of its own a sender gives up after so many tries without an answer: Linux's `tcp_retries2`.
pub(super) const RETRIES: u32 = 15;

/// How long all those tries take, with the waits below.
const GIVE_UP: u64 = 924_600_000_000;

/// The first wait for an acknowledgement: Linux's least.
pub(super) const FIRST_WAIT: u64 = 200_000_000;

/// The longest wait: Linux's most.
pub(super) const LONGEST_WAIT: u64 = 120_000_000_000;

/// Both ends, and what is between them. Index 0 is the end that asked for it, and the pipe from there.
pub(super) struct Connection {
    pub(super) serial: u32,
    pub(super) ends: [End; 2],
    pub(super) pipes: [Pipe; 2],
    /// The links on which each end sends.
    pub(super) links: [u32; 2],
    /// How often it was asked for.
    pub(super) tries: u32,
}

impl Connection {
    /// Nobody has anything to do with it any more.
    pub(super) fn is_over(&self) -> bool {
        (0..2).all(|side| self.ends[side].owner == Owner::Nobody && self.is_done(side))
    }

    /// Whether the kernel of an end that its program has closed may forget it. (Linux keeps one that waits for an end
    /// from the other side for a minute; whatever comes then is answered in the same way.)
    fn is_done(&self, side: Side) -> bool {
        match self.ends[side].life {
            Life::Absent | Life::Gone => true,
            Life::Asking => false,
            Life::Open => {
                let has_got_all = self.pipes[1 - side].end == Mark::Arrived || self.ends[1 - side].life == Life::Gone;
                !self.pipes[side].is_outstanding() && has_got_all
            }
        }
    }

    /// How many bytes `side` has sent or is to send that it does not know to have come.
    pub(super) fn send_buffered(&self, side: Side) -> usize {
        let pipe = &self.pipes[side];
        pipe.bytes.len() - pipe.unread + pipe.unacknowledged
    }
}

/// What a kernel knows of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Nothing: the request has not come here.
    Absent,
    /// The answer to the request is waited for.
    Asking,
    Open,
    /// Broken off, timed out, crashed: nothing is known any more.
    Gone,
}

/// Who has the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    /// It waits in the backlog of this listener.
    Backlog(u32),
    Program(Token),
}

pub(super) struct End {
    pub(super) host: u32,
    pub(super) address: SocketAddr,
    pub(super) life: Life,
    pub(super) owner: Owner,
    /// It stands in its host's list of what is ready.
    pub(super) is_listed: bool,
    /// What the next reading or writing is to fail with.
    pub(super) error: Option<io::ErrorKind>,
    /// Closing is to break it off.
    pub(super) resets: bool,
    /// The program wrote more than there was room for.
    pub(super) wants_room: bool,
    /// The event that tells of room is in the queue.
    pub(super) room_is_coming: bool,
    pub(super) keep_alive: Option<KeepAlive>,
    /// When the other end was heard of last.
    pub(super) heard: u64,
    /// Probes without an answer.
    pub(super) unanswered: u32,
    /// When the next look is. Events for another time are those of looks that were to be sooner after all.
    pub(super) next_probe: Option<u64>,
}

impl End {
    pub(super) fn new(host: u32, address: SocketAddr) -> End {
        End {
            host,
            address,
            life: Life::Absent,
            owner: Owner::Nobody,
            is_listed: false,
            error: None,
            resets: false,
            wants_room: false,
            room_is_coming: false,
            keep_alive: None,
            heard: 0,
            unanswered: 0,
            next_probe: None,
        }
    }

    /// How long it goes on without an acknowledgement, in nanoseconds.
    pub(super) fn patience(&self) -> u64 {
        match self.keep_alive {
            Some(KeepAlive { idle, interval, probes }) => {
                nanoseconds(idle).saturating_add(nanoseconds(interval).saturating_mul(u64::from(probes)))
            }
            None => GIVE_UP,
        }
    }
}

/// Where the beginning or the end of a pipe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Not wanted (yet).
    No,
    Wanted,
    Flying,
    Arrived,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Beginning,
    Bytes,
    End,
}

pub(super) struct Segment {
    pub(super) sent: u64,
    pub(super) arrives: u64,
    pub(super) len: usize,
    pub(super) kind: Kind,
}

/// A sender waits for an acknowledgement that does not come.
pub(super) struct Stall {
    pub(super) since: u64,
    pub(super) wait: u64,
    /// When it tries again.
    pub(super) next: u64,
    /// If not 0: it was drawn that a link which loses so many of a million loses all tries. If it is made to lose more
    /// or fewer, that no longer holds.
    pub(super) loss: u32,
}

/// The receiver has no room for what is to be sent: its window is shut, as far as the sender knows.
pub(super) struct Shut {
    pub(super) since: u64,
    pub(super) wait: u64,
    /// When the sender asks next whether it still is.
    pub(super) next: u64,
    /// How often it has asked since the last answer.
    pub(super) unanswered: u32,
}

/// What goes through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing has been written.
    Unknown,
    /// Only a first byte with which TLS may begin.
    Begun,
    Plain,
    /// It looks like TLS: what exactly goes through follows from no seed.
    Opaque,
}

impl Contents {
    /// What is known after `bytes`.
    #[inline]
    pub(super) fn then(self, bytes: &[u8]) -> Contents {
        /// The kinds of records that TLS has, and the first half of its version, which is always the same.
        const TLS: (std::ops::RangeInclusive<u8>, u8) = (0x14..=0x17, 3);
        match (self, bytes) {
            (Contents::Plain | Contents::Opaque, _) | (_, []) => self,
            (Contents::Unknown, [first]) if TLS.0.contains(first) => Contents::Begun,
            (Contents::Unknown, [first, second, ..]) if TLS.0.contains(first) && *second == TLS.1 => Contents::Opaque,
            (Contents::Begun, [second, ..]) if *second == TLS.1 => Contents::Opaque,
            _ => Contents::Plain,
        }
    }
}

pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    pub(super) unread: usize,
    pub(super) flying: usize,
    pub(super) segments: VecDeque<Segment>,
    pub(super) beginning: Mark,
    pub(super) end: Mark,
    /// When the sender hears of which bytes that they have come.
    pub(super) acknowledgements: VecDeque<(u64, usize)>,
    /// How many bytes have come of which the sender does not know it.
    pub(super) unacknowledged: usize,
    /// Those of them whose acknowledgement was lost.
    pub(super) lost_acknowledgements: usize,
    /// Nothing arrives before what was sent before it.
    pub(super) last_arrival: u64,
    /// The event of the next arrival is in the queue.
    pub(super) arrival_is_coming: bool,
    pub(super) stall: Option<Stall>,
    /// Never together with a stall: whoever waits for an acknowledgement asks anyway.
    pub(super) shut: Option<Shut>,
    pub(super) window_is_coming: bool,
    pub(super) contents: Contents,
}

impl Pipe {
    pub(super) fn new() -> Pipe {
        Pipe {
            bytes: VecDeque::new(),
            unread: 0,
            flying: 0,
            segments: VecDeque::new(),
            beginning: Mark::No,
            end: Mark::No,
            acknowledgements: VecDeque::new(),
            unacknowledged: 0,
            lost_acknowledgements: 0,
            last_arrival: 0,
            arrival_is_coming: false,
            stall: None,
            shut: None,
            window_is_coming: false,
            contents: Contents::Unknown,
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.bytes.len() - self.unread - self.flying
    }

    /// Whether the sender has anything that the receiver has not got.
    pub(super) fn is_outstanding(&self) -> bool {
        self.bytes.len() > self.unread
            || self.lost_acknowledgements > 0
            || matches!(self.end, Mark::Wanted | Mark::Flying)
            || matches!(self.beginning, Mark::Wanted | Mark::Flying)
    }

    /// Puts what is on the way back to what is to be sent.
    pub(super) fn take_back(&mut self) {
        for segment in self.segments.drain(..) {
            match segment.kind {
                Kind::Beginning => self.beginning = Mark::Wanted,
                Kind::Bytes => self.flying -= segment.len,
                Kind::End => self.end = Mark::Wanted,
            }
        }
    }

    /// The sender is gone: nothing more is sent. What is on the way still comes.
    pub(super) fn cut_off(&mut self) {
        self.bytes.truncate(self.unread + self.flying);
        self.stall = None;
        self.shut = None;
        if self.end == Mark::Wanted {
            self.end = Mark::No;
        }
        if self.beginning == Mark::Wanted {
            self.beginning = Mark::No;
        }
    }

    /// The receiver is gone: nothing more comes, and nobody reads what has come.
    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
        self.segments.clear();
        (self.unread, self.flying) = (0, 0);
    }

    /// What the sender has heard of by now.
    pub(super) fn settle(&mut self, now: u64) {
        while let Some((at, len)) = self.acknowledgements.front()
            && *at <= now
        {
            self.unacknowledged -= len;
            self.acknowledgements.pop_front();
        }
    }

    /// Notes an acknowledgement that the sender will hear at `at`.
    pub(super) fn acknowledge(&mut self, at: u64, len: usize) {
        match self.acknowledgements.back_mut() {
            Some((last, sum)) if *last >= at => *sum += len,
            _ => self.acknowledgements.push_back((at, len)),
        }
    }
}
