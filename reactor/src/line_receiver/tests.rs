//! Lines and raw bytes out of a stream that may be cut anywhere, over a transport that exists only in memory.

use super::*;
use crate::testing::{StringTransport, for_every_chunking};
use std::rc::Rc;

mod asking;
mod pausing;

type Events = Rc<RefCell<Vec<String>>>;
type OnBytes = Box<dyn FnMut(&LineTransport, &[u8])>;

/// Notes what it receives, and then does what its closures say.
struct Noting {
    events: Events,
    line: OnBytes,
    raw: OnBytes,
    too_long: OnBytes,
}

impl Noting {
    fn note(&self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let mut events = self.events.borrow_mut();
        match events.last_mut() {
            // Raw bytes may come cut anywhere: what comes in a row is one event.
            Some(last) if what == "raw" && last.starts_with("raw ") => last.push_str(&text),
            _ => events.push(format!("{what} {text}")),
        }
    }
}

impl LineProtocol for Noting {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.note("line", line);
        (self.line)(transport, line);
    }
    fn raw_data_received(&mut self, transport: &LineTransport, data: &[u8]) {
        self.note("raw", data);
        (self.raw)(transport, data);
    }
    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        (self.too_long)(transport, start);
    }
    fn read_connection_lost(&mut self, _transport: &LineTransport, rest: &[u8]) {
        self.note("rest", rest);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.note("lost", reason.to_string().as_bytes());
    }
}

/// A receiver on a memory transport, and what its protocol notes.
struct Rig {
    wire: Rc<StringTransport>,
    events: Events,
    receiver: LineReceiver<Noting>,
}

impl Rig {
    fn new(setup: impl FnOnce(&mut Noting)) -> Rig {
        Rig::with(setup, |receiver| receiver)
    }

    fn with(
        setup: impl FnOnce(&mut Noting),
        configure: impl FnOnce(LineReceiver<Noting>) -> LineReceiver<Noting>,
    ) -> Rig {
        let events = Events::default();
        let mut noting = Noting {
            events: events.clone(),
            line: Box::new(|_, _| {}),
            raw: Box::new(|_, _| {}),
            too_long: Box::new(|transport, _| transport.lose_connection()),
        };
        setup(&mut noting);
        let wire = StringTransport::new();
        let mut receiver = configure(LineReceiver::new(noting));
        receiver.connection_made(&wire.transport());
        Rig { wire, events, receiver }
    }

    fn feed(&mut self, data: &[u8]) {
        self.receiver.data_received(&self.wire.transport(), data);
    }

    fn resume(&mut self) {
        self.wire.transport().resume_producing();
        self.receiver.reading_resumed(&self.wire.transport());
    }

    fn take_events(&self) -> Vec<String> {
        self.events.take()
    }
}

/// Feeds `bytes` in every chunking to a receiver made by `rig`, and compares all that its protocol noted.
#[track_caller]
fn check(rig: impl Fn() -> Rig, bytes: &[u8], expected: &[&str]) {
    for_every_chunking(bytes, |chunks| {
        let mut rig = rig();
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        assert_eq!(rig.take_events(), expected, "{chunks:?}");
    });
}

#[test]
fn lines_do_not_depend_on_where_reads_are_cut() {
    check(|| Rig::new(|_| {}), b"one\r\n\r\na\rb\nc\r\r\nrest", &["line one", "line ", "line a\rb\nc\r"]);
    let newline = || Rig::with(|_| {}, |receiver| receiver.with_delimiter(b"\n"));
    check(newline, b"one\r\ntwo\n", &["line one\r", "line two"]);
    let long = || Rig::with(|_| {}, |receiver| receiver.with_delimiter(b"--end--"));
    check(long, b"one--end----end--two--end--", &["line one", "line ", "line two"]);
}

