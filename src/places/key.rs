//! [`ApiKey`]: the secret that a Places service wants, and how it is masked in everything that people read.
//!
//! A service may repeat the key in what it says, and spell it differently from how it was sent. So the search is not
//! for one text but for a sequence of characters, each written as itself, as `%41`, as `\u0041`, or as `&#65;`.
//!
//! Next: `refusal.rs`, the ways in which a service says no.

use crate::config::{ConfigError, read_file};
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// The minimum length of a key. A shorter one is a mistake; and because a key is masked wherever it stands, in answers
/// too, a short one would make holes in ordinary words. Google's keys have 39 characters.
const MIN_LENGTH: usize = 4;

/// The maximum length of a key. A longer text is probably the wrong file.
const MAX_LENGTH: usize = 1024;

/// The maximum size of a key file: a key with white space around it.
const MAX_FILE: usize = 4 * MAX_LENGTH;

/// The maximum number of backslashes before one character: JSON in JSON in JSON has seven.
const MAX_BACKSLASHES: usize = 7;

/// Stands in the place of the key.
const HIDDEN: &[u8] = b"***";

/// The key for a Places service. It has no `Display`, and its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key in `text`, without the white space around it; `None` if `text` is blank. `source` says in an error
    /// message where the text came from.
    ///
    /// # Errors
    /// If it holds a character that no key holds, or is too short or too long. The message does not repeat it.
    pub fn parse(text: &str, source: &str) -> Result<Option<ApiKey>, ConfigError> {
        let key = text.trim();
        if key.len() > MAX_LENGTH {
            return Err(ConfigError(format!("{source} holds more than {MAX_LENGTH} characters: that is not a key")));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "holds a space, a control character or one that is not ASCII: that is not a key";
            return Err(ConfigError(format!("{source} {what}")));
        }
        if (1..MIN_LENGTH).contains(&key.len()) {
            let what = "that is not a key, and masking it would make holes in ordinary words";
            return Err(ConfigError(format!("{source} holds fewer than {MIN_LENGTH} characters: {what}")));
        }
        Ok((!key.is_empty()).then(|| ApiKey(key.to_owned())))
    }

    /// Reads the key from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is blank, or holds no key (see [`parse`](ApiKey::parse)).
    pub fn read(path: &Path) -> Result<ApiKey, ConfigError> {
        let source = format!("the key file {}", path.display());
        let bytes = read_file(path, MAX_FILE).map_err(|error| ConfigError(format!("cannot read {source}: {error}")))?;
        let text = String::from_utf8_lossy(&bytes);
        ApiKey::parse(&text, &source)?.ok_or_else(|| ConfigError(format!("{source} is empty")))
    }

    /// The key itself: only for a request.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The key as it stands in a URL's query.
    pub(super) fn for_query(&self) -> String {
        percent_encode(&self.0)
    }

    /// `text` with three stars for the key wherever it stands, in any spelling; `None` if the key does not stand in it.
    pub fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut masked = Vec::new();
        let mut from = 0;
        while let Some(found) = self.find(text, from) {
            masked.extend_from_slice(&text[from..found.start]);
            masked.extend_from_slice(HIDDEN);
            from = found.end;
        }
        if from == 0 {
            return None; // Nearly always: then nothing has been copied.
        }
        masked.extend_from_slice(&text[from..]);
        Some(masked)
    }

    /// `text`, [masked](ApiKey::masked) if the key stands in it.
    pub(super) fn mask(&self, text: Vec<u8>) -> Vec<u8> {
        self.masked(&text).unwrap_or(text)
    }

    /// Where the key stands first, from `at` on, in any spelling.
    fn find(&self, text: &[u8], mut at: usize) -> Option<Range<usize>> {
        loop {
            let start = self.next_candidate(text, at)?;
            if let Some(length) = self.length_at(&text[start..]) {
                return Some(start..start + length);
            }
            at = start + 1;
        }
    }

    /// The first position from `at` on where the key may begin: its first character, or one that begins an escape.
    fn next_candidate(&self, text: &[u8], at: usize) -> Option<usize> {
        let first = *self.0.as_bytes().first()?;
        let rest = text.get(at..)?;
        rest.iter().position(|byte| *byte == first || matches!(byte, b'%' | b'\\' | b'&')).map(|found| at + found)
    }

    /// The length of the key, in the spelling in which it stands at the beginning of `text`; `None` if it does not.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        let mut rest = text;
        for byte in self.0.bytes() {
            rest = &rest[length_of(byte, rest)?..];
        }
        Some(text.len() - rest.len())
    }
}

