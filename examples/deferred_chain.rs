//! A Deferred: a result that is not there yet, and the chain of callbacks that wait for it.
//!
//! Run it with `cargo run --example deferred_chain`. Next: `deferred_errors.rs`.

use reactor::error::AlreadyCalledError;
use reactor::{Deferred, deferred};

fn main() -> Result<(), AlreadyCalledError> {
    // Two ends: the Firer is for the code that will have the result, the Deferred for the code that waits for it.
    let (text, firer) = Deferred::<String>::new();

    // Each callback gets what the one before it returned, so the chain has a new type after each.
    let chain = text
        .add_callback(|text| {
            println!("1. the text is {text:?}");
            Ok(text.len())
        })
        .add_callback(|length| {
            println!("2. its length is {length}");
            Ok(length % 2 == 0)
        });
    println!("two callbacks are added; fired: {}", chain.has_fired());

    // Firing runs the whole chain before it returns: no loop, no thread, no waiting.
    firer.callback("hello".to_owned())?;
    println!("callback() has returned; fired: {}", chain.has_fired());

    // A chain that has its result already runs what is added at once.
    let chain = chain.add_callback(|is_even| println!("3. is it even? {is_even}"));
    println!("add_callback() has returned");
    assert_eq!(chain.result(), Some(()));

    // It fires once. A second firing is an error for its caller, and is logged; where two may fire, ask first.
    println!("it takes another result: {}", !firer.called());

    // What is known already comes as a Deferred, too, so that the caller need not tell the difference.
    let cached = deferred::succeed(20).add_callback(|n| Ok(n + 1)).add_callback(|n| Ok(n * 2));
    println!("from the cache: {:?}", cached.result());
    println!("next: cargo run --example deferred_errors");
    Ok(())
}

// Prints:
// two callbacks are added; fired: false
// 1. the text is "hello"
// 2. its length is 5
// callback() has returned; fired: true
// 3. is it even? false
// add_callback() has returned
// it takes another result: false
// from the cache: Some(42)
// next: cargo run --example deferred_errors
