//! What servers forget, together: what is too old, what an operator wants gone, and what there is no room for.

use super::peer_and_at::Three;
use crate::harness::{Harness, NOW, herd};
use crate::held_places::HeldPlaces;
use proxyherd::config::{Config, Door, Limits};
use proxyherd::locations::newness;
use proxyherd::protocol::HerdProtocol;
use proxyherd::server::Server;
use reactor::testing::StringTransport;
use reactor::{Address, LineReceiver, Protocol};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Alford of this herd, which forgets a client after a minute.
fn soon(mut config: Config) -> Config {
    config.limits.forget = MINUTE;
    config
}

/// An AT that Bolden has made this long after the time of day at which a test begins.
fn at(client: &str, after: i64) -> String {
    format!("AT Bolden +0.000000000 {client} +1+2 {}", NOW.as_secs() as i64 + after)
}

/// Lets this much time pass on both clocks: what is old enough is swept away.
fn pass(harness: &Harness, time: Duration) {
    let passed = harness.passed() + time;
    while harness.passed() < passed {
        harness.set_time_of_day(NOW + harness.passed() + SECOND);
        harness.advance(SECOND);
    }
}

#[test]
fn a_client_that_says_nothing_is_forgotten_in_time_to_the_nanosecond() {
    for (after, is_known) in [(MINUTE, true), (MINUTE + Duration::from_nanos(1), false)] {
        let harness = Harness::new();
        let held = Rc::new(HeldPlaces::default());
        let server = harness.start(&soon(herd(&[])), held.clone());
        let mut client = harness.connect(server);
        client.ask("IAMAT kiwi +1+2 5");
        harness.set_time_of_day(NOW + after);
        client.send("WHATSAT kiwi 1 0\n");
        assert_eq!((held.questions().len() == 1, client.has_line()), (is_known, !is_known));
        // It may come back with an older time than the one that it had.
        let mut client = harness.connect(server);
        assert!(client.ask("IAMAT kiwi +1+2 4").starts_with("AT Alford"));
    }
}

#[test]
fn what_is_too_old_is_not_taken_and_not_told() {
    let harness = Harness::new();
    let mut herd = Three::of(&harness, soon);
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send(format!("{}\n", at("old", 0)));
    pass(&harness, MINUTE);
    bolden.received();
    bolden.send(format!("{}\n{}\n", at("older", 0), at("new", 30)));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    assert_eq!(herd.told(), [vec![], vec![at("old", 0), at("new", 30)]]);
    assert_eq!(herd.connect(None).ask("WHATSAT older 1 0"), "? WHATSAT older 1 0");

    // A neighbor that comes up is told what is known, and not what is forgotten.
    pass(&harness, 6 * SECOND);
    assert_eq!(herd.bring_link_up_again(), [at("new", 30)]);
}

/// The same client, at a later time of its own; but this version was heard 70 s before it was said.
fn newer_and_heard_before(client: &str) -> String {
    format!("AT Bolden -70.000000000 {client} +1+2 {}", NOW.as_secs() + 60)
}

#[test]
fn a_version_that_is_newer_and_too_old_replaces_the_known_one_and_both_are_forgotten() {
    let harness = Harness::new();
    let mut herd = Three::of(&harness, soon);
    let mut bolden = herd.connect(Some("Bolden"));
    pass(&harness, MINUTE);
    bolden.received();
    let (known, newer) = (at("kiwi", 50), newer_and_heard_before("kiwi"));
    bolden.send(format!("{known}\n{newer}\n"));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    assert_eq!(herd.told(), [vec![], vec![known, newer]]);
    pass(&harness, 6 * SECOND);
    assert_eq!(herd.bring_link_up_again(), Vec::<String>::new());
}

#[test]
fn what_has_beaten_a_version_that_was_heard_later_is_asked_for_when_it_is_forgotten() {
    // The later one comes first and is replaced, or it comes last and is older; and it may be as old as the winner.
    for (lines, is_asked) in [
        ([at("kiwi", 50), newer_and_heard_before("kiwi")], true),
        ([newer_and_heard_before("kiwi"), at("kiwi", 50)], true),
        ([at("kiwi", -11), newer_and_heard_before("kiwi")], false),
        ([at("kiwi", 50), newer_and_heard_before("another")], false),
    ] {
        let harness = Harness::new();
        let mut herd = Three::of(&harness, soon);
        let mut bolden = herd.connect(Some("Bolden"));
        pass(&harness, 30 * SECOND);
        bolden.send(lines.join("\n") + "\n");
        bolden.send(format!("{}\n", at("other", 0)));
        pass(&harness, 20 * SECOND);
        assert!(herd.told()[1].contains(&newer_and_heard_before("kiwi")) || !is_asked);
        // In a small table a sweep comes every five seconds, and the neighbors are asked with the one after that.
        pass(&harness, 12 * SECOND);
        bolden.received();
        bolden.send("there?\n");
        assert_eq!(bolden.has_line(), !is_asked, "{lines:?}");
        // They are asked once: what they tell is kept.
        let mut bolden = herd.connect(Some("Bolden"));
        bolden.send(format!("{}\n", at("kiwi", 50)));
        pass(&harness, 30 * SECOND);
        bolden.received();
        assert_eq!(bolden.ask("there?"), "? there?");
        assert_eq!(herd.bring_link_up_again(), [at("kiwi", 50)]);
    }
}

