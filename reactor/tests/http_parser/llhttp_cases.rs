//! Reads llhttp's suite: Markdown with a response and the log of llhttp's events for each case.

use crate::llhttp_markdown::{in_markdown, number, span, value};
use serde_json::Value;

/// All files of it.
const FILES: [(&str, &str); 9] = [
    ("connection", include_str!("../llhttp_suite/connection.md")),
    ("content-length", include_str!("../llhttp_suite/content-length.md")),
    ("finish", include_str!("../llhttp_suite/finish.md")),
    ("invalid", include_str!("../llhttp_suite/invalid.md")),
    ("lenient-version", include_str!("../llhttp_suite/lenient-version.md")),
    ("pausing", include_str!("../llhttp_suite/pausing.md")),
    ("pipelining", include_str!("../llhttp_suite/pipelining.md")),
    ("sample", include_str!("../llhttp_suite/sample.md")),
    ("transfer-encoding", include_str!("../llhttp_suite/transfer-encoding.md")),
];

/// A case: the input, and llhttp's reading of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) file: &'static str,
    pub(crate) title: String,
    pub(crate) is_lenient: bool,
    /// It answers a request that asks for no body.
    pub(crate) skip_body: bool,
    pub(crate) input: Vec<u8>,
    /// The responses with complete heads, without interim ones.
    pub(crate) messages: Vec<Message>,
    pub(crate) error: Option<String>,
    pub(crate) finish: Option<u32>,
}

/// A response with at least its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) reason: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether its connection goes on, if it is complete.
    pub(crate) keeps_alive: Option<bool>,
}

pub(crate) fn cases() -> Vec<Case> {
    let cases: Vec<Case> = FILES.iter().flat_map(|(file, text)| cases_in(file, text)).collect();
    assert_eq!(cases.len(), 85);
    for (index, case) in cases.iter().enumerate() {
        let is_same = |other: &Case| (other.file, &other.title) == (case.file, &case.title);
        assert!(!cases[..index].iter().any(is_same), "two cases in {} are called {:?}", case.file, case.title);
    }
    cases
}

fn cases_in(file: &'static str, text: &str) -> Vec<Case> {
    in_markdown(text).into_iter().map(|raw| case(file, &raw.title, &raw.meta, raw.input, &raw.log)).collect()
}

fn case(file: &'static str, title: &str, meta: &Value, input: Vec<u8>, log: &[&str]) -> Case {
    let kind = meta["type"].as_str().expect("a case has a type");
    assert!(kind == "response" || kind == "response-finish" || kind.starts_with("response-lenient"), "{kind}");
    let mut case = Case {
        file,
        title: title.to_owned(),
        is_lenient: kind.starts_with("response-lenient"),
        skip_body: meta["skipBody"] == true,
        input,
        messages: Vec::new(),
        error: None,
        finish: None,
    };
    let (mut begun, mut keeps_alive) = (empty(), false);
    for line in log {
        if line.contains(" error code=") {
            case.error = line.split("reason=").nth(1).map(str::to_owned);
            // A pause for another protocol: the response is complete.
        } else if line.ends_with(" message begin") {
            begun = empty();
        } else if line.contains("headers complete") {
            begun.status = number(line, "status").and_then(|status| status.try_into().ok()).expect("a status");
            keeps_alive = would_keep_alive(line, &begun, case.skip_body);
            for (_, value) in &mut begun.headers {
                *value = value.trim_ascii().to_vec(); // llhttp keeps blanks at the end; they are not part of it.
            }
            case.messages.push(begun.clone());
        } else if line.ends_with(" message complete") {
            case.messages.last_mut().expect("a head comes first").keeps_alive = Some(keeps_alive);
        } else if let Some(finish) = number(line, "finish") {
            case.finish = Some(finish as u32);
        } else if let (Some(off), Some(len), Some(span)) = (number(line, "off"), number(line, "len"), span(line)) {
            let bytes = &case.input[off..off + len];
            match span {
                "version" => begun.version = String::from_utf8(bytes.to_vec()).expect("a version"),
                "status" => begun.reason.extend_from_slice(bytes),
                "header_field" => begun.headers.push((bytes.to_vec(), Vec::new())),
                "header_value" => begun.headers.last_mut().expect("a name comes first").1.extend_from_slice(bytes),
                "body" => case.messages.last_mut().expect("a head comes first").body.extend_from_slice(bytes),
                "protocol" | "chunk_extension_name" | "chunk_extension_value" => {}
                other => panic!("a span that is not known: {other}"),
            }
        } else {
            let known = [" complete", " reset", " pause", " skip body"].iter().any(|end| line.ends_with(end));
            assert!(known || line.contains(" chunk header len="), "a line that is not known: {line}");
        }
    }
    case.messages.retain(|message| message.status >= 200 || message.status == 101);
    case
}

fn empty() -> Message {
    Message {
        status: 0,
        version: String::new(),
        reason: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
        keeps_alive: None,
    }
}

/// llhttp's rule, from the flags in its log.
fn would_keep_alive(line: &str, message: &Message, skip_body: bool) -> bool {
    let flags = u32::from_str_radix(value(line, "flags").expect("flags"), 16).expect("flags are hexadecimal");
    let (keep_alive, close, chunked, length, coding) =
        (flags & 1 != 0, flags & 2 != 0, flags & 8 != 0, flags & 0x20 != 0, flags & 0x200 != 0);
    let has_end = match message.status {
        100..200 | 204 | 304 => true,
        _ if skip_body => true,
        _ if coding => chunked,
        _ => length,
    };
    let is_wanted = if message.version == "1.1" { !close } else { keep_alive };
    is_wanted && has_end
}
