use super::*;
use reactor::Transport;
use std::cell::RefCell;

const SECOND: Duration = Duration::from_secs(1);

/// A world with a store that has the functions, and a host that speaks with it.
struct Stage {
    world: World,
    store: SimulatedStore,
    visitor: Host,
    heard: Rc<RefCell<String>>,
}

struct Listener(Rc<RefCell<String>>, Vec<u8>);

impl reactor::Protocol for Listener {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&self.1);
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.borrow_mut().push_str(&String::from_utf8_lossy(data));
    }
}

impl Stage {
    fn new(lag: Duration) -> Stage {
        let stage = Stage::with(|world| SimulatedStore::alone(world, 1, lag));
        assert_eq!(stage.say(&["FUNCTION LOAD x", "FCALL proxyherd_version 0"]), "$9\r\nproxyherd\r\n:1\r\n");
        stage
    }

    fn with(store: impl FnOnce(&World) -> SimulatedStore) -> Stage {
        let world = World::new(1);
        let store = store(&world);
        let visitor = world.host("visitor", |_| {});
        Stage { world, store, visitor, heard: Rc::default() }
    }

    fn say(&self, commands: &[&str]) -> String {
        self.say_to(NAME, commands)
    }

    /// Says these commands on a new connection to a host. Returns what has been heard since within a second, on all
    /// connections.
    fn say_to(&self, host: &str, commands: &[&str]) -> String {
        let host = host.to_owned();
        let words = |command: &str| {
            let words: Vec<&str> = command.split(' ').collect();
            let all: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            format!("*{}\r\n{all}", words.len())
        };
        let text: String = commands.iter().map(|command| words(command)).collect();
        let heard = self.heard.clone();
        let build = move |_| Listener(heard.clone(), text.clone().into_bytes());
        crate::herd::ask(&self.visitor.reactor().unwrap(), move |reactor| {
            reactor.connect_tcp((host, PORT), build);
        });
        self.world.run_for(SECOND);
        self.heard.take()
    }
}

/// An offer of a line with this time for the client; underscores are its spaces.
fn offer(client: &str, time: u32, must_write: bool) -> String {
    let value = format!("{:022}_AT_A_+1_{client}_+1+1_{time}", time);
    offer_of(client, &value, u64::MAX, must_write)
}

/// An offer of this value, that expires then.
fn offer_of(client: &str, value: &str, expires: u64, must_write: bool) -> String {
    format!("FCALL proxyherd_offer 2 {{proxyherd:0}}:{client} places {value} {expires}   1 {}", u8::from(must_write))
}

fn lines_of(store: &SimulatedStore, client: &str) -> Option<String> {
    store.line_of(client.as_bytes()).map(|line| String::from_utf8(line).unwrap())
}

#[test]
fn the_newest_version_wins_and_an_older_one_is_told_what_is_newer() {
    let stage = Stage::new(Duration::ZERO);
    let said = stage.say(&[&offer("kiwi", 5, false), &offer("kiwi", 5, false), &offer("kiwi", 7, false)]);
    assert_eq!(said, ":2\r\n:0\r\n:1\r\n");
    assert!(stage.say(&[&offer("kiwi", 6, false)]).contains("_+1+1_7"));
    assert_eq!(lines_of(&stage.store, "kiwi").unwrap(), "AT_A_+1_kiwi_+1+1_7");
    assert_eq!(stage.store.written_for(b"kiwi").len(), 2, "what is there is not written again");
    stage.say(&[&offer("kiwi", 6, true)]);
    assert_eq!(stage.store.written_for(b"kiwi").len(), 3, "unless it must be");
}

#[test]
fn wait_answers_when_the_replicas_have_it_or_its_time_is_over() {
    let stage = Stage::new(SECOND / 4);
    assert_eq!(stage.say(&[&offer("kiwi", 1, false), "WAIT 2 900", "PING"]), ":2\r\n:2\r\n+PONG\r\n");
    stage.store.set_replicating(0, false);
    assert_eq!(stage.say(&[&offer("kiwi", 2, false), "WAIT 1 300", "PING"]), ":1\r\n:0\r\n+PONG\r\n");
    assert_eq!(stage.say(&["WAIT 1 300"]), ":2\r\n", "it asks only for what was written on its connection");
    stage.store.set_replicating(0, true);
    stage.world.run_for(SECOND);
    let nodes: Vec<usize> = stage.store.ever_had(b"kiwi").iter().map(|(_, nodes)| nodes.len()).collect();
    assert_eq!(nodes, [3, 3]);
}

