//! Three slow services, asked in four styles. The blocking style waits for one after the other, the others for all at
//! once. Run it with `cargo run --example 13_four_styles`; with `-- --slow 10`, the services take ten times as long.
use reactor::{Deferred, Failure, Reactor, deferred::Others, deferred::gather_results, deferred::succeed};
use std::{cell::RefCell, rc::Rc, time::Duration, time::Instant};

type Style = fn(&Reactor, Duration) -> Deferred<Vec<String>>;
const NAMES: [&str; 3] = ["weather", "traffic", "news"];

fn answer(service: &str) -> Result<String, Failure> {
    if service == "rumors" { Err(Failure::msg("rumors is down")) } else { Ok(format!("{service} is good")) }
}

/// A service in three shapes: its answer comes after `time`.
fn ask_blocking(time: Duration, service: &str) -> Result<String, Failure> {
    std::thread::sleep(time);
    answer(service)
}

fn ask_then(reactor: &Reactor, time: Duration, service: &'static str, then: impl FnOnce(String) + 'static) {
    // A failure would need a second callback, and each level must remember to call one of the two.
    reactor.call_later(time, move || then(answer(service).expect("these services work")));
}

fn ask(reactor: &Reactor, time: Duration, service: &'static str) -> Deferred<String> {
    let (deferred, firer) = Deferred::with_canceller(move |_| println!("  {service} is cancelled"));
    reactor.call_later(time, move || firer.fire(answer(service)).unwrap_or(())); // Refused, if it was cancelled before.
    deferred
}

fn blocking(_reactor: &Reactor, time: Duration) -> Deferred<Vec<String>> {
    succeed(NAMES.iter().filter_map(|service| ask_blocking(time, service).ok()).collect())
}

fn callbacks(reactor: &Reactor, time: Duration) -> Deferred<Vec<String>> {
    let (all, firer) = Deferred::new();
    let answers = Rc::new(RefCell::new(Vec::new()));
    for service in NAMES {
        let (answers, firer) = (answers.clone(), firer.clone());
        ask_then(reactor, time, service, move |answer| {
            answers.borrow_mut().push(answer);
            if answers.borrow().len() == NAMES.len() {
                firer.callback(answers.take()).expect("the last answer comes once");
            }
        });
    }
    all
}

fn deferreds(reactor: &Reactor, time: Duration) -> Deferred<Vec<String>> {
    gather_results(NAMES.map(|service| ask(reactor, time, service)), Others::Cancel)
}

fn with_async(reactor: &Reactor, time: Duration) -> Deferred<Vec<String>> {
    let [weather, traffic, news] = NAMES.map(|service| ask(reactor, time, service)); // All three are asked by now.
    Deferred::from_future(async { Ok(vec![weather.await?, traffic.await?, news.await?]) })
}

fn main() -> Result<(), Failure> {
    let slow = std::env::args().skip_while(|word| word != "--slow").nth(1).unwrap_or("1".to_owned());
    let slow: u32 = slow.parse().ok().filter(|slow| *slow > 0).ok_or(Failure::msg("--slow: a whole number above 0"))?;
    let (reactor, time) = (Reactor::new()?, Duration::from_millis(100) * slow);
    let styles: [(_, Style); 4] =
        [("blocking", blocking), ("callbacks", callbacks), ("Deferreds", deferreds), ("async", with_async)];
    for (name, style) in styles {
        let start = Instant::now();
        let answers = reactor.run_until(style(&reactor, time))?;
        let bar = "#".repeat((start.elapsed().as_millis() * 8 / time.as_millis()) as usize);
        println!("{name:<10} {bar} {} answers in {} ms", answers.len(), start.elapsed().as_millis());
    }
    let asked = [ask(&reactor, time, "weather"), ask(&reactor, time / 2, "rumors"), ask(&reactor, time, "news")];
    println!("an error, with Deferreds:");
    let failed = gather_results(asked, Others::Cancel).add_both(|result| println!("  {}", result.unwrap_err()));
    reactor.run_until(failed)?;
    println!("a time limit, with Deferreds:");
    let late = deferreds(&reactor, time).add_timeout(time / 2, &reactor);
    let next = "next: cargo run --example 14_simulated_world";
    reactor.run_until(late.add_both(move |result| println!("  {}\n{next}", result.unwrap_err())))
}

// Prints:
// blocking   ######################## 3 answers in 304 ms
// callbacks  ######## 3 answers in 100 ms
// Deferreds  ######## 3 answers in 104 ms
// async      ######## 3 answers in 103 ms
// an error, with Deferreds:
//   weather is cancelled
//   news is cancelled
//   input 1 failed: rumors is down
// a time limit, with Deferreds:
//   weather is cancelled
//   traffic is cancelled
//   news is cancelled
//   the result of the Deferred made at examples/13_four_styles.rs:50:5 did not come within 50ms
// next: cargo run --example 14_simulated_world
