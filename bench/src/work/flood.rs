//! A location's way through the paper's herd: five servers, and a watcher that Hamilton takes for one more neighbor.
//!
//! An IAMAT goes to Powell. Hamilton is the farthest from it, three links away (Powell, Bolden, Parker, Hamilton). The
//! watcher speaks the paper's protocol, so what it reads has come one link further.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::load::{Load, Shape, Until, percentile};
use crate::machine::SERVER_CPU;
use crate::peers::{FLOOR, LIMITS, Tools};
use crate::results::{Measure, Results};
use crate::server::{SETTLE, Server, free_address};
use crate::talk::{self, Talk};
use crate::work::{Effort, progress};

pub const WORK: &str = "flood";
pub const HERD: &str = "five servers";
/// An IAMAT at Powell until it is read beside Hamilton, beside a round trip through the floor.
pub const ROUND_TRIPS: &str = "one update, to the watcher";
pub const FLOOD: &str = "updates of 1,000 clients";
/// Time from the last reply until the watcher has the last location.
pub const BEHIND: &str = "ms behind at the end";

/// The herd and its links, as in the paper.
const SERVERS: [(&str, &[&str]); 5] = [
    ("Alford", &["Parker", "Powell"]),
    ("Bolden", &["Parker", "Powell"]),
    ("Hamilton", &["Parker", "Watcher"]),
    ("Parker", &[]),
    (talk::NAME, &[]),
];
/// Fifty connections of twenty clients each.
const SHAPE: Shape = Shape { connections: 50, in_flight: 1 };
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Number of single updates in each round.
const SINGLE: usize = 200;

pub fn measure(tools: &Tools, effort: Effort, results: &mut Results) {
    if let Err(error) = try_to_measure(tools, effort, results) {
        results.fail(WORK, HERD, &error.to_string());
    }
}

fn try_to_measure(tools: &Tools, effort: Effort, results: &mut Results) -> io::Result<()> {
    let floor = tools.start(FLOOR)?;
    let mut herd = Herd::start(&tools.proxyherd, &tools.scratch)?;
    for round in 0..effort.rounds {
        let single = Shape { connections: 1, in_flight: 1 };
        let mut run = Load::connect(floor.server.address, single, floor.talk)?.drive(Until::Replies(SINGLE))?;
        run.latencies.sort_unstable();
        results.add(WORK, Measure::Median, ROUND_TRIPS, FLOOR, percentile(&run.latencies, 0.5) / 1000.0);
        let took = herd.single_updates(SINGLE)?;
        results.add(WORK, Measure::Median, ROUND_TRIPS, HERD, percentile(&took, 0.5) / 1000.0);
        let flood = herd.flood(effort.time * 4)?;
        results.add(WORK, Measure::Cpu, FLOOD, HERD, flood.cpu / flood.updates as f64);
        results.add(WORK, Measure::Millis, BEHIND, HERD, flood.behind.as_secs_f64() * 1000.0);
        progress(WORK, round, effort);
    }
    Ok(())
}

struct Herd {
    servers: Vec<Server>,
    powell: SocketAddr,
    watcher: BufReader<TcpStream>,
}

struct Flood {
    updates: usize,
    /// CPU nanoseconds of all five servers.
    cpu: f64,
    behind: Duration,
}

