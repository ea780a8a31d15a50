//! How long a server with millions of clients keeps its loop busy in one callback: while it learns them, while strangers
//! say PEER again and again, and while a link comes up. README.md explains the result.
//!
//! One thread runs the server, Alford; another plays its neighbor Bolden; a third is an honest client with one IAMAT a
//! millisecond.

use proxyherd::address_group::AddressGroup;
use proxyherd::config::{Config, HostPort, Limits, ServerConfig};
use proxyherd::places::{Nearby, Places};
use proxyherd::server::Server;
use reactor::driver::MioDriver;
use reactor::{Deferred, Failure, Reactor, Settings};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Callbacks that are shorter than this are not reported.
const REPORTED: Duration = Duration::from_millis(1);

/// How often strangers come.
const STRANGERS: usize = 200;

/// What the loop has said about long callbacks in this phase, and how long the honest client has waited.
static LONG: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());
static WAITS: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

/// Lines that Bolden has read on Alford's link.
static READ: AtomicUsize = AtomicUsize::new(0);
/// Has Bolden close Alford's link.
static CUT: AtomicBool = AtomicBool::new(false);
/// Whether Bolden knows DIGEST, and all that Alford knows.
static IS_EQUAL: AtomicBool = AtomicBool::new(false);

struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    /// The loop says "WHAT held the loop for 12.3ms; everybody else waited".
    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        let Some((what, rest)) = text.split_once(" held the loop for ") else { return };
        let took = rest.split(';').next().unwrap_or_default();
        let (number, unit) = took.split_at(took.find(|c: char| c.is_alphabetic() || c == 'µ').unwrap_or(took.len()));
        let seconds = number.parse::<f64>().unwrap_or_default() * if unit == "ms" { 1e-3 } else { 1.0 };
        LONG.lock().unwrap().push((Duration::from_secs_f64(seconds), what.to_owned()));
    }

    fn flush(&self) {}
}

struct Nobody;

impl Places for Nobody {
    fn nearby(&self, _question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        reactor::deferred::fail(Failure::msg("nobody"))
    }

    fn describe(&self) -> String {
        "nobody".to_owned()
    }
}

fn main() {
    let count = std::env::args().nth(1).map_or(Some(5_000_000), |text| text.parse().ok());
    let Some(count) = count else {
        eprintln!("usage: large_table [CLIENTS]");
        std::process::exit(2);
    };
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let bolden = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = herd(bolden.local_addr().unwrap());
    let mut settings = Settings::default();
    settings.slow_callback = REPORTED;
    let reactor = Reactor::with_driver(Box::new(MioDriver::new().unwrap()), settings);
    let started = Server::start(&reactor, &config, "Alford", Rc::new(Nobody)).unwrap();
    let handle = reactor.handle();
    started
        .add_callback(move |address| {
            thread::spawn(move || {
                play(count, address, &bolden);
                handle.call_from_thread(Reactor::stop).ok();
            });
        })
        .detach();
    reactor.run().unwrap();
}

/// Alford, on a free port, and its neighbor.
fn herd(bolden: SocketAddr) -> Config {
    let server = |port, neighbors| ServerConfig {
        address: Some(HostPort { host: "127.0.0.1".to_owned(), port }),
        neighbors,
        ..ServerConfig::default()
    };
    let alford = ("Alford".to_owned(), server(0, vec!["Bolden".to_owned()]));
    let servers = BTreeMap::from([alford, ("Bolden".to_owned(), server(bolden.port(), Vec::new()))]);
    let limits = Limits { memory: 1 << 40, clients_per_address: usize::MAX, ..Limits::default() };
    Config { servers, limits, ..Config::default() }
}

fn play(count: usize, alford: SocketAddr, bolden: &TcpListener) {
    let bolden = bolden.try_clone().unwrap();
    thread::spawn(move || bolden.incoming().for_each(|link| read_link(link.unwrap(), alford)));
    thread::spawn(move || be_honest(alford));
    println!("{:<36}{:>9}  {:>8}{:>8}{:>8}   longest callback", "", "seconds", "p50", "p99", "longest");

    let mut link = TcpStream::connect(alford).unwrap();
    // What was heard long ago would be forgotten.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    phase(&format!("{count} clients are learned"), || {
        link.write_all(b"PEER Bolden\n").unwrap();
        let mut lines = Vec::new();
        for first in (0..count).step_by(1000) {
            lines.clear();
            for number in first..count.min(first + 1000) {
                writeln!(lines, "AT Bolden +0.000000000 client{number} +34.068930-118.445127 {now}").unwrap();
            }
            link.write_all(&lines).unwrap();
        }
        ask(&mut link);
    });
    phase("all are updated", || {
        let mut lines = Vec::new();
        for first in (0..count).step_by(1000) {
            lines.clear();
            for number in first..count.min(first + 1000) {
                let number = number.wrapping_mul(7_919) % count;
                writeln!(lines, "AT Bolden +0.000000000 client{number} +34.068930-118.445127 {}", now + 1).unwrap();
            }
            link.write_all(&lines).unwrap();
        }
        ask(&mut link);
    });
    phase("one stranger: all is told back", || stranger(alford, 0, now + 2));
    phase(&format!("{STRANGERS} strangers"), || (1..=STRANGERS).for_each(|number| stranger(alford, number, now + 2)));
    phase("a link to a plain server comes up", || CUT.store(true, Ordering::Relaxed));
    IS_EQUAL.store(true, Ordering::Relaxed);
    phase("a link to an equal server comes up", || CUT.store(true, Ordering::Relaxed));
}

