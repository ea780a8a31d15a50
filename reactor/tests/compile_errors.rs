//! Common mistakes that the compiler finds: each file in `compile_errors/` has one, and names what rustc must say.
//!
//! `trybuild` does this for many projects. It brings serde and a parser of TOML, and builds the library anew; here
//! rustc checks each file against the library that this test was built with.

#[path = "util/skip.rs"]
mod skip;

use skip::skipped;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of rustc whose words were noted. Another one may put them otherwise.
const RUSTC: &str = "rustc 1.95.";

/// Begins a line of a file's introduction with words that rustc must say.
const MARK: &str = "//! rustc: ";

fn rustc() -> Command {
    Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
}

/// The library that was built last in the folder of this test.
fn library(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libreactor-") && name.ends_with(".rlib")
    };
    files.filter(is_library).max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("the library")
}

#[test]
fn rustc_says_what_to_write_instead() {
    let version = rustc().arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if !version.starts_with(RUSTC) {
        return skipped(format_args!("these are the messages of {RUSTC}x, and not of {}", version.trim()));
    }
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = library(&folder);
    let mistakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_errors");
    let mut files: Vec<PathBuf> = std::fs::read_dir(mistakes).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let output = rustc()
            .args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "-o"])
            .arg(std::env::temp_dir().join(format!("compile-errors-{}.rmeta", std::process::id())))
            .arg("--extern")
            .arg(format!("reactor={}", library.display()))
            .arg("-L")
            .arg(format!("dependency={}", folder.display()))
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{} compiles", file.display());
        let wanted: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix(MARK)).collect();
        assert!(!wanted.is_empty(), "{} names nothing", file.display());
        for words in wanted {
            assert!(said.contains(words), "{}: without {words:?}:\n{said}", file.display());
        }
    }
}
