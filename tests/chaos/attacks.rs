//! The attacks: each abuse in turn, from one address, against a herd that honest clients use. While it goes on, they
//! must hardly notice it; when it is over, nothing of it may be left.
//!
//! There is no proxy between the servers here: what is measured is a server, and not a proxy. So this is a mode of its
//! own.

use crate::attackers::{ATTACKS, Attack, Door, NEIGHBOR, attack};
use crate::honest::{self, Outcome};
use crate::network::Network;
use crate::options::Options;
use crate::rounds::free_ports;
use crate::servers::{Grant, HERD, Server};
use crate::soak;
use crate::store::{IN_MEMORY, Store};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// All but one command of an honest client in a hundred take at most this, on a quiet machine.
const HARDLY_NOTICED: Duration = Duration::from_millis(20);

/// What is left of an attack must be gone within this time: a sweep of the table takes a minute, and may just have
/// begun.
const GONE_WITHIN: Duration = Duration::from_secs(150);

/// Memory may have grown by one part in this number.
const MEMORY_PART: u64 = 10;

/// How long a herd takes to be at rest after its start, or after a new configuration.
const SETTLES: Duration = Duration::from_secs(2);

/// The server that is attacked, and one that only hears of it. Their places in [`HERD`].
const VICTIM: usize = 3;
const BYSTANDER: usize = 0;

/// What a filler brings is forgotten after this long, so that one can see it go.
const FORGET_SOON: &str = "15s";

/// A herd that keeps what it knows.
const FORGET_LATE: &str = "7d";

/// Where the page of a server is that listens at this port.
fn page_at(port: u16) -> SocketAddr {
    const BESIDE: u16 = 100;
    (Ipv4Addr::LOCALHOST, port.wrapping_add(BESIDE)).into()
}

/// What the option for the attacker's process is.
pub(crate) const ATTACKER: &str = "--attacker";

/// The attacker's own process: `--attacker NAME SERVER SECONDS`.
pub(crate) fn attacker(arguments: &[String]) -> Result<String, String> {
    let [name, server, seconds] = arguments else { return Err(format!("{ATTACKER} NAME SERVER SECONDS")) };
    let server = server.parse().map_err(|_| format!("{server} is not an address"))?;
    let seconds = seconds.parse().map_err(|_| format!("{seconds} is not a number"))?;
    attack(name, server, Duration::from_secs(seconds))
}

/// Whether this machine has all the addresses that it takes. A Linux has; others must be given them.
pub(crate) fn is_possible() -> bool {
    Path::new("/proc/self/fd").exists() && TcpListener::bind((NEIGHBOR, 0)).is_ok()
}

struct Herd {
    servers: Vec<Server>,
    store: Option<Store>,
    ports: [u16; 5],
    directory: std::path::PathBuf,
}

/// What the servers have at a moment when nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    clients: Vec<u64>,
    /// For each server: memory in KiB, descriptors, threads.
    held: Vec<[u64; 3]>,
}

/// Does all attacks, or the one that is asked for. Returns what did not hold.
pub(crate) fn run(options: &Options, directory: &Path) -> Vec<String> {
    let herd = Herd::start(options, directory);
    let mut violations = Vec::new();
    let chosen = |attack: &&Attack| options.attack.as_ref().is_none_or(|name| name.is_empty() || name == attack.name);
    // The filler's clients must go; those that the others find there must stay.
    for attack in ATTACKS.iter().filter(chosen).filter(|attack| attack.name == "filler") {
        herd.check(attack, options, &mut violations);
    }
    herd.configure(FORGET_LATE);
    herd.servers.iter().for_each(|server| server.signal("HUP"));
    honest::wait(SETTLES);
    herd.feed(options.clients);
    for attack in ATTACKS.iter().filter(chosen).filter(|attack| attack.name != "filler") {
        herd.check(attack, options, &mut violations);
    }
    violations.extend(herd.servers.iter().flat_map(Server::complaints));
    violations
}

