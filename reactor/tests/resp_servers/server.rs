//! A real `redis-server`, started by the test.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) directory: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
}

impl Server {
    /// `None`, with a message, if there is no `redis-server`: then the test is skipped, not passed.
    pub(crate) fn start(arguments: &[&str]) -> Option<Server> {
        Server::start_in(new_directory(), free_port(), arguments)
    }

    /// The same in a directory that has been made already, and on this port.
    pub(crate) fn start_in(directory: PathBuf, port: u16, arguments: &[&str]) -> Option<Server> {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
        match run(&directory, port, &arguments) {
            Some(child) => Some(Server { child, directory, port, arguments }),
            None => {
                let test = thread::current().name().unwrap_or("a test").to_owned();
                // Written past the test harness, which hides the output of tests that pass.
                let _ = writeln!(io::stderr(), "SKIPPED, not passed: {test}: there is no redis-server here");
                let _ = fs::remove_dir_all(directory);
                None
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }

    /// Starts it again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = run(&self.directory, self.port, &self.arguments).expect("it ran before");
    }
}

/// A directory of this test's own.
pub(crate) fn new_directory() -> PathBuf {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("resp-servers-{}-{number}", process::id()));
    fs::create_dir(&directory).unwrap();
    directory
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // A node of a cluster listens on this one, too.
    if port < 50_000 && TcpListener::bind((Ipv4Addr::LOCALHOST, port + 10_000)).is_ok() { port } else { free_port() }
}

fn run(directory: &PathBuf, port: u16, arguments: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]);
    if !arguments.iter().any(|argument| argument == "--tls-port") {
        command.args(["--port", &port.to_string()]);
    }
    command.arg("--dir").arg(directory).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
