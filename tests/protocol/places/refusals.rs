//! What a client gets when the service refuses, answers in another form, or sends something that is not an answer.

use super::{Asking, KEY, response};
use crate::harness::Harness;
use proxyherd::config::PlacesConfig;

fn error_form(status: &str, message: &str) -> String {
    format!(
        "{{\n   \"error_message\" : \"{message}\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \
         \"status\" : \"{status}\"\n}}"
    )
}

fn typed(status: &str, media_type: &str, body: &str) -> String {
    response(status, body).replacen("\r\n", &format!("\r\nContent-Type: {media_type}\r\n"), 1)
}

#[test]
fn an_answer_in_the_right_form_is_passed_on_whatever_its_http_status() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let denied =
        "{\n   \"error_message\" : \"\\u003cno\",\n   \"results\" : [],\n   \"status\" : \"REQUEST_DENIED\"\n}";
    for status in ["200 OK", "400 Bad Request", "403 Forbidden", "500 Internal Server Error"] {
        asking.ask(5).send(response(status, denied));
        assert_eq!(asking.json(), denied);
    }
    for media_type in ["text/html", "application/octet-stream", ""] {
        asking.ask(5).send(typed("200 OK", media_type, "{\"results\":[],\"status\":\"OK\"}"));
        assert_eq!(asking.json(), "{\"results\":[],\"status\":\"OK\"}");
    }
}

#[test]
fn a_refusal_in_another_form_is_translated_into_the_right_one() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let rpc = "[{\"error\":{\"code\":403,\"message\":\"off\",\"status\":\"PERMISSION_DENIED\"}}]";
    for (http, body, status, message) in [
        ("200 OK", "{\"status\":\"OVER_QUERY_LIMIT\",\"error_message\":\"slow\"}", "OVER_QUERY_LIMIT", "slow"),
        ("503 Service Unavailable", "{\"status\":\"odd one\",\"error_message\":\"x\"}", "UNKNOWN_ERROR", "x"),
        ("403 Forbidden", rpc, "REQUEST_DENIED", "off"),
        ("200 OK", &rpc[1..rpc.len() - 1], "REQUEST_DENIED", "off"),
        ("429 Too Many Requests", "<html>", "OVER_QUERY_LIMIT", "the Places service answered 429 Too Many Requests"),
        ("401 Who", "", "UNKNOWN_ERROR", "the Places service answered 401 Unauthorized"),
        ("403 No", "<html>", "UNKNOWN_ERROR", "the Places service answered 403 Forbidden"),
        ("403 No", "{\"status\":\"OK\"}", "UNKNOWN_ERROR", "the Places service answered 403 Forbidden"),
        ("403 No", "{\"results\":[],\"status\":\"OK\"}", "UNKNOWN_ERROR", "the Places service answered 403 Forbidden"),
    ] {
        asking.ask(5).send(response(http, body));
        assert_eq!(asking.json(), error_form(status, message), "{http}: {body}");
    }
}

#[test]
fn a_reply_that_is_no_answer_becomes_an_unknown_error_that_says_what_came() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let deep = format!("{{\"status\":\"OK\",\"results\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!("{{\"status\":\"OK\",\"results\":[\"{}\"]}}", "x".repeat(2_000_000));
    for (answer, what) in [
        (response("200 OK", ""), "it is empty"),
        (typed("200 OK", "text/html; charset=x", "<html>"), "(its type is text/html)"),
        (typed("200 OK", "application/json", "nope"), "not JSON: expected"),
        (response("200 OK", &deep), "nested too deeply"),
        (response("200 OK", &huge), "larger than we allow"),
        (response("200 OK", "{\"results\":[1],\"results\":[2],\"status\":\"OK\"}"), "results more than once"),
        (response("200 OK", "\u{feff}{\"results\":[],\"status\":\"OK\"}"), "not JSON"),
        (response("200 OK", "{\"results\":[],\"status\":\"OK\"}{}"), "not JSON"),
        (response("200 OK", "{\"results\":[],\"status\":null}"), "no results and status"),
        (response("404 Not Found", "{}"), "404 Not Found"),
        (response("500 Oh No", "{\"results\":[],\"status\":\"OK\"}"), "500 Internal Server Error"),
        (response("599 Odd", "<html>"), "answered 599"),
        (response("204 No Content", "").replace("Content-Length: 0\r\n", ""), "answered 204"),
    ] {
        let mut google = asking.ask(5);
        google.send(&answer);
        google.half_close();
        asking.expect_error(what);
        // The server goes on serving.
        assert!(harness.connect(asking.server).ask("IAMAT plum +1+2 0").starts_with("AT Alford"));
    }
}

#[test]
fn a_redirect_is_not_followed_and_does_not_get_the_key() {
    let harness = Harness::new();
    let elsewhere = harness.listen();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let target = format!("http://{}/?key={KEY}", elsewhere.address());
    for status in ["301 x", "302 x", "307 x", "308 x"] {
        let answer = response(status, KEY).replacen("\r\n", &format!("\r\nLocation: {target}\r\n"), 1);
        asking.ask(5).send(answer);
        asking.expect_error("redirects are not followed");
        assert!(elsewhere.try_accept().is_none());
    }
}

#[test]
fn the_key_is_masked_in_whatever_spelling_the_service_repeats_it() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    for form in ["AIza&Secret+Key", "AIza%26Secret%2bKey", "AIza\\u0026Secret\\u002BKey", "AIza&amp;Secret&#43;Key"] {
        let body = format!("{{\"results\":[\"{form}\"],\"status\":\"OK\"}}");
        asking.ask(5).send(response("200 OK", &body));
        assert_eq!(asking.json(), body.replace(form, "***"));
        let error = format!("{{\"error\":{{\"message\":\"bad {form}!\",\"status\":\"INVALID_ARGUMENT\"}}}}");
        asking.ask(5).send(response(&format!("400 {form}"), &error));
        assert_eq!(asking.json(), error_form("INVALID_REQUEST", "bad ***!"));
        asking.ask(5).send(typed("200 OK", form, "<html>"));
        asking.expect_error("(its type is ***)");
        asking.ask(5).send(format!("HTTP/1.1 200 OK\r\nContent-Encoding: {form}\r\nContent-Length: 1\r\n\r\nx"));
        asking.expect_error("");
        asking.ask(5).send(format!("{form}\r\n\r\n"));
        asking.expect_error("");
    }
}
