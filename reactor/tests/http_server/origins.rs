//! What the pages of other sites must not ask for.

use super::serve;
use reactor::Deferred;
use reactor::http::server::{OriginCheck, Request, Response, Routes, Service};
use std::rc::Rc;

/// What a request to `service` is answered.
fn answer_of(service: impl Service + 'static, path: &str) -> String {
    serve(OriginCheck::new(service)).send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn a_browser_may_not_guess_what_is_served_at_once_or_later_or_refused() {
    let later = |_request: Request| {
        let (deferred, firer) = Deferred::new();
        firer.callback(Response::json("{}")).unwrap();
        deferred
    };
    let routes = Routes::new().get("/", |_request| Response::text("ours")).get("/later", later);
    let routes = Rc::new(routes);
    for (path, status) in [("/", "200"), ("/later", "200"), ("/nowhere", "404")] {
        let routes = routes.clone();
        let answer = answer_of(move |request: Request| routes.serve(request), path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.matches("X-Content-Type-Options: nosniff\r\n").count(), 1, "{answer}");
    }
}

/// The status with which a request with these header lines is answered.
fn status_of(method: &str, headers: &[&str]) -> u16 {
    let service = OriginCheck::new(|_request: Request| Response::text("ours")).host("herd.example");
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let version = if headers.iter().any(|line| line.starts_with("Host")) { "1.1" } else { "1.0" };
    let answer = serve(service).send(format!("{method} / HTTP/{version}\r\n{lines}Content-Length: 0\r\n\r\n"));
    answer.split(' ').nth(1).expect("a status line").parse().expect("a status")
}

#[test]
fn only_addresses_and_known_names_are_served() {
    for host in ["127.0.0.1", "127.0.0.1:12304", "[::1]", "[::1]:80", "localhost:1", "LOCALHOST", "Herd.Example:8"] {
        assert_eq!(status_of("GET", &[&format!("Host: {host}")]), 200, "{host}");
    }
    for host in ["evil.example", "evil.example:12304", "localhost.evil.example", "127.0.0.1.evil.example", "herd"] {
        assert_eq!(status_of("GET", &[&format!("Host: {host}")]), 421, "{host}");
    }
    assert_eq!(status_of("GET", &[]), 200, "HTTP/1.0 has no Host");
}

#[test]
fn only_our_own_pages_may_ask() {
    let with = |origin: &str| status_of("POST", &["Host: 127.0.0.1:12304", &format!("Origin: {origin}")]);
    assert_eq!(with("http://127.0.0.1:12304"), 200);
    assert_eq!(with("https://127.0.0.1:12304"), 200, "a proxy may speak TLS");
    for origin in ["http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "127.0.0.1:12304"] {
        assert_eq!(with(origin), 403, "{origin}");
    }
    let twice = ["Host: a.example", "Origin: http://a.example", "Origin: http://a.example"];
    assert_eq!(status_of("POST", &twice), 421, "the name comes first");
    let twice = ["Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"];
    assert_eq!(status_of("POST", &twice), 403);
    assert_eq!(status_of("POST", &["Origin: http://localhost"]), 403, "without Host it can be nobody's own page");
    assert_eq!(status_of("POST", &["Host: localhost"]), 200, "curl sends no Origin");
}

#[test]
fn another_sites_page_gets_nothing_though_it_sends_no_origin() {
    let with = |method, site: &str, more: &[&str]| {
        let site = format!("Sec-Fetch-Site: {site}");
        status_of(method, &[&["Host: localhost", &site], more].concat())
    };
    for site in ["same-origin", "none"] {
        assert_eq!(with("GET", site, &[]), 200, "{site}");
    }
    let link = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    for site in ["cross-site", "same-site", "new"] {
        assert_eq!(with("GET", site, &["Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"]), 403, "{site}");
        assert_eq!(with("GET", site, &link), 200, "a person follows a link: {site}");
        assert_eq!(with("POST", site, &link), 403, "{site}");
        assert_eq!(with("GET", site, &["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"]), 403, "{site}");
    }
}
