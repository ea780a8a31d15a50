//! Bytes in clear text behind the command that starts TLS (CVE-2011-0411): an attacker on the way can put them there.

use crate::dialog::{Client, Ends, Server};
use crate::events::Events;
use reactor::string_receiver::{Framing, StringProtocol, StringReceiver, StringSender};
use reactor::testing::{Side, connect, for_every_chunking};
use reactor::{LineReceiver, Protocol, Reason, Transport};

/// A server that has been sent these bytes in clear text, and what it has met.
fn attacked(ends: &Ends, chunks: &[&[u8]]) -> Vec<String> {
    let (pair, _, server) = ends.dialog();
    pair.take(Side::Client, usize::MAX); // The client's own words do not arrive.
    for chunk in chunks {
        pair.inject(Side::Server, chunk);
    }
    pair.flush();
    server.all()
}

#[test]
fn lines_behind_the_command_are_never_delivered_however_they_are_cut() {
    let ends = Ends::new();
    for_every_chunking(b"STARTTLS\r\nEVIL\r\n", |chunks| {
        let met = attacked(&ends, chunks);
        assert_eq!((met.len(), &*met[0]), (2, "STARTTLS"), "{met:?}");
        let why = "lost: the TLS handshake failed: the client does not speak TLS here; it sent \"E";
        assert!(met[1].starts_with(why), "{met:?}");
    });
    ends.assert_at_rest();
}

#[test]
fn a_handshake_that_shares_a_packet_with_the_command_is_taken_up() {
    let ends = Ends::new();
    let (pair, client, server) = ends.dialog();
    // The client has been told READY by somebody else, so that its handshake follows its command at once.
    pair.inject(Side::Client, b"READY\r\n");
    let both = pair.take(Side::Client, usize::MAX);
    assert!(both.starts_with(b"STARTTLS\r\n\x16\x03"));
    pair.inject(Side::Server, &both);
    assert_eq!(pair.take(Side::Server, 7), b"READY\r\n"); // It has heard that already.
    pair.flush();
    assert_eq!(server.all(), ["STARTTLS", "completed", "secret"]);
    assert_eq!(client.all(), ["READY", "completed", "welcome", "ok"]);
}

/// Passes everything on, and forgets that it must also ask for what was not processed.
struct Careless<P>(P);

impl<P: Protocol> Protocol for Careless<P> {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.connection_made(transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.data_received(transport, data);
    }
    fn reading_resumed(&mut self, transport: &Transport) {
        self.0.reading_resumed(transport);
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        self.0.handshake_completed(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.connection_lost(reason);
    }
}

#[test]
fn not_even_half_a_line_in_clear_text_mixes_with_a_line_over_tls() {
    let ends = Ends::new();
    for injected in ["EVIL", "EVIL\r\n", "EVIL\r\nEVIL"] {
        let (client, server) = (Events::default(), Events::default());
        let pair = connect(
            ends.at_server(Careless(LineReceiver::new(Server(server.clone())))),
            ends.at_client(LineReceiver::new(Client(client.clone()))),
        );
        pair.take(Side::Client, usize::MAX);
        pair.inject(Side::Server, format!("STARTTLS\r\n{injected}").as_bytes());
        pair.flush();
        assert_eq!(server.all(), ["STARTTLS", "completed", "secret"], "{injected:?}");
    }
}

/// Starts TLS at the string `tls`.
struct Strings(Events);

impl StringProtocol for Strings {
    fn string_received(&mut self, transport: &StringSender, string: &[u8]) {
        self.0.note(String::from_utf8_lossy(string));
        if string == b"tls" {
            transport.start_tls().unwrap();
        }
    }
    fn handshake_completed(&mut self, _transport: &StringSender) {
        self.0.note("completed");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

#[test]
fn strings_behind_the_command_are_never_delivered_either() {
    let ends = Ends::new();
    for_every_chunking(b"3:tls,4:evil,", |chunks| {
        let events = Events::default();
        let server = ends.at_server(StringReceiver::new(Framing::Netstring, Strings(events.clone())));
        let pair = connect(server, ends.at_client(LineReceiver::new(Client(Events::default()))));
        pair.take(Side::Client, usize::MAX);
        chunks.iter().for_each(|chunk| pair.inject(Side::Server, chunk));
        pair.flush();
        let met = events.all();
        assert_eq!((met.len(), &*met[0]), (2, "tls"), "{met:?}");
        assert!(met[1].starts_with("lost: the TLS handshake failed"), "{met:?}");
    });
    // Half a string in clear text, which nobody has asked for, must not end with a string over TLS.
    let (at_server, at_client) = (Events::default(), Events::default());
    let server = Careless(StringReceiver::new(Framing::Netstring, Strings(at_server.clone())));
    let client = StringReceiver::new(Framing::Netstring, Saying(at_client));
    let pair = connect(ends.at_server(server), ends.at_client(client));
    pair.inject(Side::Server, b"3:tls,9:evil");
    pair.flush();
    assert_eq!(at_server.all(), ["tls", "completed", "honest"]);
}

/// Starts TLS at once.
struct Saying(Events);

impl StringProtocol for Saying {
    fn connection_made(&mut self, transport: &StringSender) {
        transport.start_tls().unwrap();
        transport.send_string(b"honest").unwrap();
    }
    fn string_received(&mut self, _transport: &StringSender, string: &[u8]) {
        self.0.note(String::from_utf8_lossy(string));
    }
}

/// Cuts its bytes itself: the first byte `!` starts TLS, and what stands behind it is left over.
struct Raw {
    events: Events,
    gives_back: bool,
}

impl Protocol for Raw {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let at = data.iter().position(|byte| *byte == b'!' && !transport.is_tls());
        let (used, rest) = at.map_or((data, &[][..]), |at| data.split_at(at + 1));
        self.events.note(String::from_utf8_lossy(used));
        if at.is_some() {
            transport.start_tls(if self.gives_back { rest } else { &[] }).unwrap();
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

#[test]
fn a_protocol_that_cuts_its_bytes_itself_gives_back_what_it_has_not_used() {
    let ends = Ends::new();
    for gives_back in [true, false] {
        let events = Events::default();
        let server = ends.at_server(Raw { events: events.clone(), gives_back });
        // A client that says hello in the same packet.
        let pair = connect(server, ends.at_client(LineReceiver::new(Client(Events::default()))));
        pair.take(Side::Client, usize::MAX);
        pair.inject(Side::Client, b"READY\r\n");
        let hello = pair.take(Side::Client, usize::MAX);
        pair.inject(Side::Server, &[b"go!", &hello[..]].concat());
        pair.flush();
        match gives_back {
            true => assert_eq!(events.all(), ["go!", "secret\r\n"]),
            false => {
                assert_eq!(events.all(), ["go!"], "without its hello, the handshake cannot go on");
                ends.clock.advance(std::time::Duration::from_secs(10));
                pair.flush();
                assert_eq!(events.all().len(), 2);
            }
        }
    }
    ends.assert_at_rest();
}
