//! What the rules look at: the sources and the documents of this repository, and how a broken rule is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folders with Rust code.
const FOLDERS: [&str; 6] = ["src", "tests", "examples", "reactor/src", "reactor/tests", "reactor/examples"];

/// Folders that hold no text of ours: what the build makes, and llhttp's own suite.
const NOT_OURS: [&str; 3] = ["target", "bench/target", "reactor/tests/llhttp_suite"];

/// A file: its path in the repository, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut found = Vec::new();
        for folder in FOLDERS {
            collect(&root().join(folder), "rs", &mut found);
        }
        // A walk that finds nothing would pass every rule.
        for known in
            ["src/main.rs", "tests/tidy.rs", "examples/03_echo.rs", "reactor/src/lib.rs", "reactor/src/driver/mod.rs"]
        {
            assert!(found.iter().any(|source| source.path == known), "{known} is not found");
        }
        found
    })
}

/// All documents: the Markdown files that we wrote.
pub(crate) fn documents() -> &'static [Source] {
    static DOCUMENTS: OnceLock<Vec<Source>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let mut found = Vec::new();
        collect(root(), "md", &mut found);
        for known in ["README.md", "DESIGN.md", "docs/operating.md", "docs/design/deferred.md", "bench/README.md"] {
            assert!(found.iter().any(|document| document.path == known), "{known} is not found");
        }
        found
    })
}

/// All texts that people read beside sources and documents: the benchmarks' sources and the scripts.
pub(crate) fn scripts() -> &'static [Source] {
    static SCRIPTS: OnceLock<Vec<Source>> = OnceLock::new();
    SCRIPTS.get_or_init(|| {
        let mut found = Vec::new();
        collect(&root().join("bench/src"), "rs", &mut found);
        collect(&root().join("reactor/oracle"), "py", &mut found);
        for path in [".ci/run", ".ci/readme", "tests/mutants/run", "tests/mutants/refresh"] {
            let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            found.push(Source { path: path.to_owned(), text });
        }
        for known in ["bench/src/main.rs", "reactor/oracle/deferred_oracle.py"] {
            assert!(found.iter().any(|text| text.path == known), "{known} is not found");
        }
        found
    })
}

/// One document.
pub(crate) fn document(path: &str) -> &'static Source {
    documents().iter().find(|document| document.path == path).unwrap_or_else(|| panic!("{path} is not found"))
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let is_hidden = name.split('/').next_back().is_some_and(|last| last.starts_with('.'));
            if !is_hidden && !NOT_OURS.contains(&name.as_str()) {
                collect(&path, ending, found);
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

impl Source {
    /// Whether this is one of the files that hold the rules: they may name what they forbid.
    pub(crate) fn is_tidy(&self) -> bool {
        self.is_in(&["tests/tidy.rs", "tests/tidy"])
    }

    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path == *place || self.path.starts_with(&format!("{place}/")))
    }

    /// Whether the whole file is a test: tests stand in folders and files of their own, or last in a file.
    pub(crate) fn is_test(&self) -> bool {
        self.is_in(&["tests", "reactor/tests"]) || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// What stands before the test module.
    pub(crate) fn product(&self) -> &str {
        if self.is_test() { "" } else { self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or("") }
    }

    /// Whether a line of this file stands in a test.
    pub(crate) fn is_test_code(&self, line: &str) -> bool {
        let product = self.product();
        self.is_test() || line.as_ptr() as usize >= product.as_ptr() as usize + product.len()
    }

    /// The text of the `//!` lines.
    pub(crate) fn introduction(&self) -> String {
        self.text.lines().filter_map(|line| line.strip_prefix("//!")).map(|line| format!("{}\n", line.trim())).collect()
    }
}

/// Fails with all that was found.
#[track_caller]
pub(crate) fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The lines of sources for which `is_wrong` holds, except where the rules themselves stand.
pub(crate) fn lines_where(is_wrong: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_tidy()) {
        for (number, line) in source.text.lines().enumerate() {
            if is_wrong(source, line) {
                broken.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    broken
}
