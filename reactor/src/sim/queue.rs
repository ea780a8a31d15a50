//! [`Queue`]: what is to happen when. The one order of a whole world.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Names a connection for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) key: u32,
    /// Its number in the order in which connections were asked for.
    pub(super) serial: u32,
}

/// One of the two ends of a connection: 0 asked for it, 1 was asked.
pub(super) type Side = usize;

/// What is to happen. Names only: what it is about may have gone when the time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A host's loop waited for this long.
    Wake(u32),
    /// A request to connect is sent (again).
    Ask(Id),
    /// It comes to the other host.
    Asked(Id),
    /// The first of what this end has sent arrives.
    Arrive(Id, Side),
    /// This end hears that there is room in its send buffer.
    Room(Id, Side),
    /// This end hears that the other reads again.
    Window(Id, Side),
    /// This end waits no longer for an acknowledgement.
    Again(Id, Side),
    /// This end hears that the other knows of no connection.
    Reset(Id, Side),
    /// This end looks whether the other is still there.
    Probe(Id, Side),
    /// Something of the program's: an answer, a job, a step of the script.
    Program(usize),
}

struct Entry {
    time: u64,
    order: u64,
    event: Event,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.time, self.order)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Events by time; those of the same time in the order in which they were put in.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    next_order: u64,
}

impl Queue {
    pub(super) fn push(&mut self, time: u64, event: Event) {
        let order = self.next_order;
        self.next_order += 1;
        self.heap.push(Reverse(Entry { time, order, event }));
    }

    /// Takes the first, if its time is not after `latest`.
    pub(super) fn pop(&mut self, latest: u64) -> Option<(u64, Event)> {
        if self.heap.peek()?.0.time > latest {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.time, entry.event))
    }
}
