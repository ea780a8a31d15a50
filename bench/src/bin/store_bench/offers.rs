//! Offers through one connection, beside `redis-benchmark`.

use crate::{median, open_store, start_redis};
use proxyherd::decimal::Time;
use proxyherd::locations::{Stamp, Version};
use proxyherd::message::{self, Command as Line};
use proxyherd::store::{Offer, Store};
use reactor::Reactor;
use std::cell::Cell;
use std::error::Error;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many offers are in flight.
const DEPTH: usize = 16;

/// The number of clients, and of different times: a third of the offers are older than what is there.
const NAMES: u64 = 100_000;

/// When all of it expires, in milliseconds since 1970.
const EXPIRES: &str = "9223372036854";

/// Prints offers a second, ours and those of `redis-benchmark`, and their ratio.
pub(crate) fn compare(rounds: usize, count: usize) -> Result<(), Box<dyn Error>> {
    let (_server, port) = start_redis()?;
    let reactor = Reactor::new()?;
    let store = open_store(&reactor, port)?;
    let empty = || Command::new("redis-cli").args(["-p", &port.to_string(), "FLUSHALL"]).output();
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut pair = [0.0; 2];
        for half in 0..2 {
            empty()?;
            let is_ours = (round + half) % 2 == 0;
            pair[usize::from(!is_ours)] =
                if is_ours { of_ours(&reactor, &store, count)? } else { of_redis_benchmark(port, count)? };
        }
        // The first round is for the machine to get ready.
        if round > 0 {
            ours.push(pair[0]);
            theirs.push(pair[1]);
            ratios.push(pair[0] / pair[1]);
        }
    }
    let ratio = median(&mut ratios);
    println!("{:>22}  {:>15}  ratio (low .. high)", "offers a second: ours", "redis-benchmark");
    println!(
        "{:>22.0}  {:>15.0}  {ratio:.2} ({:.2} .. {:.2})",
        median(&mut ours),
        median(&mut theirs),
        ratios[0],
        ratios[ratios.len() - 1]
    );
    if let Some(longest) = reactor.longest_callback() {
        println!("the loop's longest callback: {:?} ({})", longest.took, longest.what);
    }
    Ok(())
}

fn of_ours(reactor: &Reactor, store: &Rc<Store>, count: usize) -> Result<f64, Box<dyn Error>> {
    let run = Rc::new(Run { store: store.clone(), left: Cell::new(count), open: Cell::new(0), seed: Cell::new(1) });
    let began = Instant::now();
    for _ in 0..DEPTH {
        next(&run);
    }
    while run.open.get() > 0 {
        reactor.iterate(Duration::from_millis(10))?;
    }
    let counters = store.counters();
    if counters.failed.get() + counters.nonsense.get() > 0 {
        return Err(format!("the store is lost: {:?}", store.trouble()).into());
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

struct Run {
    store: Rc<Store>,
    left: Cell<usize>,
    open: Cell<usize>,
    seed: Cell<u64>,
}

impl Run {
    fn random(&self) -> u64 {
        let mut seed = self.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.seed.set(seed);
        seed % NAMES
    }
}

/// Sends an offer; its answer sends the next one.
fn next(run: &Rc<Run>) {
    let Some(fewer) = run.left.get().checked_sub(1) else { return };
    run.left.set(fewer);
    run.open.set(run.open.get() + 1);
    let line = format!("AT A +0.000000000 c{:012} +34.068930-118.445127 0.{:09}", run.random(), run.random());
    let Ok(Line::At(at)) = message::parse(line.as_bytes()) else { unreachable!("{line}") };
    let (iamat, heard) = (at.iamat, Stamp::from_nanoseconds(i64::MAX));
    let version = Version { client: iamat.client, time: iamat.time, heard, line: line.as_bytes() };
    let offer = Offer { version, location: Some(iamat.location), forget: Duration::MAX, may_be_new: true };
    let then = run.clone();
    let offered = run.store.offer(&offer);
    offered
        .add_both(move |_| {
            then.open.set(then.open.get() - 1);
            next(&then);
        })
        .detach();
}

/// The same with `redis-benchmark`, which puts twelve random digits wherever `__rand_int__` stands.
fn of_redis_benchmark(port: u16, count: usize) -> Result<f64, Box<dyn Error>> {
    let digits = Time::parse(b"0").ok_or("a time")?.sort_digits();
    let value =
        format!("{}__rand_int__ AT A +0.000000000 c__rand_int__ +34.068930-118.445127 0.000000000", &digits[..10]);
    let depth = DEPTH.to_string();
    let (port, count, names) = (port.to_string(), count.to_string(), NAMES.to_string());
    let output = Command::new("redis-benchmark")
        .args(["-p", &port, "-c", "1", "-P", &depth, "-n", &count, "-r", &names, "--csv"])
        .args(["FCALL", "proxyherd_offer", "2", "{proxyherd:0}:c__rand_int__", "{proxyherd:0}places"])
        .args([&value, EXPIRES, "-118.445127", "34.068930", "1", "0"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    // "command","requests a second",...
    let rate = last.rsplit("\",\"").nth(6).and_then(|field| field.parse().ok());
    rate.ok_or_else(|| format!("redis-benchmark says {text:?}").into())
}
