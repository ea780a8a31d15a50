//! How many requests begin in a turn of the loop.

use super::{Peer, echo, get, seconds, text};
use reactor::http::server::{HttpServer, Request, Response, ServerSettings};
use reactor::testing::ManualClock;
use reactor::{Failure, Reactor};
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

/// This number of connections to a server that begins `most` requests in a turn.
fn crowd(most: usize, connections: usize) -> (Vec<Peer>, ManualClock) {
    let clock = ManualClock::new();
    let mut settings = ServerSettings::default();
    settings.max_requests_at_once = most;
    let server = HttpServer::with_settings(&clock, settings, echo);
    ((0..connections).map(|_| Peer::new(&server)).collect(), clock)
}

/// Lets the clock make all calls, and says which connections have an answer.
fn answered(peers: &mut [Peer], clock: &ManualClock) -> Vec<usize> {
    clock.advance(seconds(0));
    let answers: Vec<bool> = peers.iter_mut().map(|peer| !peer.turn().is_empty()).collect();
    (0..peers.len()).filter(|place| answers[*place]).collect()
}

#[test]
fn requests_beyond_the_maximum_wait() {
    let (mut peers, clock) = crowd(2, 5);
    let answers: Vec<bool> = peers.iter_mut().map(|peer| peer.send(get("/")) == text("GET /")).collect();
    assert_eq!(answers, [true, true, false, false, false]);
    assert_eq!(answered(&mut peers, &clock), [2, 3, 4]);
}

#[test]
fn each_turn_of_the_loop_begins_its_share() -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let (served, turn) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
    let (seen, clock) = (served.clone(), reactor.clone());
    let service = move |_request: Request| {
        let now = turn.get();
        seen.borrow_mut().push(now);
        let (turn, stopper, is_last) = (turn.clone(), clock.clone(), seen.borrow().len() == 7);
        clock.call_later(Duration::ZERO, move || {
            turn.set(now + 1);
            if is_last {
                stopper.stop();
            }
        });
        Response::text("")
    };
    let mut settings = ServerSettings::default();
    settings.max_requests_at_once = 2;
    let port = reactor.listen_tcp("127.0.0.1:0", HttpServer::with_settings(&reactor, settings, service).factory())?;
    // All of them have asked before the loop looks.
    let peers = (0..7).map(|_| {
        let mut stream = TcpStream::connect(port.host())?;
        stream.write_all(get("/").as_bytes())?;
        Ok(stream)
    });
    let peers: Vec<TcpStream> = peers.collect::<std::io::Result<_>>()?;
    reactor.run()?;
    assert_eq!(*served.borrow(), [0, 0, 1, 1, 2, 2, 3]);
    drop(peers);
    Ok(())
}

#[test]
fn a_pipeline_goes_on_from_turn_to_turn() {
    let (mut peers, clock) = crowd(2, 1);
    let many = ["/1", "/2", "/3", "/4", "/5"];
    let mut received = peers[0].send(many.map(get).concat());
    assert_eq!(received, text("GET /1") + &text("GET /2"));
    for _ in 0..3 {
        clock.advance(seconds(0));
        received += &peers[0].turn();
    }
    assert_eq!(received, many.map(|path| text(&format!("GET {path}"))).concat());
}

#[test]
fn the_rest_of_a_request_waits_for_nobody() {
    let (mut peers, _clock) = crowd(1, 2);
    assert_eq!(peers[0].send("GET / HTT"), "");
    assert_eq!(peers[1].send(get("/")), "", "the first has begun");
    assert_eq!(peers[0].send("P/1.1\r\nHost: a\r\n\r\n"), text("GET /"));
}

#[test]
fn a_connection_that_goes_while_it_waits_keeps_nobody_waiting() {
    let (mut peers, clock) = crowd(1, 3);
    peers.iter_mut().for_each(|peer| drop(peer.send(get("/"))));
    peers.remove(1).lose();
    assert_eq!(answered(&mut peers, &clock), [1]);
}

#[test]
fn a_maximum_of_none_is_one() {
    let (mut peers, clock) = crowd(0, 2);
    peers.iter_mut().for_each(|peer| assert_eq!(peer.send(get("/")), ""));
    assert_eq!(answered(&mut peers, &clock), [0, 1]);
}
