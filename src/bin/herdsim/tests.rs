use crate::book::invariants::Invariant;
use crate::herd::rules::Rule;
use crate::herd::topology::Topology;
use crate::herd::{Herd, Observer, PlacesKind, feeder};
use crate::run::{RunOutcome, Scenario, Simulation};
use reactor::sim::{Latency, Random, World, WorldSettings};
use std::rc::Rc;
use std::time::Duration;

/// This number of seeds must be enough to catch a wrong rule.
const FEW: u64 = 20;

/// For servers that nobody observes.
pub(crate) fn unobserved() -> Observer {
    Rc::new(|_| Rc::new(()))
}

fn outcome(seed: u64, scenario: &Scenario) -> RunOutcome {
    Simulation::new(seed, scenario, |_| {}).unwrap().play()
}

/// The first of a few seeds that catches a rule, and what does not hold in it.
fn caught(rule: Rule) -> Option<(u64, Invariant)> {
    let scenario = Scenario { rule, minutes: 5, ..Scenario::default() };
    let failures = (1..=FEW).map(|seed| outcome(seed, &scenario));
    failures.filter_map(|outcome| Some((outcome.seed, outcome.failure?.invariant))).next()
}

#[test]
fn the_other_rules_are_caught_within_a_few_seeds_by_the_invariant_that_they_break() {
    // Both go back to an older location after a newer one was acknowledged to a client. Other mistakes are patches in
    // tests/mutants.
    for rule in [Rule::Paper, Rule::Seen] {
        assert_eq!(caught(rule).map(|(_, invariant)| invariant), Some(Invariant::KeepsAcknowledged), "{rule:?}");
    }
}

#[test]
fn every_invariant_holds_in_herds_of_every_shape() {
    let shapes = [
        (Topology::Paper, 5, 24),
        (Topology::Ring, 3, 4),
        (Topology::Ring, 8, 4),
        (Topology::Line, 6, 4),
        (Topology::Star, 6, 4),
        (Topology::Random(3), 9, 4),
        (Topology::Line, 2, 4),
        (Topology::Line, 1, 2),
    ];
    for (topology, servers, seeds) in shapes {
        let scenario = Scenario { topology, servers, minutes: 4, ..Scenario::default() };
        for seed in 1..=seeds {
            let outcome = outcome(seed, &scenario);
            assert_eq!(outcome.failure, None, "{topology}, {servers} servers, seed {seed}");
            assert!(outcome.count.versions > 20 && outcome.count.replies > 20, "nothing happened: {outcome:?}");
        }
    }
}

#[test]
fn every_invariant_holds_beside_a_store_that_dies_lags_and_fails_over() {
    let scenario = Scenario { minutes: 4, store: true, ..Scenario::default() };
    let mut lost = 0;
    for seed in 1..=24 {
        let outcome = outcome(seed, &scenario);
        assert_eq!(outcome.failure, None, "seed {seed}");
        assert!(outcome.count.versions > 20 && outcome.count.replies > 20, "nothing happened: {outcome:?}");
        lost += outcome.count.lost;
    }
    assert!(lost > 0, "no store has lost anything with all of its servers");
}

#[test]
fn every_invariant_holds_where_every_herd_forgets_soon() {
    let scenario = Scenario { minutes: 5, forget: true, ..Scenario::default() };
    let mut forgotten = 0;
    for seed in 1..=24 {
        let outcome = outcome(seed, &scenario);
        assert_eq!(outcome.failure, None, "seed {seed}");
        forgotten += outcome.count.forgotten;
    }
    assert!(forgotten > 100, "{forgotten} acknowledged locations were forgotten");
}

