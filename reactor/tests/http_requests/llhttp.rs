//! llhttp's own request suite through our parser. Each case ends as in llhttp, or is listed below with the reason why
//! not. `../llhttp_suite/README.md` says where the suite comes from.

use crate::llhttp_cases::{Case, HOST, Message, cases};
use reactor::http::{Limits, RequestEvent, RequestHead, RequestParser, Version};

/// Why a case ends differently here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhyDifferent {
    /// We refuse what llhttp takes, or sooner than llhttp.
    Stricter(&'static str),
    /// We take what llhttp refuses.
    Laxer(&'static str),
    /// The case is about what llhttp's caller may ask of it, and our parser has nothing like it.
    Other(&'static str),
    /// The case is of one of llhttp's lenient modes, and we have none.
    Lenient,
}

use WhyDifferent::{Laxer, Lenient, Other, Stricter};

const BEFORE: WhyDifferent = Stricter("one empty line may stand before a request, not more");
const LINES: WhyDifferent = Stricter("a line ends with CR LF and is not folded; nothing stands before a header's name");
const FRAGMENT: WhyDifferent = Stricter("a fragment is never sent; two readers may cut it off at different places");
const OTHER: WhyDifferent = Stricter("it is not HTTP/1");
const PROXY: WhyDifferent = Stricter("only a proxy serves CONNECT");
const STAR: WhyDifferent = Stricter("only OPTIONS asks for `*`");
const USER: WhyDifferent = Stricter("a user name before the host hides the host from a reader");
const UPGRADE: WhyDifferent = Stricter("another protocol is not spoken here: what follows is read as HTTP");
const CODING: WhyDifferent = Stricter("llhttp gives the head out before it refuses the coding");
const METHOD: WhyDifferent = Laxer("any token is a method (RFC 9110, section 9.1), and the service decides");
const SKIPPED: WhyDifferent = Other("llhttp is told to skip the body of each request");
const CUT: WhyDifferent = Other("the end of the input is that of the connection, which llhttp's log has as `finish`");

/// The cases that end differently: file, title, why, and our refusal.
const DIFFERENT: [(&str, &str, WhyDifferent, &str); 55] = [
    ("connection", "Resetting flags when keep-alive is off (1.0, lenient)", Lenient, AFTER_CLOSE),
    ("connection", "CRLF between requests, implicit `keep-alive`", BEFORE, "BadHead"),
    ("connection", "CRLF between requests, explicit `close` (lenient)", Lenient, AFTER_CLOSE),
    ("connection", "Multiple tokens with folding", Lenient, "BadHead"),
    ("connection", "Multiple tokens with folding and LWS", LINES, "BadHead"),
    ("connection", "Multiple tokens with folding, LWS, and CRLF", Lenient, "BadHead"),
    ("connection", "Invalid whitespace token with `Connection` header field (lenient)", Lenient, "BadHead"),
    ("connection", "Emitting part of body and pausing", BEFORE, "BadHead"),
    ("connection", "Upgrade GET request", UPGRADE, "BadHead"),
    ("connection", "Upgrade POST request", UPGRADE, "BadHead"),
    ("content-length", "Invalid whitespace token with `Content-Length` header field (lenient)", Lenient, "BadHead"),
    (
        "content-length",
        "No error on simultaneous `Content-Length` and `Transfer-Encoding: identity` (lenient)",
        Lenient,
        "ConflictingLength",
    ),
    ("content-length", "Content-Length reset when no body is received", SKIPPED, ""),
    ("content-length", "Missing CRLF-CRLF before body (lenient)", Lenient, "BadHead"),
    ("finish", "It should be unsafe to finish inside of the header", CUT, "BadHead"),
    ("invalid", "HTTP protocol and ANNOUNCE method", METHOD, ""),
    ("invalid", "Headers separated by LF", LINES, "BadHead"),
    ("invalid", "Headers separated by dummy characters (lenient)", Lenient, "BadHead"),
    ("invalid", "Missing CR between headers", LINES, "BadHead"),
    ("invalid", "Invalid space after start line", LINES, "BadHead"),
    ("invalid", "Only LFs present (lenient)", Lenient, "BadHead"),
    ("invalid", "Spaces before headers (lenient)", Lenient, "BadHead"),
    ("lenient-header-value-relaxed", "Control char in header value (relaxed)", Lenient, "BadHead"),
    ("lenient-header-value-relaxed", "Space after start line must still fail", Lenient, "BadHead"),
    ("lenient-headers", "Header value (lenient)", Lenient, "BadHead"),
    ("lenient-headers", "Second request header value (lenient)", Lenient, "BadHead"),
    ("lenient-headers", "Empty headers separated by CR (lenient)", Lenient, "BadHead"),
    ("lenient-version", "Invalid HTTP version (lenient)", Lenient, "UnsupportedVersion"),
    ("method", "CONNECT request", PROXY, "Connect"),
    ("method", "CONNECT request with CAPS", PROXY, "Connect"),
    ("method", "CONNECT with body", PROXY, "Connect"),
    ("method", "M-SEARCH request", STAR, "BadTarget"),
    ("method", "SOURCE request with ICE", OTHER, "BadHead"),
    ("method", "OPTIONS request with RTSP", OTHER, "BadHead"),
    ("method", "ANNOUNCE request with RTSP", OTHER, "BadHead"),
    ("method", "PRI request HTTP2", OTHER, "BadTarget"),
    ("sample", "No HTTP version", OTHER, "BadHead"),
    ("sample", "Line folding in header value with CRLF", Lenient, "BadHead"),
    ("sample", "Line folding in header value with LF", LINES, "BadHead"),
    ("sample", "No LF after CR (lenient)", Lenient, "BadHead"),
    ("sample", "X-SSL-Nonsense", Lenient, "BadHead"),
    ("transfer-encoding", "Ignoring `pigeons`", CODING, "UnknownTransferCoding"),
    ("transfer-encoding", "POST with `Transfer-Encoding` and `Content-Length` (lenient)", Lenient, "BadHead"),
    ("transfer-encoding", "POST with `chunked` before other transfer-coding (lenient)", Lenient, "BadHead"),
    ("transfer-encoding", "POST with `chunked` and duplicate transfer-encoding (lenient)", Lenient, "BadHead"),
    ("transfer-encoding", "POST with `chunked` as last transfer-encoding", FRAGMENT, "BadHead"),
    ("transfer-encoding", "POST with `chunked` as last transfer-encoding (multiple headers)", FRAGMENT, "BadHead"),
    ("transfer-encoding", "POST with `chunkedchunked` as transfer-encoding", FRAGMENT, "BadHead"),
    ("transfer-encoding", "Invalid OBS fold after chunked value", Lenient, "BadHead"),
    ("transfer-encoding", "Chunk header not terminated by CRLF (lenient)", Lenient, "BadChunk"),
    ("transfer-encoding", "Chunk data not terminated by CRLF (lenient)", Lenient, "BadChunk"),
    ("transfer-encoding", "Space after chunk header (lenient)", Lenient, "BadChunk"),
    ("uri", "Fragment in URI", FRAGMENT, "BadHead"),
    ("uri", "Underscore in hostname", PROXY, "Connect"),
    ("uri", "`host:port` and basic auth", USER, "BadHost"),
];

/// Our reading of a case: its requests, and the refusal that ends them.
fn ours(case: &Case) -> (Vec<Message>, Option<String>) {
    let (mut parser, mut messages, mut input) =
        (RequestParser::new(Limits::for_requests()), Vec::new(), &case.input[..]);
    loop {
        match parser.next(&mut input) {
            Ok(RequestEvent::Head(head)) => messages.push(message_of(&head)),
            Ok(RequestEvent::Data(data)) => last(&mut messages).body.extend_from_slice(data),
            Ok(RequestEvent::End) => {
                last(&mut messages).keeps_alive = Some(parser.keeps_alive());
                if !parser.keeps_alive() && !input.trim_ascii().is_empty() {
                    return (messages, Some(AFTER_CLOSE.to_owned()));
                }
            }
            Ok(RequestEvent::NeedMore) => {
                // Our parser reports an error in a head only when the head is complete.
                let is_in_head = messages.last().is_none_or(|message| message.keeps_alive.is_some());
                let error = match is_in_head && !parser.is_between_requests() {
                    true => parser.next(&mut &b"\r\n\r\n"[..]).err(),
                    false => None,
                };
                return (messages, error.map(|error| format!("{error:?}")));
            }
            Err(refusal) => return (messages, Some(format!("{refusal:?}"))),
        }
    }
}

/// Bytes after a request that ended its connection: llhttp's error for them. A server of ours drops them.
const AFTER_CLOSE: &str = "Data after `Connection: close`";

fn last(messages: &mut [Message]) -> &mut Message {
    messages.last_mut().expect("a head comes first")
}

fn message_of(head: &RequestHead) -> Message {
    let headers = head.headers().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
    Message {
        method: head.method().into(),
        target: head.target().into(),
        version: if head.version() == Version::Http11 { *b"1.1" } else { *b"1.0" }.into(),
        headers: headers.filter(|(name, _)| name != HOST).collect(),
        body: Vec::new(),
        keeps_alive: None,
    }
}

/// Whether both readings are equal: every request with its head, its body, whether it is complete and whether the
/// connection goes on; and whether something is wrong.
fn agree(case: &Case) -> bool {
    let (messages, error) = ours(case);
    messages == case.messages && error.is_some() == case.error.is_some()
}

#[test]
fn every_case_ends_as_in_llhttp_or_is_listed_with_a_reason() {
    let (mut agreed, mut seen, mut wrong) = (0, [0; 4], Vec::new());
    for case in cases() {
        let listed = DIFFERENT.iter().find(|(file, title, ..)| (*file, *title) == (case.file, &case.title));
        match (agree(&case), listed) {
            (true, None) if !case.is_lenient => agreed += 1,
            // A lenient mode that takes this as the strict one does.
            (true, None) => seen[3] += 1,
            (false, Some((.., why, refusal))) => {
                let told = ours(&case).1.unwrap_or_default();
                if !told.starts_with(refusal) || case.is_lenient != (*why == Lenient) {
                    wrong.push(format!("{case:?}\nis listed with another end or kind: {told}"));
                }
                seen[match why {
                    Stricter(_) => 0,
                    Laxer(_) | Other(_) => 1,
                    Lenient => 2,
                }] += 1;
            }
            (agrees, listed) => {
                wrong.push(format!("{case:?}\nagrees: {agrees}, listed: {listed:?}, ours: {:?}", ours(&case)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n\n"));
    assert_eq!((agreed, seen), (109, [25, 3, 27, 2]), "of 166");
    assert_eq!(DIFFERENT.len(), seen[..3].iter().sum::<usize>(), "no case is listed that is not there");
}

#[test]
fn a_difference_would_be_noticed() {
    // A comparison that sees nothing would pass everything. So change what each case expects: none may agree any more.
    let mut changed_cases = 0;
    for case in cases() {
        if case.messages.is_empty() || !agree(&case) {
            continue;
        }
        let changes: [fn(&mut Message); 6] = [
            |message| message.method.push(b'x'),
            |message| message.target.push(b'x'),
            |message| message.version.push(b'x'),
            |message| message.headers.push((b"x".to_vec(), b"y".to_vec())),
            |message| message.body.push(b'x'),
            |message| message.keeps_alive = if message.keeps_alive == Some(true) { None } else { Some(true) },
        ];
        for change in changes {
            let mut changed = case.clone();
            change(&mut changed.messages[0]);
            assert!(!agree(&changed), "not noticed: {:?}", changed.messages[0]);
        }
        let mut changed = case.clone();
        changed.error = if case.error.is_some() { None } else { Some("x".to_owned()) };
        assert!(!agree(&changed));
        changed_cases += 1;
    }
    assert!(changed_cases > 50, "{changed_cases}");
}
