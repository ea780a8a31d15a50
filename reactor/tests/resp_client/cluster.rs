//! The client of a cluster, with three servers in the simulated world: slots that move, servers that die, servers that
//! lie.

use super::nodes::{NAMES, Nodes};
use super::*;
use reactor::resp::{Cluster, ClusterError, ClusterSettings, Command, CrossSlotError, Invalidation, Tracking, slot_of};
use reactor::sim::for_each_seed;
use std::collections::BTreeSet;

fn cluster_with(world: &World, settings: ClusterSettings, shape: fn(Cluster) -> Cluster) -> (Host, Cluster) {
    let made: Rc<RefCell<Option<Cluster>>> = Rc::default();
    let keep = made.clone();
    let host = world.host("client", move |reactor| {
        let cluster = Cluster::new(reactor, NAMES.map(|name| (name, server::PORT))).with_settings(settings.clone());
        let cluster = shape(cluster);
        cluster.start();
        *keep.borrow_mut() = Some(cluster);
    });
    let cluster = made.take().expect("the client has begun");
    (host, cluster)
}

fn cluster(world: &World) -> (Host, Cluster) {
    cluster_with(world, ClusterSettings::default(), |cluster| cluster)
}

fn ready(world: &World) -> (Nodes, Host, Cluster) {
    let nodes = Nodes::new(world);
    let (host, cluster) = cluster(world);
    let ready = cluster.when_ready();
    assert!(world.run_until(5 * SECOND, || ready.has_fired()));
    (nodes, host, cluster)
}

fn get(key: &str) -> Command<'_> {
    Command::new("GET").key(key)
}

/// Keys of the first, the second and the third server.
const KEYS: [&str; 3] = ["bar", "hello", "foo"];
const HOME: [usize; 3] = [0, 0, 2];

#[test]
fn each_command_goes_to_the_server_of_its_key() {
    let world = world(1);
    let nodes = Nodes::new(&world);
    let (_host, cluster) = cluster(&world);
    let outcomes = Outcomes::default();
    for key in KEYS {
        outcomes.note(key, cluster.command(get(key)));
    }
    outcomes.note("ready", cluster.when_ready());
    assert_eq!(cluster.waiting_count(), 3, "they wait for the map");
    world.run_for(2 * SECOND);
    let mut all = outcomes.all();
    all.sort();
    assert_eq!(all, ["bar: \"bar\"", "foo: \"foo\"", "hello: \"hello\"", "ready: ()"]);
    for (key, home) in KEYS.iter().zip(HOME) {
        assert_eq!(slot_of(key.as_bytes()) / 5461, home as u16);
    }
    assert_eq!(nodes.log(0), ["GET bar", "GET hello"]);
    assert_eq!(nodes.log(2), ["GET foo"]);
    assert_eq!(cluster.waiting_count(), 0);
    assert_eq!(cluster.primaries(), ["n0:6379", "n1:6379", "n2:6379"]);
    outcomes.note("to n1", cluster.on_primary("n1:6379", get("foo")));
    outcomes.note("to n9", cluster.on_primary("n9:6379", get("foo")));
    world.run_for(SECOND);
    let moved = "to n1: error MOVED".to_owned();
    assert!(outcomes.all().contains(&moved) && nodes.log(1) == ["GET foo"], "nothing is redirected");
    assert!(outcomes.all().contains(&"to n9: no primary of the cluster is at that address".to_owned()));
}

#[test]
fn commands_with_keys_in_different_slots_or_none_are_refused_here() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    let reason = |deferred: Deferred<()>| {
        let found: Rc<RefCell<Option<Failure>>> = Rc::default();
        let keep = found.clone();
        deferred
            .add_errback(move |failure| {
                let error = failure.check::<CommandError>().expect("a CommandError");
                *keep.borrow_mut() = Some(error.reason().clone());
                Ok(())
            })
            .detach();
        found.take().expect("a refusal at once")
    };
    let apart = cluster.command(Command::new("MGET").key("foo").key("bar"));
    assert_eq!(reason(apart.add_callback(|_| ())).check(), Some(&CrossSlotError { slot: 12182, other: 5061 }));
    let batch = cluster.batch([get("foo"), get("bar")]);
    assert!(reason(batch.add_callback(|_| ())).check::<CrossSlotError>().is_some());
    assert_eq!(reason(cluster.command(["PING"]).add_callback(|_| ())).check(), Some(&ClusterError::NoKey));
    let outcomes = Outcomes::default();
    outcomes.note("same", cluster.batch([get("{t}1"), get("{t}2")]));
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["same: [\"{t}1\", \"{t}2\"]"]);
    assert!(nodes.log(0).is_empty());
}

