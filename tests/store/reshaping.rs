//! A cluster that changes its shape: slots that move, servers that leave it or are empty.

use super::redis::start_cluster;
use super::*;
use reactor::resp::slot_of;

fn iamat(client: &str) -> String {
    format!("IAMAT {client} +34.068930-118.445127 1400794640")
}

fn bucket_of(client: &str) -> u16 {
    proxyherd::store::contract::bucket_of(client.as_bytes(), 16)
}

/// The slot of a client's key.
fn slot_of_client(client: &str) -> u16 {
    slot_of(format!("{{proxyherd:{}}}:{client}", bucket_of(client)).as_bytes())
}

/// Clients of all buckets, the first two of one bucket.
fn clients() -> Vec<String> {
    let names = || (0..).map(|number| format!("c{number}"));
    let one_of = |bucket: u16| names().find(|name| bucket_of(name) == bucket).expect("names do not end");
    let second = names().filter(|name| bucket_of(name) == 0).nth(1).expect("names do not end");
    [one_of(0), second].into_iter().chain((1..16).map(one_of)).collect()
}

/// Starts a server beside the cluster, and waits until each primary has our functions.
fn started(harness: &Harness, nodes: &[Redis]) -> Herder {
    let here = Herder::start(harness, "Alford", &nodes.iter().collect::<Vec<_>>(), |_| ());
    Pace::new(harness)
        .until("each primary has our functions", || nodes[..3].iter().all(has_functions) && here.store().is_connected);
    here
}

fn has_functions(node: &Redis) -> bool {
    node.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1"
}

/// Reports. The answer may take as long as `timeout`.
#[track_caller]
fn report(pace: &Pace<'_>, at: &Herder, client: &str) -> String {
    let mut connection = pace.harness.connect(at.address);
    connection.send(iamat(client) + "\n");
    pace.until("it is answered", || connection.has_line());
    connection.line()
}

#[test]
fn a_slot_that_moves_loses_its_bucket_alone_until_it_has_moved() {
    let Some(nodes) = start_cluster() else { return };
    let harness = Harness::new();
    let here = started(&harness, &nodes);
    let (pace, clients) = (Pace::new(&harness), clients());
    assert!(report(&pace, &here, &clients[0]).starts_with("AT ") && here.table_len() == 0);
    let slot = slot_of_client(&clients[0]).to_string();
    let id = |at: usize| nodes[at].ask(&["CLUSTER", "MYID"]).trim().to_owned();
    let keys = |at: usize| nodes[at].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "9"]);
    let from = (0..3).find(|at| !keys(*at).trim().is_empty() && !keys(*at).contains("MOVED")).unwrap();
    let to = (from + 1) % 3;
    nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    nodes[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    // A new client of the slot: the server has one of its keys, the other one may be elsewhere.
    for client in &clients[1..] {
        assert!(report(&pace, &here, client).starts_with("AT "), "{client}");
    }
    assert_eq!((here.store().lost, here.store().owed), (1, 1), "{:?}", here.store().trouble);
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.contains("TRYAGAIN"), "{why}");
    let there = format!("127.0.0.1 {}", nodes[to].port);
    let (host, port) = there.split_once(' ').unwrap();
    for key in keys(from).lines() {
        assert_eq!(nodes[from].ask(&["MIGRATE", host, port, key, "0", "5000"]).trim(), "OK");
    }
    [to, from].into_iter().for_each(|at| drop(nodes[at].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)])));
    pace.until("the bucket is there again", || here.store().lost == 0 && here.store().owed == 0);
    assert_eq!(here.table_len(), 0);
}

