//! The form of an answer: cutting one to a bound, and making one that says what went wrong.
//!
//! An answer is never parsed and printed again: that would change numbers, escapes and order. The text is cut with a
//! knife: the parser only tells where each place begins and ends.

use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Why a text is no answer of a Places service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// It is not JSON.
    NotJson(String),
    /// It is JSON without a list of `results` or without a `status`.
    NotAnAnswer,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::NotJson(why) => write!(f, "the Places service's answer is not JSON: {why}"),
            AnswerError::NotAnAnswer => f.write_str("the Places service's answer has no results and status"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// At most `bound` results of an answer, and every other byte as it was; but each run of newlines made one, and none
/// at the end, as the protocol wants it.
///
/// # Errors
/// If the text is not the answer of a Places service.
pub fn cut(answer: &[u8], bound: usize) -> Result<Vec<u8>, AnswerError> {
    let text = std::str::from_utf8(answer).map_err(|error| AnswerError::NotJson(error.to_string()))?;
    let bad = |error: serde_json::Error| AnswerError::NotJson(error.to_string());
    let fields: HashMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| match error.is_data() {
        true => AnswerError::NotAnAnswer,
        false => bad(error),
    })?;
    let status = fields.get("status").filter(|status| status.get().starts_with('"'));
    let results = fields.get("results").filter(|results| results.get().starts_with('['));
    let (Some(results), Some(_)) = (results, status) else { return Err(AnswerError::NotAnAnswer) };
    let list: Vec<&RawValue> = serde_json::from_str(results.get()).map_err(bad)?;

    let (from, to) = match list.last() {
        Some(last) if list.len() > bound => {
            let from = match bound {
                0 => offset(text, results.get()) + 1, // Just behind the bracket.
                _ => end(text, list[bound - 1].get()),
            };
            (from, end(text, last.get()))
        }
        _ => (text.len(), text.len()),
    };
    let kept = text[..from].bytes().chain(text[to..].bytes());
    let mut cut: Vec<u8> = Vec::with_capacity(text.len() - (to - from));
    for byte in kept {
        if byte != b'\n' || cut.last() != Some(&b'\n') {
            cut.push(byte);
        }
    }
    while cut.last() == Some(&b'\n') {
        cut.pop();
    }
    Ok(cut)
}

/// Where `part`, a piece of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

fn end(text: &str, part: &str) -> usize {
    offset(text, part) + part.len()
}

/// An answer without results that says what went wrong, in Google's form.
pub fn error_answer(status: &str, message: &str) -> Vec<u8> {
    format!(
        "{{\n   \"error_message\" : {},\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : {}\n}}",
        json_string(message),
        json_string(status)
    )
    .into_bytes()
}

/// A JSON string with its quotes, escaped as Google does it.
pub(super) fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '<' | '>' | '&' | '\'' | '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Google printed until about 2022.
    const OLD: &str = r#"{
   "html_attributions" : [],
   "next_page_token" : "CpQ",
   "results" : [
      {
         "name" : "\u003cOne\u003e",
         "x" : 34.05352670000001
      },
      {
         "name" : "Two",
         "types" : [ "a", "b" ]
      },
      {
         "name" : "Three ]}"
      }
   ],
   "status" : "OK"
}
"#;

    #[track_caller]
    fn check(answer: &str, bound: usize, expected: &str) {
        assert_eq!(String::from_utf8(cut(answer.as_bytes(), bound).unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_cut_changes_nothing_else() {
        let second = OLD.find(",\n      {\n         \"name\" : \"Two\"").unwrap();
        let third = OLD.find(",\n      {\n         \"name\" : \"Three").unwrap();
        let close = OLD.find("\n   ],\n   \"status\"").unwrap();
        let whole = OLD.trim_end();
        check(OLD, 3, whole);
        check(OLD, 20, whole);
        check(OLD, 2, &format!("{}{}", &OLD[..third], &whole[close..]));
        check(OLD, 1, &format!("{}{}", &OLD[..second], &whole[close..]));
        let bracket = OLD.find("\"results\" : [").unwrap() + "\"results\" : [".len();
        check(OLD, 0, &format!("{}{}", &OLD[..bracket], &whole[close..]));
    }

    #[test]
    fn the_new_style_of_printing_is_cut_as_well() {
        let new = "{\n   \"results\" : \n   [\n      {\n         \"a\" : 1\n      },\n      {\n         \"a\" : 2\n\
                   \x20     }\n   ],\n   \"status\" : \"OK\"\n}";
        check(new, 1, &new.replace(",\n      {\n         \"a\" : 2\n      }", ""));
    }

    #[test]
    fn runs_of_newlines_become_one_and_none_ends_it() {
        check(
            "{\n\n\n\"results\":[\n\n],\n\"status\":\"OK\"\n\n}\n\n\n",
            5,
            "{\n\"results\":[\n],\n\"status\":\"OK\"\n}",
        );
    }

    #[test]
    fn odd_answers_are_cut_where_they_can_be() {
        check("{\"results\":[],\"status\":\"ZERO_RESULTS\"}", 0, "{\"results\":[],\"status\":\"ZERO_RESULTS\"}");
        check("{\"status\":\"OK\",\"results\":[1,[2,3],\"]\"]}", 2, "{\"status\":\"OK\",\"results\":[1,[2,3]]}");
        check("{\"r\\u0065sults\":[1,2],\"status\":\"OK\"}", 1, "{\"r\\u0065sults\":[1],\"status\":\"OK\"}");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["", "<html>", "{\"results\":[1,2", "{\"results\":[],\"status\":\"OK\"} x", "\u{feff}{}"] {
            assert!(matches!(cut(text.as_bytes(), 1), Err(AnswerError::NotJson(_))), "{text}");
        }
        assert!(matches!(cut(b"{\"results\":[\"\xff\"],\"status\":\"OK\"}", 1), Err(AnswerError::NotJson(_))));
        for text in ["{}", "[]", "3", "{\"results\":[]}", "{\"status\":\"OK\"}", "{\"results\":{},\"status\":\"OK\"}"] {
            assert_eq!(cut(text.as_bytes(), 1), Err(AnswerError::NotAnAnswer), "{text}");
        }
        let deep = format!("{{\"status\":\"OK\",\"results\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(cut(deep.as_bytes(), 0).is_ok() || cut(deep.as_bytes(), 0).is_err(), "no stack overflow");
    }

    #[test]
    fn error_answers_have_the_same_form() {
        let answer = error_answer("UNKNOWN_ERROR", "it's \"broken\" <b>\n");
        let text = String::from_utf8(cut(&answer, 5).unwrap()).unwrap();
        assert!(text.contains(r#""error_message" : "it\u0027s \"broken\" \u003cb\u003e\n","#), "{text}");
        assert_eq!(text.as_bytes(), answer);
    }
}
