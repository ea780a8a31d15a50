//! WHATSAT with the other providers' protocols, and with what stands before every provider: equal questions share a
//! request, and there are limits.

use super::{Asking, KEY, assert_no_key, response};
use crate::harness::{Connection, Harness};
use proxyherd::config::{ExtraField, PlacesConfig, Provider};
use std::time::Duration;

const NOTHING: &str = "{\"results\":[],\"status\":\"ZERO_RESULTS\"}";

fn google_new() -> PlacesConfig {
    PlacesConfig { provider: Some(Provider::GoogleNew), ..PlacesConfig::default() }
}

fn overpass() -> PlacesConfig {
    PlacesConfig { provider: Some(Provider::Overpass), ..PlacesConfig::default() }
}

/// The next request: its first line, its headers with names in lower case, its body, and the connection.
#[track_caller]
fn request<'s>(asking: &Asking<'s>) -> (String, Vec<(String, String)>, String, Connection<'s>) {
    let (lines, mut connection) = asking.request();
    let header = |line: &String| {
        let (name, value) = line.trim_end().split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers: Vec<(String, String)> = lines.iter().skip(1).filter_map(header).collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let body = String::from_utf8(connection.bytes(length)).unwrap();
    (lines[0].trim_end().to_owned(), headers, body, connection)
}

#[track_caller]
fn value<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    let mut values = headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let value = values.next().unwrap_or_else(|| panic!("no {name} in {headers:?}"));
    assert_eq!(values.next(), None, "{name} twice");
    value
}

#[test]
fn google_new_is_asked_for_places_with_a_mask_and_the_key_in_a_header() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, google_new());
    asking.client.send("WHATSAT kiwi 10 5\n");
    let (line, headers, body, mut google) = request(&asking);
    assert_eq!(line, "POST /v1/places:searchNearby HTTP/1.1");
    assert_eq!(value(&headers, "x-goog-api-key"), KEY);
    assert_eq!(value(&headers, "content-type"), "application/json");
    assert_eq!(value(&headers, "host"), asking.google.address().to_string());
    assert!(value(&headers, "user-agent").starts_with("proxyherd/"));
    let mask = value(&headers, "x-goog-fieldmask");
    assert!(mask.split(',').all(|field| field.starts_with("places.") && !field.contains(' ')), "{mask}");
    assert!(mask.contains("places.displayName") && !mask.contains("rating") && !mask.contains("price"), "{mask}");
    assert_eq!(
        body,
        "{\"maxResultCount\":5,\"locationRestriction\":{\"circle\":{\"center\":{\"latitude\":34.068930,\
         \"longitude\":-118.445127},\"radius\":10000}}}"
    );
    google.send(response("200 OK", include_str!("../../golden/google_new.json")));
    assert_eq!(asking.json(), include_str!("../../golden/google_new_as_nearby.json").trim_end());
}

#[test]
fn google_new_is_asked_for_extra_fields_only_if_the_configuration_says_so() {
    let harness = Harness::new();
    let fields = vec![ExtraField::Rating, ExtraField::Price, ExtraField::Opening];
    let mut asking = Asking::new(&harness, PlacesConfig { fields, ..google_new() });
    asking.client.send("WHATSAT kiwi 10 20\n");
    let (_, headers, ..) = request(&asking);
    let mask = value(&headers, "x-goog-fieldmask");
    for field in ["rating", "userRatingCount", "priceLevel", "currentOpeningHours.openNow"] {
        assert!(mask.split(',').any(|one| one == format!("places.{field}")), "{field} is not in {mask}");
    }
}

#[test]
fn a_client_that_asks_for_no_places_waits_for_nothing() {
    for config in [PlacesConfig { max_in_flight: Some(1), ..google_new() }, overpass()] {
        let harness = Harness::new();
        let mut asking = Asking::new(&harness, config);
        asking.client.send("WHATSAT kiwi 10 5\n");
        let (.., mut service) = request(&asking);
        let (mut other, at) = (harness.connect(asking.server), asking.at.clone());
        let mut is_answered = || {
            other.send("WHATSAT kiwi 10 0\nstill there?\n");
            let lines: Vec<String> = (0..7).map(|_| other.line()).collect();
            assert_eq!((&*lines[0], &*lines[4]), (&*at, "   \"status\" : \"OK\""));
            assert_eq!((&*lines[5], &*lines[6]), ("}", ""));
            assert_eq!(other.line(), "? still there?");
        };
        is_answered();
        service.send(response("200 OK", "{}"));
        asking.json();
        is_answered(); // It does not wait for the pause either.
        assert!(asking.google.try_accept().is_none());
    }
}

