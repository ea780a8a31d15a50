//! WHATSAT: the form of its answer, its order among the other replies, and the limits on questions.

use crate::harness::{Connection, Harness, herd};
use crate::held_places::HeldPlaces;
use proxyherd::places::Limiter;
use std::num::NonZeroUsize;
use std::rc::Rc;

const AT: &str = "AT Alford +1400794645.655887836 kiwi +34.5-118.25 0";

/// An answer with three places.
const THREE: &str = "{\n   \"results\" : [ {\"a\":1}, {\"b\":2}, {\"c\":3} ],\n   \"status\" : \"OK\"\n}\n";

/// The same answer as a client gets it: cut to `bound` places, without a newline at its end.
fn cut(bound: usize) -> String {
    let places = ["", "{\"a\":1}", "{\"a\":1}, {\"b\":2}", "{\"a\":1}, {\"b\":2}, {\"c\":3}"][bound.min(3)];
    let open = if bound == 0 { "" } else { " " };
    format!("{{\n   \"results\" : [{open}{places} ],\n   \"status\" : \"OK\"\n}}")
}

/// A client of a server that knows where kiwi is.
fn with_client(test: impl FnOnce(&Harness, &HeldPlaces, &mut Connection<'_>)) {
    let harness = Harness::new();
    let (server, held) = harness.start_among(&[]);
    let mut client = harness.connect(server);
    assert_eq!(client.ask("IAMAT kiwi +34.5-118.25 0"), AT);
    test(&harness, &held, &mut client);
}

impl Connection<'_> {
    #[track_caller]
    fn expect(&mut self, expected: &str) {
        let bytes = self.bytes(expected.len());
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}

#[test]
fn a_whatsat_gets_the_at_line_the_json_and_an_empty_line() {
    with_client(|harness, held, client| {
        for (bound, expected) in [(0, cut(0)), (1, cut(1)), (2, cut(2)), (3, cut(3)), (20, cut(3))] {
            client.send(format!("WHATSAT kiwi 10 {bound}\n"));
            harness.turn_until("the question is asked", || held.questions().len() == 1);
            held.answer(THREE);
            client.expect(&format!("{AT}\n{expected}\n\n"));
        }
        assert_eq!(client.ask("next"), "? next");
    });
}

#[test]
fn a_question_has_the_clients_place_and_the_radius_in_metres() {
    with_client(|harness, held, client| {
        for (radius, metres) in
            [("10", "10000"), ("50", "50000"), ("0", "0"), ("0.5", "500"), (".0004", "0.4"), ("50.000", "50000")]
        {
            client.send(format!("WHATSAT kiwi {radius} 1\n"));
            harness.turn_until("the question is asked", || held.questions().len() == 1);
            let (question, firer) = held.take();
            assert_eq!((&*question.latitude, &*question.longitude, &*question.radius), ("34.5", "-118.25", metres));
            firer.callback(THREE.into()).unwrap();
            client.expect(&format!("{AT}\n{}\n\n", cut(1)));
        }
    });
}

#[test]
fn a_radius_or_bound_out_of_range_is_invalid_and_asks_no_service() {
    with_client(|_, held, client| {
        // One of each: the unit tests of `message` know every form.
        for limits in ["50.001 5", "x 5", "10 21", "10 x"] {
            let command = format!("WHATSAT kiwi {limits}");
            assert_eq!(client.ask(&command), format!("? {command}"));
        }
        assert_eq!(held.questions().len(), 0);
    });
}

#[test]
fn an_older_iamat_gets_its_at_and_changes_nothing() {
    with_client(|harness, held, client| {
        let newest = client.ask("IAMAT kiwi +3+4 100.000000001");
        let older = client.ask("IAMAT kiwi +5+6 100");
        assert_eq!(older, "AT Alford +1400794545.655887836 kiwi +5+6 100");
        client.send("WHATSAT kiwi 1 3\n");
        harness.turn_until("the question is asked", || held.questions().len() == 1);
        let (question, firer) = held.take();
        assert_eq!((&*question.latitude, &*question.longitude), ("3", "4"));
        firer.callback(THREE.into()).unwrap();
        client.expect(&format!("{newest}\n{}\n\n", cut(3)));
    });
}

#[test]
fn replies_come_in_the_order_of_the_commands_however_long_a_whatsat_takes() {
    with_client(|harness, held, client| {
        client.send("WHATSAT kiwi 1 1\nFOO\nWHATSAT kiwi 1 2\nIAMAT kiwi +34.5-118.25 0\nWHATSAT kiwi 1 0\nBAR\n");
        harness.turn_until("all are asked", || held.questions().len() == 3);
        let [first, second, third] = [held.take().1, held.take().1, held.take().1];
        third.callback(THREE.into()).unwrap();
        second.callback(THREE.into()).unwrap();
        harness.turn();
        harness.turn();
        client.expect_silence();
        first.callback(THREE.into()).unwrap();
        let [one, two, none] = [cut(1), cut(2), cut(0)];
        client.expect(&format!("{AT}\n{one}\n\n? FOO\n{AT}\n{two}\n\n{AT}\n{AT}\n{none}\n\n? BAR\n"));
    });
}

#[test]
fn a_slow_whatsat_does_not_delay_other_clients() {
    let harness = Harness::new();
    let (server, held) = harness.start_among(&[]);
    let mut client = harness.connect(server);
    client.ask("IAMAT kiwi +34.5-118.25 0");
    client.send("WHATSAT kiwi 1 1\n");
    harness.turn_until("the question is asked", || held.questions().len() == 1);
    assert_eq!(harness.connect(server).ask("anybody?"), "? anybody?");
}

#[test]
fn the_questions_of_a_client_that_has_gone_are_cancelled() {
    let harness = Harness::new();
    let (server, held) = harness.start_among(&[]);
    let mut client = harness.connect(server);
    client.send("IAMAT kiwi +34.5-118.25 0\nWHATSAT kiwi 1 1\nWHATSAT kiwi 1 2\n");
    harness.turn_until("both are asked", || held.questions().len() == 2);
    drop(client); // A reply is unread, so the system sends a reset: an end alone could be a half-close.
    harness.turn_until("both are given up", || held.cancelled() == 2);
}

#[test]
fn a_rush_of_questions_waits_and_beyond_1024_the_answer_is_over_query_limit() {
    let harness = Harness::new();
    let held = Rc::new(HeldPlaces::default());
    let server = harness
        .start(&herd(&[]), Rc::new(Limiter::new(held.clone(), NonZeroUsize::MIN, Rc::new(harness.reactor.clone()))));
    let mut client = harness.connect(server);
    client.ask("IAMAT kiwi +34.5-118.25 0");
    // One is under way and 1024 wait. A client may have 8 questions at a time.
    let mut rush: Vec<Connection<'_>> = (0..129).map(|_| harness.connect(server)).collect();
    for one in &mut rush {
        one.send("WHATSAT kiwi 1 1\n".repeat(8));
    }
    assert_eq!(client.ask("is everything taken?"), "? is everything taken?");
    assert_eq!(held.questions().len(), 1, "only one is under way");

    client.send("WHATSAT kiwi 1 1\n");
    client.expect(&format!(
        "{AT}\n{{\n   \"error_message\" : \"too many questions are waiting for the Places service; \
         ask again later\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \
         \"status\" : \"OVER_QUERY_LIMIT\"\n}}\n\n"
    ));

    // The questions that wait get their turn, whichever of them came first.
    let reply = format!("{AT}\n{}\n\n", cut(1));
    for _ in 0..8 {
        harness.turn_until("the next is asked", || held.questions().len() == 1);
        held.answer(THREE);
        let mut received = Vec::new();
        harness.turn_until("one has its answer", || {
            received.extend(rush.iter_mut().flat_map(Connection::received));
            received.len() >= reply.len()
        });
        assert_eq!(String::from_utf8(received).unwrap(), reply);
    }
}
