//! Callbacks that were added in a context: wrapped, so that they run in it, and only they pay for it.
//!
//! A chain runs in the empty context ([`Trampoline::begin`](super::trampoline::Trampoline::begin) sees to that), and so
//! do callbacks that were added in it. The others enter their own and leave it again. A wrapped callback is a box,
//! which costs one allocation more; a field in each step would cost every program 8 bytes and some instructions a
//! callback.
//!
//! Next: `traced.rs`, the same for a trace.

use super::pending::Reply;
use crate::{Context, Failure};

/// A callback of any type.
pub(crate) type Boxed<T, U> = Box<dyn FnOnce(Result<T, Failure>) -> Reply<U>>;

/// `callback`, in the context that is current now.
#[cold]
#[inline(never)]
pub(crate) fn in_current_context<T: 'static, U: 'static>(
    callback: impl FnOnce(Result<T, Failure>) -> Reply<U> + 'static,
) -> Boxed<T, U> {
    let context = Context::current();
    Box::new(move |input| context.run(|| claimed(callback(input))))
}

/// A failure that comes out of a callback is logged in the context of that callback, if nobody handles it.
fn claimed<U>(reply: Reply<U>) -> Reply<U> {
    match reply {
        Reply::Ready(result) => Reply::Ready(result.map_err(Failure::claimed)),
        Reply::Fired(result) => Reply::Fired(result.map_err(Failure::claimed)),
        pending @ Reply::Pending(_) => pending,
    }
}
