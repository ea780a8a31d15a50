//! HTTP requests: the parser says the same wherever the bytes are cut, and keeps to its limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::Pieces;
use reactor::http::{Limits, Refusal, RequestEvent, RequestHead, RequestParser};

/// One request of a connection.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    head: Option<RequestHead>,
    body: Vec<u8>,
    /// Whether the connection goes on after it; `None` if it did not end.
    keeps_alive: Option<bool>,
}

fn limits() -> Limits {
    let mut limits = Limits::for_requests();
    (limits.head, limits.headers, limits.body, limits.extensions) = (512, 8, 300, 64);
    limits
}

fn read(pieces: &[&[u8]]) -> (Vec<Heard>, Option<Refusal>) {
    let mut parser = RequestParser::new(limits());
    let (mut requests, mut heard) = (Vec::new(), Heard::default());
    for piece in pieces {
        let mut bytes = *piece;
        loop {
            match parser.next(&mut bytes) {
                Ok(RequestEvent::Head(head)) => {
                    assert!(heard.head.replace(head).is_none(), "a second head");
                }
                Ok(RequestEvent::Data(data)) => {
                    assert!(!data.is_empty() && heard.head.is_some());
                    heard.body.extend_from_slice(data);
                    assert!(heard.body.len() as u64 <= limits().body);
                }
                Ok(RequestEvent::End) => {
                    assert!(
                        heard.head.is_some()
                            && requests.last().is_none_or(|last: &Heard| last.keeps_alive == Some(true))
                    );
                    heard.keeps_alive = Some(parser.keeps_alive());
                    requests.push(std::mem::take(&mut heard));
                }
                Ok(RequestEvent::NeedMore) => {
                    assert!(bytes.is_empty());
                    break;
                }
                Err(refusal) => {
                    assert_eq!(parser.next(&mut bytes).unwrap_err(), refusal, "a later call");
                    assert!((400..600).contains(&refusal.status()));
                    // Data that comes before the fault in the same chunk may be given out or not.
                    heard.body.clear();
                    requests.push(heard);
                    return (requests, Some(refusal));
                }
            }
        }
    }
    requests.push(heard);
    (requests, None)
}

fuzz_target!(|pieces: Pieces| {
    let whole = read(&[&pieces.bytes]);
    assert_eq!(whole, read(&pieces.cut()), "in pieces");
    let single: Vec<&[u8]> = pieces.bytes.chunks(1).collect();
    assert_eq!(whole, read(&single), "byte by byte");
});
