//! What one client, or all from one address, may cost a server.

use crate::harness::{Connection, Harness, herd};
use crate::held_places::HeldPlaces;
use proxyherd::config::Limits;
use reactor::trace::{Call, Event, Kind, Outcome, Trace};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// The addresses of two clients.
const ONE: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];

fn start(harness: &Harness, limits: Limits) -> SocketAddr {
    let mut config = herd(&[]);
    config.limits = limits;
    harness.start(&config, Rc::new(HeldPlaces::default()))
}

/// Lets time pass as the loop would see it: in steps shorter than the server's own.
fn pass(harness: &Harness, seconds: u64) {
    for _ in 0..seconds {
        harness.advance(Duration::from_secs(1));
    }
}

#[track_caller]
fn is_served(client: &mut Connection<'_>) {
    assert_eq!(client.ask("hello"), "? hello");
}

#[track_caller]
fn is_cut_off(harness: &Harness, client: &mut Connection<'_>) {
    harness.turn_until("it is cut off", || client.has_ended());
}

#[test]
fn beyond_the_limit_of_an_address_its_longest_idle_connection_goes() {
    let harness = Harness::new();
    let server = start(&harness, Limits { connections_per_address: 3, ..Limits::default() });
    let mut other = harness.connect_from(OTHER, server);
    is_served(&mut other);
    let mut clients: Vec<Connection<'_>> = (0..3).map(|_| harness.connect_from(ONE, server)).collect();
    clients.iter_mut().for_each(is_served);
    pass(&harness, 6);
    is_served(&mut clients[0]);

    let mut newest = harness.connect_from(ONE, server);
    is_served(&mut newest);
    is_cut_off(&harness, &mut clients[1]);
    is_served(&mut clients[0]);
    is_served(&mut clients[2]);
    is_served(&mut other);
}

#[test]
fn an_address_opens_five_thousand_connections_a_second_while_others_are_connected() {
    let harness = Harness::new();
    let server = start(&harness, Limits::default());
    let served = |count: usize| {
        for _ in 0..count {
            is_served(&mut harness.connect_from(ONE, server));
        }
    };
    served(100);
    let mut other = harness.connect_from(OTHER, server);
    is_served(&mut other);
    // Those that came while nobody else was there do not count.
    served(5000);
    is_cut_off(&harness, &mut harness.connect_from(ONE, server));
    is_served(&mut harness.connect_from(OTHER, server));
    harness.advance(Duration::from_secs(1));
    served(1);
}

#[test]
fn the_connections_of_one_address_share_the_lines_of_a_turn() {
    // One connection has sixty-four; four have all that an address has, and more of them share it.
    for (connections, most) in [(1, 64), (4, 64), (16, 16), (64, 4), (300, 1)] {
        let harness = Harness::new();
        let server = start(&harness, Limits::default());
        let mut crowd: Vec<Connection<'_>> = (0..connections).map(|_| harness.connect_from(OTHER, server)).collect();
        let mut alone = harness.connect_from(ONE, server);
        is_served(&mut alone);
        crowd.iter_mut().for_each(is_served); // A share that has changed holds from the next line on.
        crowd.iter_mut().chain([&mut alone]).for_each(|client| client.try_send(&b"x\n".repeat(160)));
        let mut left: Vec<usize> = vec![160; connections + 1];
        while left.iter().any(|left| *left > 0) {
            harness.turn();
            for (place, client) in crowd.iter_mut().chain([&mut alone]).enumerate() {
                let lines = client.received().iter().filter(|byte| **byte == b'\n').count();
                // In the turn in which they arrive, the rest of that turn handles as many again.
                let most = 2 * if place == connections { 64 } else { most };
                assert!(lines <= most, "{lines} of {connections}");
                left[place] -= lines;
            }
        }
        // When the crowd has gone, the last one has its turns for itself again.
        crowd.truncate(1);
        for _ in 0..3 {
            harness.turn();
        }
        crowd[0].try_send(&b"x\n".repeat(160));
        harness.turn();
        let lines = crowd[0].received().iter().filter(|byte| **byte == b'\n').count();
        assert!((64..=128).contains(&lines), "{lines} lines of the last connection of a crowd of {connections}");
    }
}

