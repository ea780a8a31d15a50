//! A thread fires a Deferred of the loop.
//!
//! rustc: cannot be sent between threads safely
//! rustc: required because it appears within the type `Firer<u32>`

use reactor::Deferred;

fn main() {
    let (answer, firer) = Deferred::<u32>::new();
    std::thread::spawn(move || firer.callback(42));
    answer.detach();
}
