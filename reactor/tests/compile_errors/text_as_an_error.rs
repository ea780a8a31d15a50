//! A callback fails with text.
//!
//! rustc: `?` couldn't convert the error
//! rustc: Failure` to implement `From<String>`

use reactor::{Failure, deferred};

fn even(n: u32) -> Result<u32, String> {
    if n % 2 == 0 { Ok(n) } else { Err(format!("{n} is odd")) }
}

fn main() {
    let half = deferred::succeed(3).add_callback(|n| -> Result<u32, Failure> { Ok(even(n)? / 2) });
    half.detach();
}
