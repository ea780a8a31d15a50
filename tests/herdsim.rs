//! The program `herdsim`: what it prints and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

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
    for wrong in ["--links tree", "--sedes 1..3", "--seeds", "more"] {
        let output = herdsim(wrong);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(wrong.rsplit(' ').next().unwrap()) || wrong.starts_with("--sedes"), "{error}");
        assert!(error.ends_with("(see herdsim --help)\n"), "{error}");
    }
    let output = herdsim("--help");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Runs the whole herd"));
}

#[test]
fn a_run_of_the_page_is_printed_line_by_line_and_judged() {
    let address = "http://127.0.0.1:12400/#seed=2&clients=2&every=5&at=14&do=4:cut,Alford,Powell;\
                   5:iamat,kiwi,Alford,+1+1;6:whatsat,kiwi,Bolden,10,5;7:kill,Parker;9:restart,Parker";
    let output = herdsim(&format!("--replay {address}"));
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    let has = |line: &str| out.lines().any(|own| own.contains(line));
    assert!(
        has("     4.000000000 --         cut Alford Powell") && has("     7.000000000 --         kill Parker"),
        "{out}"
    );
    assert!(has("Alford     hears kiwi of ") && has("Parker     is linked to "), "{out}");
    assert!(has("from its client: newer, so taken and passed on") && has("Bolden     answers WHATSAT kiwi "), "{out}");
    assert!(out.trim_end().ends_with("All held."), "{out}");
    let again = text(&herdsim(&format!("--replay {address}")).stdout);
    assert_eq!(again, out, "it is the same run");
}

#[test]
fn a_run_of_the_page_in_which_something_does_not_hold_ends_with_one() {
    let storm = "#servers=3&links=ring&clients=0&rule=paper&delay=200&jitter=0&every=0&at=8&\
                 do=5:twice,kiwi,Alford,+1+1,+2+2";
    let output = herdsim(&format!("--replay {storm}"));
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("FAILED: never backwards: ") && out.contains("FAILED: message bound: "), "{out}");
    assert!(out.contains("1 storms now, 1 in all"), "{out}");
    let wrong = herdsim("--replay #do=soon");
    assert_eq!((wrong.status.code(), text(&wrong.stdout)), (Some(2), String::new()));
    assert!(text(&wrong.stderr).contains("\"soon\" has no time before a colon"), "{}", text(&wrong.stderr));
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

/// What `--trace` writes, and what is printed.
fn traced(name: &str, line: &str) -> (String, String) {
    let path = format!("{}/{name}.txt", env!("CARGO_TARGET_TMPDIR"));
    let output = herdsim(&format!("{line} --trace {path}"));
    (fs::read_to_string(&path).unwrap(), text(&output.stdout))
}

#[test]
fn a_trace_begins_with_the_settings_and_all_starts_and_ends_with_the_verdict() {
    let (trace, out) = traced("held", "--seeds 7 --minutes 3");
    assert!(out.contains("1 seed, all held"), "{out}");
    let beginning: Vec<&str> = trace.lines().map_while(|line| line.strip_prefix("     0.000000000 ")).collect();
    assert_eq!(beginning[0], "--         a world with seed 7");
    assert!(
        beginning[1].starts_with("--         links: ") && beginning[1].contains("segments of 1460"),
        "{beginning:?}"
    );
    for server in ["Alford", "Bolden", "Hamilton", "Parker", "Powell"] {
        let said =
            |what: &str| beginning.iter().filter(|line| line.starts_with(&format!("{server:<10} {what}"))).count();
        assert_eq!(said("starts: its clock says 17040"), 1, "{server}: {beginning:?}");
        assert!(said("looks a name up: ") >= 1, "{server}: {beginning:?}");
    }
    let last = trace.lines().last().unwrap();
    assert!(last.ends_with(" --         all held") && !last.starts_with("     0."), "{last}");
}

#[test]
fn the_trace_of_a_seed_with_a_store_shows_what_is_offered_and_what_happens_to_the_store() {
    let (trace, out) = traced("store", "--seeds 19 --minutes 3");
    assert!(out.contains("1 seed, all held"), "{out}");
    for what in ["a store confirms with ", "store      starts", "proxyherd_offer"] {
        assert!(trace.lines().any(|line| line.contains(what)), "{what}");
    }
    let (with, _) = traced("with", "--seeds 1 --minutes 3 --store");
    let (without, _) = traced("without", "--seeds 1 --minutes 3");
    let has_store = |trace: &str| trace.contains("a store confirms with ");
    assert!(has_store(&with) && !has_store(&without));
}

