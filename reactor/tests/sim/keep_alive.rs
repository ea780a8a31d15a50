//! Keep-alive: an end that probes finds out that its peer is gone.

use super::*;
use reactor::transport::KeepAlive;
use std::cell::Cell;

/// 5 + 3 * 3 seconds.
pub(super) const KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(5), interval: Duration::from_secs(3), probes: 3 };

/// A server, and a client that keeps its connection alive.
fn pair(world: &World, keep_alive: Option<KeepAlive>) -> (Host, Host, Events, LastTransport) {
    pair_after(world, keep_alive, SECOND)
}

/// As `pair`, but runs the world for `after`: slow links need longer to connect.
fn pair_after(world: &World, keep_alive: Option<KeepAlive>, after: Duration) -> (Host, Host, Events, LastTransport) {
    let (answers, line) = (Events::default(), LastTransport::default());
    let server = server(world, &Events::default(), echoing);
    let keep = line.clone();
    let client = client(world, &answers, move |noting| {
        keep.of(Noting { made: Box::new(move |transport| transport.set_keep_alive(keep_alive)), ..noting })
    });
    world.run_for(after);
    (server, client, answers, line)
}

#[test]
fn only_keep_alive_notices_that_the_machine_behind_an_idle_connection_failed() {
    for (keep_alive, lost) in [(None, false), (Some(KEEP_ALIVE), true)] {
        let world = world(1);
        let (server, _, answers, _) = pair(&world, keep_alive);
        world.run_for(100 * SECOND);
        assert_eq!(answers.all(), ["made"], "a peer that answers is not given up");
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
fn a_shorter_idle_time_counts_from_the_moment_it_is_set() {
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
fn a_restarted_machine_answers_a_probe_with_a_reset() {
    let world = world(1);
    let (server, _, answers, _) = pair(&world, Some(KEEP_ALIVE));
    server.crash();
    server.restart();
    world.run_for(5 * SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn after_a_lost_reset_another_probe_follows() {
    let mut too_late = 0;
    // The link back is cut for a fifth of a second, in turn at every moment around the first probe.
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
    assert!(too_late > 0, "no reset was lost in any cut");
}

#[test]
fn a_peer_whose_resets_are_all_lost_is_given_up_like_a_silent_one() {
    // The link back works when a probe arrives, and is cut when the reset would arrive.
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
fn a_partition_that_heals_in_time_does_not_end_the_connection() {
    let world = world(1);
    let (server, client, answers, _) = pair(&world, Some(KEEP_ALIVE));
    world.partition(&[server], &[client]);
    world.run_for(12 * SECOND);
    world.heal();
    world.run_for(100 * SECOND);
    assert_eq!(answers.all(), ["made"]);
}

#[test]
fn with_bytes_in_flight_it_gives_up_after_the_same_time() {
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
fn a_paused_peer_answers_probes_but_is_given_up_when_its_window_stays_zero() {
    let world = world(1);
    let (server, _, answers, line) = pair(&world, Some(KEEP_ALIVE));
    server.pause();
    world.run_for(1000 * SECOND);
    assert_eq!(answers.all(), ["made"], "its kernel answers");
    line.transport().write(&vec![7; 1_000_000]);
    world.run_for(13 * SECOND);
    assert_eq!(answers.all(), ["made"]);
    world.run_for(2 * SECOND);
    assert_eq!(
        answers.all(),
        ["made", "lost Lost", "client lost"],
        "as on Linux, a window that stays zero for too long ends the connection"
    );
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

/// Writes over a link that loses nearly everything, until the sender must have given up; the link loses nothing more
/// after `well`. Returns whether the bytes arrived, and whether the sender gave up.
fn write_over_a_bad_link(seed: u64, keep_alive: Option<KeepAlive>, well: Option<Duration>) -> (bool, bool) {
    let (world, events, answers, line) = (world(seed), Events::default(), Events::default(), LastTransport::default());
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
fn a_sender_gives_up_on_endless_loss_as_on_a_cut() {
    for keep_alive in [Some(KEEP_ALIVE), None] {
        let mut given_up = 0;
        for seed in 0..60 {
            let (has_arrived, is_lost) = write_over_a_bad_link(seed, keep_alive, None);
            assert!(has_arrived != is_lost, "seed {seed}: arrived {has_arrived}, lost {is_lost}");
            given_up += u32::from(is_lost);
        }
        // The chance that all are lost: 0.9 to the power of 7 retries, or of 17.
        let expected = if keep_alive.is_some() { 18..40 } else { 3..20 };
        assert!(expected.contains(&given_up), "{given_up} of 60");
    }
}

#[test]
fn a_link_mended_in_time_delivers_what_it_would_have_lost() {
    for seed in 0..60 {
        assert_eq!(write_over_a_bad_link(seed, Some(KEEP_ALIVE), Some(3 * SECOND)), (true, false), "seed {seed}");
    }
}
