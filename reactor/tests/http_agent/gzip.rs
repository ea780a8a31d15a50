//! Coded bodies: only when asked for, never more than allowed, whole or not at all.

use super::bodies::Taker;
use super::server::Server;
use super::util::until;
use super::wait::wait;
use super::{agent, assert_nothing_is_left, body, failed, get};
use flate2::Compression;
use flate2::read::GzEncoder;
use reactor::Reactor;
use reactor::http::{AgentError, BodyEnd, BodyTransport, GzipError, HttpError, Page, Party, Request, Stage};
use std::io::Read;

fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(plain, Compression::best()).read_to_end(&mut packed).unwrap();
    packed
}

/// A response with this body and this `Content-Encoding`.
fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The result of `answer`, sent byte by byte or at once.
fn fetch(answer: Vec<u8>, limit: u64, at_once: bool) -> Result<Page, reactor::Failure> {
    let reactor = Reactor::new().unwrap();
    let server = Server::silent(&reactor);
    let agent = agent(&reactor, |settings| {
        settings.accept_gzip = true;
        settings.limits.body = limit;
    });
    let page = super::outcome(agent.fetch(get(&server.url("/"))));
    until(&reactor, "it is asked", || server.asked().len() == 1);
    assert_eq!(server.asked()[0].header("accept-encoding"), Some("gzip"));
    let transport = server.connection(0);
    if at_once {
        transport.write(&answer);
    } else {
        for byte in answer {
            transport.write(&[byte]);
            reactor.iterate(std::time::Duration::ZERO).unwrap();
        }
    }
    until(&reactor, "it is over", || page.is_there());
    let page = page.get(&reactor);
    if page.is_err() {
        assert_nothing_is_left(&reactor, &agent, 1);
    }
    page
}

#[track_caller]
fn refuse<E: std::error::Error + Clone + PartialEq + 'static>(answer: Vec<u8>, error: E) {
    for at_once in [true, false] {
        assert_eq!(failed::<_, E>(fetch(answer.clone(), 1000, at_once)), (Stage::ResponseFailed, error.clone()));
    }
}

#[test]
fn a_gzip_body_that_was_asked_for_is_decoded() {
    for at_once in [true, false] {
        for coding in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(body(fetch(coded(coding, &pack(b"hello hello")), 1000, at_once)), "hello hello");
        }
        assert_eq!(body(fetch(coded("identity", b"plain"), 1000, at_once)), "plain");
        assert_eq!(body(fetch(coded("gzip", b""), 1000, at_once)), "");
    }
}

#[test]
fn a_coded_body_that_was_not_asked_for_is_an_error() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| transport.write(&coded("gzip", &pack(b"hello"))));
    let agent = agent(&reactor, |_| {});
    let error = HttpError::UnknownContentCoding("gzip".to_owned());
    assert_eq!(failed(wait(&reactor, agent.fetch(get(&server.url("/"))))), (Stage::ResponseFailed, error));
    assert_eq!(server.asked()[0].header("accept-encoding"), Some("identity"));
    assert_nothing_is_left(&reactor, &agent, 1);
    for coding in ["br", "gzip, gzip", "deflate"] {
        refuse(coded(coding, b"x"), HttpError::UnknownContentCoding(coding.to_owned()));
    }
    let twice = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx";
    refuse(twice.to_vec(), HttpError::UnknownContentCoding("gzip".to_owned()));
}

#[test]
fn a_bomb_is_noticed_by_its_decoded_size() {
    let zeros = vec![0; 1001];
    refuse(coded("gzip", &pack(&zeros)), HttpError::BodyTooLarge);
    assert_eq!(body(fetch(coded("gzip", &pack(&zeros[1..])), 1000, true)).len(), 1000);
    refuse(coded("gzip", &pack(&vec![0; 100_000_000])[..900]), HttpError::BodyTooLarge);
}