impl Herd {
    fn start(program: &Path, scratch: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let directory = scratch.join(WORK);
        fs::create_dir_all(&directory)?;
        let addresses = SERVERS.iter().map(|_| free_address()).collect::<io::Result<Vec<_>>>()?;
        let mut config = format!("[servers.Watcher]\naddress = \"{}\"\n", listener.local_addr()?);
        for ((name, neighbors), address) in SERVERS.iter().zip(&addresses) {
            config += &format!("[servers.{name}]\naddress = \"{address}\"\nneighbors = {neighbors:?}\n");
        }
        let file = directory.join("herd.toml");
        fs::write(&file, config + LIMITS)?;
        let mut servers = Vec::new();
        for ((name, _), address) in SERVERS.iter().zip(&addresses) {
            let own = directory.join(name);
            fs::create_dir_all(&own)?;
            let options = ["--config".as_ref(), file.as_os_str(), "--log-level".as_ref(), "error".as_ref()];
            let mut command = vec![program.into(), name.into(), "--log-dir".into(), own.clone().into()];
            command.extend(options.map(Into::into));
            servers.push(Server::start(&command, SERVER_CPU, *address, &own)?);
        }
        let watcher = BufReader::new(watched(&listener)?);
        let powell = servers[4].address;
        let mut herd = Self { servers, powell, watcher };
        // The first location arrives when all links are up.
        herd.single_updates(1)?;
        Ok(herd)
    }

    /// Sends IAMATs one after the other. Returns the sorted nanoseconds that each took to the watcher.
    fn single_updates(&mut self, count: usize) -> io::Result<Vec<u32>> {
        let mut client = TcpStream::connect(self.powell)?;
        client.set_nodelay(true)?;
        let mut took = Vec::new();
        for number in 0..count {
            let time = talk::clock();
            let mut request = Vec::new();
            Talk::Iamat.request(&mut request, 90_000, number, time);
            let begin = Instant::now();
            client.write_all(&request)?;
            self.wait_for(&request)?;
            took.push(u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        took.sort_unstable();
        Ok(took)
    }

    /// Reads until the watcher was told of this IAMAT.
    fn wait_for(&mut self, request: &[u8]) -> io::Result<()> {
        let fields = request.strip_prefix(b"IAMAT").unwrap_or(request);
        let mut line = Vec::new();
        while !line.ends_with(fields) {
            line.clear();
            if self.watcher.read_until(b'\n', &mut line)? == 0 {
                return Err(io::Error::other("Hamilton closed its link"));
            }
            if line.starts_with(b"DIGEST") {
                // It speaks the paper's protocol, and no more.
                self.watcher.get_mut().write_all(&[b"? ", &line[..]].concat())?;
            }
        }
        Ok(())
    }

    /// Keeps all connections busy for that time.
    fn flood(&mut self, time: Duration) -> io::Result<Flood> {
        let mut load = Load::connect(self.powell, SHAPE, Talk::Iamat)?;
        let before = self.servers.iter().map(Server::cpu).collect::<io::Result<Vec<_>>>()?;
        // Somebody must read what the watcher is told, or Hamilton's link would be full.
        let stream = self.watcher.get_ref().try_clone()?;
        let reader = std::thread::spawn(move || read_until_quiet(stream));
        let run = load.drive(Until::Time(time))?;
        let end = Instant::now();
        let last = reader.join().map_err(|_| io::Error::other("the watcher's thread panicked"))??;
        sleep(SETTLE);
        let mut cpu = 0;
        for (server, before) in self.servers.iter().zip(&before) {
            cpu += server.cpu()?.since(before)?;
        }
        Ok(Flood { updates: run.replies, cpu: cpu as f64, behind: last.saturating_duration_since(end) })
    }
}

/// The connection by which Hamilton tells the watcher.
fn watched(listener: &TcpListener) -> io::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let begin = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(MAX_WAIT))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && begin.elapsed() < MAX_WAIT => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads and forgets what comes, until nothing has come for half a second. Returns when the last bytes came.
fn read_until_quiet(mut stream: TcpStream) -> io::Result<Instant> {
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut chunk, mut last) = (vec![0; 64 * 1024], Instant::now());
    loop {
        match io::Read::read(&mut stream, &mut chunk) {
            Ok(0) => return Err(io::Error::other("Hamilton closed its link")),
            Ok(_) => last = Instant::now(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error),
        }
    }
    stream.set_read_timeout(Some(MAX_WAIT))?;
    Ok(last)
}
