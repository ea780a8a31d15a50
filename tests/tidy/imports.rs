//! [`Imports`]: which file of a crate uses which other file of it.
//!
//! This is a small reader of Rust, not a compiler: it takes `use` lines and paths that begin with `crate`, `super`,
//! `self` or a child module, and follows them through modules and through what `use` lines give another name. So
//! `crate::Transport` leads to `transport.rs`, although `lib.rs` hands it on. A `pub use` is no use: it only hands on.

use crate::repo::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

/// A module: its names from the root of the crate on.
type Module = Vec<String>;

/// What uses what.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// A crate's files without their tests, and what each of them uses.
pub(crate) struct Imports {
    /// The folder of the crate's root file.
    pub(crate) folder: String,
    /// The name of the crate's root file.
    root: String,
    files: BTreeMap<Module, &'static Source>,
    aliases: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
    /// For each file, the files that it uses, each with the path in the source that says so.
    pub(crate) uses: BTreeMap<String, BTreeMap<String, String>>,
}

/// A chain of re-exports is at most this long.
const MAX_ALIASES: usize = 8;

impl Imports {
    /// Reads the crate whose root file (`lib.rs` or `main.rs`) stands in `folder`.
    pub(crate) fn of(folder: &str, root: &str) -> Imports {
        let others = format!("{folder}/bin");
        let own = sources().iter().filter(|source| source.is_in(&[folder]) && !source.is_test());
        let own =
            own.filter(|source| !source.is_in(&[&others]) && (root == "main.rs" || !source.path.ends_with("/main.rs")));
        let files: BTreeMap<Module, &'static Source> =
            own.map(|source| (module_of(folder, root, source), source)).collect();
        assert!(files.contains_key(&Module::new()), "{folder}/{root} is not found");
        let (folder, root) = (folder.to_owned(), root.to_owned());
        let mut imports = Imports { folder, root, files, aliases: BTreeMap::new(), uses: BTreeMap::new() };
        let mut named: Vec<(Module, Vec<String>)> = Vec::new();
        for (module, source) in &imports.files {
            let code = without_comments(source.product());
            let mut aliases = BTreeMap::new();
            let (uses, rest) = take_uses(&code);
            for (is_public, tree) in &uses {
                for (path, name) in leaves(tree) {
                    if !is_public {
                        named.push((module.clone(), path.clone()));
                    }
                    aliases.insert(name, path);
                }
            }
            imports.aliases.insert(module.clone(), aliases);
            named.extend(paths(&rest).into_iter().map(|path| (module.clone(), path)));
        }
        for (module, path) in named {
            let from = &imports.files[&module].path;
            if let Some(to) = imports.resolve(&module, &path, MAX_ALIASES)
                && to != *from
            {
                imports.uses.entry(from.clone()).or_default().entry(to).or_insert(path.join("::"));
            }
        }
        imports
    }

