//! The ways in which Google's services say no, each translated into an answer in the Nearby Search's form.
//!
//! Next: `plain_words.rs`, what an operator reads about it.

use super::answer::{error_answer, read_status};
use super::json;
use super::service::{ServiceError, ServiceReply};
use reactor::Failure;

/// The result of a reply with an HTTP status other than 200: the service's own words in the form of an answer if it has
/// any, else a failure with the status.
pub(super) fn read(reply: ServiceReply) -> Result<Vec<u8>, Failure> {
    if read_status(&reply.body).is_ok_and(|told| !told.is_success()) {
        return Ok(reply.body); // It has the right form already.
    }
    if let Some(answer) = in_other_words(&reply) {
        return Ok(answer);
    }
    of_status(reply.status)
}

/// The result of a reply that says nothing but its HTTP status. A 429 comes from something that counts questions, so it
/// is passed on as `OVER_QUERY_LIMIT`. A bare 401 or 403 may come from a proxy before the service, so it is not taken
/// for the service's own refusal.
pub(super) fn of_status(status: u16) -> Result<Vec<u8>, Failure> {
    let error = ServiceError::Status(status);
    match status {
        429 => Ok(error_answer("OVER_QUERY_LIMIT", &error.to_string())),
        _ => Err(Failure::new(error)),
    }
}

/// The status of the Nearby Search that means the same as an HTTP status, if there is one.
fn counterpart(http_status: u16) -> Option<&'static str> {
    match http_status {
        401 | 403 => Some("REQUEST_DENIED"),
        429 => Some("OVER_QUERY_LIMIT"),
        _ => None,
    }
}

/// The answer that says the same as this reply, if the reply says no in one of the other forms that Google uses.
pub(super) fn in_other_words(reply: &ServiceReply) -> Option<Vec<u8>> {
    let text = json::text(&reply.body).ok()?.trim_ascii();
    let (status, message) = rpc_status(text, reply.status).or_else(|| bare_status(text))?;
    Some(error_answer(&status, &message))
}

/// The status and the message of a `google.rpc.Status`, as the Nearby Search would give them. It may stand alone or be
/// the first item of a list.
fn rpc_status(text: &str, http_status: u16) -> Option<(String, String)> {
    let mut first = None;
    let object = if text.starts_with('[') {
        json::each(text, |item| first = first.or(Some(item))).ok()?;
        first?
    } else {
        text
    };
    let error = json::pick(object, ["error"]).ok()?[0]?;
    let [code, status, message, details] = json::pick(error, ["code", "status", "message", "details"]).ok()?;
    let (status, message) = (status.and_then(json::string), message.and_then(json::string));
    if code.is_none() && status.is_none() && message.is_none() {
        return None; // It has a field named `error`, but is not Google's.
    }
    let status = status.unwrap_or_default();
    let code: u16 = code.and_then(|code| code.parse().ok()).unwrap_or(http_status);
    let is_about_key = details.is_some_and(is_about_key);
    let legacy = match (&*status, code) {
        _ if is_about_key => "REQUEST_DENIED",
        ("PERMISSION_DENIED" | "UNAUTHENTICATED", _) => "REQUEST_DENIED",
        ("RESOURCE_EXHAUSTED", _) | (_, 429) => "OVER_QUERY_LIMIT",
        ("INVALID_ARGUMENT", _) => "INVALID_REQUEST",
        _ => counterpart(code).or_else(|| counterpart(http_status)).unwrap_or("UNKNOWN_ERROR"),
    };
    let message = message.filter(|message| !message.is_empty());
    Some((legacy.to_owned(), message.unwrap_or_else(|| format!("the Places service answered {code} {status}"))))
}

/// Whether the details of an error blame the key, with one of the reasons of `google.api.ErrorReason`.
fn is_about_key(details: &str) -> bool {
    let mut found = false;
    let _ = json::each(details, |detail| {
        let reason = json::pick(detail, ["reason"]).ok().and_then(|[reason]| reason).and_then(json::string);
        found |= reason.is_some_and(|reason| reason.starts_with("API_KEY_"));
    });
    found
}

/// The status and the message of a Nearby Search answer that has no list of results.
fn bare_status(text: &str) -> Option<(String, String)> {
    let [status, message] = json::pick(text, ["status", "error_message"]).ok()?;
    let status = json::string(status?)?;
    let message = json::string(message?)?;
    (!matches!(&*status, "OK" | "ZERO_RESULTS")).then_some((status, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, http_status: u16, expected: &str, message: &str) {
        assert_eq!(rpc_status(text, http_status), Some((expected.to_owned(), message.to_owned())), "{text}");
    }

    fn error(status: &str) -> String {
        format!("{{ \"error\" : {{ \"code\" : 418, \"message\" : \"why \\u003c\", \"status\" : \"{status}\" }} }}")
    }

    #[test]
    fn each_status_of_the_new_api_becomes_one_of_the_old_api() {
        for (status, expected) in [
            ("PERMISSION_DENIED", "REQUEST_DENIED"),
            ("UNAUTHENTICATED", "REQUEST_DENIED"),
            ("RESOURCE_EXHAUSTED", "OVER_QUERY_LIMIT"),
            ("INVALID_ARGUMENT", "INVALID_REQUEST"),
            ("INTERNAL", "UNKNOWN_ERROR"),
            ("", "UNKNOWN_ERROR"),
        ] {
            check(&error(status), 418, expected, "why <");
            check(&format!(" [{}\n]", error(status)).trim_ascii().replace("[{", "[ {"), 418, expected, "why <");
        }
        check(&error("UNAVAILABLE"), 429, "OVER_QUERY_LIMIT", "why <");
        check(&error("UNAVAILABLE"), 403, "REQUEST_DENIED", "why <");
        check("{\"error\":{\"code\":401}}", 500, "REQUEST_DENIED", "the Places service answered 401 ");
        check("{\"error\":{\"code\":429}}", 200, "OVER_QUERY_LIMIT", "the Places service answered 429 ");
        let invalid = "{\"error\":{\"code\":400,\"message\":\"API key not valid.\",\"status\":\"INVALID_ARGUMENT\",\
                       \"details\":[{\"@type\":\"x\"},{\"reason\":\"API_KEY_INVALID\"}]}}";
        check(invalid, 400, "REQUEST_DENIED", "API key not valid.");
        check(&invalid.replace("API_KEY_INVALID", "OTHER"), 400, "INVALID_REQUEST", "API key not valid.");
    }

    #[test]
    fn a_text_that_is_not_googles_error_is_not_translated() {
        for text in ["", "{}", "[]", "[[]]", "{\"error\":\"x\"}", "{\"error\":{}}", "{\"error\":{\"x\":1}}", "<html>"] {
            assert_eq!(rpc_status(text, 500), None, "{text}");
        }
    }
}
