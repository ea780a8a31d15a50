//! Connections and ports as Deferreds: `Reactor::connect`, `TlsClient::connect`, `stop_listening`.

#[path = "util/certificates.rs"]
mod certificates;
#[path = "util/events.rs"]
mod events;
mod util;

use certificates::Authority;
use events::{Events, Noting};
use reactor::error::ConnectError;
use reactor::testing::assert_nothing_left;
use reactor::tls::{TlsClient, TlsConfigError, TlsServer};
use reactor::{CancelledError, Deferred, Destination, Factory, Failure, Protocol, Reactor, Reason, Transport};
use std::cell::Cell;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use util::until;

const NAME: &str = "server.test";

/// Notes "up", or why it failed, and keeps the transport.
fn noting(connected: Deferred<Transport>, events: &Events) -> Rc<RefCell<Option<Transport>>> {
    let kept: Rc<RefCell<Option<Transport>>> = Rc::default();
    let (keep, up, down) = (kept.clone(), events.clone(), events.clone());
    let up = move |transport| {
        up.note("up");
        *keep.borrow_mut() = Some(transport);
        Ok(())
    };
    let down = move |failure: Failure| {
        down.note(name_of(&failure));
        Ok(())
    };
    connected.add_callbacks(up, down).detach();
    kept
}

fn name_of(failure: &Failure) -> String {
    if failure.check::<CancelledError>().is_some() {
        return "cancelled".to_owned();
    }
    if failure.check::<TlsConfigError>().is_some() {
        return "bad name".to_owned();
    }
    match (failure.check::<ConnectError>(), failure.check::<Reason>()) {
        (Some(ConnectError::Failed { .. }), _) => "failed".to_owned(),
        (Some(ConnectError::Timeout { .. }), _) => "timeout".to_owned(),
        (Some(ConnectError::Cancelled), _) => "given up".to_owned(),
        (_, Some(reason)) => format!("ended: {}", reason.is_clean()),
        _ => format!("{failure:?}"),
    }
}

fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn it_fires_with_the_protocols_transport_after_connection_made_and_before_any_data() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let server = || Noting { made: Box::new(|transport| transport.write(b"hello")), ..Noting::new(&Events::default()) };
    let address = reactor.listen_tcp("127.0.0.1:0", move |_| server()).unwrap().host();
    let noted = events.clone();
    let connected = reactor.connect(address, move |peer| {
        assert_eq!(peer.tcp(), Some(address));
        Noting::new(&noted)
    });
    let kept = noting(connected, &events);
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "data has come", || events.all().len() == 3);
    assert_eq!(events.all(), ["made", "up", "data hello"]);
    kept.take().unwrap().lose_connection();
    until(&reactor, "it is over", || events.all().len() == 4);
    assert_eq!(events.all()[3], "lost Done");
}

#[test]
fn a_connection_that_cannot_be_made_fails_with_the_connectors_error() {
    let reactor = Reactor::new().unwrap();
    let (listener, address) = silent();
    drop(listener);
    let events = Events::default();
    noting(reactor.connect(address, |_| -> Noting { panic!("there is no connection") }), &events);
    until(&reactor, "it has failed", || events.all() == ["failed"]);
    assert_nothing_left(&reactor);
}

#[test]
fn cancelling_gives_the_attempt_up() {
    // Before the loop has begun, and while the look-up or the attempt is under way.
    for turns in [0, 1] {
        let (reactor, events) = (Reactor::new().unwrap(), Events::default());
        let (_listener, address) = silent();
        let connected = reactor.connect(("localhost", address.port()), |_| -> Noting { panic!("it was given up") });
        let canceller = connected.canceller();
        noting(connected, &events);
        for _ in 0..turns {
            reactor.iterate(Duration::ZERO).unwrap();
        }
        canceller.cancel();
        assert_eq!(events.all(), ["cancelled"]);
        for _ in 0..10 {
            reactor.iterate(Duration::ZERO).unwrap();
        }
        assert_eq!((reactor.source_count(), events.all().len()), (0, 1));
    }
}

#[test]
fn a_dropped_deferred_still_connects() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let (_listener, address) = silent();
    let noted = events.clone();
    drop(reactor.connect(address, move |_| Noting::new(&noted)));
    until(&reactor, "it is made", || events.all() == ["made"]);
}

