//! UDP over the real driver: datagrams, connected ports, refusals, budgets, the end of a port; errors of `send`; and
//! Twisted both ways.

#[path = "../util/driver.rs"]
#[allow(dead_code, reason = "what other tests do to a driver")]
mod driver;
#[path = "../util/events.rs"]
#[allow(dead_code, reason = "the protocols of streams in it")]
mod events;
#[path = "../util/peer.rs"]
#[allow(dead_code, reason = "the streams in it")]
mod peer;
mod peers;
mod send_errors;
#[path = "../util/skip.rs"]
mod skip;
#[path = "../util/twisted.rs"]
mod twisted;
#[path = "../util/mod.rs"]
mod util;

use events::Events;
use reactor::error::DatagramError;
use reactor::{DatagramProtocol, DatagramTransport, Reactor, Settings, UdpListenAddress};
use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use util::{PATIENCE, until};

type OnDatagram = Box<dyn FnMut(&DatagramTransport, &[u8], SocketAddr)>;

/// Notes every event, and then does what `data` says.
struct Noting {
    events: Events,
    data: OnDatagram,
}

impl Noting {
    fn new(events: &Events) -> Noting {
        Noting { events: events.clone(), data: Box::new(|_, _, _| {}) }
    }
}

impl DatagramProtocol for Noting {
    fn start_protocol(&mut self, _transport: &DatagramTransport) {
        self.events.note("start");
    }
    fn datagram_received(&mut self, transport: &DatagramTransport, datagram: &[u8], from: SocketAddr) {
        self.events.note(format!("got {}", String::from_utf8_lossy(datagram)));
        (self.data)(transport, datagram, from);
    }
    fn datagram_too_long(&mut self, _: &DatagramTransport, beginning: &[u8], length: usize, _: SocketAddr) {
        self.events.note(format!("too long {} of {length}", beginning.len()));
    }
    fn connection_refused(&mut self, _transport: &DatagramTransport) {
        self.events.note("refused");
    }
    fn stop_protocol(&mut self) {
        self.events.note("stop");
    }
}

fn open(address: impl Into<UdpListenAddress>) -> (Reactor, DatagramTransport, Events) {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let port = reactor.listen_udp(address, Noting::new(&events)).unwrap();
    (reactor, port, events)
}

/// A blocking socket of the test's own.
fn other() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn datagrams_go_both_ways_whole_and_an_empty_one_is_a_datagram() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let (reactor, events) = (Reactor::new().unwrap(), Events::default());
        let echo = |transport: &DatagramTransport, datagram: &[u8], from: SocketAddr| {
            transport.write_to(datagram, from).unwrap();
        };
        let server = reactor.listen_udp(host, echo).unwrap();
        assert_ne!(server.host().port(), 0);
        let client = reactor.listen_udp(host, Noting::new(&events)).unwrap();
        for text in ["one", "", "three"] {
            client.write_to(text.as_bytes(), server.host()).unwrap();
        }
        assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
        until(&reactor, "all have come", || events.all().len() == 4);
        assert_eq!(events.all(), ["start", "got one", "got ", "got three"]);
    }
}

#[test]
fn the_longest_datagram_comes_whole_and_a_longer_one_is_refused() {
    let (reactor, port, events) = open("127.0.0.1:0");
    let (socket, address) = other();
    socket.send_to(&[b'x'; 65_507], port.host()).unwrap();
    until(&reactor, "it has come", || events.all().len() == 2);
    assert_eq!(events.all()[1].len(), "got ".len() + 65_507);
    let error = port.write_to(&[0; 65_508], address).unwrap_err();
    assert!(matches!(error, DatagramError::TooLong { length: 65_508 }), "{error:?}");
}

#[test]
fn a_datagram_beyond_the_ports_own_maximum_is_told_and_not_cut() {
    let (reactor, port, events) = open(UdpListenAddress::from("127.0.0.1:0").max_packet_size(5));
    let (socket, _) = other();
    for text in ["12345", "123456", "123"] {
        socket.send_to(text.as_bytes(), port.host()).unwrap();
    }
    until(&reactor, "all have come", || events.all().len() == 4);
    assert_eq!(events.all(), ["start", "got 12345", "too long 5 of 6", "got 123"]);
}

