//! Reading JSON without changing it: these functions find where a value stands in a text.
//!
//! To parse JSON and print it again would lose the spelling of numbers, escapes, and the order of fields. So each
//! function returns slices of the text. They need no memory in proportion to the text, and they do not recurse on it.
//!
//! Next: `style.rs`, which prints JSON.

use serde_core::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The maximum depth of lists and objects inside each other, because a client that reads an answer may recurse.
/// Google's answers have a depth of about eight.
const MAX_DEPTH: usize = 128;

/// The maximum length of a field's name that is decoded for the comparison if it has escapes (`r\u0065sults`).
const MAX_NAME: usize = 256;

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsonError {
    /// It is not JSON.
    Syntax(String),
    /// Its lists and objects are nested more than [`MAX_DEPTH`] deep.
    TooDeep,
    /// It is JSON, but has something else where a list or an object should be.
    Shape,
    /// An object has the field of this name more than once, so it is not clear which one counts.
    Repeated(&'static str),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        if error.is_data() { JsonError::Shape } else { JsonError::Syntax(error.to_string()) }
    }
}

/// The bytes as text. An error if they are not UTF-8, are blank, or are nested too deeply. This does not check that
/// they are JSON.
pub(super) fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Syntax(error.to_string()))?;
    if text.trim_ascii().is_empty() {
        return Err(JsonError::Syntax("it is empty".to_owned()));
    }
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at + 1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        at += 1;
    }
    Ok(text)
}

/// The position of the quote that closes a string, or the length of `bytes` if none does. The string's first character
/// is at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        match bytes[at + found] {
            b'"' => return at + found,
            _ => at += found + 2, // A backslash; the character after it closes nothing.
        }
    }
    bytes.len()
}

/// The values of the named fields of the object `json`, as slices of it.
pub(super) fn pick<'a, const N: usize>(
    json: &'a str,
    names: [&'static str; N],
) -> Result<[Option<&'a str>; N], JsonError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let (found, twice) = reader.deserialize_map(Pick(names))?;
    reader.end()?;
    twice.map_or(Ok(found), |name| Err(JsonError::Repeated(name)))
}

/// Whether an object has no fields at all.
pub(super) fn is_empty_object(json: &str) -> bool {
    let inner = json.trim_ascii().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

/// Calls `see` with each item of the list `json`, in order, as a slice of it. If a later item is not JSON, `see` has
/// been called with the items before it: what it has collected counts only if this returns `Ok`.
pub(super) fn each<'a>(json: &'a str, see: impl FnMut(&'a str)) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_seq(Each(see))?;
    Ok(reader.end()?)
}

/// The text that a JSON string stands for. `None` if `json` is not a string, or stands for no text, as half of a
/// surrogate pair does.
pub(super) fn string(json: &str) -> Option<String> {
    if json.starts_with('"') { serde_json::from_str(json).ok() } else { None }
}

/// Reads an object and keeps the values of the fields with these names, and the name of a field that came again.
struct Pick<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Pick<N> {
    type Value = ([Option<&'de str>; N], Option<&'static str>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut twice) = ([None; N], None);
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if let Some(at) = self.0.iter().position(|known| is_name(name.get(), known))
                && found[at].replace(value.get()).is_some()
            {
                twice = Some(self.0[at]);
            }
        }
        Ok((found, twice))
    }
}

/// Whether `json`, a name with its quotes and escapes, stands for `name`.
fn is_name(json: &str, name: &str) -> bool {
    let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    inner == name
        || (inner.contains('\\') && inner.len() <= MAX_NAME && string(json).is_some_and(|other| other == name))
}

/// Reads a list and calls the function with each of its items.
struct Each<F>(F);

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<&RawValue>()? {
            (self.0)(item.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_picked_as_they_stand() {
        let json = r#" { "a" : 1e400, "x" : [{"b":3}] , "b" : "\ud800\u003c" } "#;
        assert_eq!(pick(json, ["b", "a", "c"]), Ok([Some(r#""\ud800\u003c""#), Some("1e400"), None]));
        assert_eq!(pick(r#"{"\u0061":1}"#, ["a"]), Ok([Some("1")]));
        assert_eq!(
            pick(r#"{"\ud800":1,"a":2}"#, ["a"]),
            Ok([Some("2")]),
            "a name that is not text does not match any of these"
        );
        assert_eq!(pick(r#"{"a":1,"\u0061":1}"#, ["a"]), Err(JsonError::Repeated("a")));
        assert_eq!(pick("[1]", ["a"]), Err(JsonError::Shape));
        for json in ["", "{", "{\"a\":1,}", "{\"a\":01}", "{\"a\":\"\n\"}", "{} {}", "{'a':1}"] {
            assert!(matches!(pick(json, ["a"]), Err(JsonError::Syntax(_))), "{json}");
        }
    }

    #[test]
    fn items_are_seen_in_order() {
        let mut seen = Vec::new();
        each(" [ 1.50, \"]\" ,{\"a\" : 1 } ]", |item| seen.push(item)).unwrap();
        assert_eq!(seen, ["1.50", "\"]\"", "{\"a\" : 1 }"]);
        assert_eq!(each("{}", |_| ()), Err(JsonError::Shape));
        assert!(matches!(each("[1", |_| ()), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_depth() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(text(nested(MAX_DEPTH).as_bytes()).is_ok());
        for deep in [nested(MAX_DEPTH + 1), nested(100_000), "{\"a\":[".repeat(100_000)] {
            assert_eq!(text(deep.as_bytes()), Err(JsonError::TooDeep));
        }
        let string = format!("[\"{}\\\\\", \"\\\"{}\"]", "[".repeat(1000), "{".repeat(1000));
        assert_eq!(text(string.as_bytes()), Ok(&*string));
        assert_eq!(text("[1],".repeat(1000).as_bytes()).map(str::len), Ok(4000));
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        for bytes in [&b"\xff"[..], b"\"\xed\xa0\x80\"", b"", b" \r\n\t"] {
            assert!(matches!(text(bytes), Err(JsonError::Syntax(_))), "{bytes:?}");
        }
    }
}
