//! Rules of this repository that no compiler checks, each with its reason.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path in the repository, and its text.
struct Source {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "examples", "reactor/src", "reactor/tests", "reactor/examples"] {
        collect(&root().join(folder), &mut found);
    }
    // A walk that finds nothing would pass every rule.
    for known in ["src/main.rs", "tests/tidy.rs", "examples/echo.rs", "reactor/src/lib.rs", "reactor/src/driver/mod.rs"]
    {
        assert!(found.iter().any(|source| source.path == known), "{known} is not found");
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

impl Source {
    /// This file may name what it forbids.
    fn is_this(&self) -> bool {
        self.path == "tests/tidy.rs"
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || self.path.starts_with(&format!("{place}/")))
    }

    /// Whether a line of this file stands in a test: they are in folders and files of their own, or last in a file.
    fn is_test_code(&self, line: &str) -> bool {
        let product = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
        let is_below = line.as_ptr() as usize >= product.as_ptr() as usize + product.len();
        self.is_in(&["tests", "reactor/tests"])
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || is_below
    }
}

/// Fails with all that was found.
#[track_caller]
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The lines for which `is_wrong` holds, except here, where the rules themselves stand.
fn lines_where(is_wrong: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_this()) {
        for (number, line) in source.text.lines().enumerate() {
            if is_wrong(&source, line) {
                broken.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    broken
}

/// No line of code outside `allowed` holds any of these words; comments may, and tests if they are `but_tests`.
#[track_caller]
fn only_in(allowed: &[&str], but_tests: bool, words: &[&str]) {
    let broken = lines_where(|source, line| {
        let is_exempt = source.is_in(allowed) || (but_tests && source.is_test_code(line));
        // Asking whether this thread panics is not using threads.
        let code = line.split("//").next().unwrap_or("").replace("std::thread::panicking()", "");
        !is_exempt && words.iter().any(|word| code.contains(word))
    });
    none(&format!("{words:?} belong into {allowed:?}"), &broken);
}

#[test]
fn lines_are_at_most_120_characters_long() {
    none("longer than 120 characters", &lines_where(|_, line| line.chars().count() > 120));
}

#[test]
fn files_are_at_most_500_lines_long() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > 500);
    none("more than one idea a file?", &long.map(|source| source.path).collect::<Vec<_>>());
}

#[test]
fn every_file_says_first_what_it_is() {
    // A `tests.rs` belongs to the file that it tests.
    let silent =
        sources().into_iter().filter(|source| !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs"));
    none("does not open with //!", &silent.map(|source| source.path).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_to_be_done() {
    let words = ["todo!", "unimplemented!", "dbg!", "FIXME", "TODO", "#[ignore"];
    let broken = lines_where(|_, line| words.iter().any(|word| line.contains(word)));
    none("to be done before it is committed", &broken);
}

#[test]
fn only_a_driver_touches_sockets_and_signals() {
    // Tests may: they play the world outside.
    only_in(&["reactor/src/driver"], true, &["mio::", "socket2", "signal_hook"]);
    only_in(&["reactor/src/driver"], true, &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs"]);
}

#[test]
fn only_a_driver_reads_the_clock() {
    // The log has a time for each line, and its writer is no part of a loop; a simulation says how fast it was.
    only_in(
        &["reactor/src/driver", "src/log_file.rs", "src/bin/herdsim/machine"],
        true,
        &["Instant::now", "SystemTime::now"],
    );
}

#[test]
fn only_a_driver_the_log_and_the_simulation_of_many_seeds_have_threads() {
    only_in(
        &["reactor/src/driver", "src/log_file.rs", "src/bin/herdsim/machine"],
        true,
        &["std::thread", "thread::spawn", "thread::scope"],
    );
}

#[test]
fn nothing_sleeps() {
    only_in(&[], false, &["thread::sleep", "sleep("]);
}

#[test]
fn paths_that_the_documents_name_exist() {
    for document in ["README.md", "DESIGN.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        let paths: Vec<&str> = named_paths(&text).collect();
        assert!(!paths.is_empty(), "{document} names no path at all: is this test blind?");
        let missing = paths.iter().filter(|path| !root().join(path).exists());
        none(
            &format!("{document} names what is not there"),
            &missing.map(|path| (*path).to_owned()).collect::<Vec<_>>(),
        );
    }
}

/// What stands in single backticks and looks like a path from the root of this repository.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    const TOPS: [&str; 6] = ["src", "reactor", "tests", "examples", "bench", ".ci"];
    const ENDS: [&str; 5] = [".rs", ".md", ".toml", ".py", ".json"];
    let fenced = |part: &usize| part.is_multiple_of(2);
    let outside_fences = text.split("```").enumerate().filter(move |(part, _)| fenced(part)).map(|(_, text)| text);
    let spans = outside_fences.flat_map(|text| text.split('`').skip(1).step_by(2));
    spans.filter(|span| {
        let plain = span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let is_below = span.split_once('/').is_some_and(|(top, _)| TOPS.contains(&top));
        let is_file = !span.contains('/') && ENDS.iter().any(|end| span.len() > end.len() && span.ends_with(end));
        // A file's bare name may stand for one anywhere; one in capitals or of Cargo's is at the root.
        let at_root = is_file && span.starts_with(|first: char| first.is_ascii_uppercase());
        plain && !span.contains("..") && (is_below || at_root)
    })
}

#[test]
fn paths_are_found_in_a_document() {
    let text =
        "see `src/main.rs`, `reactor/`, `x::y`, `a b`, `main.rs`, `Cargo.toml`\n```\n`src/no.rs`\n```\n`.ci/run`";
    let found: Vec<&str> = named_paths(text).collect();
    assert_eq!(found, ["src/main.rs", "reactor/", "Cargo.toml", ".ci/run"]);
}
