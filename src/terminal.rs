//! What a terminal would obey, and how to show it instead.
//!
//! Peers and Places services choose the text that an operator reads in a log or after a command. A control character in
//! it could move the cursor, hide a line or change the title; a bidirectional control could make a line read as another
//! one. So none of them is ever written as it came.
//!
//! Next: [`address_group.rs`](mod@crate::address_group), which addresses count as one client.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal, or a program that shows lines, would obey this character and not show it: the controls (C0, DEL
/// and C1, so U+0085 too), the line and paragraph separators, and everything that changes the direction of text.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether all bytes are printable ASCII. Each byte of sixteen has a flag of its own until the end, so that the
/// compiler can test sixteen at once.
pub fn is_plain(bytes: &[u8]) -> bool {
    let is_other = |byte: &u8| u8::from(byte.wrapping_sub(b' ') > b'~' - b' ');
    let mut found = [0; 16];
    let mut look = |bytes: &[u8; 16]| found.iter_mut().zip(bytes).for_each(|(found, byte)| *found |= is_other(byte));
    let (chunks, rest) = bytes.as_chunks();
    chunks.iter().for_each(&mut look);
    match bytes.last_chunk() {
        Some(last) => look(last), // Some of them a second time: that is quicker than one by one.
        None => return rest.iter().all(|byte| is_other(byte) == 0),
    }
    found == [0; 16]
}

/// `text` in one line: a space for each control character, and an escape such as `\u{202e}` for anything else that a
/// terminal would obey.
pub fn in_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if character.is_control() => shown.push(' '),
            _ if is_obeyed(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// A JSON text with the same meaning that a terminal only shows: it has escapes such as `\u202e` for what a terminal
/// would obey. Outside of strings JSON is ASCII, so each such character stands in a string, where JSON allows the
/// escape. Line feeds and tabs stay.
pub fn in_json(text: &str) -> Cow<'_, str> {
    let is_kept = |character: char| matches!(character, '\n' | '\t') || !is_obeyed(character);
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            // White space between tokens: a string cannot hold it.
            '\r' => shown.push(' '),
            _ if is_kept(character) => shown.push(character),
            _ => write!(shown, "\\u{:04x}", u32::from(character)).unwrap_or_default(), // A String takes everything.
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for range in [0..=0x1f, 0x7f..=0x9f, 0x61c..=0x61c, 0x200e..=0x200f, 0x2028..=0x202e, 0x2066..=0x2069] {
            for code in range {
                let character = char::from_u32(code).unwrap();
                let text = format!("a{character}b");
                assert!(is_obeyed(character), "{code:x}");
                assert!(!in_one_line(&text).contains(is_obeyed), "{code:x}");
                let json = in_json(&text);
                assert!(matches!(character, '\n' | '\t') || !json.contains(is_obeyed), "{code:x}: {json}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "all of this: ~!", "Café Zoë, 東京 שלום 🙂"] {
            assert!(
                matches!(in_one_line(text), Cow::Borrowed(_)) && matches!(in_json(text), Cow::Borrowed(_)),
                "{text}"
            );
        }
        assert_eq!(in_one_line("a\n\u{1b}[2Jb\u{202e}c"), "a  [2Jb\\u{202e}c");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\r\n\t\"name\": \"a\u{202e}b\u{85}c\u{7f}\"}";
        let shown = in_json(text);
        assert_eq!(shown, "{ \n\t\"name\": \"a\\u202eb\\u0085c\\u007f\"}");
        let meaning = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(meaning(text), meaning(&shown));
    }

    #[test]
    fn plain_is_printable_ascii() {
        assert!(is_plain(b"all of this, and this: ~!"));
        for other in [&b"not\tthis"[..], &[b'x', 0x7f], "é".as_bytes()] {
            assert!(!is_plain(other));
        }
    }
}
