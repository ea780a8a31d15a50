//! The form of an answer: cutting one to a bound, and making one that says what went wrong.
//!
//! An answer is never parsed and printed again: that would change numbers, escapes and order. The text is cut with a
//! knife: the parser only tells where each place begins and ends. That takes time in proportion to the text, and no
//! memory but for what is kept of it.

use super::json::{self, JsonError};
use super::style::Json;
use std::fmt;

/// The longest status of a service's that an answer of ours repeats, in bytes.
const MAX_STATUS: usize = 64;

/// The most characters of a service's message that an answer of ours repeats.
const MAX_MESSAGE: usize = 2000;

/// Why a text is no answer of a Places service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// It is not JSON.
    NotJson(String),
    /// It is JSON, lists in lists, deeper than anybody should have to read.
    TooDeep,
    /// It is JSON without a list of `results` or without a `status`.
    NotAnAnswer,
    /// It has one of these more than once, so that readers may differ about what it says.
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

/// At most `bound` results of an answer, and every other byte as it was; but each run of newlines made one, and none
/// at the end, as the protocol wants it. (Inside of a JSON string there are no newlines.)
///
/// # Errors
/// If the text is not the answer of a Places service.
pub fn cut(answer: &[u8], bound: usize) -> Result<Vec<u8>, AnswerError> {
    let mut cut = Vec::new();
    cut_into(&mut cut, answer, bound)?;
    Ok(cut)
}

/// As [`cut`], appended to `reply`, which stays as it is if there is an error.
///
/// # Errors
/// As [`cut`].
pub fn cut_into(reply: &mut Vec<u8>, answer: &[u8], bound: usize) -> Result<(), AnswerError> {
    let text = json::text(answer)?;
    let (results, ..) = parts(text)?;
    // Just behind the bracket if there are to be none, else behind the last that stays.
    let (mut count, mut from, mut to) = (0, offset(text, results) + 1, 0);
    json::each(results, |result| {
        count += 1;
        to = end(text, result);
        if count <= bound {
            from = to;
        }
    })?;
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

/// Appends `part` to what stands in `reply` from `start` on, without newlines that follow a newline. One may be
/// written as `\r\n`.
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

/// The texts of an answer's results, of its status, and of its message.
fn parts(text: &str) -> Result<(&str, &str, Option<&str>), AnswerError> {
    let [results, status, message] = json::pick(text, ["results", "status", "error_message"])?;
    let (results, status) = (results.filter(|it| it.starts_with('[')), status.filter(|it| it.starts_with('"')));
    let (results, status) = results.zip(status).ok_or(AnswerError::NotAnAnswer)?;
    Ok((results, status, message))
}

/// Where `part`, a piece of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

fn end(text: &str, part: &str) -> usize {
    offset(text, part) + part.len()
}

/// What an answer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerStatus {
    /// `status`, such as `OK`.
    pub status: String,
    /// `error_message`, if there is one.
    pub message: Option<String>,
}

impl AnswerStatus {
    /// Whether the service did what it was asked, whatever it found.
    pub fn is_success(&self) -> bool {
        matches!(&*self.status, "OK" | "ZERO_RESULTS")
    }
}

/// What an answer says of itself.
///
/// # Errors
/// If the text is not the answer of a Places service.
pub fn read_status(answer: &[u8]) -> Result<AnswerStatus, AnswerError> {
    let (_, status, message) = parts(json::text(answer)?)?;
    let status = json::string(status).ok_or(AnswerError::NotAnAnswer)?;
    Ok(AnswerStatus { status, message: message.and_then(json::string) })
}

/// An answer without results that says what went wrong, in Google's form.
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
