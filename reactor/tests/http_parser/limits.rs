//! Sizes and counts, exactly at the limit and one beyond it; and memory, whatever comes.

use crate::reading::{End, parser, read, refuses, takes};
use allocation_counter::measure;
use reactor::http::{Fault, HttpError, Limits, ResponseEvent, ResponseParser};

/// The largest piece that the event loop hands over at once.
const PIECE: usize = 64 * 1024;

fn with_body_limit(limit: u64) -> ResponseParser {
    let mut limits = Limits::default();
    limits.body = limit;
    ResponseParser::new(limits)
}

#[test]
fn a_head_may_be_as_large_as_its_limit() {
    let head = |size: usize| {
        let rest = "HTTP/1.1 204 No Content\r\nA: \r\n\r\n".len();
        format!("HTTP/1.1 204 No Content\r\nA: {}\r\n\r\n", "x".repeat(size - rest))
    };
    takes(&head(300), 204, "", 0);
    refuses(&head(301), &HttpError::HeadTooLarge);
    refuses(&head(3000), &HttpError::HeadTooLarge);
    refuses(&head(301)[..300], &HttpError::HeadTooLarge);
    refuses(&head(301)[..299], &HttpError::Incomplete);
    // An interim head does not get around the limit, and its bytes do not count against the real head.
    refuses(&head(301).replace("204", "100"), &HttpError::HeadTooLarge);
    takes(&format!("{}{}", head(300).replace("204", "100"), head(300)), 204, "", 0);
}

#[test]
fn there_may_be_as_many_headers_as_their_limit() {
    let headers = |count: usize| format!("HTTP/1.1 204 No Content\r\n{}\r\n", "A: b\r\n".repeat(count));
    takes(&headers(4), 204, "", 0);
    refuses(&headers(5), &HttpError::TooManyHeaders);
    let trailers = |count: usize| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n", "A: b\r\n".repeat(count))
    };
    takes(&trailers(4), 200, "", 0);
    refuses(&trailers(5), &HttpError::TooManyHeaders);
}

#[test]
fn a_limit_may_allow_more_headers_than_usual() {
    for (limit, count, fits) in [(1000, 1000, true), (1000, 1001, false), (128, 128, true), (129, 130, false)] {
        let mut limits = Limits::default();
        limits.headers = limit;
        let response = format!("HTTP/1.1 204 No Content\r\n{}\r\n", "A: b\r\n".repeat(count));
        let reading = read(ResponseParser::new(limits), &[response.as_bytes()]);
        assert_eq!(reading.head.map(|head| head.headers().count()), fits.then_some(count));
    }
    let mut limits = Limits::default();
    (limits.headers, limits.head, limits.body) = (usize::MAX, usize::MAX, u64::MAX);
    let reading = read(ResponseParser::new(limits), &[b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"]);
    assert_eq!(reading.head.map(|head| head.headers().count()), Some(1), "a limit that nothing reaches");
}

#[test]
fn a_body_may_be_as_large_as_its_limit_however_it_is_framed() {
    let body = |size: usize| "x".repeat(size);
    takes(&format!("HTTP/1.1 200 OK\r\n\r\n{}", body(40)), 200, &body(40), 0);
    refuses(&format!("HTTP/1.1 200 OK\r\n\r\n{}", body(41)), &HttpError::BodyTooLarge);
    takes(&format!("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{}", body(40)), 200, &body(40), 0);
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n", &HttpError::BodyTooLarge);
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551609\r\n\r\n", &HttpError::BodyTooLarge);
    let chunked = |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    takes(&chunked(&format!("14\r\n{0}\r\n14\r\n{0}\r\n0\r\n\r\n", body(20))), 200, &body(40), 0);
    refuses(&chunked(&format!("14\r\n{0}\r\n15\r\n", body(20))), &HttpError::BodyTooLarge);
    refuses(&chunked("29\r\n"), &HttpError::BodyTooLarge);
    refuses(&chunked("ffffffffffffffff\r\n"), &HttpError::BodyTooLarge);
    refuses(&chunked("1\r\nx\r\nffffffffffffffff\r\n"), &HttpError::BodyTooLarge);
}

/// A client that follows a redirect does not need its body, whatever its length. Any other client is refused the body.
#[test]
fn a_redirect_that_announces_too_much_is_refused_at_its_body_not_its_head() {
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Go\r\nLocation: /\r\nContent-Length: 41\r\n\r\n");
        let reading = read(parser(), &[head.as_bytes(), b"x"]);
        assert_eq!(reading.head.map(|head| head.status), Some(status));
        assert_eq!((reading.end, reading.body), (End::Wrong(HttpError::BodyTooLarge), Vec::new()));
        refuses(&format!("{head}x"), &HttpError::BodyTooLarge);
        refuses(&head, &HttpError::BodyTooLarge);
        takes(&format!("{}{}", head.replace("41", "40"), "x".repeat(40)), status, &"x".repeat(40), 0);
    }
    for status in [300, 305, 306, 309] {
        let head = format!("HTTP/1.1 {status} Go\r\nContent-Length: 41\r\n\r\n");
        assert_eq!(read(parser(), &[head.as_bytes()]).head, None, "{status} is nowhere to go");
        refuses(&head, &HttpError::BodyTooLarge);
    }
}

#[test]
fn extensions_and_trailers_are_bounded_in_all() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let end = |response: &str| {
        let whole = read(ResponseParser::new(Limits::default()), &[response.as_bytes()]).end;
        let bytes: Vec<&[u8]> = response.as_bytes().chunks(1).collect();
        assert_eq!(read(ResponseParser::new(Limits::default()), &bytes).end, whole);
        format!("{whole:?}")
    };
    // 16 KiB, as in hyper and Node.
    let line = |size: usize| format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(size - 1));
    assert!(end(&line(16_384)).contains("Complete"));
    assert!(end(&line(16_385)).contains("ExtensionsTooLarge"));
    assert!(end(&line(16_384).replace("1;", "0000000000000001;")).contains("Complete"), "the size counts for nothing");
    assert!(end(&format!("{head}1;{}", "a".repeat(17_000))).contains("ExtensionsTooLarge"), "without an end, too");
    let many = |count: usize| format!("{head}{}0\r\n\r\n", "1;a\r\nx\r\n".repeat(count));
    assert!(end(&many(8192)).contains("Complete"));
    assert!(end(&many(8193)).contains("ExtensionsTooLarge"), "two bytes for each chunk");
    let trailer = |size: usize| format!("{head}0\r\nA: {}\r\n\r\n", "a".repeat(size - 7));
    assert!(end(&trailer(8192)).contains("Complete"));
    assert!(end(&trailer(8193)).contains("TrailersTooLarge"));
}

