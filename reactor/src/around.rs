//! What may be around the code that runs: a [context](mod@crate::context), a [trace](mod@crate::trace). Most programs
//! have neither, and must not pay for them: both are bits of one byte of the thread, so that one look is for both.
//!
//! Next: [`context.rs`](mod@crate::context), values that follow a request.

use std::cell::Cell;

/// The current context has values.
const CONTEXT: u8 = 1;
/// Something listens to what Deferreds do, or nobody has looked yet whether something does.
const TRACE: u8 = 2;

thread_local! {
    /// It has no destructor, so a look takes two instructions.
    static AROUND: Cell<u8> = const { Cell::new(TRACE) };
}

/// Whether there is anything.
#[inline(always)]
pub(crate) fn is_any() -> bool {
    AROUND.get() != 0
}

#[inline(always)]
pub(crate) fn has_context() -> bool {
    AROUND.get() & CONTEXT != 0
}

/// Whether there may be a trace: ask [`crate::trace::is_on`] then.
#[inline(always)]
pub(crate) fn may_have_trace() -> bool {
    AROUND.get() & TRACE != 0
}

pub(crate) fn set_context(is_set: bool) {
    set(CONTEXT, is_set);
}

pub(crate) fn set_trace(is_set: bool) {
    set(TRACE, is_set);
}

fn set(bit: u8, is_set: bool) {
    let others = AROUND.get() & !bit;
    AROUND.set(if is_set { others | bit } else { others });
}
