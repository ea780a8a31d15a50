//! `proxyherd places` and the service's certificate: no request goes out before the certificate has been accepted, and
//! the message names what is wrong with it.

use crate::KEY;
use crate::pem::pem;
use crate::places::{FINE, ask, fails, response};
use crate::util::Directory;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use reactor::tls::TlsServer;
use reactor::{Protocol, Reactor, ReactorHandle, Transport};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

/// The name in the service's URL. It does not exist: `connect_to` leads to the service.
const NAME: &str = "places.example";

/// A service with TLS, on a loop in a thread of its own.
struct Service {
    address: SocketAddr,
    /// The file with the authority that signed its certificate.
    ca: String,
    received: Arc<Mutex<Vec<u8>>>,
    reactor: ReactorHandle,
    thread: Option<JoinHandle<()>>,
    _directory: Directory,
}

impl Service {
    /// Starts one with a certificate for `name` that is valid in these years.
    fn start(name: &str, years: (i32, i32)) -> Service {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 12, 31);
        let certificate = params.signed_by(&key, &issuer).unwrap();

        let directory = Directory::new();
        let ca = directory.write("ca.pem", pem("CERTIFICATE", issuer.der()));
        let received: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (seen, (tell, told)) = (received.clone(), mpsc::channel());
        let thread = std::thread::spawn(move || {
            let reactor = Reactor::new().unwrap();
            let tls = TlsServer::new(&reactor, &[certificate.der()], key.serialized_der(), &["http/1.1"]).unwrap();
            let factory = tls.factory(move |_| Answering(seen.clone()));
            let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
            tell.send((port.host(), reactor.handle())).unwrap();
            reactor.run().unwrap();
        });
        let (address, reactor) = told.recv().unwrap();
        Service { address, ca, received, reactor, thread: Some(thread), _directory: directory }
    }

    /// Everything that has come through TLS.
    fn received(&self) -> String {
        String::from_utf8(self.received.lock().unwrap().clone()).unwrap()
    }

    /// The settings that lead here, without the authority.
    fn settings(&self) -> String {
        format!("base_url = \"https://{NAME}\"\nconnect_to = \"{}\"\n", self.address)
    }

    fn trusted(&self) -> String {
        format!("{}ca_file = \"{}\"\n", self.settings(), self.ca)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.reactor.call_from_thread(Reactor::stop);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Notes what comes, and answers it.
struct Answering(Arc<Mutex<Vec<u8>>>);

impl Protocol for Answering {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(data);
        transport.write(response("200 OK", FINE).as_bytes());
        transport.lose_connection();
    }
}

#[test]
fn a_good_certificate_gets_the_key_and_gives_an_answer() {
    let service = Service::start(NAME, (2000, 2999));
    let (code, output, errors) = ask(&service.trusted(), &[KEY]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(output.ends_with("\"status\" : \"OK\"\n}\n"));
    let received = service.received();
    assert!(received.contains("key=SecretKey") && received.contains(&format!("Host: {NAME}\r\n")), "{received}");
}

#[test]
fn a_bad_certificate_gets_no_key_and_the_message_names_its_fault() {
    for (name, years, words) in [
        (NAME, (2000, 2001), "expired on 2001-12-31"),
        (NAME, (2990, 2999), "valid only from 2990-01-01"),
        ("other.example", (2000, 2999), "for other.example, not for places.example"),
    ] {
        let service = Service::start(name, years);
        fails(&service.trusted(), &["the TLS handshake failed", words, "the key was not sent"]);
        assert_eq!(service.received(), "");
    }
    let service = Service::start(NAME, (2000, 2999));
    fails(&service.settings(), &["the TLS handshake failed", "name its CA with ca_file", "the key was not sent"]);
    assert_eq!(service.received(), "");
}