#[test]
fn a_slot_that_has_moved_is_followed_and_remembered() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    nodes.give(slot_of(b"foo"), 1, &[0, 1, 2]);
    let outcomes = Outcomes::default();
    for number in 0..3 {
        outcomes.note(&number.to_string(), cluster.command(get("foo")));
    }
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all().len(), 3);
    assert!(outcomes.all().iter().all(|outcome| outcome.ends_with("\"foo\"")), "{:?}", outcomes.all());
    assert_eq!(nodes.log(2).len(), 3);
    nodes.log(1);
    outcomes.note("again", cluster.command(get("foo")));
    world.run_for(SECOND);
    assert_eq!((nodes.log(1).len(), nodes.log(2).len()), (1, 0));
}

#[test]
fn a_transaction_that_is_redirected_at_its_end_is_sent_again_and_one_that_was_carried_out_is_not() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    // As Valkey does: what is queued is not looked at before EXEC.
    nodes.give(slot_of(b"foo"), 1, &[0, 1]);
    let carries_out = Rc::new(RefCell::new(false));
    let decides = carries_out.clone();
    nodes.servers[2].answer(move |_, words| match &*words[0] {
        "GET" => Some(b"+QUEUED\r\n".to_vec()),
        "EXEC" if *decides.borrow() => Some(b"*1\r\n-MOVED 1 n1:6379\r\n".to_vec()),
        "EXEC" => Some(format!("-MOVED {} n1:6379\r\n", slot_of(b"foo")).into_bytes()),
        _ => None,
    });
    let transaction = || [Command::from(["MULTI"]), get("foo"), Command::from(["EXEC"])];
    let outcomes = Outcomes::default();
    *carries_out.borrow_mut() = true;
    outcomes.note("done", cluster.batch(transaction()));
    world.run_for(SECOND);
    assert_eq!((outcomes.all().len(), nodes.log(1).len()), (1, 0), "{:?}", outcomes.all());
    *carries_out.borrow_mut() = false;
    outcomes.note("moved", cluster.batch(transaction()));
    world.run_for(SECOND);
    assert_eq!(outcomes.all()[1..], ["moved: [OK, \"foo\", [QUEUED]]"]);
    assert_eq!(nodes.log(1), ["MULTI", "GET foo", "EXEC"]);
}

#[test]
fn a_circle_of_redirects_ends() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    let slot = slot_of(b"foo");
    nodes.give(slot, 1, &[2]);
    nodes.give(slot, 2, &[1]);
    let outcomes = Outcomes::default();
    outcomes.note("foo", cluster.command(get("foo")));
    world.run_for(5 * SECOND);
    assert_eq!(outcomes.all(), ["foo: NotSent: it was redirected more than 8 times"]);
    assert_eq!(nodes.log(1).len() + nodes.log(2).len(), 9);
}

#[test]
fn keys_of_a_slot_that_moves_are_found_where_they_are() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    let gone = BTreeSet::from(["{foo}gone".to_owned()]);
    *nodes.model.moving.borrow_mut() = Some((slot_of(b"foo"), 2, 1, gone));
    let outcomes = Outcomes::default();
    outcomes.note("here", cluster.command(get("{foo}here")));
    outcomes.note("gone", cluster.command(get("{foo}gone")));
    outcomes.note("batch", cluster.batch([get("{foo}gone"), get("{foo}gone")]));
    world.run_for(SECOND);
    let mut all = outcomes.all();
    all.sort();
    assert_eq!(all, ["batch: [\"{foo}gone\", \"{foo}gone\"]", "gone: \"{foo}gone\"", "here: \"{foo}here\""]);
    // `ASK` is for once: the map stays as it is.
    outcomes.note("again", cluster.command(get("{foo}gone")));
    nodes.log(2);
    world.run_for(SECOND);
    assert_eq!(nodes.log(2), ["GET {foo}gone"]);
    // A batch of which a part has been carried out is not sent again.
    outcomes.note("mixed", cluster.batch([get("{foo}here"), get("{foo}gone")]));
    world.run_for(SECOND);
    assert!(outcomes.all()[4].starts_with("mixed: [\"{foo}here\", error \"ASK "), "{:?}", outcomes.all());
}

