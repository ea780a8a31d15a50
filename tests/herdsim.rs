//! The program `herdsim`: what it prints and how it ends.

use std::process::{Command, Output};

fn herdsim(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_herdsim")).args(line.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn seeds_that_hold_end_with_zero_and_say_how_many_and_how_fast() {
    let output = herdsim("--seeds 1..4 --minutes 3 --jobs 2");
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    let last = out.lines().last().unwrap();
    assert!(last.starts_with("3 seeds, all held; 9.0 minutes simulated in ") && last.contains("seeds/s"), "{out}");
}

#[test]
fn another_process_finds_the_same_hashes() {
    let hashes = || -> Vec<String> {
        let out = text(&herdsim("--seeds 5..9 --minutes 3 --trace-hash").stdout);
        out.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect()
    };
    let first = hashes();
    assert_eq!(first.len(), 4);
    assert!(first[0].starts_with("seed 5 ") && first[3].starts_with("seed 8 "), "{first:?}");
    assert_eq!(first, hashes());
}

#[test]
fn a_seed_that_fails_ends_with_one_and_prints_the_command_that_repeats_it() {
    let output = herdsim("--seeds 3 --minutes 3 --rule seen --clients 4");
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    let command = out.lines().find_map(|line| line.strip_prefix("this repeats it: ")).unwrap();
    let arguments = command.strip_prefix("cargo run --release --bin herdsim -- ").unwrap();
    let arguments = arguments.strip_suffix(" --trace trace.txt").unwrap();
    assert!(arguments.starts_with("--seeds 3..4 "), "{command}");
    let failure = |out: &str| out.lines().find(|line| line.starts_with("seed 3 FAILED: ")).map(str::to_owned);
    assert_eq!(failure(&text(&herdsim(arguments).stdout)), failure(&out));
    assert!(failure(&out).is_some());
}

#[test]
fn a_wrong_command_line_ends_with_two_and_help_with_zero() {
    let output = herdsim("--links tree");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    assert_eq!(text(&output.stderr).lines().count(), 1);
    let output = herdsim("--help");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Runs the whole herd"));
}

#[test]
fn the_greatest_seed_and_many_threads_come_to_an_end() {
    let output = herdsim("--seeds 18446744073709551614 --minutes 3 --jobs 1000000");
    let out = text(&output.stdout);
    let last = out.lines().last().unwrap();
    assert!(last.starts_with("1 seed, ") && last.ends_with("on 1 thread"), "{out}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_trace_that_cannot_be_written_is_an_error() {
    for path in ["/dev/full", "/nowhere/trace.txt"] {
        let output = herdsim(&format!("--seeds 1 --minutes 3 --trace {path}"));
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains("cannot write the trace") && error.contains(path), "{error}");
    }
}
