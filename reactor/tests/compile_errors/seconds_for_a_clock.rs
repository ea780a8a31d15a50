//! A pause is asked for without a reactor.
//!
//! rustc: `{integer}` is not a `Clock`
//! rustc: a `Reactor` is one, and in tests a `testing::ManualClock` is

use std::time::Duration;

fn main() {
    reactor::task::sleep(&5, Duration::from_secs(5)).detach();
}
