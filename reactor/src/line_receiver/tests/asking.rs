//! What a protocol may ask of the receiver on the way, and the time of a line.

use super::*;
use crate::testing::ManualClock;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_new_delimiter_counts_for_the_bytes_that_came_with_the_line() {
    let rig = || {
        Rig::new(|noting| {
            noting.line = Box::new(|transport, line| {
                if line == b"one" {
                    transport.set_delimiter(b"\n");
                    transport.send_line(b"ok");
                }
            });
        })
    };
    check(rig, b"one\r\ntwo\nthr\r\nee\n", &["line one", "line two", "line thr\r", "line ee"]);
    let mut rig = rig();
    rig.feed(b"one\r\n");
    assert_eq!(rig.wire.written(), b"ok\n");
}

#[test]
fn a_delimiter_that_is_set_between_two_reads_splits_the_beginning_of_a_line_anew() {
    let mut rig = Rig::new(|_| {});
    rig.feed(b"a\r\nb;c");
    let transport = rig.receiver.transport.clone().unwrap();
    transport.set_delimiter(b";");
    rig.feed(b";d;");
    assert_eq!(rig.take_events(), ["line a", "line b", "line c", "line d"]);
}

#[test]
fn what_was_received_behind_a_line_may_be_thrown_away() {
    let mut rig = Rig::new(|noting| {
        noting.line = Box::new(|transport, line| {
            if line == b"bad" {
                transport.set_line_mode(b"given back before\r\n");
                transport.clear_line_buffer();
                transport.set_line_mode(b"given back after\r\n");
            }
        });
    });
    rig.feed(b"good\r\nbad\r\nnever\r\nnor th");
    rig.feed(b"is\r\n");
    assert_eq!(rig.take_events(), ["line good", "line bad", "line given back after", "line is"]);
}

#[test]
fn what_is_thrown_away_is_not_held_in_a_pause() {
    let mut rig = Rig::new(|noting| {
        noting.line = Box::new(|transport, _| {
            transport.pause_producing();
            transport.clear_line_buffer();
        });
    });
    rig.feed(b"one\r\ntwo\r\n");
    rig.resume();
    assert_eq!(rig.take_events(), ["line one"]);
}

/// A receiver that gives each line ten seconds.
fn timed(clock: &ManualClock) -> Rig {
    Rig::with(|_| {}, |receiver| receiver.with_line_timeout(clock, SECOND * 10))
}

#[test]
fn a_line_has_its_time_from_its_first_byte_however_it_drips() {
    let clock = ManualClock::new();
    let mut rig = timed(&clock);
    rig.feed(b"first\r\n");
    clock.advance(SECOND * 100);
    assert!(!rig.wire.is_losing(), "between lines there is no limit");
    for _ in 0..10 {
        rig.feed(b"x");
        assert!(!rig.wire.is_losing());
        clock.advance(SECOND);
    }
    assert!(rig.wire.is_losing());
    rig.receiver.connection_lost(&Reason::Done);
    assert_eq!(rig.events.borrow().last().unwrap(), "lost closed by us: a line was not complete in time");
    assert!(clock.pending().is_empty());
}

#[test]
fn the_first_line_has_its_time_from_the_connection_on() {
    let clock = ManualClock::new();
    let mut rig = timed(&clock);
    clock.advance(SECOND * 9);
    rig.feed(b"fir");
    assert!(!rig.wire.is_losing());
    clock.advance(SECOND);
    assert!(rig.wire.is_losing());
}

#[test]
fn lines_in_time_raw_data_and_pauses_end_nothing() {
    let clock = ManualClock::new();
    let mut rig = timed(&clock);
    for _ in 0..10 {
        rig.feed(b"the end of one\r\nand the beginning of");
        clock.advance(SECOND * 9);
    }
    // While we do not read, the peer cannot finish its line.
    rig.wire.transport().pause_producing();
    clock.advance(SECOND * 100);
    assert!(!rig.wire.is_losing());
    rig.resume();
    clock.advance(SECOND * 9);
    rig.feed(b" the next\r\n");
    let lines = rig.receiver.transport.clone().unwrap();
    lines.set_raw_mode();
    rig.feed(b"raw");
    clock.advance(SECOND * 100);
    assert!(!rig.wire.is_losing());
    lines.set_line_mode(b"");
    rig.feed(b"slow");
    clock.advance(SECOND * 10);
    assert!(rig.wire.is_losing());
}

#[test]
fn a_producer_may_be_registered_and_unregistered_from_inside_a_line() {
    struct Source;
    impl crate::Producer for Source {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
    }
    let mut rig = Rig::new(|noting| {
        noting.line = Box::new(|transport, line| match line {
            b"produce" => transport.register_producer(Source),
            _ => transport.unregister_producer(),
        });
    });
    rig.feed(b"produce\r\nhel");
    assert!(rig.wire.producer().is_some());
    rig.feed(b"lo\r\n");
    assert!(rig.wire.producer().is_none());
    assert_eq!(rig.take_events(), ["line produce", "line hello"]);
}
