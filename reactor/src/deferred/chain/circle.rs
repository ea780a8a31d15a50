//! Chains that would wait for each other in a circle: found when the last of them begins to wait, however long it is.
//!
//! ```text
//!   what waits for `outer`?  ... --> chain --> chain --> outer          up, by Gate::waiter
//!                                                          :
//!                                                          : is about to wait for
//!                                                          v
//!   what does `inner` wait for?                          inner --> chain --> chain --> ...    down
//! ```
//!
//! There is a circle if the way down comes to `outer`. So the way down alone would do, but a program that builds a long
//! row from its end would walk all of it again for each chain that it adds. Therefore both ways are walked, a step of
//! each at a time. When either ends, there is no circle. Most often nothing waits for `outer`, and the search is over
//! before it began. In general it takes no more than the shorter of the two ways, and so `n` waits, in whatever order
//! they begin, take `n log n` steps together: the argument of "merge the smaller into the larger".
//!
//! The way up is only an estimate: a link may be out of date, and a result that is shared has many waiters, which are
//! not listed. So it never proves a circle; it only proves that there is none.
//!
//! Next: `flat_rc.rs`, the links between nodes.

use super::control::{Control, WaitedFor, Waiter, new_walk};
use super::flat_rc::FlatRc;
use std::ptr;
use std::rc::Rc;

/// Whether the chain of `inner` is, or waits for, that of `outer`.
pub(crate) fn waits_for(inner: &Rc<dyn Control>, outer: &Rc<dyn Control>) -> bool {
    // A chain has one gate, but a shared result's waiter has two controls at it.
    let is_outer = |control: &Rc<dyn Control>| ptr::eq(control.gate(), outer.gate());
    if is_outer(inner) {
        return true;
    }
    let mut up = outer.gate().waiter();
    if matches!(up, Waiter::Nothing) {
        return false; // Most often: do not even prepare the search.
    }
    let walk = new_walk();
    let mut down = vec![(FlatRc::new(inner.clone()), 0)];
    while let Some((control, number)) = down.last_mut() {
        up = match up {
            Waiter::Nothing => return false,
            Waiter::Chain(waiter) => match waiter.upgrade() {
                Some(waiter) => waiter.gate().waiter(),
                None => return false,
            },
            Waiter::Many => Waiter::Many,
        };
        match control.waited_for(*number) {
            WaitedFor::Chain(next) if is_outer(&next) => return true,
            WaitedFor::Chain(next) => {
                *number += 1;
                // Two ways down may meet in a result that is shared.
                if next.gate().visit(walk) {
                    down.push((next, 0));
                }
            }
            WaitedFor::Fired => *number += 1,
            WaitedFor::End => drop(down.pop()),
        }
    }
    false
}
