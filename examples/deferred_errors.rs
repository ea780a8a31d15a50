//! How errors go through a chain: past the callbacks to the next errback, which may make up for them or pass them on.
//!
//! Run it with `cargo run --example deferred_errors`. Next: `deferred_waiting.rs`.

use reactor::{Deferred, Failure, deferred};
use std::num::ParseIntError;

/// What `text` costs, in a chain with every kind of step:
///
/// ```text
///   value  ---> [ parse ] ---> [ limit ] ---> (       ) ---> [ both ] --->
///                   \ raises      \ raises                    ^
///   failure ------------------------------> [ errback ] -----'
/// ```
fn price(text: &'static str) -> Deferred<u32> {
    println!("{text:?}:");
    deferred::succeed(text)
        .add_callback(|text| Ok(text.parse::<u32>()?)) // `?` makes any error a Failure.
        .add_callback(|n| if n <= 100 { Ok(n) } else { Err(Failure::msg("too expensive")) })
        .add_errback(|failure| {
            // Only for this kind of error; `?` passes every other one on.
            let text = failure.trap::<ParseIntError>()?.to_string();
            println!("  an errback makes up for: {text}");
            Ok(0)
        })
        .add_both(|result| {
            println!("  both sides come here: {:?}", result.as_ref().map_err(ToString::to_string));
            result
        })
}

fn main() {
    println!("  the end: {:?}", price("20").result());
    println!("  the end: {:?}", price("twenty").result());

    // A failure that nobody handles goes to the log when its chain is dropped. This one is handled: its story is told.
    let end = price("2000").add_callback(|n| println!("  never called: {n}")).add_errback(|failure| {
        println!("  where it came from: {}", failure.report());
        Ok(())
    });
    assert!(end.has_fired());

    // Side by side, one of the two runs, never both: the errback is not for what the callback beside it raises.
    let beside = deferred::succeed(1).add_callbacks(
        |_| Err::<u32, _>(Failure::msg("raised by the callback")),
        |_| -> Result<u32, Failure> { unreachable!("it stands beside the callback, not behind it") },
    );
    let behind = beside.add_errback(|failure| {
        println!("the errback behind both: {failure}");
        Ok(2)
    });
    println!("  the end: {:?}", behind.result());
    println!("next: cargo run --example deferred_waiting");
}

// Prints:
// "20":
//   both sides come here: Ok(20)
//   the end: Some(20)
// "twenty":
//   an errback makes up for: invalid digit found in string
//   both sides come here: Ok(0)
//   the end: Some(0)
// "2000":
//   both sides come here: Err("too expensive")
//   where it came from: too expensive
//   raised at examples/deferred_errors.rs:19:60
//   in the Deferred made at examples/deferred_errors.rs:17:5
//     after the callback added at examples/deferred_errors.rs:18:10
//     raised by the callback added at examples/deferred_errors.rs:19:10
//     passed on by the errback added at examples/deferred_errors.rs:20:10
//     passed on by the errback added at examples/deferred_errors.rs:26:10
//     past the callback added at examples/deferred_errors.rs:37:29
// the errback behind both: raised by the callback
//   the end: Some(2)
// next: cargo run --example deferred_waiting
