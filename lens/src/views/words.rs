//! Times, places and values, short enough for a picture.
//!
//! Next: `ink.rs`, a text and its colours.

use crate::model::Passed;

/// A time that a person can compare: `12.3 ms`.
pub(crate) fn time(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        _ if ns < 1_000.0 => format!("{ns} ns"),
        _ if ns < 1_000_000.0 => format!("{:.1} us", ns / 1e3),
        _ if ns < 1_000_000_000.0 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.3} s", ns / 1e9),
    }
}

/// How long it is until something, or since: from 100 seconds on in minutes, hours or days.
pub(crate) fn long_time(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    let (number, unit) = match seconds {
        _ if seconds < 100.0 => return time(ns),
        _ if seconds < 6_000.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "days"),
    };
    let number = format!("{number:.1}");
    format!("{} {unit}", number.trim_end_matches(".0"))
}

/// The file's name and the line of a place. Many files are called `mod.rs`, `lib.rs` or `main.rs`: these have their folder's
/// name before them, and if that is `src`, as in most packages, the one before, too.
pub(crate) fn short_place(place: &str) -> &str {
    let line = line_of(place);
    let mut begins = line.rmatch_indices(['/', '\\']).map(|(at, _)| at + 1);
    let mut begin = begins.next().unwrap_or(0);
    if ["mod.rs:", "lib.rs:", "main.rs:"].iter().any(|name| line[begin..].starts_with(name)) {
        begin = begins.next().unwrap_or(0);
        if line[begin..].starts_with("src/") || line[begin..].starts_with("src\\") {
            begin = begins.next().unwrap_or(0)
        }
    }
    &line[begin..]
}

/// A place without its column.
pub(crate) fn line_of(place: &str) -> &str {
    let mut colons = place.rmatch_indices(':').map(|(at, _)| at);
    match (colons.next(), colons.next()) {
        (Some(column), Some(_)) => &place[..column],
        _ => place,
    }
}

/// Cut to this many characters.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// Cut to this many characters, within its longest quoted piece: the quote is closed, and what stands behind it stays.
pub(crate) fn cut_quoted(text: &str, max: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let Some(excess) = chars.len().checked_sub(max).filter(|excess| *excess > 0) else { return text.to_owned() };
    let is_quote = |at: &usize| chars[*at] == '"' && (*at == 0 || chars[*at - 1] != '\\');
    let quotes: Vec<usize> = (0..chars.len()).filter(is_quote).collect();
    let pieces = quotes.as_chunks().0.iter();
    match pieces.max_by_key(|[begin, end]| end - begin) {
        Some([begin, end]) if end - begin > excess + 2 => {
            let kept = &chars[..end - excess - 1];
            let kept = kept.strip_suffix(&['\\']).unwrap_or(kept);
            kept.iter().chain(&['…']).chain(&chars[*end..]).collect()
        }
        _ => cut(text, max),
    }
}

/// `INPUT → OUTCOME` cut to this many characters: neither side loses more than it must, so that the outcome stays.
pub(crate) fn cut_way(text: &str, max: usize) -> String {
    const ARROW: &str = " → ";
    let count = |text: &str| text.chars().count();
    if count(text) <= max {
        return text.to_owned();
    }
    let Some((came, way)) = arrow(text, ARROW).map(|at| (&text[..at], &text[at + ARROW.len()..])) else {
        return cut_quoted(text, max);
    };
    let room = max.saturating_sub(ARROW.chars().count());
    let for_way = count(way).min((room / 2).max(room.saturating_sub(count(came))));
    format!("{}{ARROW}{}", cut_quoted(came, room - for_way), cut_quoted(way, for_way))
}

/// Where the first arrow stands that is not in quotes.
fn arrow(text: &str, arrow: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted && text[at..].starts_with(arrow) => return Some(at),
            _ => {}
        }
        is_escaped = char == '\\' && !is_escaped;
    }
    // A quote that was cut off has no end.
    text.find(arrow)
}

/// Cut to this many characters in the middle: both ends of a message say what it is. An escape such as
/// `\n` is not cut apart.
pub(crate) fn cut_middle(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut begin, mut end) = (max.saturating_sub(1) / 2, max.saturating_sub(1).div_ceil(2));
    // Where something is left out already, the rest is left out, too: the text would look as if it had all between.
    if let Some(gap) = chars.iter().position(|char| *char == '…') {
        let behind = count - gap - 1;
        end = end.min(behind).max((begin + end).saturating_sub(gap));
        begin = max.saturating_sub(1) - end;
    }
    let (begin, end) = (&chars[..begin], &chars[count - end..]);
    let begin = begin.strip_suffix(&['\\']).unwrap_or(begin);
    let end = if chars[count - end.len() - 1] == '\\' { &end[end.len().min(1)..] } else { end };
    begin.iter().chain(&['…']).chain(end).collect()
}

/// Breaks a text into lines of 80 columns; those after the first begin with spaces. An empty
/// text has no line.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    wrapped_to(80, text, indent)
}

