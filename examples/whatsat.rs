//! One WHATSAT in a simulated world: a client, a server of the herd, and the Places service that it asks over TLS. Run
//! it with `cargo run --example whatsat`; if `REACTOR_TRACE=FILE` is set, `lens FILE --wire` draws what went over the
//! network.
use proxyherd::config::{Config, HostPort, ServerConfig};
use proxyherd::locations::newness;
use proxyherd::places::{Access, Google, offline_answer};
use proxyherd::server::Server;
use proxyherd::watch::Observers;
use reactor::http::server::{HttpServer, Request, Response};
use reactor::sim::{Latency, LinkSettings, World};
use reactor::tls::{TlsServer, TrustRoots};
use reactor::{Failure, Protocol, Transport};
use std::rc::Rc;
use std::time::Duration;

const PLACES: &str = "places.example";

struct Client;

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1704067200\n");
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        text.lines()
            .filter(|line| line.contains("AT ") || line.contains("\"name\""))
            .for_each(|line| println!("{line}"));
        match text.ends_with("\n\n") {
            true => transport.lose_connection(),
            false => transport.write(b"WHATSAT kiwi.cs.ucla.edu 10 2\n"),
        }
    }
}

fn main() -> Result<(), Failure> {
    // With Ed25519 and a fixed number, all certificates have one length: every run is the same, to the byte counts.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut certificate = rcgen::CertificateParams::new(vec![PLACES.to_owned()])?;
    certificate.serial_number = Some(rcgen::SerialNumber::from(1_u64));
    let certificate = certificate.self_signed(&key)?;
    let mut roots = TrustRoots::none();
    roots.add_der(certificate.der())?;

    let world = World::new(1);
    world.set_links(LinkSettings::new(Latency::Fixed(Duration::from_millis(20))));
    let _client = world.host("kiwi", |reactor| {
        let same = reactor.clone();
        reactor.call_later(Duration::from_secs(1), move || drop(same.connect_tcp("Alford:12200", |_peer| Client)));
    });
    let _server = world.host("Alford", move |reactor| {
        let url = format!("https://{PLACES}").parse().expect("it is a URL");
        let places = Google::new(reactor, Access::new(url, roots.clone())).expect("TLS can use the certificate");
        let address = Some(HostPort { host: "Alford".to_owned(), port: 12_200 });
        let server = ServerConfig { address, ..ServerConfig::default() };
        let config = Config { servers: [("Alford".to_owned(), server)].into(), ..Config::default() };
        let observers = Rc::<Observers>::default();
        let server = Server::new(reactor, &config, "Alford", Rc::new(places), Box::new(newness), observers);
        server.expect("it is in the configuration").begin().detach();
    });
    let (chain, key) = (certificate.der().to_vec(), key.serialize_der());
    let _places = world.host(PLACES, move |reactor| {
        let tls = TlsServer::new(reactor, &[&chain], &key, &["http/1.1"]).expect("the key is sound");
        let answer = offline_answer(34.068930, -118.445127, 10_000.0).expect("the table ships with the program");
        let server = HttpServer::new(reactor, move |_request: Request| Ok(Response::json(answer.clone())));
        reactor.listen_tcp("0.0.0.0:443", server.tls_factory(&tls)).expect("the port is free");
    });
    world.run_for(Duration::from_secs(5));
    Ok(())
}

// Prints:
// AT Alford +1.066713388 kiwi.cs.ucla.edu +34.068930-118.445127 1704067200
// AT Alford +1.066713388 kiwi.cs.ucla.edu +34.068930-118.445127 1704067200
//          "name" : "Ronald Reagan UCLA Medical Center Helistop",
//          "name" : "UCLA Emergency Medicine Department Heliport",
