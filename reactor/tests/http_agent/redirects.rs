//! Redirects: when they are followed, and what does not go along.

use super::certificates::Authority;
use super::server::{Asked, Server, ok};
use super::util::until;
use super::wait::wait;
use super::{agent, agent_trusting, assert_nothing_is_left, body, failed, get};
use reactor::http::{AgentSettings, HttpError, RedirectError, Redirects, Request, Stage, UrlError};
use reactor::tls::TlsServer;
use reactor::{Reactor, Transport};

fn following(settings: &mut AgentSettings) {
    settings.redirects = Redirects::Follow { limit: 3 };
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nthere")
}

/// A server that redirects `/N/rest` with the status N to `/rest`, and answers the rest.
fn server(reactor: &Reactor) -> Server {
    Server::new(reactor, |transport, asked| {
        let target = asked.target().to_owned();
        let status = target.split('/').nth(1).and_then(|first| first.parse().ok());
        transport.write(
            match status {
                Some(status) => redirect(status, &target[4..]).into_bytes(),
                None => ok("arrived").into_bytes(),
            }
            .as_slice(),
        );
    })
}

#[test]
fn redirects_are_plain_responses_unless_following_is_on() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor);
    let page = wait(&reactor, agent(&reactor, |_| {}).fetch(get(&server.url("/302/x")))).unwrap();
    assert_eq!((page.head.status, page.body), (302, b"there".to_vec()));
}

#[test]
fn a_followed_redirect_remembers_the_way() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor);
    let agent = agent(&reactor, following);
    let response = wait(&reactor, agent.request(get(&server.url("/301/302/308/x?y")))).unwrap();
    assert_eq!(response.status(), 200);
    let told = format!("{response:?} {:?}", response.previous());
    assert!(told.contains("/308/x?...") && !told.contains("?y"), "{told}");
    let way: Vec<_> = response.previous().iter().map(|one| (one.head.status, one.url.target().to_owned())).collect();
    assert_eq!(way, [(301, "/301/302/308/x?y".into()), (302, "/302/308/x?y".into()), (308, "/308/x?y".into())]);
    assert_eq!(wait(&reactor, response.collect(100)).unwrap(), b"arrived");
    assert_eq!((server.opened(), agent.idle_connection_count()), (1, 1), "one connection is enough");
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn methods_and_bodies_change_as_they_do_in_browsers() {
    for (status, method, expected) in [
        (301, "POST", "GET /x"),
        (302, "POST", "GET /x"),
        (303, "POST", "GET /x"),
        (307, "POST", "POST /x the body"),
        (308, "POST", "POST /x the body"),
        (301, "PUT", "PUT /x the body"),
        (303, "PUT", "GET /x"),
        (303, "HEAD", "HEAD /x the body"),
        (302, "GET", "GET /x the body"),
    ] {
        let reactor = Reactor::new().unwrap();
        let server = server(&reactor);
        let url = server.url(&format!("/{status}/x")).parse().unwrap();
        let request = Request::new(method, url).unwrap().body("the body").header("Content-Type", "text/plain").unwrap();
        wait(&reactor, agent(&reactor, following).fetch(request)).unwrap();
        let last = server.asked().pop().unwrap();
        assert_eq!(last.line(), expected, "{method} {status}");
        let keeps_body = expected.ends_with("body");
        assert_eq!(last.header("content-type").is_some(), keeps_body, "{method} {status}");
        assert_eq!(last.header("content-length").is_some(), keeps_body, "{method} {status}");
    }
}

/// A request to `from` with everything secret, which is redirected to `to`.
fn secretive(from: &Server, target: &str) -> Request {
    let request = Request::post(from.url(target).parse().unwrap(), "body");
    let fields = [("Authorization", "Basic S1"), ("cookie", "S2"), ("Cookie2", "S3"), ("X-Plain", "plain")];
    let request = fields.iter().try_fold(request, |request, (name, value)| request.header(name, value)).unwrap();
    request.secret_header("X-Key", "S4").unwrap().secret_query("key")
}

fn secrets_of(asked: &Asked) -> Vec<&str> {
    ["Authorization", "Cookie", "Cookie2", "X-Key"].iter().filter_map(|name| asked.header(name)).collect()
}

#[test]
fn credentials_stay_within_the_origin() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor);
    wait(&reactor, agent(&reactor, following).fetch(secretive(&server, "/307/x?key=S5"))).unwrap();
    let last = server.asked().pop().unwrap();
    assert_eq!(secrets_of(&last), ["Basic S1", "S2", "S3", "S4"]);
    assert_eq!(last.target(), "/x?key=S5");
}

#[test]
fn credentials_do_not_go_to_another_origin() {
    let reactor = Reactor::new().unwrap();
    let other = Server::saying(&reactor, &[&ok("arrived")]);
    let there = other.url("/x?a=1&key=S5&b=2&key=S6");
    let server = Server::new(&reactor, move |transport, _| transport.write(redirect(307, &there).as_bytes()));
    let page = wait(&reactor, agent(&reactor, following).fetch(secretive(&server, "/?key=S5")));
    assert_eq!(body(page), "arrived");
    let last = other.asked().pop().unwrap();
    assert_eq!((secrets_of(&last), last.header("x-plain")), (vec![], Some("plain")));
    assert_eq!(last.line(), "POST /x?a=1&b=2 body");
    assert!(!last.text.contains("S5") && last.header("host") == Some(&other.port.host().to_string()));
}