#[test]
fn a_cluster_that_cannot_now_is_asked_again_until_the_time_is_over() {
    for refusal in ["-TRYAGAIN Multiple keys\r\n", "-CLUSTERDOWN The cluster is down\r\n", "-LOADING x\r\n"] {
        let world = world(1);
        let (nodes, _host, cluster) = ready(&world);
        nodes.model.instead.borrow_mut()[2] = Some(refusal);
        let outcomes = Outcomes::default();
        outcomes.note("late", cluster.command_within(SECOND, get("foo")));
        outcomes.note("in time", cluster.command(get("foo")));
        world.run_for(1500 * MS);
        let all = outcomes.all();
        assert_eq!(all.len(), 1, "{all:?}");
        let word = refusal[1..].split(' ').next().unwrap();
        assert!(
            all[0].starts_with("late: NotSent: no server of the cluster could take it in time: ")
                && all[0].contains(word)
        );
        nodes.model.instead.borrow_mut()[2] = None;
        world.run_for(2 * SECOND);
        assert_eq!(outcomes.all()[1..], ["in time: \"foo\""]);
        assert!(nodes.log(2).len() < 20, "it waits between tries");
    }
}

#[test]
fn when_a_server_dies_what_was_sent_fails_and_what_was_not_goes_to_the_new_primary() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    let outcomes = Outcomes::default();
    outcomes.note("first", cluster.command(get("foo")));
    world.run_for(SECOND);
    nodes.servers[2].host.pause(); // What is sent now gets no answer.
    outcomes.note("sent", cluster.command(get("foo")));
    world.run_for(50 * MS);
    nodes.servers[2].host.kill();
    world.run_for(50 * MS);
    outcomes.note("not sent", cluster.command(get("foo")));
    world.run_for(SECOND);
    let all = outcomes.all();
    assert!(all[1].starts_with("sent: Unanswered: "), "{all:?}");
    assert_eq!(all.len(), 2);
    // The others have chosen a new primary.
    for slot in 10_922..16_384 {
        nodes.give(slot, 1, &[0, 1]);
    }
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all()[2..], ["not sent: \"foo\""]);
    assert_eq!(cluster.primaries(), ["n0:6379", "n1:6379"]);
}

#[test]
fn a_server_that_has_left_leaves_the_map_although_nobody_needs_it() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    let outcomes = Outcomes::default();
    KEYS.into_iter().for_each(|key| outcomes.note(key, cluster.command(get(key))));
    world.run_for(SECOND);
    nodes.servers[2].host.kill();
    let asked = || -> usize {
        nodes.servers[..2].iter().flat_map(|server| server.take_log()).filter(|it| it == "CLUSTER SLOTS").count()
    };
    asked();
    world.run_for(60 * SECOND);
    assert!(!cluster.is_connected() && cluster.primaries().len() == 3, "the others say that it is there");
    let count = asked();
    assert!((5..30).contains(&count), "the pauses grow: {count}");
    (10_922..16_384).for_each(|slot| nodes.give(slot, 1, &[0, 1]));
    world.run_for(20 * SECOND);
    assert_eq!(cluster.primaries(), ["n0:6379", "n1:6379"]);
    assert!(cluster.is_connected());
    asked();
    world.run_for(60 * SECOND);
    assert_eq!(asked(), 0, "all is well");
}

#[test]
fn a_server_without_a_map_is_passed_over() {
    let world = world(1);
    let nodes = Nodes::new(&world);
    nodes.servers[0].host.kill();
    nodes.servers[1].answer(|_, words| {
        (words[0] == "CLUSTER").then(|| b"-ERR This instance has cluster support disabled\r\n".to_vec())
    });
    let (_host, cluster) = cluster(&world);
    let outcomes = Outcomes::default();
    outcomes.note("foo", cluster.command(get("foo")));
    world.run_for(3 * SECOND);
    assert_eq!(outcomes.all(), ["foo: \"foo\""]);
}

