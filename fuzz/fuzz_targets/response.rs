//! HTTP responses: the parser says the same wherever the bytes are cut, and keeps to its limits.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::Pieces;
use reactor::http::{Head, HttpError, Limits, ResponseEvent, ResponseParser};

#[derive(Debug, Arbitrary)]
struct Input {
    method: u8,
    accept_codings: bool,
    pieces: Pieces,
    ends: bool,
}

#[derive(Debug, PartialEq)]
struct Outcome {
    head: Option<Head>,
    body: Vec<u8>,
    end: Option<Result<bool, HttpError>>,
    /// The bytes after a response that is complete.
    rest: usize,
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.head, limits.headers, limits.body, limits.extensions, limits.interim) = (512, 8, 300, 64, 2);
    limits
}

fn read(input: &Input, pieces: &[&[u8]]) -> Outcome {
    let method = ["GET", "HEAD", "CONNECT"][usize::from(input.method % 3)];
    let mut parser = ResponseParser::new(limits()).for_method(method).accept_codings(input.accept_codings);
    let mut outcome = Outcome { head: None, body: Vec::new(), end: None, rest: 0 };
    for piece in pieces {
        let mut bytes = *piece;
        while outcome.end.is_none() {
            match parser.next(&mut bytes) {
                Ok(ResponseEvent::Head(head)) => assert!(outcome.head.replace(head).is_none(), "a second head"),
                Ok(ResponseEvent::Data(data)) => {
                    assert!(!data.is_empty() && outcome.head.is_some());
                    outcome.body.extend_from_slice(data);
                    assert!(outcome.body.len() as u64 <= limits().body);
                }
                Ok(ResponseEvent::End) => outcome.end = Some(Ok(parser.keeps_alive())),
                Ok(ResponseEvent::NeedMore) => {
                    assert!(bytes.is_empty());
                    break;
                }
                Err(error) => {
                    assert_eq!(parser.next(&mut bytes).unwrap_err(), error, "a later call");
                    outcome.end = Some(Err(error));
                }
            }
        }
        outcome.rest += bytes.len();
    }
    if outcome.end.is_none() && input.ends {
        outcome.end = Some(parser.finish().map(|()| false));
    }
    if !matches!(outcome.end, Some(Ok(_))) {
        outcome.rest = 0; // After an error it is of no use, and where it is noticed is no promise.
    }
    // Data that comes before an error in the same chunk may be given out or not.
    if matches!(outcome.end, Some(Err(_))) {
        outcome.body.clear();
    }
    outcome
}

fuzz_target!(|input: Input| {
    let whole = read(&input, &[&input.pieces.bytes]);
    assert_eq!(whole, read(&input, &input.pieces.cut()), "in pieces");
    let single: Vec<&[u8]> = input.pieces.bytes.chunks(1).collect();
    assert_eq!(whole, read(&input, &single), "byte by byte");
});
