//! A local nginx that serves some files over TLS, with a certificate made for the run.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(10);

pub struct Nginx {
    pub address: SocketAddr,
    /// The certificate, PEM: it is its own authority.
    pub certificate: String,
    child: Child,
    directory: PathBuf,
}

impl Nginx {
    /// Serves these files: the path of each, such as `/a/b.json`, and its bytes. Returns once it accepts connections.
    pub fn start(files: &[(String, Vec<u8>)]) -> Result<Nginx, Box<dyn std::error::Error>> {
        let directory = std::env::temp_dir().join(format!("bench-nginx-{}", process::id()));
        fs::create_dir(&directory)?;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let certificate = made.cert.pem();
        fs::write(directory.join("certificate.pem"), &certificate)?;
        fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())?;
        for (path, bytes) in files {
            let file = directory.join(&path[1..]);
            fs::create_dir_all(file.parent().unwrap_or(&directory))?;
            fs::write(file, bytes)?;
        }
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let root = directory.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/errors warn;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n\
                 access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;\n\
                 fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;\n\
                 keepalive_requests 100000000; keepalive_timeout 600s; default_type application/json;\n\
                 server {{\n\
                     listen {address} ssl; root {root}; ssl_protocols TLSv1.2 TLSv1.3;\n\
                     ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem;\n\
                     location = /status {{ stub_status; }}\n\
                 }}\n\
             }}\n"
        );
        fs::write(directory.join("nginx.conf"), config)?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(directory.join("errors")).arg("-c").arg(directory.join("nginx.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| io::Error::other(format!("nginx: {error}")))?;
        let mut nginx = Nginx { address, certificate, child, directory };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if nginx.child.try_wait()?.is_some() || start.elapsed() > START {
                let complaints = fs::read_to_string(nginx.directory.join("errors")).unwrap_or_default();
                return Err(format!("nginx does not serve: {complaints}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
