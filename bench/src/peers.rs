//! The servers that are measured beside each other: how each is built, started, and what is missing if it cannot be.
//! Those in other languages are in `peers/`, each as its own people would write it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{SERVER_CPU, first_line};
use crate::server::{Server, free_address};
use crate::talk::{NAME, Talk};

/// The peer that the others are compared with.
pub const FLOOR: &str = "bare epoll";

/// The peers that echo lines: names, and what they are.
pub const ECHOES: &[(&str, &str)] = &[
    (FLOOR, "a loop over epoll in C that parses nothing"),
    ("reactor", "this library, a LineReceiver"),
    ("libuv", "a C program on libuv"),
    ("tokio", "tokio's current-thread runtime"),
    ("monoio", "monoio, on io_uring"),
    ("Node", "Node.js, net.Server"),
    ("uvloop", "CPython's asyncio streams on uvloop"),
    ("asyncio", "CPython's asyncio streams"),
    ("Twisted", "Twisted, a LineOnlyReceiver"),
];

/// The peers that answer IAMAT.
pub const HERDS: &[(&str, &str)] = &[
    ("proxyherd", "this herd's server, without its log"),
    ("proxyherd, log", "the same, with a log of every line"),
    ("tokio IAMAT", "IAMAT alone on tokio's current-thread runtime"),
    ("tokio IAMAT, log", "the same, with a log of every line"),
];

/// The peers that serve a small page over HTTP.
pub const PAGES: &[(&str, &str)] = &[
    ("hyper", "hyper on tokio's current-thread runtime"),
    ("reactor HTTP", "this library's HTTP server"),
    ("nginx", "nginx, one worker, from its configuration"),
    ("Node HTTP", "Node.js, http.Server"),
];

/// What is needed to build and start peers.
pub struct Tools {
    pub python: String,
    pub node: String,
    pub proxyherd: PathBuf,
    /// Where peers are built.
    pub built: PathBuf,
    /// Where servers write.
    pub scratch: PathBuf,
}

/// A peer that runs.
pub struct Peer {
    pub name: &'static str,
    pub talk: Talk,
    pub server: Server,
}

impl Tools {
    /// Builds and starts a peer. The error says what is missing.
    pub fn start(&self, name: &'static str) -> io::Result<Peer> {
        let address = free_address()?;
        let directory = self.scratch.join(format!("{}-{}", name.replace([' ', ','], "-"), address.port()));
        fs::create_dir_all(&directory)?;
        let command = self.command(name, address, &directory)?;
        let server = Server::start(&command, SERVER_CPU, address, &directory)?;
        let herd = HERDS.iter().any(|(known, _)| *known == name);
        Ok(Peer { name, talk: if herd { Talk::Iamat } else { Talk::Echo }, server })
    }

    fn command(&self, name: &str, address: SocketAddr, directory: &Path) -> io::Result<Vec<OsString>> {
        let port = OsString::from(address.port().to_string());
        let ours = |program: &str| env::current_exe().map(|path| OsString::from(path.with_file_name(program)));
        let source = |file: &str| OsString::from(Path::new(PEERS).join(file));
        Ok(match name {
            FLOOR => vec![self.compile("bare_epoll", &[])?, port],
            "libuv" => vec![self.compile("libuv", &["-luv"])?, port],
            "reactor" => vec![ours("echo_ours")?, port],
            "tokio" => vec![ours("echo_tokio")?, port],
            "monoio" => vec![self.monoio()?, port],
            "Node" => {
                first_line(&self.node, &["--version"]).ok_or_else(|| missing("Node.js (--node)"))?;
                vec![self.node.clone().into(), source("node.mjs"), port]
            }
            "reactor HTTP" => vec![ours("http_ours")?, port],
            "hyper" => vec![ours("http_hyper")?, port],
            "Node HTTP" => {
                first_line(&self.node, &["--version"]).ok_or_else(|| missing("Node.js (--node)"))?;
                vec![self.node.clone().into(), source("http.mjs"), port]
            }
            "nginx" => {
                // It prints its version on standard error.
                Command::new("nginx").arg("-v").output().map_err(|_| missing("nginx"))?;
                let config = fs::read_to_string(source("nginx.conf"))?
                    .replace("PORT", &address.port().to_string())
                    .replace("DIRECTORY", &directory.display().to_string());
                let written = directory.join("nginx.conf");
                fs::write(&written, config)?;
                vec!["nginx".into(), "-e".into(), directory.join("stderr").into(), "-c".into(), written.into()]
            }
            "Twisted" => vec![self.python_with("twisted")?, source("twisted_echo.py"), port],
            "asyncio" => vec![self.python_with("asyncio")?, source("asyncio_echo.py"), port],
            "uvloop" => vec![self.python_with("uvloop")?, source("asyncio_echo.py"), port, "--uvloop".into()],
            "proxyherd" => herd_command(&self.proxyherd, address, "error", directory)?,
            "proxyherd, log" => herd_command(&self.proxyherd, address, "info", directory)?,
            "tokio IAMAT" => vec![ours("tokio_iamat")?, address.to_string().into()],
            "tokio IAMAT, log" => {
                let log = directory.join("tokio.log").into();
                vec![ours("tokio_iamat")?, address.to_string().into(), "--log".into(), log]
            }
            _ => return Err(missing("a peer of this name")),
        })
    }

