//! The examples: their sources, what they say that they print, and their programs.

use std::fs;
use std::path::{Path, PathBuf};

/// The line before the expected output. Each line of the output is a comment.
pub(crate) const PRINTS: &str = "// Prints:";

pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All examples, by name.
pub(crate) fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the examples' folder can be read") {
        let path = entry.expect("the examples' folder can be read").path();
        assert!(path.extension().is_some_and(|extension| extension == "rs"), "{path:?} would not be run here");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        found.push(Example { name, text: fs::read_to_string(&path).expect("an example can be read") });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(found.len() > 10, "is this test blind?");
    found
}

/// The source of one example.
pub(crate) fn source(name: &str) -> String {
    examples().into_iter().find(|example| example.name == name).unwrap_or_else(|| panic!("there is no {name}")).text
}

/// The path of an example's program: Cargo puts the examples beside the folder of this test's own program.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo test`, or `cargo build --examples` first");
    program
}

/// The output that the end of `text` promises; `None` if anything else follows it.
pub(crate) fn expected(text: &str) -> Option<String> {
    let (_, block) = text.split_once(&format!("\n{PRINTS}\n"))?;
    let uncommented =
        |line: &str| line.strip_prefix("// ").or((line == "//").then_some("")).map(|line| format!("{line}\n"));
    block.lines().map(uncommented).collect()
}

/// What an example prints, without what differs from run to run: ports, milliseconds, and bars that show them.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        for (index, word) in words.iter().enumerate() {
            let before = index.checked_sub(1).map_or("", |before| words[before]);
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            let is_time = words.get(index + 1) == Some(&"ms");
            let is_bar = word.len() > 1 && word.bytes().all(|byte| byte == b'#');
            masked += match word.strip_prefix("127.0.0.1:") {
                Some(port) => {
                    if port.ends_with(';') {
                        "127.0.0.1:PORT;"
                    } else {
                        "127.0.0.1:PORT"
                    }
                }
                None if is_number && (is_time || before == "127.0.0.1") => "NUMBER",
                None if is_bar => "BAR",
                None => word,
            };
            masked.push(' ');
        }
        masked.push('\n');
    }
    masked
}