#[test]
fn an_attempt_that_never_began_is_dropped_with_its_reactor() {
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let reactor = Reactor::new().unwrap();
    let told = Told(dropped.clone());
    let connected = reactor.connect(("127.0.0.1", 9), move |_| {
        drop(told);
        Noting::new(&Events::default())
    });
    drop(reactor);
    drop(connected);
    assert!(dropped.get(), "a circle keeps it");
}

#[test]
fn a_stopping_reactor_gives_the_attempt_up() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let connect = {
        let (reactor, events) = (reactor.clone(), events.clone());
        move || {
            noting(reactor.connect(Destination::from(("127.0.0.1", 9)), |_| Noting::new(&Events::default())), &events);
        }
    };
    let stopper = reactor.clone();
    reactor.call_when_running(move || {
        connect();
        stopper.stop();
    });
    reactor.run().unwrap();
    assert_eq!(events.all().len(), 1, "{:?}", events.all());
}

#[test]
fn over_tls_it_fires_when_the_handshake_is_done_with_the_transport_above_tls() {
    let (reactor, authority, events) = (Reactor::new().unwrap(), Authority::new(), Events::default());
    let identity = authority.issue(NAME, 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let received = Events::default();
    let noted = received.clone();
    let address = reactor.listen_tcp("127.0.0.1:0", tls.factory(move |_| Noting::new(&noted))).unwrap().host();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let noted = events.clone();
    let kept = noting(client.connect(&reactor, address, NAME, move |_| Noting::new(&noted)), &events);
    until(&reactor, "it is up", || events.all() == ["made", "up"]);
    let transport = kept.take().unwrap();
    transport.write(b"in records");
    until(&reactor, "the server has it", || received.all() == ["made", "data in records"]);
    transport.lose_connection();
    until(&reactor, "it is over", || events.all() == ["made", "up", "lost Done"]);
}

#[test]
fn a_protocol_that_the_program_has_put_tls_around_gives_the_transport_above_tls() {
    let (reactor, authority, events) = (Reactor::new().unwrap(), Authority::new(), Events::default());
    let identity = authority.issue(NAME, 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let received = Events::default();
    let noted = received.clone();
    let address = reactor.listen_tcp("127.0.0.1:0", tls.factory(move |_| Noting::new(&noted))).unwrap().host();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let noted = events.clone();
    let wrapped = move |_| client.wrap(NAME, Box::new(Noting::new(&noted))).unwrap();
    let kept = noting(reactor.connect(address, wrapped), &events);
    until(&reactor, "it is up", || events.all() == ["made", "up"]);
    let transport = kept.take().unwrap();
    assert!(transport.is_tls());
    transport.write(b"in records, after the handshake");
    until(&reactor, "the server has it", || received.all() == ["made", "data in records, after the handshake"]);
    transport.lose_connection();
    until(&reactor, "it is over", || events.all() == ["made", "up", "lost Done"]);
}

#[test]
fn a_protocol_that_panics_in_its_first_and_last_callback_still_fails_the_deferred() {
    struct Broken;
    impl Protocol for Broken {
        fn connection_made(&mut self, _transport: &Transport) {
            panic!("on purpose");
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: &Reason) {
            panic!("on purpose, again");
        }
    }
    let (reactor, events, (_listener, address)) = (Reactor::new().unwrap(), Events::default(), silent());
    let _kept = noting(reactor.connect(address, |_| Broken), &events);
    until(&reactor, "it has failed", || !events.all().is_empty());
    assert_eq!(events.all(), ["ended: false"]);
}

#[test]
fn over_tls_a_failed_handshake_a_bad_name_and_a_cancel_are_failures() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue("other.test", 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let server = tls.factory(|_| Noting::new(&Events::default()));
    let address = reactor.listen_tcp("127.0.0.1:0", server).unwrap().host();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    for (name, expected) in [(NAME, "ended: false"), ("not a name", "bad name")] {
        let events = Events::default();
        noting(client.connect(&reactor, address, name, |_| Noting::new(&Events::default())), &events);
        until(&reactor, "it has failed", || !events.all().is_empty());
        assert_eq!(events.all(), [expected]);
    }

    let (listener, address) = silent();
    let events = Events::default();
    let noted = events.clone();
    let connected = client.connect(&reactor, address, NAME, move |_| Noting::new(&noted));
    let canceller = connected.canceller();
    noting(connected, &events);
    until(&reactor, "it is connected", || events.all() == ["made"]);
    canceller.cancel();
    let _peer = listener.accept().unwrap();
    until(&reactor, "it is over", || events.all().len() == 3);
    assert_eq!(events.all(), ["made", "cancelled", "lost Done"]);
}

/// Notes its end; it must be told of it before the Deferred fires.
struct Ending(Events);

impl Factory for Ending {
    fn build_protocol(&mut self, _peer: &reactor::Address) -> Option<Box<dyn Protocol>> {
        None
    }
    fn stop_factory(&mut self) {
        self.0.note("stop_factory");
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

#[test]
fn stop_listening_fires_when_the_factory_has_heard_of_it_each_time_that_it_is_called() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let port = reactor.listen_tcp("127.0.0.1:0", Ending(events.clone())).unwrap();
    let note = |name: &'static str| {
        let (port, events) = (port.clone(), events.clone());
        port.stop_listening()
            .add_callback(move |()| {
                events.note(name);
                Ok(())
            })
            .detach();
    };
    note("first");
    note("second");
    assert_eq!(events.all(), [""; 0], "nothing calls back before it returns");
    until(&reactor, "it has fired", || events.all().len() == 4);
    assert_eq!(events.all(), ["stop_factory", "dropped", "first", "second"]);
    note("third");
    assert_eq!(events.all()[4..], ["third"], "it is over already");
    drop(reactor);
    note("fourth");
    assert_eq!(events.all()[5..], ["fourth"], "there is no loop to wait for");
}

#[test]
fn stop_listening_fires_although_the_reactor_closes_the_port_itself() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let port = reactor.listen_tcp("127.0.0.1:0", Ending(events.clone())).unwrap();
    let (stopper, noted) = (reactor.clone(), events.clone());
    reactor.call_when_running(move || {
        stopper.stop();
        let fired = port.stop_listening().add_callback(move |()| {
            noted.note("fired");
            Ok(())
        });
        fired.detach();
    });
    reactor.run().unwrap();
    assert_eq!(events.all(), ["stop_factory", "dropped", "fired"]);
}

#[test]
fn a_panic_instead_of_a_protocol_fails_the_deferred() {
    let (reactor, events, (_listener, address)) = (Reactor::new().unwrap(), Events::default(), silent());
    let build = |_: reactor::Address| -> Noting { panic!("on purpose") };
    let _kept = noting(reactor.connect(address, build), &events);
    until(&reactor, "it has failed", || !events.all().is_empty());
    assert_eq!((events.all().len(), reactor.source_count()), (1, 0), "{:?}", events.all());
}

#[test]
fn its_protocol_hears_of_the_handshake_of_data_and_of_both_ends() {
    /// Passes on what `Noting` notes, and notes the handshake.
    struct Whole(Noting);
    impl Protocol for Whole {
        fn connection_made(&mut self, transport: &Transport) {
            self.0.connection_made(transport);
        }
        fn handshake_completed(&mut self, _transport: &Transport) {
            self.0.events.note("handshake");
        }
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.0.data_received(transport, data);
        }
        fn read_connection_lost(&mut self, transport: &Transport) {
            self.0.read_connection_lost(transport);
        }
        fn connection_lost(&mut self, reason: &Reason) {
            self.0.connection_lost(reason);
        }
    }
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let identity = authority.issue(NAME, 2999);
    let tls = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let made = |transport: &Transport| {
        transport.write(b"hello");
        transport.lose_write_connection();
    };
    let server = tls.factory(move |_| Noting { made: Box::new(made), ..Noting::new(&Events::default()) });
    let address = reactor.listen_tcp("127.0.0.1:0", server).unwrap().host();
    let (client, events) = (TlsClient::new(&reactor, &authority.roots(), &[]).unwrap(), Events::default());
    let noted = events.clone();
    let _kept = noting(client.connect(&reactor, address, NAME, move |_| Whole(Noting::new(&noted))), &events);
    until(&reactor, "it is over", || events.all().last().is_some_and(|last| last.starts_with("lost")));
    assert_eq!(events.all(), ["made", "handshake", "up", "data hello", "end", "lost Done"]);
}
