//! Half-open connections: who asks finds out.

use super::*;
use reactor::KeepAlive;
use std::cell::Cell;

/// 5 + 3 * 3 seconds.
const KEEP_ALIVE: KeepAlive = KeepAlive { idle: Duration::from_secs(5), interval: Duration::from_secs(3), probes: 3 };

/// A server, and a client that keeps its connection alive.
fn pair(world: &World, keep_alive: Option<KeepAlive>) -> (Host, Host, Events, Line) {
    let (answers, line) = (Events::default(), Line::default());
    let server = server(world, &Events::default(), echoing);
    let keep = line.clone();
    let client = client(world, &answers, move |noting| {
        keep.of(Noting { made: Box::new(move |transport| transport.set_keep_alive(keep_alive)), ..noting })
    });
    world.run_for(SECOND);
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
fn a_machine_that_is_up_again_answers_a_probe_with_a_reset() {
    let world = world(1);
    let (server, _, answers, _) = pair(&world, Some(KEEP_ALIVE));
    server.crash();
    server.restart();
    world.run_for(5 * SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
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