    /// The files of the crate, tests aside.
    pub(crate) fn files(&self) -> impl Iterator<Item = &'static Source> {
        self.files.values().copied()
    }

    /// Which file uses which.
    pub(crate) fn graph(&self) -> Graph {
        self.uses.iter().map(|(from, uses)| (from.clone(), uses.keys().cloned().collect())).collect()
    }

    /// The name of the file that introduces a folder.
    pub(crate) fn introduction_of(&self, folder: &str) -> &str {
        if folder == self.folder { &self.root } else { "mod.rs" }
    }

    /// The file to which a path leads that stands in `module`, if it is one of this crate.
    fn resolve(&self, module: &Module, path: &[String], aliases_left: usize) -> Option<String> {
        let mut here = module.clone();
        let mut is_inside = false;
        for (at, segment) in path.iter().enumerate() {
            let child: Module = here.iter().chain([segment]).cloned().collect();
            match segment.as_str() {
                "crate" => here.clear(),
                "self" => {}
                "super" => drop(here.pop()?),
                _ if self.files.contains_key(&child) => here = child,
                name => {
                    let alias = self.aliases.get(&here).and_then(|aliases| aliases.get(name));
                    return match alias {
                        Some(target) if aliases_left > 0 && target[..] != path[at..] => {
                            let target: Vec<String> = target.iter().chain(&path[at + 1..]).cloned().collect();
                            let home = self.resolve(&here, &target, aliases_left - 1);
                            // What another crate gives is no file of ours, but the file that hands it on is.
                            home.or_else(|| is_inside.then(|| self.files[&here].path.clone()))
                        }
                        _ if is_inside => Some(self.files[&here].path.clone()),
                        _ => None,
                    };
                }
            }
            is_inside = true;
        }
        is_inside.then(|| self.files[&here].path.clone())
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`.
fn module_of(folder: &str, root: &str, source: &Source) -> Module {
    let path = &source.path[folder.len() + 1..];
    if path == root {
        return Module::new();
    }
    let path = path.strip_suffix(".rs").unwrap_or(path);
    path.strip_suffix("/mod").unwrap_or(path).split('/').map(str::to_owned).collect()
}

fn without_comments(code: &str) -> String {
    code.lines().map(|line| line.split("//").next().unwrap_or("")).flat_map(|line| [line, "\n"]).collect()
}

/// The trees of all `use` lines, with whether each is public to others; and the code without them.
fn take_uses(code: &str) -> (Vec<(bool, String)>, String) {
    let (mut uses, mut rest) = (Vec::new(), String::new());
    let mut statement: Option<(bool, String)> = None;
    for line in code.lines() {
        let trimmed = line.trim_start();
        let after_pub = trimmed.strip_prefix("pub").map(|after| match after.strip_prefix('(') {
            Some(within) => within.split_once(')').map_or("", |(_, after)| after),
            None => after,
        });
        let begins = after_pub.unwrap_or(trimmed).trim_start().strip_prefix("use ");
        match (&mut statement, begins) {
            (Some((_, tree)), _) => tree.push_str(trimmed),
            (None, Some(tree)) => statement = Some((after_pub.is_some(), tree.to_owned())),
            (None, None) => rest.extend([line, "\n"]),
        }
        if let Some((is_public, tree)) = statement.take_if(|(_, tree)| tree.contains(';')) {
            uses.push((is_public, tree.split(';').next().unwrap_or("").replace(' ', "\u{1}")));
        }
    }
    (uses, rest)
}

/// `a::{b, c as d}` is `a::b`, known as `b`, and `a::c`, known as `d`.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim_matches('\u{1}');
    if let Some((prefix, group)) = tree.split_once('{') {
        let group = group.strip_suffix('}').unwrap_or(group);
        let parts = split_at_commas(group);
        let inner = parts.into_iter().filter(|part| !part.trim_matches('\u{1}').is_empty());
        return inner.flat_map(|part| leaves(&format!("{prefix}{}", part.trim_matches('\u{1}')))).collect();
    }
    let (path, name) = tree.split_once("\u{1}as\u{1}").unwrap_or((tree, ""));
    let mut path: Vec<String> = path.split("::").map(str::to_owned).collect();
    if path.len() > 1 {
        path.pop_if(|last| *last == "self" || *last == "*");
    }
    let name = if name.is_empty() { path.last().cloned().unwrap_or_default() } else { name.to_owned() };
    vec![(path, name)]
}

fn split_at_commas(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[begin..]);
    parts
}

/// All paths of more than one name in code, such as `super::root::cancel`.
fn paths(code: &str) -> BTreeSet<Vec<String>> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_of_path(c)).filter(|word| word.contains("::"));
    let paths = words.map(|word| word.split("::").map(|name| name.trim_matches(':').to_owned()).collect::<Vec<_>>());
    let paths = paths.map(|path| path.into_iter().take_while(|name| !name.is_empty()).collect::<Vec<_>>());
    paths.filter(|path| path.len() > 1).collect()
}

#[test]
fn uses_are_read() {
    let code = "use a::{self, b::{C, d as e},\n    f};\npub(super) use g::*;\nlet x = h::i::<J>(k) + l;\n";
    let (uses, rest) = take_uses(code);
    let read: Vec<String> = uses
        .iter()
        .flat_map(|(_, tree)| leaves(tree))
        .map(|(path, name)| format!("{} as {name}", path.join("::")))
        .collect();
    assert_eq!(read, ["a as a", "a::b::C as C", "a::b::d as e", "a::f as f", "g as g"]);
    assert_eq!(uses.iter().map(|(is_public, _)| *is_public).collect::<Vec<_>>(), [false, true]);
    assert_eq!(paths(&rest).into_iter().collect::<Vec<_>>(), [["h", "i"]]);
}

#[test]
fn uses_lead_to_files() {
    let reactor = Imports::of("reactor/src", "lib.rs");
    let uses = |from: &str, to: &str| {
        reactor
            .uses
            .get(&format!("reactor/src/{from}"))
            .is_some_and(|uses| uses.contains_key(&format!("reactor/src/{to}")))
    };
    assert!(uses("line_receiver.rs", "transport.rs"), "by the name that lib.rs hands on");
    assert!(uses("event_loop/turn.rs", "event_loop/registry.rs"), "by super");
    assert!(uses("event_loop/turn.rs", "timers.rs"), "by a path inside a function");
    assert!(!uses("transport.rs", "line_receiver.rs"));
    assert!(!reactor.files().any(|file| file.is_test()));
}
