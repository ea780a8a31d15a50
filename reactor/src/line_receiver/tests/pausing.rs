//! What happens to lines while reading is paused, and when it goes on.

use super::*;

/// Pauses at every line that begins with `p`.
fn pausing(noting: &mut Noting) {
    noting.line = Box::new(|transport, line| {
        if line.starts_with(b"p") {
            transport.pause_producing();
        }
    });
}

#[test]
fn a_pause_holds_back_lines_that_have_been_received_already() {
    let mut rig = Rig::new(pausing);
    rig.feed(b"one\r\np1\r\ntwo\r\np2\r\nthree\r\nfo");
    assert_eq!(rig.take_events(), ["line one", "line p1"]);
    rig.resume();
    assert_eq!(rig.take_events(), ["line two", "line p2"]);
    rig.resume();
    assert_eq!(rig.take_events(), ["line three"]);
    rig.feed(b"ur\r\n");
    assert_eq!(rig.take_events(), ["line four"]);
}

#[test]
fn bytes_received_during_a_pause_come_after_those_held_back() {
    for_every_chunking(b"p1\r\ntwo\r\np3\r\nfour\r\n", |chunks| {
        let mut rig = Rig::new(pausing);
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        assert_eq!(rig.take_events(), ["line p1"], "{chunks:?}");
        rig.resume();
        assert_eq!(rig.take_events(), ["line two", "line p3"], "{chunks:?}");
        rig.resume();
        assert_eq!(rig.take_events(), ["line four"], "{chunks:?}");
    });
}

#[test]
fn a_pause_together_with_set_line_mode_holds_back_the_bytes_given_back() {
    let mut rig = Rig::new(|noting| {
        noting.line = Box::new(|transport, line| {
            if line == b"raw" {
                transport.set_raw_mode();
            }
        });
        noting.raw = Box::new(|transport, data| {
            transport.set_line_mode(&data[1..]);
            transport.pause_producing();
        });
    });
    rig.feed(b"raw\r\n!one\r\ntwo\r\n");
    assert_eq!(rig.take_events(), ["line raw", "raw !one\r\ntwo\r\n"]);
    rig.resume();
    assert_eq!(rig.take_events(), ["line one", "line two"]);
}

#[test]
fn pausing_at_every_line_does_not_move_the_held_bytes() {
    // Moving the rest at each of n lines would be quadratic: the lines of one read must stay where they were put.
    let places: Rc<RefCell<Vec<usize>>> = Rc::default();
    let noted = places.clone();
    let mut rig = Rig::new(|noting| {
        noting.line = Box::new(move |transport, line| {
            noted.borrow_mut().push(line.as_ptr() as usize);
            transport.pause_producing();
        });
    });
    rig.feed(&b"a line\r\n".repeat(1000));
    for _ in 1..1000 {
        rig.resume();
    }
    let places = places.borrow();
    assert_eq!(places.len(), 1000);
    // The first was in the read itself; the others in the one copy of what was held back.
    assert!(places[1..].windows(2).all(|pair| pair[1] == pair[0] + 8), "what is held back was moved");
}

/// Pauses after its first line, and takes longer ones when it goes on.
struct Grows(Events);

impl LineProtocol for Grows {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.borrow_mut().push(format!("line {}", line.escape_ascii()));
        if line == b"wait" {
            transport.pause_producing();
        }
    }

    fn reading_resumed(&mut self, transport: &LineTransport) {
        self.0.borrow_mut().push("resumed".to_owned());
        transport.set_max_length(8);
    }
}

#[test]
fn held_lines_obey_the_limit_that_is_set_when_reading_resumes() {
    for_every_chunking(b"wait\r\n12345678\r\n", |chunks| {
        let (wire, events) = (StringTransport::new(), Events::default());
        let mut receiver = LineReceiver::new(Grows(events.clone())).with_max_length(4);
        receiver.connection_made(&wire.transport());
        chunks.iter().for_each(|chunk| receiver.data_received(&wire.transport(), chunk));
        assert_eq!(events.take(), ["line wait"], "{chunks:?}");
        wire.transport().resume_producing();
        receiver.reading_resumed(&wire.transport());
        assert_eq!(events.take(), ["resumed", "line 12345678"], "{chunks:?}");
    });
}