#[test]
fn without_any_server_commands_end_in_time_and_the_map_is_asked_for_again() {
    let world = world(1);
    let nodes = Nodes::new(&world);
    nodes.servers.iter().for_each(|server| server.host.kill());
    let (_host, cluster) = cluster(&world);
    let outcomes = Outcomes::default();
    outcomes.note("foo", cluster.command(get("foo")));
    world.run_for(5100 * MS);
    assert_eq!(outcomes.all().len(), 1);
    assert!(outcomes.all()[0].starts_with("foo: NotSent: no server of the cluster could take it in time"));
    nodes.servers.iter().for_each(|server| server.host.restart());
    outcomes.note("bar", cluster.command(get("bar")));
    world.run_for(4 * SECOND);
    assert_eq!(outcomes.all()[1..], ["bar: \"bar\""]);
}

#[test]
fn a_command_goes_to_every_primary() {
    let world = world(1);
    let (nodes, _host, cluster) = ready(&world);
    nodes.servers[1].host.kill();
    world.run_for(SECOND);
    let outcomes = Outcomes::default();
    let all = cluster
        .on_every_primary(["PING"])
        .add_callback(|all| Ok(all.into_iter().map(|(address, result)| (address, result.is_ok())).collect::<Vec<_>>()));
    outcomes.note("all", all);
    world.run_for(6 * SECOND);
    assert_eq!(outcomes.all(), [r#"all: [("n0:6379", true), ("n1:6379", false), ("n2:6379", true)]"#]);
}

#[test]
fn commands_are_limited_and_cancelled_as_with_one_server() {
    let world = world(1);
    let _nodes = Nodes::new(&world);
    let mut few = ClusterSettings::default();
    few.max_commands = 2;
    let (_host, cluster) = cluster_with(&world, few, |cluster| cluster);
    let outcomes = Outcomes::default();
    let given_up = cluster.command(get("foo"));
    outcomes.note("bar", cluster.command(get("bar")));
    outcomes.note("third", cluster.command(get("hello")));
    assert!(outcomes.all()[0].starts_with("third: NotSent: 2 commands with "), "{:?}", outcomes.all());
    given_up.cancel();
    outcomes.note("foo", given_up);
    assert_eq!(cluster.waiting_count(), 1);
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all()[1..], ["foo: cancelled", "bar: \"bar\""]);
    assert_eq!(cluster.waiting_count(), 0);
}

#[test]
fn changes_are_told_by_every_server() {
    let world = world(1);
    let nodes = Nodes::new(&world);
    let (_host, cluster) = cluster_with(&world, ClusterSettings::default(), |cluster| {
        cluster.with_tracking(Tracking::of_keys_read(), |what| {
            HEARD.with_borrow_mut(|heard| match what {
                Invalidation::Key(key) => heard.push(key.escape_ascii().to_string()),
                Invalidation::Everything => heard.push("everything".to_owned()),
            });
        })
    });
    let outcomes = Outcomes::default();
    for key in KEYS {
        outcomes.note(key, cluster.command(get(key)));
    }
    world.run_for(2 * SECOND);
    HEARD.take();
    nodes.servers[0].send(b">2\r\n+invalidate\r\n*1\r\n+bar\r\n");
    nodes.servers[2].send(b">2\r\n+invalidate\r\n*1\r\n+foo\r\n");
    world.run_for(SECOND);
    let mut heard = HEARD.take();
    heard.sort();
    assert_eq!(heard, ["bar", "foo"]);
    nodes.servers[2].abort_all();
    world.run_for(SECOND);
    assert_eq!(HEARD.take(), ["everything"]);
}

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn it_ends_by_stop_with_its_last_handle_and_with_its_reactor() {
    let world = world(1);
    let (nodes, host, cluster) = ready(&world);
    let outcomes = Outcomes::default();
    for key in KEYS {
        outcomes.note(key, cluster.command(get(key)));
    }
    outcomes.note("stopped", cluster.stop());
    outcomes.note("after", cluster.command(get("foo")));
    world.run_for(5 * SECOND);
    let all = outcomes.all();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|it| it == "stopped: ()" || it.ends_with("the service has been stopped")), "{all:?}");
    cluster.start();
    outcomes.note("again", cluster.command(get("foo")));
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all()[5..], ["again: \"foo\""]);
    outcomes.note("last", cluster.command(get("foo")));
    drop(cluster);
    world.run_for(12 * SECOND);
    assert_eq!(outcomes.all()[6..], ["last: \"foo\""]);
    assert!(has_nothing_left(&host));
    assert!(nodes.servers.iter().all(|server| server.connection_count() == 0));
}

