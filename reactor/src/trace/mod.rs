//! [`Trace`]: everything that happens in a reactor, as one stream of typed events, for tools that draw it.
//!
//! One line turns it on:
//!
//! ```
//! use reactor::trace::{Trace, TraceFile};
//! use reactor::{Reactor, Settings};
//!
//! let path = std::env::temp_dir().join(format!("trace-{}.jsonl", std::process::id()));
//! let reactor = Reactor::traced(Trace::new(TraceFile::create(&path)?), Settings::default())?;
//! reactor.iterate(std::time::Duration::ZERO)?;
//! # drop(reactor);
//! let text = std::fs::read_to_string(&path)?;
//! assert!(text.starts_with(r#"{"seq":0,"#) && text.contains(r#""kind":"trace","schema":1,"#));
//! # std::fs::remove_file(path)?;
//! # Ok::<(), reactor::Failure>(())
//! ```
//!
//! A program that nobody may change gets it from outside: `REACTOR_TRACE=FILE` (see [`VARIABLE`]). The schema of the
//! lines is in `docs/trace.md`.
//!
//! ```text
//!   turn.rs, connection/, timers.rs  --+
//!   deferred/                        --+
//!   driver/tracing.rs, around a driver-+--> Scope --> Trace --> Observer:  TraceFile | Ring | your own
//!   sim/, what the network does      --+    turn,     number,
//!                                           phase     time, secrets
//! ```
//!
//! The loop knows a trait: an [`Observer`] takes the events. What becomes of them, files and rings and JSON, the loop
//! does not know.
//!
//! **Absent, it costs a branch** at each point where something happens. The calls to the system cost nothing: the
//! decorator that reports them (`driver/tracing.rs`) is there only with a trace.
//!
//! **An observer must not call the reactor**, nor anything of it. What happens inside an observer is not reported. A
//! panic in one ends the trace, and nothing else.
//!
//! Next: [`event.rs`](../../src/reactor/trace/event.rs.html), what is reported.

mod call;
mod current;
mod deferreds;
mod environment;
mod event;
mod file;
mod json;
mod json_deferreds;
mod masked;
mod order;
mod ring;
mod scope;
mod secrets;
mod seen;

pub use call::{Bytes, Call, Outcome};
pub use current::name_next;
pub(crate) use current::{
    Entered, attach, enter_step, from_environment, is_on, leave_step, new_step, report, report_unhandled, see,
    take_name,
};
pub use deferreds::{DeferredEvent, DeferredKind, Shown, Side};
pub use environment::{MAX_FILES, VARIABLE, VARIABLE_OF_BYTES, VARIABLE_OF_VALUES};
pub use event::{Callback, CallbackEnded, CallbackKind, Event, Kind, Network, Phase, WaitsFor};
pub use file::{DEFAULT_MAX_FILE, TraceFile};
pub use json::SCHEMA;
pub use ring::{MAX_LINE, Ring, RingReader};
pub(crate) use scope::Scope;
pub use seen::MAX_VALUE;

use crate::Failure;
use crate::diagnostics::tell;
use crate::foreign::contain;
use masked::with_masked;
use secrets::Secrets;
use seen::{Seen, Shows};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// How many bytes of a read or a write an event has, unless [`Trace::max_bytes`] says otherwise.
pub const DEFAULT_MAX_BYTES: usize = 64;

