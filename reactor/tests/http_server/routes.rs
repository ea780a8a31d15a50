//! Routes, and files that were compiled in.

use super::{get, serve, text};
use reactor::http::server::{Request, Response, Routes, StaticFile};

fn routes() -> Routes {
    Routes::new()
        .get("/", |_request| Response::text("home"))
        .get("/users/me", |_request| Response::text("me"))
        .get("/users/{name}", |request: Request| Response::text(request.parameter("name").unwrap().to_owned()))
        .post("/users", |request: Request| request.collect(10).add_callback(|_| Ok(Response::text("made"))))
        .get("/users/{name}/{what}", |request: Request| {
            Response::text(format!("{:?}", (request.parameter("name"), request.parameter("what"), request.query())))
        })
        .get("/files/{path..}", |request: Request| Response::text(request.parameter("path").unwrap().to_owned()))
        .on("DELETE", "/users/{name}", |_request: Request| Response::new(204))
        .file("/style.css", b"h1 {}")
}

#[track_caller]
fn gives(path: &str, body: &str) {
    assert_eq!(serve(routes()).send(get(path)), text(body), "{path}");
}

#[test]
fn the_first_pattern_that_fits_serves() {
    gives("/", "home");
    gives("/?x", "home");
    gives("/users/me", "me");
    gives("/users/you", "you");
    gives("/users/a%20b%2Fc", "a b/c");
    gives("/users/a/b?q=1", "(Some(\"a\"), Some(\"b\"), Some(\"q=1\"))");
    gives("/files/", "");
    gives("/files/a/../b", "a/../b");
}

#[test]
fn a_path_without_a_service_is_not_found() {
    for path in ["/x", "//", "/users/", "/users//", "/users/a/b/c", "/users/%ff", "/users/%", "/files", "/Users/me"] {
        let answer = serve(routes()).send(get(path));
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
}

#[test]
fn a_method_without_a_service_is_told_which_there_are() {
    let ask =
        |method: &str, target: &str| serve(routes()).send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let answer = ask("PUT", "/users/x");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\nAllow: DELETE, GET, HEAD, OPTIONS\r\n"), "{answer}");
    assert_eq!(ask("OPTIONS", "/users"), "HTTP/1.1 204 No Content\r\nAllow: OPTIONS, POST\r\n\r\n");
    assert_eq!(ask("OPTIONS", "*"), "HTTP/1.1 204 No Content\r\nAllow: OPTIONS\r\n\r\n");
    assert!(ask("get", "/").starts_with("HTTP/1.1 405 "), "methods are case-sensitive");
    let whole = text("home");
    assert_eq!(ask("HEAD", "/"), whole.strip_suffix("home").unwrap());
}

#[test]
#[should_panic = "does not begin with a slash"]
fn a_pattern_begins_with_a_slash() {
    let _ = Routes::new().get("x", |_request| Response::new(200));
}

#[test]
fn a_file_is_sent_once_and_then_only_if_it_has_changed() {
    let etag = StaticFile::named("x.css", b"h1 {}").etag().to_owned();
    let more = format!("ETag: {etag}\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n");
    let mut peer = serve(routes());
    let whole =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\n{more}Content-Length: 5\r\n\r\nh1 {{}}");
    assert_eq!(peer.send(get("/style.css")), whole);
    let ask = |header: &str| format!("GET /style.css HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    assert_eq!(peer.send(ask("Range: bytes=0-1")), whole, "a range is ignored");
    assert_eq!(peer.send(ask("If-None-Match: \"old\"")), whole);
    let same = format!("HTTP/1.1 304 Not Modified\r\n{more}\r\n");
    assert_eq!(peer.send(ask(&format!("If-None-Match: \"old\", W/{etag}"))), same);
    assert_ne!(StaticFile::named("x.css", b"h2 {}").etag(), etag);
}

#[test]
fn a_file_may_have_headers_of_its_own() {
    let policy = "default-src 'none'";
    let file = StaticFile::named("x.html", b"x").header("Content-Security-Policy", policy).unwrap();
    let mut peer = serve(Routes::new().on("GET", "/", file.clone()));
    let line = format!("\r\nContent-Security-Policy: {policy}\r\n");
    assert!(peer.send(get("/")).contains(&line));
    let again = format!("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {}\r\n\r\n", file.etag());
    assert!(peer.send(again).contains(&line), "with 304, too");
    assert!(file.header("X", "a\r\nb").is_err());
}
