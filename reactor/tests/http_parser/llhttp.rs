//! llhttp's own response suite through our parser. Each of the 85 cases ends as in llhttp, or is listed below with the
//! reason why not. `../llhttp_suite/README.md` says where the suite comes from.

use crate::llhttp_cases::{Case, Message, cases};
use reactor::http::{Head, HttpError, Limits, ResponseEvent, ResponseParser, Version};

/// Why a case ends differently here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhyDifferent {
    /// We refuse what llhttp takes.
    Stricter(&'static str),
    /// The case is of one of llhttp's lenient modes, and we have none.
    Lenient,
}

use WhyDifferent::{Lenient, Stricter};

const BEFORE: WhyDifferent =
    Stricter("nothing may stand before a status line: it may be what is left of another response");
const OTHER: WhyDifferent = Stricter("it is not HTTP/1");
const CODING: WhyDifferent = Stricter("a coding that is not taken off again would be handed on as the body");
const UPGRADE: WhyDifferent = Stricter("another protocol was not asked for");

/// The cases that end differently: file, title, why, and our error.
const DIFFERENT: [(&str, &str, WhyDifferent, &str); 20] = [
    ("connection", "HTTP/1.1 with keep-alive disabled, content-length (lenient)", Lenient, AFTER_CLOSE),
    ("connection", "HTTP/1.1 with keep-alive disabled and 204 status (lenient)", Lenient, AFTER_CLOSE),
    ("connection", "HTTP 101 response with Upgrade and Content-Length header", UPGRADE, "UnexpectedUpgrade"),
    ("connection", "HTTP 101 response with Upgrade and Transfer-Encoding header", UPGRADE, "UnexpectedUpgrade"),
    ("connection", "HTTP 304 with Content-Length", BEFORE, "BadHead"),
    ("connection", "HTTP 100 first, then 400", BEFORE, "BadHead"),
    ("invalid", "Bare CR after response line (lenient)", Lenient, "BadHead"),
    ("invalid", "Only LFs present and no body (lenient)", Lenient, "BadHead"),
    ("invalid", "Only LFs present (lenient)", Lenient, "BadHead"),
    ("lenient-version", "Invalid HTTP version (lenient)", Lenient, "BadHead"),
    ("pipelining", "Should parse multiple events", BEFORE, "BadHead"),
    ("sample", "RTSP response", OTHER, "BadHead"),
    ("sample", "ICE response", OTHER, "BadHead"),
    ("sample", "HTTP version 0.9", OTHER, "BadHead"),
    ("sample", "No carriage ret (lenient)", Lenient, "BadHead"),
    ("sample", "Response starting with CRLF", BEFORE, "BadHead"),
    ("transfer-encoding", "`chunked` before other transfer-encoding", CODING, "UnknownTransferCoding"),
    (
        "transfer-encoding",
        "multiple transfer-encoding where chunked is not the last one",
        CODING,
        "UnknownTransferCoding",
    ),
    (
        "transfer-encoding",
        "`chunkedchunked` transfer-encoding does not enable chunked enconding",
        CODING,
        "UnknownTransferCoding",
    ),
    ("transfer-encoding", "Invalid OBS fold after chunked value", Lenient, "BadHead"),
];

/// Bytes after a response that ended its connection: llhttp's error for them, and what a client of ours would say.
const AFTER_CLOSE: &str = "Data after `Connection: close`";

/// Our reading of a case: its responses, and the error that ends them.
fn ours(case: &Case) -> (Vec<Message>, Option<String>) {
    let (mut messages, mut input) = (Vec::new(), &case.input[..]);
    loop {
        let parser = ResponseParser::new(Limits::default()).for_method(if case.skip_body { "HEAD" } else { "GET" });
        let (message, error) = one(parser, &mut input);
        let goes_on = message.as_ref().is_some_and(|message| message.keeps_alive == Some(true));
        let is_complete = message.as_ref().is_some_and(|message| message.keeps_alive.is_some());
        messages.extend(message);
        match error {
            Some(error) => return (messages, Some(format!("{error:?}"))),
            None if input.is_empty() => return (messages, None),
            None if is_complete && !goes_on => return (messages, Some(AFTER_CLOSE.to_owned())),
            None => {}
        }
    }
}

