//! The direction out: bytes that wait to be sent, the producer that writes them, and a close that waits until the last
//! byte has been sent.
//!
//! ```text
//!   side       Open --an end is asked for--> Closing --all written--> Closed
//!                |                              ^
//!                +----> ProducerFinishes -------+
//!          the same, while      the producer
//!          one is registered    unregisters
//!
//!   producing  Running --above HIGH_WATER--> ToBePaused --told--> Paused --all written, told--> Running
//!
//!              ToBeAsked --all written, asked--> Pulled: asked again each time that all has been written
//! ```
//!
//! Next: `unread.rs`, a peer that takes nothing.

use super::reading::ReadPause;
use super::{Connection, ConnectionState};
use crate::driver::{Readiness, Stream};
use crate::event_loop::Core;
use crate::event_loop::callback::Description;
use crate::event_loop::work_queue::Place;
use crate::foreign::Foreign;
use crate::outgoing::{Blocks, Outgoing};
use crate::timers::DelayedCall;
use crate::trace::CallbackKind;
use crate::transport::{Direction, HIGH_WATER, Waiting, WriteLimit};
use crate::{Context, Producer, Reason};
use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::rc::{Rc, Weak};
use std::sync::Arc;

pub(super) struct Sending {
    out: RefCell<Outgoing>,
    /// Number of bytes that the socket has taken.
    bytes_sent: Cell<u64>,
    /// Number of bytes that waited at the end of the last flush, those of a layer above included. What was written
    /// since has not had its chance to go out.
    backlog: Cell<usize>,
    /// How large the backlog may be.
    pub(super) limit: WriteLimit,
    edge: Cell<Edge>,
    /// A meter lets nothing out at present.
    pub(super) waits_for_meter: Cell<bool>,
    side: Cell<OurSide>,
    /// A half-close was asked for. A close may have followed before it was carried out.
    half_close_asked: Cell<bool>,
    producing: Cell<Producing>,
    /// What most connections never have. It is made on its first use, so that an idle connection is small.
    rare: OnceCell<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// Bytes that a layer above has not written yet. They count for the producer alone.
    held_back: Cell<usize>,
    /// The producer, and the context in which it was registered.
    producer: RefCell<Option<Registered>>,
    /// The producer that was registered when the connection was gone. It has to be told to stop, unless it is
    /// unregistered first.
    late_producer: RefCell<Option<Weak<dyn Producer>>>,
    /// Aborts a closing connection if its peer takes no more bytes, or its producer writes no more.
    close_timer: RefCell<Option<DelayedCall>>,
    /// Looks whether the peer takes anything: see `unread.rs`.
    unread_timer: RefCell<Option<DelayedCall>>,
}

type Registered = (Foreign<Rc<dyn Producer>>, Context);

/// What the driver and the last write said about the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Writable,
    /// The last write did not take everything; the driver will report when there is room.
    Blocked,
}

/// Our side of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OurSide {
    Open,
    /// An end has been asked for, but the registered producer has not written everything. It would look to the peer
    /// like all there is, so it waits until the producer unregisters.
    ProducerFinishes,
    /// The end is to be sent after everything written.
    Closing,
    Closed,
}

/// What the registered producer has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Producing {
    Running,
    /// The loop has still to tell it to pause.
    ToBePaused,
    Paused,
    /// It is a pull producer, and has not been asked yet.
    ToBeAsked,
    /// It is asked for a piece each time that everything has been sent.
    Pulled,
}

impl Sending {
    pub(super) fn new() -> Sending {
        Sending {
            out: RefCell::default(),
            bytes_sent: Cell::new(0),
            backlog: Cell::new(0),
            limit: WriteLimit::new(),
            edge: Cell::new(Edge::Writable),
            waits_for_meter: Cell::new(false),
            side: Cell::new(OurSide::Open),
            half_close_asked: Cell::new(false),
            producing: Cell::new(Producing::Running),
            rare: OnceCell::new(),
        }
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    fn has_producer(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.producer.borrow().is_some())
    }