/// Shows that there is a key, but not the key.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// The length of the character `byte`, in the spelling in which it stands at the beginning of `text`; `None` if another
/// character stands there.
fn length_of(byte: u8, text: &[u8]) -> Option<usize> {
    let is_value = |digits: Option<&[u8]>, radix: u32| {
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.is_some_and(|digits| u32::from_str_radix(digits, radix) == Ok(u32::from(byte)))
    };
    match text {
        [b'%', b'2', b'5', ..] if is_value(text.get(3..5), 16) => return Some(5), // Encoded twice.
        [b'%', ..] if is_value(text.get(1..3), 16) => return Some(3),
        [b'\\', ..] => {
            // JSON inside JSON doubles its backslashes. The count has a limit, or a text of nothing but backslashes
            // would be read to its end once for each of them.
            let slashes = text.iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            if text.get(slashes) == Some(&b'u') && is_value(text.get(slashes + 1..slashes + 5), 16) {
                return Some(slashes + 5);
            }
            if text.get(slashes) == Some(&byte) && matches!(byte, b'"' | b'/') {
                return Some(slashes + 1);
            }
            if byte == b'\\' {
                return Some(slashes.min(2));
            }
        }
        [b'&', rest @ ..] => {
            let end = rest.iter().take(7).position(|byte| *byte == b';').unwrap_or(0);
            let is_it = match &rest[..end] {
                b"amp" => byte == b'&',
                b"lt" => byte == b'<',
                b"gt" => byte == b'>',
                b"quot" => byte == b'"',
                b"apos" => byte == b'\'',
                [b'#', b'x' | b'X', digits @ ..] => is_value(Some(digits), 16),
                [b'#', digits @ ..] => is_value(Some(digits), 10),
                _ => false,
            };
            if is_it {
                return Some(end + 2);
            }
        }
        _ => {}
    }
    (text.first() == Some(&byte)).then_some(1)
}

/// Everything but unreserved characters as `%XX` (RFC 3986).
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ApiKey {
        ApiKey::parse(text, "the test").unwrap().unwrap()
    }

    #[track_caller]
    fn check(secret: &str, said: &str, shown: &str) {
        let masked = key(secret).masked(said.as_bytes()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(masked.as_deref(), (said != shown).then_some(shown));
    }

    #[test]
    fn a_key_is_masked_in_every_spelling() {
        let secret = "AIza&S/\"k+y";
        for form in [
            "AIza&S/\"k+y",
            "AIza%26S%2F%22k%2By",
            "AIza%26S%2f%22k%2by",
            "AIza\\u0026S\\/\\\"k+y",
            "\\u0041\\u0049za&amp;S/&quot;k&#43;y",
            "%41Iza&#x26;S/&#34;k%2By",
            "AIza%2526S%252F%2522k%252By",
            "AIza\\\\u0026S\\\\/\\\\\\\"k+y",
        ] {
            check(secret, &format!("bad key {form}, {form}!"), "bad key ***, ***!");
        }
        check("abab", "abaabababab", "aba******");
        check("a\\bc", "x a\\bc a\\\\bc", "x *** ***");
    }

    #[test]
    fn a_text_without_the_key_is_left_alone() {
        for said in ["", "AIz", "AIza%", "AIza\\", "AIza\\u00", "AIza&", "&#65", "% \\ & AIzA", "aIza_"] {
            check("AIza_", said, said);
        }
    }

    #[test]
    fn a_text_of_nothing_but_beginnings_of_a_key_is_read_once() {
        // If the search read to the end from each of them, this would take very long.
        for start in ["\\", "&", "%", "%25", "\\u0041", "AIz"] {
            let text = start.repeat(300_000 / start.len());
            check("AIza_", &text, &text);
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", key("SecretKey")), "ApiKey(***)");
    }

    #[test]
    fn white_space_around_a_key_does_not_belong_to_it() {
        assert_eq!(key(" \tSecretKey\r\n").text(), "SecretKey");
        assert_eq!(ApiKey::parse(" \n", "x").unwrap(), None);
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_and_not_repeated() {
        for text in ["Sec\nret", "Sec ret", "Sec\u{7f}ret", "Sec\0ret", "Sécret", "Sec\u{feff}ret"] {
            let error = ApiKey::parse(text, "the variable").unwrap_err().0;
            assert!(error.starts_with("the variable holds a space, a control"), "{error}");
            assert!(!error.contains("ret"), "{error}");
        }
        assert!(ApiKey::parse(&"x".repeat(MIN_LENGTH), "x").is_ok());
        let error = ApiKey::parse(&"q".repeat(MIN_LENGTH - 1), "the variable").unwrap_err().0;
        assert!(error.starts_with("the variable holds fewer than 4 characters") && !error.contains("qq"), "{error}");
        assert!(ApiKey::parse(&"x".repeat(MAX_LENGTH), "x").is_ok());
        assert!(ApiKey::parse(&"x".repeat(MAX_LENGTH + 1), "x").unwrap_err().0.contains("more than 1024"));
    }
}
