//! `proxyherd iamat`, `whatsat`, `forget` and `status` with a server that clients reach over TLS alone.

use crate::pem::pem;
use crate::util::{Directory, Process, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// A herd of one without `address`, and the files that its clients need.
struct Running {
    directory: Directory,
    port: u16,
    _server: Process,
}

/// What a client's configuration says about the server, beside its port.
const TRUSTED: &str = "ca_file = \"ca.pem\"\n";

impl Running {
    /// With a certificate for this name or address.
    fn start(name: &str) -> Running {
        let directory = Directory::new();
        let issuer = |file: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            directory.write(file, pem("CERTIFICATE", issuer.der()));
            issuer
        };
        let (ours, _other) = (issuer("ca.pem"), issuer("other.pem"));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
        directory.write("certificate.pem", pem("CERTIFICATE", certificate.der()));
        directory.write("key.pem", pem("PRIVATE KEY", key.serialized_der()));
        let port = free_port();
        let files = "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
        let text = format!("[servers.Alford]\ntls = \"127.0.0.1:{port}\"\n{files}");
        let config = directory.write("server.toml", text);
        let server = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
        Running { directory, port, _server: server }
    }

    /// Exit code, standard output, standard error of a client whose configuration has this.
    #[track_caller]
    fn run(&self, more: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let port = self.port;
        // The same file serves both: a client does not use the key.
        let files = "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
        let text = format!("[servers.Alford]\ntls = \"127.0.0.1:{port}\"\n{files}{more}");
        let config = self.directory.write("client.toml", text);
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", &config]).collect();
        let mut process = Process::spawn(self.directory.path(), &arguments, &[]);
        (process.wait().code(), process.output(), process.errors())
    }

    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(TRUSTED, arguments);
        assert_eq!((code, &*errors), (Some(0), ""), "{arguments:?}");
        output
    }

    #[track_caller]
    fn fails(&self, more: &str) -> String {
        let (code, output, errors) = self.run(more, &["iamat", "kiwi", "+34.0-118.0"]);
        assert_eq!((code, &*output), (Some(1), ""), "{more}");
        errors
    }
}

#[test]
fn a_server_behind_tls_is_told_asked_and_looked_at() {
    let herd = Running::start("127.0.0.1");
    let at = herd.prints(&["iamat", "kiwi", "-33.9461+151.1772", "1400794645.392014450"]);
    assert!(at.starts_with("AT Alford +") && at.ends_with(" kiwi -33.9461+151.1772 1400794645.392014450\n"), "{at}");
    let answer = herd.prints(&["whatsat", "kiwi", "5", "2", "--server", "Alford"]);
    assert!(answer.starts_with(&at) && answer.contains("\"status\" : \"OK\""), "{answer}");
    assert!(herd.prints(&["status"]).starts_with("Alford: answers in "));
    assert!(herd.prints(&["forget", "kiwi"]).starts_with("FORGOT Alford +"));
    let (code, _, errors) = herd.run(TRUSTED, &["whatsat", "kiwi", "5", "2"]);
    assert_eq!((code, &*errors), (Some(1), "proxyherd: Alford refuses: it does not know the client\n"));
}

#[test]
fn a_server_that_cannot_prove_its_name_is_told_nothing() {
    let herd = Running::start("127.0.0.1");
    for more in ["", "ca_file = \"other.pem\"\n"] {
        let errors = herd.fails(more);
        assert!(
            errors.starts_with("proxyherd: no server answers: Alford: ") && errors.contains("certificate"),
            "{errors}"
        );
    }
    let errors = herd.fails("ca_file = \"missing.pem\"\n");
    assert!(errors.contains("ca_file") && errors.contains("missing.pem"), "{errors}");

    let elsewhere = Running::start("elsewhere.example");
    let errors = elsewhere.fails(TRUSTED);
    assert!(errors.contains("elsewhere.example"), "{errors}");
}

#[test]
fn clear_text_at_a_tls_port_is_no_answer() {
    let herd = Running::start("127.0.0.1");
    let address = format!("127.0.0.1:{}", herd.port);
    // HOST:PORT on the command line means clear text.
    let (code, output, errors) = herd.run(TRUSTED, &["iamat", "kiwi", "+34.0-118.0", "--server", &address]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.starts_with("proxyherd: no server answers: "), "{errors}");
}
