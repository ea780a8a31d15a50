//! The command `openssl`: a certificate authority and a TLS server that share no code with ours.

use crate::skip::skipped;
use crate::util::PATIENCE;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// A directory with keys and certificates, removed when it is dropped.
pub(crate) struct Workshop(PathBuf);

/// A key and its certificate: the path of their files without the endings `.key` and `.crt`.
#[derive(Debug, Clone)]
pub(crate) struct Pair(String);

/// An order for a certificate.
pub(crate) struct Order<'a> {
    /// The common name.
    pub(crate) name: &'a str,
    /// The subject alternative name, such as `DNS:server.test`.
    pub(crate) alternative: &'a str,
    /// The kind of key: arguments of `openssl genpkey`.
    pub(crate) key: &'a [&'a str],
    /// The hash that is signed.
    pub(crate) hash: &'a str,
    /// The last day, as YYYYMMDD.
    pub(crate) until: &'a str,
    pub(crate) is_authority: bool,
}

pub(crate) const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub(crate) const RSA_1024: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
pub(crate) const RSA_2048: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

impl Order<'_> {
    /// An order for a good certificate, valid in 2030.
    pub(crate) const SERVER: Order<'static> = Order {
        name: "a server",
        alternative: "DNS:server.test",
        key: P256,
        hash: "sha256",
        until: "20310101",
        is_authority: false,
    };
}

/// A complete configuration, so that the machine's own has no effect.
const SETTINGS: &str = "\
[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = nothing
[nothing]
";

impl Workshop {
    /// `None`, with a message, if there is no `openssl`: then the test is skipped, not passed.
    pub(crate) fn open() -> Option<Workshop> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if Command::new("openssl").arg("version").stdin(Stdio::null()).output().is_err() {
            skipped("there is no openssl here");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tls-matrix-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("settings"), SETTINGS).unwrap();
        fs::write(path.join("index.txt"), "").unwrap();
        Some(Workshop(path))
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(&self.0).stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Makes the ordered certificate, issued by `issuer`, or self-signed if there is none.
    #[track_caller]
    pub(crate) fn issue(&self, issuer: Option<&Pair>, order: &Order<'_>) -> Pair {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let made = Pair(format!("{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let (key, request, certificate) = (made.key(), made.file("csr"), made.certificate());
        self.run(&[&["genpkey", "-out", &*key], order.key].concat());
        let subject = format!("/CN={}", order.name);
        self.run(&["req", "-new", "-config", "settings", "-key", &key, "-subj", &subject, "-out", &request]);
        let authority = if order.is_authority { "TRUE" } else { "FALSE" };
        let extensions = format!("basicConstraints=critical,CA:{authority}\nsubjectAltName={}\n", order.alternative);
        fs::write(self.0.join(made.file("ext")), extensions).unwrap();
        let (until, ext) = (format!("{}000000Z", order.until), made.file("ext"));
        let mut arguments = vec!["ca", "-batch", "-notext", "-config", "settings", "-in", &request];
        arguments.extend(["-out", &certificate, "-md", order.hash, "-extfile", &ext]);
        arguments.extend(["-startdate", "20300101000000Z", "-enddate", &until]);
        let issuers = issuer.map(|issuer| (issuer.key(), issuer.certificate()));
        match &issuers {
            Some((key, certificate)) => arguments.extend(["-keyfile", key, "-cert", certificate]),
            None => arguments.extend(["-selfsign", "-keyfile", &key]),
        }
        self.run(&arguments);
        made
    }

    /// The certificate of `pair`.
    pub(crate) fn pem(&self, pair: &Pair) -> Vec<u8> {
        fs::read(self.0.join(pair.certificate())).unwrap()
    }

    /// A server for one connection that shows `pair` and, if there is one, an intermediate certificate.
    pub(crate) fn serve(&self, pair: &Pair, intermediate: Option<&Pair>, options: &[&str], answer: &str) -> Serving {
        let mut command = Command::new("openssl");
        command.current_dir(&self.0).args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"]);
        command.args(["-key", &pair.key(), "-cert", &pair.certificate()]);
        if let Some(intermediate) = intermediate {
            command.args(["-cert_chain", &intermediate.certificate()]);
        }
        // The server must accept any key and version that it is given: the client is the one to refuse them.
        command.args(["-cipher", "DEFAULT@SECLEVEL=0"]).args(options);
        Serving::start(command, answer)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // It may stay: the directory is temporary.
    }
}

impl Pair {
    fn file(&self, end: &str) -> String {
        format!("{}.{end}", self.0)
    }

    fn key(&self) -> String {
        self.file("key")
    }

    fn certificate(&self) -> String {
        self.file("crt")
    }
}

/// A running `openssl s_server`, killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Receiver<Vec<u8>>,
}

impl Serving {
    /// Returns when it listens; it prints its port.
    fn start(mut command: Command, answer: &str) -> Serving {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (listens, said, answer) = (mpsc::channel(), mpsc::channel(), answer.to_owned());
        thread::spawn(move || {
            // All that it prints: its own messages, and the data that it receives, decrypted.
            let mut all = Vec::new();
            let mut output = output;
            let mut answered = false;
            loop {
                let from = all.len();
                if output.by_ref().take(100_000).read_until(b'\n', &mut all).unwrap_or(0) == 0 {
                    break;
                }
                let line = String::from_utf8_lossy(&all[from..]).into_owned();
                if let Some(address) = line.strip_prefix("ACCEPT ") {
                    let _ = listens.0.send(address.trim().parse());
                }
                // It sends what it reads from `input`, and the end of `input` would end it, so that stays open.
                if line == "\r\n" && !answered {
                    answered = true;
                    let _ = input.write_all(answer.as_bytes());
                }
            }
            let _ = said.0.send(all);
        });
        let address = listens.1.recv_timeout(PATIENCE).expect("openssl listens").expect("it says where");
        Serving { child, address, said: said.1 }
    }

    /// All that it has printed, when it is done with its connection.
    pub(crate) fn said(&self) -> String {
        let said = self.said.recv_timeout(PATIENCE).expect("openssl ends after one connection");
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}