#[test]
fn a_program_chooses_how_long_extensions_may_be() {
    for (limit, size, fits) in [(10, 10, true), (10, 11, false), (0, 0, true), (0, 1, false), (100_000, 100_000, true)]
    {
        let mut limits = Limits::default();
        limits.extensions = limit;
        let extensions = format!("{}{}", &";"[..size.min(1)], "a".repeat(size.saturating_sub(1)));
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1{extensions}\r\nx\r\n0\r\n\r\n");
        let end = read(ResponseParser::new(limits), &[response.as_bytes()]).end;
        assert_eq!(matches!(end, End::Complete { .. }), fits, "{size} bytes of {limit}: {end:?}");
    }
    let mut limits = Limits::default();
    limits.extensions = usize::MAX;
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n";
    let end = read(ResponseParser::new(limits), &[response.as_bytes()]).end;
    assert!(matches!(end, End::Complete { .. }), "without a limit, all is taken: {end:?}");
}

#[test]
fn an_error_says_whose_fault_it_is() {
    for (error, fault) in [
        (HttpError::BadHead("x".to_owned()), Fault::Peer),
        (HttpError::Tls, Fault::Peer),
        (HttpError::HeadTooLarge, Fault::Limit),
        (HttpError::TooManyHeaders, Fault::Limit),
        (HttpError::TooManyInterim, Fault::Limit),
        (HttpError::BadContentLength, Fault::Peer),
        (HttpError::ConflictingLength, Fault::Peer),
        (HttpError::UnknownTransferCoding, Fault::Peer),
        (HttpError::UnexpectedTransferCoding, Fault::Peer),
        (HttpError::UnknownContentCoding("x".to_owned()), Fault::Peer),
        (HttpError::BadChunk, Fault::Peer),
        (HttpError::ExtensionsTooLarge, Fault::Limit),
        (HttpError::BadTrailers, Fault::Peer),
        (HttpError::TrailersTooLarge, Fault::Limit),
        (HttpError::BodyTooLarge, Fault::Limit),
        (HttpError::Incomplete, Fault::Peer),
        (HttpError::UnexpectedUpgrade, Fault::Peer),
    ] {
        assert_eq!(error.fault(), fault, "{error:?}");
        assert_eq!(error.to_string().contains("we allow") || error == HttpError::TooManyInterim, fault == Fault::Limit);
    }
}

