//! [`Replies`]: the answers that a connection is owed, in the order of its commands.
//!
//! An IAMAT is answered at once, a WHATSAT when the Places service has answered. So an answer may have to wait for one
//! that was asked for earlier. Each answer is written in one piece.
//!
//! A client that asks faster than it is answered is not read from while too much is owed to it.

use crate::log_file::Traffic;
use reactor::transport::HIGH_WATER;
use reactor::{Deferred, DelayedCall, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Answers that may be owed to one client before it is no longer read from.
const MAX_OWED: usize = 64;

/// Answers that may be worked out at once for one client before it is no longer read from. Each may be as large as a
/// Places service's answer can be, and all of them stay here if the client does not read.
const MAX_UNDER_WAY: usize = 8;

/// How long a client may go on sending after it has got everything and our end. Closing at once would make the system
/// send a reset, and that could overtake the last answer.
const LINGER: Duration = Duration::from_secs(10);

/// The answers owed to one connection.
pub struct Replies {
    transport: Transport,
    traffic: Traffic,
    queue: RefCell<VecDeque<Slot>>,
    /// The number of the first slot in the queue.
    first: Cell<u64>,
    /// Bytes of answers that wait for an earlier one.
    held: Cell<usize>,
    /// Answers that are being worked out.
    under_way: Cell<usize>,
    paused: Cell<bool>,
    then: Cell<Then>,
    /// Cuts off a client that goes on sending after our end.
    linger: Cell<Option<DelayedCall>>,
    lost: Cell<bool>,
}

#[derive(Debug)]
enum Slot {
    Ready(Vec<u8>),
    /// Being worked out; what to cancel if nobody wants it any more.
    Waiting(Option<Deferred<()>>),
}

/// What happens when everything owed has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
    /// Send our end, and let the client finish its sending: closing now could destroy the last answer on its way.
    SendEnd,
}

/// Names an answer that is being worked out.
#[derive(Debug, Clone, Copy)]
pub struct Ticket(u64);

impl Replies {
    /// Nothing is owed yet.
    pub fn new(transport: Transport, traffic: Traffic) -> Rc<Replies> {
        Rc::new(Replies {
            transport,
            traffic,
            queue: RefCell::default(),
            first: Cell::new(0),
            held: Cell::new(0),
            under_way: Cell::new(0),
            paused: Cell::new(false),
            then: Cell::new(Then::GoOn),
            linger: Cell::new(None),
            lost: Cell::new(false),
        })
    }

    /// Sends an answer, after those that are owed already.
    pub fn push(&self, reply: &[u8]) {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            drop(queue);
            return self.send(reply);
        }
        self.held.set(self.held.get() + reply.len());
        queue.push_back(Slot::Ready(reply.to_vec()));
        drop(queue);
        self.pause_or_resume();
    }

    /// Keeps a place for an answer that is still to come.
    pub fn reserve(&self) -> Ticket {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(Slot::Waiting(None));
        self.under_way.set(self.under_way.get() + 1);
        let ticket = Ticket(self.first.get() + queue.len() as u64 - 1);
        drop(queue);
        self.pause_or_resume();
        ticket
    }

    /// Says what to cancel if the client goes before the answer comes.
    pub fn attach(&self, ticket: Ticket, work: Deferred<()>) {
        if let Some(Slot::Waiting(place)) = self.slot(ticket, &mut self.queue.borrow_mut()) {
            *place = Some(work);
        }
    }

    /// The answer has come: it is sent, and with it those that waited for it, unless an earlier one is still missing.
    pub fn fill(&self, ticket: Ticket, reply: Vec<u8>) {
        if self.lost.get() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        self.held.set(self.held.get() + reply.len());
        let old = self.slot(ticket, &mut queue).map(|slot| std::mem::replace(slot, Slot::Ready(reply)));
        if matches!(old, Some(Slot::Waiting(_))) {
            self.under_way.set(self.under_way.get() - 1);
        }
        let mut ready = Vec::new();
        while let Some(Slot::Ready(reply)) = queue.front_mut() {
            ready.push(std::mem::take(reply));
            queue.pop_front();
            self.first.set(self.first.get() + 1);
        }
        drop(queue);
        drop(old); // A Deferred that has done its work.
        for reply in ready {
            self.held.set(self.held.get() - reply.len());
            self.send(&reply);
        }
        self.pause_or_resume();
        self.finish_if_paid();
    }

    /// No more commands will come: close when everything owed has been sent.
    pub fn close_when_paid(&self) {
        self.then.set(Then::Close);
        self.finish_if_paid();
    }

    /// Whether nothing can be answered any more: the connection is going or gone.
    pub fn is_over(&self) -> bool {
        self.lost.get() || self.transport.is_disconnecting()
    }

    /// No more commands will be taken: send our end when everything owed has been sent, but do not close yet.
    pub fn send_end_when_paid(&self) {
        self.then.set(Then::SendEnd);
        self.finish_if_paid();
    }

    /// The connection is gone: what is still being worked out is cancelled.
    pub fn abandon(&self) {
        self.lost.set(true);
        if let Some(linger) = self.linger.take() {
            linger.cancel();
        }
        let queue = self.queue.take();
        for slot in queue {
            if let Slot::Waiting(Some(work)) = slot {
                work.cancel();
            }
        }
    }

    fn slot<'a>(&self, ticket: Ticket, queue: &'a mut VecDeque<Slot>) -> Option<&'a mut Slot> {
        queue.get_mut(usize::try_from(ticket.0.checked_sub(self.first.get())?).ok()?)
    }

    fn send(&self, reply: &[u8]) {
        if log::log_enabled!(log::Level::Info) {
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', reply) {
                self.traffic.line_out(&reply[start..end]);
                start = end + 1;
            }
        }
        self.transport.write(reply);
    }

    fn pause_or_resume(&self) {
        let owed = self.queue.borrow().len();
        let much = owed >= MAX_OWED || self.under_way.get() >= MAX_UNDER_WAY || self.held.get() >= HIGH_WATER;
        if much && !self.paused.replace(true) {
            self.transport.pause_producing();
        } else if !much && self.paused.replace(false) {
            self.transport.resume_producing();
        }
    }

    fn finish_if_paid(&self) {
        if !self.queue.borrow().is_empty() {
            return;
        }
        match self.then.replace(Then::GoOn) {
            Then::GoOn => {}
            Then::Close => self.transport.lose_connection(),
            Then::SendEnd => {
                self.transport.lose_write_connection();
                self.linger.set(Some(linger(self.traffic.reactor(), self.transport.clone(), None)));
            }
        }
    }
}

