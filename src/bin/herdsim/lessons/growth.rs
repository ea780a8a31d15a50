//! [`table`]: how the flood grows with the herd. Every client of a random herd moves once; nothing fails.
//!
//! Next: `machine/mod.rs`, the machine below the simulation.

use crate::herd::feeder::{self, FeedLine};
use crate::herd::rules::Rule;
use crate::herd::topology::Topology;
use crate::herd::{Herd, Observer, PlacesKind};
use crate::machine::clock::{ProgressTimer, Stopwatch};
use proxyherd::locations::{NeighborId, Verdict};
use proxyherd::message::At;
use proxyherd::watch::{HeardFrom, Watch};
use reactor::sim::{Latency, LinkSettings, Random, World, WorldSettings};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Servers and clients of each line.
const HERDS: [(usize, usize); 4] = [(5, 50), (50, 500), (500, 5_000), (1_000, 10_000)];

/// How many links a server has on average.
const DEGREE: usize = 4;

/// The average time of a message on a link. A message takes from half of this to one and a half times this.
const DELAY: Duration = Duration::from_millis(10);

/// When the first clients move. All links are up by then.
const BEGIN: Duration = Duration::from_secs(20);

/// All clients move within this time.
const DURING: Duration = Duration::from_secs(60);

/// What one herd did.
#[derive(Debug, Clone, PartialEq)]
struct Grown {
    servers: usize,
    links: usize,
    clients: usize,
    /// How many AT lines were sent, and their bytes.
    told: u64,
    bytes: u64,
    /// The maximum number of lines for each version, if no older version arrives.
    bound: u64,
    older: u64,
    /// The time from when the first server heard of a version to when the last one did: average and longest.
    mean: Duration,
    longest: Duration,
    /// The number of clients that have a version which some server does not know.
    behind: usize,
}

/// When the first server heard of a client, when the last one did, and how many have.
type Spread = Option<(Instant, Instant, u32)>;

#[derive(Default)]
struct Tally {
    told: Cell<u64>,
    bytes: Cell<u64>,
    older: Cell<u64>,
    spread: RefCell<Vec<Spread>>,
}

struct Teller {
    tally: Rc<Tally>,
    herd: Rc<RefCell<Option<Herd>>>,
}

impl Watch for Teller {
    fn heard(&self, at: &At<'_>, _line: &[u8], _from: HeardFrom, verdict: &Verdict) {
        match verdict {
            Verdict::Newer(_) => {}
            Verdict::Older(_) => return self.tally.older.set(self.tally.older.get() + 1),
            Verdict::Same | Verdict::NoRoom | Verdict::Forgotten | Verdict::BeyondShare => return,
        }
        let number = std::str::from_utf8(at.iamat.client).ok().and_then(|name| name.parse::<usize>().ok());
        let herd = self.herd.borrow();
        let server = herd.as_ref().and_then(|herd| herd.servers[0].server());
        if let (Some(number), Some(server)) = (number, server) {
            // All times are read from the clock of the same server.
            let now = server.reactor().now();
            let spread = &mut self.tally.spread.borrow_mut()[number];
            let (first, _, count) = spread.unwrap_or((now, now, 0));
            *spread = Some((first, now, count + 1));
        }
    }

    fn told(&self, _neighbor: NeighborId, line: &[u8]) {
        self.tally.told.set(self.tally.told.get() + 1);
        self.tally.bytes.set(self.tally.bytes.get() + line.len() as u64 + 1);
    }
}

