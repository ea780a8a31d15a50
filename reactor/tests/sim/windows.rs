//! Windows that shut: a receiver without room is asked whether it has some, and is found out if it is gone.

use super::keep_alive::KEEP_ALIVE;
use super::*;
use reactor::transport::KeepAlive;

/// More than there is room for at the receiver, less than there is at both ends.
const MUCH: usize = 400_000;

/// What a receiver has room for, as long as nothing else is said.
const ROOM: usize = 256 * 1024;

const LOST: [&str; 3] = ["made", "lost Lost", "client lost"];

struct Pair {
    world: World,
    server: Host,
    client: Host,
    events: Events,
    answers: Events,
    line: Line,
    theirs: Line,
}

/// A server, and a client that is connected to it.
fn pair() -> Pair {
    pair_with(plain)
}

/// The same; `shape` says what the server does.
fn pair_with(shape: impl Fn(Noting) -> Noting + Clone + 'static) -> Pair {
    let (world, events, answers) = (world(1), Events::default(), Events::default());
    let (line, theirs) = (Line::default(), Line::default());
    let (ours, keep) = (line.clone(), theirs.clone());
    let server = server(&world, &events, move |noting| keep.of(shape(noting)));
    let client = client(&world, &answers, move |noting| ours.of(noting));
    world.run_for(SECOND);
    Pair { world, server, client, events, answers, line, theirs }
}

/// The same, where the server was paused and the client wrote [`MUCH`], ten seconds ago.
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
    fn come(&self) -> usize {
        let events = self.events.all();
        let data = events.iter().filter_map(|event| event.strip_prefix("data "));
        data.map(str::len).sum()
    }

    /// What the server's program met, but for the bytes.
    fn met(&self) -> Vec<String> {
        self.events.all().into_iter().filter(|event| !event.starts_with("data ")).collect()
    }
}

#[test]
fn a_window_that_shuts_while_bytes_fly_is_noticed() {
    let pair = pair();
    pair.keep_alive(Some(KEEP_ALIVE));
    pair.server.pause();
    pair.line.transport().write(&[7; MUCH / 2]);
    pair.world.run_for(SECOND);
    pair.line.transport().write(&[7; MUCH / 2]); // A part of this fits; nothing is written after it.
    pair.world.run_for(14 * SECOND);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(20 * MS);
    assert_eq!(pair.answers.all(), LOST, "no room for too long");
}

#[test]
fn a_machine_that_fails_with_its_window_shut_is_given_up() {
    let pair = pair();
    pair.server.pause();
    pair.line.transport().write(&[7; MUCH]);
    pair.world.run_for(100 * MS);
    pair.server.crash();
    pair.world.run_for(924_500 * MS);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(20 * MS);
    assert_eq!(pair.answers.all(), LOST, "after as long as for any other answer that does not come");
    assert_eq!(pair.world.connection_count(), 0);
}

