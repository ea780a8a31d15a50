//! [`EventQueue`]: the order in which everything in a world happens.
//!
//! This is the heart of a discrete-event simulation. Nothing here waits: the [`World`](super::World) takes the first
//! event from the queue, sets the virtual clock to its time, and lets it happen, which puts later events into the
//! queue. An hour in which nothing happens costs one step.
//!
//! Next: `world.rs`, which takes the events out.

use crate::driver::Token;
use crate::timed::Timed;
use std::collections::BinaryHeap;

/// Names a connection. Slab keys are used again, so `serial` tells an event for an old connection from one for its
/// successor under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionId {
    pub(super) key: u32,
    /// Numbers the connections of a world in the order in which programs requested them.
    pub(super) serial: u32,
}

/// One of the two ends of a connection: 0 is the client, which requested it, 1 is the server.
pub(super) type EndIndex = usize;

/// What is to happen. An event holds names only, never references: its host or connection may be gone when its time
/// comes, and then it does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The time that the loop of this host waits for has come.
    Wake(u32),
    /// The client sends its request to connect (TCP's SYN), for the first time or again.
    SendSyn(ConnectionId),
    /// The request to connect arrives at the server.
    SynArrived(ConnectionId),
    /// The first segment that this end has in flight arrives at the other end.
    SegmentArrived(ConnectionId, EndIndex),
    /// This end learns that its send buffer has room again.
    SendBufferDrained(ConnectionId, EndIndex),
    /// This end learns that the other end has room to receive again.
    WindowUpdateArrived(ConnectionId, EndIndex),
    /// This end has waited long enough for an answer: it retransmits, or sends a zero-window probe.
    RetryTimer(ConnectionId, EndIndex),
    /// A reset arrives at this end: the other end does not know the connection.
    ResetArrived(ConnectionId, EndIndex),
    /// This end checks whether its peer is still there.
    KeepAliveTimer(ConnectionId, EndIndex),
    /// A datagram arrives at its host.
    DatagramArrived(u32),
    /// The sender of a datagram, a socket with this token, hears that nobody listens where it went.
    DatagramRefused(u32, Token),
    /// Work of a program or of the script falls due: the answer to a look-up, a job, a call.
    Scheduled(usize),
}

/// Events by time. Events of the same time come out in the order in which they went in: without that rule, a heap gives
/// no promise for equal times, and a run would depend on the heap's inner workings.
#[derive(Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Timed<u64, Event>>,
    next_order: u64,
}

impl EventQueue {
    pub(super) fn push(&mut self, time: u64, event: Event) {
        let order = self.next_order;
        self.next_order += 1;
        self.heap.push(Timed { time, order, value: event });
    }

    /// When the first event happens.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.time)
    }

    /// Takes the first event, unless its time is after `latest`.
    pub(super) fn pop(&mut self, latest: u64) -> Option<(u64, Event)> {
        if self.heap.peek()?.time > latest {
            return None;
        }
        self.heap.pop().map(|entry| (entry.time, entry.value))
    }
}