#[test]
fn errors_of_google_new_get_the_old_form_and_status() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, google_new());
    let error = |code: u16, status: &str, reason: &str| {
        format!(
            "{{\"error\":{{\"code\":{code},\"message\":\"no: {KEY}\",\"status\":\"{status}\",\
             \"details\":[{{\"reason\":\"{reason}\"}}]}}}}"
        )
    };
    for (http, body, status) in [
        ("400 Bad Request", error(400, "INVALID_ARGUMENT", "API_KEY_INVALID"), "REQUEST_DENIED"),
        ("400 Bad Request", error(400, "INVALID_ARGUMENT", ""), "INVALID_REQUEST"),
        ("403 Forbidden", format!("[{}]", error(403, "PERMISSION_DENIED", "SERVICE_DISABLED")), "REQUEST_DENIED"),
        ("401 Unauthorized", error(401, "UNAUTHENTICATED", ""), "REQUEST_DENIED"),
        ("403 Forbidden", error(403, "", ""), "REQUEST_DENIED"),
        ("429 Too Many Requests", error(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), "OVER_QUERY_LIMIT"),
        ("500 Internal Server Error", error(500, "INTERNAL", ""), "UNKNOWN_ERROR"),
        ("200 OK", error(503, "UNAVAILABLE", ""), "UNKNOWN_ERROR"),
    ] {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let (.., mut google) = request(&asking);
        google.send(response(http, &body));
        let expected = format!(
            "{{\n   \"error_message\" : \"no: ***\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \
             \"status\" : \"{status}\"\n}}"
        );
        assert_eq!(asking.json(), expected, "{body}");
    }
    for (answer, what) in [
        (response("200 OK", ""), "empty"),
        (response("200 OK", "<html>"), "not JSON"),
        (response("200 OK", "{\"places\":[3]}"), "no results"),
        (response("502 Bad Gateway", "<html>"), "502 Bad Gateway"),
    ] {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let (.., mut google) = request(&asking);
        google.send(answer);
        asking.expect_error(what);
    }
}

#[test]
fn overpass_is_asked_with_a_query_in_a_form() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, overpass());
    asking.client.send("WHATSAT kiwi 0.5 5\n");
    let (line, headers, body, mut service) = request(&asking);
    assert_eq!(line, "POST /api/interpreter HTTP/1.1");
    assert_eq!(value(&headers, "content-type"), "application/x-www-form-urlencoded");
    assert!(value(&headers, "user-agent").starts_with("proxyherd/"));
    assert!(
        !headers.iter().any(|(_, value)| value.contains("Secret")) && !body.contains("Secret"),
        "this service gets no key"
    );
    assert_eq!(
        body,
        "data=%5Bout%3Ajson%5D%5Btimeout%3A10%5D%3Bnwr%28around%3A500%2C34.068930%2C-118.445127%29%5Bname%5D\
         %5B~%22%5E%28amenity%7Ctourism%7Cshop%7Cleisure%7Chistoric%29%24%22~%22.%22%5D%3Bout%20center%20500%3B"
    );
    service.send(response("200 OK", include_str!("../../golden/overpass.json")));
    let json = asking.json();
    assert!(json.contains("OpenStreetMap") && json.contains("osm:way/22") && json.contains("\"status\" : \"OK\""));
}

#[test]
fn a_failure_of_overpass_reaches_the_client() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig { interval: Some(Duration::ZERO), ..overpass() });
    for (answer, what) in [
        (
            response("200 OK", "{\"elements\":[],\"remark\":\"runtime error: out of memory\"}"),
            "runtime error: out of memory",
        ),
        (response("504 Gateway Timeout", "<html>"), "504 Gateway Timeout"),
        (response("400 Bad Request", "<html>"), "400 Bad Request"),
        (response("200 OK", "<html>"), "not JSON"),
    ] {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let (.., mut service) = request(&asking);
        service.send(answer);
        asking.expect_error(what);
    }
    for (http, status) in [
        ("429 Too Many Requests", "OVER_QUERY_LIMIT"),
        ("401 Unauthorized", "UNKNOWN_ERROR"),
        ("403 Forbidden", "UNKNOWN_ERROR"),
    ] {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let (.., mut service) = request(&asking);
        service.send(response(http, "<html>"));
        let json = asking.json();
        assert!(json.contains(&format!("\"status\" : \"{status}\"")), "{json}");
        assert!(json.contains(&format!("\"the Places service answered {http}\"")), "{json}");
    }
}