#[test]
fn a_stop_ends_all_waits_and_so_does_the_end_of_the_last_handle() {
    for by_stop in [true, false] {
        let world = world(1);
        let (nodes, host, cluster) = ready(&world);
        nodes.model.instead.borrow_mut().fill(Some("-TRYAGAIN x\r\n"));
        let outcomes = Outcomes::default();
        for key in KEYS {
            outcomes.note(key, cluster.command(get(key)));
        }
        world.run_for(2 * SECOND); // By now each waits for half a second between two tries.
        assert!(outcomes.all().is_empty());
        if by_stop {
            cluster.stop().detach();
        }
        drop(cluster);
        // The way to the servers takes 10 ms.
        world.run_for(35 * MS);
        let all = outcomes.all();
        assert!(all.len() == 3 && all.iter().all(|it| it.contains("the service has been stopped")), "{all:?}");
        assert!(has_nothing_left(&host), "{by_stop}");
    }
}

#[test]
fn a_reactor_that_is_dropped_drops_everything() {
    for (time, answers) in [(MS, true), (25 * MS, true), (SECOND, false)] {
        let world = world(1);
        let nodes = Nodes::new(&world);
        if !answers {
            nodes.model.instead.borrow_mut().fill(Some("-TRYAGAIN x\r\n"));
        }
        let (host, cluster) = cluster(&world);
        let witness = Rc::new(());
        for key in KEYS {
            let held = witness.clone();
            cluster.command(get(key)).add_both(move |_| drop(held)).detach();
        }
        world.run_for(time);
        assert_eq!(Rc::strong_count(&witness), 4);
        drop(cluster);
        host.crash();
        world.run_for(100 * MS);
        assert_eq!(Rc::strong_count(&witness), 1, "a circle holds it, {time:?}");
    }
}

#[test]
fn under_faults_of_all_kinds_each_increment_is_made_once_or_in_doubt() {
    for_each_seed(1..13, |world| {
        let nodes = Nodes::new(world);
        let (_host, cluster) = cluster(world);
        let made: Rc<RefCell<[[u64; 2]; 3]>> = Rc::default();
        let mut ended = 0;
        let count = Rc::new(RefCell::new(0));
        for _ in 0..150 {
            for _ in 0..world.random() % 4 {
                let at = (world.random() % 3) as usize;
                let (made, count) = (made.clone(), count.clone());
                ended += 1;
                cluster
                    .command(Command::new("INCR").key(KEYS[at]))
                    .add_both(move |result| {
                        *count.borrow_mut() += 1;
                        match result {
                            Ok(_) => made.borrow_mut()[at][0] += 1,
                            Err(failure) if in_short(&failure).starts_with("Unanswered") => {
                                made.borrow_mut()[at][1] += 1
                            }
                            Err(failure) => assert!(in_short(&failure).starts_with("NotSent"), "{failure}"),
                        }
                    })
                    .detach();
            }
            let server = &nodes.servers[(world.random() % 3) as usize];
            match world.random() % 30 {
                0 => server.abort_all(),
                1 => {
                    server.host.kill();
                    server.host.restart();
                }
                2 => server.host.pause(),
                3 => nodes.servers.iter().for_each(|server| server.host.resume()),
                4 => nodes.model.instead.borrow_mut()[(world.random() % 3) as usize] = Some("-CLUSTERDOWN x\r\n"),
                5 => nodes.model.instead.borrow_mut().fill(None),
                6 => nodes.servers.iter().for_each(|server| server.host.restart()),
                7 => server.host.kill(),
                _ => {}
            }
            world.run_for(Duration::from_millis(world.random() % 200));
        }
        nodes.servers.iter().for_each(|server| {
            server.host.resume();
            server.host.restart();
        });
        nodes.model.instead.borrow_mut().fill(None);
        world.run_for(20 * SECOND);
        assert_eq!(*count.borrow(), ended, "each ends, once");
        for (key, [answered, in_doubt]) in KEYS.iter().zip(*made.borrow()) {
            let value = now(world, cluster.command(get(key))).as_integer().unwrap_or(0) as u64;
            assert!((answered..=answered + in_doubt).contains(&value), "{key}: {value}, {answered} and {in_doubt}");
        }
    });
}
