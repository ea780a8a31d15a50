//! [`Pair`]: two protocols that talk over a connection in memory, and a clock that the test moves: no loop, no sockets.

use reactor::testing::ManualClock;
use reactor::tls::{TimeSource, TlsClock};
use reactor::transport::{KeepAlive, TransportBackend};
use reactor::{Address, DelayedCall, Producer, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// The day on which the tests take place: the first of June 2030.
const TODAY: Duration = Duration::from_secs(1_906_502_400);

struct Source {
    clock: ManualClock,
    today: SystemTime,
}

impl TimeSource for Source {
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.clock.call_later(after, call))
    }
    fn system_time(&self) -> Option<SystemTime> {
        Some(self.today + self.clock.elapsed())
    }
}

/// `clock` for TLS.
pub(crate) fn for_tls(clock: &ManualClock) -> TlsClock {
    let source = Source { clock: clock.clone(), today: SystemTime::UNIX_EPOCH + TODAY };
    TlsClock::new(source, Duration::from_secs(10))
}

/// One direction of the connection, and what the protocol that writes into it has asked for.
#[derive(Default)]
pub(crate) struct Wire {
    out: RefCell<Vec<u8>>,
    /// All that was ever written.
    written: RefCell<Vec<u8>>,
    is_paused: Cell<bool>,
    is_resuming: Cell<bool>,
    is_losing: Cell<bool>,
    is_write_lost: Cell<bool>,
    is_aborted: Cell<bool>,
}

impl TransportBackend for Wire {
    fn write(&self, data: &[u8]) {
        if !self.is_disconnecting() && !self.is_write_lost.get() {
            self.out.borrow_mut().extend_from_slice(data);
            self.written.borrow_mut().extend_from_slice(data);
        }
    }
    fn lose_connection(&self) {
        self.is_losing.set(true);
    }
    fn lose_write_connection(&self) {
        self.is_write_lost.set(true);
    }
    fn abort_connection(&self) {
        self.is_aborted.set(true);
    }
    fn pause_producing(&self) {
        self.is_paused.set(true);
        self.is_resuming.set(false);
    }
    fn resume_producing(&self) {
        self.is_resuming.set(self.is_paused.replace(false));
    }
    fn is_paused(&self) -> bool {
        self.is_paused.get()
    }
    fn is_disconnecting(&self) -> bool {
        self.is_losing.get() || self.is_aborted.get()
    }
    fn pause_when_full(&self, _on: bool) {}
    fn register_producer(&self, _producer: Rc<dyn Producer>) {}
    fn unregister_producer(&self) {}
    fn buffered(&self) -> usize {
        self.out.borrow().len()
    }
    fn set_max_buffered(&self, _bytes: usize) {}
    fn set_no_delay(&self, _on: bool) {}
    fn set_keep_alive(&self, _keep_alive: Option<KeepAlive>) {}
    fn peer(&self) -> Address {
        Address::Unknown
    }
    fn host(&self) -> Address {
        Address::Unknown
    }
}

struct End {
    protocol: Box<dyn Protocol>,
    wire: Rc<Wire>,
    /// It has been told that its peer will send no more.
    has_read_end: bool,
    is_over: bool,
}

/// Two ends and the connection between them. Nothing moves unless the test says so.
pub(crate) struct Pair([End; 2]);

impl Pair {
    /// Both are connected; the server hears of it first.
    pub(crate) fn new(client: Box<dyn Protocol>, server: Box<dyn Protocol>) -> Pair {
        let end = |protocol| End { protocol, wire: Rc::default(), has_read_end: false, is_over: false };
        let mut pair = Pair([end(client), end(server)]);
        for end in pair.0.iter_mut().rev() {
            end.protocol.connection_made(&Transport::new(end.wire.clone()));
        }
        pair
    }

    /// The plain transport of an end.
    pub(crate) fn transport(&self, end: usize) -> Transport {
        Transport::new(self.0[end].wire.clone())
    }

