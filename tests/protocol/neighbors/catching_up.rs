//! What it costs to find what a neighbor must be told: a bounded number of clients in one turn of the loop, and in all
//! as much as has changed.

use crate::harness::{Connection, Harness, Port};
use crate::held_places::HeldPlaces;
use proxyherd::links::MAX_LOOKED_AT;
use proxyherd::locations::NeighborId;
use proxyherd::watch::Watch;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;

/// Many more clients than are looked at in one turn.
const CLIENTS: usize = 6 * MAX_LOOKED_AT;

/// The maximum number of clients that are looked at in one turn: once when the link is told that its buffer has room,
/// and once more for one event.
const MAX_IN_A_TURN: usize = 2 * MAX_LOOKED_AT;

/// Counts the clients that the server looks at.
#[derive(Default)]
struct Looks {
    all: Cell<usize>,
}

impl Watch for Looks {
    fn looked_at(&self, _neighbor: NeighborId, clients: usize) {
        self.all.set(self.all.get() + clients);
    }
}

impl Looks {
    /// Turns the loop until `condition` holds, and checks each turn.
    #[track_caller]
    fn turn_until(&self, harness: &Harness, what: &str, mut condition: impl FnMut() -> bool) {
        let mut before = self.all.get();
        harness.turn_until(what, || {
            let all = self.all.get();
            assert!(all - before <= MAX_IN_A_TURN, "{} clients were looked at in one turn", all - before);
            before = all;
            condition()
        });
    }
}

/// Alford, with an observer, and its neighbor Bolden, played by the test.
fn with_bolden(test: impl FnOnce(&Harness, &Port<'_>, SocketAddr, &Looks)) {
    let harness = Harness::new();
    let bolden = harness.listen();
    let looks = Rc::new(Looks::default());
    let config = crate::harness::herd(&[("Bolden", bolden.address())]);
    let server = harness.start_watched(&config, Rc::new(HeldPlaces::default()), looks.clone());
    test(&harness, &bolden, server, &looks);
}

/// Has Bolden bring news of many clients, and waits until they are known.
#[track_caller]
fn bring(bolden: &mut Connection<'_>, time: usize) {
    let lines = |number| format!("AT Bolden +0.500000000 client{number} +1+2 {time}\n");
    for first in (0..CLIENTS).step_by(256) {
        bolden.send((first..CLIENTS.min(first + 256)).map(lines).collect::<String>());
    }
    assert_eq!(bolden.ask("taken?"), "? taken?");
}

#[test]
fn a_link_that_comes_up_tells_everything_in_small_steps() {
    with_bolden(|harness, port, server, looks| {
        let link = port.accept_link();
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\n");
        bring(&mut bolden, 1);
        drop(link);
        // Bolden comes again, so that the link is tried at once.
        let mut link = None;
        let mut again = harness.connect(server);
        looks.turn_until(harness, "the link comes up", || {
            if link.is_none() {
                again.send("PEER Bolden\n");
                again = harness.connect(server);
                link = port.try_accept();
            }
            link.is_some()
        });
        let mut link = link.unwrap();
        let mut told = BTreeSet::new();
        assert_eq!((link.line(), link.line()), ("PEER Alford".to_owned(), "DIGEST -".to_owned()));
        link.send("? DIGEST -\n");
        looks.turn_until(harness, "everything is told", || {
            while link.has_line() {
                told.insert(link.line());
            }
            told.len() == CLIENTS
        });
    });
}

#[test]
fn clients_that_need_not_be_told_are_passed_in_small_steps() {
    with_bolden(|harness, port, server, looks| {
        let mut link = port.accept_link();
        let mut client = harness.connect(server);
        // Lines of a length that soon fills the system's buffers: Bolden does not read.
        let tail = "x".repeat(60_000);
        for number in 0..100 {
            client.ask(&format!("IAMAT long{number}-{tail} +1+2 1"));
        }
        let mut bolden = harness.connect(server);
        bolden.send("PEER Bolden\n");
        bring(&mut bolden, 1);
        let before = looks.all.get();
        let (mut is_sent, mut told) = (false, 0);
        looks.turn_until(harness, "Bolden is told the last", || {
            // Each of these makes the link look, and all come in one turn, while it passes what Bolden has brought.
            if !is_sent && looks.all.get() - before >= 2 * MAX_LOOKED_AT {
                let lines: String = (0..200).map(|number| format!("IAMAT more{number} +1+2 1\n")).collect();
                assert!(!client.send_fails(lines.as_bytes()));
                is_sent = true;
            }
            told += usize::from(link.has_line() && link.line().contains(" more"));
            told == 200
        });
        assert!(looks.all.get() - before >= CLIENTS, "they were passed before");
    });
}

#[test]
fn connections_that_bring_one_client_each_cost_one_look_each() {
    const CONNECTIONS: usize = 200;
    with_bolden(|harness, port, server, looks| {
        let mut link = port.accept_link();
        let mut first = harness.connect(server);
        first.send("PEER Bolden\n");
        bring(&mut first, 1);
        let before = looks.all.get();
        for number in 0..CONNECTIONS {
            let mut bolden = harness.connect(server);
            bolden.send("PEER Bolden\n");
            bolden.send(format!("AT Bolden +0.500000000 client{number} +1+2 2\n"));
            assert_eq!(bolden.ask("taken?"), "? taken?");
            drop(bolden);
        }
        // The first end tells back everything that Bolden has told us so far: it may be another process now.
        let mut told = 0;
        looks.turn_until(harness, "everything is told back", || {
            while link.has_line() {
                link.line();
                told += 1;
            }
            told >= CLIENTS + CONNECTIONS - 1
        });
        let looked_at = looks.all.get() - before;
        assert!(looked_at <= CLIENTS + 8 * CONNECTIONS, "{looked_at} clients were looked at");
        let mut client = harness.connect(server);
        let news = client.ask("IAMAT ours +1+2 2");
        assert_eq!(link.line(), news, "and nothing else");
    });
}
