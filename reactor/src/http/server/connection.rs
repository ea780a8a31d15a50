//! [`Connection`]: one connection of a server, and the protocol on it.
//!
//! ```text
//!   Head --(head)--> Serving --(response)--> Head, or Over
//!    ^                  |
//!    |                  +--(stream)--> Streaming --+--> Head, or Over
//!    +--(body complete)-- Receiving <--------------+    after a stream that is complete before its request
//! ```
//!
//! It works at one request at a time. Bytes of the next are held back, at most one read's worth, and then nothing more
//! is read. So responses are in order, and a peer that sends requests without end costs one read and one response.
//!
//! The body of a request is skipped if the service has dropped the request. If it has not, the body waits until the
//! service takes it (`request.rs`).
//!
//! `receive` is a loop over the parser's events. Services and takers of bodies run inside it, and may answer inside it:
//! then the response is put by, and the loop sends it when it has skipped what has come of the body. Answers from
//! elsewhere go out at once, and the loop goes on from the reactor (`reading_resumed`), never from inside the program's
//! call.
//!
//! Next: `protocol.rs`, what the loop tells it.

use super::request::{BodyError, BodySource, Request, Taker};
use super::response::Response;
use super::shared::Shared;
use super::turns::Turn;
use super::waiting::Wait;
use super::writer::Stream;
use crate::deferred::{Canceller, Given};
use crate::http::{Refusal, RequestEvent, RequestHead, RequestParser, Version};
use crate::policies::Timeout;
use crate::{Failure, Transport};
use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::{Rc, Weak};

pub(super) struct Connection {
    this: Weak<Connection>,
    pub(super) shared: Rc<Shared>,
    pub(super) transport: RefCell<Option<Transport>>,
    pub(super) parser: RefCell<RequestParser>,
    /// Bytes that were received and not looked at: at most one read's worth.
    pub(super) held: RefCell<Vec<u8>>,
    pub(super) phase: Cell<Phase>,
    pub(super) incoming: RefCell<Incoming>,
    pub(super) is_body_paused: Cell<bool>,
    /// The head of the request says that the client waits for `100 Continue`, which has not been sent.
    owes_continue: Cell<bool>,
    /// What the request decides about its response.
    pub(super) asked: Cell<Asked>,
    /// Number of requests so far; also the name of the current one, so that a late answer is noticed.
    pub(super) number: Cell<usize>,
    /// Cancels the service's Deferred.
    working: RefCell<Option<Canceller>>,
    /// A response that waits until what has come of the request's body is skipped.
    ready: RefCell<Option<Response>>,
    pub(super) stream: RefCell<Option<Rc<Stream>>>,
    /// `receive` is on the stack.
    is_receiving: Cell<bool>,
    /// No request may follow: the peer has ended its side, the reactor stops, or a response has said so.
    pub(super) is_last: Cell<bool>,
    pub(super) turn: Cell<Turn>,
    pub(super) timeout: Timeout,
    pub(super) waits_for: Cell<Wait>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for a request, or reads its head.
    Head,
    /// A service works at a request.
    Serving,
    /// The head of the response is out, and a writer writes the body.
    Streaming,
    /// The response is complete, and a taker still gets the request's body.
    Receiving,
    /// The connection closes, or is gone.
    Over,
}

/// What becomes of the body of the current request.
pub(super) enum Incoming {
    /// It is complete, or there is none.
    Complete,
    /// The service has not decided.
    Undecided,
    Wanted(Box<Taker>),
    /// The taker is being called.
    Away,
    /// It is skipped.
    Unwanted,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// HEAD: the response has no body.
    pub(super) only_head: bool,
    pub(super) version: Version,
}