#[test]
fn lines_are_sent_with_the_delimiter_in_one_write() {
    let mut rig = Rig::with(
        |noting| noting.line = Box::new(|transport, line| transport.send_line(line)),
        |receiver| receiver.with_delimiter(b"|"),
    );
    rig.feed(b"one|two|");
    assert_eq!(rig.wire.written(), b"one|two|");
    assert_eq!(rig.wire.write_count(), 2);
}

/// After a line `raw N`, the next N bytes are raw.
fn counted_raw(noting: &mut Noting) {
    let wanted = Rc::new(Cell::new(0));
    let left = wanted.clone();
    noting.line = Box::new(move |transport, line| {
        if let Some(count) = line.strip_prefix(b"raw ") {
            wanted.set(std::str::from_utf8(count).unwrap().parse().unwrap());
            transport.set_raw_mode();
        }
    });
    let events = noting.events.clone();
    noting.raw = Box::new(move |transport, data| {
        let taken = data.len().min(left.get());
        left.set(left.get() - taken);
        if left.get() == 0 {
            let extra = &data[taken..];
            // It was noted with what is given back here, which is to come again.
            let mut events = events.borrow_mut();
            let noted = events.last_mut().unwrap();
            noted.truncate(noted.len() - extra.len());
            transport.set_line_mode(extra);
        }
    });
}

#[test]
fn raw_mode_begins_right_after_its_line_and_bytes_given_back_are_lines_again() {
    let bytes = b"one\r\nraw 5\r\nab\r\ncline two\r\nraw 1\r\n!three\r\n";
    let expected = ["line one", "line raw 5", "raw ab\r\nc", "line line two", "line raw 1", "raw !", "line three"];
    check(|| Rig::new(counted_raw), bytes, &expected);
}

#[test]
fn raw_mode_set_when_connected_gets_the_first_bytes() {
    struct Raw(Vec<u8>);
    impl LineProtocol for Raw {
        fn connection_made(&mut self, transport: &LineTransport) {
            transport.set_raw_mode();
        }
        fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
            panic!("{line:?} is not a line");
        }
        fn raw_data_received(&mut self, _transport: &LineTransport, data: &[u8]) {
            self.0.extend_from_slice(data);
        }
    }
    for_every_chunking(b"a\r\nb", |chunks| {
        let wire = StringTransport::new();
        let mut receiver = LineReceiver::new(Raw(Vec::new()));
        receiver.connection_made(&wire.transport());
        chunks.iter().for_each(|chunk| receiver.data_received(&wire.transport(), chunk));
        assert_eq!(receiver.protocol.0, b"a\r\nb");
    });
}

#[test]
fn a_million_changes_of_mode_in_one_read_need_no_stack() {
    const FLIPS: usize = 1_000_000;
    let count = Rc::new(Cell::new(0));
    let (lines, raws) = (count.clone(), count.clone());
    let setup = |noting: &mut Noting| {
        let events = noting.events.clone();
        noting.line = Box::new(move |transport, _| {
            lines.set(lines.get() + 1);
            transport.set_raw_mode();
        });
        noting.raw = Box::new(move |transport, data| {
            events.borrow_mut().clear();
            raws.set(raws.get() + 1);
            assert_eq!(data, b"y");
            transport.set_line_mode(if raws.get() < FLIPS { b"x\r\ny" } else { b"" });
        });
    };
    let mut rig = Rig::with(setup, |receiver| receiver.with_max_lines_at_once(usize::MAX));
    rig.feed(b"x\r\ny");
    assert_eq!(count.get(), FLIPS);
}

#[test]
fn a_line_of_the_maximum_length_is_taken_and_a_longer_one_ends_the_connection() {
    let short = || Rig::with(|_| {}, |receiver| receiver.with_max_length(4));
    check(short, b"1234\r\n12345\r\nnever\r\n", &["line 1234"]);
    let mut rig = short();
    rig.feed(b"1234\r");
    assert!(!rig.wire.is_losing());
    rig.feed(b"5");
    assert!(rig.wire.is_losing());
}

