//! rustls and mio, with nothing in between that is not needed: no slab, no timers, no traits, one client at a time.
//!
//! It makes the system calls that a program has to make, and each end reads as ours does: into a buffer that is large
//! enough, until a read falls short.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use reactor::tls::rustls::crypto::ring;
use reactor::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use reactor::tls::rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

use crate::identity::Identity;
use crate::{ANSWER, Contender, Kind, QUESTION};

const LISTENER: Token = Token(0);
const CLIENT: Token = Token(1);
const SERVER: Token = Token(2);

/// As many bytes as the reactor reads at once.
const BUFFER: usize = 64 * 1024;

pub struct Bare {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    address: SocketAddr,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    buffer: Vec<u8>,
    number: u64,
}

/// One end of one connection.
struct End {
    socket: TcpStream,
    session: Connection,
    expected: usize,
    received: usize,
    /// The bytes that it sends: the client at once, the server when it has received all that it expects.
    says: &'static [u8],
    ended: bool,
}

impl Bare {
    pub fn new(identity: &Identity) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let address = listener.local_addr()?;

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(identity.root.clone())).map_err(io::Error::other)?;
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];

        let key = PrivateKeyDer::try_from(identity.key.clone()).map_err(io::Error::other)?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(identity.certificate.clone())], key)
            .map_err(io::Error::other)?;
        server.alpn_protocols = client.alpn_protocols.clone();

        let (client, server) = (Arc::new(client), Arc::new(server));
        let (events, buffer) = (Events::with_capacity(64), vec![0; BUFFER]);
        Ok(Self { poll, events, listener, address, client, server, buffer, number: 0 })
    }

    fn register(&self, mut socket: TcpStream, token: Token) -> io::Result<TcpStream> {
        self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(socket)
    }

    fn converse(&mut self, kind: Kind) -> io::Result<()> {
        self.number += 1;
        let name = ServerName::try_from(kind.name(self.number)).map_err(io::Error::other)?;
        let session = ClientConnection::new(self.client.clone(), name).map_err(io::Error::other)?;
        let socket = self.register(TcpStream::connect(self.address)?, CLIENT)?;
        let mut ends = [Some(End::new(socket, session.into(), ANSWER.len(), QUESTION)), None];
        if let Some(client) = &mut ends[0] {
            client.session.writer().write_all(QUESTION)?;
        }
        let mut ended = 0;
        while ended < ends.len() {
            self.poll.poll(&mut self.events, None)?;
            for event in &self.events {
                match event.token() {
                    LISTENER => loop {
                        let socket = match self.listener.accept() {
                            Ok((socket, _)) => self.register(socket, SERVER)?,
                            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                            Err(error) => return Err(error),
                        };
                        let session = ServerConnection::new(self.server.clone()).map_err(io::Error::other)?;
                        ends[1] = Some(End::new(socket, session.into(), QUESTION.len(), ANSWER));
                    },
                    Token(at) => {
                        let Some(end) = &mut ends[at - CLIENT.0] else { continue };
                        end.turn(&mut self.buffer, event.is_readable())?;
                        if end.ended {
                            ends[at - CLIENT.0] = None; // Closes it at once, as ours does.
                            ended += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Contender for Bare {
    fn run(&mut self, kind: Kind, count: u64) -> io::Result<()> {
        (0..count).try_for_each(|_| self.converse(kind))
    }
}

impl End {
    fn new(socket: TcpStream, session: Connection, expected: usize, says: &'static [u8]) -> Self {
        Self { socket, session, expected, received: 0, says, ended: false }
    }

    fn is_client(&self) -> bool {
        matches!(self.session, Connection::Client(_))
    }

    fn turn(&mut self, buffer: &mut [u8], readable: bool) -> io::Result<()> {
        while readable && !self.ended {
            let count = match self.socket.read(buffer) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.take(&buffer[..count])?;
            if count < buffer.len() {
                break;
            }
        }
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                // Not connected yet, or its buffer is full: an event will come.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, mut records: &[u8]) -> io::Result<()> {
        let mut plain = [0; 1024];
        while !records.is_empty() {
            self.session.read_tls(&mut records)?;
            let state = self.session.process_new_packets().map_err(io::Error::other)?;
            if state.plaintext_bytes_to_read() > 0 {
                self.received += self.session.reader().read(&mut plain)?;
                if self.received == self.expected {
                    match self.is_client() {
                        true => {
                            self.session.send_close_notify();
                            self.ended = true;
                        }
                        false => self.session.writer().write_all(self.says)?,
                    }
                }
            }
            if state.peer_has_closed() {
                self.session.send_close_notify();
                self.ended = true;
            }
        }
        Ok(())
    }
}