#[test]
fn functions_are_loaded_on_each_primary_that_answers_whatever_the_others_do() {
    let Some(mut nodes) = start_cluster() else { return };
    let harness = Harness::new();
    for node in &nodes {
        node.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let here = started(&harness, &nodes);
    // One primary and its replica are gone for good; another one has lost the functions. Which one comes first on the
    // map does not matter.
    let primary = format!("master_port:{}", nodes[0].port);
    let replica = (3..6).find(|at| nodes[*at].ask(&["INFO", "replication"]).contains(&primary)).unwrap();
    [replica, 0].into_iter().for_each(|gone| nodes[gone].kill());
    let pace = Pace::new(&harness);
    pace.until("its part is lost", || here.store().lost > 0 && !here.store().is_connected);
    let part = here.store().lost;
    assert!(part < 16);
    for node in [1, 2] {
        nodes[node].ask(&["FUNCTION", "FLUSH"]);
    }
    for client in clients() {
        assert!(report(&pace, &here, &client).starts_with("AT "));
    }
    pace.until("the other primaries have them again", || [1, 2].iter().all(|node| has_functions(&nodes[*node])));
    pace.until("only its part is lost", || here.store().lost == part);
}

#[test]
fn a_store_can_be_used_again_while_the_server_with_the_number_of_buckets_is_away() {
    let Some(mut nodes) = start_cluster() else { return };
    let harness = Harness::new();
    for node in &nodes {
        node.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let here = started(&harness, &nodes);
    let pace = Pace::new(&harness);
    // `redis-cli --cluster create` has given each a third of the slots, in order.
    let owner = usize::from((slot_of(b"{proxyherd}buckets") / 5461).min(2));
    let other = (owner + 1) % 3;
    pace.until("the number is there", || nodes[owner].ask(&["GET", "{proxyherd}buckets"]).trim() == "16");
    let foreign = "#!lua name=proxyherd\nredis.register_function('foreign', function() return 1 end)";
    nodes[other].ask(&["FUNCTION", "LOAD", "REPLACE", foreign]);
    for client in clients() {
        assert!(report(&pace, &here, &client).starts_with("AT "), "by flood");
    }
    let is_barred = || here.store().trouble.is_some_and(|(_, why)| why.contains("a library of our name"));
    pace.until("nothing of it is used", || is_barred() && here.store().lost == 16);
    let primary = format!("master_port:{}", nodes[owner].port);
    let replica = (3..6).find(|at| nodes[*at].ask(&["INFO", "replication"]).contains(&primary)).unwrap();
    [replica, owner].into_iter().for_each(|gone| nodes[gone].kill());
    pace.until("it is missed", || !here.store().is_connected);
    nodes[other].ask(&["FUNCTION", "DELETE", "proxyherd"]);
    pace.until("the others are used again", || (1..16).contains(&here.store().lost));
}

#[test]
fn a_server_that_has_no_bucket_is_not_missed_and_the_one_in_its_place_is_found() {
    let Some(mut nodes) = start_cluster() else { return };
    let harness = Harness::new();
    // One bucket: at least one of the primaries has no key of ours. Nobody reports, so no command is redirected.
    let here = Herder::start(&harness, "Alford", &nodes.iter().collect::<Vec<_>>(), |store| store.buckets = 1);
    let pace = Pace::new(&harness);
    pace.until("each primary has our functions", || nodes[..3].iter().all(has_functions) && here.store().is_connected);
    // `redis-cli --cluster create` has given each a third of the slots, in order.
    let owners = ["{proxyherd}buckets", "{proxyherd:0}places"].map(|key| (slot_of(key.as_bytes()) / 5461).min(2));
    let bare = (0..3).find(|at| !owners.contains(&(*at as u16))).unwrap();
    let primary = format!("master_port:{}", nodes[bare].port);
    let replica = (3..6).find(|at| nodes[*at].ask(&["INFO", "replication"]).contains(&primary)).unwrap();
    nodes[bare].kill();
    pace.until("its replica is asked in its place", || nodes[replica].ask(&["CLIENT", "LIST"]).contains("=proxyherd-"));
    assert!(here.store().is_connected && here.store().lost == 0, "{:?}", here.store());
    assert_eq!(here.store().trouble, None);
}
