//! TCP connections over real sockets: the scripts of all stream sockets, resets, options, and refused clients.

#[path = "util/answering_later.rs"]
mod answering_later;
#[path = "util/converse.rs"]
mod converse;
#[path = "util/events.rs"]
mod events;
#[path = "util/tcp_kind.rs"]
mod kind;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/stream_scripts.rs"]
mod scripts;
mod util;

use converse::{converse, read_all, serve};
use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::{Address, Deferred, Failure, Producer, Protocol, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;
use util::until;

#[test]
fn an_abort_throws_away_unsent_bytes_and_the_peer_sees_a_reset() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"thrown away");
                transport.abort_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| stream.read(&mut [0; 100]).map_err(|error| error.kind()),
    );
    assert_eq!(events, ["made", "lost Aborted"]);
    assert_eq!(received, Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_reset_by_the_peer_is_no_clean_end() {
    let (events, ()) = converse(
        |_, noting| Noting { made: Box::new(|transport| transport.write(b"unread")), ..noting },
        |stream| {
            // Closing a socket with unread bytes resets the connection.
            stream.peek(&mut [0; 1]).unwrap();
        },
    );
    assert_eq!(events, ["made", "lost Lost"]);
}

#[test]
fn connection_lost_comes_once_even_if_the_end_is_requested_twice() {
    struct Silent;
    impl Producer for Silent {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
    }
    let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
    let keep = kept.clone();
    let (events, ()) = converse(
        move |_, noting| {
            let made = move |transport: &Transport| {
                *keep.borrow_mut() = Some(transport.clone());
                transport.lose_connection();
                transport.abort_connection();
                transport.lose_connection();
                transport.abort_connection();
                transport.resume_producing();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| {
            let _ = stream.read(&mut [0; 1]);
        },
    );
    assert_eq!(events, ["made", "lost Aborted"]);
    // A handle that outlives its connection has no effect, and no harm.
    let transport = kept.take().unwrap();
    transport.write(b"nobody");
    transport.lose_connection();
    transport.pause_producing();
    transport.resume_producing();
    transport.register_producer(Rc::new(Silent));
    transport.set_no_delay(true);
    assert!(transport.is_disconnecting());
    assert_eq!((transport.buffered(), transport.host()), (0, Address::Unknown));
}

#[test]
fn a_panic_in_a_callback_ends_that_connection_only() {
    let events = Events::default();
    let noted = events.clone();
    let (reactor, port) = serve(move |_| {
        let data = |transport: &Transport, data: &[u8]| {
            assert_ne!(data, b"panic", "as the test wants it");
            transport.write(data);
        };
        Noting { data: Box::new(data), ..Noting::new(&noted) }
    });
    let address = port.host();
    let (seen, echoed) = meanwhile(&reactor, move || {
        let (mut calm, mut bad) = (patient(TcpStream::connect(address)), patient(TcpStream::connect(address)));
        bad.write_all(b"panic").unwrap();
        let seen = bad.read(&mut [0; 1]).map_err(|error| error.kind());
        calm.write_all(b"well").unwrap();
        calm.shutdown(Shutdown::Write).unwrap();
        (seen, read_all(&mut calm))
    });
    assert_eq!(seen, Err(ErrorKind::ConnectionReset));
    assert_eq!(echoed, b"well");
    until(&reactor, "both have ended", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["made", "made", "data panic", "lost Panicked", "data well", "end", "lost Done"]);
}

#[test]
fn both_ends_know_both_addresses() {
    let addresses: Rc<Cell<Option<(Address, Address)>>> = Rc::default();
    let noted = addresses.clone();
    let events = Events::default();
    let seen = events.clone();
    let (reactor, port) = serve(move |peer| {
        let (noted, peer) = (noted.clone(), peer.clone());
        let made = move |transport: &Transport| {
            assert_eq!(transport.peer(), peer);
            noted.set(Some((transport.peer(), transport.host())));
        };
        Noting { made: Box::new(made), ..Noting::new(&events) }
    });
    let address = port.host();
    assert_ne!(address.port(), 0);
    let client: SocketAddr = meanwhile(&reactor, move || patient(TcpStream::connect(address)).local_addr().unwrap());
    until(&reactor, "the connection is made", || !seen.all().is_empty());
    assert_eq!(addresses.take(), Some((Address::from(client), Address::from(address))));
}

#[test]
fn options_can_be_set_on_a_connection() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.set_no_delay(true);
                let seconds = Duration::from_secs;
                let probes = reactor::transport::KeepAlive { idle: seconds(60), interval: seconds(10), probes: 3 };
                transport.set_keep_alive(Some(probes));
                transport.set_keep_alive(None);
                transport.write(b"still up");
                transport.lose_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| read_all(&mut stream),
    );
    assert_eq!(events, ["made", "lost Done"]);
    assert_eq!(received, b"still up");
}

#[test]
fn bytes_written_from_a_timer_or_another_connection_go_out_in_the_same_turn() {
    let transports: Rc<RefCell<Vec<Transport>>> = Rc::default();
    let keep = transports.clone();
    let events = Events::default();
    let (reactor, port) = serve(move |_| {
        let keep = keep.clone();
        Noting { made: Box::new(move |transport| keep.borrow_mut().push(transport.clone())), ..Noting::new(&events) }
    });
    let mut stream = patient(TcpStream::connect(port.host()));
    until(&reactor, "the connection is made", || transports.borrow().len() == 1);
    let transport = transports.borrow()[0].clone();
    let written = Rc::new(Cell::new(false));
    let note = written.clone();
    reactor.call_later(Duration::ZERO, move || {
        transport.write(b"from a timer");
        note.set(true);
    });
    until(&reactor, "the timer has run", || written.get());
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 100];
    let count = stream.read(&mut bytes).expect("it was sent before the turn ended");
    assert_eq!(&bytes[..count], b"from a timer");
}

