//! A callback may return a Deferred: the chain waits for it. And an unfired chain says what it waits for.
//!
//! Run it with `cargo run --example deferred_waiting`. Next: `deferred_lists.rs`.

use reactor::Deferred;
use reactor::error::AlreadyCalledError;
use reactor::testing::ManualClock;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Tells `what` and the time.
fn say(clock: &ManualClock, what: &str) {
    println!("{:>2} s: {what}", clock.elapsed().as_secs());
}

/// A slow service: the answer comes after `delay`. On a ManualClock nobody really waits for it.
fn ask(clock: &ManualClock, question: &str, answer: &'static str, delay: Duration) -> Deferred<&'static str> {
    say(clock, &format!("asking for {question}"));
    let (deferred, firer) = Deferred::new();
    clock.call_later(delay, move || {
        firer.callback(answer).expect("nobody else fires it");
    });
    deferred
}

fn main() -> Result<(), AlreadyCalledError> {
    let clock = ManualClock::new();
    let (login, user_came) = Deferred::<&str>::new();

    // The chain stands still at a callback that returned a Deferred, and goes on with what that one gives.
    let (first, second, third) = (clock.clone(), clock.clone(), clock.clone());
    let chain = login
        .add_callback(move |user| ask(&first, &format!("the city of {user}"), "Los Angeles", SECOND * 2))
        .add_callback(move |city| ask(&second, &format!("the weather in {city}"), "sun", SECOND * 3))
        .add_callback(move |weather| say(&third, &format!("the answer is {weather}")));

    println!("waiting: {}", chain.waiting());
    user_came.callback("Kiwi")?;
    println!("waiting: {}", chain.waiting());
    clock.advance(SECOND * 2);
    println!("waiting: {}", chain.waiting());
    clock.advance(SECOND * 3);
    println!("fired: {}", chain.has_fired());
    println!("next: cargo run --example deferred_lists");
    Ok(())
}

// Prints:
// waiting: the Deferred made at examples/deferred_waiting.rs:29:30 has not been fired
//  0 s: asking for the city of Kiwi
// waiting: the Deferred made at examples/deferred_waiting.rs:29:30 waits
//   for the one that the callback added at examples/deferred_waiting.rs:34:10 gave back:
//   the Deferred made at examples/deferred_waiting.rs:20:29 has not been fired
//  2 s: asking for the weather in Los Angeles
// waiting: the Deferred made at examples/deferred_waiting.rs:29:30 waits
//   for the one that the callback added at examples/deferred_waiting.rs:35:10 gave back:
//   the Deferred made at examples/deferred_waiting.rs:20:29 has not been fired
//  5 s: the answer is sun
// fired: true
// next: cargo run --example deferred_lists
