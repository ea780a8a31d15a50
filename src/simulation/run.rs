//! [`run`]: one seed from the beginning to the end.
//!
//! ```text
//!   0 s                      faults, bursts              2 minutes before the end
//!   |---------------------------------------------------|
//!                                    everything heals --^ convergence | calm visits | 60 s of silence | all stop
//! ```

use super::book::{Book, Count};
use super::clients;
use super::faults::Victims;
use super::herd::{Herd, PlacesKind};
use super::invariants::{CONVERGES_WITHIN, Failure, Invariant, QUIET};
use super::panics;
use super::topology::{Links, Topology};
use super::workload::{self, Workload};
use crate::locations::Rule;
use reactor::sim::{Host, Law, Link, Random, World, WorldSettings};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What comes after the faults.
const AFTERWARDS: Duration = Duration::from_secs(120);

/// For so long clients visit again when everything has healed.
const CALM: Duration = Duration::from_secs(8);

/// So long those visits, and the calls that they leave, may take.
const SETTLE: Duration = Duration::from_secs(17);

/// Within this time servers stop.
const STOP: Duration = Duration::from_secs(5);

/// The shortest run, in minutes.
pub const FEWEST_MINUTES: u64 = 3;

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// How many servers.
    pub servers: usize,
    /// Who talks with whom.
    pub topology: Topology,
    /// How many clients.
    pub clients: usize,
    /// How many simulated minutes.
    pub minutes: u64,
    /// What servers take for newer.
    pub rule: Rule,
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario { servers: 5, topology: Topology::Paper, clients: 6, minutes: 10, rule: Rule::Newest }
    }
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What did not hold; the run ended there.
    pub failure: Option<Failure>,
    /// A number that two equal runs have in common.
    pub hash: u64,
    /// How long it was, in the world's time.
    pub simulated: Duration,
    /// How long convergence took after everything had healed, to the second.
    pub converged_in: Duration,
    /// Events of the world.
    pub events: u64,
    /// What happened in it.
    pub count: Count,
}

/// A world before its run: its trace can still be asked for.
pub(super) struct Stage {
    pub(super) herd: Herd,
    book: Rc<Book>,
    victims: Rc<Victims>,
    guests: Vec<Host>,
    heals: Duration,
    /// Those of other runs in this thread.
    panics_before: u64,
}

/// Runs one seed.
///
/// # Errors
/// One line that says why there is no such herd.
pub fn run(seed: u64, scenario: &Scenario) -> Result<Outcome, String> {
    Ok(Stage::new(seed, scenario)?.play())
}

impl Stage {
    pub(super) fn new(seed: u64, scenario: &Scenario) -> Result<Stage, String> {
        if scenario.minutes < FEWEST_MINUTES || scenario.clients == 0 {
            return Err(format!("a run has at least {FEWEST_MINUTES} minutes and one client"));
        }
        panics::watch();
        let mut random = Random::new(seed);
        let links = scenario.topology.links(scenario.servers, &mut random)?;
        let delay = random.between(SECOND / 200, SECOND / 5);
        let law = match random.below(3) {
            0 => Law::Exponential { least: Duration::ZERO, mean: delay },
            1 => Law::Uniform(delay / 2, delay * 3 / 2),
            _ => Law::LogNormal { median: delay * 4 / 5, sigma: 70 },
        };
        let link = Link::new(law).cuts(if random.chance(1, 2) { 20 } else { 0 });
        let mut settings = WorldSettings::default();
        settings.link = link;
        let world = World::with_settings(seed, settings);
        let heals = SECOND * 60 * u32::try_from(scenario.minutes).unwrap_or(u32::MAX) - AFTERWARDS;

        let book = Book::new(&links, workload::names(scenario.clients));
        let observer = { book.clone() };
        let observer = Rc::new(move |server| Some(observer.began(server)));
        let herd = Herd::new(world, &links, scenario.rule, PlacesKind::Offline, observer);
        book.set_members(&herd.servers);
        let workload = Workload { servers: links.names.clone(), clients: scenario.clients, delay };
        let guests = invite(&herd, &workload, &links, &book, &mut random, heals);
        let victims = Victims::new(&herd.servers, &book, &links, &guests, link);
        victims.plan(&herd.world, &mut random, SECOND..heals);
        Ok(Stage { herd, book, victims, guests, heals, panics_before: panics::count() })
    }