#[test]
fn a_secret_inside_the_address_does_not_go_along_either() {
    for hidden in ["/S5-long/x", "/x?k=S5-long", "/x?k=Basic&S4-long", "/x?k=S%35-%6cong"] {
        let reactor = Reactor::new().unwrap();
        let other = Server::saying(&reactor, &[&ok("arrived")]);
        let there = other.url(hidden);
        let server = Server::new(&reactor, move |transport, _| transport.write(redirect(302, &there).as_bytes()));
        let request = get(&server.url("/?key=S5-long")).secret_query("key").secret_header("X-Key", "S4-long").unwrap();
        let result = wait(&reactor, agent(&reactor, following).fetch(request));
        let told = format!("{result:?}");
        assert!(!told.contains("-long"), "{told}");
        assert_eq!(failed(result), (Stage::ResponseFailed, RedirectError::Secret), "{hidden}");
        assert_eq!(other.opened(), 0);
    }
}

#[test]
fn a_redirect_without_a_usable_location_is_an_error() {
    let refuse = |answer: &str, error: RedirectError| {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[answer]);
        let agent = agent(&reactor, following);
        assert_eq!(failed(wait(&reactor, agent.fetch(get(&server.url("/"))))), (Stage::ResponseFailed, error));
        assert_nothing_is_left(&reactor, &agent, 1);
    };
    refuse("HTTP/1.1 302 Go\r\nContent-Length: 5\r\n\r\n", RedirectError::NoLocation);
    let twice = "HTTP/1.1 302 Go\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 5\r\n\r\n";
    refuse(twice, RedirectError::NoLocation);
    refuse(&redirect(302, "ftp://a/"), RedirectError::BadLocation(UrlError::Scheme));
    refuse(&redirect(302, "/a b"), RedirectError::BadLocation(UrlError::Character));
    refuse(&redirect(302, "//u:p@a/"), RedirectError::BadLocation(UrlError::UserInfo));
}

#[test]
fn the_number_of_redirects_in_a_row_is_limited() {
    let reactor = Reactor::new().unwrap();
    let server = server(&reactor);
    let agent = agent(&reactor, following);
    assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/302/302/302/x"))))), "arrived");
    let result = wait(&reactor, agent.fetch(get(&server.url("/302/302/302/302/x"))));
    assert_eq!(failed(result), (Stage::ResponseFailed, RedirectError::TooMany { limit: 3 }));
}

#[test]
fn a_redirects_own_body_does_not_stop_it() {
    let large = "x".repeat(1_000_000);
    let answers = [
        format!("HTTP/1.1 302 Go\r\nLocation: /x\r\nContent-Length: {}\r\n\r\n{large}", large.len()),
        "HTTP/1.1 302 Go\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Go\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".to_owned(),
    ];
    for (answer, opened) in answers.into_iter().zip([2, 1, 2]) {
        let reactor = Reactor::new().unwrap();
        let server = Server::new(&reactor, move |transport: &Transport, asked| match asked.target() {
            "/x" => transport.write(ok("arrived").as_bytes()),
            _ => transport.write(answer.as_bytes()),
        });
        assert_eq!(body(wait(&reactor, agent(&reactor, following).fetch(get(&server.url("/"))))), "arrived");
        assert_eq!(server.opened(), opened);
    }
}

#[test]
fn a_redirects_body_announced_too_large_does_not_stop_it_either() {
    // Larger than the agent takes, and larger than it reads to keep the connection. None of it ever comes.
    for announced in [u64::MAX - 10, 9 << 20, 100_000] {
        let reactor = Reactor::new().unwrap();
        let server = Server::new(&reactor, move |transport: &Transport, asked| match asked.target() {
            "/x" => transport.write(ok("arrived").as_bytes()),
            _ => transport.write(redirect(302, "/x").replace("5\r\n", &format!("{announced}\r\n")).as_bytes()),
        });
        let agent = agent(&reactor, |settings| {
            following(settings);
            (settings.max_open_per_host, settings.max_open) = (1, 1);
        });
        assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), "arrived");
        assert_eq!(server.opened(), 2, "the first connection is of no more use");
        until(&reactor, "the server lost the first", || server.lost().len() == 1);
        wait(&reactor, agent.close_idle()).unwrap();
        assert_nothing_is_left(&reactor, &agent, 1);
    }
}

#[test]
fn a_redirect_that_is_not_followed_has_the_usual_size_limit() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &[&redirect(302, "/x").replace("5\r\n", "1001\r\n")]);
    let agent = agent(&reactor, |settings| settings.limits.body = 1000);
    let result = wait(&reactor, agent.fetch(get(&server.url("/"))));
    assert_eq!(failed(result), (Stage::ResponseFailed, HttpError::BodyTooLarge));
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn no_redirect_leads_from_https_to_http() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue("localhost", 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap();
    let plain = Server::saying(&reactor, &[&ok("arrived")]);
    let there = plain.url("/");
    let server = Server::secure(&reactor, &tls, move |transport, _| transport.write(redirect(302, &there).as_bytes()));
    let agent = agent_trusting(&reactor, &authority.roots(), following);
    let secure = format!("https://localhost:{}/", server.port.host().port());
    let result = wait(&reactor, agent.fetch(get(&secure)));
    assert_eq!(failed(result), (Stage::ResponseFailed, RedirectError::Insecure));
    assert_eq!(plain.opened(), 0);
    // The other direction is allowed.
    let plain = Server::new(&reactor, move |transport, _| transport.write(redirect(302, &secure).as_bytes()));
    let result = wait(&reactor, agent.fetch(get(&plain.url("/"))));
    assert_eq!(failed(result), (Stage::ResponseFailed, RedirectError::Insecure), "it came as far as the second");
    assert_eq!(server.asked().len(), 2);
}
