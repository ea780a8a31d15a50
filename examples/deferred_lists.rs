//! Several Deferreds at once: all results, all values or the first failure, the first value.
//!
//! Run it with `cargo run --example deferred_lists`. Next: `deferred_cancel.rs`.

use reactor::deferred::{Others, deferred_list, gather_results, race};
use reactor::testing::ManualClock;
use reactor::{Deferred, Failure};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers after `seconds`, or fails then if it has no answer; it tells when it is cancelled.
fn ask(clock: &ManualClock, server: &'static str, seconds: u32, answer: Option<u32>) -> Deferred<u32> {
    let (deferred, firer) = Deferred::with_canceller(move |_| println!("  {server} is cancelled"));
    clock.call_later(SECOND * seconds, move || {
        let result = answer.ok_or_else(|| Failure::msg(format!("{server} is down")));
        let _ = firer.fire(result); // It is refused if this was cancelled meanwhile.
    });
    deferred
}

fn main() {
    let clock = ManualClock::new();

    println!("deferred_list: every result, value or failure, in the order of the inputs");
    let inputs = [ask(&clock, "Alford", 3, Some(1)), ask(&clock, "Bolden", 1, None), ask(&clock, "Parker", 2, Some(3))];
    let all = deferred_list(inputs).add_callback(|results| {
        for result in results {
            println!("  {:?}", result.map_err(|failure| failure.to_string()));
        }
    });
    clock.advance(SECOND * 3);
    assert!(all.has_fired());

    println!("gather_results: all values");
    let inputs = [ask(&clock, "Alford", 2, Some(1)), ask(&clock, "Parker", 1, Some(3))];
    let values = gather_results(inputs, Others::Cancel);
    clock.advance(SECOND * 2);
    println!("  {:?}", values.result());

    println!("gather_results: or the first failure, and the others are not waited for");
    let inputs = [ask(&clock, "Alford", 3, Some(1)), ask(&clock, "Bolden", 1, None), ask(&clock, "Parker", 2, Some(3))];
    let values = gather_results(inputs, Others::Cancel).add_errback(|failure| {
        println!("  {failure}");
        Ok(Vec::new())
    });
    clock.advance(SECOND * 3);
    assert!(values.has_fired());

    println!("race: the first value, and which input it came from; failures only count if there is nothing else");
    let inputs = [ask(&clock, "Alford", 3, Some(1)), ask(&clock, "Bolden", 1, None), ask(&clock, "Parker", 2, Some(3))];
    let first = race(inputs, Others::Cancel);
    clock.advance(SECOND * 3);
    println!("  {:?}", first.result());
    println!("next: cargo run --example deferred_cancel");
}

// Prints:
// deferred_list: every result, value or failure, in the order of the inputs
//   Ok(1)
//   Err("Bolden is down")
//   Ok(3)
// gather_results: all values
//   Some([1, 3])
// gather_results: or the first failure, and the others are not waited for
//   Alford is cancelled
//   Parker is cancelled
//   input 1 failed: Bolden is down
// race: the first value, and which input it came from; failures only count if there is nothing else
//   Alford is cancelled
//   Some((2, 3))
// next: cargo run --example deferred_cancel
