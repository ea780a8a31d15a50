//! [`send_bytes`]: bytes in memory, written piece by piece: a pull producer.
//!
//! Next: `send_file.rs`, the same for a file.

use super::SendingStopped;
use crate::foreign::Foreign;
use crate::{Deferred, Firer, Producer, Transport};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The size of a piece, as in Twisted's `FileSender`.
const PIECE: usize = 16 * 1024;

/// Writes `bytes` to `transport`, a piece whenever the last one has gone out. They are in memory once, however slowly
/// the peer reads, and however many connections send the same bytes: an `Rc<[u8]>` is not copied.
///
/// The Deferred fires with the number of bytes when the last piece has been written. It fails with [`SendingStopped`]
/// if the connection ends before. Cancelling it writes no more.
///
/// Takes the place of the transport's [producer](Transport::register_producer) until it is done.
///
/// ```
/// use reactor::{producers, testing::StringTransport};
///
/// let wire = StringTransport::new();
/// let sent = producers::send_bytes(&wire.transport(), &b"all of it"[..]);
/// while let Some(producer) = wire.producer() {
///     producer.resume_producing(); // As the loop does when everything has gone out.
/// }
/// assert_eq!((wire.written(), sent.result()), (b"all of it".to_vec(), Some(9)));
/// ```
#[track_caller]
pub fn send_bytes(transport: &Transport, bytes: impl Into<Rc<[u8]>>) -> Deferred<u64> {
    let quit = transport.clone();
    let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| quit.unregister_producer());
    let sender = Bytes {
        transport: transport.clone(),
        bytes: RefCell::new(Some(bytes.into())),
        written: Cell::new(0),
        firer: RefCell::new(Some(Foreign::new(firer))),
    };
    transport.register_producer(sender);
    deferred
}

struct Bytes {
    transport: Transport,
    /// `None` when it is over.
    bytes: RefCell<Option<Rc<[u8]>>>,
    written: Cell<usize>,
    firer: RefCell<Option<Foreign<Firer<u64>>>>,
}

impl Producer for Bytes {
    fn is_pull(&self) -> bool {
        true
    }

    fn pause_producing(&self) {}

    fn resume_producing(&self) {
        let Some(bytes) = self.bytes.borrow().clone() else { return };
        let rest = &bytes[self.written.get()..];
        let piece = &rest[..rest.len().min(PIECE)];
        self.transport.write(piece);
        self.written.set(self.written.get() + piece.len());
        if piece.len() == rest.len() {
            self.bytes.take();
            self.transport.unregister_producer();
            if let Some(firer) = self.firer.take() {
                let _ = firer.callback(self.written.get() as u64); // If it was cancelled, this has no effect.
            }
        }
    }

    fn stop_producing(&self) {
        self.bytes.take();
        if let Some(firer) = self.firer.take() {
            let _ = firer.errback(SendingStopped { written: self.written.get() as u64 });
        }
    }
}
