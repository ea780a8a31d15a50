//! [`send_file`]: a file, read in a thread and written as fast as the peer reads.
//!
//! ```text
//!   thread    read 64 KiB          read 64 KiB
//!                 |    ^               |
//!   loop          +--> write, not full +--> write, full: wait until everything has gone out, then read on
//! ```
//!
//! Next: `../sim/mod.rs`, a simulated network below all this.

use super::SendingStopped;
use crate::event_loop::WeakReactor;
use crate::foreign::Foreign;
use crate::transport::HIGH_WATER;
use crate::{Deferred, Failure, Firer, Producer, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::rc::{Rc, Weak};

/// The size of a piece. A thread is asked for each: small pieces would cost more than the reading.
const PIECE: usize = 64 * 1024;

/// Reads `source` to its end and writes it to `transport`, as fast as the peer reads. At most two pieces of 64 KiB are
/// in memory, besides what waits to be sent.
///
/// The reading is done in a thread, piece by piece ([`Reactor::defer_to_thread`]). Twisted's `FileSender` reads in the
/// loop, which is faster for a file that the system has in memory, and holds everybody up for a disk or a network share
/// that is slow.
///
/// The Deferred fires with the number of bytes when the last of them have been written. It fails with
/// [`SendingStopped`] if the connection ends before, with a [`std::io::Error`] if the source cannot be read, and with a
/// [`ThreadError`](crate::error::ThreadError) if there is no thread for it. In the latter two cases what was read so
/// far has been written, and the connection is open. Cancelling it writes no more; a read that is under way still ends.
///
/// Takes the place of the transport's [producer](Transport::register_producer) until it is done.
///
/// ```
/// use reactor::{Protocol, Reactor, Transport, producers};
/// use std::fs::File;
///
/// struct Download(Reactor);
/// impl Protocol for Download {
///     fn connection_made(&mut self, transport: &Transport) {
///         let Ok(file) = File::open("Cargo.toml") else { return transport.lose_connection() };
///         let done = transport.clone();
///         producers::send_file(&self.0, file, transport).add_both(move |_| done.lose_connection()).detach();
///     }
///     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
/// }
/// ```
#[track_caller]
pub fn send_file(reactor: &Reactor, source: impl Read + Send + 'static, transport: &Transport) -> Deferred<u64> {
    // The transport alone holds the sender, so this is the end of it.
    let quit = transport.clone();
    let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| quit.unregister_producer());
    let file = Rc::new_cyclic(|this| Sender {
        this: this.clone(),
        reactor: reactor.weak(),
        transport: transport.clone(),
        source: RefCell::new(Some(Foreign::new(source))),
        written: Cell::new(0),
        is_paused: Cell::new(false),
        firer: RefCell::new(Some(Foreign::new(firer))),
    });
    transport.register_producer(file.clone());
    file.read_on();
    deferred
}

/// The transport holds it, as its producer; a read that is under way holds it weakly.
struct Sender<S: Send + 'static> {
    this: Weak<Sender<S>>,
    reactor: WeakReactor,
    transport: Transport,
    /// `None` while a thread reads from it, and when it is over.
    source: RefCell<Option<Foreign<S>>>,
    written: Cell<u64>,
    is_paused: Cell<bool>,
    /// `None` when it is over.
    firer: RefCell<Option<Foreign<Firer<u64>>>>,
}

impl<S: Read + Send + 'static> Sender<S> {
    /// Gives the transport back. Returns the end of the Deferred, if it was not over before.
    fn end(&self) -> Option<Foreign<Firer<u64>>> {
        let firer = self.firer.take()?;
        drop(self.source.take());
        self.transport.unregister_producer();
        Some(firer)
    }

    /// Reads the next piece, unless one is being read, or the transport is full.
    fn read_on(&self) {
        let is_full = self.is_paused.get() || self.transport.buffered() > HIGH_WATER;
        if is_full || self.firer.borrow().is_none() {
            return; // A full transport resumes us when everything has gone out.
        }
        let (Some(reactor), Some(source)) = (self.reactor.upgrade(), self.source.take()) else { return };
        let this = self.this.clone();
        let mut source = source.into_inner();
        reactor
            .defer_to_thread(move || {
                let mut piece = Vec::with_capacity(PIECE);
                let read = source.by_ref().take(PIECE as u64).read_to_end(&mut piece);
                read.map(|_| (source, piece))
            })
            .add_both(move |result| {
                if let Some(me) = this.upgrade() {
                    me.have_read(result);
                }
            })
            .detach();
    }

    fn have_read(&self, result: Result<(S, Vec<u8>), Failure>) {
        if self.firer.borrow().is_none() {
            return; // The connection has ended meanwhile.
        }
        match result {
            Ok((_, piece)) if piece.is_empty() => {
                if let Some(firer) = self.end() {
                    let _ = firer.callback(self.written.get()); // It was not cancelled.
                }
            }
            Ok((source, piece)) => {
                self.source.replace(Some(Foreign::new(source)));
                self.transport.write(&piece);
                self.written.set(self.written.get() + piece.len() as u64);
                self.read_on();
            }
            Err(failure) => {
                if let Some(firer) = self.end() {
                    let _ = firer.errback(failure);
                }
            }
        }
    }
}

impl<S: Read + Send + 'static> Producer for Sender<S> {
    fn pause_producing(&self) {
        self.is_paused.set(true);
    }

    fn resume_producing(&self) {
        self.is_paused.set(false);
        self.read_on();
    }

    fn stop_producing(&self) {
        if let Some(firer) = self.end() {
            let _ = firer.errback(SendingStopped { written: self.written.get() });
        }
    }
}
