//! What is refused, and with which status.

use super::{refused, requests};
use reactor::http::{Limits, Refusal};

fn bad() -> Refusal {
    Refusal::BadHead(String::new())
}

#[test]
fn a_request_line_is_read_to_the_letter() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.10",
        "GET / HTTP /1.1",
        "GET /",
        "GET",
        "GET / ",
        "G@T / HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /a\u{7f} HTTP/1.1",
        "GET /a\0 HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "HTTP/1.1 200 OK",
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n"), &bad(), 400);
    }
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", &bad(), 400);
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &bad(), 400);
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &bad(), 400);
    refused("\u{1}", &bad(), 400);
    refused([0x16, 3, 1, 2, 0], &Refusal::Tls, 400);
}

#[test]
fn a_header_is_read_to_the_letter() {
    for lines in [
        "A: 1\n",         // A bare LF.
        "A: 1\r\n\n",     // The same at the end.
        "A: 1\rB: 2\r\n", // A bare CR.
        "A: 1\r\r\n",     // Two of them.
        "A: 1\r\n 2\r\n", // A folded line.
        "A : 1\r\n",      // A space before the colon.
        " A: 1\r\n",      // One before the first header.
        "A\r\n",          // No colon.
        ": 1\r\n",        // No name.
        "A\u{e9}: 1\r\n", // Not a token.
        "A: \0\r\n",      // A control character.
        "A: \u{7f}\r\n",  // DEL.
    ] {
        refused(format!("GET / HTTP/1.1\r\n{lines}Host: a\r\n\r\n"), &bad(), 400);
    }
}

#[test]
fn exactly_one_host_is_named() {
    let get = |rest: &str| format!("GET / HTTP/1.1\r\n{rest}\r\n");
    refused(get(""), &Refusal::NoHost, 400);
    refused(get("Host: a\r\nHost: a\r\n"), &Refusal::RepeatedHost, 400);
    refused(get("Host: a\r\nHOST: b\r\n"), &Refusal::RepeatedHost, 400);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", &Refusal::RepeatedHost, 400);
    for host in
        ["", "a b", "a,b", "a/b", "u@a", "a:x", "a:123456", ":80", "[::1", "[]", "[::1]x", "[g]", "a\u{e9}", "a?"]
    {
        refused(get(&format!("Host: {host}\r\n")), &Refusal::BadHost, 400);
    }
}

#[test]
fn a_target_leads_to_this_server() {
    for target in ["x", "*", "a:80", "ftp://a/", "http:///x", "http://u@a/", "http:/a", "//"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        match target {
            "//" => assert_eq!(requests(&Limits::for_requests(), bytes.as_bytes()).1, None),
            _ => refused(bytes, &Refusal::BadTarget, 400),
        }
    }
    refused("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", &Refusal::OtherHost, 400);
    refused("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", &Refusal::OtherHost, 400);
    refused("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", &Refusal::Connect, 501);
}

#[test]
fn other_versions_and_expectations_are_refused() {
    for version in ["2.0", "0.9", "1.2", "9.9"] {
        refused(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"), &Refusal::UnsupportedVersion, 505);
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &Refusal::UnsupportedVersion, 505);
    for expectation in ["Expect: 200-ok\r\n", "Expect: 100-continue\r\nExpect: 100-continue\r\n", "Expect:\r\n"] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{expectation}\r\n");
        refused(bytes, &Refusal::UnknownExpectation, 417);
    }
}

