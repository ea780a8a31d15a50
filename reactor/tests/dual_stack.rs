//! Ports at `[::]`: for IPv6 alone, and for IPv4 too.

#[path = "util/peer.rs"]
mod peer;
mod util;

use peer::{meanwhile, patient};
use reactor::{Address, ListenAddress, ListeningPort, Protocol, Reactor, Transport};
use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::rc::Rc;

/// What the factory was told of the peer, what the transport says of it, and what it says of its own end.
type Seen = Rc<RefCell<Vec<[Address; 3]>>>;

struct Looks {
    seen: Seen,
    told: Address,
}

impl Protocol for Looks {
    fn connection_made(&mut self, transport: &Transport) {
        self.seen.borrow_mut().push([self.told.clone(), transport.peer(), transport.host()]);
        transport.lose_connection();
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

fn listen(reactor: &Reactor, address: impl Into<ListenAddress>) -> (ListeningPort, Seen) {
    let seen = Seen::default();
    let looks = seen.clone();
    let port = reactor.listen_tcp(address, move |told| Looks { seen: looks.clone(), told }).unwrap();
    (port, seen)
}

/// Connects to `to` and waits for the end; the address of the client.
fn client(reactor: &Reactor, to: SocketAddr) -> SocketAddr {
    meanwhile(reactor, move || {
        let mut stream = patient(TcpStream::connect(to));
        let address = stream.local_addr().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        address
    })
}

fn on_both_loopbacks(port: &ListeningPort) -> [SocketAddr; 2] {
    let port = port.host().port();
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

#[test]
fn a_port_for_ipv6_leaves_the_same_number_to_a_port_for_ipv4() {
    let reactor = Reactor::new().unwrap();
    let (port6, seen6) = listen(&reactor, "[::]:0");
    let (_, seen4) = listen(&reactor, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port6.host().port())));
    let expected = [(&seen4, &seen6), (&seen6, &seen4)];
    for (to, (seen, other)) in on_both_loopbacks(&port6).into_iter().zip(expected) {
        let before = other.borrow().len();
        let client = Address::from(client(&reactor, to));
        assert_eq!(*seen.borrow(), [[client.clone(), client, to.into()]]);
        assert_eq!(other.borrow().len(), before);
    }
}

#[test]
fn a_port_for_both_sees_ipv4_clients_under_their_ipv4_addresses() {
    let reactor = Reactor::new().unwrap();
    let (port, seen) = listen(&reactor, ListenAddress::from("[::]:0").ipv6_only(false));
    assert!(port.host().is_ipv6());
    for to in on_both_loopbacks(&port) {
        let client = Address::from(client(&reactor, to));
        assert_eq!(seen.borrow_mut().pop(), Some([client.clone(), client, to.into()]));
    }
    let taken = (Ipv4Addr::UNSPECIFIED, port.host().port());
    let error = reactor.listen_tcp(SocketAddr::from(taken), |told| Looks { seen: Seen::default(), told }).unwrap_err();
    assert_eq!(error.error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn an_ipv4_address_has_one_kind_of_clients() {
    let reactor = Reactor::new().unwrap();
    let (port, seen) = listen(&reactor, ListenAddress::from("127.0.0.1:0").ipv6_only(false));
    let client = Address::from(client(&reactor, port.host()));
    assert_eq!(*seen.borrow(), [[client.clone(), client, port.host().into()]]);
}
