//! Reading JSON without changing it: where things stand in a text, not what they are worth.
//!
//! Numbers, escapes and order are lost where JSON is parsed and printed again. So everything here gives back pieces of
//! the text. Memory does not grow with what is read, and nothing recurses on it.

use serde_core::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Lists and objects inside of each other that are taken; a client that reads an answer may recurse. Google's have
/// about eight.
const MAX_DEPTH: usize = 128;

/// The longest name of a field that is compared in another spelling than the usual (`r\u0065sults`).
const MAX_NAME: usize = 256;

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsonError {
    /// It is not JSON.
    Syntax(String),
    /// Lists in lists without end.
    TooDeep,
    /// It is JSON, but not a list or not an object, where one should be.
    Shape,
    /// An object has the field of this name more than once: which one counts?
    Repeated(&'static str),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        if error.is_data() { JsonError::Shape } else { JsonError::Syntax(error.to_string()) }
    }
}

/// What bytes say, if they are text and their depth is within reason. That they are JSON is not checked.
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

/// Where the string ends that begins before `at`: its closing quote, or the end.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        match bytes[at + found] {
            b'"' => return at + found,
            _ => at += found + 2,
        }
    }
    bytes.len()
}

/// The values of these fields of an object, as they stand in `json`.
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

/// Calls `see` with each item of a list, as it stands in `json`.
pub(super) fn each<'a>(json: &'a str, see: impl FnMut(&'a str)) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_seq(Each(see))?;
    Ok(reader.end()?)
}

/// What a JSON string says; `None` if `json` is none, or says what no text can say (half of a surrogate pair).
pub(super) fn string(json: &str) -> Option<String> {
    if json.starts_with('"') { serde_json::from_str(json).ok() } else { None }
}

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

/// Whether a field's name, with its quotes and escapes, is this one.
fn is_name(json: &str, name: &str) -> bool {
    let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    inner == name
        || (inner.contains('\\') && inner.len() <= MAX_NAME && string(json).is_some_and(|other| other == name))
}

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
        assert_eq!(pick(r#"{"\ud800":1,"a":2}"#, ["a"]), Ok([Some("2")]), "a name that is no text is no name of ours");
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
    fn depth_counts_outside_of_strings_only() {
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
    fn what_is_no_text_is_an_error() {
        for bytes in [&b"\xff"[..], b"\"\xed\xa0\x80\"", b"", b" \r\n\t"] {
            assert!(matches!(text(bytes), Err(JsonError::Syntax(_))), "{bytes:?}");
        }
    }
}
