//! The trace that Deferreds report to: the trace of the reactor that runs on this thread now.
//!
//! A Deferred knows no reactor, so each thread has a current [`Scope`]. A reactor's is current while it takes a turn,
//! and between turns until another reactor is made. A program that has no reactor at all may still have a trace: the
//! environment asks for it ([`VARIABLE`](super::VARIABLE)), or [`Trace::during`]. It has no clock, and all its times
//! are 0.
//!
//! Whether there is one is a bit of [`crate::around`].
//!
//! Next: `deferreds.rs`, what Deferreds report.

use super::seen::Seen;
use super::{DeferredEvent, Kind, Scope, Trace, environment};
use crate::{Failure, around};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
    /// Whether this thread has looked into the environment.
    static HAS_LOOKED: Cell<bool> = const { Cell::new(false) };
    /// The trace that the environment gave a thread without a reactor. The first reactor takes it over.
    static LONE: RefCell<Option<Trace>> = const { RefCell::new(None) };
    static NAME: RefCell<Option<String>> = const { RefCell::new(None) };
    static LAST_STEP: Cell<u64> = const { Cell::new(0) };
}

/// Whether something listens. Costs two instructions if not.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    around::may_have_trace() && look()
}

/// Looks into the environment, once for each thread. While the thread ends nothing listens.
#[cold]
#[inline(never)]
fn look() -> bool {
    if !HAS_LOOKED.replace(true)
        && with_current(|current| current.is_none()) == Some(true)
        && let Some(trace) = environment::make()
    {
        let _ = LONE.try_with(|lone| lone.replace(Some(trace.clone())));
        set(Some(Rc::new(Scope::without_reactor(trace))));
    }
    let is_on = with_current(|current| current.is_some()) == Some(true);
    around::set_trace(is_on);
    is_on
}

fn with_current<R>(look: impl FnOnce(&Option<Rc<Scope>>) -> R) -> Option<R> {
    CURRENT.try_with(|current| look(&current.borrow())).ok()
}

fn set(scope: Option<Rc<Scope>>) -> Option<Rc<Scope>> {
    let is_on = scope.is_some();
    let before = CURRENT.try_with(|current| current.replace(scope)).ok().flatten();
    around::set_trace(is_on || !HAS_LOOKED.get());
    before
}

/// The trace that the environment asks for, for a reactor: it may have begun already, before there was one.
pub(crate) fn from_environment() -> Option<Trace> {
    HAS_LOOKED.set(true);
    let lone = LONE.try_with(|lone| lone.take()).ok().flatten();
    lone.or_else(environment::make)
}

/// A reactor is made: Deferreds report to it from now on.
pub(crate) fn attach(scope: Rc<Scope>) {
    drop(set(Some(scope)));
}

/// A reactor is gone.
pub(super) fn detach(scope: &Scope) {
    let is_current =
        |current: &Option<Rc<Scope>>| current.as_deref().is_some_and(|current| std::ptr::eq(current, scope));
    if with_current(is_current) == Some(true) {
        drop(set(None));
    }
}

/// While it lives, a scope is the current one.
#[derive(Debug)]
pub(crate) struct Entered(Option<Rc<Scope>>);

impl Entered {
    pub(crate) fn new(scope: &Rc<Scope>) -> Entered {
        Entered(set(Some(scope.clone())))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take().filter(|before| !before.has_ended());
        drop(set(before));
    }
}

/// Runs `f` with the current scope, which is free again by then: what `f` looks at may be code of the program.
fn with_scope(f: impl FnOnce(&Scope)) {
    if let Some(Some(scope)) = with_current(Clone::clone) {
        f(&scope);
    }
}

/// Reports what a Deferred has done. Ask [`is_on`] first.
#[cold]
#[inline(never)]
pub(crate) fn report(deferred: u64, event: DeferredEvent<'_>) {
    if deferred != 0 {
        with_scope(|scope| scope.emit(Kind::Deferred { deferred, event }));
    }
}

/// What the current trace shows of a result.
#[cold]
pub(crate) fn see<T: 'static>(result: &Result<T, Failure>) -> Option<Seen> {
    let mut seen = None;
    with_scope(|scope| seen = Some(scope.trace().see(result)));
    seen
}

/// Reports that nobody handled a failure.
#[cold]
pub(crate) fn report_unhandled(failure: &Failure, story: &str) {
    with_scope(|scope| {
        let (seen, words) = (scope.trace().see_failure(failure), scope.trace().masked_text(story));
        scope.emit(Kind::Unhandled { failure: seen.shown(), words: &words });
    });
}

/// A step begins: it is the innermost one from now on. Returns the one around it.
pub(crate) fn enter_step(step: u64) -> Option<u64> {
    let mut outer = None;
    with_scope(|scope| outer = scope.exchange_step(Some(step)));
    outer
}

/// The step inside `outer` is over.
pub(crate) fn leave_step(outer: Option<u64>) {
    with_scope(|scope| {
        scope.exchange_step(outer);
    });
}

/// A new number for a step.
pub(crate) fn new_step() -> u64 {
    LAST_STEP.set(LAST_STEP.get() + 1);
    LAST_STEP.get()
}

/// Names the next Deferred that is made or callback that is added on this thread, for a trace: tools show the name
/// beside its place in the source. Does nothing without a trace.
///
/// ```
/// use reactor::{Deferred, trace};
///
/// trace::name_next("answer");
/// let (answer, firer) = Deferred::<u32>::new();
/// trace::name_next(format_args!("times {}", 2));
/// let doubled = answer.add_callback(|n| Ok(n * 2));
/// # drop((doubled, firer));
/// ```
pub fn name_next(name: impl Display) {
    if is_on() {
        let name = name.to_string();
        let _ = NAME.try_with(|next| next.replace(Some(name)));
    }
}

pub(crate) fn take_name() -> Option<String> {
    NAME.try_with(RefCell::take).ok().flatten()
}

impl Trace {
    /// Calls `work`; what Deferreds of this thread do meanwhile is reported to this trace. For programs without a
    /// reactor: there is no clock, and all times are 0. (A reactor's Deferreds need no such call.)
    ///
    /// ```
    /// use reactor::Deferred;
    /// use reactor::trace::{Ring, Trace};
    ///
    /// let (ring, reader) = Ring::new(100);
    /// Trace::new(ring).during(|| {
    ///     let (answer, firer) = Deferred::<u32>::new();
    ///     let doubled = answer.add_callback(|n| Ok(n * 2));
    ///     firer.callback(21).unwrap();
    ///     assert_eq!(doubled.result(), Some(42));
    /// });
    /// assert!(reader.lines().iter().any(|line| line.contains(r#""kind":"deferred_fired""#)));
    /// ```
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        let scope = Rc::new(Scope::without_reactor(self.clone()));
        let entered = Entered::new(&scope);
        let result = work();
        drop(entered);
        scope.end();
        result
    }
}
