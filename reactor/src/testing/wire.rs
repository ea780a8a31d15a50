//! [`Wire`]: one end of a connection in memory, as the protocol at that end sees it.
//!
//! Next: `pump.rs`, which moves the bytes from end to end.

use crate::transport::{HIGH_WATER, KeepAlive, MAX_BUFFERED, TransportBackend};
use crate::{Address, Context, Producer, Reason};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// Where the two ends are: addresses for documentation (RFC 5737).
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8007);
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 40_000);

pub(super) struct Wire {
    host: SocketAddr,
    peer: SocketAddr,
    /// Written and not taken.
    out: RefCell<VecDeque<u8>>,
    /// Everything that was ever written.
    written: RefCell<Vec<u8>>,
    life: Cell<Life>,
    is_write_lost: Cell<bool>,
    /// The program has paused reading.
    is_paused: Cell<bool>,
    /// A full buffer has paused reading.
    is_held_up: Cell<bool>,
    /// A pause has ended, and the protocol has not been told.
    is_resuming: Cell<bool>,
    pause_when_full: Cell<bool>,
    /// Held back by a layer above.
    held_back: Cell<usize>,
    /// What waited at the end of the last round, with what was held back.
    backlog: Cell<usize>,
    max_buffered: Cell<usize>,
    producer: RefCell<Option<(Rc<dyn Producer>, Context)>>,
    /// In which the callbacks of its protocol run.
    context: RefCell<Context>,
    /// Too many bytes waited, and the producer has not been told to pause. They may have been taken since.
    is_producer_to_pause: Cell<bool>,
    /// The producer has been told to pause.
    has_paused_producer: Cell<bool>,
    /// An end of our side waits for the producer that was registered when it was asked for.
    waits_for_producer: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    /// It ends after what was written, and after what its producer still writes.
    Losing,
    Aborted,
    /// Its peer has left too much waiting.
    Full,
    Gone,
}

impl Wire {
    pub(super) fn of_server() -> Rc<Wire> {
        Wire::new(SERVER, CLIENT, true)
    }

    pub(super) fn of_client() -> Rc<Wire> {
        Wire::new(CLIENT, SERVER, false)
    }

    fn new(host: SocketAddr, peer: SocketAddr, pause_when_full: bool) -> Rc<Wire> {
        Rc::new(Wire {
            host,
            peer,
            out: RefCell::default(),
            written: RefCell::default(),
            life: Cell::new(Life::Open),
            is_write_lost: Cell::new(false),
            is_paused: Cell::new(false),
            is_held_up: Cell::new(false),
            is_resuming: Cell::new(false),
            pause_when_full: Cell::new(pause_when_full),
            held_back: Cell::new(0),
            backlog: Cell::new(0),
            max_buffered: Cell::new(MAX_BUFFERED),
            producer: RefCell::new(None),
            context: RefCell::new(Context::current()),
            is_producer_to_pause: Cell::new(false),
            has_paused_producer: Cell::new(false),
            waits_for_producer: Cell::new(false),
        })
    }

    pub(super) fn all_written(&self) -> Vec<u8> {
        self.written.borrow().clone()
    }

    /// The number of bytes that have been written and not taken.
    pub(super) fn waiting(&self) -> usize {
        self.out.borrow().len()
    }

    /// Takes up to `most` of the bytes that wait.
    pub(super) fn take(&self, most: usize) -> Vec<u8> {
        let mut out = self.out.borrow_mut();
        let count = most.min(out.len());
        let taken = out.drain(..count).collect();
        if out.is_empty() && self.is_held_up.replace(false) && !self.is_paused.get() {
            self.is_resuming.set(true);
        }
        taken
    }

    pub(super) fn throw_away(&self) {
        self.take(usize::MAX);
    }

    pub(super) fn context(&self) -> Context {
        self.context.borrow().clone()
    }

    /// Whether more may be written.
    pub(super) fn takes_writes(&self) -> bool {
        let is_ending = self.life.get() == Life::Losing || self.is_write_lost.get();
        matches!(self.life.get(), Life::Open | Life::Losing) && (!is_ending || self.waits_for_producer.get())
    }

    fn wait_for_producer(&self) {
        if self.takes_writes() {
            self.waits_for_producer.set(self.producer.borrow().is_some());
        }
    }

