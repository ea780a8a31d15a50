//! [`Replies`]: the replies that a connection is owed, in the order of its commands.
//!
//! An IAMAT has its reply at once, a WHATSAT when the Places service has answered. So a reply may have to wait for an
//! earlier one that is still being worked out. Each reply is one write.
//!
//! Backpressure: while too much is owed to a client, we stop reading from it.
//!
//! Next: [`links.rs`](mod@crate::links), the way to the neighbors.

use crate::log_file::Traffic;
use reactor::transport::HIGH_WATER;
use reactor::{Deferred, DelayedCall, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of replies owed on one connection. At the limit we stop reading from it.
pub(crate) const MAX_OWED: usize = 64;

/// Maximum number of large replies that are worked out at once for one connection. At the limit we stop reading from
/// it. Each may be as large as an answer of the Places service, and all of them stay in memory if the client does not
/// read.
const MAX_LARGE_UNDER_WAY: usize = 8;

/// How long a client may go on sending after it has received everything and our end. If we closed at once, the system
/// would answer its bytes with a reset, and the reset could overtake the last reply.
const LINGER: Duration = Duration::from_secs(10);

/// The replies owed to one connection.
pub struct Replies {
    transport: Transport,
    traffic: Traffic,
    queue: RefCell<VecDeque<Slot>>,
    /// The number of the first slot in the queue: a [`Ticket`] stays valid when earlier slots have left.
    first: Cell<u64>,
    /// Bytes of replies that wait for an earlier one.
    held: Cell<usize>,
    /// How many replies are being worked out, and how many of them may be large.
    under_way: Cell<usize>,
    large: Cell<usize>,
    max_under_way: Cell<usize>,
    paused: Cell<bool>,
    afterwards: Cell<Afterwards>,
    /// The number of bytes of replies that were written.
    written: Cell<u64>,
    /// Cuts off a client that goes on sending after our end.
    linger: Cell<Option<DelayedCall>>,
    lost: Cell<bool>,
}

#[derive(Debug)]
enum Slot {
    Ready(Vec<u8>),
    /// Being worked out.
    Waiting {
        /// The work, to be cancelled if the client goes.
        work: Option<Deferred<()>>,
        /// It may be as large as an answer of the Places service.
        may_be_large: bool,
    },
}

/// What happens when everything owed has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    GoOn,
    Close,
    /// Send our end, and let the client finish sending: closing now could destroy the last reply on its way.
    SendEnd,
}