    /// All bytes that an end has ever written, delivered or not.
    pub(crate) fn written(&self, from: usize) -> Vec<u8> {
        self.0[from].wire.written.borrow().clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.iter().all(|end| end.is_over)
    }

    /// An end receives these bytes, as if its peer had sent them.
    pub(crate) fn receive(&mut self, to: usize, data: &[u8]) {
        let end = &mut self.0[to];
        end.protocol.data_received(&Transport::new(end.wire.clone()), data);
    }

    /// Takes up to `most` of the bytes that an end has written off the wire. They are not delivered.
    pub(crate) fn take(&mut self, from: usize, most: usize) -> Vec<u8> {
        let mut out = self.0[from].wire.out.borrow_mut();
        let count = most.min(out.len());
        out.drain(..count).collect()
    }

    /// Delivers up to `most` of the bytes that an end has written. Returns their number.
    pub(crate) fn deliver(&mut self, from: usize, most: usize) -> usize {
        let end = &mut self.0[1 - from];
        if end.wire.is_resuming.replace(false) && !end.is_over {
            end.protocol.reading_resumed(&Transport::new(end.wire.clone()));
        }
        if end.wire.is_paused.get() || end.wire.is_disconnecting() || end.is_over {
            return 0;
        }
        let data = self.take(from, most);
        if !data.is_empty() {
            self.receive(1 - from, &data);
        }
        data.len()
    }

    /// Lets both talk, in pieces of at most `piece` bytes, until neither has anything more to say.
    #[track_caller]
    pub(crate) fn settle_in_pieces_of(&mut self, piece: usize) {
        for _ in 0..10_000_000 {
            let moved = self.deliver(CLIENT, piece) + self.deliver(SERVER, piece);
            let ended = [CLIENT, SERVER].map(|end| self.finish(end));
            let resumes = self.0.iter().any(|end| end.wire.is_resuming.get() && !end.is_over);
            if moved == 0 && ended == [false; 2] && !resumes {
                return;
            }
        }
        panic!("they talk for ever");
    }

    pub(crate) fn settle(&mut self) {
        self.settle_in_pieces_of(64 * 1024);
    }

    /// Carries out what `end` has asked for, as far as its last bytes have been taken. Whether there was anything.
    fn finish(&mut self, end: usize) -> bool {
        let wire = self.0[end].wire.clone();
        if self.0[end].is_over {
            return false;
        }
        if wire.is_aborted.get() {
            self.lose(end, &Reason::Aborted);
            self.reset(1 - end);
            return true;
        }
        // The other end may be closing, too. It reads nothing then, and what it is sent is lost.
        if self.0[1 - end].is_over || self.0[1 - end].wire.is_disconnecting() {
            wire.out.borrow_mut().clear();
        }
        if wire.out.borrow().is_empty() && (wire.is_losing.get() || wire.is_write_lost.get()) {
            let told = self.end_reading(1 - end);
            if wire.is_losing.get() || self.0[end].has_read_end {
                self.lose(end, &Reason::Done);
                return true;
            }
            return told;
        }
        false
    }

    /// An end learns that its peer will send no more. Whether that is news.
    pub(crate) fn end_reading(&mut self, to: usize) -> bool {
        let end = &mut self.0[to];
        if end.is_over || end.wire.is_disconnecting() || end.has_read_end {
            return false;
        }
        end.has_read_end = true;
        end.protocol.read_connection_lost(&Transport::new(end.wire.clone()));
        true
    }

    /// The connection of an end is reset.
    pub(crate) fn reset(&mut self, end: usize) {
        self.lose(end, &Reason::Lost(Arc::new(io::ErrorKind::ConnectionReset.into())));
    }

    fn lose(&mut self, end: usize, reason: &Reason) {
        let end = &mut self.0[end];
        if !end.is_over {
            end.is_over = true;
            end.protocol.connection_lost(reason);
        }
    }
}
