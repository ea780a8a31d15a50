//! [`Simulation`]: one seed from the beginning to the end.
//!
//! ```text
//!   0 s                      faults, bursts              about 2 minutes before the end
//!   |---------------------------------------------------|
//!                                    everything heals --^ convergence | calm visits | 60 s of silence | all stop
//! ```
//!
//! Next: `beside.rs`, herds with a store.

use crate::book::invariants::{CONVERGES_WITHIN, DELAYS_A_LINK, Invariant, QUIET, Violation};
use crate::book::panics;
use crate::book::{Book, Count};
use crate::clients::workload::Workload;
use crate::clients::{self, Visit};
use crate::faults::Victims;
use crate::herd::rules::Rule;
use crate::herd::topology::{Graph, Topology};
use crate::herd::{Herd, PlacesKind, remembering};
use proxyherd::config::Config;
use reactor::sim::{Host, HostSettings, Latency, LinkSettings, Random, World, WorldSettings};
use std::rc::Rc;
use std::time::Duration;

pub(crate) mod beside;
pub(crate) mod forgetful;
pub(crate) mod many;
pub(crate) mod report;

use forgetful::Forgets;

const SECOND: Duration = Duration::from_secs(1);

/// The minimum time with faults, however long the checks after them take.
const MIN_FAULTS: Duration = Duration::from_secs(20);

/// How long clients go on visiting when everything has healed: the calm part.
const CALM: Duration = Duration::from_secs(8);

/// Maximum time for the calm visits and the delayed calls that they leave, besides the time that their news takes
/// through the herd.
const SETTLE: Duration = Duration::from_secs(17);

/// The servers stop within this time: some in the first half, all others in the second.
const STOP: Duration = Duration::from_secs(6);

/// How often a herd that forgets may have the time in which it must be silent: each time, links may have come up for
/// what was forgotten.
const MAX_QUIETS: u32 = 3;

/// How long a herd that forgets may take until all its links are up: it may just be asking its neighbors.
const ASKS_WITHIN: Duration = Duration::from_secs(10);

/// Narrow runs: one seed in 20, those with remainder 12, has long lines and small buffers, so that much waits for a
/// slow neighbor.
const NARROW: (u64, u64) = (20, 12);

/// How long before everything heals the long lines begin. Having them all the time would make the run slow.
const LONG_LINES_FOR: Duration = Duration::from_secs(30);

/// How long one server is suspended in a narrow run: almost until its neighbors give it up, 14 s after its last PING.
const SUSPENDED_FOR: Duration = Duration::from_secs(8);

/// The size of the connections' buffers in a narrow run: far fewer bytes than one line may have.
const NARROW_BUFFER: usize = 4096;

/// How long the slowest link may need to drain those buffers.
const DRAINS_WITHIN: Duration = Duration::from_secs(30);

/// How long a slow link of a narrow run may need for one long line, there and back.
const LINE_DRAINS_WITHIN: Duration = Duration::from_secs(3);

/// One seed in 20, those with remainder 17, has a server that is killed while its last words are on their way.
const LAST_WORDS_SEEDS: (u64, u64) = (20, 17);

/// The minimum length of a run, in minutes.
pub(crate) const MIN_MINUTES: u64 = 3;

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// How many servers.
    pub servers: usize,
    /// Which servers are neighbors.
    pub topology: Topology,
    /// How many clients.
    pub clients: usize,
    /// How many simulated minutes. In a large herd, in which news takes long, the last part may make a run longer.
    pub minutes: u64,
    /// The rule by which servers take locations.
    pub rule: Rule,
    /// Whether every herd has a store beside it, and not only those of some seeds.
    pub store: bool,
    /// Whether every herd forgets soon, and not only those of some seeds.
    pub forget: bool,
}