impl Connection {
    pub(super) fn new(shared: &Rc<Shared>) -> Rc<Connection> {
        Rc::new_cyclic(|this: &Weak<Connection>| {
            let weak = this.clone();
            let timeout = Timeout::new(shared.clock.clone(), move || {
                if let Some(connection) = weak.upgrade() {
                    connection.timed_out();
                }
            });
            Connection {
                this: this.clone(),
                shared: shared.clone(),
                transport: RefCell::default(),
                parser: RefCell::new(RequestParser::new(shared.settings.limits.clone())),
                held: RefCell::default(),
                phase: Cell::new(Phase::Head),
                incoming: RefCell::new(Incoming::Complete),
                is_body_paused: Cell::new(false),
                owes_continue: Cell::new(false),
                asked: Cell::new(Asked { only_head: false, version: Version::Http11 }),
                number: Cell::new(0),
                working: RefCell::default(),
                ready: RefCell::default(),
                stream: RefCell::default(),
                is_receiving: Cell::new(false),
                is_last: Cell::new(false),
                turn: Cell::new(Turn::Free),
                timeout,
                waits_for: Cell::new(Wait::Nothing),
            }
        })
    }

    pub(super) fn this(&self) -> Weak<Connection> {
        self.this.clone()
    }

    pub(super) fn is(&self, phase: Phase) -> bool {
        self.phase.get() == phase
    }

    pub(super) fn with_transport(&self, act: impl FnOnce(&Transport)) {
        if let Some(transport) = &*self.transport.borrow() {
            act(transport);
        }
    }

    // ---- Reading.

    /// The only place where the parser is asked. See the introduction of this file.
    pub(super) fn receive(&self, mut input: &[u8]) {
        self.is_receiving.set(true);
        loop {
            if self.is(Phase::Over) {
                break;
            }
            if self.ready.borrow().is_some() && (input.is_empty() || !self.is_skipping()) {
                let ready = self.ready.take();
                ready.into_iter().for_each(|response| self.send(response));
                continue;
            }
            if self.must_wait() || self.begins_request(input) && !self.shared.turns.may_begin(self) {
                self.hold(input);
                break;
            }
            let event = self.parser.borrow_mut().next(&mut input);
            match event {
                Ok(RequestEvent::Head(head)) => self.head_received(head),
                Ok(RequestEvent::Data(data)) => self.body_received(data),
                Ok(RequestEvent::End) => self.body_ended(),
                Ok(RequestEvent::NeedMore) if self.ready.borrow().is_some() => {}
                Ok(RequestEvent::NeedMore) => break,
                Err(refusal) => self.refuse(&refusal),
            }
        }
        self.is_receiving.set(false);
        self.set_timeout();
    }

    fn is_skipping(&self) -> bool {
        matches!(*self.incoming.borrow(), Incoming::Unwanted)
    }

    pub(super) fn is_body_complete(&self) -> bool {
        matches!(*self.incoming.borrow(), Incoming::Complete)
    }

    /// Whether the next bytes must wait.
    fn must_wait(&self) -> bool {
        match *self.incoming.borrow() {
            // The next event is the next request's.
            Incoming::Complete if self.is(Phase::Head) => {
                // The peer does not read its responses: it gets no more of them.
                self.transport.borrow().as_ref().is_some_and(Transport::is_paused)
            }
            Incoming::Complete => true,
            Incoming::Undecided => true,
            Incoming::Wanted(_) | Incoming::Away => self.is_body_paused.get(),
            Incoming::Unwanted => false,
        }
    }

    /// Whether these are the first bytes of a request.
    fn begins_request(&self, input: &[u8]) -> bool {
        !input.is_empty() && self.is(Phase::Head) && self.parser.borrow().is_between_requests()
    }

    fn hold(&self, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        self.held.borrow_mut().extend_from_slice(input);
        // If the transport has paused by itself, because too many bytes wait, it also resumes by itself.
        self.with_transport(|transport| {
            if !transport.is_paused() {
                transport.pause_producing();
            }
        });
    }

    /// What was held back may go on: from the loop.
    pub(super) fn go_on(&self) {
        if !self.is_receiving.get() {
            if !self.held.borrow().is_empty() {
                self.with_transport(Transport::resume_producing);
            }
            self.set_timeout();
        }
    }

