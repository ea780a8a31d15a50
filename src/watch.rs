//! [`Watch`]: an observer of one server. It sees every AT that the server hears and tells. The servers that ship have
//! one that tells the programs of an operator ([`crate::control`]); the simulated herd (`src/bin/herdsim`) keeps its
//! books with one.
//!
//! Next: [`places/mod.rs`](mod@crate::places), where the answers to WHATSAT come from.

use crate::locations::{Known, NeighborId, Verdict};
use crate::message::{At, Forgot};

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

    /// The server has done everything that follows from what it heard, from a link that came up, or from a connection
    /// that ended.
    fn done(&self) {}
}

/// An observer that notes nothing.
impl Watch for () {}
