//! A real `redis-server`, started by the test. `REDIS_SERVER` names another program that speaks as it does, such as
//! `valkey-server`.

use crate::skip::skipped;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) directory: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Server {
    /// `None`, with a message, if there is no `redis-server`: then the test is skipped, not passed.
    pub(crate) fn start(arguments: &[&str]) -> Option<Server> {
        Server::start_in(new_directory(), free_port(), arguments)
    }

    /// The same with these variables in its environment.
    #[allow(dead_code, reason = "not every program of tests needs it")]
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Option<Server> {
        let mut server = Server::start(arguments)?;
        server.variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        server.restart();
        Some(server)
    }

    /// The same in a directory that has been made already, and on this port.
    pub(crate) fn start_in(directory: PathBuf, port: u16, arguments: &[&str]) -> Option<Server> {
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
        match run(&directory, port, &arguments, &[]) {
            Some(child) => Some(Server { child, directory, port, arguments, variables: Vec::new() }),
            None => {
                skipped("there is no redis-server here");
                let _ = fs::remove_dir_all(directory);
                None
            }
        }
    }

    /// What the server answers to a command, as `redis-cli` shows it.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut asking = Command::new("redis-cli");
        let asked = asking.args(["-p", &self.port.to_string()]).args(command).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).into_owned() + &String::from_utf8_lossy(&asked.stderr)
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }

    /// Starts it again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = run(&self.directory, self.port, &self.arguments, &self.variables).expect("it ran before");
    }
}

/// Three primaries and, behind them, three replicas, as one cluster. `None` if there is no `redis-server`.
pub(crate) fn start_cluster() -> Option<Vec<Server>> {
    start_cluster_behind(|port| port)
}

/// The same; each server says that it is reached at the port that `announced` makes of its own.
pub(crate) fn start_cluster_behind(mut announced: impl FnMut(u16) -> u16) -> Option<Vec<Server>> {
    let mut start = || {
        let port = free_port();
        let mut arguments = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let announced = announced(port).to_string();
        arguments.extend(["--repl-diskless-sync-delay", "0", "--cluster-announce-port", &announced]);
        Server::start_in(new_directory(), port, &arguments)
    };
    let servers: Vec<Server> = (0..6).map(|_| start()).collect::<Option<_>>()?;
    for server in &servers {
        wait_until("it answers", || server.ask(&["PING"]).contains("PONG"));
    }
    let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create", "--cluster-replicas", "1", "--cluster-yes"]).args(&addresses);
    let created = create.output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    wait_until("the cluster is ready", || {
        servers.iter().all(|server| {
            let map = server.ask(&["CLUSTER", "NODES"]);
            let is_whole = map.matches(" slave ").count() + map.matches(",slave ").count() == 3;
            let is_linked = !map.contains("fail") && !map.contains("handshake");
            // A replica that has not loaded its primary's data cannot take its place.
            let info = server.ask(&["INFO", "replication"]);
            let is_up = info.contains("role:master") || info.contains("master_link_status:up");
            is_whole && is_linked && is_up && server.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        })
    });
    Some(servers)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A directory of this test's own.
pub(crate) fn new_directory() -> PathBuf {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("resp-servers-{}-{number}", process::id()));
    fs::create_dir(&directory).unwrap();
    directory
}

/// A free port, as is the one 10,000 above it, on which a node of a cluster listens, too. Both lie below the ports that
/// systems give to outgoing connections, so none of those can take one before the server has it, or while it is down.
pub(crate) fn free_port() -> u16 {
    const RANGE: (u16, u16) = (14_000, 6_000); // With 10,000 more: above what other tests' servers take.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (process::id() % 150 * 40) as u16;
    loop {
        let port = RANGE.0 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % RANGE.1;
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn run(directory: &PathBuf, port: u16, arguments: &[String], variables: &[(String, String)]) -> Option<Child> {
    let mut command = Command::new(std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into()));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
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