    fn head_received(&self, head: RequestHead) {
        let is_secure = self.transport.borrow().as_ref().is_some_and(Transport::is_tls);
        // RFC 9110, section 7.4. The other way round is served: behind a proxy, an `http` URL may come over TLS.
        if head.is_for_https() && !is_secure {
            return self.refuse(&Refusal::OtherScheme);
        }
        let only_head = head.method() == "HEAD";
        self.asked.set(Asked { only_head, version: head.version() });
        self.number.set(self.number.get() + 1);
        self.phase.set(Phase::Serving);
        let is_complete = self.parser.borrow().is_complete();
        *self.incoming.borrow_mut() = if is_complete { Incoming::Complete } else { Incoming::Undecided };
        self.is_body_paused.set(false);
        self.owes_continue.set(head.expects_continue() && !is_complete);
        self.shared.count(|counts| counts.requests += 1);
        let (Some(this), Some(transport)) = (self.this.upgrade(), self.transport.borrow().clone()) else { return };
        let request = Request::new(head, this, transport.peer(), transport.is_tls());
        match self.shared.service.serve(request) {
            Given::Ready(result) => self.answered(self.number.get(), result),
            Given::Pending(deferred) => self.wait_for(deferred),
        }
    }

    fn wait_for(&self, deferred: crate::Deferred<Response>) {
        let (this, number) = (self.this.clone(), self.number.get());
        let deferred = deferred.add_both(move |result| {
            if let Some(connection) = this.upgrade() {
                connection.answered(number, result);
            }
        });
        if !deferred.has_fired() {
            *self.working.borrow_mut() = Some(deferred.canceller());
        }
        deferred.detach();
    }

    /// The service has answered request `number`.
    fn answered(&self, number: usize, result: Result<Response, Failure>) {
        if number != self.number.get() || !self.is(Phase::Serving) || self.ready.borrow().is_some() {
            return; // Too late: its time was over, or the connection is.
        }
        drop(self.working.take());
        let response = result.unwrap_or_else(|failure| {
            self.shared.count(|counts| counts.failed += 1);
            log::error!(target: "reactor", "a service failed: {}", failure.report());
            Response::text("the server failed\n").with_status(500)
        });
        self.body_unwanted();
        let is_waiting = self.is_skipping() && !self.held.borrow().is_empty();
        if self.is_receiving.get() || is_waiting {
            *self.ready.borrow_mut() = Some(response);
            self.go_on();
        } else {
            self.send(response);
            self.set_timeout();
        }
    }

    fn body_received(&self, data: &[u8]) {
        let old = mem::replace(&mut *self.incoming.borrow_mut(), Incoming::Away);
        let mut now = match old {
            Incoming::Wanted(mut taker) => {
                taker.piece(data);
                Incoming::Wanted(taker)
            }
            other => other,
        };
        // The taker may have ended the connection.
        if self.is(Phase::Over) {
            now = Incoming::Complete;
        }
        drop(mem::replace(&mut *self.incoming.borrow_mut(), now));
    }

    fn body_ended(&self) {
        let old = mem::replace(&mut *self.incoming.borrow_mut(), Incoming::Complete);
        if let Incoming::Wanted(taker) = old {
            taker.end(Ok(()));
        }
        if self.is(Phase::Receiving) {
            self.exchange_ended();
        }
    }

    /// The body will never be complete.
    fn fail_body(&self, error: BodyError) {
        let old = mem::replace(&mut *self.incoming.borrow_mut(), Incoming::Complete);
        if let Incoming::Wanted(taker) = old {
            taker.end(Err(error.into()));
        }
    }

    /// Whether another request may follow the current one, as far as is known now.
    pub(super) fn persists(&self) -> bool {
        let settings = &self.shared.settings;
        let is_last = self.is_last.get() || self.number.get() >= settings.max_requests;
        // A body that nobody takes must not be sent for nothing; and the peer may not even send it, if it expects to be
        // told to.
        let is_read = match *self.incoming.borrow() {
            Incoming::Complete | Incoming::Wanted(_) | Incoming::Away => true,
            Incoming::Undecided | Incoming::Unwanted => false,
        };
        self.parser.borrow().keeps_alive() && !is_last && is_read
    }

