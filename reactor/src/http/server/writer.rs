//! [`BodyWriter`]: writes the body of a response piece by piece.
//!
//! ```text
//!   Waiting (the response has not gone out) --> Open --(finish)--> Gone
//!      +------(dropped, too much written)---------+---(dropped: broken off)--> Gone
//! ```
//!
//! Next: `shared.rs`, what all connections share.

use crate::transport::HIGH_WATER;
use crate::{Deferred, Firer, Producer, Transport};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::rc::{Rc, Weak};

/// Maximum bytes that are written before the response goes out, besides the first event of a stream of events: it may
/// wait for the rest of its request. More is a mistake of the program, and breaks the response off.
const MAX_WAITING: usize = 1024 * 1024;

/// How the client finds the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamFraming {
    Chunked,
    /// HTTP/1.0 has no chunks.
    UntilClose,
    /// The response has no body, as the request was HEAD.
    Nothing,
}

/// What a stream belongs to: its connection, as the stream sees it.
pub(super) trait StreamOwner {
    /// The body is complete.
    fn stream_finished(&self);
    /// The body will never be complete: the connection must not look as if it were.
    fn stream_broken(&self);
    /// A peer of events does not read them.
    fn stream_too_slow(&self);
}

/// The body that a writer writes, as its connection sees it.
pub(super) struct Stream {
    state: RefCell<State>,
    is_events: bool,
    when_gone: RefCell<Vec<Firer<()>>>,
    /// Something was written since the connection last asked.
    is_fresh: Cell<bool>,
}

enum State {
    Waiting {
        written: Vec<u8>,
        /// Maximum bytes that may be written.
        max: usize,
        is_finished: bool,
        producer: Option<Rc<dyn Producer>>,
    },
    Open {
        transport: Transport,
        framing: StreamFraming,
        /// Maximum bytes that may wait to be sent, if it is a stream of events.
        max_backlog: usize,
        owner: Weak<dyn StreamOwner>,
    },
    Gone,
}

/// A stream as a response holds it. A response that is dropped and not sent will never be, and its writer hears of it.
pub(super) struct StreamToSend(Rc<Stream>);

impl Deref for StreamToSend {
    type Target = Rc<Stream>;
    fn deref(&self) -> &Rc<Stream> {
        &self.0
    }
}

impl Drop for StreamToSend {
    fn drop(&mut self) {
        let is_waiting = matches!(*self.0.state.borrow(), State::Waiting { .. });
        if is_waiting {
            self.0.gone();
        }
    }
}

/// What stands at the beginning of a stream, when its response goes out.
pub(super) enum Beginning {
    /// All of it.
    Whole(Vec<u8>),
    /// What has been written so far.
    Part(Vec<u8>),
    /// It was broken off.
    Broken,
}

impl Stream {
    pub(super) fn is_events(&self) -> bool {
        self.is_events
    }

    /// What has been written so far.
    pub(super) fn take_beginning(&self) -> Beginning {
        match &mut *self.state.borrow_mut() {
            State::Waiting { written, is_finished: true, .. } => Beginning::Whole(std::mem::take(written)),
            State::Waiting { written, .. } => Beginning::Part(std::mem::take(written)),
            State::Open { .. } | State::Gone => Beginning::Broken,
        }
    }

    /// The response has gone out; from here on, writes go to `transport`.
    pub(super) fn open(
        &self,
        transport: &Transport,
        framing: StreamFraming,
        max_backlog: usize,
        owner: Weak<dyn StreamOwner>,
    ) {
        let open = State::Open { transport: transport.clone(), framing, max_backlog, owner };
        if let State::Waiting { producer: Some(producer), .. } = self.state.replace(open) {
            transport.register_producer(producer);
        }
    }

    /// Writes to the stream, or to the bytes that wait for its response. It calls nobody back.
    pub(super) fn write(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.is_fresh.set(true);
        let state = &mut *self.state.borrow_mut();
        match state {
            State::Waiting { written, max, is_finished: false, .. } => {
                if written.len() + data.len() > *max {
                    log::warn!(target: "reactor", "more than {max} bytes were written to a waiting response");
                    *state = State::Gone;
                    return;
                }
                written.extend_from_slice(data);
            }
            State::Open { transport, framing, max_backlog, owner } => {
                match framing {
                    StreamFraming::Nothing => {}
                    StreamFraming::UntilClose => transport.write(data),
                    StreamFraming::Chunked => write_chunk(transport, data),
                }
                if self.is_events
                    && transport.buffered() > *max_backlog
                    && let Some(owner) = owner.upgrade()
                {
                    owner.stream_too_slow();
                }
            }
            State::Waiting { .. } | State::Gone => {}
        }
    }

    /// What stands before everything else. It may be of any size: the program has it whole already.
    pub(super) fn begin_with(&self, first: Vec<u8>) {
        let max = MAX_WAITING + first.len();
        *self.state.borrow_mut() = State::Waiting { written: first, max, is_finished: false, producer: None };
    }

