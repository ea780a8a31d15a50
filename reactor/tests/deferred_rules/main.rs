//! The rules of Deferreds, one after the other, through the public API only: a port of Twisted's is judged by them.
//!
//! The rules of the machine are in the table below. The tests of rule M7 are in a module `m07`, and so on; those of
//! M17 and M19 in files with that number, those of M11 in `tests/deferred_stack`. The other files follow Twisted's
//! module: methods, functions, lists, locks, queues, coroutines. `came_from*.rs` are about where a failure says that
//! it came from.
//!
//! | Rule | |
//! |---|---|
//! | M1 | It fires once; a second firing is an error for its caller, and changes nothing |
//! | M2 | It fires with a value or with a failure |
//! | M3 | A callback runs on a value, an errback on a failure; what it returns is the next result |
//! | M4 | Callbacks run before the call that made them possible returns: a firing, or adding to a fired Deferred |
//! | M5 | A callback added from inside a running one runs last |
//! | M6 | A callback that fires another Deferred runs its chain nested |
//! | M7 | A callback that returns an unfired Deferred makes the chain wait |
//! | M8 | A returned Deferred that has fired hands over its result, and the responsibility for a failure |
//! | M9 | The callbacks of the inner Deferred run first, then those of the chain that waits |
//! | M10 | A Deferred has one waiter |
//! | M11 | Chains of any length use the stack of one |
//! | M12 | A Deferred cannot wait for itself |
//! | M13 | A Deferred can be a plain value |
//! | M14 | A paused Deferred holds up only the chains that wait for it |
//! | M15 | A failure that nobody handled is logged when its chain is dropped |
//! | M16 | Awaiting a failure handles it |
//! | M17 | Errors say where a Deferred was made and fired |
//! | M18 | A callback that can no longer run is dropped |
//! | M19 | A Deferred shows its state |
//!
//! What has no test, and why:
//! * `errback()` without an argument takes the exception that is being handled (M2): there is none in Rust.
//! * `callback(a_deferred)` (M13): the types forbid it, unless a `Deferred<Deferred<T>>` was asked for, which has a
//!   test.
//! * Callbacks that were added to a Deferred after a callback had returned it, and see None (M9), and a second one that
//!   waits and gets None (M10, `await`, `yield`): it has moved. [`Shared`](reactor::deferred::Shared) is for that.
//! * The debug mode and switching it on (M17): the places are always known; locals are never kept.
//! * That a failure in a cycle of references is logged when the collector comes (M15): Rust has no collector. A chain
//!   that its own callbacks hold is not a cycle once they have run, which has a test.
//! * `unpause` without a `pause`, `release` without an `acquire`, `DeferredSemaphore(0)`: cannot be written.
//! * `NotACoroutineError`, `TypeError` for what is not a generator, `returnValue` and its warnings, the old
//!   `deferredGenerator`, `timeout`, the comparison of `FirstError`s: the types, or long gone.
//! * `yield` of something else than a Deferred in `inlineCallbacks`: Rust's `await` takes only futures.
//! * Contexts (`contextvars`): there are none; a coroutine has its variables.
//! * `DeferredFilesystemLock`: a lock between processes is the business of other crates.

mod came_from;
mod came_from_afar;
mod cancelling;
mod coroutines;
mod cycles;
mod functions;
mod futures;
mod labels;
mod lists;
mod locks;
mod m17_places;
mod m19_showing;
mod machine;
mod methods;
mod names;
#[path = "../util/outcome.rs"]
mod outcome;
#[path = "../util/pieces.rs"]
mod pieces;
mod queues;
mod races;
mod timeouts;
mod unhandled;
mod waits;

use outcome::outcome;
use pieces::{Dropped, boom, lost, panic_of, pending};
use reactor::failure::Message;
use reactor::{Deferred, Failure, Firer, testing};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// A million, of what is quick; an interpreter is not.
const LONG: usize = if cfg!(miri) { 1_000 } else { 1_000_000 };

/// A way to end a chain, by its handle or by its firing end.
type End<T> = fn(&Deferred<T>, &Firer<T>);

/// What happened, in order.
type Events = Rc<RefCell<Vec<String>>>;

fn note(events: &Events, what: impl fmt::Display) {
    events.borrow_mut().push(what.to_string());
}

/// A callback that notes that it ran, and returns what it got.
fn noting<T>(events: &Events, name: &'static str) -> impl FnOnce(Result<T, Failure>) -> Result<T, Failure> + 'static {
    let events = events.clone();
    move |result| {
        note(&events, name);
        result
    }
}

/// The failure of a chain that has failed.
#[track_caller]
fn failure_of<T: 'static>(deferred: Deferred<T>) -> Failure {
    let seen: Rc<RefCell<Option<Failure>>> = Rc::default();
    let noted = seen.clone();
    deferred.add_both(move |result| *noted.borrow_mut() = result.err()).detach();
    seen.take().expect("it has failed")
}

/// Inputs that note when they are cancelled.
fn runners(events: &Events, count: usize) -> (Vec<Deferred<u32>>, Vec<Firer<u32>>) {
    let runner = |index| {
        let events = events.clone();
        Deferred::with_canceller(move |_| note(&events, format!("cancel {index}")))
    };
    (0..count).map(runner).unzip()
}
