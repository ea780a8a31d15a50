//! Three primaries and three replicas: redirects while a slot moves, a primary that is killed, a function that is
//! loaded on each.

use super::server::start_cluster;
use super::wait::wait;
use super::*;
use reactor::resp::{Cluster, ClusterSettings, Command, CommandStage, Invalidation, Tracking, slot_of};

/// The servers of a cluster; the first three were its primaries at first.
struct Nodes {
    servers: Vec<Server>,
    clients: Vec<Client>,
}

impl Nodes {
    /// `None` if there is no `redis-server`.
    fn start(reactor: &Reactor) -> Option<Nodes> {
        let servers = start_cluster()?;
        let clients: Vec<Client> = servers.iter().map(|server| client(reactor, server)).collect();
        for client in &clients {
            wait(reactor, client.when_connected()).unwrap();
        }
        let nodes = Nodes { servers, clients };
        Some(nodes)
    }

    fn cluster(&self, reactor: &Reactor) -> Cluster {
        let mut settings = ClusterSettings::default();
        settings.client = super::settings(|settings| settings.command_timeout = Duration::from_secs(8));
        let seeds = self.servers.iter().map(|server| ("127.0.0.1", server.port));
        let cluster = Cluster::new(reactor, seeds).with_settings(settings);
        cluster.start();
        cluster
    }

    fn at(&self, cluster: &Cluster, slot: u16) -> usize {
        let port = cluster.client_of_slot(slot).expect("it has a server").destination().port();
        self.servers.iter().position(|server| server.port == port).expect("one of ours")
    }
}

fn set(cluster: &Cluster, key: &str, value: &str) -> Deferred<Value> {
    cluster.command(Command::new("SET").key(key.to_owned()).arg(value.to_owned()))
}

fn get(cluster: &Cluster, key: &str) -> Deferred<Value> {
    cluster.command(Command::new("GET").key(key.to_owned()))
}

#[test]
fn a_cluster_from_its_map_to_a_new_primary() {
    let reactor = Reactor::new().unwrap();
    let Some(mut nodes) = Nodes::start(&reactor) else { return };
    let cluster = nodes.cluster(&reactor);
    wait(&reactor, cluster.when_ready()).unwrap();
    assert_eq!(cluster.primaries().len(), 3);
    every_key_is_found(&reactor, &cluster);
    a_function_is_loaded_on_each(&reactor, &cluster);
    invalidations_come_from_all(&reactor, &nodes);
    a_slot_moves(&reactor, &nodes, &cluster);
    a_primary_is_killed(&reactor, &mut nodes, &cluster);
    wait(&reactor, cluster.stop()).unwrap();
}

fn every_key_is_found(reactor: &Reactor, cluster: &Cluster) {
    let keys: Vec<String> = (0..300).map(|number| format!("key:{number}")).collect();
    let all: Vec<Deferred<Value>> = keys.iter().map(|key| set(cluster, key, key)).collect();
    for written in all {
        assert_eq!(show(reactor, written), "OK");
    }
    let all: Vec<Deferred<Value>> = keys.iter().map(|key| get(cluster, key)).collect();
    for (read, key) in all.into_iter().zip(&keys) {
        assert_eq!(wait(reactor, read).unwrap().as_str(), Some(key.as_str()));
    }
    for key in &keys {
        let said = wait(reactor, cluster.command(Command::new("CLUSTER").arg("KEYSLOT").key(key))).unwrap();
        assert_eq!(said.as_integer(), Some(slot_of(key.as_bytes()).into()));
    }
    let transaction = [Command::from(["MULTI"]), Command::new("INCR").key("{t}n"), Command::from(["EXEC"])];
    let replies = wait(reactor, cluster.batch(transaction)).unwrap();
    assert_eq!(format!("{replies:?}"), "[OK, QUEUED, [1]]");
    let confirmed = [Command::new("SET").key("{t}x").arg("1"), Command::new("WAIT").arg(1).arg(5000)];
    let replies = wait(reactor, cluster.batch(confirmed)).unwrap();
    assert_eq!(format!("{replies:?}"), "[OK, 1]");
}

fn a_function_is_loaded_on_each(reactor: &Reactor, cluster: &Cluster) {
    let library = "#!lua name=l\nredis.register_function('twice', function(keys, args) \
                   return redis.call('APPEND', keys[1], args[1] .. args[1]) end)";
    let loaded = wait(reactor, cluster.on_every_primary(["FUNCTION", "LOAD", library])).unwrap();
    assert_eq!(loaded.iter().filter(|(_, result)| result.is_ok()).count(), 3);
    for key in ["f1", "f2", "f3", "f4", "f5"] {
        let called = cluster.command(Command::new("FCALL").arg("twice").arg(1).key(key).arg("ab"));
        assert_eq!(show(reactor, called), "4");
    }
}

