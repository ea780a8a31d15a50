//! A neighbor compares its table with ours: see [`crate::digest`].
//!
//! Next: `../replies.rs`, what a connection is owed.

use super::{HerdProtocol, Refusal};
use crate::digest::{CHILDREN, Node};
use crate::links::PING_LINE;
use reactor::LineTransport;
use std::fmt::Write;

impl HerdProtocol {
    /// Answers a DIGEST: the sums of the children of a node. Only a neighbor that has said PEER may ask.
    pub(super) fn digest(&self, transport: &LineTransport, node: Node) -> Result<(), Refusal> {
        self.neighbor()?.ok_or(Refusal::NotFromANeighbor)?;
        let Some(replies) = &self.replies else { return Ok(()) };
        if let Some(sums) = self.server.comparing().sums(node) {
            self.reply(&answer(node, &sums));
            return Ok(());
        }
        // The neighbor would take us for a server that knows no DIGEST if it heard nothing.
        transport.write(PING_LINE);
        let (ticket, filled) = (replies.reserve(), replies.clone());
        let sent =
            self.server.comparing().sums_later(node).add_callback(move |sums| filled.fill(ticket, answer(node, &sums)));
        replies.attach(ticket, sent);
        Ok(())
    }
}

/// The line, with its end.
fn answer(node: Node, sums: &[u64; CHILDREN]) -> Vec<u8> {
    let mut line = format!("DIGEST {node}");
    for sum in sums {
        let _ = write!(line, " {sum:016x}"); // Writing to a String cannot fail.
    }
    line.push('\n');
    line.into_bytes()
}
