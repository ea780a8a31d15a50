//! Half-open connections: who asks finds out.

use super::*;
use reactor::transport::KeepAlive;
use std::cell::Cell;

/// 5 + 3 * 3 seconds.
pub(super) const KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(5), interval: Duration::from_secs(3), probes: 3 };

/// A server, and a client that keeps its connection alive.
fn pair(world: &World, keep_alive: Option<KeepAlive>) -> (Host, Host, Events, Line) {
    pair_after(world, keep_alive, SECOND)
}

/// The same, over links that need so much time for it.
fn pair_after(world: &World, keep_alive: Option<KeepAlive>, after: Duration) -> (Host, Host, Events, Line) {
    let (answers, line) = (Events::default(), Line::default());
    let server = server(world, &Events::default(), echoing);
    let keep = line.clone();
    let client = client(world, &answers, move |noting| {
        keep.of(Noting { made: Box::new(move |transport| transport.set_keep_alive(keep_alive)), ..noting })
    });
    world.run_for(after);
    (server, client, answers, line)
}

#[test]
fn an_idle_connection_to_a_machine_that_failed_is_noticed_by_keep_alive_alone() {
    for (keep_alive, lost) in [(None, false), (Some(KEEP_ALIVE), true)] {
        let world = world(1);
        let (server, _, answers, _) = pair(&world, keep_alive);
        world.run_for(100 * SECOND);
        assert_eq!(answers.all(), ["made"], "who answers is there");
        server.crash();
        world.run_for(8 * SECOND);
        assert_eq!(answers.all(), ["made"]);
        world.run_for(7 * SECOND);
        assert_eq!(answers.all().len() > 1, lost, "within 14 s: {:?}", answers.all());
        world.run_for(100_000 * SECOND);
        assert_eq!(answers.all().len() > 1, lost);
    }
}

#[test]
fn a_shorter_time_counts_from_when_it_is_set() {
    let world = world(1);
    let patient = KeepAlive { idle: 1000 * SECOND, ..KEEP_ALIVE };
    let (server, _, answers, line) = pair(&world, Some(patient));
    line.transport().set_keep_alive(Some(KEEP_ALIVE));
    server.crash();
    world.run_for(13 * SECOND);
    assert_eq!(answers.all(), ["made"]);
    world.run_for(2 * SECOND);
    assert_eq!(answers.all().len(), 3, "{:?}", answers.all());
}

