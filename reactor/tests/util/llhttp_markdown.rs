//! llhttp's suite in general: Markdown with a message and the log of llhttp's events for each case. The format is that
//! of llhttp's `test/md-test.ts`.

use serde_json::Value;

/// A case as it stands in its file.
pub(crate) struct RawCase<'a> {
    pub(crate) title: String,
    pub(crate) meta: Value,
    pub(crate) input: Vec<u8>,
    pub(crate) log: Vec<&'a str>,
}

pub(crate) fn in_markdown(text: &str) -> Vec<RawCase<'_>> {
    let (mut cases, mut title, mut meta, mut input) = (Vec::new(), "", Value::Null, None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("##") {
            title = heading.trim_matches(['#', ' ']);
        } else if let Some(rest) = line.strip_prefix("<!-- meta=") {
            meta = serde_json::from_str(rest.trim_end_matches("-->")).expect("the meta data are JSON");
        } else if line == "```http" {
            input = Some(unescape(&block(&mut lines)));
        } else if line == "```log" {
            let input = input.take().expect("a message stands before its log");
            cases.push(RawCase { title: title.to_owned(), meta: meta.clone(), input, log: block(&mut lines) });
        }
    }
    cases
}

/// The lines up to the end of a fenced block.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // The fence of the last block of some files has no newline after it, or text.
    lines.take_while(|line| !line.starts_with("```")).collect()
}

/// Lines end with CR LF, unless a backslash stands before the end; then they have escapes. The last line end is not
/// part of the input.
fn unescape(lines: &[&str]) -> Vec<u8> {
    let joined = lines.join("\n").replace("\\\n", "").replace('\n', "\r\n");
    let mut bytes = Vec::new();
    let mut rest = joined.as_str();
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next();
        let byte = match escape {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('f') => 0x0c,
            Some('x' | '0'..='7') => {
                let (start, radix, most) = if escape == Some('x') { (at + 2, 16, 2) } else { (at + 1, 8, 3) };
                let digits = rest[start..].chars().take(most).take_while(|digit| digit.is_digit(radix)).count();
                let code = u32::from_str_radix(&rest[start..start + digits], radix).expect("digits");
                // As the suite's own runner does: a character, in UTF-8.
                let character = char::from_u32(code).expect("a character");
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[start + digits..];
                continue;
            }
            // Another escape, or a backslash that stands for itself.
            _ => b'\\',
        };
        bytes.push(byte);
        rest = &rest[at + if byte == b'\\' { 1 } else { 2 }..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// `name=value` in a line of the log.
pub(crate) fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = &line[line.find(&format!("{name}="))? + name.len() + 1..];
    Some(rest.split(' ').next().unwrap_or(rest))
}

pub(crate) fn number(line: &str, name: &str) -> Option<usize> {
    value(line, name)?.parse().ok()
}

pub(crate) fn span(line: &str) -> Option<&str> {
    line.split("span[").nth(1)?.split(']').next()
}
