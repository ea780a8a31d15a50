//! Circles of imports: files that can only be understood together.

use crate::imports::Imports;
use crate::repo::{none, root};
use std::collections::BTreeMap;

/// More files than this in one circle need a reason.
const MAX_FILES: usize = 5;

/// What begins the line in a `mod.rs` that gives the reason.
const REASON: &str = "//! Circle: ";

#[test]
fn no_circle_leads_out_of_a_folder() {
    for imports in crates() {
        let across = circles(&imports).into_iter().filter(|circle| {
            let subjects: Vec<&str> = circle.iter().map(|file| subject(&imports.folder, file)).collect();
            // A file with helpers in a folder of its own name is still a file.
            let is_folder = |name: &str| root().join(&imports.folder).join(name).join("mod.rs").exists();
            subjects.iter().any(|name| *name != subjects[0]) && subjects.iter().any(|name| is_folder(name))
        });
        none("a circle that leads out of a folder", &across.map(|circle| circle.join(", ")).collect::<Vec<_>>());
    }
}

#[test]
fn a_circle_of_many_files_has_a_reason() {
    for imports in crates() {
        let large = circles(&imports).into_iter().filter(|circle| circle.len() > MAX_FILES);
        let silent = large.filter(|circle| {
            let folder = common_folder(circle);
            let text = std::fs::read_to_string(root().join(&folder).join("mod.rs")).unwrap_or_default();
            !text.lines().any(|line| line.starts_with(REASON))
        });
        let silent = silent.map(|circle| format!("{} files: {}", circle.len(), circle.join(", ")));
        none(
            &format!("a circle of more than {MAX_FILES} files, and no line `{REASON}...` in the mod.rs of its folder"),
            &silent.collect::<Vec<_>>(),
        );
    }
}

pub(crate) fn crates() -> [Imports; 3] {
    [Imports::of("reactor/src", "lib.rs"), Imports::of("src", "lib.rs"), Imports::of("src/bin/herdsim", "main.rs")]
}

/// The file or folder right below the crate's root to which a file belongs: `links.rs` and `links/wire.rs` are one.
fn subject<'a>(folder: &str, file: &'a str) -> &'a str {
    let below = &file[folder.len() + 1..];
    let first = below.split('/').next().unwrap_or(below);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The deepest folder that holds all of them.
fn common_folder(files: &[String]) -> String {
    let folder = |file: &String| file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let mut common = folder(&files[0]);
    while !files.iter().all(|file| file.starts_with(&format!("{common}/"))) {
        common = folder(&common);
    }
    common
}

/// Every set of files each of which uses, by way of the others, each of them; sorted.
fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reaches: BTreeMap<&String, Vec<&String>> =
        imports.uses.keys().map(|file| (file, reachable(imports, file))).collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (file, there) in &reaches {
        if circles.iter().any(|circle| circle.contains(file)) {
            continue;
        }
        let comes_back = |other: &&&String| reaches.get(**other).is_some_and(|back| back.contains(file));
        let circle: Vec<String> = there.iter().filter(comes_back).map(|other| (*other).clone()).collect();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// All files that `from` uses, directly or not; `from` itself only if it comes back to it. Sorted.
fn reachable<'a>(imports: &'a Imports, from: &'a String) -> Vec<&'a String> {
    let (mut found, mut open) = (Vec::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in imports.uses.get(file).into_iter().flat_map(BTreeMap::keys) {
            if !found.contains(&next) {
                found.push(next);
                open.push(next);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn circles_are_found() {
    let mut imports = Imports::of("reactor/src", "lib.rs");
    imports.uses.clear();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")] {
        imports.uses.entry(from.to_owned()).or_default().insert(to.to_owned(), String::new());
    }
    assert_eq!(circles(&imports), [["a", "b", "c"]]);
    assert_eq!(common_folder(&["x/y/a.rs".to_owned(), "x/y/z/b.rs".to_owned()]), "x/y");
}
