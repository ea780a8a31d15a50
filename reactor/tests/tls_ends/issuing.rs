//! Authorities and what they issue; two ends with a handshake between them.

use crate::events::{Events, Noting};
use crate::pem::pem;
use crate::tls_clock::for_tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use reactor::testing::{ManualClock, connect};
use reactor::tls::{PrivateCertificate, TlsClient, TlsServer, TlsSession, TrustRoots};
use reactor::{Protocol, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, DER.
pub(crate) struct Issued {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.0.der()
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        let mut roots = TrustRoots::none();
        roots.add_der(self.0.der()).unwrap();
        roots
    }

    /// A certificate for these names, which `change` has changed.
    pub(crate) fn issue_changed(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2031, 1, 1));
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
        params.distinguished_name.push(DnType::OrganizationName, "Org");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_changed(names, |_| {})
    }

    /// A certificate with which a client called `name` shows who it is.
    pub(crate) fn issue_to_client(&self, name: &str) -> PrivateCertificate {
        let issued = self.issue_changed(&[name], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        issued.private()
    }
}

impl Issued {
    pub(crate) fn private(&self) -> PrivateCertificate {
        PrivateCertificate::from_der(&[&self.certificate], &self.key).unwrap()
    }

    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

/// A protocol that keeps what the handshake has found, and the reason of the end.
pub(crate) struct Keeping {
    noting: Noting,
    found: Found,
}

#[derive(Clone, Default)]
pub(crate) struct Found {
    pub(crate) events: Events,
    pub(crate) session: Rc<RefCell<Option<TlsSession>>>,
    pub(crate) reason: Rc<RefCell<Option<Reason>>>,
}

impl Found {
    pub(crate) fn protocol(&self) -> Box<dyn Protocol> {
        let reason = self.reason.clone();
        let lost = move |why: &Reason| *reason.borrow_mut() = Some(why.clone());
        let noting = Noting { lost: Box::new(lost), ..Noting::new(&self.events) };
        Box::new(Keeping { noting, found: self.clone() })
    }

    /// What the handshake has found.
    #[track_caller]
    pub(crate) fn session(&self) -> TlsSession {
        self.session.borrow().clone().expect("the handshake is done")
    }

    /// The sentence of the error with which TLS failed.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let reason = self.reason.borrow();
        let reason = reason.as_ref().expect("it is over");
        reason.tls_error().unwrap_or_else(|| panic!("not TLS: {reason:?}")).to_string()
    }
}

impl Protocol for Keeping {
    fn connection_made(&mut self, transport: &Transport) {
        assert!(transport.tls_session().is_none() && transport.peer_certificate().is_none(), "nothing is known yet");
        self.noting.connection_made(transport);
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        *self.found.session.borrow_mut() = transport.tls_session();
        transport.write(b"hello");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.noting.data_received(transport, data);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.noting.read_connection_lost(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.noting.connection_lost(reason);
    }
}

/// What the client and the server have found after one handshake, the client expecting a server called `name`.
pub(crate) fn shake_hands(client: &TlsClient, name: &str, server: &TlsServer) -> (Found, Found) {
    let (at_client, at_server) = (Found::default(), Found::default());
    let client = client.wrap(name, at_client.protocol()).unwrap();
    let server = server.wrap(at_server.protocol()).unwrap();
    let pair = connect(server, client);
    pair.flush();
    (at_client, at_server)
}

pub(crate) fn server(certificate: PrivateCertificate) -> TlsServer {
    TlsServer::with_certificate(for_tls(&ManualClock::new()), certificate).unwrap()
}

pub(crate) fn client(roots: &TrustRoots, alpn: &[&str]) -> TlsClient {
    TlsClient::new(for_tls(&ManualClock::new()), roots, alpn).unwrap()
}
