use super::*;
use crate::herd::topology::Topology;
use proxyherd::locations::Locations;
use proxyherd::message::{Command, parse};
use reactor::sim::Random;

#[test]
fn the_book_reads_times_exactly() {
    for (text, expected) in [
        ("10", 10_000_000_000),
        ("+10.000", 10_000_000_000),
        ("10.000000001", 10_000_000_001),
        ("-0.5", -500_000_000),
        (".5", 500_000_000),
    ] {
        assert_eq!(nanoseconds(text.as_bytes()), Some(expected), "{text}");
    }
    assert_eq!(nanoseconds(b"ten"), None);
}

#[test]
fn an_acknowledged_version_may_be_lost_but_not_if_a_running_server_had_heard_it() {
    const LINE: &[u8] = b"AT Alford +1.000000000 client-1 +1+1 1";
    for (drops, failure) in [(false, None), (true, Some(Invariant::KeepsAcknowledged))] {
        let graph = Topology::Line.graph(2, &mut Random::new(1)).unwrap();
        let book = Book::new(&graph, vec![b"client-1".to_vec()]);
        let [one, other] = [0, 1].map(|server| book.began(server));
        let Ok(Command::At(at)) = parse(LINE) else { panic!() };
        let taken = Locations::new(1 << 20).offer(&at, None);
        one.heard(&at, LINE, HeardFrom::Client, &taken);
        one.linked(0);
        one.told(0, LINE);
        if drops {
            other.heard(&at, LINE, HeardFrom::Neighbor(0), &Verdict::Same);
        }
        assert!(book.acknowledged(LINE).is_some());
        book.check_acknowledged();
        assert_eq!((book.count().lost, book.has_failed()), (0, false));
        book.died(0);
        book.check_acknowledged();
        assert_eq!(book.count().lost, 1);
        assert_eq!(book.failure().map(|(invariant, _)| invariant), failure);
    }
}

#[test]
fn what_was_forgotten_or_refused_for_want_of_room_does_not_count_as_lost() {
    const LINE: &[u8] = b"AT Alford +1.000000000 client-1 +1+1 1";
    for (verdict, expected) in [(Verdict::NoRoom, [0, 1]), (Verdict::Same, [1, 0])] {
        let graph = Topology::Line.graph(2, &mut Random::new(1)).unwrap();
        let book = Book::new(&graph, vec![b"client-1".to_vec()]);
        book.expect_forgetting();
        let [one, other] = [0, 1].map(|server| book.began(server));
        let Ok(Command::At(at)) = parse(LINE) else { panic!() };
        let mut locations = Locations::new(1 << 20);
        let taken = locations.offer(&at, None);
        one.heard(&at, LINE, HeardFrom::Client, &taken);
        one.linked(0);
        one.told(0, LINE);
        book.acknowledged(LINE);
        book.check_acknowledged();
        assert_eq!((book.count().lost, book.count().forgotten), (0, 0));
        other.heard(&at, LINE, HeardFrom::Neighbor(0), &verdict);
        book.died(0);
        book.check_acknowledged();
        assert_eq!([book.count().lost, book.count().forgotten], expected);
        assert_eq!(book.has_failed(), verdict == Verdict::Same, "a running server has dropped it for no reason");
        other.forgot(locations.get(b"client-1").unwrap());
        book.check_acknowledged();
        assert_eq!([book.count().lost, book.count().forgotten], [0, 1], "a sweep has come to it");
    }
}
