//! Every example runs, and prints what the comment at its end says. Servers are driven over sockets.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test examples` alone does not.

mod clients;
mod files;
mod herd;
#[cfg(target_os = "linux")]
mod kernel_lane;
mod listings;
mod servers;
mod sizes;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
mod tiny_oracle;
mod tiny_reactor;
#[path = "../util/mod.rs"]
#[expect(dead_code, reason = "other tests end servers and read logs")]
mod util;

/// Its test is part of what it shows. `cargo test` runs it here: it builds an example, and does not run its tests.
#[path = "../../examples/10_key_value.rs"]
#[expect(dead_code, reason = "its main is for the example")]
mod key_value;

use files::{Example, examples, masked, program};
use std::process::Command;

/// Examples that do not end by themselves, or that need a server. Each has a test of its own, in `servers` or
/// `clients`; those of STARTTLS in `tests/starttls_example.rs`.
const DRIVEN: [&str; 17] = [
    "03_echo",
    "04_blocked_echo",
    "06_chat",
    "08_retry_client",
    "09_proxy",
    "10_key_value",
    "client_service",
    "counter",
    "echo_client",
    "standard_io",
    "starttls_client",
    "starttls_server",
    "tiny_herd",
    "tiny_reactor",
    "udp_echo",
    "unix_echo",
    "visitors",
];

#[test]
fn every_example_that_ends_prints_what_it_says() {
    let all = examples();
    for name in DRIVEN {
        assert!(all.iter().any(|example| example.name == name), "{name} is driven by a test, but is not there");
    }
    for Example { name, text } in all.iter().filter(|example| !DRIVEN.contains(&example.name.as_str())) {
        let expected = files::expected(text).unwrap_or_else(|| panic!("{name} does not end in `{}`", files::PRINTS));
        let output = Command::new(program(name)).output().expect("an example can be run");
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // On a busy machine, the loop may rightly say that a callback took long.
        let is_mistake = |line: &str| !line.contains(" held the loop for ");
        assert!(output.status.success() && !errors.lines().any(is_mistake), "{name}: {}\n{errors}", output.status);
        let says = format!("{name} says that it prints\n{expected}\nbut it prints\n{printed}");
        assert_eq!(masked(&printed), masked(&expected), "{says}");
        assert!(!printed.is_empty(), "{name} shows nothing");
    }
}

#[test]
fn the_blocking_style_takes_three_times_as_long_as_one_service() {
    // Only what must hold on any machine: that the others take a third of it depends on how busy this one is.
    let output = Command::new(program("13_four_styles")).args(["--slow", "2"]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let bar = |style: &str| printed.lines().find(|line| line.starts_with(style)).unwrap().matches('#').count();
    assert!(bar("blocking") >= 24, "eight for each of three services: {printed}");
    assert!(bar("async") >= 8, "{printed}");
}

#[test]
fn the_ladder_leads_from_hello_through_every_step_in_order() {
    let all = examples();
    let is_step = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
    let mut walked = vec!["01_hello".to_owned()];
    loop {
        let last = walked.last().unwrap();
        let example = all.iter().find(|example| example.name == *last).unwrap_or_else(|| panic!("there is no {last}"));
        // What it prints, not only what its source says: `expected` is compared with that.
        let expected = files::expected(&example.text).unwrap_or_else(|| panic!("{last} does not say what it prints"));
        let next = expected.lines().find_map(|line| line.strip_prefix("next: ")).expect("every step says what is next");
        let Some((_, next)) = next.rsplit_once("cargo run --example ") else { break };
        assert!(!walked.contains(&next.to_owned()), "{last} leads back to {next}");
        walked.push(next.to_owned());
    }
    let steps: Vec<&String> = walked.iter().filter(|name| is_step(name)).collect();
    let all_steps: Vec<&String> = all.iter().map(|example| &example.name).filter(|name| is_step(name)).collect();
    assert_eq!(steps, all_steps);
    let lessons = all.iter().filter(|example| example.name.starts_with("deferred_"));
    lessons.for_each(|lesson| assert!(walked.contains(&lesson.name), "{} is not on the way", lesson.name));
}

#[test]
fn the_expected_output_is_read_from_the_end_of_an_example() {
    let prints = files::PRINTS;
    let text = format!("fn main() {{}}\n\n{prints}\n// one\n//   two\n//\n// three\n");
    assert_eq!(files::expected(&text).unwrap(), "one\n  two\n\nthree\n");
    assert_eq!(files::expected(&format!("\n{prints}\n// one\nfn more() {{}}\n")), None);
    assert_eq!(files::expected("fn main() {}\n"), None);
}

#[test]
fn what_differs_from_run_to_run_is_masked() {
    assert_eq!(masked("at 127.0.0.1:8007; try: nc 127.0.0.1 8007\n"), masked("at 127.0.0.1:9; try: nc 127.0.0.1 10\n"));
    assert_eq!(masked("async ######## 3 answers in 104 ms"), masked("async ######### 3 answers in 99 ms"));
    assert_ne!(masked("3 answers"), masked("2 answers"));
}
