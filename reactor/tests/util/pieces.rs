//! What tests of Deferreds need again and again.

use reactor::failure::Message;
use reactor::{Deferred, Failure, Firer, testing};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub(crate) fn boom() -> Message {
    Message("boom".to_owned())
}

/// The texts of the failures that nobody handled while `work` ran.
pub(crate) fn lost(work: impl FnOnce()) -> Vec<String> {
    testing::collect_unhandled(work).iter().map(Failure::to_string).collect()
}

/// The text of the panic of `work`.
#[track_caller]
pub(crate) fn panic_of(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    payload.downcast_ref::<&str>().expect("panics of the tests are plain text").to_string()
}

pub(crate) fn pending<T>(count: usize) -> (Vec<Deferred<T>>, Vec<Firer<T>>) {
    (0..count).map(|_| Deferred::new()).unzip()
}

/// Counts how often it is dropped.
pub(crate) struct Dropped(pub(crate) Rc<Cell<usize>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