#[test]
fn a_client_that_says_something_and_asks_in_one_breath_hears_nothing_older() {
    // In these two, a question came while what was said before it waited for its turn at the store.
    let scenario = Scenario { minutes: 5, store: true, ..Scenario::default() };
    for seed in [50, 53] {
        assert_eq!(outcome(seed, &scenario).failure, None, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    // With WHATSATs: TLS draws from the system, and the run must not show it.
    let scenario = Scenario { minutes: 4, ..Scenario::default() };
    let runs: Vec<RunOutcome> = (1..=3).map(|seed| outcome(seed, &scenario)).collect();
    let again: Vec<RunOutcome> = (1..=3).map(|seed| outcome(seed, &scenario)).collect();
    assert_eq!(runs, again);
    assert!(runs[0].hash != runs[1].hash && runs[1].hash != runs[2].hash);
}

#[test]
fn runs_without_faults_need_at_most_six_messages_a_version_and_one_for_each_older_arrival() {
    let mut found = 0;
    for seed in 1..=20 {
        let outcome = outcome(seed, &Scenario { minutes: 4, ..Scenario::default() });
        // Ten links come up once where nothing fails. They may carry what was known by then: that is in the count.
        if outcome.count.links_up == 10 {
            found += 1;
            let (bound, count) = (6 * outcome.count.versions + outcome.count.older, outcome.count);
            let at_links_up = count.allowed - bound;
            assert!(count.told <= count.allowed && at_links_up <= 10 * 6, "seed {seed}: {count:?}");
        }
    }
    assert!(found > 0, "every seed had faults");
}

#[test]
fn a_neighbor_that_connects_before_its_name_is_known_is_believed() {
    // Look-ups take so long that most neighbors connect before their names are known.
    let mut settings = WorldSettings::default();
    settings.lookup = Latency::Uniform(Duration::from_millis(1), Duration::from_secs(4));
    let world = World::with_settings(3, settings);
    let graph = Topology::Paper.graph(5, &mut Random::new(1)).unwrap();
    let herd = Herd::new(world, &graph, Rule::Newest, PlacesKind::Nobody, unobserved());
    let line = b"IAMAT kiwi +1+1 1400000000\n".to_vec();
    feeder::add(&herd, &graph.names, vec![(Duration::from_secs(40), 0, line)]);
    herd.world.run_for(Duration::from_secs(60));
    for member in &herd.servers {
        let server = member.server().unwrap();
        assert!(server.locations().borrow().get(b"kiwi").is_some(), "{} was not told", server.name());
    }
}

#[test]
fn an_impossible_herd_is_an_error_not_a_panic() {
    let wrong = [
        Scenario { minutes: 2, ..Scenario::default() },
        Scenario { clients: 0, ..Scenario::default() },
        Scenario { servers: 4, ..Scenario::default() },
        Scenario { topology: Topology::Random(5), ..Scenario::default() },
    ];
    for scenario in wrong {
        assert!(Simulation::new(1, &scenario, |_| {}).is_err(), "{scenario:?}");
    }
}

#[test]
fn a_suspended_neighbor_costs_one_entry_for_each_client_and_catches_up() {
    const CLIENTS: u64 = 10;
    let graph = Topology::Line.graph(2, &mut Random::new(1)).unwrap();
    let herd = Herd::new(World::new(1), &graph, Rule::Newest, PlacesKind::Nobody, unobserved());
    let line = |number: u64| format!("IAMAT client-{} +1+1 {number}\n", number % CLIENTS).into_bytes();
    let lines = (0..20_000).map(|number| (Duration::from_millis(5_000 + number / 5), 0, line(number)));
    feeder::add(&herd, &graph.names, lines.collect());
    herd.world.run_for(Duration::from_secs(4));
    herd.servers[1].host().pause();
    herd.world.run_for(Duration::from_secs(6));
    let link = herd.servers[0].server().unwrap().links()[0].clone();
    assert_eq!(link.pending_count() as u64, CLIENTS);
    herd.servers[1].host().resume();
    herd.world.run_for(Duration::from_secs(5));
    assert_eq!(link.pending_count(), 0);
    let [one, other] = [0, 1].map(|server: usize| herd.servers[server].server().unwrap());
    for client in (0..CLIENTS).map(|number| format!("client-{number}").into_bytes()) {
        let (one, other) = (one.locations().borrow(), other.locations().borrow());
        assert_eq!(one.get(&client).map(|known| &*known.line), other.get(&client).map(|known| &*known.line));
    }
}

#[test]
fn a_client_whose_machine_vanishes_leaves_no_connection_behind() {
    let graph = Topology::Line.graph(1, &mut Random::new(1)).unwrap();
    let herd = Herd::new(World::new(1), &graph, Rule::Newest, PlacesKind::Nobody, unobserved());
    let server = herd.servers[0].host();
    herd.world.run_for(Duration::from_secs(1));
    let before = server.descriptor_count();
    let line = b"IAMAT kiwi +1+1 1\n".to_vec();
    let client = feeder::add(&herd, &graph.names, vec![(Duration::from_secs(1), 0, line)]);
    herd.world.run_for(Duration::from_secs(500));
    assert_eq!(server.descriptor_count(), before + 1, "a silent client stays connected for ten minutes");
    client.crash();
    herd.world.run_for(Duration::from_secs(601));
    assert_eq!(server.descriptor_count(), before);
}

#[test]
fn a_neighbor_whose_machine_fails_again_and_again_leaves_no_connections_behind() {
    let graph = Topology::Line.graph(2, &mut Random::new(1)).unwrap();
    let herd = Herd::new(World::new(1), &graph, Rule::Newest, PlacesKind::Nobody, unobserved());
    let [one, other] = [0, 1].map(|server: usize| herd.servers[server].host());
    herd.world.run_for(Duration::from_secs(30));
    let before = one.descriptor_count();
    for _ in 0..5 {
        // Long enough for the keep-alive of neighbors, too short for that of clients.
        other.crash();
        herd.world.run_for(Duration::from_secs(15));
        other.restart();
        herd.world.run_for(Duration::from_secs(15));
    }
    assert!(herd.servers[0].server().unwrap().links()[0].is_up());
    assert_eq!(one.descriptor_count(), before);
}
