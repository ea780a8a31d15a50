//! The parser of HTTP requests: what it takes, what it refuses and with which status, how much it holds.

mod llhttp;
mod llhttp_cases;
#[path = "../util/llhttp_markdown.rs"]
mod llhttp_markdown;
mod reading;
mod refusals;

use reactor::http::{Limits, Refusal, RequestEvent, RequestHead, RequestParser};

/// One request, as far as it came.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    head: RequestHead,
    body: Vec<u8>,
    /// Whether its connection goes on, if it is complete.
    keeps_alive: Option<bool>,
}

/// All requests in `chunks`, and the refusal that ends them.
fn read(limits: &Limits, chunks: &[&[u8]]) -> (Vec<Read>, Option<Refusal>) {
    let (mut parser, mut requests) = (RequestParser::new(limits.clone()), Vec::<Read>::new());
    for chunk in chunks {
        let mut input = *chunk;
        loop {
            match parser.next(&mut input) {
                Ok(RequestEvent::Head(head)) => requests.push(Read { head, body: Vec::new(), keeps_alive: None }),
                Ok(RequestEvent::Data(data)) => {
                    assert!(!data.is_empty());
                    requests.last_mut().expect("a head comes first").body.extend_from_slice(data);
                }
                Ok(RequestEvent::End) => {
                    requests.last_mut().expect("a head comes first").keeps_alive = Some(parser.keeps_alive());
                }
                Ok(RequestEvent::NeedMore) => break,
                Err(refusal) => {
                    assert_eq!(parser.next(&mut &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]), Err(refusal.clone()));
                    return (requests, Some(refusal));
                }
            }
        }
        assert!(input.is_empty(), "NeedMore leaves nothing");
    }
    (requests, None)
}

/// The requests in `bytes`, and the refusal that ends them; the same however they are cut.
#[track_caller]
fn requests(limits: &Limits, bytes: &[u8]) -> (Vec<Read>, Option<Refusal>) {
    let whole = read(limits, &[bytes]);
    reactor::testing::for_every_chunking(bytes, |chunks| assert_eq!(read(limits, chunks), whole, "{chunks:?}"));
    whole
}

/// Checks that `bytes` are refused, with this status, after `before` whole requests.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, refusal: &Refusal, status: u16) {
    let bytes = bytes.as_ref();
    let text = String::from_utf8_lossy(bytes);
    let (read, told) = requests(&Limits::for_requests(), bytes);
    let told = told.unwrap_or_else(|| panic!("{text:?} is taken: {read:?}"));
    assert_eq!(std::mem::discriminant(&told), std::mem::discriminant(refusal), "{text:?}: {told:?}");
    assert_eq!(told.status(), status, "{text:?}");
}
