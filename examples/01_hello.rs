//! A loop that makes one call, and stops: `cargo run --example 01_hello`.
use reactor::Reactor;

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let same = reactor.clone(); // A second handle of the same loop.
    reactor.call_when_running(move || {
        println!("hello from the loop");
        same.stop();
    });
    println!("the call is noted, and not made yet");

    // From here on, the loop calls us. It returns when something has called `stop`, or on Ctrl-C.
    reactor.run()?;
    println!("the loop has ended");
    println!("next: cargo run --example 02_timers");
    Ok(())
}

// Prints:
// the call is noted, and not made yet
// hello from the loop
// the loop has ended
// next: cargo run --example 02_timers