#[test]
fn a_connected_port_hears_its_peer_alone() {
    let (reactor, port, events) = open("127.0.0.1:0");
    let ((peer, address), (stranger, elsewhere)) = (other(), other());
    // Before the connect: the system queues it for us.
    stranger.send_to(b"early stranger", port.host()).unwrap();
    assert!(matches!(port.write(b"x"), Err(DatagramError::NotConnected)));
    port.connect(address).unwrap();
    assert_eq!(port.peer(), Some(address));
    assert!(matches!(port.connect(address), Err(DatagramError::AlreadyConnected)));
    assert!(matches!(port.write_to(b"x", elsewhere), Err(DatagramError::NotThePeer)));
    stranger.send_to(b"late stranger", port.host()).unwrap();
    peer.send_to(b"peer", port.host()).unwrap();
    until(&reactor, "the peer's has come", || events.all().contains(&"got peer".to_owned()));
    assert_eq!(events.all(), ["start", "got peer"]);
    port.write(b"one").unwrap();
    port.write_to(b"two", address).unwrap();
    let mut buffer = [0; 10];
    for text in [b"one", b"two"] {
        assert_eq!(peer.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], text);
    }
}

#[test]
fn only_a_connected_port_hears_of_a_refusal_and_both_go_on() {
    let nobody = other().1;
    let (reactor, port, events) = open("127.0.0.1:0");
    let quiet_events = Events::default();
    let quiet = reactor.listen_udp("127.0.0.1:0", Noting::new(&quiet_events)).unwrap();
    quiet.write_to(b"x", nobody).unwrap();
    port.connect(nobody).unwrap();
    port.write(b"x").unwrap();
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "it is refused", || events.all() == ["start", "refused"]);
    // The write that meets the refusal of the one before sends its own datagram all the same.
    for _ in 0..3 {
        port.write(b"x").unwrap();
    }
    until(&reactor, "it is refused again", || events.all().len() > 2);
    let peer = UdpSocket::bind(nobody).unwrap();
    peer.send_to(b"here now", port.host()).unwrap();
    peer.send_to(b"to you, too", quiet.host()).unwrap();
    until(&reactor, "both go on", || {
        events.all().contains(&"got here now".to_owned()) && quiet_events.all().len() == 2
    });
    assert_eq!(quiet_events.all(), ["start", "got to you, too"]);
}

#[test]
fn a_broadcast_needs_permission() {
    let (_reactor, port, _) = open("0.0.0.0:0");
    let everybody = SocketAddr::from(([127, 255, 255, 255], port.host().port()));
    let error = port.write_to(b"x", everybody).unwrap_err();
    assert!(matches!(&error, DatagramError::System(error) if error.kind() == ErrorKind::PermissionDenied), "{error:?}");
    port.set_broadcast_allowed(true).unwrap();
    port.write_to(b"x", everybody).unwrap();
}

#[test]
fn a_flood_does_not_keep_the_loop_from_other_work() {
    let mut settings = Settings::default();
    settings.max_datagrams_at_once = 3;
    let (reactor, events) = (Reactor::with_settings(settings).unwrap(), Events::default());
    let port = reactor.listen_udp("127.0.0.1:0", Noting::new(&events)).unwrap();
    until(&reactor, "it has started", || events.all() == ["start"]);
    let (socket, _) = other();
    for _ in 0..10 {
        socket.send_to(b"x", port.host()).unwrap();
    }
    let mut after_each_turn = Vec::new();
    while events.all().len() < 11 {
        reactor.iterate(PATIENCE).unwrap();
        after_each_turn.push(events.all().len() - 1);
    }
    // In the first turn twice: for the event, and for what it could not finish.
    assert!(after_each_turn[0] <= 6 && after_each_turn.len() >= 2, "{after_each_turn:?}");
}