#[test]
fn a_bomb_is_noticed_before_all_of_it_is_decoded() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| transport.write(&coded("gzip", &pack(&vec![0; 10_000_000]))));
    let agent = agent(&reactor, |settings| {
        settings.accept_gzip = true;
        settings.limits.body = 100_000;
    });
    let taker = Taker::new(|_| {});
    wait(&reactor, agent.request(get(&server.url("/")))).unwrap().deliver_body(taker.clone());
    until(&reactor, "it is over", || taker.is_over());
    let seen = taker.seen.borrow();
    let Some(BodyEnd::ResponseFailed(failure)) = &seen.end else { panic!("it did not fail") };
    assert_eq!(failed::<(), HttpError>(Err(failure.clone())), (Stage::ResponseFailed, HttpError::BodyTooLarge));
    assert!((50_000..=100_000).contains(&seen.data.len()), "{}", seen.data.len());
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_body_of_too_many_tiny_members_is_our_limit() {
    let result = fetch(coded("gzip", &pack(b"").repeat(10_000)), 1_000_000, true);
    assert_eq!(result.as_ref().unwrap_err().check::<AgentError>().map(AgentError::whose_fault), Some(Party::Ours));
    assert_eq!(failed(result), (Stage::ResponseFailed, GzipError::TooManyMembers));
}

#[test]
fn a_broken_cut_or_too_long_gzip_body_is_an_error() {
    let packed = pack(b"hello");
    refuse(coded("gzip", &packed[..packed.len() - 1]), GzipError::Truncated);
    refuse(coded("gzip", &[&packed[..], b"x"].concat()), GzipError::TrailingGarbage);
    refuse(coded("gzip", b"hello"), GzipError::BadHeader);
    let mut wrong = packed.clone();
    wrong[packed.len() - 1] ^= 1;
    refuse(coded("gzip", &wrong), GzipError::BadCheckSum);
    // Cut by the end of the connection, and nothing else delimits it.
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, move |transport, _| {
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
        transport.write(&packed[..packed.len() - 1]);
        transport.lose_connection();
    });
    let agent = agent(&reactor, |settings| settings.accept_gzip = true);
    let expected = (Stage::ResponseFailed, GzipError::Truncated);
    assert_eq!(failed(wait(&reactor, agent.fetch(get(&server.url("/"))))), expected);
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_response_without_a_body_has_nothing_to_decode() {
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 33\r\n\r\n"]);
    let agent = agent(&reactor, |settings| settings.accept_gzip = true);
    assert_eq!(body(wait(&reactor, agent.fetch(Request::head(server.url("/").parse().unwrap())))), "");
    assert_eq!(agent.idle_connection_count(), 1);
}

#[test]
fn a_pause_holds_coded_bytes_and_not_decoded_ones() {
    const PLAIN: usize = 10_000_000;
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| transport.write(&coded("gzip", &pack(&vec![7; PLAIN]))));
    let agent = agent(&reactor, |settings| {
        settings.accept_gzip = true;
        settings.limits.body = PLAIN as u64;
    });
    let taker = Taker::new(BodyTransport::pause_producing);
    let response = wait(&reactor, agent.request(get(&server.url("/")))).unwrap();
    let body = response.deliver_body(taker.clone());
    for pieces in 1..5 {
        until(&reactor, "one piece comes", || taker.seen.borrow().pieces == pieces);
        for _ in 0..10 {
            reactor.iterate(std::time::Duration::ZERO).unwrap();
        }
        assert_eq!(taker.seen.borrow().pieces, pieces);
        assert!(taker.seen.borrow().data.len() <= pieces * 64 * 1024);
        body.resume_producing();
    }
    until(&reactor, "the rest comes", || {
        body.resume_producing();
        taker.is_over()
    });
    assert!(taker.seen.borrow().data == vec![7; PLAIN]);
    assert_eq!(agent.idle_connection_count(), 1);
}