#[test]
fn the_trace_of_a_seed_that_fails_ends_with_what_did_not_hold() {
    let (trace, out) = traced("failed", "--seeds 3 --minutes 3 --rule seen --clients 4");
    let failure = out.lines().find_map(|line| line.strip_prefix("seed 3 FAILED: ")).unwrap();
    let last = trace.lines().last().unwrap();
    assert!(last.ends_with(&format!(" --         FAILED: {failure}")), "{last}");
}

#[test]
fn the_text_trace_is_a_view_of_the_stream() {
    let [lines, stream] = ["txt", "jsonl"].map(|end| format!("{}/view.{end}", env!("CARGO_TARGET_TMPDIR")));
    let output = Command::new(env!("CARGO_BIN_EXE_herdsim"))
        .args(["--seeds", "7", "--minutes", "3", "--jobs", "1", "--trace", &lines])
        .env("REACTOR_TRACE", &stream)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (lines, stream) = (fs::read_to_string(lines).unwrap(), fs::read_to_string(stream).unwrap());
    let events = stream.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut told = 0;
    let mut lines = lines.lines();
    for event in events.filter(|event| event["kind"] == "network") {
        let (ns, at) = (event["ns"].as_u64().unwrap(), event["at"].as_str().unwrap());
        let words = event["words"].as_str().unwrap();
        let line = format!("{:>6}.{:09} {at:<10} {words}", ns / 1_000_000_000, ns % 1_000_000_000);
        assert_eq!(lines.next(), Some(&*line));
        told += 1;
    }
    assert_eq!(lines.next(), None, "a line that the stream does not have");
    assert!(told > 1000, "only {told} events");
}

#[test]
fn a_trace_changes_nothing_in_what_it_is_about() {
    let hash = |out: &str| out.lines().find(|line| line.starts_with("seed 7 ")).map(str::to_owned);
    let (_, out) = traced("hash", "--seeds 7 --minutes 3 --trace-hash");
    assert_eq!(hash(&out), hash(&text(&herdsim("--seeds 7 --minutes 3 --trace-hash").stdout)));
    assert!(hash(&out).is_some() && out.contains("1 seed run twice"), "{out}");
}

/// Reads one line of what is printed, as `head -1` does, and goes; how the program ends, and what it complains of.
#[cfg(unix)]
fn read_one_line_of(line: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdsim"));
    command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut first, mut complaints) = (String::new(), String::new());
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with('\n'), "{first}");
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    (child.wait().unwrap().code(), complaints)
}

#[test]
#[cfg(unix)]
fn when_nobody_reads_any_more_the_program_ends_as_by_sigpipe() {
    // If it went on, it would end with 0 one day.
    let (code, complaints) = read_one_line_of("--seeds 1..1001 --minutes 3 --jobs 2 --trace-hash");
    assert_eq!(code, Some(141), "{complaints}");
    assert!(!complaints.contains("herdsim:") && !complaints.contains("panicked"), "{complaints}");
}

#[test]
#[cfg(target_os = "linux")]
fn when_nobody_reads_the_trace_any_more_the_program_ends_as_by_sigpipe() {
    let (code, complaints) = read_one_line_of("--seeds 7 --trace /dev/stdout");
    assert_eq!(code, Some(141), "{complaints}");
    assert!(!complaints.contains("herdsim:") && !complaints.contains("panicked"), "{complaints}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_printed_is_an_error() {
    let full = fs::File::create("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdsim"));
    let output = command.args(["--seeds", "1", "--minutes", "3"]).stdout(full).output().unwrap();
    let error = text(&output.stderr);
    // A slow machine reports its progress there, and that is not an error.
    let complaints: Vec<&str> = error.lines().filter(|line| line.starts_with("herdsim: ")).collect();
    assert_eq!((output.status.code(), complaints.len()), (Some(2), 1), "{error}");
    assert!(complaints[0].contains("cannot write to the standard output"), "{error}");
}