/// The same with lines of this many columns.
pub(crate) fn wrapped_to(columns: usize, text: &str, indent: usize) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let mut line = text.chars().take_while(|char| *char == ' ').collect::<String>();
    for word in text.split_whitespace() {
        let is_first = line.trim().is_empty();
        if !is_first && line.chars().count() + 1 + word.chars().count() > columns {
            out.push_str(&(line + "\n"));
            line = " ".repeat(indent);
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    out + &line + "\n"
}

/// On one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A type without its path: `Vec<String>` of `alloc::vec::Vec<alloc::string::String>`.
pub(crate) fn short_type(path: &str) -> String {
    let mut short = String::new();
    for part in path.split_inclusive(|char: char| !char.is_alphanumeric() && char != '_' && char != ':') {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// A result in a few words: the value if it is shown, else its type; the error's name and words.
pub(crate) fn passed(passed: &Passed) -> String {
    match passed {
        Passed::Value { text: Some(text), type_name } if type_name.ends_with("Vec<u8>") => bytes(text),
        Passed::Value { text: Some(text), .. } => one_line(text),
        Passed::Value { type_name, .. } if type_name == "()" => "()".to_owned(),
        Passed::Value { type_name, .. } => format!("a {}", short_type(type_name)),
        Passed::Failure { type_name, text, .. } => match short_type(type_name).as_str() {
            name if text.is_empty() || name == text => name.to_owned(),
            name => format!("{name} \"{}\"", one_line(text)),
        },
    }
}

/// Bytes that are shown as a list of numbers, as they stand in a program: `b"GET"` of `[71, 69, 84]`.
fn bytes(list: &str) -> String {
    let numbers = list.trim_matches(|char: char| !char.is_ascii_digit()).split(", ");
    let bytes: Vec<u8> = numbers.map_while(|number| number.parse().ok()).collect();
    // The last number of a list that is cut may be only the beginning of one.
    let is_whole = list.ends_with(']');
    let shown = if is_whole { &bytes[..] } else { &bytes[..bytes.len().saturating_sub(1)] };
    format!("b\"{}{}\"", shown.escape_ascii(), if is_whole { "" } else { "…" })
}

/// What a program would call an error: the name that it says itself, if its words are a single one; else its type. A bare
/// message is all that there is of it.
pub(crate) fn name_of_error(type_name: &str, text: &str) -> String {
    let is_name = !type_name.starts_with("reactor::") && !text.is_empty() && !text.contains(char::is_whitespace);
    let is_message = type_name.starts_with("reactor::") && type_name.ends_with("::Message");
    if is_name || is_message { one_line(text) } else { short_type(type_name) }
}

/// `1 turn`, `2 turns`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_places_and_types_are_short() {
        assert_eq!(
            [time(5), time(1_500), time(50_000_000), time(2_000_000_000)],
            ["5 ns", "1.5 us", "50.0 ms", "2.000 s"]
        );
        let long = [99.0, 100.0, 5_990.0, 86_399.7, 200_000.0].map(|seconds| long_time((seconds * 1e9) as u64));
        assert_eq!(long, ["99.000 s", "1.7 min", "99.8 min", "24 h", "2.3 days"]);
        assert_eq!(short_place("examples/a/b.rs:12:5"), "b.rs:12");
        assert_eq!(short_place("src/server/mod.rs:12:5"), "server/mod.rs:12");
        assert_eq!(short_place("mod.rs:12:5"), "mod.rs:12");
        assert_eq!(short_place("/home/me/herd/src/lib.rs:12:5"), "herd/src/lib.rs:12");
        assert_eq!(
            [short_place("src/main.rs:1:2"), short_place(r"a\src\main.rs:1:2")],
            ["src/main.rs:1", r"a\src\main.rs:1"]
        );
        assert_eq!(short_place("src/domain.rs:12:5"), "domain.rs:12");
        assert_eq!(line_of("examples/b.rs:12:5"), "examples/b.rs:12");
        assert_eq!(short_type("alloc::vec::Vec<alloc::string::String>"), "Vec<String>");
        assert_eq!(short_type("core::result::Result<(u8, a::B), c::D>"), "Result<(u8, B), D>");
        assert_eq!([bytes("[71, 10]"), bytes("[71, 69, 8…"), bytes("[]")], ["b\"G\\n\"", "b\"GE…\"", "b\"\""]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(name_of_error("replay::Named", "E1"), "E1");
        assert_eq!(name_of_error("core::num::error::ParseIntError", "invalid digit found in string"), "ParseIntError");
        assert_eq!(name_of_error("reactor::failure::Message", "no such page"), "no such page");
        assert_eq!(name_of_error("reactor::deferred::CancelledError", "cancelled"), "CancelledError");
        assert_eq!(cut_quoted("E \"a long error\" → ()", 16), "E \"a long…\" → ()");
        assert_eq!(cut_quoted("\"short\" → \"a longer one\"", 20), "\"short\" → \"a longe…\"");
        assert_eq!(cut_quoted("\"a\\\"bcdef\" → 1", 9), "\"a…\" → 1", "no half escape");
        assert_eq!([cut_quoted("no quotes", 4), cut_quoted("\"a\" is short", 5)], ["no …", "\"a\" …"]);
        assert_eq!([cut_middle("abcdef", 4), cut_middle("abcdef", 6)], ["a…ef", "abcdef"]);
        assert_eq!([cut_middle("abcdef…xy", 6), cut_middle("ab…uvwxyz", 6)], ["abc…xy", "ab…xyz"], "one gap is left");
        let both = r#""a long value" → "another long value""#;
        assert_eq!(cut_way(both, 23), r#""a long …" → "another…""#);
        assert_eq!(cut_way("[1, 2, 3, 4, 5, 6] → [7, 8, 9, 10, 11, 12]", 21), "[1, 2, 3… → [7, 8, 9…");
        assert_eq!(cut_way(r#""a → b is long indeed" → 7"#, 14), r#""a → b i…" → 7"#);
        assert_eq!([cut_middle(r"\nbcdef", 4), cut_middle(r"abcd\ne", 4)], ["…ef", "a…e"], "no half escape");
    }
}