#[test]
fn a_machine_that_is_up_again_answers_a_question_about_room_with_a_reset() {
    let Pair { world, server, answers, .. } = waiting();
    server.crash();
    server.restart();
    world.run_for(3 * SECOND); // It is asked 12.6 s after the window has shut.
    assert_eq!(answers.all(), LOST);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn a_question_about_room_whose_reset_is_lost_is_asked_again() {
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
fn a_program_that_was_killed_behind_a_cut_is_found_out_when_that_heals() {
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
fn an_end_that_was_given_up_while_its_program_slept_answers_a_question_about_room_with_a_reset() {
    let Pair { world, server, client, answers, line, theirs, .. } = pair();
    theirs.transport().pause_producing();
    line.transport().write(&[7; MUCH]);
    world.run_for(SECOND);
    let (server, client) = ([server], [client]);
    world.partition(&server, &client);
    theirs.write("who never comes");
    world.run_for(SECOND);
    server[0].pause();
    world.run_for(925 * SECOND); // Its kernel has given up now; the client's has some minutes left.
    assert_eq!(answers.all(), ["made"]);
    world.heal();
    world.run_for(121 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_window_that_shuts_behind_a_cut_is_asked_about_after_it() {
    let Pair { world, server, client, answers, line, .. } = pair();
    server.pause();
    line.transport().write(&[7; MUCH / 2]);
    world.run_for(SECOND);
    world.cut(&server, &client);
    line.transport().write(&[7; MUCH / 2]); // A part of this is there, without an acknowledgement, and fills it.
    world.run_for(SECOND);
    world.heal();
    world.run_for(10 * SECOND);
    server.crash();
    server.restart();
    world.run_for(20 * SECOND);
    assert_eq!(answers.all(), LOST);
}

#[test]
fn a_shut_window_behind_a_cut_that_stays_is_given_up_and_behind_one_that_heals_is_not() {
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
        // Fifteen questions without an answer, most of them two minutes apart.
        assert_eq!(answers.all().len() > 1, !heals, "{:?}", answers.all());
    }
}

#[test]
fn keep_alive_that_is_set_when_the_window_has_shut_counts_from_when_it_shut() {
    let pair = waiting();
    pair.keep_alive(Some(KEEP_ALIVE));
    pair.world.run_for(3990 * MS);
    assert_eq!(pair.answers.all(), ["made"]);
    pair.world.run_for(40 * MS);
    assert_eq!(pair.answers.all(), LOST, "14 s after it has shut");
}

#[test]
fn a_receiver_that_answers_is_waited_for_as_long_as_it_takes() {
    let pair = waiting();
    pair.world.keep_trace(10_000);
    pair.world.run_for(100_000 * SECOND);
    assert_eq!(pair.answers.all(), ["made"]);
    let questions = pair.world.trace().iter().filter(|line| line.contains("a zero-window probe")).count();
    // At 12.6, 25.4, 51.0, 102.2 and 204.6 s; then every two minutes.
    assert_eq!(questions, 5 + (100_010 - 205) / 120);
    pair.server.resume();
    pair.world.run_for(SECOND);
    assert_eq!(pair.come(), MUCH);
    pair.world.run_for(120 * SECOND); // The last question is not asked.
    let events = pair.world.event_count();
    pair.world.run_for(100_000 * SECOND);
    assert_eq!(pair.world.event_count(), events, "nothing waits: nothing happens");
}

#[test]
fn a_message_of_room_that_is_lost_is_made_up_for_by_the_next_question() {
    let pair = waiting();
    pair.world.cut(&pair.server, &pair.client);
    pair.server.resume();
    pair.world.run_for(SECOND);
    pair.world.heal();
    pair.world.run_for(SECOND);
    assert!(pair.come() < MUCH, "nobody knows of it");
    pair.world.run_for(SECOND);
    assert_eq!(pair.come(), MUCH);
}

#[test]
fn room_that_is_worth_no_message_is_found_by_the_next_question() {
    let pair = pair_with(|noting| Noting { data: Box::new(|transport, _| transport.pause_producing()), ..noting });
    pair.line.transport().write(&[7; MUCH]);
    pair.world.run_for(100 * MS);
    let read = pair.come();
    assert!((1..ROOM / 2).contains(&read), "{read} read");
    pair.world.run_for(200 * MS);
    pair.client.crash();
    while pair.come() < ROOM + read / 2 {
        let before = pair.come();
        pair.theirs.transport().resume_producing();
        pair.world.run_for(10 * MS);
        assert!(pair.come() > before, "only what there was room for at first has come: {before}");
    }
}

#[test]
fn what_a_closed_program_left_behind_waits_for_room_but_not_for_ever() {
    for (seconds, end) in [(300, ["made", "end", "lost Done"].as_slice()), (400, &["made", "lost Lost"])] {
        let pair = waiting();
        pair.line.transport().lose_connection();
        pair.world.run_for((seconds - 10) * SECOND);
        assert_eq!(pair.answers.all(), ["made", "lost Done", "client lost"]);
        pair.server.resume();
        pair.world.run_for(SECOND);
        assert_eq!(pair.met(), end, "after {seconds} s");
        assert_eq!(pair.come() == MUCH, seconds == 300);
        assert_eq!(pair.world.connection_count(), 0);
    }
}

#[test]
fn a_receiver_that_has_room_again_hears_that_its_sender_is_gone() {
    for (restarts, end) in [(true, ["made", "lost Lost"].as_slice()), (false, &["made"])] {
        let pair = waiting();
        pair.client.crash();
        if restarts {
            pair.client.restart();
            pair.client.kill(); // It does not connect again.
        }
        pair.server.resume();
        pair.world.run_for(SECOND);
        assert_eq!(pair.come(), ROOM);
        assert_eq!(pair.met(), end, "the machine is up again: {restarts}");
    }
}

#[test]
fn a_receiver_that_had_room_all_the_time_says_nothing_and_hears_nothing() {
    let pair = pair();
    pair.server.pause();
    pair.line.write("hello");
    pair.world.run_for(SECOND);
    pair.client.crash();
    pair.client.restart();
    pair.client.kill();
    pair.server.resume();
    pair.world.run_for(1000 * SECOND);
    assert_eq!(pair.events.all(), ["made", "data hello"], "it is half open");
}