impl Default for Scenario {
    fn default() -> Scenario {
        let (servers, topology, rule) = (5, Topology::Paper, Rule::Newest);
        Scenario { servers, topology, clients: 6, minutes: 10, rule, store: false, forget: false }
    }
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunOutcome {
    /// The seed.
    pub seed: u64,
    /// What did not hold. The run ended there.
    pub failure: Option<Violation>,
    /// A hash of everything that happened: equal runs have equal hashes.
    pub hash: u64,
    /// How long the run was, in the world's time.
    pub simulated: Duration,
    /// How long convergence took after everything had healed, to the second.
    pub converged_in: Duration,
    /// How many events of the world there were.
    pub events: u64,
    /// What was counted.
    pub count: Count,
}

/// A world before its run, with everything that will happen in it.
pub(crate) struct Simulation {
    pub(crate) herd: Herd,
    book: Rc<Book>,
    victims: Rc<Victims>,
    client_hosts: Vec<Host>,
    heals: Duration,
    /// Within this time after everything has healed, all servers must know the same.
    converges_within: Duration,
    /// Maximum time for the calm visits and what follows from them.
    settle: Duration,
    forgets: Forgets,
    beside: Option<beside::Store>,
    /// The number of panics that earlier runs in this thread had.
    panics_before: u64,
}

impl Simulation {
    /// Prepares the run of a seed. `watch` gets the world before anything is in it, and may ask for its trace.
    ///
    /// # Errors
    /// One line that says why there is no such herd.
    pub(crate) fn new(seed: u64, scenario: &Scenario, watch: impl FnOnce(&World)) -> Result<Simulation, String> {
        if scenario.minutes < MIN_MINUTES || scenario.clients == 0 {
            return Err(format!("a run has at least {MIN_MINUTES} minutes and one client"));
        }
        panics::watch();
        let mut random = Random::new(seed);
        let graph = scenario.topology.graph(scenario.servers, &mut random)?;
        let is_narrow = seed % NARROW.0 == NARROW.1;
        let delay = random.between(SECOND / 200, if is_narrow { SECOND / 50 } else { SECOND / 5 });
        let latency = match random.below(3) {
            0 => Latency::Exponential { least: Duration::ZERO, mean: delay },
            1 => Latency::Uniform(delay / 2, delay * 3 / 2),
            _ => Latency::LogNormal { median: delay * 4 / 5, sigma: 70 },
        };
        let link = LinkSettings::new(latency).split(if random.chance(1, 2) { 20 } else { 0 });
        let mut settings = WorldSettings::default();
        settings.link = link;
        let world = World::with_settings(seed, settings);
        watch(&world);
        // News crosses the herd link by link. On a narrow link, what was sent before comes out first.
        let crossing = delay * DELAYS_A_LINK * u32::try_from(graph.diameter()).unwrap_or(u32::MAX);
        let more = crossing + if is_narrow { DRAINS_WITHIN } else { Duration::ZERO };
        let (converges_within, settle) = (CONVERGES_WITHIN + more, SETTLE + crossing);
        let afterwards = converges_within + CALM + settle + QUIET + STOP;
        let minutes = SECOND * 60 * u32::try_from(scenario.minutes).unwrap_or(u32::MAX);
        let heals = minutes.saturating_sub(afterwards).max(MIN_FAULTS);

        let forgets = Forgets::of(seed, scenario);
        let drains = if is_narrow { LINE_DRAINS_WITHIN } else { Duration::ZERO };
        let beside =
            beside::has_store(seed, scenario, forgets).then(|| beside::Store::new(&world, seed, delay, drains));
        let book = Book::new(&graph, forgets.names(scenario.clients));
        if forgets != Forgets::Nothing {
            book.expect_forgetting();
        }
        let observer = { book.clone() };
        let observer = Rc::new(move |server| observer.began(server));
        let onlooker = book.clone();
        let stopped = Rc::new(move |server, left| onlooker.stopped(server, left));
        let mut hosts = HostSettings::default();
        if is_narrow {
            (hosts.send_buffer, hosts.receive_buffer) = (NARROW_BUFFER, NARROW_BUFFER);
        }
        let rule = scenario.rule;
        let orders = Rc::new(move || rule.order());
        let common = Config { limits: forgets.limits(), store: beside.as_ref().map(|it| it.config()), ..remembering() };
        let herd = Herd::on_hosts(world, &graph, orders, PlacesKind::Offline, observer, &hosts, common, stopped);
        book.set_members(&herd.servers);
        let long = if is_narrow { heals.saturating_sub(LONG_LINES_FOR)..heals } else { heals..heals };
        let suspended_at = heals.saturating_sub(2 * SUSPENDED_FOR).max(2 * SECOND);
        let crowded = is_narrow.then_some(suspended_at + SECOND);
        let workload = Workload { servers: graph.names.clone(), clients: scenario.clients, delay, long, crowded };
        if let Some(beside) = &beside {
            beside.plan(&book, &herd, SECOND..heals);
        }
        let calm = heals + converges_within..heals + converges_within + CALM;
        let mut plan = workload.plan(&mut random, SECOND / 100..heals, false);
        forgets.plan_fillers(&mut random, &workload, SECOND..heals, &mut plan);
        if let Some(beside) = &beside {
            beside.plan_questions(&workload, forgets, SECOND..heals, &mut plan);
        }
        forgets.plan_operators(&mut random, &herd, scenario.clients, SECOND..heals);
        for (visits, more) in plan.iter_mut().zip(workload.plan(&mut random, calm.clone(), true)) {
            visits.extend(more);
        }
        if let Some(beside) = &beside {
            beside.plan_calm_questions(&workload, forgets, calm, &mut plan);
        }
        let client_hosts = invite(&herd, plan, &graph, &book);
        let victims = Victims::new(&herd.servers, &book, &graph, &client_hosts, link);
        let has_last_words = seed % LAST_WORDS_SEEDS.0 == LAST_WORDS_SEEDS.1;
        // Where the end of the faults is planned in detail, random faults must not disturb it.
        let faults_end = match (is_narrow, has_last_words) {
            (true, _) => suspended_at,
            (_, true) => {
                // The fewer neighbors a server has, the fewer can tell its successor what it said.
                let server = (0..graph.names.len()).min_by_key(|server| graph.degree(*server)).unwrap_or(0);
                victims.plan_last_words(&herd.world, server, heals)
            }
            _ => heals,
        };
        // Full tables are equal if the clocks are: what one server calls the oldest, another one may call the newest.
        // And a store forgets by its own clock.
        let true_clocks = forgets == Forgets::WhatDoesNotFit || (forgets == Forgets::Soon && beside.is_some());
        victims.plan(&herd.world, &mut random, SECOND..faults_end, true_clocks);
        if is_narrow {
            let server = seed as usize / 2 % herd.servers.len();
            let slow = herd.servers[server].host();
            let (resuming, at) = (slow.clone(), suspended_at);
            let [going, coming] = [book.clone(), book.clone()];
            herd.world.call_later(at, move |_| {
                going.suspended(server);
                slow.pause();
            });
            herd.world.call_later(at + SUSPENDED_FOR, move |_| {
                resuming.resume();
                coming.suspended(server);
            });
        }
        let panics_before = panics::count();
        Ok(Simulation {
            herd,
            book,
            victims,
            client_hosts,
            heals,
            converges_within,
            settle,
            forgets,
            beside,
            panics_before,
        })
    }