#[test]
fn a_crowd_shares_only_while_somebody_else_is_there() {
    let harness = Harness::new();
    let server = start(&harness, Limits::default());
    let mut crowd: Vec<Connection<'_>> = (0..64).map(|_| harness.connect_from(OTHER, server)).collect();
    crowd.iter_mut().for_each(is_served);
    let lines_of_a_turn = |crowd: &mut Vec<Connection<'_>>| {
        crowd.iter_mut().for_each(is_served); // A share that has changed holds from the next line on.
        crowd.iter_mut().for_each(|client| client.try_send(&b"x\n".repeat(16)));
        harness.turn();
        let lines = |client: &mut Connection<'_>| client.received().iter().filter(|byte| **byte == b'\n').count();
        let in_turn: Vec<usize> = crowd.iter_mut().map(lines).collect();
        let mut left = 16 * crowd.len() - in_turn.iter().sum::<usize>();
        harness.turn_until("all are answered", || {
            left -= crowd.iter_mut().map(lines).sum::<usize>();
            left == 0
        });
        in_turn.into_iter().max()
    };
    assert_eq!(lines_of_a_turn(&mut crowd), Some(16));
    let mut alone = harness.connect_from(ONE, server);
    is_served(&mut alone);
    assert_eq!(lines_of_a_turn(&mut crowd), Some(8)); // Four as they arrive, and four in the rest of that turn.
    drop(alone);
    harness.turn();
    assert_eq!(lines_of_a_turn(&mut crowd), Some(16));
}

#[test]
fn beyond_the_limit_of_the_server_the_address_with_the_most_connections_loses_one() {
    let harness = Harness::new();
    let server = start(&harness, Limits { connections: 4, ..Limits::default() });
    let mut other = harness.connect_from(OTHER, server);
    is_served(&mut other);
    pass(&harness, 6); // The longest idle of all, but alone at its address.
    let mut clients: Vec<Connection<'_>> = (0..3).map(|_| harness.connect_from(ONE, server)).collect();
    clients.iter_mut().for_each(is_served);

    let mut newest = harness.connect_from([127, 0, 0, 3], server);
    is_served(&mut newest);
    is_cut_off(&harness, &mut clients[0]);
    is_served(&mut clients[1]);
    is_served(&mut clients[2]);
    is_served(&mut other);
}

#[test]
fn a_client_that_says_nothing_is_closed_when_it_has_been_idle() {
    let harness = Harness::new();
    let server = start(&harness, Limits { idle: Duration::from_secs(60), ..Limits::default() });
    let (mut silent, mut busy) = (harness.connect(server), harness.connect(server));
    is_served(&mut silent);
    for _ in 0..2 {
        pass(&harness, 27);
        is_served(&mut busy);
    }
    assert!(!silent.has_ended());
    pass(&harness, 12);
    is_cut_off(&harness, &mut silent);
    is_served(&mut busy);
}

/// A harness, and the number of times that keep-alive was set on a socket of the server.
fn counts_keep_alive() -> (Harness, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let observer = move |event: &Event<'_>| {
        if let Kind::Call { call: Call::SetOption { name: "SO_KEEPALIVE", .. }, outcome: Outcome::Done(_) } = event.kind
        {
            counted.set(counted.get() + 1);
        }
    };
    (Harness::traced(Trace::new(observer)), count)
}

#[test]
fn keep_alive_begins_with_the_first_sweep_and_a_short_connection_never_pays_for_it() {
    let (harness, count) = counts_keep_alive();
    let server = start(&harness, Limits::default());
    let mut short = harness.connect(server);
    is_served(&mut short);
    drop(short);
    let mut long = harness.connect(server);
    is_served(&mut long);
    assert_eq!(count.get(), 0);
    pass(&harness, 6);
    assert_eq!(count.get(), 1);
    pass(&harness, 20);
    assert_eq!(count.get(), 1);
}

#[test]
fn keep_alive_of_a_neighbor_begins_at_once_and_no_sweep_makes_it_slow() {
    let (harness, count) = counts_keep_alive();
    let nobody = SocketAddr::from((ONE, 1));
    let server = harness.start(&herd(&[("Bolden", nobody)]), Rc::new(HeldPlaces::default()));
    let mut bolden = harness.connect(server);
    bolden.send("PEER Bolden\n");
    is_served(&mut bolden);
    assert_eq!(count.get(), 1);
    pass(&harness, 12);
    assert_eq!(count.get(), 1);
}

