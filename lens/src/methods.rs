//! Finds the line of a method in the source of the program.
//!
//! A trace knows the type and the name of a method that ran, and where the program asked for the port or the connection. The
//! line of the method itself is not in the program any more: it is looked up in the source, if that was given.
//!
//! Next: `verdict/mod.rs`, what is wrong.

use crate::model::{Model, short};
use crate::views::words;
use std::collections::{BTreeMap, BTreeSet};

/// Gives each callback that is a method the place of that method. `source` returns the text of a file that a place names.
///
/// Two types may have one name. So a method is looked for in the file to which the path of its type leads. If there is
/// no such file among those of the trace, or more than one, the place stays unknown: a wrong line would be worse.
pub fn find_methods(model: &mut Model, source: impl Fn(&str) -> Option<String>) {
    let places = model.turns.callbacks.iter().map(|callback| callback.place.as_str());
    let places = places.chain(model.chains.chains.values().map(|chain| chain.place.as_str()));
    let files: BTreeSet<&str> =
        places.filter_map(|place| words::line_of(place).rsplit_once(':')).map(|it| it.0).collect();
    let texts: Vec<(String, String)> =
        files.into_iter().filter_map(|file| Some((file.to_owned(), source(file)?))).collect();
    let mut known: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    for callback in model.turns.callbacks.iter_mut().filter(|callback| !callback.object.is_empty()) {
        let key = (callback.object.clone(), callback.method.clone());
        let place = known.entry(key).or_insert_with(|| {
            let found = texts.iter().filter_map(|(file, text)| {
                let line = line_of_method(text, short(&callback.object), &callback.method)?;
                Some((fit(file, &callback.object)?, format!("{file}:{line}:1")))
            });
            let found: Vec<(usize, String)> = found.collect();
            let best = found.iter().map(|(fit, _)| *fit).max()?;
            match &found.iter().filter(|(fit, _)| *fit == best).collect::<Vec<_>>()[..] {
                [(_, place)] => Some(place.clone()),
                _ => None,
            }
        });
        let Some(place) = place else { continue };
        callback.method_place.clone_from(place);
        // What shows the event leads there, too.
        if let Some(event) = model.events.get_mut(callback.at) {
            event.fields.insert("place".to_owned(), place.as_str().into());
        }
    }
}

/// How many parts of a type's path lead to a file: for `herd::server::Client`, 2 of `src/server.rs` or
/// `src/server/mod.rs`, and 1 of the crate's own `herd.rs` or `main.rs`. `None` if the file is of another module. A
/// module may also stand inside a file, and a type inside a function, so the last parts need not lead anywhere.
fn fit(file: &str, type_path: &str) -> Option<usize> {
    let path = type_path.split('<').next().unwrap_or(type_path);
    let mut modules: Vec<&str> = path.split("::").collect();
    modules.pop();
    let mut folders: Vec<String> = file.split(['/', '\\']).map(|part| part.replace('-', "_")).collect();
    let name = folders.pop()?;
    let name = name.strip_suffix(".rs").unwrap_or(&name);
    let is_root = matches!(name, "main" | "lib");
    if !is_root && name != "mod" {
        folders.push(name.to_owned());
    }
    for count in (2..=modules.len()).rev() {
        let leads = &modules[1..count];
        if folders.len() >= leads.len() && leads.iter().eq(&folders[folders.len() - leads.len()..]) {
            return Some(count);
        }
    }
    let is_crate = modules.first().is_some_and(|own| folders.last().is_some_and(|last| last == own));
    (is_root || is_crate).then_some(1)
}

/// The number of the line on which a method of a type begins. It stands in a block `impl … for TYPE` or `impl TYPE`,
/// which ends with a brace below the `impl`.
fn line_of_method(text: &str, type_name: &str, method: &str) -> Option<usize> {
    let type_name = type_name.split('<').next().unwrap_or(type_name);
    // The head of a block, as far as it has been read; and the indent of the block that is open, if it is of this type.
    let (mut head, mut open): (Option<(usize, String)>, Option<usize>) = (None, None);
    for (index, whole) in text.lines().enumerate() {
        let line = whole.trim_start();
        let indent = whole.len() - line.len();
        if line.starts_with('}') && open.is_some_and(|open| indent <= open) {
            open = None;
        }
        if line.starts_with("impl ") || line.starts_with("impl<") {
            head = Some((indent, String::new()));
        }
        if let Some((begin, mut words)) = head.take() {
            words.push_str(line);
            words.push(' ');
            match words.split_once('{') {
                // An empty block ends on its line.
                Some((own, rest)) if !rest.trim_start().starts_with('}') => {
                    let own = own.split(" where ").next().unwrap_or(own);
                    let own = own.rsplit(" for ").next().unwrap_or(own);
                    open = words_of(own).any(|word| word == type_name).then_some(begin);
                }
                Some(_) => open = None,
                None => head = Some((begin, words)),
            }
        }
        let rest = line.split_once("fn ").map_or("", |(_, rest)| rest);
        if open.is_some() && words_of(rest).next() == Some(method) {
            return Some(index + 1);
        }
    }
    None
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{fit, line_of_method};

    #[test]
    fn a_method_is_found_in_the_block_of_its_type() {
        let text = "\
struct Echo;
impl Other for Echoes {
    fn data_received(&mut self) {}
}
impl<T> Protocol for Echo<T> {
    fn data_received_twice(&mut self) {}
    fn data_received(&mut self) {}
}
impl Echo {
    pub(crate) fn go(&self) {}
}
";
        assert_eq!(line_of_method(text, "Echo", "data_received"), Some(7));
        assert_eq!(line_of_method(text, "Echo<T>", "data_received"), Some(7));
        assert_eq!(line_of_method(text, "Echo", "go"), Some(10));
        assert_eq!(line_of_method(text, "Echo", "connection_lost"), None);
        assert_eq!(line_of_method(text, "Lines", "go"), None);
    }

    #[test]
    fn a_block_ends_with_its_brace_and_may_have_a_long_head() {
        let text = "\
impl Echo {
    fn new() -> Echo {
        Echo
    }
}
fn go() {}
trait Go {
    fn go(&self);
}
impl Echo {}
mod inner {
    impl<T> Other<T>
        for Lines<T>
    where
        T: Fn(Echo),
    {
        fn go(&self) {}
    }
}
";
        assert_eq!(line_of_method(text, "Echo", "go"), None);
        assert_eq!(line_of_method(text, "Lines", "go"), Some(17));
    }

    #[test]
    fn the_path_of_a_type_leads_to_its_file() {
        assert_eq!(fit("src/server.rs", "herd::server::Client"), Some(2));
        assert_eq!(fit("src/server/mod.rs", "herd::server::Client"), Some(2));
        assert_eq!(fit("src/server/session.rs", "herd::server::session::Client"), Some(3));
        assert_eq!(fit("src/server.rs", "herd::server::tests::Client"), Some(2), "a module in the file");
        assert_eq!(fit("src/main.rs", "herd::Client"), Some(1));
        assert_eq!(fit("examples/03-echo.rs", "03_echo::Echo"), Some(1));
        assert_eq!(fit("examples/replay/main.rs", "replay::Echo<u8>"), Some(1));
        assert_eq!(fit("src/client.rs", "herd::server::Client"), None);
        assert_eq!(fit("src/session.rs", "herd::Client"), None);
    }
}