    /// Why this end has broken the connection off, if it has.
    pub(super) fn broken_off(&self) -> Option<Reason> {
        match self.life.get() {
            Life::Aborted => Some(Reason::Aborted),
            Life::Full => Some(Reason::BufferFull),
            Life::Open | Life::Losing | Life::Gone => None,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.life.get() == Life::Gone
    }

    /// Whether the protocol must be told that reading goes on. It is asked once.
    pub(super) fn take_resuming(&self) -> bool {
        self.is_resuming.replace(false)
    }

    /// What waits now has had its chance to be taken.
    pub(super) fn note_backlog(&self) {
        self.backlog.set(self.waiting() + self.held_back.get());
    }

    /// Has the producer paused if too many bytes wait.
    fn note_pause(&self) {
        let is_full = self.waiting() + self.held_back.get() > HIGH_WATER;
        let is_push = self.producer.borrow().as_ref().is_some_and(|(producer, _)| !producer.is_pull());
        if is_full && is_push && !self.has_paused_producer.get() {
            self.is_producer_to_pause.set(true);
        }
    }

    /// Pauses a producer above the mark, and resumes it when everything has been taken. Returns whether it was told.
    pub(super) fn tell_producer(&self) -> bool {
        let Some((producer, context)) = self.producer.borrow().clone().filter(|_| self.takes_writes()) else {
            return false;
        };
        let waiting = self.waiting() + self.held_back.get();
        if self.is_producer_to_pause.replace(false) {
            self.has_paused_producer.set(true);
            context.run(|| producer.pause_producing());
            return true;
        }
        if waiting == 0 && (producer.is_pull() || self.has_paused_producer.replace(false)) {
            context.run(|| producer.resume_producing());
            // A pull producer that had nothing to write is not asked for ever.
            return !producer.is_pull() || self.waiting() > 0 || self.producer.borrow().is_none();
        }
        false
    }

    /// The producer that was registered when the connection was gone, if it still is. The caller must tell it.
    pub(super) fn take_late_producer(&self) -> Option<(Rc<dyn Producer>, Context)> {
        if self.is_gone() { self.producer.take() } else { None }
    }

    /// The connection is gone. Returns the producer, which the caller must tell.
    pub(super) fn end(&self) -> Option<(Rc<dyn Producer>, Context)> {
        self.life.set(Life::Gone);
        self.producer.take()
    }
}

impl TransportBackend for Wire {
    fn write(&self, data: &[u8]) {
        self.write_vectored(&[data]);
    }
    fn write_vectored(&self, pieces: &[&[u8]]) {
        if !self.takes_writes() {
            return;
        }
        if self.backlog() >= self.max_buffered.get() {
            return self.life.set(Life::Full);
        }
        for piece in pieces {
            self.out.borrow_mut().extend(*piece);
            self.written.borrow_mut().extend_from_slice(piece);
        }
        self.note_pause();
        if self.waiting() > HIGH_WATER && self.pause_when_full.get() {
            self.is_held_up.set(true);
        }
    }
    fn lose_connection(&self) {
        if self.life.get() == Life::Open {
            self.wait_for_producer();
            self.life.set(Life::Losing);
        }
    }
    fn lose_write_connection(&self) {
        self.wait_for_producer();
        self.is_write_lost.set(true);
    }
    fn abort_connection(&self) {
        if matches!(self.life.get(), Life::Open | Life::Losing) {
            self.life.set(Life::Aborted);
        }
    }
    fn pause_producing(&self) {
        self.is_paused.set(true);
        self.is_resuming.set(false);
    }
    fn resume_producing(&self) {
        if self.is_paused.replace(false) && !self.is_held_up.get() {
            self.is_resuming.set(true);
        }
    }
    fn is_paused(&self) -> bool {
        self.is_paused.get() || self.is_held_up.get()
    }
    fn is_disconnecting(&self) -> bool {
        self.life.get() != Life::Open
    }
    fn pause_when_full(&self, on: bool) {
        self.pause_when_full.set(on);
        let was_held_up = self.is_held_up.replace(on && self.waiting() > HIGH_WATER);
        if was_held_up && !on && !self.is_paused.get() {
            self.is_resuming.set(true);
        }
    }
    fn register_producer(&self, producer: Rc<dyn Producer>) {
        self.has_paused_producer.set(false);
        self.is_producer_to_pause.set(false);
        drop(self.producer.replace(Some((producer, Context::current()))));
        self.note_pause();
    }
    fn unregister_producer(&self) {
        self.waits_for_producer.set(false);
        self.is_producer_to_pause.set(false);
        drop(self.producer.take());
    }
    fn buffered(&self) -> usize {
        self.waiting()
    }
    fn backlog(&self) -> usize {
        self.backlog.get().min(self.waiting() + self.held_back.get())
    }
    fn bytes_sent(&self) -> u64 {
        (self.written.borrow().len() - self.waiting()) as u64
    }
    fn set_max_buffered(&self, bytes: usize) {
        self.max_buffered.set(bytes);
    }
    fn set_held_back(&self, bytes: usize) {
        self.held_back.set(bytes);
        self.note_pause();
    }
    fn set_context(&self, context: Context) {
        drop(self.context.replace(context));
    }
    fn set_no_delay(&self, _on: bool) {}
    fn set_keep_alive(&self, _keep_alive: Option<KeepAlive>) {}
    fn peer(&self) -> Address {
        self.peer.into()
    }
    fn host(&self) -> Address {
        self.host.into()
    }
}
