//! h11, Node and curl read the same responses as we do, some written by hand, some mutated at random from a seed. Where
//! one of them disagrees, the difference is listed here with its reason, or the test fails.
//!
//! `HTTP_MUTATIONS=20000 cargo test -p deferred-reactor --test http_parser differential -- --nocapture` looks at more
//! than usual and prints what it found. `H11_PYTHON` names a Python that has h11, and `NODE` a Node of version 20 or
//! later.

use crate::corpus::{by_hand, mutated};
use crate::peers::{Peer, Verdict};
use crate::reading::{End, read};
use crate::skip::skipped;
use reactor::http::{Limits, ResponseParser};
use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

/// Number of mutations, unless `HTTP_MUTATIONS` sets another.
const MUTATIONS: usize = 600;

/// Responses that we refuse and a peer takes: the beginning of our error, and why we refuse.
#[rustfmt::skip]
const STRICTER: [(Peer, &str, &str); 36] = [
    (Peer::H11, BARE_LF, "a recipient may take it (RFC 9112, 2.2), but a machine on the way may not"),
    (Peer::H11, NO_START, "blank lines before: they may be what is left of another answer"),
    (Peer::H11, BAD_STATUS, "control characters in the reason"),
    (Peer::H11, BAD_VERSION, "HTTP/1.2 may be read as 1.1 (RFC 9110, 6.2), but it does not exist"),
    (Peer::H11, "BadHead(\"invalid header name", "folded lines, which are to be refused or mended (RFC 9112, 5.2)"),
    (Peer::H11, "BadHead(\"invalid header value", "control characters other than NUL, CR and LF"),
    (Peer::H11, "BadContentLength", "equal ones may pass (RFC 9110, 8.6), but are a sign of a broken server"),
    (Peer::H11, "ConflictingLength", "the coding overrides the length, and is an error to be handled (RFC 9112, 6.3)"),
    (Peer::H11, "UnexpectedTransferCoding", "in HTTP/1.0 it is faulty framing (RFC 9112, 6.1)"),
    (Peer::H11, "UnknownContentCoding", "it leaves that to its user; so do we if we are told to"),
    (Peer::H11, "BadChunk", "blanks after a size, and extensions without a name"),
    (Peer::H11, "BadTrailers", "lengths and codings after the body"),
    (Peer::Node, NO_START, "blank lines before, RTSP and ICE, and HTTP/2 in the manner of HTTP/1"),
    (Peer::Node, BAD_STATUS, "099: the lowest status is 100 (RFC 9110, 15); control characters in the reason"),
    (Peer::Node, "UnexpectedTransferCoding", "in HTTP/1.0 it is faulty framing (RFC 9112, 6.1)"),
    (Peer::Node, "UnknownTransferCoding", "it gives out what follows, coded as it is, to the end of the connection"),
    (Peer::Node, "UnknownContentCoding", "it leaves that to its user; so do we if we are told to"),
    (Peer::Node, "UnexpectedUpgrade", "a head like any other, if it does not say Upgrade"),
    (Peer::Node, "BadChunk", "extensions without a name"),
    (Peer::Curl, BARE_LF, "a recipient may take it (RFC 9112, 2.2), but a machine on the way may not"),
    (Peer::Curl, NO_START, "blank lines before, other protocols' names, HTTP/2 in the manner of HTTP/1"),
    (Peer::Curl, BAD_STATUS, "blanks before a status, anything after it"),
    (Peer::Curl, BAD_VERSION, "a CR inside of it"),
    (Peer::Curl, "BadHead(\"invalid header name", "folded lines; lines that are not headers"),
    (Peer::Curl, "BadHead(\"invalid header value", "a CR inside, control characters other than NUL"),
    (Peer::Curl, "BadHead(\"invalid new line", "a CR alone for an empty line"),
    (Peer::Curl, "Incomplete", "a head that breaks off is not a whole one"),
    (Peer::Curl, "BadContentLength", "it takes a number, whatever stands around it, and one of two"),
    (Peer::Curl, "BodyTooLarge", "a length beyond 63 bits: it reads to the end of the connection"),
    (Peer::Curl, "ConflictingLength", "the coding overrides the length, and is an error to be handled (RFC 9112, 6.3)"),
    (Peer::Curl, "UnexpectedTransferCoding", "in HTTP/1.0 it is faulty framing (RFC 9112, 6.1)"),
    (Peer::Curl, "UnknownTransferCoding", "chunked twice, identity, nothing"),
    (Peer::Curl, "UnknownContentCoding", "it leaves that to its user; so do we if we are told to"),
    (Peer::Curl, "UnexpectedUpgrade", "for the whole answer"),
    (Peer::Curl, "BadChunk", "anything between a size and its LF"),
    (Peer::Curl, "BadTrailers", "any: it does not look at them"),
];

const BARE_LF: &str = "BadHead(\"a line does not end with CR LF";
const BAD_STATUS: &str = "BadHead(\"its status line is malformed";
const BAD_VERSION: &str = "BadHead(\"its version is not 1.0 or 1.1";
const NO_START: &str = "BadHead(\"it does not begin with HTTP/1";