#[test]
fn the_end_of_a_body_is_never_a_matter_of_opinion() {
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}");
    for value in ["", "+5", "-1", "5, 5", "5 5", "0x5", "5a", "18446744073709551616", "9".repeat(40).as_str()] {
        refused(post(&format!("Content-Length: {value}\r\n\r\nhello")), &Refusal::BadContentLength, 400);
    }
    refused(post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), &Refusal::BadContentLength, 400);
    refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), &Refusal::ConflictingLength, 400);
    refused(post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"), &Refusal::ConflictingLength, 400);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(old, &Refusal::UnexpectedTransferCoding, 400);
    for coding in
        ["gzip", "identity", "gzip, chunked", "chunked, chunked", "xchunked", "chunked;q=1", "\"chunked\"", ""]
    {
        refused(post(&format!("Transfer-Encoding: {coding}\r\n\r\n")), &Refusal::UnknownTransferCoding, 501);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(post(twice), &Refusal::UnknownTransferCoding, 501);
}

#[test]
fn chunks_are_framed_to_the_letter() {
    let chunked = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    for chunks in [
        "g\r\n",
        "\r\n",
        "-1\r\n",
        "0x1\r\nx\r\n",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1\nx\r\n",
        "1\r\nxx",
        "1\r\nx\n",
        "1\r\nx\r\r",
        "1;\r\nx\r\n",
        "1;a=\r\n",
        "1;a=\"\r\n",
        "11111111111111111\r\n",
        "1\rx\r\n",
    ] {
        refused(chunked(chunks), &Refusal::BadChunk, 400);
    }
    for trailers in ["x\r\n\r\n", "Content-Length: 1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "A: 1\n\r\n"] {
        refused(chunked(&format!("0\r\n{trailers}")), &Refusal::BadTrailers, 400);
    }
    let extension = format!("1;a={}\r\n", "x".repeat(17_000));
    refused(chunked(&extension), &Refusal::ExtensionsTooLarge, 413);
    let trailer = format!("0\r\nA: {}\r\n\r\n", "x".repeat(8200));
    refused(chunked(&trailer), &Refusal::TrailersTooLarge, 431);
}

#[test]
fn whatever_is_too_large_is_refused_at_its_limit() {
    let mut limits = Limits::for_requests();
    (limits.head, limits.target, limits.headers, limits.body) = (120, 20, 3, 10);
    let check = |bytes: String, refusal: Option<Refusal>| {
        let (read, told) = requests(&limits, bytes.as_bytes());
        assert_eq!((told.clone(), read.len()), (refusal, usize::from(told.is_none())), "{bytes:?}");
    };
    let get = |target: usize, rest: &str| format!("GET /{} HTTP/1.1\r\nHost: a\r\n{rest}\r\n", "x".repeat(target - 1));
    check(get(20, ""), None);
    check(get(21, ""), Some(Refusal::TargetTooLong));
    check(format!("GET /{}", "x".repeat(130)), Some(Refusal::TargetTooLong));
    check(get(1, "A: 1\r\nB: 1\r\n"), None);
    check(get(1, "A: 1\r\nB: 1\r\nC: 1\r\n"), Some(Refusal::TooManyHeaders));
    let frame = get(1, "A: \r\n").len();
    check(get(1, &format!("A: {}\r\n", "x".repeat(120 - frame))), None);
    check(get(1, &format!("A: {}\r\n", "x".repeat(121 - frame))), Some(Refusal::HeadTooLarge));
    assert_eq!(Refusal::TargetTooLong.status(), 414);
    assert_eq!((Refusal::HeadTooLarge.status(), Refusal::TooManyHeaders.status()), (431, 431));

    let body = |headers: &str, body: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}");
    check(body("Content-Length: 10", "0123456789"), None);
    let (read, told) = requests(&limits, body("Content-Length: 11", "").as_bytes());
    assert_eq!((read.len(), told), (0, Some(Refusal::BodyTooLarge)), "refused at its head");
    check(body("Transfer-Encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n"), None);
    let (read, told) = requests(&limits, body("Transfer-Encoding: chunked", "5\r\n01234\r\n6\r\n").as_bytes());
    assert_eq!((read[0].body.len(), told), (5, Some(Refusal::BodyTooLarge)));
    assert_eq!(Refusal::BodyTooLarge.status(), 413);
}

#[test]
fn a_parser_holds_no_more_than_its_limits_allow() {
    use reactor::http::{RequestEvent, RequestParser};
    let mut parser = RequestParser::new(Limits::for_requests());
    let mut sent = 0;
    let refusal = loop {
        let mut input = &b"A: 0123456789\r\n"[..];
        if sent == 0 {
            input = b"GET / HTTP/1.1\r\n";
        }
        sent += input.len();
        match parser.next(&mut input) {
            Ok(RequestEvent::NeedMore) => {}
            other => break other,
        }
    };
    assert_eq!(refusal, Err(Refusal::HeadTooLarge));
    assert!(sent <= 16 * 1024 + 20, "{sent}");
}
