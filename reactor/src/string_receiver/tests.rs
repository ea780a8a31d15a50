//! Strings out of a stream that may be cut anywhere, over a transport that exists only in memory.

use super::*;
use crate::testing::{StringTransport, for_every_chunking};

const ALL: [Framing; 4] = [Framing::Netstring, Framing::Int8, Framing::Int16, Framing::Int32];

type Events = Rc<RefCell<Vec<String>>>;
type OnString = Box<dyn FnMut(&StringSender, &[u8])>;

/// Notes what it receives, and then does what its closure says.
struct Noting {
    events: Events,
    string: OnString,
    /// Whether it closes when the framing is broken, as by default.
    closes: bool,
}

impl StringProtocol for Noting {
    fn string_received(&mut self, transport: &StringSender, string: &[u8]) {
        self.events.borrow_mut().push(String::from_utf8_lossy(string).into_owned());
        (self.string)(transport, string);
    }
    fn framing_broken(&mut self, transport: &StringSender, error: FramingError) {
        self.events.borrow_mut().push(format!("! {error}"));
        if self.closes {
            transport.lose_connection();
        }
    }
    fn reading_resumed(&mut self, _transport: &StringSender) {
        self.events.borrow_mut().push("resumed".to_owned());
    }
    fn read_connection_lost(&mut self, _transport: &StringSender, rest: &[u8]) {
        self.events.borrow_mut().push(format!("end after {rest:?}"));
    }
}

struct Rig {
    wire: Rc<StringTransport>,
    events: Events,
    receiver: StringReceiver<Noting>,
}

impl Rig {
    fn new(framing: Framing) -> Rig {
        Rig::with(framing, MAX_LENGTH, |_, _| {})
    }

    fn with(framing: Framing, max_length: usize, string: impl FnMut(&StringSender, &[u8]) + 'static) -> Rig {
        let events = Events::default();
        let protocol = Noting { events: events.clone(), string: Box::new(string), closes: true };
        let (wire, receiver) = (StringTransport::new(), StringReceiver::new(framing, protocol));
        let mut rig = Rig { wire, events, receiver: receiver.with_max_length(max_length) };
        rig.receiver.connection_made(&rig.wire.transport());
        rig
    }

    fn receive(&mut self, bytes: &[u8]) -> &mut Rig {
        self.receiver.data_received(&self.wire.transport(), bytes);
        self
    }

    fn events(&self) -> Vec<String> {
        self.events.borrow().clone()
    }

    fn sender(&self) -> StringSender {
        self.receiver.transport.clone().expect("it is connected")
    }
}

/// The bytes that sending these strings puts on the wire.
fn sent(framing: Framing, strings: &[&str]) -> Vec<u8> {
    let rig = Rig::new(framing);
    strings.iter().for_each(|string| rig.sender().send_string(string.as_bytes()).unwrap());
    rig.wire.written()
}

#[test]
fn strings_come_out_as_they_were_sent_however_the_stream_was_cut() {
    for framing in ALL {
        let strings = ["hello", "", "a", "twelve:bytes", ","];
        for_every_chunking(&sent(framing, &strings), |chunks| {
            let mut rig = Rig::new(framing);
            for chunk in chunks {
                rig.receive(chunk);
            }
            assert_eq!(rig.events(), strings, "{framing:?}");
        });
    }
}

#[test]
fn the_bytes_on_the_wire_are_those_of_the_format() {
    assert_eq!(sent(Framing::Netstring, &["hello", ""]), b"5:hello,0:,");
    assert_eq!(sent(Framing::Int8, &["hello"]), b"\x05hello");
    assert_eq!(sent(Framing::Int16, &["hello"]), b"\0\x05hello");
    assert_eq!(sent(Framing::Int32, &["hello"]), b"\0\0\0\x05hello");
}

#[test]
fn a_string_goes_out_in_one_write() {
    for framing in ALL {
        let rig = Rig::new(framing);
        rig.sender().send_string(b"hello").unwrap();
        assert_eq!(rig.wire.write_count(), 1, "{framing:?}");
    }
}

#[test]
fn a_string_that_its_length_cannot_say_is_not_sent() {
    for (framing, limit) in [(Framing::Int8, 255), (Framing::Int16, 65_535)] {
        let rig = Rig::new(framing);
        rig.sender().send_string(&vec![b'x'; limit]).unwrap();
        let written = rig.wire.take_written().len();
        let error = rig.sender().send_string(&vec![b'x'; limit + 1]).unwrap_err();
        assert_eq!(error, StringTooLong { length: limit + 1, limit });
        assert!(written > limit && rig.wire.written().is_empty());
    }
}

