//! Factories, protocols, producers, UDP, and connections in memory.

use super::util::until;
use super::{Id, Seen, inside};
use reactor::service::ClientService;
use reactor::{Address, ClientFactory, Connector, Context, DatagramTransport, Factory, Failure, LineProtocol};
use reactor::{LineReceiver, LineTransport, Producer, Protocol, Reactor, Reason, Transport, testing};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// Notes what its protocol is told.
struct Noting {
    seen: Seen,
    /// Sets the context of its connection as soon as it is made.
    sets: Option<u32>,
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        self.seen.note("made");
        if let Some(id) = self.sets {
            transport.set_context(Context::current().with(Id(id)));
        }
        self.seen.note("made, later");
        transport.write(b"hello");
    }
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        self.seen.note("data");
        transport.lose_connection();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.seen.note("lost");
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.seen.note("dropped");
    }
}

/// Both kinds of factory.
struct NotingFactory {
    seen: Seen,
    sets: Option<u32>,
}

impl Factory for NotingFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        self.seen.note("build");
        Some(Box::new(Noting { seen: self.seen.clone(), sets: self.sets }))
    }
    fn stop_factory(&mut self) {
        self.seen.note("stop");
    }
}

impl ClientFactory for NotingFactory {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.seen.note("started");
    }
    fn build_protocol(&mut self, peer: &Address) -> Option<Box<dyn Protocol>> {
        Factory::build_protocol(self, peer)
    }
    fn client_connection_failed(&mut self, _connector: &Connector, _failure: Failure) {
        self.seen.note("failed");
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &Reason) {
        self.seen.note("client lost");
    }
}

#[test]
fn factories_and_their_protocols_run_in_the_context_of_the_code_that_listened_or_connected() {
    let reactor = Reactor::new().unwrap();
    let (server, client) = (Seen::default(), Seen::default());
    let factory = |seen: &Seen, sets| NotingFactory { seen: seen.clone(), sets };
    let port = inside(1, || reactor.listen_tcp("127.0.0.1:0", factory(&server, None))).unwrap();
    let connector = inside(2, || reactor.connect_tcp(port.host(), factory(&client, None)));
    until(&reactor, "both are gone", || client.has("client lost") && server.has("dropped"));
    let of_both = ["build", "made", "made, later", "data", "lost", "dropped"];
    assert_eq!(server.take(), of_both.map(|what| (what, Some(1))));
    let of_client = [&["started"][..], &of_both, &["client lost"]].concat();
    assert_eq!(client.take(), of_client.into_iter().map(|what| (what, Some(2))).collect::<Vec<_>>());
    // Other code may ask the connector again: it still belongs to the code that made it.
    drop(port.stop_listening());
    inside(9, || connector.connect());
    until(&reactor, "nobody listens", || client.has("failed") && server.has("stop"));
    assert_eq!(server.take(), [("stop", Some(1))]);
    assert_eq!(client.take(), [("started", Some(2)), ("failed", Some(2))]);
}

#[test]
fn a_protocol_sets_the_context_of_its_connection_from_the_next_callback_on() {
    let reactor = Reactor::new().unwrap();
    let seen = Seen::default();
    let factory = NotingFactory { seen: seen.clone(), sets: Some(7) };
    let port = inside(1, || reactor.listen_tcp("127.0.0.1:0", factory)).unwrap();
    let client = NotingFactory { seen: Seen::default(), sets: None };
    reactor.connect_tcp(port.host(), client);
    until(&reactor, "it is gone", || seen.has("dropped"));
    let expected = [
        ("build", Some(1)),
        ("made", Some(1)),
        ("made, later", Some(1)),
        ("data", Some(7)),
        ("lost", Some(7)),
        ("dropped", Some(7)),
    ];
    assert_eq!(seen.take(), expected);
}

#[test]
fn a_connection_in_memory_keeps_the_same_rules() {
    let seen = Seen::default();
    let [server, client] = [Some(7), None].map(|sets| Noting { seen: seen.clone(), sets });
    let pump = inside(1, || testing::connect(server, client));
    inside(9, || pump.flush());
    let all = seen.take();
    // The client sets none.
    let made = [("made", Some(1)), ("made, later", Some(1))];
    assert_eq!(all[..4], [made, made].concat());
    let ends = ["data", "lost", "dropped"].map(|what| [(what, Some(1)), (what, Some(7))]);
    assert!(ends.concat().iter().all(|one| all.contains(one)) && all.len() == 10, "{all:?}");
}

struct Silent;

impl Protocol for Silent {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// Runs each request in a context of its own.
struct Requests(Seen);

impl LineProtocol for Requests {
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        let id = std::str::from_utf8(line).unwrap().parse().unwrap();
        inside(id, || self.0.note("request"));
        self.0.note("between");
    }
}

#[test]
fn a_protocol_may_enter_a_context_for_each_request() {
    let seen = Seen::default();
    let mut protocol = LineReceiver::new(Requests(seen.clone()));
    let transport = testing::StringTransport::new().transport();
    protocol.connection_made(&transport);
    inside(1, || protocol.data_received(&transport, b"2\r\n3\r\n"));
    let expected = [("request", Some(2)), ("between", Some(1)), ("request", Some(3)), ("between", Some(1))];
    assert_eq!(seen.take(), expected);
}

