//! Bodies, both ways: as a stream, in one piece, paused, dropped.

use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{agent, assert_nothing_is_left, body, failed, get, outcome};
use reactor::http::{BodyEnd, BodyProtocol, BodyTransport, HttpError, Request, Response, Stage};
use reactor::{Context, Reactor, Transport};
use std::cell::RefCell;
use std::rc::Rc;

/// More than the buffers of both ends hold together.
const LARGE: usize = 32 * 1024 * 1024;

/// Records what a body brings, and after each piece does what the test says.
#[derive(Clone)]
pub(crate) struct Taker {
    pub(crate) seen: Rc<RefCell<Seen>>,
    after: Rc<dyn Fn(&BodyTransport)>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) data: Vec<u8>,
    pub(crate) pieces: usize,
    pub(crate) end: Option<BodyEnd>,
}

impl Taker {
    pub(crate) fn new(after: impl Fn(&BodyTransport) + 'static) -> Taker {
        Taker { seen: Rc::default(), after: Rc::new(after) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.seen.borrow().end.is_some()
    }
}

impl BodyProtocol for Taker {
    fn data_received(&mut self, body: &BodyTransport, data: &[u8]) {
        assert!(!data.is_empty() && !body.is_paused() && !self.is_over());
        let mut seen = self.seen.borrow_mut();
        seen.data.extend_from_slice(data);
        seen.pieces += 1;
        drop(seen);
        (self.after)(body);
    }

    fn body_ended(&mut self, end: BodyEnd) {
        assert!(!self.is_over());
        self.seen.borrow_mut().end = Some(end);
    }
}

/// A server that answers with this many bytes, and writes each piece when the one before has gone out.
fn sending(reactor: &Reactor, bytes: usize) -> Server {
    Server::new(reactor, move |transport, _| {
        transport.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes());
        transport.write(&vec![b'x'; bytes]);
    })
}

/// The response of `server`; only its head has come.
fn response(reactor: &Reactor, agent: &reactor::http::Agent, server: &Server) -> Response {
    wait(reactor, agent.request(get(&server.url("/")))).unwrap()
}

