//! A server that is killed and started again beside a store that has very many clients.

use crate::counted_link::{CountedLink, Counts};
use crate::{Killed, free_port, open_store, start_redis};
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::message::{self, Command as Line};
use proxyherd::store::Offer;
use reactor::Reactor;
use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// How many offers are in flight while the store is filled.
const DEPTH: usize = 256;

/// `[limits] memory` of the servers: much less than all clients need.
const MEMORY: usize = 64 << 20;

/// How many clients are asked for after the restart: more than a quarter of [`MEMORY`] holds.
const QUESTIONS: usize = 100_000;

/// How many questions are in flight.
const IN_FLIGHT: usize = 64;

/// The number of clients in the store at the first restart.
const FEW: usize = 1000;

/// The longest time between two attempts of a neighbor to link up.
const LINKS_UP_WITHIN: Duration = Duration::from_secs(6);

const NAMES: [&str; 2] = ["Alford", "Bolden"];

/// A herd of two servers beside a store, each with the other behind a proxy that counts.
struct Herd {
    program: PathBuf,
    directory: PathBuf,
    ports: [u16; 2],
    links: [CountedLink; 2],
    store: u16,
}

impl Herd {
    fn new(program: &str, store: u16) -> Result<Herd, Box<dyn Error>> {
        let program = fs::canonicalize(program)?; // It runs in a directory of its own.
        let directory = std::env::temp_dir().join(format!("store-bench-{}", std::process::id()));
        fs::create_dir(&directory)?;
        let ports = [free_port()?, free_port()?];
        let links = [CountedLink::to(ports[0])?, CountedLink::to(ports[1])?];
        Ok(Herd { program, directory, ports, links, store })
    }

