use super::*;
use reactor::Transport;

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
        let world = World::new(1);
        let store = SimulatedStore::new(&world, 1, lag);
        let visitor = world.host("visitor", |_| {});
        let stage = Stage { world, store, visitor, heard: Rc::default() };
        assert_eq!(stage.say(&["FUNCTION LOAD x", "FCALL proxyherd_version 0"]), "$9\r\nproxyherd\r\n:1\r\n");
        stage
    }

    /// Says these commands on a new connection. Returns what has been heard since within a second, on all connections.
    fn say(&self, commands: &[&str]) -> String {
        let words = |command: &str| {
            let words: Vec<&str> = command.split(' ').collect();
            let all: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            format!("*{}\r\n{all}", words.len())
        };
        let text: String = commands.iter().map(|command| words(command)).collect();
        let heard = self.heard.clone();
        let build = move |_| Listener(heard.clone(), text.clone().into_bytes());
        crate::herd::ask(&self.visitor.reactor().unwrap(), move |reactor| {
            reactor.connect_tcp((NAME, PORT), build);
        });
        self.world.run_for(SECOND);
        self.heard.take()
    }
}

/// An offer of a line with this time for the client; underscores are its spaces.
fn offer(client: &str, time: u32, must_write: bool) -> String {
    let value = format!("{:022}_AT_A_+1_{client}_+1+1_{time}", time);
    format!("FCALL proxyherd_offer 2 {{proxyherd:0}}:{client} places {value} 0   1 {}", u8::from(must_write))
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
    stage.store.set_replicating(false);
    assert_eq!(stage.say(&[&offer("kiwi", 2, false), "WAIT 1 300", "PING"]), ":1\r\n:0\r\n+PONG\r\n");
    assert_eq!(stage.say(&["WAIT 1 300"]), ":2\r\n", "it asks only for what was written on its connection");
    stage.store.set_replicating(true);
    stage.world.run_for(SECOND);
    let nodes: Vec<usize> = stage.store.ever_had(b"kiwi").iter().map(|(_, nodes)| nodes.len()).collect();
    assert_eq!(nodes, [3, 3]);
}

#[test]
fn a_failover_loses_what_no_replica_has_and_all_servers_together_lose_everything() {
    let stage = Stage::new(Duration::ZERO);
    stage.say(&[&offer("kiwi", 1, false)]);
    stage.store.set_replicating(false);
    stage.say(&[&offer("kiwi", 2, false), &offer("moa", 1, false)]);
    let text = stage.store.fail_over(1);
    assert!(text.contains("lacks 2 writes"), "{text}");
    stage.store.set_replicating(true);
    stage.store.host.restart();
    stage.world.run_for(SECOND);
    assert_eq!(lines_of(&stage.store, "kiwi").unwrap(), "AT_A_+1_kiwi_+1+1_1");
    assert_eq!(lines_of(&stage.store, "moa"), None);
    assert_eq!((stage.store.nodes().len(), stage.say(&["FCALL proxyherd_version 0"])), (1 + REPLICAS, ":1\r\n".into()));
    let alive = stage.store.nodes();
    let had = stage.store.ever_had(b"moa");
    assert!(had.len() == 1 && had[0].1.is_disjoint(&alive), "{had:?}");
    stage.store.fail_over(REPLICAS);
    stage.store.host.restart();
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
    stage.store.set_full(true);
    assert!(stage.say(&[&offer("kiwi", 3, false)]).starts_with("-OOM "));
}
