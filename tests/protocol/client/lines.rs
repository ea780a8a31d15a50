//! How a stream is divided into lines, how long a line may be, and how a connection ends.

use crate::harness::{Connection, Harness, herd};
use crate::held_places::HeldPlaces;
use reactor::testing::for_every_chunking;
use std::rc::Rc;
use std::time::Duration;

/// The maximum length of a line.
const MAX_LINE: usize = 65_536;

/// The last reply to a client that sends a longer line.
const TOO_LONG: &str = "? a line is longer than 65536 bytes\n";

/// A client of a server that knows where kiwi is.
fn with_client(test: impl FnOnce(&Harness, &HeldPlaces, &mut Connection<'_>)) {
    let harness = Harness::new();
    let (server, held) = harness.start_among(&[]);
    let mut client = harness.connect(server);
    client.ask("IAMAT kiwi +1+2 0");
    test(&harness, &held, &mut client);
}

/// What a Places service answers here.
const ANSWER: &str = "{\"results\":[],\"status\":\"OK\"}";

const KIWI: &str = "AT Alford +1400794645.655887836 kiwi +1+2 0";

#[test]
fn however_a_stream_is_cut_the_replies_are_the_same() {
    let harness = Harness::new();
    let (server, _) = harness.start_among(&[]);
    for_every_chunking(b"IAMAT kiwi +1+2 0\r\n\n \nFOO  bar\nIAMAT k\xff +1+2 5\nend", |chunks| {
        let mut client = harness.connect(server);
        for chunk in chunks {
            client.send(chunk);
        }
        client.half_close();
        harness.turn_until("the end", || client.has_ended());
        let expected = [
            b"AT Alford +1400794645.655887836 kiwi +1+2 0\n? FOO  bar\nAT Alford +1400794640.655887836 k\xff +1+2 5\n",
            &b"? end\n"[..],
        ]
        .concat();
        assert_eq!(client.bytes(expected.len()), expected);
        assert_eq!(client.rest(), "");
    });
}

#[test]
fn many_commands_in_one_piece_are_answered_in_order() {
    with_client(|_, _, client| {
        let all: String = (0..5000).map(|number| format!("command {number}\n")).collect();
        client.send(&all);
        for number in 0..5000 {
            assert_eq!(client.line(), format!("? command {number}"));
        }
    });
}

#[test]
fn a_last_line_without_an_end_counts_and_then_the_connection_is_closed() {
    with_client(|_, _, client| {
        client.send("one\nIAMAT kiwi +1+2 0");
        client.half_close();
        assert_eq!(client.rest(), format!("? one\n{KIWI}\n"));
    });
}

#[test]
fn a_client_that_sends_nothing_gets_nothing() {
    with_client(|_, _, client| {
        client.half_close();
        assert_eq!(client.rest(), "");
    });
}

#[test]
fn a_half_closed_client_gets_its_slow_replies_before_the_end() {
    with_client(|harness, held, client| {
        client.send("WHATSAT kiwi 1 1\nlast");
        client.half_close();
        harness.turn_until("the question is asked", || held.questions().len() == 1);
        harness.turn();
        client.expect_silence();
        held.answer(ANSWER);
        assert_eq!(client.rest(), format!("{KIWI}\n{ANSWER}\n\n? last\n"));
    });
}

#[test]
fn a_line_of_64_kib_is_accepted() {
    with_client(|_, _, client| {
        let line = "x".repeat(MAX_LINE);
        client.send(&line);
        client.send("\n");
        assert!(client.line() == format!("? {line}"));
        assert_eq!(client.ask("more"), "? more");
    });
}

#[test]
fn a_longer_line_ends_the_connection_whatever_comes_after_it() {
    let line = "x".repeat(MAX_LINE + 1);
    for after in ["", "\n", "\nIAMAT kiwi +1+2 0\n", "xxx\nPEER Alford\n\n"] {
        with_client(|_, _, client| {
            client.send("before\n");
            client.send(&line);
            client.send(after);
            client.half_close();
            assert_eq!(client.rest(), format!("? before\n{TOO_LONG}"), "after it came {after:?}");
        });
    }
}

#[test]
fn commands_after_a_line_that_is_too_long_are_ignored() {
    let harness = Harness::new();
    let (server, _) = harness.start_among(&[]);
    let mut client = harness.connect(server);
    client.send("x".repeat(2 * MAX_LINE));
    assert_eq!(client.line() + "\n", TOO_LONG);
    client.send("\nIAMAT ghost +1+2 0\n");
    client.half_close();
    assert_eq!(client.rest(), "");
    assert_eq!(harness.connect(server).ask("WHATSAT ghost 1 1"), "? WHATSAT ghost 1 1");
}

#[test]
fn a_client_that_sends_a_line_without_an_end_hears_it_at_once_and_is_cut_off_after_ten_seconds() {
    with_client(|harness, _, client| {
        client.send(vec![b'x'; 3 * MAX_LINE]);
        assert_eq!(client.rest(), TOO_LONG);
        // The client may finish what it is sending, but not go on for ever.
        let piece = vec![b'x'; MAX_LINE];
        client.send(&piece);
        harness.advance(Duration::from_secs(11));
        harness.turn_until("the client is cut off", || client.send_fails(&piece));
    });
}

#[test]
fn what_follows_a_line_that_is_too_long_is_thrown_away_slowly() {
    with_client(|harness, _, client| {
        client.send(vec![b'x'; 2 * MAX_LINE]);
        assert_eq!(client.line() + "\n", TOO_LONG);
        // The buffers of the system take some, and then nobody takes any more.
        let much = 64 * 1024 * 1024;
        let taken = client.send_while_taken(much);
        assert!(taken < much, "all of it was taken at once");
        (0..20).for_each(|_| harness.advance(Duration::from_millis(100)));
        assert!(client.send_while_taken(much) > 0, "nothing was read in two seconds");
    });
}

#[test]
fn owed_replies_come_before_the_one_to_a_line_that_is_too_long() {
    with_client(|harness, held, client| {
        client.send("WHATSAT kiwi 1 1\n");
        client.send(vec![b'x'; 2 * MAX_LINE]);
        harness.turn_until("the question is asked", || held.questions().len() == 1);
        held.answer(ANSWER);
        client.half_close();
        assert_eq!(client.rest(), format!("{KIWI}\n{ANSWER}\n\n{TOO_LONG}"));
    });
}

#[test]
fn a_line_that_is_too_long_loses_no_owed_reply_however_slow_that_is() {
    for ends in [false, true] {
        with_client(|harness, held, client| {
            client.send("IAMAT kiwi +1+2 0\nWHATSAT kiwi 1 1\nIAMAT kiwi +1+2 0\n");
            client.send(vec![b'x'; 2 * MAX_LINE]);
            if ends {
                client.half_close();
            }
            assert_eq!(client.line(), KIWI);
            harness.turn_until("the question is asked", || held.questions().len() == 1);
            harness.advance(Duration::from_secs(60)); // A client is not cut off because a service is slow.
            harness.turn();
            client.expect_silence();
            held.answer(ANSWER);
            assert_eq!(client.rest(), format!("{KIWI}\n{ANSWER}\n\n{KIWI}\n{TOO_LONG}"), "half-closed: {ends}");
        });
    }
}

#[test]
fn the_ten_seconds_begin_when_every_owed_reply_has_been_sent() {
    with_client(|harness, held, client| {
        client.send("WHATSAT kiwi 1 1\n");
        client.send(vec![b'x'; 2 * MAX_LINE]);
        harness.turn_until("the question is asked", || held.questions().len() == 1);
        harness.advance(Duration::from_secs(60));
        held.answer(ANSWER);
        assert!(client.rest().ends_with(TOO_LONG));
        let piece = vec![b'x'; MAX_LINE];
        harness.advance(Duration::from_secs(9));
        for _ in 0..10 {
            assert!(!client.send_fails(&piece), "it was cut off too early");
            harness.turn();
        }
        harness.advance(Duration::from_secs(2));
        harness.turn_until("the client is cut off", || client.send_fails(&piece));
    });
}

#[test]
fn the_longest_line_is_a_setting() {
    let harness = Harness::new();
    let mut config = herd(&[]);
    config.limits.line = 300;
    let server = harness.start(&config, Rc::new(HeldPlaces::default()));
    let mut client = harness.connect(server);
    let line = "x".repeat(300);
    assert_eq!(client.ask(&line), format!("? {line}"));
    client.send(line + "x\n");
    assert_eq!(client.rest(), "? a line is longer than 300 bytes\n");
}

#[test]
fn a_client_that_vanishes_does_not_harm_the_others() {
    let harness = Harness::new();
    let (server, _) = harness.start_among(&[]);
    let mut other = harness.connect(server);
    for _ in 0..20 {
        let mut client = harness.connect(server);
        client.send("one\ntwo\nthree");
        drop(client); // Replies are unread, so the system sends a reset.
        assert_eq!(other.ask("still there?"), "? still there?");
    }
}
