//! One stream connection: a small state machine between a [`Stream`] and a [`Protocol`].
//!
//! ```text
//!            lose_connection             all written
//!     Open ------------------> Losing ------------------> Ended(Done)
//!       |                        |
//!       +---- abort, error, panic, buffer limit, time ---> Ended(why)
//! ```
//!
//! While the connection is open, each direction has a state of its own, in a file of its own: `reading.rs` and
//! `sending.rs`. `requests.rs` is what a program asks for through its [`Transport`]. Requests only change state and
//! queue the connection; [`Connection::attend`], called by the loop, does the work.
//!
//! A byte that arrives and is answered takes this way. Each step is in the file of what it needs to know:
//!
//! ```text
//!   turn.rs          an event, and its source in the slab                               `dispatch`
//!   this file        what there is to do for one connection, and in which order         `ready`, `attend`
//!   reading.rs       one read from the stream, and `data_received` through `call`       `read`
//!   requests.rs      the protocol writes: the answer waits in sending.rs                `write`
//!   sending.rs       one vectored write, after the last callback                        `flush`
//! ```
//!
//! Next: `reading.rs`, the first direction.

mod lingering;
mod reading;
mod requests;
mod sending;
mod unread;

use super::Core;
use super::callback::Description;
use super::connector::ConnectorInner;
use super::work_queue::WorkQueue;
use crate::context::Asked;
use crate::driver::{Readiness, Stream, Token};
use crate::foreign::Foreign;
use crate::trace::{CallbackKind, Kind, Scope};
use crate::transport::{Direction, Meter, TransportBackend, WeakTransport};
use crate::{Address, Context, Protocol, Reason, Transport, UnixAddress};
use lingering::Knowledge;
pub(super) use lingering::Lingering;
use reading::Reading;
use sending::Sending;
use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;

pub(super) struct Connection {
    /// Itself, for the lists of the work queue.
    this: Weak<Connection>,
    token: Token,
    work: Rc<WorkQueue>,
    peer: Address,
    /// `None` once the end has been delivered: dropping the stream closes the socket.
    stream: RefCell<Option<Box<dyn Stream>>>,
    /// `None` while one of its callbacks runs, and once the end has been delivered.
    protocol: Cell<Option<Foreign<Box<dyn Protocol>>>>,
    origin: Origin,
    /// In which its callbacks run: that of its origin, until the protocol sets another.
    context: RefCell<Context>,
    life: Cell<ConnectionState>,
    reading: Reading,
    sending: Sending,
    /// The protocol has been told that it is connected. A connection that the program handed over is introduced by the
    /// loop some time after it was registered: until then it only takes notes.
    has_begun: Cell<bool>,
    /// The protocol has been told that the reactor stops. Every turn of a shutdown asks again, but it is told only
    /// once.
    told_to_stop: Cell<bool>,
    /// What most connections never have. It is made on its first use, so that an idle connection is small.
    rare: OnceCell<Box<Rare>>,
    /// Its peer is sure to send more than we read: see `lingering.rs`.
    lingers_on_close: Cell<bool>,
    /// It stands in the queue, or is being attended to: there is no need to queue it. So it is in the queue at most
    /// once, and has its read budget twice in a turn at most: for its event and from the queue.
    queued: Cell<bool>,
}

#[derive(Default)]
struct Rare {
    /// Why it ended, from `end` until `deliver_end`.
    reason: RefCell<Option<Reason>>,
    /// They limit how much is read and written. Each policy adds one.
    meters: RefCell<Vec<Rc<dyn Meter>>>,
    /// The layer that stands on this connection, such as TLS.
    layer_above: RefCell<Option<WeakTransport>>,
}

/// What made a connection.
pub(super) enum Origin {
    /// A port accepted it, which the program had opened.
    Port(Asked),
    Connector(Rc<ConnectorInner>),
}

impl Origin {
    /// Where the program asked for it, and in which context.
    fn asked(&self) -> &Asked {
        match self {
            Origin::Port(asked) => asked,
            Origin::Connector(connector) => connector.asked(),
        }
    }