/// Cuts the client off after a while, but not as long as it goes on taking what it is owed: `before` is how much of
/// that waited at the last look.
fn linger(reactor: &Reactor, transport: Transport, before: Option<usize>) -> DelayedCall {
    let again = reactor.clone();
    reactor.call_later(LINGER, move || {
        let now = transport.buffered();
        match before {
            None if now == 0 => transport.abort_connection(),
            Some(before) if now >= before => transport.abort_connection(),
            _ => drop(linger(&again, transport, Some(now))),
        }
    })
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replies(to {}, {} owed)", self.traffic.label(), self.queue.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reactor::testing::StringTransport;

    fn replies() -> (Rc<StringTransport>, Rc<Replies>) {
        let wire = StringTransport::new();
        let replies = Replies::new(wire.transport(), Traffic::new("test", &Reactor::new().unwrap()));
        (wire, replies)
    }

    #[test]
    fn answers_keep_the_order_of_the_commands_and_are_one_write_each() {
        let (wire, replies) = replies();
        replies.push(b"1\n");
        let (two, three) = (replies.reserve(), replies.reserve());
        replies.push(b"4\n");
        replies.fill(three, b"3\n".to_vec());
        assert_eq!(wire.written(), b"1\n");
        replies.fill(two, b"2\n".to_vec());
        assert_eq!(wire.written(), b"1\n2\n3\n4\n");
        assert_eq!(wire.write_count(), 4);
        replies.push(b"5\n");
        assert_eq!(wire.written(), b"1\n2\n3\n4\n5\n");
    }

    #[test]
    fn the_end_waits_for_what_is_owed() {
        let (wire, replies) = replies();
        let ticket = replies.reserve();
        replies.close_when_paid();
        assert!(!wire.is_losing());
        replies.fill(ticket, b"late\n".to_vec());
        assert_eq!(wire.written(), b"late\n");
        assert!(wire.is_losing());
    }

    #[test]
    fn who_is_owed_much_is_not_read_from() {
        let (wire, replies) = replies();
        let tickets: Vec<Ticket> = (0..MAX_UNDER_WAY).map(|_| replies.reserve()).collect();
        assert!(wire.transport().is_paused());
        replies.fill(tickets[0], b"x".to_vec());
        assert!(!wire.transport().is_paused());
        (0..MAX_OWED - MAX_UNDER_WAY).for_each(|_| replies.push(b"x"));
        assert!(!wire.transport().is_paused());
        replies.push(b"x");
        assert!(wire.transport().is_paused(), "many small ones");
        tickets[1..].iter().for_each(|ticket| replies.fill(*ticket, b"x".to_vec()));
        assert!(!wire.transport().is_paused());
        let _ticket = replies.reserve();
        replies.push(&[b'x'; HIGH_WATER]);
        assert!(wire.transport().is_paused(), "a large one");
    }

    #[test]
    fn what_nobody_wants_any_more_is_cancelled() {
        let (_wire, replies) = replies();
        let cancelled = Rc::new(Cell::new(false));
        let seen = cancelled.clone();
        let (work, _firer) = Deferred::<()>::with_canceller(move |_| seen.set(true));
        let ticket = replies.reserve();
        replies.attach(ticket, work.add_errback(|_| ()));
        replies.abandon();
        assert!(cancelled.get());
        replies.fill(ticket, b"nobody hears this".to_vec());
    }
}
