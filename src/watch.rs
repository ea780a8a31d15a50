//! [`Watch`]: an observer of one server. It sees every AT that the server hears and tells, what it refuses, and how it
//! answers. The servers that ship have [`Observers`], a list that is empty until somebody looks: a program of the
//! operator ([`crate::control`]), or a page ([`crate::page`]). The simulated herd (`src/bin/herdsim`) keeps its books
//! with one.
//!
//! Next: [`places/mod.rs`](mod@crate::places), where the answers to WHATSAT come from.

use crate::counters::PlacesOutcome;
use crate::locations::{Known, NeighborId, Verdict};
use crate::message::{At, Forgot};
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// Where an AT came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeardFrom {
    /// A client, as an IAMAT.
    Client,
    /// This neighbor.
    Neighbor(NeighborId),
    /// A server that has not said which one it is.
    Unnamed,
}

impl HeardFrom {
    /// The neighbor, if it has said which one it is.
    pub fn neighbor(self) -> Option<NeighborId> {
        match self {
            HeardFrom::Neighbor(neighbor) => Some(neighbor),
            HeardFrom::Client | HeardFrom::Unnamed => None,
        }
    }
}

/// How a WHATSAT was answered.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The client around which somebody looked.
    pub client: &'a [u8],
    /// Where the client was, in degrees.
    pub latitude: &'a str,
    /// Where the client was, in degrees.
    pub longitude: &'a str,
    /// How far around it, in metres.
    pub radius: &'a str,
    /// The maximum number of places.
    pub bound: usize,
    /// From the question to the answer.
    pub took: Duration,
    /// How it ended.
    pub outcome: PlacesOutcome,
    /// Where the time went.
    pub stages: Stages,
    /// The reply's JSON.
    pub places: &'a [u8],
}

/// Where the time of a question to the Places service went. `None` is a stage that it did not need: the answer was
/// kept, somebody else asked the same at that moment, or a connection was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// It waited for its turn, or for a connection.
    pub queue: Option<Duration>,
    /// The service's name was looked up. An answer of an earlier look-up takes no time.
    pub name: Option<Duration>,
    /// TCP connected.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the head of the answer.
    pub wait: Option<Duration>,
    /// From there to the end.
    pub body: Option<Duration>,
}

/// An observer of one server. Each method does nothing unless the observer has its own.
///
/// The server calls it in the middle of its own work, while it borrows what it knows: an observer must only take notes.
/// It must not change the server, nor write to a connection of the herd.
pub trait Watch {
    /// The server has heard an AT and decided about it. What follows from the decision comes next.
    fn heard(&self, at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let _ = (at, line, from, verdict);
    }

    /// The same for a FORGOT. From a client, it is what an operator's FORGET was made into.
    fn heard_forgot(&self, forgot: &Forgot<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let _ = (forgot, line, from, verdict);
    }

    /// The server has heard an IAMAT, and offers it, as an AT, to the store beside the herd.
    fn offered(&self, at: &At<'_>, line: &[u8]) {
        let _ = (at, line);
    }

    /// The store, or what is remembered of it, has this line of a client, or none.
    fn looked_up(&self, client: &[u8], line: Option<&[u8]>) {
        let _ = (client, line);
    }

    /// The store beside the herd has what a client said: this, or something newer if it `is_news` no more.
    fn stored(&self, at: &At<'_>, line: &[u8], is_news: bool) {
        let _ = (at, line, is_news);
    }

    /// A client has left the server's table, because the store has its location.
    fn moved(&self, known: &Known) {
        let _ = known;
    }

    /// The server has forgotten a client, because it had heard of it long ago.
    fn forgot(&self, known: &Known) {
        let _ = known;
    }

    /// The server is about to write this AT or FORGOT line to a neighbor.
    fn told(&self, neighbor: NeighborId, line: &[u8]) {
        let _ = (neighbor, line);
    }

    /// The server has looked at this number of clients, without a pause, to find what it must tell a neighbor.
    fn looked_at(&self, neighbor: NeighborId, clients: usize) {
        let _ = (neighbor, clients);
    }