#[test]
fn a_machine_that_is_up_again_answers_a_probe_with_a_reset() {
    let world = world(1);
    let (server, _, answers, _) = pair(&world, Some(KEEP_ALIVE));
    server.crash();
    server.restart();
    world.run_for(5 * SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn a_probe_whose_reset_is_lost_is_followed_by_another() {
    let mut too_late = 0;
    // A cut of the way back for a fifth of a second, at every moment around the first probe.
    for cut_at in 0..40 {
        let world = world(1);
        world.set_links(LinkSettings::new(Latency::Fixed(500 * MS)));
        let (server, client, answers, _) = pair_after(&world, Some(KEEP_ALIVE), 4 * SECOND);
        server.crash();
        server.restart();
        world.run_for(cut_at * 100 * MS);
        world.cut(&server, &client);
        world.run_for(200 * MS);
        world.heal();
        world.run_for(5 * SECOND - cut_at * 100 * MS);
        too_late += u32::from(answers.all().len() == 1);
        world.run_for(5 * SECOND);
        assert_eq!(answers.all(), ["made", "lost Lost", "client lost"], "cut after {} ms", cut_at * 100);
    }
    assert!(too_late > 0, "no reset met the cut");
}

#[test]
fn a_peer_whose_resets_are_all_lost_is_given_up_like_one_that_does_not_answer() {
    // The way back is open when a probe comes, and cut when its reset would.
    for offset in 0..10 {
        let world = world(1);
        world.set_links(LinkSettings::new(Latency::Fixed(500 * MS)));
        let (server, client, answers, _) = pair_after(&world, Some(KEEP_ALIVE), 4 * SECOND);
        server.crash();
        server.restart();
        world.run_for(offset * 100 * MS);
        for _ in 0..20 {
            world.run_for(400 * MS);
            world.cut(&server, &client);
            world.run_for(600 * MS);
            world.heal();
        }
        assert_eq!(answers.all().len(), 3, "{offset}: {:?}", answers.all());
    }
}

#[test]
fn probes_go_on_for_a_partition_that_heals_in_time() {
    let world = world(1);
    let (server, client, answers, _) = pair(&world, Some(KEEP_ALIVE));
    world.partition(&[server], &[client]);
    world.run_for(12 * SECOND);
    world.heal();
    world.run_for(100 * SECOND);
    assert_eq!(answers.all(), ["made"]);
}

#[test]
fn with_bytes_under_way_it_gives_up_as_soon() {
    let world = world(1);
    let (server, client, answers, line) = pair(&world, Some(KEEP_ALIVE));
    world.partition(&[server], &[client]);
    line.write("hello");
    world.run_for(14 * SECOND - MS);
    assert_eq!(answers.all(), ["made"]);
    world.run_for(20 * MS);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn a_paused_program_is_there_but_one_that_never_reads_is_given_up() {
    let world = world(1);
    let (server, _, answers, line) = pair(&world, Some(KEEP_ALIVE));
    server.pause();
    world.run_for(1000 * SECOND);
    assert_eq!(answers.all(), ["made"], "its kernel answers");
    line.transport().write(&vec![7; 1_000_000]);
    world.run_for(13 * SECOND);
    assert_eq!(answers.all(), ["made"]);
    world.run_for(2 * SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"], "as on Linux, no room for too long is the end");
}

#[test]
fn a_conversation_needs_no_probes() {
    let world = world(1);
    let (_, _, answers, line) = pair(&world, Some(KEEP_ALIVE));
    let ticks = Rc::new(Cell::new(0));
    for _ in 0..20 {
        line.write("x");
        world.run_for(2 * SECOND);
        ticks.set(ticks.get() + 1);
    }
    assert_eq!(answers.all(), ["made".to_owned(), format!("data {}", "x".repeat(20))]);
}

/// Whether what is said over a link that loses nearly everything has come, and whether the connection was given up, by
/// the time that its end must have been patient for; the link gets well after `well`.
fn said_over_a_bad_link(seed: u64, keep_alive: Option<KeepAlive>, well: Option<Duration>) -> (bool, bool) {
    let (world, events, answers, line) = (world(seed), Events::default(), Events::default(), Line::default());
    server(&world, &events, plain);
    let keep = line.clone();
    client(&world, &answers, move |noting| {
        keep.of(Noting { made: Box::new(move |transport| transport.set_keep_alive(keep_alive)), ..noting })
    });
    world.run_for(SECOND);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).loss(900_000));
    line.write("hello");
    let patience = keep_alive.map_or(924_600 * MS, |_| 14 * SECOND) + 10 * MS;
    let bad = well.unwrap_or(patience);
    world.run_for(bad);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)));
    world.run_for(patience - bad);
    (events.all().len() > 1, answers.all().len() > 1)
}

#[test]
fn loss_that_does_not_end_is_given_up_as_a_cut_is() {
    for keep_alive in [Some(KEEP_ALIVE), None] {
        let mut given_up = 0;
        for seed in 0..60 {
            let (has_come, is_lost) = said_over_a_bad_link(seed, keep_alive, None);
            assert!(has_come != is_lost, "seed {seed}: come {has_come}, lost {is_lost}");
            given_up += u32::from(is_lost);
        }
        // 0.9 to the power of 7 tries, or of 17.
        let expected = if keep_alive.is_some() { 18..40 } else { 3..20 };
        assert!(expected.contains(&given_up), "{given_up} of 60");
    }
}

#[test]
fn a_link_that_gets_well_in_time_lets_through_what_it_would_have_lost() {
    for seed in 0..60 {
        assert_eq!(said_over_a_bad_link(seed, Some(KEEP_ALIVE), Some(3 * SECOND)), (true, false), "seed {seed}");
    }
}
