//! Calls again and again, until it is enough. Beside `examples/07_periodic.rs`.
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 1..=3 {
        ticks.tick().await;
        println!("tick {n}");
    }
}
