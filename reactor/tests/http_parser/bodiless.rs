//! Responses that have no body whatever their headers say, interim ones, tunnels; and which connections persist.

use crate::reading::{End, Reading, parser, read_every_way, refuses, takes};
use reactor::http::{HttpError, ResponseEvent, ResponseParser};

fn answer_to(method: &str, response: &str) -> Reading {
    read_every_way(response.as_bytes(), || parser().for_method(method))
}

#[test]
fn some_statuses_have_no_body() {
    for headers in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for status in [204, 304] {
            takes(&format!("HTTP/1.1 {status} None\r\n{headers}\r\nhello"), status, "", 5);
        }
    }
    takes("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205, "", 0);
}

#[test]
fn a_response_to_head_has_no_body() {
    for headers in ["", "Content-Length: 5\r\n", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
        let reading = answer_to("HEAD", &format!("HTTP/1.1 200 OK\r\n{headers}\r\nhello"));
        assert_eq!((reading.end, reading.left), (End::Complete { keeps_alive: true }, 5), "{headers}");
        assert!(reading.body.is_empty());
    }
    let reading = answer_to("head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(reading.body, b"hello", "methods are case-sensitive");
}

#[test]
fn a_2xx_response_to_connect_begins_a_tunnel() {
    for headers in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\nContent-Length: x\r\n"] {
        let reading = answer_to("CONNECT", &format!("HTTP/1.1 200 OK\r\n{headers}\r\n\x16\x03\x01"));
        assert_eq!((reading.end, reading.left), (End::Complete { keeps_alive: false }, 3), "{headers}");
    }
    let refusal = answer_to("CONNECT", "HTTP/1.1 407 Who are you\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!((refusal.end, &refusal.body[..]), (End::Complete { keeps_alive: true }, &b"no"[..]));
}

#[test]
fn interim_responses_are_skipped_up_to_a_limit() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let end = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    takes(&format!("{interim}{hints}{end}"), 200, "hi", 0);
    refuses(&format!("{interim}{hints}{interim}{end}"), &HttpError::TooManyInterim);
    refuses(&interim.repeat(3), &HttpError::TooManyInterim);
    refuses(&interim.repeat(2), &HttpError::Incomplete);
    // If one has a body all the same, it fails: the body is not a head.
    refuses(&format!("HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\nhi{end}"), &crate::reading::bad_head());
}

#[test]
fn a_change_of_protocol_is_refused() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    refuses(upgrade, &HttpError::UnexpectedUpgrade);
    takes("HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 0);
}

#[test]
fn a_connection_persists_if_framing_version_and_headers_allow_it() {
    #[track_caller]
    fn check(status_line: &str, headers: &str, keeps_alive: bool) {
        let response = format!("{status_line}\r\n{headers}\r\n");
        let end = read_every_way(response.as_bytes(), parser).end;
        assert_eq!(end, End::Complete { keeps_alive }, "{response:?}");
    }
    let (new, old) = ("HTTP/1.1 200 OK", "HTTP/1.0 200 OK");
    check(new, "Content-Length: 0\r\n", true);
    check(old, "Content-Length: 0\r\n", false);
    for (connection, on_new, on_old) in [
        ("close", false, false),
        ("CLOSE", false, false),
        ("keep-alive", true, true),
        ("Keep-Alive", true, true),
        ("keep-alive, close", false, false),
        ("upgrade,\tclose ,x", false, false),
        ("x, keep-alive", true, true),
        ("closed", true, false),
        ("\"close\"", true, false),
        ("", true, false),
    ] {
        check(new, &format!("Content-Length: 0\r\nConnection: {connection}\r\n"), on_new);
        check(old, &format!("Connection: {connection}\r\nContent-Length: 0\r\n"), on_old);
    }
    check(new, "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n", false);
    check(new, "Connection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n", false);
    check(new, "Proxy-Connection: close\r\nContent-Length: 0\r\n", false);
    check(old, "Proxy-Connection: keep-alive\r\nContent-Length: 0\r\n", false);
    // Without a body.
    check("HTTP/1.1 204 No Content", "", true);
    check("HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", true);
    // A server that announces a body where none is allowed may send one.
    check("HTTP/1.1 204 No Content", "Content-Length: 5\r\n", false);
    check("HTTP/1.1 204 No Content", "Content-Length: 0\r\n", true);
    check("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked\r\n", false);
    check("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\nHTTP/1.1 204 No Content", "", false);
    check("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\nHTTP/1.1 204 No Content", "", false);
}

#[test]
fn a_chunked_response_keeps_its_connection_and_one_without_a_length_does_not() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    assert_eq!(read_every_way(chunked.as_bytes(), parser).end, End::Complete { keeps_alive: true });
    let endless = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nx";
    assert_eq!(read_every_way(endless, parser).end, End::Closed);
}

#[test]
fn a_parser_reports_how_far_it_is() {
    let told = |parser: &ResponseParser| (parser.is_delimited_by_close(), parser.is_complete(), parser.keeps_alive());
    for (response, after_head, at_end) in [
        ("HTTP/1.1 200 OK\r\n\r\nx", (true, false, false), (true, true, false)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", (false, false, false), (false, true, true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (false, true, true), (false, true, true)),
        ("HTTP/1.1 204 OK\r\n\r\n", (false, true, true), (false, true, true)),
    ] {
        let mut parser = parser();
        assert_eq!(told(&parser), (false, false, false));
        let mut input = response.as_bytes();
        assert!(matches!(parser.next(&mut input), Ok(ResponseEvent::Head(_))));
        assert_eq!(told(&parser), after_head, "{response:?}");
        while let Ok(ResponseEvent::Data(_)) = parser.next(&mut input) {}
        parser.finish().unwrap();
        assert_eq!(told(&parser), at_end, "{response:?}");
    }
}
