//! The parser of the crate `redis-protocol` reads the same bytes: replies drawn at random, and the same with a byte
//! changed, taken out or put in. `RESP_REPLIES=1000000` looks at more than usual.
//!
//! It is laxer than ours in a few ways, and each is named here. It is never stricter, but for the values of RESP3 that
//! it cannot hold: it wants keys of maps and members of sets to be plain, and knows two verbatim formats.

use crate::read_all;
use reactor::resp::{ReplyError, ReplyLimits, Value};
use redis_protocol::resp3::decode::complete::decode;
use redis_protocol::resp3::types::OwnedFrame;
use std::env;

/// A source of numbers that a seed repeats: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A reply of any type. `unique` makes keys differ: the other parser keeps maps in tables.
fn draw(random: &mut Random, depth: usize, unique: &mut usize, out: &mut Vec<u8>) {
    let kinds = if depth == 0 { 12 } else { 17 };
    let kind = random.below(kinds);
    let text = |random: &mut Random| "abc def\u{e4}"[..random.below(7)].to_owned();
    match kind {
        0 => out.extend(format!("+{}\r\n", text(random)).bytes()),
        1 => out.extend(format!("-ERR {}\r\n", text(random)).bytes()),
        2 => out.extend(format!(":{}\r\n", random.0 as i64 >> random.below(64)).bytes()),
        3 => out.extend(format!("({}{}\r\n", random.0, random.0).bytes()),
        4 => out.extend(format!(",{}\r\n", f64::from_bits(random.0)).to_lowercase().bytes()),
        5 => out.extend([&b"#t\r\n"[..], b"#f\r\n"][random.below(2)]),
        6 => out.extend([&b"_\r\n"[..], b"$-1\r\n", b"*-1\r\n"][random.below(3)]),
        7 => {
            let text = text(random);
            out.extend(format!("=%{}\r\ntxt:{text}\r\n", text.len() + 4).replace('%', "").bytes());
        }
        8 => {
            let text = text(random);
            out.extend(format!("!{}\r\n{text}\r\n", text.len()).bytes());
        }
        9..12 => {
            let text: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
            out.extend(format!("${}\r\n", text.len()).bytes());
            out.extend(text);
            out.extend(b"\r\n");
        }
        _ => {
            let (count, kind) = (random.below(4), [b'*', b'%', b'~', b'*', b'|'][kind - 12]);
            out.extend(format!("{}{count}\r\n", char::from(kind)).bytes());
            for _ in 0..count {
                if kind == b'%' || kind == b'|' || kind == b'~' {
                    *unique += 1;
                    out.extend(format!(":{unique}\r\n").bytes());
                }
                if kind != b'~' {
                    draw(random, depth - 1, unique, out);
                }
            }
            if kind == b'|' {
                draw(random, 0, unique, out);
            }
        }
    }
}

/// The other parser's value as ours, tables in the order of their keys as text. `None` if it is one that we have not.
fn theirs(frame: OwnedFrame) -> Option<Value> {
    let all = |frames: Vec<OwnedFrame>| frames.into_iter().map(theirs).collect::<Option<Vec<Value>>>();
    Some(match frame {
        OwnedFrame::BlobString { data, .. } => Value::Bytes(data),
        OwnedFrame::BlobError { data, .. } => error(&data),
        OwnedFrame::SimpleError { data, .. } => error(data.as_bytes()),
        OwnedFrame::SimpleString { data, .. } => Value::Simple(data),
        OwnedFrame::Boolean { data, .. } => Value::Boolean(data),
        OwnedFrame::Null => Value::Null,
        OwnedFrame::Number { data, .. } => Value::Integer(data),
        OwnedFrame::Double { data, .. } => Value::Double(data),
        OwnedFrame::BigNumber { data, .. } => Value::BigNumber(String::from_utf8_lossy(&data).into_owned()),
        OwnedFrame::VerbatimString { data, format, .. } => {
            let format = if format!("{format:?}").contains("Text") { *b"txt" } else { *b"mkd" };
            Value::Verbatim(format, data)
        }
        OwnedFrame::Array { data, .. } => Value::from(all(data)?),
        OwnedFrame::Push { data, .. } => Value::Push(all(data)?.into()),
        OwnedFrame::Set { data, .. } => sorted(Value::Set(all(data.into_iter().collect())?.into())),
        OwnedFrame::Map { data, .. } => {
            let flat = data.into_iter().flat_map(|(key, value)| [key, value]).collect();
            sorted(Value::Map(all(flat)?.into()))
        }
        OwnedFrame::Hello { .. } | OwnedFrame::ChunkedString(_) => return None,
    })
}

fn error(text: &[u8]) -> Value {
    let (mut replies, _) =
        read_all(&ReplyLimits::default(), &[format!("!{}\r\n", text.len()).as_bytes(), text, b"\r\n"]);
    replies.pop().expect("an error")
}