/// Has each client move once. After each event `tell` gets the simulated time and the time of the end.
fn grow(servers: usize, clients: usize, tell: impl Fn(Duration, Duration)) -> Result<Grown, String> {
    let mut random = Random::new(1);
    let graph = Topology::Random(DEGREE).graph(servers, &mut random)?;
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Uniform(DELAY / 2, DELAY * 3 / 2));
    let world = World::with_settings(1, settings);
    let tally = Rc::new(Tally::default());
    tally.spread.borrow_mut().resize(clients, None);
    let herd = Rc::new(RefCell::new(None));
    let teller: Rc<dyn Watch> = Rc::new(Teller { tally: tally.clone(), herd: herd.clone() });
    let observer: Observer = Rc::new(move |_| teller.clone());
    let built = Herd::new(world, &graph, Rule::Newest, PlacesKind::Nobody, observer);
    let lines: Vec<FeedLine> = (0..clients)
        .map(|client| {
            let server = random.below(servers as u64) as usize;
            let line = format!("IAMAT {client} +34.068930-118.445127 1400794645.392014450\n");
            (BEGIN + random.between(Duration::ZERO, DURING), server, line.into_bytes())
        })
        .collect();
    feeder::add(&built, &graph.names, lines);
    herd.replace(Some(built));
    // The observer holds the herd, and the herd the observer. This cycle is broken below.
    let end = BEGIN + DURING + 100 * DELAY;
    if let Some(herd) = herd.borrow().as_ref() {
        herd.world.run_until(end, || {
            tell(herd.world.now(), end);
            false
        });
    }
    drop(herd.take());
    let spread = tally.spread.borrow();
    let all = spread.iter().flatten().filter(|(_, _, count)| *count as usize == servers);
    let times: Vec<Duration> = all.map(|(first, last, _)| *last - *first).collect();
    Ok(Grown {
        servers,
        links: graph.pairs.len(),
        clients,
        told: tally.told.get(),
        bytes: tally.bytes.get(),
        bound: graph.messages_a_version(),
        older: tally.older.get(),
        mean: times.iter().sum::<Duration>() / times.len().max(1) as u32,
        longest: times.iter().max().copied().unwrap_or_default(),
        behind: clients - times.len(),
    })
}

/// Prints the table, each line as soon as it is known. `progress` gets reports meanwhile.
pub(crate) fn table(print: impl Fn(&str), progress: impl Fn(&str)) -> Result<(), String> {
    print(&format!(
        "Random herds, {DEGREE} links a server; a message takes {} to {} ms. Each client moves once in {} s;\n\
         nothing fails. The bound is 2E - (n - 1) lines for each update.\n\n\
         servers  links  clients | lines an update  bound | bytes an update | spread: mean, longest | behind | took\n",
        (DELAY / 2).as_millis(),
        (DELAY * 3 / 2).as_millis(),
        DURING.as_secs()
    ));
    for (servers, clients) in HERDS {
        let timer = ProgressTimer::start();
        let tell = |now: Duration, end: Duration| {
            if timer.take_due() {
                let (now, end) = (now.as_secs(), end.as_secs());
                progress(&format!("{servers} servers: {now} of {end} simulated seconds"));
            }
        };
        let stopwatch = Stopwatch::start();
        let grown = grow(servers, clients, tell)?;
        let took = stopwatch.elapsed();
        let each = |sum: u64| sum as f64 / clients as f64;
        print(&format!(
            "{:>7} {:>6} {:>8} | {:>15.1} {:>6} | {:>15.0} | {:>11.1} {:>9.1} ms | {:>6} | {:>7.1} s\n",
            grown.servers,
            grown.links,
            grown.clients,
            each(grown.told),
            grown.bound,
            each(grown.bytes),
            grown.mean.as_secs_f64() * 1e3,
            grown.longest.as_secs_f64() * 1e3,
            grown.behind,
            took.as_secs_f64()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_reaches_all_within_its_bound() {
        for (servers, clients) in [(5, 20), (40, 60)] {
            let told = Cell::new(0);
            let grown = grow(servers, clients, |now, end| told.set(told.get() + u32::from(now <= end))).unwrap();
            assert!(told.get() > 1000, "it says how far it is");
            assert_eq!((grown.behind, grown.older), (0, 0), "{grown:?}");
            assert!(grown.told <= grown.bound * clients as u64, "{grown:?}");
            // It is a flood: every server is told.
            assert!(grown.told >= (servers as u64 - 1) * clients as u64, "{grown:?}");
            assert!(grown.longest < 20 * DELAY && grown.mean <= grown.longest, "{grown:?}");
        }
    }
}