#[test]
fn a_wait_that_a_primary_was_asked_for_is_not_answered_by_the_replicas_of_the_next_one() {
    let stage = Stage::new(SECOND / 4);
    stage.store.set_replicating(0, false);
    assert_eq!(stage.say(&[&offer("kiwi", 1, false), "WAIT 1 2500"]), ":2\r\n", "it lasts");
    let (_, host) = stage.store.pass_over(0);
    stage.store.set_replicating(0, true);
    host.resume();
    stage.world.run_for(2 * SECOND);
    assert!(stage.heard.take().starts_with("-UNBLOCKED "), "what it waited for is lost");
}

#[test]
fn a_failover_loses_what_no_replica_has_and_all_servers_together_lose_everything() {
    let stage = Stage::new(Duration::ZERO);
    stage.say(&[&offer("kiwi", 1, false)]);
    stage.store.set_replicating(0, false);
    stage.say(&[&offer("kiwi", 2, false), &offer("moa", 1, false)]);
    let text = stage.store.kill(0, 1);
    assert!(text.contains("lacks 2 writes"), "{text}");
    stage.store.set_replicating(0, true);
    stage.store.take_over(0);
    stage.world.run_for(SECOND);
    assert_eq!(lines_of(&stage.store, "kiwi").unwrap(), "AT_A_+1_kiwi_+1+1_1");
    assert_eq!(lines_of(&stage.store, "moa"), None);
    assert_eq!((stage.store.nodes().len(), stage.say(&["FCALL proxyherd_version 0"])), (1 + REPLICAS, ":1\r\n".into()));
    let alive = stage.store.nodes();
    let had = stage.store.ever_had(b"moa");
    assert!(had.len() == 1 && had[0].1.is_disjoint(&alive), "{had:?}");
    stage.store.kill(0, REPLICAS);
    stage.store.take_over(0);
    stage.world.run_for(SECOND);
    assert_eq!(lines_of(&stage.store, "kiwi"), None);
    assert!(stage.say(&["FCALL proxyherd_version 0"]).contains("Function not found"));
}

#[test]
fn who_has_read_a_key_hears_of_its_next_change_by_others() {
    let stage = Stage::new(Duration::ZERO);
    let key = "{proxyherd:0}:kiwi";
    assert_eq!(stage.say(&[&format!("GET {key}")]), "_\r\n");
    let push = format!(">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n", key.len());
    let heard = stage.say(&[&offer("kiwi", 1, false)]);
    assert!(heard.contains(&push) && heard.contains(":2\r\n"), "{heard}");
    assert_eq!(stage.say(&[&offer("kiwi", 2, false)]), ":1\r\n", "once for each time that it was read");
    stage.store.set_full(0, true);
    assert!(stage.say(&[&offer("kiwi", 3, false)]).starts_with("-OOM "));
}

#[test]
fn a_key_with_something_else_concerns_its_client_alone() {
    let stage = Stage::new(Duration::ZERO);
    stage.store.make_foreign(b"kiwi", 0);
    let said = stage.say(&[&offer("kiwi", 1, true), "GET {proxyherd:0}:kiwi", &offer("moa", 1, true)]);
    assert!(said.starts_with("-NOTOURS ") && said.contains("-WRONGTYPE ") && said.ends_with(":2\r\n"), "{said}");
    assert_eq!(lines_of(&stage.store, "kiwi"), None);
}

#[test]
fn what_has_expired_is_gone_and_those_who_have_read_it_hear_of_that() {
    let stage = Stage::new(Duration::ZERO);
    let now = shard::milliseconds(stage.store.host(0).clock());
    let value = |time: u32| format!("{time:022}_AT_A_+1_kiwi_+1+1_{time}");
    let key = "{proxyherd:0}:kiwi";
    let get = format!("GET {key}");
    assert!(stage.say(&[&offer_of("kiwi", &value(5), now + 2500, false), &get]).contains("_kiwi_"));
    assert!(lines_of(&stage.store, "kiwi").is_some());
    stage.world.run_for(2 * SECOND);
    assert_eq!(lines_of(&stage.store, "kiwi"), None);
    let heard = stage.say(&[&get]);
    assert!(heard.contains("invalidate") && heard.contains("_\r\n"), "{heard}");
    let said = stage.say(&[&offer_of("kiwi", &value(3), now + 90_000, false)]);
    assert!(said.starts_with(":2\r\n"), "an older one is news again: {said}");
    assert_eq!(stage.say(&[&offer_of("kiwi", &value(4), now, false)]), ":1\r\n");
    assert_eq!(stage.say(&[&get]), "_\r\n", "what has expired already takes the place of what is there");
}

