//! The rules side by side, without faults: how often a few updates in flight together end in a storm, in servers that
//! disagree or are behind (stale), or right.
//!
//! A model of a hundred lines gave the same figures. It knows no connections and no servers, only messages, each with a
//! delay of its own. The shares of the two must agree, or one of them is wrong. [`MODEL`] has the model's.
//!
//! They agree if each line travels in a segment of its own. Real servers write the lines of one turn together, and TCP
//! sends them together. Then two versions that chase each other stay side by side once they have met, which feeds the
//! storm. So the paper's rule has more storms on real connections than in the model.
//!
//! Next: `growth.rs`, what a flood costs.

use crate::herd::feeder::{self, FeedLine};
use crate::herd::rules::Rule;
use crate::herd::topology::Topology;
use crate::herd::{Herd, Observer, PlacesKind};
use crate::machine::threads;
use proxyherd::locations::NeighborId;
use proxyherd::watch::Watch;
use reactor::sim::{Latency, LinkSettings, Random, World, WorldSettings};
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// The seeds without `--seeds`.
const SEEDS: Range<u64> = 1..2001;

/// A run with this number of messages counts as a storm.
const STORM: u64 = 2000;

/// The average delay of a link. Delays are exponential.
const DELAY: Duration = Duration::from_millis(100);

/// When the first update is sent. All links are up by then.
const BEGIN: Duration = Duration::from_secs(10);

/// If nothing is sent for this long, nothing is on its way any more.
const SILENCE: Duration = Duration::from_secs(4);

/// The servers of the paper, with names of equal length, so that all AT lines have the same length.
const NAMES: [&str; 5] = ["Alford", "Bolden", "Hamton", "Parker", "Powell"];
const LINE: usize = "AT Alford +1704067210.123456789 kiwi +1+1 1\n".len();

/// How the lines that are written in one turn travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Travel {
    /// In one segment, as they do on real connections.
    Together,
    /// Each on its own, as in the model.
    Apart,
}

/// How many of a hundred runs end in a storm, stale and right.
type Shares = [f64; 3];

/// What the model gave for ten thousand seeds each, in percent: for 2, 3, 4 and 5 updates with a mean gap of half a
/// delay, on connections that keep the order.
const MODEL: [(Rule, [Shares; 4]); 3] = [
    (Rule::Paper, [[9.53, 54.92, 35.55], [75.07, 18.39, 6.54], [96.50, 2.62, 0.88], [99.66, 0.28, 0.06]]),
    (Rule::Seen, [[0.0, 59.37, 40.63], [0.0, 75.97, 24.03], [0.0, 82.43, 17.57], [0.0, 86.34, 13.66]]),
    (Rule::Newest, [[0.0, 0.0, 100.0]; 4]),
];

/// How one run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Storm,
    Stale,
    Right,
}

/// Counts the AT lines that are sent.
struct Counter(Rc<Cell<u64>>);

impl Watch for Counter {
    fn told(&self, _neighbor: NeighborId, _line: &[u8]) {
        self.0.set(self.0.get() + 1);
    }
}

/// One run: some updates of one client, each at a random server.
fn run(seed: u64, rule: Rule, updates: u64, travel: Travel) -> Result<End, String> {
    let mut random = Random::new(seed);
    let mut graph = Topology::Paper.graph(5, &mut random)?;
    graph.names = NAMES.map(str::to_owned).to_vec();
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Exponential { least: Duration::ZERO, mean: DELAY });
    if travel == Travel::Apart {
        settings.link = settings.link.max_segment(LINE);
    }
    let world = World::with_settings(seed, settings);
    let told = Rc::new(Cell::new(0));
    let counter: Rc<dyn Watch> = Rc::new(Counter(told.clone()));
    let observer: Observer = Rc::new(move |_| counter.clone());
    let herd = Herd::new(world, &graph, rule, PlacesKind::Nobody, observer);
    let mut at = BEGIN;
    let lines: Vec<FeedLine> = (1..=updates)
        .map(|stamp| {
            let line = (at, random.below(5) as usize, format!("IAMAT kiwi +1+1 {stamp}\n").into_bytes());
            at += random.between(Duration::ZERO, DELAY);
            line
        })
        .collect();
    feeder::add(&herd, &graph.names, lines);
    herd.world.run_for(BEGIN + DELAY * updates as u32);
    loop {
        let before = told.get();
        if herd.world.run_until(SILENCE, || told.get() >= STORM) {
            return Ok(End::Storm);
        }
        if told.get() == before {
            break;
        }
    }
    let newest = format!(" {updates}").into_bytes();
    let is_right = herd.servers.iter().all(|member| {
        let server = member.server();
        let knows = server.map(|server| server.locations().borrow().get(b"kiwi").map(|known| known.line.clone()));
        knows.flatten().is_some_and(|line| line.ends_with(&newest))
    });
    Ok(if is_right { End::Right } else { End::Stale })
}

