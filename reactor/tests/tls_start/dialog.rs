//! A dialog that changes to TLS: `STARTTLS`, `READY`, and then lines that an onlooker must not read.

use crate::certificates::{Authority, Identity};
use crate::events::Events;
use crate::tls_clock::for_tls;
use reactor::testing::{ManualClock, Pump, connect};
use reactor::tls::{TlsClient, TlsServer};
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Reason};

pub(crate) const NAME: &str = "server.test";

/// Notes what it meets, and changes to TLS when it is asked to.
pub(crate) struct Server(pub(crate) Events);

impl LineProtocol for Server {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.note(String::from_utf8_lossy(line));
        match line {
            b"STARTTLS" => {
                transport.send_line(b"READY");
                transport.start_tls().unwrap();
                transport.send_line(b"welcome"); // Encrypted: it waits for the handshake.
            }
            _ => transport.send_line(b"ok"),
        }
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        assert!(transport.tls_session().is_some());
        self.0.note("completed");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Asks for TLS, and then says its secret.
pub(crate) struct Client(pub(crate) Events);

impl LineProtocol for Client {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"STARTTLS");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.note(String::from_utf8_lossy(line));
        if line == b"READY" {
            transport.start_tls().unwrap();
            transport.send_line(b"secret");
        }
    }
    fn handshake_completed(&mut self, _transport: &LineTransport) {
        self.0.note("completed");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.note(format!("lost: {reason}"));
    }
}

/// Both ends of TLS, on a clock that the test moves.
pub(crate) struct Ends {
    pub(crate) clock: ManualClock,
    pub(crate) client: TlsClient,
    pub(crate) server: TlsServer,
}

impl Ends {
    pub(crate) fn new() -> Ends {
        let (authority, clock) = (Authority::new(), ManualClock::new());
        let Identity { certificate, key } = authority.issue(NAME, 2999);
        Ends {
            client: TlsClient::new(for_tls(&clock), &authority.roots(), &[]).unwrap(),
            server: TlsServer::new(for_tls(&clock), &[&certificate], &key, &[]).unwrap(),
            clock,
        }
    }

    pub(crate) fn at_client(&self, protocol: impl Protocol + 'static) -> Box<dyn Protocol> {
        self.client.wrap_plain_first(NAME, Box::new(protocol)).unwrap()
    }

    pub(crate) fn at_server(&self, protocol: impl Protocol + 'static) -> Box<dyn Protocol> {
        self.server.wrap_plain_first(Box::new(protocol))
    }

    /// A client and a server that are about to begin the dialog, and what each meets.
    pub(crate) fn dialog(&self) -> (Pump, Events, Events) {
        let (client, server) = (Events::default(), Events::default());
        let pair = connect(
            self.at_server(LineReceiver::new(Server(server.clone()))),
            self.at_client(LineReceiver::new(Client(client.clone()))),
        );
        (pair, client, server)
    }

    /// No timer is left.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        assert_eq!(self.clock.pending().len(), 0, "timers are left");
    }
}