#[test]
fn overpass_is_asked_one_question_at_a_time_with_a_pause_between_them() {
    let harness = Harness::new();
    let asking = Asking::new(&harness, overpass());
    let mut clients: Vec<Connection<'_>> = (0..3).map(|_| harness.connect(asking.server)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("WHATSAT kiwi {number} 5\n"));
    }
    let is_quiet = || {
        assert_eq!(harness.connect(asking.server).ask("still there?"), "? still there?");
        asking.google.try_accept().is_none()
    };
    for _ in 0..2 {
        let (.., mut service) = request(&asking);
        harness.advance(Duration::from_millis(999));
        assert!(is_quiet(), "one at a time");
        service.send(response("200 OK", "{\"elements\":[]}"));
        assert!(is_quiet(), "not within a second of the last");
        harness.advance(Duration::from_millis(1));
    }
    let (.., mut service) = request(&asking);
    service.send(response("200 OK", "{\"elements\":[]}"));
    for client in &mut clients {
        assert_eq!(client.line(), asking.at);
        assert_eq!(client.line(), "{");
    }
}

#[test]
fn equal_questions_under_way_are_one_request_and_each_client_gets_its_own_bound() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let mut google = asking.ask(1);
    let mut others: Vec<Connection<'_>> = (0..3).map(|_| harness.connect(asking.server)).collect();
    for (bound, other) in others.iter_mut().enumerate() {
        other.send(format!("WHATSAT kiwi 10.0 {bound}\n"));
    }
    let gone = harness.connect(asking.server);
    drop(gone);
    assert_eq!(harness.connect(asking.server).ask("still there?"), "? still there?");
    assert!(asking.google.try_accept().is_none(), "asked twice");
    google.send(response("200 OK", "{\"results\":[1,2,3],\"status\":\"OK\"}"));
    assert_eq!(asking.json(), "{\"results\":[1],\"status\":\"OK\"}");
    for (other, results) in others.iter_mut().zip(["[]", "[1]", "[1,2]"]) {
        assert_eq!(other.line(), asking.at);
        assert_eq!(other.line(), format!("{{\"results\":{results},\"status\":\"OK\"}}"));
    }
    // An answer is not kept for the next question.
    asking.ask(1).send(response("200 OK", NOTHING));
    assert_eq!(asking.json(), NOTHING);
}

#[test]
fn the_last_client_that_goes_cancels_the_request() {
    let harness = Harness::new();
    let asking = Asking::new(&harness, PlacesConfig::default());
    let mut clients: Vec<Connection<'_>> = (0..2).map(|_| harness.connect(asking.server)).collect();
    for client in &mut clients {
        // With a reply unread, the system sends a reset when it closes: an end alone could be a half-close.
        client.send("HELLO\nWHATSAT kiwi 10 5\n");
    }
    let (_, mut google) = asking.request();
    assert_eq!(harness.connect(asking.server).ask("taken?"), "? taken?");
    drop(clients.pop());
    assert_eq!(harness.connect(asking.server).ask("still there?"), "? still there?");
    assert!(!google.has_ended());
    drop(clients);
    harness.turn_until("the request is given up", || google.has_ended());
}

#[test]
fn a_question_that_waits_too_long_gets_over_query_limit() {
    let harness = Harness::new();
    let timeout = Some(Duration::from_secs(4));
    let config = PlacesConfig { timeout, max_in_flight: Some(1), ..PlacesConfig::default() };
    let mut asking = Asking::new(&harness, config);
    let _silent = asking.ask(5);
    let mut other = harness.connect(asking.server);
    other.send("WHATSAT kiwi 11 5\n");
    assert_eq!(harness.connect(asking.server).ask("taken?"), "? taken?");
    harness.advance(Duration::from_secs(2));
    assert_eq!(other.line(), asking.at);
    let json: Vec<String> = (0..6).map(|_| other.line()).collect();
    assert!(json[1].contains("too many questions") && json[4].contains("OVER_QUERY_LIMIT"), "{json:?}");
    asking.client.expect_silence();
    harness.advance(Duration::from_secs(2));
    asking.expect_error("4s");
}

#[test]
fn connect_to_changes_the_address_and_nothing_else() {
    let harness = Harness::new();
    let elsewhere = harness.listen();
    let address = elsewhere.address();
    let connect_to = Some((address.ip().to_string(), address.port()));
    let config = PlacesConfig { connect_to, ..PlacesConfig::default() };
    let mut asking = Asking::new(&harness, config);
    let named = asking.google.address();
    asking.google = elsewhere;
    let mut google = asking.ask(5);
    google.send(response("200 OK", NOTHING));
    assert_eq!(asking.json(), NOTHING);
    asking.client.send("WHATSAT kiwi 10 5\n");
    let (lines, _google) = asking.request();
    assert!(lines.contains(&format!("Host: {named}\r")), "{lines:?}");
    assert_no_key(&asking.at);
}
