//! What is taken.

use super::requests;
use reactor::http::{Limits, RequestEvent, RequestParser, Version};

fn limits() -> Limits {
    Limits::for_requests()
}

#[test]
fn a_head_is_split_into_its_parts() {
    let (read, refusal) = requests(
        &limits(),
        b"GET /a%20b/c?x=1&y=?2 HTTP/1.1\r\nHost: example.com:8080\r\nX-Two: 1\r\nx-two:\t2 \r\nEmpty:\r\n\r\n",
    );
    assert_eq!(refusal, None);
    let head = &read[0].head;
    assert_eq!((head.method(), head.target(), head.version()), ("GET", "/a%20b/c?x=1&y=?2", Version::Http11));
    assert_eq!((head.path(), head.query(), head.host()), ("/a%20b/c", Some("x=1&y=?2"), Some("example.com:8080")));
    assert_eq!(head.header("X-TWO").collect::<Vec<_>>(), [&b"1"[..], b"2"]);
    assert_eq!(head.header("empty").collect::<Vec<_>>(), [b""]);
    assert_eq!(head.headers().map(|(name, _)| name).collect::<Vec<_>>(), ["Host", "X-Two", "x-two", "Empty"]);
    assert_eq!((&read[0].body[..], read[0].keeps_alive), (&b""[..], Some(true)));
}

#[test]
fn requests_follow_each_other_on_a_connection() {
    let bytes = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\
                  \r\nPUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nT: 1\r\n\r\n\
                  DELETE /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let (read, refusal) = requests(&limits(), bytes);
    assert_eq!(refusal, None);
    let all: Vec<_> = read.iter().map(|one| (one.head.method(), one.head.path(), &one.body[..])).collect();
    let expected: [(_, _, &[u8]); 4] =
        [("POST", "/1", b"hello"), ("GET", "/2", b""), ("PUT", "/3", b"abcde"), ("DELETE", "/4", b"")];
    assert_eq!(all, expected);
    assert!(read.iter().all(|one| one.keeps_alive == Some(true)));
}

#[test]
fn the_connection_goes_on_if_both_sides_can() {
    for (line, headers, goes_on) in [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: x, Close\r\n", false),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let bytes = format!("GET / {line}\r\nHost: a\r\n{headers}\r\n");
        assert_eq!(requests(&limits(), bytes.as_bytes()).0[0].keeps_alive, Some(goes_on), "{bytes:?}");
        // What follows the last request of a connection is dropped.
        let twice = requests(&limits(), bytes.repeat(2).as_bytes());
        assert_eq!((twice.0.len(), twice.1), (if goes_on { 2 } else { 1 }, None));
    }
}

#[test]
fn a_target_may_be_a_path_a_star_or_a_whole_url_of_the_same_host() {
    for (line, host, path, query) in [
        ("GET /", "a", "/", None),
        ("GET //x?", "a", "//x", Some("")),
        ("OPTIONS *", "a", "*", None),
        ("GET http://a/x?y", "a", "/x", Some("y")),
        ("GET HTTP://A.example:80?y", "a.EXAMPLE:80", "/", Some("y")),
        ("GET https://[::1]:443", "[::1]:443", "/", None),
    ] {
        let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (read, refusal) = requests(&limits(), bytes.as_bytes());
        assert_eq!(refusal, None, "{bytes:?}");
        assert_eq!((read[0].head.path(), read[0].head.query()), (path, query), "{bytes:?}");
    }
    // HTTP/1.0 has no Host, and may have one.
    assert_eq!(requests(&limits(), b"GET / HTTP/1.0\r\n\r\n").0[0].head.host(), None);
    assert_eq!(requests(&limits(), b"GET / HTTP/1.0\r\nHost: b\r\n\r\n").0[0].head.host(), Some("b"));
}

#[test]
fn an_expectation_counts_in_http_1_1() {
    for (version, expects) in [("1.1", true), ("1.0", false)] {
        let bytes = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(requests(&limits(), bytes.as_bytes()).0[0].head.expects_continue(), expects);
    }
}

#[test]
fn a_parser_knows_whether_its_peer_may_go() {
    let mut parser = RequestParser::new(limits());
    assert!(parser.is_between_requests());
    let mut feed = |mut bytes: &[u8]| {
        while !matches!(parser.next(&mut bytes), Ok(RequestEvent::NeedMore)) {}
        (parser.is_between_requests(), parser.is_complete())
    };
    assert!(!feed(b"G").0);
    assert_eq!(feed(b"ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"), (false, false));
    assert_eq!(feed(b"a"), (false, false));
    assert_eq!(feed(b"b"), (true, true));
    assert_eq!(feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nmore"), (true, true));
}
