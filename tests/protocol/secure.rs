//! [`Secure`]: the server Alford with a port for neighbors that speak TLS, and peers of the test's own with whatever
//! certificate a test gives them.

use crate::certificates::{Authority, Identity};
use crate::harness::{Connection, Harness};
use crate::held_places::HeldPlaces;
use crate::pem::pem;
use crate::util::{Directory, free_port};
use proxyherd::config::{Config, HostPort, ServerConfig};
use reactor::tls::{PrivateCertificate, TlsClient, TlsServer};
use reactor::{Protocol, Reason, Transport};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// The last year of a certificate that is good, and of one that has ended: the clock of the tests stands in 2014.
pub(crate) const GOOD: i32 = 2999;
pub(crate) const ENDED: i32 = 2013;

/// Alford, with the neighbors Bolden and Hamilton, which have `link` too, and Parker, which has not.
pub(crate) struct Secure<'h> {
    pub(crate) harness: &'h Harness,
    pub(crate) authority: Authority,
    /// Alford's link to Parker, in clear text.
    parker: Connection<'h>,
    /// Where Alford listens: for clients and Parker, for neighbors, and for clients with TLS.
    pub(crate) plain: SocketAddr,
    pub(crate) link: SocketAddr,
    pub(crate) tls: SocketAddr,
    _directory: Directory,
}

impl<'h> Secure<'h> {
    /// Starts Alford. Its neighbor Bolden has `link` at this address.
    pub(crate) fn start(harness: &'h Harness, bolden: SocketAddr, authority: Authority) -> Secure<'h> {
        let (directory, parker) = (Directory::new(), harness.listen());
        let own = authority.issue("Alford", GOOD);
        std::fs::create_dir(directory.path().join("Alford")).unwrap();
        let chain = directory.write("Alford/certificate.pem", pem("CERTIFICATE", &own.certificate));
        let key = directory.write("Alford/key.pem", pem("PRIVATE KEY", &own.key));
        directory.write("Alford/herd.pem", pem("CERTIFICATE", authority.der()));

        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let place = |at: SocketAddr| Some(HostPort { host: at.ip().to_string(), port: at.port() });
        let (link, tls) = (here(free_port()), here(free_port()));
        let servers = [
            (
                "Alford",
                ServerConfig {
                    address: place(here(0)),
                    link: place(link),
                    tls: place(tls),
                    neighbors: ["Bolden", "Hamilton", "Parker"].map(str::to_owned).to_vec(),
                },
            ),
            ("Bolden", ServerConfig { address: place(here(1)), link: place(bolden), ..ServerConfig::default() }),
            ("Hamilton", ServerConfig { address: place(here(1)), link: place(here(1)), ..ServerConfig::default() }),
            ("Parker", ServerConfig { address: place(parker.address()), ..ServerConfig::default() }),
        ];
        let servers = servers.into_iter().map(|(name, server)| (name.to_owned(), server)).collect();
        let mut config = Config { servers, ..Config::default() };
        config.tls.keys = Some(directory.path().to_owned());
        (config.tls.certificate, config.tls.key) = (Some(chain.into()), Some(key.into()));
        let plain = harness.start(&config, Rc::new(HeldPlaces::default()));
        let parker = parker.accept_link();
        Secure { harness, authority, parker, plain, link, tls, _directory: directory }
    }

    /// A peer that connects over TLS to this port of Alford's. It trusts Alford's authority, and has this certificate.
    pub(crate) fn connect(&self, to: SocketAddr, identity: Option<Identity>) -> Peer<'h> {
        let reactor = &self.harness.reactor;
        let mut tls = TlsClient::new(reactor, &self.authority.roots(), &[]).unwrap();
        if let Some(Identity { certificate, key }) = identity {
            tls = tls.certificate(PrivateCertificate::from_der(&[&certificate], &key).unwrap());
        }
        let peer = Peer::new(self.harness);
        let notes = peer.notes.clone();
        tls.connect(reactor, to, "Alford", move |_| Noting(notes)).add_both(|_| ()).detach();
        peer
    }

    /// A neighbor that Alford connects to, with this certificate; it wants one of Alford's authority.
    pub(crate) fn listen(harness: &'h Harness, at: SocketAddr, identity: &Identity, authority: &Authority) -> Peer<'h> {
        let reactor = &harness.reactor;
        let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
        let tls = tls.require_client_certificate(&authority.roots()).unwrap();
        let peer = Peer::new(harness);
        let notes = peer.notes.clone();
        reactor.listen_tcp(at, tls.factory(move |_| Noting(notes.clone()))).unwrap();
        peer
    }

    /// The lines that Alford has passed on to Parker since the last call: all that it has taken.
    #[track_caller]
    pub(crate) fn taken(&mut self) -> Vec<String> {
        let marker = self.harness.connect(self.plain).ask(&format!("IAMAT marker +1+2 {}", self.harness.next()));
        let mut lines = vec![self.parker.line()];
        while lines.last() != Some(&marker) {
            lines.push(self.parker.line());
        }
        lines.pop();
        lines
    }
}

/// The test's end of a connection over TLS.
pub(crate) struct Peer<'h> {
    harness: &'h Harness,
    notes: Rc<RefCell<Notes>>,
}

/// What has happened at a peer.
#[derive(Default)]
struct Notes {
    transport: Option<Transport>,
    received: Vec<u8>,
    /// The reasons for which connections have ended.
    ended: Vec<Reason>,
}

struct Noting(Rc<RefCell<Notes>>);

impl<'h> Peer<'h> {
    fn new(harness: &'h Harness) -> Peer<'h> {
        Peer { harness, notes: Rc::default() }
    }

    /// Sends lines, once the connection is up.
    #[track_caller]
    pub(crate) fn send(&self, lines: &str) {
        self.harness.turn_until("the peer is connected", || self.notes.borrow().transport.is_some());
        let transport = self.notes.borrow().transport.clone().unwrap();
        transport.write(lines.as_bytes());
    }

    /// Waits until this text has come.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        self.harness.turn_until(text, || self.received().contains(text));
    }

    pub(crate) fn received(&self) -> String {
        String::from_utf8(self.notes.borrow().received.clone()).unwrap()
    }

    /// Waits until a connection has ended. Returns why.
    #[track_caller]
    pub(crate) fn end(&self) -> String {
        self.harness.turn_until("the connection ends", || !self.notes.borrow().ended.is_empty());
        self.notes.borrow().ended[0].to_string()
    }
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.borrow_mut().transport = Some(transport.clone());
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.borrow_mut().received.extend_from_slice(data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.0.borrow_mut().ended.push(reason.clone());
    }
}
