//! A provider for the tests of what stands before one: it answers when it is told to.

use super::{Nearby, Places};
use reactor::{Deferred, Failure, Firer};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Answers when it is told to, the oldest question first.
#[derive(Default)]
pub(super) struct Slow {
    asked: RefCell<VecDeque<(Nearby, Firer<Vec<u8>>)>>,
    cancelled: Rc<Cell<usize>>,
}

impl Slow {
    /// The questions that wait for an answer. Those that were cancelled are forgotten.
    pub(super) fn asked(&self) -> Vec<Nearby> {
        self.asked.borrow_mut().retain(|(_, firer)| !firer.called());
        self.asked.borrow().iter().map(|(question, _)| question.clone()).collect()
    }

    /// How many were given up.
    pub(super) fn cancelled(&self) -> usize {
        self.cancelled.get()
    }

    #[track_caller]
    fn take(&self) -> Firer<Vec<u8>> {
        assert!(!self.asked().is_empty(), "nobody has asked");
        self.asked.borrow_mut().pop_front().unwrap().1
    }

    #[track_caller]
    pub(super) fn answer(&self, text: &str) {
        self.take().callback(text.into()).unwrap();
    }

    #[track_caller]
    pub(super) fn fail(&self, text: &str) {
        self.take().errback(Failure::msg(text)).unwrap();
    }
}

impl Places for Slow {
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>> {
        let cancelled = self.cancelled.clone();
        let (deferred, firer) = Deferred::with_canceller(move |_| cancelled.set(cancelled.get() + 1));
        self.asked.borrow_mut().push_back((question.clone(), firer));
        deferred
    }

    fn describe(&self) -> String {
        "the test".to_owned()
    }
}

/// A question that can be told from others.
pub(super) fn ask(radius: &str, bound: usize) -> Nearby {
    Nearby { latitude: "34.5".to_owned(), longitude: "-118.25".to_owned(), radius: radius.to_owned(), bound }
}