    fn start(&self, own: usize) -> Result<Killed, Box<dyn Error>> {
        let mut text =
            format!("[page]\n[limits]\nmemory = {MEMORY}\n[store]\nnodes = [\"127.0.0.1:{}\"]\n", self.store);
        text += "buckets = 1\n";
        for (server, name) in NAMES.iter().enumerate() {
            let port = if server == own { self.ports[own] } else { self.links[server].port };
            let neighbor = NAMES[1 - server];
            text += &format!("[servers.{name}]\naddress = \"127.0.0.1:{port}\"\nneighbors = [\"{neighbor}\"]\n");
        }
        let config = self.directory.join(format!("{}.toml", NAMES[own]));
        fs::write(&config, text)?;
        let mut command = Command::new(&self.program);
        command.arg(NAMES[own]).arg("--config").arg(&config).current_dir(&self.directory);
        Ok(Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// Kills a server and starts it again, and asks it for a client of which it has never heard.
    fn restart(&self, before: Killed, clients: usize, now: u64) -> Result<Killed, Box<dyn Error>> {
        drop(before); // SIGKILL.
        sleep(LINKS_UP_WITHIN); // Its neighbor notices that.
        let counts = self.links.each_ref().map(CountedLink::counts);
        let began = Instant::now();
        let again = self.start(0)?;
        ask_until_known(self.ports[0], &format!("IAMAT kiwi +34-118 {now}"))?;
        println!("{clients} clients: an IAMAT is answered {:?} after the start", began.elapsed());
        ask_until_known(self.ports[0], &format!("WHATSAT c{} 1 1", clients / 2))?;
        println!("  a client that the server never heard of is found after {:?}", began.elapsed());
        sleep(LINKS_UP_WITHIN);
        let told = self.links.iter().zip(counts).map(|(link, before)| {
            let Counts { at_lines, bytes } = link.counts();
            (at_lines - before.at_lines, bytes - before.bytes)
        });
        let (lines, bytes) = told.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        println!("  by then, it and its neighbor have said {lines} AT lines to each other, and {bytes} bytes in all");
        println!("  {} MiB of memory", resident(&again)? >> 20);
        Ok(again)
    }
}

/// Fills a store, kills a server and starts it again. Prints how long it took until that served, and its memory.
pub(crate) fn measure(program: &str, clients: usize) -> Result<(), Box<dyn Error>> {
    let (redis, port) = start_redis()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    fill(port, 0..FEW.min(clients), now)?;
    let herd = Herd::new(program, port)?;
    let _bolden = herd.start(1)?;
    let alford = herd.start(0)?;
    // A client that both know, so that there is a link between them that could tell something.
    for server in herd.ports {
        ask_until_known(server, &format!("IAMAT kiwi +34-118 {now}"))?;
    }
    sleep(LINKS_UP_WITHIN);
    let alford = herd.restart(alford, FEW.min(clients), now + 1)?;
    fill(port, FEW.min(clients)..clients, now)?;
    println!("{clients} clients in the store, which has {} MiB", resident(&redis)? >> 20);
    let again = herd.restart(alford, clients, now + 2)?;
    let asked = clients.min(QUESTIONS);
    let began = Instant::now();
    ask_for(herd.ports[0], asked)?;
    println!("{asked} other clients are asked for, {:.0} a second", asked as f64 / began.elapsed().as_secs_f64());
    println!("{} MiB of memory then; [limits] memory is {} MiB", resident(&again)? >> 20, MEMORY >> 20);
    let metrics = http_get(herd.ports[0] + 100, "/metrics")?;
    let interesting = ["proxyherd_clients ", "kind=\"AT\"", "proxyherd_link_up", "proxyherd_store_remembered_clients "];
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        if interesting.iter().any(|part| line.contains(part)) {
            println!("  {line}");
        }
    }
    fs::remove_dir_all(&herd.directory)?;
    Ok(())
}

/// Offers these clients to the store.
fn fill(port: u16, clients: Range<usize>, now: u64) -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let store = open_store(&reactor, port)?;
    let open = Rc::new(Cell::new(0));
    let (count, last) = (clients.len() as u64, clients.end);
    for number in clients {
        let line = format!("AT Alford +0.000000000 c{number} +34.068930-118.445127 {now}");
        let Ok(Line::At(at)) = message::parse(line.as_bytes()) else { unreachable!("{line}") };
        let heard = Stamp::from(Time::parse(now.to_string().as_bytes()).ok_or("a time")?);
        let version = Version { client: at.iamat.client, time: at.iamat.time, heard, line: line.as_bytes() };
        let forget = Duration::from_secs(86_400);
        let offer = Offer { version, location: Some(at.iamat.location), forget, may_be_new: true };
        open.set(open.get() + 1);
        let done = open.clone();
        store.offer(&offer).add_both(move |_| done.set(done.get() - 1)).detach();
        while open.get() >= DEPTH || (number + 1 == last && open.get() > 0) {
            reactor.iterate(Duration::from_millis(10))?;
        }
    }
    let stored = store.counters().stored.get();
    if stored < count {
        return Err(format!("only {stored} clients are stored: {:?}", store.trouble()).into());
    }
    Ok(())
}

/// Asks a server again and again until it answers with an AT.
fn ask_until_known(port: u16, line: &str) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.write_all(format!("{line}\n").as_bytes())?;
            let mut reply = String::new();
            BufReader::new(&stream).read_line(&mut reply)?;
            if reply.starts_with("AT ") {
                return Ok(());
            }
        }
        sleep(Duration::from_millis(1));
    }
    Err(format!("{line} is not answered").into())
}

/// Asks for the first clients, and checks that the server knows each.
fn ask_for(port: u16, clients: usize) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    for first in (0..clients).step_by(IN_FLIGHT) {
        let all = first..(first + IN_FLIGHT).min(clients);
        let questions: String = all.clone().map(|number| format!("WHATSAT c{number} 1 0\n")).collect();
        stream.write_all(questions.as_bytes())?;
        for number in all {
            line.clear();
            replies.read_line(&mut line)?;
            if !line.starts_with("AT ") || !line.contains(&format!(" c{number} ")) {
                return Err(format!("WHATSAT c{number}: {line}").into());
            }
            while line != "\n" {
                line.clear();
                replies.read_line(&mut line)?;
            }
        }
    }
    Ok(())
}

fn http_get(port: u16, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The resident memory of a process, in bytes.
fn resident(process: &Killed) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(1024 * kib.ok_or("no VmRSS")?)
}
