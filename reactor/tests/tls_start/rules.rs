//! What may be asked when, what goes out in which form, and what happens at the end.

use crate::dialog::{Client, Ends, NAME, Server};
use crate::events::{Events, Noting};
use reactor::testing::{Pump, Side, connect};
use reactor::tls::StartTlsError;
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const AT_CLIENT: [&str; 4] = ["READY", "completed", "welcome", "ok"];
const AT_SERVER: [&str; 3] = ["STARTTLS", "completed", "secret"];

fn shows(wire: &[u8], word: &str) -> bool {
    wire.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn both_ends_change_to_tls_however_the_bytes_are_cut() {
    let ends = Ends::new();
    for piece in [1, 2, 3, 7, 64 * 1024] {
        let (pair, client, server) = ends.dialog();
        pair.in_pieces_of(piece);
        pair.flush();
        assert_eq!((client.all(), server.all()), (owned(&AT_CLIENT), owned(&AT_SERVER)), "pieces of {piece}");
        // What was written before the change is in clear text, and what was written after it is not.
        assert!(pair.said_by_client().starts_with(b"STARTTLS\r\n\x16\x03"));
        assert!(pair.said_by_server().starts_with(b"READY\r\n\x16\x03"));
        for (said, word) in [(pair.said_by_client(), "secret"), (pair.said_by_server(), "welcome")] {
            assert!(!shows(&said, word), "{word} in clear text");
        }
        ends.assert_at_rest();
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_end_that_accepted_may_be_the_client_of_tls() {
    let ends = Ends::new();
    let (client, server) = (Events::default(), Events::default());
    // The roles of TLS are exchanged; the dialog is the same. So READY and the hello of TLS share a packet.
    let pair = connect(
        ends.at_client(LineReceiver::new(Server(server.clone()))),
        ends.at_server(LineReceiver::new(Client(client.clone()))),
    );
    pair.flush();
    assert!(pair.said_by_server().starts_with(b"READY\r\n\x16\x03\x01"));
    assert_eq!((client.all(), server.all()), (owned(&AT_CLIENT), owned(&AT_SERVER)));
}

#[test]
fn handles_that_were_kept_change_with_the_connection() {
    let ends = Ends::new();
    let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
    let keep = kept.clone();
    let made = move |transport: &Transport| *keep.borrow_mut() = Some(transport.clone());
    let heard = Events::default();
    let client = Noting { made: Box::new(made), ..Noting::new(&Events::default()) };
    let pair = connect(ends.at_server(Starter(heard.clone())), ends.at_client(client));
    let transport = kept.take().unwrap();
    assert!(!transport.is_tls());
    transport.write(b"plain ");
    transport.start_tls(&[]).unwrap(); // Outside of all callbacks.
    assert!(transport.is_tls() && transport.tls_session().is_none());
    transport.write(b"hidden");
    pair.flush();
    assert!(transport.tls_session().is_some() && !transport.is_paused());
    transport.write(b" too");
    pair.flush();
    assert_eq!(heard.all(), ["plain ", "completed", "hidden", " too"]);
    assert!(shows(&pair.said_by_client(), "plain") && !shows(&pair.said_by_client(), "hidden"));
}

/// Starts TLS at its first bytes.
struct Starter(Events);

impl Protocol for Starter {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let rest = match transport.is_tls() {
            true => &[],
            false => &data[data.len().min(6)..],
        };
        self.0.note(String::from_utf8_lossy(&data[..data.len() - rest.len()]));
        if !transport.is_tls() {
            transport.start_tls(rest).unwrap();
        }
    }
    fn handshake_completed(&mut self, _transport: &Transport) {
        self.0.note("completed");
    }
}

#[test]
fn a_connection_that_cannot_change_says_why_and_stays_as_it_is() {
    let ends = Ends::new();
    let refused = |transport: &Transport| transport.start_tls(&[]).unwrap_err();
    let connected = |protocol: &mut dyn Protocol, wire: &Pump| protocol.connection_made(&wire.client());
    let idle = || connect(Noting::new(&Events::default()), Noting::new(&Events::default()));
    let keeping = || {
        let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
        let keep = kept.clone();
        let made = move |transport: &Transport| *keep.borrow_mut() = Some(transport.clone());
        (Noting { made: Box::new(made), end: Box::new(|_| {}), ..Noting::new(&Events::default()) }, kept)
    };

    // A plain transport of which nobody has said with which certificates it could change.
    let pair = idle();
    assert_eq!(refused(&pair.client()), StartTlsError::NotPlainFirst);

    // TLS from the start.
    let (noting, kept) = keeping();
    let mut protocol = ends.client.wrap(NAME, Box::new(noting)).unwrap();
    connected(&mut *protocol, &pair);
    assert_eq!(refused(&kept.take().unwrap()), StartTlsError::AlreadyTls);
    protocol.connection_lost(&Reason::Done);

    // A second time; and each way in which a connection has ended.
    type Then = fn(&mut dyn Protocol, &Transport);
    let cases: [(Then, StartTlsError); 5] = [
        (|_, transport| transport.start_tls(&[]).unwrap(), StartTlsError::AlreadyTls),
        (|_, transport| transport.lose_connection(), StartTlsError::Closing),
        (|_, transport| transport.abort_connection(), StartTlsError::Closing),
        (|_, transport| transport.lose_write_connection(), StartTlsError::Closing),
        (|protocol, transport| protocol.read_connection_lost(transport), StartTlsError::Closing),
    ];
    for (number, (then, error)) in cases.into_iter().enumerate() {
        let (noting, kept) = keeping();
        let (mut protocol, pair) = (ends.at_client(noting), idle());
        connected(&mut *protocol, &pair);
        let transport = kept.take().unwrap();
        then(&mut *protocol, &transport);
        let written = pair.said_by_client();
        assert_eq!((refused(&transport), pair.said_by_client()), (error, written), "case {number}");
        protocol.connection_lost(&Reason::Done);
    }
    ends.assert_at_rest();
}

/// Holds lines back: it pauses at the first.
struct Pausing(Events, Rc<RefCell<Option<LineTransport>>>);

impl LineProtocol for Pausing {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.note(String::from_utf8_lossy(line));
        if !transport.is_tls() {
            transport.pause_producing();
            *self.1.borrow_mut() = Some(transport.clone());
        }
    }
    fn handshake_completed(&mut self, _transport: &LineTransport) {
        self.0.note("completed");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

#[test]
fn lines_held_back_in_a_pause_are_not_delivered_when_tls_begins_outside_a_callback() {
    let ends = Ends::new();
    let (events, kept) = (Events::default(), Rc::default());
    let server = ends.at_server(LineReceiver::new(Pausing(events.clone(), Rc::clone(&kept))));
    let pair = connect(server, ends.at_client(LineReceiver::new(Client(Events::default()))));
    pair.take(Side::Client, usize::MAX);
    pair.inject(Side::Server, b"STARTTLS\r\nEVIL\r\n");
    let transport = kept.take().unwrap();
    transport.start_tls().unwrap();
    pair.flush();
    assert_eq!(events.all(), ["STARTTLS"], "the pause of the program is still on");
    transport.resume_producing();
    pair.flush();
    let met = events.all();
    assert!(met.len() == 2 && met[1].ends_with("it sent \"EVIL\\r\\n\""), "{met:?}");
}

#[test]
fn a_handshake_goes_on_after_a_pause() {
    let ends = Ends::new();
    let (events, kept) = (Events::default(), Rc::default());
    let server = ends.at_server(LineReceiver::new(Pausing(events.clone(), Rc::clone(&kept))));
    let pair = connect(server, ends.at_client(LineReceiver::new(Client(Events::default()))));
    pair.flush();
    let transport = kept.take().unwrap();
    transport.send_line(b"READY");
    transport.start_tls().unwrap();
    pair.flush();
    assert_eq!(events.all(), ["STARTTLS"]);
    transport.resume_producing();
    pair.flush();
    assert_eq!(events.all(), AT_SERVER);
    ends.assert_at_rest();
}

#[test]
fn the_time_for_the_handshake_begins_with_it() {
    let ends = Ends::new();
    let (pair, _, server) = ends.dialog();
    ends.clock.advance(Duration::from_secs(3600)); // In clear text, a connection may take its time.
    pair.deliver(Side::Client, usize::MAX);
    assert_eq!(ends.clock.pending().len(), 1);
    ends.clock.advance(Duration::from_secs(9));
    assert_eq!(server.all(), ["STARTTLS"]);
    ends.clock.advance(Duration::from_secs(1));
    pair.flush();
    let why = "lost: the TLS handshake failed: the client did not complete it within 10s";
    assert_eq!(server.all(), ["STARTTLS", why]);
    ends.assert_at_rest();
}

#[test]
fn a_connection_that_is_closed_right_after_the_change_still_sends_its_last_words() {
    struct Brief(Events);
    impl LineProtocol for Brief {
        fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
            self.0.note(String::from_utf8_lossy(line));
            transport.send_line(b"READY");
            transport.start_tls().unwrap();
            transport.send_line(b"goodbye");
            transport.lose_connection();
            assert_eq!(transport.start_tls(), Err(StartTlsError::AlreadyTls));
        }
        fn connection_lost(&mut self, reason: &Reason) {
            self.0.note(format!("lost: {reason}"));
        }
    }
    let ends = Ends::new();
    let (client, server) = (Events::default(), Events::default());
    let pair = connect(
        ends.at_server(LineReceiver::new(Brief(server.clone()))),
        ends.at_client(LineReceiver::new(Client(client.clone()))),
    );
    pair.flush();
    assert_eq!(client.all(), ["READY", "completed", "goodbye", "lost: closed cleanly"]);
    assert_eq!(server.all(), ["STARTTLS", "lost: closed cleanly"]);
    assert!(!shows(&pair.said_by_server(), "goodbye"));
    ends.assert_at_rest();
}

#[test]
fn a_reset_at_any_byte_of_the_dialog_ends_both_ends_once_and_leaves_nothing() {
    let ends = Ends::new();
    let (whole, ..) = ends.dialog();
    whole.flush();
    for from in [Side::Client, Side::Server] {
        // The signatures of a handshake differ by a byte or two from run to run: that shifts where the last cuts are.
        let total = whole.said_by(from).len();
        for cut in 0..total {
            let (pair, client, server) = ends.dialog();
            let mut left = cut;
            loop {
                let count = pair.deliver(from, left);
                left -= count;
                if left == 0 || count + pair.deliver(from.other(), usize::MAX) == 0 {
                    break;
                }
            }
            pair.reset();
            assert!(pair.is_over());
            for (events, expected) in [(client.all(), &AT_CLIENT[..]), (server.all(), &AT_SERVER[..])] {
                let (last, met) = events.split_last().unwrap();
                assert!(expected.starts_with(&met.iter().map(String::as_str).collect::<Vec<_>>()), "{cut}: {met:?}");
                assert!(last.starts_with("lost: "), "{cut}: {last}");
            }
            ends.assert_at_rest();
        }
    }
}

#[test]
fn limits_that_were_set_in_clear_text_hold_over_tls() {
    let ends = Ends::new();
    let (lost, kept) = (Events::default(), Rc::<RefCell<Option<Transport>>>::default());
    let keep = kept.clone();
    let made = move |transport: &Transport| {
        transport.set_max_buffered(1000);
        transport.start_tls(&[]).unwrap();
        transport.write(&[b'x'; 2000]);
        transport.write(b"x");
        assert!(!transport.is_disconnecting(), "one callback may write more than the limit");
        *keep.borrow_mut() = Some(transport.clone());
    };
    let client = Noting { made: Box::new(made), ..Noting::new(&lost) };
    let pair = connect(Noting::new(&Events::default()), ends.at_client(client));
    pair.pump();
    kept.take().unwrap().write(b"x");
    pair.flush();
    assert_eq!(lost.all(), ["made", "resumed", "lost BufferFull"]);
}
