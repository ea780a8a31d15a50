//! A callback returns a bare value.
//!
//! rustc: `{integer}` is not what a callback may return
//! rustc: a value is returned as `Ok(value)`

use reactor::deferred;

fn main() {
    deferred::succeed(1).add_callback(|n| n + 1).detach();
}
