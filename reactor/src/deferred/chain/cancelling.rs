//! What a cancel needs beyond the trampoline: how it ends in a circle, and how lists that cancel lists do not recurse.
//!
//! A canceller is the user's code, and runs inside the loop that cancels. If it fires its Deferred, that chain runs
//! nested, as everywhere. If this fails a list, the list cancels its other inputs, and their cancellers may do the
//! same: each takes one level of the stack. Twisted runs all of that at once. So do we, because programs can see the
//! order, but only [`MAX_NESTED_CANCELLERS`] deep. From there on a list leaves its cancels to the loop that runs the
//! innermost canceller, which does them when that canceller has returned.
//!
//! Next: `nesting.rs`, the same for any loop inside a loop.

use super::control::Control;
use super::flat_rc::FlatRc;
use super::panics::caught;
use super::trampoline::{Postponed, Run, Trampoline};
use crate::deferred::story::Place;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Maximum nesting of cancellers, when one of them fails a list that cancels others.
const MAX_NESTED_CANCELLERS: u32 = 16;

thread_local! {
    /// The number of cancellers that are running, each inside the one before.
    static NESTED_CANCELLERS: Cell<u32> = const { Cell::new(0) };
    /// The work that lists have left to the loop that runs the innermost canceller. The work of each list is a stack,
    /// as in the trampoline.
    static LEFT_BY_LISTS: RefCell<Vec<Vec<Postponed>>> = const { RefCell::new(Vec::new()) };
}

impl Trampoline {
    /// Calls the user's canceller; a panic is kept for the end of the loop. The loop goes on with what lists have left
    /// to it meanwhile.
    pub(crate) fn call_canceller(&mut self, canceller: impl FnOnce()) {
        NESTED_CANCELLERS.set(NESTED_CANCELLERS.get() + 1);
        let called = caught(canceller);
        NESTED_CANCELLERS.set(NESTED_CANCELLERS.get() - 1);
        if let Err(payload) = called {
            self.keep_panic(payload);
        }
        if NESTED_CANCELLERS.get() + 1 >= MAX_NESTED_CANCELLERS {
            let left = LEFT_BY_LISTS.try_with(RefCell::take).unwrap_or_default();
            // The list that came first is served first.
            self.postponed.get_or_insert_default().extend(left.into_iter().rev().flatten());
        }
    }

    /// For a list that knows its result: cancels its other inputs, and then runs `list`, which hands the result on.
    pub(crate) fn cancel_before(&mut self, inputs: Vec<FlatRc<dyn Control>>, at: Place, list: Rc<dyn Run>) {
        if NESTED_CANCELLERS.get() < MAX_NESTED_CANCELLERS {
            self.postpone_alone(list);
            return self.cancel(inputs.into_iter(), at);
        }
        let mut rest = Trampoline::new(None);
        rest.postpone_alone(list);
        rest.cancel(inputs.into_iter(), at);
        // While the thread ends that list is gone, and this loop must do the work.
        let left = LEFT_BY_LISTS.try_with(|lists| lists.borrow_mut().extend(rest.postponed.take()));
        if left.is_err() {
            self.postponed.get_or_insert_default().extend(rest.postponed.take().into_iter().flatten());
        }
    }
}