/// Says PEER, brings one newer version, and goes.
fn stranger(alford: SocketAddr, number: usize, time: u64) {
    let mut stream = TcpStream::connect(alford).unwrap();
    write!(stream, "PEER Bolden\nAT Bolden +0.000000000 client{number} +1+2 {time}\n").unwrap();
    ask(&mut stream);
}

/// Waits until everything before this has been carried out.
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"done?\n").unwrap();
    let mut reply = [0; 8];
    stream.read_exact(&mut reply).unwrap();
}

/// Runs one phase until Alford has nothing more to tell, and reports it.
fn phase(name: &str, f: impl FnOnce()) {
    LONG.lock().unwrap().clear();
    WAITS.lock().unwrap().clear();
    let begin = Instant::now();
    f();
    let (mut read, mut since) = (READ.load(Ordering::Relaxed), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(20));
        // The honest client's own lines come all the time.
        let now = READ.load(Ordering::Relaxed);
        if now > read + 100 {
            since = Instant::now();
        }
        read = now;
    }
    let took = begin.elapsed();
    let mut waits = std::mem::take(&mut *WAITS.lock().unwrap());
    waits.sort_unstable();
    let at = |part: usize| waits.get((waits.len() * part / 1000).min(waits.len().saturating_sub(1)));
    let [half, p99, most] = [500, 990, 1000].map(|part| at(part).copied().unwrap_or_default().as_secs_f64() * 1e3);
    let long = std::mem::take(&mut *LONG.lock().unwrap());
    let longest = long.iter().max().map_or("below 1 ms".to_owned(), |(took, what)| format!("{took:?} {what}"));
    println!("{name:<36}{:>9.1}  {half:>5.1} ms{p99:>5.1} ms{most:>5.1} ms   {longest}", took.as_secs_f64());
}

/// Bolden: reads Alford's link until it is to be cut, and answers its question.
fn read_link(link: TcpStream, alford: SocketAddr) {
    let mut buffer = vec![0; 1 << 16];
    let mut link = BufReader::new(link);
    let (mut peer, mut question) = (String::new(), String::new());
    if link.read_line(&mut peer).is_err() || link.read_line(&mut question).is_err() {
        return;
    }
    if question.starts_with("DIGEST ") {
        let answer = if IS_EQUAL.load(Ordering::Relaxed) { answer_of(alford) } else { format!("? {question}") };
        let _ = link.get_ref().write_all(answer.as_bytes());
    }
    READ.fetch_add(1, Ordering::Relaxed);
    while !CUT.swap(false, Ordering::Relaxed) {
        let Ok(length) = link.read(&mut buffer) else { return };
        if length == 0 {
            return;
        }
        READ.fetch_add(buffer[..length].iter().filter(|byte| **byte == b'\n').count(), Ordering::Relaxed);
    }
}

/// Alford's own sums: those of a server that knows the same.
fn answer_of(alford: SocketAddr) -> String {
    let stream = TcpStream::connect(alford).unwrap();
    (&stream).write_all(b"PEER Bolden\nDIGEST -\n").unwrap();
    let answer = BufReader::new(stream).lines().map_while(Result::ok).find(|line| line.starts_with("DIGEST "));
    answer.unwrap_or_default() + "\n"
}

/// An honest client: notes how long each reply takes.
fn be_honest(alford: SocketAddr) {
    let stream = TcpStream::connect(alford).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut reply = String::new();
    for number in 0.. {
        let begin = Instant::now();
        if writeln!(&stream, "IAMAT honest +1+2 {number}").is_err() {
            return;
        }
        reply.clear();
        if replies.read_line(&mut reply).is_err() {
            return;
        }
        WAITS.lock().unwrap().push(begin.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
}