    // ---- Ends.

    /// The response is complete.
    pub(super) fn response_ended(&self) {
        drop(self.stream.take());
        let is_wanted = matches!(*self.incoming.borrow(), Incoming::Wanted(_) | Incoming::Away);
        match is_wanted {
            true => self.phase.set(Phase::Receiving),
            false => self.exchange_ended(),
        }
    }

    /// Request and response are complete.
    fn exchange_ended(&self) {
        if self.is_last.get() {
            return self.close();
        }
        self.phase.set(Phase::Head);
        self.waits_for.set(Wait::Nothing); // The time between requests begins anew.
        self.go_on();
    }

    /// Closes it in an orderly way: bytes that wait still go out.
    pub(super) fn close(&self) {
        let has_unread = !self.held.borrow().is_empty() || !self.parser.borrow().is_between_requests();
        self.over();
        self.with_transport(|transport| {
            if has_unread {
                transport.linger_on_close();
            }
            transport.lose_connection();
        });
    }

    /// Breaks it off.
    pub(super) fn break_off(&self) {
        self.over();
        self.with_transport(Transport::abort_connection);
    }

    pub(super) fn over(&self) {
        self.phase.set(Phase::Over);
        self.held.take();
        drop(self.ready.take());
        self.timeout.set(None);
    }

    /// The request breaks a rule or a limit. It is told why, if its response has not begun.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        self.shared.count(|counts| counts.refused += 1);
        log::debug!(target: "reactor", "a request is refused: {refusal}");
        let has_begun = matches!(self.phase.get(), Phase::Streaming | Phase::Receiving);
        if self.is(Phase::Head) {
            self.asked.set(Asked { only_head: false, version: Version::Http11 });
        }
        if has_begun {
            self.break_off();
        } else {
            // From here on the service's own answer is too late.
            self.is_last.set(true);
            self.send_and_close(Response::text(format!("{refusal}\n")).with_status(refusal.status()));
        }
        self.leave_service(BodyError::Refused(refusal.clone()));
    }

    /// The service's work is not wanted any more.
    pub(super) fn leave_service(&self, error: BodyError) {
        self.fail_body(error);
        if let Some(working) = self.working.take() {
            working.cancel();
        }
        if let Some(stream) = self.stream.take() {
            stream.gone();
        }
    }
}

impl BodySource for Connection {
    fn take_body(&self, taker: Taker) -> bool {
        {
            let mut incoming = self.incoming.borrow_mut();
            match *incoming {
                Incoming::Undecided => *incoming = Incoming::Wanted(Box::new(taker)),
                Incoming::Complete => {
                    drop(incoming);
                    taker.end(Ok(()));
                    return true;
                }
                Incoming::Wanted(_) | Incoming::Away | Incoming::Unwanted => return false,
            }
        }
        if self.owes_continue.take() {
            self.with_transport(|transport| transport.write(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        self.go_on();
        true
    }

    fn body_unwanted(&self) {
        let mut incoming = self.incoming.borrow_mut();
        if matches!(*incoming, Incoming::Undecided) {
            *incoming = Incoming::Unwanted;
            drop(incoming);
            self.go_on();
        }
    }

    fn refuse_length(&self) {
        if self.is(Phase::Serving) {
            self.refuse(&Refusal::LengthRequired);
        }
    }

    fn pause_body(&self) {
        self.is_body_paused.set(true);
        if !self.is_receiving.get() {
            self.set_timeout();
        }
    }

    fn resume_body(&self) {
        if self.is_body_paused.replace(false) {
            self.go_on();
        }
    }

    fn is_body_paused(&self) -> bool {
        self.is_body_paused.get()
    }

    fn abort(&self) {
        // If it closes already, its last bytes must still go out.
        if !self.is(Phase::Over) {
            self.break_off();
        }
    }
}