#[test]
fn a_factory_may_refuse_a_connection() {
    struct Refuses;
    impl reactor::Factory for Refuses {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            None
        }
    }
    let reactor = Reactor::new().unwrap();
    let address = reactor.listen_tcp("127.0.0.1:0", Refuses).unwrap().host();
    let received = meanwhile(&reactor, move || read_all(&mut patient(TcpStream::connect(address))));
    assert_eq!(received, b"");
    assert_eq!(reactor.source_count(), 1);
}

#[test]
fn a_stopped_port_leaves_its_connections_alone_and_its_factory_hears_of_both() {
    struct Noted(Events);
    impl reactor::Factory for Noted {
        fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
            Some(Box::new(Noting { data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&self.0) }))
        }
        fn start_factory(&mut self) {
            self.0.note("start");
        }
        fn stop_factory(&mut self) {
            self.0.note("stop");
        }
    }
    let events = Events::default();
    let reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", Noted(events.clone())).unwrap();
    let mut stream = patient(TcpStream::connect(port.host()));
    until(&reactor, "the connection is made", || events.all() == ["start", "made"]);
    port.stop_listening().detach();
    assert_eq!(events.all(), ["start", "made"], "nothing calls back before it returns");
    until(&reactor, "the factory has heard", || events.all() == ["start", "made", "stop"]);
    assert!(TcpStream::connect(port.host()).is_err(), "nobody listens");
    let echoed = meanwhile(&reactor, move || {
        stream.write_all(b"still here").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream)
    });
    assert_eq!(echoed, b"still here");
}

#[test]
fn an_address_in_use_cannot_be_listened_on() {
    let (reactor, port) = serve(|_| Noting::new(&Events::default()));
    let error = reactor.listen_tcp(port.host(), |_| Noting::new(&Events::default())).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.address, port.host().to_string());
    let error = reactor.listen_tcp("localhost", |_| Noting::new(&Events::default())).unwrap_err();
    assert_eq!(error.error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_panic_in_a_callback_of_another_leaves_the_connection_that_fired_alone() {
    let failed = Rc::new(RefCell::new(None));
    let note = failed.clone();
    let (events, answer) = converse(
        move |_, noting| {
            let (deferred, firer) = Deferred::<()>::new();
            deferred
                .add_callback(|()| -> Result<(), Failure> { panic!("a bug of somebody else") })
                .add_both(move |result| *note.borrow_mut() = result.err().map(|failure| failure.to_string()))
                .detach();
            let mut firer = Some(firer);
            let data = move |transport: &Transport, _: &[u8]| {
                if let Some(firer) = firer.take() {
                    firer.callback(()).unwrap();
                    transport.write(b"it goes on");
                }
            };
            Noting { data: Box::new(data), ..noting }
        },
        |mut stream| {
            stream.write_all(b"fire").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_all(&mut stream)
        },
    );
    assert_eq!(
        (events, answer),
        (["made", "data fire", "end", "lost Done"].map(str::to_owned).into(), b"it goes on".to_vec())
    );
    assert!(failed.take().is_some_and(|error| error.contains("a bug of somebody else")), "the rest of the chain hears");
}
