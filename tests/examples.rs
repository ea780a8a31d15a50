//! Every example runs, and prints what the comment at the end of its file says.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test examples` alone does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An example has fewer lines than this, so that a learner can read it at one sitting.
const MAX_LINES: usize = 80;

/// Examples that are not run here, each with the reason.
const NOT_RUN: [(&str, &str); 5] = [
    ("echo", "a server: it runs until it is stopped"),
    ("chat", "a server: it runs until it is stopped"),
    ("proxy", "a server: it runs until it is stopped"),
    ("echo_client", "it needs the echo server"),
    ("client_service", "it needs the echo server, and waits for it"),
];

/// The line before the expected output. Each line of the output is a comment.
const PRINTS: &str = "// Prints:";

struct Example {
    name: String,
    text: String,
}

/// All examples that are run, by name.
fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the examples' folder can be read") {
        let path = entry.expect("the examples' folder can be read").path();
        assert!(path.extension().is_some_and(|extension| extension == "rs"), "{path:?} would not be run here");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        found.push(Example { name, text: fs::read_to_string(&path).expect("an example can be read") });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    for (name, why) in NOT_RUN {
        assert!(found.iter().any(|example| example.name == name), "{name} ({why}) is excused, but is not there");
    }
    found.retain(|example| NOT_RUN.iter().all(|(name, _)| *name != example.name));
    assert!(!found.is_empty(), "no example is found: is this test blind?");
    found
}

/// The path of an example's program: Cargo puts the examples beside the folder of this test's own program.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo test`, or `cargo build --examples` first");
    program
}

/// The output that the end of `text` promises; `None` if anything else follows it.
fn expected(text: &str) -> Option<String> {
    let (_, block) = text.split_once(&format!("\n{PRINTS}\n"))?;
    let uncommented =
        |line: &str| line.strip_prefix("// ").or((line == "//").then_some("")).map(|line| format!("{line}\n"));
    block.lines().map(uncommented).collect()
}

#[test]
fn every_example_prints_what_it_says() {
    for Example { name, text } in examples() {
        let expected = expected(&text).unwrap_or_else(|| panic!("{name} does not end in comments behind `{PRINTS}`"));
        let output = Command::new(program(&name)).output().expect("an example can be run");
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && errors.is_empty(), "{name}: {}\n{errors}", output.status);
        assert!(printed == expected, "{name} says that it prints\n{expected}\nbut it prints\n{printed}");
        assert!(!printed.is_empty(), "{name} shows nothing");
    }
}

#[test]
fn every_example_is_short_and_says_how_to_run_it() {
    for Example { name, text } in examples() {
        let lines = text.lines().count();
        assert!(lines < MAX_LINES, "{name} has {lines} lines");
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(header.contains(&format!("`cargo run --example {name}`")), "{name} does not say how to run it");
    }
}

#[test]
fn the_expected_output_is_read_from_the_end_of_an_example() {
    let text = format!("fn main() {{}}\n\n{PRINTS}\n// one\n//   two\n//\n// three\n");
    assert_eq!(expected(&text).unwrap(), "one\n  two\n\nthree\n");
    assert_eq!(expected(&format!("\n{PRINTS}\n// one\nfn more() {{}}\n")), None);
    assert_eq!(expected("fn main() {}\n"), None);
}