#[test]
fn a_body_is_a_stream_and_the_connection_is_kept_when_it_ends() {
    let reactor = Reactor::new().unwrap();
    let server =
        Server::saying(&reactor, &["HTTP/1.1 201 Made\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]);
    let agent = agent(&reactor, |_| {});
    let response = response(&reactor, &agent, &server);
    assert_eq!((response.status(), response.head().header("x").next()), (201, Some(&b"y"[..])));
    let taker = Taker::new(|_| {});
    response.deliver_body(taker.clone());
    assert_eq!(taker.seen.borrow().pieces, 0, "not before deliver_body returns");
    until(&reactor, "the first piece", || taker.seen.borrow().data == b"hello");
    assert_eq!(agent.idle_connection_count(), 0);
    server.connection(0).write(b"1\r\n!\r\n0\r\n\r\n");
    until(&reactor, "the end", || taker.is_over());
    assert!(matches!(taker.seen.borrow().end, Some(BodyEnd::ResponseDone)));
    assert_eq!(taker.seen.borrow().data, b"hello!");
    assert_eq!(agent.idle_connection_count(), 1);
}

#[test]
fn nothing_is_read_until_the_body_is_delivered_nor_while_it_is_paused() {
    let reactor = Reactor::new().unwrap();
    let server = sending(&reactor, LARGE);
    let agent = agent(&reactor, |settings| settings.limits.body = u64::MAX);
    let response = response(&reactor, &agent, &server);
    let turns = |n: usize| (0..n).for_each(|_| reactor.iterate(std::time::Duration::ZERO).unwrap());
    let stands_still = |what: &str| {
        turns(50);
        let waiting = server.connection(0).buffered();
        turns(50);
        assert!(waiting > 0 && waiting == server.connection(0).buffered(), "it is read from: {what}");
    };
    stands_still("nothing takes it");
    let taker = Taker::new(BodyTransport::pause_producing);
    let body = response.deliver_body(taker.clone());
    for pieces in 1..4 {
        until(&reactor, "one piece comes", || taker.seen.borrow().pieces == pieces);
        stands_still("it is paused");
        assert_eq!((taker.seen.borrow().pieces, body.is_paused()), (pieces, true));
        body.resume_producing();
    }
    until(&reactor, "the rest comes", || {
        body.resume_producing();
        taker.is_over()
    });
    assert_eq!(taker.seen.borrow().data.len(), LARGE);
    wait(&reactor, agent.close_idle()).unwrap();
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_response_that_is_dropped_frees_its_connection() {
    let reactor = Reactor::new().unwrap();
    let server = sending(&reactor, LARGE);
    let agent = agent(&reactor, |settings| settings.limits.body = u64::MAX);
    drop(response(&reactor, &agent, &server));
    assert_nothing_is_left(&reactor, &agent, 1);
    // In a Deferred that is dropped after it has fired, and in ones that are dropped before.
    let unseen = agent.request(get(&server.url("/")));
    until(&reactor, "it is there", || unseen.has_fired());
    assert_eq!(agent.open_connection_count(), 1);
    drop(unseen);
    assert_nothing_is_left(&reactor, &agent, 1);
    drop(agent.request(get(&server.url("/"))));
    assert_nothing_is_left(&reactor, &agent, 1);
    agent.request(get(&server.url("/"))).add_callback(|_response| Ok(())).detach();
    assert_nothing_is_left(&reactor, &agent, 1);
    assert_eq!(server.opened(), 4);
}

#[test]
fn a_response_without_a_body_holds_no_connection() {
    for (method, answer) in [
        ("GET", "HTTP/1.1 204 No\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[answer]);
        let agent = agent(&reactor, |_| {});
        let ask = || {
            let request = Request::new(method, server.url("/").parse().unwrap()).unwrap();
            wait(&reactor, agent.request(request)).unwrap()
        };
        let (one, two) = (ask(), ask());
        assert_eq!((server.opened(), agent.idle_connection_count()), (1, 1), "{method} {answer}");
        assert_eq!(wait(&reactor, one.collect(0)).unwrap(), b"");
        let taker = Taker::new(|_| {});
        two.deliver_body(taker.clone());
        assert!(!taker.is_over(), "not before deliver_body returns");
        until(&reactor, "the end", || taker.is_over());
        assert_eq!(taker.seen.borrow().pieces, 0);
    }
}

#[test]
fn a_body_that_only_the_close_ends_may_have_been_cut() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, _| {
        transport.write(b"HTTP/1.1 200 OK\r\n\r\nperhaps all");
        transport.lose_connection();
    });
    let agent = agent(&reactor, |_| {});
    let taker = Taker::new(|_| {});
    response(&reactor, &agent, &server).deliver_body(taker.clone());
    until(&reactor, "the end", || taker.is_over());
    assert!(matches!(taker.seen.borrow().end, Some(BodyEnd::PotentialDataLoss)));
    assert_eq!(taker.seen.borrow().data, b"perhaps all");
    assert_nothing_is_left(&reactor, &agent, 1);
    assert_eq!(body(wait(&reactor, agent.fetch(get(&server.url("/"))))), "perhaps all");
}

#[test]
fn a_body_that_breaks_off_reports_why_even_to_a_late_taker() {
    let short = |transport: &Transport| {
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
        transport.lose_connection();
    };
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, move |transport, _| short(transport));
    let agent = agent(&reactor, |_| {});
    let expected = (Stage::ResponseFailed, HttpError::Incomplete);
    let taker = Taker::new(|_| {});
    response(&reactor, &agent, &server).deliver_body(taker.clone());
    until(&reactor, "the end", || taker.is_over());
    let Some(BodyEnd::ResponseFailed(failure)) = taker.seen.borrow().end.clone() else { panic!("it did not fail") };
    assert_eq!(failed::<(), HttpError>(Err(failure)), expected);
    assert_eq!(taker.seen.borrow().data, b"short");

    assert_eq!(failed(wait(&reactor, response(&reactor, &agent, &server).collect(100))), expected);
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_collected_body_has_a_limit() {
    for (limit, fits) in [(5, true), (4, false), (0, false)] {
        let reactor = Reactor::new().unwrap();
        let server = Server::saying(&reactor, &[&ok("hello")]);
        let agent = agent(&reactor, |_| {});
        let result = wait(&reactor, response(&reactor, &agent, &server).collect(limit));
        match fits {
            true => assert_eq!(result.unwrap(), b"hello"),
            false => {
                assert_eq!(failed(result), (Stage::ResponseFailed, HttpError::BodyTooLarge));
                assert_nothing_is_left(&reactor, &agent, 1);
            }
        }
    }
}

#[test]
fn an_aborted_body_makes_no_more_calls() {
    let reactor = Reactor::new().unwrap();
    let server = sending(&reactor, LARGE);
    let agent = agent(&reactor, |settings| settings.limits.body = u64::MAX);
    let taker = Taker::new(BodyTransport::abort_connection);
    response(&reactor, &agent, &server).deliver_body(taker.clone());
    assert_nothing_is_left(&reactor, &agent, 1);
    assert_eq!((taker.seen.borrow().pieces, taker.is_over()), (1, false));
    assert_eq!(Rc::strong_count(&taker.seen), 1, "it was dropped");
}

#[test]
fn a_large_request_goes_out_piece_by_piece() {
    // More than a transport holds: written at once, it would abort the connection.
    const HUGE: usize = reactor::transport::MAX_BUFFERED + 1024 * 1024;
    let reactor = Reactor::new().unwrap();
    let server =
        Server::new(&reactor, |transport, asked| transport.write(ok(&asked.text.len().to_string()).as_bytes()));
    let agent = agent(&reactor, |_| {});
    let url = server.url("/").parse().unwrap();
    let length: usize = body(wait(&reactor, agent.fetch(Request::post(url, vec![b'x'; HUGE])))).parse().unwrap();
    assert!((HUGE..HUGE + 1000).contains(&length), "{length}");
    assert_eq!(agent.idle_connection_count(), 1);
}

#[test]
fn an_early_response_counts_but_its_connection_is_not_reused() {
    struct Refuses;
    impl reactor::Protocol for Refuses {
        fn connection_made(&mut self, transport: &Transport) {
            transport.pause_producing(); // The rest of the request stays where it is.
            transport.write(ok("no").as_bytes());
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Refuses).unwrap();
    let agent = agent(&reactor, |_| {});
    let request = Request::post(format!("http://{}", port.host()).parse().unwrap(), vec![0; LARGE]);
    assert_eq!(body(outcome(agent.fetch(request)).get(&reactor)), "no");
    until(&reactor, "our end is gone", || agent.open_connection_count() == 0);
}

#[test]
fn a_body_is_taken_in_the_context_of_the_code_that_asked_for_it() {
    struct Id(u32);
    let inside = |id, work: &mut dyn FnMut()| Context::current().with(Id(id)).run(work);
    let reactor = Reactor::new().unwrap();
    let server = Server::saying(&reactor, &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
    let agent = agent(&reactor, |_| {});
    let mut response = None;
    inside(1, &mut || response = Some(self::response(&reactor, &agent, &server)));
    let seen: Rc<RefCell<Vec<Option<u32>>>> = Rc::default();
    struct Noting(Rc<RefCell<Vec<Option<u32>>>>);
    impl BodyProtocol for Noting {
        fn data_received(&mut self, _body: &BodyTransport, _data: &[u8]) {
            self.0.borrow_mut().push(Context::current().get::<Id>().map(|id| id.0));
        }
        fn body_ended(&mut self, _end: BodyEnd) {
            self.0.borrow_mut().push(Context::current().get::<Id>().map(|id| id.0));
        }
    }
    inside(2, &mut || drop(response.take().unwrap().deliver_body(Noting(seen.clone()))));
    until(&reactor, "the end", || seen.borrow().len() == 2);
    assert_eq!(*seen.borrow(), [Some(2); 2]);
}
