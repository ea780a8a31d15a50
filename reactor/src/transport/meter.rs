//! [`Meter`]: what decides how many bytes a connection reads and writes.
//!
//! Next: `write_limit.rs`, how much a peer may leave waiting.

/// Says how many bytes a connection may read from the system and write to it: see
/// [`Transport::add_meter`](super::Transport::add_meter).
///
/// The loop calls these methods between callbacks, never from inside a request.
pub trait Meter {
    /// How many of `wanted` bytes may go now. If it is 0, the connection waits in this direction, until
    /// [`Transport::meter_refilled`](super::Transport::meter_refilled).
    fn room(&self, direction: Direction, wanted: usize) -> usize;
    /// Takes note of bytes that have gone: no more than the last answer of `room`, except on standard output, which
    /// reports them late.
    fn used(&self, direction: Direction, bytes: usize);
}

/// One of the two directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}