#[test]
fn malformed_netstrings_break_the_framing_however_they_were_cut() {
    for bad in ["01:a,", "00:,", ":,", "-1:a,", "+1:a,", " 1:a,", "1 :a,", "a:b,", "1:ab,", "1:a;", "3:hello,", "1,a,"]
    {
        let bytes = [b"2:ok,", bad.as_bytes(), b"2:no,"].concat();
        for_every_chunking(&bytes, |chunks| {
            let mut rig = Rig::new(Framing::Netstring);
            for chunk in chunks {
                rig.receive(chunk);
            }
            assert_eq!(rig.events(), ["ok", "! the peer sent something that is not a netstring"], "{bad}");
            assert!(rig.wire.transport().is_disconnecting());
        });
    }
}

#[test]
fn a_string_of_the_maximum_length_is_taken_and_a_longer_one_refused_from_its_length() {
    for framing in ALL {
        let longest = "x".repeat(10);
        let mut rig = Rig::with(framing, 10, |_, _| {});
        rig.receive(&sent(framing, &[&longest]));
        assert_eq!(rig.events(), [longest.as_str()], "{framing:?}");

        let mut rig = Rig::with(framing, 10, |_, _| {});
        let long = sent(framing, &["y".repeat(11).as_str()]);
        let header = long.len() - 11 - framing.trailer().len();
        rig.receive(&long[..header]);
        assert_eq!(rig.events(), ["! the peer announced a string of more than 10 bytes"], "{framing:?}");
    }
}

#[test]
fn the_digits_of_a_netstrings_length_are_bounded_by_the_limit() {
    let mut rig = Rig::with(Framing::Netstring, 10, |_, _| {});
    rig.receive(b"1").receive(b"1");
    assert_eq!(rig.events(), ["! the peer announced a string of more than 10 bytes"]);
    // A length that no machine can hold does not overflow.
    let mut rig = Rig::with(Framing::Netstring, usize::MAX, |_, _| {});
    rig.receive("9".repeat(400).as_bytes());
    assert!(rig.events().is_empty() || rig.events()[0].starts_with('!'));
}

#[test]
fn after_a_broken_framing_nothing_is_delivered_even_if_the_protocol_does_not_close() {
    let mut rig = Rig::new(Framing::Netstring);
    rig.receiver.protocol.closes = false;
    rig.receive(b"x").receive(b"2:no,");
    assert_eq!(rig.events().len(), 1);
    assert!(!rig.wire.transport().is_disconnecting());
}

#[test]
fn a_pause_holds_strings_back_and_a_resume_delivers_them() {
    for framing in ALL {
        let bytes = sent(framing, &["one", "two", "three"]);
        for_every_chunking(&bytes, |chunks| {
            let mut rig = Rig::with(framing, 10, |transport, _| transport.pause_producing());
            for chunk in chunks {
                rig.receive(chunk);
            }
            for seen in 1..3 {
                assert_eq!(rig.events().iter().filter(|event| *event != "resumed").count(), seen);
                let transport = rig.wire.transport();
                transport.resume_producing();
                rig.receiver.reading_resumed(&transport);
            }
            assert_eq!(rig.events(), ["one", "resumed", "two", "resumed", "three"], "{framing:?}");
        });
    }
}

#[test]
fn what_comes_after_the_protocol_has_closed_is_not_delivered() {
    let mut rig = Rig::with(Framing::Int8, 10, |transport, _| transport.lose_connection());
    rig.receive(b"\x01a\x01b");
    assert_eq!(rig.events(), ["a"]);
}

#[test]
fn the_limit_can_be_changed_between_two_strings_of_one_read() {
    let mut rig = Rig::with(Framing::Int8, 1, |transport, _| transport.set_max_length(5));
    rig.receive(b"\x01a\x05hello\x06larger");
    assert_eq!(rig.events(), ["a", "hello", "! the peer announced a string of more than 5 bytes"]);
}

#[test]
fn the_end_of_the_stream_shows_the_unfinished_string() {
    let mut rig = Rig::new(Framing::Netstring);
    rig.receive(b"2:ok,5:hel");
    rig.receiver.read_connection_lost(&rig.wire.transport());
    assert_eq!(rig.events(), ["ok", "end after [53, 58, 104, 101, 108]"]);
}