#[test]
fn the_order_of_delimiter_and_limit_does_not_matter() {
    let both = [
        Rig::with(|_| {}, |receiver| receiver.with_delimiter(b"|").with_max_length(4)),
        Rig::with(|_| {}, |receiver| receiver.with_max_length(4).with_delimiter(b"|")),
    ];
    for mut rig in both {
        rig.feed(b"1234|12345|");
        assert_eq!(rig.take_events(), ["line 1234"]);
        assert!(rig.wire.is_losing());
    }
}

#[test]
fn without_a_limit_of_its_own_a_line_may_have_16384_bytes() {
    let longest = [vec![b'x'; MAX_LENGTH], b"\r\n".to_vec()].concat();
    let mut rig = Rig::new(|_| {});
    rig.feed(&longest);
    assert_eq!((rig.take_events().len(), rig.wire.is_losing()), (1, false));
    rig.feed(b"x");
    rig.feed(&longest);
    assert_eq!((rig.take_events().len(), rig.wire.is_losing()), (0, true));
}

#[test]
fn raw_mode_set_for_a_line_that_is_too_long_gets_all_of_it() {
    for_every_chunking(b"ok\r\n12345678\r\nand so on", |chunks| {
        let mut rig = Rig::with(
            |noting| noting.too_long = Box::new(|transport, _| transport.set_raw_mode()),
            |receiver| receiver.with_max_length(4),
        );
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        assert_eq!(rig.take_events(), ["line ok", "raw 12345678\r\nand so on"], "{chunks:?}");
    });
}

/// Takes lines of at most four bytes, and does nothing about a longer one.
fn ignores_long_lines() -> Rig {
    Rig::with(|noting| noting.too_long = Box::new(|_, _| {}), |receiver| receiver.with_max_length(4))
}

#[test]
fn nothing_that_follows_a_line_that_is_too_long_is_taken_for_a_line() {
    let bytes = b"ok\r\n12345678\r\nno\r\n12345\r\nnor\r\nrest";
    check(ignores_long_lines, bytes, &["line ok"]);
    for_every_chunking(bytes, |chunks| {
        let mut rig = ignores_long_lines();
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        rig.receiver.read_connection_lost(&rig.wire.transport());
        assert_eq!(rig.take_events(), ["line ok", "rest "], "{chunks:?}");
    });
}

#[test]
fn after_a_line_that_is_too_long_set_line_mode_starts_anew() {
    for_every_chunking(b"12345678\r\nno\r\nrest", |chunks| {
        let mut rig = ignores_long_lines();
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        rig.receiver.transport.as_ref().unwrap().set_line_mode(b"");
        rig.feed(b"one\r\ntwo\r\n");
        assert_eq!(rig.take_events(), ["line one", "line two"], "{chunks:?}");
    });
}

#[test]
fn lines_may_begin_anew_inside_line_length_exceeded() {
    let mut rig = Rig::with(
        |noting| noting.too_long = Box::new(|transport, _| transport.set_line_mode(b"again\r\n")),
        |receiver| receiver.with_max_length(5),
    );
    rig.feed(b"12345678\r\nno\r\n");
    rig.feed(b"one\r\n");
    assert_eq!(rig.take_events(), ["line again", "line one"]);
}

#[test]
fn bytes_given_back_come_before_those_read_next() {
    let mut rig = ignores_long_lines();
    rig.feed(b"");
    rig.receiver.transport.as_ref().unwrap().set_line_mode(b"1\r\n");
    rig.feed(b"2\r\n");
    assert_eq!(rig.take_events(), ["line 1", "line 2"]);
}

