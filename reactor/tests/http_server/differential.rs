//! The same bytes to our server, to Node's and to nginx: which requests each of them finds in them.

use super::peers::{Peer, Verdict};
use reactor::http::server::{Request, Response};

/// What follows each case. Who finds it has found the same end of the case as we have.
const MARKER: &str = "GET /marker HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Why a server may find something else than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// We refuse, and the other one serves.
    Stricter(&'static str),
    /// We serve, and the other one refuses.
    Laxer(&'static str),
    /// Both serve, and not the same.
    Different(&'static str),
}

/// Answers with what it has found: method and target. nginx does the same.
pub(crate) fn found(request: Request) -> Response {
    Response::text(format!("{} {}", request.method(), request.target()))
}

fn head(line: &str, headers: &str) -> String {
    format!("{line}\r\nHost: a\r\n{headers}\r\n")
}

/// Name and bytes of each case.
fn corpus() -> Vec<(&'static str, String)> {
    let chunked = |chunks: &str| head("POST /x HTTP/1.1", "Transfer-Encoding: chunked\r\n") + chunks;
    let get = |headers: &str| head("GET /x HTTP/1.1", headers);
    vec![
        ("get", get("")),
        ("head", head("HEAD /x HTTP/1.1", "")),
        ("length", head("POST /x HTTP/1.1", "Content-Length: 5\r\n") + "hello"),
        ("length 0", head("POST /x HTTP/1.1", "Content-Length: 0\r\n")),
        ("chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
        ("chunk extension", chunked("3;a=b\r\nabc\r\n0\r\n\r\n")),
        ("trailer", chunked("3\r\nabc\r\n0\r\nT: 1\r\n\r\n")),
        ("chunk size in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n")),
        ("keep-alive in 1.0", "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned()),
        ("1.0", "GET /x HTTP/1.0\r\n\r\n".to_owned()),
        ("close", get("Connection: close\r\n")),
        ("empty line before", format!("\r\n{}", get(""))),
        ("both lengths", head("POST /x HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        ("two lengths", head("POST /x HTTP/1.1", "Content-Length: 5\r\nContent-Length: 5\r\n") + "hello"),
        ("two different lengths", head("POST /x HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6\r\n") + "hello"),
        ("length in a list", head("POST /x HTTP/1.1", "Content-Length: 5, 5\r\n") + "hello"),
        ("length with a sign", head("POST /x HTTP/1.1", "Content-Length: +5\r\n") + "hello"),
        ("negative length", head("POST /x HTTP/1.1", "Content-Length: -5\r\n") + "hello"),
        ("no length", head("POST /x HTTP/1.1", "Content-Length: \r\n")),
        ("chunked in 1.0", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("gzip, chunked", head("POST /x HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"),
        ("chunked twice", head("POST /x HTTP/1.1", "Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n"),
        ("chunked, identity", head("POST /x HTTP/1.1", "Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n"),
        ("xchunked", head("POST /x HTTP/1.1", "Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n"),
        ("bad chunk size", chunked("x\r\nabc\r\n0\r\n\r\n")),
        ("chunk size 0x3", chunked("0x3\r\nabc\r\n0\r\n\r\n")),
        ("space before a chunk size", chunked(" 3\r\nabc\r\n0\r\n\r\n")),
        ("chunk longer than its size", chunked("3\r\nabcd\r\n0\r\n\r\n")),
        ("chunk size that ends with LF", chunked("3\nabc\r\n0\r\n\r\n")),
        ("chunk that ends with LF", chunked("3\r\nabc\n0\r\n\r\n")),
        ("extension with a bare CR", chunked("3;a\rb\r\nabc\r\n0\r\n\r\n")),
        ("no host", "GET /x HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", get("Host: a\r\n")),
        ("bad host", "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned()),
        ("whole url", head("GET http://a/x HTTP/1.1", "")),
        ("whole url of another host", head("GET http://b/x HTTP/1.1", "")),
        ("folded line", get("A: 1\r\n 2\r\n")),
        ("space before the colon", get("A : 1\r\n")),
        ("space before the name", "GET /x HTTP/1.1\r\n A: 1\r\nHost: a\r\n\r\n".to_owned()),
        ("no colon", get("A\r\n")),
        ("no name", get(": 1\r\n")),
        ("NUL in a value", get("A: \0\r\n")),
        ("bare CR in a value", get("A: 1\r2\r\n")),
        ("bare LF after a header", get("A: 1\n")),
        ("bare LF after the request line", "GET /x HTTP/1.1\nHost: a\r\n\r\n".to_owned()),
        ("bare LF only", "GET /x HTTP/1.1\nHost: a\n\n".to_owned()),
        ("two spaces in the request line", head("GET  /x HTTP/1.1", "")),
        ("tab in the request line", head("GET\t/x HTTP/1.1", "")),
        ("space after the version", head("GET /x HTTP/1.1 ", "")),
        ("fragment", head("GET /x#y HTTP/1.1", "")),
        ("not a path", head("GET x HTTP/1.1", "")),
        ("star", head("GET * HTTP/1.1", "")),
        ("0.9", "GET /x\r\n".to_owned()),
        ("2.0", head("GET /x HTTP/2.0", "")),
        ("1.2", head("GET /x HTTP/1.2", "")),
        ("small letters", head("GET /x http/1.1", "")),
        ("unknown method", head("BREW /x HTTP/1.1", "")),
        ("unknown expectation", get("Expect: x\r\n")),
        ("long target", head(&format!("GET /{} HTTP/1.1", "x".repeat(20_000)), "")),
        ("long header", get(&format!("A: {}\r\n", "x".repeat(40_000)))),
    ]
}

const LF: Why = Why::Stricter("a line ends with CR LF");
const LINE: Why = Why::Stricter("a request line has one space between its parts");

const NGINX: [(&str, Why); 12] = [
    ("chunk size that ends with LF", LF),
    ("chunk that ends with LF", LF),
    ("whole url of another host", Why::Stricter("nginx believes the URL; a program behind it may believe `Host`")),
    ("no colon", Why::Stricter("nginx ignores the line")),
    ("bare LF after a header", LF),
    ("bare LF after the request line", LF),
    ("bare LF only", LF),
    ("two spaces in the request line", LINE),
    ("space after the version", LINE),
    ("fragment", Why::Stricter("a fragment is never sent; two readers may cut it off at different places")),
    ("1.2", Why::Stricter("there is no such version, and none is to come (RFC 9110, section 2.5)")),
    (
        "unknown expectation",
        Why::Stricter("RFC 9110, section 10.1.1: nginx knows 100-continue only, and ignores others"),
    ),
];

const AFTER: Why = Why::Laxer("Node refuses bytes after the last request of a connection, and we drop them");

const NODE: [(&str, Why); 11] = [
    ("keep-alive in 1.0", Why::Different("Node answers it without a length, and closes")),
    ("1.0", AFTER),
    ("close", AFTER),
    ("gzip, chunked", Why::Stricter("a coding that is not taken off again would be handed on as the body")),
    ("two hosts", Why::Stricter("of two servers, one believes the first and one the second")),
    ("bad host", Why::Stricter("what looks like a path is not part of a host")),
    ("whole url of another host", Why::Stricter("Node's program decides whom to believe")),
    ("two spaces in the request line", LINE),
    ("fragment", Why::Stricter("a fragment is never sent; two readers may cut it off at different places")),
    ("star", Why::Stricter("only OPTIONS asks for `*`")),
    ("unknown method", Why::Laxer("any token is a method (RFC 9110, section 9.1), and the service decides")),
];

#[track_caller]
fn compare(peer: Peer, listed: &[(&str, Why)]) {
    let corpus = corpus();
    let bytes: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| [bytes, MARKER].concat().into_bytes()).collect();
    let theirs = match peer.verdicts(&bytes) {
        Ok(verdicts) => verdicts,
        Err(why) => return crate::skip::skipped(format_args!("{peer:?}: {why}")),
    };
    let ours = Peer::Ours.verdicts(&bytes).expect("it is here");
    let mut wrong = Vec::new();
    for (((name, _), ours), theirs) in corpus.iter().zip(&ours).zip(&theirs) {
        let difference = difference(ours, theirs);
        let listed = listed.iter().find(|(listed, _)| listed == name).map(|(_, why)| *why);
        let is_listed = match (difference, listed) {
            (None, None) => true,
            (Some(kind), Some(why)) => kind == std::mem::discriminant(&why),
            _ => false,
        };
        if !is_listed {
            wrong.push(format!("{name}: listed {listed:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{peer:?}:\n{}", wrong.join("\n"));
    let unknown = listed.iter().filter(|(name, _)| !corpus.iter().any(|(own, _)| own == name)).count();
    assert_eq!(unknown, 0, "no case is listed that is not there");
}

/// `None` if both have found the same requests, and the same end.
fn difference(ours: &Verdict, theirs: &Verdict) -> Option<std::mem::Discriminant<Why>> {
    if ours.found == theirs.found && ours.is_refused == theirs.is_refused {
        return None;
    }
    Some(std::mem::discriminant(&match (ours.is_refused, theirs.is_refused) {
        (true, false) => Why::Stricter(""),
        (false, true) => Why::Laxer(""),
        _ => Why::Different(""),
    }))
}

#[test]
fn node_finds_the_same_requests_or_the_reason_is_listed() {
    compare(Peer::Node, &NODE);
}

#[test]
fn nginx_finds_the_same_requests_or_the_reason_is_listed() {
    compare(Peer::Nginx, &NGINX);
}