/// Blanks beside the marks of chunk extensions.
const BLANKS: [&[u8]; 6] = [b"; ", b";\t", b" ;", b"\t;", b"= ", b"=\t"];

/// Our result for one response, and the number of bytes it left.
fn ours(answer: &[u8]) -> (Verdict, usize) {
    let reading = read(ResponseParser::new(Limits::default()), &[answer]);
    let verdict = match (reading.end, reading.head) {
        (End::Wrong(error), _) => Err(format!("{error:?}")),
        (_, Some(head)) => Ok((head.status, reading.body)),
        (end, None) => panic!("{end:?} without a head"),
    };
    (verdict, reading.left)
}

/// The listed reason why the results may differ, if there is one.
fn reason(peer: Peer, answer: &[u8], theirs: &Verdict) -> Option<&'static str> {
    let (ours, left) = ours(answer);
    let has = |part: &[u8]| answer.windows(part.len()).any(|window| window == part);
    match (&ours, theirs) {
        (Err(error), Ok(_)) if peer == Peer::Node && error == "Incomplete" && has(b"\r\r\r\n") => {
            Some("some ways to end a head with more CR than there should be")
        }
        (Err(error), Ok(_)) => STRICTER
            .iter()
            .find(|(whose, start, _)| *whose == peer && error.starts_with(start))
            .map(|(.., reason)| *reason),
        (Ok(_), Err(_)) if peer == Peer::Node && left > 0 => {
            Some("(it refuses, and we take: a body with bytes after it. We leave them, and end the connection)")
        }
        (Ok(_), Err(why)) if peer == Peer::Node && why.contains("CONTENT_LENGTH") && has(b"\t\r\n") => {
            Some("(it refuses, and we take: a tab after a length, white space like any other by RFC 9110, 5.6.3)")
        }
        (Ok(_), Err(_)) if peer == Peer::Node && has(b"chunked") && BLANKS.iter().any(|blank| has(blank)) => {
            Some("(it refuses, and we take: blanks inside of extensions, which RFC 9112, 7.1.1, has us take)")
        }
        _ => None,
    }
}

#[track_caller]
fn compare(peer: Peer) {
    let count = env::var("HTTP_MUTATIONS").map_or(MUTATIONS, |count| count.parse().expect("a number"));
    let mut answers = by_hand();
    answers.extend(mutated(count, |answer| ours(answer).0.is_ok()));
    let answers = Arc::new(answers);
    let verdicts = match peer.verdicts(&answers) {
        Ok(verdicts) => verdicts,
        Err(why) => return skipped(format_args!("{peer:?}: {why}")),
    };
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    let mut different: BTreeMap<&str, usize> = BTreeMap::new();
    for (answer, theirs) in answers.iter().zip(&verdicts) {
        let ours = ours(answer).0;
        match (&ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => taken += 1,
            (Err(_), Err(_)) => refused += 1,
            _ => match reason(peer, answer, theirs) {
                Some(reason) => *different.entry(reason).or_default() += 1,
                None => wrong.push(format!(
                    "{:?}\n  ours: {}\n  {peer:?}: {}",
                    String::from_utf8_lossy(answer),
                    shown(&ours),
                    shown(theirs)
                )),
            },
        }
    }
    println!("{peer:?}: {taken} taken by both, {refused} refused by both. What it takes and we do not:");
    different.iter().for_each(|(reason, count)| println!("{count:>6}  {reason}"));
    assert!(wrong.is_empty(), "{} differences without a reason:\n{}", wrong.len(), wrong.join("\n"));
    assert!(taken >= 100 && refused >= 100, "{taken} and {refused} of {}: do the peers answer?", answers.len());
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Ok((status, body)) => format!("{status} {:?}", String::from_utf8_lossy(body)),
        Err(error) => format!("refused, {error}"),
    }
}

#[test]
fn h11_agrees_or_the_reason_is_listed() {
    compare(Peer::H11);
}

#[test]
fn node_agrees_or_the_reason_is_listed() {
    compare(Peer::Node);
}

#[test]
fn curl_agrees_or_the_reason_is_listed() {
    compare(Peer::Curl);
}

#[test]
fn a_difference_without_a_reason_is_noticed() {
    let sound = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello";
    let (taken, refused) = (Ok((200, b"hello".to_vec())), Err("who knows".to_owned()));
    assert!(reason(Peer::Curl, twice, &taken).is_some());
    assert!(reason(Peer::Node, twice, &taken).is_none(), "Node is as strict");
    for peer in [Peer::H11, Peer::Node, Peer::Curl] {
        assert!(reason(peer, sound, &refused).is_none(), "what others refuse we do not take");
        assert!(reason(peer, sound, &Ok((200, b"hell".to_vec()))).is_none());
        assert!(reason(peer, sound, &Ok((201, b"hello".to_vec()))).is_none());
        assert!(reason(peer, b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9).as_slice(), &taken).is_none());
    }
}
