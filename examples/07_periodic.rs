//! Calls again and again, on a grid in time, until it is enough: `cargo run --example 07_periodic`.
use reactor::{Reactor, task::LoopingCall};

fn main() -> Result<(), reactor::Failure> {
    let (reactor, mut ticks) = (Reactor::new()?, 1..=3);
    let (_looping, ended) = LoopingCall::start(&reactor, std::time::Duration::from_millis(100), move |tick| {
        ticks.next().map_or_else(|| tick.stop(), |n| println!("tick {n}"));
    });
    let ended = ended.add_callback(|()| println!("next: cargo run --example deferred_chain"));
    reactor.run_until(ended)
}

// Prints:
// tick 1
// tick 2
// tick 3
// next: cargo run --example deferred_chain
