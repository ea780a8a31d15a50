//! WHATSAT with Google's Nearby Search: the request, the answer byte for byte, failures, and the secrecy of the key.

use super::{Asking, KEY, KEY_FORMS, assert_no_key, response};
use crate::harness::{Connection, Harness};
use crate::util::{Client, Directory, Process, free_port, logs};
use proxyherd::config::PlacesConfig;
use proxyherd::places;
use std::time::Duration;

/// How Google prints today, and how it printed for ten years: `{}` stands for the places.
const STYLES: [&str; 2] = [
    "{\n   \"html_attributions\" : [],\n   \"next_page_token\" : \"C\\u003d\",\n   \
     \"results\" : [\n      {}\n   ],\n   \
     \"status\" : \"OK\"\n}\n",
    "{\n   \"html_attributions\" : [],\n   \"results\" : \n   [\n      {}\n   ],\n   \"status\" : \"OK\"\n}\n",
];

/// A place as both styles print it, with spellings that would change if it were parsed and printed again.
fn place(number: usize) -> String {
    format!(
        "{{\n         \"geometry\" : {{ \"lat\" : 34.05352670000{number}, \"lng\" : -118.0, \"z\" : 1E5 }},\n         \
         \"name\" : \"Caf\\u00e9 été \\u003c{number}\\u003e ] }} , \\\"[\",\n         \"rating\" : 4.0,\n         \
         \"types\" : [ \"b\", \"a\" ],\n         \"results\" : [ 12345678901234567890123, null ]\n      }}"
    )
}

#[test]
fn google_is_asked_for_a_nearby_search() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    asking.client.send("WHATSAT kiwi 0.5 5\n");
    let (request, _connection) = asking.request();
    assert_eq!(
        request[0],
        "GET /maps/api/place/nearbysearch/json?location=34.068930,-118.445127&radius=500&key=AIza%26Secret%2BKey \
         HTTP/1.1\r"
    );
    assert!(request.contains(&format!("Host: {}\r", asking.google.address())), "{request:?}");
}

#[test]
fn both_styles_of_googles_json_are_cut_and_no_other_byte_changes() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let places: Vec<String> = (0..3).map(place).collect();
    for style in STYLES {
        for bound in [1, 2, 3, 20] {
            let mut google = asking.ask(bound);
            google.send(response("200 OK", &style.replace("{}", &places.join(",\n      "))));
            let kept = places[..bound.min(3)].join(",\n      ");
            assert_eq!(asking.json(), style.replace("{}", &kept).trim_end());
        }
        let mut google = asking.ask(0);
        google.send(response("200 OK", &style.replace("{}", &places.join(",\n      "))));
        assert_eq!(asking.json(), style.replace("\n      {}", "").trim_end());
    }
}

#[test]
fn an_answer_may_come_in_chunks_or_end_with_the_connection() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let body = "{\"results\":[1,2],\"status\":\"OK\"}";
    for answer in [
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n1a\r\n{}\r\n0\r\n\r\n",
            &body[..5],
            &body[5..]
        ),
        format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
    ] {
        let mut google = asking.ask(1);
        for piece in answer.as_bytes().chunks(7) {
            google.send(piece);
        }
        google.half_close();
        assert_eq!(asking.json(), "{\"results\":[1],\"status\":\"OK\"}");
    }
}

#[test]
fn the_services_own_status_is_passed_on() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    for status in ["ZERO_RESULTS", "OVER_QUERY_LIMIT", "REQUEST_DENIED"] {
        let body = format!("{{\n   \"error_message\" : \"x\",\n   \"results\" : [],\n   \"status\" : \"{status}\"\n}}");
        let mut google = asking.ask(5);
        google.send(response("200 OK", &body));
        assert_eq!(asking.json(), body);
    }
}

#[test]
fn a_service_that_fails_gives_an_error_in_the_same_form() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    for (answer, what) in [
        (response("500 Internal Server Error", "oh no"), "500"),
        (response("403 Forbidden", "{\"results\":[],\"status\":\"OK\"}"), "403"),
        (response("302 Found", ""), "302"),
        (response("200 OK", ""), "not JSON"),
        (response("200 OK", "<html>"), "not JSON"),
        (response("200 OK", "{\"results\":[{},"), "not JSON"),
        (response("200 OK", "{\"results\":[]}"), "results and status"),
        (response("200 OK", "[]"), "results and status"),
        ("garbage\r\n\r\n".to_owned(), ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"results\":[],\"status\":\"OK\"}".to_owned(), ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), ""),
        (String::new(), ""),
    ] {
        let mut google = asking.ask(5);
        google.send(&answer);
        google.half_close();
        asking.expect_error(what);
    }
    // When the service works again, so does the WHATSAT.
    asking.ask(5).send(response("200 OK", "{\"results\":[],\"status\":\"OK\"}"));
    assert_eq!(asking.json(), "{\"results\":[],\"status\":\"OK\"}");
}