struct NotingProducer(Seen);

impl Producer for NotingProducer {
    fn pause_producing(&self) {
        self.0.note("pause");
    }
    fn resume_producing(&self) {
        self.0.note("resume");
    }
    fn stop_producing(&self) {
        self.0.note("stop");
    }
}

/// Writes much in the context 2, with a producer that was registered in the context 3.
fn writes_much(transport: &Transport, producer: &Rc<NotingProducer>) {
    inside(3, || transport.register_producer(producer.clone()));
    inside(2, || transport.write(&[0; 100_000]));
}

#[test]
fn a_producer_is_told_in_the_context_of_the_code_that_registered_it() {
    struct Much(Rc<NotingProducer>);
    impl Protocol for Much {
        fn connection_made(&mut self, transport: &Transport) {
            writes_much(transport, &self.0);
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    struct Reader(usize);
    impl Protocol for Reader {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.0 += data.len();
            if self.0 == 100_000 {
                transport.abort_connection();
            }
        }
    }
    let expected = [("pause", Some(3)), ("resume", Some(3)), ("stop", Some(3))];
    let seen = Seen::default();
    let producer = Rc::new(NotingProducer(seen.clone()));

    let pump = inside(1, || testing::connect(Much(producer.clone()), Reader(0)));
    pump.in_pieces_of(20_000);
    inside(9, || pump.flush());
    assert_eq!(seen.take(), expected);

    let reactor = Reactor::new().unwrap();
    let served = producer.clone();
    let port = inside(1, || reactor.listen_tcp("127.0.0.1:0", move |_peer| Much(served.clone()))).unwrap();
    reactor.connect_tcp(port.host(), |_peer| Reader(0));
    until(&reactor, "the connection is gone", || seen.has("stop"));
    assert_eq!(seen.take(), expected);
}

#[test]
fn a_producer_that_comes_too_late_is_told_in_its_context_too() {
    struct Late(Seen, Rc<RefCell<Option<Transport>>>);
    impl Protocol for Late {
        fn connection_made(&mut self, transport: &Transport) {
            *self.1.borrow_mut() = Some(transport.clone());
            transport.lose_connection();
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: &Reason) {
            let transport = self.1.borrow().clone().unwrap();
            inside(3, || transport.register_producer(NotingProducer(self.0.clone())));
        }
    }
    let (reactor, seen) = (Reactor::new().unwrap(), Seen::default());
    let (late, kept) = (seen.clone(), Rc::<RefCell<Option<Transport>>>::default());
    let of_late = kept.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(late.clone(), of_late.clone())).unwrap();
    reactor.connect_tcp(port.host(), NotingFactory { seen: Seen::default(), sets: None });
    until(&reactor, "it is told", || seen.has("stop"));
    assert_eq!(seen.take(), [("stop", Some(3))]);
    drop(kept);
}

#[test]
fn a_protocol_for_datagrams_runs_in_the_context_of_the_code_that_opened_the_port() {
    let (reactor, seen) = (Reactor::new().unwrap(), Seen::default());
    let note = seen.noting("datagram");
    let receive = move |_: &DatagramTransport, _: &[u8], _: SocketAddr| note();
    let port = inside(1, || reactor.listen_udp("127.0.0.1:0", receive)).unwrap();
    port.write_to(b"hello", port.host()).unwrap();
    inside(9, || until(&reactor, "it arrives", || seen.has("datagram")));
    assert_eq!(seen.take(), [("datagram", Some(1))]);
}

#[test]
fn a_client_service_connects_in_the_context_in_which_it_was_made() {
    let (reactor, seen) = (Reactor::new().unwrap(), Seen::default());
    let port = reactor.listen_tcp("127.0.0.1:0", NotingFactory { seen: Seen::default(), sets: None }).unwrap();
    let built = seen.clone();
    let service = inside(1, || {
        ClientService::new(&reactor, port.host(), move |_peer| {
            built.note("build");
            Noting { seen: built.clone(), sets: None }
        })
    });
    inside(9, || service.start());
    until(&reactor, "it is connected", || seen.has("data"));
    assert!(seen.take().iter().all(|(_, id)| *id == Some(1)));
    drop(service.stop());
}

#[test]
fn a_connection_that_is_asked_for_as_a_deferred_or_handed_over_keeps_the_context_too() {
    let (reactor, seen) = (Reactor::new().unwrap(), Seen::default());
    let noting = |seen: &Seen| Noting { seen: seen.clone(), sets: None };
    let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Silent).unwrap();
    let protocol = noting(&seen);
    let connected = inside(1, || reactor.connect(port.host(), move |_peer| protocol));
    let adopted = Seen::default();
    let stream = std::net::TcpStream::connect(port.host()).unwrap();
    inside(2, || reactor.adopt_stream_connection(stream, noting(&adopted))).unwrap();
    until(&reactor, "both are made", || seen.has("made") && adopted.has("made"));
    assert!(seen.take().iter().all(|(_, id)| *id == Some(1)));
    assert!(adopted.take().iter().all(|(_, id)| *id == Some(2)));
    assert!(connected.has_fired());
}