    /// The end of a run that was begun elsewhere, without more visits: everything heals now.
    pub(crate) fn of_run(
        herd: Herd,
        book: Rc<Book>,
        victims: Rc<Victims>,
        client_hosts: Vec<Host>,
        converges_within: Duration,
        panics_before: u64,
    ) -> Simulation {
        let (heals, settle, forgets, beside) = (Duration::ZERO, SETTLE + converges_within, Forgets::Nothing, None);
        Simulation {
            herd,
            book,
            victims,
            client_hosts,
            heals,
            converges_within,
            settle,
            forgets,
            beside,
            panics_before,
        }
    }

    /// Runs the world to its end, or to the first thing that does not hold.
    pub(crate) fn play(&self) -> RunOutcome {
        let mut converged_in = Duration::ZERO;
        self.run_acts(&mut converged_in);
        if panics::count() > self.panics_before {
            self.book.fail(Invariant::NoPanic, || panics::last().unwrap_or_default());
        }
        let world = &self.herd.world;
        let at = world.now();
        let failure = self.book.failure().map(|(invariant, what)| Violation { invariant, what, at });
        RunOutcome {
            seed: world.seed(),
            failure,
            hash: world.trace_hash(),
            simulated: at,
            converged_in,
            events: world.event_count(),
            count: self.book.count(),
        }
    }

    /// Runs the world for `time`. Returns false if something did not hold meanwhile.
    fn advance(&self, time: Duration) -> bool {
        let before = self.panics_before;
        !self.herd.world.run_until(time, || self.book.has_failed() || panics::count() > before)
    }