/// One response, as far as it goes.
fn one(mut parser: ResponseParser, input: &mut &[u8]) -> (Option<Message>, Option<HttpError>) {
    let mut message: Option<Message> = None;
    loop {
        match parser.next(input) {
            Ok(ResponseEvent::Head(head)) => message = Some(head_of(&head)),
            Ok(ResponseEvent::Data(data)) => message.as_mut().expect("a head comes first").body.extend_from_slice(data),
            Ok(ResponseEvent::End) => {
                let mut message = message.expect("a head comes first");
                message.keeps_alive = Some(parser.keeps_alive());
                return (Some(message), None);
            }
            Ok(ResponseEvent::NeedMore) => {
                // Our parser reports an error in a head only when the head is complete.
                let error = match message {
                    None => parser.next(&mut &b"\r\n\r\n"[..]).err(),
                    Some(_) => None,
                };
                return (message, error);
            }
            Err(error) => return (message, Some(error)),
        }
    }
}

fn head_of(head: &Head) -> Message {
    Message {
        status: head.status,
        version: if head.version == Version::Http11 { "1.1" } else { "1.0" }.to_owned(),
        reason: head.reason().as_bytes().to_vec(),
        headers: head.headers().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect(),
        body: Vec::new(),
        keeps_alive: None,
    }
}

/// Whether both readings are equal: every response with its head, its body, whether it is complete and whether the
/// connection goes on; and whether something is wrong.
fn agree(case: &Case) -> bool {
    let (messages, error) = ours(case);
    messages == case.messages && error.is_some() == case.error.is_some()
}

#[test]
fn every_case_ends_as_in_llhttp_or_is_listed_with_a_reason() {
    let (mut agreed, mut stricter, mut lenient, mut wrong) = (0, 0, 0, Vec::new());
    for case in cases() {
        let listed = DIFFERENT.iter().find(|(file, title, ..)| (*file, *title) == (case.file, &case.title));
        match (agree(&case), listed) {
            (true, None) if !case.is_lenient => agreed += 1,
            (false, Some((.., why, error))) => {
                let told = ours(&case).1.unwrap_or_default();
                if !told.starts_with(error) || case.is_lenient != (*why == Lenient) {
                    wrong.push(format!("{case:?}\nis listed with another end or kind: {told}"));
                }
                match why {
                    Stricter(_) => stricter += 1,
                    Lenient => lenient += 1,
                }
            }
            (agrees, listed) => {
                wrong.push(format!("{case:?}\nagrees: {agrees}, listed: {listed:?}, ours: {:?}", ours(&case)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n\n"));
    assert_eq!((agreed, stricter, lenient), (65, 12, 8), "of 85");
    assert_eq!(DIFFERENT.len(), stricter + lenient, "no case is listed that is not there");
}

#[test]
fn a_response_without_a_length_may_end_with_its_connection() {
    // llhttp's own case of it ("It should be safe to finish ...") says so by the number 1.
    let case = cases().into_iter().find(|case| case.file == "finish").expect("it is there");
    let mut parser = ResponseParser::new(Limits::default());
    assert_eq!(one_left(&mut parser, &case.input), 0);
    assert!(case.finish == Some(1) && parser.is_delimited_by_close() && parser.finish().is_ok());
}

fn one_left(parser: &mut ResponseParser, mut input: &[u8]) -> usize {
    while !matches!(parser.next(&mut input).expect("it is sound"), ResponseEvent::NeedMore | ResponseEvent::End) {}
    input.len()
}

#[test]
fn a_difference_would_be_noticed() {
    // A comparison that sees nothing would pass everything. So change what each case expects: none may agree any more.
    for case in cases() {
        let Some(first) = case.messages.first().cloned() else { continue };
        if !agree(&case) {
            continue;
        }
        let changes: [fn(&mut Message); 6] = [
            |message| message.status += 1,
            |message| message.version.push('0'),
            |message| message.reason.push(b'x'),
            |message| message.headers.push((b"x".to_vec(), b"y".to_vec())),
            |message| message.body.push(b'x'),
            |message| message.keeps_alive = if message.keeps_alive == Some(true) { None } else { Some(true) },
        ];
        for change in changes {
            let mut changed = case.clone();
            change(&mut changed.messages[0]);
            assert!(!agree(&changed), "not noticed: {first:?} is not {:?}", changed.messages[0]);
        }
        let mut changed = case.clone();
        changed.error = if case.error.is_some() { None } else { Some("x".to_owned()) };
        assert!(!agree(&changed));
    }
}
