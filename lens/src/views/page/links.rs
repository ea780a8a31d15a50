//! [`Links`]: places in sentences, as links to the source.
//!
//! Next: `data.rs`, the events of a page.

use super::{Source, escaped};
use std::cell::RefCell;
use std::collections::HashMap;

/// Knows where the files of the program lie.
pub(super) struct Links<'a> {
    source: &'a dyn Fn(&str) -> Option<Source>,
    known: RefCell<HashMap<String, Option<String>>>,
}

impl<'a> Links<'a> {
    pub(super) fn new(source: &'a dyn Fn(&str) -> Option<Source>) -> Links<'a> {
        Links { source, known: RefCell::default() }
    }

    /// A text for a page. Each word of it that is a place, `src/x.rs:12`, is a link if it leads somewhere.
    pub(super) fn linked(&self, text: &str) -> String {
        self.with_links(text, "")
    }

    /// The same, where Tab passes the links by: those of the verdict say the same, and from the picture Tab is to come to
    /// the current event soon.
    pub(super) fn linked_beside_a_picture(&self, text: &str) -> String {
        self.with_links(text, " tabindex=\"-1\"")
    }

    fn with_links(&self, text: &str, attributes: &str) -> String {
        let words = text.split(' ').map(|word| {
            let place = word.trim_matches(|char: char| !char.is_alphanumeric() && !matches!(char, '/' | '.' | '_'));
            let place = place.trim_end_matches('.');
            match (self.address(place), word.split_once(place)) {
                (Some(address), Some((before, after))) => {
                    let (before, after, place) = (escaped(before), escaped(after), escaped(place));
                    format!("{before}<a class=\"place\"{attributes} href=\"{}\">{place}</a>{after}", escaped(&address))
                }
                _ => escaped(word),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// The address of a place, with its line, if its file is one of the program.
    fn address(&self, place: &str) -> Option<String> {
        let (file, line) = crate::views::words::line_of(place).rsplit_once(':')?;
        let is_line = !file.is_empty() && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        let mut known = self.known.borrow_mut();
        let find = || (self.source)(file)?.address;
        let address = is_line.then(|| known.entry(file.to_owned()).or_insert_with(find).clone())??;
        Some(format!("{address}#L{line}"))
    }
}
