//! The reactor, with a server and its clients on one loop.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use reactor::{Protocol, Reactor, Reason, Transport};

use crate::identity::Identity;
use crate::{ANSWER, Contender, Kind, QUESTION};

pub struct Ours(Rc<Shared>);

struct Shared {
    reactor: Reactor,
    tls: TlsClient,
    address: SocketAddr,
    kind: Cell<Kind>,
    /// Connections that are still to be made.
    left: Cell<u64>,
    number: Cell<u64>,
    error: RefCell<Option<String>>,
}

impl Ours {
    pub fn new(identity: &Identity) -> io::Result<Self> {
        let reactor = Reactor::new()?;
        let mut roots = TrustRoots::none();
        roots.add_der(&identity.root).map_err(io::Error::other)?;
        let server = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &["http/1.1"]);
        let server = server.map_err(io::Error::other)?.factory(|_| Server { received: 0 });
        let address = reactor.listen_tcp("127.0.0.1:0", server).map_err(io::Error::other)?.host();
        let tls = TlsClient::new(&reactor, &roots, &["http/1.1"]).map_err(io::Error::other)?;
        Ok(Self(Rc::new(Shared {
            reactor,
            tls,
            address,
            kind: Cell::new(Kind::Fresh),
            left: Cell::new(0),
            number: Cell::new(0),
            error: RefCell::new(None),
        })))
    }
}

impl Contender for Ours {
    fn run(&mut self, kind: Kind, count: u64) -> io::Result<()> {
        self.0.kind.set(kind);
        self.0.left.set(count);
        next(&self.0);
        self.0.reactor.iterate(std::time::Duration::ZERO).map_err(io::Error::other)?;
        while self.0.left.get() > 0 {
            self.0.reactor.iterate(std::time::Duration::from_secs(10)).map_err(io::Error::other)?;
        }
        self.0.error.take().map_or(Ok(()), |error| Err(io::Error::other(error)))
    }
}

fn next(shared: &Rc<Shared>) {
    let number = shared.number.replace(shared.number.get() + 1);
    let name = shared.kind.get().name(number);
    let client = shared.clone();
    let build = move |_| Client { received: 0, shared: client.clone() };
    shared.reactor.connect_tcp(shared.address, shared.tls.factory(&name, build));
}

struct Client {
    received: usize,
    shared: Rc<Shared>,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(QUESTION);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.received += data.len();
        if self.received == ANSWER.len() {
            transport.lose_connection();
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let left = self.shared.left.get() - 1;
        if self.received != ANSWER.len() || !reason.is_clean() {
            *self.shared.error.borrow_mut() = Some(format!("ours: {} bytes, then {reason}", self.received));
            return self.shared.left.set(0);
        }
        self.shared.left.set(left);
        if left > 0 {
            next(&self.shared);
        }
    }
}

struct Server {
    received: usize,
}

impl Protocol for Server {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.received += data.len();
        if self.received == QUESTION.len() {
            transport.write(ANSWER);
        }
    }
}