    fn has_close_timer(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.close_timer.borrow().is_some())
    }

    pub(super) fn has_unread_timer(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.unread_timer.borrow().is_some())
    }

    /// Sets the timer, or forgets it.
    pub(super) fn set_unread_timer(&self, timer: Option<DelayedCall>) {
        drop(self.rare().unread_timer.replace(timer));
    }

    /// Takes in what the driver reports.
    pub(super) fn note(&self, event: Readiness) {
        if event.writable {
            self.edge.set(Edge::Writable);
        }
    }

    /// Whether bytes that are written now will be sent.
    pub(super) fn takes_writes(&self) -> bool {
        matches!(self.side.get(), OurSide::Open | OurSide::ProducerFinishes)
    }

    /// Asks for an end after everything written, and after what the registered producer still writes.
    pub(super) fn close(&self) {
        if self.side.get() == OurSide::Open {
            self.side.set(if self.has_producer() { OurSide::ProducerFinishes } else { OurSide::Closing });
        }
    }

    /// The same for our side alone.
    pub(super) fn half_close(&self) {
        self.half_close_asked.set(true);
        self.close();
    }

    /// Whether the end of our side has been sent.
    pub(super) fn has_ended(&self) -> bool {
        self.side.get() == OurSide::Closed
    }

    pub(super) fn buffered(&self) -> usize {
        self.out.borrow().len()
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.get()
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog.get().min(self.waiting())
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    /// Whether one more write ends the connection.
    pub(super) fn has_passed_limit(&self, place: Option<Place>, described: impl FnOnce() -> String) -> bool {
        let rest = || Waiting { backlog: self.backlog(), has_producer: self.has_producer() };
        self.limit.is_passed(self.buffered(), rest, place, described)
    }

    /// Puts `pieces` after the bytes that were written before. Returns the number of bytes that wait now.
    pub(super) fn push(&self, pieces: &[&[u8]], blocks: &Blocks) -> usize {
        let mut out = self.out.borrow_mut();
        for piece in pieces {
            out.push(piece, blocks);
        }
        let waiting = out.len();
        drop(out); // `note_pause` borrows it, too.
        self.note_pause();
        waiting
    }

    pub(super) fn set_held_back(&self, bytes: usize) {
        self.rare().held_back.set(bytes);
        self.note_pause();
    }

    /// The number of bytes that wait as the producer sees it.
    fn waiting(&self) -> usize {
        self.buffered() + self.rare.get().map_or(0, |rare| rare.held_back.get())
    }

    /// Has the producer paused if too many bytes wait.
    fn note_pause(&self) {
        let full = self.waiting() > HIGH_WATER;
        if full && self.producing.get() == Producing::Running && self.has_producer() {
            // Told later, by the loop: this may be a write of the producer's own, which must not be re-entered.
            self.producing.set(Producing::ToBePaused);
        }
    }

    /// Whether a producer that has just been registered must be asked for its first piece. No event would come for
    /// that.
    pub(super) fn owes_first_question(&self) -> bool {
        self.producing.get() == Producing::ToBeAsked && self.waiting() == 0
    }

    /// Whether a flush would send something.
    pub(super) fn can_flush(&self) -> bool {
        self.edge.get() == Edge::Writable && !self.waits_for_meter.get() && !self.out.borrow().is_empty()
    }

    pub(super) fn meter_refilled(&self) {
        self.waits_for_meter.set(false);
    }

    pub(super) fn register_producer(&self, producer: Rc<dyn Producer>) {
        self.producing.set(if producer.is_pull() { Producing::ToBeAsked } else { Producing::Running });
        drop(self.rare().producer.replace(Some((Foreign::new(producer), Context::current()))));
        self.note_pause();
    }

    /// Forgets the producer, if there is one. True if an end waited for it, which can be sent now.
    pub(super) fn forget_producer(&self) -> bool {
        let producer = self.take_producer();
        if let Some(rare) = self.rare.get() {
            rare.late_producer.take();
        }
        self.producing.set(Producing::Running);
        let has_waited = self.side.get() == OurSide::ProducerFinishes;
        if has_waited {
            self.side.set(OurSide::Closing);
        }
        drop(producer); // Last: its drop may register another.
        has_waited
    }

    /// Drops the unsent bytes.
    pub(super) fn clear(&self, blocks: &Blocks) {
        self.out.borrow_mut().clear(blocks);
        self.stop_close_timer();
        if let Some(timer) = self.rare.get().and_then(|rare| rare.unread_timer.take()) {
            timer.cancel();
        }
    }

    /// The close, or the half-close, that was limited is over, or another one takes its place.
    pub(super) fn stop_close_timer(&self) {
        if let Some(timer) = self.rare.get().and_then(|rare| rare.close_timer.take()) {
            timer.cancel();
        }
    }

    /// Takes the producer out: the caller must tell it that the connection is gone.
    pub(super) fn take_producer(&self) -> Option<Registered> {
        self.rare.get()?.producer.take()
    }

    /// A producer was registered after the end: see [`Rare::late_producer`].
    pub(super) fn note_late_producer(&self, producer: &Rc<dyn Producer>) {
        *self.rare().late_producer.borrow_mut() = Some(Rc::downgrade(producer));
        // In `connection_lost`, an earlier one is still here. Last: its drop may register another.
        drop(self.take_producer());
    }

    /// Forgets the late producer, if it is this one. False if it was unregistered, or another took its place.
    pub(super) fn forget_late_producer(&self, producer: &Rc<dyn Producer>) -> bool {
        let mut late = self.rare().late_producer.borrow_mut();
        let is_it = late.as_ref().is_some_and(|late| late.ptr_eq(&Rc::downgrade(producer)));
        if is_it {
            *late = None;
        }
        is_it
    }
}