impl Herd {
    fn start(options: &Options, directory: &Path) -> Herd {
        // Each server has a page, a hundred ports above its own.
        let has_page = |ports: &[u16; 6]| ports.iter().all(|port| TcpListener::bind(page_at(*port)).is_ok());
        let [store_port, ports @ ..] = std::iter::repeat_with(free_ports::<6>).find(has_page).expect("free ports");
        let (lives, network) = (Rc::new(Cell::new(0)), Rc::new(Network::Loopback));
        let server = |(place, (name, _)): (usize, &(&'static str, _))| {
            Server::new(name, ports[place], network.clone(), directory.join("herd.toml"), directory, lives.clone())
        };
        let servers = HERD.iter().enumerate().map(server).collect();
        let store = options.store.then(|| {
            Store::start(Ipv4Addr::LOCALHOST, store_port, IN_MEMORY, directory).expect("--store needs a redis-server")
        });
        let herd = Herd { servers, store, ports, directory: directory.to_owned() };
        herd.configure(FORGET_SOON);
        herd.servers.iter().for_each(|server| server.start(Grant::Everything));
        honest::wait(SETTLES);
        herd
    }

    fn configure(&self, forget: &str) {
        let mut text = format!("[page]\n[control]\ndirectory = \"{}\"\n", self.directory.display());
        text += &format!("[limits]\nforget = \"{forget}\"\n[log]\ntotal = 16777216\nfile = 1048576\n");
        text += &self.store.as_ref().map(Store::settings).unwrap_or_default();
        for ((name, _), port) in HERD.iter().zip(self.ports) {
            let named = |(other, neighbors): &&(&str, &[&str])| {
                neighbors.contains(name) || { HERD.iter().any(|(one, theirs)| one == name && theirs.contains(other)) }
            };
            let neighbors: Vec<&str> = HERD.iter().filter(named).map(|(other, _)| *other).collect();
            text += &format!("[servers.{name}]\naddress = \"{NEIGHBOR}:{port}\"\nneighbors = {neighbors:?}\n");
        }
        std::fs::write(self.directory.join("herd.toml"), text).expect("a configuration");
    }

    /// What an attacker connects to.
    fn door(&self, door: Door) -> SocketAddr {
        match door {
            Door::Herd => self.address(VICTIM),
            Door::Page => page_at(self.ports[VICTIM]),
        }
    }

    fn address(&self, server: usize) -> SocketAddr {
        (NEIGHBOR, self.ports[server]).into()
    }

    /// Lets honest clients tell the herd of this number of clients.
    fn feed(&self, clients: u64) {
        // As many as one address may bring, from each.
        for (number, first) in (0..clients).step_by(90_000).enumerate() {
            let from = Ipv4Addr::new(127, 0, 1, 1 + number as u8);
            crate::attackers::feed(from, self.address(BYSTANDER), first..clients.min(first + 90_000));
        }
        // A store has them all by now, and the servers none.
        let until = Instant::now() + if self.store.is_some() { SETTLES } else { GONE_WITHIN };
        while Instant::now() < until && self.rest().clients.iter().any(|known| *known < clients) {
            honest::wait(SETTLES);
        }
    }

    fn rest(&self) -> Rest {
        let held = |server: &Server| server.process_id().and_then(soak::held_by).unwrap_or_default();
        let clients = |server: &Server| server.status().and_then(|status| status["clients"].as_u64()).unwrap_or(0);
        Rest { clients: self.servers.iter().map(clients).collect(), held: self.servers.iter().map(held).collect() }
    }

    /// Honest clients use the victim and a bystander for some time.
    fn use_it(&self, span: Duration) -> [Outcome; 2] {
        std::thread::scope(|scope| {
            let talk = |server: usize, name: &'static str| {
                let address = self.address(server);
                scope.spawn(move || honest::talk(address, name, span))
            };
            let both = [talk(VICTIM, "honest-1"), talk(BYSTANDER, "honest-2")];
            both.map(|one| one.join().expect("an honest client"))
        })
    }

    fn check(&self, attack: &Attack, options: &Options, violations: &mut Vec<String>) {
        let name = attack.name;
        println!("\n{name}: {}", attack.what);
        let [calm, _] = self.use_it(options.time / 4);
        let before = self.rest();
        println!("  before: {calm}; {}", before.shown());
        let attacker = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -H -n); exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().expect("this program"))
            .args([ATTACKER, name, &self.door(attack.door).to_string(), &options.time.as_secs().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the attacker");
        let [victim, bystander] = self.use_it(options.time);
        println!("  meanwhile: {victim}; {}", self.rest().shown());
        println!("  the bystander: {bystander}");
        let attacker = attacker.wait_with_output().expect("the attacker");
        let said = String::from_utf8_lossy(&attacker.stdout).trim_end().to_owned();
        println!("  the attacker: {said}");
        if !attacker.status.success() {
            violations.push(format!("{name}: {said}"));
        }
        for (who, outcome) in [("the victim", victim), ("the bystander", bystander)] {
            if outcome.p99() > HARDLY_NOTICED {
                violations.push(format!("{name}: {who} took {:?} for one command in a hundred", outcome.p99()));
            }
            if let Some(first) = outcome.refused.first() {
                violations.push(format!("{name}: {who} refused {} times: {first}", outcome.refused.len()));
            }
        }
        let ended = Instant::now();
        let mut after = self.rest();
        while !after.is_as(&before) && ended.elapsed() < GONE_WITHIN {
            honest::wait(SETTLES / 4);
            after = self.rest();
        }
        println!("  {:.0} s later: {}", ended.elapsed().as_secs_f64(), after.shown());
        if !after.is_as(&before) {
            violations.push(format!("{name}: something is left: {} before, {} after", before.shown(), after.shown()));
        }
    }
}

impl Rest {
    /// Whether nothing is left of what came in between. A client that an attack has named once may still be known.
    fn is_as(&self, before: &Rest) -> bool {
        const NAMED: u64 = 300;
        let is_back = |(now, before): (&[u64; 3], &[u64; 3])| {
            now[0] <= before[0] + before[0] / MEMORY_PART && now[1] <= before[1] && now[2] <= before[2]
        };
        let [least, most] = [self.clients.iter().min(), self.clients.iter().max()];
        least == most
            && self.clients.iter().zip(&before.clients).all(|(now, before)| *now <= before + NAMED)
            && self.held.iter().zip(&before.held).all(is_back)
    }

    fn shown(&self) -> String {
        let one = |(clients, [memory, files, threads]): (&u64, &[u64; 3])| {
            format!("{clients} clients {:.1} MiB/{files}/{threads}", *memory as f64 / 1024.0)
        };
        self.clients.iter().zip(&self.held).map(one).collect::<Vec<_>>().join("  ")
    }
}
