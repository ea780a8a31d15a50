//! [`Coalescer`]: equal questions that are under way at the same time share one request, and each gets its answer.
//!
//! Two questions are equal if the service would hear the same request: a provider that does not send the bound says so
//! in [`Places::as_asked`]. No answer is kept here after it has been delivered.
//!
//! A client that goes away does not end the request while others wait for it. When the last one has gone, the request
//! is cancelled.
//!
//! Next: `cache.rs`, which stands behind it.

use super::{Nearby, Places};
use crate::address_group::AddressGroup;
use reactor::Deferred;
use reactor::deferred::Shared;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// Stands before a provider and never asks it the same question twice at the same time.
pub struct Coalescer {
    inner: Rc<dyn Places>,
    /// Bounded by the Limiter behind this, which refuses a question when too many wait. The number of clients that wait
    /// for one entry is bounded by the number of replies that each may be owed.
    under_way: Rc<RefCell<HashMap<Nearby, Shared<Vec<u8>>>>>,
}

impl Coalescer {
    /// Stands before `inner`.
    pub fn new(inner: Rc<dyn Places>) -> Coalescer {
        Coalescer { inner, under_way: Rc::default() }
    }
}

impl Places for Coalescer {
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>> {
        let asked = self.inner.as_asked(question);
        let shared = self.under_way.borrow().get(&asked).map(Shared::wait);
        if let Some(answer) = shared {
            // Otherwise a question that is asked first by a crowd would wait behind the crowd for everybody.
            self.inner.also_asked(&asked, from);
            return answer;
        }
        let (under_way, done) = (self.under_way.clone(), asked.clone());
        // The entry goes before anybody gets the answer: a callback that asks the same question again must start a new
        // request, and not join one that has ended.
        let shared = Shared::new(self.inner.nearby(&asked, from).add_both(move |answer| {
            // The drop may run other code, which may come back here: the borrow must end first.
            let ended = under_way.borrow_mut().remove(&done);
            drop(ended);
            answer
        }));
        let answer = shared.wait();
        // A request that was answered at once has been removed before it was here: it must not be entered now.
        if !shared.has_fired() {
            self.under_way.borrow_mut().insert(asked, shared);
        }
        answer
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

impl fmt::Debug for Coalescer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coalescer({} under way)", self.under_way.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::tests::{HeldPlaces, SOMEBODY, ask};
    use reactor::testing::success_result_of;
    use reactor::{CancelledError, Failure};
    use std::cell::Cell;

    fn coalescer() -> (Rc<HeldPlaces>, Rc<Coalescer>) {
        let held = Rc::new(HeldPlaces::default());
        (held.clone(), Rc::new(Coalescer::new(held)))
    }

    #[test]
    fn equal_questions_under_way_are_one_request() {
        let (held, places) = coalescer();
        let asked =
            [ask("1", 5), ask("1", 5), ask("2", 5), ask("1", 6), ask("1", 5)].map(|q| places.nearby(&q, SOMEBODY));
        assert_eq!(held.questions(), [ask("1", 5), ask("2", 5), ask("1", 6)]);
        for answer in ["one", "two", "three"] {
            held.answer(answer);
        }
        let answers = asked.map(|answer| String::from_utf8(answer.result().unwrap()).unwrap());
        assert_eq!(answers, ["one", "one", "two", "three", "one"]);
    }

    #[test]
    fn an_answer_is_not_kept() {
        let (held, places) = coalescer();
        let first = places.nearby(&ask("1", 5), SOMEBODY);
        let again = places.clone();
        let nested = first.add_callback(move |_| again.nearby(&ask("1", 5), SOMEBODY));
        held.answer("old");
        assert!(!nested.has_fired(), "a question that is asked in the callback is a new request");
        held.answer("new");
        assert_eq!(success_result_of(nested), b"new".to_vec());
        assert_eq!(format!("{places:?}"), "Coalescer(0 under way)");
    }

    #[test]
    fn every_client_gets_the_failure() {
        let (held, places) = coalescer();
        let told = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let told = told.clone();
            places
                .nearby(&ask("1", 5), SOMEBODY)
                .add_errback(move |_| {
                    told.set(told.get() + 1);
                    Ok(Vec::new())
                })
                .detach();
        }
        held.take().1.errback(Failure::msg("broken")).unwrap();
        assert_eq!(told.get(), 3);
        drop(places.nearby(&ask("1", 5), SOMEBODY));
        assert_eq!(held.questions().len(), 1, "and the next question is a new request");
    }

    #[test]
    fn a_client_that_goes_away_leaves_the_request_to_the_others() {
        let (held, places) = coalescer();
        let [first, second] = [(); 2].map(|()| places.nearby(&ask("1", 5), SOMEBODY));
        first.cancel();
        first.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
        assert_eq!(held.cancelled(), 0);
        let third = places.nearby(&ask("1", 5), SOMEBODY);
        held.answer("yes");
        assert_eq!((second.result(), third.result()), (Some(b"yes".to_vec()), Some(b"yes".to_vec())));
    }

    #[test]
    fn the_last_client_that_goes_away_cancels_the_request() {
        let (held, places) = coalescer();
        for answer in [(); 2].map(|()| places.nearby(&ask("1", 5), SOMEBODY)) {
            answer.cancel();
            answer.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())).detach();
        }
        assert_eq!(held.cancelled(), 1);
        let anew = places.nearby(&ask("1", 5), SOMEBODY);
        held.answer("anew");
        assert_eq!(success_result_of(anew), b"anew".to_vec());
    }

    #[test]
    fn an_answer_that_is_ready_at_once_leaves_no_entry() {
        struct Ready;
        impl Places for Ready {
            fn nearby(&self, _question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
                reactor::deferred::succeed(b"now".to_vec())
            }
            fn describe(&self) -> String {
                String::new()
            }
        }
        let places = Coalescer::new(Rc::new(Ready));
        for _ in 0..2 {
            assert_eq!(success_result_of(places.nearby(&ask("1", 5), SOMEBODY)), b"now".to_vec());
            assert!(places.under_way.borrow().is_empty());
        }
    }
}
