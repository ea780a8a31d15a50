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
            let own = texts.iter().filter(|(file, _)| callback.place.starts_with(&format!("{file}:")));
            let line = |(file, text): &(String, String)| {
                let line = line_of_method(text, short(&callback.object), &callback.method)?;
                Some(format!("{file}:{line}:1"))
            };
            own.chain(&texts).find_map(line)
        });
        let Some(place) = place else { continue };
        callback.method_place.clone_from(place);
        // What shows the event leads there, too.
        if let Some(event) = model.events.get_mut(callback.at) {
            event.fields.insert("place".to_owned(), place.as_str().into());
        }
    }
}

/// The number of the line on which a method of a type begins. It stands in a block `impl … for TYPE` or `impl TYPE`.
fn line_of_method(text: &str, type_name: &str, method: &str) -> Option<usize> {
    let type_name = type_name.split('<').next().unwrap_or(type_name);
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("impl") {
            let head = line.split('{').next().unwrap_or(line);
            let own = head.rsplit(" for ").next().unwrap_or(head);
            is_inside = words_of(own).any(|word| word == type_name);
        }
        let rest = line.split_once("fn ").map_or("", |(_, rest)| rest);
        if is_inside && words_of(rest).next() == Some(method) {
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
    use super::line_of_method;

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
}
