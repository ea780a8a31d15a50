//! [`Watch`]: somebody who looks on while a server hears and tells. Nobody does where the program ships; the simulated
//! herd (`src/bin/herdsim`) keeps its books with it.

use crate::locations::{NeighborId, Verdict};
use crate::message::At;

/// Where an AT came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client, as an IAMAT.
    Client,
    /// This neighbour.
    Neighbor(NeighborId),
    /// A server that has not said which one it is.
    Unnamed,
}

/// Somebody who looks on at one server. It only looks: it is called in the middle of the server's work.
pub trait Watch {
    /// The server has heard an AT, and decided about it; what follows from that comes next.
    fn heard(&self, at: &At<'_>, line: &[u8], from: Source, verdict: &Verdict);

    /// It writes this AT line to a neighbour.
    fn told(&self, neighbor: NeighborId, line: &[u8]);

    /// Its link to a neighbour has come up: the neighbour will be told about every client.
    fn linked(&self, neighbor: NeighborId);

    /// A neighbour may be another one by now: it will be told about the clients of which it had told us.
    fn told_back(&self, neighbor: NeighborId);

    /// It has done all that follows from what it heard, or from a link that came up, or from a connection that ended.
    fn done(&self) {}
}
