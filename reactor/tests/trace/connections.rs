//! Connections: bytes with their borders, back-pressure, half-close and ends.

use super::reading::Events;
use super::util::until;
use super::{Echo, traced};
use reactor::{ClientFactory, Connector, Failure, Protocol, Transport};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;

#[test]
fn a_connection_is_followed_from_its_beginning_to_its_end() {
    let (reactor, reader) = traced();
    let line = line!() + 1;
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    client.write_all(b"\"\\\x00\xff\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut reply = Vec::new();
    until(&reactor, "the end is there", || {
        let mut buffer = [0; 16];
        loop {
            match client.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => reply.extend_from_slice(&buffer[..count]),
                Err(_) => return false,
            }
        }
    });
    assert_eq!(reply, b"\"\\\x00\xff\r\n");
    drop((port, reactor));
    let events = Events::of(&reader);
    let story = events.story(&["listening", "connected", "written", "peer_ended", "closing", "ended"]);
    assert_eq!(story, ["listening", "connected", "written", "peer_ended", "closing", "ended"]);
    let listening = events.only("listening");
    assert_eq!(listening["socket"], events.calls("listen")[0]["socket"]);
    assert!(listening["place"].as_str().unwrap().contains(&format!("connections.rs:{line}:")), "{listening}");
    let read = events.calls("read").into_iter().find(|event| event["done"] == 6).unwrap();
    // Each byte is one character.
    assert_eq!(read["bytes"], "\"\\\u{0}\u{ff}\r\n");
    assert_eq!(events.only("connected")["socket"], read["socket"]);
    assert_eq!(events.only("connected")["peer"], client.local_addr().unwrap().to_string());
    assert_eq!(events.only("ended")["clean"], true);
    assert_eq!(events.calls("close").into_iter().filter(|event| event["socket"] == read["socket"]).count(), 1);
    let place = events.only("written")["place"].as_str().unwrap();
    assert!(place.contains("main.rs:"), "where the program wrote: {place}");
}

/// Writes much, and reads nothing meanwhile.
struct Much;

impl Protocol for Much {
    fn connection_made(&mut self, transport: &Transport) {
        transport.pause_when_full(true);
        transport.write(&[b'x'; 4 << 20]);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn back_pressure_is_told() {
    let (reactor, reader) = traced();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Much).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    client.set_nonblocking(true).unwrap();
    until(&reactor, "it is accepted", || reactor.inventory().connections.len() == 1);
    let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
    until(&reactor, "all has come", || {
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            count += read;
        }
        count == 4 << 20
    });
    let events = Events::of(&reader);
    assert_eq!(events.story(&["reading_paused", "reading_resumed"]), ["reading_paused", "reading_resumed"]);
    assert_eq!(events.only("reading_paused")["full"], true);
    let writes = events.calls("write");
    let sent: u64 = writes.iter().filter_map(|event| event["done"].as_u64()).sum();
    assert_eq!(sent, 4 << 20);
    assert!(
        writes.iter().any(|event| event["done"].as_u64() < event["offered"].as_u64()),
        "a short write: {writes:#?}"
    );
    assert_eq!(writes[0]["bytes"].as_str().unwrap(), "x".repeat(64), "only the first bytes");
}

struct Client(Rc<Cell<bool>>, Rc<RefCell<Option<Transport>>>);

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        *self.1.borrow_mut() = Some(transport.clone());
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

impl ClientFactory for Client {
    fn build_protocol(&mut self, _peer: &reactor::Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Client(self.0.clone(), self.1.clone())))
    }
    fn client_connection_failed(&mut self, _connector: &Connector, _failure: Failure) {
        self.0.set(true);
    }
}

#[test]
fn connecting_is_told_whether_it_succeeds_or_fails() {
    let (reactor, reader) = traced();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (failed, transport) = (Rc::<Cell<bool>>::default(), Rc::<RefCell<Option<Transport>>>::default());
    reactor.connect_tcp(listener.local_addr().unwrap(), Client(failed.clone(), transport.clone()));
    until(&reactor, "it is connected", || transport.borrow().is_some());
    transport.borrow().as_ref().unwrap().abort_connection();
    let refused = listener.local_addr().unwrap();
    drop(listener);
    reactor.connect_tcp(refused, Client(failed.clone(), transport.clone()));
    until(&reactor, "it is refused", || failed.get());
    let events = Events::of(&reader);
    let story = events.story(&["connected", "ended"]);
    assert_eq!(story, ["connected", "ended"]);
    assert_eq!(events.only("connected")["outgoing"], true);
    let connects = events.calls("connect");
    assert_eq!(connects.len(), 2);
    assert_eq!(connects[0]["address"], refused.to_string());
    let outcomes = events.calls("finish_connect");
    assert_eq!(outcomes[0]["done"], 1);
    assert_eq!(outcomes[1]["failed"], "ConnectionRefused");
    assert!(outcomes[1]["code"].is_i64(), "{}", outcomes[1]);
    let reset = events.calls("reset_on_close");
    assert_eq!(reset.len(), 1, "an abort");
}
