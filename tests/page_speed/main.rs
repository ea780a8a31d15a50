//! How fast the simulated page is. `cargo test` runs each measurement for a moment, to see that it works; what it finds
//! then says little. By hand, on a quiet machine:
//!
//! ```text
//! cargo test --profile optimized --test page_speed -- --full
//! taskset -c 0 cargo test --profile optimized --test page_speed -- --full      # all of it on one core
//! ```

#[path = "../page/chromium.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod chromium;
#[path = "../page/http.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod http;
#[path = "../page/run_page.rs"]
mod run_page;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
#[path = "../util/mod.rs"]
#[allow(dead_code, unused_imports, reason = "made for more tests than these")]
mod util;

use chromium::Browser;
use http::Events;
use run_page::Page;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// As many clients as the smaller herd has below, and each moves every four seconds.
const FIVE: &str = "clients=50&every=4";
const TWO_HUNDRED: &str = "servers=200&links=random:4&clients=100&every=20";

/// How long each measurement takes.
struct Effort {
    /// Milliseconds in which frames are counted.
    frames_for: u32,
    /// How far a run goes, in simulated seconds.
    run_to: f64,
    /// How often somebody goes to another time, and how long they look at it before.
    travels: usize,
    looks_for: Duration,
}

const FULL: Effort = Effort { frames_for: 8000, run_to: 3600.0, travels: 4, looks_for: Duration::from_secs(5) };
const QUICK: Effort = Effort { frames_for: 200, run_to: 60.0, travels: 1, looks_for: Duration::ZERO };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let effort = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => QUICK,
        ["--full"] => FULL,
        other => {
            eprintln!("page_speed: {other:?}: only --full is known");
            return ExitCode::from(2);
        }
    };
    count_frames(&effort);
    go_as_fast_as_can_be(&effort);
    go_back_in_time(&effort);
    ExitCode::SUCCESS
}

fn count_frames(effort: &Effort) {
    let script = format!(
        "const times = [], end = performance.now() + {};
         for (let now = 0; now < end;) times.push(now = await new Promise(requestAnimationFrame));
         const steps = times.slice(1).map((time, at) => time - times[at]);
         return [steps.length / ((times.at(-1) - times[0]) / 1000), Math.max(...steps)]",
        effort.frames_for
    );
    for run in [FIVE, TWO_HUNDRED] {
        let Some(mut browser) = Browser::start_with(&json!({})) else { return };
        let page = Page::start();
        browser.size(1400, false);
        browser.open_run(&page, &format!("{run}&at=10"));
        browser.click("Play");
        let found = browser.run_async(&script);
        let [frames, longest] = [0, 1].map(|at| found[at].as_f64().expect("two numbers"));
        println!("{run}: {frames:.0} frames a second, the longest {longest:.0} ms");
    }
}

fn go_as_fast_as_can_be(effort: &Effort) {
    let page = Page::start();
    let mut events = Events::open(page.port);
    for line in [&format!("load #{FIVE}&at=10"), "speed 1000", "play"] {
        assert_eq!(page.ask(line), None, "{line}");
    }
    let begin = Instant::now();
    let is_over = |event: &Value| event["kind"] == "clock" && event["at"].as_f64() > Some(effort.run_to);
    let clock = events.find("the end of the run", is_over);
    let times = (clock["at"].as_f64().unwrap() - 10.0) / begin.elapsed().as_secs_f64();
    println!("{FIVE}: {times:.0} times as fast as a clock, of 1,000");
}

fn go_back_in_time(effort: &Effort) {
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
    println!("{FIVE}: to {} s, in {:.2} s", effort.run_to, go(effort.run_to));
    println!("at once back to the middle: {:.2} s", go(effort.run_to / 2.0));
    for part in [0.9, 0.2, 0.7, 0.3].into_iter().take(effort.travels) {
        // Somebody looks at what there is, and the page prepares the next way meanwhile.
        thread::sleep(effort.looks_for);
        let to = effort.run_to * part;
        println!("{:?} later to {to} s: {:.2} s", effort.looks_for, go(to));
    }
}
