//! Circles of imports: files or folders that can only be understood together.

use crate::imports::{Graph, Imports};
use crate::repo::{none, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

/// More files than this in one circle need a reason.
const MAX_FILES: usize = 5;

/// What begins the paragraph in an introduction that gives the reason.
const REASON: &str = "//! Circle: ";

#[test]
fn no_circle_of_imports_leads_through_a_folder() {
    let mut broken = Vec::new();
    for imports in crates() {
        for folder in folders(imports) {
            let graph = contents(imports, &folder);
            for circle in circles(&graph).iter().filter(|circle| circle.iter().any(|name| name.ends_with('/'))) {
                // `x.rs` is the introduction of `x/`.
                let introduction = match &circle[..] {
                    [file, inner] if *file == format!("{}.rs", inner.trim_end_matches('/')) => file,
                    _ => imports.introduction_of(&folder),
                };
                if !gives_reason(&format!("{folder}/{introduction}"), circle) {
                    broken.push(format!("{folder}: {}", circle.join(", ")));
                }
            }
        }
    }
    none(
        &format!("a circle through a folder, and no paragraph `{REASON}...` in the introduction that names it"),
        &broken,
    );
}

#[test]
fn a_circle_of_many_files_has_a_reason() {
    for imports in crates() {
        let large = circles(&imports.graph()).into_iter().filter(|circle| circle.len() > MAX_FILES);
        let silent = large.filter(|circle| !gives_reason(&format!("{}/mod.rs", common_folder(circle)), &[]));
        let silent = silent.map(|circle| format!("{} files: {}", circle.len(), circle.join(", ")));
        none(
            &format!("a circle of more than {MAX_FILES} files, and no line `{REASON}...` in the mod.rs of its folder"),
            &silent.collect::<Vec<_>>(),
        );
    }
}

/// The library, the herd, and its simulation. Read once: that takes a second.
pub(crate) fn crates() -> &'static [Imports; 3] {
    static CRATES: OnceLock<[Imports; 3]> = OnceLock::new();
    CRATES.get_or_init(|| {
        [Imports::of("reactor/src", "lib.rs"), Imports::of("src", "lib.rs"), Imports::of("src/bin/herdsim", "main.rs")]
    })
}

/// Whether the file gives a reason for a circle, and names the folders of that circle where it does.
fn gives_reason(path: &str, circle: &[String]) -> bool {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let Some((_, reason)) = text.split_once(REASON) else { return false };
    let reason = reason.split("\n//!\n").next().unwrap_or(reason);
    circle.iter().filter(|name| name.ends_with('/')).all(|name| reason.contains(&format!("`{name}`")))
}

/// Every folder of the crate, its own first.
pub(crate) fn folders(imports: &Imports) -> BTreeSet<String> {
    let parents = imports.files().flat_map(|file| Path::new(&file.path).ancestors().skip(1));
    let inside = parents.filter(|folder| folder.starts_with(&imports.folder));
    inside.filter_map(|folder| folder.to_str().map(str::to_owned)).collect()
}

/// How the files and folders that stand right in `folder` use each other. A folder's name ends with `/`.
pub(crate) fn contents(imports: &Imports, folder: &str) -> Graph {
    let name = |file: &str| {
        let below = file.strip_prefix(folder)?.strip_prefix('/')?;
        Some(below.split_once('/').map_or(below.to_owned(), |(inner, _)| format!("{inner}/")))
    };
    let mut graph = Graph::new();
    for (from, uses) in &imports.uses {
        for to in uses.keys() {
            if let (Some(from), Some(to)) = (name(from), name(to))
                && from != to
            {
                graph.entry(from).or_default().insert(to);
            }
        }
    }
    graph
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

/// Every set of nodes each of which reaches, by way of the others, each of them; sorted.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reaches: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (node, there) in &reaches {
        if circles.iter().any(|circle| circle.contains(node)) {
            continue;
        }
        let comes_back = |other: &&&String| reaches.get(**other).is_some_and(|back| back.contains(node));
        let circle: Vec<String> = there.iter().filter(comes_back).map(|other| (*other).clone()).collect();
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// All nodes to which `from` leads, directly or not; `from` itself only if it comes back to it.
fn reachable<'a>(graph: &'a Graph, from: &'a String) -> BTreeSet<&'a String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(node) = open.pop() {
        open.extend(graph.get(node).into_iter().flatten().filter(|next| found.insert(*next)));
    }
    found
}

#[test]
fn circles_are_found() {
    let mut graph = Graph::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")] {
        graph.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(circles(&graph), [["a", "b", "c"]]);
    assert_eq!(common_folder(&["x/y/a.rs".to_owned(), "x/y/z/b.rs".to_owned()]), "x/y");
}
