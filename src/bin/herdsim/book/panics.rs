//! Panics of the simulated code. A reactor catches and logs them, as it should; in a simulation they are failures.
//!
//! Next: `clients/mod.rs`, where the commands come from.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Begins to count panics, in all threads. The panic hook that was there before is still called.
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

/// How many panics there have been in this thread since [`watch`].
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// The text of the last panic in this thread.
pub(crate) fn last() -> Option<String> {
    LAST.with_borrow(Clone::clone)
}
