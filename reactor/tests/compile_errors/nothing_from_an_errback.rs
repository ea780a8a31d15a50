//! An errback handles the failure, and gives no value in its place.
//!
//! rustc: `()` is not what an errback of this chain may return
//! rustc: an errback returns a value in place of the failure, `Ok(value)`, or passes the failure on

use reactor::{Deferred, deferred};

fn main() {
    let page: Deferred<u32> = deferred::succeed(1);
    page.add_errback(|failure| println!("{failure}")).detach();
}