fn invalidations_come_from_all(reactor: &Reactor, nodes: &Nodes) {
    let heard = Heard::default();
    let note = heard.clone();
    let seeds = nodes.servers.iter().map(|server| ("127.0.0.1", server.port));
    let reader = Cluster::new(reactor, seeds).with_tracking(Tracking::of_keys_read(), move |what| match what {
        Invalidation::Key(key) => note.note(key.escape_ascii().to_string()),
        Invalidation::Everything => note.note("everything"),
    });
    reader.start();
    let writer = nodes.cluster(reactor);
    let keys = ["i1", "i2", "i3", "i4"];
    for key in keys {
        wait(reactor, get(&reader, key)).unwrap();
    }
    let before = heard.all().len();
    for key in keys {
        wait(reactor, set(&writer, key, "x")).unwrap();
    }
    let mut changed = heard.until(reactor, before + keys.len())[before..].to_vec();
    changed.sort();
    assert_eq!(changed, keys);
}

fn a_slot_moves(reactor: &Reactor, nodes: &Nodes, cluster: &Cluster) {
    let slot = slot_of(b"{moves}");
    let from = nodes.at(cluster, slot);
    let to = (0..3).find(|to| *to != from).expect("another primary");
    let ids: Vec<String> = [from, to]
        .iter()
        .map(|at| wait(reactor, nodes.clients[*at].command(["CLUSTER", "MYID"])).unwrap().as_str().unwrap().to_owned())
        .collect();
    for number in 0..10 {
        wait(reactor, set(cluster, &format!("{{moves}}{number}"), "before")).unwrap();
    }
    let tell = |at: usize, what: &str, id: &str| {
        let told = nodes.clients[at].command(Command::new("CLUSTER").arg("SETSLOT").arg(slot).arg(what).arg(id));
        assert_eq!(show(reactor, told), "OK", "{what}");
    };
    tell(to, "IMPORTING", &ids[0]);
    tell(from, "MIGRATING", &ids[1]);
    let port = nodes.servers[to].port;
    for number in 0..5 {
        let key = format!("{{moves}}{number}");
        let moved = Command::new("MIGRATE").arg("127.0.0.1").arg(port).arg(&key).arg(0).arg(5000);
        assert_eq!(show(reactor, nodes.clients[from].command(moved)), "OK");
    }
    // Half of the keys are there, half are here (ASK); both in one command: TRYAGAIN, until the slot has moved.
    for number in 0..10 {
        assert_eq!(show(reactor, get(cluster, &format!("{{moves}}{number}"))), "\"before\"");
    }
    assert_eq!(nodes.at(cluster, slot), from, "ASK changes no map");
    let both = cluster.command(Command::new("MGET").key("{moves}1").key("{moves}9"));
    let transaction = [Command::from(["MULTI"]), Command::new("GET").key("{moves}1"), Command::from(["EXEC"])];
    let transaction = cluster.batch(transaction);
    assert_eq!(show(reactor, set(cluster, "{moves}0", "during")), "OK");
    assert!(!both.has_fired() && !transaction.has_fired());
    for number in 5..10 {
        let key = format!("{{moves}}{number}");
        let moved = Command::new("MIGRATE").arg("127.0.0.1").arg(port).arg(&key).arg(0).arg(5000);
        assert_eq!(show(reactor, nodes.clients[from].command(moved)), "OK");
    }
    for at in [to, from] {
        tell(at, "NODE", &ids[1]);
    }
    assert_eq!(show(reactor, both), "[\"before\", \"before\"]");
    assert_eq!(format!("{:?}", wait(reactor, transaction).unwrap()), "[OK, QUEUED, [\"before\"]]");
    assert_eq!(show(reactor, get(cluster, "{moves}0")), "\"during\"");
    assert_eq!(nodes.at(cluster, slot), to, "MOVED does");
}

fn a_primary_is_killed(reactor: &Reactor, nodes: &mut Nodes, cluster: &Cluster) {
    let slot = slot_of(b"counter");
    let dead = nodes.at(cluster, slot);
    let increment = || cluster.command(Command::new("INCR").key("counter"));
    assert_eq!(show(reactor, increment()), "1");
    let at_once: Vec<Deferred<Value>> = (0..50).map(|_| increment()).collect();
    nodes.servers[dead].kill();
    let (mut answered, mut in_doubt) = (1, 0);
    let later: Vec<Deferred<Value>> = (0..50).map(|_| increment()).collect();
    for increment in at_once.into_iter().chain(later) {
        match wait(reactor, increment) {
            Ok(_) => answered += 1,
            Err(failure) => {
                let error = failure.check::<CommandError>().expect("a CommandError");
                assert_eq!(error.stage(), CommandStage::Unanswered, "{error}");
                in_doubt += 1;
            }
        }
    }
    // Nothing here waits until the replica has it, so a few answered ones may be lost; none may be made twice.
    let last = wait(reactor, increment()).unwrap().as_integer().unwrap();
    assert!(last <= answered + in_doubt + 1, "{last}, {answered} answered, {in_doubt} in doubt");
    let now = nodes.at(cluster, slot);
    assert!(now != dead && now >= 3, "the replica is the new primary");
}
