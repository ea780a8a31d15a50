//! Text is an address wherever one is taken; other text is an error that says what is wrong.

use reactor::error::ConnectError;
use reactor::{Address, DatagramTransport, Destination, Failure, ListenAddress, Protocol, Reactor, Transport};
use std::net::SocketAddr;

struct Silent;

impl Protocol for Silent {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// Connects to `destination`; the address of the peer, or the failure.
fn connected(reactor: &Reactor, destination: impl Into<Destination>) -> Result<Option<SocketAddr>, Failure> {
    let connected = reactor.connect(destination, |_peer| Silent).add_callback(|transport| {
        transport.abort_connection();
        Ok(transport.peer().tcp())
    });
    reactor.run_until(connected)
}

#[test]
fn each_way_to_write_a_destination_leads_there() {
    let reactor = Reactor::new().unwrap();
    // Not a port of the reactor: each run stops those.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let (text, ip, port) = (there.to_string(), there.ip(), there.port());
    for way in [
        Destination::from(text.as_str()),
        Destination::from(text.clone()),
        Destination::from(&text),
        Destination::from((ip.to_string(), port)),
        Destination::from((ip, port)),
        Destination::from(Address::Tcp(there)),
        Destination::from(text.as_str()).bind_address("127.0.0.1:0"),
    ] {
        assert_eq!(connected(&reactor, way).unwrap(), Some(there));
    }
}

#[test]
fn text_that_is_not_a_destination_fails_the_attempt_and_says_why() {
    let reactor = Reactor::new().unwrap();
    for (destination, wrong) in [
        (Destination::from("example.com"), "\"example.com\" is not an address to connect to: the port is missing"),
        (Destination::from("::1:80"), "\"::1:80\" is not an address to connect to: write an IPv6 address in brackets"),
        (Destination::from("localhost:http"), "\"http\" is not a port"),
        (Destination::from(Address::StandardIo), "\"standard input and output\" is not an address to connect to"),
        (Destination::from("127.0.0.1:9").bind_address("here:0"), "\"here\" is not an IP address"),
    ] {
        let failure = connected(&reactor, destination.clone()).unwrap_err();
        assert!(matches!(failure.check(), Some(ConnectError::BadAddress { .. })), "{failure}");
        assert!(failure.to_string().contains(wrong), "{destination}: {failure}");
    }
}

#[test]
fn the_text_of_a_destination_is_a_destination() {
    // No machine has an interface of this name: the address stays text until it is looked up.
    for text in ["example.com:80", "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%7]:80", "[fe80::1%nowhere]:80"] {
        let destination = Destination::from(text);
        assert_eq!(destination.to_string(), text);
        assert_eq!(Destination::from(destination.to_string()), destination);
    }
}

#[test]
fn an_address_to_listen_on_may_be_written_in_each_way_and_an_error_says_what_is_wrong() {
    let reactor = Reactor::new().unwrap();
    let local = std::net::IpAddr::from([127, 0, 0, 1]);
    for way in [
        ListenAddress::from("127.0.0.1:0"),
        ListenAddress::from("127.0.0.1:0".to_owned()),
        ListenAddress::from(&"127.0.0.1:0".to_owned()),
        ListenAddress::from(("127.0.0.1", 0)),
        ListenAddress::from((local, 0)),
        ListenAddress::from(SocketAddr::from((local, 0))),
    ] {
        assert_eq!(reactor.listen_tcp(way, |_peer| Silent).unwrap().host().ip(), local);
    }
    let ignore = |_: &DatagramTransport, _: &[u8], _: SocketAddr| {};
    assert!(reactor.listen_udp(("127.0.0.1", 0), ignore).is_ok());
    for (text, wrong) in [
        ("8007", "the port is missing: write host:port, such as 127.0.0.1:8000"),
        (":8007", "the host is missing: write host:port, such as 127.0.0.1:8000"),
        ("localhost:8007", "\"localhost\" is not an IP address; a local one is 127.0.0.1"),
        ("127.0.0.1:echo", "\"echo\" is not a port: that is a number from 0 to 65535"),
    ] {
        let error = reactor.listen_tcp(text, |_peer| Silent).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {text}: ")) && error.contains(wrong), "{error}");
        assert!(reactor.listen_udp(text, ignore).unwrap_err().to_string().contains(wrong));
    }
}
