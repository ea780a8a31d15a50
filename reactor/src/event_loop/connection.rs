//! One stream connection: a small state machine between a [`Stream`] and a [`Protocol`].
//!
//! ```text
//!            lose_connection             all written
//!     Open ------------------> Losing ------------------> Ended(Done)
//!       |                        |
//!       +---- abort, error, panic, buffer limit, time ---> Ended(why)
//! ```
//!
//! While it is open, each direction has a state of its own: *receiving* ends when the peer sends its end; *sending*
//! ends, after everything written, when `lose_write_connection` asked for it.
//!
//! Reading follows the edge-triggered rule: `readable` stays set until a read says `WouldBlock`, or brings less than
//! was asked for and no end is known to follow. Whoever stops earlier (the budget, a pause) is found again through the
//! work queue, never through the driver.
//!
//! Next: `port.rs` and `connector.rs`, where connections come from.

mod requests;

use super::connector::ConnectorInner;
use super::work_queue::WorkQueue;
use super::{BUFFER, Core};
use crate::driver::{Readiness, Stream, Token};
use crate::outgoing::Outgoing;
use crate::timers::DelayedCall;
use crate::transport::MAX_BUFFERED;
use crate::{Address, Producer, Protocol, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;

pub(super) struct Connection {
    /// Itself, for the lists of the work queue.
    this: Weak<Connection>,
    token: Token,
    work: Rc<WorkQueue>,
    stream: RefCell<Option<Box<dyn Stream>>>,
    protocol: Cell<Option<Box<dyn Protocol>>>,
    out: RefCell<Outgoing>,
    /// The hard limit on `out`.
    limit: Cell<usize>,
    peer: Address,
    /// Whose client connection this is; `None` if a port accepted it.
    connector: Option<Rc<ConnectorInner>>,
    life: Cell<Life>,
    reason: RefCell<Option<Reason>>,
    sending: Cell<Sending>,
    receiving: Cell<Receiving>,
    /// The driver's last word.
    readable: Cell<bool>,
    writable: Cell<bool>,
    /// The peer's end is known to follow what can be read now.
    end_follows: Cell<bool>,
    /// Reading is paused by request.
    paused: Cell<bool>,
    /// Reading is paused because too much waits to be sent; only with `pause_when_full`.
    full: Cell<bool>,
    pauses_when_full: Cell<bool>,
    /// A pause has ended and the protocol has not heard of it yet.
    owes_resumed: Cell<bool>,
    producer: RefCell<Option<Rc<dyn Producer>>>,
    producing: Cell<Producing>,
    /// It has heard that the reactor stops.
    told_to_stop: Cell<bool>,
    /// It stands in the work queue's attention list, or is being attended to: no need to ask again.
    queued: Cell<bool>,
    close_timer: RefCell<Option<DelayedCall>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Losing,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// The end is to be sent after everything written.
    Closing,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiving {
    Open,
    Ended,
}

/// What the registered producer was told last, or is to be told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Producing {
    Runs,
    ToBePaused,
    Paused,
}

impl Connection {
    pub(super) fn new(
        token: Token,
        work: Rc<WorkQueue>,
        stream: Box<dyn Stream>,
        protocol: Box<dyn Protocol>,
        peer: Address,
        connector: Option<Rc<ConnectorInner>>,
    ) -> Rc<Connection> {
        Rc::new_cyclic(|this| Connection {
            this: this.clone(),
            token,
            work,
            stream: RefCell::new(Some(stream)),
            protocol: Cell::new(Some(protocol)),
            out: RefCell::default(),
            limit: Cell::new(MAX_BUFFERED),
            peer,
            connector,
            life: Cell::new(Life::Open),
            reason: RefCell::new(None),
            sending: Cell::new(Sending::Open),
            receiving: Cell::new(Receiving::Open),
            readable: Cell::new(false),
            writable: Cell::new(true),
            end_follows: Cell::new(false),
            paused: Cell::new(false),
            full: Cell::new(false),
            pauses_when_full: Cell::new(false),
            owes_resumed: Cell::new(false),
            producer: RefCell::new(None),
            producing: Cell::new(Producing::Runs),
            told_to_stop: Cell::new(false),
            queued: Cell::new(false),
            close_timer: RefCell::new(None),
        })
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Tells the protocol that it is connected, and does what it asked for.
    pub(super) fn begin(self: &Rc<Self>, core: &Core) {
        self.call(core, "connection_made", |protocol, transport| protocol.connection_made(transport));
        self.attend(core);
    }

    /// The reactor stops; the protocol is told once and ends the connection in its own way.
    pub(super) fn reactor_stopping(self: &Rc<Self>, core: &Core) {
        if self.life.get() == Life::Open && !self.told_to_stop.replace(true) {
            self.call(core, "reactor_stopping", |protocol, transport| protocol.reactor_stopping(transport));
            self.attend(core);
        }
    }

    pub(super) fn ready(self: &Rc<Self>, core: &Core, event: Readiness) {
        if event.readable || event.read_closed {
            self.readable.set(true);
        }
        if event.read_closed {
            self.end_follows.set(true);
        }
        if event.writable {
            self.writable.set(true);
        }
        self.attend(core);
        if event.broken && !self.may_deliver() {
            // Nobody reads, so nobody would meet the error.
            self.end(Reason::Lost(Arc::new(io::ErrorKind::ConnectionReset.into())));
        }
    }

    /// Does everything that there is to do now, within the budget of a turn.
    pub(super) fn attend(self: &Rc<Self>, core: &Core) {
        self.queued.set(true); // What is asked for from here on is seen below.
        self.flush();
        if self.owes_resumed.get() && self.may_deliver() {
            self.owes_resumed.set(false);
            self.call(core, "reading_resumed", |protocol, transport| protocol.reading_resumed(transport));
        }
        self.read(core);
        self.tell_producer(core);
        self.flush();
        self.tell_producer(core);
        self.finish();
        self.queued.set(false);
        let deliverable = (self.owes_resumed.get() || self.readable.get()) && self.may_deliver();
        let sendable = self.writable.get() && !self.out.borrow().is_empty();
        if deliverable || (sendable && self.life.get() != Life::Ended) {
            self.need_attention();
        }
    }

    fn may_deliver(&self) -> bool {
        self.life.get() == Life::Open
            && self.receiving.get() == Receiving::Open
            && !self.paused.get()
            && !self.full.get()
    }

    /// Reads until nothing is there, the protocol pauses, or the budget is used up.
    fn read(self: &Rc<Self>, core: &Core) {
        if !self.readable.get() || !self.may_deliver() {
            return;
        }
        let mut buffer = core.take_buffer();
        let mut budget = self.work.settings.max_reads_per_turn;
        while budget > 0 && self.readable.get() && !self.owes_resumed.get() && self.may_deliver() {
            budget -= 1;
            let result = match &mut *self.stream.borrow_mut() {
                Some(stream) => stream.read(&mut buffer),
                None => break,
            };
            match result {
                Ok(0) => {
                    self.readable.set(false);
                    self.receiving.set(Receiving::Ended);
                    self.call(core, "read_connection_lost", |protocol, transport| {
                        protocol.read_connection_lost(transport);
                    });
                }
                Ok(count) => {
                    if count < BUFFER && !self.end_follows.get() {
                        self.readable.set(false);
                    }
                    self.call(core, "data_received", |protocol, transport| {
                        protocol.data_received(transport, &buffer[..count]);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable.set(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end(Reason::Lost(Arc::new(error))),
            }
        }
        core.give_buffer(buffer);
    }

    /// Takes the protocol out, calls it, puts it back: it is never borrowed while its callback runs.
    fn call(self: &Rc<Self>, core: &Core, what: &str, f: impl FnOnce(&mut dyn Protocol, &Transport)) {
        let Some(mut protocol) = self.protocol.take() else { return };
        let transport = Transport::new(self.clone());
        let sound = core.run_callback(
            |out| out.write_fmt(format_args!("{what} of the connection to {}", self.peer)),
            || f(&mut *protocol, &transport),
        );
        self.protocol.set(Some(protocol));
        if !sound {
            self.end(Reason::Panicked);
        }
    }

    fn flush(&self) {
        if self.life.get() == Life::Ended || !self.writable.get() || self.out.borrow().is_empty() {
            return;
        }
        let before = self.out.borrow().len();
        let result = match &mut *self.stream.borrow_mut() {
            Some(stream) => self.out.borrow_mut().flush(&self.work.blocks, |slices| stream.write_vectored(slices)),
            None => return,
        };
        match result {
            Ok(true) => {
                if self.full.replace(false) {
                    self.owes_resumed.set(true);
                }
            }
            Ok(false) => {
                self.writable.set(false);
                if self.out.borrow().len() < before
                    && let Some(timer) = &*self.close_timer.borrow()
                {
                    let _ = timer.reset(self.work.settings.close_timeout); // The peer does read.
                }
            }
            Err(error) => self.end(Reason::Lost(Arc::new(error))),
        }
    }

    /// Pause and resume come in pairs, and never from inside a write.
    fn tell_producer(&self, core: &Core) {
        if self.producing.get() == Producing::Runs || self.life.get() != Life::Open {
            return;
        }
        let Some(producer) = self.producer.borrow().clone() else { return };
        let describe = |out: &mut dyn std::fmt::Write| {
            out.write_fmt(format_args!("a producer for the connection to {}", self.peer))
        };
        if self.producing.get() == Producing::ToBePaused {
            self.producing.set(Producing::Paused);
            core.run_callback(describe, || producer.pause_producing());
        }
        if self.producing.get() == Producing::Paused && self.out.borrow().is_empty() {
            self.producing.set(Producing::Runs);
            core.run_callback(describe, || producer.resume_producing());
        }
    }

    /// Carries out an end that had to wait for the last byte.
    fn finish(&self) {
        if !self.out.borrow().is_empty() {
            if self.life.get() == Life::Losing && self.close_timer.borrow().is_none() {
                self.limit_the_flush();
            }
            return;
        }
        match (self.life.get(), self.sending.get()) {
            (Life::Losing, _) => self.end(Reason::Done),
            (Life::Open, Sending::Closing) => {
                self.sending.set(Sending::Closed);
                let result = match &mut *self.stream.borrow_mut() {
                    Some(stream) => stream.shutdown_write(),
                    None => Ok(()),
                };
                match result {
                    Ok(()) if self.receiving.get() == Receiving::Ended => self.end(Reason::Done),
                    Ok(()) => {}
                    Err(error) => self.end(Reason::Lost(Arc::new(error))),
                }
            }
            (Life::Open, Sending::Closed) if self.receiving.get() == Receiving::Ended => self.end(Reason::Done),
            _ => {}
        }
    }

    /// A peer that does not read must not keep a connection that was to be closed.
    fn limit_the_flush(&self) {
        let late = self.this.clone();
        let action = move || {
            if let Some(me) = late.upgrade() {
                me.end(Reason::FlushTimeout);
            }
        };
        let timer = self.work.timers.call_later(self.work.settings.close_timeout, Box::new(action));
        *self.close_timer.borrow_mut() = Some(timer);
    }

    /// The connection is over; the protocol hears of it at the end of this turn.
    pub(super) fn end(&self, reason: Reason) {
        if self.life.replace(Life::Ended) == Life::Ended {
            return;
        }
        let broken_off =
            matches!(reason, Reason::Aborted | Reason::BufferFull | Reason::Panicked | Reason::FlushTimeout);
        if broken_off && let Ok(mut stream) = self.stream.try_borrow_mut() {
            stream.iter_mut().for_each(|stream| stream.reset_on_close());
        }
        *self.reason.borrow_mut() = Some(reason);
        self.work.ended.borrow_mut().extend(self.this.upgrade());
    }

    /// Closes the socket and says goodbye to the protocol, the producer and the connector, in this order.
    pub(super) fn deliver_end(self: &Rc<Self>, core: &Core) {
        let reason = self.reason.borrow_mut().take().unwrap_or(Reason::Done);
        self.out.borrow_mut().clear(&self.work.blocks);
        drop(self.stream.take());
        if let Some(timer) = self.close_timer.take() {
            timer.cancel();
        }
        let producer = self.producer.take();
        self.call(core, "connection_lost", |protocol, _| protocol.connection_lost(&reason));
        let protocol = self.protocol.take();
        core.run_callback(|out| out.write_str("dropping a protocol"), || drop(protocol));
        if let Some(producer) = producer {
            core.run_callback(|out| out.write_str("stop_producing"), || producer.stop_producing());
        }
        if let Some(connector) = &self.connector {
            connector.lost(core, &reason);
        }
    }

    /// Without the loop, there is nobody left to call.
    pub(super) fn forget(&self) {
        drop(self.protocol.take());
        drop(self.producer.take());
        drop(self.stream.take());
        if let Some(connector) = &self.connector {
            connector.forget();
        }
    }

    fn need_attention(&self) {
        if !self.queued.replace(true) {
            self.work.attention.borrow_mut().extend(self.this.upgrade());
        }
    }

    /// A socket option that the system refuses changes nothing that anybody could act on.
    fn set_option(&self, name: &str, set: impl FnOnce(&mut dyn Stream) -> io::Result<()>) {
        if let Some(stream) = &mut *self.stream.borrow_mut()
            && let Err(error) = set(&mut **stream)
        {
            log::debug!(target: "reactor", "cannot set {name} on the connection to {}: {error}", self.peer);
        }
    }
}
