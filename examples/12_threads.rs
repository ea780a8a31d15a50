//! Work that takes long, on other threads: its result comes back to the loop. And a thread calls into the loop. Run it
//! with `cargo run --example 12_threads`.
use reactor::deferred::{Others, gather_results};
use reactor::{Failure, Reactor};

/// Stands for work that would hold the loop up.
fn slow_square(n: u64) -> Result<u64, std::num::TryFromIntError> {
    Ok((0..n).map(|_| n).sum())
}

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let squares = [3, 4, 5].map(|n| reactor.defer_to_thread(move || slow_square(n)));
    let squares = gather_results(squares, Others::Cancel);

    // A reactor cannot leave its thread: that does not compile. Its handle can, and a call through it runs on the loop.
    let handle = reactor.handle();
    let called = reactor.defer_to_thread(move || {
        handle.call_from_thread(|reactor| println!("on the loop, with {} sources", reactor.source_count()))
    });
    reactor.run_until(called)?;
    println!("the squares are {:?}", reactor.run_until(squares)?);
    println!("next: cargo run --example 13_four_styles");
    Ok(())
}

// Prints:
// on the loop, with 0 sources
// the squares are [9, 16, 25]
// next: cargo run --example 13_four_styles