#[test]
fn a_neighbor_whose_locations_seemed_too_old_tells_everything_again_when_our_clock_has_been_set() {
    for swept in [false, true] {
        let harness = Harness::new();
        let mut herd = Three::of(&harness, soon);
        let mut bolden = herd.connect(Some("Bolden"));
        if swept {
            bolden.send(format!("{}\n", at("kiwi", 0)));
            herd.told();
        }
        harness.set_time_of_day(NOW + 400 * 24 * 60 * MINUTE);
        bolden.send(format!("{}\n", if swept { "next".to_owned() } else { at("kiwi", 0) }));
        harness.advance(6 * SECOND);
        harness.set_time_of_day(NOW);
        harness.advance(6 * SECOND);
        bolden.send("next\n");
        assert!(bolden.rest().starts_with(if swept { "? next" } else { "PING" }));
    }
}

#[test]
fn a_neighbor_tells_again_what_our_clock_had_us_refuse_even_if_the_clock_was_right_when_it_first_refused_something() {
    let harness = Harness::new();
    let herd = Three::of(&harness, soon);
    let mut bolden = herd.connect(Some("Bolden"));
    // This is too old by any clock.
    bolden.send(format!("{}\n", at("old", -90)));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    harness.set_time_of_day(NOW + 24 * 60 * MINUTE);
    bolden.send(format!("{}\n", at("kiwi", 0)));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    harness.set_time_of_day(NOW);
    harness.advance(6 * SECOND);
    bolden.send("still there?\n");
    assert_eq!(bolden.rest(), "");
}

#[test]
fn an_operator_has_a_client_forgotten_everywhere() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send(format!("{}\n", at("kiwi", 0)));
    bolden.ask("taken?");
    herd.told();
    let mut operator = herd.connect(None);
    let forgot = operator.ask("FORGET kiwi");
    assert_eq!(forgot, format!("FORGOT Alford +0.655887835 kiwi {}.000000001", NOW.as_secs()));
    assert_eq!(herd.told(), [vec![forgot.clone()], vec![forgot.clone()]]);
    for question in ["WHATSAT kiwi 1 0", "FORGET kiwi", "FORGET nobody"] {
        assert_eq!(operator.ask(question), format!("? {question}"));
    }
    // What is older does not bring it back: it is answered, to neighbors and clients alike.
    bolden.send(format!("{}\n", at("kiwi", 0)));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    assert_eq!(herd.told(), [vec![forgot.clone()], vec![]]);
    let older = operator.ask(&format!("IAMAT kiwi +3+4 {}", NOW.as_secs()));
    assert!(older.starts_with("AT Alford "), "{older}");
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
    assert_eq!(operator.ask("WHATSAT kiwi 1 0"), "? WHATSAT kiwi 1 0");
    // The client itself goes on.
    let newer = operator.ask(&format!("IAMAT kiwi +3+4 {}.5", NOW.as_secs()));
    assert_eq!(herd.told(), [vec![newer.clone()], vec![newer]]);
}

#[test]
fn a_neighbor_says_that_a_client_is_forgotten_and_nobody_else_may() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let forgot = format!("FORGOT Bolden +0.000000000 kiwi {}.000000001", NOW.as_secs());
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send(format!("{}\n{forgot}\n{forgot}\n", at("kiwi", 0)));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    assert_eq!(herd.told(), [vec![], vec![at("kiwi", 0), forgot.clone()]]);
    // What is wrong about an AT is wrong about a FORGOT.
    for wrong in [
        "FORGOT Evil +0.000000000 kiwi 1400794700",
        "FORGOT Bolden +0.000000000 kiwi 999999999999",
        "FORGOT Bolden 0 kiwi 1400794700",
        "FORGOT Bolden +0.000000000 kiwi",
        "FORGOT Bolden +0.000000000 kiwi 1400794700 more",
        "HORIZON",
        "HORIZON now",
        "HORIZON 1 2",
        "FORGET",
        "FORGET a b",
    ] {
        assert_eq!(bolden.ask(wrong), format!("? {wrong}"));
    }
    let mut stranger = herd.connect_from([127, 0, 0, 9]);
    for line in [&forgot[..], "HORIZON 1400794646"] {
        assert_eq!(stranger.ask(line), format!("? {line}"));
    }
    assert_eq!(herd.told(), [vec![], vec![] as Vec<String>]);
}