/// `count` bytes of `slices`, after the first `skipped`.
fn part_of<'a>(slices: &'a [IoSlice<'_>], mut skipped: usize, mut count: usize) -> Vec<IoSlice<'a>> {
    let mut part = Vec::with_capacity(slices.len());
    for slice in slices {
        let rest = &slice[skipped.min(slice.len())..];
        skipped -= slice.len() - rest.len();
        let taken = &rest[..rest.len().min(count)];
        count -= taken.len();
        part.extend((!taken.is_empty()).then(|| IoSlice::new(taken)));
    }
    part
}

impl Connection {
    /// Sends as many of the waiting bytes as the socket takes.
    pub(super) fn flush(&self) {
        self.send_waiting();
        // Also if the socket has no room: the peer has had its chance to make some.
        self.sending.backlog.set(self.sending.waiting());
    }

    fn send_waiting(&self) {
        let sending = &self.sending;
        if self.life.get() == ConnectionState::Ended || !sending.can_flush() {
            return;
        }
        let before = sending.buffered();
        let result = match &mut *self.stream.borrow_mut() {
            Some(stream) => {
                let write = |slices: &[IoSlice<'_>]| self.write_metered(&mut **stream, slices);
                sending.out.borrow_mut().flush(&self.work.blocks, write)
            }
            None => return,
        };
        let sent = before - sending.buffered(); // Nothing is written during a flush.
        sending.bytes_sent.set(sending.bytes_sent.get() + sent as u64);
        match result {
            // Only when everything has been sent, not as soon as the buffer falls below the mark: otherwise a buffer
            // that stays near the mark would pause and resume with every write.
            Ok(true) => {
                self.changes_reading(|reading| reading.unpause(ReadPause::FullBuffer));
            }
            Ok(false) if sending.waits_for_meter.get() => {}
            Ok(false) => {
                sending.edge.set(Edge::Blocked);
                self.watch_unread();
            }
            Err(error) => self.end(Reason::Lost(Arc::new(error))),
        }
        if sent > 0
            && let Some(rare) = sending.rare.get()
            && let Some(timer) = &*rare.close_timer.borrow()
        {
            // The producer writes and the peer reads, if slowly, so their time begins again. The reset fails only if
            // the timer has fired, and that has ended the connection.
            let _ = timer.reset(self.work.settings.close_timeout);
        }
    }

    /// Writes as much as the meters let out.
    fn write_metered(&self, stream: &mut dyn Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.is_metered() {
            return stream.write_vectored(slices);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut total = 0;
        while total < offered {
            let room = self.metered(Direction::Out, offered - total);
            if room == 0 {
                self.sending.waits_for_meter.set(true);
                break;
            }
            match stream.write_vectored(&part_of(slices, total, room)) {
                Ok(written) => {
                    self.note_used(Direction::Out, written);
                    total += written;
                    if written < room {
                        break; // It is full. The driver will report room.
                    }
                }
                // The error comes again.
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if total == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(total) }
    }

    /// Pauses the producer above the mark, and resumes it when everything has been sent: always in pairs, and never
    /// from inside a write.
    pub(super) fn tell_producer(&self, core: &Core) {
        let producing = &self.sending.producing;
        // A connection that is being lost goes on with it: it waits for its producer.
        if producing.get() == Producing::Running || self.life.get() == ConnectionState::Ended {
            return;
        }
        let registered = || self.sending.rare.get()?.producer.borrow().clone();
        let describe = |method: &'static str| {
            move |out: &mut Description| {
                out.method(CallbackKind::Producer, method, Some(self.token)).place(self.origin.asked().place);
                out.write_fmt(format_args!("{method} of the producer of {}", self.described()))
            }
        };
        // Each state is set before its call: the callback may register another producer, which begins as running.
        if producing.get() == Producing::ToBePaused
            && let Some((producer, context)) = registered()
        {
            producing.set(Producing::Paused);
            context.run(|| core.run_callback(describe("pause_producing"), || producer.pause_producing()));
        }
        // Asked again: the callback may have unregistered the producer, registered another, or ended the connection.
        let is_over = || self.life.get() == ConnectionState::Ended;
        let Some((producer, context)) = registered().filter(|_| !is_over()) else { return };
        if self.sending.waiting() == 0 {
            match producing.get() {
                Producing::Paused => producing.set(Producing::Running),
                Producing::ToBeAsked => producing.set(Producing::Pulled),
                Producing::Pulled => {}
                Producing::Running | Producing::ToBePaused => return,
            }
            context.run(|| core.run_callback(describe("resume_producing"), || producer.resume_producing()));
        }
    }

    /// Carries out a close that had to wait until the last byte was written and sent.
    pub(super) fn finish(&self) {
        let sending = &self.sending;
        let (all_is_sent, side) = (sending.out.borrow().is_empty(), sending.side.get());
        if !all_is_sent || side == OurSide::ProducerFinishes {
            // A half-close does not wait for the peer alone: without a producer it has no limit, as in TCP.
            let is_limited = self.life.get() == ConnectionState::Losing || all_is_sent;
            if self.life.get() != ConnectionState::Ended && is_limited && !sending.has_close_timer() {
                self.limit_the_close();
            }
            return;
        }
        match (self.life.get(), sending.side.get()) {
            (ConnectionState::Losing, side) => {
                // A socket's close is an end, too. But what is only given back is open to its peer after it.
                let is_due = side != OurSide::Closed && sending.half_close_asked.get() && self.is_borrowed();
                if !is_due || self.send_end() {
                    self.end(Reason::Done);
                }
            }
            (ConnectionState::Open, OurSide::Closing) => {
                if self.send_end() {
                    self.end_if_both_sides_ended();
                }
            }
            (ConnectionState::Open, OurSide::Closed) => self.end_if_both_sides_ended(),
            (ConnectionState::Open, OurSide::Open | OurSide::ProducerFinishes) | (ConnectionState::Ended, _) => {}
        }
    }

    /// Ends our side of the stream. False if that fails; then the connection is lost.
    fn send_end(&self) -> bool {
        // Not before the last byte has left: the socket takes nothing after its end.
        self.sending.side.set(OurSide::Closed);
        let result = match &mut *self.stream.borrow_mut() {
            Some(stream) => stream.shutdown_write(),
            None => Ok(()),
        };
        result.map_err(|error| self.end(Reason::Lost(Arc::new(error)))).is_ok()
    }

    fn is_borrowed(&self) -> bool {
        self.stream.borrow().as_ref().is_some_and(|stream| stream.is_borrowed())
    }

    fn end_if_both_sides_ended(&self) {
        if self.reading.has_ended() {
            self.end(Reason::Done);
        }
    }

    /// Limits the time that a closing connection may go without sending a byte: neither a peer that does not read nor a
    /// producer that neither writes nor unregisters may keep it for ever. In a half-close, only the producer is
    /// limited.
    fn limit_the_close(&self) {
        let this = self.this.clone();
        let action = move || {
            let Some(me) = this.upgrade() else { return };
            me.sending.rare().close_timer.take();
            // After a half-close, bytes that wait are the peer's matter. When they have gone, the limit begins anew.
            let producer_is_silent =
                me.sending.side.get() == OurSide::ProducerFinishes && me.sending.out.borrow().is_empty();
            if me.sending.waits_for_meter.get() {
                me.limit_the_close(); // Our own meter holds the bytes back, and not the peer.
            } else if me.life.get() == ConnectionState::Losing || producer_is_silent {
                me.tell_unfinished();
                me.end(Reason::FlushTimeout);
            }
        };
        let timer = self.work.timers.call_later(self.work.settings.close_timeout, action);
        *self.sending.rare().close_timer.borrow_mut() = Some(timer);
    }
}
