//! Giving up: a cancel tells the work to stop, a timeout cancels by itself. Tested on a clock that is moved by hand.
//!
//! Run it with `cargo run --example deferred_cancel`. Next: `08_retry_client.rs`.

use reactor::testing::ManualClock;
use reactor::{CancelledError, Deferred, deferred};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A page that takes ten seconds. Its canceller stops the work; nobody need fire the Deferred then.
fn page(clock: &ManualClock) -> Deferred<&'static str> {
    let (deferred, firer) = Deferred::with_canceller(|_| println!("  the download is stopped"));
    clock.call_later(SECOND * 10, move || {
        let _ = firer.callback("a page"); // It is refused if this was cancelled meanwhile.
    });
    deferred
}

/// Adds a last step that tells how it ended.
fn told(clock: &ManualClock, deferred: Deferred<&'static str>) -> Deferred<()> {
    let clock = clock.clone();
    deferred.add_both(move |result| {
        let seconds = clock.elapsed().as_secs();
        println!("  after {seconds} s: {}", result.map_or_else(|failure| failure.to_string(), str::to_owned));
    })
}

/// Gives a chain half a minute, of which no second is waited for.
fn case(what: &str, chain: impl FnOnce(&ManualClock) -> Deferred<()>) {
    println!("{what}");
    let clock = ManualClock::new();
    let chain = chain(&clock);
    clock.advance(SECOND * 30);
    assert!(chain.has_fired());
}

fn main() {
    case("a cancel", |clock| {
        let chain = told(clock, page(clock));
        clock.advance(SECOND * 4);
        chain.cancel();
        chain
    });
    case("a cancel of a chain reaches what it waits for", |clock| {
        let page = page(clock);
        let chain = told(clock, deferred::succeed(()).add_callback(move |()| page));
        chain.cancel();
        chain
    });
    case("a timeout in time", |clock| told(clock, page(clock).add_timeout(SECOND * 15, clock)));
    case("a timeout", |clock| told(clock, page(clock).add_timeout(SECOND * 5, clock)));
    case("a timeout with a second best", |clock| {
        told(clock, page(clock).add_timeout_with(SECOND * 5, clock, |_result, _after| Ok("yesterday's page")))
    });
    case("an errback before the timeout may make up for it", |clock| {
        let page = page(clock).add_errback(|failure| failure.trap::<CancelledError>().map(|_| "an empty page"));
        told(clock, page.add_timeout(SECOND * 5, clock))
    });
    println!("next: cargo run --example 08_retry_client");
}

// Prints:
// a cancel
//   the download is stopped
//   after 4 s: cancelled
// a cancel of a chain reaches what it waits for
//   the download is stopped
//   after 0 s: cancelled
// a timeout in time
//   after 10 s: a page
// a timeout
//   the download is stopped
//   after 5 s: the result of the Deferred made at examples/deferred_cancel.rs:13:29 did not come within 5s
// a timeout with a second best
//   the download is stopped
//   after 5 s: yesterday's page
// an errback before the timeout may make up for it
//   the download is stopped
//   after 5 s: an empty page
// next: cargo run --example 08_retry_client
