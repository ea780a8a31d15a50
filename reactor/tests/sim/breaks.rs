//! A connection that breaks at each byte of its life, by either end or by the network, over TCP and a UNIX socket.

use super::*;
use std::cell::Cell;

const PATH: &str = "/run/echo.sock";
/// The client says this, a byte at a time, and the server sends it back.
const TEXT: &str = "twenty bytes to you.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    Server,
    Client,
    Network,
}

/// Breaks the connection when it has received `count` bytes; 0 means in `connection_made`.
fn breaking_at(count: Option<usize>, noting: Noting) -> Noting {
    let Some(count) = count else { return noting };
    let Noting { mut made, mut data, .. } = noting;
    let left = Cell::new(count);
    let data = move |transport: &Transport, bytes: &[u8]| {
        data(transport, bytes);
        left.set(left.get().saturating_sub(bytes.len()));
        if left.get() == 0 {
            transport.abort_connection();
        }
    };
    let made = move |transport: &Transport| match count {
        0 => transport.abort_connection(),
        _ => made(transport),
    };
    Noting { made: Box::new(made), data: Box::new(data), ..Noting::new(&noting.events) }
}

/// Writes the rest of the text, a byte each millisecond, for as long as there is a connection.
fn drip(reactor: Reactor, transport: Transport, at: usize) {
    if at < TEXT.len() && !transport.is_disconnecting() {
        transport.write(&TEXT.as_bytes()[at..=at]);
        let next = reactor.clone();
        reactor.call_later(MS, move || drip(next, transport, at + 1));
    }
}

/// What the ends note, server first, if `breaker` breaks the connection at byte `at`.
fn broken(kind: Kind, breaker: Breaker, at: usize) -> [Vec<String>; 2] {
    let world = world(1);
    let (ours, theirs) = (Events::default(), Events::default());
    let (noted, breaks) = (ours.clone(), (breaker == Breaker::Server).then_some(at));
    let serve = move |reactor: &Reactor| {
        let noted = noted.clone();
        let build = move |_: Address| breaking_at(breaks, echoing(Noting::new(&noted)));
        match kind {
            Kind::Tcp => drop(reactor.listen_tcp("0.0.0.0:8007", build).unwrap()),
            Kind::Unix => drop(reactor.listen_unix(PATH, build).unwrap()),
        }
    };
    let (noted, breaks) = (theirs.clone(), (breaker == Breaker::Client).then_some(at));
    let connect = move |reactor: &Reactor| {
        let own = reactor.clone();
        let shape = move |noting: Noting| {
            let own = own.clone();
            let made = move |transport: &Transport| drip(own.clone(), transport.clone(), 0);
            let received = Cell::new(0);
            let data = move |transport: &Transport, bytes: &[u8]| {
                received.set(received.get() + bytes.len());
                if received.get() == TEXT.len() {
                    transport.lose_connection();
                }
            };
            breaking_at(breaks, Noting { made: Box::new(made), data: Box::new(data), ..noting })
        };
        let factory = Once { events: noted.clone(), shape };
        match kind {
            Kind::Tcp => drop(reactor.connect_tcp(("server", PORT), factory)),
            Kind::Unix => drop(reactor.connect_unix(PATH, factory)),
        }
    };
    let hosts = match kind {
        Kind::Tcp => vec![world.host("server", serve), world.host("client", connect)],
        Kind::Unix => {
            let both = move |reactor: &Reactor| {
                serve(reactor);
                let (own, connect) = (reactor.clone(), connect.clone());
                reactor.call_later(MS, move || connect(&own));
            };
            vec![world.host("server", both)]
        }
    };
    if breaker == Breaker::Network {
        // 35 ms until both are connected, and then a byte each millisecond.
        world.run_for(35 * MS + at as u32 * MS);
        world.reset_connections(&hosts[0], &hosts[1]);
    }
    world.run_for(SECOND);
    for host in &hosts {
        let reactor = host.reactor().unwrap();
        assert_eq!(
            (reactor.delayed_call_count(), reactor.inventory().connections.len()),
            (0, 0),
            "{kind:?} {breaker:?}"
        );
    }
    assert_eq!(world.connection_count(), 0, "no kernel keeps it");
    [ours.all(), theirs.all()]
}

/// Checks what one end has noted, and returns why it has lost the connection.
#[track_caller]
fn check(events: &[String], what: &str) -> String {
    let lost: Vec<usize> = (0..events.len()).filter(|at| events[*at].starts_with("lost ")).collect();
    assert_eq!(events.first().map(String::as_str), Some("made"), "{what}: {events:?}");
    assert_eq!(lost.len(), 1, "{what}: {events:?}");
    let after: Vec<&str> = events[lost[0] + 1..].iter().map(String::as_str).collect();
    assert!(after.is_empty() || after == ["client lost"], "{what}: {events:?}");
    for text in events.iter().filter_map(|event| event.strip_prefix("data ")) {
        assert!(TEXT.starts_with(text), "{what}: {text}");
    }
    events[lost[0]]["lost ".len()..].to_owned()
}

#[test]
fn an_end_that_breaks_off_at_any_byte_is_aborted_and_its_peer_loses_the_connection() {
    for kind in [Kind::Tcp, Kind::Unix] {
        for at in 0..=TEXT.len() {
            for breaker in [Breaker::Server, Breaker::Client] {
                let what = format!("{kind:?}, {breaker:?} at {at}");
                let [server, client] = broken(kind, breaker, at).map(|events| check(&events, &what));
                let (breaks, peer) = if breaker == Breaker::Server { (server, client) } else { (client, server) };
                // With the last byte, the client closes; the abort comes after that, and both may be done.
                let is_last = at == TEXT.len();
                assert!(breaks == "Aborted" || is_last && breaks == "Done", "{what}: {breaks}");
                assert!(peer == "Lost" || is_last && peer == "Done", "{what}: {peer}");
            }
        }
    }
}

#[test]
fn both_ends_lose_a_connection_that_the_network_breaks_at_any_byte() {
    for at in 0..=TEXT.len() {
        let what = format!("at {at}");
        let reasons = broken(Kind::Tcp, Breaker::Network, at).map(|events| check(&events, &what));
        assert_eq!(reasons, ["Lost", "Lost"], "{what}");
    }
}