/// Takes the events of a trace. Every closure that takes an event is one.
pub trait Observer {
    /// Something has happened. It must not call the reactor.
    fn event(&mut self, event: &Event<'_>);

    /// The loop is about to wait: what is buffered should go out, so that a person can follow the trace.
    fn flush(&mut self) {}
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// A stream of events, and the observer that takes them. Cheap to clone: the reactors of a simulated world share one.
#[derive(Clone)]
pub struct Trace(Rc<Shared>);

struct Shared {
    /// The number of the next event.
    next: Cell<u64>,
    /// `None` after it has panicked.
    observer: RefCell<Option<Box<dyn Observer>>>,
    max_bytes: Cell<usize>,
    secrets: RefCell<Secrets>,
    shows: RefCell<Shows>,
}

impl Trace {
    /// A trace that `observer` takes: a [`TraceFile`], a [`Ring`], a closure.
    pub fn new(observer: impl Observer + 'static) -> Trace {
        Trace(Rc::new(Shared {
            next: Cell::new(0),
            observer: RefCell::new(Some(Box::new(observer))),
            max_bytes: Cell::new(DEFAULT_MAX_BYTES),
            secrets: RefCell::default(),
            shows: RefCell::default(),
        }))
    }

    /// Sets the maximum number of bytes of a read or a write that an event has. With 0 they are left out: only their
    /// number stands there.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Trace {
        self.0.max_bytes.set(bytes);
        self
    }

    /// Masks `secret` from now on, such as a key or a password: its bytes appear as `*` in the bytes of reads and
    /// writes, also where the network has cut it in pieces, and in every text: values, errors, names, addresses. In a
    /// list of bytes they appear as 42, the number of `*`. An empty one masks nothing.
    ///
    /// It finds these very bytes. A secret that is sent compressed, or with some bytes escaped, must be masked in that
    /// form as well, or the bytes left out.
    pub fn mask(&self, secret: &[u8]) {
        self.0.secrets.borrow_mut().add(secret);
    }

    /// Shows the values that callbacks of Deferreds get and give back, if they are of a usual type of the standard
    /// library: numbers, texts, times, addresses, and lists of these. Without this, only their types are shown. (The
    /// errors of failures are always shown in words, as in a log.)
    #[must_use]
    pub fn show_values(self) -> Trace {
        self.0.shows.borrow_mut().add_usual();
        self
    }

    /// Shows the values of `T`, too; and of `Option<T>`, `Vec<T>`, and what lists and races make of a `T`.
    ///
    /// ```
    /// use reactor::Deferred;
    /// use reactor::trace::{Ring, Trace};
    ///
    /// #[derive(Debug)]
    /// struct Page(u32);
    ///
    /// let (ring, reader) = Ring::new(100);
    /// Trace::new(ring).show::<Page>().during(|| {
    ///     let (page, firer) = Deferred::new();
    ///     let read = page.add_callback(|Page(number)| Ok(number));
    ///     firer.callback(Page(7)).unwrap();
    ///     assert_eq!(read.result(), Some(7));
    /// });
    /// assert!(reader.lines().iter().any(|line| line.contains(r#""value":"Page(7)""#)));
    /// ```
    #[must_use]
    pub fn show<T: fmt::Debug + 'static>(self) -> Trace {
        self.0.shows.borrow_mut().add::<T>();
        self
    }

    /// What is shown of a result. Secrets are masked.
    fn see<U: 'static>(&self, result: &Result<U, Failure>) -> Seen {
        let ahead = self.0.secrets.borrow().longest_in_text();
        Seen::of(result, &self.0.shows.borrow(), ahead, |text| self.masked_text(text))
    }

    fn see_failure(&self, failure: &Failure) -> Seen {
        let ahead = self.0.secrets.borrow().longest_in_text();
        Seen::of_failure(failure, ahead, |text| self.masked_text(text))
    }

    fn masked_text(&self, text: &str) -> String {
        self.0.secrets.borrow().mask_text(text)
    }

    /// The whole secrets in `words` masked; `None` if there is none.
    #[cfg(feature = "sim")]
    pub(crate) fn masked_words(&self, words: &str) -> Option<String> {
        self.0.secrets.borrow().mask_whole(words)
    }

    /// Number of events so far.
    pub fn event_count(&self) -> u64 {
        self.0.next.get()
    }

    /// Number of bytes of a read or a write that an event has at most.
    fn max_bytes_shown(&self) -> usize {
        self.0.max_bytes.get()
    }

    /// The secrets in `bytes` masked.
    fn masked<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.0.secrets.borrow().mask(bytes)
    }

    /// Numbers an event, and gives it to the observer.
    fn send(&self, event: &mut Event<'_>) {
        // It fails inside an observer: its own doings are not reported.
        let Ok(mut slot) = self.0.observer.try_borrow_mut() else { return };
        let Some(observer) = &mut *slot else { return };
        event.seq = self.0.next.replace(self.0.next.get() + 1);
        if !contain(|| with_masked(event, &self.0.secrets, |event| observer.event(event))) {
            tell!(Error, "reactor", "the observer of a trace panicked; the trace has ended");
            let ill = slot.take();
            drop(slot);
            contain(|| drop(ill));
        }
    }

    fn flush(&self) {
        if let Ok(mut slot) = self.0.observer.try_borrow_mut()
            && let Some(observer) = &mut *slot
        {
            contain(|| observer.flush());
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} events)", self.event_count())
    }
}
