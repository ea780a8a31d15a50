//! [`Lingering`]: what is left of a connection that we closed before its peer did, until the last bytes are safe.
//!
//! A system that is told to close a socket with unread bytes does not close it in an orderly way: it sends a reset, and
//! throws away what it has not sent yet. The same happens if bytes arrive later. So the peer may lose our last bytes
//! although we closed in an orderly way. Web servers know the cure as a lingering close: end our side only, read and
//! drop what comes, and close when the peer has closed. Bytes and time have limits.
//!
//! The program does not see it: its protocol has heard `connection_lost`, and is gone.
//!
//! Next: `outgoing.rs`, the bytes that wait to be sent.

use crate::DelayedCall;
use crate::driver::{Stream, Token};
use crate::event_loop::Core;
use crate::event_loop::registry::Source;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

/// Maximum number of bytes that are read and dropped. A peer that sends more does not listen, and is reset.
const MAX_DROPPED_BYTES: usize = 1024 * 1024;

/// Maximum number of sockets of a reactor that linger at a time. Beyond it connections are closed at once, so that
/// peers that never close cannot use up the descriptors.
const MAX_LINGERING: usize = 1024;

pub(in crate::event_loop) struct Lingering {
    token: Token,
    /// `None` once it is closed.
    stream: RefCell<Option<Box<dyn Stream>>>,
    /// How many bytes may still be dropped.
    left: Cell<usize>,
    limit: Cell<Option<DelayedCall>>,
}

/// What a closing connection knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knowledge {
    /// Unread bytes are sure to come. Otherwise the socket lingers only if some are there already.
    pub(super) expects_more: bool,
    /// The end of our side has been sent.
    pub(super) has_ended: bool,
}

enum Drained {
    /// Nothing was there.
    Nothing,
    Bytes,
    /// The peer has closed or is gone, or the limit is reached: there is nothing to wait for.
    Over,
}

impl Lingering {
    /// Lets the socket of a closed connection linger under `token`, if that is needed; closes it otherwise.
    pub(super) fn begin(core: &Core, token: Token, mut stream: Box<dyn Stream>, knowledge: Knowledge) {
        let left = Cell::new(MAX_DROPPED_BYTES);
        // Before our side ends: most sockets have nothing unread, and are closed without another system call.
        let needed = match drain(core, &mut *stream, &left) {
            Drained::Nothing => knowledge.expects_more,
            Drained::Bytes => true,
            Drained::Over => false,
        };
        let is_possible = core.work.lingering_count.get() < MAX_LINGERING;
        if !needed || !is_possible || (!knowledge.has_ended && stream.shutdown_write().is_err()) {
            core.registry.borrow_mut().remove(token);
            return; // The drop closes it.
        }
        let lingering = Rc::new(Lingering { token, stream: RefCell::new(Some(stream)), left, limit: Cell::new(None) });
        let (this, reactor) = (Rc::downgrade(&lingering), core.weak());
        let action = move || {
            if let (Some(lingering), Some(core)) = (this.upgrade(), reactor.core()) {
                lingering.close(&core);
            }
        };
        lingering.limit.set(Some(core.work.timers.call_later(core.work.settings.linger_timeout, action)));
        core.work.lingering_count.set(core.work.lingering_count.get() + 1);
        core.registry.borrow_mut().replace(token, Source::Lingering(lingering));
    }

    /// The driver has news of it.
    pub(in crate::event_loop) fn ready(&self, core: &Core) {
        let drained = match &mut *self.stream.borrow_mut() {
            Some(stream) => drain(core, &mut **stream, &self.left),
            None => return,
        };
        if matches!(drained, Drained::Over) {
            self.close(core);
        }
    }

    /// Waits no longer.
    pub(in crate::event_loop) fn close(&self, core: &Core) {
        if self.stream.take().is_some() {
            core.registry.borrow_mut().remove(self.token);
            core.work.lingering_count.set(core.work.lingering_count.get() - 1);
        }
        if let Some(limit) = self.limit.take() {
            limit.cancel();
        }
    }

    /// Drops what it holds: the loop is gone.
    pub(in crate::event_loop) fn forget(&self) {
        self.stream.take();
    }
}

/// Reads and drops what has come. It reads until nothing is there, as the driver does not report that again; the limit
/// on bytes bounds it.
fn drain(core: &Core, stream: &mut dyn Stream, left: &Cell<usize>) -> Drained {
    let mut buffer = core.take_buffer();
    let mut drained = Drained::Nothing;
    loop {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) if count < left.get() => {
                left.set(left.get() - count);
                drained = Drained::Bytes;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                drained = Drained::Over;
                break;
            }
        }
    }
    core.give_buffer(buffer);
    drained
}