    /// Whether something was written since the last call.
    pub(super) fn take_fresh(&self) -> bool {
        self.is_fresh.take()
    }

    /// Ends the body. If its response has not gone out, it will go out whole.
    pub(super) fn finish(&self) {
        let (transport, framing, owner) = match &mut *self.state.borrow_mut() {
            State::Waiting { is_finished, .. } => {
                *is_finished = true;
                return;
            }
            State::Gone => return,
            State::Open { transport, framing, owner, .. } => (transport.clone(), *framing, owner.upgrade()),
        };
        drop(self.state.replace(State::Gone));
        if framing == StreamFraming::Chunked {
            transport.write(b"0\r\n\r\n");
        }
        transport.unregister_producer();
        if let Some(owner) = owner {
            owner.stream_finished();
        }
    }

    /// The writer was dropped before it finished.
    fn abandon(&self) {
        let old = match &*self.state.borrow() {
            State::Waiting { is_finished: true, .. } => return,
            State::Open { owner, .. } => owner.upgrade(),
            State::Waiting { .. } | State::Gone => None,
        };
        drop(self.state.replace(State::Gone));
        if let Some(owner) = old {
            owner.stream_broken();
        }
    }

    /// The connection is gone, or needs no more of the body: tells everybody who asked.
    pub(super) fn gone(&self) {
        drop(self.state.replace(State::Gone));
        for firer in self.when_gone.take() {
            let _ = firer.callback(());
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(*self.state.borrow(), State::Gone)
    }

    pub(super) fn tell_when_gone(&self, firer: Firer<()>) {
        self.when_gone.borrow_mut().push(firer);
    }
}

fn write_chunk(transport: &Transport, data: &[u8]) {
    let mut size = [0; 18];
    let size = chunk_head(&mut size, data.len());
    transport.write_vectored(&[size, data, b"\r\n"]);
}

/// The size of a chunk in hexadecimal digits, with its CR LF.
pub(super) fn chunk_head(room: &mut [u8; 18], size: usize) -> &[u8] {
    room[16..].copy_from_slice(b"\r\n");
    let (mut at, mut left) = (16, size);
    loop {
        at -= 1;
        room[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
        if left == 0 {
            return &room[at..];
        }
    }
}

/// Writes the body of a response: see [`Response::stream`](super::Response::stream).
///
/// Dropping it without [`finish`](BodyWriter::finish) breaks the response off: the client learns that it is not whole.
/// If the connection ends first, what is written is dropped.
///
/// For back-pressure, register a producer. Without one, the hard limit of the transport is the end of a peer that does
/// not read.
pub struct BodyWriter(Rc<Stream>);

impl BodyWriter {
    pub(super) fn new(is_events: bool) -> BodyWriter {
        let state = State::Waiting { written: Vec::new(), max: MAX_WAITING, is_finished: false, producer: None };
        BodyWriter(Rc::new(Stream {
            state: RefCell::new(state),
            is_events,
            when_gone: RefCell::default(),
            is_fresh: Cell::new(false),
        }))
    }

    pub(super) fn stream(&self) -> Rc<Stream> {
        self.0.clone()
    }

    pub(super) fn to_send(&self) -> StreamToSend {
        StreamToSend(self.0.clone())
    }

    /// Sends `data` after what was written before. Each write is a chunk.
    pub fn write(&self, data: &[u8]) {
        self.0.write(data);
    }

    /// The body is complete.
    pub fn finish(self) {
        self.0.finish();
    }

    /// Registers the producer that writes the body: it is paused while too many bytes wait to be sent. It is forgotten
    /// when the body is finished. See [`Transport::register_producer`].
    pub fn register_producer(&self, producer: impl Producer + 'static) {
        match &mut *self.0.state.borrow_mut() {
            State::Waiting { producer: slot, .. } => *slot = Some(Rc::new(producer)),
            State::Open { transport, .. } => transport.register_producer(producer),
            State::Gone => {}
        }
    }

    /// Whether the bytes that wait to be sent are enough to pause a producer.
    pub fn is_full(&self) -> bool {
        match &*self.0.state.borrow() {
            State::Waiting { written, .. } => written.len() > HIGH_WATER,
            State::Open { transport, .. } => transport.buffered() > HIGH_WATER,
            State::Gone => false,
        }
    }

    /// Whether nothing that is written can arrive any more.
    pub fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    /// Fires when the connection is gone, or needs no more of this body. Twisted's `request.notifyFinish`.
    #[track_caller]
    pub fn when_gone(&self) -> Deferred<()> {
        let (deferred, firer) = Deferred::new();
        match self.is_gone() {
            true => drop(firer.callback(())),
            false => self.0.tell_when_gone(firer),
        }
        deferred
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyWriter(gone: {})", self.is_gone())
    }
}
