//! An errback handles the failure, and gives no value in its place.
//!
//! rustc: add_errback
//! rustc: expected `u32`, found `()`

use reactor::{Deferred, deferred};

fn main() {
    let page: Deferred<u32> = deferred::succeed(1);
    page.add_errback(|failure| println!("{failure}")).detach();
}
