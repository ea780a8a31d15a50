//! The order in which to read everything. Each file ends its introduction with a line "Next: ..." that names the file or
//! files to read after it. From the first file of the library these lines lead to every file of the library and of the
//! herd, and DESIGN.md's reading order is the same walk with fewer stops.

use crate::repo::{Source, document, none, sources};
use std::path::{Component, Path, PathBuf};

/// Here the walk begins.
const FIRST: &str = "reactor/src/lib.rs";

/// Here it ends: this file's "Next:" need not name another.
const LAST: &str = "src/bin/herdsim/cli.rs";

/// The files to be read: of the library and of the herd, tests aside.
fn to_be_read() -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(|source| source.is_in(&["reactor/src", "src"]) && !source.is_test())
}

#[test]
fn every_file_says_what_to_read_next() {
    let silent = to_be_read().filter(|source| next_line(source).is_none());
    none("no line \"Next: ...\" in the introduction", &silent.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn what_to_read_next_exists() {
    let mut broken = Vec::new();
    for source in to_be_read() {
        let names = names(&next_line(source).unwrap_or_default());
        if names.is_empty() && source.path != LAST {
            broken.push(format!("{}: its \"Next:\" names no file in backticks", source.path));
        }
        let missing = names.iter().filter(|name| file_named(source, name).is_none());
        broken.extend(missing.map(|name| format!("{}: there is no {name}", source.path)));
    }
    none("\"Next:\" leads nowhere", &broken);
}

#[test]
fn what_to_read_next_is_a_link_on_a_public_page() {
    let mut broken = Vec::new();
    for (name, folder) in [("reactor", "reactor/src"), ("proxyherd", "src")] {
        let library = to_be_read().find(|source| source.path == format!("{folder}/lib.rs")).expect("a library");
        let public: Vec<&str> =
            library.text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
        let module = |path: &str| {
            let path = path.strip_prefix(folder)?.trim_start_matches('/').strip_suffix(".rs")?;
            let path = path.strip_suffix("/mod").unwrap_or(path);
            public.iter().find(|public| **public == path).map(|public| public.to_string())
        };
        for page in to_be_read().filter(|page| page.path == library.path || module(&page.path).is_some()) {
            let next = next_line(page).unwrap_or_default();
            for named in names(&next) {
                let Some(target) = file_named(page, &named) else { continue };
                // A module of its own has a page; of the others, rustdoc shows the source.
                let link = match (module(&target), target.strip_prefix(&format!("{folder}/"))) {
                    (Some(module), _) => format!("mod@crate::{module}"),
                    (None, Some(below)) => {
                        let up = if page.path == library.path { "../" } else { "../../" };
                        format!("{up}src/{name}/{below}.html")
                    }
                    (None, None) => continue, // Of another crate: there may be no page of it beside this one.
                };
                if !next.contains(&format!("[`{named}`]({link})")) {
                    broken.push(format!("{}: `{named}` is not a link to {link}", page.path));
                }
            }
        }
    }
    none("\"Next:\" on a public page", &broken);
}

#[test]
fn from_the_first_file_every_file_is_reached() {
    let walk = walk();
    let missed = to_be_read().filter(|source| !walk.contains(&source.path));
    none(&format!("not reached from {FIRST}"), &missed.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn the_reading_order_of_the_design_is_that_of_the_files() {
    let walk = walk();
    let design = &document("DESIGN.md").text;
    let section = design.split("## Reading order").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let list = section.split("\n\n").find(|paragraph| paragraph.starts_with("1. ")).expect("a numbered list");
    let stops: Vec<String> = names(list).into_iter().filter(|name| !name.starts_with("examples/")).collect();
    assert!(stops.len() > 10, "is this test blind? {stops:?}");
    let place = |stop: &String| walk.iter().position(|path| path == stop);
    let mut broken: Vec<String> = stops.iter().filter(|stop| place(stop).is_none()).cloned().collect();
    for pair in stops.windows(2) {
        if place(&pair[0]) > place(&pair[1]) {
            broken.push(format!("{} stands before {}, but the files say otherwise", pair[0], pair[1]));
        }
    }
    none("DESIGN.md's reading order differs from the \"Next:\" lines", &broken);
}

/// Every file once, in the order in which the lines lead to it: what is named first is read first, with all that follows
/// from it.
fn walk() -> Vec<String> {
    let (mut walk, mut open) = (Vec::new(), vec![FIRST.to_owned()]);
    while let Some(path) = open.pop() {
        if walk.contains(&path) {
            continue;
        }
        if let Some(source) = sources().iter().find(|source| source.path == path) {
            let named = names(&next_line(source).unwrap_or_default());
            open.extend(named.iter().rev().filter_map(|name| file_named(source, name)));
        }
        walk.push(path);
    }
    walk
}

/// What follows "Next:" in the introduction, up to its end or an empty line.
fn next_line(source: &Source) -> Option<String> {
    let introduction = source.introduction();
    let (_, rest) = introduction.rsplit_once("Next: ")?;
    Some(rest.split("\n\n").next().unwrap_or("").replace('\n', " "))
}

/// The files and folders that a text names in backticks.
fn names(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.ends_with(".rs") || span.ends_with('/')).map(str::to_owned).collect()
}

/// The file that a name means: beside the file that names it, in a folder above up to the crate's, or from the root of
/// the repository. A folder means the file in it that comes first.
fn file_named(from: &Source, name: &str) -> Option<String> {
    let is_in_crate = |folder: &&Path| folder.components().any(|part| part.as_os_str() == "src");
    let folders = Path::new(&from.path).ancestors().skip(1).filter(is_in_crate).chain([Path::new("")]);
    let places = folders.map(|folder| tidied(&folder.join(name.trim_end_matches('/'))));
    let firsts: &[&str] = if name.ends_with('/') { &["/mod.rs", "/lib.rs", "/main.rs"] } else { &[""] };
    let mut candidates = places.flat_map(|place| firsts.iter().map(move |first| format!("{place}{first}")));
    candidates.find(|path| sources().iter().any(|source| source.path == *path))
}

/// The path without `..`.
fn tidied(path: &Path) -> String {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(tidied.pop()),
            other => tidied.push(other),
        }
    }
    tidied.to_str().unwrap_or_default().to_owned()
}

#[test]
fn a_next_line_is_read() {
    let text = "//! [`It`]: `x.rs` is not next.\n//!\n//! Next: `a.rs`, then\n//! `../b/mod.rs`.\nuse x;\n".to_owned();
    let source = Source { path: "reactor/src/tls/layer.rs".to_owned(), text };
    assert_eq!(names(&next_line(&source).unwrap()), ["a.rs", "../b/mod.rs"]);
    assert_eq!(file_named(&source, "mod.rs").as_deref(), Some("reactor/src/tls/mod.rs"));
    assert_eq!(file_named(&source, "../driver/mod.rs").as_deref(), Some("reactor/src/driver/mod.rs"));
    assert_eq!(file_named(&source, "src/main.rs").as_deref(), Some("src/main.rs"));
    assert_eq!(file_named(&source, "driver/").as_deref(), Some("reactor/src/driver/mod.rs"));
    assert_eq!(file_named(&source, "nowhere.rs"), None);
}
