//! Zero windows: a sender probes a receiver that has no room, and finds out if it is gone.

use super::keep_alive::KEEP_ALIVE;
use super::*;
use reactor::transport::KeepAlive;

/// More bytes than the receiver has room for, but no more than the two buffers hold together.
const MUCH: usize = 400_000;

/// The default size of a receive buffer.
const ROOM: usize = 256 * 1024;

const LOST: [&str; 3] = ["made", "lost Lost", "client lost"];

struct Pair {
    world: World,
    server: Host,
    client: Host,
    events: Events,
    answers: Events,
    line: LastTransport,
    theirs: LastTransport,
}

/// A server, and a client that is connected to it.
fn pair() -> Pair {
    pair_with(plain)
}

/// As `pair`; `shape` says what the server does.
fn pair_with(shape: impl Fn(Noting) -> Noting + Clone + 'static) -> Pair {
    let (world, events, answers) = (world(1), Events::default(), Events::default());
    let (line, theirs) = (LastTransport::default(), LastTransport::default());
    let (ours, keep) = (line.clone(), theirs.clone());
    let server = server(&world, &events, move |noting| keep.of(shape(noting)));
    let client = client(&world, &answers, move |noting| ours.of(noting));
    world.run_for(SECOND);
    Pair { world, server, client, events, answers, line, theirs }
}

/// As `pair`, ten seconds after the server was paused and the client wrote [`MUCH`].
fn waiting() -> Pair {
    let pair = pair();
    pair.server.pause();
    pair.line.transport().write(&[7; MUCH]);
    pair.world.run_for(10 * SECOND);
    assert_eq!(pair.answers.all(), ["made"]);
    pair
}

impl Pair {
    fn keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.line.transport().set_keep_alive(keep_alive);
    }

    /// How many bytes the server's program has read.
    fn bytes_read(&self) -> usize {
        let events = self.events.all();
        let data = events.iter().filter_map(|event| event.strip_prefix("data "));
        data.map(str::len).sum()
    }

    /// What the server's program noted, apart from the bytes.
    fn noted(&self) -> Vec<String> {
        self.events.all().into_iter().filter(|event| !event.starts_with("data ")).collect()
    }
}

#[test]
fn a_window_that_becomes_zero_while_bytes_are_in_flight_is_noticed() {
    let pair = pair();
    pair.keep_alive(Some(KEEP_ALIVE));
    pair.server.pause();
    pair.line.transport().write(&[7; MUCH / 2]);
    pair.world.run_for(SECOND);
    pair.line.transport().write(&[7; MUCH / 2]); // Only a part of this fits, and nothing is written after it.
    pair.world.run_for(14 * SECOND);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(20 * MS);
    assert_eq!(pair.answers.all(), LOST, "the window stayed zero for too long");
}

#[test]
fn a_machine_that_fails_with_a_zero_window_is_given_up() {
    let pair = pair();
    pair.server.pause();
    pair.line.transport().write(&[7; MUCH]);
    pair.world.run_for(100 * MS);
    pair.server.crash();
    pair.world.run_for(924_500 * MS);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(20 * MS);
    assert_eq!(pair.answers.all(), LOST, "after the same time as for any other missing answer");
    assert_eq!(pair.world.connection_count(), 0);
}