/// The shares over some seeds, in percent.
fn shares(seeds: Range<u64>, rule: Rule, updates: u64, travel: Travel, jobs: usize) -> Result<Shares, String> {
    let ends = threads::map(seeds.clone(), jobs, |seed| run(seed, rule, updates, travel));
    let mut count = [0.0; 3];
    for end in ends {
        count[end? as usize] += 1.0;
    }
    Ok(count.map(|count| 100.0 * count / (seeds.end - seeds.start) as f64))
}

/// Prints the table, each line as soon as it is known.
pub(crate) fn compare(seeds: Option<Range<u64>>, jobs: usize, print: impl Fn(&str)) -> Result<(), String> {
    let seeds = seeds.unwrap_or(SEEDS);
    print(&format!(
        "The paper's herd without faults; updates of one client, half a link's delay apart; {} seeds a line.\n\
         In percent: on connections, which carry the lines of one turn together; with each line on its own; and what\n\
         a model of messages alone says, of 10,000 seeds.\n\n\
         rule    updates |  storm  stale  right | apart:  storm  stale  right | model:  storm  stale  right\n",
        seeds.end - seeds.start
    ));
    for (rule, expected) in MODEL {
        for (updates, model) in (2..).zip(expected) {
            let together = shares(seeds.clone(), rule, updates, Travel::Together, jobs)?;
            let apart = shares(seeds.clone(), rule, updates, Travel::Apart, jobs)?;
            let name = format!("{rule:?}").to_lowercase();
            let [together, apart, model] = [together, apart, model].map(row);
            print(&format!("{name:<8}{updates:>7} |{together} |       {apart} |       {model}\n"));
        }
    }
    Ok(())
}

/// Prints how often the paper's rule ends in a storm, for a learner who has seen one.
pub(crate) fn show_storms(jobs: usize, print: impl Fn(&str)) -> Result<(), String> {
    print(&format!(
        "How often? The paper's five servers, delays at random, updates of one client half a delay apart at random\n\
         servers; of {} seeds, in percent (storm: {STORM} messages and no end; stale: some server is left with an old\n\
         location):\n\n  updates   storm  stale  right   right with the rule that ships\n",
        SEEDS.end - SEEDS.start
    ));
    for updates in 2..=5 {
        let paper = shares(SEEDS, Rule::Paper, updates, Travel::Together, jobs)?;
        let newest = shares(SEEDS, Rule::Newest, updates, Travel::Together, jobs)?;
        print(&format!("  {updates:>7}  {}   {:>6.2}\n", row(paper), newest[End::Right as usize]));
    }
    print("\n");
    Ok(())
}

fn row(shares: Shares) -> String {
    shares.map(|share| format!(" {share:>6.2}")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_storms_and_stale_ends_are_those_of_the_model() {
        for (rule, expected) in MODEL {
            for (updates, model) in [(2, expected[0]), (3, expected[1])] {
                let seeds = 200;
                let found = shares(1..seeds + 1, rule, updates, Travel::Apart, 1).unwrap();
                for (found, model) in found.into_iter().zip(model) {
                    // Four times the standard deviation of so few runs, and a little for the shares near 0 and 100.
                    let deviation = (model * (100.0 - model) / seeds as f64).sqrt();
                    let is_alike = (found - model).abs() <= 4.0 * deviation + 0.5;
                    assert!(is_alike, "{rule:?}, {updates} updates: {found} % instead of {model} %");
                }
            }
        }
    }
}