/// Waits after every line, and begins each time with what it gives back.
struct GivesBack(Events, &'static [u8]);

impl LineProtocol for GivesBack {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.borrow_mut().push(format!("line {}", line.escape_ascii()));
        transport.pause_producing();
    }

    fn reading_resumed(&mut self, transport: &LineTransport) {
        transport.set_line_mode(std::mem::take(&mut self.1));
    }

    fn read_connection_lost(&mut self, _transport: &LineTransport, rest: &[u8]) {
        self.0.borrow_mut().push(format!("rest {}", rest.escape_ascii()));
    }
}

#[test]
fn bytes_given_back_when_reading_resumes_come_at_once_and_before_held_ones() {
    for (input, first) in [(&b"one\r\n"[..], None), (b"one\r\ntwo\r\n", Some("line two"))] {
        let (wire, events) = (StringTransport::new(), Events::default());
        let mut receiver = LineReceiver::new(GivesBack(events.clone(), b"extra\r\n"));
        receiver.connection_made(&wire.transport());
        receiver.data_received(&wire.transport(), input);
        assert_eq!(events.take(), ["line one"]);
        for expected in std::iter::once("line extra").chain(first) {
            wire.transport().resume_producing();
            receiver.reading_resumed(&wire.transport());
            assert_eq!(events.take(), [expected]);
        }
        wire.transport().resume_producing();
        receiver.read_connection_lost(&wire.transport());
        assert_eq!(events.take(), ["rest "]);
    }
}

#[test]
fn bytes_given_back_outside_a_callback_are_not_lost_at_the_end() {
    let mut rig = Rig::new(|_| {});
    rig.receiver.transport.as_ref().unwrap().set_line_mode(b"one\r\ntw");
    rig.receiver.read_connection_lost(&rig.wire.transport());
    assert_eq!(rig.take_events(), ["line one", "rest tw"]);
}

#[test]
fn many_lines_are_delivered_in_portions_and_in_order() {
    let mut rig = Rig::with(|_| {}, |receiver| receiver.with_max_lines_at_once(3));
    let text: Vec<u8> = (0..8).flat_map(|number| format!("{number}\r\n").into_bytes()).collect();
    rig.feed(&text);
    assert_eq!(rig.take_events(), ["line 0", "line 1", "line 2"]);
    assert!(!rig.wire.transport().is_paused(), "nobody has to end this pause");
    rig.resume();
    assert_eq!(rig.take_events(), ["line 3", "line 4", "line 5"]);
    rig.resume();
    assert_eq!(rig.take_events(), ["line 6", "line 7"]);
    rig.feed(b"8\r\n9\r\nrest");
    assert_eq!(rig.take_events(), ["line 8", "line 9"]);
    rig.receiver.read_connection_lost(&rig.wire.transport());
    assert_eq!(rig.take_events(), ["rest rest"]);
}

#[test]
fn the_portions_may_change_from_one_to_the_next() {
    let mut rig = Rig::with(|_| {}, |receiver| receiver.with_max_lines_at_once(2));
    let transport = rig.receiver.transport.clone().unwrap();
    rig.feed(b"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n");
    assert_eq!(rig.take_events(), ["line 1", "line 2"]);
    transport.set_max_lines_at_once(1);
    rig.resume();
    assert_eq!(rig.take_events(), ["line 3"]);
    transport.set_max_lines_at_once(3);
    rig.resume();
    assert_eq!(rig.take_events(), ["line 4", "line 5", "line 6"]);
    rig.resume();
    assert_eq!(rig.take_events(), ["line 7"]);
}

#[test]
fn no_line_is_kept_back_at_the_end() {
    let mut rig = Rig::with(|_| {}, |receiver| receiver.with_max_lines_at_once(1));
    rig.receiver.transport.as_ref().unwrap().set_line_mode(b"one\r\ntwo\r\nrest");
    rig.receiver.read_connection_lost(&rig.wire.transport());
    assert_eq!(rig.take_events(), ["line one", "line two", "rest rest"]);
}
