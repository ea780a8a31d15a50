//! What the documents name exists, and what they show compiles.

use crate::repo::{Source, document, documents, none, root};

#[test]
fn paths_that_documents_name_exist() {
    for document in documents() {
        let missing = named_paths(&document.text).filter(|path| !exists(document, path));
        none(&format!("{} names what is not there", document.path), &missing.map(str::to_owned).collect::<Vec<_>>());
    }
    for known in ["README.md", "DESIGN.md", "docs/tests.md"] {
        assert!(named_paths(&document(known).text).next().is_some(), "{known} names no path: is this test blind?");
    }
}

#[test]
fn links_of_documents_lead_somewhere() {
    for document in documents() {
        let missing = links(&document.text).filter(|link| !exists(document, link));
        none(&format!("{} links to what is not there", document.path), &missing.map(str::to_owned).collect::<Vec<_>>());
    }
    assert!(links(&document("README.md").text).count() > 3, "is this test blind?");
}

#[test]
fn rust_code_in_documents_is_compiled() {
    let unchecked = documents().iter().filter(|document| {
        let has_code = document.text.lines().any(|line| line == "```" || line.starts_with("```rust"));
        let has_rust = has_code && document.text.lines().any(|line| line.starts_with("```rust"));
        // The package that a document belongs to has its code: it must compile there without the other package.
        let (package, within) = match document.path.strip_prefix("reactor/") {
            Some(within) => ("reactor/", within),
            None => ("", document.path.as_str()),
        };
        let library = std::fs::read_to_string(root().join(package).join("src/lib.rs")).unwrap();
        has_rust && !library.contains(&format!("\"../{within}\")")) && !shows_an_example(&document.path)
    });
    none(
        "Rust code that no doctest compiles: add the page to `Documents` in the lib.rs of its package",
        &unchecked.map(|document| document.path.clone()).collect::<Vec<_>>(),
    );
}

/// Whether a page belongs to an example, as `docs/tiny-reactor.md` does. `tests/examples/listings.rs` checks that what it
/// shows is a part of that file, and so compiled.
fn shows_an_example(page: &str) -> bool {
    let name = page.strip_prefix("docs/tiny-").and_then(|rest| rest.strip_suffix(".md"));
    name.is_some_and(|name| root().join(format!("examples/tiny_{name}.rs")).exists())
}

/// A path is meant from the root of the repository, or from where the document stands.
fn exists(document: &Source, path: &str) -> bool {
    let beside = root().join(&document.path);
    root().join(path).exists() || beside.parent().is_some_and(|folder| folder.join(path).exists())
}

fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2)
}

/// What stands in single backticks and looks like a path from the root of this repository.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    const TOPS: [&str; 8] = ["src", "reactor", "tests", "examples", "bench", "docs", "fuzz", ".ci"];
    const ENDS: [&str; 5] = [".rs", ".md", ".toml", ".py", ".json"];
    let spans = outside_fences(text).flat_map(|text| text.split('`').skip(1).step_by(2));
    spans.filter(|span| {
        let plain = span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let is_below = span.split_once('/').is_some_and(|(top, _)| TOPS.contains(&top));
        let is_file = !span.contains('/') && ENDS.iter().any(|end| span.len() > end.len() && span.ends_with(end));
        // A file's bare name may stand for one anywhere; one in capitals or of Cargo's is at the root.
        let at_root = is_file && span.starts_with(|first: char| first.is_ascii_uppercase());
        plain && !span.contains("..") && (is_below || at_root)
    })
}

/// Targets of Markdown links, but those on the web.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = outside_fences(text).flat_map(|text| text.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split(')').next()).map(|link| link.split('#').next().unwrap_or(""));
    targets.filter(|link| !link.is_empty() && !link.contains("://") && !link.contains("::"))
}

#[test]
fn paths_and_links_are_found_in_a_document() {
    let text = "see `src/main.rs`, `reactor/`, `x::y`, `a b`, `main.rs`, `Cargo.toml`, [it](docs/x.md#part)\n```\n\
                `src/no.rs`\n```\n`.ci/run` [out](https://example.com)";
    assert_eq!(named_paths(text).collect::<Vec<_>>(), ["src/main.rs", "reactor/", "Cargo.toml", ".ci/run"]);
    assert_eq!(links(text).collect::<Vec<_>>(), ["docs/x.md"]);
}
