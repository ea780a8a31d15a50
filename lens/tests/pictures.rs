//! The ladders in docs/pictures are what the examples do: each is run, and drawn again. `docs/pictures/make` makes them anew.

use lens::views::ladder::Ladders;
use lens::{Model, Trace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLES: [&str; 5] =
    ["deferred_chain", "deferred_errors", "deferred_waiting", "deferred_lists", "deferred_cancel"];

/// Cargo puts the examples beside the folder of this test's own program.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo test`, or `cargo build --examples` first");
    program
}

fn ladders(example: &str) -> Ladders {
    let file = std::env::temp_dir().join(format!("lens-{example}-{}", std::process::id()));
    let output = Command::new(program(example))
        .env("REACTOR_TRACE", &file)
        .env("REACTOR_TRACE_VALUES", "1")
        .output()
        .expect("an example can be run");
    assert!(output.status.success(), "{example}: {output:?}");
    let text = fs::read_to_string(&file).expect("it has written a trace");
    fs::remove_file(&file).expect("it is ours");
    Ladders::new(&Model::new(Trace::read(text.as_bytes()).expect("it is a trace")))
}

#[test]
fn the_ladders_in_the_documents_are_what_the_examples_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    for example in EXAMPLES {
        let ladders = ladders(example);
        for (kind, drawn) in [("txt", ladders.to_text()), ("svg", ladders.to_svg())] {
            let kept = fs::read_to_string(folder.join(format!("{example}.{kind}"))).unwrap_or_default();
            assert!(kept == drawn, "docs/pictures/{example}.{kind} is old: run docs/pictures/make; now it is\n{drawn}");
        }
    }
}
