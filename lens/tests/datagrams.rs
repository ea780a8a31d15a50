//! Datagrams between hosts of a world are arrows: those that arrive, those that are lost, and those that nobody wants.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::views::connections::Connections;
use lens::views::page::page;
use lens::views::wire::{Carried, Row, What, Wire};
use reactor::sim::{LinkSettings, World};
use reactor::{DatagramProtocol, DatagramTransport, Reactor, Settings};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use util::Lines;

/// Answers each datagram in capital letters.
struct Shout;

impl DatagramProtocol for Shout {
    fn datagram_received(&mut self, transport: &DatagramTransport, datagram: &[u8], from: SocketAddr) {
        transport.write_to(&datagram.to_ascii_uppercase(), from).expect("a datagram can be sent");
    }
}

/// Hears, and says nothing.
struct Ear;

impl DatagramProtocol for Ear {
    fn datagram_received(&mut self, _transport: &DatagramTransport, _datagram: &[u8], _from: SocketAddr) {}
}

/// A client that sends "one" to the port of [`Shout`], and "two" to a port at which nobody listens.
fn conversation(link: LinkSettings) -> Model {
    let lines = Lines::default();
    let world = World::new(1);
    world.trace_to(lines.stream());
    world.set_links(link);
    let server = world.host("server", |reactor| {
        reactor.listen_udp("0.0.0.0:7", Shout).expect("the port is free");
    });
    let address = server.address();
    world.host("client", move |reactor| {
        let port = reactor.listen_udp("0.0.0.0:0", Ear).expect("there is a free port");
        port.write_to(b"one", SocketAddr::new(address, 7)).expect("a datagram can be sent");
        port.write_to(b"two", SocketAddr::new(address, 8)).expect("a datagram can be sent");
    });
    world.run_for(Duration::from_secs(1));
    drop(world);
    lines.model()
}

/// The arrows: from which line to which, what they carry, their words, and whether a read took it at once.
fn arrows(wire: &Wire) -> Vec<(usize, usize, Carried, &str, bool)> {
    let arrow = |row: &'_ Row| match row.what {
        What::Arrow { from, to, carried, .. } => Some((from, to, carried)),
        _ => None,
    };
    let arrows = wire.rows.iter().filter_map(|row| Some((arrow(row)?, row)));
    arrows.map(|((from, to, carried), row)| (from, to, carried, row.label.as_str(), row.is_read)).collect()
}

#[test]
fn a_datagram_is_an_arrow_from_when_it_was_sent_and_the_read_that_takes_it_stands_there() {
    let model = conversation(LinkSettings::default());
    let wire = Wire::of_world(&model, &[]);
    let mut arrows = arrows(&wire);
    arrows.sort_by_key(|arrow| arrow.3);
    let expected = [
        (0, 1, Carried::Bytes, "UDP “ONE”", true),
        (1, 0, Carried::Bytes, "UDP “one”", true),
        (1, 0, Carried::End, "nobody on UDP port 8: UDP “two”", false),
    ];
    arrows.sort_by_key(|arrow| (arrow.2 == Carried::End, arrow.0));
    assert_eq!(arrows, expected, "{}", wire.to_text());
    let is_late = |row: &Row| matches!(row.what, What::Arrow { sent, .. } if sent < row.ns);
    assert!(wire.rows.iter().any(is_late), "it was under way: {:?}", wire.rows);
    let row = wire.rows.iter().position(|row| row.label == "UDP “one”").expect("it has arrived");
    assert_eq!(wire.rows[row + 1].label, "datagram_received");
}

#[test]
fn a_lost_datagram_is_an_arrow_that_ends_in_a_cross() {
    let model = conversation(LinkSettings::default().loss(1_000_000));
    let wire = Wire::of_world(&model, &[]);
    let lost = |label| (1, 0, Carried::Lost, label, false);
    assert_eq!(arrows(&wire), [lost("lost: UDP “one”"), lost("lost: UDP “two”")]);
    let text = wire.to_text();
    assert!(text.contains("│ ×─"), "its head is before its line: {text}");
    assert!(wire.to_svg().contains("An arrow that ends in a cross"));
    assert!(page(&model, "lost", |_| None).contains("\"lost: UDP “one”\""), "the script draws it");
}

#[test]
fn a_program_with_a_port_and_no_connection_has_the_wire_of_that_port() {
    let lines = Lines::default();
    let reactor = Reactor::traced(lines.stream(), Settings::default()).expect("there is a reactor");
    let port = reactor.listen_udp("127.0.0.1:0", Shout).expect("there is a free port");
    let is_heard = Rc::new(Cell::new(false));
    let heard = is_heard.clone();
    let ear = move |_: &DatagramTransport, _: &[u8], _| heard.set(true);
    let quiet = reactor.listen_udp("127.0.0.1:0", ear).expect("there is a free port");
    let address = port.host();
    quiet.write_to(b"one", address).expect("a datagram can be sent");
    for _ in (0..100).take_while(|_| !is_heard.get()) {
        reactor.iterate(Duration::from_secs(1)).expect("the loop turns");
    }
    assert!(is_heard.get(), "the answer has come");
    port.stop_listening().detach();
    drop(reactor);
    let model = lines.model();
    let connections = Connections::new(&model);
    let busiest = connections.busiest().expect("there are two ports");
    assert!(busiest.is_datagrams);
    assert!(connections.choice(busiest).starts_with("Port ") && connections.choice(busiest).contains("most of 2."));
    let text = connections.to_text();
    assert!(text.contains(&format!("UDP {address} ")) && text.lines().count() == 3, "{text}");
    assert!(!page(&model, "ports", |_| None).contains("\"wires\":null"), "the page has the wire, too");
}
