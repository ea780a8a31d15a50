//! nginx as the server: responses that none of our tests wrote, over plain TCP and over TLS.

use super::certificates::Authority;
use super::pem::pem;
use super::wait::wait;
use super::{agent_trusting, assert_nothing_is_left, body, failed, get};
use crate::skip::skipped;
use reactor::Reactor;
use reactor::error::ConnectError;
use reactor::http::{HttpError, Request, Stage, Url};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};

/// A running nginx; killed when dropped.
struct Nginx {
    child: Child,
    directory: PathBuf,
    plain: u16,
    secure: u16,
    authority: Authority,
}

impl Nginx {
    /// `None`, with a message, if there is no `nginx`: then the test is skipped, not passed.
    fn start() -> Option<Nginx> {
        if Command::new("nginx").arg("-v").stdin(Stdio::null()).output().is_err() {
            skipped("there is no nginx here");
            return None;
        }
        let directory = std::env::temp_dir().join(format!("http-agent-nginx-{}", process::id()));
        fs::create_dir(&directory).unwrap();
        let authority = Authority::new();
        let identity = authority.issue("localhost", 2999);
        fs::write(directory.join("certificate.pem"), pem("CERTIFICATE", &identity.certificate)).unwrap();
        fs::write(directory.join("key.pem"), pem("PRIVATE KEY", &identity.key)).unwrap();
        fs::write(directory.join("large.txt"), "abcdefgh\n".repeat(20_000)).unwrap();
        // Held until both are known, so that they differ.
        let ports = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [plain, secure] = ports.each_ref().map(|port| port.local_addr().unwrap().port());
        drop(ports);
        let root = directory.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/errors;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n\
                 access_log off; client_body_temp_path {root}/1; proxy_temp_path {root}/2;\n\
                 fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;\n\
                 types {{ text/plain txt; }} gzip_types text/plain;\n\
                 server {{\n\
                     listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl; root {root};\n\
                     ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem;\n\
                     location = /which {{ return 200 \"$connection_requests $request_method $ssl_protocol\"; }}\n\
                     location = /large.txt {{ gzip on; }}\n\
                     location = /bye {{ keepalive_timeout 0; return 200 bye; }}\n\
                     location = /away {{ return 302 /which; }}\n\
                 }}\n\
             }}\n"
        );
        fs::write(directory.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-e").arg(directory.join("errors")).arg("-c").arg(directory.join("nginx.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut nginx = Nginx { child, directory, plain, secure, authority };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, secure)).is_err() {
            let complaints = || fs::read_to_string(nginx.directory.join("errors")).unwrap_or_default();
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx does not serve: {}", complaints());
            std::thread::yield_now();
        }
        Some(nginx)
    }

    fn urls(&self, path: &str) -> [String; 2] {
        [format!("http://localhost:{}{path}", self.plain), format!("https://localhost:{}{path}", self.secure)]
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may be gone already.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn nginx_is_understood_in_all_that_it_says() {
    let Some(nginx) = Nginx::start() else { return };
    let reactor = Reactor::new().unwrap();
    for gzip in [false, true] {
        let agent = agent_trusting(&reactor, &nginx.authority.roots(), |settings| settings.accept_gzip = gzip);
        for (secure, protocol) in [(false, ""), (true, "TLSv1.")] {
            let url = |path: &str| nginx.urls(path)[usize::from(secure)].clone();
            let answer = |path: &str| body(wait(&reactor, agent.fetch(get(&url(path)))));
            // Three over one connection, by nginx's own count.
            assert!(answer("/which").starts_with(&format!("1 GET {protocol}")));
            let large = wait(&reactor, agent.fetch(get(&url("/large.txt")))).unwrap();
            assert_eq!(large.body, "abcdefgh\n".repeat(20_000).as_bytes());
            assert_eq!(large.head.header("content-encoding").next().is_some(), gzip, "packed as it was asked for");
            let head = wait(&reactor, agent.fetch(Request::head(url("/large.txt").parse().unwrap()))).unwrap();
            assert_eq!((head.head.status, head.body.len()), (200, 0));
            assert!(answer("/which").starts_with("4 GET"));
            assert_eq!(wait(&reactor, agent.fetch(get(&url("/missing")))).unwrap().head.status, 404);
            let post =
                wait(&reactor, agent.fetch(Request::post(url("/which").parse::<Url>().unwrap(), "x=1"))).unwrap();
            assert!(post.body.starts_with(b"6 POST"));
            assert_eq!(wait(&reactor, agent.fetch(get(&url("/away")))).unwrap().head.status, 302);
            // It closes after this one, and the next one gets a new connection.
            assert_eq!(answer("/bye"), "bye");
            assert!(answer("/which").starts_with("1 GET"));
            assert_eq!(agent.open_connection_count(), if secure { 2 } else { 1 });
        }
        wait(&reactor, agent.close_idle()).unwrap();
        assert_nothing_is_left(&reactor, &agent, 0);
    }
    // Faults are noticed: plain HTTP on the port of TLS, TLS on that of plain HTTP, too much.
    let agent = agent_trusting(&reactor, &nginx.authority.roots(), |settings| settings.limits.body = 1000);
    let crossed = get(&format!("http://localhost:{}/which", nginx.secure));
    assert_eq!(wait(&reactor, agent.fetch(crossed)).unwrap().head.status, 400);
    let crossed = get(&format!("https://localhost:{}/which", nginx.plain));
    let text = wait(&reactor, agent.fetch(crossed)).unwrap_err().to_string();
    assert!(text.contains("does not speak TLS here"), "{text}");
    let result = wait(&reactor, agent.fetch(get(&nginx.urls("/large.txt")[1])));
    assert_eq!(failed(result), (Stage::ResponseFailed, HttpError::BodyTooLarge));
    let gone = nginx.urls("/which");
    drop(nginx);
    for url in gone {
        let failure = wait(&reactor, agent.fetch(get(&url))).unwrap_err();
        let error: &reactor::http::AgentError = failure.check().unwrap();
        assert!(error.reason().check::<ConnectError>().is_some(), "{failure}");
    }
}
