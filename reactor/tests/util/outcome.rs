//! What a chain came to, as text. The unit tests of Deferreds use this file, too.

use super::Deferred;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// The value or the failure's text of a chain; "unfired" if it has not fired. A chain that has not fired is dropped.
pub(super) fn outcome<T: fmt::Debug + 'static>(deferred: Deferred<T>) -> String {
    let seen: Rc<RefCell<String>> = Rc::new(RefCell::new("unfired".to_owned()));
    let noted = seen.clone();
    deferred
        .add_both(move |result| {
            *noted.borrow_mut() = match result {
                Ok(value) => format!("{value:?}"),
                Err(failure) => format!("failed: {failure}"),
            };
        })
        .detach();
    seen.take()
}
