//! The requests: what a program asks of a connection through its [`Transport`](crate::Transport).
//!
//! Every request only changes state and queues the connection; the loop does the rest when no callback is running. A
//! request that called back would re-enter the protocol that made it.
//!
//! Next: `lingering.rs`, what is left of a connection that we closed first.

use super::reading::ReadPause;
use super::{Connection, ConnectionState};
use crate::event_loop::work_queue::Place;
use crate::trace::Kind;
use crate::transport::{HIGH_WATER, KeepAlive, Meter, TransportBackend, WeakTransport, tell_late_write};
use crate::{Address, Context, Producer, Reason, Transport};
use std::rc::Rc;

impl Connection {
    /// Puts `pieces` after what was written before. `place` is that of a write by the program.
    fn write_at(&self, pieces: &[&[u8]], place: Option<Place>) {
        if self.life.get() == ConnectionState::Ended || !self.sending.takes_writes() {
            return self.note_late_write(pieces, place);
        }
        if self.sending.has_passed_limit(place, || self.described()) {
            return self.end(Reason::BufferFull);
        }
        let waiting = self.sending.push(pieces, &self.work.blocks);
        self.report(|scope, socket| {
            let count = pieces.iter().map(|piece| piece.len()).sum();
            scope.emit(Kind::Written { socket, count, waiting, place });
        });
        if waiting > HIGH_WATER {
            // Now, and not in the loop: a protocol that asks `is_paused` between two writes must see it.
            self.note_full_buffer();
        }
        self.need_attention();
    }

    /// Tells of a write that comes too late, if that is a mistake of the program. It could not know of an end that the
    /// peer has made, and a stop closes connections under its hands.
    #[cold]
    fn note_late_write(&self, pieces: &[&[u8]], place: Option<Place>) {
        let closed_by = match (self.life.get(), &*self.rare().reason.borrow()) {
            (ConnectionState::Open, _) => (!self.sending.takes_writes()).then_some("lose_write_connection"),
            (ConnectionState::Losing, _) => (!self.sending.takes_writes()).then_some("lose_connection"),
            // If the peer had not ended its side, only our own request ends a connection in order.
            (ConnectionState::Ended, Some(Reason::Done)) => Some("lose_connection"),
            (ConnectionState::Ended, Some(Reason::Aborted)) => Some("abort_connection"),
            (ConnectionState::Ended, _) => None, // The program did not ask for that.
        };
        let is_ours = !self.reading.has_ended() && !self.told_to_stop.get();
        if let (Some(closed_by), Some(place), true) = (closed_by, place, is_ours) {
            tell_late_write(pieces, place, closed_by, &self.described());
        }
    }
}

impl TransportBackend for Connection {
    fn write(&self, data: &[u8]) {
        self.write_at(&[data], None);
    }

    fn write_vectored(&self, pieces: &[&[u8]]) {
        self.write_at(pieces, None);
    }

    fn write_from(&self, pieces: &[&[u8]], place: Place) {
        self.write_at(pieces, Some(place));
    }

    fn lose_connection(&self) {
        // Even if nothing waits it ends only when it is attended to: the running callback may be its own.
        if self.life.get() == ConnectionState::Open {
            self.life.set(ConnectionState::Losing);
            self.sending.stop_close_timer(); // That of a half-close: the time of a close begins now.
            self.sending.close();
            self.report(|scope, socket| scope.emit(Kind::Closing { socket, half: false }));
            self.need_attention();
        }
    }

    fn lose_write_connection(&self) {
        if self.life.get() == ConnectionState::Open {
            self.sending.half_close();
            self.report(|scope, socket| scope.emit(Kind::Closing { socket, half: true }));
            self.need_attention();
        }
    }

    fn abort_connection(&self) {
        self.end(Reason::Aborted);
    }

    fn pause_producing(&self) {
        self.changes_reading(|reading| reading.pause(ReadPause::Requested));
    }

    fn resume_producing(&self) {
        if self.changes_reading(|reading| reading.unpause(ReadPause::Requested)) {
            self.need_attention();
        }
    }

    fn is_paused(&self) -> bool {
        self.reading.is_paused()
    }

    fn is_disconnecting(&self) -> bool {
        self.life.get() != ConnectionState::Open
    }

    fn pause_when_full(&self, on: bool) {
        self.reading.set_pause_when_full(on);
        if on && self.sending.buffered() > HIGH_WATER {
            // The buffer is full already, and there may be no further write that would notice it.
            self.note_full_buffer();
        }
        if !on && self.changes_reading(|reading| reading.unpause(ReadPause::FullBuffer)) {
            self.need_attention();
        }
    }

    fn register_producer(&self, producer: Rc<dyn Producer>) {
        if self.stream.borrow().is_some() {
            self.sending.register_producer(producer);
            return self.need_attention(); // A pull producer is to be asked for its first piece.
        }
        // The end has been delivered, and nothing comes any more that would stop this producer. Not now: it registers
        // itself from one of its own calls. And only if it is still registered by then. The call holds it, and not this
        // connection: a loop that is gone drops its calls, and the producer may hold the connection.
        self.sending.note_late_producer(&producer);
        let (this, context) = (self.this.clone(), Context::current());
        let stop = move || {
            if this.upgrade().is_some_and(|me| me.sending.forget_late_producer(&producer)) {
                context.run(|| producer.stop_producing());
            }
        };
        self.work.call_soon(self.origin.asked().place, Box::new(stop));
    }

    fn unregister_producer(&self) {
        if self.sending.forget_producer() {
            if self.life.get() == ConnectionState::Open {
                self.sending.stop_close_timer(); // A half-close that waits for no producer has no limit.
            }
            self.need_attention();
        }
    }

    fn buffered(&self) -> usize {
        self.sending.buffered()
    }

    fn backlog(&self) -> usize {
        self.sending.backlog()
    }

    fn bytes_sent(&self) -> u64 {
        self.sending.bytes_sent()
    }

    fn set_max_buffered(&self, bytes: usize) {
        self.sending.set_limit(bytes);
    }

    fn set_held_back(&self, bytes: usize) {
        self.sending.set_held_back(bytes);
        self.need_attention();
    }

    fn set_layer_above(&self, above: &Transport) {
        *self.rare().layer_above.borrow_mut() = Some(above.downgrade());
    }

    fn layer_above(&self) -> Option<Transport> {
        self.rare.get()?.layer_above.borrow().as_ref().and_then(WeakTransport::upgrade)
    }

    fn linger_on_close(&self) {
        self.lingers_on_close.set(true);
    }

    fn add_meter(&self, meter: Rc<dyn Meter>) {
        if self.stream.borrow().is_some() {
            self.rare().meters.borrow_mut().push(meter);
        }
    }

    fn meter_refilled(&self) {
        self.reading.meter_refilled();
        self.sending.meter_refilled();
        self.need_attention();
    }

    fn set_no_delay(&self, on: bool) {
        self.set_option("TCP_NODELAY", |stream| stream.set_no_delay(on));
    }

    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.set_option("SO_KEEPALIVE", |stream| stream.set_keep_alive(keep_alive));
    }

    fn set_context(&self, context: Context) {
        let before = self.context.replace(context);
        drop(before); // After the borrow: its values may run any code of the program.
    }

    fn peer(&self) -> Address {
        self.peer.clone()
    }

    fn host(&self) -> Address {
        let stream = self.stream.borrow();
        let address = stream.as_ref().and_then(|stream| stream.local_address().ok());
        address.map_or(Address::Unknown, Address::canonical)
    }
}
