//! Commands that get one line for one line: IAMAT, and everything that is invalid.

use crate::harness::{Connection, Harness, NOW, herd};
use crate::held_places::HeldPlaces;
use proxyherd::config::Config;
use std::rc::Rc;

/// A client of a server that knows no locations.
fn with_client(test: impl FnOnce(&mut Connection<'_>)) {
    with_config(&herd(&[]), test);
}

fn with_config(config: &Config, test: impl FnOnce(&mut Connection<'_>)) {
    let harness = Harness::new();
    let server = harness.start(config, Rc::new(HeldPlaces::default()));
    test(&mut harness.connect(server));
}

/// Each of these lines is invalid and comes back behind a question mark.
#[track_caller]
fn expect_invalid(client: &mut Connection<'_>, lines: &[&str]) {
    for line in lines {
        assert_eq!(client.ask(line), format!("? {line}"));
    }
}

#[test]
fn an_iamat_is_answered_with_the_protocols_own_example() {
    with_client(|client| {
        client.send("IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450\n");
        let expected = "AT Alford +0.263873386 kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450\n";
        assert_eq!(client.bytes(expected.len()), expected.as_bytes());
    });
}

#[test]
fn a_time_may_be_a_day_ahead_and_not_a_nanosecond_more() {
    assert_eq!((NOW.as_secs() + 86_400, NOW.subsec_nanos()), (1_400_881_045, 655_887_836));
    with_client(|client| {
        let day = client.ask("IAMAT kiwi +1+2 1400881045.655887836");
        assert_eq!(day, "AT Alford -86400.000000000 kiwi +1+2 1400881045.655887836");
        expect_invalid(client, &["IAMAT kiwi +1+2 1400881045.655887837", "IAMAT kiwi +1+2 999999999999"]);
    });
}

#[test]
fn the_limit_for_times_in_the_future_is_a_setting() {
    let mut config = herd(&[]);
    config.limits.ahead = std::time::Duration::from_secs(1);
    with_config(&config, |client| {
        assert!(client.ask("IAMAT kiwi +1+2 1400794646.655887836").starts_with("AT "));
        expect_invalid(client, &["IAMAT kiwi +1+2 1400794646.655887837"]);
    });
}

#[test]
fn white_space_separates_fields_and_is_not_kept() {
    with_client(|client| {
        for line in ["  IAMAT kiwi +1+2 0", "IAMAT\t kiwi\x0b\x0c+1+2   0 \t", "IAMAT kiwi +1+2 0\r"] {
            assert_eq!(client.ask(line), "AT Alford +1400794645.655887836 kiwi +1+2 0", "{line:?}");
        }
    });
}

#[test]
fn a_clients_name_is_any_bytes_and_comes_back_unchanged() {
    with_client(|client| {
        for name in [&b"\xff\xfe\x80"[..], b"\0", "é😀\u{a0}\u{2028}".as_bytes(), b"?", b"AT", b"a\"b'c\\n"] {
            client.send([b"IAMAT ", name, b" +1+2 0\n"].concat());
            let expected = [b"AT Alford +1400794645.655887836 ", name, b" +1+2 0"].concat();
            assert_eq!(client.raw_line(), expected, "{:?}", name.escape_ascii().to_string());
        }
    });
}

#[test]
fn locations_come_back_as_they_came() {
    with_client(|client| {
        for location in ["+34.068930-118.445127", "+90-180", "-90.000+180.", "-.5+.5", "+0-0", "+007.10-000.0"] {
            let reply = client.ask(&format!("IAMAT kiwi {location} 0"));
            assert_eq!(reply, format!("AT Alford +1400794645.655887836 kiwi {location} 0"));
        }
    });
}

#[test]
fn invalid_commands_come_back_as_they_came() {
    // Some of each kind: the unit tests of `message` know every form.
    with_client(|client| {
        expect_invalid(
            client,
            &[
                "HELLO",
                "  two  spaces\there \r",
                "?",
                "\0",
                "GET / HTTP/1.1\r",
                "IAMAT kiwi +1+2",
                "IAMAT kiwi +1+2 0 more",
                "IAMAT kiwi +1-180.1 0",
                "IAMAT kiwi +1+2 1e9",
                "WHATSAT kiwi 10",
            ],
        );
    });
}

#[test]
fn an_invalid_line_of_any_bytes_comes_back_as_it_came() {
    with_client(|client| {
        client.send(b"\xff \x00\xc3\x28  \t\n");
        assert_eq!(client.raw_line(), b"? \xff \x00\xc3\x28  \t");
    });
}

#[test]
fn a_blank_line_gets_no_reply() {
    with_client(|client| {
        client.send("\n\r\n \t\x0b\x0c\n");
        assert_eq!(client.ask("next"), "? next");
    });
}

#[test]
fn a_whatsat_for_an_unknown_client_is_invalid() {
    with_client(|client| {
        expect_invalid(client, &["WHATSAT kiwi 10 5"]);
        client.ask("IAMAT kiwi +1+2 0");
        expect_invalid(client, &["WHATSAT KIWI 10 5", "WHATSAT kiw 10 5"]);
    });
}

#[test]
fn a_server_without_neighbors_accepts_no_peer_and_no_at() {
    with_client(|client| {
        expect_invalid(client, &["PEER Bolden", "PEER", "AT Bolden +1.000000000 kiwi +1+2 0", "WHATSAT kiwi 10 5"]);
    });
}

#[test]
fn at_the_memory_limit_new_clients_are_refused_and_known_ones_still_move() {
    let mut config = herd(&[]);
    config.limits.memory = 600;
    with_config(&config, |client| {
        let mut taken = 0;
        while client.ask(&format!("IAMAT client{taken} +1+2 0")).starts_with("AT ") {
            taken += 1;
            assert!(taken < 10, "there is no limit");
        }
        assert!(taken > 0, "there is no room at all");
        expect_invalid(client, &["IAMAT another +1+2 0"]);
        assert!(client.ask("IAMAT client0 +3+4 1").ends_with(" client0 +3+4 1"));
    });
}