#[test]
fn a_line_that_is_too_long_is_shown_as_far_as_it_was_kept() {
    for_every_chunking(b"12345678\r\n", |chunks| {
        let starts: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let noted = starts.clone();
        let mut rig = Rig::with(
            move |noting| {
                noting.too_long = Box::new(move |transport, start| {
                    noted.borrow_mut().push(start.to_vec());
                    transport.lose_connection();
                });
            },
            |receiver| receiver.with_max_length(4),
        );
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        let starts = starts.borrow();
        assert_eq!(starts.len(), 1, "{chunks:?}");
        assert!(b"12345678".starts_with(&starts[0]), "{starts:?}");
    });
}

#[test]
fn the_limit_can_be_changed_between_two_lines_of_one_read() {
    let changing = || {
        Rig::new(|noting| {
            noting.line = Box::new(|transport, line| match line {
                b"short" => transport.set_max_length(5),
                b"wide!" => transport.set_max_length(100),
                _ => {}
            });
        })
    };
    check(changing, b"short\r\n12345\r\n123456\r\n", &["line short", "line 12345"]);
    check(changing, b"short\r\nwide!\r\n123456\r\n", &["line short", "line wide!", "line 123456"]);
}

#[test]
fn nothing_is_delivered_after_lose_connection() {
    let quitting = || {
        Rig::new(|noting| {
            noting.line = Box::new(|transport, line| {
                if line == b"quit" {
                    transport.lose_connection();
                }
            });
        })
    };
    check(quitting, b"one\r\nquit\r\nnever\r\n", &["line one", "line quit"]);
}

#[test]
fn the_end_of_reading_reports_the_unfinished_line() {
    for_every_chunking(b"one\r\nunfinish", |chunks| {
        let mut rig = Rig::new(|_| {});
        chunks.iter().for_each(|chunk| rig.feed(chunk));
        rig.receiver.read_connection_lost(&rig.wire.transport());
        rig.receiver.connection_lost(&Reason::Done);
        assert_eq!(rig.take_events(), ["line one", "rest unfinish", "lost closed cleanly"], "{chunks:?}");
    });
    let mut rig = Rig::new(|_| {});
    rig.feed(b"one\r\n");
    rig.receiver.read_connection_lost(&rig.wire.transport());
    assert_eq!(rig.take_events(), ["line one", "rest "]);
}

#[test]
fn by_default_the_end_of_reading_a_line_that_is_too_long_and_the_reactors_stop_end_the_connection() {
    struct Deaf;
    impl LineProtocol for Deaf {
        fn line_received(&mut self, _transport: &LineTransport, _line: &[u8]) {}
    }
    let events: [fn(&mut LineReceiver<Deaf>, &Transport); 3] = [
        |receiver, transport| receiver.read_connection_lost(transport),
        |receiver, transport| receiver.data_received(transport, b"12345\r\n"),
        |receiver, transport| receiver.reactor_stopping(transport),
    ];
    for event in events {
        let wire = StringTransport::new();
        let mut receiver = LineReceiver::new(Deaf).with_max_length(4);
        receiver.connection_made(&wire.transport());
        receiver.data_received(&wire.transport(), b"1234\r\n");
        assert!(!wire.is_losing());
        event(&mut receiver, &wire.transport());
        assert!(wire.is_losing());
    }
}

#[test]
fn lines_that_lie_whole_in_a_read_are_slices_of_it() {
    let read = b"a line\r\n".repeat(8000);
    let place = Rc::new(Cell::new(read.as_ptr()));
    let count = Rc::new(Cell::new(0));
    let (expected, counted) = (place.clone(), count.clone());
    let setup = |noting: &mut Noting| {
        noting.line = Box::new(move |_, line| {
            assert_eq!(line.as_ptr(), expected.get(), "the line was copied");
            expected.set(line[line.len()..].as_ptr().wrapping_add(2));
            counted.set(counted.get() + 1);
        });
    };
    let mut rig = Rig::with(setup, |receiver| receiver.with_max_lines_at_once(8000));
    rig.feed(&read);
    assert_eq!(count.get(), 8000);
    assert_eq!(place.get(), read.as_ptr_range().end);
}
