//! Work in threads: its result comes back to the loop, and a thread may call into the loop. Run it with
//! `cargo run --example threads`.
use reactor::deferred::{Others, gather_results};
use reactor::{Failure, Reactor};

fn slow_square(n: u64) -> Result<u64, std::num::TryFromIntError> {
    Ok((0..n).map(|_| n).sum())
}

fn main() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let squares = [3, 4, 5].map(|n| reactor.defer_to_thread(move || slow_square(n)));
    let squares = gather_results(squares, Others::Cancel);
    let loop_of_main = reactor.handle();
    let called = reactor.defer_to_thread(move || {
        let said = loop_of_main.call_from_thread(|reactor| println!("called, and {} sources", reactor.source_count()));
        said.map(|()| "the thread")
    });
    let who = reactor.run_until(called)?;
    println!("by {who}");
    println!("the squares are {:?}", reactor.run_until(squares)?);
    Ok(())
}

// Prints:
// called, and 0 sources
// by the thread
// the squares are [9, 16, 25]
