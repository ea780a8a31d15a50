//! Reads the requests of llhttp's suite.
//!
//! Many of its requests in HTTP/1.1 have no `Host`, which RFC 9112 demands. To compare more than that, one is put into
//! each head that lacks it, and taken out of what our parser reads.

use crate::llhttp_markdown::{RawCase, in_markdown, number, span, value};

/// All files of it.
const FILES: [(&str, &str); 13] = [
    ("connection", include_str!("../llhttp_suite/request/connection.md")),
    ("content-length", include_str!("../llhttp_suite/request/content-length.md")),
    ("finish", include_str!("../llhttp_suite/request/finish.md")),
    ("invalid", include_str!("../llhttp_suite/request/invalid.md")),
    ("lenient-header-value-relaxed", include_str!("../llhttp_suite/request/lenient-header-value-relaxed.md")),
    ("lenient-headers", include_str!("../llhttp_suite/request/lenient-headers.md")),
    ("lenient-version", include_str!("../llhttp_suite/request/lenient-version.md")),
    ("method", include_str!("../llhttp_suite/request/method.md")),
    ("pausing", include_str!("../llhttp_suite/request/pausing.md")),
    ("pipelining", include_str!("../llhttp_suite/request/pipelining.md")),
    ("sample", include_str!("../llhttp_suite/request/sample.md")),
    ("transfer-encoding", include_str!("../llhttp_suite/request/transfer-encoding.md")),
    ("uri", include_str!("../llhttp_suite/request/uri.md")),
];

/// The name of the header that is put in; no case spells it like this.
pub(crate) const HOST: &[u8] = b"hOsT";

/// A case: the input, with hosts, and llhttp's reading of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) file: &'static str,
    pub(crate) title: String,
    pub(crate) is_lenient: bool,
    pub(crate) input: Vec<u8>,
    /// The requests with complete heads.
    pub(crate) messages: Vec<Message>,
    pub(crate) error: Option<String>,
}

/// A request with at least its head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether its connection goes on, if it is complete.
    pub(crate) keeps_alive: Option<bool>,
}

pub(crate) fn cases() -> Vec<Case> {
    let in_file =
        |(file, text): (&'static str, &'static str)| in_markdown(text).into_iter().map(move |raw| case(file, &raw));
    FILES.into_iter().flat_map(in_file).collect()
}

fn case(file: &'static str, raw: &RawCase<'_>) -> Case {
    let kind = raw.meta["type"].as_str().expect("a case has a type");
    assert!(kind == "request" || kind == "request-finish" || kind.starts_with("request-lenient"), "{kind}");
    let mut case = Case {
        file,
        title: raw.title.clone(),
        is_lenient: kind.starts_with("request-lenient"),
        input: Vec::new(),
        messages: Vec::new(),
        error: None,
    };
    let (mut begun, mut keeps_alive, mut insertions) = (Message::default(), false, Vec::new());
    let mut first_line = None;
    for line in &raw.log {
        if line.contains(" error code=") {
            // The codes from 21 on are pauses, which the case asks for, and the end of HTTP at an upgrade.
            let code = number(line, "code").expect("an error has a code");
            case.error = (code < 21).then(|| line.split("reason=").nth(1).unwrap_or("").to_owned());
        } else if line.ends_with(" message begin") {
            insertions.extend(insertion(&raw.input, first_line.take(), &begun));
            begun = Message::default();
        } else if line.contains("headers complete") {
            insertions.extend(insertion(&raw.input, first_line.take(), &begun));
            keeps_alive = would_keep_alive(line, &begun);
            for (_, value) in &mut begun.headers {
                *value = value.trim_ascii().to_vec(); // llhttp keeps blanks at the end; they are not part of it.
            }
            case.messages.push(begun.clone());
        } else if line.ends_with(" message complete") {
            case.messages.last_mut().expect("a head comes first").keeps_alive = Some(keeps_alive);
        } else if line.ends_with(" version complete") {
            first_line = number(line, "off");
        } else if let (Some(off), Some(len), Some(span)) = (number(line, "off"), number(line, "len"), span(line)) {
            let bytes = &raw.input[off..off + len];
            match span {
                "method" => begun.method.extend_from_slice(bytes),
                "url" => begun.target.extend_from_slice(bytes),
                "version" => begun.version.extend_from_slice(bytes),
                "header_field" => begun.headers.push((bytes.to_vec(), Vec::new())),
                "header_value" => begun.headers.last_mut().expect("a name comes first").1.extend_from_slice(bytes),
                "body" => case.messages.last_mut().expect("a head comes first").body.extend_from_slice(bytes),
                "protocol" | "chunk_extension_name" | "chunk_extension_value" => {}
                other => panic!("a span that is not known: {other}"),
            }
        } else {
            let known = [" complete", " reset", " pause", " skip body"].iter().any(|end| line.ends_with(end));
            let is_known = known || line.contains(" chunk header len=") || line.contains(" finish=");
            assert!(is_known, "a line that is not known: {line}");
        }
    }
    insertions.extend(insertion(&raw.input, first_line.take(), &begun));
    let mut at = 0;
    for (place, host) in insertions {
        case.input.extend_from_slice(&raw.input[at..place]);
        case.input.extend([HOST, b": ", &host, b"\r\n"].concat());
        at = place;
    }
    case.input.extend_from_slice(&raw.input[at..]);
    case
}

/// Where a host belongs into the head whose request line ends with the version at `version`, and which: that of the
/// target, if it has one.
fn insertion(input: &[u8], version: Option<usize>, message: &Message) -> Option<(usize, Vec<u8>)> {
    let has_host = message.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(HOST));
    // "version complete" stands before the CR LF.
    let after = version? + 2;
    let is_whole = input[..after.min(input.len())].ends_with(b"\r\n");
    let authority = message
        .target
        .strip_prefix(b"http://")
        .map(|rest| rest.iter().copied().take_while(|byte| !matches!(byte, b'/' | b'?')).collect::<Vec<u8>>());
    let host = authority.unwrap_or_else(|| b"put-in".to_vec());
    (!has_host && message.version == b"1.1" && is_whole).then_some((after, host))
}

/// llhttp's rule, from the flags in its log.
fn would_keep_alive(line: &str, message: &Message) -> bool {
    let flags = u32::from_str_radix(value(line, "flags").expect("flags"), 16).expect("flags are hexadecimal");
    let (keep_alive, close) = (flags & 1 != 0, flags & 2 != 0);
    if message.version == b"1.1" { !close } else { keep_alive }
}
