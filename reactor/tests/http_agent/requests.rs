//! The bytes of a request on the wire, and parts that are refused before.

use super::server::{Server, ok};
use super::wait::wait;
use super::{agent, get};
use reactor::Reactor;
use reactor::http::{AgentSettings, Request, RequestError, Url};

fn url() -> Url {
    "http://name.test/x?key=SECRET".parse().unwrap()
}

/// The bytes of `request` as a server gets them.
fn sent(request: impl FnOnce(Url) -> Request, set: impl FnOnce(&mut AgentSettings)) -> String {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&ok("")]);
    let to = server.port.host();
    let agent = agent(&reactor, |settings| {
        settings.connect_to = Some((to.ip().to_string(), to.port()));
        settings.user_agent = "us/1\r\n".to_owned();
        set(settings);
    });
    wait(&reactor, agent.fetch(request(url()))).unwrap();
    server.asked()[0].text.clone()
}

#[test]
fn a_request_has_what_it_needs_and_no_more() {
    let head = "Host: name.test\r\nUser-Agent: us/1\r\n";
    let rest = "Accept-Encoding: identity\r\n";
    assert_eq!(sent(Request::get, |_| {}), format!("GET /x?key=SECRET HTTP/1.1\r\n{head}{rest}\r\n"));
    assert_eq!(sent(Request::head, |_| {}), format!("HEAD /x?key=SECRET HTTP/1.1\r\n{head}{rest}\r\n"));
    let post = |url| Request::post(url, "body").header("X-One", "a\tb").unwrap().header("X-One", "ü").unwrap();
    let length = "Content-Length: 4\r\n\r\nbody";
    let fields = "X-One: a\tb\r\nX-One: ü\r\n";
    assert_eq!(sent(post, |_| {}), format!("POST /x?key=SECRET HTTP/1.1\r\n{head}{fields}{rest}{length}"));
    let empty = |url| Request::new("PUT", url).unwrap();
    assert_eq!(sent(empty, |_| {}), format!("PUT /x?key=SECRET HTTP/1.1\r\n{head}{rest}Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_user_agent_is_the_requests_own_or_the_agents_or_none() {
    let own = |url| Request::get(url).header("user-agent", "own").unwrap();
    let text = sent(own, |_| {});
    assert!(text.contains("user-agent: own\r\n") && !text.contains("us/1"), "{text}");
    let text = sent(Request::get, |settings| settings.user_agent = String::new());
    assert!(!text.to_ascii_lowercase().contains("user-agent"), "{text}");
}

#[test]
fn parts_that_would_break_a_request_are_refused() {
    for method in ["", "GET ", "G\r\nET", "GET/", "CONNECT", "GÉT"] {
        assert_eq!(Request::new(method, url()).unwrap_err(), RequestError::Method, "{method:?}");
    }
    assert_eq!(Request::new("M-SEARCH", url()).unwrap().method(), "M-SEARCH");
    for name in ["", "X Y", "X:", "X\r\nY", "É", "X\0"] {
        assert_eq!(Request::get(url()).header(name, "v").unwrap_err(), RequestError::HeaderName, "{name:?}");
    }
    for value in ["SECRET\r\nX: y", "SECRET\n", "SECRET\0", "SECRET\r", "SECRET\x7f"] {
        let error = Request::get(url()).header("X", value).unwrap_err();
        assert_eq!(error, RequestError::HeaderValue("X".to_owned()), "{value:?}");
        assert!(!format!("{error} {error:?}").contains("SECRET"));
    }
    for name in ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Proxy-Authorization", "Expect", "TE"] {
        let error = Request::get(url()).secret_header(name, "v").unwrap_err();
        assert_eq!(error, RequestError::OwnedHeader(name.to_owned()));
    }
}

#[test]
fn a_request_shows_no_secrets() {
    let request = Request::post(url(), "SECRET").header("Authorization", "SECRET").unwrap();
    let request = request.header("Cookie", "SECRET").unwrap().secret_header("X-Key", "SECRET").unwrap();
    let shown = format!("{:?}", request.header("X-Plain", "plain").unwrap());
    let expected = "Request(POST http://name.test/x?..., Authorization: ..., Cookie: ..., X-Key: ..., X-Plain: plain, \
                    6 bytes)";
    assert_eq!(shown, expected);
    assert_eq!(format!("{:?}", get("http://a/")), "Request(GET http://a/, 0 bytes)");
}
