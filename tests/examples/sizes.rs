//! How long an example may be. A learner reads it at one sitting, or types it in.

use crate::files::{self, Example, examples};

/// An example has fewer lines than this, without what it prints.
const MAX_LINES: usize = 80;

/// Examples that are a whole idea in one file, each with a page in `docs/`. They are to be typed in, so what counts are
/// the lines that are neither blank nor comments.
const WHOLE: [(&str, usize); 3] = [("tiny_deferred", 80), ("tiny_herd", 150), ("tiny_reactor", 100)];

/// Examples with a limit of their own: on lines that are neither blank nor comments. What they show is that it takes no
/// more.
const MAX_CODE: [(&str, usize); 15] = [
    ("07_periodic", 10),
    ("08_retry_client", 40),
    ("09_proxy", 50),
    ("10_key_value", 50),
    // Not longer than Twisted's.
    ("03_echo", 13),
    ("06_chat", 23),
    ("12_threads", 23),
    ("client_service", 23),
    ("echo_client", 30),
    ("standard_io", 50),
    ("starttls_client", 28),
    ("starttls_server", 21),
    ("udp_echo", 10),
    ("unix_echo", 12),
    ("visitors", 40),
];

/// The lines that are neither blank nor comments, in Rust or in Python.
fn code(text: &str) -> usize {
    let is_comment = |line: &str| ["//", "# ", "\"\"\""].iter().any(|start| line.starts_with(start));
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line)).count()
}

#[test]
fn the_programs_to_compare_with_are_python() {
    // Their behaviour beside ours was tried by hand; those for tokio are compiled with the benchmark.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/examples");
    let parse = "import ast, sys; [ast.parse(open(name).read()) for name in sys.argv[1:]]";
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let python: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "py")).collect();
    assert_eq!(python.len(), 5);
    match std::process::Command::new("python3").args(["-c", parse]).args(python).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => crate::skip::skipped(format_args!("python3 cannot be run: {error}")),
    }
}

#[test]
fn every_example_is_short_and_says_how_to_run_it() {
    for Example { name, text } in examples() {
        let lines = text.lines().take_while(|line| *line != files::PRINTS).count();
        let is_whole = WHOLE.iter().any(|(whole, _)| *whole == name);
        assert!(is_whole || lines < MAX_LINES, "{name} has {lines} lines");
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let command = format!("`cargo run --example {name}");
        let rest = header.split_once(&command).map_or("", |(_, rest)| rest);
        assert!(rest.starts_with(['`', ' ']), "{name} does not say how to run it");
    }
}

#[test]
fn the_index_has_the_true_number_of_lines() {
    let index = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples.md");
    let index = std::fs::read_to_string(index).unwrap();
    // A row whose second column is a number: | `name` | 99 | ...
    let rows = index.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let counted = rows.filter_map(|(name, rest)| Some((name, rest.split(' ').next()?.parse::<usize>().ok()?)));
    let counted: Vec<_> = counted.collect();
    for (name, lines) in &counted {
        assert_eq!(*lines, code(&files::source(name)), "docs/examples.md: {name}");
    }
    // | `name` | ours | Twisted's | tokio's | ..., with the files of the two others.
    let mut compared = 0;
    for row in index.lines().filter(|row| row.contains("bench/examples/")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (cell, language) in [(cells[3], "py"), (cells[4], "rs")] {
            let count: usize = cell.split(' ').next().unwrap().parse().expect("a count comes first");
            let name = row.split_once("bench/examples/").unwrap().1.split('.').next().unwrap();
            let path = format!("{}/bench/examples/{name}.{language}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(count, code(&text), "docs/examples.md: {name}.{language}");
            compared += 1;
        }
    }
    assert_eq!(compared, 10, "five programs, each in two other ways");
    assert!(counted.len() >= WHOLE.len(), "is this test blind?");
}

#[test]
fn what_should_be_easy_takes_few_lines() {
    for (name, most) in MAX_CODE.into_iter().chain(WHOLE) {
        let lines = code(&files::source(name));
        assert!(lines <= most, "{name} has {lines} lines of code, more than {most}");
    }
    assert_eq!(code("//! a\n\nuse b; // c\n    /// d\n}\n"), 2);
}