    fn run_acts(&self, converged_in: &mut Duration) {
        let world = &self.herd.world;
        if !self.advance(self.heals) {
            return;
        }
        world.note("everything heals");
        self.victims.heal(world);
        if let Some(beside) = &self.beside {
            beside.heal();
        }
        if self.forgets != Forgets::Nothing {
            self.victims.set_clocks_right(world);
        }
        if !self.await_convergence(self.converges_within, converged_in) {
            return;
        }
        self.book.check_acknowledged();
        if !self.advance(self.converges_within.saturating_sub(*converged_in)) {
            return;
        }
        // A herd that forgets may just be asking its neighbors: that is a new link.
        let patience = if self.forgets == Forgets::Nothing { Duration::ZERO } else { ASKS_WITHIN };
        if !self.wait_until(|| self.book.links(), Invariant::Linked, patience, &mut Duration::default()) {
            return;
        }
        if !self.advance(CALM + self.settle) || !self.await_convergence(Duration::ZERO, &mut Duration::default()) {
            return;
        }
        if !self.fall_silent() {
            return;
        }
        if self.forgets != Forgets::Nothing {
            self.book.check_forgotten();
            if !self.await_convergence(Duration::ZERO, &mut Duration::default()) {
                return;
            }
        }
        self.book.check_debts();
        self.check_that_nothing_waits();
        // In every other run, half of the servers stop first: the others then have links that are down when they stop.
        let first = self.herd.servers.iter().step_by(if world.seed().is_multiple_of(2) { 2 } else { 1 });
        first.for_each(|member| member.host().terminate());
        if !self.advance(STOP / 2) {
            return;
        }
        self.herd.servers.iter().for_each(|member| member.host().terminate());
        if let Some(beside) = &self.beside {
            beside.stop();
        }
        if self.advance(STOP / 2) {
            self.victims.check_stopped();
            if world.connection_count() > 0 {
                let left = world.connection_count();
                self.book.fail(Invariant::NothingLeft, || format!("{left} connections are left"));
            }
        }
    }

    /// Runs the world for some time in which no server may tell another one anything. If a server has forgotten what
    /// had beaten a version that was heard later, it may ask its neighbors first. Returns false if the run has failed.
    fn fall_silent(&self) -> bool {
        let mut times = if self.forgets == Forgets::Nothing { 1 } else { MAX_QUIETS };
        loop {
            let before = self.book.count();
            if !self.advance(QUIET) {
                return false;
            }
            times -= 1;
            let now = self.book.count();
            if now.told == before.told {
                return true;
            }
            if times == 0 || now.links_up == before.links_up {
                let more = now.told - before.told;
                self.book
                    .fail(Invariant::FallsSilent, || format!("{more} AT lines in the last minute, though all is said"));
                return false;
            }
        }
    }

    /// Runs the world until all servers know the same, at most for `within`. Adds the time to `took`. Returns false if
    /// the run has failed.
    fn await_convergence(&self, within: Duration, took: &mut Duration) -> bool {
        self.wait_until(|| self.book.convergence(), Invariant::Converges, within, took)
    }

    /// Runs the world until this holds, at most for `within`: checks once a second, and when the time is over. Adds the
    /// time to `took`. Returns false if the run has failed.
    fn wait_until(
        &self,
        holds: impl Fn() -> Result<(), String>,
        invariant: Invariant,
        within: Duration,
        took: &mut Duration,
    ) -> bool {
        loop {
            match holds() {
                Ok(()) => return true,
                Err(what) if *took >= within => {
                    self.book.fail(invariant, || what);
                    return false;
                }
                Err(_) => {
                    let pause = SECOND.min(within - *took);
                    if !self.advance(pause) {
                        return false;
                    }
                    *took += pause;
                }
            }
        }
    }

    fn check_that_nothing_waits(&self) {
        for member in &self.herd.servers {
            let unanswered = member.unanswered();
            if unanswered != 0 {
                let name = member.host().name().to_owned();
                self.book.fail(Invariant::NothingUnfired, || format!("{name} still owes {unanswered} answers"));
            }
        }
        for host in &self.client_hosts {
            let Some(reactor) = host.reactor() else { continue };
            let (sources, calls) = (reactor.source_count(), reactor.delayed_call_count());
            if sources + calls > 0 {
                let name = host.name();
                self.book.fail(Invariant::NothingLeft, || {
                    format!("{name} still has {sources} connections and {calls} delayed calls")
                });
            }
        }
    }
}

/// Puts the clients into the world, with everything that they will do.
fn invite(herd: &Herd, plan: Vec<Vec<Visit>>, graph: &Graph, book: &Rc<Book>) -> Vec<Host> {
    let names = Rc::new(graph.names.clone());
    let client_hosts = plan.into_iter().enumerate();
    client_hosts
        .map(|(number, visits)| clients::add(&herd.world, &format!("client-{}", number + 1), visits, &names, book))
        .collect()
}
