//! Waiting for a Deferred from outside the loop.

use super::util::until;
use reactor::{Deferred, Failure, Reactor};
use std::cell::RefCell;
use std::rc::Rc;

/// Takes turns until `deferred` has fired; what it came to.
#[track_caller]
pub(crate) fn wait<T: 'static>(reactor: &Reactor, deferred: Deferred<T>) -> Result<T, Failure> {
    let result: Rc<RefCell<Option<Result<T, Failure>>>> = Rc::default();
    let note = result.clone();
    let chain = deferred.add_both(move |result| *note.borrow_mut() = Some(result));
    until(reactor, "the Deferred fires", || chain.has_fired());
    result.take().expect("it has fired")
}
