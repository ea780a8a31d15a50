//! RESP replies: the parser says the same wherever the bytes are cut, and keeps to its limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::Pieces;
use reactor::resp::{ReplyLimits, ReplyParser, Value};

fn limits() -> ReplyLimits {
    let mut limits = ReplyLimits::default();
    (limits.max_depth, limits.max_elements, limits.max_bytes) = (5, 40, 300);
    limits
}

/// Number of values in `value`, all levels together, itself not counted.
fn count(value: &Value) -> usize {
    value.elements().map_or(0, |values| values.len() + values.iter().map(count).sum::<usize>())
}

fn read(pieces: &[&[u8]]) -> String {
    let mut parser = ReplyParser::new(limits());
    let mut outcome = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match parser.next(&mut input) {
                Ok(Some(value)) => {
                    assert!(count(&value) <= limits().max_elements);
                    assert_eq!(format!("{:?}", value.clone()), format!("{value:?}"));
                    outcome.push(format!("{value:?}"));
                }
                Ok(None) => {
                    assert!(input.is_empty());
                    break;
                }
                Err(error) => {
                    assert_eq!(parser.next(&mut input).unwrap_err(), error, "a later call");
                    outcome.push(format!("{error}"));
                    return outcome.join(" ");
                }
            }
        }
    }
    outcome.join(" ")
}

fuzz_target!(|pieces: Pieces| {
    let whole = read(&[&pieces.bytes]);
    assert_eq!(whole, read(&pieces.cut()), "in pieces");
    let single: Vec<&[u8]> = pieces.bytes.chunks(1).collect();
    assert_eq!(whole, read(&single), "byte by byte");
});
