//! How fast the simulated page is: measurements, not checks. By hand, on a quiet machine:
//!
//! ```sh
//! cargo test --profile optimized --test page -- --ignored --nocapture --test-threads 1
//! taskset -c 0 cargo test --profile optimized --test page -- --ignored --nocapture --test-threads 1   # one core
//! ```

use crate::chromium::Browser;
use crate::http::Events;
use crate::simulated::Page;
use serde_json::Value;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// As many clients as the smaller herd has below, and each moves every four seconds.
const FIVE: &str = "clients=50&every=4";
const TWO_HUNDRED: &str = "servers=200&links=random:4&clients=100&every=20";

/// Counts frames for eight seconds, and tells how many there were in a second, and the longest one in milliseconds.
const FRAMES: &str = "
    const times = [], end = performance.now() + 8000;
    for (let now = 0; now < end;) times.push(now = await new Promise(requestAnimationFrame));
    const steps = times.slice(1).map((time, at) => time - times[at]);
    return [steps.length / ((times.at(-1) - times[0]) / 1000), Math.max(...steps)]";

#[test]
#[ignore = "a measurement"]
fn frames_a_second() {
    for run in [FIVE, TWO_HUNDRED] {
        let Some(mut browser) = Browser::start() else { return };
        let page = Page::start();
        browser.size(1400, false);
        browser.open_run(&page, &format!("{run}&at=10"));
        browser.click("Play");
        println!("{run}: frames a second, and the longest in ms: {}", browser.run_async(FRAMES));
    }
}

#[test]
#[ignore = "a measurement"]
fn as_fast_as_it_goes() {
    let page = Page::start();
    let mut events = Events::open(page.port);
    let is_done = |line: &str| assert_eq!(page.ask(line), None, "{line}");
    is_done(&format!("load #{FIVE}&at=10"));
    is_done("speed 1000");
    is_done("play");
    let begin = Instant::now();
    let clock = events.find("an hour", |event| event["kind"] == "clock" && event["at"].as_f64() > Some(3600.0));
    let times = (clock["at"].as_f64().unwrap() - 10.0) / begin.elapsed().as_secs_f64();
    println!("{FIVE}: {times:.0} times as fast as a clock, of 1,000");
}

#[test]
#[ignore = "a measurement"]
fn back_in_time_within_an_hour() {
    let page = Page::start();
    let mut events = Events::open(page.port);
    let mut go = |to: f64| {
        let begin = Instant::now();
        assert_eq!(page.ask(&format!("go {to}")), None);
        let is_there = |event: &Value| event["kind"] == "clock" && event["at"] == to && event["travelling"] == false;
        events.find("it is there", is_there);
        begin.elapsed().as_secs_f64()
    };
    assert_eq!(page.ask(&format!("load #{FIVE}&at=10")), None);
    println!("{FIVE}: to the end of an hour, in {:.2} s", go(3600.0));
    println!("at once back to its middle: {:.2} s", go(1800.0));
    for to in [3000.0, 600.0, 2400.0, 1200.0] {
        // A person looks for a while, too, and the page prepares the next way meanwhile.
        let (_nobody, rest) = mpsc::channel::<()>();
        let _ = rest.recv_timeout(Duration::from_secs(5));
        println!("five seconds later to {to} s: {:.2} s", go(to));
    }
}
