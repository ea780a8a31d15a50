//! [`Network`]: where the servers are. If the system allows it, each of them is on a host of its own: a network
//! namespace with a cable to a switch, and with a name server that never answers. Otherwise all share loopback.
//!
//! ```text
//!   Alford ---+                              what a pulled cable does, and a closed connection does not:
//!   Bolden ---+-- switch -- this program     bytes vanish, and nobody is told
//!   ...    ---+
//! ```

use reactor::{DatagramTransport, Reactor};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Neighbors that each server has besides, if names get no answer: nobody is there.
pub(crate) const NAMELESS: [&str; 3] = ["Nobody", "Noone", "Nowhere"];

/// The hosts of a run.
pub(crate) enum Network {
    Loopback,
    Namespaces(Namespaces),
}

/// A switch, and a namespace for each server.
pub(crate) struct Namespaces {
    /// The process, so that two runs do not use the same names.
    id: u32,
    hosts: usize,
    resolv_conf: PathBuf,
}

/// The part of the address that is the host's. The switch, on which this program is, has the last one.
const SWITCH: u8 = 254;

impl Network {
    /// A host for each server, if that is possible; if not, says why.
    pub(crate) fn new(reactor: &Reactor, hosts: usize, directory: &Path) -> Network {
        let namespaces = Namespaces { id: std::process::id(), hosts, resolv_conf: directory.join("resolv.conf") };
        match namespaces.build(reactor) {
            Ok(()) => Network::Namespaces(namespaces),
            Err(why) => {
                println!("no pulled cables, no silent name server: network namespaces need root and iproute2 ({why})");
                Network::Loopback
            }
        }
    }

    /// Where this program is, and with it the proxies on the links.
    pub(crate) fn own_address(&self) -> Ipv4Addr {
        match self {
            Network::Loopback => Ipv4Addr::LOCALHOST,
            Network::Namespaces(namespaces) => namespaces.address(SWITCH),
        }
    }

    /// Where a server is.
    pub(crate) fn address_of(&self, server: usize) -> Ipv4Addr {
        match self {
            Network::Loopback => Ipv4Addr::LOCALHOST,
            Network::Namespaces(namespaces) => namespaces.address(server as u8 + 1),
        }
    }

    /// A command that runs a shell on the host of a server, and what the shell must do first.
    pub(crate) fn shell_of(&self, server: usize) -> (Command, String) {
        match self {
            Network::Loopback => (Command::new("sh"), String::new()),
            Network::Namespaces(namespaces) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &namespaces.host(server), "sh"]);
                (command, namespaces.silence_names() + " && ")
            }
        }
    }

    /// Whether the cable of a server can be pulled.
    pub(crate) fn has_cables(&self) -> bool {
        matches!(self, Network::Namespaces(_))
    }

    /// Pulls the cable of a server, or plugs it in again.
    pub(crate) fn plug(&self, server: usize, is_in: bool) {
        if let Network::Namespaces(namespaces) = self {
            let state = if is_in { "up" } else { "down" };
            let _ = ip(&format!("link set {} {state}", namespaces.cable(server))); // The run may be over.
        }
    }
}

impl Namespaces {
    fn build(&self, reactor: &Reactor) -> Result<(), String> {
        let (switch, own) = (self.switch(), self.address(SWITCH));
        ip(&format!("link add {switch} type bridge"))?;
        ip(&format!("address add {own}/24 dev {switch}"))?;
        ip(&format!("link set {switch} up"))?;
        // The port stays open until the reactor ends.
        let says_nothing = |_: &DatagramTransport, _: &[u8], _: SocketAddr| {};
        reactor.listen_udp(SocketAddr::from((own, 53)), says_nothing).map_err(|error| error.to_string())?;
        fs::write(&self.resolv_conf, format!("nameserver {own}\n")).map_err(|error| error.to_string())?;
        for host in 0..self.hosts {
            let (name, cable, address) = (self.host(host), self.cable(host), self.address(host as u8 + 1));
            ip(&format!("netns add {name}"))?;
            ip(&format!("link add {cable} type veth peer name eth0 netns {name}"))?;
            ip(&format!("link set {cable} master {switch} up"))?;
            ip(&format!("-n {name} address add {address}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            run(Command::new("ip").args(["netns", "exec", &name, "sh", "-c", &self.silence_names()]))?;
        }
        Ok(())
    }

    /// In a namespace of the shell's own: the file of everybody else stays what it is.
    fn silence_names(&self) -> String {
        format!("mount --bind '{}' /etc/resolv.conf", self.resolv_conf.display())
    }

    /// 198.18.0.0/15 is set aside for tests between hosts (RFC 2544).
    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, (self.id % 256) as u8, host)
    }

    fn host(&self, host: usize) -> String {
        format!("chaos-{}-{host}", self.id)
    }

    fn switch(&self) -> String {
        format!("ch{}s", self.id)
    }

    fn cable(&self, host: usize) -> String {
        format!("ch{}c{host}", self.id)
    }
}

impl Drop for Namespaces {
    /// A cable goes with its host. What was never made is not there to be removed.
    fn drop(&mut self) {
        for host in 0..self.hosts {
            let _ = ip(&format!("netns delete {}", self.host(host)));
        }
        let _ = ip(&format!("link delete {}", self.switch()));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or(said)
}
