//! Panics of the code that is simulated. A reactor catches them, as it should; here they count as failures.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Begins to count, in all threads; whoever was told of panics before still is.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            COUNT.set(COUNT.get() + 1);
            LAST.replace(Some(info.to_string()));
            before(info);
        }));
    });
}

/// How many there have been in this thread since [`watch`].
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// What the last one said.
pub(crate) fn last() -> Option<String> {
    LAST.with_borrow(Clone::clone)
}