    fn connector(&self) -> Option<&Rc<ConnectorInner>> {
        match self {
            Origin::Port(_) => None,
            Origin::Connector(connector) => Some(connector),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    Open,
    /// `lose_connection` was called: nothing is read any more, and the connection ends after its last byte. A producer
    /// that is registered writes until it unregisters.
    Losing,
    Ended,
}

impl Connection {
    pub(super) fn new(
        token: Token,
        work: Rc<WorkQueue>,
        stream: Box<dyn Stream>,
        protocol: Foreign<Box<dyn Protocol>>,
        peer: Address,
        origin: Origin,
    ) -> Rc<Connection> {
        // Only for accepted connections. If it were on at both ends and both wrote much at once, neither would read,
        // because neither could send: both would wait for ever.
        let pause_when_full = origin.connector().is_none();
        Rc::new_cyclic(|this| Connection {
            this: this.clone(),
            token,
            work,
            peer,
            stream: RefCell::new(Some(stream)),
            protocol: Cell::new(Some(protocol)),
            context: RefCell::new(origin.asked().context.clone()),
            origin,
            life: Cell::new(ConnectionState::Open),
            reading: Reading::new(pause_when_full),
            sending: Sending::new(),
            has_begun: Cell::new(false),
            told_to_stop: Cell::new(false),
            rare: OnceCell::new(),
            lingers_on_close: Cell::new(false),
            queued: Cell::new(false),
        })
    }

    /// Tells the protocol that it is connected, and does what it asked for.
    pub(super) fn begin(self: &Rc<Self>, core: &Core) {
        self.introduce(core);
        self.attend(core);
    }

    /// Tells the protocol, once, that it is connected.
    fn introduce(self: &Rc<Self>, core: &Core) {
        if !self.has_begun.replace(true) {
            self.report_connected();
            self.call(core, "connection_made", |protocol, transport| protocol.connection_made(transport));
        }
    }

    /// Tells the protocol, once, that the reactor stops; the protocol ends the connection in its own way.
    pub(super) fn reactor_stopping(self: &Rc<Self>, core: &Core) {
        if self.has_begun.get() && self.life.get() == ConnectionState::Open && !self.told_to_stop.replace(true) {
            self.call(core, "reactor_stopping", |protocol, transport| protocol.reactor_stopping(transport));
            self.attend(core);
        }
    }

    /// The driver has news of this connection.
    pub(super) fn ready(self: &Rc<Self>, core: &Core, event: Readiness) {
        // Both before attending: the driver reports a change once, whatever the callbacks below do meanwhile.
        self.reading.note(event);
        self.sending.note(event);
        self.attend(core);
        // After attending: what arrived before the connection broke is good, and the read that meets the error knows
        // its name.
        if event.broken && self.has_begun.get() && !self.is_reading() {
            // A read would have met the error, but nothing is read now; and the driver reports it only once.
            self.end(Reason::Lost(Arc::new(io::ErrorKind::ConnectionReset.into())));
        }
    }

    /// Its turn in the queue has come.
    pub(super) fn attend_from_queue(self: &Rc<Self>, core: &Core) {
        // When it leaves the queue, and not when it has been attended to: an event attends to connections that stand
        // in the queue, and leaves them there.
        self.queued.set(false);
        self.attend(core);
    }

    /// Does everything that there is to do now, within the read budget. The order of the steps matters: the comment at
    /// each says why.
    fn attend(self: &Rc<Self>, core: &Core) {
        if !self.has_begun.get() {
            return; // `begin` comes back here.
        }
        // The callbacks below make requests. The rest of this function sees them, so they need not queue us.
        let stands_in_queue = self.queued.replace(true);
        // Before reading: an empty buffer ends the pause of a full one, and the reading below can go on at once.
        self.flush();
        // Before reading: a protocol that held bytes back must deliver them before newer ones.
        self.report_resumed(core);
        self.read(core);
        // Before the last flush, so that what a resumed producer writes goes out with it.
        self.tell_producer(core);
        // After all callbacks: the replies to everything that was read leave in one vectored write.
        self.flush();
        // Again: this flush may have emptied the buffer, and no later event would resume the producer.
        self.tell_producer(core);
        // Last: a close waits until the last byte has been sent.
        self.finish();
        self.queued.set(stands_in_queue);
        // The budget is used up, or the producer has written since the flush, or has put another in its place. The
        // driver will report none of these.
        let has_more = self.has_input() || self.sending.can_flush() || self.sending.owes_first_question();
        if self.life.get() != ConnectionState::Ended && has_more {
            self.need_attention();
        }
    }

    /// Takes the protocol out, calls it, and puts it back: it is never borrowed while its callback runs, so a callback
    /// that comes back to this connection finds nothing locked, and can never re-enter the protocol.
    fn call(self: &Rc<Self>, core: &Core, what: &'static str, f: impl FnOnce(&mut dyn Protocol, &Transport)) {
        let Some(mut protocol) = self.protocol.take() else { return };
        let transport = Transport::new(self.clone());
        let sound = self.context().run(|| {
            core.run_callback_of(
                &mut **protocol,
                |protocol, out| {
                    out.method(CallbackKind::Protocol, what, Some(self.token)).object(protocol.type_name());
                    out.place(self.origin.asked().place);
                    out.write_fmt(format_args!("{what} of {}, on {}", protocol.type_name(), self.described()))
                },
                |protocol| f(protocol, &transport),
            )
        });
        // Put back first, even after a panic: the end that follows must still reach it as `connection_lost`.
        self.protocol.set(Some(protocol));
        if !sound {
            self.end(Reason::Panicked);
        }
    }

    fn context(&self) -> Context {
        self.context.borrow().clone()
    }

    /// The connection in words, for a message to a person.
    fn described(&self) -> String {
        let peer = &self.peer;
        let host = match peer {
            // A nameless client of a UNIX socket: only our own name tells which socket it is.
            Address::Unix(UnixAddress::Unnamed) => format!(" at {}", self.host()),
            _ => String::new(),
        };
        match &self.origin {
            Origin::Port(asked) if *peer == Address::StandardIo => format!("{peer}, opened at {asked}"),
            Origin::Port(asked) => format!("the connection from {peer}{host} to the port opened at {asked}"),
            Origin::Connector(connector) => format!("the connection to {peer}, asked for at {}", connector.asked()),
        }
    }

    /// Marks the connection as over, for `reason`; the protocol is told at the end of this turn. A second end changes
    /// nothing: the first reason is the true one.
    pub(super) fn end(&self, reason: Reason) {
        if self.life.replace(ConnectionState::Ended) == ConnectionState::Ended {
            return;
        }
        let broken_off =
            matches!(reason, Reason::Aborted | Reason::BufferFull | Reason::Panicked | Reason::FlushTimeout);
        // The stream is borrowed only during a read or a write, and a driver never calls back. So the borrow always
        // succeeds.
        if broken_off && let Ok(mut stream) = self.stream.try_borrow_mut() {
            stream.iter_mut().for_each(|stream| stream.reset_on_close());
        }
        self.report(|scope, socket| {
            let unsent = self.sending.buffered();
            scope.emit(Kind::Ended { socket, reason: &reason.to_string(), clean: reason.is_clean(), unsent });
        });
        *self.rare().reason.borrow_mut() = Some(reason);
        self.work.ended.borrow_mut().extend(self.this.upgrade());
    }

    /// Closes the socket and tells the protocol, the producer and the connector, in this order.
    pub(super) fn deliver_end(self: &Rc<Self>, core: &Core) {
        // A copy: a write that comes later asks who has ended the connection.
        let reason = self.rare().reason.borrow().clone().unwrap_or(Reason::Done);
        // Before any callback: a protocol that connects again in `connection_lost` finds the descriptor free, unless
        // the socket lingers. A protocol that counts the sources does not count this one.
        self.close_socket(core, &reason);
        self.introduce(core); // It ended before the loop got to it: each protocol hears of both.
        self.call(core, "connection_lost", |protocol, _| protocol.connection_lost(&reason));
        // Only now: the protocol may ask how many of its bytes were not sent.
        self.sending.clear(&self.work.blocks);
        let protocol = self.protocol.take();
        // As a callback, so that a drop that takes long is logged.
        let describe = |what: &'static str| {
            move |out: &mut Description| {
                out.place(self.origin.asked().place);
                out.write_fmt(format_args!("{what} of {}", self.described()))
            }
        };
        self.context().run(|| core.run_callback(describe("the drop of the protocol"), || drop(protocol)));
        // Only now: the protocol may have unregistered it, even in its drop.
        if let Some((producer, context)) = self.sending.take_producer() {
            context.run(|| {
                core.run_callback(describe("stop_producing of the producer"), || producer.stop_producing());
            });
        }
        self.drop_meters();
        // Last, because the factory may connect again: the old protocol must know by then.
        if let Some(connector) = self.origin.connector() {
            connector.lost(core, &reason);
        }
    }

    /// Closes the socket, or lets it linger until the peer has our last bytes.
    fn close_socket(&self, core: &Core, reason: &Reason) {
        let stream = self.stream.take();
        // The end of the peer has been read: nothing more can come. And no last bytes are to be saved after a failure.
        let is_safe = self.reading.has_ended() || !reason.is_clean();
        match stream {
            Some(stream) if !is_safe && !stream.is_borrowed() && self.may_meet_more() => {
                let knowledge =
                    Knowledge { expects_more: self.lingers_on_close.get(), has_ended: self.sending.has_ended() };
                Lingering::begin(core, self.token, stream, knowledge);
            }
            _ => drop(core.registry.borrow_mut().remove(self.token)),
        }
    }

    /// Whether the socket has bytes that nobody has read, or will have.
    fn may_meet_more(&self) -> bool {
        self.lingers_on_close.get() || self.reading.may_have_unread()
    }

    /// Drops what it holds, without a callback: the loop is gone.
    pub(super) fn forget(&self) {
        // First: whatever a drop below, or a transport that lives on, asks for has no effect.
        self.life.set(ConnectionState::Ended);
        drop(self.protocol.take());
        self.sending.clear(&self.work.blocks);
        drop(self.sending.take_producer());
        drop(self.stream.take());
        self.drop_meters();
        if let Some(connector) = self.origin.connector() {
            connector.forget();
        }
    }

    /// Reports to the trace, if there is one.
    fn report(&self, report: impl FnOnce(&Scope, u64)) {
        if let Some(scope) = &self.work.trace {
            report(scope, self.token.serial());
        }
    }

    fn report_connected(&self) {
        self.report(|scope, socket| {
            let protocol = self.protocol.take();
            scope.emit(Kind::Connected {
                socket,
                peer: &self.peer.to_string(),
                protocol: protocol.as_ref().map_or("", |protocol| protocol.type_name()),
                outgoing: self.origin.connector().is_some(),
                place: self.origin.asked().place,
            });
            self.protocol.set(protocol);
        });
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    fn is_metered(&self) -> bool {
        self.rare.get().is_some_and(|rare| !rare.meters.borrow().is_empty())
    }

    fn drop_meters(&self) {
        drop(self.rare.get().map(|rare| rare.meters.take()));
    }

    /// How many of `wanted` bytes the meters let go.
    fn metered(&self, direction: Direction, wanted: usize) -> usize {
        let Some(rare) = self.rare.get() else { return wanted };
        let meters = rare.meters.borrow();
        meters.iter().fold(wanted, |left, meter| if left == 0 { 0 } else { meter.room(direction, left).min(left) })
    }

    /// Tells the meters what has gone.
    fn note_used(&self, direction: Direction, bytes: usize) {
        if let Some(rare) = self.rare.get() {
            rare.meters.borrow().iter().for_each(|meter| meter.used(direction, bytes));
        }
    }

    /// Has the loop call [`attend`](Connection::attend) in this turn or the next.
    fn need_attention(&self) {
        if !self.queued.replace(true)
            && let Some(me) = self.this.upgrade()
        {
            self.work.attend_to(me);
        }
    }

    /// Sets a socket option. A refusal is only logged: it changes nothing that a program could act on.
    fn set_option(&self, name: &str, set: impl FnOnce(&mut dyn Stream) -> io::Result<()>) {
        if let Some(stream) = &mut *self.stream.borrow_mut()
            && let Err(error) = set(&mut **stream)
        {
            log::debug!(target: "reactor", "cannot set {name} on the connection to {}: {error}", self.peer);
        }
    }
}
