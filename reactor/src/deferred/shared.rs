//! [`Shared`]: one result for several who wait.
//!
//! A Deferred has one chain. In Twisted two callbacks may nevertheless return the same Deferred, and the first gets
//! its value, the second `None`, as a success; cancelling either cancels the work of both. Here the types forbid it (a
//! Deferred is consumed by whoever waits for it), and this is what to use instead: each waiter gets a Deferred of its
//! own, with a clone of the result, and can be cancelled alone.
//!
//! Who is responsible for a failure: each waiter for its own clone. If several let it drop, it is logged once, as the
//! clones of a [`Failure`] are one error. If nobody ever asked, it is logged when the last handle is dropped.
//!
//! The waiters are fired in the order in which they asked, the last of them in the way that `inputs.rs` describes: a
//! row of shared results, each of which waits for the one before, uses constant stack.

use super::history::Place;
use super::step::Side;
use super::unhandled::Outcome;
use super::waiters::Waiters;
use super::{Deferred, Given};
use crate::{CancelledError, Failure};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

/// A result that any number may wait for. All clones of a handle are the same.
///
/// ```
/// use reactor::{Deferred, deferred::Shared};
///
/// let (answer, firer) = Deferred::<String>::new();
/// let shared = Shared::new(answer);
/// let (first, second) = (shared.wait(), shared.wait());
/// firer.callback("forty-two".to_owned())?;
/// let late = shared.wait();
/// for waiter in [first, second, late] {
///     assert_eq!(waiter.result().as_deref(), Some("forty-two"));
/// }
/// # Ok::<(), reactor::AlreadyCalledError>(())
/// ```
pub struct Shared<T: Clone + 'static>(Rc<Source<T>>);

/// The end of the source's chain: it gives the result to the last waiter, if there is one.
type Last<T> = Deferred<Option<T>>;

struct Source<T: Clone + 'static> {
    made: Place,
    result: OnceCell<Result<T, Failure>>,
    /// Until it has fired; to be cancelled by.
    last: RefCell<Option<Rc<Last<T>>>>,
    waiters: Rc<Waiters<Last<T>>>,
    /// Whether somebody is responsible for the failure.
    told: Cell<bool>,
    /// Whether we have cancelled the source, as nobody wanted it any more.
    cancelled: Cell<bool>,
}

impl<T: Clone + 'static> Shared<T> {
    /// Shares what `deferred` comes to.
    #[track_caller]
    pub fn new(deferred: Deferred<T>) -> Shared<T> {
        let made = Location::caller();
        let source = Rc::new(Source {
            made,
            result: OnceCell::new(),
            last: RefCell::new(None),
            waiters: Waiters::new(),
            told: Cell::new(false),
            cancelled: Cell::new(false),
        });
        // The waiters keep the source, not the work: if nobody waits any more, nobody is there to be told.
        let told = Rc::downgrade(&source);
        let fire = move |result: Result<T, Failure>| {
            Given::Now(match told.upgrade() {
                Some(source) => source.fire(result),
                None => result.map(Some),
            })
        };
        let last = deferred.add_at(Side::Both, fire, made);
        if source.result.get().is_none() {
            source.last.replace(Some(Rc::new(last)));
        }
        Shared(source)
    }

    /// A clone of the result, now or when it is there.
    ///
    /// A cancel fails this one only. But if by that all have been cancelled who ever asked, nobody wants the result,
    /// and its source is cancelled.
    #[track_caller]
    pub fn wait(&self) -> Deferred<T> {
        let source = &self.0;
        if let Some(result) = source.result.get() {
            source.told.set(true);
            return Deferred::from_result_at(result.clone(), Location::caller());
        }
        let asked = source.clone();
        let waiter = source.waiters.wait(move || asked.cancel_unless_wanted());
        waiter
            .add_callback(|last| last)
            .add_callback(|result| Ok(result.expect("a waiter is fired with a Deferred that gives the result")))
    }

    /// Whether the result is there.
    pub fn has_fired(&self) -> bool {
        self.0.result.get().is_some()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.waiters.len()
    }
}

impl<T: Clone + 'static> Deferred<T> {
    /// Lets several wait for the result; see [`Shared`].
    #[track_caller]
    pub fn share(self) -> Shared<T> {
        Shared::new(self)
    }
}

impl<T: Clone + 'static> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(self.0.clone())
    }
}

impl<T: Clone + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.has_fired() { "fired" } else { "pending" };
        write!(f, "Shared({state}, {} waiting)", self.waiting())
    }
}

impl<T: Clone + 'static> Source<T> {
    /// The callback of the source. What it returns is for the last waiter, who then waits for it.
    fn fire(&self, result: Result<T, Failure>) -> Result<Option<T>, Failure> {
        let own = self.last.take().and_then(Rc::into_inner);
        let Some(newest) = self.waiters.pop_newest() else {
            self.keep(result);
            return Ok(None);
        };
        self.told.set(true);
        self.keep(result.clone());
        let panic = self.waiters.serve(|| Some(Ok(Deferred::from_result_at(result.clone().map(Some), self.made))));
        // A callback that has just run may have cancelled it: then it has fired, and needs nothing more.
        match (own, panic) {
            (Some(own), None) => match newest.callback(own) {
                Ok(()) => result.map(Some),
                Err(_) => Ok(None),
            },
            (_, panic) => {
                if !newest.called() {
                    let _ = newest.callback(Deferred::from_result_at(result.map(Some), self.made));
                }
                if let Some(panic) = panic {
                    resume_unwind(panic);
                }
                Ok(None)
            }
        }
    }

    fn keep(&self, result: Result<T, Failure>) {
        let kept = self.result.set(result);
        debug_assert!(kept.is_ok(), "a chain fires once");
    }

    /// After a waiter was cancelled.
    fn cancel_unless_wanted(&self) {
        let last = self.last.borrow().clone();
        if self.waiters.len() == 0
            && let Some(last) = last
        {
            self.cancelled.set(true);
            last.cancel();
        }
    }
}

impl<T: Clone + 'static> Drop for Source<T> {
    fn drop(&mut self) {
        let told = self.told.get();
        if let Some(Err(failure)) = self.result.take()
            && !told
            && !(self.cancelled.get() && failure.check::<CancelledError>().is_some())
        {
            drop(Outcome::<()>::new(Err(failure)));
        }
    }
}