#[test]
fn a_line_that_takes_half_a_minute_ends_the_connection() {
    let harness = Harness::new();
    let server = start(&harness, Limits::default());
    let (mut slow, mut fast) = (harness.connect(server), harness.connect(server));
    for second in 0..40 {
        slow.send("x");
        fast.send(if second % 10 == 0 { "y\n" } else { "y" });
        pass(&harness, 1);
    }
    is_cut_off(&harness, &mut slow);
    assert_eq!(fast.line(), "? y");
    assert_eq!(fast.line(), "? yyyyyyyyyy");
    assert!(!fast.has_ended());
}

#[test]
fn a_client_that_waits_for_the_places_service_is_neither_idle_nor_slow() {
    let harness = Harness::new();
    let mut config = herd(&[]);
    config.limits.idle = Duration::from_secs(20);
    let held = Rc::new(HeldPlaces::default());
    let server = harness.start(&config, held.clone());
    let mut client = harness.connect(server);
    client.send("IAMAT kiwi +1+2 0\nWHATSAT kiwi 1 1\nIAMA");
    client.line();
    harness.turn_until("the question is asked", || held.questions().len() == 1);
    pass(&harness, 90);
    assert!(!client.has_ended());
    held.answer("{\"results\":[],\"status\":\"OK\"}");
    harness.turn_until("the reply comes", || client.has_line());
}

#[test]
fn a_client_that_does_not_read_its_replies_is_cut_off_after_half_a_minute() {
    let harness = Harness::new();
    let server = start(&harness, Limits::default());
    let (mut deaf, mut good) = (harness.connect(server), harness.connect(server));
    let line = format!("{}\n", "x".repeat(60_000));
    // Until the system's buffers are full, and ours as well: then the server stops reading.
    for _ in 0..400 {
        deaf.try_send(line.as_bytes());
        harness.turn();
    }
    pass(&harness, 40);
    harness.turn_until("it is cut off", || deaf.send_fails(b"x"));
    is_served(&mut good);
}

#[test]
fn when_all_buffers_are_full_the_largest_goes() {
    let harness = Harness::new();
    let limits = Limits { buffers: 200_000, line: 1 << 20, ..Limits::default() };
    let server = start(&harness, limits);
    let mut small = harness.connect(server);
    small.send(vec![b'x'; 20_000]);
    let mut large = harness.connect(server);
    large.send(vec![b'x'; 250_000]); // An unfinished line counts as well.
    pass(&harness, 6);
    is_cut_off(&harness, &mut large);
    small.send("\n");
    assert_eq!(small.line().len(), 20_002);
}

#[test]
fn an_address_may_bring_its_share_of_new_clients_and_those_that_are_known_go_on() {
    let harness = Harness::new();
    let forget = Duration::from_secs(300);
    let server = start(&harness, Limits { clients_per_address: 3, forget, ..Limits::default() });
    let (mut one, mut again) = (harness.connect_from(ONE, server), harness.connect_from(ONE, server));
    let is_taken = |client: &mut Connection<'_>, name: &str| {
        let line = format!("IAMAT {name} +1+2 {}", harness.next());
        let reply = client.ask(&line);
        assert!(reply.starts_with("AT Alford ") || reply == format!("? {line}"), "{reply}");
        reply.starts_with("AT ")
    };
    assert!(["a", "b", "a", "b"].iter().all(|name| is_taken(&mut one, name)));
    assert!(is_taken(&mut again, "c") && !is_taken(&mut again, "d") && !is_taken(&mut one, "e"));
    assert!(["a", "b", "c"].iter().all(|name| is_taken(&mut one, name)), "those are not new");
    let mut other = harness.connect_from(OTHER, server);
    assert!(is_taken(&mut other, "d") && is_taken(&mut one, "d"), "somebody else may bring it");
    harness.advance(Duration::from_secs(101));
    assert!(is_taken(&mut one, "e") && !is_taken(&mut one, "f"));
}
