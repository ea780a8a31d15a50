//! One program in four styles asks a slow service for a user's city, then for the weather there. The blocking style
//! serves one user after the other; the others serve all at once. Run it with `cargo run --example four_styles`.
//!
//! Next: `reactor/src/deferred/mod.rs`, how a Deferred works.

use reactor::{Deferred, Failure, testing::ManualClock};
use std::time::Duration;

fn answer(question: &str) -> Result<String, Failure> {
    let known = [("city of Ada", "London"), ("city of Bob", "Atlantis"), ("weather in London", "rain")];
    let found = known.into_iter().find(|(asked, _)| *asked == question);
    found.map(|(_, answer)| answer.to_owned()).ok_or_else(|| Failure::msg(format!("nobody knows the {question}")))
}

/// The service, in three shapes: it takes a second for each answer. Code that blocks does nothing else in that second.
fn ask_blocking(clock: &ManualClock, question: String) -> Result<String, Failure> {
    clock.advance(Duration::from_secs(1));
    answer(&question)
}

fn ask_then(clock: &ManualClock, question: String, then: impl FnOnce(Result<String, Failure>) + 'static) {
    clock.call_later(Duration::from_secs(1), move || then(answer(&question)));
}

fn ask(clock: &ManualClock, question: String) -> Deferred<String> {
    let (deferred, firer) = Deferred::new();
    ask_then(clock, question, move |answer| firer.fire(answer).expect("nobody else fires it"));
    deferred
}

fn show(user: &str, weather: Result<String, Failure>) {
    print!("{user}: {}. ", weather.unwrap_or_else(|failure| failure.to_string()));
}

fn blocking(clock: ManualClock, user: &'static str) {
    let city = ask_blocking(&clock, format!("city of {user}"));
    show(user, city.and_then(|city| ask_blocking(&clock, format!("weather in {city}"))));
}

fn callbacks(clock: ManualClock, user: &'static str) {
    ask_then(&clock.clone(), format!("city of {user}"), move |city| match city {
        Ok(city) => ask_then(&clock, format!("weather in {city}"), move |weather| show(user, weather)),
        Err(failure) => show(user, Err(failure)), // Each level must see to errors itself.
    });
}

fn deferreds(clock: ManualClock, user: &'static str) {
    let city = ask(&clock, format!("city of {user}"));
    let weather = city.add_callback(move |city| ask(&clock, format!("weather in {city}")));
    weather.add_both(move |weather| show(user, weather)).detach();
}

fn with_async(clock: ManualClock, user: &'static str) {
    let weather = Deferred::from_future(async move {
        let city = ask(&clock, format!("city of {user}")).await?;
        ask(&clock, format!("weather in {city}")).await
    });
    weather.add_both(move |weather| show(user, weather)).detach();
}

fn main() {
    let styles: [(_, fn(_, _)); 4] =
        [("blocking", blocking), ("callbacks", callbacks), ("Deferreds", deferreds), ("async", with_async)];
    for (name, style) in styles {
        print!("{name}: ");
        let clock = ManualClock::new();
        ["Ada", "Bob"].into_iter().for_each(|user| style(clock.clone(), user));
        while let Some(next) = clock.pending().first() {
            clock.advance(next.time() - clock.now());
        }
        println!("All after {:?}.", clock.elapsed());
    }
}

// Prints:
// blocking: Ada: rain. Bob: nobody knows the weather in Atlantis. All after 4s.
// callbacks: Ada: rain. Bob: nobody knows the weather in Atlantis. All after 2s.
// Deferreds: Ada: rain. Bob: nobody knows the weather in Atlantis. All after 2s.
// async: Ada: rain. Bob: nobody knows the weather in Atlantis. All after 2s.