#[test]
fn only_this_machine_may_have_a_client_forgotten() {
    let harness = Harness::new();
    let places = Rc::new(HeldPlaces::default());
    let config = herd(&[]);
    let server = Server::new(&harness.reactor, &config, "Alford", places, Box::new(newness), Rc::new(())).unwrap();
    let ask = |from: &str, door| {
        let (wire, from) = (StringTransport::new(), from.parse::<SocketAddr>().unwrap());
        let protocol = HerdProtocol::new(server.clone(), &Address::Tcp(from), door);
        let mut lines = LineReceiver::new(protocol).with_delimiter(b"\n");
        let transport = wire.transport();
        lines.connection_made(&transport);
        let said = format!("IAMAT kiwi +1+2 {}\nFORGET kiwi\n", harness.next());
        lines.data_received(&transport, said.as_bytes());
        let said = String::from_utf8(wire.take_written()).unwrap();
        said.lines().nth(1).unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
    };
    for here in ["127.0.0.1:5", "127.1.2.3:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
        assert_eq!((ask(here, Door::Plain), ask(here, Door::Tls)), ("FORGOT".to_owned(), "FORGOT".to_owned()));
        assert_eq!(ask(here, Door::Link), "?");
    }
    for elsewhere in ["192.0.2.1:5", "10.0.0.1:5", "[2001:db8::1]:5", "[::ffff:192.0.2.1]:5"] {
        assert_eq!((ask(elsewhere, Door::Plain), ask(elsewhere, Door::Tls)), ("?".to_owned(), "?".to_owned()));
    }
}

#[test]
fn what_one_server_has_no_room_for_the_whole_herd_forgets() {
    let harness = Harness::new();
    let mut herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    bolden.send(format!("{}\n{}\nHORIZON {}.000000001\n", at("old", 0), at("new", 1), NOW.as_secs()));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    let horizon = format!("HORIZON {}.000000001", NOW.as_secs());
    harness.advance(SECOND);
    assert_eq!(herd.told(), [vec![], vec![at("old", 0), at("new", 1), horizon.clone()]]);
    let mut client = herd.connect(None);
    assert_eq!(client.ask("WHATSAT old 1 0"), "? WHATSAT old 1 0");
    // What was heard before that is not taken any more. An earlier horizon says nothing new, a later one than our clock
    // shows says as much as that.
    bolden.send(format!("{}\nHORIZON 5\n{horizon}\nHORIZON {}\n", at("late", 0), NOW.as_secs() + 100));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    let now = format!("HORIZON {}.655887836", NOW.as_secs());
    assert_eq!(herd.told(), [vec![], vec![now.clone()]]);
    let kiwi = client.ask("IAMAT kiwi +1+2 5");
    // A link that comes up says it first.
    assert_eq!(herd.bring_link_up_again(), [now, at("new", 1), kiwi]);
}

#[test]
fn a_full_server_forgets_what_was_heard_first_takes_the_rest_and_says_so() {
    const ROOM: usize = 160;
    let harness = Harness::new();
    let mut herd = Three::of(&harness, |mut config| {
        config.limits = Limits { memory: ROOM * (160 + 256 + 4), ..config.limits };
        config
    });
    let mut bolden = herd.connect(Some("Bolden"));
    // In an order of their own: the older half of them comes last.
    for number in 0..2 * ROOM as i64 {
        let heard = if number < ROOM as i64 { number - 200 } else { number - 600 };
        bolden.send(format!("{}\n", at(&format!("{number:04}"), heard)));
    }
    for number in 0..ROOM as i64 {
        bolden.send(format!("{}\n", at(&format!("new{number}"), number - 200)));
    }
    assert_eq!(bolden.ask("taken?"), "? taken?");
    let [_, told] = herd.told();
    assert!(told.iter().filter(|line| line.starts_with("HORIZON ")).count() > 9);
    let known = herd.bring_link_up_again();
    assert!((ROOM * 14 / 16..=ROOM + 1).contains(&known.len()), "{}", known.len());
    // To the second: it is one nanosecond after the last that is forgotten.
    let horizon = known[0].strip_prefix("HORIZON ").unwrap().parse::<f64>().unwrap();
    for line in &known[1..] {
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > horizon, "{line} {horizon}");
    }
    // Whatever was heard since then is there.
    let since = (0..ROOM as i64).filter(|number| (NOW.as_secs() as i64 + number - 200) as f64 > horizon).count();
    assert_eq!(known.len() - 1, 2 * since);
}

#[test]
fn a_horizon_from_a_clock_that_was_ahead_does_not_keep_new_clients_out() {
    let harness = Harness::new();
    let herd = Three::new(&harness);
    let mut bolden = herd.connect(Some("Bolden"));
    let day = 24 * 60 * MINUTE;
    harness.set_time_of_day(NOW + day);
    bolden.send(format!("HORIZON {}\n", (NOW + day).as_secs()));
    assert_eq!(bolden.ask("taken?"), "? taken?");
    harness.set_time_of_day(NOW);
    let mut client = herd.connect(None);
    assert_eq!(client.ask("IAMAT kiwi +1+2 5"), "? IAMAT kiwi +1+2 5");
    harness.advance(6 * SECOND);
    assert!(client.ask("IAMAT kiwi +1+2 5").starts_with("AT Alford"));
}