/// Feeds `start`, and then `more` without end in pieces of this size. Returns the error that ends it, the maximum
/// number of bytes that the parser held, and the number that it took.
fn flood(mut parser: ResponseParser, start: &[u8], more: &[u8], piece: usize) -> (Option<HttpError>, u64, usize) {
    let repeated = more.repeat(piece.div_ceil(more.len()));
    let mut pieces = repeated.chunks(piece).cycle();
    let (mut error, mut taken) = (None, 0);
    let info = measure(|| {
        let mut input = start;
        while error.is_none() && taken < 200 << 20 {
            match parser.next(&mut input) {
                Ok(ResponseEvent::NeedMore) => {
                    input = pieces.next().expect("there is no end of them");
                    taken += input.len();
                }
                Ok(event) => drop(event),
                Err(reason) => error = Some(reason),
            }
        }
    });
    (error, info.bytes_max, taken)
}

#[test]
fn memory_stays_at_its_cap_whatever_floods_in() {
    let head = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let limits = Limits::default;
    for (start, more, error) in [
        (head.to_owned(), "A: 0123456789abcdef\r\n", HttpError::HeadTooLarge),
        (head.to_owned(), "x", HttpError::HeadTooLarge),
        (format!("{head}A: "), "x", HttpError::HeadTooLarge),
        (String::new(), "HTTP/1.1 100 Continue\r\n\r\n", HttpError::TooManyInterim),
        (format!("{head}\r\n"), "x", HttpError::BodyTooLarge),
        (chunked.to_owned(), "0", HttpError::ExtensionsTooLarge),
        (format!("{chunked}1;"), "a", HttpError::ExtensionsTooLarge),
        (chunked.to_owned(), "1;a=bcdefghijklmnop\r\nx\r\n", HttpError::ExtensionsTooLarge),
        (format!("{chunked}0\r\nA: "), "x", HttpError::TrailersTooLarge),
        (format!("{chunked}0\r\n"), "A: x\r\n", HttpError::TrailersTooLarge),
    ] {
        for piece in [PIECE, 24, 7] {
            let (got, held, _) = flood(ResponseParser::new(limits()), start.as_bytes(), more.as_bytes(), piece);
            assert_eq!(got.as_ref(), Some(&error), "{start:?} {more:?} in pieces of {piece}");
            assert!(held <= 150_000, "{start:?} {more:?} held {held}"); // The maximum in the documentation of Limits.
        }
    }
}

#[test]
fn a_body_of_100_mb_passes_through_or_is_refused_and_is_never_held() {
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 << 20);
    let (error, held, taken) = flood(with_body_limit(8 << 20), length.as_bytes(), b"x", PIECE);
    assert_eq!((error, taken), (Some(HttpError::BodyTooLarge), 0), "its length is enough");
    assert!(held < 1024, "{held}");

    for start in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let chunk = [&b"1000\r\n"[..], &[b'x'; 4096], b"\r\n"].concat();
        let more = if start.contains("chunked") { &chunk[..] } else { b"x" };
        let piece = if start.contains("chunked") { chunk.len() * 8 } else { PIECE };
        let (error, held, taken) = flood(with_body_limit(8 << 20), start.as_bytes(), more, piece);
        assert_eq!(error, Some(HttpError::BodyTooLarge));
        assert!((8 << 20..9 << 20).contains(&taken), "{taken}");
        assert!(held < 1024, "{held}");
        let (error, held, taken) = flood(with_body_limit(100 << 20), start.as_bytes(), more, piece);
        assert_eq!(error, Some(HttpError::BodyTooLarge));
        assert!((100 << 20..101 << 20).contains(&taken), "{taken}");
        assert!(held < 1024, "{held}");
    }
}

#[test]
fn the_default_limits_hold() {
    let refused = |response: String| read(ResponseParser::new(Limits::default()), &[response.as_bytes()]).end;
    let large = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 0123456789\r\n".repeat(300 * 1024 / 15));
    assert_eq!(refused(large), End::Wrong(HttpError::HeadTooLarge));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
    assert_eq!(refused(many), End::Wrong(HttpError::TooManyHeaders));
    let interim = format!("{}HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n".repeat(9));
    assert_eq!(refused(interim), End::Wrong(HttpError::TooManyInterim));
}
