//! [`Link`]: one connection to a server (or through a proxy to it), and the protocol on it.
//!
//! ```text
//!   Opening --> Busy <--> Idle
//!      |         |         |     aborted, failed, closed by either side, unasked bytes
//!      +---------+---------+---> Over
//! ```
//!
//! Reading is a loop over the parser's events. Between two of them anything may have happened, as callbacks of the
//! program ran: nothing is borrowed meanwhile, and what was read is looked at again.

use super::body::BodyEnd;
use super::coding::Decoding;
use super::exchange::Exchange;
use super::head::Head;
use super::limits::HttpError;
use super::pool::{Key, Pool};
use super::response::{ResponseEvent, ResponseParser};
use crate::{Address, ClientFactory, Connector, DelayedCall, Failure, Firer, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

pub(super) struct Link {
    pool: Weak<Pool>,
    key: Key,
    state: Cell<State>,
    transport: RefCell<Option<Transport>>,
    exchange: RefCell<Weak<Exchange>>,
    reading: Cell<Option<Box<Reading>>>,
    /// Bytes received and held back because the body is paused: at most what one read brought.
    held: RefCell<Vec<u8>>,
    /// Answers that it has brought.
    served: Cell<u64>,
    /// Some of the current answer has come.
    answered: Cell<bool>,
    /// Bytes that waited to be sent when the request had been written: as long as there are as many, none of it has
    /// left.
    unsent: Cell<usize>,
    /// How long it is kept.
    timer: Cell<Option<DelayedCall>>,
    /// Those who wait for its end.
    gone: RefCell<Vec<Firer<()>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Busy,
    Idle,
    Over,
}

/// The answer that is being read.
struct Reading {
    parser: ResponseParser,
    decoding: Option<Decoding>,
}

/// Where reading goes after a step.
enum Goes {
    On,
    /// Until more has come.
    Wait,
    Done,
    /// The head was all.
    DoneWith(Head),
}

impl Link {
    pub(super) fn new(pool: &Rc<Pool>, key: Key, exchange: &Rc<Exchange>) -> Rc<Link> {
        Rc::new(Link {
            pool: Rc::downgrade(pool),
            key,
            state: Cell::new(State::Opening),
            transport: RefCell::new(None),
            exchange: RefCell::new(Rc::downgrade(exchange)),
            reading: Cell::new(None),
            held: RefCell::default(),
            served: Cell::new(0),
            answered: Cell::new(false),
            unsent: Cell::new(0),
            timer: Cell::new(None),
            gone: RefCell::default(),
        })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn transport(&self) -> Option<Transport> {
        self.transport.borrow().clone()
    }

    pub(super) fn is_reused(&self) -> bool {
        self.served.get() > 0
    }

    /// Whether any of the answer has come.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// Whether nothing of the request can have left.
    pub(super) fn is_unsent(&self) -> bool {
        let unsent = self.unsent.get();
        unsent > 0 && self.transport.borrow().as_ref().is_some_and(|transport| transport.buffered() >= unsent)
    }

    /// Some of the request has left.
    pub(super) fn some_was_sent(&self) {
        self.unsent.set(0);
    }

    fn is(&self, state: State) -> bool {
        self.state.get() == state
    }

    fn exchange(&self) -> Option<Rc<Exchange>> {
        self.exchange.borrow().upgrade()
    }

    /// The connection is there; to be called again for each layer that comes to lie on top.
    pub(super) fn connected(&self, transport: &Transport) {
        drop(self.transport.replace(Some(transport.clone())));
        if let Some(exchange) = self.exchange() {
            exchange.connected(self.key.is_secure());
        }
    }

    /// The connection is ready for the request that it was opened for.
    fn ready(self: &Rc<Self>) {
        match self.exchange() {
            Some(exchange) if self.is(State::Opening) => self.begin(&exchange),
            _ => self.abort(), // Nobody wants it any more.
        }
    }

    /// Asks.
    pub(super) fn begin(self: &Rc<Self>, exchange: &Rc<Exchange>) {
        let (Some(transport), Some(pool)) = (self.transport(), self.pool.upgrade()) else { return };
        self.state.set(State::Busy);
        self.answered.set(false);
        drop(self.exchange.replace(Rc::downgrade(exchange)));
        let parser = ResponseParser::new(pool.settings().limits.clone())
            .for_method(exchange.request().method())
            .accept_codings(pool.settings().accept_gzip);
        self.reading.set(Some(Box::new(Reading { parser, decoding: None })));
        exchange.ask(self, &transport);
        self.unsent.set(transport.buffered());
    }

    /// It is kept for so long, unless it is at work again. The timer of the last rest is used again if it still runs.
    pub(super) fn rest(self: &Rc<Self>, reactor: &Reactor, limit: Duration) {
        self.state.set(State::Idle);
        let timer = self.timer.take().filter(|timer| timer.reset(limit).is_ok()).unwrap_or_else(|| {
            let this = Rc::downgrade(self);
            reactor.call_later(limit, move || {
                if let Some(link) = this.upgrade() {
                    link.close_if_idle();
                }
            })
        });
        self.timer.set(Some(timer));
    }

    /// Its time is over, unless it is at work again.
    pub(super) fn close_if_idle(&self) {
        if self.is(State::Idle) {
            if let Some(pool) = self.pool.upgrade() {
                pool.is_no_longer_idle(self);
            }
            self.close();
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    // ---- Ends.

    /// Breaks it off.
    pub(super) fn abort(&self) {
        self.end(Transport::abort_connection);
    }

    /// Closes it in an orderly way.
    pub(super) fn close(&self) {
        self.end(Transport::lose_connection);
    }

    fn end(&self, how: impl FnOnce(&Transport)) {
        self.state.set(State::Over);
        self.stop_timer();
        drop(self.reading.take());
        self.held.take();
        if let Some(transport) = self.transport() {
            how(&transport);
        }
    }

    /// Fires `firer` when the connection is gone.
    pub(super) fn tell_when_gone(&self, firer: Firer<()>) {
        self.gone.borrow_mut().push(firer);
    }

    /// Breaks it off because of `reason`.
    pub(super) fn fail(&self, reason: Failure) {
        if self.is(State::Over) {
            return;
        }
        self.abort();
        if let Some(exchange) = self.exchange() {
            exchange.broken(self, reason);
        }
    }

    /// The connection is gone, or did not come about.
    pub(super) fn connection_lost(self: &Rc<Self>, reason: &Reason) {
        self.lost(reason.clone().into());
    }

    fn lost(self: &Rc<Self>, reason: Failure) {
        let was = self.state.replace(State::Over);
        self.stop_timer();
        drop(self.reading.take());
        if let Some(pool) = self.pool.upgrade() {
            pool.gone(self);
        }
        if was != State::Over
            && let Some(exchange) = self.exchange()
        {
            exchange.broken(self, reason);
        }
        drop(self.transport.take());
        for firer in self.gone.take() {
            let _ = firer.callback(());
        }
    }

    // ---- Reading.

    fn receive(self: &Rc<Self>, mut input: &[u8]) {
        match self.state.get() {
            State::Busy => {}
            State::Over => return,
            State::Opening | State::Idle => return self.unasked("without being asked"),
        }
        if !self.answered.get() && self.is_reused() && self.is_unsent() {
            return self.unasked("before it was asked");
        }
        self.answered.set(true);
        while let (Some(mut reading), Some(exchange)) = (self.reading.take(), self.exchange()) {
            if exchange.is_paused() {
                self.held.replace(input.to_vec());
                self.reading.set(Some(reading));
                return;
            }
            match self.step(&mut reading, &exchange, &mut input) {
                Ok(Goes::On) if self.is(State::Busy) => self.reading.set(Some(reading)),
                Ok(Goes::On) => return, // A callback has ended it.
                Ok(Goes::Wait) => {
                    self.reading.set(Some(reading));
                    return;
                }
                Ok(Goes::Done) => return self.complete(&exchange, &reading.parser, None, input),
                Ok(Goes::DoneWith(head)) => return self.complete(&exchange, &reading.parser, Some(head), input),
                Err(reason) => return self.fail(reason),
            }
        }
    }

    /// Takes one step with what has come.
    fn step(&self, reading: &mut Reading, exchange: &Rc<Exchange>, input: &mut &[u8]) -> Result<Goes, Failure> {
        if let Some(decoding) = &mut reading.decoding
            && decoding.has_more()
        {
            decoding.unpack(|plain| exchange.body_came(plain))?;
            return Ok(Goes::On);
        }
        match reading.parser.next(input)? {
            ResponseEvent::NeedMore => Ok(Goes::Wait),
            ResponseEvent::End => {
                reading.finish()?;
                Ok(Goes::Done)
            }
            ResponseEvent::Data(data) => {
                match &mut reading.decoding {
                    Some(decoding) => decoding.take(data),
                    None => exchange.body_came(data),
                }
                Ok(Goes::On)
            }
            ResponseEvent::Head(head) => {
                // Unless codings are asked for, the parser has refused a head that tells of one.
                let decoding = match self.pool.upgrade() {
                    Some(pool) if pool.settings().accept_gzip => Decoding::of(&head, pool.settings().limits.body),
                    _ => Ok(None),
                };
                // An answer without a body ends here: whoever hears of it can have the connection again.
                if reading.parser.next(&mut &[][..])? == ResponseEvent::End {
                    return Ok(Goes::DoneWith(head));
                }
                reading.decoding = decoding?;
                exchange.head_came(head, false);
                Ok(Goes::On)
            }
        }
    }

    /// The answer is whole: the connection is free, and who takes the answer hears of it.
    fn complete(self: &Rc<Self>, exchange: &Rc<Exchange>, parser: &ResponseParser, head: Option<Head>, rest: &[u8]) {
        if !rest.is_empty() {
            log::debug!(target: "reactor", "{}: {} bytes follow the end of an answer", self.key, rest.len());
        }
        let is_clean = rest.is_empty() && exchange.is_sent();
        self.served.set(self.served.get() + 1);
        drop(self.exchange.take());
        exchange.leave();
        match self.pool.upgrade() {
            Some(pool) if is_clean && parser.keeps_alive() && self.is(State::Busy) => pool.released(self),
            _ if is_clean => self.close(),
            _ => self.abort(),
        }
        match head {
            Some(head) => exchange.head_came(head, true),
            None if parser.is_delimited_by_close() && !self.key.is_secure() => {
                exchange.tell(BodyEnd::PotentialDataLoss);
            }
            None => exchange.tell(BodyEnd::ResponseDone),
        }
    }

    /// The peer ends its side in an orderly way.
    fn ended(self: &Rc<Self>) {
        let reading = match self.state.get() {
            State::Busy => self.reading.take(),
            _ => None,
        };
        let (Some(mut reading), Some(exchange)) = (reading, self.exchange()) else {
            if self.is(State::Opening) {
                return self.fail(HttpError::Incomplete.into());
            }
            if let Some(pool) = self.pool.upgrade() {
                pool.is_no_longer_idle(self);
            }
            return self.close();
        };
        let finished = reading.parser.finish().map_err(Failure::from);
        match finished.and_then(|()| reading.finish()) {
            Ok(()) => self.complete(&exchange, &reading.parser, None, &[]),
            Err(reason) => self.fail(reason),
        }
    }

    /// Bytes that belong to no answer: whatever they are, they must not be taken for the next one.
    fn unasked(&self, when: &str) {
        log::debug!(target: "reactor", "{}: the server sent something {when}", self.key);
        if let Some(pool) = self.pool.upgrade() {
            pool.is_no_longer_idle(self);
        }
        self.fail(Reason::Aborted.into());
    }
}

impl Reading {
    fn finish(&self) -> Result<(), Failure> {
        match &self.decoding {
            Some(decoding) => Ok(decoding.finish()?),
            None => Ok(()),
        }
    }
}

/// The link as the protocol of its connection.
pub(super) struct LinkProtocol(Rc<Link>);

impl LinkProtocol {
    pub(super) fn new(link: Rc<Link>) -> LinkProtocol {
        LinkProtocol(link)
    }
}

impl Protocol for LinkProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.connected(transport);
        if !self.0.key.is_secure() {
            transport.set_no_delay(true);
            self.0.ready();
        }
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        transport.set_no_delay(true);
        self.0.ready();
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.receive(data);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        let held = self.0.held.take();
        if self.0.is(State::Busy) && self.0.has_answered() {
            self.0.receive(&held);
        }
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.0.ended();
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.0.connection_lost(reason);
    }
}

/// Makes the connection of a link.
pub(super) struct LinkFactory(Rc<Link>);

impl LinkFactory {
    pub(super) fn new(link: Rc<Link>) -> LinkFactory {
        LinkFactory(link)
    }
}

impl ClientFactory for LinkFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let pool = self.0.pool.upgrade()?;
        match pool.protocol_of(&self.0) {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                self.0.fail(error.into());
                None
            }
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        self.0.lost(failure);
    }
}