/// Two shards; bucket 0 is in the first one.
fn cluster() -> Stage {
    let stage = Stage::with(|world| SimulatedStore::cluster(world, 1, Duration::ZERO, 2, 1));
    for host in ["store-1a", "store-2a"] {
        assert_eq!(stage.say_to(host, &["FUNCTION LOAD x"]), "$9\r\nproxyherd\r\n");
    }
    stage
}

#[test]
fn a_server_of_a_cluster_says_where_a_key_is() {
    let stage = cluster();
    let (get, slot) = ("GET {proxyherd:0}:kiwi", reactor::resp::slot_of(b"{proxyherd:0}"));
    let moved = format!("-MOVED {slot} store-1a:6379\r\n");
    for host in ["store-1b", "store-2a", "store-2b"] {
        assert_eq!(stage.say_to(host, &[get]), moved, "{host}");
    }
    assert_eq!(stage.say_to("store-1a", &[get]), "_\r\n");
    assert_eq!(
        stage.say_to("store-2b", &["CLUSTER SLOTS"]),
        "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$8\r\nstore-1a\r\n:6379\r\n"
    );
    assert!(stage.say_to("store-1b", &["FUNCTION LOAD x"]).starts_with("-READONLY "));
    // The primary dies: its shard is silent until the replica has its place.
    stage.say_to("store-1a", &[&offer("kiwi", 1, false)]);
    stage.store.kill(0, 0);
    stage.world.run_for(SECOND);
    assert_eq!(stage.say_to("store-1b", &[get]), moved);
    stage.store.take_over(0);
    stage.world.run_for(SECOND);
    assert!(stage.say_to("store-1b", &[get]).contains("_kiwi_"));
    assert!(stage.say_to("store-1a", &[get]).starts_with("-MOVED ") && stage.store.host(0).name() == "store-1b");
}

#[test]
fn keys_that_move_are_found_where_they_are() {
    let stage = cluster();
    for client in ["kea", "kiwi"] {
        stage.say_to("store-1a", &[&offer(client, 1, false)]);
    }
    let get = |client: &str| format!("GET {{proxyherd:0}}:{client}");
    assert!(stage.say_to("store-1a", &[&get("kea")]).contains("_kea_"));
    stage.store.begin_move(0);
    stage.store.move_half();
    stage.world.run_for(SECOND);
    assert!(stage.heard.take().contains("invalidate"), "for who has read it there, it is gone");
    assert!(stage.say_to("store-1a", &[&get("kea")]).starts_with("-ASK "));
    assert!(stage.say_to("store-2a", &["ASKING", &get("kea")]).contains("_kea_"));
    assert!(stage.say_to("store-2a", &[&get("kea")]).starts_with("-MOVED "), "not without ASKING");
    assert!(stage.say_to("store-1a", &[&offer("kea", 2, false)]).starts_with("-TRYAGAIN "));
    assert_eq!(stage.say_to("store-1a", &[&offer("kiwi", 2, false)]), ":1\r\n", "what is still there is taken");
    stage.store.end_move();
    stage.world.run_for(SECOND);
    assert!(stage.say_to("store-1a", &[&get("kiwi")]).starts_with("-MOVED "));
    let said = stage.say_to("store-2a", &[&offer("kea", 2, false), &offer("kiwi", 2, false)]);
    assert!(said.starts_with(":1\r\n:0\r\n"), "{said}");
    // Nobody in the first shard has it any more, and all servers of the second one have.
    let had: Vec<usize> = stage.store.ever_had(b"kiwi").iter().map(|(_, nodes)| nodes.len()).collect();
    assert_eq!((had, stage.store.written_for(b"kiwi").len()), (vec![1 + REPLICAS], 1));
}
