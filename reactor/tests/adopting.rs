//! Sockets that somebody else has opened, and ports that several listen on.

#![cfg(unix)]

#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
mod util;

use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::error::CannotListenError;
use reactor::{Address, DatagramTransport, Protocol, Reactor, Transport, UdpListenAddress};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;
use util::until;

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// Says `hello` to a server, ends its side, and gives the answer.
fn say_hello(address: SocketAddr) -> String {
    let mut stream = patient(TcpStream::connect(address));
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_adopted_listener_serves_although_it_was_a_blocking_one() {
    let reactor = Reactor::new().unwrap();
    let port = reactor.adopt_stream_port(TcpListener::bind("127.0.0.1:0").unwrap(), |_| Echo).unwrap();
    let address = port.host().tcp().unwrap();
    assert_eq!(meanwhile(&reactor, move || say_hello(address)), "hello");
    reactor.run_until(port.stop_listening()).unwrap();
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

const CHILD: &str = "REACTOR_TEST_INHERITS";

#[test]
fn a_child_serves_the_listener_that_it_has_inherited() {
    if std::env::var_os(CHILD).is_some() {
        let reactor = Reactor::new().unwrap();
        let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
        let stopper = reactor.clone();
        let serve = move |_: Address| {
            let stopper = stopper.clone();
            Noting {
                data: Box::new(|transport, data| transport.write(data)),
                lost: Box::new(move |_| stopper.stop()),
                ..Noting::new(&Events::default())
            }
        };
        reactor.adopt_stream_port(listener, serve).unwrap();
        return reactor.run().unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_child_serves_the_listener_that_it_has_inherited", "--exact"])
        .env(CHILD, "yes")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The parent has closed its own descriptor, so nobody else can answer.
    assert_eq!(say_hello(address), "hello");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_file_of_an_adopted_unix_listener_stays() {
    let path = std::env::temp_dir().join(format!("reactor-adopted-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let reactor = Reactor::new().unwrap();
    let port = reactor.adopt_stream_port(UnixListener::bind(&path).unwrap(), |_| Echo).unwrap();
    assert_eq!(port.host().to_string(), format!("unix:{}", path.display()));
    let to = path.clone();
    let answer = meanwhile(&reactor, move || {
        let mut stream = patient(UnixStream::connect(to));
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(&answer, b"hello");
    reactor.run_until(port.stop_listening()).unwrap();
    assert!(path.exists());
    std::fs::remove_file(path).unwrap();
}

/// A descriptor of each kind that is not a TCP socket that listens, with what an error says of it.
fn not_listening_for_tcp() -> Vec<(OwnedFd, &'static str)> {
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    vec![
        (File::open("/dev/null").unwrap().into(), "it is not a socket"),
        (io::pipe().unwrap().0.into(), "it is not a socket"),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "it is a socket for datagrams"),
        (UnixStream::pair().unwrap().0.into(), "it is a UNIX socket"),
        (bound.into(), "it does not listen"),
        (client.into(), "it does not listen"),
    ]
}

#[test]
fn what_is_no_listening_socket_of_its_kind_is_refused_with_the_reason() {
    let reactor = Reactor::new().unwrap();
    for (descriptor, expected) in not_listening_for_tcp() {
        let refused = reactor.adopt_stream_port(TcpListener::from(descriptor), |_| Echo);
        let text = refused.unwrap_err().to_string();
        assert!(text.starts_with(&format!("cannot listen on the adopted socket: {expected}")), "{text}");
    }
    let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let refused = reactor.adopt_stream_port(UnixListener::from(tcp), |_| Echo).unwrap_err();
    assert!(refused.to_string().contains("it is a socket of the Internet"), "{refused}");
    assert!(reactor.inventory().is_empty());
}

#[test]
fn what_is_no_connected_stream_of_its_kind_is_refused_with_the_reason() {
    let reactor = Reactor::new().unwrap();
    let loose = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let cases: [(OwnedFd, &str); 4] = [
        (File::open("/dev/null").unwrap().into(), "it is not a socket"),
        (UnixDatagram::unbound().unwrap().into(), "it is a UNIX socket"),
        (TcpListener::bind("127.0.0.1:0").unwrap().into(), "it is not connected"),
        (loose.into(), "it is not connected"),
    ];
    for (descriptor, expected) in cases {
        let error = reactor.adopt_stream_connection(TcpStream::from(descriptor), Echo).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.kind() == ErrorKind::InvalidInput, expected != "it is not a socket");
    }
    let datagrams = OwnedFd::from(UnixDatagram::unbound().unwrap());
    let error = reactor.adopt_stream_connection(UnixStream::from(datagrams), Echo).unwrap_err();
    assert!(error.to_string().starts_with("it is a socket for datagrams"), "{error}");
    assert!(reactor.inventory().is_empty());
}

#[test]
fn what_is_no_udp_socket_is_refused_with_the_reason() {
    let reactor = Reactor::new().unwrap();
    let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let ignore = |_: &DatagramTransport, _: &[u8], _: SocketAddr| {};
    let refused = reactor.adopt_datagram_port(UdpSocket::from(tcp), ignore).unwrap_err();
    assert!(refused.to_string().contains("it is a socket for connections"), "{refused}");
    assert!(reactor.inventory().is_empty());
}

#[test]
fn an_adopted_connection_hears_first_that_it_is_made_whatever_waits_for_it() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    // All of it is there before the loop has looked at the socket once: bytes and the end.
    theirs.write_all(b"hello").unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let events = Events::default();
    let (adopter, kept) = (reactor.clone(), events.clone());
    reactor.call_later(Duration::ZERO, move || {
        let transport = adopter.adopt_stream_connection(ours, Noting::new(&kept)).unwrap();
        kept.note("adopted");
        transport.write(b"welcome");
    });
    until(&reactor, "the end", || events.all().len() == 5);
    assert_eq!(events.all(), ["adopted", "made", "data hello", "end", "lost Done"]);
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "welcome");
}

#[test]
fn an_adopted_connection_that_ends_at_once_hears_of_both() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // In a delayed call: the ends of this turn are reported before the next turn introduces the connection.
    let (adopter, kept) = (reactor.clone(), events.clone());
    reactor.call_later(Duration::ZERO, move || {
        adopter.adopt_stream_connection(ours, Noting::new(&kept)).unwrap().abort_connection();
    });
    until(&reactor, "the end", || events.all().len() == 2);
    assert_eq!(events.all(), ["made", "lost Aborted"]);
}

#[test]
fn a_stop_that_comes_before_the_loop_has_looked_tells_an_adopted_connection_of_both() {
    let reactor = Reactor::new().unwrap();
    let events = Events::default();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    reactor.stop();
    reactor.adopt_stream_connection(ours, Noting::new(&events)).unwrap();
    reactor.run().unwrap();
    assert_eq!(events.all(), ["made", "lost Done"]);
}

#[test]
fn an_adopted_udp_socket_receives_and_a_connected_one_talks_to_its_peer_alone() {
    let reactor = Reactor::new().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let echo = |transport: &DatagramTransport, data: &[u8], from: SocketAddr| transport.write_to(data, from);
    reactor.adopt_datagram_port(socket, echo).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    let heard = Rc::<RefCell<Vec<u8>>>::default();
    let note = heard.clone();
    let client = move |_: &DatagramTransport, data: &[u8], _: SocketAddr| -> io::Result<()> {
        note.borrow_mut().write_all(data)
    };
    let client = reactor
        .adopt_datagram_port(socket, move |transport: &DatagramTransport, data: &[u8], from: SocketAddr| {
            client(transport, data, from).unwrap();
        })
        .unwrap();
    client.write(b"hello").unwrap();
    until(&reactor, "the answer", || *heard.borrow() == b"hello");
    assert!(client.write_to(b"elsewhere", SocketAddr::from(([127, 0, 0, 1], 9))).is_err());
}

/// Takes turns of both loops until `done`.
#[track_caller]
fn until_both(reactors: [&Reactor; 2], mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        for reactor in reactors {
            reactor.iterate(Duration::ZERO).unwrap();
        }
        std::thread::yield_now();
    }
    panic!("it did not happen");
}

#[test]
#[cfg(target_os = "linux")]
fn two_reactors_share_a_port_if_both_say_so() {
    use reactor::ListenAddress;

    let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap()];
    let accepted = [Rc::<Cell<u32>>::default(), Rc::default()];
    let listen = |index: usize, address: ListenAddress| {
        let count = accepted[index].clone();
        let serve = move |_: Address| {
            count.set(count.get() + 1);
            Echo
        };
        reactors[index].listen_tcp(address, serve)
    };
    let port = listen(0, ListenAddress::from("127.0.0.1:0").reuse_port(true)).unwrap();
    let refused = listen(1, port.host().into()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::AddrInUse);
    let shared = listen(1, ListenAddress::from(port.host()).reuse_port(true)).unwrap();
    assert_eq!(shared.host(), port.host());
    // The system chooses by the client's address. With 64 clients, one server stays alone once in 2^63 runs.
    let clients: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(port.host()).unwrap()).collect();
    until_both([&reactors[0], &reactors[1]], || accepted[0].get() + accepted[1].get() == 64);
    assert!(accepted.iter().all(|count| count.get() > 0), "{accepted:?}");
    drop(clients);
}

#[test]
#[cfg(target_os = "linux")]
fn two_reactors_share_a_udp_port_if_both_say_so() {
    let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap()];
    let received = [Rc::<Cell<u32>>::default(), Rc::default()];
    let listen = |index: usize, address: UdpListenAddress| -> Result<DatagramTransport, CannotListenError> {
        let count = received[index].clone();
        reactors[index].listen_udp(address, move |_: &DatagramTransport, _: &[u8], _: SocketAddr| {
            count.set(count.get() + 1);
        })
    };
    let port = listen(0, UdpListenAddress::from("127.0.0.1:0").reuse_port(true)).unwrap();
    assert_eq!(listen(1, port.host().into()).unwrap_err().error.kind(), ErrorKind::AddrInUse);
    listen(1, UdpListenAddress::from(port.host()).reuse_port(true)).unwrap();
    for _ in 0..64 {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", port.host()).unwrap();
    }
    until_both([&reactors[0], &reactors[1]], || received[0].get() + received[1].get() == 64);
    assert!(received.iter().all(|count| count.get() > 0), "{received:?}");
}
