//! Bodies in chunks: what is put in comes out, with any chunks, extensions and trailers, and wherever it is cut; and
//! with one byte changed, it is the same wherever it is cut.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::cut;
use reactor::http::{HttpError, Limits, ResponseEvent, ResponseParser};

#[derive(Debug, Arbitrary)]
struct Input {
    chunks: Vec<Chunk>,
    trailer: Option<u8>,
    after: Vec<u8>,
    lengths: Vec<u8>,
    changed: Option<(u16, u8)>,
}

#[derive(Debug, Arbitrary)]
struct Chunk {
    data: Vec<u8>,
    zeros: u8,
    extension: Option<u8>,
    upper: bool,
}

/// The body of a response, and the bytes after it.
type Whole = (Vec<u8>, Vec<u8>);

/// `None` if the response does not end.
fn read(pieces: &[&[u8]]) -> Result<Option<Whole>, HttpError> {
    let mut parser = ResponseParser::new(Limits::default());
    let (mut body, mut after, mut is_complete) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        let mut bytes = *piece;
        while !is_complete {
            match parser.next(&mut bytes)? {
                ResponseEvent::Head(_) => {}
                ResponseEvent::Data(data) => body.extend_from_slice(data),
                ResponseEvent::End => is_complete = true,
                ResponseEvent::NeedMore => break,
            }
        }
        after.extend_from_slice(bytes);
    }
    Ok(is_complete.then_some((body, after)))
}

fuzz_target!(|input: Input| {
    let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let head = text.len();
    let mut body = Vec::new();
    for chunk in input.chunks.iter().filter(|chunk| !chunk.data.is_empty()) {
        let zeros = "0".repeat(usize::from(chunk.zeros % 4));
        let length = if chunk.upper { format!("{:X}", chunk.data.len()) } else { format!("{:x}", chunk.data.len()) };
        let extension = chunk.extension.map_or(String::new(), |value| format!(";a={value}"));
        text.extend_from_slice(format!("{zeros}{length}{extension}\r\n").as_bytes());
        text.extend_from_slice(&chunk.data);
        text.extend_from_slice(b"\r\n");
        body.extend_from_slice(&chunk.data);
    }
    text.extend_from_slice(b"0\r\n");
    if let Some(value) = input.trailer {
        text.extend_from_slice(format!("X-Trailer: {value}\r\n").as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&input.after);
    let expected = Ok(Some((body, input.after.clone())));
    assert_eq!(read(&[&text]), expected);
    assert_eq!(read(&cut(&text, &input.lengths)), expected, "in pieces");
    if let Some((at, byte)) = input.changed {
        let at = head + usize::from(at) % (text.len() - head);
        text[at] = byte;
        assert_eq!(read(&[&text]), read(&cut(&text, &input.lengths)), "in pieces, with a byte changed");
    }
});
