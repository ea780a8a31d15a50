//! Wakers inside the loop. The trampoline calls the waker of a combinator or of another executor; if that wakes
//! coroutines of this library, they run in the same loop, one after the other.
//!
//! Next: `await_slot.rs`, where the result waits for the code that awaits it.

use super::panics::caught;
use super::trampoline::{Next, Run, Trampoline};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

thread_local! {
    /// While a loop calls a waker: the coroutines that the waker woke. They must not run inside it.
    static WOKEN: RefCell<Option<Vec<Rc<dyn Run>>>> = const { RefCell::new(None) };
}

/// Calls `waker`, and postpones the coroutines that it wakes.
pub(super) fn wake(waker: Waker, trampoline: &mut Trampoline) -> Next {
    let outer = WOKEN.try_with(|woken| woken.replace(Some(Vec::new()))).ok().flatten();
    // As with a callback, a panic goes on when all the others have had their turn.
    if let Err(payload) = caught(|| waker.wake()) {
        trampoline.keep_panic(payload);
    }
    let woken = WOKEN.try_with(|woken| woken.replace(outer)).ok().flatten().unwrap_or_default();
    // The last one postponed runs first.
    for coroutine in woken.into_iter().rev() {
        trampoline.postpone_alone(coroutine);
    }
    Next::Nothing
}

/// If a loop of this thread is calling a waker, gives that loop what `find` finds, to run after the waker has returned.
/// Returns whether a loop is doing so.
pub(crate) fn give_to_waking_loop(find: impl FnOnce() -> Option<Rc<dyn Run>>) -> bool {
    let given = WOKEN.try_with(|woken| match &mut *woken.borrow_mut() {
        Some(woken) => {
            woken.extend(find());
            true
        }
        None => false,
    });
    given.unwrap_or(false)
}
