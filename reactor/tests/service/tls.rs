//! Over TLS, on real sockets.

use super::*;
use crate::certificates::Authority;
use reactor::tls::{TlsClient, TlsConfigError, TlsServer};
use std::net::SocketAddr;

const NAME: &str = "server.test";

/// A TLS server with a certificate for `name`.
fn tls_server(reactor: &Reactor, authority: &Authority, name: &str, events: &Events) -> SocketAddr {
    let identity = authority.issue(name, 2999);
    let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let events = events.clone();
    reactor.listen_tcp("127.0.0.1:0", tls.factory(move |_| Noting::new(&events))).unwrap().host()
}

fn tls_service(reactor: &Reactor, authority: &Authority, to: SocketAddr, events: &Events) -> ClientService {
    let (tls, events) = (TlsClient::new(reactor, &authority.roots(), &[]).unwrap(), events.clone());
    ClientService::new(reactor, to, move |_| Noting::new(&events)).over_tls(&tls, NAME)
}

#[test]
fn the_transport_is_the_one_above_tls_and_a_stop_closes_both() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let (events, heard) = (Events::default(), Events::default());
    let address = tls_server(&reactor, &authority, NAME, &heard);
    let service = tls_service(&reactor, &authority, address, &events);
    service.start();
    let stopper = service.clone();
    let done = service.when_connected().add_callback(move |transport| {
        transport.write(b"in records");
        stopper.stop()
    });
    done.detach();
    while heard.all().last().is_none_or(|last| last != "lost Done") || events.all().len() < 2 {
        reactor.iterate(SECOND).unwrap();
    }
    assert_eq!(events.all(), ["made", "lost Done"]);
    assert_eq!(heard.all(), ["made", "data in records", "end", "lost Done"]);
}

#[test]
fn a_certificate_that_is_refused_is_a_failed_attempt() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let address = tls_server(&reactor, &authority, "other.test", &Events::default());
    let service = tls_service(&reactor, &authority, address, &Events::default());
    service.start();
    let failure = reactor.run_until(service.when_connected_within(2)).unwrap_err();
    assert!(failure.check::<reactor::Reason>().and_then(|reason| reason.tls_error()).is_some(), "{failure}");
}

#[test]
fn a_name_that_no_certificate_can_be_for_is_a_failed_attempt() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let address = tls_server(&reactor, &authority, NAME, &Events::default());
    let tls = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let service = ClientService::new(&reactor, address, |_| Noting::new(&Events::default()));
    let service = service.over_tls(&tls, "not a name");
    service.start();
    let failure = reactor.run_until(service.when_connected_within(1)).unwrap_err();
    assert!(failure.check::<TlsConfigError>().is_some(), "{failure}");
}

#[test]
fn a_stop_during_the_handshake_closes_the_connection() {
    let (reactor, authority, events) = (Reactor::new().unwrap(), Authority::new(), Events::default());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = tls_service(&reactor, &authority, silent.local_addr().unwrap(), &events);
    service.start();
    while events.all() != ["made"] {
        reactor.iterate(SECOND).unwrap();
    }
    reactor.run_until(service.stop()).unwrap();
    assert_eq!(events.all(), ["made", "lost Done"]);
}