#[test]
fn a_service_that_is_not_there_gives_an_error_in_the_same_form() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    let closed = std::mem::replace(&mut asking.google, harness.listen());
    drop(closed);
    asking.client.send("WHATSAT kiwi 10 5\n");
    asking.expect_error("refused");
}

#[test]
fn a_service_that_takes_too_long_gives_an_error_in_the_same_form() {
    let harness = Harness::new();
    let timeout = Some(Duration::from_secs(3));
    let mut asking = Asking::new(&harness, PlacesConfig { timeout, ..PlacesConfig::default() });
    let mut silent = asking.ask(5);
    harness.advance(Duration::from_millis(2990));
    harness.turn();
    asking.client.expect_silence();
    harness.advance(Duration::from_millis(10));
    asking.expect_error("3s");
    harness.turn_until("the question is given up", || silent.has_ended());

    // A service that sends a little now and then, without end, takes too long as well.
    let mut dripping = asking.ask(5);
    for _ in 0..3 {
        dripping.send("HTTP/1.1 200 OK\r\nX: y\r\n");
        harness.advance(Duration::from_secs(1));
    }
    asking.expect_error("3s");
}

#[test]
fn at_most_the_configured_number_of_questions_are_under_way() {
    let harness = Harness::new();
    let asking = Asking::new(&harness, PlacesConfig { max_in_flight: Some(2), ..PlacesConfig::default() });
    let mut clients: Vec<Connection<'_>> = (0..5).map(|_| harness.connect(asking.server)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("WHATSAT kiwi {number} 5\n"));
    }
    let mut under_way = vec![asking.request().1, asking.request().1];
    for left in (0..5).rev() {
        assert_eq!(harness.connect(asking.server).ask("still there?"), "? still there?");
        assert!(asking.google.try_accept().is_none(), "more than two with {left} left");
        under_way.remove(0).send(response("200 OK", "{\"results\":[],\"status\":\"OK\"}"));
        if left >= 2 {
            under_way.push(asking.request().1);
        }
    }
    for client in &mut clients {
        assert_eq!(client.line(), asking.at);
        assert_eq!(client.line(), "{\"results\":[],\"status\":\"OK\"}");
    }
}

#[test]
fn the_key_is_not_in_the_log_or_the_start_message() {
    let harness = Harness::new();
    let google = harness.listen();
    let (directory, port) = (Directory::new(), free_port());
    let config = format!(
        "[servers.Alford]\naddress = \"127.0.0.1:{port}\"\n[places]\nbase_url = \"http://{}\"\n",
        google.address()
    );
    let config = directory.write("herd.toml", config);
    let arguments = ["Alford", "--config", &config, "--log-level", "debug"];
    let mut process = Process::start(directory.path(), &arguments, &[(places::KEY_VARIABLE, KEY)]);
    let mut client = Client::connect(port);
    client.ask("IAMAT kiwi +1+2 0");
    client.send("WHATSAT kiwi 10 5");
    let mut connection = google.accept();
    let request = connection.line();
    assert!(KEY_FORMS.iter().all(|form| request.contains(form)), "{request}");
    connection.send(response(&format!("500 {KEY} AIza%26Secret%2BKey"), ""));
    let mut reply: String = (0..7).map(|_| client.line()).collect();
    assert!(reply.contains("UNKNOWN_ERROR") && reply.contains("500"), "{reply}");
    // The HTTP client logs a broken answer by itself: the log must mask the key there.
    client.send("WHATSAT kiwi 10 5");
    let mut connection = google.accept();
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Encoding: {KEY}\r\nContent-Length: 1\r\n\r\nx"));
    reply.extend((0..7).map(|_| client.line()));
    assert_eq!(process.end("TERM").code(), Some(0));
    let log = logs(directory.path());
    assert!(log.contains("WHATSAT kiwi 10 5") && log.contains("500"), "{log}");
    assert!(log.contains("coded as \"***\""), "the HTTP client has logged nothing: {log}");
    for text in [reply, log, process.output(), process.errors()] {
        assert_no_key(&text);
    }
}