    /// Lets it all happen.
    pub(super) fn play(&self) -> Outcome {
        let mut converged_in = Duration::ZERO;
        self.acts(&mut converged_in);
        if panics::count() > self.panics_before {
            self.book.fail(Invariant::NoPanic, || panics::last().unwrap_or_default());
        }
        let world = &self.herd.world;
        let at = world.now();
        let failure = self.book.failure().map(|(invariant, what)| Failure { invariant, what, at });
        Outcome {
            seed: world.seed(),
            failure,
            hash: world.trace_hash(),
            simulated: at,
            converged_in,
            events: world.events(),
            count: self.book.count(),
        }
    }

    fn goes_on(&self, time: Duration) -> bool {
        let before = self.panics_before;
        !self.herd.world.run_until(time, || self.book.has_failed() || panics::count() > before)
    }

    fn acts(&self, converged_in: &mut Duration) {
        let world = &self.herd.world;
        if !self.goes_on(self.heals) {
            return;
        }
        world.note("everything heals");
        self.victims.heal(world);
        if !self.converges(CONVERGES_WITHIN, converged_in) {
            return;
        }
        self.book.check_acknowledged();
        if !self.goes_on(CONVERGES_WITHIN - *converged_in + CALM + SETTLE)
            || !self.converges(Duration::ZERO, &mut Duration::default())
        {
            return;
        }
        let told = self.book.count().told;
        if !self.goes_on(QUIET) {
            return;
        }
        if self.book.count().told != told {
            let more = self.book.count().told - told;
            self.book
                .fail(Invariant::FallsSilent, || format!("{more} AT lines in the last minute, though all is said"));
        }
        self.check_that_nobody_waits();
        for member in &self.herd.servers {
            member.host().terminate();
        }
        if self.goes_on(STOP) {
            self.victims.check_stopped();
            if world.connections() > 0 {
                let left = world.connections();
                self.book.fail(Invariant::NothingLeft, || format!("{left} connections are left"));
            }
        }
    }

    /// Looks each second whether all know the same.
    fn converges(&self, within: Duration, took: &mut Duration) -> bool {
        loop {
            match self.book.convergence() {
                Ok(()) => return true,
                Err(what) if *took >= within => {
                    self.book.fail(Invariant::Converges, || what);
                    return false;
                }
                Err(_) if !self.goes_on(SECOND) => return false,
                Err(_) => *took += SECOND,
            }
        }
    }

    fn check_that_nobody_waits(&self) {
        for member in &self.herd.servers {
            let unanswered = member.unanswered();
            if unanswered != 0 {
                let name = member.host().name().to_owned();
                self.book.fail(Invariant::NothingUnfired, || format!("{name} still owes {unanswered} answers"));
            }
        }
        for guest in &self.guests {
            let Some(reactor) = guest.reactor() else { continue };
            let (sources, calls) = (reactor.sources(), reactor.delayed_calls());
            if sources + calls > 0 {
                let name = guest.name();
                self.book.fail(Invariant::NothingLeft, || {
                    format!("{name} still has {sources} connections and {calls} delayed calls")
                });
            }
        }
    }
}

/// Puts the clients into the world, with all that they will do.
fn invite(
    herd: &Herd,
    workload: &Workload,
    links: &Links,
    book: &Rc<Book>,
    random: &mut Random,
    heals: Duration,
) -> Vec<Host> {
    let calm = heals + CONVERGES_WITHIN..heals + CONVERGES_WITHIN + CALM;
    let mut plan = workload.plan(random, SECOND / 100..heals, false);
    for (visits, more) in plan.iter_mut().zip(workload.plan(random, calm, true)) {
        visits.extend(more);
    }
    let names = Rc::new(links.names.clone());
    let guests = plan.into_iter().enumerate();
    guests
        .map(|(number, visits)| clients::add(&herd.world, &format!("client-{}", number + 1), visits, &names, book))
        .collect()
}
