//! Servers that get the same bytes: ours, Node's, nginx; and what each of them answers.

use super::differential::found;
use reactor::error::CannotListenError;
use reactor::http::server::HttpServer;
use reactor::{ListeningPort, Reactor};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, process, thread};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Ours,
    Node,
    Nginx,
}

/// What a server has found in some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Method and target of each request that it has served; nothing after HEAD.
    pub(crate) found: Vec<String>,
    /// It has ended with an error status, or without a word.
    pub(crate) is_refused: bool,
    /// The last status.
    pub(crate) status: u16,
}

impl Peer {
    /// What it finds in each of `all`, or why it cannot be asked.
    pub(crate) fn verdicts(self, all: &[Vec<u8>]) -> Result<Vec<Verdict>, String> {
        let server = match self {
            Peer::Ours => Ok(ours()),
            Peer::Node => node(),
            Peer::Nginx => nginx(),
        }?;
        Ok(all.iter().map(|bytes| verdict(server.port, bytes)).collect())
    }
}

/// A server that runs; it ends when this is dropped.
pub(crate) struct Running {
    pub(crate) port: u16,
    child: Option<Child>,
    folder: Option<PathBuf>,
    stop: Option<Box<dyn FnOnce()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill(); // It may be gone already.
            let _ = child.wait();
        }
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}

fn ours() -> Running {
    served(|reactor| reactor.listen_tcp("127.0.0.1:0", HttpServer::new(reactor, found).factory()))
}

/// A reactor in a thread of its own, with the port that `listen` opens.
pub(crate) fn served(
    listen: impl FnOnce(&Reactor) -> Result<ListeningPort, CannotListenError> + Send + 'static,
) -> Running {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        let port = listen(&reactor).unwrap();
        sender.send((port.host().port(), reactor.handle())).unwrap();
        reactor.run().unwrap();
    });
    let (port, handle) = receiver.recv().unwrap();
    let stop = move || {
        handle.call_from_thread(|reactor| reactor.stop()).unwrap();
        thread.join().unwrap();
    };
    Running { port, child: None, folder: None, stop: Some(Box::new(stop)) }
}

fn node() -> Result<Running, String> {
    let node = env::var("NODE").unwrap_or_else(|_| "node".to_owned());
    let version = Command::new(&node).arg("--version").output().map_err(|_| format!("{node} (or NODE) is not here"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        return Err(format!("{node} (or NODE) is {}, and not 20 or later", version.trim()));
    }
    let mut command = Command::new(node);
    command.args(["--input-type=module", "-e", include_str!("node_server.mjs")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Ok(Running { port: line.trim().parse().unwrap(), child: Some(child), folder: None, stop: None })
}

fn nginx() -> Result<Running, String> {
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        return Err("there is no nginx here".to_owned());
    }
    let folder = env::temp_dir().join(format!("http-server-nginx-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let root = folder.display();
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/errors;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n\
             access_log off; client_body_temp_path {root}/1; proxy_temp_path {root}/2;\n\
             fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"$request_method $request_uri\"; }} }}\n\
         }}\n"
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.join("errors")).arg("-c").arg(folder.join("nginx.conf"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut running = Running { port, child: Some(child), folder: Some(folder), stop: None };
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let gone = running.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
        assert!(!gone, "nginx does not serve");
        thread::yield_now();
    }
    Ok(running)
}

fn verdict(port: u16, bytes: &[u8]) -> Verdict {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has made up its mind may close before it has read all.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{:?}", String::from_utf8_lossy(bytes));
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (mut rest, mut found, mut status) = (&answer[..], Vec::new(), 0);
    let is_head = bytes.starts_with(b"HEAD");
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"));
        if status != 200 {
            break; // A refusal is the last.
        }
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
        let length = if is_head && found.is_empty() { 0 } else { length };
        // A whole URL as the target is shown as its path by nginx.
        found.push(after[..length].replace("http://a/", "/"));
        rest = &after[length..];
    }
    Verdict { found, is_refused: status != 200, status }
}
