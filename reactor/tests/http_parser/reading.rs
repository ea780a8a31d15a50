//! Reads a response with the parser in every chunking, and checks the result.

use reactor::http::{Head, HttpError, Limits, ResponseEvent, ResponseParser};
use reactor::testing::for_every_chunking;

/// The result of one response, up to its end or its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) head: Option<Head>,
    pub(crate) body: Vec<u8>,
    /// How the response ended.
    pub(crate) end: End,
    /// Bytes after it.
    pub(crate) left: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Whether the connection may go on, if the response is complete.
    Complete {
        keeps_alive: bool,
    },
    /// The end of the stream completed it.
    Closed,
    Wrong(HttpError),
}

/// Feeds a parser with the chunks, and then with the end of the stream.
pub(crate) fn read(mut parser: ResponseParser, chunks: &[&[u8]]) -> Reading {
    let mut reading = Reading { head: None, body: Vec::new(), end: End::Closed, left: 0 };
    for (index, chunk) in chunks.iter().enumerate() {
        let mut input = *chunk;
        loop {
            match parser.next(&mut input) {
                Ok(ResponseEvent::Head(head)) => assert!(reading.head.replace(head).is_none(), "two heads"),
                Ok(ResponseEvent::Data(data)) => {
                    assert!(reading.head.is_some() && !data.is_empty());
                    reading.body.extend_from_slice(data);
                }
                Ok(ResponseEvent::NeedMore) => {
                    assert!(input.is_empty());
                    break;
                }
                Ok(ResponseEvent::End) => {
                    let after: usize = chunks[index + 1..].iter().map(|chunk| chunk.len()).sum();
                    assert!(parser.is_complete() && parser.finish().is_ok());
                    reading.end = End::Complete { keeps_alive: parser.keeps_alive() };
                    reading.left = input.len() + after;
                    return reading;
                }
                Err(error) => {
                    assert_eq!(parser.next(&mut &b"HTTP/1.1 200 OK\r\n\r\n"[..]), Err(error.clone()), "it is over");
                    assert_eq!((parser.finish(), parser.keeps_alive()), (Err(error.clone()), false));
                    reading.end = End::Wrong(error);
                    return reading;
                }
            }
        }
    }
    if let Err(error) = parser.finish() {
        reading.end = End::Wrong(error);
    }
    assert!(!parser.keeps_alive() || parser.is_complete());
    reading
}

/// The result of a response, which must be the same however it is cut. Data before an error does not count.
#[track_caller]
pub(crate) fn read_every_way(bytes: &[u8], parser: impl Fn() -> ResponseParser) -> Reading {
    let without_lost_data = |mut reading: Reading| {
        if matches!(reading.end, End::Wrong(_)) {
            reading.body.clear();
            reading.head = None;
        }
        reading
    };
    let whole = without_lost_data(read(parser(), &[bytes]));
    for_every_chunking(bytes, |chunks| {
        let cut = without_lost_data(read(parser(), chunks));
        assert_eq!(cut, whole, "{:?} as {chunks:?}", String::from_utf8_lossy(bytes));
    });
    whole
}

/// Limits small enough to be reached in a test.
pub(crate) fn small_limits() -> Limits {
    let mut limits = Limits::default();
    (limits.head, limits.headers, limits.body, limits.interim) = (300, 4, 40, 2);
    limits
}

pub(crate) fn parser() -> ResponseParser {
    ResponseParser::new(small_limits())
}

/// The response must be taken, have this body, and leave this many bytes after it. An HTTP/1.1 one keeps its
/// connection.
#[track_caller]
pub(crate) fn takes(response: &str, status: u16, body: &str, left: usize) {
    let reading = read_every_way(response.as_bytes(), parser);
    let got = (reading.head.map(|head| head.status), String::from_utf8(reading.body).unwrap(), reading.left);
    assert_eq!(got, (Some(status), body.to_owned(), left), "{response:?}: {:?}", reading.end);
    assert!(!matches!(reading.end, End::Wrong(_)), "{response:?}: {:?}", reading.end);
}

/// The response must be refused for this reason.
#[track_caller]
pub(crate) fn refuses(response: &str, error: &HttpError) {
    refuses_bytes(response.as_bytes(), error);
}

/// As [`refuses`], for bytes that are not text. Two bad heads count as equal, whatever is wrong with them.
#[track_caller]
pub(crate) fn refuses_bytes(response: &[u8], error: &HttpError) {
    let shown = String::from_utf8_lossy(response);
    match (&read_every_way(response, parser).end, error) {
        (End::Wrong(HttpError::BadHead(_)), HttpError::BadHead(_)) => {}
        (End::Wrong(got), error) => assert_eq!(got, error, "{shown:?}"),
        (end, error) => panic!("{shown:?} is to be refused as {error:?}, but came to {end:?}"),
    }
}

pub(crate) fn bad_head() -> HttpError {
    HttpError::BadHead(String::new())
}