#[test]
fn a_restarted_machine_answers_a_zero_window_probe_with_a_reset() {
    let Pair { world, server, answers, .. } = waiting();
    server.crash();
    server.restart();
    world.run_for(3 * SECOND); // A probe is sent 12.6 s after the window became zero.
    assert_eq!(answers.all(), LOST);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn after_a_lost_reset_another_zero_window_probe_follows() {
    let Pair { world, server, client, answers, .. } = waiting();
    server.crash();
    server.restart();
    world.set_links(LinkSettings::new(Latency::Fixed(SECOND)));
    world.run_for(3 * SECOND);
    world.cut(&server, &client); // The reset is on its way.
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made"]);
    world.heal();
    world.run_for(3 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_sender_learns_that_its_peer_was_killed_behind_a_cut_when_the_cut_heals() {
    let Pair { world, server, client, answers, .. } = waiting();
    world.cut(&server, &client);
    server.kill();
    world.run_for(SECOND);
    world.heal();
    assert_eq!(answers.all(), ["made"], "its reset was lost");
    world.run_for(2 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_kernel_that_gave_up_while_its_program_slept_answers_a_zero_window_probe_with_a_reset() {
    let Pair { world, server, client, answers, line, theirs, .. } = pair();
    theirs.transport().pause_producing();
    line.transport().write(&[7; MUCH]);
    world.run_for(SECOND);
    let (server, client) = ([server], [client]);
    world.partition(&server, &client);
    theirs.write("lost");
    world.run_for(SECOND);
    server[0].pause();
    world.run_for(925 * SECOND); // Its kernel has given up now; the client's has some minutes left.
    assert_eq!(answers.all(), ["made"]);
    world.heal();
    world.run_for(121 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_window_that_becomes_zero_behind_a_cut_is_probed_after_it() {
    let Pair { world, server, client, answers, line, .. } = pair();
    server.pause();
    line.transport().write(&[7; MUCH / 2]);
    world.run_for(SECOND);
    world.cut(&server, &client);
    // A part of this arrives and fills the buffer, but its acknowledgement is lost.
    line.transport().write(&[7; MUCH / 2]);
    world.run_for(SECOND);
    world.heal();
    world.run_for(10 * SECOND);
    server.crash();
    server.restart();
    world.run_for(20 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_zero_window_behind_a_cut_is_given_up_unless_the_cut_heals() {
    for (heals, one_way) in [(false, false), (false, true), (true, false)] {
        let Pair { world, server, client, answers, .. } = waiting();
        let (server, client) = ([server], [client]);
        let cut = || match one_way {
            true => world.cut(&server[0], &client[0]),
            false => world.partition(&server, &client),
        };
        cut();
        world.run_for(1300 * SECOND);
        if heals {
            world.heal();
        }
        world.run_for(120 * SECOND);
        cut();
        world.run_for(94 * SECOND);
        assert_eq!(answers.all(), ["made"]);
        world.run_for(SECOND);
        // Fifteen probes without an answer, most of them two minutes apart.
        assert_eq!(answers.all().len() > 1, !heals, "{:?}", answers.all());
    }
}

#[test]
fn keep_alive_set_during_a_zero_window_counts_from_its_beginning() {
    let pair = waiting();
    pair.keep_alive(Some(KEEP_ALIVE));
    pair.world.run_for(3990 * MS);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(40 * MS);
    assert_eq!(pair.answers.all(), LOST, "14 s after it became zero");
}

#[test]
fn a_sender_waits_without_limit_for_a_receiver_that_answers_its_probes() {
    let pair = waiting();
    pair.world.keep_trace(10_000);
    pair.world.run_for(100_000 * SECOND);
    assert_eq!(pair.answers.all(), ["made"]);
    let probes = pair.world.trace().iter().filter(|line| line.contains("a zero-window probe")).count();
    // At 12.6, 25.4, 51.0, 102.2 and 204.6 s; then every two minutes.
    assert_eq!(probes, 5 + (100_010 - 205) / 120);
    pair.server.resume();
    pair.world.run_for(SECOND);
    assert_eq!(pair.bytes_read(), MUCH);
    pair.world.run_for(120 * SECOND); // The timer of the last probe expires, and sends none.
    let events = pair.world.event_count();
    pair.world.run_for(100_000 * SECOND);
    assert_eq!(pair.world.event_count(), events, "nothing waits, so nothing happens");
}

#[test]
fn after_a_lost_window_update_the_next_probe_finds_the_room() {
    let pair = waiting();
    pair.world.cut(&pair.server, &pair.client);
    pair.server.resume();
    pair.world.run_for(SECOND);
    pair.world.heal();
    pair.world.run_for(SECOND);
    assert!(pair.bytes_read() < MUCH, "the sender does not know of the room");
    pair.world.run_for(SECOND);
    assert_eq!(pair.bytes_read(), MUCH);
}

#[test]
fn room_too_small_for_a_window_update_is_found_by_the_next_probe() {
    let pair = pair_with(|noting| Noting { data: Box::new(|transport, _| transport.pause_producing()), ..noting });
    pair.line.transport().write(&[7; MUCH]);
    pair.world.run_for(100 * MS);
    let read = pair.bytes_read();
    assert!((1..ROOM / 2).contains(&read), "{read} read");
    pair.world.run_for(200 * MS);
    pair.client.crash();
    while pair.bytes_read() < ROOM + read / 2 {
        let before = pair.bytes_read();
        pair.theirs.transport().resume_producing();
        pair.world.run_for(10 * MS);
        assert!(pair.bytes_read() > before, "only the first bufferful has arrived: {before}");
    }
}

#[test]
fn bytes_left_behind_by_a_closed_program_wait_for_room_but_not_for_ever() {
    for (seconds, end) in [(300, ["made", "end", "lost Done"].as_slice()), (400, &["made", "lost Lost"])] {
        let pair = waiting();
        pair.line.transport().lose_connection();
        pair.world.run_for((seconds - 10) * SECOND);
        assert_eq!(pair.answers.all(), ["made", "lost Done", "client lost"]);
        pair.server.resume();
        pair.world.run_for(SECOND);
        assert_eq!(pair.noted(), end, "after {seconds} s");
        assert_eq!(pair.bytes_read() == MUCH, seconds == 300);
        assert_eq!(pair.world.connection_count(), 0);
    }
}

#[test]
fn a_receiver_that_opens_its_window_learns_that_its_sender_is_gone() {
    for (restarts, end) in [(true, ["made", "lost Lost"].as_slice()), (false, &["made"])] {
        let pair = waiting();
        pair.client.crash();
        if restarts {
            pair.client.restart();
            pair.client.kill(); // It does not connect again.
        }
        pair.server.resume();
        pair.world.run_for(SECOND);
        assert_eq!(pair.bytes_read(), ROOM);
        assert_eq!(pair.noted(), end, "the machine is up again: {restarts}");
    }
}

#[test]
fn a_receiver_that_always_had_room_sends_nothing_and_learns_nothing() {
    let pair = pair();
    pair.server.pause();
    pair.line.write("hello");
    pair.world.run_for(SECOND);
    pair.client.crash();
    pair.client.restart();
    pair.client.kill();
    pair.server.resume();
    pair.world.run_for(1000 * SECOND);
    assert_eq!(pair.events.all(), ["made", "data hello"], "it stays half open");
}
