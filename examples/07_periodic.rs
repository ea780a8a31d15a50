//! Calls again and again, on a grid in time, until it is enough: `cargo run --example 07_periodic`.
use reactor::{Reactor, task::LoopingCall};
use std::time::Duration;

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let mut numbers = 1..=3;
    let (_looping, ended) = LoopingCall::start(&reactor, Duration::from_millis(100), move |tick| {
        if let Some(number) = numbers.next() { println!("tick {number}") } else { tick.stop() }
    });
    reactor.run_until(ended.add_callback(|()| println!("next: cargo run --example deferred_chain")))
}

// Prints:
// tick 1
// tick 2
// tick 3
// next: cargo run --example deferred_chain
