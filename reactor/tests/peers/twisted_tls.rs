//! Twisted over TLS: application protocols, names, certificates of clients.

use crate::events::Events;
use crate::ours::{ANSWERED, AskingLines, HEARD, Lines};
use crate::program::Program;
use crate::shop::{NAME, OTHER_NAME, Shop};
use crate::twisted::port_of;
use crate::util::until;
use reactor::tls::{TlsClient, TlsServer};
use reactor::{LineReceiver, Reactor};

/// What Twisted and our server have met: a Twisted client with these arguments has talked to `server`.
fn serve(
    shop: &Shop,
    server: impl FnOnce(&Reactor) -> TlsServer,
    [name, alpn, certificate]: [&str; 3],
) -> Option<(String, Vec<String>)> {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let factory = server(&reactor).factory(move |_| LineReceiver::new(Lines(noted.clone())));
    let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host().port().to_string();
    let mut twisted = Program::twisted(&["tls-client", &port, shop.folder(), name, alpn, certificate])?;
    let said = twisted.success(&reactor);
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    Some((said, events.all()))
}

/// What Twisted and our client have met: `client` has talked to a Twisted server with these arguments.
fn ask(
    shop: &Shop,
    client: impl FnOnce(&Reactor) -> TlsClient,
    [alpn, asks]: [&str; 2],
) -> Option<(String, Vec<String>)> {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let mut twisted = Program::twisted(&["tls-server", shop.folder(), alpn, asks])?;
    let noted = events.clone();
    let build = move |_| LineReceiver::new(AskingLines(noted.clone()));
    reactor.connect_tcp(port_of(&mut twisted), client(&reactor).factory(NAME, build));
    let said = twisted.success(&reactor);
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    Some((said, events.all()))
}

/// First the handshake, then the lines, then the end.
fn told(handshake: &str, lines: &[&str], end: &str) -> Vec<String> {
    [handshake].iter().chain(lines).chain([&end]).map(|event| (*event).to_owned()).collect()
}

fn said_of(said: &str) -> Vec<&str> {
    said.lines().collect()
}

#[test]
fn our_server_answers_twisted_over_tls() {
    let shop = Shop::open();
    let Some((said, ours)) = serve(&shop, |reactor| shop.server(reactor), [NAME, "", ""]) else { return };
    assert_eq!(said_of(&said), told("handshake None server.test b'server.test'", &ANSWERED, "lost ConnectionDone"));
    assert_eq!(ours, told("handshake None None Some(\"server.test\")", &HEARD, "lost: closed cleanly"));
}

#[test]
fn twisted_gets_the_certificate_and_the_application_protocol_that_it_asks_for() {
    let shop = Shop::open();
    let server = |reactor: &Reactor| shop.server(reactor).alpn(&["h2", "http/1.1"]).unwrap();
    let Some((said, ours)) = serve(&shop, server, [OTHER_NAME, "http/1.1 spdy", ""]) else { return };
    assert_eq!(said_of(&said)[0], "handshake b'http/1.1' other.test b'other.test'");
    assert_eq!(ours[0], "handshake Some(\"http/1.1\") None Some(\"other.test\")");
}

#[test]
fn our_server_knows_twisted_by_its_certificate_and_refuses_it_without_one() {
    let shop = Shop::open();
    let Some((said, ours)) = serve(&shop, |reactor| shop.asking_server(reactor), [NAME, "", "alice"]) else { return };
    assert_eq!(ours, told("handshake None Some(\"alice\") Some(\"server.test\")", &HEARD, "lost: closed cleanly"));
    assert_eq!(said_of(&said).last(), Some(&"lost ConnectionDone"));

    let Some((said, ours)) = serve(&shop, |reactor| shop.asking_server(reactor), [NAME, "", ""]) else { return };
    assert_eq!(said_of(&said).last(), Some(&"lost Error"), "{said}");
    assert!(ours.len() == 1 && ours[0].ends_with("showed no certificate"), "{ours:?}");
}

#[test]
fn our_client_hears_twisted_over_tls_with_the_application_protocol_that_they_share() {
    let shop = Shop::open();
    let client = |reactor: &Reactor| shop.client(reactor, &["spdy", "http/1.1"]);
    let Some((said, ours)) = ask(&shop, client, ["h2 http/1.1", ""]) else { return };
    assert_eq!(said_of(&said), told("handshake b'http/1.1' None b'server.test'", &HEARD, "lost ConnectionDone"));
    assert_eq!(
        ours,
        told("handshake Some(\"http/1.1\") Some(\"server.test\") None", &ANSWERED, "lost: closed cleanly")
    );
}

#[test]
fn twisted_knows_our_client_by_its_certificate_and_refuses_it_without_one() {
    let shop = Shop::open();
    let Some((said, ours)) = ask(&shop, |reactor| shop.alice(reactor, &[]), ["", "asks"]) else { return };
    assert_eq!(said_of(&said)[0], "handshake None alice b'server.test'");
    assert_eq!(ours, told("handshake None Some(\"server.test\") None", &ANSWERED, "lost: closed cleanly"));

    let Some((said, ours)) = ask(&shop, |reactor| shop.client(reactor, &[]), ["", "asks"]) else { return };
    assert_eq!(said_of(&said), ["lost Error"]);
    assert!(ours.last().is_some_and(|last| last.contains("TLS")), "{ours:?}");
}