    fn compile(&self, name: &str, libraries: &[&str]) -> io::Result<OsString> {
        let program = self.built.join(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(Path::new(PEERS).join(format!("{name}.c"))).args(libraries);
        let output = compiler.output().map_err(|_| missing("a C compiler"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(missing(said.lines().next().unwrap_or("what it needs to be compiled")));
        }
        Ok(program.into())
    }

    fn monoio(&self) -> io::Result<OsString> {
        match fs::read_to_string("/proc/sys/kernel/io_uring_disabled") {
            Ok(disabled) if disabled.trim() == "0" => {}
            _ => return Err(missing("a kernel with io_uring")),
        }
        let target = self.built.join("monoio");
        cargo(&["build", "--manifest-path", &format!("{PEERS}/monoio/Cargo.toml")], Some(&target))?;
        Ok(target.join("release/monoio-peer").into())
    }

    fn python_with(&self, module: &str) -> io::Result<OsString> {
        first_line(&self.python, &["-c", &format!("import {module}")])
            .ok_or_else(|| missing(&format!("a Python with {module} (--python)")))?;
        Ok(self.python.clone().into())
    }

    /// The versions of what was measured.
    pub fn versions(&self) -> Vec<String> {
        let python = "import sys, twisted; print('CPython', sys.version.split()[0] + ', Twisted', twisted.__version__)";
        let uvloop = "import uvloop; print('uvloop', uvloop.__version__)";
        [
            first_line("rustc", &["--version"]),
            first_line("cc", &["--version"]),
            first_line(&self.node, &["--version"]).map(|version| format!("Node.js {version}")),
            first_line(&self.python, &["-c", python]),
            first_line(&self.python, &["-c", uvloop]),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

fn missing(what: &str) -> io::Error {
    io::Error::other(format!("missing: {what}"))
}

/// Runs Cargo, for a release build.
pub fn cargo(arguments: &[&str], target: Option<&Path>) -> io::Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).args(["--release", "--locked", "--quiet"]);
    // `cargo run` tells this program about its own package. Build scripts that look at such variables would think that
    // something has changed, and with them half of all packages would be built again, each time.
    for (name, _) in env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            cargo.env_remove(name);
        }
    }
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    if cargo.status()?.success() { Ok(()) } else { Err(io::Error::other(format!("{arguments:?} failed"))) }
}

/// One server of a herd, with limits that the load does not reach. It writes into `directory`.
pub fn herd_command(program: &Path, address: SocketAddr, level: &str, directory: &Path) -> io::Result<Vec<OsString>> {
    let config = directory.join("herd.toml");
    fs::write(&config, format!("[servers.{NAME}]\naddress = \"{address}\"\nneighbors = []\n{LIMITS}"))?;
    let mut command = vec![program.into(), NAME.into()];
    for (option, value) in [("--config", config.as_os_str()), ("--log-dir", directory.as_os_str())] {
        command.extend([option.into(), value.to_owned()]);
    }
    command.extend(["--log-level".into(), level.into()]);
    Ok(command)
}

/// All load comes from one address, and the log must hold every line.
pub const LIMITS: &str = "
[limits]
memory = 4294967296
clients_per_address = 600000
connections_per_address = 100000

[log]
share = 1073741824
total = 1073741824
";
