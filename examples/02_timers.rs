//! Calls later: in the order of their times, and cancelled in time. Run it with `cargo run --example 02_timers`.
use reactor::Reactor;
use std::time::Duration;

const TENTH: Duration = Duration::from_millis(100);

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let say = |text: &'static str| move || println!("{text}");

    // One loop waits for all of them at once. None of them has a thread.
    reactor.call_later(TENTH * 2, say("two tenths of a second later"));
    reactor.call_later(TENTH, say("one tenth of a second later"));
    let call = reactor.call_later(TENTH * 3, say("this is never printed"));
    reactor.call_later(TENTH, move || println!("cancelled in time: {}", call.cancel()));

    // A call may ask for the next one: that is how a loop repeats something.
    let same = reactor.clone();
    reactor.call_later(TENTH * 4, move || {
        println!("the last call asks for one more");
        let again = same.clone();
        same.call_later(TENTH, move || again.stop());
    });
    reactor.run()?;
    println!("next: cargo run --example 03_echo");
    Ok(())
}

// Prints:
// one tenth of a second later
// cancelled in time: true
// two tenths of a second later
// the last call asks for one more
// next: cargo run --example 03_echo
