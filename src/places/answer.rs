//! The form of an answer: how one is cut to a bound, and how one is made that says what went wrong.
//!
//! An answer is never parsed and printed again, because that would change numbers, escapes and the order of fields.
//! Instead the text itself is cut: the parser only finds where each place begins and ends. This takes time in
//! proportion to the length of the text, and memory only for the part that is kept.
//!
//! Next: `json.rs`, which finds those positions.

use super::json::{self, JsonError};
use super::style::Json;
use std::fmt;

/// The maximum length in bytes of a service's status that our own answer repeats.
const MAX_STATUS: usize = 64;

/// The maximum number of characters of a service's message that our own answer repeats.
const MAX_MESSAGE: usize = 2000;

/// Why a text is not the answer of a Places service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// It is not JSON.
    NotJson(String),
    /// It is JSON, but nested so deeply that a client might fail to read it.
    TooDeep,
    /// It is JSON, but has no list of `results` or no `status`.
    NotAnAnswer,
    /// It has this field more than once, and two readers might each take a different one.
    Repeated(&'static str),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::NotJson(why) => write!(f, "the Places service's answer is not JSON: {why}"),
            AnswerError::TooDeep => f.write_str("the Places service's answer is JSON nested too deeply"),
            AnswerError::NotAnAnswer => f.write_str("the Places service's answer has no results and status"),
            AnswerError::Repeated(name) => write!(f, "the Places service's answer has {name} more than once"),
        }
    }
}

impl std::error::Error for AnswerError {}

impl From<JsonError> for AnswerError {
    fn from(error: JsonError) -> AnswerError {
        match error {
            JsonError::Syntax(why) => AnswerError::NotJson(why),
            JsonError::TooDeep => AnswerError::TooDeep,
            JsonError::Shape => AnswerError::NotAnAnswer,
            JsonError::Repeated(name) => AnswerError::Repeated(name),
        }
    }
}

/// An answer with at most `bound` of its results. Every other byte stays as it was, with one exception: a run of
/// newlines becomes one newline, and none is left at the end, because an empty line ends a reply in the herd's
/// protocol. (A JSON string holds no newline, so this changes no value.)
///
/// # Errors
/// If the text is not the answer of a Places service.
pub fn cut(answer: &[u8], bound: usize) -> Result<Vec<u8>, AnswerError> {
    let mut cut = Vec::new();
    cut_into(&mut cut, answer, bound)?;
    Ok(cut)
}

/// Like [`cut`], but appends to `reply`, which stays as it is if there is an error.
///
/// # Errors
/// Like [`cut`].
pub fn cut_into(reply: &mut Vec<u8>, answer: &[u8], bound: usize) -> Result<(), AnswerError> {
    let text = json::text(answer)?;
    let (results, ..) = parts(text)?;
    // What goes is `from..to`: from the end of the last result that stays (or the opening bracket) to the end of the
    // last result. Commas and spaces between results go with the result after them.
    let (mut count, mut from, mut to) = (0, offset(text, results) + 1, 0);
    json::each(results, |result| {
        count += 1;
        to = end(text, result);
        if count <= bound {
            from = to;
        }
    })?;
    // Nothing is appended before this line: an error above must leave the reply untouched.
    let start = reply.len();
    if count > bound {
        reply.reserve(text.len() - (to - from) + 2);
        append(reply, start, &answer[..from]);
        append(reply, start, &answer[to..]);
    } else {
        reply.reserve(text.len() + 2);
        append(reply, start, answer);
    }
    while reply.len() > start && matches!(reply.last(), Some(b'\n' | b'\r')) {
        reply.pop();
    }
    Ok(())
}

/// Appends `part` to `reply`, leaving out each newline that follows a newline, be it `\n` or `\r\n`. The answer begins
/// at `start` in `reply`; it may already hold an earlier part, and the last newline of that counts.
fn append(reply: &mut Vec<u8>, start: usize, part: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', part) {
        reply.extend_from_slice(&part[from..at]);
        from = at + 1;
        let line = reply[start..].iter().rposition(|byte| *byte != b'\r').map_or(start, |last| start + last + 1);
        if line > start && reply[line - 1] == b'\n' {
            reply.truncate(line);
        } else {
            reply.push(b'\n');
        }
    }
    reply.extend_from_slice(&part[from..]);
}

/// The pieces of an answer's text that are its results, its status, and its message if it has one.
fn parts(text: &str) -> Result<(&str, &str, Option<&str>), AnswerError> {
    let [results, status, message] = json::pick(text, ["results", "status", "error_message"])?;
    let (results, status) = (results.filter(|it| it.starts_with('[')), status.filter(|it| it.starts_with('"')));
    let (results, status) = results.zip(status).ok_or(AnswerError::NotAnAnswer)?;
    Ok((results, status, message))
}

/// The position in `text` at which `part` begins. `part` must be a slice of `text`, as all that [`json`] returns is.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// The position in `text` at which `part` ends.
fn end(text: &str, part: &str) -> usize {
    offset(text, part) + part.len()
}

/// What an answer says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerStatus {
    /// `status`, such as `OK`.
    pub status: String,
    /// `error_message`, if there is one.
    pub message: Option<String>,
}

impl AnswerStatus {
    /// Whether the service did what it was asked, even if it found nothing.
    pub fn is_success(&self) -> bool {
        matches!(&*self.status, "OK" | "ZERO_RESULTS")
    }
}

/// Reads what an answer says about itself.
///
/// # Errors
/// If the text is not the answer of a Places service.
pub fn read_status(answer: &[u8]) -> Result<AnswerStatus, AnswerError> {
    let (_, status, message) = parts(json::text(answer)?)?;
    let status = json::string(status).ok_or(AnswerError::NotAnAnswer)?;
    Ok(AnswerStatus { status, message: message.and_then(json::string) })
}

/// An answer in Google's form that has no results and says what went wrong. A status that does not look like one of
/// Google's becomes `UNKNOWN_ERROR`; a long message is cut.
pub fn error_answer(status: &str, message: &str) -> Vec<u8> {
    let is_status = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let status = if status.len() <= MAX_STATUS && is_status(status) { status } else { "UNKNOWN_ERROR" };
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    let mut answer = Json::Fields(vec![
        ("error_message", Json::string(&message)),
        ("html_attributions", Json::List(Vec::new())),
        ("results", Json::List(Vec::new())),
        ("status", Json::string(status)),
    ])
    .print()
    .into_bytes();
    answer.pop(); // Its newline.
    answer
}

#[cfg(test)]
mod tests;