/// Tables in the order of their keys as text, at every level.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect::<Vec<_>>().into()),
        Value::Push(values) => Value::Push(values.into_iter().map(sorted).collect::<Vec<_>>().into()),
        Value::Set(values) => {
            let mut members: Vec<Value> = values.into_iter().map(sorted).collect();
            members.sort_by_key(|member| format!("{member:?}"));
            Value::Set(members.into())
        }
        Value::Map(values) => {
            let values: Vec<Value> = values.into_iter().map(sorted).collect();
            let mut pairs: Vec<&[Value]> = values.chunks(2).collect();
            pairs.sort_by_key(|pair| format!("{:?}", pair[0]));
            Value::Map(pairs.concat().into())
        }
        value => value,
    }
}

/// Whether a table in it has two equal keys: the other parser keeps one of them.
fn has_twins(value: &Value) -> bool {
    let Some(elements) = value.elements() else { return false };
    let step = if matches!(value, Value::Map(_)) { 2 } else { 1 };
    let is_table = matches!(value, Value::Map(_) | Value::Set(_));
    let mut keys: Vec<String> = elements.iter().step_by(step).map(|key| format!("{key:?}")).collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    (is_table && keys.len() < count) || elements.iter().any(has_twins)
}

/// Why we refuse what the other parser takes.
fn why_stricter(error: &ReplyError) -> Option<&'static str> {
    match error {
        ReplyError::BareLineEnd => Some("CR or LF inside of a line: it looks for both together"),
        ReplyError::NoEnd => Some("it skips two bytes after a value, whatever they are"),
        ReplyError::BadLength(_) => Some("it takes `+1`, `01` and null maps"),
        ReplyError::BadInteger(_) => None,
        ReplyError::BadNumber(_) => Some("it takes `infinity`, and anything as a big number"),
        ReplyError::BadNull(_) => Some("it does not look into a null"),
        ReplyError::BadVerbatim => Some("it skips a byte after the format, whatever that is"),
        ReplyError::Streamed => Some("it has streamed values"),
        ReplyError::NestedPush => Some("it takes a push anywhere"),
        ReplyError::LineTooLong | ReplyError::TooManyElements | ReplyError::TooLarge => Some("it has no limits"),
        ReplyError::UnknownType(b'H') => Some("it reads HELLO, a command"),
        ReplyError::UnknownType(b';' | b'.') => Some("it has streamed values"),
        _ => None,
    }
}

/// Whether it refuses, or cannot hold, what we take.
fn cannot_be_theirs(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // Attributes, sets and maps with a key that is not plain; formats other than two; NaN with a sign; the nulls of
    // RESP2; a text that is not UTF-8 where it wants that.
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    has(&["|", "~", "%", "=", ",-nan", ",+nan", "$-1", "*-1", "\u{FFFD}"])
}

/// Compares both accounts of what `bytes` begin with. Returns whether both found the same reply.
fn compare(bytes: &[u8]) -> bool {
    let shown = bytes.escape_ascii();
    let (ours, refused) = read_all(&ReplyLimits::default(), &[bytes]);
    // It recurses, so a panic of its would be a finding of theirs and not of ours.
    match (ours.into_iter().next(), refused, decode(bytes)) {
        (Some(ours), _, Ok(Some((frame, _)))) => {
            if has_twins(&ours) {
                return true;
            }
            if let Some(theirs) = theirs(frame) {
                assert_eq!(format!("{:?}", sorted(ours)), format!("{:?}", sorted(theirs)), "{shown}");
            }
            true
        }
        (None, None, Ok(None)) => true,
        (None, Some(_), Err(_)) => false,
        (None, Some(error), Ok(_)) => {
            // If it waits for more, it may still refuse; if it has a reply, the difference has a reason.
            let waits = matches!(decode(bytes), Ok(None));
            assert!(waits || why_stricter(&error).is_some(), "we say {error:?}, and they take {shown}");
            false
        }
        (ours, _, theirs) => {
            assert!(cannot_be_theirs(bytes), "we say {ours:?}, they {theirs:?}: {shown}");
            false
        }
    }
}

#[test]
fn replies_drawn_at_random_are_read_alike_and_so_are_broken_ones() {
    let count = env::var("RESP_REPLIES").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut same, mut refused) = (0, 0);
    for _ in 0..count {
        let mut bytes = Vec::new();
        draw(&mut random, 3, &mut 0, &mut bytes);
        let (replies, error) = read_all(&ReplyLimits::default(), &[&bytes]);
        assert!(replies.len() == 1 && error.is_none(), "we refuse {}: {error:?}", bytes.escape_ascii());
        same += u32::from(compare(&bytes));
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] = random.below(256) as u8,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"\r\n+-:$*%~|0123456789?tf"[random.below(23)]),
        }
        refused += u32::from(!compare(&bytes));
    }
    assert!(same > count / 2 && refused > count / 8, "is this test blind? {same} and {refused} of {count}");
}
