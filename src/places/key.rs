//! [`ApiKey`]: the secret that a Places service wants, and how it is kept out of whatever people read.
//!
//! A service may repeat the key in what it says, and in another form than it was sent in. So what is looked for is not
//! one text but a row of characters, each of which may be written as itself, as `%41`, as `\u0041`, or as `&#65;`.

use crate::config::ConfigError;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// The shortest key taken. A shorter one is a slip of the pen or the end of a line that was cut; and as it is hidden
/// wherever it stands, in answers too, it would make holes in ordinary words. Google's have 39 characters.
const MIN_LENGTH: usize = 4;

/// The longest key taken: more is not a key but the wrong file.
const MAX_LENGTH: usize = 1024;

/// Backslashes before one character: JSON in JSON in JSON has seven.
const MAX_BACKSLASHES: usize = 7;

/// What is shown instead of a key.
const HIDDEN: &[u8] = b"***";

/// The key for a Places service. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key that `text` is, without the white space around it; `None` if there is nothing else. `source` is for
    /// error messages.
    ///
    /// # Errors
    /// If it holds what no key holds, such as a control character, or is very short or long. The message does not hold
    /// it.
    pub fn parse(text: &str, source: &str) -> Result<Option<ApiKey>, ConfigError> {
        let key = text.trim();
        if key.len() > MAX_LENGTH {
            return Err(ConfigError(format!("{source} holds more than {MAX_LENGTH} characters: that is no key")));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "holds a space, a control character or one that is not ASCII: that is no key";
            return Err(ConfigError(format!("{source} {what}")));
        }
        if (1..MIN_LENGTH).contains(&key.len()) {
            let what = "that is no key, and hiding it would make holes in ordinary words";
            return Err(ConfigError(format!("{source} holds fewer than {MIN_LENGTH} characters: {what}")));
        }
        Ok((!key.is_empty()).then(|| ApiKey(key.to_owned())))
    }

    /// The key that a file holds.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, or as [`parse`](ApiKey::parse).
    pub fn read(path: &Path) -> Result<ApiKey, ConfigError> {
        let source = format!("the key file {}", path.display());
        let mut bytes = Vec::new();
        // One more than a key and white space around it may have: enough to see that it is too much.
        std::fs::File::open(path)
            .and_then(|file| file.take(4 * MAX_LENGTH as u64).read_to_end(&mut bytes))
            .map_err(|error| ConfigError(format!("cannot read {source}: {error}")))?;
        let text = String::from_utf8_lossy(&bytes);
        ApiKey::parse(&text, &source)?.ok_or_else(|| ConfigError(format!("{source} is empty")))
    }

    /// As it is.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// As it stands in a query: everything but unreserved characters as `%XX` (RFC 3986).
    pub(super) fn for_query(&self) -> String {
        percent_encode(&self.0)
    }

    /// `text` with [`HIDDEN`] wherever the key stands in it, in whatever form; `None` if it does not stand in it.
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

    /// `text` itself, or [masked](ApiKey::masked).
    pub(super) fn mask(&self, text: Vec<u8>) -> Vec<u8> {
        self.masked(&text).unwrap_or(text)
    }

    /// Where the key stands first, in whatever form, from `at` on.
    fn find(&self, text: &[u8], mut at: usize) -> Option<Range<usize>> {
        loop {
            let start = self.next_candidate(text, at)?;
            if let Some(length) = self.length_at(&text[start..]) {
                return Some(start..start + length);
            }
            at = start + 1;
        }
    }

    /// Where the key may begin, from `at` on.
    fn next_candidate(&self, text: &[u8], at: usize) -> Option<usize> {
        let first = *self.0.as_bytes().first()?;
        let rest = text.get(at..)?;
        rest.iter().position(|byte| *byte == first || matches!(byte, b'%' | b'\\' | b'&')).map(|found| at + found)
    }

    /// How long the key is that `text` begins with.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        let mut rest = text;
        for byte in self.0.bytes() {
            rest = &rest[length_of(byte, rest)?..];
        }
        Some(text.len() - rest.len())
    }
}

/// Says that it is there, and no more.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// How long the character `byte` is at the beginning of `text`, in whatever form it stands there; `None` if something
/// else does.
fn length_of(byte: u8, text: &[u8]) -> Option<usize> {
    let is_value = |digits: Option<&[u8]>, radix: u32| {
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.is_some_and(|digits| u32::from_str_radix(digits, radix) == Ok(u32::from(byte)))
    };
    match text {
        [b'%', b'2', b'5', ..] if is_value(text.get(3..5), 16) => return Some(5), // Encoded twice.
        [b'%', ..] if is_value(text.get(1..3), 16) => return Some(3),
        [b'\\', ..] => {
            // JSON in JSON has its backslashes doubled. Only so many are counted: a text may be made of them.
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

/// What is to be said about who else may use the key in this file, if anything. Such a file is used nevertheless: the
/// secrets that container systems mount are often readable by all, inside of a container with one user.
pub(super) fn others_can_read(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o066 != 0).then(|| {
        let path = path.display();
        format!("others than its owner can read or change the key file {path} (mode {mode:03o}): chmod 600 {path}")
    })
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
    fn a_key_is_hidden_in_every_form() {
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
    fn what_is_not_the_key_is_left_alone() {
        for said in ["", "AIz", "AIza%", "AIza\\", "AIza\\u00", "AIza&", "&#65", "% \\ & AIzA", "aIza_"] {
            check("AIza_", said, said);
        }
    }

    #[test]
    fn a_text_of_nothing_but_beginnings_is_read_once() {
        // Were each looked at to its end, this would take very long.
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
    fn white_space_around_a_key_is_none_of_it() {
        assert_eq!(key(" \tSecretKey\r\n").text(), "SecretKey");
        assert_eq!(ApiKey::parse(" \n", "x").unwrap(), None);
    }

    #[test]
    fn what_no_key_holds_is_refused_without_telling_it() {
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
