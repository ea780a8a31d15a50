//! Names in `docs/twisted.md`: what it says that ours is called exists, and each test that it names is one.
//!
//! Only the columns that name our things are looked at, "Here" and "Shown by", and "Remarks" not: there, names of
//! Twisted stand beside ours.

use crate::repo::{Source, document, none, sources};
use std::collections::HashSet;

#[test]
fn names_of_ours_that_the_page_for_users_of_twisted_has_exist() {
    let known = Known::of(sources());
    let page = document("docs/twisted.md");
    let names = || our_cells(&page.text).flat_map(code_spans).filter(|span| is_name(span));
    assert!(names().count() > 200, "is this test blind?");
    none("docs/twisted.md names what is not there", &names().filter(|name| !known.has(name)).collect::<Vec<_>>());
}

#[test]
fn the_counts_of_twisteds_tests_add_up() {
    let rows: Vec<[u32; 4]> = document("docs/twisted.md").text.lines().filter_map(counts).collect();
    let [all, rows @ ..] = &rows[..] else { panic!("no row has counts") };
    assert!(rows.len() > 20, "is this test blind?");
    let sum = rows.iter().fold([0; 4], |sum, row| [0, 1, 2, 3].map(|at| sum[at] + row[at]));
    assert_eq!(*all, sum, "the row for all tables");
    for [methods, covered, other, open] in rows {
        assert_eq!(*methods, covered + other + open, "the row with {methods}, {covered}, {other}, {open}");
    }
}

/// Methods, covered, other and open, if the line is a row with these.
fn counts(line: &str) -> Option<[u32; 4]> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let numbers: Vec<u32> = cells.get(2..6)?.iter().map_while(|cell| cell.parse().ok()).collect();
    numbers.try_into().ok()
}

/// The cells of tables below "Here" and "Shown by".
fn our_cells(text: &str) -> impl Iterator<Item = &str> {
    let mut ours: Vec<usize> = Vec::new();
    text.lines().flat_map(move |line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let has_title = cells.iter().any(|cell| ["Here", "Shown by"].contains(cell));
        if has_title || !line.starts_with('|') {
            ours = (0..cells.len()).filter(|&at| ["Here", "Shown by"].contains(&cells[at])).collect();
            return Vec::new();
        }
        cells.iter().enumerate().filter(|(at, _)| ours.contains(at)).map(|(_, cell)| *cell).collect()
    })
}

fn code_spans(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// `name`, `Type`, `Type::member`, `module::Type`. Paths of files are another test's.
fn is_name(span: &str) -> bool {
    span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
}

/// What is defined in sources.
#[derive(Debug, Default)]
struct Known {
    /// Types, traits, functions and modules, each by its own name.
    items: HashSet<String>,
    /// Methods, variants and fields, as `Type::member`.
    members: HashSet<String>,
}

impl Known {
    fn of(sources: &[Source]) -> Known {
        let mut known = Known::default();
        for source in sources.iter().filter(|source| source.is_in(&["reactor/src", "reactor/tests"])) {
            known.add(&source.text);
        }
        known
    }

    /// rustfmt has been here: what stands at the edge begins or ends an item, and members stand one step in.
    fn add(&mut self, text: &str) {
        let mut owner = String::new();
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            let line = without_visibility(line.trim_start());
            if let Some(name) = defined(line) {
                self.items.insert(name.to_owned());
                if depth == 4 {
                    self.members.insert(format!("{owner}::{name}"));
                } else if depth == 0 {
                    owner = name.to_owned();
                }
            } else if depth == 0 && line.starts_with("impl") {
                owner = implemented(line).to_owned();
            } else if depth == 4 {
                // A field, or a variant.
                self.members.insert(format!("{owner}::{}", first_word(line)));
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        match name.rsplit_once("::") {
            Some((path, member)) if path.starts_with(|first: char| first.is_ascii_uppercase()) => {
                self.members.contains(name) && self.items.contains(path) && !member.is_empty()
            }
            Some((path, item)) => path.split("::").chain([item]).all(|part| self.items.contains(part)),
            None => self.items.contains(name),
        }
    }
}

fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    match rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
        Some((_, rest)) => rest,
        None => rest.trim_start(),
    }
}

/// The name that a line defines: `fn name(`, `struct Name`, ...
fn defined(line: &str) -> Option<&str> {
    let kinds = ["fn ", "async fn ", "const fn ", "struct ", "enum ", "trait ", "type ", "const ", "mod "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    Some(first_word(rest)).filter(|name| !name.is_empty())
}

/// The type that an `impl` is of: behind `for`, if it has that, without what is generic in it.
fn implemented(line: &str) -> &str {
    let mut depth = 0;
    let generics = line.strip_prefix("impl").unwrap_or(line);
    let after = if generics.starts_with('<') {
        let end = generics.char_indices().find(|(at, c)| {
            match c {
                '<' => depth += 1,
                // `Fn() -> T` closes nothing.
                '>' if !generics[..*at].ends_with('-') => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        end.map_or("", |(at, _)| &generics[at + 1..])
    } else {
        generics
    };
    let of = after.split_once(" for ").map_or(after, |(_, of)| of);
    first_word(of.trim_start())
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("")
}

#[test]
fn names_are_found_in_the_source_that_defines_them() {
    let mut known = Known::default();
    known.add(
        "pub struct Port<T> {\n    pub(crate) host: T,\n}\n\nimpl<F: Fn() -> bool, P> Factory for Port<F> {\n    fn build(&self) {\n        \
         let inner = 1;\n    }\n}\n\npub enum End {\n    /// It is over.\n    Done(u32),\n}\n\npub(crate) fn serve() {}\n",
    );
    for name in ["Port", "Port::host", "Port::build", "End::Done", "serve", "build"] {
        assert!(known.has(name), "{name}: {known:?}");
    }
    for name in
        ["Factory", "Factory::build", "Port::inner", "End::Lost", "Done", "port", "Port::Done", "x::serve", "Port::"]
    {
        assert!(!known.has(name), "{name}: {known:?}");
    }
}

#[test]
fn names_are_found_in_the_columns_that_have_ours() {
    let text = "| Twisted | Here | Remarks |\n|---|---|---|\n| `a` | `B::c`, `D` | `e` |\n\n| Complaint | Shown by |\n|---|---|\n\
                | `f` | `g/h.rs`: `i` |\n`j`\n| Other |\n|---|\n| `k` |";
    let found: Vec<String> = our_cells(text).flat_map(code_spans).filter(|span| is_name(span)).collect();
    assert_eq!(found, ["B::c", "D", "i"]);
}
