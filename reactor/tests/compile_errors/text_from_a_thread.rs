//! Work for a thread fails with text.
//!
//! rustc: `&str` cannot be the error of work for a thread
//! rustc: text becomes an error with `Failure::msg("...")`

use reactor::Reactor;

fn main() {
    let reactor = Reactor::new().unwrap();
    reactor.defer_to_thread(|| if true { Ok(1) } else { Err("no") }).detach();
}
