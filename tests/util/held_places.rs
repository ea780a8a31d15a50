//! [`HeldPlaces`]: a Places provider that holds each question until the test answers it.
//!
//! Unit tests and integration tests share this file, so it takes the trait from the module that includes it.

use super::{AddressGroup, Nearby, Places};
use reactor::{Deferred, Firer};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Holds each question until the test answers it, the oldest first.
#[derive(Default)]
pub(crate) struct HeldPlaces {
    questions: RefCell<VecDeque<(Nearby, Firer<Vec<u8>>)>>,
    cancelled: Rc<Cell<usize>>,
    keep_for: Duration,
}

impl HeldPlaces {
    /// The same, with answers that may be kept for this long.
    #[allow(dead_code, reason = "not every test keeps answers")]
    pub(crate) fn keeping_for(keep_for: Duration) -> HeldPlaces {
        HeldPlaces { keep_for, ..HeldPlaces::default() }
    }

    /// The questions that wait for an answer, without those that were cancelled.
    pub(crate) fn questions(&self) -> Vec<Nearby> {
        self.questions.borrow_mut().retain(|(_, firer)| !firer.called());
        self.questions.borrow().iter().map(|(question, _)| question.clone()).collect()
    }

    /// How many questions were cancelled so far.
    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.get()
    }

    /// The oldest question that waits, and the end that answers it.
    #[track_caller]
    pub(crate) fn take(&self) -> (Nearby, Firer<Vec<u8>>) {
        assert!(!self.questions().is_empty(), "nobody has asked");
        self.questions.borrow_mut().pop_front().unwrap()
    }

    /// Answers the oldest question.
    #[track_caller]
    pub(crate) fn answer(&self, text: &str) {
        self.take().1.callback(text.into()).unwrap();
    }
}

impl Places for HeldPlaces {
    fn nearby(&self, question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        let cancelled = self.cancelled.clone();
        let (deferred, firer) = Deferred::with_canceller(move |_| cancelled.set(cancelled.get() + 1));
        self.questions.borrow_mut().push_back((question.clone(), firer));
        deferred
    }

    fn kept_for(&self) -> Duration {
        self.keep_for
    }

    fn describe(&self) -> String {
        "the test".to_owned()
    }
}
