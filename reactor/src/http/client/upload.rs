//! [`Upload`]: a request on its way into the transport, its body in pieces. A body may be larger than the limit on what
//! a transport holds, so the next piece is written when the pieces before it have left.
//!
//! Next: `delivery.rs`, what becomes of the body that comes back.

use crate::transport::HIGH_WATER;
use crate::{Producer, Transport};
use std::cell::Cell;
use std::rc::Rc;

/// Maximum bytes of a request's body in one write.
const MAX_PIECE: usize = 64 * 1024;

/// How much of a request has been handed to the transport.
pub(super) struct Upload {
    /// Bytes of the body.
    written: Cell<usize>,
    state: Cell<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Writing,
    /// Too many bytes wait to be sent. A producer is registered, and the transport calls it when there is room.
    Held,
    Done,
}

impl Upload {
    pub(super) fn new() -> Upload {
        Upload { written: Cell::new(0), state: Cell::new(State::Writing) }
    }

    /// Whether all of the request has been handed to the transport.
    pub(super) fn is_done(&self) -> bool {
        self.state.get() == State::Done
    }

    /// Writes the head and the first piece of the body, from the beginning even if another connection has had some of
    /// it. Both go in one write, so that a small request leaves in one packet.
    pub(super) fn begin(&self, head: Vec<u8>, body: &[u8], transport: &Transport) {
        let mut bytes = head;
        let first = body.len().min(MAX_PIECE);
        bytes.extend_from_slice(&body[..first]);
        self.written.set(first);
        self.state.set(State::Writing);
        transport.write(&bytes);
    }

    /// Writes more of the body until too many bytes wait to be sent; true if that was all of it. If there is more,
    /// `producer` is registered with the transport, and must call this again when it is resumed.
    pub(super) fn continue_writing(
        &self,
        body: &[u8],
        transport: &Transport,
        producer: impl FnOnce() -> Rc<dyn Producer>,
    ) -> bool {
        while transport.buffered() <= HIGH_WATER {
            let rest = &body[self.written.get()..];
            if rest.is_empty() {
                if self.state.replace(State::Done) == State::Held {
                    transport.unregister_producer();
                }
                return true;
            }
            let piece = &rest[..rest.len().min(MAX_PIECE)];
            transport.write(piece);
            self.written.set(self.written.get() + piece.len());
        }
        if self.state.replace(State::Held) != State::Held {
            transport.register_producer(producer());
        }
        false
    }
}
