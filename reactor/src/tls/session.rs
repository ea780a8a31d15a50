//! [`TlsSession`] and [`PeerCertificate`]: what a handshake has found.
//!
//! Next: `plain_first.rs`, TLS that begins in the middle of a connection.

use super::certificate::{COMMON_NAME, Certificate, Name, ORGANIZATION, part};
use crate::Transport;
use rustls::{Connection, HandshakeKind, ProtocolVersion};
use std::fmt;
use std::time::{Duration, SystemTime};

/// What the two ends of a TLS connection have agreed on. [`Transport::tls_session`] returns it once the handshake is
/// done.
#[derive(Debug, Clone)]
pub struct TlsSession {
    version: ProtocolVersion,
    cipher_suite: String,
    negotiated_protocol: Option<Vec<u8>>,
    server_name: Option<String>,
    peer: Option<PeerCertificate>,
    is_resumed: bool,
}

impl TlsSession {
    /// `None` before the handshake is done.
    pub(super) fn of(session: &Connection) -> Option<TlsSession> {
        if session.is_handshaking() {
            return None;
        }
        let chain = session.peer_certificates().unwrap_or_default();
        let chain: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.to_vec()).collect();
        Some(TlsSession {
            version: session.protocol_version()?,
            cipher_suite: format!("{:?}", session.negotiated_cipher_suite()?.suite()),
            negotiated_protocol: session.alpn_protocol().map(<[u8]>::to_vec),
            server_name: match session {
                Connection::Server(server) => server.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
            peer: (!chain.is_empty()).then_some(PeerCertificate { chain }),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// TLS 1.2 or 1.3.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The name of the cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &str {
        &self.cipher_suite
    }

    /// The application protocol (ALPN) on which the ends agreed; `None` if they agreed on none.
    pub fn negotiated_protocol(&self) -> Option<&[u8]> {
        self.negotiated_protocol.as_deref()
    }

    /// At the server: the name for which the client asked (SNI), if it did. The client chose it, and it need not be
    /// one of the server's.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The certificate that the peer has shown, and that has been accepted.
    pub fn peer_certificate(&self) -> Option<&PeerCertificate> {
        self.peer.as_ref()
    }

    /// Whether the session goes on from that of an earlier connection. Then the certificate was shown and checked
    /// there.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}

/// What TLS has found; all of these are `None` over a plain transport.
impl Transport {
    /// What the handshake has found; `None` before it is done. From `handshake_completed` on it is there, also in
    /// `connection_lost`. Each call makes it anew, so keep it if you need it often.
    pub fn tls_session(&self) -> Option<TlsSession> {
        let session = self.backend().tls_session()?;
        session.downcast().ok().map(|session| *session)
    }

    /// The application protocol (ALPN) on which the ends agreed. Twisted's `negotiatedProtocol`.
    pub fn negotiated_protocol(&self) -> Option<Vec<u8>> {
        self.tls_session()?.negotiated_protocol
    }

    /// The certificate that the peer has shown: at a client always, at a server only if the server asked for one.
    /// Twisted's `getPeerCertificate`.
    ///
    /// ```
    /// use reactor::{Protocol, Transport};
    ///
    /// struct Members;
    /// impl Protocol for Members {
    ///     fn handshake_completed(&mut self, transport: &Transport) {
    ///         let member = transport.peer_certificate().and_then(|certificate| certificate.common_name());
    ///         transport.write(format!("hello, {}\r\n", member.as_deref().unwrap_or("stranger")).as_bytes());
    ///     }
    ///     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    /// }
    /// ```
    pub fn peer_certificate(&self) -> Option<PeerCertificate> {
        self.tls_session()?.peer
    }
}

/// A certificate that a peer has shown and that has been accepted, with the chain that came with it. Twisted's
/// `Certificate.peerFromTransport`.
///
/// Its texts are as its owner wrote them: an authority vouches for them, but they may hold any character. Escape them
/// before you show them.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Never empty.
    chain: Vec<Vec<u8>>,
}

impl PeerCertificate {
    /// The certificate in DER form.
    pub fn der(&self) -> &[u8] {
        &self.chain[0]
    }

    /// The certificate and those that came with it, as they came: in DER form, the peer's own first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The common name of its owner. For a server, [`host_names`](PeerCertificate::host_names) count, and not this.
    pub fn common_name(&self) -> Option<String> {
        part(self.parsed()?.subject, COMMON_NAME)
    }

    /// The organization of its owner.
    pub fn organization(&self) -> Option<String> {
        part(self.parsed()?.subject, ORGANIZATION)
    }

    /// The common name of the authority that has issued it.
    pub fn issuer_common_name(&self) -> Option<String> {
        part(self.parsed()?.issuer, COMMON_NAME)
    }

    /// The host names and IP addresses that it is for (its alternative names), in order.
    pub fn host_names(&self) -> Vec<String> {
        let names = self.parsed().map(|certificate| certificate.names()).unwrap_or_default();
        let text = |name| match name {
            Name::Host(name) => name,
            Name::Address(address) => address.to_string(),
        };
        names.into_iter().map(text).collect()
    }

    /// The number that its issuer gave it, big-endian.
    pub fn serial_number(&self) -> &[u8] {
        self.parsed().map(|certificate| certificate.serial_number).unwrap_or_default()
    }

    /// The first and the last moment at which it is valid.
    pub fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        let (from, until) = self.parsed()?.validity()?;
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some((at(from)?, at(until)?))
    }

    /// Always there: rustls has accepted it, and reads the same.
    fn parsed(&self) -> Option<Certificate<'_>> {
        Certificate::parse(self.der())
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate")
            .field("common_name", &self.common_name())
            .field("host_names", &self.host_names())
            .field("issuer", &self.issuer_common_name())
            .finish()
    }
}