/// Names a reply that is being worked out.
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
            large: Cell::new(0),
            max_under_way: Cell::new(MAX_OWED),
            paused: Cell::new(false),
            afterwards: Cell::new(Afterwards::GoOn),
            written: Cell::new(0),
            linger: Cell::new(None),
            lost: Cell::new(false),
        })
    }

    /// Sends a reply, after those that are owed already.
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

    /// Sets how many replies may be worked out at once. At the limit we stop reading from the client.
    pub fn set_max_under_way(&self, max: usize) {
        self.max_under_way.set(max);
    }

    /// Keeps a place for a reply that [`fill`](Replies::fill) will bring.
    pub fn reserve(&self) -> Ticket {
        self.reserve_slot(true)
    }

    /// The same for a reply that is no longer than its command: more of them may be worked out at once.
    pub fn reserve_short(&self) -> Ticket {
        self.reserve_slot(false)
    }

    fn reserve_slot(&self, may_be_large: bool) -> Ticket {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(Slot::Waiting { work: None, may_be_large });
        self.under_way.set(self.under_way.get() + 1);
        self.large.set(self.large.get() + usize::from(may_be_large));
        let ticket = Ticket(self.first.get() + queue.len() as u64 - 1);
        drop(queue);
        self.pause_or_resume();
        ticket
    }

    /// Attaches the work on a reply, to be cancelled if the client goes first. Does nothing if the reply has come
    /// already.
    pub fn attach(&self, ticket: Ticket, work: Deferred<()>) {
        if let Some(Slot::Waiting { work: place, .. }) = self.slot(ticket, &mut self.queue.borrow_mut()) {
            *place = Some(work);
        }
    }

    /// Brings a reserved reply. It is sent, and so are those that waited for it, unless an earlier one is still
    /// missing. An empty reply sends nothing.
    pub fn fill(&self, ticket: Ticket, reply: Vec<u8>) {
        if self.lost.get() {
            return;
        }
        let mut queue = self.queue.borrow_mut();
        self.held.set(self.held.get() + reply.len());
        let old = self.slot(ticket, &mut queue).map(|slot| std::mem::replace(slot, Slot::Ready(reply)));
        if let Some(Slot::Waiting { may_be_large, .. }) = old {
            self.under_way.set(self.under_way.get() - 1);
            self.large.set(self.large.get() - usize::from(may_be_large));
        }
        let mut ready = Vec::new();
        while let Some(Slot::Ready(reply)) = queue.front_mut() {
            ready.push(std::mem::take(reply));
            queue.pop_front();
            self.first.set(self.first.get() + 1);
        }
        drop(queue);
        // Only now: dropping the Deferred runs code of its own, and the queue must not be borrowed then.
        drop(old);
        for reply in ready {
            self.held.set(self.held.get() - reply.len());
            self.send(&reply);
        }
        self.pause_or_resume();
        self.finish_if_paid();
    }

    /// No more commands will come: closes the connection when everything owed has been sent.
    pub fn close_when_paid(&self) {
        self.afterwards.set(Afterwards::Close);
        self.finish_if_paid();
    }

    /// Whether the connection is closing or closed, so that no reply can be sent any more.
    pub fn is_over(&self) -> bool {
        self.lost.get() || self.transport.is_disconnecting()
    }

    /// No more commands will be taken: sends our end when everything owed has been sent, but goes on reading for a
    /// while.
    pub fn send_end_when_paid(&self) {
        self.afterwards.set(Afterwards::SendEnd);
        self.finish_if_paid();
    }

    /// Whether the client is owed a reply, or has not taken all of those that were written.
    pub fn is_owing(&self) -> bool {
        !self.queue.borrow().is_empty() || self.transport.buffered() > 0
    }

    /// What the client is owed: the number of replies that are being worked out, and the number of bytes of replies
    /// that have not been sent. Still true in `connection_lost`, until [`abandon`](Replies::abandon): then this is what
    /// the client never got.
    pub fn owed(&self) -> (usize, usize) {
        (self.under_way.get(), self.held.get() + self.transport.buffered())
    }

    /// How many bytes were written, and how many of them the system has taken. While some wait and the second number
    /// stays the same, the client does not read.
    pub fn written_and_taken(&self) -> (u64, u64) {
        (self.written.get(), self.written.get().saturating_sub(self.transport.buffered() as u64))
    }

    /// The connection is gone: cancels what is still being worked out.
    pub fn abandon(&self) {
        // First: cancelling the work makes it fill its reply, which nobody can receive any more.
        self.lost.set(true);
        if let Some(linger) = self.linger.take() {
            linger.cancel();
        }
        let queue = self.queue.take();
        for slot in queue {
            if let Slot::Waiting { work: Some(work), .. } = slot {
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
        self.written.set(self.written.get() + reply.len() as u64);
        self.transport.write(reply);
    }

    fn pause_or_resume(&self) {
        let (owed, under_way) = (self.queue.borrow().len(), self.under_way.get());
        let is_much_under_way = under_way >= self.max_under_way.get() || self.large.get() >= MAX_LARGE_UNDER_WAY;
        let much = owed >= MAX_OWED || is_much_under_way || self.held.get() >= HIGH_WATER;
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
        match self.afterwards.replace(Afterwards::GoOn) {
            Afterwards::GoOn => {}
            Afterwards::Close => self.transport.lose_connection(),
            Afterwards::SendEnd => {
                self.transport.lose_write_connection();
                self.linger.set(Some(linger(self.traffic.reactor(), self.transport.clone(), None)));
            }
        }
    }
}

/// Aborts the connection after [`LINGER`], unless the client goes on taking what it is owed. `before` is how many bytes
/// waited for it at the last look.
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
        let replies = Replies::new(wire.transport(), Traffic::of_client("test", None, &Reactor::new().unwrap()));
        (wire, replies)
    }

    #[test]
    fn replies_keep_the_order_of_the_commands_and_are_one_write_each() {
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
    fn reading_pauses_while_much_is_owed_to_a_client() {
        let (wire, replies) = replies();
        let tickets: Vec<Ticket> = (0..MAX_LARGE_UNDER_WAY).map(|_| replies.reserve()).collect();
        assert!(wire.transport().is_paused());
        replies.fill(tickets[0], b"x".to_vec());
        assert!(!wire.transport().is_paused());
        (0..MAX_OWED - MAX_LARGE_UNDER_WAY).for_each(|_| replies.push(b"x"));
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
    fn reading_pauses_at_the_share_of_what_may_be_worked_out() {
        let (wire, replies) = replies();
        replies.set_max_under_way(2);
        let tickets = [replies.reserve_short(), replies.reserve_short()];
        assert!(wire.transport().is_paused());
        replies.fill(tickets[1], b"2".to_vec());
        assert!(!wire.transport().is_paused(), "one is left");
        replies.push(b"3");
        assert!(!wire.transport().is_paused(), "it only waits for its turn");
    }

    #[test]
    fn work_on_a_reply_is_cancelled_when_the_client_goes() {
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