    /// The server's link to a neighbor has come up. It will tell that neighbor about every client.
    fn linked(&self, neighbor: NeighborId) {
        let _ = neighbor;
    }

    /// A neighbor may be another process by now. The server will tell it what it has told the server since
    /// their link came up, and has not been told back.
    fn told_back(&self, neighbor: NeighborId) {
        let _ = neighbor;
    }

    /// The server has refused a command of this peer.
    fn refused(&self, line: &[u8], peer: Option<IpAddr>, why: &dyn fmt::Display) {
        let _ = (line, peer, why);
    }

    /// The server answers a WHATSAT. This comes from the loop, and not in the middle of anything.
    fn answered(&self, answered: &Answered<'_>) {
        let _ = answered;
    }

    /// The server has done everything that follows from what it heard, from a link that came up, or from a connection
    /// that ended.
    fn done(&self) {}
}

/// An observer that notes nothing.
impl Watch for () {}

/// Several observers of one server, which come and go. While there is none, an event costs a look at an empty list.
///
/// The list must not change while an observer takes a note.
#[derive(Default)]
pub struct Observers(RefCell<Vec<Rc<dyn Watch>>>);

impl Observers {
    /// From now on, this one observes too.
    pub fn add(&self, observer: Rc<dyn Watch>) {
        self.0.borrow_mut().push(observer);
    }

    /// This one observes no more.
    pub fn remove(&self, observer: &Rc<dyn Watch>) {
        self.0.borrow_mut().retain(|other| !std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(observer)));
    }

    #[inline]
    fn each(&self, tell: impl Fn(&dyn Watch)) {
        self.0.borrow().iter().for_each(|observer| tell(&**observer));
    }
}

impl Watch for Observers {
    fn heard(&self, at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        self.each(|observer| observer.heard(at, line, from, verdict));
    }

    fn heard_forgot(&self, forgot: &Forgot<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        self.each(|observer| observer.heard_forgot(forgot, line, from, verdict));
    }

    fn offered(&self, at: &At<'_>, line: &[u8]) {
        self.each(|observer| observer.offered(at, line));
    }

    fn looked_up(&self, client: &[u8], line: Option<&[u8]>) {
        self.each(|observer| observer.looked_up(client, line));
    }

    fn stored(&self, at: &At<'_>, line: &[u8], is_news: bool) {
        self.each(|observer| observer.stored(at, line, is_news));
    }

    fn moved(&self, known: &Known) {
        self.each(|observer| observer.moved(known));
    }

    fn forgot(&self, known: &Known) {
        self.each(|observer| observer.forgot(known));
    }

    fn told(&self, neighbor: NeighborId, line: &[u8]) {
        self.each(|observer| observer.told(neighbor, line));
    }

    fn looked_at(&self, neighbor: NeighborId, clients: usize) {
        self.each(|observer| observer.looked_at(neighbor, clients));
    }

    fn linked(&self, neighbor: NeighborId) {
        self.each(|observer| observer.linked(neighbor));
    }

    fn told_back(&self, neighbor: NeighborId) {
        self.each(|observer| observer.told_back(neighbor));
    }

    fn refused(&self, line: &[u8], peer: Option<IpAddr>, why: &dyn fmt::Display) {
        self.each(|observer| observer.refused(line, peer, why));
    }

    fn answered(&self, answered: &Answered<'_>) {
        self.each(|observer| observer.answered(answered));
    }

    fn done(&self) {
        self.each(|observer| observer.done());
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[derive(Default)]
    struct Counting(Cell<u32>);

    impl Watch for Counting {
        fn done(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn observers_come_and_go() {
        let (observers, one, other) = (Observers::default(), Rc::<Counting>::default(), Rc::<Counting>::default());
        observers.done();
        let as_watch = |counting: &Rc<Counting>| -> Rc<dyn Watch> { counting.clone() };
        observers.add(as_watch(&one));
        observers.done();
        observers.add(as_watch(&other));
        observers.done();
        observers.remove(&as_watch(&one));
        observers.done();
        assert_eq!((one.0.get(), other.0.get()), (2, 2));
    }
}
