//! Calls again and again, and stops by itself: `cargo run --example looping_call`.
use reactor::{Reactor, task::LoopingCall};
use std::time::Duration;

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let mut left = 3;
    let (_looping, stopped) = LoopingCall::start(&reactor, Duration::from_millis(10), move |tick| {
        println!("{left} to go");
        left -= 1;
        if left == 0 {
            tick.stop();
        }
    });
    reactor.run_until(stopped)?;
    println!("done");
    Ok(())
}

// Prints:
// 3 to go
// 2 to go
// 1 to go
// done