#[test]
fn a_panic_costs_one_datagram_and_not_the_port() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let data: OnDatagram = Box::new(|_, datagram, _| assert_ne!(datagram, b"panic", "as the test wants it"));
    let port = reactor.listen_udp("127.0.0.1:0", Noting { data, ..Noting::new(&events) }).unwrap();
    let (socket, _) = other();
    for text in ["panic", "well"] {
        socket.send_to(text.as_bytes(), port.host()).unwrap();
    }
    until(&reactor, "both have come", || events.all() == ["start", "got panic", "got well"]);
}

#[test]
fn a_port_may_be_stopped_from_its_own_callback_and_is_deaf_from_then_on() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let data: OnDatagram = Box::new(|transport, _, _| transport.stop_listening().detach());
    let port = reactor.listen_udp("127.0.0.1:0", Noting { data, ..Noting::new(&events) }).unwrap();
    let (socket, address) = other();
    for text in ["first", "second"] {
        socket.send_to(text.as_bytes(), port.host()).unwrap();
    }
    until(&reactor, "it is closed", || events.all() == ["start", "got first", "stop"]);
    assert_eq!(reactor.source_count(), 0);
    assert!(matches!(port.write_to(b"x", address), Err(DatagramError::Closed)));
    assert!(matches!(port.connect(address), Err(DatagramError::Closed)));
}

#[test]
fn a_stop_fires_when_the_protocol_knows_and_the_address_is_free_again() {
    let (reactor, port, events) = open("127.0.0.1:0");
    let error = reactor.listen_udp(port.host(), Noting::new(&events)).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
    let (address, fired) = (port.host(), Rc::new(Cell::new(false)));
    let (note, seen) = (fired.clone(), events.clone());
    let told = port.stop_listening().add_callback(move |()| {
        note.set(seen.all() == ["start", "stop"]);
    });
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "it fires", || fired.get());
    drop(told);
    assert!(port.stop_listening().has_fired(), "at once, the second time");
    reactor.listen_udp(address, Noting::new(&events)).expect("the address is free again");
}

#[test]
fn a_reactor_that_stops_closes_its_ports() {
    let (reactor, port, events) = open("127.0.0.1:0");
    assert_eq!(reactor.inventory().to_string(), format!("a UDP port at {}\n", port.host()));
    let stopper = reactor.clone();
    reactor.call_when_running(move || stopper.stop());
    reactor.run().unwrap();
    assert_eq!(events.all(), ["start", "stop"]);
    drop(reactor);
    assert!(matches!(port.write_to(b"x", port.host()), Err(DatagramError::Closed)));
}

#[test]
fn a_port_that_outlives_its_reactor_is_inert() {
    let (reactor, port, events) = open("127.0.0.1:0");
    drop(reactor);
    assert!(matches!(port.write_to(b"x", port.host()), Err(DatagramError::Closed)));
    assert!(port.stop_listening().has_fired());
    assert_eq!(events.all(), [""; 0]);
}

#[test]
fn an_address_of_the_other_kind_is_refused_and_the_port_goes_on() {
    for (own, foreign) in [("127.0.0.1:0", "[::1]:9"), ("[::1]:0", "127.0.0.1:9")] {
        let (reactor, port, events) = open(own);
        let foreign = foreign.parse().unwrap();
        assert!(matches!(port.write_to(b"x", foreign), Err(DatagramError::System(_))));
        assert!(matches!(port.connect(foreign), Err(DatagramError::System(_))));
        port.write_to(b"to itself", port.host()).unwrap();
        port.connect(port.host()).unwrap();
        port.write(b"again").unwrap();
        until(&reactor, "both have come", || events.all() == ["start", "got to itself", "got again"]);
    }
}

#[test]
fn one_port_serves_both_kinds_of_addresses() {
    let (reactor, port, events) = open(UdpListenAddress::from("[::]:0").ipv6_only(false));
    let (socket, address) = other();
    socket.send_to(b"over IPv4", ("127.0.0.1", port.host().port())).unwrap();
    until(&reactor, "it has come", || events.all() == ["start", "got over IPv4"]);
    port.write_to(b"answer", address).unwrap();
    assert_eq!(socket.recv(&mut [0; 10]).unwrap(), 6);
}
