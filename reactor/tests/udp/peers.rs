//! Twisted at the other end.

use super::{Noting, open};
use crate::events::Events;
use crate::peer::meanwhile;
use crate::twisted::Twisted;
use crate::util::until;
use reactor::{DatagramTransport, Reactor};
use std::net::SocketAddr;

const TWISTED_ECHO: &str = "
class Echo(protocol.DatagramProtocol):
    def datagramReceived(self, datagram, address):
        self.transport.write(datagram, address)
        if datagram == b'bye':
            reactor.stop()
say(reactor.listenUDP(0, Echo(), interface='127.0.0.1').getHost().port)
";

const TWISTED_CLIENT: &str = "
class Client(protocol.DatagramProtocol):
    def startProtocol(self):
        self.transport.connect('127.0.0.1', int(sys.argv[1]))
        for text in (b'one', b'two', b'x' * 8000):
            self.transport.write(text)
        self.left = 3
    def datagramReceived(self, datagram, address):
        say(len(datagram))
        self.left -= 1
        if not self.left:
            reactor.stop()
reactor.listenUDP(0, Client(), interface='127.0.0.1')
";

#[test]
fn a_twisted_port_echoes_to_ours() {
    let Some(mut twisted) = Twisted::start("a Twisted UDP echo", TWISTED_ECHO, &[]) else { return };
    let there = SocketAddr::from(([127, 0, 0, 1], twisted.line().parse().unwrap()));
    let (reactor, port, events) = open("127.0.0.1:0");
    port.connect(there).unwrap();
    for text in ["hello", "bye"] {
        port.write(text.as_bytes()).unwrap();
    }
    until(&reactor, "the echo has come", || events.all() == ["start", "got hello", "got bye"]);
    assert_eq!(twisted.rest(), "");
}

#[test]
fn our_port_echoes_to_twisted() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let data = Box::new(|transport: &DatagramTransport, datagram: &[u8], from: SocketAddr| {
        transport.write_to(datagram, from).unwrap();
    });
    let port = reactor.listen_udp("127.0.0.1:0", Noting { data, ..Noting::new(&events) }).unwrap();
    let number = port.host().port().to_string();
    let Some(twisted) = Twisted::start("a Twisted UDP client", TWISTED_CLIENT, &[&number]) else { return };
    let said = meanwhile(&reactor, move || twisted.rest());
    assert_eq!(said, "3\n3\n8000\n");
}
