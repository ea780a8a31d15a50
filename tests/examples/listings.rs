//! What the documents show of the examples is what the examples are, and what they print.

use crate::files::{examples, expected};
use std::fs;
use std::path::Path;

/// The text of a document.
fn document(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks between fences that begin with `language`.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

/// The code of an example: without the introduction and what it prints.
fn code(text: &str) -> String {
    let introduction = text.lines().take_while(|line| line.starts_with("//!")).count();
    let lines: Vec<&str> = text.lines().skip(introduction).take_while(|line| *line != crate::files::PRINTS).collect();
    lines.join("\n").trim().to_owned() + "\n"
}

#[test]
fn the_echo_server_of_the_readme_is_the_example() {
    let readme = document("README.md");
    let shown: Vec<&str> = blocks(&readme, "rust,no_run").collect();
    assert_eq!(shown, [code(&crate::files::source("03_echo"))]);
}

/// The text without the white space at the beginnings of its lines.
fn unindented(text: &str) -> String {
    text.lines().map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn pages_about_an_example_show_what_it_is_and_what_it_prints() {
    let whole: Vec<_> = examples().into_iter().filter(|example| example.name.starts_with("tiny_")).collect();
    assert!(whole.len() > 1, "is this test blind?");
    for example in whole {
        let page = document(&format!("docs/{}.md", example.name.replace('_', "-")));
        let source = unindented(&example.text);
        for shown in blocks(&page, "rust") {
            assert!(source.contains(&unindented(shown)), "{} has not:\n{shown}", example.name);
        }
        let printed = format!("$ cargo run --example {}\n{}", example.name, expected(&example.text).unwrap());
        assert!(blocks(&page, "console").any(|shown| shown == printed), "the page does not show:\n{printed}");
    }
}

#[test]
fn the_index_has_every_example() {
    let index = document("docs/examples.md");
    for example in examples() {
        assert!(index.contains(&format!("`{}`", example.name)), "docs/examples.md lacks {}", example.name);
    }
    // In the order of the ladder.
    let rows = index.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let ladder: Vec<&str> = rows.take_while(|name| *name != "echo_client").collect();
    for (name, next) in ladder.iter().zip(&ladder[1..]) {
        let prints = expected(&crate::files::source(name)).unwrap();
        assert!(prints.lines().any(|line| line.starts_with("next: ") && line.ends_with(&format!(" {next}"))), "{name}");
    }
}
